//! Documents of `verify`.

use crate::wire::{CutoverRequest, DrillRequest, Waiver};
use crate::{Evidence, EvidenceId, MapRef, NamedVersions, NetworkName, Region, SiteName, WaveName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// What `verify` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyInput {
    /// 1.
    pub schema_version: u32,
    /// Id of the execution.
    pub execution: String,
    /// Version of the network map; none on the first call.
    #[serde(default)]
    pub map: Option<MapRef>,
    /// What is to be verified.
    pub check: VerifyKind,
}

/// What is to be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VerifyKind {
    /// After a capture: could this wave be cut over as things are? Instances may still run.
    Captured {
        /// The wave.
        wave: WaveName,
        /// Evidence of what the destination has ready; none where nobody asked.
        #[serde(default)]
        evidence: Option<EvidenceId>,
    },
    /// Before a cutover: everything that would refuse it later.
    Preflight {
        /// The input of the execution.
        request: CutoverRequest,
    },
    /// After a change: do the networks work from every vantage, and does nothing else answer?
    Postflight {
        /// Networks.
        networks: BTreeSet<NetworkName>,
        /// Where their machines should be.
        to: SiteName,
        /// Only the machines with these addresses moved, by host routes; none: whole networks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hosts: Option<BTreeSet<Ipv4Addr>>,
        /// Versions of the inventory that count, by wave; of every other wave the newest.
        #[serde(default, skip_serializing_if = "NamedVersions::is_empty")]
        inventory: NamedVersions,
        /// Evidence to join; none when a person forced the change.
        #[serde(default)]
        evidence: Option<EvidenceId>,
        /// A Region that is declared lost: it is not called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<Region>,
        /// Sites that may be silent, as the request says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waived: Option<Waiver>,
        /// Whether the guests are asked about themselves.
        #[serde(default)]
        guests: GuestView,
        /// When the routes were changed: what may mend itself is waited for until policy's `proof_seconds` after it. None: nothing is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        swapped_at: Option<Timestamp>,
    },
    /// A failover on paper; the result is stored.
    Drill {
        /// The input of the execution.
        request: DrillRequest,
        /// Evidence of where the machines are now.
        evidence: EvidenceId,
        /// The plan as `swap-route` proved it.
        plan: String,
        /// Name of the test failover that is up meanwhile; none where none is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        test: Option<String>,
    },
    /// Whether every network's next failover is proven by a drill that still counts; asked every hour by a schedule, in each Region.
    Ready {},
}

/// Whether guests are asked about themselves, where Systems Manager reaches them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuestView {
    /// They are: each is compared with its capture.
    Asked,
    /// They are not: what Prism Central and the probes see of them counts.
    #[default]
    NotAsked,
}

/// What `verify` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyOutput {
    /// 1.
    pub schema_version: u32,
    /// The worst of the checks, or that it is to be verified again.
    pub result: Verdict,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// Every check with what it saw.
    pub checks: Vec<Check>,
    /// Key of the stored report in the operations table.
    pub report: String,
    /// The result in plain words.
    pub summary: String,
}

/// One check of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What was checked, as `route from onprem-tokyo to app`.
    pub name: String,
    /// How it ended.
    pub status: CheckStatus,
    /// What was seen.
    pub saw: String,
}

/// How a check ended, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Seen to be right.
    Pass,
    /// Not wrong, but a person should know.
    Warn,
    /// Could not be seen.
    Unknown,
    /// Seen to be wrong.
    Fail,
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check was seen to be right.
    Pass,
    /// Nothing is wrong, but a person should know something.
    Warn,
    /// It is not proven yet, by nothing but what may mend itself, and there is time: verify again.
    Wait,
    /// Something could not be seen.
    Unknown,
    /// Something was seen to be wrong.
    Fail,
}

impl From<CheckStatus> for Verdict {
    fn from(worst: CheckStatus) -> Self {
        match worst {
            CheckStatus::Pass => Verdict::Pass,
            CheckStatus::Warn => Verdict::Warn,
            CheckStatus::Unknown => Verdict::Unknown,
            CheckStatus::Fail => Verdict::Fail,
        }
    }
}

/// A report of `verify` as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// 1.
    pub schema_version: u32,
    /// When it was made.
    pub made_at: Timestamp,
    /// Execution that it belongs to.
    pub execution: String,
    /// What was verified.
    pub check: VerifyKind,
    /// The worst of the checks.
    pub result: CheckStatus,
    /// Every check.
    pub checks: Vec<Check>,
    /// Evidence that was joined.
    pub evidence: Option<Evidence>,
}
