//! The HTTPS side of a Prism Central.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderName, HeaderValue, Request as HttpRequest, StatusCode, header, request::Parts},
    response::Response,
};

use super::recovery::actions;
use super::reply::{Refused, Reply, Request};
use super::routes::route;
use super::{Context, hooks, level::Level, v3};
use crate::{
    connection::Connection,
    faults::{Answer, CallInfo, Injected, Source, intercept},
    shared::Shared,
    world::World,
};

/// The largest body that is taken.
const LARGEST_BODY: usize = 4 * 1024 * 1024;

#[derive(Clone)]
struct Appliance {
    shared: Shared,
    name: String,
    under_way: Arc<AtomicUsize>,
}

/// A call that is being answered.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The HTTP interface of the Prism Central `name`.
pub fn router(shared: Shared, name: String) -> Router {
    Router::new().fallback(answer).with_state(Appliance { shared, name, under_way: Arc::default() })
}

fn header(head: &Parts, name: &str) -> Option<String> {
    head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn answer(
    State(appliance): State<Appliance>,
    Extension(connection): Extension<Connection>,
    request: HttpRequest<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return into_response(Reply { error: None, ..Reply::json(413, serde_json::json!({"message": "too large"})) });
    };
    let mut request =
        Request::new(head.method.as_str(), head.uri.path(), head.uri.query().unwrap_or_default(), body.to_vec());
    request.total_error = appliance.shared.world().switches.prism.total_error;
    request.if_match = header(&head, "if-match");
    request.request_id = header(&head, "ntnx-request-id");
    request.authorization = header(&head, "authorization");
    request.api_key = header(&head, "x-ntnx-api-key");

    let Appliance { shared, name, under_way } = &appliance;
    let call = call(&request, name);
    let render = |injected| answer_of(injected_reply(injected, &request, shared));
    let before = under_way.fetch_add(1, Ordering::SeqCst);
    let _call = UnderWay(under_way);
    let effect = || async {
        let most = shared.world().switches.prism.calls_at_once;
        if most > 0 && before >= most {
            return answer_of(Reply { retry_after: None, ..injected_reply(Injected::Throttle, &request, shared) });
        }
        answer_of(dispatch(shared, name, &request))
    };
    intercept(shared, &connection, call, render, effect).await
}

fn dispatch(shared: &Shared, name: &str, request: &Request) -> Reply {
    let now = shared.now();
    let mut guard = shared.world();
    let world = &mut *guard;
    if !request.mutating() && request.names_jobs() {
        actions::observe(world, name, now);
    }
    let World { prisms, guests, switches, .. } = world;
    let Some(prism) = prisms.get_mut(name) else { return Reply::gateway_not_found() };
    let in_vms = hooks::in_vms(guests, name);
    let seen = |vm, mac: &str| in_vms.get(&vm).map(|guest| hooks::used(guest, mac)).unwrap_or_default();
    let mut cx = Context { switches: &mut switches.prism, now, seen: &seen, signals: Vec::new(), wishes: Vec::new() };
    let reply = prism.answer(request, &mut cx);
    let (signals, wishes) = (cx.signals, cx.wishes);
    hooks::notify(world, name, signals);
    for (task, wish) in wishes {
        let outcome = actions::fulfil(world, name, &wish, now);
        if let Some(prism) = world.prisms.get_mut(name) {
            prism.settle(&task, outcome);
        }
    }
    reply
}

fn call(request: &Request, name: &str) -> CallInfo {
    let found = route(request).map(|(_, _, operation)| (operation.action(), operation.params()));
    let found = found.or_else(|| v3::action(request));
    let params = found.as_ref().map(|(_, ids)| ids.clone()).unwrap_or_default();
    let query = request.query.iter().map(|(name, value)| format!("{name}={value}"));
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    let short: String = body.chars().take(400).collect();
    let params: Vec<String> =
        std::iter::once(params).chain(query).chain([short]).filter(|text| !text.is_empty()).collect();
    CallInfo {
        source: Source::Prism(name.to_owned()),
        account: String::new(),
        region: String::new(),
        service: request.path.get(1).cloned().unwrap_or_default(),
        action: found.map_or_else(|| format!("{} {}", request.method, request.path_text()), |f| f.0.to_owned()),
        params: params.join(" "),
        mutating: request.mutating(),
    }
}

/// An injected error in the words of Prism Central. Its throttling is a 429, which tells when to come again.
fn injected_reply(injected: Injected, request: &Request, shared: &Shared) -> Reply {
    let refused = |status, code: &'static str, group, message| {
        Refused::Service { status, code, group, message }.reply(request, Level::Minor(0), shared.now())
    };
    match injected {
        Injected::Throttle => {
            let message = "The rate limit is exceeded.".to_owned();
            Reply { retry_after: Some(1), ..refused(429, "PLAT-10020", "RATE_LIMIT_EXCEEDED", message) }
        }
        Injected::Error { status: 401, .. } => Reply::unauthorized(),
        Injected::Error { status, code, message } => {
            let mut reply = refused(status, "INJECTED", "INJECTED", message);
            let error = reply.body.as_mut().and_then(|body| body.pointer_mut("/data/error/0"));
            if let Some(map) = error.and_then(serde_json::Value::as_object_mut) {
                map.insert("code".into(), code.as_str().into());
                map.insert("errorGroup".into(), code.as_str().into());
            }
            reply.error = Some(code);
            reply
        }
    }
}

fn answer_of(reply: Reply) -> Answer {
    let error = reply.error.clone();
    let response = into_response(reply);
    match error {
        Some(code) => Answer::error(code, response),
        None => Answer::ok(response),
    }
}

fn into_response(reply: Reply) -> Response {
    let body = reply.body.map(|body| body.to_string());
    let json = body.is_some();
    let mut response = Response::new(Body::from(body.unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut set = |name: HeaderName, value: Option<String>| {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            response.headers_mut().insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, json.then(|| "application/json".to_owned()));
    set(header::ETAG, reply.etag);
    set(header::RETRY_AFTER, reply.retry_after.map(|seconds| seconds.to_string()));
    response
}
