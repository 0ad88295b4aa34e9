//! Machines that move together.

use crate::{HostRecord, InstanceId, MoveName, SiteName, SubnetId};
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
            Led::Hosts => Some(hosts.iter().flat_map(HostRecord::addresses).collect()),
        }
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
}
