//! What was read of the routing of a set of accounts and Regions. What is not in a picture is unknown, never absent.

use crate::{
    AttachmentId, DxGatewayId, EniId, EniStatus, Prefix, PrefixListId, Quotas, Region, RouteTableId, Scope, SubnetId,
    TgwId, Vpc, VpcId, VpcPeeringId, VpcTable,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Attachments by Region. A peering attachment stands in both Regions under one id. A peering with what is no transit gateway, as a core network
    /// of Cloud WAN, is not here: nobody tells where it leads.
    pub attachments: BTreeMap<Region, BTreeMap<AttachmentId, Attachment>>,
    /// The other sides of peerings between two transit gateways of one Region, under the same ids.
    pub far_sides: BTreeMap<Region, BTreeMap<AttachmentId, Attachment>>,
    /// VPCs of the sites, of the tables of the map, and of VPC attachments in scope.
    pub vpcs: BTreeMap<VpcId, Vpc>,
    /// Managed prefix lists that the map names or that a table in scope refers to.
    pub prefix_lists: BTreeMap<PrefixListId, PrefixList>,
    /// VPC peering connections of the VPCs in scope.
    pub vpc_peerings: BTreeMap<VpcPeeringId, VpcPeering>,
    /// Network interfaces that the map names as next hops; none where EC2 knows no such interface.
    pub enis: BTreeMap<EniId, Option<EniSeat>>,
    /// Direct Connect gateways that the map names.
    pub dx_gateways: BTreeMap<DxGatewayId, DxGateway>,
    /// Quotas that were asked for, by account and Region.
    pub quotas: BTreeMap<Scope, Quotas>,
    /// What could not be read, in plain words.
    pub unread: Vec<Unread>,
}

impl Picture {
    /// A picture of nothing: everything in it is unknown.
    #[must_use]
    pub fn empty(read_at: Timestamp) -> Self {
        Self {
            read_at,
            tgw_tables: BTreeMap::new(),
            attachments: BTreeMap::new(),
            far_sides: BTreeMap::new(),
            vpcs: BTreeMap::new(),
            prefix_lists: BTreeMap::new(),
            vpc_peerings: BTreeMap::new(),
            enis: BTreeMap::new(),
            dx_gateways: BTreeMap::new(),
            quotas: BTreeMap::new(),
            unread: Vec::new(),
        }
    }

    /// The VPC that a route table belongs to, and the table; `None` when it was not read.
    #[must_use]
    pub fn vpc_table(&self, id: &RouteTableId) -> Option<(&Vpc, &VpcTable)> {
        self.vpcs.values().find_map(|vpc| vpc.tables.get(id).map(|table| (vpc, table)))
    }

    /// An attachment as seen in one Region; `None` when it was not read. Of a peering inside of the Region, one of its sides: see
    /// [`side`](Self::side).
    #[must_use]
    pub fn attachment(&self, region: &Region, id: &AttachmentId) -> Option<&Attachment> {
        self.attachments.get(region).and_then(|all| all.get(id))
    }

    /// An attachment as seen from one transit gateway; `None` when it was not read.
    #[must_use]
    pub fn side(&self, region: &Region, tgw: &TgwId, id: &AttachmentId) -> Option<&Attachment> {
        let sides = [&self.attachments, &self.far_sides];
        sides.into_iter().filter_map(|all| all.get(region)?.get(id)).find(|side| side.tgw == *tgw)
    }

    /// All attachments, each side of a peering by itself.
    pub fn sides(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.values().chain(self.far_sides.values()).flat_map(BTreeMap::values)
    }

    /// Adds an attachment as one transit gateway sees it, or replaces it.
    pub fn attach(&mut self, attachment: Attachment) {
        let known = self.attachment(&attachment.region, &attachment.id);
        let far = known.is_some_and(|known| known.tgw != attachment.tgw);
        let all = if far { &mut self.far_sides } else { &mut self.attachments };
        all.entry(attachment.region.clone()).or_default().insert(attachment.id.clone(), attachment);
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
    /// Service that made the table for itself, by its tag, as AWS FIS (`managedByFIS`): such a table is never changed.
    pub managed_by: Option<String>,
    /// Routes by prefix. The best one per prefix: a static route hides one of a prefix list, and that one a propagated one.
    pub routes: BTreeMap<Prefix, TgwRoute>,
    /// References to managed prefix lists.
    pub references: BTreeMap<PrefixListId, PrefixListReference>,
    /// Attachments that propagate into the table; none when that was not read.
    pub propagations: Option<BTreeSet<AttachmentId>>,
}

/// A reference of a transit gateway route table to a managed prefix list: a route for each entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PrefixListReference {
    /// Where every entry leads; none for a blackhole.
    pub attachment: Option<AttachmentId>,
    /// State of the reference.
    pub state: ReferenceState,
}

/// State of a prefix list reference as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceState {
    /// Its routes are in place.
    Available,
    /// Being made or changed.
    Changing,
    /// Being removed.
    Deleting,
    /// A state that this version does not know.
    Unknown,
}

/// A managed prefix list with all its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    /// The list.
    pub id: PrefixListId,
    /// Its name.
    pub name: Option<String>,
    /// Account (by map name) and Region it was read in.
    pub scope: Scope,
    /// Its version: each change of the entries counts it up.
    pub version: i64,
    /// What it counts against the route quota of each table that refers to it.
    pub max_entries: u32,
    /// Its IPv4 entries.
    pub entries: BTreeSet<Prefix>,
}

/// A VPC peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcPeering {
    /// The connection.
    pub id: VpcPeeringId,
    /// Its Name tag.
    pub name: Option<String>,
    /// The VPC that asked for it, with its Region.
    pub requester: (VpcId, Region),
    /// The VPC that accepted it, with its Region.
    pub accepter: (VpcId, Region),
    /// `Available` is EC2's `active`.
    pub state: AttachmentState,
}

impl VpcPeering {
    /// The VPC on the other side of one of its VPCs.
    #[must_use]
    pub fn across(&self, vpc: &VpcId) -> Option<(&VpcId, &Region)> {
        let (requester, accepter) = (&self.requester, &self.accepter);
        if requester.0 == *vpc {
            Some((&accepter.0, &accepter.1))
        } else if accepter.0 == *vpc {
            Some((&requester.0, &requester.1))
        } else {
            None
        }
    }
}

/// Where a network interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EniSeat {
    /// Its VPC.
    pub vpc: VpcId,
    /// Whether it is attached to something.
    pub status: EniStatus,
}

/// A Direct Connect gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DxGateway {
    /// The gateway.
    pub id: DxGatewayId,
    /// Its name.
    pub name: Option<String>,
    /// Per associated transit gateway, the prefixes that it advertises to on-premises.
    pub allowed: BTreeMap<TgwId, BTreeSet<Prefix>>,
}

/// A route of a transit gateway route table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TgwRoute {
    /// Static, by a prefix list, or propagated.
    pub origin: RouteOrigin,
    /// State as EC2 names it.
    pub state: RouteState,
    /// Where it leads; none for a blackhole without attachment. Several only with equal-cost VPN.
    pub targets: Vec<AttachmentId>,
}

/// Who made a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// Created by a call.
    Static,
    /// By a reference to a managed prefix list.
    PrefixList {
        /// The list.
        id: PrefixListId,
    },
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
