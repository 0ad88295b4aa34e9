//! The status of an operation: a pure fold over its journal. What cannot have happened is an error.

use crate::{Entry, Event};
use holdfast_model::OperationId;
use holdfast_plan::{Plan, Step};
use std::collections::BTreeSet;

/// Where an operation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// Positions of steps that were about to be written and are not known to be done.
    pub started: BTreeSet<u32>,
    /// Positions of steps that were read back as wanted.
    pub done: BTreeSet<u32>,
    /// Number of the next entry.
    pub next: u32,
}

/// What an operation is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Planned; no invocation has begun to work at it.
    Planned,
    /// An invocation works at it, or died at it.
    Working,
    /// It waits for a person.
    Held(String),
    /// Every step is done; where there is none, somebody has taken it.
    Finished,
    /// Another operation took it back, or replaced it.
    Superseded(OperationId),
}

/// Why a journal cannot be what happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of the journal cannot be: {why}")]
pub struct Illegal {
    /// Number of the entry.
    pub seq: u32,
    /// Why not.
    pub why: String,
}

impl Status {
    /// Folds a journal.
    ///
    /// # Errors
    /// The first entry that cannot be.
    pub fn fold(plan: &Plan, entries: &[Entry]) -> Result<Self, Illegal> {
        let mut status = Status { phase: Phase::Planned, started: BTreeSet::new(), done: BTreeSet::new(), next: 0 };
        for entry in entries {
            status.entry(plan, entry)?;
        }
        Ok(status)
    }

    /// Folds one more entry.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn entry(&mut self, plan: &Plan, entry: &Entry) -> Result<(), Illegal> {
        let illegal = |why: String| Illegal { seq: entry.seq, why };
        if entry.seq != self.next {
            return Err(illegal(format!("its number should be {}", self.next)));
        }
        for event in &entry.events {
            self.event(plan, event).map_err(illegal)?;
        }
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    fn event(&mut self, plan: &Plan, event: &Event) -> Result<(), String> {
        match (event, &self.phase) {
            (_, Phase::Superseded(by)) => return Err(format!("{by} took the operation back, or replaced it, before")),
            (Event::Superseded { by, .. }, _) => self.phase = Phase::Superseded(by.clone()),
            // Whoever takes an operation without steps has finished it.
            (Event::Taken { .. }, Phase::Finished) if plan.is_empty() => {}
            (_, Phase::Finished) => return Err("the operation was finished before".to_owned()),
            (Event::Taken { .. }, _) if plan.is_empty() => self.phase = Phase::Finished,
            (Event::Taken { .. }, _) => self.phase = Phase::Working,
            (_, Phase::Planned | Phase::Held(_)) => return Err("nobody had taken the operation".to_owned()),
            (Event::Started { steps }, Phase::Working) => self.start(plan, steps)?,
            (Event::Done { steps }, Phase::Working) => {
                for step in steps {
                    if !self.started.remove(step) {
                        return Err(format!("step {step} was not started"));
                    }
                    self.done.insert(*step);
                }
                if self.done.len() == plan.steps().count() {
                    self.phase = Phase::Finished;
                }
            }
            (Event::Held { reason }, Phase::Working) => self.phase = Phase::Held(reason.clone()),
        }
        Ok(())
    }

    fn start(&mut self, plan: &Plan, steps: &[u32]) -> Result<(), String> {
        // First position behind each stage.
        let ends: Vec<u32> = plan
            .stages
            .iter()
            .scan(0_u32, |end, stage| {
                *end = end.saturating_add(u32::try_from(stage.len()).unwrap_or(u32::MAX));
                Some(*end)
            })
            .collect();
        let count = ends.last().copied().unwrap_or(0);
        let open = (0..count).find(|at| !self.done.contains(at)).unwrap_or(count);
        for step in steps {
            if self.done.contains(step) {
                return Err(format!("step {step} was done before"));
            }
            let stage = ends.partition_point(|end| end <= step);
            if stage == ends.len() {
                return Err(format!("the plan has no step {step}"));
            }
            let begin = stage.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
            if open < begin {
                return Err(format!("step {step} began before step {open} of an earlier stage was done"));
            }
            self.started.insert(*step);
        }
        Ok(())
    }

    /// Steps that are done, and steps that are left, in order of the plan.
    #[must_use]
    pub fn split<'p>(&self, plan: &'p Plan) -> (Vec<&'p Step>, Vec<&'p Step>) {
        let numbered = plan.steps().zip(0_u32..);
        let (done, left): (Vec<_>, Vec<_>) = numbered.partition(|(_, at)| self.done.contains(at));
        (done.into_iter().map(|(step, _)| step).collect(), left.into_iter().map(|(step, _)| step).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Holder;
    use holdfast_model::{AccountName, NetworkName, Prefix, Region, RouteTableId, Scope, SiteName, TableName};
    use holdfast_plan::{Place, RouteValue};

    fn step(table: &str) -> Step {
        Step {
            table: RouteTableId::parse(format!("tgw-rtb-{table:0>8}")).unwrap(),
            name: TableName::parse(table).unwrap(),
            tag: None,
            scope: Scope {
                account: AccountName::parse("main").unwrap(),
                region: Region::parse("ap-northeast-1").unwrap(),
            },
            networks: [NetworkName::parse("app").unwrap()].into(),
            place: Place::Route { prefix: Prefix::parse("172.30.1.0/24").unwrap() },
            before: RouteValue::Absent,
            after: RouteValue::Blackhole,
            why: String::new(),
        }
    }

    fn plan() -> Plan {
        Plan {
            networks: [NetworkName::parse("app").unwrap()].into(),
            to: SiteName::parse("x").unwrap(),
            hosts: None,
            stages: vec![vec![step("a"), step("b")], vec![step("c")]],
        }
    }

    fn entry(seq: u32, events: &[Event]) -> Entry {
        let by = Holder { execution: "e".into(), invocation: "i".into() };
        Entry { v: 1, seq, by, at: "2026-01-02T03:04:05Z".parse().unwrap(), events: events.to_vec() }
    }

    fn taken() -> Event {
        Event::Taken { force: None }
    }

    fn started(steps: &[u32]) -> Event {
        Event::Started { steps: steps.to_vec() }
    }

    fn done(steps: &[u32]) -> Event {
        Event::Done { steps: steps.to_vec() }
    }

    fn why(events: &[Event]) -> String {
        Status::fold(&plan(), &[entry(0, events)]).unwrap_err().why
    }

    #[test]
    fn every_prefix_of_a_good_journal_is_legal() {
        let held = Event::Held { reason: "r".into() };
        let entries = [
            entry(0, &[taken(), started(&[0, 1])]),
            entry(1, &[done(&[0]), held]),
            entry(2, &[taken(), started(&[1])]),
            entry(3, &[done(&[1]), started(&[2])]),
            entry(4, &[done(&[2])]),
            entry(5, &[Event::Superseded { by: OperationId::parse("op-00000002").unwrap(), force: None }]),
        ];
        for count in 0..=entries.len() {
            let status = Status::fold(&plan(), &entries[..count]).unwrap();
            assert_eq!(status.next as usize, count);
        }
        assert_eq!(Status::fold(&plan(), &entries[..5]).unwrap().phase, Phase::Finished);
        assert_eq!(Status::fold(&plan(), &entries[..2]).unwrap().phase, Phase::Held("r".into()));
        let status = Status::fold(&plan(), &entries[..2]).unwrap();
        assert_eq!(status.split(&plan()).0.len(), 1);
    }

    #[test]
    fn an_operation_without_steps_is_finished_by_whoever_takes_it() {
        let plan = Plan { stages: Vec::new(), ..plan() };
        let phase = |events: &[Event]| Status::fold(&plan, &[entry(0, events)]).unwrap().phase;
        assert_eq!(phase(&[]), Phase::Planned);
        assert_eq!(phase(&[taken()]), Phase::Finished);
        assert_eq!(phase(&[taken(), taken()]), Phase::Finished);
        assert!(Status::fold(&plan, &[entry(0, &[taken(), Event::Held { reason: String::new() }])]).is_err());
    }

    #[test]
    fn what_cannot_have_happened_is_an_error() {
        assert_eq!(why(&[started(&[0])]), "nobody had taken the operation");
        assert_eq!(why(&[taken(), done(&[0])]), "step 0 was not started");
        assert_eq!(why(&[taken(), started(&[7])]), "the plan has no step 7");
        assert_eq!(why(&[taken(), started(&[2])]), "step 2 began before step 0 of an earlier stage was done");
        assert_eq!(why(&[taken(), started(&[0]), done(&[0]), started(&[0])]), "step 0 was done before");
        let all = [taken(), started(&[0, 1]), done(&[0, 1]), started(&[2]), done(&[2])];
        assert_eq!(why(&[&all[..], &[taken()]].concat()), "the operation was finished before");
        let by = Event::Superseded { by: OperationId::parse("op-00000002").unwrap(), force: None };
        assert_eq!(why(&[by, taken()]), "op-00000002 took the operation back, or replaced it, before");
        assert_eq!(
            why(&[taken(), Event::Held { reason: String::new() }, started(&[0])]),
            "nobody had taken the operation"
        );
        assert!(Status::fold(&plan(), &[entry(1, &[taken()])]).is_err());
    }
}
