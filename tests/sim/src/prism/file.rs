//! The world file's sections on Prism Central and recovery plans.
//!
//! Names stand for ids: an id that is not given is made from the name. A reference may be a name or an id.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::level::Level;
use crate::{ec2::Platform, guests::file::GuestFile};

/// A Prism Central.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrismCentralFile {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// Key of a service account that may ask without a user.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Region of its NC2 hosts; needed where a VPC names `host_interfaces`.
    #[serde(default)]
    pub region: Option<String>,
    /// Highest level of the v4 API in every namespace that knows it, `"4.0"` to `"4.4"`; `"4.0.b1"` for the betas of
    /// pc.2024.1 and pc.2024.2, `"4.0.a1"` for an older one that serves none of them; `"4.1"` unless given.
    #[serde(default = "level")]
    #[schemars(with = "String")]
    pub api_level: Level,
    /// Levels of single namespaces: `vmm`, `networking`, `prism`, `clustermgmt`, `dataprotection`, `datapolicies`; the last
    /// two have recovery plans from "4.2" on.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub api_levels: BTreeMap<String, Level>,
    /// Whether it tells its level at `OPTIONS /api/{namespace}/unversioned/info`; it does unless told otherwise.
    #[serde(default = "yes")]
    pub advertises_level: bool,
    /// Whether it serves the v3 API, as it does unless told otherwise.
    #[serde(default = "yes")]
    pub serves_v3: bool,
    /// Product version.
    #[serde(default = "product")]
    pub product: String,
    /// Clusters; one named `<name>-cluster` unless given.
    #[serde(default)]
    pub clusters: Vec<ClusterFile>,
    /// FVN VPCs.
    #[serde(default)]
    pub vpcs: Vec<FvnVpcFile>,
    /// Subnets.
    #[serde(default)]
    pub subnets: Vec<FvnSubnetFile>,
    /// VMs.
    #[serde(default)]
    pub vms: Vec<VmFile>,
}

fn level() -> Level {
    Level::Minor(1)
}

fn product() -> String {
    "pc.7.3".into()
}

fn yes() -> bool {
    true
}

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// Name.
    pub name: String,
    /// Id, a UUID.
    #[serde(default)]
    pub id: Option<String>,
}

/// The kind of an FVN VPC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VpcKind {
    /// A VPC of users.
    #[default]
    Regular,
    /// The VPC that carries the external subnets towards AWS.
    Transit,
}

/// An FVN VPC.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FvnVpcFile {
    /// Name.
    pub name: String,
    /// Id, a UUID.
    #[serde(default)]
    pub id: Option<String>,
    /// Kind.
    #[serde(default)]
    pub kind: VpcKind,
    /// External subnets that it is attached to; without NAT for the no-NAT shape.
    #[serde(default)]
    pub external_subnets: Vec<String>,
    /// Externally routable prefixes (ERPs).
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub routable_prefixes: Vec<Ipv4Net>,
    /// DNS servers that DHCP hands out in all its subnets.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// Network interfaces of NC2 hosts, by name or id in the Region of this Prism Central: what AWS sends to one of
    /// them for a routable prefix enters this VPC.
    #[serde(default)]
    pub host_interfaces: Vec<String>,
}

/// The kind of a subnet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubnetKind {
    /// FVN overlay, in a VPC.
    #[default]
    Overlay,
    /// A VLAN of a cluster.
    Vlan,
}

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FvnSubnetFile {
    /// Name.
    pub name: String,
    /// Id, a UUID.
    #[serde(default)]
    pub id: Option<String>,
    /// Kind; overlay unless given.
    #[serde(default)]
    pub kind: SubnetKind,
    /// VPC of an overlay.
    #[serde(default)]
    pub vpc: Option<String>,
    /// Cluster of a VLAN; the first one unless given.
    #[serde(default)]
    pub cluster: Option<String>,
    /// CIDR; a VLAN without one is unmanaged.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub cidr: Option<Ipv4Net>,
    /// Default gateway; the first address unless given.
    #[serde(default)]
    pub gateway: Option<Ipv4Addr>,
    /// Address of the DHCP server, where it has one of its own.
    #[serde(default)]
    pub dhcp_server: Option<Ipv4Addr>,
    /// DHCP pools.
    #[serde(default)]
    pub pools: Vec<PoolFile>,
    /// DNS servers that DHCP hands out; those of the VPC unless given.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// Reserved addresses.
    #[serde(default)]
    pub reserved: Vec<Ipv4Addr>,
    /// Whether VPCs reach the outside through it.
    #[serde(default)]
    pub external: bool,
    /// Whether an external subnet translates addresses.
    #[serde(default)]
    pub nat: bool,
}

/// A DHCP pool.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolFile {
    /// First address.
    pub first: Ipv4Addr,
    /// Last address.
    pub last: Ipv4Addr,
}

/// A VM.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VmFile {
    /// Name; need not be unique.
    pub name: String,
    /// Id, a UUID; to be given where a name occurs twice.
    #[serde(default)]
    pub id: Option<String>,
    /// Cluster; the first one unless given.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Whether it is powered off; it is on unless told so.
    #[serde(default)]
    pub powered_off: bool,
    /// Operating system family.
    #[serde(default)]
    pub platform: Platform,
    /// NICs in order.
    #[serde(default)]
    pub nics: Vec<NicFile>,
    /// Its operating system, where it is to differ from the usual.
    #[serde(default)]
    pub guest: Option<GuestFile>,
}

/// A NIC.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NicFile {
    /// Subnet, by name or id.
    pub subnet: String,
    /// Configured address; the next free one of the pools unless given.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
    /// Further configured addresses.
    #[serde(default)]
    pub secondary: Vec<Ipv4Addr>,
    /// MAC address.
    #[serde(default)]
    pub mac: Option<String>,
    /// Whether its link is down.
    #[serde(default)]
    pub disconnected: bool,
}

/// A side of a recovery plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The primary Prism Central.
    #[default]
    Primary,
    /// The recovery Prism Central.
    Recovery,
}

/// A recovery plan between two Prism Centrals.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlanFile {
    /// Prism Central of the primary side.
    pub primary: String,
    /// Prism Central of the recovery side.
    pub recovery: String,
    /// Which subnet stands for which at the other side.
    pub networks: Vec<NetworkMappingFile>,
    /// Names of the VMs; they need not exist yet.
    pub vms: Vec<String>,
    /// Where the VMs run at first; the primary side unless given.
    #[serde(default)]
    pub live: Side,
}

/// Two subnets that stand for each other.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkMappingFile {
    /// Subnet of the primary side, by name or id.
    pub primary: String,
    /// Subnet of the recovery side, by name or id.
    pub recovery: String,
    /// Subnet of the primary side that a test failover to it recovers into.
    #[serde(default)]
    pub primary_test: Option<String>,
    /// Subnet of the recovery side that a test failover to it recovers into.
    #[serde(default)]
    pub recovery_test: Option<String>,
}
