//! Whole executions against the emulated world.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is wrong"
)]

mod against;
mod bad_input;
mod edges;
mod events;
mod every_route;
mod hints;
mod killed;
mod lost;
mod nics_killed;
mod parts;
mod races;
mod routes_disturbed;
mod served;
mod story;
mod support;
mod tables;
mod topology;
mod unproven;
mod variants;
