//! Machines that move together.

use crate::{
    Eni, HostName, HostRecord, Instance, InstanceId, MacAddress, MoveName, Network, NetworkName, SiteName, SubnetId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Machines that move together from EC2 to NC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// EC2 site that the machines leave.
    pub from: SiteName,
    /// NC2 site that Move brings them to.
    pub to: SiteName,
    /// Which instances.
    pub select: Select,
    /// Move appliance that migrates them: its own record then names the VM. Left out: the VM is found by exact name.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    pub move_appliance: Option<MoveName>,
    /// What the route tables lead to the destination when the wave is cut over.
    #[serde(default, skip_serializing_if = "Led::is_networks")]
    pub routes: Led,
    /// Which MAC addresses the NICs of its VMs have in the end.
    #[serde(default, skip_serializing_if = "Macs::is_as_moved")]
    pub mac_addresses: Macs,
    /// What becomes of addresses that were configured inside the guests.
    #[serde(default, skip_serializing_if = "GuestSettings::is_left")]
    pub guest_settings: GuestSettings,
    /// By the host's Name tag: which NIC of its VM is which, where the VM has more or fewer than were captured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nics: BTreeMap<HostName, NicMapping>,
    /// By the host's Name tag: why its network may be led to the destination though the host is not right there. It is told in every report, and
    /// with the operation. A machine of it that runs anywhere else still counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excused: BTreeMap<HostName, String>,
}

/// Which MAC addresses the NICs of VMs have in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Macs {
    /// Those that Move gave them.
    #[default]
    AsMoved,
    /// Those that they had in EC2. A NIC gets one only by being created anew; a host whose Prism Central does not take it is refused by name.
    AsCaptured,
}

/// What becomes of addresses that were configured inside guests: an adapter of another NIC is another one to its operating system, which leaves the
/// configuration with the old one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuestSettings {
    /// Nothing inside a guest is changed.
    #[default]
    Left,
    /// A guest that answers Systems Manager by a hybrid activation is configured as it was captured, statically or to take a lease, with its MTU where that
    /// is 1500 or less, by the committed script.
    AsCaptured,
}

/// Which NIC of a VM is which captured one, where their numbers differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NicMapping {
    /// By device index of the captured NIC: MAC address of the VM's NIC that it becomes. Those left out are paired by themselves.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub to: BTreeMap<u32, MacAddress>,
    /// Device indexes of captured NICs that the VM is to do without; their addresses are not given to anybody.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub leave_out: BTreeSet<u32>,
    /// MAC addresses of NICs of the VM that stay as they are.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ignore: BTreeSet<MacAddress>,
}

/// What the route tables lead to the destination when a wave is cut over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Led {
    /// The networks of its machines, whole: nobody else may be left in them.
    #[default]
    Networks,
    /// Its machines only, by host routes. Their networks follow with a later wave, whose cutover collapses the host routes into them.
    Hosts,
}

impl Wave {
    /// Addresses of captured hosts of the wave, where its machines are led apart from their networks; none: whole networks move.
    #[must_use]
    pub fn hosts_led(&self, hosts: &[HostRecord]) -> Option<BTreeSet<Ipv4Addr>> {
        match self.routes {
            Led::Networks => None,
            Led::Hosts => Some(hosts.iter().flat_map(|host| self.kept(host).addresses().collect::<Vec<_>>()).collect()),
        }
    }

    /// A captured host without the NICs that its VM is to do without.
    #[must_use]
    pub fn kept(&self, host: &HostRecord) -> HostRecord {
        let mut host = host.clone();
        if let Some(mapping) = self.nics.get(&host.name) {
            host.nics.retain(|nic| !mapping.leave_out.contains(&nic.device_index));
        }
        host
    }
}

impl Macs {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_as_moved(&self) -> bool {
        *self == Macs::AsMoved
    }
}

impl GuestSettings {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_left(&self) -> bool {
        *self == GuestSettings::Left
    }
}

impl Led {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_networks(&self) -> bool {
        *self == Led::Networks
    }
}

/// Which EC2 instances belong to a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Select {
    /// These instances.
    Instances {
        /// Instance ids.
        ids: BTreeSet<InstanceId>,
    },
    /// Instances that carry all of these tags.
    Tags {
        /// Tag key and value.
        tags: BTreeMap<String, String>,
    },
    /// Instances with a network interface in this subnet.
    Subnet {
        /// The subnet.
        id: SubnetId,
    },
    /// Every instance of the site's VPC.
    Vpc,
    /// Every instance of the site's VPC with an address in a declared network.
    Network {
        /// The network.
        name: NetworkName,
    },
}

impl Wave {
    /// Whether an instance of the wave's VPC, with these interfaces, belongs to the wave.
    #[must_use]
    pub fn selects<'a>(
        &self,
        instance: &Instance,
        enis: impl IntoIterator<Item = &'a Eni>,
        networks: &BTreeMap<NetworkName, Network>,
    ) -> bool {
        let mut enis = enis.into_iter();
        match &self.select {
            Select::Instances { ids } => ids.contains(&instance.id),
            Select::Tags { tags } => tags.iter().all(|(key, value)| instance.tags.get(key) == Some(value)),
            Select::Subnet { id } => enis.any(|eni| eni.subnet == *id),
            Select::Vpc => true,
            Select::Network { name } => networks.get(name).is_some_and(|network| {
                enis.any(|eni| std::iter::once(&eni.primary).chain(&eni.secondary).any(|at| network.prefix.holds(*at)))
            }),
        }
    }
}
