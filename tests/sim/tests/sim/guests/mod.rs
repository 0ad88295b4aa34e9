//! Guests, Run Command and the data plane.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it says"
)]

mod dataplane;
mod leases;
mod run_command;
mod support;
