//! Documents of the functions that read and change machines: `capture`, `restore-nic` and `watch`.

use crate::wire::{
    CaptureRequest, CutoverRequest, DrillRequest, FailoverRequest, Progress, RecheckRequest, Waiver, request::named,
};
use crate::{
    EventId, EvidenceId, HostName, InventoryVersion, MapRef, NamedVersions, NetworkName, Region, SiteName, WaveName,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What `capture` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureInput {
    /// 1.
    pub schema_version: u32,
    /// Id of the execution.
    pub execution: String,
    /// Version of the network map; none on the first call.
    #[serde(default)]
    pub map: Option<MapRef>,
    /// The input of the execution.
    pub request: CaptureRequest,
}

/// What `capture` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaptureOutput {
    /// 1.
    pub schema_version: u32,
    /// Done, or call again.
    pub result: Progress,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// The wave.
    pub wave: WaveName,
    /// Version of the inventory that holds the wave now.
    pub inventory: InventoryVersion,
    /// Names of the captured hosts.
    pub hosts: BTreeSet<HostName>,
    /// What was done, in plain words.
    pub summary: String,
}

/// What `restore-nic` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreNicInput {
    /// 1.
    pub schema_version: u32,
    /// Id of the execution.
    pub execution: String,
    /// Version of the network map.
    #[serde(default)]
    pub map: Option<MapRef>,
    /// The wave.
    pub wave: WaveName,
    /// Version of its inventory that counts; none: the newest.
    #[serde(default)]
    pub inventory: Option<InventoryVersion>,
}

/// What `restore-nic` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RestoreNicOutput {
    /// 1.
    pub schema_version: u32,
    /// Done, or call again.
    pub result: Progress,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// One line a host: what was done or found right.
    pub done: Vec<String>,
    /// What was done, in plain words.
    pub summary: String,
}

/// What `watch` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchInput {
    /// 1.
    pub schema_version: u32,
    /// Id of the execution.
    pub execution: String,
    /// Version of the network map; none on the first call.
    #[serde(default)]
    pub map: Option<MapRef>,
    /// What evidence is wanted of.
    pub subject: Subject,
}

/// What evidence is wanted of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// The networks of a wave, which goes to its destination.
    Wave {
        /// The input of the execution.
        request: CutoverRequest,
    },
    /// The networks of a wave that has moved, wherever its machines should be.
    Recheck {
        /// The input of the execution.
        request: RecheckRequest,
    },
    /// A captured wave before it moves: also what its destination has ready for its networks.
    Landing {
        /// The wave.
        wave: WaveName,
    },
    /// The networks of a failover or of the operation that it undoes.
    Failover {
        /// The input of the execution.
        request: FailoverRequest,
    },
    /// The networks of an event, and whether it starts anything.
    Event {
        /// The event.
        event: EventId,
    },
    /// The networks of a drill.
    Drill {
        /// The input of the execution.
        request: DrillRequest,
    },
    /// No evidence: the test failover of a drill is started, or looked at; ask again while it answers `continue`.
    TestFailover {
        /// The input of the execution.
        request: DrillRequest,
    },
    /// No evidence: what the test failover of this drill made is removed; ask again while it answers `continue`.
    CleanUpTest {
        /// The input of the execution.
        request: DrillRequest,
    },
    /// No evidence: what Prism Centrals and Move finished since somebody last asked. Asked every minute by a schedule.
    Finished {
        /// For how many seconds, from the start of the invocation, Prism Centrals with a recovery job that goes on are asked again, so that its end is
        /// known within seconds. 0: everybody is asked once.
        #[serde(default, skip_serializing_if = "is_zero")]
        stay_seconds: u32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

impl Subject {
    /// A Region that is declared lost: nobody in it is asked.
    #[must_use]
    pub fn lost(&self) -> Option<&Region> {
        match self {
            Subject::Failover { request } => request.lost.as_ref(),
            Subject::Wave { .. }
            | Subject::Recheck { .. }
            | Subject::Landing { .. }
            | Subject::Event { .. }
            | Subject::Drill { .. }
            | Subject::TestFailover { .. }
            | Subject::CleanUpTest { .. }
            | Subject::Finished { .. } => None,
        }
    }

    /// Versions of the inventory that the execution names.
    #[must_use]
    pub fn inventory(&self) -> NamedVersions {
        match self {
            Subject::Wave { request } => named(&request.wave, request.inventory),
            Subject::Recheck { request } => named(&request.wave, request.inventory),
            Subject::Landing { .. } | Subject::Event { .. } | Subject::Finished { .. } => NamedVersions::new(),
            Subject::Failover { request } => request.inventory.clone(),
            Subject::Drill { request } | Subject::TestFailover { request } | Subject::CleanUpTest { request } => {
                request.inventory.clone()
            }
        }
    }
}

/// What `watch` returns, by what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum WatchOutput {
    /// Evidence of where machines are.
    Evidence(EvidenceOutput),
    /// What finished.
    Finished(FinishedOutput),
    /// What an event starts.
    Decided(DecidedOutput),
    /// How far a test failover is.
    Tested(TestedOutput),
}

/// What `watch` returns to the schedule that asks what finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FinishedOutput {
    /// 1.
    pub schema_version: u32,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// Events that were found and stored.
    pub found: BTreeSet<EventId>,
    /// What became of test failovers that drills have left, each in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swept: Vec<String>,
    /// Events that were put on the bus: those that were found, and older ones whose finder got no further.
    pub published: BTreeSet<EventId>,
    /// Events that are not known to be on the bus, each with why; the next call tries again.
    pub unpublished: BTreeMap<EventId, String>,
    /// Jobs that concern no captured host, with the reason; they are not told of again.
    pub ignored: Vec<String>,
    /// Appliances that did not tell, each with why. Nothing follows from their silence.
    pub unknown: BTreeMap<String, String>,
    /// All of this in plain words.
    pub summary: String,
}

/// What `watch` returns to a drill with a test failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestedOutput {
    /// 1.
    pub schema_version: u32,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// Done, or ask again.
    pub result: Progress,
    /// Name of the test's job.
    pub test: String,
    /// What was done, or is waited for, in plain words.
    pub summary: String,
}

/// What `watch` returns to whoever asked what an event starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecidedOutput {
    /// 1.
    pub schema_version: u32,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// What it starts.
    pub result: Started,
    /// Networks that are led to the site, or would be.
    pub networks: BTreeSet<NetworkName>,
    /// The site.
    pub to: SiteName,
    /// The Region that whoever approves declares lost.
    pub lost: Option<Region>,
    /// The sites that it does not count on, as they are silent.
    #[serde(default)]
    pub waived: Option<Waiver>,
    /// Key of the evidence document that it was decided by; none where none was taken.
    pub evidence: Option<EvidenceId>,
    /// How long a proposal may be answered, in seconds.
    pub expires: u32,
    /// Why, with what was seen.
    pub why: String,
    /// What is wrong with networks of the event that stay where they are; empty where nothing is.
    pub left: String,
    /// The input that a person starts, should the execution hold: JSON.
    pub again: String,
}

/// What an event starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Started {
    /// The routes follow.
    Go,
    /// A person is asked.
    Propose,
    /// Nothing, and nobody is told.
    Noted,
    /// Nothing, and a person is told why.
    Alarm,
}

/// What `watch` returns to whoever asked for evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceOutput {
    /// 1.
    pub schema_version: u32,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// Networks that the evidence speaks of.
    pub networks: BTreeSet<NetworkName>,
    /// Site that the machines should be at: the destination, or for an undo the site before.
    pub to: SiteName,
    /// Only the machines with these addresses move, by host routes; none: whole networks.
    pub hosts: Option<BTreeSet<Ipv4Addr>>,
    /// Versions of the inventory that the execution names; of every other wave the newest counts.
    pub inventory: NamedVersions,
    /// Key of the evidence document.
    pub evidence: EvidenceId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// What was seen, in plain words.
    pub summary: String,
}
