//! Passes requests of the services that are not simulated here to the emulator behind the front.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, Response, header},
};

use super::request::AwsRequest;
use crate::faults::Answer;

/// Headers that belong to one connection (RFC 9110, section 7.6.1), and the ones that the new request sets itself.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::CONTENT_LENGTH,
];

/// The emulator behind the front.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// Its base URL; without one, passed-through services are refused.
    pub url: Option<String>,
    /// DynamoDB tables whose calls all go to one Region, as a strongly consistent global table would behave.
    pub strong_tables: Vec<String>,
    /// That Region.
    pub strong_region: String,
    /// HTTP client.
    pub client: reqwest::Client,
}

impl Upstream {
    /// A client that hands answers on as they are: no proxy of this machine, no redirect followed.
    ///
    /// # Errors
    /// What the HTTP library says.
    pub fn client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()
    }

    /// Sends the request on and returns the answer.
    pub(super) async fn pass(&self, request: &AwsRequest) -> Answer {
        let Some(url) = &self.url else {
            let service = if request.caller.service.is_empty() { "unsigned requests" } else { &request.caller.service };
            return request.error(
                501,
                "NotImplemented",
                &format!("`{service}` is not simulated and no emulator is behind this endpoint"),
            );
        };
        let path = request.head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = without_hop_by_hop(&request.head.headers);
        self.make_strong(request, &mut headers);
        let sent = self
            .client
            .request(request.head.method.clone(), format!("{}{path}", url.trim_end_matches('/')))
            .headers(headers)
            .body(request.body.clone())
            .send()
            .await;
        match sent {
            Ok(reply) => relay(reply).await,
            Err(error) => request.error(502, "EmulatorUnreachable", &error.to_string()),
        }
    }

    /// Sends calls of a strong table to its one Region, by the Region in the signature (the emulator checks none).
    fn make_strong(&self, request: &AwsRequest, headers: &mut HeaderMap) {
        let caller = &request.caller;
        if caller.service != "dynamodb" || caller.region == self.strong_region || self.strong_region.is_empty() {
            return;
        }
        let body = String::from_utf8_lossy(&request.body);
        if !self.strong_tables.iter().any(|table| body.contains(&format!("\"{table}\""))) {
            return;
        }
        let Some(Ok(old)) = headers.get(header::AUTHORIZATION).map(|value| value.to_str()) else { return };
        let new = old.replace(&format!("/{}/dynamodb/", caller.region), &format!("/{}/dynamodb/", self.strong_region));
        if let Ok(new) = header::HeaderValue::from_str(&new) {
            headers.insert(header::AUTHORIZATION, new);
        }
    }
}

async fn relay(reply: reqwest::Response) -> Answer {
    let status = reply.status();
    let headers = without_hop_by_hop(reply.headers());
    let code = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = match reply.bytes().await {
        Ok(body) => body,
        Err(error) => return super::json::error(502, "EmulatorUnreachable", &error.to_string()),
    };
    let error = status.is_client_error() || status.is_server_error();
    let code = error.then(|| code.or_else(|| error_code(&body)).unwrap_or_else(|| status.as_u16().to_string()));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Answer { response, error: code }
}

fn error_code(body: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = document.get("__type")?.as_str()?;
    Some(code.rsplit('#').next().unwrap_or(code).to_owned())
}

fn without_hop_by_hop(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept.remove("keep-alive");
    kept
}
