//! Replicas of the tables in the other Region, as an eventually consistent global table has them.

use crate::error::LabError;
use serde_json::json;

/// Gives a table a replica: the emulator's CloudFormation makes none.
///
/// # Errors
/// What the emulator refused it with.
pub(crate) async fn create(
    endpoint: &str,
    account: &str,
    (home, replica): (&str, &str),
    table: &str,
) -> Result<(), LabError> {
    let failed = |why: crate::error::BoxError| LabError::aws(format!("making a replica of `{table}`"), replica, why);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{home}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
    );
    let update = json!({"TableName": table, "ReplicaUpdates": [{"Create": {"RegionName": replica}}]});
    let http = reqwest::Client::builder().no_proxy().build().map_err(LabError::Client)?;
    let answer = http
        .post(endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.UpdateTable")
        .header("authorization", authorization)
        .body(update.to_string())
        .send()
        .await
        .map_err(|error| failed(error.into()))?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(failed(answer.text().await.unwrap_or_default().into()))
}
