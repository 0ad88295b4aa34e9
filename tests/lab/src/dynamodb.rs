//! Calls of DynamoDB as a person would make them: what functions stored is read as it lies there, by no code of theirs.

use crate::LabError;
use serde_json::{Value, json};

/// The table of operations, journals, evidence and reports.
pub const OPERATIONS: &str = "holdfast-operations";
/// The table of captured hosts.
pub const INVENTORY: &str = "holdfast-inventory";

/// Where to call, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub http: &'a reqwest::Client,
    pub endpoint: &'a str,
    pub account: &'a str,
    pub region: &'a str,
}

/// Sends one call.
///
/// # Errors
/// What DynamoDB refused it with.
pub(crate) async fn call(caller: Caller<'_>, action: &str, body: &Value) -> Result<Value, LabError> {
    let Caller { http, endpoint, account, region } = caller;
    // The simulators take account, Region and service from here and check no signature.
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
    );
    let doing = || format!("dynamodb:{action}");
    let request = http
        .post(endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{action}"))
        .header("authorization", authorization)
        .body(body.to_string());
    let answer = request.send().await.map_err(|error| LabError::aws(doing(), region, error))?;
    let good = answer.status().is_success();
    let text = answer.text().await.map_err(|error| LabError::aws(doing(), region, error))?;
    if !good {
        return Err(LabError::aws(doing(), region, text));
    }
    serde_json::from_str(&text).map_err(|error| LabError::aws(doing(), region, error))
}

/// A document that is kept in parts under this partition and this beginning of the sort key, put together; null when there is none.
///
/// # Errors
/// A part that is not JSON.
pub fn document(items: &[Value], partition: &str, prefix: &str) -> Result<Value, LabError> {
    let key = |item: &Value, name: &str| item.pointer(&format!("/{name}/S")).and_then(Value::as_str).map(str::to_owned);
    let mut parts: Vec<(String, String)> = items
        .iter()
        .filter(|item| key(item, "pk").as_deref() == Some(partition))
        .filter_map(|item| Some((key(item, "sk")?, key(item, "doc")?)))
        .filter(|(sort, _)| sort.starts_with(prefix))
        .collect();
    if parts.is_empty() {
        return Ok(Value::Null);
    }
    parts.sort();
    let text: String = parts.into_iter().map(|(_, part)| part).collect();
    serde_json::from_str(&text).map_err(|error| LabError::aws(format!("reading `{partition}`"), "the lab", error))
}

/// What reads a whole table.
pub(crate) fn scan(table: &str) -> Value {
    json!({"TableName": table, "ConsistentRead": true})
}
