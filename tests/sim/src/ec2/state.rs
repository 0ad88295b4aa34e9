//! What exists in EC2: plain data, keyed by id over all accounts and Regions.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::throttle::Buckets;

/// Tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// Settings of the emulated EC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// How many reads show a written TGW route as `pending` before it is `active`.
    pub route_pending_reads: u32,
    /// How many reads show a TGW attachment, route table, association or propagation in its transitional state.
    pub attachment_pending_reads: u32,
    /// How many reads show an instance as `pending` or `stopping`.
    pub instance_pending_reads: u32,
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
            attachment_pending_reads: 1,
            instance_pending_reads: 1,
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
        }
    }
}

/// EC2 in all Regions.
#[derive(Debug, Default, Serialize)]
pub struct Ec2 {
    /// Regions that exist.
    pub regions: BTreeSet<String>,
    /// VPCs.
    pub vpcs: BTreeMap<String, Vpc>,
    /// Subnets.
    pub subnets: BTreeMap<String, Subnet>,
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
    /// Names given by the world file, per kind and Region, to ids.
    #[serde(skip)]
    pub names: BTreeMap<(Kind, String, String), String>,
    /// Counts what was created through the API, for ids.
    #[serde(skip)]
    pub created: u64,
    /// Counts requests, for their ids.
    #[serde(skip)]
    pub requests: u64,
    /// Token buckets.
    #[serde(skip)]
    pub buckets: Buckets,
}

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
}

/// Operating system family of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Windows.
    Windows,
    /// Linux.
    #[default]
    Linux,
}

/// State of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Starting; shown for this many more reads.
    Pending(u32),
    /// Running.
    Running,
    /// Stopping; shown for this many more reads.
    Stopping(u32),
    /// Stopped.
    Stopped,
    /// Terminated.
    Terminated,
}

impl InstanceState {
    /// EC2's name and code of the state.
    pub fn name_and_code(self) -> (&'static str, u16) {
        match self {
            Self::Pending(_) => ("pending", 0),
            Self::Running => ("running", 16),
            Self::Terminated => ("terminated", 48),
            Self::Stopping(_) => ("stopping", 64),
            Self::Stopped => ("stopped", 80),
        }
    }

    /// The state after one more read saw this one.
    #[must_use]
    pub fn seen(self) -> Self {
        match self {
            Self::Pending(reads) if reads > 1 => Self::Pending(reads - 1),
            Self::Pending(_) => Self::Running,
            Self::Stopping(reads) if reads > 1 => Self::Stopping(reads - 1),
            Self::Stopping(_) => Self::Stopped,
            Self::Running | Self::Stopped | Self::Terminated => self,
        }
    }

    /// Whether its operating system runs.
    pub fn is_on(self) -> bool {
        matches!(self, Self::Pending(_) | Self::Running)
    }
}

/// An instance.
#[derive(Debug, Clone, Serialize)]
pub struct Instance {
    /// Where and whose.
    pub home: Home,
    /// Operating system family.
    pub platform: Platform,
    /// Instance type.
    pub instance_type: String,
    /// State.
    pub state: InstanceState,
    /// Launch time.
    pub launched: Timestamp,
    /// Network interfaces by device index.
    pub enis: BTreeMap<u32, String>,
    /// Reservation it was started in.
    pub reservation: String,
    /// Tags.
    pub tags: Tags,
}

/// A network interface.
#[derive(Debug, Clone, Serialize)]
pub struct Eni {
    /// Where and whose.
    pub home: Home,
    /// Its VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// MAC address, lower case.
    pub mac: String,
    /// Primary address.
    pub address: Ipv4Addr,
    /// Secondary addresses.
    pub secondary: Vec<Ipv4Addr>,
    /// Instance and device index that it is attached to.
    pub attached: Option<(String, u32)>,
    /// Goes away with its instance.
    pub delete_on_termination: bool,
    /// Source/destination check.
    pub source_dest_check: bool,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

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
    },
    /// A Direct Connect gateway: the prefixes that the other side advertises.
    DirectConnectGateway {
        /// Id of the Direct Connect gateway.
        resource: String,
        /// Advertised prefixes.
        prefixes: BTreeSet<Ipv4Net>,
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
    /// When it was created.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
}

/// A static route of a transit gateway route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaticRoute {
    /// Attachment that it leads to; nothing for a declared blackhole.
    pub attachment: Option<String>,
    /// This many more reads show it as `pending`.
    pub pending_reads: u32,
}
