//! What was read of the routing of a set of accounts and Regions. What is not in a picture is unknown, never absent.

use crate::{AttachmentId, EniId, Prefix, Region, RouteTableId, Scope, SubnetId, TgwId, VpcId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One picture of the routing in scope, read at one time.
///
/// A table, attachment or VPC that is not in its map was not read: whoever meets it must answer *unknown*. Inside a table that
/// was read, a prefix that is not listed is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// When the reading began.
    pub read_at: Timestamp,
    /// Transit gateway route tables: those of the map and those that attachments in scope are associated with.
    pub tgw_tables: BTreeMap<RouteTableId, TgwTable>,
    /// Attachments by Region. A peering attachment stands in both Regions under one id.
    pub attachments: BTreeMap<Region, BTreeMap<AttachmentId, Attachment>>,
    /// VPCs of the sites and of VPC attachments in scope.
    pub vpcs: BTreeMap<VpcId, Vpc>,
    /// What could not be read, in plain words.
    pub unread: Vec<Unread>,
}

impl Picture {
    /// An attachment as seen in one Region; `None` when it was not read.
    #[must_use]
    pub fn attachment(&self, region: &Region, id: &AttachmentId) -> Option<&Attachment> {
        self.attachments.get(region).and_then(|all| all.get(id))
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// What was to be read, as `routes of tgw-rtb-0a..`.
    pub what: String,
    /// Account and Region.
    pub scope: Scope,
    /// Why not.
    pub why: String,
}

/// A transit gateway route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TgwTable {
    /// The table.
    pub id: RouteTableId,
    /// Its Name tag.
    pub name: Option<String>,
    /// Account (by map name) and Region it was read in.
    pub scope: Scope,
    /// Its transit gateway.
    pub tgw: TgwId,
    /// Routes by prefix. The best one per prefix: a static route hides a propagated one.
    pub routes: BTreeMap<Prefix, TgwRoute>,
}

/// A route of a transit gateway route table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TgwRoute {
    /// Static or propagated.
    pub origin: RouteOrigin,
    /// State as EC2 names it.
    pub state: RouteState,
    /// Where it leads; none for a blackhole without attachment. Several only with equal-cost VPN.
    pub targets: Vec<AttachmentId>,
}

/// Who made a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// Created by a call.
    Static,
    /// Propagated by an attachment.
    Propagated,
}

/// State of a route as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteState {
    /// Being made.
    Pending,
    /// In use.
    Active,
    /// Drops what matches it.
    Blackhole,
    /// Being removed.
    Deleting,
    /// A state that this version does not know.
    Unknown,
}

/// An attachment of a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The attachment.
    pub id: AttachmentId,
    /// Its Name tag.
    pub name: Option<String>,
    /// Region in which it was read.
    pub region: Region,
    /// The transit gateway of that Region.
    pub tgw: TgwId,
    /// What is attached.
    pub kind: AttachmentKind,
    /// State as EC2 names it.
    pub state: AttachmentState,
    /// Table that decides for traffic coming in by it; none when not associated.
    pub association: Option<RouteTableId>,
}

/// What is attached to a transit gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A VPC, in these of its subnets.
    Vpc {
        /// The VPC.
        vpc: VpcId,
        /// One subnet per Availability Zone: traffic is delivered through the table of each.
        subnets: Vec<SubnetId>,
    },
    /// A transit gateway of another Region or account.
    Peering {
        /// The other transit gateway.
        tgw: TgwId,
        /// Its Region.
        region: Region,
    },
    /// A Site-to-Site VPN.
    Vpn,
    /// A Direct Connect gateway.
    DirectConnectGateway,
    /// Another kind, by EC2's name.
    Other {
        /// EC2's name of the kind.
        name: String,
    },
}

/// State of an attachment as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// Carries traffic.
    Available,
    /// Being made, accepted or changed.
    Changing,
    /// Gone, going, failed or refused.
    Gone,
    /// A state that this version does not know.
    Unknown,
}

/// A VPC with its subnets and the tables that decide inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// The VPC.
    pub id: VpcId,
    /// Account (by map name) and Region it was read in.
    pub scope: Scope,
    /// Its own prefixes: what `local` means.
    pub prefixes: Vec<Prefix>,
    /// Subnets, each with the table that decides for it (the main table where none is associated).
    pub subnets: BTreeMap<SubnetId, VpcSubnet>,
    /// Route tables.
    pub tables: BTreeMap<RouteTableId, VpcTable>,
}

/// A subnet of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcSubnet {
    /// Its prefix.
    pub prefix: Prefix,
    /// The table that decides for it.
    pub table: RouteTableId,
}

/// A route table of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcTable {
    /// Routes by prefix.
    pub routes: BTreeMap<Prefix, VpcRoute>,
}

/// A route of a VPC route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcRoute {
    /// Where it leads.
    pub target: VpcTarget,
    /// `Active` or `Blackhole`.
    pub state: RouteState,
}

/// Where a route of a VPC leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VpcTarget {
    /// Inside the VPC.
    Local,
    /// A transit gateway.
    Tgw {
        /// The transit gateway.
        id: TgwId,
    },
    /// A network interface: for an FVN prefix, of an NC2 host.
    Eni {
        /// The interface.
        id: EniId,
    },
    /// Another kind (gateway, peering, endpoint), by its id.
    Other {
        /// Its id.
        id: String,
    },
}
