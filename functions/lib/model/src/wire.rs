//! Wire documents: what each function takes and returns, and what a person types to start an execution.
//!
//! Every input refuses unknown fields. `schema_version` is 1. `execution` is the id of the Step Functions execution. `map` is the version of the
//! network map that the execution works with: none on its first call, then as the first function returned it.

use crate::{
    Evidence, EvidenceId, HostName, InstanceId, InventoryVersion, MapRef, NetworkName, OperationId, SiteName, WaveName,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Version of every wire document.
pub const SCHEMA_VERSION: u32 = 1;

/// Starts `capture`: `{"wave": "wave-1"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureRequest {
    /// The wave to capture.
    pub wave: WaveName,
    /// Hosts whose guest may say otherwise than the EC2 API; the API then counts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accept_contradiction: BTreeSet<HostName>,
}

/// Starts `cutover`: `{"wave": "wave-1"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutoverRequest {
    /// The wave that Move has migrated.
    pub wave: WaveName,
}

/// Starts `failover`: `{"networks": ["app"], "to": "nc2-osaka"}`, or `{"undo": "op-.."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverRequest {
    /// Networks to move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeSet<NetworkName>>,
    /// Site to move them to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SiteName>,
    /// Operation to undo, instead of `networks` and `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<OperationId>,
    /// A person's word in place of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<Force>,
}

/// What a [`FailoverRequest`] asks for, once it is known to be one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailoverIntent {
    /// Move these networks to this site.
    Move {
        /// Networks, at least one.
        networks: BTreeSet<NetworkName>,
        /// Destination.
        to: SiteName,
    },
    /// Undo this operation.
    Undo(OperationId),
}

impl FailoverRequest {
    /// What is asked for.
    ///
    /// # Errors
    /// One line that says what to write.
    pub fn intent(&self) -> Result<FailoverIntent, String> {
        if let Some(force) = &self.force
            && (force.by.trim().is_empty() || force.reason.trim().is_empty())
        {
            return Err("`force` needs `by` (who) and `reason`, neither empty".to_owned());
        }
        match (&self.networks, &self.to, &self.undo) {
            (Some(networks), Some(to), None) if !networks.is_empty() => {
                Ok(FailoverIntent::Move { networks: networks.clone(), to: to.clone() })
            }
            (Some(_), Some(_), None) => Err("`networks` is empty; name at least one network".to_owned()),
            (None, None, Some(operation)) => Ok(FailoverIntent::Undo(operation.clone())),
            (_, _, Some(_)) => Err("`undo` stands alone; leave `networks` and `to` out".to_owned()),
            (None, _, None) => {
                Err("`networks` is missing; write `{\"networks\": [\"..\"], \"to\": \"<site>\"}`".to_owned())
            }
            (_, None, None) => Err("`to` is missing; write `{\"networks\": [\"..\"], \"to\": \"<site>\"}`".to_owned()),
        }
    }
}

/// Starts `drill`: `{"networks": ["app"], "to": "nc2-osaka"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// Networks whose failover is tried on paper.
    pub networks: BTreeSet<NetworkName>,
    /// Site they would move to.
    pub to: SiteName,
}

/// A person's word in place of evidence; it is recorded with the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Force {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Whether a function is done, or wants to be called again with the same input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Everything asked for is done.
    Done,
    /// The time ran out; call again with the same input.
    Continue,
}

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
        /// The wave.
        wave: WaveName,
    },
    /// The networks of a failover or of the operation that it undoes.
    Failover {
        /// The input of the execution.
        request: FailoverRequest,
    },
    /// The networks of a drill.
    Drill {
        /// The input of the execution.
        request: DrillRequest,
    },
}

/// What `watch` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WatchOutput {
    /// 1.
    pub schema_version: u32,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// Networks that the evidence speaks of.
    pub networks: BTreeSet<NetworkName>,
    /// Site that the machines should be at: the destination, or for an undo the site before.
    pub to: SiteName,
    /// Key of the evidence document.
    pub evidence: EvidenceId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// What was seen, in plain words.
    pub summary: String,
}

/// What `swap-route` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwapRouteInput {
    /// 1.
    pub schema_version: u32,
    /// Id of the execution.
    pub execution: String,
    /// Version of the network map; none on the first call.
    #[serde(default)]
    pub map: Option<MapRef>,
    /// Plan only, or apply.
    pub action: SwapAction,
    /// What is wanted.
    pub request: FailoverRequest,
    /// Evidence to judge by; none only with force.
    #[serde(default)]
    pub evidence: Option<EvidenceId>,
}

/// Plan only, or apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapAction {
    /// Observe, plan and check; change nothing.
    Plan,
    /// Observe, plan, check, journal, apply and read back.
    Apply,
}

/// What `swap-route` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapRouteOutput {
    /// 1.
    pub schema_version: u32,
    /// How it ended.
    pub result: SwapResult,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// The operation; none when there was nothing to do or nothing was applied.
    pub operation: Option<OperationId>,
    /// Networks.
    pub networks: BTreeSet<NetworkName>,
    /// Site that the tables now (or, for a plan, would) lead to.
    pub to: SiteName,
    /// The plan as a table.
    pub plan: String,
    /// What was done, in plain words.
    pub summary: String,
}

/// How `swap-route` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapResult {
    /// Every step is done and read back.
    Done,
    /// The tables were already right.
    NothingToDo,
    /// A plan was made and proven, nothing was changed.
    Planned,
    /// The time ran out; call again with the same input.
    Continue,
}

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
        /// Evidence to join; none when a person forced the change.
        #[serde(default)]
        evidence: Option<EvidenceId>,
    },
    /// A failover on paper; the result is stored.
    Drill {
        /// The input of the execution.
        request: DrillRequest,
        /// Evidence of where the machines are now.
        evidence: EvidenceId,
        /// The plan as `swap-route` proved it.
        plan: String,
    },
}

/// What `verify` returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifyOutput {
    /// 1.
    pub schema_version: u32,
    /// The worst of the checks.
    pub result: CheckStatus,
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

/// Which instance a host was captured from: the line of a capture that names it.
#[must_use]
pub fn host_line(name: &HostName, instance: &InstanceId, addresses: &[std::net::Ipv4Addr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!("{name} ({instance}): {}", addresses.join(", "))
}
