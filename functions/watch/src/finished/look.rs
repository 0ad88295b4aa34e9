//! What Prism Centrals and Move appliances say of their own jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_model::{MoveName, PrismName};
use holdfast_nutanix::{Move, MoveRecord, MoveState, NutanixError, Prism, RecoveryJob, RecoveryState};
use jiff::{SignedDuration, Timestamp};

/// The longest that an appliance may take to tell of its jobs. One that is slower is unknown, and the next poll comes in a minute.
pub const LOOK: Duration = Duration::from_secs(45);

/// How long all appliances are waited for before those that have answered are heard: a Prism Central that runs tells of its jobs in less.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How far before the oldest job that counts is asked for, so that a clock of Prism Central that is set back hides none.
const SET_BACK: SignedDuration = SignedDuration::from_hours(24);

/// The appliances of the map; for one that cannot be asked at all, why.
#[derive(Debug, Default)]
pub struct Eyes {
    /// Prism Centrals.
    pub prisms: BTreeMap<PrismName, Result<Prism, String>>,
    /// Move appliances.
    pub moves: BTreeMap<MoveName, Result<Move, String>>,
}

/// What a Prism Central says.
#[derive(Debug, Clone)]
pub(super) struct Jobs {
    /// Its recovery jobs by which VMs change sides.
    pub(super) jobs: Vec<RecoveryJob>,
    /// The side that it is, in the words of its jobs.
    pub(super) side: Option<String>,
}

/// Awaits an answer, but not for ever.
pub(super) async fn within<T>(look: impl Future<Output = Result<T, NutanixError>>) -> Result<T, String> {
    match tokio::time::timeout(LOOK, look).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("it did not tell of its jobs within {} s", LOOK.as_secs())),
    }
}

/// The jobs of a Prism Central that began at `since` or later, by its own clock.
pub(super) async fn jobs(prism: &Prism, since: Option<Timestamp>) -> Result<Jobs, NutanixError> {
    let since = since.and_then(|since| since.checked_sub(SET_BACK).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let jobs = prism.recovery_jobs(since).await?;
    let jobs = jobs.into_iter().filter(|job| job.action.moves()).collect();
    Ok(Jobs { jobs, side: prism.side().await.ok().flatten() })
}

/// Whether nothing more comes of a job. A word that tells of an abort may tell of one that goes on: only an end does.
pub(crate) fn has_ended(job: &RecoveryJob) -> bool {
    match job.state {
        RecoveryState::Succeeded | RecoveryState::Warned | RecoveryState::Failed => true,
        RecoveryState::Aborted | RecoveryState::Unknown(_) => job.ended.is_some(),
        RecoveryState::Unfinished(_) => false,
    }
}

/// From when on a Prism Central has to be asked for what may still end: the oldest job that has not, or the newest of all.
pub(super) fn since(jobs: &[RecoveryJob]) -> Option<Timestamp> {
    let open = jobs.iter().filter(|job| !has_ended(job)).filter_map(|job| job.started).min();
    open.or_else(|| jobs.iter().filter_map(|job| job.started).max())
}

/// What a machine of Move is known by, and how far it is, as it is kept: `<machine>=<VM>` or `<machine>=failed <why>`; nothing where it is neither.
pub(super) fn end_of(record: &MoveRecord) -> Option<String> {
    let machine = record.instance.as_ref().map_or(record.name.as_str(), |instance| instance.as_str());
    match record.state {
        MoveState::Finished => Some(format!("{machine}={}", record.vm.as_ref().map_or("?", |vm| vm.as_str()))),
        MoveState::Unfinished(_) | MoveState::Test if record.failed() => {
            Some(format!("{machine}=failed {}", record.error.as_deref().unwrap_or_default()))
        }
        MoveState::Unfinished(_) | MoveState::Test => None,
    }
}

/// Ends of all machines.
pub(super) fn ends<'a>(records: impl IntoIterator<Item = &'a MoveRecord>) -> BTreeSet<String> {
    records.into_iter().filter_map(end_of).collect()
}
