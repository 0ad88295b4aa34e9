//! Recovery plans and the jobs that run them, in one form for every level of the API.

use std::collections::BTreeMap;

use holdfast_model::ExtId;
use jiff::Timestamp;
use serde_json::Value;

use crate::json::text;

/// A recovery plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryPlan {
    /// The plan.
    pub id: ExtId,
    /// Its name.
    pub name: String,
    /// Its sides, the primary one first: domain managers (v4) or URLs of availability zones (v3).
    pub sides: Vec<String>,
}

impl RecoveryPlan {
    /// The side other than `own`, where there is exactly one.
    pub(super) fn opposite(&self, own: Option<&str>) -> Option<&str> {
        let others: Vec<&String> = self.sides.iter().filter(|side| Some(side.as_str()) != own).collect();
        match others.as_slice() {
            [other] if self.sides.len() == 2 => Some(other),
            _ => None,
        }
    }
}

/// What a recovery job is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryAction {
    /// A look at whether the plan could run.
    Validate,
    /// Copies of the VMs in a test network.
    TestFailover,
    /// VMs change sides, by the will of both.
    Planned,
    /// VMs change sides while they run.
    Live,
    /// VMs are started from what was replicated.
    Unplanned,
    /// A word that is not known here.
    Other(String),
}

impl RecoveryAction {
    /// Whether VMs change sides by it. What is not known moves nothing.
    #[must_use]
    pub fn moves(&self) -> bool {
        match self {
            RecoveryAction::Planned | RecoveryAction::Live | RecoveryAction::Unplanned => true,
            RecoveryAction::Validate | RecoveryAction::TestFailover | RecoveryAction::Other(_) => false,
        }
    }
}

/// How a recovery job stands. VMs may have moved by one that failed or was aborted, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveryState {
    /// Not ended, in the words of Prism Central.
    Unfinished(String),
    /// Ended well.
    Succeeded,
    /// Ended with a warning.
    Warned,
    /// Failed, as a whole or in part.
    Failed,
    /// Ended by a person.
    Aborted,
    /// Ended, in words that are not known here.
    Unknown(String),
}

/// Where a recovery job takes the VMs, seen from the Prism Central that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    /// To the side of this Prism Central.
    Here,
    /// To another side.
    Elsewhere,
    /// It does not tell, or tells of several.
    Unknown,
}

/// A run of a recovery plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryJob {
    /// The job.
    pub id: ExtId,
    /// Its name.
    pub name: String,
    /// The recovery plan.
    pub plan: Option<ExtId>,
    /// What it is for.
    pub action: RecoveryAction,
    /// How it stands.
    pub state: RecoveryState,
    /// When it began, by the clock of Prism Central; none for one that has not.
    pub started: Option<Timestamp>,
    /// When it ended, by the clock of Prism Central.
    pub ended: Option<Timestamp>,
    /// The side that the VMs come from: a domain manager (v4) or the URL of an availability zone (v3).
    pub from: Option<String>,
    /// The side that they go to, likewise.
    pub to: Option<String>,
    /// Whether that is the side of the Prism Central that was asked.
    pub toward: Toward,
}

impl RecoveryJob {
    /// Tells which way it goes, seen from the side `own`.
    pub(super) fn seen_from(&mut self, own: Option<&str>) {
        self.toward = match (&self.to, own) {
            (Some(to), Some(own)) if to == own => Toward::Here,
            (Some(_), Some(_)) => Toward::Elsewhere,
            (None, _) | (_, None) => Toward::Unknown,
        };
    }
}

/// What became of one VM of a recovery job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is this VM now; the id may be the old one.
    Recovered(ExtId),
    /// It failed, in the words of Prism Central. There may be a VM all the same.
    Failed {
        /// The VM that it became.
        vm: Option<ExtId>,
        /// Why.
        why: String,
    },
    /// Nothing yet.
    Pending,
}

/// A VM of a recovery job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredEntity {
    /// The VM at the side that it comes from.
    pub source: ExtId,
    /// Its name.
    pub name: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// A moment at a JSON pointer.
pub(super) fn moment(value: &Value, pointer: &str) -> Option<Timestamp> {
    text(value, pointer)?.parse().ok()
}

/// Jobs newest first, each once: one that has not begun comes before all others, and of those that have, what began before
/// `since` is left out.
pub(super) fn newest_first(jobs: Vec<RecoveryJob>, since: Timestamp) -> Vec<RecoveryJob> {
    let mut by_id: BTreeMap<ExtId, RecoveryJob> = jobs.into_iter().map(|job| (job.id.clone(), job)).collect();
    by_id.retain(|_, job| job.started.is_none_or(|started| started >= since));
    let mut jobs: Vec<RecoveryJob> = by_id.into_values().collect();
    jobs.sort_by_key(|job| std::cmp::Reverse(job.started.unwrap_or(Timestamp::MAX)));
    jobs
}

/// What the steps of a job say of its VMs, put together.
#[derive(Debug, Default)]
pub(super) struct Steps {
    names: BTreeMap<ExtId, Option<String>>,
    recovered: BTreeMap<ExtId, ExtId>,
    failed: Vec<(ExtId, String)>,
}

impl Steps {
    /// A step works on this VM, which may be the source or what came of it.
    pub(super) fn touches(&mut self, vm: ExtId, name: Option<&str>) {
        let known = self.names.entry(vm).or_default();
        if known.is_none() {
            *known = name.map(str::to_owned);
        }
    }

    /// `source` is the VM `vm` now.
    pub(super) fn recovered(&mut self, source: ExtId, vm: ExtId, name: Option<&str>) {
        self.touches(source.clone(), name);
        self.recovered.insert(source, vm);
    }

    /// A step of this VM failed, which may be the source or what came of it.
    pub(super) fn failed(&mut self, vm: ExtId, why: &str) {
        self.touches(vm.clone(), None);
        self.failed.push((vm, why.to_owned()));
    }

    /// Each source VM and what became of it, in the order of their ids.
    pub(super) fn entities(self) -> Vec<RecoveredEntity> {
        let Self { names, recovered, failed } = self;
        let sources: BTreeMap<&ExtId, &ExtId> = recovered.iter().map(|(source, vm)| (vm, source)).collect();
        let is_source = |vm: &ExtId| recovered.contains_key(vm) || !sources.contains_key(vm);
        names
            .iter()
            .filter(|(vm, _)| is_source(vm))
            .map(|(source, name)| {
                let vm = recovered.get(source);
                let why = failed.iter().find(|(failed, _)| failed == source || Some(failed) == vm);
                let fate = match (why, vm) {
                    (Some((_, why)), vm) => Fate::Failed { vm: vm.cloned(), why: why.clone() },
                    (None, Some(vm)) => Fate::Recovered(vm.clone()),
                    (None, None) => Fate::Pending,
                };
                RecoveredEntity { source: source.clone(), name: name.clone(), fate }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(last: u8) -> ExtId {
        ExtId::parse(format!("11111111-1111-4111-8111-1111111111{last:02}")).unwrap()
    }

    #[test]
    fn a_failed_step_after_the_recovery_counts_against_the_vm_that_came_of_it() {
        let mut steps = Steps::default();
        steps.touches(id(3), Some("db-1"));
        steps.recovered(id(1), id(2), Some("web-1"));
        steps.failed(id(2), "does not start");
        let fates: Vec<_> = steps.entities().into_iter().map(|it| (it.source, it.name, it.fate)).collect();
        let failed = Fate::Failed { vm: Some(id(2)), why: "does not start".into() };
        assert_eq!(fates, [(id(1), Some("web-1".into()), failed), (id(3), Some("db-1".into()), Fate::Pending)]);
    }

    #[test]
    fn a_vm_that_keeps_its_id_is_source_and_result_at_once() {
        let mut steps = Steps::default();
        steps.recovered(id(1), id(1), None);
        assert_eq!(steps.entities()[0].fate, Fate::Recovered(id(1)));
    }

    #[test]
    fn an_action_that_is_not_known_moves_nothing() {
        assert!(!RecoveryAction::Other("RESYNC".into()).moves() && RecoveryAction::Live.moves());
    }
}
