//! The one point that every request of a client passes: it writes the log, applies fault rules and holds calls.

pub mod client;
mod garbage;
mod gate;
mod intercept;
pub mod matching;

pub use gate::{Effect, Fault, Garbage, Gate, Hold, HoldRequest, HoldState, NewFault, When};
pub use intercept::{Answer, CallInfo, Injected, Source, intercept};
pub use matching::Match;
