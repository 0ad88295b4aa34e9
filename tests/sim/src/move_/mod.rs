//! Nutanix Move: login, migration plans, workloads and their cutover.
//!
//! What Move shows is in [`render`], what a cutover does in [`cutover`](fn@cutover).

mod cutover;
pub mod file;
mod render;
pub mod serve;
pub mod state;

use serde::{Deserialize, Serialize};

pub use cutover::{Part, cutover, cutover_part};
pub use serve::router;
pub use state::{MoveAppliance, load};

/// Settings of the emulated Move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// Reads for which a workload shows that its cutover goes on; its VM is there already.
    pub cutover_reads: u32,
}

impl Default for Switches {
    fn default() -> Self {
        Self { cutover_reads: 1 }
    }
}
