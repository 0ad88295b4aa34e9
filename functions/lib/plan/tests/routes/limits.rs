//! Limits: of the search for an order, and of what on-premises is told.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
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
