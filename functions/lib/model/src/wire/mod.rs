//! Wire documents: what each function takes and returns, and what a person types to start an execution.
//!
//! Every input refuses unknown fields. `schema_version` is 1. `execution` is the id of the Step Functions execution. `map` is the version of the
//! network map that the execution works with: none on its first call, then as the first function returned it.

mod machines;
mod request;
mod swap;
mod verify;

pub use machines::{
    CaptureInput, CaptureOutput, DecidedOutput, EvidenceOutput, FinishedOutput, RestoreNicInput, RestoreNicOutput,
    Started, Subject, TestedOutput, WatchInput, WatchOutput,
};
pub use request::{
    CaptureRequest, CutoverRequest, DrillRequest, FailoverIntent, FailoverRequest, Force, RecheckRequest, Waiver,
};
pub use swap::{ChoicesOutput, SwapAction, SwapOutput, SwapResult, SwapRouteInput, SwapRouteOutput, WayBack};
pub use verify::{Check, CheckStatus, GuestView, Report, Verdict, VerifyInput, VerifyKind, VerifyOutput};

use crate::{HostName, InstanceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of every wire document.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether a function is done, or wants to be called again with the same input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Everything asked for is done.
    Done,
    /// The time ran out; call again with the same input.
    Continue,
}

/// Which instance a host was captured from: the line of a capture that names it.
#[must_use]
pub fn host_line(name: &HostName, instance: &InstanceId, addresses: &[std::net::Ipv4Addr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    format!("{name} ({instance}): {}", addresses.join(", "))
}
