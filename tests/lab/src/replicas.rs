//! Replicas of the tables in the other Region, as an eventually consistent global table has them.

use crate::{
    dynamodb::{Caller, call},
    error::LabError,
};
use serde_json::json;

/// Gives a table of the caller's Region a replica: the emulator's CloudFormation makes none.
///
/// # Errors
/// What the emulator refused it with.
pub(crate) async fn create(caller: Caller<'_>, replica: &str, table: &str) -> Result<(), LabError> {
    let update = json!({"TableName": table, "ReplicaUpdates": [{"Create": {"RegionName": replica}}]});
    call(caller, "UpdateTable", &update).await.map(drop)
}
