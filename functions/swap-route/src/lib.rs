//! `swap-route`: points every declared route table at where the machines of a network are.
//!
//! Owns the order of the parts: network map, lock, observe, plan, check, evidence, journal, apply, read back, words. What is safe is
//! decided in `holdfast-plan`, when a route is written in `holdfast-journal`, how in `holdfast-aws-network`.

mod context;
mod goal;
mod swap;
mod tables;
mod words;

pub use context::Context;
pub use swap::handle;
pub use tables::ACTIONS;
