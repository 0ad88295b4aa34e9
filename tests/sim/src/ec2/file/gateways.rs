//! Transit gateways, as the world file has them.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A transit gateway with its attachments and route tables.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(with = "Vec<String>")]
    pub prefixes: Vec<Ipv4Net>,
    /// Whether a `vpn` has static routes instead of BGP: neither side then learns a prefix from the other.
    #[serde(default)]
    pub static_routes: bool,
    /// The Direct Connect gateway, by name or id, for kind `direct-connect-gateway`; one of its own unless given.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Our prefixes that the Direct Connect gateway may advertise to on-premises, for kind `direct-connect-gateway`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allowed_prefixes: Vec<Ipv4Net>,
    /// Further tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A route table of a transit gateway.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TgwRouteFile {
    /// Destination.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
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
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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

/// One side of a peering.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerFile {
    /// Region.
    pub region: String,
    /// Transit gateway of that Region, by name or id.
    pub transit_gateway: String,
}
