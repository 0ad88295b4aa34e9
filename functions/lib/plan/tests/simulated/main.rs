//! The planner against the simulator's data plane, which forwards packets and knows nothing of `trace`: random worlds are built in the simulator,
//! read into pictures, and judged by both.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: what is not there is a mistake of the test"
)]

mod change;
mod dice;
mod differential;
mod file;
mod flaws;
mod map;
mod orders;
mod picture;
mod probe;
mod spec;
mod world;
