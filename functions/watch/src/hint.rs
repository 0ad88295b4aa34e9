//! A push hint: somebody says over HTTP that something may have finished, and the next look comes at once.
//!
//! It is never believed. All that it can do is to bring about a look, which reads Prism Central and Move as each minute's does. It comes through the URL
//! of the function, open to anybody, so it is signed: header `x-holdfast-time` is the time in milliseconds since 1970, header `x-holdfast-signature` is
//! `sha256=` and HMAC-SHA256 of that text, a full stop and the body, in hexadecimal. A time that is not after that of the last hint is refused, so none
//! counts twice.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use holdfast_model::wire::{SCHEMA_VERSION, Subject, WatchInput, WatchOutput};
use holdfast_model::{Clock, Credentials, Fault, FaultName};
use holdfast_runtime::{Invocation, decode};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::handle::{Context, handle};

/// Secret that holds the key: `{"api_key": ".."}`.
pub const SECRET: &str = "holdfast/hint";

/// How far the clocks of sender and receiver may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(300);

/// Longest body that is looked at, in bytes.
const BODY: usize = 4096;

/// What the function is called with: by a state machine or a schedule, or through its URL.
#[derive(Debug, Clone)]
pub enum Called {
    /// With a wire document.
    Directly(Box<WatchInput>),
    /// With a request for its URL.
    ByUrl(UrlRequest),
}

impl Called {
    /// Tells a request for the URL (payload format 2.0, Lambda developer guide, "Invoking Lambda function URLs") from a wire document.
    ///
    /// # Errors
    /// `InvalidInput` as [`decode`].
    pub fn decode(payload: Value) -> Result<Self, Fault> {
        match payload.pointer("/requestContext/http") {
            Some(_) => decode_url(payload).map(Called::ByUrl),
            None => decode(payload).map(|input| Called::Directly(Box::new(input))),
        }
    }
}

fn decode_url(payload: Value) -> Result<UrlRequest, Fault> {
    serde_json::from_value(payload)
        .map_err(|error| Fault::new(FaultName::InvalidInput, format!("request for the function's URL: {error}")))
}

/// What counts of a request for the URL.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlRequest {
    /// Headers, their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether that is Base64; a hint is text.
    #[serde(default)]
    pub is_base64_encoded: bool,
}

/// What the caller is told over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlAnswer {
    /// The status: 202, or 403 with no reason, as whoever forges should learn nothing.
    pub status_code: u16,
    /// The body, JSON.
    pub body: &'static str,
}

const ACCEPTED: UrlAnswer = UrlAnswer { status_code: 202, body: r#"{"result":"looked"}"# };
const REFUSED: UrlAnswer = UrlAnswer { status_code: 403, body: r#"{"result":"refused"}"# };

/// What the function answers.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Answered {
    /// To whom called it directly.
    Document(Box<WatchOutput>),
    /// To whom called its URL.
    Url(UrlAnswer),
}

/// Does what is asked for.
///
/// # Errors
/// As [`handle`] and [`hinted`].
pub async fn called(context: &Context, called: Called, invocation: Invocation) -> Result<Answered, Fault> {
    match called {
        Called::Directly(input) => {
            Box::pin(handle(context, *input, invocation)).await.map(|output| Answered::Document(Box::new(output)))
        }
        Called::ByUrl(request) => hinted(context, request, invocation).await.map(Answered::Url),
    }
}

/// When a hint was signed, if it was signed with this key and not long ago.
///
/// # Errors
/// Why it is refused, for the log.
pub fn signed_at(request: &UrlRequest, key: &[u8], now: Timestamp) -> Result<Timestamp, String> {
    let header = |name: &str| request.headers.get(name).ok_or_else(|| format!("header `{name}` is missing"));
    let time = header("x-holdfast-time")?;
    let signature = header("x-holdfast-signature")?;
    let body = request.body.as_deref().unwrap_or_default();
    if request.is_base64_encoded || body.len() > BODY {
        return Err(format!("the body is not text of at most {BODY} bytes"));
    }
    let signature =
        signature.strip_prefix("sha256=").and_then(unhex).ok_or("the signature is not `sha256=` and hexadecimal")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| error.to_string())?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    mac.verify_slice(&signature).map_err(|_| "the signature is not that of time and body under our key".to_owned())?;
    let at = time.parse().ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let at = at.ok_or("the time is not in milliseconds since 1970")?;
    match now.duration_since(at).abs() > SKEW {
        true => Err(format!("it was signed at {at}, which is not now")),
        false => Ok(at),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// Looks once, if the hint is signed and newer than the last one.
///
/// # Errors
/// Those of the look, which the sender may ask for again with another hint, and the schedule does within a minute.
pub async fn hinted(context: &Context, request: UrlRequest, invocation: Invocation) -> Result<UrlAnswer, Fault> {
    let Credentials::Key(key) = context.secrets.credentials(SECRET).await? else {
        return Err(Fault::new(
            FaultName::NotConfigured,
            format!("secret `{SECRET}` is not `{{\"api_key\": \"..\"}}`"),
        ));
    };
    let at = match signed_at(&request, key.api_key.expose_secret().as_bytes(), context.clock.now()) {
        Ok(at) => at,
        Err(why) => {
            tracing::warn!("a hint is refused: {why}");
            return Ok(REFUSED);
        }
    };
    if let Err(fault) = context.poll.writer.allows(context.poll.region.as_str(), None) {
        tracing::warn!("a hint is refused: {}", fault.message);
        return Ok(REFUSED);
    }
    if !context.hints.put(at).await? {
        tracing::warn!("a hint is refused: it was signed at {at}, and the last one not before");
        return Ok(REFUSED);
    }
    let input = WatchInput {
        schema_version: SCHEMA_VERSION,
        execution: "hint".to_owned(),
        map: None,
        subject: Subject::Finished { stay_seconds: 0 },
    };
    Box::pin(handle(context, input, invocation)).await?;
    Ok(ACCEPTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &[u8] = b"correct horse";
    /// `printf '1767323045000.{"from":"playbook"}' | openssl dgst -sha256 -hmac "correct horse" -hex`.
    const SIGNATURE: &str = "sha256=93d63ba0adc45fb7015628f1f2ac4e449fa2893cac9cefdb50ae4add4eb19e5d";

    fn request(time: &str, signature: &str, body: &str) -> UrlRequest {
        let payload = json!({
            "version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "POST"}},
            "headers": {"x-holdfast-time": time, "x-holdfast-signature": signature}, "body": body, "isBase64Encoded": false
        });
        match Called::decode(payload).unwrap() {
            Called::ByUrl(request) => request,
            Called::Directly(_) => panic!("it is a request for the URL"),
        }
    }

    #[test]
    fn what_openssl_signed_is_taken_and_nothing_else() {
        let now = Timestamp::from_millisecond(1_767_323_045_000).unwrap();
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        let body = r#"{"from":"playbook"}"#;
        let good = request("1767323045000", SIGNATURE, body);
        assert_eq!(signed_at(&good, KEY, later(300)), Ok(now));
        assert_eq!(signed_at(&good, KEY, later(-300)), Ok(now));
        for (refused, key, at, why) in [
            (good.clone(), KEY, later(301), "which is not now"),
            (good.clone(), KEY, later(-301), "which is not now"),
            (good.clone(), b"another".as_slice(), now, "not that of time and body"),
            (request("1767323045001", SIGNATURE, body), KEY, now, "not that of time and body"),
            (request("1767323045000", SIGNATURE, "{}"), KEY, now, "not that of time and body"),
            (request("1767323045000", "sha256=9", body), KEY, now, "hexadecimal"),
            (request("1767323045000", SIGNATURE.trim_start_matches("sha256="), body), KEY, now, "hexadecimal"),
            (request("1767323045000", &SIGNATURE[..60], body), KEY, now, "hexadecimal"),
            (request("1767323045000", &SIGNATURE[..61], body), KEY, now, "not that of time and body"),
            (UrlRequest { is_base64_encoded: true, ..good.clone() }, KEY, now, "not text"),
            (UrlRequest::default(), KEY, now, "`x-holdfast-time` is missing"),
        ] {
            let error = signed_at(&refused, key, at).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_wire_document_is_no_request_for_the_url() {
        let input = json!({"schema_version": 1, "execution": "schedule", "subject": {"kind": "finished"}});
        assert!(matches!(Called::decode(input).unwrap(), Called::Directly(_)));
        let error = Called::decode(json!({"schema_version": 1, "execution": "e"})).unwrap_err();
        assert_eq!(error.name, FaultName::InvalidInput);
    }
}
