//! Limits: of the search for an order, and of what on-premises is told.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const SEOUL: &str = "ap-northeast-2";

/// Networks on EC2 behind Tokyo that are to move to Osaka, where one reference leads them all: neither Osaka's table may change first (on-premises
/// would enter there, and its replies leave by Tokyo) nor Tokyo's (a loop), while Seoul's may at any time. No two networks look alike, so the search
/// goes through every choice of those that Seoul leads already.
fn tied(networks: usize) -> (World, NetworkMap) {
    let nets: Vec<String> = (0..networks).map(|n| format!("172.30.{n}.0/24")).collect();
    let mut world = World::new();
    for (name, region) in [("gw0", TOKYO), ("gw1", OSAKA), ("gw2", SEOUL), ("spare", TOKYO)] {
        world.tgw(name, region);
    }
    for (name, a, b) in [("p01", "gw0", "gw1"), ("p02", "gw0", "gw2"), ("p12", "gw1", "gw2")] {
        world.peer(name, a, b);
    }
    let subnets: Vec<(String, &str)> =
        nets.iter().enumerate().map(|(n, net)| (format!("a{n}"), net.as_str())).collect();
    let subnets: Vec<(&str, &str)> = subnets.iter().map(|(name, net)| (name.as_str(), *net)).collect();
    world.vpc("ec2", "172.30.0.0/16", &subnets, "gw0");
    world.vpc("nc1", "10.1.0.0/16", &[("sub1", "10.1.1.0/24")], "gw1");
    world.list("nets", OSAKA, &nets.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, net) in nets.iter().enumerate() {
        world.flow("nc1", "sub1", net);
        world.route("spare", net, &format!("f{n}"), RouteOrigin::Static);
    }
    for g in 0..3 {
        world.attach(&format!("vpn{g}"), &format!("gw{g}"), AttachmentKind::Vpn);
        for to in 0..3 {
            let (origin, by) = if to == g {
                (RouteOrigin::Propagated, format!("vpn{g}"))
            } else {
                (RouteOrigin::Static, format!("p{}{}", g.min(to), g.max(to)))
            };
            world.route(&format!("gw{g}"), &format!("192.168.{to}.0/24"), &by, origin);
        }
    }
    world.route("gw0", "172.30.0.0/16", "ec2", RouteOrigin::Propagated);
    world.route("gw1", "172.30.0.0/16", "p01", RouteOrigin::Static);
    world.route("gw2", "172.30.0.0/16", "p02", RouteOrigin::Static);
    let mut text = format!(
        "schema_version: 1\naccounts: {{main: {{id: \"111122223333\"}}}}\nprism_centrals:\n  pc: {{endpoint: \"https://p:9440\", secret: s, trust: {{kind: web_roots}}, region: {OSAKA}}}\nsites:\n  ec2: {{kind: ec2, account: main, region: {TOKYO}, vpc: {}}}\n  nc1: {{kind: nc2, account: main, region: {OSAKA}, vpc: {}, prism_central: pc, fvn_vpc: f, cluster: c}}\nnetworks:\n",
        vpc("ec2"),
        vpc("nc1")
    );
    for (n, net) in nets.iter().enumerate() {
        writeln!(text, "  net{n}: {{prefix: {net}, subnets: {{nc1: s}}}}").unwrap();
    }
    text.push_str("route_tables:\n");
    let list = format!("prefix_list: {}, ", pl("nets"));
    for (name, region, keys, kind, to) in [
        ("gw0", TOKYO, "", "peering", "p01"),
        ("gw1", OSAKA, list.as_str(), "attachment", "nc1"),
        ("gw2", SEOUL, "", "peering", "p12"),
    ] {
        writeln!(text, "  {name}: {{account: main, region: {region}, id: {}, {keys}next_hops: {{ec2: {{kind: absent, served_by: 172.30.0.0/16}}, nc1: {{kind: {kind}, id: {}}}}}}}", rtb(name), attachment(to)).unwrap();
    }
    let on = |g: usize, region: &str| {
        format!(
            "on{g}: {{kind: on_premises, prefixes: [192.168.{g}.0/24], account: main, region: {region}, enters: {}",
            attachment(&format!("vpn{g}"))
        )
    };
    let further =
        format!("{{account: main, region: {OSAKA}, attachment: {}, advertised: {{kind: bgp}}}}", attachment("vpn1"));
    write!(
        text,
        "vantages:\n  {}, advertised: {{kind: bgp}}, or_enters: [{further}]}}\n  {}}}\n",
        on(0, TOKYO),
        on(2, SEOUL)
    )
    .unwrap();
    (world, NetworkMap::parse(&text).unwrap())
}

fn moved(world: &World, map: &NetworkMap) -> Result<Plan, Refusal> {
    plan_move(&Move::whole(&map.networks.keys().cloned().collect(), &site("nc1")), map, &world.picture)
}

/// That nothing was found is not that there is nothing.
#[test]
fn a_search_that_gives_up_says_so() {
    let (world, map) = tied(2);
    assert!(matches!(moved(&world, &map), Err(Refusal::NoSafeOrder { .. })));
    let (world, map) = tied(15);
    let refusal = moved(&world, &map).unwrap_err();
    assert!(matches!(refusal, Refusal::SearchGaveUp { .. }), "{refusal}");
    assert_eq!(refusal.fault(), FaultName::Refused);
    let names: Vec<String> = map.networks.keys().map(|name| format!("`{name}`")).collect();
    assert_eq!(
        refusal.to_string(),
        format!(
            "the search for a safe order gave up after 20000 states of 31 changes that depend on each other (networks {}); there may be one: move fewer of these networks at once",
            names.join(", ")
        )
    );
}

/// The story with on-premises behind Direct Connect in Tokyo, told by BGP or by allowed prefixes, and `told` further prefixes in Tokyo's table.
fn by_direct_connect(advertised: &str, told: usize) -> (World, NetworkMap) {
    let mut world = story();
    world.attachment(TOKYO, "vpntokyo").kind = AttachmentKind::DirectConnectGateway;
    for n in 0..told {
        world.route("tokyo", &format!("10.200.{n}.0/24"), "peer", RouteOrigin::Static);
    }
    let entered = "enters: tgw-attach-vpntokyo";
    (world, NetworkMap::parse(&MAP.replace(entered, &format!("{entered}, advertised: {advertised}"))).unwrap())
}

fn app_to(to: &str, map: &NetworkMap, world: &World) -> Result<Plan, Refusal> {
    plan_move(&Move::whole(&[network("app")].into(), &site(to)), map, &world.picture)
}

/// AWS, "Direct Connect quotas": 200 prefixes from AWS to on-premises for each transit gateway on a transit virtual interface.
#[test]
fn the_prefixes_that_on_premises_is_told_of_are_forecast_on_each_side_of_the_quota() {
    // 172.30.0.0/16, 10.10.0.0/16, 10.20.0.0/16 and 192.168.20.0/24 are told of, 192.168.10.0/24 leads back.
    let (world, map) = by_direct_connect("{kind: bgp}", 195);
    let plan = app_to("nc2-tokyo", &map, &world).unwrap();
    let text = forecast(&plan, &map, &world.picture).to_string();
    let line = "on-premises by tgw-attach-vpntokyo in ap-northeast-1: 200 of 200 advertised prefixes (199 now)";
    assert!(text.lines().any(|seen| seen == line), "{text}");
    let (world, map) = by_direct_connect("{kind: bgp}", 196);
    let refusal = app_to("nc2-tokyo", &map, &world).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "on-premises by tgw-attach-vpntokyo in ap-northeast-1 would hold 201 advertised prefixes, the quota is 200 (200 now); raise it or move fewer"
    );
}

/// AWS, "Prefix list references": each entry is a route of the table, and BGP tells of each.
#[test]
fn every_entry_of_a_reference_is_told_of() {
    for (entries, fits) in [(196, true), (197, false)] {
        let (mut world, map) = by_direct_connect("{kind: bgp}", 0);
        let listed: Vec<String> = (0..entries).map(|n| format!("172.31.{n}.0/24")).collect();
        world.list("nets", TOKYO, &listed.iter().map(String::as_str).collect::<Vec<_>>());
        let prefixes = listed.iter().map(|entry| prefix(entry)).collect();
        let mut plan = app_to("nc2-tokyo", &map, &world).unwrap();
        for step in plan.stages.iter_mut().flatten().filter(|step| step.table == rtb("tokyo")) {
            step.place = Place::Reference { list: pl("nets"), prefixes: BTreeSet::clone(&prefixes) };
        }
        let within = within_quotas(&plan, &map, &world.picture);
        assert_eq!(within.is_ok(), fits, "{within:?}");
    }
}

/// AWS Direct Connect, "Allowed prefixes": they are what is advertised, so no plan changes how many there are.
#[test]
fn allowed_prefixes_are_counted_for_each_gateway() {
    let (mut world, map) = by_direct_connect("{kind: allowed_prefixes, gateway: dxgw-0001}", 250);
    let id = DxGatewayId::parse("dxgw-0001").unwrap();
    let allowed = (0..7).map(|n| prefix(&format!("172.{}.0.0/16", 30 + n))).collect();
    let gateway = DxGateway { id: id.clone(), name: None, allowed: [(tgw("tokyo"), allowed)].into() };
    world.picture.dx_gateways.insert(id, gateway);
    let plan = app_to("nc2-tokyo", &map, &world).unwrap();
    let text = forecast(&plan, &map, &world.picture).to_string();
    let line = "on-premises by Direct Connect gateway dxgw-0001 of tgw-000tokyo: 7 of 200 allowed prefixes (7 now)";
    assert!(text.lines().any(|seen| seen == line), "{text}");
}

/// AWS, "Managed prefix lists": a list counts with its most entries; "Transit gateway quotas": static and dynamic routes of all tables together.
#[test]
fn routes_are_counted_as_the_quota_counts_them() {
    let (mut world, map) = (story(), map());
    let plan = app_to("nc2-tokyo", &map, &world).unwrap();
    let tokyo = |world: &World| {
        let all = forecast(&plan, &map, &world.picture).quotas;
        all.into_iter().find(|used| used.what.contains("tgw-000tokyo")).unwrap().now
    };
    assert_eq!(tokyo(&world), 5);
    // A list of two entries that takes 100 counts 100, one of the VPC's two hidden routes too.
    world.list("nets", TOKYO, &["172.31.1.0/24", "172.31.2.0/24"]);
    world.refer("tokyo", "nets", "nctokyo");
    assert_eq!(tokyo(&world), 105);
    world.route("tokyo", "10.10.0.0/16", "peer", RouteOrigin::Static);
    assert_eq!(tokyo(&world), 106, "the static route, and the propagated one that it hides");
}

/// The story with `app` at NC2 in Tokyo, whose VPN propagates into the table.
fn at_nc2() -> World {
    let mut world = story();
    for (table, to) in [("tokyo", "nctokyo"), ("osaka", "peer")] {
        world.route(table, "172.30.1.0/24", to, RouteOrigin::Static);
    }
    let tokyo = world.picture.tgw_tables.get_mut(&rtb("tokyo")).unwrap();
    tokyo.propagations.as_mut().unwrap().insert(attachment("vpntokyo"));
    world
}

/// AWS, "Route evaluation order": a static route hides a propagated one, which decides once the static one is deleted. EC2 shows only the best.
#[test]
fn what_a_vpn_may_propagate_under_a_deleted_route_is_said_not_to_be_known() {
    let (world, map) = (at_nc2(), map());
    let unknown = |to: &str, world: &World| {
        let plan = app_to(to, &map, world).unwrap();
        forecast(&plan, &map, &world.picture).unknown.join("\n")
    };
    insta::assert_snapshot!(unknown("ec2-tokyo", &world), @"not known: what takes over for 172.30.1.0/24 in tokyo-main (tgw-rtb-000tokyo) (account `main` in ap-northeast-1), where tgw-attach-vpntokyo propagates: EC2 does not show what our route hides; if on-premises advertises exactly this prefix, traffic leaves there. Ask for it on-premises, or declare `blackhole` or a next hop instead of `absent`");
    assert_eq!(unknown("nc2-osaka", &world), "", "nothing is deleted");
    // Another table of the transit gateway, into which the VPN propagates too, shows that there is nothing.
    let mut shown = at_nc2();
    shown.tgw("spokes", TOKYO);
    let spokes = shown.picture.tgw_tables.get_mut(&rtb("spokes")).unwrap();
    spokes.tgw = tgw("tokyo");
    spokes.propagations = Some([attachment("vpntokyo")].into());
    assert_eq!(unknown("ec2-tokyo", &shown), "");
}

/// The same, where another table shows what the VPN propagates: then it is known to take over.
#[test]
fn what_a_vpn_is_seen_to_propagate_elsewhere_takes_over_for_a_deleted_route() {
    let (mut world, map) = (at_nc2(), map());
    world.tgw("spokes", TOKYO);
    let spokes = world.picture.tgw_tables.get_mut(&rtb("spokes")).unwrap();
    spokes.tgw = tgw("tokyo");
    spokes.propagations = Some([attachment("vpntokyo")].into());
    world.route("spokes", "172.30.1.0/24", "vpntokyo", RouteOrigin::Propagated);
    let refusal = app_to("ec2-tokyo", &map, &world).unwrap_err().to_string();
    assert!(refusal.contains("route 172.30.1.0/24 is the one that decides there"), "{refusal}");
}
