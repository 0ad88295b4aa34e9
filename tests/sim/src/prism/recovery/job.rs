//! Recovery jobs: one run of a recovery plan, as the Prism Central remembers it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::ids::ExtId;
use super::super::state::Prism;
use super::super::switches::{PartlyFailed, Switches};
use super::plan::Zone;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Looks whether the plan could run, and changes nothing.
    Validate,
    /// Copies of the VMs in the test network; the VMs run on.
    Test,
    /// Moves the VMs; needs both sides.
    Planned,
    /// Moves the VMs while they run; needs both sides.
    Live,
    /// Starts the VMs from what was replicated; needs only the side that recovers.
    Unplanned,
}

impl Kind {
    /// Whether VMs change sides.
    pub fn moves(self) -> bool {
        match self {
            Self::Planned | Self::Live | Self::Unplanned => true,
            Self::Validate | Self::Test => false,
        }
    }

    /// Whether the side that the VMs come from has to answer.
    pub(super) fn needs_source(self) -> bool {
        match self {
            Self::Planned | Self::Live => true,
            Self::Unplanned | Self::Validate | Self::Test => false,
        }
    }

    /// The word of the control interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Test => "test",
            Self::Planned => "planned",
            Self::Live => "live",
            Self::Unplanned => "unplanned",
        }
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted, not begun.
    Queued,
    /// Under way.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended, with something to look at.
    SucceededWithWarning,
    /// Ended; VMs may have moved all the same.
    Failed,
    /// Ended by a person; VMs may have moved all the same.
    Aborted,
}

/// What became of one VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Not yet its turn.
    Waiting,
    /// It is this VM now.
    Recovered(ExtId),
    /// It is not, and why.
    Failed(String),
}

/// One VM of a job.
#[derive(Debug, Clone, Serialize)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// Its id at the side that it comes from.
    pub source: ExtId,
    /// What became of it.
    pub fate: Fate,
    /// When that was.
    pub at: Option<Timestamp>,
}

/// A recovery job.
#[derive(Debug, Clone, Serialize)]
pub struct Job {
    /// Its id.
    pub ext_id: ExtId,
    /// Its name.
    pub name: String,
    /// Id of the recovery plan.
    pub plan: ExtId,
    /// Name of the recovery plan.
    pub plan_name: String,
    /// What it does.
    pub kind: Kind,
    /// The side that the VMs come from.
    pub from: Zone,
    /// The side that recovers; the job was started there.
    pub to: Zone,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub state: State,
    /// Whether its validation has something to say.
    pub warning: bool,
    /// Its VMs.
    pub entities: Vec<Entity>,
    /// Reads of jobs after which it ends, where a client started it.
    #[serde(skip)]
    pub(super) reads_left: Option<u32>,
    /// When the VMs of a test were removed.
    pub cleaned_up: Option<Timestamp>,
}

impl Job {
    /// Completed part, in per cent.
    pub(in super::super) fn percentage(&self) -> usize {
        let done = self.entities.iter().filter(|entity| entity.fate != Fate::Waiting).count();
        match self.state {
            State::Queued => 0,
            State::Running => (done * 100).checked_div(self.entities.len()).unwrap_or(0).min(99),
            State::Succeeded | State::SucceededWithWarning | State::Failed | State::Aborted => 100,
        }
    }

    /// The VMs that came of it.
    pub(super) fn made(&self) -> impl Iterator<Item = ExtId> {
        self.entities.iter().filter_map(|entity| match entity.fate {
            Fate::Recovered(vm) => Some(vm),
            Fate::Waiting | Fate::Failed(_) => None,
        })
    }

    /// What a job ends with once every VM has its fate.
    pub(super) fn verdict(&self, switches: &Switches) -> State {
        let failed = self.entities.iter().filter(|entity| matches!(entity.fate, Fate::Failed(_))).count();
        let partly = failed > 0 && failed < self.entities.len();
        match switches.partly_failed_job {
            PartlyFailed::Warning if partly => State::SucceededWithWarning,
            PartlyFailed::Warning | PartlyFailed::Failed if failed > 0 => State::Failed,
            PartlyFailed::Warning | PartlyFailed::Failed if self.warning => State::SucceededWithWarning,
            PartlyFailed::Warning | PartlyFailed::Failed => State::Succeeded,
        }
    }
}

impl Prism {
    /// The jobs that this Prism Central shows: those that were started here (nutanix-api E.1), or all that it took part in.
    pub(in super::super) fn jobs_shown(&self, switches: &Switches) -> impl Iterator<Item = &Job> {
        let all = switches.jobs_on_both_sides;
        self.jobs.values().filter(move |job| all || job.to.ext_id == self.ext_id)
    }
}
