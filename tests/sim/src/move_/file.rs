//! The world file's section on Nutanix Move.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Move appliance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveFile {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// Whether it knows only the older login, `POST /move/v2/users/login`; otherwise both.
    #[serde(default)]
    pub older_login_only: bool,
    /// Migration plans.
    #[serde(default)]
    pub plans: Vec<PlanFile>,
}

/// A migration plan: instances of one Region to one Prism Central.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// Name.
    pub name: String,
    /// Region of the instances.
    pub region: String,
    /// Target Prism Central.
    pub prism_central: String,
    /// Target cluster; the first one of the Prism Central unless given.
    #[serde(default)]
    pub cluster: Option<String>,
    /// Subnet in which the VMs land, by name or id. One for all: Move maps a whole VPC to it.
    pub network: String,
    /// Subnet in which the VMs of test cutovers come up; that in which the VMs land unless given.
    #[serde(default)]
    pub test_network: Option<String>,
    /// The machines.
    pub workloads: Vec<WorkloadFile>,
}

/// A machine of a migration plan.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadFile {
    /// The instance, by name or id.
    pub instance: String,
    /// Another subnet to land in.
    #[serde(default)]
    pub network: Option<String>,
}
