//! Test failovers for drills: started into the test network of a recovery plan, looked at, and cleaned up, also when the drill died half-way.
//!
//! This is all that `watch` ever changes at a Prism Central. A test is written down before it is started, under a name that no other job has; whatever
//! the drill that started it does not clean, [`sweep`] does, and it touches no test of anybody else.

mod clean;
mod seen;
mod sweep;

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_model::{Fault, FaultName, NetworkMap, NetworkName, PrismName, SiteName};
use holdfast_nutanix::{NutanixError, Prism, RecoveryAction, RecoveryJob, RecoveryPlan, TimeLimit};
use holdfast_store::{KeptTest, TestFailover, TestFailovers, TestOver};
use jiff::{SignedDuration, Timestamp};

use crate::finished::has_ended;

pub use clean::{Cleaned, clean};
pub use sweep::{BORNE, sweep};

/// How long a drill looks after its test from its last look on. The drill looks every quarter of a minute.
pub const LOOKED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// How long after it was written down the job of a test may still show, of which nobody heard: longer than any request of ours is under way.
pub const MAY_SHOW: SignedDuration = SignedDuration::from_mins(10);

/// How long a test may take: the drill then ends, and says so.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(60);

/// How long before a test was written down its job may have begun, by a clock of Prism Central that is behind.
const SET_BACK: SignedDuration = SignedDuration::from_hours(24);

/// For the task of one change. The function has time for it and for what comes before and after.
const CHANGE: Duration = Duration::from_secs(120);

/// A Prism Central, and where tests are written down.
#[derive(Debug, Clone, Copy)]
pub struct TestDesk<'a> {
    /// The network map.
    pub map: &'a NetworkMap,
    /// The Prism Central.
    pub central: &'a PrismName,
    /// A client of it.
    pub prism: &'a Prism,
    /// Where tests are written down.
    pub tests: &'a TestFailovers,
    /// When.
    pub now: Timestamp,
    /// The invocation, which no other has.
    pub invocation: &'a str,
}

/// What a drill wants.
#[derive(Debug, Clone, Copy)]
pub struct WantedTest<'a> {
    /// The drill.
    pub execution: &'a str,
    /// Networks whose machines are tested.
    pub networks: &'a BTreeSet<NetworkName>,
    /// The site.
    pub to: &'a SiteName,
    /// Name of the recovery plan.
    pub plan: &'a str,
}

/// How far a test is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// Ask again: what it waits for.
    Continue(String),
    /// It is there, and was looked at.
    Up(Box<TestFailover>),
}

/// Takes the test of a drill a step further: starts it, waits for it, looks at what it made.
///
/// # Flow
/// Written down, started, its job written down; once that has ended, its VMs read and written down. Asked again, it goes on where it was.
///
/// # Guarantees
/// At most one test is started for a drill, however often it is asked and whoever died meanwhile: a start that nobody heard of is waited for and then
/// given up, never repeated. Nothing is started while another job of the recovery plan runs or has left copies.
///
/// # Errors
/// `InvalidInput` for a plan that is not there; `Refused` while somebody else's job or test is in the way, or when the test was given up;
/// `Unavailable` and others where Prism Central or table do not answer.
pub async fn advance(desk: &TestDesk<'_>, wanted: &WantedTest<'_>) -> Result<Advance, Fault> {
    let plan = plan_named(desk, wanted.plan).await?;
    let kept = desk.tests.get(desk.central, &plan.id).await?;
    let mine = kept.as_ref().is_some_and(|kept| kept.test.execution == wanted.execution);
    let kept = match kept {
        Some(kept) if mine => kept,
        before => begin(desk, wanted, &plan, before).await?,
    };
    if let Some(over) = kept.test.over {
        return Err(refused(format!("test failover `{}` of this drill is over: {}", kept.test.name, over_words(over))));
    }
    if kept.test.seen.is_some() {
        return Ok(Advance::Up(Box::new(look_after(desk, kept).await?.test)));
    }
    let kept = look_after(desk, kept).await?;
    let Some(job) = find_job(desk, &kept.test).await? else {
        if desk.now.duration_since(kept.test.begun) < MAY_SHOW {
            return Ok(Advance::Continue(format!("test failover `{}` has no job yet", kept.test.name)));
        }
        let what = format!("test failover `{}` was asked for at {} and has no job", kept.test.name, kept.test.begun);
        return Err(refused(format!("{what}; start the drill again")));
    };
    let kept = note_job(desk, kept, &job).await?;
    if !has_ended(&job) {
        if desk.now.duration_since(kept.test.begun) > LONGEST {
            let what =
                format!("test failover `{}` is still under way after {} minutes", kept.test.name, LONGEST.as_mins());
            return Err(refused(format!(
                "{what}; look at its job in Prism Central; it is cleaned up once it has ended"
            )));
        }
        return Ok(Advance::Continue(format!("test failover `{}` is under way", kept.test.name)));
    }
    let seen = seen::read(desk, &kept.test, &job).await?;
    let test = TestFailover { seen: Some(seen), ..kept.test.clone() };
    Ok(Advance::Up(Box::new(put(desk, Some(&kept), test).await?.test)))
}

/// Writes a test down and starts it.
async fn begin(
    desk: &TestDesk<'_>,
    wanted: &WantedTest<'_>,
    plan: &RecoveryPlan,
    before: Option<KeptTest>,
) -> Result<KeptTest, Fault> {
    let before = match before {
        Some(old) if old.test.over.is_none() => Some(rid_of(desk, old).await?),
        other => other,
    };
    in_nobodys_way(desk, plan).await?;
    let test = TestFailover {
        v: 1,
        name: format!("holdfast-drill-{}-{}", desk.now.strftime("%Y%m%dt%H%M%S"), short(desk.invocation)),
        execution: wanted.execution.to_owned(),
        plan: plan.id.clone(),
        plan_name: plan.name.clone(),
        networks: wanted.networks.clone(),
        to: wanted.to.clone(),
        begun: desk.now,
        until: until(desk),
        job: None,
        seen: None,
        cleaning: None,
        over: None,
        told: None,
    };
    let kept = put(desk, before.as_ref(), test).await?;
    match desk.prism.start_test(plan, &kept.test.name, &TimeLimit::after(CHANGE)).await {
        Ok(job) => {
            let test = TestFailover { job: Some(job), ..kept.test.clone() };
            put(desk, Some(&kept), test).await
        }
        // It said no: there is no job, unless it shows one all the same.
        Err(error @ (NutanixError::Api { .. } | NutanixError::TaskFailed { .. } | NutanixError::Unreadable { .. })) => {
            if find_job(desk, &kept.test).await?.is_none() {
                let over = Some(TestOver::NeverStarted { at: desk.now });
                put(desk, Some(&kept), TestFailover { over, ..kept.test.clone() }).await?;
                return Err(refused(error.to_string()));
            }
            Ok(kept)
        }
        // Whether it was started shows later.
        Err(error) => Err(fault(&error)),
    }
}

/// Cleans what another drill has left, if nobody looks after it any more.
async fn rid_of(desk: &TestDesk<'_>, old: KeptTest) -> Result<KeptTest, Fault> {
    let name = old.test.name.clone();
    if old.test.until > desk.now {
        let who = &old.test.execution;
        return Err(refused(format!(
            "test failover `{name}` of drill `{who}` is there until that has cleaned it; start again then"
        )));
    }
    match clean(desk, old).await? {
        Cleaned::Over(kept) => Ok(kept),
        Cleaned::Open { why, .. } => {
            Err(refused(format!("test failover `{name}`, which an earlier drill has left, is not cleaned: {why}")))
        }
    }
}

/// Whether no job of the plan runs, and no copy of a test of somebody else is there.
async fn in_nobodys_way(desk: &TestDesk<'_>, plan: &RecoveryPlan) -> Result<(), Fault> {
    let since = desk.now.checked_sub(SignedDuration::from_hours(24 * 30)).unwrap_or(Timestamp::UNIX_EPOCH);
    let jobs = desk.prism.recovery_jobs(since).await.map_err(|error| fault(&error))?;
    let of_plan = |job: &&RecoveryJob| job.plan.as_ref() == Some(&plan.id);
    if let Some(open) = jobs.iter().filter(of_plan).find(|job| !has_ended(job)) {
        let what = format!("job `{}` ({}) of recovery plan `{}` is under way", open.name, open.id, plan.name);
        return Err(refused(format!("{what}; a test failover waits until it has ended")));
    }
    let last = jobs.iter().filter(of_plan).find(|job| job.action == RecoveryAction::TestFailover);
    let Some(last) = last else { return Ok(()) };
    let left = clean::copies_left(desk, &last.id).await?;
    if left.is_empty() {
        return Ok(());
    }
    let what =
        format!("test `{}` ({}) of recovery plan `{}`, which Holdfast did not start", last.name, last.id, plan.name);
    Err(refused(format!("{what}, has left {} VMs; clean it up at the Prism Central first", left.len())))
}

async fn plan_named(desk: &TestDesk<'_>, name: &str) -> Result<RecoveryPlan, Fault> {
    let plans = desk.prism.recovery_plans().await.map_err(|error| fault(&error))?;
    let mut named = plans.iter().filter(|plan| plan.name == name);
    match (named.next(), named.next()) {
        (Some(plan), None) => Ok(plan.clone()),
        (found, _) => {
            let have: Vec<String> = plans.iter().map(|plan| format!("`{}`", plan.name)).collect();
            let count = if found.is_none() { "no recovery plan" } else { "several recovery plans" };
            let message = format!("{} has {count} named `{name}` (it has {})", desk.central, have.join(", "));
            Err(Fault::new(FaultName::InvalidInput, message))
        }
    }
}

/// The job of a test, by its id or its name.
async fn find_job(desk: &TestDesk<'_>, test: &TestFailover) -> Result<Option<RecoveryJob>, Fault> {
    let since = test.begun.checked_sub(SET_BACK).unwrap_or(Timestamp::UNIX_EPOCH);
    let jobs = desk.prism.recovery_jobs(since).await.map_err(|error| fault(&error))?;
    let ours = |job: &RecoveryJob| match &test.job {
        Some(id) => job.id == *id,
        None => job.name == test.name && job.plan.as_ref() == Some(&test.plan),
    };
    Ok(jobs.into_iter().find(ours))
}

async fn note_job(desk: &TestDesk<'_>, kept: KeptTest, job: &RecoveryJob) -> Result<KeptTest, Fault> {
    if kept.test.job.as_ref() == Some(&job.id) {
        return Ok(kept);
    }
    let test = TestFailover { job: Some(job.id.clone()), ..kept.test.clone() };
    put(desk, Some(&kept), test).await
}

/// Keeps the sweep away from a test that the drill looks after.
async fn look_after(desk: &TestDesk<'_>, kept: KeptTest) -> Result<KeptTest, Fault> {
    let test = TestFailover { until: until(desk), ..kept.test.clone() };
    put(desk, Some(&kept), test).await
}

fn until(desk: &TestDesk<'_>) -> Timestamp {
    desk.now.checked_add(LOOKED_AFTER).unwrap_or(desk.now)
}

/// Writes a test down in place of what was read.
async fn put(desk: &TestDesk<'_>, before: Option<&KeptTest>, test: TestFailover) -> Result<KeptTest, Fault> {
    let name = test.name.clone();
    let stored = desk.tests.put(desk.central, before, test).await?;
    stored.ok_or_else(|| {
        Fault::new(
            FaultName::Unavailable,
            format!("test failover `{name}` was changed by another invocation meanwhile; try again"),
        )
    })
}

fn refused(message: String) -> Fault {
    Fault::new(FaultName::Refused, message)
}

fn fault(error: &NutanixError) -> Fault {
    Fault::new(error.fault_name().unwrap_or(FaultName::Unavailable), error.to_string())
}

fn over_words(over: TestOver) -> String {
    match over {
        TestOver::Cleaned { at } => format!("it was cleaned at {at}"),
        TestOver::NeverStarted { at } => format!("it never had a job, as was certain at {at}"),
    }
}

/// The beginning of an id, so that two tests of one second have two names.
fn short(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(8).collect()
}
