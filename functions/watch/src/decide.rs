//! What an event starts: reads what the decision rests on, and gives the event to one execution.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_journal::{Locks, free_ended};
use holdfast_model::wire::{DecidedOutput, FailoverRequest, SCHEMA_VERSION, Started, WatchInput};
use holdfast_model::{
    Clock, Event, EventId, Evidence, Fault, FaultName, Job, MapRef, NamedVersions, NetworkMap, NetworkName, Site,
};
use holdfast_plan::{Decision, Past, Start, StartFacts, Switch, concerned, decide};
use holdfast_runtime::Invocation;
use holdfast_store::Taken;
use jiff::SignedDuration;

use crate::handle::{Context, take_evidence};
use crate::subject::Scope;

/// The kill switch is read again when it was read longer ago: it is honoured within a minute.
const SWITCH_AGE: SignedDuration = SignedDuration::from_secs(30);

/// Decides what an event starts.
///
/// # Flow
/// The network map and the kill switch; the event as it was stored, and when networks moved before; evidence of its networks, from all sites that could
/// run their machines; the decision. Who is answered `go` or `propose` has the event.
///
/// # Guarantees
/// One execution has an event: any other is answered `noted`, and the one that has it is answered the same however often it asks.
///
/// # Errors
/// `InvalidInput` for an event that nobody stored; those of evidence. Nothing is taken then.
pub(crate) async fn decide_event(
    context: &Context,
    input: &WatchInput,
    id: &EventId,
    invocation: &Invocation,
) -> Result<DecidedOutput, Fault> {
    let (map, reference, off) = context.maps.load_with_switch(input.map.as_ref()).await?;
    let all: BTreeSet<NetworkName> = map.networks.keys().cloned().collect();
    let (record, locks) = context.operations.read_event_and_locks(id, &all).await?;
    let missing = || {
        let message = format!("there is no event `{id}`: `watch` stores what it finds before anybody is told of it");
        Fault::new(FaultName::InvalidInput, message)
    };
    let event = record.found.ok_or_else(missing)?.event;
    if let Some(taken) = record.taken.as_ref().filter(|taken| taken.execution == input.execution) {
        return answered(taken);
    }
    let found = Found { context, map: &map, reference, event, off, locks, invocation };
    if let Some(taken) = record.taken {
        return found.not_taken(&taken).await;
    }
    let (decision, evidence) = found.decide().await?;
    let output = found.output(decision, evidence)?;
    match output.result {
        Started::Noted | Started::Alarm => Ok(output),
        Started::Go | Started::Propose => {
            let answer = serde_json::to_value(&output).map_err(unwritable)?;
            let execution = input.execution.clone();
            let wanted = Taken { v: 1, execution, at: context.clock.now(), answer };
            let taken = context.events.take(id, &wanted).await?;
            if taken.execution == input.execution { answered(&taken) } else { found.not_taken(&taken).await }
        }
    }
}

fn unwritable(error: serde_json::Error) -> Fault {
    Fault::new(FaultName::Internal, format!("the answer cannot be stored: {error}"))
}

fn answered(taken: &Taken) -> Result<DecidedOutput, Fault> {
    serde_json::from_value(taken.answer.clone()).map_err(|error| {
        Fault::new(
            FaultName::Internal,
            format!("what execution `{}` was answered cannot be read: {error}", taken.execution),
        )
    })
}

/// An event, and what its decision is made with.
struct Found<'a> {
    context: &'a Context,
    map: &'a NetworkMap,
    reference: MapRef,
    event: Event,
    /// Why nothing may start by itself.
    off: Option<String>,
    /// The locks of all networks of the map.
    locks: Locks,
    invocation: &'a Invocation,
}

impl Found<'_> {
    async fn decide(&self) -> Result<(Decision, Option<Evidence>), Fault> {
        let networks = concerned(&self.event, self.map);
        let hosts = self.context.inventory.hosts_of(&networks, &NamedVersions::new()).await?;
        let nc2 = matches!(self.map.sites.get(&self.event.to), Some(Site::Nc2 { .. }));
        let scope = Scope { networks, to: self.event.to.clone(), hosts: None };
        let evidence = match nc2 && !scope.networks.is_empty() && !hosts.is_empty() {
            true => Some(take_evidence(self.context, self.map, &scope, &hosts, false, self.invocation).await?),
            false => None,
        };
        let taken_at = evidence.as_ref().map(|evidence| evidence.taken_at);
        let off = match taken_at.filter(|at| self.context.clock.now().duration_since(*at) > SWITCH_AGE) {
            None => self.off.clone(),
            Some(_) => self.context.switch.off().await,
        };
        let switch = off.map_or(Switch::AsPolicy, Switch::Manual);
        let facts = StartFacts {
            map: self.map,
            now: self.context.clock.now(),
            switch: &switch,
            taken: None,
            past: &self.past(&scope.networks).await?,
            evidence: evidence.as_ref(),
            hosts: &hosts,
        };
        Ok((decide(&self.event, &facts), evidence))
    }

    async fn past(&self, networks: &BTreeSet<NetworkName>) -> Result<BTreeMap<NetworkName, Past>, Fault> {
        let own = self.locks.iter().filter(|(network, _)| networks.contains(*network));
        let own = own.map(|(network, lock)| (network.clone(), lock.clone())).collect();
        let locks = free_ended(own, &self.context.operations).await;
        let locks = locks.map_err(|error| Fault::new(error.fault(), error.to_string()))?;
        let past = locks.into_iter().map(|(network, lock)| {
            let left = lock.left.filter(|_| lock.open.is_none()).map(|left| left.site);
            (network, Past { left, moves: lock.moves })
        });
        Ok(past.collect())
    }

    /// The answer to whoever comes second.
    async fn not_taken(&self, taken: &Taken) -> Result<DecidedOutput, Fault> {
        let who = format!("execution `{}` (since {})", taken.execution, taken.at);
        let facts = StartFacts {
            map: self.map,
            now: self.context.clock.now(),
            switch: &Switch::AsPolicy,
            taken: Some(&who),
            past: &BTreeMap::new(),
            evidence: None,
            hosts: &[],
        };
        self.output(decide(&self.event, &facts), None)
    }

    fn output(&self, decision: Decision, evidence: Option<Evidence>) -> Result<DecidedOutput, Fault> {
        let Decision { start, networks, to, lost, waived, why, left } = decision;
        let again = match &self.event.job {
            Job::Cutover { wave, .. } => format!("{{\"wave\": \"{wave}\"}}"),
            Job::Failover { .. } => {
                let (networks, to) = (Some(networks.clone()), Some(to.clone()));
                let (lost, waived) = (lost.clone(), waived.clone().map(Box::new));
                let request = FailoverRequest { networks, to, lost, waived, ..FailoverRequest::default() };
                serde_json::to_string(&request).map_err(unwritable)?
            }
        };
        tracing::info!(event.id = %self.event.id, "{start:?}: {why}");
        Ok(DecidedOutput {
            schema_version: SCHEMA_VERSION,
            map: self.reference.clone(),
            result: match start {
                Start::Go => Started::Go,
                Start::Propose => Started::Propose,
                Start::Noted => Started::Noted,
                Start::Alarm => Started::Alarm,
            },
            networks,
            to,
            lost,
            waived,
            evidence: evidence.map(|evidence| evidence.id),
            expires: self.map.policy.start.approval_expires_seconds,
            why,
            left: left.unwrap_or_default(),
            again,
        })
    }
}
