//! Builds EC2 from the world file.

use crate::{
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Builds EC2 of a world file.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    world.ec2.regions.extend(file.regions.keys().cloned());
    Ok(())
}
