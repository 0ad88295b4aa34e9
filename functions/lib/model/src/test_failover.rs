//! What a test failover of a drill made, as it was seen while it was there.

use crate::{ExtId, HostName, Landing, NetworkName, Power, PrismName, SightedNic};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a test failover made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSeen {
    /// When it was seen, by our clock.
    pub at: Timestamp,
    /// How long its job took, in seconds; none where the Prism Central does not tell.
    pub seconds: Option<i64>,
    /// What is wrong with the job itself, in the words of the Prism Central; none where it ended well.
    pub failed: Option<String>,
    /// The copies of the VMs, by the name of the VM.
    pub vms: BTreeMap<String, TestVm>,
    /// Subnets that the copies are on.
    pub subnets: BTreeMap<ExtId, TestSubnet>,
}

/// The copy of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestVm {
    /// The copy; none where there is none.
    pub vm: Option<ExtId>,
    /// Why there is none, or what is wrong with it, in the words of the Prism Central.
    pub failed: Option<String>,
    /// Whether it runs.
    pub power: Power,
    /// Its NICs.
    pub nics: Vec<SightedNic>,
}

/// A subnet that copies are on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSubnet {
    /// The subnet, its Flow VPC and the ways out of that; none where the subnet is in no Flow VPC.
    pub landing: Option<Landing>,
    /// The network of the map that it carries for production; none where it is no subnet of the map.
    pub production: Option<NetworkName>,
    /// Whether its Flow VPC is the one that carries production at the site.
    pub production_vpc: bool,
}

impl TestSeen {
    /// The copy of a host.
    #[must_use]
    pub fn copy_of(&self, host: &HostName) -> Option<&TestVm> {
        self.vms.get(host.as_str())
    }
}

/// The `detail` of a message on the bus: a test failover that a drill has left is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestLeft {
    /// 1.
    pub schema_version: u32,
    /// The Prism Central that runs it.
    pub prism_central: PrismName,
    /// Name of the recovery plan.
    pub recovery_plan: String,
    /// Name of its job.
    pub name: String,
    /// When it was begun, by our clock.
    pub begun: Timestamp,
    /// Why it is not cleaned up.
    pub why: String,
    /// All of this in one line, with what to do.
    pub summary: String,
}

impl TestLeft {
    /// The `source` of the message on the bus.
    pub const SOURCE: &str = "holdfast.watch";
    /// The `detail-type` of the message on the bus.
    pub const DETAIL_TYPE: &str = "Test failover left";
}
