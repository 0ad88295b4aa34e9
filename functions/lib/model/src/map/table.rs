//! Route tables that may be changed, and where each leads a network.

use crate::{
    AccountName, AttachmentId, EniId, NetworkName, Prefix, PrefixListId, Region, RouteTableId, SiteName, TableKind,
    TgwId, VpcPeeringId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A route table, of a transit gateway or of a VPC, that Holdfast may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// Account that owns the table.
    pub account: AccountName,
    /// Region of the table.
    pub region: Region,
    /// The table: `tgw-rtb-..` of a transit gateway, `rtb-..` of a VPC.
    pub id: RouteTableId,
    /// Networks that this table routes. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeSet<NetworkName>>,
    /// One wider prefix that this table uses for all its networks; it can only lead to one site. Left out: each network's own prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Prefix>,
    /// Managed prefix list whose entries are exactly the prefixes of this table's networks: one reference to it moves them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_list: Option<PrefixListId>,
    /// Per site, the attachment of its VPC whose propagation into this table is on while any network of the table lives there, and
    /// switched off after the last one left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub propagations: BTreeMap<SiteName, AttachmentId>,
    /// Of a VPC table: the transit gateway attachment that hands it what arrives in its subnets. Named, a site whose tables lead in a circle through
    /// the VPC is found when the map is loaded; left out, when a plan for that site is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<AttachmentId>,
    /// For each site, where this table sends a network whose machines live there. Every site needs an entry.
    pub next_hops: BTreeMap<SiteName, NextHop>,
}

impl RouteTable {
    /// Whether the table routes a network.
    #[must_use]
    pub fn routes(&self, network: &NetworkName) -> bool {
        self.networks.as_ref().is_none_or(|only| only.contains(network))
    }
}

/// Where a route table sends a network whose machines live at one site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NextHop {
    /// A static route to an attachment of this transit gateway: the VPC of the site.
    Attachment {
        /// The attachment.
        id: AttachmentId,
    },
    /// A static route to a peering attachment: towards the site's Region.
    Peering {
        /// The peering attachment.
        id: AttachmentId,
    },
    /// Of a VPC table: a route to the transit gateway that the VPC is attached to.
    Tgw {
        /// The transit gateway.
        id: TgwId,
    },
    /// Of a VPC table: a route to a VPC peering connection.
    VpcPeering {
        /// The peering connection.
        id: VpcPeeringId,
    },
    /// Of a VPC table: a route to a network interface.
    Eni {
        /// The interface.
        id: EniId,
    },
    /// No route of ours: a covering or propagated route serves this site.
    Absent {
        /// The prefix of the route that serves it.
        served_by: Prefix,
    },
    /// A static route that drops the traffic.
    Blackhole,
}

impl NextHop {
    /// Whether a table of this kind can hold it.
    #[must_use]
    pub fn suits(&self, kind: TableKind) -> bool {
        match self {
            NextHop::Attachment { .. } | NextHop::Peering { .. } | NextHop::Blackhole => kind == TableKind::Tgw,
            NextHop::Tgw { .. } | NextHop::VpcPeering { .. } | NextHop::Eni { .. } => kind == TableKind::Vpc,
            NextHop::Absent { .. } => true,
        }
    }

    /// The word for it in the network map.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            NextHop::Attachment { .. } => "attachment",
            NextHop::Peering { .. } => "peering",
            NextHop::Tgw { .. } => "tgw",
            NextHop::VpcPeering { .. } => "vpc_peering",
            NextHop::Eni { .. } => "eni",
            NextHop::Absent { .. } => "absent",
            NextHop::Blackhole => "blackhole",
        }
    }
}
