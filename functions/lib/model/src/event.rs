//! What `watch` found finished by itself: a cutover of Nutanix Move, or a failover of a Nutanix recovery plan.

use crate::{EventId, ExtId, HostName, MoveName, NetworkName, PrismName, Region, SiteName, WaveName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The `detail` of an event on the bus `holdfast`: source `holdfast.move` or `holdfast.recovery`, detail type as [`Event::detail_type`].
///
/// It says what an appliance says of its own job, and is no evidence: whoever acts on it looks where the machines are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// 1.
    pub schema_version: u32,
    /// The same for the same job, whoever finds it and however often.
    pub id: EventId,
    /// What finished.
    pub job: Job,
    /// How.
    pub ending: Ending,
    /// Networks of the captured hosts that it moved, at least one.
    pub networks: BTreeSet<NetworkName>,
    /// Site that the machines left; none where it cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SiteName>,
    /// Site that the machines went to.
    pub to: SiteName,
    /// What became of each captured host of the job; none of them on the bus, where that would be more than it takes.
    pub machines: BTreeMap<HostName, Became>,
    /// When it ended, by the clock of its appliance; none where that tells no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// When it was found, by our clock.
    pub found_at: Timestamp,
    /// All of this in one line.
    pub summary: String,
}

/// What finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Job {
    /// The cutover of every machine of a wave by Nutanix Move.
    Cutover {
        /// The wave.
        wave: WaveName,
        /// The Move appliance.
        appliance: MoveName,
        /// Names of its migration plans that the wave's machines are in.
        plans: BTreeSet<String>,
    },
    /// A job of a Nutanix recovery plan by which VMs change sides. Validations and test failovers are none.
    Failover {
        /// The Prism Central that tells of it.
        prism_central: PrismName,
        /// The job.
        job: ExtId,
        /// Name of the job.
        name: String,
        /// Whether both sides agreed to it, or VMs were started from what was replicated.
        action: Action,
    },
}

/// How VMs change sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// By the will of both sides.
    Planned,
    /// While they run.
    Live,
    /// From what was replicated; the source may be gone, or may be running.
    Unplanned,
}

/// How a job ended. VMs may have moved by one that failed, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Well, for every machine.
    Finished,
    /// Well for some machines.
    PartlyFinished,
    /// Well for no machine.
    Failed,
}

/// What became of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Became {
    /// The EC2 instance or VM that it was, in the words of the appliance; none where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The VM that it is now; the id may be the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<ExtId>,
    /// What went wrong with it, in the words of the appliance; none where nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Event {
    /// The `source` of the event on the bus.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self.job {
            Job::Cutover { .. } => "holdfast.move",
            Job::Failover { .. } => "holdfast.recovery",
        }
    }

    /// The `detail-type` of the event on the bus.
    #[must_use]
    pub fn detail_type(&self) -> &'static str {
        match (&self.job, self.ending) {
            (Job::Cutover { .. }, Ending::Finished) => "Cutover finished",
            (Job::Cutover { .. }, Ending::PartlyFinished) => "Cutover partly finished",
            (Job::Cutover { .. }, Ending::Failed) => "Cutover failed",
            (Job::Failover { .. }, Ending::Finished) => "Failover finished",
            (Job::Failover { .. }, Ending::PartlyFinished) => "Failover partly finished",
            (Job::Failover { .. }, Ending::Failed) => "Failover failed",
        }
    }
}

/// The `detail` of a message on the bus: an appliance has not answered for longer than policy bears. It says nothing of machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplianceUnknown {
    /// 1.
    pub schema_version: u32,
    /// The appliance, as `Prism Central pc-tokyo`.
    pub appliance: String,
    /// The Region that asks it.
    pub region: Region,
    /// Since when it does not answer there, by our clock.
    pub since: Timestamp,
    /// What was seen last.
    pub why: String,
    /// All of this in one line, with what to look at.
    pub summary: String,
}

impl ApplianceUnknown {
    /// The `source` of the message on the bus.
    pub const SOURCE: &str = "holdfast.watch";
    /// The `detail-type` of the message on the bus.
    pub const DETAIL_TYPE: &str = "Appliance unknown";
}
