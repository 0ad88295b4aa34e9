//! Answers of the AWS JSON protocols.

use axum::{
    body::Body,
    http::{Response, StatusCode, header},
};
use serde_json::{Value, json};

use crate::faults::Answer;

/// An answer with a document.
pub fn ok(document: &Value) -> Answer {
    Answer::ok(respond(200, None, document))
}

/// An error: the code in the body's `__type` and in the header that SDKs read.
pub fn error(status: u16, code: &str, message: &str) -> Answer {
    let document = json!({"__type": code, "message": message, "Message": message});
    Answer::error(code, respond(status, Some(code), &document))
}

fn respond(status: u16, code: Option<&str>, document: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-amz-json-1.1"));
    if let Some(Ok(code)) = code.map(header::HeaderValue::from_str) {
        headers.insert("x-amzn-errortype", code);
    }
    response
}
