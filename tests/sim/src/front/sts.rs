//! STS: who a caller is, and roles of other accounts.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use jiff::SignedDuration;
use quick_xml::escape::escape;

use super::{
    accounts::{Accounts, Session},
    request::Caller,
};
use crate::{ec2::id, faults::Answer, shared::Shared};

/// How long a session lasts unless the caller says otherwise, in seconds.
const SESSION_SECONDS: i64 = 3_600;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers one action.
pub(super) fn handle(shared: &Shared, caller: &Caller, action: &str, form: &BTreeMap<String, String>) -> Answer {
    match action {
        "GetCallerIdentity" => caller_identity(shared, caller),
        "AssumeRole" => assume_role(shared, caller, form),
        _ => error(400, "InvalidAction", &format!("Could not find operation {action} for version 2011-06-15")),
    }
}

fn caller_identity(shared: &Shared, caller: &Caller) -> Answer {
    let world = shared.world();
    let account = &caller.account;
    let (arn, user_id) = match world.accounts.sessions.get(&caller.key) {
        Some(session) => (session.arn.clone(), session.user_id.clone()),
        None => (format!("arn:aws:iam::{account}:root"), account.clone()),
    };
    let result = format!("<Arn>{}</Arn><UserId>{user_id}</UserId><Account>{account}</Account>", escape(arn.as_str()));
    document(NAMESPACE, "GetCallerIdentity", &result)
}

/// Gives a session of a role that the world file declares. A role that does not exist, or another external id, is
/// refused alike, as by AWS.
fn assume_role(shared: &Shared, caller: &Caller, form: &BTreeMap<String, String>) -> Answer {
    let (Some(role_arn), Some(session_name)) = (form.get("RoleArn"), form.get("RoleSessionName")) else {
        return error(400, "ValidationError", "RoleArn and RoleSessionName are required");
    };
    let now = shared.now();
    let mut world = shared.world();
    let Some(account) = role_account(&world.accounts, &caller.account, role_arn, form.get("ExternalId")) else {
        let message = format!(
            "User: arn:aws:iam::{}:root is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
            caller.account
        );
        return error(403, "AccessDenied", &message);
    };
    let number = world.accounts.sessions.len();
    let key = format!("ASIA{}", id::digits(&format!("{role_arn}/{number}"), 16).to_uppercase());
    let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
    let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session_name}");
    let user_id = format!("AROA{}:{session_name}", id::digits(role_arn, 16).to_uppercase());
    let seconds = form.get("DurationSeconds").and_then(|text| text.parse().ok()).unwrap_or(SESSION_SECONDS);
    let expires = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
    let result = format!(
        "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
         <AssumedRoleUser><Arn>{}</Arn><AssumedRoleId>{user_id}</AssumedRoleId></AssumedRoleUser>",
        id::digits(&format!("secret/{key}"), 40),
        id::digits(&format!("token/{key}"), 64),
        expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        escape(arn.as_str()),
    );
    world.accounts.sessions.insert(key, Session { account, arn, user_id });
    document(NAMESPACE, "AssumeRole", &result)
}

/// The account of a declared role, if the role trusts the caller's account and the external id is the role's.
fn role_account(accounts: &Accounts, caller: &str, arn: &str, external_id: Option<&String>) -> Option<String> {
    let (account, role) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    let name = role.rsplit('/').next()?;
    let declared = accounts.roles.get(account)?.iter().find(|role| role.name == name)?;
    let may = declared.external_id.as_ref().is_none_or(|wanted| external_id == Some(wanted));
    let trusted = declared.trusts.is_empty() || declared.trusts.iter().any(|account| account == caller);
    (may && trusted).then(|| account.to_owned())
}

/// An answer of the Query protocol.
pub(super) fn document(namespace: &str, action: &str, result: &str) -> Answer {
    let request_id = id::request_id(result);
    Answer::ok(respond(
        200,
        format!(
            "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
        ),
    ))
}

/// An error of the Query protocol.
pub(super) fn error(status: u16, code: &str, message: &str) -> Answer {
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let text = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{}</RequestId></ErrorResponse>",
        escape(code),
        escape(message),
        id::request_id(message)
    );
    Answer::error(code, respond(status, text))
}

fn respond(status: u16, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}
