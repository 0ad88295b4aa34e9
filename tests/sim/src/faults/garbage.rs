//! Answers that no appliance of the documented kind gives.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use futures::stream;

use super::Garbage;
use super::intercept::delay;

/// The largest answer that is cut in half.
const LARGEST: usize = 16 * 1024 * 1024;

/// What is cut in half where the call has no effect.
const SOME: &str = r#"{"data": [{"extId": "11111111-1111-4111-8111-111111111111"}], "metadata": {}}"#;

/// Every member that a client looks for first.
const NUMBERS: &str = r#"{"data": 7, "metadata": 7, "spec": 7, "status": 7, "entities": 7, "task_uuid": 7,
    "Entities": 7, "MetaData": 7, "Spec": 7, "Status": 7, "AccessToken": 7}"#;

const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";

impl Garbage {
    /// What comes in place of `answer`, if there is one.
    pub(super) async fn of(self, answer: Option<Response>) -> Response {
        match self {
            Self::Html => with("text/html", PAGE.into()),
            Self::Empty => with("application/json", Body::empty()),
            Self::WrongTypes => with("application/json", NUMBERS.into()),
            Self::Huge => with("application/json", blanks(vec![b' '; 64 * 1024].into(), Duration::ZERO)),
            Self::Truncated => {
                let whole = match answer {
                    Some(answer) => to_bytes(answer.into_body(), LARGEST).await.unwrap_or_default(),
                    None => SOME.into(),
                };
                with("application/json", whole.slice(..whole.len() / 2).into())
            }
        }
    }
}

/// An answer of blanks, one at a time, that ends only when the client goes.
pub(super) fn trickle(pause: Duration) -> Response {
    with("application/json", blanks(Bytes::from_static(b" "), pause))
}

fn blanks(each: Bytes, pause: Duration) -> Body {
    Body::from_stream(stream::unfold((), move |()| {
        let each = each.clone();
        async move {
            delay(pause).await;
            Some((Ok::<_, std::convert::Infallible>(each), ()))
        }
    }))
}

fn with(kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
