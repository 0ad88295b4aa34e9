//! Documents of `swap-route`.

use crate::wire::FailoverRequest;
use crate::{EvidenceId, MapRef, NetworkName, OperationId, SiteName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

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
    /// Plan only, apply, or say what a person could start.
    pub action: SwapAction,
    /// What is wanted.
    pub request: FailoverRequest,
    /// Evidence to judge by; none only with force.
    #[serde(default)]
    pub evidence: Option<EvidenceId>,
    /// For `choices`: the input, as JSON, that goes on with the execution that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
}

/// Plan only, apply, or say what a person could start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SwapAction {
    /// Observe, plan and check; change nothing.
    Plan,
    /// Observe, plan, check, journal, apply and read back.
    Apply,
    /// Observe, plan and check what a person could start now; change nothing.
    Choices,
}

/// What `swap-route` returns, by what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SwapRouteOutput {
    /// A plan, planned or applied.
    Swap(SwapOutput),
    /// What a person could start.
    Choices(ChoicesOutput),
}

/// What `swap-route` returns to whoever holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChoicesOutput {
    /// 1.
    pub schema_version: u32,
    /// Version of the network map that was used.
    pub map: MapRef,
    /// Each choice as a command, with whether it would be done now, or why not.
    pub summary: String,
}

/// What `swap-route` returns of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwapOutput {
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
    /// Only the machines with these addresses are led there, by host routes; none: whole networks.
    pub hosts: Option<BTreeSet<Ipv4Addr>>,
    /// The ways back of whole networks that were led from other NC2 sites: what a drill takes. None where nothing was led, or without a Region.
    pub way_back: Vec<WayBack>,
    /// The plan as a table.
    pub plan: String,
    /// What was done, in plain words.
    pub summary: String,
}

/// Networks, and the site that they were led away from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WayBack {
    /// Networks.
    pub networks: BTreeSet<NetworkName>,
    /// The site.
    pub to: SiteName,
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
