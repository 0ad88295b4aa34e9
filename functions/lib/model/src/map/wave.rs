//! Machines that move together.

use crate::{InstanceId, MoveName, SiteName, SubnetId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
