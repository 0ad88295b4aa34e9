//! Nutanix Move.

pub mod file;

use axum::Router;
use serde::{Deserialize, Serialize};

use crate::{
    shared::Shared,
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Settings of the emulated Move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {}

/// One Move appliance.
#[derive(Debug, Default, Serialize)]
pub struct MoveAppliance {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    #[serde(skip)]
    pub password: String,
}

/// Builds the Move appliances of a world file.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    for (name, section) in &file.moves {
        let appliance = MoveAppliance { username: section.username.clone(), password: section.password.clone() };
        world.moves.insert(name.clone(), appliance);
    }
    Ok(())
}

/// The HTTP interface of the Move appliance `name`.
pub fn router(_shared: Shared, _name: String) -> Router {
    Router::new()
}

/// Cuts a migration plan over: its machines stop at the source and start at the target.
///
/// # Errors
/// A sentence that says why it cannot be done.
pub fn cutover(_world: &mut World, name: &str, plan: &str) -> Result<serde_json::Value, String> {
    Err(format!("Move `{name}` has no plan `{plan}`"))
}
