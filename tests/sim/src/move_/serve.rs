//! The HTTPS side of a Move appliance: version 2 of its API, as scripts of others use it (nutanix-api G).

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderValue, Request, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::cutover::cutover_workload;
use super::{TestAction, render, test_workload};
use crate::{
    connection::Connection,
    faults::{Answer, CallInfo, Injected, Source, intercept},
    prism::ExtId,
    shared::Shared,
};

/// The largest body that is taken.
const LARGEST_BODY: usize = 1024 * 1024;

#[derive(Clone)]
struct Appliance {
    shared: Shared,
    name: String,
}

/// The HTTP interface of the Move appliance `name`.
pub fn router(shared: Shared, name: String) -> Router {
    Router::new().fallback(answer).with_state(Appliance { shared, name })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operation {
    Token,
    OlderLogin,
    TokenStatus,
    Revoke,
    AppInfo,
    ListProviders,
    ListPlans,
    GetPlan(String),
    ListWorkloads(String),
    GetWorkload(String, String),
    WorkloadAction(String, String),
}

impl Operation {
    fn find(method: &str, path: &str) -> Option<Self> {
        let path: Vec<&str> = path.trim_matches('/').split('/').collect();
        let id = |text: &&str| (*text).to_owned();
        Some(match (method, path.as_slice()) {
            ("POST", ["move", "v2", "token"]) => Self::Token,
            ("POST", ["move", "v2", "users", "login"]) => Self::OlderLogin,
            ("GET", ["move", "v2", "token", "status"]) => Self::TokenStatus,
            ("POST", ["move", "v2", "token", "revoke"]) => Self::Revoke,
            ("GET", ["move", "v2", "appinfo"]) => Self::AppInfo,
            ("POST", ["move", "v2", "providers", "list"]) => Self::ListProviders,
            ("POST", ["move", "v2", "plans", "list"]) => Self::ListPlans,
            ("GET", ["move", "v2", "plans", plan]) => Self::GetPlan(id(plan)),
            ("POST", ["move", "v2", "plans", plan, "workloads", "list"]) => Self::ListWorkloads(id(plan)),
            ("GET", ["move", "v2", "plans", plan, "workloads", it]) => Self::GetWorkload(id(plan), id(it)),
            ("POST", ["move", "v2", "plans", plan, "workloads", it, "action"]) => {
                Self::WorkloadAction(id(plan), id(it))
            }
            _ => return None,
        })
    }

    fn action(&self) -> &'static str {
        match self {
            Self::Token | Self::OlderLogin => "login",
            Self::TokenStatus => "token.status",
            Self::Revoke => "token.revoke",
            Self::AppInfo => "appinfo",
            Self::ListProviders => "providers.list",
            Self::ListPlans => "plans.list",
            Self::GetPlan(_) => "plans.get",
            Self::ListWorkloads(_) => "workloads.list",
            Self::GetWorkload(..) => "workloads.get",
            Self::WorkloadAction(..) => "workloads.action",
        }
    }

    fn params(&self) -> String {
        match self {
            Self::GetPlan(plan) | Self::ListWorkloads(plan) => plan.clone(),
            Self::GetWorkload(plan, it) | Self::WorkloadAction(plan, it) => format!("{plan} {it}"),
            Self::Token
            | Self::OlderLogin
            | Self::TokenStatus
            | Self::Revoke
            | Self::AppInfo
            | Self::ListProviders
            | Self::ListPlans => String::new(),
        }
    }
}

struct Call {
    operation: Option<Operation>,
    query: String,
    token: Option<String>,
    body: Vec<u8>,
}

async fn answer(
    State(appliance): State<Appliance>,
    Extension(connection): Extension<Connection>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else { return refuse(413, "too large").response };
    let Appliance { shared, name } = &appliance;
    let method = head.method.as_str();
    let operation = Operation::find(method, head.uri.path());
    let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Scripts of 2020 send the token alone, later ones with `Bearer`.
    let token = authorization.map(|text| text.strip_prefix("Bearer ").unwrap_or(text).to_owned());
    let info = CallInfo {
        source: Source::Move(name.clone()),
        account: String::new(),
        region: String::new(),
        service: "move".into(),
        action: operation
            .as_ref()
            .map_or_else(|| format!("{method} {}", head.uri.path()), |operation| operation.action().to_owned()),
        params: operation.as_ref().map(Operation::params).unwrap_or_default(),
        mutating: matches!(operation, Some(Operation::WorkloadAction(..))) || operation.is_none() && method != "GET",
    };
    let query = head.uri.query().unwrap_or_default().to_owned();
    let call = Call { operation, query, token, body: body.to_vec() };
    let render = |injected| match injected {
        Injected::Throttle => refuse(503, "the appliance is busy"),
        Injected::Error { status, code, message } => Answer { error: Some(code), ..refuse(status, &message) },
    };
    intercept(shared, &connection, info, render, || async { dispatch(shared, name, &call) }).await
}

fn dispatch(shared: &Shared, name: &str, call: &Call) -> Answer {
    let now = shared.now();
    let mut guard = shared.world();
    let world = &mut *guard;
    let switches = world.switches.move_.clone();
    let Some(appliance) = world.moves.get_mut(name) else { return refuse(404, "there is no such appliance") };
    let Some(operation) = &call.operation else { return refuse(404, "404 page not found") };
    match operation {
        Operation::Token if !appliance.older_login_only => {
            let form = form(&call.body);
            let field = |name: &str| form.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
            if field("grantType") != "PASSWORD" {
                return refuse(422, "grantType must be PASSWORD");
            }
            return match appliance.log_in(field("username"), field("password"), now) {
                Some(token) => reply(200, &render::token(&token, &appliance.username)),
                None => refuse(401, "the user name or password is wrong"),
            };
        }
        Operation::Token => return refuse(404, "404 page not found"),
        Operation::OlderLogin => {
            let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
            let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
            return match appliance.log_in(text("/Spec/UserName"), text("/Spec/Password"), now) {
                Some(token) => reply(200, &json!({"Status": {"Token": token}})),
                None => refuse(401, "the user name or password is wrong"),
            };
        }
        _ => {}
    }
    let Some(token) = call.token.as_deref().filter(|token| appliance.knows(token, now)) else {
        return refuse(401, "the token is missing, unknown or has expired");
    };
    let plan_of = |text: &str| ExtId::parse(text).filter(|id| appliance.plans.contains_key(id));
    let no_plan = || refuse(404, "there is no such migration plan");
    match operation {
        Operation::Token | Operation::OlderLogin => refuse(404, "404 page not found"),
        Operation::TokenStatus => reply(200, &json!({"Username": appliance.username, "Valid": true})),
        Operation::Revoke => {
            appliance.log_out(token);
            respond(204, None)
        }
        Operation::AppInfo => reply(200, &json!({"Name": name, "Version": "6.1.0", "APIVersion": "2.2.0"})),
        Operation::ListProviders => reply(200, &render::providers(appliance)),
        Operation::ListPlans => {
            appliance.observe();
            let details = call.query.split('&').any(|p| p.eq_ignore_ascii_case("IncludeVMDetails=true"));
            reply(200, &render::plans(appliance, details, &switches))
        }
        Operation::GetPlan(plan) => {
            let Some(plan) = plan_of(plan) else { return no_plan() };
            appliance.observe();
            appliance.plans.get(&plan).map_or_else(no_plan, |plan| reply(200, &render::plan(plan, true, &switches)))
        }
        Operation::ListWorkloads(plan) => {
            let Some(plan) = plan_of(plan) else { return no_plan() };
            appliance.observe();
            appliance.plans.get(&plan).map_or_else(no_plan, |plan| reply(200, &render::workloads(plan, &switches)))
        }
        Operation::GetWorkload(plan, it) => {
            let Some(plan) = plan_of(plan) else { return no_plan() };
            appliance.observe();
            let plan = appliance.plans.get(&plan);
            let found = plan.and_then(|p| p.workloads.iter().find(|w| w.uuid.to_string() == *it).map(|w| (p, w)));
            found.map_or_else(
                || refuse(404, "there is no such workload"),
                |(p, w)| reply(200, &render::workload(p, w, &switches)),
            )
        }
        Operation::WorkloadAction(plan, it) => {
            let (Some(plan), Some(it)) = (plan_of(plan), ExtId::parse(it)) else { return no_plan() };
            let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
            let test = |world, action| test_workload(world, name, plan, it, action);
            let done = match body.pointer("/Spec/Action").and_then(Value::as_str) {
                Some("cutover") => cutover_workload(world, name, plan, it).map(|_| ()),
                Some("test") => test(world, TestAction::Test),
                Some("retest") => test(world, TestAction::Retest),
                Some("undotest") => test(world, TestAction::Undo),
                _ => return refuse(422, "Spec.Action must be one of cutover, test, retest, undotest"),
            };
            match done {
                Ok(()) => respond(202, Some(&json!({}))),
                Err(why) => refuse(409, &why),
            }
        }
    }
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(body);
    let decode =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(n, v)| (decode(n), decode(v))).collect()
}

fn reply(status: u16, body: &Value) -> Answer {
    respond(status, Some(body))
}

fn refuse(status: u16, message: &str) -> Answer {
    let answer = respond(status, Some(&json!({"code": status, "message": message})));
    Answer { error: Some(format!("Move{status}")), ..answer }
}

fn respond(status: u16, body: Option<&Value>) -> Answer {
    let mut response = Response::new(Body::from(body.map(Value::to_string).unwrap_or_default()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if body.is_some() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Answer::ok(response)
}
