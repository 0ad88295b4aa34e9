//! The clean-up of a test: ours, and none of anybody else.

use holdfast_model::{ExtId, Fault};
use holdfast_nutanix::{Fate, NutanixError, RecoveryAction, RecoveryJob, TimeLimit};
use holdfast_store::{Cleaning, KeptTest, TestFailover, TestOver};
use jiff::{SignedDuration, Timestamp};

use super::{CHANGE, MAY_SHOW, TestDesk, fault, find_job, note_job, put};
use crate::finished::has_ended;

/// How long one invocation has to clean before another may: longer than any invocation lasts.
const CLEANS: SignedDuration = SignedDuration::from_mins(10);

/// What became of a clean-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaned {
    /// Nothing of the test is there.
    Over(KeptTest),
    /// Something of it is there, or may be.
    Open {
        /// The test.
        kept: KeptTest,
        /// What stands in the way.
        why: String,
    },
}

/// Cleans a test up, as far as that can be done now. Asked again, it goes on.
///
/// # Flow
/// Its job is looked for; one that runs is waited for. Where copies of it are left, whoever writes down first that it cleans them asks Prism Central,
/// which by v4 removes the copies of the *last* test of a plan: so that has to be ours. Then the copies are looked for again.
///
/// # Guarantees
/// Nothing of another test is removed. It is over only when every VM that the job made was seen to be gone.
///
/// # Errors
/// What Prism Central and table can return; the next call does the rest.
pub async fn clean(desk: &TestDesk<'_>, kept: KeptTest) -> Result<Cleaned, Fault> {
    if kept.test.over.is_some() {
        return Ok(Cleaned::Over(kept));
    }
    let Some(job) = find_job(desk, &kept.test).await? else {
        if kept.test.job.is_none() && desk.now.duration_since(kept.test.begun) < MAY_SHOW {
            return Ok(open(kept, "its job may still show"));
        }
        let over = match &kept.test.job {
            // Whoever removes a job from the list has cleaned it: Prism Central keeps it otherwise.
            Some(job) if !copies_known(desk, &kept.test, job).await?.is_empty() => {
                return Ok(open(kept, "its job is not listed any more, and VMs of it are there; remove them by hand"));
            }
            Some(_) => TestOver::Cleaned { at: desk.now },
            None => TestOver::NeverStarted { at: desk.now },
        };
        return ended(desk, kept, over).await;
    };
    let kept = note_job(desk, kept, &job).await?;
    if !has_ended(&job) {
        return Ok(open(kept, "its job is under way"));
    }
    if copies_left(desk, &job.id).await?.is_empty() {
        return ended(desk, kept, TestOver::Cleaned { at: desk.now }).await;
    }
    if let Some(later) = later_test(desk, &kept.test, &job).await? {
        let why = format!(
            "test `{}` ({}) of the same recovery plan is later and was not started by us: clean that one first",
            later.name, later.id
        );
        return Ok(open(kept, &why));
    }
    let kept = match claim(desk, kept).await? {
        Ok(kept) => kept,
        Err(open) => return Ok(open),
    };
    let asked = desk.prism.clean_up_test(&kept.test.plan, &job.id, &TimeLimit::after(CHANGE)).await;
    let left = copies_left(desk, &job.id).await?;
    if left.is_empty() {
        return ended(desk, kept, TestOver::Cleaned { at: desk.now }).await;
    }
    let test = TestFailover { cleaning: None, ..kept.test.clone() };
    let kept = put(desk, Some(&kept), test).await?;
    let why = match asked {
        Ok(()) => format!("{} VMs of it are still there", left.len()),
        Err(error) => format!("{} VMs of it are still there: {error}", left.len()),
    };
    Ok(open(kept, &why))
}

fn open(kept: KeptTest, why: &str) -> Cleaned {
    Cleaned::Open { kept, why: why.to_owned() }
}

async fn ended(desk: &TestDesk<'_>, kept: KeptTest, over: TestOver) -> Result<Cleaned, Fault> {
    let test = TestFailover { over: Some(over), cleaning: None, ..kept.test.clone() };
    put(desk, Some(&kept), test).await.map(Cleaned::Over)
}

/// Makes sure that nobody else asks for the clean-up meanwhile: asked twice, Prism Central would go on to the test before ours.
async fn claim(desk: &TestDesk<'_>, kept: KeptTest) -> Result<Result<KeptTest, Cleaned>, Fault> {
    if let Some(other) = kept.test.cleaning.as_ref().filter(|it| it.until > desk.now && it.by != desk.invocation) {
        let why = format!("`{}` cleans it, until {} at the latest", other.by, other.until);
        return Ok(Err(open(kept, &why)));
    }
    let until = desk.now.checked_add(CLEANS).unwrap_or(desk.now);
    let cleaning = Some(Cleaning { by: desk.invocation.to_owned(), until });
    let test = TestFailover { cleaning, ..kept.test.clone() };
    put(desk, Some(&kept), test).await.map(Ok)
}

/// A later test of the plan that is not ours, where Prism Central would clean that one.
async fn later_test(
    desk: &TestDesk<'_>,
    test: &TestFailover,
    ours: &RecoveryJob,
) -> Result<Option<RecoveryJob>, Fault> {
    if desk.prism.cleans_one_test().await.map_err(|error| fault(&error))? {
        return Ok(None);
    }
    let since = ours.started.unwrap_or(Timestamp::UNIX_EPOCH);
    let jobs = desk.prism.recovery_jobs(since).await.map_err(|error| fault(&error))?;
    let of_plan =
        |job: &RecoveryJob| job.plan.as_ref() == Some(&test.plan) && job.action == RecoveryAction::TestFailover;
    Ok(jobs.into_iter().find(|job| of_plan(job) && job.id != ours.id))
}

/// VMs that a job made and that are still there.
pub(super) async fn copies_left(desk: &TestDesk<'_>, job: &ExtId) -> Result<Vec<ExtId>, Fault> {
    let entities = desk.prism.recovered_entities(job).await.map_err(|error| fault(&error))?;
    let made = entities.into_iter().filter_map(|entity| match entity.fate {
        Fate::Recovered(vm) | Fate::Failed { vm: Some(vm), .. } => Some(vm),
        Fate::Failed { vm: None, .. } | Fate::Pending => None,
    });
    there(desk, made).await
}

/// The same of a job that is not listed any more, as far as it was looked at.
async fn copies_known(desk: &TestDesk<'_>, test: &TestFailover, job: &ExtId) -> Result<Vec<ExtId>, Fault> {
    match copies_left(desk, job).await {
        Ok(left) => Ok(left),
        Err(_) => {
            let seen = test.seen.iter().flat_map(|seen| seen.vms.values()).filter_map(|copy| copy.vm.clone());
            there(desk, seen).await
        }
    }
}

async fn there(desk: &TestDesk<'_>, vms: impl Iterator<Item = ExtId>) -> Result<Vec<ExtId>, Fault> {
    let mut left = Vec::new();
    for vm in vms {
        match desk.prism.vm(&vm).await {
            Ok(_) => left.push(vm),
            Err(NutanixError::NotFound { .. }) => {}
            Err(error) => return Err(fault(&error)),
        }
    }
    Ok(left)
}
