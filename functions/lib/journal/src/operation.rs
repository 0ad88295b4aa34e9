//! The operation as it is stored once and never changed, and who works at it.

use holdfast_model::{
    EventId, EvidenceId, MapRef, NetworkMap, NetworkName, OperationId, Region, SiteName, wire::Force,
};
use holdfast_plan::Plan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What an operation is for. Starting again with an equal intent resumes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Intent {
    /// Networks move to a site.
    Move {
        /// The networks.
        networks: BTreeSet<NetworkName>,
        /// The site.
        to: SiteName,
        /// Only the machines with these addresses; none: whole networks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hosts: Option<BTreeSet<std::net::Ipv4Addr>>,
        /// A Region that was declared lost: its tables are not part of the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<Region>,
    },
    /// An operation is taken back.
    Undo {
        /// The operation.
        operation: OperationId,
        /// A Region that was declared lost: its tables are not part of the plan.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<Region>,
    },
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without = self.lost().map_or(String::new(), |lost| format!(" without {lost}"));
        match self {
            Intent::Move { networks, to, hosts, .. } => {
                let names: Vec<&str> = networks.iter().map(NetworkName::as_str).collect();
                let hosts = hosts.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
                let of = if hosts.is_empty() { String::new() } else { format!("{} of ", hosts.join(", ")) };
                write!(f, "move {of}{} to {to}{without}", names.join(", "))
            }
            Intent::Undo { operation, .. } => write!(f, "undo {operation}{without}"),
        }
    }
}

impl Intent {
    /// The Region that it goes on without.
    #[must_use]
    pub fn lost(&self) -> Option<&Region> {
        match self {
            Intent::Move { lost, .. } | Intent::Undo { lost, .. } => lost.as_ref(),
        }
    }

    /// Whether an operation of this intent may close an open one of `other` and go on from where the tables are: an undo of it, or the same once a
    /// Region is lost.
    #[must_use]
    pub fn replaces(&self, id: &OperationId, other: &Intent) -> bool {
        let undoes = matches!(self, Intent::Undo { operation, .. } if operation == id);
        undoes || (self.lost().is_some() && self.clone().without_loss() == *other)
    }

    /// Whether a person who forces an operation of this intent may end an open one with it: all that was to move there moves, wherever to, so that none
    /// of it stays half-way. What is no longer in the network map cannot be named, and does not count.
    #[must_use]
    pub fn covers(&self, open: &Operation, map: &NetworkMap) -> bool {
        match self {
            Intent::Move { networks, hosts, .. } => {
                let moves = |network: &NetworkName| networks.contains(network) || !map.networks.contains_key(network);
                let machines = hosts
                    .as_ref()
                    .is_none_or(|hosts| open.plan.hosts.as_ref().is_some_and(|of_open| of_open.is_subset(hosts)));
                open.plan.networks.iter().all(moves) && machines
            }
            Intent::Undo { .. } => false,
        }
    }

    fn without_loss(mut self) -> Self {
        match &mut self {
            Intent::Move { lost, .. } | Intent::Undo { lost, .. } => *lost = None,
        }
        self
    }

    /// The input that takes an operation of this intent back, as a person types it.
    #[must_use]
    pub fn undo_input(&self, id: &OperationId) -> String {
        let lost = self.lost().map_or(String::new(), |lost| format!(", \"lost\": \"{lost}\""));
        format!("{{\"undo\": \"{id}\"{lost}}}")
    }
}

/// One intent with its frozen plan. Written once, before any lock points to it; never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Version of this document's form: 2. Plans of the first named one network and one prefix a step.
    pub v: u32,
    /// Its id.
    pub id: OperationId,
    /// What it is for.
    pub intent: Intent,
    /// Site of each network before, where the tables agreed on one.
    pub from: BTreeMap<NetworkName, SiteName>,
    /// Network map that it was planned with.
    pub map: MapRef,
    /// What started it by itself; none where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Who approved that it starts; none where nobody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// A person's word in place of evidence, when it was planned.
    pub force: Option<Force>,
    /// Evidence that it was planned with.
    pub evidence: Option<EvidenceId>,
    /// Operations that it ends: those that were open on its networks when it was planned, and the one that it takes back. Whoever takes it closes them first.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub replaces: BTreeSet<OperationId>,
    /// What the evidence said, in plain words.
    pub verdict: Vec<String>,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// Execution and invocation that planned it.
    pub planned_by: Holder,
    /// The frozen plan. Large: a store may keep it in pieces.
    pub plan: Plan,
}

impl Operation {
    /// The input that replaces this operation while it is open, by a person's word, as that person types it: the same machines, led from where the tables
    /// are to a site that the person names.
    #[must_use]
    pub fn replace_input(&self) -> String {
        let quoted = |names: Vec<String>| names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let networks = quoted(self.plan.networks.iter().map(ToString::to_string).collect());
        let hosts = self.plan.hosts.as_ref().map(|hosts| quoted(hosts.iter().map(ToString::to_string).collect()));
        let hosts = hosts.map_or(String::new(), |hosts| format!(", \"hosts\": [{hosts}]"));
        format!(
            "{{\"networks\": [{networks}]{hosts}, \"to\": \"<site>\", \"force\": {{\"by\": \"<you>\", \"reason\": \"<why>\"}}}}"
        )
    }

    /// What a person is told who can neither finish this operation nor take it back.
    #[must_use]
    pub fn or_replace(&self) -> String {
        let lost = self
            .intent
            .lost()
            .map_or(String::new(), |lost| format!(" (with `\"lost\": \"{lost}\"` while that Region does not answer)"));
        format!(
            "where neither is possible, replace it: `{}`{lost}, with the site where its machines run, leads them there from where the tables are, by your word, which is recorded",
            self.replace_input()
        )
    }

    /// The site that an undo of this operation leads back to: the one that every network was at before.
    ///
    /// # Errors
    /// One line, where the tables agreed on none or the networks came from several.
    pub fn undo_to(&self) -> Result<SiteName, String> {
        let mut before = None;
        for network in &self.plan.networks {
            match (self.from.get(network), &before) {
                (None, _) => {
                    return Err(format!(
                        "the tables did not agree on a site of network `{network}` before {}; move it to the site where its machines are instead; {}",
                        self.id,
                        self.while_open()
                    ));
                }
                (Some(site), None) => before = Some(site.clone()),
                (Some(site), Some(other)) if site == other => {}
                (Some(site), Some(other)) => {
                    return Err(format!(
                        "the networks of {} were at `{other}` and `{site}` before; move each to its own site instead; {}",
                        self.id,
                        self.while_open()
                    ));
                }
            }
        }
        before.ok_or_else(|| format!("{} has no network", self.id))
    }

    fn while_open(&self) -> String {
        format!("while {} is open, only `{}` does that, by your word, and replaces it", self.id, self.replace_input())
    }
}

/// One invocation of a function: who works at an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Id of the Step Functions execution.
    pub execution: String,
    /// Id of the Lambda request, which no other invocation has.
    pub invocation: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(intent: serde_json::Value) -> Operation {
        let golden: serde_json::Value = serde_json::from_str(include_str!("../tests/golden/v2.json")).unwrap();
        let operation: Operation = serde_json::from_value(golden["operation"].clone()).unwrap();
        Operation { intent: serde_json::from_value(intent).unwrap(), ..operation }
    }

    #[test]
    fn what_replaces_an_operation_is_told_with_its_machines_and_the_region_that_it_goes_without() {
        let undo = serde_json::json!({"kind": "undo", "operation": "op-00000000", "lost": "ap-northeast-1"});
        let mut operation = operation(undo);
        operation.plan.hosts = Some(["172.30.1.34".parse().unwrap()].into());
        insta::assert_snapshot!(operation.or_replace(), @r#"where neither is possible, replace it: `{"networks": ["app", "db"], "hosts": ["172.30.1.34"], "to": "<site>", "force": {"by": "<you>", "reason": "<why>"}}` (with `"lost": "ap-northeast-1"` while that Region does not answer), with the site where its machines run, leads them there from where the tables are, by your word, which is recorded"#);
    }

    #[test]
    fn what_came_from_no_known_site_is_not_undone_and_is_told_how_it_is_ended() {
        let to = serde_json::json!({"kind": "move", "networks": ["app", "db"], "to": "nc2-osaka"});
        let mut operation = operation(to);
        operation.plan.hosts = None;
        insta::assert_snapshot!(operation.undo_to().unwrap_err(), @r#"the tables did not agree on a site of network `app` before op-00000001; move it to the site where its machines are instead; while op-00000001 is open, only `{"networks": ["app", "db"], "to": "<site>", "force": {"by": "<you>", "reason": "<why>"}}` does that, by your word, and replaces it"#);
        let (app, db) = (NetworkName::parse("app").unwrap(), NetworkName::parse("db").unwrap());
        let site = |name: &str| SiteName::parse(name).unwrap();
        operation.from = [(app.clone(), site("nc2-tokyo")), (db.clone(), site("ec2-tokyo"))].into();
        insta::assert_snapshot!(operation.undo_to().unwrap_err(), @r#"the networks of op-00000001 were at `nc2-tokyo` and `ec2-tokyo` before; move each to its own site instead; while op-00000001 is open, only `{"networks": ["app", "db"], "to": "<site>", "force": {"by": "<you>", "reason": "<why>"}}` does that, by your word, and replaces it"#);
        operation.from = [(app, site("nc2-tokyo")), (db, site("nc2-tokyo"))].into();
        assert_eq!(operation.undo_to(), Ok(site("nc2-tokyo")));
    }
}
