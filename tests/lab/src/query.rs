//! Calls of a person by the Query protocol: what the AWS CLI would send, for services whose client nothing here needs otherwise.

use crate::LabError;

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
    // The simulators take account, Region and service from here and check no signature.
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
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
