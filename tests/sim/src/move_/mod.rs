//! Nutanix Move: login, migration plans, workloads, their cutover and the test of it.
//!
//! What Move shows is in [`render`], what a cutover does in [`cutover`](fn@cutover), what a test cutover does in [`test_cutover`].

mod cutover;
pub mod file;
mod render;
pub mod serve;
pub mod state;
mod test_cutover;

use serde::{Deserialize, Serialize};

pub use cutover::{Part, cutover, cutover_part};
pub use serve::router;
pub use state::{MoveAppliance, load};
pub use test_cutover::{TestAction, test_workload};

/// Settings of the emulated Move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Reads for which a workload shows that its cutover goes on; its VM is there already.
    pub cutover_reads: u32,
    /// The state that a workload shows while the VM of its test cutover is there. Move's words are not published.
    pub test_state: TestState,
    /// Name of the VM of a test cutover.
    pub test_name: TestName,
    /// Whether the links of a workload lead to the VM of its test cutover while that is there.
    pub test_linked: bool,
    /// What becomes of the VM of a test cutover when its workload is cut over.
    pub test_at_cutover: TestAtCutover,
}

/// The state that a workload shows while the VM of its test cutover is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestState {
    /// A state of its own.
    Named,
    /// The state of one that waits for its cutover: only its actions tell.
    Waiting,
    /// The state of one that is cut over: only its actions tell.
    Completed,
}

/// Name of the VM of a test cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestName {
    /// That of the machine.
    Same,
    /// That of the machine with something behind it.
    Suffixed,
}

/// What becomes of the VM of a test cutover when its workload is cut over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestAtCutover {
    /// It stays.
    Kept,
    /// It is deleted.
    Removed,
    /// The cutover is refused while it is there.
    Refused,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            cutover_reads: 1,
            test_state: TestState::Named,
            test_name: TestName::Same,
            test_linked: true,
            test_at_cutover: TestAtCutover::Kept,
        }
    }
}
