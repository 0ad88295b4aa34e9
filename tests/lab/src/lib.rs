//! `cargo lab`: the whole of Holdfast on one machine, with emulated AWS, Nutanix and guests.
//!
//! [`Lab`] builds the real Lambda binaries, starts the simulators in process and the AWS emulator as a child, deploys
//! `infra/template.yaml` in both Regions and hands out clients. [`story`] runs the reference story on it and judges it.

pub mod aws;
pub mod bench;
mod child;
pub mod control;
pub mod dynamodb;
mod error;
pub mod executions;
mod functions;
pub mod hint;
mod lab;
pub mod ministack;
pub mod network_map;
pub mod prober;
mod progress;
mod python;
pub mod query;
mod replicas;
mod stack;
pub mod story;
mod template;
pub mod timeline;
pub mod wait;
pub mod wave;
mod workspace;

pub use error::LabError;
pub use executions::Execution;
pub use functions::Code;
pub use lab::{Consistency, IMPORT_TABLE, Lab, LabOptions, STORY_MAP, STORY_WORLD, Schedule, Source, prepare};
pub use progress::Progress;
pub use stack::STACK;
pub use template::Template;
pub use workspace::Workspace;
