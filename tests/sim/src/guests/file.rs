//! The world file's sections on guests and on-premises sites.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ec2::Platform;

/// What differs from the usual in a machine's operating system. Usual are: a host name made from the machine's name,
/// DHCP on every adapter, managed by Systems Manager on EC2 and not elsewhere, and an answer to every ping.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuestFile {
    /// Host name.
    pub host_name: Option<String>,
    /// The operating system's own name of itself.
    pub os: Option<String>,
    /// Whether Systems Manager manages it; for an EC2 instance, where it does unless told otherwise.
    pub managed: Option<bool>,
    /// Id of a hybrid activation (`mi-..`): managed under it wherever the machine runs. Needs `managed_region`.
    pub managed_id: Option<String>,
    /// Region of the hybrid activation.
    pub managed_region: Option<String>,
    /// Account of the hybrid activation; the default account unless given.
    pub managed_account: Option<String>,
    /// Whether its firewall drops pings.
    pub silent: bool,
    /// Adapters that differ, in device order.
    pub adapters: Vec<AdapterFile>,
}

/// What differs from the usual in an adapter.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdapterFile {
    /// Its name in the guest; `eth0`, `Ethernet 2` and so on unless given.
    pub name: Option<String>,
    /// Configured in the guest instead of by DHCP. Without `addresses`, what the NIC has at the start is configured.
    #[serde(rename = "static")]
    pub static_: bool,
    /// Addresses with prefix lengths, as `172.30.1.34/24`; makes the adapter static.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<Ipv4Net>,
    /// Default gateway; with `addresses`.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers; those of DHCP unless given.
    pub dns: Vec<Ipv4Addr>,
    /// DNS suffixes; those of DHCP unless given.
    pub suffixes: Vec<String>,
    /// Routes through a gateway other than the default.
    pub routes: Vec<GuestRouteFile>,
    /// MTU.
    pub mtu: Option<u32>,
}

/// A route set in a guest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestRouteFile {
    /// Destination.
    #[schemars(with = "String")]
    pub prefix: Ipv4Net,
    /// Next hop.
    pub gateway: Ipv4Addr,
}

/// An on-premises site.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnPremisesFile {
    /// Name.
    pub name: String,
    /// Its prefix.
    #[schemars(with = "String")]
    pub prefix: Ipv4Net,
    /// Region whose transit gateway it enters, and whose Systems Manager manages the machine there.
    pub region: String,
    /// Attachment of that Region through which all its traffic enters, by name or id; of kind `vpn` or
    /// `direct-connect-gateway`. Either this or `entries`.
    #[serde(default)]
    pub attachment: Option<String>,
    /// Ways in, the preferred one first: for each destination the one that advertises the longest prefix is taken.
    #[serde(default)]
    pub entries: Vec<EntryFile>,
    /// Whether its firewall drops replies that come by another entry than the request took.
    #[serde(default)]
    pub stateful: bool,
    /// Id under which Systems Manager manages the machine there that probes are sent from (`mi-..`); made from the
    /// machine's name unless given.
    #[serde(default)]
    pub machine: Option<String>,
    /// What differs from the usual in that machine.
    #[serde(default)]
    pub client: ClientFile,
}

/// A way from an on-premises site into AWS.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryFile {
    /// Region.
    pub region: String,
    /// Attachment of that Region, by name or id; of kind `vpn` or `direct-connect-gateway`.
    pub attachment: String,
    /// Prefixes that the site sends this way by static routes of its own. Without them, a Direct Connect gateway
    /// advertises the allowed prefixes of the association, and a VPN, by BGP, what the associated route table holds.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub prefixes: Option<Vec<Ipv4Net>>,
}

/// What differs from the usual in the machine of an on-premises site.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientFile {
    /// Name; `<site>-client` unless given.
    pub name: Option<String>,
    /// Address; the tenth of the site's prefix unless given.
    pub address: Option<Ipv4Addr>,
    /// Operating system family.
    pub platform: Platform,
    /// Account that manages it, in the site's Region; the default account unless given.
    pub account: Option<String>,
}
