//! SSM Run Command: the actions that the front does not pass through (AWS JSON 1.1).
//!
//! A guest runs nothing but Holdfast's committed scripts, known by the hash of their text, and answers from its own state;
//! anything else fails with `unknown script`. An invocation ends some reads after it was sent.
//!
//! Sources: AWS Systems Manager API reference, "SendCommand", "GetCommandInvocation", "ListCommandInvocations",
//! "DescribeInstanceInformation".

mod command;
mod describe;
mod list;
mod managed;
mod refusal;
mod script;
mod send;
mod settings;
mod state;

use serde_json::Value;

use crate::{
    faults::Answer,
    front::{Caller, json},
    shared::Shared,
};

pub use state::{Command, Invocation, RunCommand, Status};

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

/// Answers one action.
pub async fn handle(shared: &Shared, caller: &Caller, action: &str, body: &Value) -> Answer {
    let now = shared.now();
    let mut world = shared.world();
    let answer = match action {
        "DescribeInstanceInformation" => describe::describe(&world, caller, body, now),
        "SendCommand" => send::send(&mut world, caller, body, now),
        "GetCommandInvocation" => command::get(&mut world, caller, body),
        "ListCommandInvocations" => list::invocations(&mut world, caller, body),
        "ListCommands" => list::commands(&world, caller, body),
        "CancelCommand" => command::cancel(&mut world, caller, body),
        _ => Err(refusal::Refusal::new("UnsupportedOperation", format!("`{action}` is not simulated"))),
    };
    match answer {
        Ok(document) => json::ok(&document),
        Err(refusal) => json::error(400, refusal.code, &refusal.message),
    }
}
