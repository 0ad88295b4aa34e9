//! SSM Run Command: the actions that the front does not pass through.

use serde::Serialize;

use crate::{
    faults::Answer,
    front::{Caller, json},
    shared::Shared,
};

/// Commands that were sent.
#[derive(Debug, Default, Serialize)]
pub struct RunCommand {}

/// Actions that this module answers; the front passes all other SSM actions through.
pub const ACTIONS: &[&str] = &[
    "DescribeInstanceInformation",
    "SendCommand",
    "GetCommandInvocation",
    "ListCommandInvocations",
    "ListCommands",
    "CancelCommand",
];

/// Whether the action changes something.
pub fn is_mutating(action: &str) -> bool {
    matches!(action, "SendCommand" | "CancelCommand")
}

/// Answers one action (AWS JSON 1.1).
pub async fn handle(_shared: &Shared, _caller: &Caller, action: &str, _body: &serde_json::Value) -> Answer {
    json::error(400, "UnsupportedOperation", &format!("`{action}` is not simulated"))
}
