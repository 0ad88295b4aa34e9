//! Requests as a Prism Central reads them, its replies and its error bodies.

use serde_json::{Value, json};

use super::level::Level;

/// A request, after TLS and authentication.
#[derive(Debug, Clone)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path, percent-decoded, split at `/`.
    pub path: Vec<String>,
    /// Path and query as they came.
    pub target: String,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The value of `If-Match`, as it came.
    pub if_match: Option<String>,
    /// The value of `NTNX-Request-Id`.
    pub request_id: Option<String>,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
    /// The value of `X-ntnx-api-key`.
    pub api_key: Option<String>,
    /// The body as it came.
    pub body: Vec<u8>,
    /// How far the total is off that a list answers with, as the switches have it.
    pub total_error: i64,
}

impl Request {
    /// A request from the parts of an HTTP request.
    pub fn new(method: &str, path: &str, query: &str, body: Vec<u8>) -> Self {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        };
        Self {
            method: method.to_owned(),
            target: [path, query].join(if query.is_empty() { "" } else { "?" }),
            path: path.trim_start_matches('/').split('/').map(decode).collect(),
            query: query.split('&').filter(|p| !p.is_empty()).map(pair).collect(),
            if_match: None,
            request_id: None,
            authorization: None,
            api_key: None,
            body,
            total_error: 0,
        }
    }

    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether it is about recovery jobs.
    pub fn names_jobs(&self) -> bool {
        self.path.iter().any(|part| part == "recovery-plan-jobs" || part == "recovery_plan_jobs")
    }

    /// The number of entities that a list of so many tells.
    pub fn told_total(&self, total: usize) -> usize {
        let error = isize::try_from(self.total_error).unwrap_or(0);
        total.saturating_add_signed(error)
    }

    /// The path as text, for error bodies.
    pub fn path_text(&self) -> String {
        format!("/{}", self.path.join("/"))
    }

    /// Whether the request is meant to change something.
    pub fn mutating(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "OPTIONS" | "HEAD") && !super::v3::is_list(self)
    }
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<u32>,
    /// The JSON body; a reply without has an empty body.
    pub body: Option<Value>,
    /// The error code, for the log.
    pub error: Option<String>,
}

impl Reply {
    /// A reply with a body and no headers of its own.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, etag: None, retry_after: None, body: Some(body), error: None }
    }

    /// The empty 401 of a Prism Central (prism-go-client, `converged/v4/errors.go`).
    pub fn unauthorized() -> Self {
        Self { status: 401, etag: None, retry_after: None, body: None, error: Some("AUTHENTICATION_REQUIRED".into()) }
    }

    /// The 404 of the gateway, which knows no such path: no envelope (terraform-provider-nutanix issue 906).
    pub fn gateway_not_found() -> Self {
        let body = json!({"message": "The requested URL was not found on the server. If you entered the URL manually \
            please check your spelling and try again."});
        Self { error: Some("NOT_FOUND".into()), ..Self::json(404, body) }
    }
}

/// A request refused at once, in the error body of the v4 API (nutanix-api I).
#[derive(Debug, Clone)]
pub enum Refused {
    /// The gateway knows no such path.
    NoSuchPath,
    /// A service says no.
    Service {
        /// HTTP status.
        status: u16,
        /// Code such as `PLAT-10005`.
        code: &'static str,
        /// Group such as `RESOURCE_NOT_FOUND`.
        group: &'static str,
        /// The text.
        message: String,
    },
    /// The request does not fit the API's schema: where, which attribute, what is wrong.
    Schema {
        /// `query`, `path` or `body`.
        location: &'static str,
        /// The attribute.
        attribute: String,
        /// What is wrong.
        message: String,
    },
}

impl Refused {
    /// An entity that does not exist.
    pub fn not_found(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::Service {
            status: 404,
            code: "VMM-20005",
            group: "RESOURCE_NOT_FOUND",
            message: format!("The requested {kind} with UUID {id} was not found."),
        }
    }

    /// A body attribute that is missing or wrong.
    pub fn body(attribute: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Schema { location: "body", attribute: attribute.into(), message: message.into() }
    }

    /// The reply that carries this refusal.
    pub fn reply(self, request: &Request, level: Level, now: jiff::Timestamp) -> Reply {
        let namespace = request.path.get(1).map_or("prism", String::as_str);
        let error_type = |name: &str| format!("{namespace}.v4.error.{name}");
        let reserved = level.reserved(&error_type("ApiResponse"));
        let envelope = |data: Value| {
            json!({"data": data, "$reserved": reserved, "$dataItemDiscriminator": error_type("ErrorResponse"),
                "$objectType": format!("{namespace}.v4.error.ApiResponse")})
        };
        match self {
            Self::NoSuchPath => Reply::gateway_not_found(),
            Self::Service { status, code, group, message } => {
                let body = envelope(json!({
                    "$objectType": error_type("ErrorResponse"),
                    "$reserved": {},
                    "$errorItemDiscriminator": format!("List<{}>", error_type("AppMessage")),
                    "error": [{"$objectType": error_type("AppMessage"), "$reserved": {}, "message": message,
                        "severity": "ERROR", "code": code, "locale": "en_US", "errorGroup": group, "argumentsMap": {}}],
                }));
                Reply { error: Some(code.into()), ..Reply::json(status, body) }
            }
            Self::Schema { location, attribute, message } => {
                let body = envelope(json!({
                    "$objectType": error_type("ErrorResponse"),
                    "$reserved": {},
                    "$errorItemDiscriminator": error_type("SchemaValidationError"),
                    "error": {"$objectType": error_type("SchemaValidationError"), "$reserved": {},
                        "timestamp": now.to_string(), "statusCode": 400, "error": "Bad Request",
                        "path": request.path_text(),
                        "validationErrorMessages": [{"$objectType": error_type("SchemaValidationErrorMessage"),
                            "$reserved": {}, "location": location, "message": message, "attributePath": attribute}]},
                }));
                Reply { error: Some("SCHEMA_VALIDATION".into()), ..Reply::json(400, body) }
            }
        }
    }
}
