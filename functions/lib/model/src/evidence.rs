//! Evidence: a dated document of where each host of a network runs.

use crate::{ExtId, HostName, Landing, MacAddress, NetworkName, SiteName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Key of an evidence document in the operations table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EvidenceId(pub String);

/// What the Prism Centrals said of the hosts of some networks.
///
/// A site that is not in `sites_read` is unknown: nothing may be inferred from its silence. EC2 sites are never in evidence: `swap-route` and
/// `verify` read EC2 themselves, at the moment they need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Key of this document.
    pub id: EvidenceId,
    /// When the first site was asked.
    pub taken_at: Timestamp,
    /// Networks it speaks of.
    pub networks: BTreeSet<NetworkName>,
    /// NC2 sites that answered completely.
    pub sites_read: BTreeSet<SiteName>,
    /// NC2 sites that did not, and why.
    pub sites_unread: BTreeMap<SiteName, String>,
    /// What the destination has ready for each network; only where a wave was looked at before it moves, and in a drill.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub landings: BTreeMap<NetworkName, Landing>,
    /// VMs found, by host: the expected hosts of the inventory, and whoever else holds one of their addresses.
    pub hosts: BTreeMap<HostName, Vec<Sighting>>,
}

/// One VM at one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// Where.
    pub site: SiteName,
    /// The VM.
    pub vm: ExtId,
    /// Powered how.
    pub power: Power,
    /// Its NICs.
    pub nics: Vec<SightedNic>,
}

/// Power state of a VM as Prism Central names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// Running.
    On,
    /// Not running.
    Off,
    /// Paused, undetermined or a state that this version does not know.
    Unknown,
}

/// A NIC of a VM as Prism Central tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SightedNic {
    /// The NIC.
    pub nic: ExtId,
    /// MAC address.
    pub mac: Option<MacAddress>,
    /// Whether the link is up.
    pub connected: bool,
    /// Subnet of Prism Central.
    pub subnet: Option<ExtId>,
    /// Addresses that Prism Central gave it, the primary one first.
    pub configured: Vec<Ipv4Addr>,
    /// Addresses that were seen in use by the guest, link-local ones left out.
    pub learned: Vec<Ipv4Addr>,
}
