//! The world file's sections on AWS networking.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::state::{Platform, Service};
use crate::guests;

/// One Region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionFile {
    /// VPCs.
    pub vpcs: Vec<VpcFile>,
    /// Instances, NC2 hosts among them.
    pub instances: Vec<InstanceFile>,
    /// Network interfaces that belong to no instance.
    pub network_interfaces: Vec<InterfaceFile>,
    /// Managed prefix lists.
    pub prefix_lists: Vec<PrefixListFile>,
    /// Target groups of load balancers.
    pub target_groups: Vec<TargetGroupFile>,
    /// Transit gateways.
    pub transit_gateways: Vec<TransitGatewayFile>,
}

/// A VPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    pub cidrs: Vec<Ipv4Net>,
    /// Subnets.
    #[serde(default)]
    pub subnets: Vec<SubnetFile>,
    /// Route tables. A VPC without one marked `main` gets one with the local routes only.
    #[serde(default)]
    pub route_tables: Vec<RouteTableFile>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubnetFile {
    /// Name, also its tag `Name`; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// CIDR, within one of the VPC's.
    pub cidr: Ipv4Net,
    /// Availability Zone; the Region's zone `a` unless given.
    #[serde(default)]
    pub zone: Option<String>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A route table of a VPC. The local routes are there by themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

/// A target group of a load balancer. Where a world declares one, its load balancers are answered by the simulator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetGroupFile {
    /// Name; unique in its Region.
    pub name: String,
    /// VPC, by name or id.
    pub vpc: String,
    /// Port of the targets.
    #[serde(default = "web")]
    pub port: u16,
    /// Targets: IP addresses, or instances by name or id; all of one kind.
    pub targets: Vec<String>,
}

fn web() -> u16 {
    443
}

/// A managed prefix list.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// Destination.
    #[serde(default)]
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
}

/// An EC2 instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceFile {
    /// Its tag `Name`; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// Operating system family.
    #[serde(default)]
    pub platform: Platform,
    /// Whether it runs; it does unless told otherwise.
    #[serde(default)]
    pub stopped: bool,
    /// Instance type; `m5.large` unless given.
    #[serde(default)]
    pub instance_type: Option<String>,
    /// Network interfaces, the primary one first; at least one.
    pub interfaces: Vec<InterfaceFile>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether it forwards what arrives for others at an interface without source/destination check, as a firewall
    /// appliance of an inspection VPC does: back into the interface's subnet.
    #[serde(default)]
    pub forwards: bool,
    /// Auto Scaling group that it belongs to, as its tag `aws:autoscaling:groupName` says.
    #[serde(default)]
    pub auto_scaling_group: Option<String>,
    /// Its operating system, where it is to differ from the usual.
    #[serde(default)]
    pub guest: Option<guests::file::GuestFile>,
}

/// A network interface.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceFile {
    /// Name, also its tag `Name`; for an instance's interface `<instance>-<index>` unless given.
    #[serde(default)]
    pub name: Option<String>,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// Subnet, by name or id.
    pub subnet: String,
    /// Primary address; the subnet's next free one unless given.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
    /// Secondary addresses.
    #[serde(default)]
    pub secondary: Vec<Ipv4Addr>,
    /// MAC address; made from the id unless given.
    #[serde(default)]
    pub mac: Option<String>,
    /// Source/destination check; on unless told otherwise.
    #[serde(default = "yes")]
    pub source_dest_check: bool,
    /// Description; for an interface of a service, as that service describes it, unless given.
    #[serde(default)]
    pub description: String,
    /// The service that made it for itself; for an interface that belongs to no instance. Those of transit gateway
    /// attachments are there by themselves.
    #[serde(default)]
    pub service: Option<Service>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// A transit gateway with its attachments and route tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitGatewayFile {
    /// Name, also its tag `Name`; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// Owner; the default account unless given.
    #[serde(default)]
    pub account: Option<String>,
    /// Accounts that it is shared with through Resource Access Manager: they may attach VPCs. Who has a VPC attached
    /// in this file sees it anyway.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// Whether what other accounts attach needs no acceptance.
    #[serde(default)]
    pub auto_accept: bool,
    /// Attachments other than peerings.
    #[serde(default)]
    pub attachments: Vec<AttachmentFile>,
    /// Route tables.
    #[serde(default)]
    pub route_tables: Vec<TgwRouteTableFile>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What an attachment attaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentKindFile {
    /// A VPC.
    Vpc,
    /// A Site-to-Site VPN.
    Vpn,
    /// A Direct Connect gateway.
    DirectConnectGateway,
}

/// An attachment of a transit gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentFile {
    /// Name, also its tag `Name`; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// What it attaches.
    pub kind: AttachmentKindFile,
    /// The VPC, for kind `vpc`.
    #[serde(default)]
    pub vpc: Option<String>,
    /// One subnet per Availability Zone, for kind `vpc`.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// Prefixes that the other side advertises, for kinds `vpn` and `direct-connect-gateway`.
    #[serde(default)]
    pub prefixes: Vec<Ipv4Net>,
    /// The Direct Connect gateway, by name or id, for kind `direct-connect-gateway`; one of its own unless given.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Our prefixes that the Direct Connect gateway may advertise to on-premises, for kind `direct-connect-gateway`.
    #[serde(default)]
    pub allowed_prefixes: Vec<Ipv4Net>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TgwRouteTableFile {
    /// Name, also its tag `Name`; unique in its Region.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// Attachments (and peerings) whose traffic it routes.
    #[serde(default)]
    pub associations: Vec<String>,
    /// Attachments that propagate their prefixes into it.
    #[serde(default)]
    pub propagations: Vec<String>,
    /// Static routes, and references to prefix lists.
    #[serde(default)]
    pub routes: Vec<TgwRouteFile>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A static route of a transit gateway: to an attachment, or a blackhole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TgwRouteFile {
    /// Destination.
    #[serde(default)]
    pub prefix: Option<Ipv4Net>,
    /// Destination: a prefix list of the Region.
    #[serde(default)]
    pub prefix_list: Option<String>,
    /// An attachment or a peering, by name or id.
    #[serde(default)]
    pub attachment: Option<String>,
    /// Drops the traffic instead.
    #[serde(default)]
    pub blackhole: bool,
}

/// A peering between two transit gateways, accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeeringFile {
    /// Name, also its tag `Name`; route tables of both Regions may refer to it.
    pub name: String,
    /// Id.
    #[serde(default)]
    pub id: Option<String>,
    /// One side.
    pub requester: PeerFile,
    /// The other side.
    pub accepter: PeerFile,
}

/// A peering connection between two VPCs.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VpcPeerFile {
    /// Region.
    pub region: String,
    /// VPC of that Region, by name or id.
    pub vpc: String,
}

/// One side of a peering.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerFile {
    /// Region.
    pub region: String,
    /// Transit gateway of that Region, by name or id.
    pub transit_gateway: String,
}
