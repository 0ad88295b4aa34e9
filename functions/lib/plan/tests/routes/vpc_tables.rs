//! VPC route tables that the map declares. Each case names the AWS rule that it stands for.

use crate::rules::{APP, clients};
use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;

const VPC_TABLE: &str = "route_tables:\n  clients:\n    account: main\n    region: ap-northeast-1\n    id: rtb-000000cl\n    next_hops:\n      ec2-tokyo: {kind: vpc_peering, id: pcx-00000ec2}\n      nc2-tokyo: {kind: tgw, id: tgw-000tokyo}\n      nc2-osaka: {kind: tgw, id: tgw-000tokyo}\n";

fn vpc_table_map() -> NetworkMap {
    let vantage = "  clients: {kind: vpc, prefixes: [10.99.1.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-0clients}\nwaves:";
    NetworkMap::parse(&MAP.replace("waves:", vantage).replace("route_tables:\n", VPC_TABLE)).unwrap()
}

/// A VPC table is planned for like any other: from the peering of the source VPC to the transit gateway.
#[test]
fn a_vpc_table_moves_from_peering_to_the_transit_gateway_and_back() {
    let (mut world, map) = (clients(), vpc_table_map());
    for tgw in ["tokyo", "osaka"] {
        world.routes(tgw).remove(&prefix(APP));
    }
    world.route("osaka", "10.99.0.0/16", "peer", RouteOrigin::Static);
    world.vpc_route("clients", "cl", APP, VpcTarget::Peering { id: pcx("ec2") });
    world.vpc_route("ec2", "app", "10.99.0.0/16", VpcTarget::Peering { id: pcx("ec2") });
    let networks = [network("app")].into();
    assert_eq!(current_site(&map, &world.picture, &network("app")), Some(site("ec2-tokyo")));
    for to in ["nc2-tokyo", "nc2-osaka", "ec2-tokyo"] {
        let plan = plan_move(&Move::whole(&networks, &site(to)), &map, &world.picture).unwrap();
        assert_eq!(check(&plan, &world.picture, &map), Ok(()));
        if to == "nc2-tokyo" {
            insta::assert_snapshot!("vpc_table_to_nc2_tokyo", plan_table(&plan));
        }
        world.apply(plan.steps());
        assert_eq!(current_site(&map, &world.picture, &network("app")), Some(site(to)));
    }
}

/// Amazon VPC, "How route priority works": a created route goes before one of a prefix list, and that one before a propagated one. `CreateRoute` puts
/// ours over theirs, and `DeleteRoute` uncovers it.
#[test]
fn a_vpc_route_that_is_not_ours_to_change_lies_under_ours() {
    let (mut world, mut map) = (clients(), vpc_table_map());
    let declared = map.route_tables.get_mut(&TableName::parse("clients").unwrap()).unwrap();
    declared.next_hops.insert(site("ec2-tokyo"), NextHop::Absent { served_by: prefix(APP) });
    for tgw in ["tokyo", "osaka"] {
        world.routes(tgw).remove(&prefix(APP));
    }
    world.route("osaka", "10.99.0.0/16", "peer", RouteOrigin::Static);
    world.vpc_route("ec2", "app", "10.99.0.0/16", VpcTarget::Peering { id: pcx("ec2") });
    let networks = [network("app")].into();
    for origin in [VpcRouteOrigin::PrefixList, VpcRouteOrigin::Propagated] {
        let route = |target| VpcRoute { origin, ..VpcRoute::created(target) };
        let theirs = route(VpcTarget::Peering { id: pcx("ec2") });
        world.vpc_table("clients", "cl").routes.insert(prefix(APP), theirs);
        let before = world.picture.clone();
        let plan = plan_move(&Move::whole(&networks, &site("nc2-tokyo")), &map, &world.picture).unwrap();
        assert_eq!(check(&plan, &world.picture, &map), Ok(()));
        let ours = plan.steps().find(|step| step.table == table("cl")).unwrap();
        assert_eq!((&ours.before, &ours.after), (&RouteValue::Absent, &RouteValue::Tgw { id: tgw("tokyo") }));
        world.apply(plan.steps());
        let undo = plan_undo(&plan, &site("ec2-tokyo"), &map, &world.picture).unwrap();
        assert_eq!(check(&undo, &world.picture, &map), Ok(()));

        // Under ours somebody put one that leads nowhere.
        let gone = VpcRoute { state: RouteState::Blackhole, ..route(VpcTarget::Peering { id: pcx("ec2") }) };
        world.vpc_table("clients", "cl").hidden.insert(prefix(APP), gone);
        let refusal = plan_undo(&plan, &site("ec2-tokyo"), &map, &world.picture).unwrap_err();
        assert!(refusal.to_string().contains("is a blackhole"), "{refusal}");
        world.picture = before;
    }
}

/// NC2 writes its prefixes into its VPC's tables and keeps them; FIS clones tables. Neither is ours.
#[test]
fn a_vpc_route_of_a_service_is_never_touched() {
    let (mut world, map) = (clients(), vpc_table_map());
    world.vpc_route("clients", "cl", APP, VpcTarget::Tgw { id: tgw("tokyo") });
    let route = world.vpc_table("clients", "cl").routes.get_mut(&prefix(APP)).unwrap();
    route.written_by = Some("NC2".to_owned());
    let networks = [network("app")].into();
    let refusal = plan_move(&Move::whole(&networks, &site("ec2-tokyo")), &map, &world.picture).unwrap_err();
    assert!(refusal.to_string().contains("is `written and kept by NC2`"), "{refusal}");
}

/// Amazon VPC, "Route priority": a route more specific than `local` may not lead to a transit gateway.
#[test]
fn a_vpc_route_inside_of_local_is_refused() {
    let table = VPC_TABLE.replace("rtb-000000cl", "rtb-00000app").replace(
        "ec2-tokyo: {kind: vpc_peering, id: pcx-00000ec2}",
        "ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}",
    );
    let map = NetworkMap::parse(&MAP.replace("route_tables:\n", &table)).unwrap();
    let networks = [network("app")].into();
    let refusal = plan_move(&Move::whole(&networks, &site("nc2-tokyo")), &map, &story().picture).unwrap_err();
    insta::assert_snapshot!(refusal.to_string(), @"clients (rtb-00000app) (account `main` in ap-northeast-1) cannot lead 172.30.1.0/24 to tgw-000tokyo: it is inside of vpc-00000ec2's own prefix, and a route more specific than `local` must be one whole subnet's and lead to a network interface");
}

/// A route to an interface that is gone, another VPC's or attached to nothing is refused by EC2 or a blackhole.
#[test]
fn a_vpc_route_to_an_interface_that_takes_nothing_is_refused() {
    let (mut world, mut map) = (clients(), vpc_table_map());
    let firewall = EniId::parse("eni-0000wall").unwrap();
    let declared = map.route_tables.get_mut(&TableName::parse("clients").unwrap()).unwrap();
    declared.next_hops.insert(site("nc2-tokyo"), NextHop::Eni { id: firewall.clone() });
    world.vpc_route("clients", "cl", APP, VpcTarget::Tgw { id: tgw("tokyo") });
    let networks = [network("app")].into();
    let seat = |of, status| Some(EniSeat { vpc: vpc(of), status });
    for (seen, says) in [
        (None, "network interface eni-0000wall"),
        (Some(None), "eni-0000wall, which rtb-000000cl (account `main` in ap-northeast-1) would lead to, is not there"),
        (Some(seat("nctokyo", EniStatus::InUse)), "is of vpc-0nctokyo, not of this table's vpc-0clients"),
        (Some(seat("clients", EniStatus::Available)), "is attached to nothing"),
        (Some(seat("clients", EniStatus::Unknown)), "is in a state that is not known"),
        (Some(seat("clients", EniStatus::InUse)), ""),
    ] {
        world.picture.enis = seen.into_iter().map(|seen| (firewall.clone(), seen)).collect();
        let planned = plan_move(&Move::whole(&networks, &site("nc2-tokyo")), &map, &world.picture);
        let refusal = planned.err().filter(|no| matches!(no, Refusal::Attachment { .. } | Refusal::Unread { .. }));
        let words = refusal.map(|no| no.to_string()).unwrap_or_default();
        assert!(words.contains(says) && words.is_empty() == says.is_empty(), "{words}");
    }
}

/// A route to a transit gateway that the VPC is not attached to is a blackhole.
#[test]
fn a_vpc_route_to_a_foreign_transit_gateway_is_refused() {
    let (world, mut map) = (clients(), vpc_table_map());
    let table = map.route_tables.get_mut(&TableName::parse("clients").unwrap()).unwrap();
    table.next_hops.insert(site("ec2-tokyo"), NextHop::Absent { served_by: prefix("0.0.0.0/0") });
    table.next_hops.insert(site("nc2-osaka"), NextHop::Tgw { id: tgw("osaka") });
    let networks = [network("app")].into();
    let refusal = plan_move(&Move::whole(&networks, &site("nc2-osaka")), &map, &world.picture).unwrap_err();
    assert!(refusal.to_string().contains("tgw-000osaka, which"), "{refusal}");
    assert!(refusal.to_string().contains("is not attached to vpc-0clients"), "{refusal}");
}

/// Amazon VPC Transit Gateways guide, "VPC attachments": resources reach a transit gateway only from Availability Zones in which the attachment has a
/// subnet; traffic to them takes the subnet of another Zone.
#[test]
fn from_a_zone_without_a_subnet_of_the_attachment_nothing_reaches_the_transit_gateway() {
    let (mut world, map) = (clients(), vpc_table_map());
    for (name, inside) in [("clients", "10.99.9.0/24"), ("ec2", "172.30.250.0/28")] {
        let AttachmentKind::Vpc { subnets, .. } = &mut world.attachment(TOKYO, name).kind else { unreachable!() };
        *subnets = vec![subnet("door")];
        let seen = world.picture.vpcs.get_mut(&vpc(name)).unwrap();
        let table = seen.subnets.values().next().unwrap().table.clone();
        seen.subnets.insert(subnet("door"), VpcSubnet { prefix: prefix(inside), table, zone: zone("a") });
    }
    let in_zone = |world: &mut World, of: &str, name: &str, at: Option<ZoneName>| {
        world.picture.vpcs.get_mut(&vpc(of)).unwrap().subnets.get_mut(&subnet(name)).unwrap().zone = at;
    };
    let vantage = |name: &str| &map.vantages[&VantageName::parse(name).unwrap()];
    let forward = |world: &World| trace(&View::of(&world.picture), &map, vantage("clients"), prefix(APP));
    assert_eq!(forward(&world), Outcome::Delivered(site("nc2-tokyo")));
    in_zone(&mut world, "clients", "cl", zone("c"));
    insta::assert_snapshot!(forward(&world), @"dropped: tgw-attach-0clients in ap-northeast-1 has no subnet in Availability Zone zone-c, where subnet-000000cl is, by rtb-000000cl of subnet-000000cl in vpc-0clients");
    in_zone(&mut world, "clients", "cl", None);
    insta::assert_snapshot!(forward(&world), @"unknown: the Availability Zone of subnet-000000cl in vpc-0clients or of the subnets of tgw-attach-0clients was not read");

    // Replies of machines on EC2; those of the other subnet return as before.
    let (networks, to) = ([network("app")].into(), site("ec2-tokyo"));
    let back = |world: &World| plan_move(&Move::whole(&networks, &to), &clients_stay(&map), &world.picture);
    assert!(back(&world).is_ok());
    in_zone(&mut world, "ec2", "other", zone("c"));
    assert!(back(&world).is_ok());
    in_zone(&mut world, "ec2", "app", zone("c"));
    let refusal = back(&world).unwrap_err().to_string();
    assert!(refusal.contains("has no subnet in Availability Zone zone-c, where subnet-00000app is"), "{refusal}");
}

/// A map without the vantage in a VPC and its table.
fn clients_stay(map: &NetworkMap) -> NetworkMap {
    let mut map = map.clone();
    map.vantages.remove(&VantageName::parse("clients").unwrap());
    map.route_tables.remove(&TableName::parse("clients").unwrap());
    map
}
