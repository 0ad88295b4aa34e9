//! What a picture holds beside the routes of transit gateways, each read only when the network map or a table calls for it.

use super::*;
use holdfast_aws_network::read_picture_towards;

/// A map whose table `west` also has these keys, and maybe one more table.
fn map_with(west: &str, table: &str) -> NetworkMap {
    let text = include_str!("map.yaml");
    let text =
        text.replacen("    id: tgw-rtb-00000000000000001\n", &format!("    id: tgw-rtb-00000000000000001\n{west}"), 1);
    NetworkMap::parse(&text.replacen("route_tables:\n", &format!("route_tables:\n{table}"), 1)).unwrap()
}

async fn picture_of(sim: &Sim, map: &NetworkMap, to: Option<&str>) -> Picture {
    let to: Option<SiteName> = to.map(id);
    let networks: BTreeMap<Scope, AwsNetwork> =
        scopes_of(map).into_iter().map(|scope| (scope.clone(), network(sim, scope.region.as_str()))).collect();
    read_picture_towards(&networks, map, to.as_ref(), Timestamp::UNIX_EPOCH).await
}

const BESIDE: [&str; 5] = [
    "DescribeManagedPrefixLists",
    "DescribeVpcPeeringConnections",
    "GetManagedPrefixListEntries",
    "GetTransitGatewayPrefixListReferences",
    "GetTransitGatewayRouteTablePropagations",
];

#[tokio::test]
async fn a_plain_map_costs_no_call_for_what_it_does_not_name() {
    let sim = start(|_| {}).await;
    let picture = picture_of(&sim, &map(), Some("far")).await;
    assert_eq!(picture.unread, []);
    assert_eq!(BESIDE.map(|action| calls(&sim, action)), [0; 5]);
    assert_eq!(picture.tgw_tables[&id(WEST)].name.as_deref(), Some("west"));
    assert!(picture.tgw_tables.values().all(|table| table.propagations.is_none()));
}

#[tokio::test]
async fn propagations_are_read_where_a_static_route_will_go_or_the_map_names_them() {
    let sim = start(|_| {}).await;
    // At `old`, table west holds no static route.
    let picture = picture_of(&sim, &map(), Some("old")).await;
    let (new, old) = (id("tgw-attach-00000000000000002"), id("tgw-attach-00000000000000001"));
    let west = &picture.tgw_tables[&id(WEST)];
    let wanted = BTreeSet::from([old, new, id("tgw-attach-00000000000000003")]);
    assert_eq!(west.propagations.as_ref(), Some(&wanted));
    assert_eq!(picture.tgw_tables[&id("tgw-rtb-00000000000000003")].propagations, None);
    let named = map_with("    propagations: { old: tgw-attach-00000000000000001 }\n", "");
    let picture = picture_of(&sim, &named, None).await;
    let west = &picture.tgw_tables[&id(WEST)];
    assert_eq!((west.propagations.as_ref(), west.name.as_deref()), (Some(&wanted), Some("west")));
}

#[tokio::test]
async fn lists_come_with_every_entry_and_with_the_references_to_them() {
    let sim = start(long_list).await;
    let listed = map_with("    prefix_list: pl-00000000000000001\n", "");
    let picture = picture_of(&sim, &listed, None).await;
    assert_eq!(picture.unread, []);
    let list = &picture.prefix_lists[&id("pl-00000000000000001")];
    assert_eq!((list.entries.len(), list.max_entries, list.name.as_deref()), (250, 300, Some("shops")));
    assert_eq!(calls(&sim, "GetManagedPrefixListEntries"), 3);
    let west = &picture.tgw_tables[&id(WEST)];
    let reference =
        PrefixListReference { attachment: Some(id("tgw-attach-00000000000000002")), state: ReferenceState::Available };
    assert_eq!(west.references, BTreeMap::from([(id("pl-00000000000000001"), reference)]));
    let route = &west.routes[&id("100.64.0.7/32")];
    assert_eq!(route.origin, RouteOrigin::PrefixList { id: id("pl-00000000000000001") });
    // A table that shows such routes has its references and lists read, though the map names none.
    let picture = picture_of(&sim, &map(), None).await;
    assert_eq!(picture.tgw_tables[&id(WEST)].references.len(), 1);
    assert_eq!(picture.prefix_lists.len(), 1);
}

/// The list with 250 entries, and a reference of table west to it.
fn long_list(world: &mut World) {
    let mut file = holdfast_sim::WorldFile::parse(include_str!("world.yaml")).unwrap();
    let region = file.regions.get_mut("eu-west-1").unwrap();
    region.prefix_lists[0].entries = (0..250_u8).map(|n| format!("100.64.0.{n}/32").parse().unwrap()).collect();
    region.prefix_lists[0].max_entries = Some(300);
    region.transit_gateways[0].route_tables[0].routes.push(holdfast_sim::ec2::file::TgwRouteFile {
        prefix: None,
        prefix_list: Some("shops".into()),
        attachment: Some("new".into()),
        blackhole: false,
    });
    *world = World::from_file(&file).unwrap();
}

#[tokio::test]
async fn a_reference_under_our_own_route_is_read_where_that_route_will_go() {
    let list = id("pl-00000000000000001");
    let hidden = |under: &'static str| {
        start(move |world| {
            let mut file = holdfast_sim::WorldFile::parse(include_str!("world.yaml")).unwrap();
            let region = file.regions.get_mut("eu-west-1").unwrap();
            let prefix = under.parse().unwrap();
            region.prefix_lists[0].entries = [prefix].into();
            let route = |prefix, list: Option<&str>| holdfast_sim::ec2::file::TgwRouteFile {
                prefix,
                prefix_list: list.map(Into::into),
                attachment: Some("new".into()),
                blackhole: false,
            };
            let routes = &mut region.transit_gateways[0].route_tables[0].routes;
            routes.extend([route(Some(prefix), None), route(None, Some("shops"))]);
            *world = World::from_file(&file).unwrap();
        })
    };
    let sim = hidden("10.1.5.0/24").await;
    // At `new` and `far` table west has a route of its own, so the one that is there stays.
    for to in [None, Some("new"), Some("far")] {
        assert!(picture_of(&sim, &map(), to).await.tgw_tables[&id(WEST)].references.is_empty());
    }
    let picture = picture_of(&sim, &map(), Some("old")).await;
    assert!(picture.tgw_tables[&id(WEST)].references.contains_key(&list));
    assert!(picture.prefix_lists[&list].entries.contains(&id("10.1.5.0/24")));
    // A host's route goes when its network follows.
    let sim = hidden("10.1.5.10/32").await;
    let picture = picture_of(&sim, &map(), Some("new")).await;
    assert!(picture.tgw_tables[&id(WEST)].references.contains_key(&list));
}

const EDGE: &str = "  edge:
    account: main
    region: eu-west-1
    id: rtb-00000000000000005
    next_hops:
      old: { kind: vpc_peering, id: pcx-00000000000000001 }
      new: { kind: tgw, id: tgw-00000000000000001 }
      far: { kind: tgw, id: tgw-00000000000000001 }
";

#[tokio::test]
async fn a_vpc_table_of_the_map_brings_its_vpc_and_its_peerings() {
    let sim = start(|_| {}).await;
    let picture = picture_of(&sim, &map_with("", EDGE), None).await;
    assert_eq!(picture.unread, []);
    // No site is in this VPC: it is read since one of its tables is named.
    let shared = &picture.vpcs[&id("vpc-00000000000000005")];
    let table = &shared.tables[&id("rtb-00000000000000005")];
    assert_eq!(table.routes[&id("10.1.0.0/16")].target, VpcTarget::Peering { id: id("pcx-00000000000000001") });
    assert_eq!(table.managed_by.as_deref(), None);
    // By prefix list: a route for each entry.
    let by_list = &table.routes[&id("10.1.6.0/24")];
    assert_eq!(
        (&by_list.target, by_list.origin),
        (&VpcTarget::Tgw { id: id("tgw-00000000000000001") }, VpcRouteOrigin::PrefixList)
    );
    let peering = &picture.vpc_peerings[&id("pcx-00000000000000001")];
    assert_eq!(peering.state, AttachmentState::Available);
    let across = peering.across(&id("vpc-00000000000000005")).unwrap();
    assert_eq!((across.0, across.1), (&id("vpc-00000000000000001"), &id("eu-west-1")));
    // What NC2 and FIS wrote is told as theirs.
    let nc2 = &picture.vpcs[&id("vpc-00000000000000002")].tables[&id("rtb-00000000000000003")];
    assert_eq!(nc2.routes[&id("10.1.5.0/24")].written_by.as_deref(), Some("NC2"));
    let fis = &picture.vpcs[&id("vpc-00000000000000001")].tables[&id("rtb-00000000000000002")];
    assert_eq!(fis.managed_by.as_deref(), Some("AWS FIS"));
    let gone = map_with("", &EDGE.replace("rtb-00000000000000005", "rtb-0000000000000dead"));
    let picture = picture_of(&sim, &gone, None).await;
    assert!(picture.unread.iter().any(|unread| unread.what.contains("rtb-0000000000000dead")), "{:?}", picture.unread);
}

/// Amazon VPC user guide, "How route priority works": created, then by prefix list, then propagated.
#[tokio::test]
async fn of_routes_of_one_prefix_the_deciding_one_is_told_and_what_it_hides() {
    let sim = start(|world| {
        let by_list = "              - { prefix_list: shops, transit_gateway: west }\n";
        let more = "              - { prefix: 10.1.5.0/24, vpc_peering: side }
              - { prefix: 10.1.6.0/24, gateway: vgw-00000000000000001, propagated: true }
              - { prefix: 10.1.5.0/24, gateway: vgw-00000000000000001, propagated: true }
              - { prefix: 10.1.0.0/16, gateway: vgw-00000000000000001, propagated: true }
              - { prefix: 10.7.0.0/16, gateway: vgw-00000000000000001, propagated: true }\n";
        let text = include_str!("world.yaml").replacen(by_list, &format!("{by_list}{more}"), 1);
        *world = World::from_yaml(&text).unwrap();
    })
    .await;
    let picture = picture_of(&sim, &map_with("", EDGE), None).await;
    let table = &picture.vpcs[&id("vpc-00000000000000005")].tables[&id("rtb-00000000000000005")];
    let found = |of: &BTreeMap<Prefix, VpcRoute>, prefix: &str| of.get(&id(prefix)).map(|route| route.origin);
    use VpcRouteOrigin::{Created, PrefixList, Propagated};
    for (prefix, decides, hidden) in [
        ("10.1.5.0/24", Created, Some(PrefixList)),
        ("10.1.6.0/24", PrefixList, None),
        ("10.7.0.0/16", Propagated, None),
    ] {
        assert_eq!((found(&table.routes, prefix), found(&table.hidden, prefix)), (Some(decides), hidden), "{prefix}");
    }
    // EC2 tells of a propagated route under a created one or does not.
    assert_eq!(found(&table.routes, "10.1.0.0/16"), Some(Created));
}

#[tokio::test]
async fn allowed_prefixes_are_read_of_the_gateways_that_the_map_names() {
    let sim = start(|_| {}).await;
    let named = include_str!("map.yaml").replace(
        "enters: tgw-attach-00000000000000005 }",
        "enters: tgw-attach-00000000000000005, advertised: { kind: allowed_prefixes, gateway: 0a1b2c3d-0000-4000-8000-000000000001 } }",
    );
    let picture = picture_of(&sim, &NetworkMap::parse(&named).unwrap(), None).await;
    assert_eq!(picture.unread, []);
    let gateway = &picture.dx_gateways[&id("0a1b2c3d-0000-4000-8000-000000000001")];
    assert_eq!(gateway.name.as_deref(), Some("dx"));
    let allowed = BTreeSet::from([id("10.1.5.0/24"), id("10.3.0.0/16")]);
    assert_eq!(gateway.allowed, BTreeMap::from([(id("tgw-00000000000000002"), allowed)]));
    let unknown = named.replace("0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-00000000dead");
    let picture = picture_of(&sim, &NetworkMap::parse(&unknown).unwrap(), None).await;
    assert!(picture.dx_gateways.is_empty());
    assert!(picture.unread.iter().any(|unread| unread.what.contains("dead")), "{:?}", picture.unread);
}

#[tokio::test]
async fn interfaces_that_tables_of_the_map_lead_to_are_read() {
    let sim = start(|_| {}).await;
    let by_eni = |eni: &str| {
        let hop = "new: { kind: tgw, id: tgw-00000000000000001 }";
        map_with("", &EDGE.replace(hop, &format!("new: {{ kind: eni, id: {eni} }}")))
    };
    for (eni, wanted) in [
        ("eni-00000000000000009", Some(("vpc-00000000000000002", EniStatus::InUse))),
        ("eni-00000000000000007", Some(("vpc-00000000000000001", EniStatus::Available))),
        ("eni-0000000000000dead", None),
    ] {
        sim.shared().gate().log().clear();
        let picture = picture_of(&sim, &by_eni(eni), None).await;
        assert_eq!(picture.unread, []);
        let wanted = wanted.map(|(vpc, status)| EniSeat { vpc: id(vpc), status });
        assert_eq!(picture.enis, BTreeMap::from([(id(eni), wanted)]));
        assert_eq!(calls(&sim, "DescribeNetworkInterfaces"), 1);
    }
    sim.shared().gate().log().clear();
    picture_of(&sim, &map(), Some("new")).await;
    assert_eq!(calls(&sim, "DescribeNetworkInterfaces"), 0);
}

/// Beside `west` a second transit gateway of the Region, and a peering of `west` with a core network of Cloud WAN.
fn more_peerings(world: &mut World) {
    let second = "    transit_gateways:
      - name: edge
        id: tgw-00000000000000009
        attachments: []
        route_tables: [{ name: edge, id: tgw-rtb-00000000000000009, associations: [inner] }]\n";
    let text = include_str!("world.yaml").replacen("    transit_gateways:\n", second, 1);
    let text = text.replacen("associations: [old, new, across]", "associations: [old, new, across, inner]", 1);
    let inner = "transit_gateway_peerings:
  - name: inner
    id: tgw-attach-00000000000000009
    requester: { region: eu-west-1, transit_gateway: west }
    accepter: { region: eu-west-1, transit_gateway: edge }\n";
    *world = World::from_yaml(&text.replacen("transit_gateway_peerings:\n", inner, 1)).unwrap();
    let mut wan = world.ec2.attachments["tgw-attach-00000000000000006"].clone();
    let holdfast_sim::ec2::AttachmentKind::Peering { peer_tgw, peer } = &mut wan.kind else { panic!("{wan:?}") };
    "core-network-0123456789abcdef0".clone_into(peer_tgw);
    "us-east-1".clone_into(&mut peer.region);
    world.ec2.attachments.insert("tgw-attach-0000000000000000a".to_owned(), wan);
}

#[tokio::test]
async fn both_sides_of_a_peering_in_a_region_are_told_and_a_core_network_stops_nobody() {
    let sim = start(more_peerings).await;
    let picture = picture_of(&sim, &map(), None).await;
    assert_eq!(picture.unread, []);
    let [west, edge] = ["tgw-00000000000000001", "tgw-00000000000000009"];
    for (own, far, table) in [(west, edge, WEST), (edge, west, "tgw-rtb-00000000000000009")] {
        let side = picture.side(&id("eu-west-1"), &id(own), &id("tgw-attach-00000000000000009")).unwrap();
        assert_eq!(side.kind, AttachmentKind::Peering { tgw: id(far), region: id("eu-west-1") });
        assert_eq!(side.association, Some(id(table)));
        assert_eq!(picture.tgw_tables[&id(table)].tgw, id(own));
    }
    assert_eq!(picture.attachment(&id("eu-west-1"), &id("tgw-attach-0000000000000000a")), None);
}

/// A map whose vantage `branch` enters by Direct Connect in the second Region, and otherwise by VPN in the first.
fn by_either_region(account: &str) -> NetworkMap {
    let text = include_str!("map.yaml").replacen("accounts:\n", "accounts:\n  hub: { id: \"222233334444\" }\n", 1);
    let entries = format!(
        "prefixes: [192.168.2.0/24], account: {account}, region: eu-central-1, enters: tgw-attach-00000000000000005, advertised: {{ kind: allowed_prefixes, gateway: 0a1b2c3d-0000-4000-8000-000000000001 }}, or_enters: [{{ account: main, region: eu-west-1, attachment: tgw-attach-00000000000000003, advertised: {{ kind: bgp }} }}] }}"
    );
    let branch =
        "prefixes: [192.168.2.0/24], account: main, region: eu-central-1, enters: tgw-attach-00000000000000005 }";
    NetworkMap::parse(&text.replace(branch, &entries)).unwrap()
}

#[tokio::test]
async fn a_gateway_of_a_lost_region_is_asked_of_another_region_of_its_account() {
    let sim = start(|_| {}).await;
    let lost = by_either_region("main").losing(&id("eu-central-1")).unwrap();
    let picture = picture_of(&sim, &lost, None).await;
    assert_eq!(picture.unread, []);
    let allowed = &picture.dx_gateways[&id("0a1b2c3d-0000-4000-8000-000000000001")].allowed;
    assert!(allowed[&id("tgw-00000000000000002")].contains(&id("10.1.5.0/24")));
    let log = sim.shared().gate().log().since(0);
    assert!(log.iter().all(|call| call.region == "eu-west-1"), "{log:#?}");

    // Its account has no other Region in the map: it is unread, and said so.
    let lost = by_either_region("hub").losing(&id("eu-central-1")).unwrap();
    let picture = picture_of(&sim, &lost, None).await;
    assert!(picture.dx_gateways.is_empty());
    let why: Vec<&str> = picture.unread.iter().map(|unread| unread.why.as_str()).collect();
    assert_eq!(why, ["no Region of account `hub` was asked"]);
}
