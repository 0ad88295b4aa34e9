//! What every function starts with: tracing, configuration, the clock, the network map, secrets, the event bus, SDK configuration per
//! account and Region, and the way from a [`Fault`](holdfast_model::Fault) to what Step Functions catches.
//!
//! The only crate that reads the environment and the wall clock. Decides nothing about routes or machines.

mod accounts;
mod bus;
mod clock;
mod code;
mod config;
mod entry;
mod fault;
mod map_source;
mod secrets;
mod start_switch;
mod timeouts;

pub use accounts::Accounts;
pub use bus::{Bus, EventBridge, Message};
pub use clock::{Deadline, FixedClock, Invocation, SystemClock};
pub use code::{code_of_this_program, sha256};
pub use config::{Config, Writer, base_config};
pub use entry::{Error, decode, run};
pub use fault::{chain, fault_of, service_fault};
pub use holdfast_model::Clock;
pub use map_source::{MapSource, surviving, waiving};
pub use secrets::Secrets;
pub use start_switch::{START_PARAMETER, StartSwitch};
pub use timeouts::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, MAX_ATTEMPTS, OPERATION_TIMEOUT, STOP_MARGIN};
