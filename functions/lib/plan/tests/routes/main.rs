//! Tests of the plan crate: the reference story and what is refused, random topologies, and the judgement of evidence.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests: what is not there is a mistake of the test"
)]

mod judge;
mod limits;
mod meanwhile;
mod properties;
mod replies;
mod rules;
mod start;
mod steady;
mod story;
mod stranded;
mod topology;
mod vpc_tables;
mod wide;
mod world;
