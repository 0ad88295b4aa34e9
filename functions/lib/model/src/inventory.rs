//! What is kept of a host before it moves.

use crate::{EniId, HostName, InstanceId, MacAddress, NetworkName, Prefix, SubnetId, WaveName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Version of a wave's inventory: starts at 1; a version is never changed once written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct InventoryVersion(pub u32);

/// Versions that an execution names, by wave; of every other wave the newest one counts.
pub type NamedVersions = BTreeMap<WaveName, InventoryVersion>;

/// Operating system of a host, as far as it decides which script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Windows: PowerShell.
    Windows,
    /// Linux: POSIX sh.
    Linux,
}

/// One captured host: what the EC2 API and the guest said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostRecord {
    /// Name tag of the instance, which Move gives to the VM.
    pub name: HostName,
    /// Wave that it was captured with.
    pub wave: WaveName,
    /// The instance.
    pub instance: InstanceId,
    /// Windows or Linux; none where nobody said, as in a table of older scripts.
    pub platform: Option<Platform>,
    /// When it was captured.
    pub captured_at: Timestamp,
    /// The table of older scripts that all of it is from; none where it was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<String>,
    /// What the guest said of itself; none for a stopped instance, which is captured from the EC2 API alone.
    pub guest: Option<GuestReport>,
    /// Network interfaces in device order.
    pub nics: Vec<NicRecord>,
}

impl HostRecord {
    /// All addresses that must hold.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.nics.iter().flat_map(NicRecord::addresses)
    }

    /// Whether the guest has to be seen with one of its addresses: not with a secondary one that it did not use when it was captured. DHCP hands out
    /// none of these, so that nobody sets one up but the guest's administrator.
    #[must_use]
    pub fn uses(&self, address: Ipv4Addr) -> bool {
        let primary = self.nics.iter().any(|nic| nic.primary == address);
        let used = |guest: &GuestReport| guest.nics.iter().flat_map(|nic| &nic.addresses).any(|a| a.address == address);
        primary || self.guest.as_ref().is_none_or(used)
    }
}

/// One captured network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NicRecord {
    /// Position on the instance, from 0.
    pub device_index: u32,
    /// The interface; none where it was imported.
    pub eni: Option<EniId>,
    /// MAC address in EC2; none where it was imported.
    pub mac: Option<MacAddress>,
    /// Primary address.
    pub primary: Ipv4Addr,
    /// Secondary addresses.
    pub secondary: Vec<Ipv4Addr>,
    /// Subnet in EC2; none where it was imported.
    pub subnet: Option<SubnetId>,
    /// Prefix of that subnet; that of the network where it was imported.
    pub prefix: Prefix,
    /// Network of the map that holds the primary address.
    pub network: NetworkName,
}

impl NicRecord {
    /// Its addresses, the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        std::iter::once(self.primary).chain(self.secondary.iter().copied())
    }
}

/// What a guest says of itself: the document that the capture script prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestReport {
    /// Version of this document: 1.
    pub schema_version: u32,
    /// Host name.
    pub host_name: String,
    /// Operating system in its own words.
    pub os: String,
    /// Network adapters.
    pub nics: Vec<GuestNic>,
    /// What works on EC2 only, in words: routes to link-local addresses, and DNS, time and KMS servers there. Told of, and given back to nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ec2_only: Vec<String>,
    /// Always true, and last: a document without it was cut off.
    pub end: bool,
}

/// A network adapter as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestNic {
    /// Name in the guest, as `eth0` or `Ethernet 2`.
    pub name: String,
    /// MAC address.
    pub mac: MacAddress,
    /// IPv4 addresses, link-local ones left out.
    pub addresses: Vec<NicAddress>,
    /// DHCP, static, or not known.
    pub addressing: Addressing,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// DNS suffixes.
    pub dns_suffixes: Vec<String>,
    /// Static routes besides the default one.
    pub routes: Vec<GuestRoute>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
}

/// An address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NicAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length, 0 to 32.
    pub prefix_length: u8,
}

/// How an adapter gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Addressing {
    /// By DHCP.
    Dhcp,
    /// Configured in the guest.
    Static,
    /// The guest's tools do not tell.
    Unknown,
}

/// A route of the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestRoute {
    /// Destination.
    pub prefix: Prefix,
    /// Next hop; none when on-link.
    pub gateway: Option<Ipv4Addr>,
}
