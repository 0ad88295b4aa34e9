//! The changes that a move needs, worked out from the topology and the simulator's state, and made by EC2's own calls.

use crate::spec::{Client, Spec};
use crate::world::*;
use holdfast_plan::{Place, RouteValue, Step};
use holdfast_sim::World;
use holdfast_sim::ec2::{self, VpcTarget};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A route of a transit gateway route table.
    Route { prefix: String },
    /// A reference to a prefix list.
    Reference { list: String },
    /// A route of a VPC route table.
    VpcRoute { prefix: String },
}

/// A place of a table, and what it is to lead to; nothing where it is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub region: String,
    pub table: String,
    pub what: What,
    pub to: Option<String>,
}

/// What has to change for the networks that are to move.
pub fn changes(spec: &Spec, world: &World) -> Vec<Change> {
    let mut all = BTreeSet::new();
    for (g, t) in spec.all_tables() {
        let to = hop(spec, g, spec.to);
        let table = table(g, t);
        let mut add = |what: What| {
            let change = Change { region: spec.region(g).to_owned(), table: table.clone(), what, to: to.clone() };
            if now(world, &change) != change.to {
                all.insert(change);
            }
        };
        if spec.listed[g] {
            add(What::Reference { list: list(g) });
        }
        for n in spec.moving.iter().filter(|_| !spec.listed[g]) {
            add(What::Route { prefix: network(*n) });
        }
    }
    for (c, client) in spec.clients.iter().enumerate() {
        let Client::Vpc { gateway, peered: true } = client else { continue };
        for n in &spec.moving {
            let what = What::VpcRoute { prefix: network(*n) };
            let to = client_hop(spec, spec.to).map(|()| tgw(*gateway));
            let change = Change { region: spec.region(*gateway).to_owned(), table: client_table(c), what, to };
            if now(world, &change) != change.to {
                all.insert(change);
            }
        }
    }
    all.extend(host_routes(spec, world));
    all.into_iter().collect()
}

/// Host routes of networks that move, which lead as some site of the matrix does: the route of the network replaces them.
fn host_routes(spec: &Spec, world: &World) -> Vec<Change> {
    let hosts = spec.moving.iter().flat_map(|n| (0..=255).map(move |host| format!("{}/32", address(*n, host))));
    let hosts: Vec<String> = hosts.collect();
    let tgw_tables = spec.all_tables().into_iter().map(|(g, t)| {
        let explained: Vec<Option<String>> = (0..spec.sites.len()).map(|s| hop(spec, g, s)).collect();
        (spec.region(g), table(g, t), true, explained)
    });
    let vpc_tables = spec.clients.iter().enumerate().filter_map(|(c, client)| match client {
        Client::Vpc { gateway, peered: true } => {
            let explained = (0..spec.sites.len()).map(|s| client_hop(spec, s).map(|()| tgw(*gateway))).collect();
            Some((spec.region(*gateway), client_table(c), false, explained))
        }
        Client::Vpc { .. } | Client::OnPremises { .. } => None,
    });
    let mut all = Vec::new();
    for (region, table, of_tgw, explained) in tgw_tables.chain(vpc_tables) {
        for prefix in hosts.iter().cloned() {
            let what = if of_tgw { What::Route { prefix } } else { What::VpcRoute { prefix } };
            let change = Change { region: region.to_owned(), table: table.clone(), what, to: None };
            let held = now(world, &change);
            if held.is_some() && explained.contains(&held) {
                all.push(change);
            }
        }
    }
    all
}

/// What the place leads to now.
fn now(world: &World, change: &Change) -> Option<String> {
    let ec2 = &world.ec2;
    match &change.what {
        What::Route { prefix } => ec2.tgw_route_tables[&change.table]
            .routes
            .get(&prefix.parse().unwrap())
            .map(|route| route.attachment.clone().unwrap_or_else(|| "blackhole".to_owned())),
        What::Reference { list } => ec2.tgw_route_tables[&change.table]
            .prefix_lists
            .get(list)
            .map(|reference| reference.attachment.clone().unwrap_or_else(|| "blackhole".to_owned())),
        What::VpcRoute { prefix } => {
            ec2.route_tables[&change.table].routes.get(&prefix.parse().unwrap()).map(|route| match &route.target {
                VpcTarget::TransitGateway(id)
                | VpcTarget::NetworkInterface(id)
                | VpcTarget::PeeringConnection(id)
                | VpcTarget::Gateway(id)
                | VpcTarget::NatGateway(id) => id.clone(),
                VpcTarget::Local => "local".to_owned(),
            })
        }
    }
}

/// Makes a change as EC2 does.
pub fn apply(world: &mut World, change: &Change) {
    let there = now(world, change).is_some();
    let verb = match (there, &change.to, &change.what) {
        (_, None, _) => "Delete",
        (false, Some(_), _) => "Create",
        (true, Some(_), What::Reference { .. }) => "Modify",
        (true, Some(_), What::Route { .. } | What::VpcRoute { .. }) => "Replace",
    };
    let (noun, of_table, key, place, target) = match &change.what {
        What::Route { prefix } => (
            "TransitGatewayRoute",
            "TransitGatewayRouteTableId",
            "DestinationCidrBlock",
            prefix,
            "TransitGatewayAttachmentId",
        ),
        What::Reference { list } => (
            "TransitGatewayPrefixListReference",
            "TransitGatewayRouteTableId",
            "PrefixListId",
            list,
            "TransitGatewayAttachmentId",
        ),
        What::VpcRoute { prefix } => ("Route", "RouteTableId", "DestinationCidrBlock", prefix, "TransitGatewayId"),
    };
    let mut parameters = vec![(of_table, change.table.as_str()), (key, place.as_str())];
    parameters.extend(change.to.as_deref().map(|to| (target, to)));
    let at = jiff::Timestamp::UNIX_EPOCH;
    let done = ec2::call(world, ACCOUNT, &change.region, &format!("{verb}{noun}"), &parameters, at);
    done.unwrap_or_else(|error| panic!("{change:?}: {error:?}"));
}

/// A step of a plan as such a change.
pub fn of_step(step: &Step) -> Change {
    let what = match &step.place {
        Place::Route { prefix } if step.table.is_tgw() => What::Route { prefix: prefix.to_string() },
        Place::Route { prefix } => What::VpcRoute { prefix: prefix.to_string() },
        Place::Reference { list, .. } => What::Reference { list: list.to_string() },
        Place::Propagation { .. } => panic!("no world declares a propagation: {step}"),
    };
    let to = match &step.after {
        RouteValue::Absent => None,
        RouteValue::Static { attachment } => Some(attachment.to_string()),
        RouteValue::Tgw { id } => Some(id.to_string()),
        RouteValue::Blackhole | RouteValue::VpcPeering { .. } | RouteValue::Eni { .. } | RouteValue::Propagates => {
            panic!("no world wants this: {step}")
        }
    };
    Change { region: step.scope.region.to_string(), table: step.table.to_string(), what, to }
}
