//! The world file's sections on AWS networking.

mod gateways;
mod vpcs;

use std::{collections::BTreeMap, net::Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::{Platform, Service};
use crate::guests;
pub use gateways::{
    AttachmentFile, AttachmentKindFile, PeerFile, PeeringFile, TgwRouteFile, TgwRouteTableFile, TransitGatewayFile,
};
pub use vpcs::{
    PrefixListFile, RouteFile, RouteTableFile, SecurityGroupFile, SubnetFile, VpcFile, VpcPeerFile, VpcPeeringFile,
};

/// One Region.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
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

/// A target group of a load balancer. Where a world declares one, its load balancers are answered by the simulator.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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

/// An EC2 instance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    /// Security groups of its VPC, by name; the default one unless given.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Elastic IP address of its primary address.
    #[serde(default)]
    pub elastic_ip: Option<Ipv4Addr>,
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
