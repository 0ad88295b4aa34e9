//! One appliance over HTTPS: credentials on every request, as many calls at once as it bears, retries that cannot do a thing twice, and what a status means.

use std::time::Duration;

use holdfast_model::{Credentials, Trust};
use reqwest::{Client, Method, StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Sent;
use crate::json::{list, text};
use crate::slots::{Ended, Slots};
use crate::wait::pause;
use crate::{NutanixError, trust};

/// How long to wait for an appliance.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For one request from sending to the last byte of the reply.
    pub request: Duration,
    /// For one task, from acceptance to its end.
    pub task: Duration,
}

impl Default for Timeouts {
    /// 30 s a request is what Nutanix's own SDKs wait. NIC tasks take seconds; those clients allow them 5 minutes, here they get what a function
    /// has time for and can still tell of.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(30), task: Duration::from_secs(200) }
    }
}

/// Tries of one request, the first included.
pub const TRIES: u32 = 5;

/// Tries of a request that comes at a bad time: fewer are sent at once after each refusal, until they fit.
const TRIES_WHEN_THROTTLED: u32 = 8;

/// Longest pause that an appliance may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Carries an API key (nutanix-api A.2: the security scheme of the v4 SDKs).
const API_KEY: &str = "X-ntnx-api-key";

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Auth<'a> {
    /// User name and password, or API key.
    Own(&'a Credentials),
    /// A token of Move.
    Bearer(&'a SecretString),
    /// Nobody yet: the login itself.
    None,
}

/// What goes into a request.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json(Value),
    /// A form.
    Form(Vec<(&'static str, String)>),
}

/// One request. Its id stays the same when it is sent again, so that the appliance can tell.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    /// In words, for errors: `list of VMs named x`.
    pub(crate) what: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, String)],
    pub(crate) body: Body,
    pub(crate) if_match: Option<&'a str>,
    pub(crate) id: Uuid,
    pub(crate) auth: Auth<'a>,
}

/// A reply with a status below 300.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The ETag as it came, quotes and all.
    pub(crate) etag: Option<String>,
    /// The body; null when there was none.
    pub(crate) body: Value,
}

/// An appliance.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    endpoint: String,
    slots: Slots,
}

/// A failed attempt and whether it may be made again.
struct Failed {
    error: NutanixError,
    again: Again,
}

enum Again {
    No,
    After(Option<Duration>),
}

impl Http {
    pub(crate) fn new(endpoint: &str, trust: &Trust, timeouts: &Timeouts) -> Result<Self, NutanixError> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") {
            return Err(NutanixError::Config(format!("endpoint `{endpoint}` does not begin with `https://`")));
        }
        let mut builder = Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.request)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent("holdfast");
        if let Some(tls) = trust::tls_config(trust)? {
            builder = builder.tls_backend_preconfigured(tls);
        }
        let client = builder.build().map_err(|e| NutanixError::Config(format!("HTTPS cannot be set up: {e}")))?;
        Ok(Self { client, endpoint, slots: Slots::new() })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends a request, again where that is safe.
    ///
    /// # Guarantees
    /// Every try carries the same request id. A change is sent again only with that id, after 408, 429, 503, 504, a refused connection or a lost
    /// reply. Reads are sent again after any error of the server or the network.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Reply, NutanixError> {
        let mut wait = Duration::from_millis(250);
        let mut tries = 1;
        let mut lost = false;
        loop {
            let failed = match self.send_once(request).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let uncertain = matches!(failed.error, NutanixError::Unreachable { sent: Sent::Perhaps, .. });
            lost |= uncertain;
            let most = match failed.error {
                NutanixError::Unreachable { .. } => 3,
                NutanixError::Throttled { .. } => TRIES_WHEN_THROTTLED,
                _ => TRIES,
            };
            let last = tries >= most;
            match failed.again {
                Again::After(asked) if !last => pause(asked.map_or(wait, |a| a.min(LONGEST_RETRY_AFTER))).await,
                // A change whose reply was lost and that is now refused may have been made: only reading tells.
                Again::No | Again::After(_) if lost && request.method != Method::GET && !uncertain => {
                    return Err(NutanixError::Unreachable {
                        endpoint: self.endpoint.clone(),
                        why: format!("the reply to {} was lost, and sent again it met: {}", request.what, failed.error),
                        sent: Sent::Perhaps,
                    });
                }
                Again::No | Again::After(_) => return Err(failed.error),
            }
            tracing::debug!(tries, "sending {} to `{}` again", request.what, self.endpoint);
            tries += 1;
            wait *= 2;
        }
    }

    async fn send_once(&self, request: &Request<'_>) -> Result<Reply, Failed> {
        let slot = self.slots.take().await.map_err(|error| Failed { error, again: Again::No })?;
        let reply = self.exchange(request).await;
        slot.end(match &reply {
            Err(Failed {
                error: NutanixError::Throttled { .. } | NutanixError::Api { status: 503, .. },
                again: Again::After(silence),
            }) => Ended::TooMuch(silence.map(|asked| asked.min(LONGEST_RETRY_AFTER))),
            Err(Failed { error: NutanixError::Unreachable { .. } | NutanixError::Config(_), .. }) => Ended::Otherwise,
            Ok(_) | Err(_) => Ended::Well,
        });
        reply
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Reply, Failed> {
        let never = |error| Failed { error, again: Again::No };
        let mut builder = self
            .client
            .request(request.method.clone(), format!("{}{}", self.endpoint, request.path))
            .header(header::ACCEPT, "application/json")
            .header("NTNX-Request-Id", request.id.to_string());
        builder = match request.auth {
            Auth::Own(Credentials::Login(who)) => builder.basic_auth(&who.username, Some(who.password.expose_secret())),
            Auth::Own(Credentials::Key(key)) => builder.header(API_KEY, secret_value(&key.api_key).map_err(never)?),
            Auth::Bearer(token) => builder.bearer_auth(token.expose_secret()),
            Auth::None => builder,
        };
        if !request.query.is_empty() {
            builder = builder.query(request.query);
        }
        if let Some(etag) = request.if_match {
            builder = builder.header(header::IF_MATCH, etag);
        }
        builder = match &request.body {
            Body::None => builder.header(header::CONTENT_TYPE, "application/json"),
            Body::Json(json) => builder.json(json),
            Body::Form(form) => builder.form(form),
        };
        let response = builder.send().await.map_err(|e| self.transport(&e))?;
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let etag = header("etag").or_else(|| header("x-ntnx-etag"));
        let retry_after = header("retry-after").and_then(|t| t.trim().parse().ok()).map(Duration::from_secs);
        let body = response.text().await.map_err(|e| self.transport(&e))?;
        if status.is_success() {
            let body = if body.trim().is_empty() {
                Value::Null
            } else {
                serde_json::from_str(&body)
                    .map_err(|e| Failed { error: self.unreadable(request, &e), again: Again::No })?
            };
            return Ok(Reply { etag, body });
        }
        Err(self.refused(request, status, retry_after, &body))
    }

    fn unreadable(&self, request: &Request<'_>, why: &serde_json::Error) -> NutanixError {
        NutanixError::Unreadable {
            endpoint: self.endpoint.clone(),
            what: request.what.to_owned(),
            why: format!("not JSON: {why}"),
        }
    }

    fn transport(&self, error: &reqwest::Error) -> Failed {
        let endpoint = self.endpoint.clone();
        if let Some(why) = trust::certificate_refusal(error) {
            return Failed { error: NutanixError::Untrusted { endpoint, why }, again: Again::No };
        }
        let sent = if error.is_connect() || error.is_builder() { Sent::Never } else { Sent::Perhaps };
        let error = NutanixError::Unreachable { endpoint, why: innermost(error), sent };
        Failed { error, again: Again::After(None) }
    }

    fn refused(&self, request: &Request<'_>, status: StatusCode, retry_after: Option<Duration>, body: &str) -> Failed {
        let said = Said::parse(body);
        let (endpoint, what) = (self.endpoint.clone(), request.what.to_owned());
        let throttled = status == StatusCode::TOO_MANY_REQUESTS
            || matches!(said.group.as_str(), "RATE_LIMIT_EXCEEDED" | "RATE_LIMIT_ERROR");
        let message = said.message.clone();
        let (error, again) = match status.as_u16() {
            _ if throttled => (NutanixError::Throttled { endpoint }, Again::After(retry_after)),
            status @ (401 | 403) => (NutanixError::WrongPassword { endpoint, status }, Again::No),
            404 => (NutanixError::NotFound { what, message }, Again::No),
            412 | 428 => (NutanixError::Stale { what, message }, Again::No),
            _ if said.is_stale() => (NutanixError::Stale { what, message }, Again::No),
            status => {
                let read = request.method == Method::GET;
                let passing = matches!(status, 408 | 503 | 504) || (read && status >= 500);
                let error = NutanixError::Api { endpoint, what, status, code: said.code, message };
                (error, if passing { Again::After(retry_after) } else { Again::No })
            }
        };
        Failed { error, again }
    }
}

/// A header that is never printed.
fn secret_value(secret: &SecretString) -> Result<header::HeaderValue, NutanixError> {
    let value = header::HeaderValue::from_str(secret.expose_secret());
    let mut value = value.map_err(|_| NutanixError::Config("the API key has characters that no key has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        text = inner.to_string();
        next = inner.source();
    }
    text
}

/// The reason of v3, in a reply or a task, for a change of what was changed meanwhile (nutanix-api H).
const EDIT_CONFLICT: &str = "CONCURRENT_REQUESTS_NOT_ALLOWED";

/// What an error body says, in whatever form it came (nutanix-api: v4 envelope, schema error, gateway message, v3 list or plain text).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: String,
    pub(crate) group: String,
    pub(crate) message: String,
}

impl Said {
    pub(crate) fn parse(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<Value>(body) else {
            let message = if body.trim().is_empty() {
                "no reason given".to_owned()
            } else {
                body.trim().chars().take(300).collect()
            };
            return Self { message, ..Self::default() };
        };
        match json.pointer("/data/error") {
            Some(Value::Array(all)) => all.first().map(Self::app_message).unwrap_or_default(),
            Some(one @ Value::Object(_)) if one.get("validationErrorMessages").is_some() => Self::schema_error(one),
            Some(one @ Value::Object(_)) => Self::app_message(one),
            _ => Self {
                group: text(&json, "/message_list/0/reason").unwrap_or_default().to_owned(),
                message: text(&json, "/message")
                    .or_else(|| text(&json, "/message_list/0/message"))
                    .or_else(|| text(&json, "/Message"))
                    .map_or_else(|| json.to_string().chars().take(300).collect(), str::to_owned),
                ..Self::default()
            },
        }
    }

    /// A message of a service, with its arguments: templates may arrive without them filled in (terraform-provider-nutanix issue 1181).
    pub(crate) fn app_message(value: &Value) -> Self {
        let mut message = text(value, "/message").unwrap_or("no reason given").to_owned();
        if let Some(arguments) = value.get("argumentsMap").and_then(Value::as_object).filter(|m| !m.is_empty()) {
            let given: Vec<String> = arguments
                .iter()
                .map(|(key, value)| {
                    format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect();
            message = format!("{message} [{}]", given.join(", "));
        }
        Self {
            code: text(value, "/code").unwrap_or_default().to_owned(),
            group: text(value, "/errorGroup").unwrap_or_default().to_owned(),
            message,
        }
    }

    fn schema_error(value: &Value) -> Self {
        let each: Vec<String> = list(value, "/validationErrorMessages")
            .iter()
            .filter_map(|v| Some(format!("{} {}", text(v, "/attributePath").unwrap_or_default(), text(v, "/message")?)))
            .collect();
        let message =
            if each.is_empty() { text(value, "/error").unwrap_or_default().to_owned() } else { each.join("; ") };
        Self { message, ..Self::default() }
    }

    /// What means: read again, and decide anew (terraform-provider-nutanix pull request 1231 and issue 1089).
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.code.as_str(), "PLAT-10004" | "PLAT-10005" | "VMM-30303")
            || matches!(self.group.as_str(), "VM_ETAG_MISMATCH" | "MISSING_ETAG_HEADER" | EDIT_CONFLICT)
    }

    /// The error that a failed task with this message is.
    pub(crate) fn into_task_error(self, what: &str) -> NutanixError {
        let what = what.to_owned();
        if self.is_stale() {
            NutanixError::Stale { what, message: self.message }
        } else {
            NutanixError::TaskFailed { what, code: self.code, group: self.group, message: self.message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_the_envelope_with_its_arguments() {
        let said = Said::parse(
            r#"{"$objectType":"x","data":{"error":[{"message":"VM {{vm_uuid}} changed","severity":"ERROR","code":"VMM-30303",
            "errorGroup":"VM_ETAG_MISMATCH","argumentsMap":{"vm_uuid":"1111"}}]}}"#,
        );
        assert_eq!(said.message, "VM {{vm_uuid}} changed [vm_uuid=1111]");
        assert!(said.is_stale());
    }

    #[test]
    fn a_schema_error_names_the_attribute() {
        let said = Said::parse(
            r#"{"data":{"error":{"statusCode":400,"error":"Bad Request","path":"/x",
            "validationErrorMessages":[{"location":"query","message":"must be at most 100","attributePath":"$limit"}]}}}"#,
        );
        assert_eq!(said.message, "$limit must be at most 100");
    }

    #[test]
    fn a_gateway_message_plain_text_and_silence_are_read_too() {
        assert_eq!(
            Said::parse(r#"{"message":"The requested URL was not found"}"#).message,
            "The requested URL was not found"
        );
        assert_eq!(Said::parse("bad gateway").message, "bad gateway");
        assert_eq!(Said::parse("").message, "no reason given");
        let v3 = r#"{"api_version":"3.1","code":422,"message_list":[{"message":"no","reason":"INVALID_REQUEST"}],"state":"ERROR"}"#;
        assert_eq!(Said::parse(v3).message, "no");
        assert!(!Said::parse(v3).is_stale());
        assert!(Said::parse(&v3.replace("INVALID_REQUEST", "CONCURRENT_REQUESTS_NOT_ALLOWED")).is_stale());
    }

    #[test]
    fn an_endpoint_without_https_is_refused() {
        assert!(Http::new("http://pc:9440", &Trust::WebRoots, &Timeouts::default()).is_err());
    }
}
