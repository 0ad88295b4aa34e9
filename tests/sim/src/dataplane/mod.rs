//! The data plane: forwards probes over the simulated tables, from guest to guest and back.

use serde::{Deserialize, Serialize};

use crate::world::World;

/// Probes to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    /// Name of the guest that asks.
    pub from: String,
    /// Address asked.
    pub to: std::net::Ipv4Addr,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// Sends probes.
///
/// # Errors
/// A sentence that says why none was sent.
pub fn probes(_world: &mut World, request: &ProbeRequest) -> Result<serde_json::Value, String> {
    Err(format!("there is no guest `{}`", request.from))
}
