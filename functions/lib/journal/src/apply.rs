//! Applies the steps of an operation: journal first, then read, compare, write and read back.

use crate::session::{AppendError, Session};
use crate::{Event, JournalStore, RouteTables, Seen, StoreError, TablesError};
use futures::StreamExt;
use holdfast_model::{Clock, Fault, FaultName, OperationId};
use holdfast_plan::{RouteValue, Step, done_words};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Steps of one stage that are under way at once. The adapter paces its calls; this bounds what a crash leaves to read again.
const AT_ONCE: usize = 16;

/// How long an apply may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When the invocation ends.
    pub deadline: Timestamp,
    /// With less time left no further write is begun.
    pub margin: Duration,
    /// How long a route may take to settle after a write.
    pub settle: Duration,
}

impl Limits {
    fn enough(&self, now: Timestamp) -> bool {
        let margin = SignedDuration::try_from(self.margin).unwrap_or(SignedDuration::MAX);
        self.deadline.duration_since(now) >= margin
    }
}

/// How an apply ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Every step is done and read back.
    Done,
    /// The time ran out; call again with the same input.
    Continue,
}

/// An apply that stopped in between. The operation stays open and can be resumed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; done: {}; left: {}; start the same input again to go on, or take it back with `{{\"undo\": \"{operation}\"}}`", done_words(.done), done_words(.left))]
pub struct Stopped {
    /// The operation.
    pub operation: OperationId,
    /// Why.
    pub cause: Cause,
    /// Steps that are done.
    pub done: Vec<Step>,
    /// Steps that are not known to be done.
    pub left: Vec<Step>,
}

/// Why an apply stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Another invocation works at the operation.
    #[error("execution `{0}` took the operation over")]
    TakenOver(String),
    /// A route is neither as before nor as wanted.
    #[error("{} in {} ({}) is `{}`, neither `{}` as planned from nor `{}` as wanted; somebody else changed it: put it to one of the two", step.place, step.label(), step.scope, step.words(seen), step.words(&step.before), step.words(&step.after))]
    Drifted {
        /// The step.
        step: Box<Step>,
        /// What the table holds.
        seen: RouteValue,
    },
    /// A route did not settle.
    #[error("{} in {} ({}) is still changing to `{}`", step.place, step.label(), step.scope, step.words(seen))]
    Unsettled {
        /// The step.
        step: Box<Step>,
        /// What it changes to.
        seen: RouteValue,
    },
    /// A route could not be read or written.
    #[error("{} in {} ({}): {error}", step.place, step.label(), step.scope)]
    Tables {
        /// The step.
        step: Box<Step>,
        /// Why not.
        error: TablesError,
    },
    /// The journal could not be written.
    #[error("{0}")]
    Store(StoreError),
}

impl Cause {
    fn fault(&self) -> FaultName {
        match self {
            Cause::TakenOver(_) => FaultName::TakenOver,
            Cause::Drifted { .. } => FaultName::Drifted,
            Cause::Unsettled { .. } => FaultName::SwapIncomplete,
            Cause::Tables { error, .. } => match error {
                TablesError::Throttled(_) => FaultName::Throttled,
                TablesError::Unavailable(_) => FaultName::Unavailable,
                TablesError::Changed(_) | TablesError::Busy(_) | TablesError::Denied(_) | TablesError::Refused(_) => {
                    FaultName::SwapIncomplete
                }
            },
            Cause::Store(error) => error.fault(),
        }
    }
}

impl StoreError {
    /// The fault that a function returns for it.
    #[must_use]
    pub fn fault(&self) -> FaultName {
        match self {
            StoreError::Throttled(_) => FaultName::Throttled,
            StoreError::Unavailable(_) => FaultName::Unavailable,
            StoreError::Denied(_) => FaultName::AccessDenied,
            StoreError::Unreadable(_) => FaultName::Internal,
        }
    }
}

impl From<Stopped> for Fault {
    fn from(stopped: Stopped) -> Fault {
        Fault::new(stopped.cause.fault(), stopped.to_string())
    }
}

/// Works at the operation of a session until it is done, the time runs out or something stops it.
///
/// # Flow
/// Per stage: journal which steps are about to be written; per step: read, compare, write, read back until settled; journal what is done with
/// the beginning of the next stage.
///
/// # Guarantees
/// No step is written before the journal names it, nor after another invocation has taken the operation over and appended, nor with less time
/// left than the margin. A step whose table holds `after` is done without a write. A write with an unknown outcome is resolved by
/// reading. However it ends, the lease is given up; a finished operation frees its locks.
///
/// # Assumptions
/// The steps of one stage may land in any order: the checker proved it.
///
/// # Errors
/// [`Stopped`], with what is done and what is left. The operation stays open.
pub async fn apply<J: JournalStore, T: RouteTables>(
    session: &mut Session<'_, J>,
    tables: &T,
    clock: &dyn Clock,
    limits: &Limits,
) -> Result<Applied, Stopped> {
    let ended = run(session, tables, clock, limits).await;
    match &ended {
        Ok(Applied::Done) => session.release().await,
        Ok(Applied::Continue) => session.stop().await,
        Err(Cause::TakenOver(_)) => {}
        Err(Cause::Store(_)) => session.stop().await,
        Err(cause @ (Cause::Drifted { .. } | Cause::Unsettled { .. } | Cause::Tables { .. })) => {
            session.note(Event::Held { reason: cause.to_string() });
            // The cause is what counts: an entry that cannot be written either is found again by whoever resumes.
            if let Err(error) = session.append(clock.now()).await {
                tracing::warn!(operation = %session.operation().id, %error, "journal does not show why {} is held: {error}", session.operation().id);
            }
            session.stop().await;
        }
    }
    ended.map_err(|cause| {
        let (done, left) = session.status().split(&session.operation().plan);
        Stopped {
            operation: session.operation().id.clone(),
            cause,
            done: done.into_iter().cloned().collect(),
            left: left.into_iter().cloned().collect(),
        }
    })
}

async fn run<J: JournalStore, T: RouteTables>(
    session: &mut Session<'_, J>,
    tables: &T,
    clock: &dyn Clock,
    limits: &Limits,
) -> Result<Applied, Cause> {
    let plan = session.operation().plan.clone();
    let mut numbers = 0_u32..;
    for stage in &plan.stages {
        let numbered: Vec<(u32, &Step)> = numbers.by_ref().zip(stage).collect();
        let left: Vec<(u32, &Step)> =
            numbered.into_iter().filter(|(at, _)| !session.status().done.contains(at)).collect();
        if left.is_empty() {
            continue;
        }
        if !limits.enough(clock.now()) {
            append(session, clock).await?;
            return Ok(Applied::Continue);
        }
        session.note(Event::Started { steps: left.iter().map(|(at, _)| *at).collect() });
        append(session, clock).await?;
        let ends = futures::stream::iter(
            left.into_iter().map(|(at, step)| async move { (at, land(tables, step, clock, limits).await) }),
        );
        let ends: Vec<(u32, Result<Landed, Cause>)> = ends.buffered(AT_ONCE).collect().await;
        let done: Vec<u32> =
            ends.iter().filter(|(_, end)| matches!(end, Ok(Landed::Done))).map(|(at, _)| *at).collect();
        let all = done.len() == ends.len();
        if !done.is_empty() {
            session.note(Event::Done { steps: done });
        }
        if let Some(cause) = ends.into_iter().find_map(|(_, end)| end.err()) {
            return Err(cause);
        }
        if !all {
            append(session, clock).await?;
            return Ok(Applied::Continue);
        }
    }
    append(session, clock).await?;
    Ok(Applied::Done)
}

async fn append<J: JournalStore>(session: &mut Session<'_, J>, clock: &dyn Clock) -> Result<(), Cause> {
    session.append(clock.now()).await.map_err(|error| match error {
        AppendError::TakenOver { execution } => Cause::TakenOver(execution),
        AppendError::Store(error) => Cause::Store(error),
    })
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Landed {
    /// Read back as wanted.
    Done,
    /// Not begun, for lack of time.
    NoTime,
}

async fn land<T: RouteTables>(tables: &T, step: &Step, clock: &dyn Clock, limits: &Limits) -> Result<Landed, Cause> {
    let failed = |error| Cause::Tables { step: Box::new(step.clone()), error };
    let mut seen = tables.read_route(step).await.map_err(failed)?;
    if matches!(seen, Seen::Changing(_)) {
        seen = tables.await_route(step, limits.settle).await.map_err(failed)?;
    }
    let present = settled(step, seen)?;
    if present == step.after {
        return Ok(Landed::Done);
    }
    if present != step.before {
        return Err(Cause::Drifted { step: Box::new(step.clone()), seen: present });
    }
    if !limits.enough(clock.now()) {
        return Ok(Landed::NoTime);
    }
    let written = tables.write_route(step).await;
    if let Err(
        error @ (TablesError::Busy(_) | TablesError::Throttled(_) | TablesError::Denied(_) | TablesError::Refused(_)),
    ) = written
    {
        return Err(failed(error));
    }
    // Changed in between, or no answer: what counts is what the table holds now.
    let mut seen = match &written {
        Ok(()) => tables.await_route(step, limits.settle).await.map_err(failed)?,
        Err(_) => tables.read_route(step).await.map_err(failed)?,
    };
    if matches!(seen, Seen::Changing(_)) {
        seen = tables.await_route(step, limits.settle).await.map_err(failed)?;
    }
    let present = settled(step, seen)?;
    match written {
        _ if present == step.after => {
            tracing::info!(
                route.table = %step.table, route.place = %step.place_words(), route.region = %step.scope.region,
                route.before = %step.before, route.after = %step.after, networks = ?step.networks,
                "route changed: {step}"
            );
            Ok(Landed::Done)
        }
        Err(error) if present == step.before => Err(failed(error)),
        Ok(()) | Err(_) => Err(Cause::Drifted { step: Box::new(step.clone()), seen: present }),
    }
}

fn settled(step: &Step, seen: Seen) -> Result<RouteValue, Cause> {
    match seen {
        Seen::Settled(value) => Ok(value),
        Seen::Changing(seen) => Err(Cause::Unsettled { step: Box::new(step.clone()), seen }),
    }
}
