//! Prism Central: virtual machines, subnets and VPCs of the Nutanix side, and its recovery plans.

pub mod file;

use axum::Router;
use serde::{Deserialize, Serialize};

use crate::{
    shared::Shared,
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Settings of the emulated Prism Central.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {}

/// One Prism Central.
#[derive(Debug, Default, Serialize)]
pub struct Prism {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    #[serde(skip)]
    pub password: String,
}

/// A recovery plan between two Prism Centrals.
#[derive(Debug, Default, Serialize)]
pub struct RecoveryPlan {}

/// Builds the Prism Centrals and recovery plans of a world file.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    for (name, section) in &file.prism_centrals {
        let prism = Prism { username: section.username.clone(), password: section.password.clone() };
        world.prisms.insert(name.clone(), prism);
    }
    Ok(())
}

/// The HTTP interface of the Prism Central `name`.
pub fn router(_shared: Shared, _name: String) -> Router {
    Router::new()
}

/// Moves the VMs of the recovery plan `name` to its other side.
///
/// # Errors
/// A sentence that says why it cannot be done.
pub fn failover(_world: &mut World, name: &str, _planned: bool) -> Result<serde_json::Value, String> {
    Err(format!("there is no recovery plan `{name}`"))
}
