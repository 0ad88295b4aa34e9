//! VPC route tables: peering, gateways, propagated routes, quotas. Sources: Amazon VPC Peering guide; Amazon VPC user guide,
//! "Route priority", "Quotas".

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails here fails the test")]

use crate::support::{Aws, OSAKA, TOKYO};
use holdfast_sim::{
    World,
    dataplane::{self, Lost, ProbeOutcome},
    ec2::{Kind, VpcPeeringState, VpcRoute, VpcTarget},
};

/// A machine in each of two peered VPCs, and one in a third VPC that is peered with the second only.
const WORLD: &str = r#"
regions:
  ap-northeast-1:
    vpcs:
      - name: near
        cidrs: [10.1.0.0/16]
        subnets: [{ name: near, cidr: 10.1.1.0/24 }]
        route_tables:
          - name: near
            main: true
            routes:
              - { prefix: 10.3.0.0/16, vpc_peering: near-far }
              - { prefix: 10.5.0.0/16, vpc_peering: near-far }
              - { prefix: 172.30.1.0/24, vpc_peering: near-far }
    instances:
      - { name: near-1, interfaces: [{ subnet: near, address: 10.1.1.10 }] }
  ap-northeast-3:
    vpcs:
      - name: far
        cidrs: [10.3.0.0/16]
        subnets: [{ name: far, cidr: 10.3.1.0/24 }]
        route_tables:
          - name: far
            main: true
            routes:
              - { prefix: 10.1.0.0/16, vpc_peering: near-far }
              - { prefix: 10.5.0.0/16, vpc_peering: far-third }
              - { prefix: 172.30.1.0/24, network_interface: host-3 }
      - name: third
        cidrs: [10.5.0.0/16]
        subnets: [{ name: third, cidr: 10.5.1.0/24 }]
        route_tables:
          - { name: third, main: true, routes: [{ prefix: 10.1.0.0/16, vpc_peering: far-third }] }
    instances:
      - { name: far-1, interfaces: [{ subnet: far, address: 10.3.1.10 }] }
      - { name: third-1, interfaces: [{ subnet: third, address: 10.5.1.10 }] }
      - { name: nc2-3, interfaces: [{ name: host-3, subnet: far, address: 10.3.1.11, source_dest_check: false }] }
vpc_peerings:
  - name: near-far
    requester: { region: ap-northeast-1, vpc: near }
    accepter: { region: ap-northeast-3, vpc: far }
  - name: far-third
    requester: { region: ap-northeast-3, vpc: far }
    accepter: { region: ap-northeast-3, vpc: third }
prism_centrals:
  pc-osaka:
    username: u
    password: p
    region: ap-northeast-3
    clusters: [{ name: nc2 }]
    vpcs:
      - { name: transit, kind: transit }
      - { name: apps, external_subnets: [nonat], routable_prefixes: [172.30.1.0/24], host_interfaces: [host-3] }
    subnets:
      - { name: nonat, vpc: transit, cidr: 100.64.1.0/24, external: true, nat: false }
      - { name: app, vpc: apps, cidr: 172.30.1.0/24, gateway: 172.30.1.1 }
    vms:
      - { name: web-1, nics: [{ subnet: app, address: 172.30.1.34 }] }
"#;

fn probe(world: &World, from: &str, to: &str) -> ProbeOutcome {
    let (from, _) = world.guests.named(from).unwrap();
    dataplane::probe(world, from, to.parse().unwrap(), 0)
}

fn lost(outcome: ProbeOutcome) -> Lost {
    match outcome {
        ProbeOutcome::Lost { lost, .. } | ProbeOutcome::ReplyLost { lost, .. } => lost,
        other => panic!("not lost: {other:?}"),
    }
}

#[test]
fn peered_vpcs_reach_each_other_and_nothing_beyond() {
    let world = World::from_yaml(WORLD).unwrap();
    assert!(matches!(probe(&world, "near-1", "10.3.1.10"), ProbeOutcome::Answered { .. }));
    assert!(matches!(probe(&world, "far-1", "10.1.1.10"), ProbeOutcome::Answered { .. }));
    // Not transitive, and no edge to edge routing into an overlay.
    assert!(matches!(lost(probe(&world, "near-1", "10.5.1.10")), Lost::Filtered { .. }));
    assert!(matches!(lost(probe(&world, "near-1", "172.30.1.34")), Lost::Filtered { .. }));
}

#[test]
fn with_the_switch_a_peering_carries_the_prefixes_of_an_overlay_but_goes_no_further() {
    let mut world = World::from_yaml(WORLD).unwrap();
    world.switches.ec2.peering_carries_overlays = true;
    assert!(matches!(probe(&world, "near-1", "172.30.1.34"), ProbeOutcome::Answered { .. }));
    assert!(matches!(lost(probe(&world, "near-1", "10.5.1.10")), Lost::Filtered { .. }));
}

#[test]
fn a_deleted_or_waiting_peering_is_a_blackhole() {
    for state in [VpcPeeringState::Deleted, VpcPeeringState::PendingAcceptance] {
        let mut world = World::from_yaml(WORLD).unwrap();
        let id = world.ec2.find(Kind::VpcPeering, OSAKA, "near-far").unwrap().to_owned();
        assert_eq!(world.ec2.find(Kind::VpcPeering, TOKYO, "near-far"), Some(id.as_str()), "one id in both Regions");
        world.ec2.vpc_peerings.get_mut(&id).unwrap().state = state;
        assert!(matches!(lost(probe(&world, "near-1", "10.3.1.10")), Lost::Blackhole { .. }));
    }
}

#[test]
fn a_route_to_an_interface_of_a_stopped_instance_is_a_blackhole() {
    let mut world = World::from_yaml(WORLD).unwrap();
    world.switches.ec2.peering_carries_overlays = true;
    let host = world.ec2.find(Kind::Instance, OSAKA, "nc2-3").unwrap().to_owned();
    world.ec2.stop_instance(&host, 0).unwrap();
    assert!(matches!(lost(probe(&world, "near-1", "172.30.1.34")), Lost::Blackhole { .. }));
}

#[test]
fn mistakes_in_the_file_are_told() {
    for (right, wrong, told) in [
        ("vpc: near }\n", "vpc: nowhere }\n", "there is no VPC `nowhere`"),
        ("cidrs: [10.5.0.0/16]", "cidrs: [10.3.128.0/17, 10.5.0.0/16]", "the CIDRs of the two VPCs overlap"),
        (
            "vpc_peering: far-third }\n",
            "vpc_peering: far-fourth }\n",
            "there is no VPC peering connection `far-fourth`",
        ),
    ] {
        assert!(WORLD.contains(right), "{right}");
        let error = World::from_yaml(&WORLD.replacen(right, wrong, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "`{wrong}`: {error}");
    }
}

#[tokio::test]
async fn a_table_takes_five_hundred_routes_besides_the_local_ones() {
    let aws = Aws::start().await;
    {
        let mut world = aws.sim.shared().world();
        let table = world.ec2.route_tables.get_mut("rtb-0ec2").unwrap();
        for n in 0..498u32 {
            let prefix = ipnet::Ipv4Net::new(std::net::Ipv4Addr::from(0x0b00_0000 + n * 256), 24).unwrap();
            table.routes.insert(prefix, VpcRoute { target: VpcTarget::TransitGateway("tgw-01".into()) });
        }
    }
    let route =
        |prefix| [("RouteTableId", "rtb-0ec2"), ("DestinationCidrBlock", prefix), ("TransitGatewayId", "tgw-01")];
    assert_eq!(aws.ec2("CreateRoute", &route("12.0.0.0/24")).await.code(), "", "route 500, with the default route");
    assert_eq!(aws.ec2("CreateRoute", &route("12.0.1.0/24")).await.code(), "RouteLimitExceeded");
    assert_eq!(aws.ec2("ReplaceRoute", &route("12.0.0.0/24")).await.code(), "", "a replaced route is not one more");
}

/// Reads of the control plane may lag behind for VPC route tables too; conditions of later writes do not.
#[tokio::test]
async fn a_stale_read_shows_a_vpc_table_as_it_was() {
    let aws = Aws::start().await;
    aws.control(reqwest::Method::PUT, "/switches", serde_json::json!({"ec2": {"stale_reads": 2}})).await;
    let route = [("RouteTableId", "rtb-0ec2"), ("DestinationCidrBlock", "12.0.0.0/24"), ("TransitGatewayId", "tgw-01")];
    assert_eq!(aws.ec2("CreateRoute", &route).await.code(), "");
    let seen = async || {
        let table = aws.ec2("DescribeRouteTables", &[("RouteTableId.1", "rtb-0ec2")]).await;
        table.texts("destinationCidrBlock").contains(&"12.0.0.0/24")
    };
    assert!(!seen().await);
    assert_eq!(aws.ec2("CreateRoute", &route).await.code(), "RouteAlreadyExists");
    assert!(!seen().await);
    assert!(seen().await);
    assert_eq!(aws.ec2("DeleteRoute", &route[..2]).await.code(), "");
    assert!(seen().await);
    assert_eq!(aws.ec2("DescribeRouteTables", &[("MaxResults", "101")]).await.code(), "InvalidParameterValue");
}

#[test]
fn a_copy_of_a_world_goes_its_own_way() {
    let mut world = World::from_yaml(WORLD).unwrap();
    let copy = world.clone();
    let id = world.ec2.find(Kind::VpcPeering, OSAKA, "near-far").unwrap().to_owned();
    world.ec2.vpc_peerings.get_mut(&id).unwrap().state = VpcPeeringState::Deleted;
    assert!(matches!(lost(probe(&world, "near-1", "10.3.1.10")), Lost::Blackhole { .. }));
    assert!(matches!(probe(&copy, "near-1", "10.3.1.10"), ProbeOutcome::Answered { .. }));
}

/// Routes to gateways that belong to others are read as they are, led elsewhere, and put back.
#[tokio::test]
async fn routes_to_gateways_are_shown_and_can_be_put_back() {
    let world = crate::support::WORLD.replacen(
        "routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }]",
        "routes: [{ prefix: 0.0.0.0/0, nat_gateway: nat-01 }, { prefix: 10.0.0.0/8, gateway: vgw-01 }, \
         { prefix: 172.30.9.0/24, gateway: vpce-01 }]",
        1,
    );
    let aws = Aws::of(&world, holdfast_sim::Options::default()).await;
    let routes = aws.ec2("DescribeRouteTables", &[("RouteTableId.1", "rtb-0ec2")]).await;
    let mut gateways = routes.texts("gatewayId");
    gateways.sort_unstable();
    assert_eq!((gateways, routes.texts("natGatewayId")), (vec!["local", "vgw-01", "vpce-01"], vec!["nat-01"]));
    let to = |prefix, name, id| [("RouteTableId", "rtb-0ec2"), ("DestinationCidrBlock", prefix), (name, id)];
    let cases = [
        ("ReplaceRoute", to("0.0.0.0/0", "TransitGatewayId", "tgw-01"), ""),
        ("ReplaceRoute", to("0.0.0.0/0", "NatGatewayId", "nat-01"), ""),
        ("ReplaceRoute", to("172.30.9.0/24", "NetworkInterfaceId", "eni-01"), ""),
        ("ReplaceRoute", to("172.30.9.0/24", "VpcEndpointId", "vpce-01"), ""),
        ("CreateRoute", to("172.30.1.0/24", "NatGatewayId", "nat-01"), ""),
        ("ReplaceRoute", to("172.30.1.0/24", "GatewayId", "vgw-01"), "InvalidParameterValue"),
        ("CreateRoute", to("11.0.0.0/8", "GatewayId", "igw-09"), "InvalidGatewayID.NotFound"),
        ("CreateRoute", to("11.0.0.0/8", "NatGatewayId", "nat-09"), "InvalidNatGatewayID.NotFound"),
        ("CreateRoute", to("11.0.0.0/8", "VpcEndpointId", "vpce-09"), "InvalidVpcEndpointId.NotFound"),
    ];
    for (action, parameters, code) in cases {
        assert_eq!(aws.ec2(action, &parameters).await.code(), code, "{action} {parameters:?}");
    }
}

/// "Route priority": a created route hides a propagated one of its prefix, which comes back; `local` is not overruled.
#[tokio::test]
async fn propagated_vpc_routes_give_way_and_come_back() {
    let world = crate::support::WORLD.replacen(
        "routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }]",
        "routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }, { prefix: 10.8.0.0/16, gateway: vgw-01, propagated: true }, \
         { prefix: 172.30.9.0/24, gateway: vgw-01, propagated: true }]",
        1,
    );
    let aws = Aws::of(&world, holdfast_sim::Options::default()).await;
    let hop = |ip: &str| {
        let found = aws.sim.shared().world().ec2.vpc_lookup("rtb-0ec2", ip.parse().unwrap()).unwrap();
        found.target
    };
    let vgw = VpcTarget::Gateway("vgw-01".into());
    assert_eq!((hop("10.8.0.1"), hop("172.30.9.1")), (vgw.clone(), VpcTarget::Local));
    let origins = async || {
        let table = aws.ec2("DescribeRouteTables", &[("RouteTableId.1", "rtb-0ec2")]).await;
        let rows = table.texts("destinationCidrBlock").into_iter().zip(table.texts("origin"));
        rows.filter(|(prefix, _)| *prefix == "10.8.0.0/16").map(|(_, origin)| origin.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(origins().await, ["EnableVgwRoutePropagation"]);
    let route = [("RouteTableId", "rtb-0ec2"), ("DestinationCidrBlock", "10.8.0.0/16"), ("TransitGatewayId", "tgw-01")];
    assert_eq!(aws.ec2("ReplaceRoute", &route).await.code(), "InvalidParameterValue", "there is none that was created");
    assert_eq!(aws.ec2("CreateRoute", &route).await.code(), "");
    assert_eq!(
        (hop("10.8.0.1"), origins().await),
        (VpcTarget::TransitGateway("tgw-01".into()), vec!["CreateRoute".to_owned()])
    );
    assert_eq!(aws.ec2("DeleteRoute", &route[..2]).await.code(), "");
    assert_eq!((hop("10.8.0.1"), origins().await), (vgw, vec!["EnableVgwRoutePropagation".to_owned()]));
    assert_eq!(aws.ec2("DeleteRoute", &route[..2]).await.code(), "InvalidRoute.NotFound");
}
