//! Worlds that are measured, each with its network map.

use crate::error::BoxError;
use holdfast_model::NetworkMap;
use holdfast_sim::World;
use std::fmt::Write;

/// The reference story's world and map.
pub(super) fn story() -> Result<(World, NetworkMap), BoxError> {
    let world = World::from_yaml(include_str!("../../worlds/story.yaml"))?;
    let map = NetworkMap::parse(include_str!("../../../../infra/network-map.example.yaml"))
        .map_err(|errors| format!("{errors:?}"))?;
    Ok((world, map))
}

/// How a table leads many networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A static route for each.
    Routes,
    /// A reference to one prefix list.
    List,
}

/// One transit gateway with `count` networks that all lie at site `a`, and its one table that leads there.
pub(super) fn many(count: u32, by: By) -> Result<(World, NetworkMap), BoxError> {
    let prefixes: Vec<String> = (0..count).map(|n| format!("100.{}.{}.0/24", 64 + n / 256, n % 256)).collect();
    let mut routes = String::new();
    let mut networks = String::new();
    for (n, prefix) in prefixes.iter().enumerate() {
        if by == By::Routes {
            writeln!(routes, "              - {{ prefix: {prefix}, attachment: a }}")?;
        }
        writeln!(networks, "  n{n}: {{ prefix: {prefix}, subnets: {{ a: n{n}, b: n{n} }} }}")?;
    }
    if by == By::List {
        writeln!(routes, "              - {{ prefix_list: all, attachment: a }}")?;
    }
    let world = WORLD.replace("ROUTES\n", &routes).replace("ENTRIES", &prefixes.join(", "));
    let list = if by == By::List { "    prefix_list: pl-00000000000000001\n" } else { "" };
    let map = MAP.replace("NETWORKS\n", &networks).replace("LIST\n", list);
    Ok((World::from_yaml(&world)?, NetworkMap::parse(&map).map_err(|errors| format!("{errors:?}"))?))
}

const WORLD: &str = r#"
default_account: "111122223333"
switches:
  pace: { aws_ms: 30 }
  ec2: { route_pending_reads: 0, prefix_list_pending_reads: 0 }
regions:
  eu-west-1:
    vpcs:
      - name: a
        id: vpc-00000000000000001
        cidrs: [10.1.0.0/16]
        subnets: [{ name: a, cidr: 10.1.1.0/24 }]
        route_tables:
          - { name: a, main: true, routes: [{ prefix: 100.64.0.0/12, network_interface: host-a }, { prefix: 0.0.0.0/0, transit_gateway: hub }] }
      - name: b
        id: vpc-00000000000000002
        cidrs: [10.2.0.0/16]
        subnets: [{ name: b, cidr: 10.2.1.0/24 }]
        route_tables:
          - { name: b, main: true, routes: [{ prefix: 100.64.0.0/12, network_interface: host-b }, { prefix: 0.0.0.0/0, transit_gateway: hub }] }
    instances:
      - { name: a, interfaces: [{ name: host-a, subnet: a, source_dest_check: false }] }
      - { name: b, interfaces: [{ name: host-b, subnet: b, source_dest_check: false }] }
    prefix_lists:
      - { name: all, id: pl-00000000000000001, entries: [ENTRIES] }
    transit_gateways:
      - name: hub
        id: tgw-00000000000000001
        attachments:
          - { name: a, id: tgw-attach-00000000000000001, kind: vpc, vpc: a, subnets: [a] }
          - { name: b, id: tgw-attach-00000000000000002, kind: vpc, vpc: b, subnets: [b] }
          - { name: office, id: tgw-attach-00000000000000003, kind: vpn, prefixes: [192.168.1.0/24] }
        route_tables:
          - name: hub
            id: tgw-rtb-00000000000000001
            associations: [a, b, office]
            propagations: [a, b, office]
            routes:
ROUTES
"#;

const MAP: &str = r#"
schema_version: 1
accounts:
  main: { id: "111122223333" }
prism_centrals:
  pc: { endpoint: "https://10.2.1.5:9440", secret: pc, trust: { kind: web_roots }, region: eu-west-1 }
sites:
  a: { kind: nc2, account: main, region: eu-west-1, vpc: vpc-00000000000000001, prism_central: pc, fvn_vpc: apps, cluster: a }
  b: { kind: nc2, account: main, region: eu-west-1, vpc: vpc-00000000000000002, prism_central: pc, fvn_vpc: apps, cluster: b }
networks:
NETWORKS
route_tables:
  hub:
    account: main
    region: eu-west-1
    id: tgw-rtb-00000000000000001
LIST
    next_hops:
      a: { kind: attachment, id: tgw-attach-00000000000000001 }
      b: { kind: attachment, id: tgw-attach-00000000000000002 }
vantages:
  office: { kind: on_premises, prefixes: [192.168.1.0/24], account: main, region: eu-west-1, enters: tgw-attach-00000000000000003 }
"#;
