//! Transit gateways, their attachments and route tables.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use super::{Home, PrefixListReference, Tags};

/// A transit gateway.
#[derive(Debug, Clone, Serialize)]
pub struct TransitGateway {
    /// Where and whose.
    pub home: Home,
    /// Progress.
    pub state: Progress,
    /// Description.
    pub description: String,
    /// Amazon-side ASN.
    pub asn: u64,
    /// Other accounts that may attach their VPCs to it: it is shared with them through Resource Access Manager.
    pub shared_with: BTreeSet<String>,
    /// Whether what those accounts attach needs no acceptance.
    pub auto_accept: bool,
    /// Table that attachments are associated with by themselves.
    pub default_association_table: Option<String>,
    /// Table that attachments propagate to by themselves.
    pub default_propagation_table: Option<String>,
    /// When it was created.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
}

/// A state that moves on by itself after a number of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Being made; this many more reads show it.
    Pending(u32),
    /// Waits for the other side to accept a peering.
    PendingAcceptance,
    /// Being changed; this many more reads show it.
    Modifying(u32),
    /// There.
    Available,
    /// Going away; this many more reads show it.
    Deleting(u32),
    /// Gone, still shown.
    Deleted,
}

impl Progress {
    /// What is being made: there at once if no read is to see it pending.
    pub fn making(reads: u32) -> Self {
        if reads == 0 { Self::Available } else { Self::Pending(reads) }
    }

    /// What is being changed.
    pub fn changing(reads: u32) -> Self {
        if reads == 0 { Self::Available } else { Self::Modifying(reads) }
    }

    /// What goes away.
    pub fn unmaking(reads: u32) -> Self {
        if reads == 0 { Self::Deleted } else { Self::Deleting(reads) }
    }

    /// The state after one more read saw this one.
    #[must_use]
    pub fn seen(self) -> Self {
        match self {
            Self::Pending(reads) => Self::making(reads.saturating_sub(1)),
            Self::Modifying(reads) => Self::changing(reads.saturating_sub(1)),
            Self::Deleting(reads) => Self::unmaking(reads.saturating_sub(1)),
            Self::PendingAcceptance | Self::Available | Self::Deleted => self,
        }
    }

    /// Whether it goes away or is gone.
    pub fn is_going(self) -> bool {
        matches!(self, Self::Deleting(_) | Self::Deleted)
    }
}

/// What a transit gateway attachment attaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentKind {
    /// A VPC, through one subnet per Availability Zone.
    Vpc {
        /// The VPC.
        vpc: String,
        /// Its subnets.
        subnets: BTreeSet<String>,
        /// Appliance mode.
        appliance_mode: bool,
    },
    /// A Site-to-Site VPN: the prefixes that the other side advertises.
    Vpn {
        /// Id of the VPN connection.
        resource: String,
        /// Advertised prefixes.
        prefixes: BTreeSet<Ipv4Net>,
        /// Whether routes are exchanged by BGP; else both sides have static ones.
        bgp: bool,
    },
    /// A Direct Connect gateway: the prefixes that the other side advertises.
    DirectConnectGateway {
        /// Id of the Direct Connect gateway.
        resource: String,
        /// Advertised prefixes.
        prefixes: BTreeSet<Ipv4Net>,
        /// Our prefixes that the gateway advertises to on-premises.
        allowed: BTreeSet<Ipv4Net>,
    },
    /// The transit gateway at the other side, in `peer`'s Region.
    Peering {
        /// Accepting transit gateway.
        peer_tgw: String,
        /// Its Region and owner.
        peer: Home,
    },
}

/// An attachment of a transit gateway.
#[derive(Debug, Clone, Serialize)]
pub struct Attachment {
    /// Where and whose; of a peering, the requesting side.
    pub home: Home,
    /// Transit gateway; of a peering, the requesting one.
    pub tgw: String,
    /// What it attaches.
    pub kind: AttachmentKind,
    /// Progress.
    pub state: Progress,
    /// When it was created.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, Serialize)]
pub struct TgwRouteTable {
    /// Where and whose.
    pub home: Home,
    /// Its transit gateway.
    pub tgw: String,
    /// Progress.
    pub state: Progress,
    /// Attachments whose traffic it routes.
    pub associations: BTreeMap<String, Progress>,
    /// Attachments that propagate into it.
    pub propagations: BTreeMap<String, Progress>,
    /// Static routes.
    pub routes: BTreeMap<Ipv4Net, StaticRoute>,
    /// References to managed prefix lists.
    pub prefix_lists: BTreeMap<String, PrefixListReference>,
    /// What reads still show; forwarding knows `routes` and `prefix_lists` only.
    #[serde(skip)]
    pub stale: Option<Stale>,
    /// When it was created.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
}

/// A table as it was before its last changes.
#[derive(Debug, Clone)]
pub struct Stale {
    /// How many more reads show it.
    pub reads: u32,
    routes: BTreeMap<Ipv4Net, StaticRoute>,
    prefix_lists: BTreeMap<String, PrefixListReference>,
}

impl TgwRouteTable {
    /// A table without routes.
    pub fn empty(home: Home, tgw: String, created: Timestamp) -> Self {
        Self {
            home,
            tgw,
            state: Progress::Available,
            associations: BTreeMap::new(),
            propagations: BTreeMap::new(),
            routes: BTreeMap::new(),
            prefix_lists: BTreeMap::new(),
            stale: None,
            created,
            tags: Tags::new(),
        }
    }

    /// Notes that the routes are about to change, and that this many reads shall not see it yet.
    pub fn keep_stale(&mut self, reads: u32) {
        if reads > 0 {
            let now = || Stale { reads, routes: self.routes.clone(), prefix_lists: self.prefix_lists.clone() };
            self.stale = Some(self.stale.take().map_or_else(now, |stale| Stale { reads, ..stale }));
        }
    }

    /// What one more read shows: the table as it was before the last changes, or nothing where it shows it as it is.
    pub fn read_stale(&mut self) -> Option<Self> {
        let stale = self.stale.take()?;
        let (routes, prefix_lists) = (stale.routes.clone(), stale.prefix_lists.clone());
        let reads = stale.reads.saturating_sub(1);
        self.stale = (reads > 0).then_some(Stale { reads, ..stale });
        Some(Self { routes, prefix_lists, ..self.clone() })
    }
}

/// A static route of a transit gateway route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaticRoute {
    /// Attachment that it leads to; nothing for a declared blackhole.
    pub attachment: Option<String>,
    /// This many more reads show it as `pending`.
    pub pending_reads: u32,
}
