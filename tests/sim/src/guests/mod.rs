//! The operating systems of all machines, and the on-premises sites.

pub mod file;

use serde::{Deserialize, Serialize};

use crate::{
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Settings of guests and Run Command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {}

/// All guests and sites.
#[derive(Debug, Default, Serialize)]
pub struct Guests {}

/// Builds the guests and sites of a world file; EC2, Prism and Move are built already.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(_file: &WorldFile, _world: &mut World) -> Result<(), WorldError> {
    Ok(())
}

/// Told after an instance was created, started, stopped or terminated; its state in [`World::ec2`] is the new one.
pub fn instance_changed(_world: &mut World, _instance: &str) {}
