//! Simulators of AWS networking, Run Command, Nutanix Prism Central and Nutanix Move, as servers on loopback.
//!
//! One [`Sim`] owns one [`World`]. Everything that a client can reach (the AWS front, each Prism Central, each Move)
//! passes through one interception point, [`faults::intercept`], which writes the request log and injects faults.
//! The control server lets a test or a person shape the world; see [`control`].
//!
//! Nothing here sleeps: states advance when they are observed, and token buckets take their time from a [`Clock`].

pub mod clients;
pub mod clock;
pub mod connection;
pub mod control;
pub mod dataplane;
pub mod direct_connect;
pub mod ec2;
mod elb;
pub mod faults;
pub mod front;
pub mod guests;
pub mod log;
pub mod move_;
pub mod prism;
pub mod python;
mod quotas;
mod serve;
pub mod shared;
pub mod sim;
pub mod ssm;
pub mod switches;
pub mod world;
pub mod world_file;

pub use clock::{Clock, ManualClock, RealClock};
pub use shared::Shared;
pub use sim::{Endpoint, Options, Sim, StartError};
pub use world::World;
pub use world_file::{WorldError, WorldFile};
