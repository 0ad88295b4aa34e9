//! VPCs, their route tables and peerings, and prefix lists, as the world file has them.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A VPC.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VpcFile {
    /// Name, also its tag `Name`.
    pub name: String,
    /// Id; made from the name unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// Owner; the default account unless given.
    #[serde(default)]
    pub account: Option<String>,
    /// CIDR blocks, the primary one first.
    #[schemars(with = "Vec<String>")]
    pub cidrs: Vec<Ipv4Net>,
    /// Subnets.
    #[serde(default)]
    pub subnets: Vec<SubnetFile>,
    /// Route tables. A VPC without one marked `main` gets one with the local routes only.
    #[serde(default)]
    pub route_tables: Vec<RouteTableFile>,
    /// Security groups besides the default one.
    #[serde(default)]
    pub security_groups: Vec<SecurityGroupFile>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A security group. Nothing is filtered by it: the simulation only tells of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroupFile {
    /// Name; unique in its VPC.
    pub name: String,
    /// Id; made from the name unless given.
    #[serde(default)]
    pub id: Option<String>,
    /// Groups of the VPC, by name, that it admits; `default` is the VPC's own.
    #[serde(default)]
    pub admits: Vec<String>,
}

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubnetFile {
    /// Name, also its tag `Name`; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// CIDR, within one of the VPC's.
    #[schemars(with = "String")]
    pub cidr: Ipv4Net,
    /// Availability Zone; the Region's zone `a` unless given.
    #[serde(default)]
    pub zone: Option<String>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A route table of a VPC. The local routes are there by themselves.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteTableFile {
    /// Name, also its tag `Name`.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether it is the VPC's main table.
    #[serde(default)]
    pub main: bool,
    /// Subnets that use it.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Routes besides the local ones.
    #[serde(default)]
    pub routes: Vec<RouteFile>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A managed prefix list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrefixListFile {
    /// Name; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// Owner; the default account unless given.
    #[serde(default)]
    pub account: Option<String>,
    /// Entries.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub entries: Vec<Ipv4Net>,
    /// Most entries that it takes; as many as it has, and at least 10, unless given.
    #[serde(default)]
    pub max_entries: Option<usize>,
    /// Accounts that it is shared with.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A VPC route: a prefix or a prefix list, and exactly one target.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// Destination.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub prefix: Option<Ipv4Net>,
    /// Destination: a prefix list of the Region.
    #[serde(default)]
    pub prefix_list: Option<String>,
    /// A transit gateway of the Region.
    #[serde(default)]
    pub transit_gateway: Option<String>,
    /// A network interface of the VPC.
    #[serde(default)]
    pub network_interface: Option<String>,
    /// A VPC peering connection of the VPC.
    #[serde(default)]
    pub vpc_peering: Option<String>,
    /// Id of an internet gateway (`igw-..`), a virtual private gateway (`vgw-..`) or a Gateway Load Balancer endpoint
    /// (`vpce-..`) of the VPC. What is beyond it is not simulated.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Whether the virtual private gateway propagates it; else it was created.
    #[serde(default)]
    pub propagated: bool,
    /// Id of a NAT gateway of the VPC (`nat-..`). What is beyond it is not simulated.
    #[serde(default)]
    pub nat_gateway: Option<String>,
}

/// A peering connection between two VPCs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VpcPeeringFile {
    /// Name, also its tag `Name`; route tables of both Regions may refer to it.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// One side.
    pub requester: VpcPeerFile,
    /// The other side.
    pub accepter: VpcPeerFile,
    /// Whether it still waits to be accepted.
    #[serde(default)]
    pub pending: bool,
}

/// One side of a VPC peering connection.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VpcPeerFile {
    /// Region.
    pub region: String,
    /// VPC of that Region, by name or id.
    pub vpc: String,
}
