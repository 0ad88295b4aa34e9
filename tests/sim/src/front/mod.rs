//! The one AWS endpoint: finds the service, Region and account of a request, and answers it or passes it on.

pub mod accounts;
mod cbor;
pub mod json;
mod pass;
mod request;
mod sts;

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::State,
    http::Request,
    response::Response,
};

pub use pass::Upstream;
pub use request::{Caller, Refusal};

use crate::{
    connection::Connection,
    direct_connect, ec2, elb,
    faults::{Answer, CallInfo, Injected, Source, intercept},
    quotas,
    shared::Shared,
    ssm,
};
use request::AwsRequest;

/// The largest body that the front takes: a Lambda package, and room.
const LARGEST_BODY: usize = 256 * 1024 * 1024;

#[derive(Clone)]
struct Front {
    shared: Shared,
    upstream: Upstream,
}

/// The HTTP interface of AWS.
pub fn router(shared: Shared, upstream: Upstream) -> Router {
    Router::new().fallback(answer).with_state(Front { shared, upstream })
}

async fn answer(
    State(front): State<Front>,
    Extension(connection): Extension<Connection>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let body = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => body,
        Err(error) => return json::error(413, "RequestEntityTooLarge", &error.to_string()).response,
    };
    let request = AwsRequest::read(&front.shared.world(), head, body);
    let call = CallInfo {
        source: Source::Aws,
        account: request.caller.account.clone(),
        region: request.caller.region.clone(),
        service: request.caller.service.clone(),
        action: request.action.clone(),
        params: request.summary(),
        mutating: request.is_mutating(),
    };
    let render = |injected| match injected {
        Injected::Error { status, code, message } => request.error(status, &code, &message),
        Injected::Throttle => request.throttled(),
    };
    intercept(&front.shared, &connection, call, render, || dispatch(&front, &request)).await
}

/// Name space of Elastic Load Balancing's documents.
const ELB: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

/// An action from one document to another, in the protocol of the request.
fn documented(
    request: &AwsRequest,
    answer: impl FnOnce(&serde_json::Value) -> Result<serde_json::Value, Refusal>,
) -> Answer {
    let body = match request.json() {
        Ok(body) => body,
        Err(reason) => return request.error(400, "SerializationException", &reason),
    };
    match answer(&body) {
        Ok(document) => request.answer(&document),
        Err(refusal) => request.error(refusal.status, &refusal.code, &refusal.message),
    }
}

async fn dispatch(front: &Front, request: &AwsRequest) -> Answer {
    match request.caller.service.as_str() {
        "ec2" => ec2::api::handle(&front.shared, &request.caller, &request.action, &request.form),
        "sts" => sts::handle(&front.shared, &request.caller, &request.action, &request.form),
        "ssm" if ssm::ACTIONS.contains(&request.action.as_str()) => match request.json() {
            Ok(body) => ssm::handle(&front.shared, &request.caller, &request.action, &body).await,
            Err(reason) => json::error(400, "SerializationException", &reason),
        },
        "directconnect" => documented(request, |body| {
            direct_connect::handle(&mut front.shared.world(), &request.caller, &request.action, body)
        }),
        "servicequotas" => {
            documented(request, |body| quotas::handle(&front.shared.world(), &request.caller, &request.action, body))
        }
        "elasticloadbalancing"
            if elb::ACTIONS.contains(&request.action.as_str())
                && (front.upstream.url.is_none() || !front.shared.world().ec2.target_groups.is_empty()) =>
        {
            match elb::handle(&front.shared.world(), &request.caller, &request.action, &request.form) {
                Ok(result) => sts::document(ELB, &request.action, &result),
                Err(refusal) => request.error(refusal.status, &refusal.code, &refusal.message),
            }
        }
        _ => front.upstream.pass(request).await,
    }
}
