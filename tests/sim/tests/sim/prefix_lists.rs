//! Prefix lists in TGW and VPC route tables, as traffic meets them. Sources: Transit Gateways guide, "Route evaluation
//! order", "Prefix list references"; VPC user guide, "Route priority and prefix lists".

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::net::Ipv4Addr;

use crate::support::{Aws, TOKYO, WORLD};
use holdfast_sim::{
    Options, World,
    ec2::{Kind, PrefixListReference, Progress, RouteOrigin, RouteState, VpcTarget},
};

/// The usual world, with two prefix lists: one referenced in the TGW table, one in the VPC table.
fn world() -> String {
    WORLD
        .replacen(
            "  ap-northeast-1:\n",
            "  ap-northeast-1:\n    prefix_lists:\n      - { name: moved, id: pl-01, entries: [172.30.0.0/16, 172.30.1.0/24, 10.20.0.0/16] }\n      \
             - { name: far, id: pl-02, entries: [10.20.0.0/16, 172.30.9.0/25], shared_with: [\"222233334444\"] }\n",
            1,
        )
        .replacen(
            "routes: [{ prefix: 10.20.0.0/16, attachment: between }]",
            "routes: [{ prefix: 10.20.0.0/16, attachment: between }, { prefix_list: moved, attachment: nc2 }]",
            1,
        )
        .replacen(
            "routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }]",
            "routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }, { prefix_list: far, network_interface: eni-01 }]",
            1,
        )
}

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[test]
fn static_beats_prefix_list_beats_propagated() {
    let world = World::from_yaml(&world()).unwrap();
    let ec2 = &world.ec2;
    let way = |to| {
        let route = ec2.tgw_lookup("tgw-rtb-01", ip(to)).unwrap();
        (route.prefix.to_string(), route.origin, route.attachment.unwrap())
    };
    let nc2 = || "tgw-attach-0c2".to_owned();
    assert_eq!(way("172.30.200.1"), ("172.30.0.0/16".into(), RouteOrigin::PrefixList, nc2()));
    assert_eq!(way("172.30.1.1"), ("172.30.1.0/24".into(), RouteOrigin::PrefixList, nc2()));
    assert_eq!(way("10.20.0.1"), ("10.20.0.0/16".into(), RouteOrigin::Static, "tgw-attach-0b".into()));
    assert_eq!(way("10.10.0.1"), ("10.10.0.0/16".into(), RouteOrigin::Vpc, nc2()));
    for route in ec2.tgw_routes("tgw-rtb-01") {
        let found = ec2.tgw_lookup("tgw-rtb-01", route.prefix.network()).unwrap();
        assert!(found.prefix.prefix_len() >= route.prefix.prefix_len(), "lookup and list agree: {route:?}");
    }
}

#[test]
fn a_blackhole_reference_drops_all_entries_and_a_deleted_one_heals() {
    let mut world = World::from_yaml(&world()).unwrap();
    let reference = |attachment, state| PrefixListReference { attachment, state };
    let mut state = |put| {
        let table = world.ec2.tgw_route_tables.get_mut("tgw-rtb-01").unwrap();
        table.prefix_lists.insert("pl-01".into(), put);
        let route = world.ec2.tgw_lookup("tgw-rtb-01", ip("172.30.1.1")).unwrap();
        (route.origin, route.state)
    };
    assert_eq!(state(reference(None, Progress::Available)), (RouteOrigin::PrefixList, RouteState::Blackhole));
    let gone = Some("tgw-attach-0123".to_owned());
    assert_eq!(state(reference(gone, Progress::Available)), (RouteOrigin::PrefixList, RouteState::Blackhole));
    assert_eq!(state(reference(None, Progress::Deleting(1))), (RouteOrigin::Vpc, RouteState::Active));
}

#[test]
fn in_a_vpc_table_entries_within_the_vpc_are_ignored_and_cidr_routes_win() {
    let mut world = World::from_yaml(&world()).unwrap();
    let eni = VpcTarget::NetworkInterface("eni-01".into());
    let hop = |world: &World, to| world.ec2.vpc_lookup("rtb-0ec2", ip(to)).unwrap();
    let far = hop(&world, "10.20.0.1");
    assert_eq!((far.target, far.prefix_list.as_deref()), (eni, Some("pl-02")));
    assert_eq!(hop(&world, "172.30.9.1").target, VpcTarget::Local, "half a subnet is no entry of this table");
    let table = world.ec2.route_tables.get_mut("rtb-0ec2").unwrap();
    let default = table.routes[&"0.0.0.0/0".parse().unwrap()].clone();
    table.routes.insert("10.20.0.0/16".parse().unwrap(), default.clone());
    assert_eq!(hop(&world, "10.20.0.1").target, default.target);
}

#[tokio::test]
async fn a_transit_gateway_takes_ten_thousand_routes_and_a_list_counts_with_its_maximum() {
    let aws = Aws::of(&world(), Options::default()).await;
    let list = aws.sim.shared().world().ec2.find(Kind::PrefixList, TOKYO, "moved").unwrap().to_owned();
    assert_eq!(list, "pl-01");
    // 1 static, 10 for the list, 6 propagated; 2 more are room enough for two.
    let change = serde_json::json!({"ec2": {"routes_per_transit_gateway": 19}});
    aws.control(reqwest::Method::PUT, "/switches", change).await;
    let create = async |prefix: &str| {
        let to = [
            ("TransitGatewayRouteTableId", "tgw-rtb-01"),
            ("DestinationCidrBlock", prefix),
            ("TransitGatewayAttachmentId", "tgw-attach-0c2"),
        ];
        aws.ec2("CreateTransitGatewayRoute", &to).await.code().to_owned()
    };
    assert_eq!(create("10.77.0.0/16").await, "");
    assert_eq!(create("10.78.0.0/16").await, "");
    assert_eq!(create("10.79.0.0/16").await, "RouteLimitExceeded");
    let refer = [
        ("TransitGatewayRouteTableId", "tgw-rtb-01"),
        ("PrefixListId", "pl-02"),
        ("TransitGatewayAttachmentId", "tgw-attach-0c2"),
    ];
    assert_eq!(aws.ec2("CreateTransitGatewayPrefixListReference", &refer).await.code(), "RouteLimitExceeded");
}

#[test]
fn mistakes_in_the_file_are_told() {
    for (right, wrong, told) in [
        (
            "{ prefix_list: moved, attachment: nc2 }",
            "{ prefix_list: lost, attachment: nc2 }",
            "there is no prefix list `lost`",
        ),
        (
            "{ prefix_list: moved, ",
            "{ prefix_list: moved, prefix: 10.0.0.0/8, ",
            "exactly one of `prefix` and `prefix_list`",
        ),
        ("id: pl-02, ", "id: pl-02, max_entries: 1, ", "2 entries are more than `max_entries: 1`"),
    ] {
        let text = world();
        assert!(text.contains(right), "{right}");
        let error = World::from_yaml(&text.replacen(right, wrong, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "`{wrong}`: {error}");
    }
}

/// While a change of a list is on its way, routes may go by the old entries or by the new ones; a switch says which.
#[tokio::test]
async fn with_the_switch_new_entries_are_in_effect_only_when_the_change_is_complete() {
    let aws = Aws::of(&world(), Options::default()).await;
    let change = serde_json::json!({"ec2": {"prefix_lists_apply_late": true}});
    aws.control(reqwest::Method::PUT, "/switches", change).await;
    let add = [("PrefixListId", "pl-01"), ("CurrentVersion", "1"), ("AddEntry.1.Cidr", "172.30.9.0/24")];
    assert_eq!(aws.ec2("ModifyManagedPrefixList", &add).await.text("version"), Some("2"));
    assert!(aws.search("route-search.exact-match", "172.30.9.0/24").await.is_empty());
    let read = [("PrefixListId.1", "pl-01")];
    let state = aws.ec2("DescribeManagedPrefixLists", &read).await.text("state").map(str::to_owned);
    assert_eq!(state.as_deref(), Some("modify-in-progress"));
    let state = aws.ec2("DescribeManagedPrefixLists", &read).await.text("state").map(str::to_owned);
    assert_eq!(state.as_deref(), Some("modify-complete"));
    assert_eq!(aws.search("route-search.exact-match", "172.30.9.0/24").await.len(), 1);
}

/// A number made from another: the tables below are the same in every run.
fn next(state: &mut u64) -> u32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    u32::try_from(*state >> 33).unwrap()
}

/// A prefix of 10.0.0.0/12 with 12 to 28 bits; many overlap.
fn prefix(state: &mut u64) -> ipnet::Ipv4Net {
    let length = u8::try_from(12 + next(state) % 17).unwrap();
    ipnet::Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 | (next(state) & 0x000f_ffff)), length).unwrap().trunc()
}

/// The lookup of an address finds what a look at all routes in effect finds, and those obey the precedence.
#[test]
fn lookups_agree_with_all_routes_in_effect() {
    let mut state = 7;
    for _ in 0..40 {
        let mut world = World::from_yaml(&world()).unwrap();
        for vpc in world.ec2.vpcs.values_mut() {
            vpc.cidrs = (0..3).map(|_| prefix(&mut state)).collect();
        }
        let entries = (0..20).map(|_| (prefix(&mut state), None)).collect();
        world.ec2.prefix_lists.get_mut("pl-01").unwrap().versions.insert(1, entries);
        let attachments = ["tgw-attach-0ec2", "tgw-attach-0c2", "tgw-attach-0b", "tgw-attach-0123"];
        let table = world.ec2.tgw_route_tables.get_mut("tgw-rtb-01").unwrap();
        for _ in 0..20 {
            let to = attachments.get(usize::try_from(next(&mut state) % 5).unwrap()).map(|it| (*it).to_owned());
            table
                .routes
                .insert(prefix(&mut state), holdfast_sim::ec2::StaticRoute { attachment: to, pending_reads: 0 });
        }
        let ec2 = &world.ec2;
        let (table, list) = (&ec2.tgw_route_tables["tgw-rtb-01"], &ec2.prefix_lists["pl-01"]);
        let routes = ec2.tgw_routes("tgw-rtb-01");
        for route in &routes {
            let is_static = table.routes.contains_key(&route.prefix);
            let is_listed = list.entries().contains_key(&route.prefix);
            let expected = match (is_static, is_listed) {
                (true, _) => route.origin == RouteOrigin::Static,
                (false, true) => route.origin == RouteOrigin::PrefixList,
                (false, false) => route.origin > RouteOrigin::PrefixList,
            };
            assert!(expected, "{route:?}");
        }
        for _ in 0..200 {
            let ip = Ipv4Addr::from(0x0a00_0000 | (next(&mut state) & 0x000f_ffff));
            let longest = routes.iter().filter(|it| it.prefix.contains(&ip)).max_by_key(|it| it.prefix.prefix_len());
            assert_eq!(ec2.tgw_lookup("tgw-rtb-01", ip).as_ref(), longest);
        }
    }
}

/// Disabling a VPC's propagation takes all its CIDRs out of the table, and what a static route hid comes back with it.
#[tokio::test]
async fn a_propagation_stands_for_all_cidrs_of_its_vpc() {
    let text = crate::support::WORLD.replacen("cidrs: [172.30.0.0/16]", "cidrs: [172.30.0.0/16, 172.31.0.0/16]", 1);
    let aws = Aws::of(&text, Options::default()).await;
    let pair = [("TransitGatewayRouteTableId", "tgw-rtb-01"), ("TransitGatewayAttachmentId", "tgw-attach-0ec2")];
    let of_vpc = async || {
        let found = aws.search("attachment.transit-gateway-attachment-id", "tgw-attach-0ec2").await;
        found.into_iter().map(|(prefix, ..)| prefix).collect::<Vec<_>>()
    };
    assert_eq!(of_vpc().await, ["172.30.0.0/16", "172.31.0.0/16"]);
    assert_eq!(aws.ec2("DisableTransitGatewayRouteTablePropagation", &pair).await.code(), "");
    assert!(of_vpc().await.is_empty());
    // The Direct Connect gateway of this world propagates one of them too: it takes over.
    let behind = aws.search("route-search.exact-match", "172.30.0.0/16").await;
    assert_eq!(behind, [("172.30.0.0/16".into(), "propagated".into(), "active".into())]);
    let enable = async || aws.ec2("EnableTransitGatewayRouteTablePropagation", &pair).await.code().to_owned();
    assert_eq!(enable().await, "IncorrectState", "it is being disabled");
    aws.ec2("GetTransitGatewayRouteTablePropagations", &pair[..1]).await;
    assert_eq!(enable().await, "");
    assert_eq!(of_vpc().await, ["172.30.0.0/16", "172.31.0.0/16"]);
}
