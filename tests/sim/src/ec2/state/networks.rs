//! VPCs, subnets and VPC route tables.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::{Home, Tags};

/// A VPC.
#[derive(Debug, Clone, Serialize)]
pub struct Vpc {
    /// Where and whose.
    pub home: Home,
    /// CIDR blocks, the primary one first.
    pub cidrs: Vec<Ipv4Net>,
    /// The table of subnets that have none of their own.
    pub main_route_table: String,
    /// Tags.
    pub tags: Tags,
}

/// A subnet.
#[derive(Debug, Clone, Serialize)]
pub struct Subnet {
    /// Where and whose.
    pub home: Home,
    /// Its VPC.
    pub vpc: String,
    /// CIDR.
    pub cidr: Ipv4Net,
    /// Availability Zone.
    pub zone: String,
    /// Route table of its own.
    pub route_table: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// A route table of a VPC.
#[derive(Debug, Clone, Serialize)]
pub struct RouteTable {
    /// Where and whose.
    pub home: Home,
    /// Its VPC.
    pub vpc: String,
    /// Routes; the local ones are the VPC's CIDRs with target `Local`.
    pub routes: BTreeMap<Ipv4Net, VpcRoute>,
    /// Routes whose destination is a managed prefix list.
    pub prefix_lists: BTreeMap<String, VpcRoute>,
    /// Tags.
    pub tags: Tags,
}

/// A route of a VPC route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpcRoute {
    /// Where it leads.
    pub target: VpcTarget,
}

/// Target of a VPC route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcTarget {
    /// The VPC itself.
    Local,
    /// A transit gateway.
    TransitGateway(String),
    /// A network interface.
    NetworkInterface(String),
    /// A VPC peering connection.
    PeeringConnection(String),
}
