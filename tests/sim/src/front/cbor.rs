//! Answers of the Smithy RPC v2 CBOR protocol, which newer clients speak where older ones speak AWS JSON.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::{Value, json};

use crate::faults::Answer;

/// The document of a request.
///
/// # Errors
/// What the CBOR reader says.
pub fn read(body: &[u8]) -> Result<Value, String> {
    ciborium::from_reader(body).map_err(|error| error.to_string())
}

/// An answer with a document.
pub fn ok(document: &Value) -> Answer {
    Answer::ok(respond(200, document))
}

/// An error: the code in the body's `__type`.
pub fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::error(code, respond(status, &json!({"__type": code, "message": message})))
}

fn respond(status: u16, document: &Value) -> Response<Body> {
    let mut bytes = Vec::new();
    let written = ciborium::into_writer(document, &mut bytes);
    let status = if written.is_ok() { status } else { 500 };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    response
}
