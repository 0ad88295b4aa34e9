//! Route plans as pure functions.
//!
//! Owns the route change as a value ([`Step`], [`Plan`]). Everything here is
//! synchronous and total: no clock, log, randomness or I/O. Steps are journalled and applied by `holdfast-journal`.

mod step;

pub use step::{Plan, RouteValue, Step};
