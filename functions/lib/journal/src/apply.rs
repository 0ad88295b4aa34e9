//! Applies the steps of an operation: journal first, then read, compare, write and read back.

use crate::session::{AppendError, Session};
use crate::{Event, JournalStore, RouteTables, Seen, StoreError, TablesError};
use futures::StreamExt;
use futures::future::join_all;
use holdfast_model::{Clock, Fault, FaultName, OperationId};
use holdfast_plan::{RouteValue, Step, api, done_words};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Steps of one lane that are under way at once. The adapter paces its calls, 5 changes a second; a route settles within seconds.
const AT_ONCE: usize = 16;

/// Steps of one lane that one journal entry names. Bounds what a crash leaves to read again, and the size of an entry; between two entries no
/// time is lost, since tokens gather while a lane waits.
const TOGETHER: usize = 250;

/// Tries of a step that EC2 did not take for now, with pauses of 1, 2 and 4 s between: longer than an attachment is `modifying` for, and than
/// an empty token bucket takes to fill again.
const TRIES: u32 = 4;

/// Steps that an error names, of those done and of those left.
const NAMED: usize = 12;

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
#[error("{cause}; done: {}; left: {}; start the same input again to go on, or take it back with `{undo}`{}", some_words(.done), some_words(.left), .replace.as_ref().map(|replace| format!("; {replace}")).unwrap_or_default())]
pub struct Stopped {
    /// The operation.
    pub operation: OperationId,
    /// The input that takes it back.
    pub undo: String,
    /// What a person is told who can do neither; none where the cause passes by itself.
    pub replace: Option<String>,
    /// Why.
    pub cause: Cause,
    /// Steps that are done.
    pub done: Vec<Step>,
    /// Steps that are not known to be done.
    pub left: Vec<Step>,
}

/// The first steps in words, and how many more there are.
fn some_words(steps: &[Step]) -> String {
    let words = done_words(steps.iter().take(NAMED));
    match steps.len().saturating_sub(NAMED) {
        0 => words,
        more => format!("{words}; and {more} more"),
    }
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
    /// A write had no answer, and did not show in the table: it may still take effect.
    #[error("{} in {} ({}): {error}; it may still take effect", step.place, step.label(), step.scope)]
    Unanswered {
        /// The step.
        step: Box<Step>,
        /// What the connection said.
        error: TablesError,
    },
    /// The journal could not be written.
    #[error("{0}")]
    Store(StoreError),
}

impl Cause {
    /// Whether the next start of the same input may well end so again.
    fn is_lasting(&self) -> bool {
        match self {
            Cause::Drifted { .. } => true,
            Cause::Tables { .. } => !self.fault().retryable(),
            Cause::TakenOver(_) | Cause::Unsettled { .. } | Cause::Unanswered { .. } | Cause::Store(_) => false,
        }
    }

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
            Cause::Unanswered { .. } => FaultName::Unavailable,
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
/// Per stage, some hundred steps at a time: journal which are about to be written, with what is done so far, and meanwhile read the first of
/// them; per step: read, compare, write, and read back until settled where the answer to the write does not say that it is. Steps of different
/// accounts, Regions and calls go on side by side, since each has its own token bucket.
///
/// # Guarantees
/// No step is written before the journal names it, nor after another invocation has taken the operation over and appended, nor with less time
/// left than the margin. A step whose table holds `after` is done without a write. A write with an unknown outcome is resolved by
/// reading. A step that EC2 did not take for now is read again before it is tried again. However it ends, the lease is given up, unless another invocation
/// holds the lock or a write had no answer; a finished operation frees its locks.
///
/// # Assumptions
/// The steps of one stage may land in any order: the checker proved it. Whoever holds the locks is the only Holdfast that writes these places, so
/// what was read while the journal took its entry still holds after.
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
        Ok(Applied::Done) => session.release(clock.now()).await,
        Ok(Applied::Continue) => session.stop().await,
        // What shows in the table may be the other's write, and one of this invocation still be under way.
        Err(Cause::TakenOver(_)) if session.doubts() => {}
        Err(Cause::TakenOver(_)) => session.leave().await,
        Err(Cause::Store(_)) => session.stop().await,
        Err(
            cause @ (Cause::Drifted { .. } | Cause::Unsettled { .. } | Cause::Tables { .. } | Cause::Unanswered { .. }),
        ) => {
            session.note(Event::Held { reason: cause.to_string() });
            // The cause is what counts: an entry that cannot be written either is found again by whoever resumes.
            if let Err(error) = session.append(clock.now()).await {
                tracing::warn!(operation = %session.operation().id, %error, "journal does not show why {} is held: {error}", session.operation().id);
            }
            if matches!(cause, Cause::Unanswered { .. }) {
                session.linger(clock.now(), limits.deadline).await;
            } else {
                session.stop().await;
            }
        }
    }
    ended.map_err(|cause| {
        let (done, left) = session.status().split(&session.operation().plan);
        let operation = session.operation();
        Stopped {
            operation: operation.id.clone(),
            undo: operation.intent.undo_input(&operation.id),
            replace: cause.is_lasting().then(|| operation.or_replace()),
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
        let numbered: Vec<(u32, &Step)> = stage.iter().zip(numbers.by_ref()).map(|(step, at)| (at, step)).collect();
        let left = numbered.into_iter().filter(|(at, _)| !session.status().done.contains(at)).collect();
        for some in lanes(left) {
            if !limits.enough(clock.now()) {
                append(session, clock).await?;
                return Ok(Applied::Continue);
            }
            let mut steps: Vec<u32> = some.iter().flatten().map(|(at, _)| *at).collect();
            steps.sort_unstable();
            session.note(Event::Started { steps });
            let first =
                some.iter().map(|lane| join_all(lane.iter().take(AT_ONCE).map(|(_, step)| tables.read_route(step))));
            let (appended, first) = futures::future::join(append(session, clock), join_all(first)).await;
            appended?;
            let ends = some.iter().zip(first).map(|(lane, first)| {
                let first = first.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
                let steps = lane
                    .iter()
                    .zip(first)
                    .map(|((at, step), seen)| async move { (*at, land(tables, step, seen, clock, limits).await) });
                futures::stream::iter(steps).buffer_unordered(AT_ONCE).collect::<Vec<_>>()
            });
            let mut ends: Vec<(u32, Result<Landed, Cause>)> = join_all(ends).await.into_iter().flatten().collect();
            ends.sort_by_key(|(at, _)| *at);
            let done = ends.iter().filter(|(_, end)| matches!(end, Ok(Landed::Done | Landed::DoneUnanswered)));
            let done: Vec<u32> = done.map(|(at, _)| *at).collect();
            if ends.iter().any(|(_, end)| matches!(end, Ok(Landed::DoneUnanswered))) {
                session.doubt();
            }
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
    }
    append(session, clock).await?;
    Ok(Applied::Done)
}

/// A step with its position in the plan.
type Numbered<'p> = (u32, &'p Step);

/// Steps of one stage as they are journalled together, and of those the ones that share a token bucket.
fn lanes(steps: Vec<Numbered<'_>>) -> Vec<Vec<Vec<Numbered<'_>>>> {
    let mut lanes: BTreeMap<_, Vec<Numbered<'_>>> = BTreeMap::new();
    for (at, step) in steps {
        lanes.entry((&step.scope, api(step))).or_default().push((at, step));
    }
    let mut together = Vec::new();
    let mut lanes: Vec<_> = lanes.into_values().map(Vec::into_iter).collect();
    loop {
        let some: Vec<Vec<_>> = lanes.iter_mut().map(|lane| lane.by_ref().take(TOGETHER).collect()).collect();
        let some: Vec<Vec<_>> = some.into_iter().filter(|lane: &Vec<_>| !lane.is_empty()).collect();
        if some.is_empty() {
            return together;
        }
        together.push(some);
    }
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
    /// Read back as wanted, after a write without an answer.
    DoneUnanswered,
    /// Not begun, for lack of time.
    NoTime,
}

/// Lands one step; `first` is what was read of it already.
async fn land<T: RouteTables>(
    tables: &T,
    step: &Step,
    first: Option<Result<Seen, TablesError>>,
    clock: &dyn Clock,
    limits: &Limits,
) -> Result<Landed, Cause> {
    let mut first = first;
    for tried in 0.. {
        match try_to_land(tables, step, first.take(), clock, limits).await {
            Err(Cause::Tables { error: TablesError::Busy(_) | TablesError::Throttled(_), .. })
                if tried + 1 < TRIES && limits.enough(clock.now()) =>
            {
                tables.pause(tried).await;
            }
            end => return end,
        }
    }
    Ok(Landed::NoTime)
}

async fn try_to_land<T: RouteTables>(
    tables: &T,
    step: &Step,
    first: Option<Result<Seen, TablesError>>,
    clock: &dyn Clock,
    limits: &Limits,
) -> Result<Landed, Cause> {
    let failed = |error| Cause::Tables { step: Box::new(step.clone()), error };
    let unanswered = |error| match error {
        TablesError::Unavailable(_) => Cause::Unanswered { step: Box::new(step.clone()), error },
        error => failed(error),
    };
    let mut seen = match first {
        Some(read) => read.map_err(failed)?,
        None => tables.read_route(step).await.map_err(failed)?,
    };
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
    let (mut seen, lost) = match written {
        Ok(seen) => (seen, None),
        Err(
            error @ (TablesError::Busy(_)
            | TablesError::Throttled(_)
            | TablesError::Denied(_)
            | TablesError::Refused(_)),
        ) => return Err(failed(error)),
        // Changed in between, or no answer: what counts is what the table holds now.
        Err(error @ (TablesError::Changed(_) | TablesError::Unavailable(_))) => match tables.read_route(step).await {
            Ok(seen) => (seen, Some(error)),
            Err(_) => return Err(unanswered(error)),
        },
    };
    if matches!(seen, Seen::Changing(_)) {
        seen = tables.await_route(step, limits.settle).await.map_err(failed)?;
    }
    let present = settled(step, seen)?;
    match lost {
        _ if present == step.after => {
            tracing::info!(
                route.table = %step.table, route.place = %step.place_words(), route.region = %step.scope.region,
                route.before = %step.before, route.after = %step.after, networks = ?step.networks,
                "route changed: {step}"
            );
            Ok(if matches!(lost, Some(TablesError::Unavailable(_))) { Landed::DoneUnanswered } else { Landed::Done })
        }
        Some(error) if present == step.before => Err(unanswered(error)),
        Some(_) | None => Err(Cause::Drifted { step: Box::new(step.clone()), seen: present }),
    }
}

fn settled(step: &Step, seen: Seen) -> Result<RouteValue, Cause> {
    match seen {
        Seen::Settled(value) => Ok(value),
        Seen::Changing(seen) => Err(Cause::Unsettled { step: Box::new(step.clone()), seen }),
    }
}
