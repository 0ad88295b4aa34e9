//! Routing rules of AWS, one case each, as the walk sees them.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use std::collections::BTreeMap;

fn vantage(map: &NetworkMap, name: &str) -> Vantage {
    map.vantages[&VantageName::parse(name).unwrap()].clone()
}

fn outcome(world: &World, map: &NetworkMap, from: &str, to: &str) -> Outcome {
    trace(&View::of(&world.picture), map, &vantage(map, from), prefix(to))
}

fn reply(world: &World, map: &NetworkMap, from: &str, at: &str, to: &str) -> Reply {
    let (network, site) = (network("app"), site(at));
    let source = Source { network: &network, site: &site, part: prefix("172.30.1.0/24") };
    trace_reply(&View::of(&world.picture), map, &vantage(map, from), source, prefix(to))
}

fn at_tokyo() -> World {
    let mut world = story();
    world.route("tokyo", "172.30.1.0/24", "nctokyo", RouteOrigin::Static);
    world.route("osaka", "172.30.1.0/24", "peer", RouteOrigin::Static);
    world
}

fn delivered(at: &str) -> Outcome {
    Outcome::Delivered(site(at))
}

pub const APP: &str = "172.30.1.0/24";

/// AWS, "How transit gateways work": the most specific route wins, whatever its origin.
#[test]
fn the_longest_prefix_wins_over_the_origin() {
    let mut world = at_tokyo();
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", APP), delivered("nc2-tokyo"));
    world.route("tokyo", "172.30.1.128/25", "ec2", RouteOrigin::Propagated);
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", "172.30.1.128/25"), delivered("ec2-tokyo"));
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", APP), delivered("nc2-tokyo"));
}

/// AWS, "How transit gateways work": for the same CIDR, static routes go before prefix-list routes.
#[test]
fn a_static_route_beats_a_reference() {
    let mut world = story();
    world.list("nets", TOKYO, &[APP]);
    world.refer("tokyo", "nets", "ec2");
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", APP), delivered("ec2-tokyo"));
    world.route("tokyo", APP, "nctokyo", RouteOrigin::Static);
    settle(&mut world.picture, &rtb("tokyo"));
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", APP), delivered("nc2-tokyo"));
}

/// AWS, "How transit gateways work": for the same CIDR, prefix-list routes go before propagated routes.
#[test]
fn a_reference_beats_a_propagated_route() {
    let mut world = story();
    world.picture.vpcs.get_mut(&vpc("ec2")).unwrap().prefixes.push(prefix(APP));
    settle(&mut world.picture, &rtb("tokyo"));
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", APP), delivered("ec2-tokyo"));
    world.list("nets", TOKYO, &[APP]);
    world.refer("tokyo", "nets", "nctokyo");
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", APP), delivered("nc2-tokyo"));
}

fn step(place: Place, before: RouteValue, after: RouteValue) -> Step {
    Step {
        table: rtb("tokyo"),
        name: TableName::parse("tokyo").unwrap(),
        tag: None,
        scope: scope(TOKYO),
        networks: [network("app")].into(),
        place,
        before,
        after,
        why: String::new(),
    }
}

fn to(name: &str) -> RouteValue {
    RouteValue::Static { attachment: attachment(name) }
}

/// What a picture after a step says is what EC2 would then tell: for every place and everything underneath.
#[test]
fn a_step_on_paper_is_what_the_tables_hold_after_it() {
    let mut world = story();
    world.picture.vpcs.get_mut(&vpc("ec2")).unwrap().prefixes.push(prefix(APP));
    settle(&mut world.picture, &rtb("tokyo"));
    world.list("nets", TOKYO, &[APP]);
    let list = Place::Reference { list: pl("nets"), prefixes: [prefix(APP)].into() };
    let route = Place::Route { prefix: prefix(APP) };
    let propagation = Place::Propagation { attachment: attachment("ec2") };
    let steps = [
        step(list.clone(), RouteValue::Absent, to("peer")),
        step(route.clone(), RouteValue::Absent, to("nctokyo")),
        step(list.clone(), to("peer"), RouteValue::Blackhole),
        step(route.clone(), to("nctokyo"), RouteValue::Absent),
        step(propagation.clone(), RouteValue::Propagates, RouteValue::Absent),
        step(list, RouteValue::Blackhole, RouteValue::Absent),
        step(propagation, RouteValue::Absent, RouteValue::Propagates),
        step(route, RouteValue::Absent, RouteValue::Blackhole),
    ];
    for step in &steps {
        assert_eq!(value_at(&world.picture, &step.table, &step.place), Ok(step.before.clone()), "{step}");
        let view = View::after(&world.picture, [step]);
        let on_paper = trace(&view, &map(), &vantage(&map(), "onprem-tokyo"), prefix(APP));
        let mut after = world.picture.clone();
        apply(&mut after, [step]);
        let real = trace(&View::of(&after), &map(), &vantage(&map(), "onprem-tokyo"), prefix(APP));
        assert_eq!(on_paper, real, "{step}");
        world.picture = after;
    }
}

/// AWS, "Transit gateway route tables": a blackhole route drops what matches it.
#[test]
fn a_blackhole_route_drops() {
    let mut world = at_tokyo();
    let route = world.routes("tokyo").get_mut(&prefix(APP)).unwrap();
    (route.state, route.targets) = (RouteState::Blackhole, Vec::new());
    assert!(matches!(outcome(&world, &map(), "onprem-tokyo", APP), Outcome::Blackhole(_)));
}

/// AWS, "Peering attachments": routes over a peering are static; on the far side the table of the peering attachment decides.
#[test]
fn a_peering_is_decided_on_by_its_own_table_on_the_far_side() {
    let mut world = at_tokyo();
    assert_eq!(outcome(&world, &map(), "onprem-osaka", APP), delivered("nc2-tokyo"));
    world.tgw("other", TOKYO);
    let table = world.picture.tgw_tables.get_mut(&rtb("other")).unwrap();
    table.tgw = tgw("tokyo");
    world.attachment(TOKYO, "peer").association = Some(rtb("other"));
    assert!(matches!(outcome(&world, &map(), "onprem-osaka", APP), Outcome::Blackhole(_)));
    world.route("other", APP, "ec2", RouteOrigin::Static);
    assert_eq!(outcome(&world, &map(), "onprem-osaka", APP), delivered("ec2-tokyo"));
}

/// AWS: two tables that lead to each other over a peering loop until the TTL ends.
#[test]
fn tables_that_lead_to_each_other_loop() {
    let mut world = at_tokyo();
    world.route("tokyo", APP, "peer", RouteOrigin::Static);
    let Outcome::Loop(path) = outcome(&world, &map(), "onprem-osaka", APP) else { unreachable!("a loop") };
    assert_eq!(path.len(), 3);
}

/// AWS, "VPC attachments": traffic is delivered through the route table of each attachment subnet; the worst counts.
#[test]
fn the_worst_of_the_attachment_subnets_counts() {
    let mut world = at_tokyo();
    world.vpc_table("nctokyo", "ntb").routes.remove(&prefix(APP));
    assert!(matches!(outcome(&world, &map(), "onprem-tokyo", APP), Outcome::Loop(_)));
}

/// AWS, "Route priority" of VPCs: `local` covers the VPC's prefixes unless a more specific route is there.
#[test]
fn local_delivers_inside_of_the_vpc() {
    let world = story();
    assert_eq!(outcome(&world, &map(), "onprem-tokyo", "172.30.9.0/24"), delivered("ec2-tokyo"));
}

fn clients_map() -> NetworkMap {
    let vantage = "  clients: {kind: vpc, prefixes: [10.99.1.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-0clients}\nwaves:";
    NetworkMap::parse(&MAP.replace("waves:", vantage)).unwrap()
}

/// Clients in a VPC of their own, peered with the EC2 VPC and with the NC2 VPC of Tokyo.
pub fn clients() -> World {
    let mut world = at_tokyo();
    world.vpc("clients", "10.99.0.0/16", &[("cl", "10.99.1.0/24")], "tokyo");
    world.route("tokyo", "10.99.0.0/16", "clients", RouteOrigin::Propagated);
    for (name, far) in [("ec2", "ec2"), ("nc", "nctokyo")] {
        let peering = VpcPeering {
            id: pcx(name),
            name: None,
            requester: (vpc("clients"), region(TOKYO)),
            accepter: (vpc(far), region(TOKYO)),
            state: AttachmentState::Available,
        };
        world.picture.vpc_peerings.insert(pcx(name), peering);
    }
    world
}

/// Amazon VPC Peering guide: a peering connection carries traffic between the two VPCs' own prefixes.
#[test]
fn vpc_peering_leads_to_the_other_vpcs_own_prefix() {
    let (mut world, map) = (clients(), clients_map());
    world.vpc_route("clients", "cl", APP, VpcTarget::Peering { id: pcx("ec2") });
    assert_eq!(outcome(&world, &map, "clients", APP), delivered("ec2-tokyo"));
    world.vpc_route("ec2", "app", "10.99.0.0/16", VpcTarget::Peering { id: pcx("ec2") });
    assert_eq!(reply(&world, &map, "clients", "ec2-tokyo", "10.99.1.0/24"), Reply::Returns);
}

/// Amazon VPC Peering guide: a peering connection needs no transit gateway, so clients whose attachment is gone reach over it what they did.
#[test]
fn vpc_peering_carries_clients_whose_attachment_is_gone() {
    let (mut world, map) = (clients(), clients_map());
    world.vpc_route("clients", "cl", APP, VpcTarget::Peering { id: pcx("ec2") });
    world.attachment(TOKYO, "clients").state = AttachmentState::Gone;
    assert_eq!(outcome(&world, &map, "clients", APP), delivered("ec2-tokyo"));
    world.vpc_table("clients", "cl").routes.remove(&prefix(APP));
    world.vpc_table("clients", "cl").routes.get_mut(&prefix("0.0.0.0/0")).unwrap().state = RouteState::Blackhole;
    assert!(matches!(outcome(&world, &map, "clients", APP), Outcome::Blackhole(_)));
}

/// Amazon VPC Peering guide, "VPC peering limitations": an overlay behind an interface of the other VPC is not its own prefix.
#[test]
fn vpc_peering_does_not_lead_into_an_overlay_unless_the_policy_says_so() {
    let (mut world, map) = (clients(), clients_map());
    world.vpc_route("clients", "cl", APP, VpcTarget::Peering { id: pcx("nc") });
    assert!(matches!(outcome(&world, &map, "clients", APP), Outcome::Blackhole(_)));
    world.picture.vpcs.get_mut(&vpc("nctokyo")).unwrap().main = Some(table("nta"));
    assert!(matches!(outcome(&world, &map, "clients", APP), Outcome::Blackhole(_)));
    let mut overlays = map;
    overlays.policy.vpc_peering = PeeringReach::Overlays;
    assert_eq!(outcome(&world, &overlays, "clients", APP), delivered("nc2-tokyo"));
}

/// Amazon VPC Peering guide: peering is not transitive; what came in by the transit gateway does not go on over it.
#[test]
fn vpc_peering_is_not_transitive() {
    let (mut world, map) = (clients(), clients_map());
    world.route("tokyo", APP, "clients", RouteOrigin::Static);
    world.vpc_route("clients", "cl", APP, VpcTarget::Peering { id: pcx("ec2") });
    let outcome = outcome(&world, &map, "onprem-tokyo", APP);
    assert!(outcome.to_string().contains("carries only what goes from an own prefix of vpc-0clients"), "{outcome}");
}

/// A peering connection that is gone drops, one that is changing is unknown, one that was not read is unknown.
#[test]
fn the_state_of_a_vpc_peering_counts() {
    let (mut world, map) = (clients(), clients_map());
    world.vpc_route("clients", "cl", APP, VpcTarget::Peering { id: pcx("ec2") });
    world.picture.vpc_peerings.get_mut(&pcx("ec2")).unwrap().state = AttachmentState::Gone;
    assert!(matches!(outcome(&world, &map, "clients", APP), Outcome::Blackhole(_)));
    world.picture.vpc_peerings.get_mut(&pcx("ec2")).unwrap().state = AttachmentState::Changing;
    assert!(matches!(outcome(&world, &map, "clients", APP), Outcome::Unknown(_)));
    world.picture.vpc_peerings.clear();
    assert!(matches!(outcome(&world, &map, "clients", APP), Outcome::Unknown(_)));
}

/// AWS: "Transit gateway peering attachments": two transit gateways of one Region peer too; the attachment has one id and a table on each side.
#[test]
fn a_peering_inside_of_a_region_leads_from_one_transit_gateway_to_the_other() {
    let mut world = at_tokyo();
    world.tgw("edge", TOKYO);
    world.peer("inner", "edge", "tokyo");
    world.vpc("clients", "10.99.0.0/16", &[("cl", "10.99.1.0/24")], "edge");
    world.route("edge", "172.30.0.0/16", "inner", RouteOrigin::Static);
    world.route("edge", "10.99.0.0/16", "clients", RouteOrigin::Propagated);
    for (tgw, by) in [("tokyo", "inner"), ("osaka", "peer")] {
        world.route(tgw, "10.99.0.0/16", by, RouteOrigin::Static);
    }
    let edge = "route_tables:\n  edge:\n    account: main\n    region: ap-northeast-1\n    id: tgw-rtb-0000edge\n    next_hops:\n      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}\n      nc2-tokyo: {kind: peering, id: tgw-attach-000inner}\n      nc2-osaka: {kind: peering, id: tgw-attach-000inner}\n";
    let vantage = "  clients: {kind: vpc, prefixes: [10.99.1.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-0clients}\nwaves:";
    let map = NetworkMap::parse(&MAP.replace("waves:", vantage).replace("route_tables:\n", edge)).unwrap();
    world.route("edge", APP, "inner", RouteOrigin::Static);
    assert_eq!(outcome(&world, &map, "clients", APP), delivered("nc2-tokyo"));
    assert_eq!(reply(&world, &map, "clients", "nc2-tokyo", "10.99.1.0/24"), Reply::Returns);
    let networks = [network("app")].into();
    for to in ["ec2-tokyo", "nc2-osaka"] {
        let plan = plan_move(&Move::whole(&networks, &site(to)), &map, &world.picture).unwrap();
        assert_eq!(check(&plan, &world.picture, &map), Ok(()));
        world.apply(plan.steps());
        assert_eq!(outcome(&world, &map, "clients", APP), delivered(to));
    }
}

/// AWS, `CreateTransitGatewayRoute`: a route leads to an attachment of the table's own transit gateway.
#[test]
fn a_route_to_an_attachment_of_another_transit_gateway_is_refused() {
    let mut world = story();
    world.attachment(TOKYO, "nctokyo").tgw = tgw("other");
    let networks = [network("app")].into();
    let refusal = plan_move(&Move::whole(&networks, &site("nc2-tokyo")), &map(), &world.picture).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "tgw-attach-0nctokyo, which tokyo-main (tgw-rtb-000tokyo) (account `main` in ap-northeast-1) would lead to, is of tgw-000other, not of this table's tgw-000tokyo; a route to it would be a blackhole"
    );
}

/// AWS, "Transit gateway attachments": an account sees the attachments of its own and of its transit gateways.
#[test]
fn a_route_to_an_attachment_that_nobody_sees_is_refused() {
    let mut world = story();
    world.picture.attachments.get_mut(&region(TOKYO)).unwrap().remove(&attachment("nctokyo"));
    let networks = [network("app")].into();
    let refusal = plan_move(&Move::whole(&networks, &site("nc2-tokyo")), &map(), &world.picture).unwrap_err();
    assert_eq!(refusal.fault(), FaultName::Unread);
    assert_eq!(
        refusal.to_string(),
        "not everything in scope could be read: attachment tgw-attach-0nctokyo in ap-northeast-1, which tokyo-main (tgw-rtb-000tokyo) (account `main` in ap-northeast-1) would lead to: no account of the network map sees it there, so it is gone, or another account's"
    );
}

fn inspected() -> (World, NetworkMap) {
    let mut world = at_tokyo();
    world.vpc("wall", "10.50.0.0/16", &[("wl", "10.50.1.0/24")], "tokyo");
    let firewall = VpcTarget::Eni { id: EniId::parse("eni-0000wall").unwrap() };
    world.vpc_route("wall", "wl", "0.0.0.0/0", firewall);
    world.tgw("spokes", TOKYO);
    world.picture.tgw_tables.get_mut(&rtb("spokes")).unwrap().tgw = tgw("tokyo");
    world.attachment(TOKYO, "vpntokyo").association = Some(rtb("spokes"));
    world.route("spokes", "172.30.0.0/16", "wall", RouteOrigin::Static);
    let node = "pass_through:\n  wall: {account: main, region: ap-northeast-1, enters: tgw-attach-0000wall, leaves: tgw-attach-0000wall}\nwaves:";
    (world, NetworkMap::parse(&MAP.replace("waves:", node)).unwrap())
}

/// AWS, "Centralized inspection": an inspection VPC sends on what it gets, and the table of its attachment decides.
#[test]
fn a_declared_inspection_vpc_is_passed_through() {
    let (world, map) = inspected();
    assert_eq!(outcome(&world, &map, "onprem-tokyo", APP), delivered("nc2-tokyo"));
    let mut undeclared = map;
    undeclared.pass_through.clear();
    assert!(!matches!(outcome(&world, &undeclared, "onprem-tokyo", APP), Outcome::Delivered(_)));
}

/// An inspection VPC whose own table leads back to it loops.
#[test]
fn an_inspection_vpc_that_leads_to_itself_loops() {
    let (mut world, map) = inspected();
    world.attachment(TOKYO, "wall").association = Some(rtb("spokes"));
    assert!(matches!(outcome(&world, &map, "onprem-tokyo", APP), Outcome::Loop(_)));
}

fn two_entries(first: &str, second: &str, rest: &str) -> NetworkMap {
    let from = "  onprem-tokyo: {kind: on_premises, prefixes: [192.168.10.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-vpntokyo}\n";
    let to = format!(
        "  onprem-tokyo:\n    kind: on_premises\n    prefixes: [192.168.10.0/24]\n    account: main\n    region: ap-northeast-1\n    enters: tgw-attach-vpntokyo\n    advertised: {first}\n    or_enters:\n      - {{account: main, region: ap-northeast-3, attachment: tgw-attach-vpnosaka, advertised: {second}}}\n{rest}"
    );
    assert!(MAP.contains(from));
    NetworkMap::parse(&MAP.replace(from, &to)).unwrap()
}

fn entry(world: &World, map: &NetworkMap) -> Taken {
    entry_taken(&View::of(&world.picture), map, &vantage(map, "onprem-tokyo"), prefix(APP))
}

fn taken(at: &str, by: &str) -> Taken {
    Taken::At(region(at), attachment(by))
}

/// AWS Site-to-Site VPN: a transit gateway VPN with BGP advertises the routes of its table; on-premises takes the longest prefix.
#[test]
fn bgp_brings_traffic_in_where_the_longest_prefix_is() {
    let map = two_entries("{kind: bgp}", "{kind: bgp}", "");
    let mut world = story();
    assert_eq!(entry(&world, &map), taken(TOKYO, "vpntokyo"), "both tell 172.30.0.0/16: the first entry");
    world.route("osaka", APP, "peer", RouteOrigin::Static);
    assert_eq!(entry(&world, &map), taken(OSAKA, "vpnosaka"));
    world.route("tokyo", APP, "nctokyo", RouteOrigin::Static);
    assert_eq!(entry(&world, &map), taken(TOKYO, "vpntokyo"));
    world.attachment(TOKYO, "vpntokyo").state = AttachmentState::Gone;
    assert_eq!(entry(&world, &map), taken(OSAKA, "vpnosaka"));
}

/// What BGP brings in by an entry is not told to it again.
#[test]
fn a_route_back_into_the_entry_is_not_advertised_by_it() {
    let map = two_entries("{kind: bgp}", "{kind: bgp}", "");
    let mut world = story();
    world.route("osaka", APP, "vpnosaka", RouteOrigin::Static);
    assert_eq!(entry(&world, &map), taken(TOKYO, "vpntokyo"));
}

fn dx(world: &mut World, allowed: &[(&str, &str)]) {
    let id = DxGatewayId::parse("dxgw-0001").unwrap();
    let mut gateway = DxGateway { id: id.clone(), name: None, allowed: BTreeMap::new() };
    for (of, p) in allowed {
        gateway.allowed.entry(tgw(of)).or_default().insert(prefix(p));
    }
    world.picture.dx_gateways.insert(id, gateway);
}

const DX: &str = "{kind: allowed_prefixes, gateway: dxgw-0001}";

/// AWS Direct Connect, "Allowed prefixes": they are advertised whether or not a route exists.
#[test]
fn allowed_prefixes_bring_traffic_in_whatever_the_tables_hold() {
    let map = two_entries(DX, DX, "");
    let mut world = story();
    assert!(matches!(entry(&world, &map), Taken::Unknown(_)), "gateways that were not read");
    dx(&mut world, &[("tokyo", "172.30.0.0/16")]);
    assert_eq!(entry(&world, &map), taken(TOKYO, "vpntokyo"));
    dx(&mut world, &[("tokyo", "172.30.0.0/16"), ("osaka", APP)]);
    assert_eq!(entry(&world, &map), taken(OSAKA, "vpnosaka"));
    dx(&mut world, &[("tokyo", "10.0.0.0/8")]);
    assert!(matches!(entry(&world, &map), Taken::Nowhere(_)));
    assert!(matches!(outcome(&world, &map, "onprem-tokyo", APP), Outcome::Blackhole(_)));
}

/// Stateful firewalls drop replies that leave by another Region than the traffic came in by.
#[test]
fn an_entry_that_moves_by_itself_is_seen_in_its_replies() {
    let map = two_entries("{kind: bgp}", "{kind: bgp}", "");
    let mut world = story();
    assert_eq!(reply(&world, &map, "onprem-tokyo", "nc2-tokyo", "192.168.10.0/24"), Reply::Returns);
    world.route("osaka", APP, "peer", RouteOrigin::Static);
    // In by Osaka, out by Tokyo.
    let reply_now = reply(&world, &map, "onprem-tokyo", "nc2-tokyo", "192.168.10.0/24");
    assert_eq!(reply_now.to_string(), "reply leaves elsewhere: by tgw-attach-vpntokyo in ap-northeast-1");
    let any = two_entries("{kind: bgp}", "{kind: bgp}", "    replies: any\n");
    assert_eq!(reply(&world, &any, "onprem-tokyo", "nc2-tokyo", "192.168.10.0/24"), Reply::Returns);
    let leaves = two_entries("{kind: bgp}", "{kind: bgp}", "    reply_leaves: tgw-attach-vpntokyo\n");
    assert_eq!(reply(&world, &leaves, "onprem-tokyo", "nc2-tokyo", "192.168.10.0/24"), Reply::Returns);
}

/// A step that makes BGP advertise a longer prefix moves the entry: the planner orders around it, and the checker sees it.
#[test]
fn steps_that_move_the_entry_are_ordered_or_refused() {
    let map = two_entries("{kind: bgp}", "{kind: bgp}", "");
    let world = story();
    let networks = [network("app")].into();
    let plan = plan_move(&Move::whole(&networks, &site("nc2-tokyo")), &map, &world.picture).unwrap();
    insta::assert_snapshot!("entry_moves", plan_table(&plan));
    assert_eq!(check(&plan, &world.picture, &map), Ok(()));
    let mut at_once = plan;
    at_once.stages = vec![at_once.steps().cloned().collect()];
    let violations = check(&at_once, &world.picture, &map).unwrap_err();
    assert!(violations.iter().any(|v| v.to_string().contains("reply leaves elsewhere")), "{violations:?}");
}
