//! One execution of `failover`: decided where an event starts it, by evidence or by force, with the retries of the state machine.

use super::audit;
use super::deeds::{Deed, force};
use super::ground::SITES;
use super::look::take_evidence;
use super::recover::inputs_in;
use super::swap::{INVOCATION, Swapped, swap};
use super::world::{Day, Shared, Until, pause};
use futures::FutureExt;
use holdfast_journal::read_locks;
use holdfast_model::wire::{FailoverIntent, FailoverRequest};
use holdfast_model::{Clock, EventId, Evidence, Fault, FaultName, NetworkMap, NetworkName};
use holdfast_plan::{Decision, Past, Start, StartFacts, Switch, concerned, decide};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::task::Poll;

/// Retries of `LeaseHeld`, and of what may pass by itself.
const LEASE_RETRIES: u32 = 10;
const RETRIES: u32 = 5;

/// How long a proposal waits, in seconds.
const EXPIRES: i64 = 3_600;

/// An invocation of a function: it may die at any call, and has ended at its deadline.
async fn invoke<T>(
    day: &Shared,
    work: impl Future<Output = Result<T, Fault>>,
    deadline: Timestamp,
) -> Result<T, Fault> {
    let mut work = Some(Box::pin(work));
    let died = || Fault::new(FaultName::Internal, "the invocation died");
    futures::future::poll_fn(move |context| {
        let dies = {
            let mut world = day.world();
            let dies = !world.calm && (world.now >= deadline || world.dice.one_in(150));
            world.counts.deaths += u64::from(dies);
            dies
        };
        if dies {
            // What it had sent may still take effect: whoever drops it decides.
            work = None;
        }
        match &mut work {
            Some(work) => work.poll_unpin(context),
            None => Poll::Ready(Err(died())),
        }
    })
    .await
}

/// Runs an execution to its end.
pub(crate) async fn failover(day: Shared, execution: String, request: FailoverRequest) {
    day.world().counts.executions += 1;
    let ended = run(&day, &execution, request.clone()).await;
    let mut world = day.world();
    match &ended {
        Ok(()) => world.note(|| format!("{execution} has ended")),
        Err(fault) => {
            world.counts.refused += 1;
            world.note(|| format!("{execution} is held: {:?} {}", fault.name, fault.message));
            if !world.calm {
                // Whoever sees an invocation die may be quick, and sure.
                let died = fault.name == FaultName::Internal;
                let again = if died { world.dice.between(1, 30) } else { world.dice.between(20, 1_500) };
                let told = {
                    let site = world.dice.pick(&SITES);
                    inputs_in(&fault.message, site).into_iter().find(|input| input.force.is_some())
                };
                match world.dice.below(5) {
                    0 => {}
                    // Whoever is told how to replace what is open may do so, and be wrong about the site.
                    4 => world.later(again, Deed::Begin(told.unwrap_or(request))),
                    1 => {
                        let sure = (died && world.dice.one_in(2)).then(force);
                        world.later(again, Deed::TakeBack(FailoverRequest { force: sure, ..request }));
                    }
                    _ => world.later(again, Deed::Begin(request)),
                }
            }
        }
    }
}

async fn run(day: &Shared, execution: &str, mut request: FailoverRequest) -> Result<(), Fault> {
    let mut evidence = None;
    if let Some(event) = request.event.clone() {
        let Some((decision, seen, go)) = decided(day, execution, &event).await? else { return Ok(()) };
        request.networks = Some(decision.networks.clone());
        request.to = Some(decision.to.clone());
        request.lost.clone_from(&decision.lost);
        request.waived = decision.waived.clone().map(Box::new);
        match go {
            true => evidence = Some(seen),
            false => {
                if !approved(day).await {
                    return Ok(());
                }
            }
        }
    }
    loop {
        if request.force.is_none() && evidence.is_none() {
            evidence = Some(evidence_for(day, &request).await?);
        }
        let end = swapped(day, execution, &request, evidence.as_ref()).await?;
        match end {
            Swapped::Continue => evidence = None,
            Swapped::Done | Swapped::NothingToDo => return Ok(()),
        }
    }
}

async fn swapped(
    day: &Shared,
    execution: &str,
    request: &FailoverRequest,
    evidence: Option<&Evidence>,
) -> Result<Swapped, Fault> {
    let (mut leases, mut others) = (0, 0);
    loop {
        let deadline = day.now() + SignedDuration::from_secs(INVOCATION);
        let fault = match invoke(day, swap(day, request, evidence, execution, deadline), deadline).await {
            Ok(end) => return Ok(end),
            Err(fault) => fault,
        };
        match fault.name {
            FaultName::LeaseHeld if leases < LEASE_RETRIES => {
                leases += 1;
                pause(day, 30).await;
            }
            FaultName::Throttled | FaultName::Unavailable if others < RETRIES => {
                others += 1;
                pause(day, 1 << others).await;
            }
            // Somebody redrives the execution: the state is run again, by the evidence that it had.
            _ if others < RETRIES && day.world().redrives() => {
                others += 1;
                let after = day.world().dice.between(5, 900);
                pause(day, after).await;
            }
            _ => return Err(fault),
        }
    }
}

async fn evidence_for(day: &Shared, request: &FailoverRequest) -> Result<Evidence, Fault> {
    let bad = |message: String| Fault::new(FaultName::InvalidInput, message);
    let none = || Fault::new(FaultName::NotUndoable, "there is no such operation");
    let (networks, lost) = match request.intent().map_err(bad)? {
        FailoverIntent::Move { networks, lost, .. } => (networks, lost),
        FailoverIntent::Reconcile(networks) => (networks, None),
        FailoverIntent::Undo { operation, lost } => {
            use holdfast_journal::JournalStore;
            let read = day.journal.read_operation(&operation).await.ok().flatten();
            (read.ok_or_else(none)?.plan.networks, lost)
        }
    };
    let map = surviving(&day.ground.map, lost.as_ref()).map_err(bad)?;
    Ok(take_evidence(day, &networks, &map).await)
}

fn surviving(map: &NetworkMap, lost: Option<&holdfast_model::Region>) -> Result<NetworkMap, String> {
    match lost {
        None => Ok(map.clone()),
        Some(lost) => map.clone().losing(lost),
    }
}

/// Asks a person, who may be slow, say no, or not be there.
async fn approved(day: &Day) -> bool {
    let (answer, after) = {
        let mut world = day.world();
        (world.dice.below(4), world.dice.between(10, 2_000))
    };
    let wait = if answer == 0 { EXPIRES } else { after };
    let until = day.now() + SignedDuration::from_secs(wait);
    Until(day, until).await;
    let mut world = day.world();
    world.counts.approved += u64::from(answer > 1);
    answer > 1
}

/// What an event starts, as `watch` decides it; whether at once. None where nothing starts.
async fn decided(day: &Shared, execution: &str, id: &EventId) -> Result<Option<(Decision, Evidence, bool)>, Fault> {
    for _ in 0..RETRIES {
        let deadline = day.now() + SignedDuration::from_secs(INVOCATION);
        match invoke(day, decide_event(day, execution, id), deadline).await {
            Err(fault) if fault.name == FaultName::Unavailable => pause(day, 2).await,
            end => return end,
        }
    }
    Err(Fault::new(FaultName::Unavailable, "the event was not decided"))
}

async fn decide_event(
    day: &Shared,
    execution: &str,
    id: &EventId,
) -> Result<Option<(Decision, Evidence, bool)>, Fault> {
    let map = &day.ground.map;
    let store = super::calls::Store(day.clone());
    let begin = day.now();
    let all: BTreeSet<NetworkName> = map.networks.keys().cloned().collect();
    let locks = read_locks(&all, &store).await.map_err(|error| Fault::new(error.fault(), error.to_string()))?;
    let missing = || Fault::new(FaultName::InvalidInput, format!("there is no event `{id}`"));
    let stored = day.world().events.get(id).cloned().ok_or_else(missing)?;
    if let Some((who, decision, evidence)) = &stored.taken {
        return Ok((who == execution).then(|| (decision.clone(), evidence.clone(), decision.start == Start::Go)));
    }
    let networks = concerned(&stored.event, map);
    let hosts = day.ground.records(&networks);
    let evidence = take_evidence(day, &networks, map).await;
    let switch = match day.world().manual {
        None => Switch::AsPolicy,
        Some(_) => Switch::Manual("somebody said so".to_owned()),
    };
    let past = locks.into_iter().map(|(network, lock)| {
        let left = lock.left.filter(|_| lock.open.is_none()).map(|left| left.site);
        (network, Past { left, moves: lock.moves })
    });
    let past = past.collect();
    let decided_at = day.now();
    let facts = StartFacts {
        map,
        now: decided_at,
        switch: &switch,
        taken: None,
        past: &past,
        evidence: Some(&evidence),
        hosts: &hosts,
    };
    let decision = decide(&stored.event, &facts);
    day.world().note(|| format!("{execution} decides {id}: {:?} {}", decision.start, decision.why));
    let go = match decision.start {
        Start::Noted | Start::Alarm => {
            day.world().counts.held_back += 1;
            return Ok(None);
        }
        Start::Go => true,
        Start::Propose => false,
    };
    super::world::Gate(day).await;
    // A conditional write: who is first has the event.
    let taken = {
        let mut world = day.world();
        let stored = world.events.get_mut(id).ok_or_else(missing)?;
        stored.taken.get_or_insert_with(|| (execution.to_owned(), decision, evidence)).clone()
    };
    let (who, decision, evidence) = taken;
    if who != execution {
        return Ok(None);
    }
    if go {
        audit::started(day, execution, id, &decision, (begin, decided_at));
    }
    super::world::Gate(day).await;
    Ok(Some((decision, evidence, go)))
}

/// One execution that somebody waits for.
///
/// # Errors
/// Why it is held.
pub(crate) async fn attempt(day: &Shared, request: FailoverRequest) -> Result<(), Fault> {
    let execution = format!("ex-{}", day.world().number());
    let ended = run(day, &execution, request.clone()).await;
    let words = serde_json::to_string(&request).unwrap_or_default();
    day.world().note(|| format!("{execution} {words}: {ended:?}"));
    ended
}
