//! Limits and choices that are the user's.

use super::StartLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The longest that a change may wait for its proof, in seconds: an hour, so that an execution ends well within its own time-out.
pub const LONGEST_PROOF_SECONDS: u32 = 3_600;

/// Limits and choices that are the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Evidence older than this, in seconds, does not count.
    pub evidence_max_age_seconds: u32,
    /// Whether NICs of a VM that runs may be changed, and its guest be interrupted.
    pub repair_running_vms: bool,
    /// How a guest is made to take its address.
    pub guest_refresh: GuestRefresh,
    /// How long a guest may take to use its address, in seconds.
    pub guest_timeout_seconds: u32,
    /// Pings sent to each address by a verification.
    pub probe_count: u32,
    /// How long after a change of routes what may mend itself is waited for, in seconds, 0 to 3600: an address that does not reply yet, a guest that has
    /// not taken its address, a site that does not answer. 0: it is verified once. What no time mends, as two machines at one address, is told at once.
    #[schemars(range(max = 3600))]
    pub proof_seconds: u32,
    /// A plan older than this, in seconds, is not resumed. What is left of a plan is observed and proven again whenever it is resumed, so
    /// this bounds forgotten intent, not stale routes: a day.
    pub plan_max_age_seconds: u32,
    /// An appliance that has not answered for this long, in seconds, is told of: what finishes there is not seen meanwhile.
    pub unknown_alarm_seconds: u32,
    /// Machines, network interfaces and load-balancer targets that may be cut off from a moved network, each by its id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub accept_stranded: BTreeSet<String>,
    /// What a VPC peering connection carries. AWS documents own prefixes only.
    pub vpc_peering: PeeringReach,
    /// A network at an NC2 site whose last good drill to another one is older than so many days is told of as not ready; 0: nobody is told.
    pub drill_max_age_days: u32,
    /// Limits of what starts by itself.
    pub start: StartLimits,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            evidence_max_age_seconds: 300,
            repair_running_vms: true,
            guest_refresh: GuestRefresh::LinkBounce,
            guest_timeout_seconds: 180,
            probe_count: 3,
            proof_seconds: 180,
            plan_max_age_seconds: 86_400,
            unknown_alarm_seconds: 300,
            accept_stranded: BTreeSet::new(),
            vpc_peering: PeeringReach::OwnPrefixes,
            drill_max_age_days: 8,
            start: StartLimits::default(),
        }
    }
}

/// How a guest is made to take the address that its NIC was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuestRefresh {
    /// The NIC is disconnected and connected again, so that the guest asks for a lease.
    LinkBounce,
    /// The VM is rebooted.
    Reboot,
}

/// What a VPC peering connection carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeeringReach {
    /// Only what goes from the one VPC's prefixes to the other's (Amazon VPC Peering guide, "VPC peering limitations").
    OwnPrefixes,
    /// Also what the main route table of the other VPC leads to a network interface, as probed by you.
    Overlays,
}
