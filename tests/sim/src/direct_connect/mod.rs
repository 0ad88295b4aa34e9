//! Direct Connect, as far as it says who advertises which of our prefixes to on-premises.
//!
//! Sources: Direct Connect API reference; Direct Connect user guide, "Allowed prefixes interactions": the allowed
//! prefixes of an association with a transit gateway are advertised as they stand, whether or not a route exists.

mod api;
pub mod file;
mod state;

pub(crate) use api::handle;
pub use state::{DirectConnect, Gateway, Switches, gateway_of, load, uuid};
