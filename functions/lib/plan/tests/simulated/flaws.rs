//! What goes wrong in a world: leftovers, routes that are gone, dead attachments. Done to the simulator's state, as a person would by hand.

use crate::dice::Dice;
use crate::spec::{Client, Kind, Spec};
use crate::world::*;
use holdfast_sim::World;
use holdfast_sim::ec2;

/// Parts of a network that a leftover may be for, and prefixes around it.
const ENDS: [&str; 6] = ["128/25", "192/26", "34/32", "0/26", "0/24", "200/32"];

fn some_prefix(dice: &mut Dice, spec: &Spec) -> String {
    match dice.below(8) {
        0 => COVERING.to_owned(),
        1 => "172.30.0.0/22".to_owned(),
        2 => {
            let client = dice.below(spec.clients.len());
            client_prefix(spec, client)
        }
        3 => {
            let client = dice.below(spec.clients.len());
            format!("{}/32", client_address(spec, client))
        }
        _ => format!("172.30.{}.{}", dice.below(spec.at.len()), dice.pick(&ENDS)),
    }
}

/// Any attachment of a gateway, or nothing for a blackhole.
fn some_target(dice: &mut Dice, world: &World, gateway: usize) -> Option<String> {
    let own = tgw(gateway);
    let all = world.ec2.attachments.iter().filter(|(_, at)| at.sides().iter().any(|(tgw, _)| *tgw == own));
    let all: Vec<&String> = all.map(|(id, _)| id).collect();
    if all.is_empty() || dice.one_in(6) { None } else { Some((*dice.pick(&all)).clone()) }
}

pub fn spoil(dice: &mut Dice, spec: &Spec, world: &mut World) {
    let tables = spec.all_tables();
    match dice.below(15) {
        0..=4 => {
            let (g, t) = *dice.pick(&tables);
            let (prefix, target) = (some_prefix(dice, spec), some_target(dice, world, g));
            put(world, &table(g, t), &prefix, target);
        }
        5 => {
            let (g, t) = *dice.pick(&tables);
            let routes = &mut world.ec2.tgw_route_tables.get_mut(&table(g, t)).unwrap().routes;
            if let Some(prefix) = routes.keys().nth(dice.below(routes.len().max(1))).copied() {
                routes.remove(&prefix);
            }
        }
        6 => {
            let (g, t) = *dice.pick(&tables);
            let on = &mut world.ec2.tgw_route_tables.get_mut(&table(g, t)).unwrap().propagations;
            if let Some(id) = on.keys().nth(dice.below(on.len().max(1))).cloned() {
                on.remove(&id);
            }
        }
        7 => {
            let (g, t) = *dice.pick(&tables);
            let target = some_target(dice, world, g);
            refer(world, &table(g, t), &list(g), target);
        }
        8 => gone(dice, world),
        9 => {
            let (g, t) = *dice.pick(&tables);
            let on = &mut world.ec2.tgw_route_tables.get_mut(&table(g, t)).unwrap().associations;
            if let Some(id) = on.keys().nth(dice.below(on.len().max(1))).cloned() {
                on.remove(&id);
            }
        }
        10 => flow_missing(dice, spec, world),
        11 => client_routes(dice, spec, world),
        12 => replies_leave(dice, spec, world),
        13 => another_zone(dice, spec, world),
        _ => moved_alone(dice, spec, world),
    }
}

/// An attachment is deleted: its associations and propagations go with it, routes to it stay as blackholes.
fn gone(dice: &mut Dice, world: &mut World) {
    let ids: Vec<String> = world.ec2.attachments.keys().cloned().collect();
    let id = dice.pick(&ids);
    world.ec2.attachments.get_mut(id).unwrap().state = ec2::Progress::Deleted;
    for table in world.ec2.tgw_route_tables.values_mut() {
        table.associations.remove(id);
        table.propagations.remove(id);
    }
}

/// One table of an NC2 VPC does not lead a network, or a part of it, to Flow.
fn flow_missing(dice: &mut Dice, spec: &Spec, world: &mut World) {
    let nc2: Vec<usize> = (0..spec.sites.len()).filter(|s| spec.sites[*s].kind == Kind::Nc2).collect();
    if nc2.is_empty() {
        return;
    }
    let s = *dice.pick(&nc2);
    let k = dice.below(spec.sites[s].subnets);
    let n = dice.below(spec.at.len());
    if dice.one_in(2) {
        let routes = &mut world.ec2.route_tables.get_mut(&site_table(s, k)).unwrap().routes;
        routes.remove(&network(n).parse().unwrap());
    } else {
        let target = ec2::VpcTarget::TransitGateway(tgw(spec.sites[s].gateway));
        vpc_put(world, &site_table(s, k), &format!("172.30.{n}.{}", dice.pick(&ENDS)), target);
    }
}

/// The table of clients in a VPC has a route of its own for a network: to the internet gateway, or to the transit gateway.
fn client_routes(dice: &mut Dice, spec: &Spec, world: &mut World) {
    let vpcs = spec.clients.iter().enumerate().filter_map(|(c, client)| match client {
        Client::Vpc { gateway, .. } => Some((c, *gateway)),
        Client::OnPremises { .. } | Client::Inside { .. } => None,
    });
    let vpcs: Vec<(usize, usize)> = vpcs.collect();
    if vpcs.is_empty() {
        return;
    }
    let (c, g) = *dice.pick(&vpcs);
    let prefix = format!("172.30.{}.{}", dice.below(spec.at.len()), dice.pick(&ENDS));
    let target = match dice.below(3) {
        0 => ec2::VpcTarget::TransitGateway(tgw(g)),
        1 if peered(spec, c) => ec2::VpcTarget::PeeringConnection(pcx(c)),
        _ => internet(world, &format!("vpc-000c000{c}")),
    };
    vpc_put(world, &client_table(c), &prefix, target);
}

fn internet(world: &mut World, vpc: &str) -> ec2::VpcTarget {
    let id = vpc.replace("vpc-", "igw-");
    world.ec2.gateways.insert(id.clone(), vpc.to_owned());
    ec2::VpcTarget::Gateway(id)
}

/// Every table of a site's VPC sends replies to a client another way.
fn replies_leave(dice: &mut Dice, spec: &Spec, world: &mut World) {
    let s = dice.below(spec.sites.len());
    let prefix = client_prefix(spec, dice.below(spec.clients.len()));
    let target = internet(world, &format!("vpc-000a000{s}"));
    // Clients inside of the VPC have a table of their own, from where hosts would reply too.
    let inside = (0..spec.clients.len()).find(|c| matches!(spec.clients[*c], Client::Inside { site } if site == s));
    let drop = dice.one_in(2) && inside.is_none();
    for table in (0..spec.sites[s].subnets).map(|k| site_table(s, k)).chain(inside.map(client_table)) {
        if drop {
            let routes = &mut world.ec2.route_tables.get_mut(&table).unwrap().routes;
            routes.remove(&"0.0.0.0/0".parse().unwrap());
        } else {
            vpc_put(world, &table, &prefix, target.clone());
        }
    }
}

/// A subnet of clients or of machines on EC2 is in an Availability Zone in which the attachment of its VPC has none.
fn another_zone(dice: &mut Dice, spec: &Spec, world: &mut World) {
    let clients = (0..spec.clients.len()).map(|c| match spec.clients[c] {
        Client::Inside { site } => format!("s{site}-tools"),
        Client::Vpc { .. } | Client::OnPremises { .. } => format!("c{c}-a"),
    });
    let ec2 = (0..spec.sites.len()).filter(|s| spec.sites[*s].kind == Kind::Ec2);
    let names = ec2.flat_map(|s| (0..spec.at.len()).map(move |n| format!("s{s}-net{n}"))).chain(clients);
    let names: Vec<String> = names.collect();
    let name = dice.pick(&names);
    let subnets = world.ec2.subnets.values_mut();
    for subnet in subnets.filter(|subnet| subnet.tags.get("Name") == Some(name)) {
        subnet.zone = format!("{}d", subnet.home.region);
    }
}

/// One table leads a network to another site than the others do.
fn moved_alone(dice: &mut Dice, spec: &Spec, world: &mut World) {
    let (g, t) = *dice.pick(&spec.all_tables());
    let (n, s) = (dice.below(spec.at.len()), dice.below(spec.sites.len()));
    match hop(spec, g, s) {
        Some(to) => put(world, &table(g, t), &network(n), carries(to)),
        None => {
            let routes = &mut world.ec2.tgw_route_tables.get_mut(&table(g, t)).unwrap().routes;
            routes.remove(&network(n).parse().unwrap());
        }
    }
}
