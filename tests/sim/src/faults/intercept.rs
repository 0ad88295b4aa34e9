//! What happens to a call between its arrival and its answer.

use std::{fmt, future::Future, time::Duration};

use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};

use super::{Effect, Garbage, HoldState, When, garbage};
use crate::{connection::Connection, shared::Shared};

/// Which simulated system a call was made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The AWS front.
    Aws,
    /// The Prism Central of this name.
    Prism(String),
    /// The Move appliance of this name.
    Move(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws => f.write_str("aws"),
            Self::Prism(name) => write!(f, "prism:{name}"),
            Self::Move(name) => write!(f, "move:{name}"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A call as the log and the fault rules see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallInfo {
    /// The system called.
    pub source: Source,
    /// Account of the caller; empty for Prism and Move.
    pub account: String,
    /// Region called; empty for Prism and Move.
    pub region: String,
    /// `ec2`, `ssm`, ..., or the name space of a Prism call (`vmm`, `networking`, `prism`).
    pub service: String,
    /// Action, or method and path pattern of a REST call.
    pub action: String,
    /// The telling parameters in short; never a secret.
    pub params: String,
    /// Whether the call is meant to change something.
    pub mutating: bool,
}

/// An answer, with the error code that the log keeps.
#[derive(Debug)]
pub struct Answer {
    /// What the client gets.
    pub response: Response,
    /// Code of the error, if it is one.
    pub error: Option<String>,
}

impl Answer {
    /// An answer that is not an error.
    pub fn ok(response: impl IntoResponse) -> Self {
        Self { response: response.into_response(), error: None }
    }

    /// An error, with the code that the log keeps.
    pub fn error(code: impl Into<String>, response: impl IntoResponse) -> Self {
        Self { response: response.into_response(), error: Some(code.into()) }
    }
}

/// An error that a fault rule wants, to be rendered in the protocol of the called system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Injected {
    /// This error.
    Error {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Text.
        message: String,
    },
    /// The system's own throttling error.
    Throttle,
}

/// Takes a call through log, faults and holds, around its effect.
///
/// # Flow
/// cut off? then the connection closes. Else: log the arrival -> hold (before) -> pace -> faults that prevent the effect -> `effect` -> hold (after) -> dropped, hung or
/// spoilt reply -> log the answer. `render` puts an injected error into the protocol of the called system.
///
/// # Guarantees
/// `effect` runs at most once, and not at all when the call was refused, dropped or its caller killed before it. The
/// log keeps the call even when the client goes away.
pub async fn intercept<E, F>(
    shared: &Shared,
    connection: &Connection,
    call: CallInfo,
    render: impl FnOnce(Injected) -> Answer,
    effect: E,
) -> Response
where
    E: FnOnce() -> F,
    F: Future<Output = Answer>,
{
    let gate = shared.gate();
    let client = connection.client().cloned();
    if is_lost(shared, &call) {
        gate.log().lost(shared.now(), call, client);
        connection.cut();
        return ().into_response();
    }
    let seq = gate.log().arrived(shared.now(), call.clone(), client);
    let hold = gate.hold_for(seq, &call, connection);
    if let Some((id, When::Before)) = hold
        && gate.stand(id).await == HoldState::Killed
    {
        return dropped(shared, connection, seq, "CallerKilled");
    }
    let pace = shared.world().switches.pace.of(&call.source);
    if pace > 0 {
        delay(Duration::from_millis(pace)).await;
    }
    let mut refusal = None;
    let mut spoilt = None;
    for effect in gate.strike(&call, Some(connection)) {
        match effect {
            Effect::Delay { ms } => delay(Duration::from_millis(ms)).await,
            Effect::DropRequest => return dropped(shared, connection, seq, "RequestDropped"),
            Effect::DropReply => spoilt = Some((Spoilt::Dropped, When::After)),
            Effect::Garbage { form, when } => spoilt = Some((Spoilt::Garbage(form), when)),
            Effect::Hang { when } => spoilt = Some((Spoilt::Hung, when)),
            Effect::Trickle { ms, when } => spoilt = Some((Spoilt::Trickling(Duration::from_millis(ms)), when)),
            Effect::Throttle => refusal = refusal.or(Some(Injected::Throttle)),
            Effect::Error { code, status, message } => {
                refusal = refusal.or(Some(Injected::Error { status, code, message }));
            }
        }
    }
    if let Some((spoilt, When::Before)) = spoilt {
        return spoilt.response(shared, connection, seq, None).await;
    }
    let answer = match refusal {
        Some(refusal) => render(refusal),
        None => effect().await,
    };
    let status = answer.response.status().as_u16();
    gate.log().answered(seq, status, answer.error);
    if let Some((id, When::After)) = hold
        && gate.stand(id).await == HoldState::Killed
    {
        return dropped(shared, connection, seq, "CallerKilled");
    }
    match spoilt {
        Some((spoilt, _)) => spoilt.response(shared, connection, seq, Some(answer.response)).await,
        None => answer.response,
    }
}

/// What becomes of the reply to a call.
enum Spoilt {
    Dropped,
    Hung,
    Trickling(Duration),
    Garbage(Garbage),
}

impl Spoilt {
    async fn response(self, shared: &Shared, connection: &Connection, seq: u64, answer: Option<Response>) -> Response {
        match self {
            Self::Dropped => dropped(shared, connection, seq, "ReplyDropped"),
            Self::Hung => {
                shared.gate().log().dropped(seq, "Hung");
                // The server forgets the call as soon as it sees that its client is gone.
                std::future::pending().await
            }
            Self::Trickling(pause) => {
                shared.gate().log().dropped(seq, "Trickled");
                garbage::trickle(pause)
            }
            Self::Garbage(form) => {
                shared.gate().log().dropped(seq, "Garbage");
                form.of(answer).await
            }
        }
    }
}

/// Whether the called Region or Prism Central is cut off.
fn is_lost(shared: &Shared, call: &CallInfo) -> bool {
    let world = shared.world();
    match &call.source {
        Source::Aws => world.lost_regions.contains(&call.region),
        Source::Prism(name) => world.lost_prisms.contains(name),
        Source::Move(_) => false,
    }
}

/// Closes the connection without an answer.
fn dropped(shared: &Shared, connection: &Connection, seq: u64, why: &str) -> Response {
    shared.gate().log().dropped(seq, why);
    connection.cut();
    ().into_response()
}

#[expect(clippy::disallowed_methods, reason = "a delay is what the fault rule asked for")]
pub(super) async fn delay(time: Duration) {
    tokio::time::sleep(time).await;
}
