//! One appliance over HTTPS: credentials on every request, as many calls at once as it bears, retries that cannot do a thing twice, and what a status means.

use std::time::Duration;

use holdfast_model::{Credentials, Trust};
use reqwest::{Client, Method, StatusCode, header, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Sent;
use crate::said::Said;
use crate::slots::{Ended, Slots};
use crate::wait::{Pauses, pause};
use crate::{NutanixError, TimeLimit, trust};

/// How long to wait for an appliance.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For one request from sending to the last byte of the reply.
    pub request: Duration,
    /// For one task, from acceptance to its end.
    pub task: Duration,
    /// For everything: no reply is waited for after this.
    pub until: Option<TimeLimit>,
    /// How long to pause before looking or asking again.
    pub pauses: Pauses,
}

impl Default for Timeouts {
    /// 30 s a request is what Nutanix's own SDKs wait. NIC tasks take seconds; those clients allow them 5 minutes, here they get what a function
    /// has time for and can still tell of.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            task: Duration::from_secs(200),
            until: None,
            pauses: Pauses::default(),
        }
    }
}

/// Tries of one request, the first included.
pub const TRIES: u32 = 5;

/// Tries of a request that comes at a bad time: fewer are sent at once after each refusal, until they fit.
const TRIES_WHEN_THROTTLED: u32 = 8;

/// Longest pause that an appliance may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Largest reply that is read. A page of 500 VMs, the longest that is asked for, takes a few MiB.
const LARGEST_REPLY: usize = 16 * 1024 * 1024;

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
    request: Duration,
    again: Duration,
    until: Option<TimeLimit>,
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
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent("holdfast");
        if let Some(tls) = trust::tls_config(trust)? {
            builder = builder.tls_backend_preconfigured(tls);
        }
        let client = builder.build().map_err(|e| NutanixError::Config(format!("HTTPS cannot be set up: {e}")))?;
        let Timeouts { request, until, pauses, .. } = *timeouts;
        Ok(Self { client, endpoint, slots: Slots::new(), request, again: pauses.again, until })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends a request, again where that is safe.
    ///
    /// # Guarantees
    /// Every try carries the same request id. A change is sent again only with that id, after 408, 429, 503, 504, a refused connection or a lost
    /// reply. Reads are sent again after any error of the server or the network. A reply that is no JSON object is an error, and so is a
    /// read without one.
    pub(crate) async fn send(&self, request: &Request<'_>) -> Result<Reply, NutanixError> {
        let mut wait = self.again;
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
            let next = |asked: Option<Duration>| asked.map_or(wait, |asked| asked.min(LONGEST_RETRY_AFTER));
            let last = |asked| tries >= most || self.until.is_some_and(|until| until.left() <= next(asked));
            match failed.again {
                Again::After(asked) if !last(asked) => pause(next(asked)).await,
                // A change whose reply was lost and that is now refused may have been made: only reading tells.
                Again::No | Again::After(_) if lost && request.method != Method::GET && !uncertain => {
                    return Err(NutanixError::Unreachable {
                        endpoint: self.endpoint.clone(),
                        what: request.what.to_owned(),
                        why: format!("the reply was lost, and sent again it met: {}", failed.error),
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
        let slot = self.slots.take(self.until.as_ref()).await.map_err(|error| Failed { error, again: Again::No })?;
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
        let left = self.until.map_or(self.request, |until| until.left().min(self.request));
        if left.is_zero() {
            let (endpoint, what) = (self.endpoint.clone(), request.what.to_owned());
            let why = "the time for it was over before it was sent".to_owned();
            return Err(never(NutanixError::Unreachable { endpoint, what, why, sent: Sent::Never }));
        }
        let mut builder = self
            .client
            .request(request.method.clone(), format!("{}{}", self.endpoint, request.path))
            .timeout(left)
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
        let mut response = builder.send().await.map_err(|e| self.transport(request, &e))?;
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let etag = header("etag").or_else(|| header("x-ntnx-etag"));
        let retry_after = header("retry-after").and_then(|t| t.trim().parse().ok()).map(Duration::from_secs);
        let kind = header("content-type").unwrap_or_else(|| "no content type".to_owned());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.transport(request, &e))? {
            if body.len() + chunk.len() > LARGEST_REPLY {
                return Err(never(self.unreadable(request, format!("more than {LARGEST_REPLY} bytes ({kind})"))));
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8_lossy(&body);
        if status.is_success() {
            return match read(&body, request.method == Method::GET) {
                Ok(body) => Ok(Reply { etag, body }),
                Err(why) => Err(never(self.unreadable(
                    request,
                    format!(
                        "{} bytes ({kind}), {why}; look for a proxy in between, or another service there",
                        body.len()
                    ),
                ))),
            };
        }
        Err(self.refused(request, status, retry_after, &body))
    }

    fn unreadable(&self, request: &Request<'_>, why: String) -> NutanixError {
        NutanixError::Unreadable { endpoint: self.endpoint.clone(), what: request.what.to_owned(), why }
    }

    fn transport(&self, request: &Request<'_>, error: &reqwest::Error) -> Failed {
        let (endpoint, what) = (self.endpoint.clone(), request.what.to_owned());
        if let Some(why) = trust::certificate_refusal(error) {
            return Failed { error: NutanixError::Untrusted { endpoint, why }, again: Again::No };
        }
        let sent = if error.is_connect() || error.is_builder() { Sent::Never } else { Sent::Perhaps };
        let error = NutanixError::Unreachable { endpoint, what, why: innermost(error), sent };
        Failed { error, again: Again::After(None) }
    }

    fn refused(&self, request: &Request<'_>, status: StatusCode, retry_after: Option<Duration>, body: &str) -> Failed {
        let said = Said::parse(body);
        let (endpoint, what) = (self.endpoint.clone(), request.what.to_owned());
        let throttled = status == StatusCode::TOO_MANY_REQUESTS
            || matches!(said.group.as_str(), "RATE_LIMIT_EXCEEDED" | "RATE_LIMIT_ERROR");
        let message = said.message.clone();
        let (error, again) = match status.as_u16() {
            _ if throttled => (NutanixError::Throttled { endpoint, what }, Again::After(retry_after)),
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

/// The JSON object of a reply; only a change may be answered by nothing.
fn read(body: &str, asked: bool) -> Result<Value, String> {
    if body.trim().is_empty() {
        return if asked { Err("blank".to_owned()) } else { Ok(Value::Null) };
    }
    match serde_json::from_str(body) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err("no JSON object".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_https_is_refused() {
        assert!(Http::new("http://pc:9440", &Trust::WebRoots, &Timeouts::default()).is_err());
    }
}
