//! The world file's sections on Prism Central and recovery plans.

use serde::{Deserialize, Serialize};

/// A Prism Central.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrismCentralFile {
    /// User that may log in.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// A recovery plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlanFile {}
