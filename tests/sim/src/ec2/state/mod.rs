//! What exists in EC2: plain data, keyed by id over all accounts and Regions.

mod gateways;
mod machines;
mod networks;
mod peerings;
mod prefix_lists;
mod services;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::throttle::Buckets;
pub use gateways::{Attachment, AttachmentKind, Progress, StaticRoute, TgwRouteTable, TransitGateway};
pub use machines::{Eni, Instance, InstanceState, Platform};
pub use networks::{RouteTable, SecurityGroup, Subnet, Vpc, VpcRoute, VpcTarget};
pub use peerings::{VpcPeer, VpcPeering, VpcPeeringState, overlap};
pub use prefix_lists::{Entries, PrefixList, PrefixListChange, PrefixListReference, PrefixListState};
pub use services::{Service, TargetGroup};

/// Tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// Settings of the emulated EC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// How many reads show a written TGW route as `pending` before it is `active`.
    pub route_pending_reads: u32,
    /// How many reads of a route table, of a transit gateway or a VPC, do not see a route that was just written or deleted.
    pub stale_reads: u32,
    /// How many reads show a TGW attachment, route table, association or propagation in its transitional state.
    pub attachment_pending_reads: u32,
    /// How many reads show an instance as `pending` or `stopping`.
    pub instance_pending_reads: u32,
    /// How many reads show an accepted VPC peering connection as `provisioning`.
    pub peering_pending_reads: u32,
    /// Whether a VPC peering connection carries traffic for prefixes outside the two VPCs' CIDRs, such as those of an
    /// overlay, by the main route table of the VPC that they arrive in. AWS documents that it does not ("no edge to
    /// edge routing").
    pub peering_carries_overlays: bool,
    /// How many reads show a managed prefix list as being made or changed.
    pub prefix_list_pending_reads: u32,
    /// Whether routes see the new entries of a prefix list only when its change is complete. AWS says neither way.
    pub prefix_lists_apply_late: bool,
    /// Routes that a transit gateway takes over all its tables. Source: Amazon VPC Transit Gateways guide, "Quotas".
    pub routes_per_transit_gateway: usize,
    /// Routes that a VPC route table takes besides propagated ones. Source: Amazon VPC user guide, "Quotas": 500 by
    /// default, 1,000 at most; a prefix list counts with its maximum of entries.
    pub routes_per_table: usize,
    /// Whether the token buckets refuse calls.
    pub throttling: bool,
    /// Whether a cut search of TGW routes carries a token for the rest. Without one, only the flag says that there is
    /// more.
    pub search_tokens: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            route_pending_reads: 1,
            stale_reads: 0,
            attachment_pending_reads: 1,
            instance_pending_reads: 1,
            peering_pending_reads: 1,
            peering_carries_overlays: false,
            prefix_list_pending_reads: 1,
            prefix_lists_apply_late: false,
            routes_per_transit_gateway: 10_000,
            routes_per_table: 500,
            throttling: true,
            search_tokens: true,
        }
    }
}

/// Where a resource is and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Home {
    /// Region name.
    pub region: String,
    /// Owner's account id.
    pub account: String,
}

/// The kinds of resources that a world file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A VPC.
    Vpc,
    /// A subnet.
    Subnet,
    /// A VPC route table.
    RouteTable,
    /// An instance.
    Instance,
    /// A network interface.
    Eni,
    /// A transit gateway.
    Tgw,
    /// An attachment of a transit gateway.
    Attachment,
    /// A TGW route table.
    TgwRouteTable,
    /// A VPC peering connection.
    VpcPeering,
    /// A managed prefix list.
    PrefixList,
}

impl Kind {
    /// How ids of this kind start.
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::Subnet => "subnet",
            Self::RouteTable => "rtb",
            Self::Instance => "i",
            Self::Eni => "eni",
            Self::Tgw => "tgw",
            Self::Attachment => "tgw-attach",
            Self::TgwRouteTable => "tgw-rtb",
            Self::VpcPeering => "pcx",
            Self::PrefixList => "pl",
        }
    }

    /// What a person calls it.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Vpc => "VPC",
            Self::Subnet => "subnet",
            Self::RouteTable => "route table",
            Self::Instance => "instance",
            Self::Eni => "network interface",
            Self::Tgw => "transit gateway",
            Self::Attachment => "attachment",
            Self::TgwRouteTable => "transit gateway route table",
            Self::VpcPeering => "VPC peering connection",
            Self::PrefixList => "prefix list",
        }
    }
}

/// EC2 in all Regions.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ec2 {
    /// Regions that exist.
    pub regions: BTreeSet<String>,
    /// VPCs.
    pub vpcs: BTreeMap<String, Vpc>,
    /// Subnets.
    pub subnets: BTreeMap<String, Subnet>,
    /// Security groups besides the default ones.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// VPC route tables.
    pub route_tables: BTreeMap<String, RouteTable>,
    /// Instances.
    pub instances: BTreeMap<String, Instance>,
    /// Network interfaces.
    pub enis: BTreeMap<String, Eni>,
    /// Transit gateways.
    pub tgws: BTreeMap<String, TransitGateway>,
    /// Attachments of transit gateways; a peering is one entry with two sides.
    pub attachments: BTreeMap<String, Attachment>,
    /// TGW route tables.
    pub tgw_route_tables: BTreeMap<String, TgwRouteTable>,
    /// VPC peering connections.
    pub vpc_peerings: BTreeMap<String, VpcPeering>,
    /// Gateways and endpoints of which no more is known than their VPC.
    pub gateways: BTreeMap<String, String>,
    /// Managed prefix lists.
    pub prefix_lists: BTreeMap<String, PrefixList>,
    /// Target groups of load balancers, by ARN.
    pub target_groups: BTreeMap<String, TargetGroup>,
    /// Names given by the world file, per kind and Region, to ids.
    #[serde(skip)]
    pub names: BTreeMap<(Kind, String, String), String>,
    /// Counts what was created through the API, for ids.
    #[serde(skip)]
    pub created: u64,
    /// Client tokens of `RunInstances`, per account and Region, and what each started.
    #[serde(skip)]
    pub client_tokens: BTreeMap<(Home, String), Vec<String>>,
    /// Counts requests, for their ids.
    #[serde(skip)]
    pub requests: u64,
    /// Token buckets.
    #[serde(skip)]
    pub buckets: Buckets,
}
