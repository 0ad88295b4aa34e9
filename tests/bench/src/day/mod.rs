//! A simulated day: machines that move, sites, Regions and calls that fail, events that come twice, late or not at all, and people who start, force,
//! take back and edit at any moment, around the planner, the judgement, the decision and the journal as the functions use them.
//!
//! With every write of a route and every start by an event it is looked at what must never happen, by a data plane and a memory of the world that share
//! nothing with `holdfast_plan`. A day is the same for the same seed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a simulation: what is not there is a mistake of it")]

mod audit;
mod calls;
mod deeds;
mod dice;
mod failover;
mod ground;
mod look;
mod machines;
mod nutanix;
mod recover;
mod routes;
mod run;
mod swap;
mod world;

pub use run::{Day, run};
pub use world::Counts;
