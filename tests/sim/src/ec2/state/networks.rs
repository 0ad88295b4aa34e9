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

/// A security group that is not a VPC's default one.
#[derive(Debug, Clone, Serialize)]
pub struct SecurityGroup {
    /// Where and whose.
    pub home: Home,
    /// Its VPC.
    pub vpc: String,
    /// Name.
    pub name: String,
    /// Groups that it admits.
    pub admits: Vec<String>,
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
    /// Routes that a virtual private gateway propagates.
    pub propagated: BTreeMap<Ipv4Net, VpcTarget>,
    /// What reads still show; forwarding knows `routes` and `prefix_lists` only.
    #[serde(skip)]
    pub stale: Option<StaleRoutes>,
    /// Tags.
    pub tags: Tags,
}

/// A route table of a VPC as it was before its last changes.
#[derive(Debug, Clone)]
pub struct StaleRoutes {
    /// How many more reads show it.
    pub reads: u32,
    routes: BTreeMap<Ipv4Net, VpcRoute>,
    prefix_lists: BTreeMap<String, VpcRoute>,
}

impl RouteTable {
    /// Notes that the routes are about to change, and that this many reads shall not see it yet.
    pub fn keep_stale(&mut self, reads: u32) {
        if reads > 0 {
            let now = || StaleRoutes { reads, routes: self.routes.clone(), prefix_lists: self.prefix_lists.clone() };
            self.stale = Some(self.stale.take().map_or_else(now, |stale| StaleRoutes { reads, ..stale }));
        }
    }

    /// What a read shows: the table as it is, or as it was before the last changes.
    pub fn view(&self) -> Self {
        let mut view = self.clone();
        if let Some(stale) = &self.stale {
            view.routes.clone_from(&stale.routes);
            view.prefix_lists.clone_from(&stale.prefix_lists);
        }
        view
    }

    /// A read saw the table: what it still shows of the past is shown one time less.
    pub fn seen(&mut self) {
        self.stale =
            self.stale.take().filter(|stale| stale.reads > 1).map(|it| StaleRoutes { reads: it.reads - 1, ..it });
    }
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
    /// An internet gateway, a virtual private gateway or a Gateway Load Balancer endpoint; what is beyond it is not
    /// simulated.
    Gateway(String),
    /// A NAT gateway; what is beyond it is not simulated.
    NatGateway(String),
}
