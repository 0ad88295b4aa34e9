//! Calls of a person, by the Query protocol and of functions: what the AWS CLI would send, for services whose client nothing here needs otherwise.

use crate::LabError;
use reqwest::Method;
use serde_json::Value;

/// What the simulators take account, Region and service from; they check no signature.
fn authorization(account: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// Sends one call and returns the XML that answered it.
///
/// # Errors
/// What the service refused it with.
pub async fn call(
    endpoint: &str,
    account: &str,
    region: &str,
    service: &str,
    form: &[(&str, &str)],
) -> Result<String, LabError> {
    let authorization = authorization(account, region, service);
    let action = form.iter().find(|(key, _)| *key == "Action").map_or("a call", |(_, action)| *action);
    let failed = |error: reqwest::Error| LabError::aws(format!("{service}:{action}"), region, error);
    let http = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
    let answer = http.post(endpoint).form(form).header("authorization", authorization).send().await.map_err(failed)?;
    let status = answer.status();
    let text = answer.text().await.map_err(failed)?;
    if status.is_success() {
        return Ok(text);
    }
    Err(LabError::aws(format!("{service}:{action}"), region, text))
}

/// Sends one call of a service that takes and answers JSON, with its action in method and path.
///
/// # Errors
/// What the service refused it with; of a Lambda function, also what it says where it fails.
pub async fn rest(
    endpoint: &str,
    account: &str,
    region: &str,
    (service, method, path): (&str, Method, &str),
    body: &Value,
) -> Result<Value, LabError> {
    let what = format!("{service}:{method} {path}");
    let failed = |error: reqwest::Error| LabError::aws(what.clone(), region, error);
    let http = reqwest::Client::builder().no_proxy().build().map_err(failed)?;
    let request = http.request(method.clone(), format!("{endpoint}{path}"));
    let request = request.header("authorization", authorization(account, region, service));
    let request = if method == Method::GET { request } else { request.body(body.to_string()) };
    let answer = request.header("content-type", "application/json").send().await.map_err(failed)?;
    let good = answer.status().is_success() && !answer.headers().contains_key("x-amz-function-error");
    let text = answer.text().await.map_err(failed)?;
    match serde_json::from_str(&text) {
        Ok(output) if good => Ok(output),
        Ok(_) | Err(_) => Err(LabError::aws(what, region, text)),
    }
}

/// Calls EC2.
///
/// # Errors
/// What EC2 refused it with.
pub async fn ec2(
    endpoint: &str,
    account: &str,
    region: &str,
    action: &str,
    parameters: &[(&str, &str)],
) -> Result<String, LabError> {
    let mut form = vec![("Action", action), ("Version", "2016-11-15")];
    form.extend(parameters);
    call(endpoint, account, region, "ec2", &form).await
}

/// The text of the first element of this name.
pub fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}
