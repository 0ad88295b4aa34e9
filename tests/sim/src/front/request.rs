//! A request to AWS: whose it is, for which service and Region, and what it asks.

use std::collections::BTreeMap;

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use percent_encoding::percent_decode_str;
use quick_xml::escape::escape;
use serde_json::Value;

use super::{cbor, json, sts};
use crate::{
    ec2::api::{self, Ec2Error},
    faults::Answer,
    ssm,
    world::World,
};

/// Id of a request that no simulated service saw.
const NO_REQUEST_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Region of a request that is not signed.
const DEFAULT_REGION: &str = "us-east-1";

/// Who calls, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Account of the credentials.
    pub account: String,
    /// Access key id; empty if the request is not signed.
    pub key: String,
    /// Region of the signature.
    pub region: String,
    /// Service of the signature.
    pub service: String,
}

/// How a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// Form parameters, XML answers, EC2's own error document.
    Ec2,
    /// Form parameters, XML answers.
    Query,
    /// REST with XML answers.
    S3,
    /// JSON or REST.
    Json,
    /// Smithy RPC v2 CBOR.
    Cbor,
}

/// Why a service refuses a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Error code.
    pub code: String,
    /// Text.
    pub message: String,
}

/// A request to AWS.
pub(super) struct AwsRequest {
    pub caller: Caller,
    pub action: String,
    pub form: BTreeMap<String, String>,
    pub head: Parts,
    pub body: Bytes,
    protocol: Protocol,
}

impl AwsRequest {
    /// Reads the credential scope, and the action from where the protocol has it.
    pub fn read(world: &World, head: Parts, body: Bytes) -> Self {
        let caller = caller(world, &head);
        let form = form(&head, &body);
        let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let operation = head.uri.path().strip_prefix("/service/").and_then(|path| path.split_once("/operation/"));
        let is_cbor = head.headers.get("smithy-protocol").is_some_and(|value| value == "rpc-v2-cbor");
        let target = target.or(operation.filter(|_| is_cbor).map(|(_, action)| action));
        let action = match (target, form.get("Action")) {
            (Some(target), _) => target.rsplit('.').next().unwrap_or(target).to_owned(),
            (None, Some(action)) => action.clone(),
            (None, None) => format!("{} {}", head.method, head.uri.path()),
        };
        let protocol = match (caller.service.as_str(), form.contains_key("Action")) {
            ("ec2", _) => Protocol::Ec2,
            ("s3", _) => Protocol::S3,
            (_, true) => Protocol::Query,
            (_, false) if is_cbor => Protocol::Cbor,
            (_, false) => Protocol::Json,
        };
        Self { caller, action, form, head, body, protocol }
    }

    /// An answer with a document.
    pub fn answer(&self, document: &Value) -> Answer {
        match self.protocol {
            Protocol::Cbor => cbor::ok(document),
            Protocol::Ec2 | Protocol::Query | Protocol::S3 | Protocol::Json => json::ok(document),
        }
    }

    /// The body as a JSON document; an empty body is an empty document.
    pub fn json(&self) -> Result<Value, String> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        if self.protocol == Protocol::Cbor {
            return cbor::read(&self.body);
        }
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    /// The telling parameters in short. Secrets travel in bodies of services that are passed on, so of those only
    /// names are shown.
    pub fn summary(&self) -> String {
        const SHOWN: [&str; 9] = [
            "TableName",
            "Name",
            "FunctionName",
            "stateMachineArn",
            "executionArn",
            "SecretId",
            "TopicArn",
            "DocumentName",
            "Bucket",
        ];
        let mut parts = Vec::new();
        if matches!(self.protocol, Protocol::Json | Protocol::Cbor | Protocol::S3) {
            if let Ok(Value::Object(document)) = self.json() {
                for key in SHOWN {
                    if let Some(Value::String(value)) = document.get(key) {
                        parts.push(format!("{key}={value}"));
                    }
                }
                if let Some(ids @ Value::Array(_)) = document.get("InstanceIds") {
                    parts.push(format!("InstanceIds={ids}"));
                }
            }
        } else {
            for (key, value) in &self.form {
                if !matches!(key.as_str(), "Action" | "Version" | "ClientToken" | "ExternalId") {
                    parts.push(format!("{key}={value}"));
                }
            }
        }
        let mut text = parts.join(" ");
        if let Some((end, _)) = text.char_indices().nth(400) {
            text.truncate(end);
        }
        text
    }

    /// Whether the call is meant to change something, by the verb of its action.
    pub fn is_mutating(&self) -> bool {
        const READING: [&str; 12] = [
            "Describe",
            "Get",
            "List",
            "Search",
            "Query",
            "Scan",
            "BatchGet",
            "TransactGet",
            "Head",
            "Select",
            "AssumeRole",
            "HEAD ",
        ];
        if self.caller.service == "ssm" && ssm::ACTIONS.contains(&self.action.as_str()) {
            return ssm::is_mutating(&self.action);
        }
        !(READING.iter().any(|verb| self.action.starts_with(verb)) || self.action.starts_with("GET "))
    }

    /// An error in the protocol of the called service.
    pub fn error(&self, status: u16, code: &str, message: &str) -> Answer {
        match self.protocol {
            Protocol::Ec2 => {
                api::refuse(&Ec2Error { status, code: code.into(), message: message.into() }, NO_REQUEST_ID)
            }
            Protocol::Query => sts::error(status, code, message),
            Protocol::S3 => s3_error(status, code, message),
            Protocol::Json => json::error(status, code, message),
            Protocol::Cbor => cbor::error(status, code, message),
        }
    }

    /// The throttling error of the called service.
    pub fn throttled(&self) -> Answer {
        match (self.protocol, self.caller.service.as_str()) {
            (Protocol::Ec2, _) => self.error(503, "RequestLimitExceeded", "Request limit exceeded."),
            (_, "dynamodb") => {
                self.error(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput.")
            }
            (Protocol::Query, _) => self.error(400, "Throttling", "Rate exceeded"),
            (Protocol::S3, _) => self.error(503, "SlowDown", "Please reduce your request rate."),
            (Protocol::Json | Protocol::Cbor, _) => self.error(400, "ThrottlingException", "Rate exceeded"),
        }
    }
}

/// S3's error document.
fn s3_error(status: u16, code: &str, message: &str) -> Answer {
    let (escaped, message) = (escape(code), escape(message));
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{escaped}</Code><Message>{message}</Message></Error>"
    );
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Answer::error(code, (status, [(header::CONTENT_TYPE, "application/xml")], text))
}

/// Reads `Credential=<key>/<date>/<region>/<service>/aws4_request` from the header or the query.
fn caller(world: &World, head: &Parts) -> Caller {
    let scope = value(&head.headers, "authorization")
        .and_then(|value| value.split("Credential=").nth(1))
        .and_then(|rest| rest.split([',', ' ']).next())
        .map(str::to_owned)
        .or_else(|| query(head.uri.query().unwrap_or_default()).remove("X-Amz-Credential"));
    let scope = scope.unwrap_or_default();
    let mut parts = scope.split('/');
    let key = parts.next().unwrap_or_default().to_owned();
    let (_date, region, service) = (parts.next(), parts.next(), parts.next());
    Caller {
        account: world.accounts.of_key(&key),
        key,
        region: region.unwrap_or(DEFAULT_REGION).to_owned(),
        service: service.unwrap_or_default().to_owned(),
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The parameters of the query string and, where the body is a form, of the body.
fn form(head: &Parts, body: &Bytes) -> BTreeMap<String, String> {
    let mut form = query(head.uri.query().unwrap_or_default());
    let is_form =
        value(&head.headers, "content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if is_form && let Ok(text) = std::str::from_utf8(body) {
        form.extend(query(text));
    }
    form
}

fn query(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
