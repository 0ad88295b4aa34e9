//! The lock item of a network: which operation is open on it, and who may have a call under way.

use crate::{Holder, Intent, Operation, Owed, Phase};
use holdfast_model::{NetworkName, OperationId, SiteName};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Moves of a network are remembered for so long: `most_swaps_a_day` counts them.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// The lock of one network. A network that was never locked has [`Lock::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this document's form: 1.
    pub v: u32,
    /// Grows by one with each change of this item: what a compare-and-swap compares.
    pub fence: u64,
    /// The open operation.
    pub open: Option<Open>,
    /// The invocation that may have a call under way; none once it, and all before it, said that they stopped.
    pub lease: Option<Lease>,
    /// What the tables of a Region that was lost still have to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
    /// When the last operation that moved the network ended: what was seen of its machines before tells nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Timestamp>,
    /// When operations that moved the network ended, the last of them and those of the day before it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub moves: BTreeSet<Timestamp>,
    /// Where the last operation that moved the whole network left it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
}

/// Where an operation left a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Left {
    /// The operation.
    pub operation: OperationId,
    /// The site.
    pub site: SiteName,
}

impl Default for Lock {
    fn default() -> Self {
        Self { v: 1, fence: 0, open: None, lease: None, owed: None, moved_at: None, moves: BTreeSet::new(), left: None }
    }
}

impl Lock {
    /// The lease, where it has not run out.
    #[must_use]
    pub fn leased(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.until > now)
    }

    /// The lock without the operation, which has ended. A network that was locked beside those that moved keeps what it has.
    pub(crate) fn freed(self, network: &NetworkName, operation: &Operation, phase: &Phase, at: Timestamp) -> Self {
        if !operation.plan.networks.contains(network) {
            return Self { open: None, ..self };
        }
        let plan = &operation.plan;
        let owed = match phase {
            // Whoever superseded it leaves behind what is owed.
            Phase::Superseded(_) => self.owed,
            Phase::Planned | Phase::Working | Phase::Held(_) | Phase::Finished => {
                Owed::after(self.owed.as_ref(), &operation.id, operation.intent.lost(), &plan.to, plan.hosts.as_ref())
            }
        };
        let left = match phase {
            Phase::Finished if plan.hosts.is_none() => {
                Some(Left { operation: operation.id.clone(), site: plan.to.clone() })
            }
            Phase::Planned | Phase::Working | Phase::Held(_) | Phase::Finished | Phase::Superseded(_) => self.left,
        };
        let mut moves = self.moves;
        moves.insert(at);
        let last = moves.last().copied().unwrap_or(at);
        moves.retain(|moved| last.duration_since(*moved) < A_DAY);
        Self { open: None, owed, moved_at: self.moved_at.max(Some(at)), moves, left, ..self }
    }
}

/// The operation that is open on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The operation, whose document exists.
    pub operation: OperationId,
    /// What it is for.
    pub intent: Intent,
    /// Since when.
    pub since: Timestamp,
}

/// The time until which an invocation may have a call under way: its deadline plus the time-out of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Whose.
    pub holder: Holder,
    /// Until when.
    pub until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_of_a_day_are_remembered_of_the_networks_that_moved() {
        let golden: serde_json::Value = serde_json::from_str(include_str!("../tests/golden/v2.json")).unwrap();
        let operation: Operation = serde_json::from_value(golden["operation"].clone()).unwrap();
        let at = |time: &str| -> Timestamp { time.parse().unwrap() };
        let times = ["2026-01-02T03:00:00Z", "2026-01-02T09:00:00Z", "2026-01-03T03:00:00Z"];
        let moved = |network: &str| {
            let network = NetworkName::parse(network).unwrap();
            let ends = [
                (times[0], Phase::Finished),
                (times[1], Phase::Superseded(OperationId::parse("op-00000002").unwrap())),
                (times[2], Phase::Finished),
            ];
            ends.into_iter()
                .fold(Lock::default(), |lock, (time, phase)| lock.freed(&network, &operation, &phase, at(time)))
        };
        let app = moved("app");
        assert_eq!((app.moves, app.moved_at), ([times[1], times[2]].map(at).into(), Some(at(times[2]))));
        assert_eq!(moved("beside").moves, BTreeSet::new());
    }
}
