//! The world file's section on Nutanix Move.

use serde::{Deserialize, Serialize};

/// A Move appliance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveFile {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    pub password: String,
}
