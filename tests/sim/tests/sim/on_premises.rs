//! Where on-premises traffic enters AWS, and whether it may come back another way. Sources: Direct Connect user guide,
//! "Allowed prefixes interactions"; Site-to-Site VPN user guide, "Route priority".

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what fails here fails the test")]

use holdfast_sim::{
    World,
    dataplane::{self, Lost, ProbeOutcome, entry_of},
    ec2::{AttachmentKind, Kind, StaticRoute},
};

const TOKYO: &str = "ap-northeast-1";
const OSAKA: &str = "ap-northeast-3";

/// A site behind Direct Connect in Tokyo and a VPN with BGP in Osaka; `web-1` is in Tokyo.
const WORLD: &str = r#"
regions:
  ap-northeast-1:
    vpcs:
      - name: apps
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.1.0/24 }]
        route_tables: [{ name: apps, main: true, routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }] }]
    instances: [{ name: web-1, interfaces: [{ subnet: app, address: 172.30.1.34 }] }]
    transit_gateways:
      - name: tokyo
        attachments:
          - { name: apps, kind: vpc, vpc: apps, subnets: [app] }
          - { name: dx, kind: direct-connect-gateway, prefixes: [192.168.10.0/24], allowed_prefixes: [172.30.0.0/16] }
        route_tables:
          - name: tokyo
            associations: [apps, dx, between]
            propagations: [apps, dx]
  ap-northeast-3:
    transit_gateways:
      - name: osaka
        attachments: [{ name: vpn, kind: vpn, prefixes: [192.168.10.0/24] }]
        route_tables:
          - { name: osaka, associations: [vpn, between], propagations: [vpn] }
transit_gateway_peerings:
  - name: between
    requester: { region: ap-northeast-1, transit_gateway: tokyo }
    accepter: { region: ap-northeast-3, transit_gateway: osaka }
on_premises:
  - name: office
    prefix: 192.168.10.0/24
    region: ap-northeast-1
    entries: [{ region: ap-northeast-1, attachment: dx }, { region: ap-northeast-3, attachment: vpn }]
"#;

fn entry(world: &World, to: &str) -> Option<String> {
    entry_of(world, &world.guests.sites["office"], to.parse().unwrap()).map(|entry| entry.region.clone())
}

fn probe(world: &World) -> ProbeOutcome {
    let (from, _) = world.guests.named("office").unwrap();
    dataplane::probe(world, from, "172.30.1.34".parse().unwrap(), 0)
}

/// A static route in Osaka's table to the peering.
fn route(world: &mut World, prefix: &str) {
    let attachment = Some(world.ec2.find(Kind::Attachment, OSAKA, "between").unwrap().to_owned());
    let table = world.ec2.find(Kind::TgwRouteTable, OSAKA, "osaka").unwrap().to_owned();
    let routes = &mut world.ec2.tgw_route_tables.get_mut(&table).unwrap().routes;
    routes.insert(prefix.parse().unwrap(), StaticRoute { attachment, pending_reads: 0 });
}

#[test]
fn direct_connect_brings_in_what_it_allows_whether_or_not_a_route_exists() {
    let mut world = World::from_yaml(WORLD).unwrap();
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(TOKYO));
    assert_eq!(entry(&world, "10.20.0.1"), None, "nobody advertises it");
    assert!(matches!(probe(&world), ProbeOutcome::Answered { .. }));
    let table = world.ec2.find(Kind::TgwRouteTable, TOKYO, "tokyo").unwrap().to_owned();
    world.ec2.tgw_route_tables.get_mut(&table).unwrap().propagations.clear();
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(TOKYO), "also into a table without the route");
}

#[test]
fn a_longer_route_in_the_other_region_moves_the_entry_by_itself() {
    let mut world = World::from_yaml(WORLD).unwrap();
    route(&mut world, "172.30.0.0/16");
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(TOKYO), "equal prefixes: the order of the file");
    route(&mut world, "172.30.1.0/24");
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(OSAKA));
    assert_eq!(entry(&world, "172.30.2.1").as_deref(), Some(TOKYO));
    assert_eq!(entry(&world, "192.168.10.1"), None, "a VPN does not advertise its own prefixes back");
}

#[test]
fn a_reply_by_another_region_is_dropped_by_a_stateful_firewall() {
    let mut world = World::from_yaml(WORLD).unwrap();
    route(&mut world, "172.30.1.0/24");
    assert!(matches!(probe(&world), ProbeOutcome::Answered { .. }), "a router takes it");
    world.guests.sites.get_mut("office").unwrap().stateful = true;
    let ProbeOutcome::ReplyLost { lost: Lost::Filtered { at, why }, .. } = probe(&world) else {
        panic!("the reply leaves by Tokyo's own path");
    };
    assert_eq!(at, "site office");
    assert!(why.contains("the other direction comes by"), "{why}");
}

#[test]
fn with_a_region_lost_direct_connect_still_brings_traffic_there_and_bgp_does_not() {
    let mut world = World::from_yaml(WORLD).unwrap();
    route(&mut world, "172.30.0.0/16");
    world.lost_regions.insert(TOKYO.into());
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(TOKYO));
    let ProbeOutcome::Lost { lost, .. } = probe(&world) else { panic!("Tokyo is lost") };
    assert_eq!(lost, Lost::RegionLost { region: TOKYO.into() });
    let dx = world.ec2.find(Kind::Attachment, TOKYO, "dx").unwrap().to_owned();
    match &mut world.ec2.attachments.get_mut(&dx).unwrap().kind {
        AttachmentKind::DirectConnectGateway { allowed, .. } => allowed.clear(),
        other => panic!("{other:?}"),
    }
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(OSAKA));
    world.lost_regions.insert(OSAKA.into());
    assert_eq!(entry(&world, "172.30.1.34"), None);
}

#[test]
fn mistakes_in_the_file_are_told() {
    for (right, wrong, told) in [
        ("    entries: [", "    attachment: dx\n    entries: [", "write either `attachment` or `entries`"),
        ("attachment: vpn }", "attachment: wire }", "there is no attachment `wire` in ap-northeast-3"),
        ("{ name: vpn, kind: vpn,", "{ name: vpn, kind: vpn, gateway: dx,", "are for kind `direct-connect-gateway`"),
        (
            "kind: direct-connect-gateway,",
            "kind: direct-connect-gateway, gateway: none,",
            "declare it in `direct_connect_gateways`",
        ),
    ] {
        assert!(WORLD.contains(right), "{right}");
        let error = World::from_yaml(&WORLD.replacen(right, wrong, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "`{wrong}`: {error}");
    }
}

/// A VPN with static routes learns and tells nothing: what the site sends there is its own matter.
#[test]
fn a_vpn_with_static_routes_brings_in_what_the_site_sends_there() {
    let text = WORLD.replacen(
        "{ name: vpn, kind: vpn, prefixes: [192.168.10.0/24] }",
        "{ name: vpn, kind: vpn, static_routes: true }",
        1,
    );
    let mut world = World::from_yaml(&text).unwrap();
    route(&mut world, "172.30.1.0/24");
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(TOKYO));
    let text = text.replacen("attachment: vpn }", "attachment: vpn, prefixes: [172.30.1.0/24] }", 1);
    let world = World::from_yaml(&text).unwrap();
    assert_eq!(entry(&world, "172.30.1.34").as_deref(), Some(OSAKA));
}

/// Changes by the rules of the API, on copies of a world: what brute force over orders of changes needs.
#[test]
fn calls_without_http_change_a_copy() {
    let world = World::from_yaml(WORLD).unwrap();
    let table = world.ec2.find(Kind::TgwRouteTable, TOKYO, "tokyo").unwrap().to_owned();
    let blackhole = [
        ("TransitGatewayRouteTableId", table.as_str()),
        ("DestinationCidrBlock", "172.30.1.0/24"),
        ("Blackhole", "true"),
    ];
    let call = |world: &mut World, action| {
        let now = jiff::Timestamp::UNIX_EPOCH;
        holdfast_sim::ec2::call(world, "111122223333", TOKYO, action, &blackhole, now).map_err(|(code, _)| code)
    };
    let mut copy = world.clone();
    assert!(call(&mut copy, "CreateTransitGatewayRoute").unwrap().contains("<state>blackhole</state>"));
    assert_eq!(call(&mut copy, "CreateTransitGatewayRoute").unwrap_err(), "RouteAlreadyExists");
    assert!(matches!(probe(&copy), ProbeOutcome::Lost { lost: Lost::Blackhole { .. }, .. }));
    assert!(matches!(probe(&world), ProbeOutcome::Answered { .. }));
}
