//! What happens in a day: Nutanix and its Prism Centrals, a Region that goes and comes, watchers, and people who start, force, undo and edit.

use super::calls::{Sent, take_effect};
use super::failover::failover;
use super::ground::{EC2, NC2, NC2_OSAKA, NC2_TOKYO, OSAKA, SITES, TOKYO, UNITS, networks, region_of};
use super::machines::State;
use super::nutanix;
use super::routes::{declared, hop};
use super::swap::{lost, to_move};
use super::world::{Shared, World};
use holdfast_model::wire::{FailoverRequest, Force};
use holdfast_model::{EventId, Prefix, RouteTableId};
use holdfast_plan::RouteValue;
use std::pin::Pin;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Somebody does something.
    Act,
    /// A site has a machine in another state.
    Set { host: usize, site: &'static str, state: State },
    /// A job of Nutanix ends.
    Ends(EventId),
    /// A watcher looks for a job.
    Watch(EventId),
    /// The bus delivers an event.
    Deliver(EventId),
    /// The Prism Central of a site answers again.
    Light(&'static str),
    /// The Region answers again.
    Return,
    /// The kill switch is off again.
    AsPolicy,
    /// An execution begins.
    Begin(FailoverRequest),
    /// Somebody takes back what is open on the networks of an input.
    TakeBack(FailoverRequest),
    /// Somebody puts back what was changed by hand, if it is still so.
    PutBack { table: RouteTableId, of: Prefix, was: RouteValue, edit: RouteValue },
    /// A write that nobody waits for takes effect.
    Late(Box<Sent>),
}

/// Work that goes on.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

fn begin(day: &Shared, request: FailoverRequest) -> Option<Work> {
    let mut world = day.world();
    let execution = format!("ex-{}", world.number());
    world.inputs.push(request.clone());
    world.note(|| format!("{execution} begins {}", serde_json::to_string(&request).unwrap_or_default()));
    Some(Box::pin(failover(day.clone(), execution, request)))
}

pub(crate) fn force() -> Force {
    Force { by: "ana".into(), reason: "I say so".into() }
}

/// Does something; the work that it begins.
pub(crate) fn act(day: &Shared, deed: Deed) -> Option<Work> {
    match deed {
        Deed::Act => {
            let request = {
                let mut world = day.world();
                let pause = if world.dice.one_in(3) { world.dice.between(1, 40) } else { world.dice.between(60, 900) };
                world.later(pause, Deed::Act);
                somebody(day, &mut world)
            };
            return begin(day, request?);
        }
        Deed::Begin(request) => return begin(day, request),
        Deed::Deliver(event) => {
            return begin(day, FailoverRequest { event: Some(event), ..FailoverRequest::default() });
        }
        Deed::TakeBack(request) => {
            let open = open_on(day, &request)?;
            return begin(
                day,
                FailoverRequest { undo: Some(open), force: request.force, ..FailoverRequest::default() },
            );
        }
        Deed::Late(sent) => {
            let answers = day.world().answers(&sent.step.table);
            if answers {
                day.world().counts.late_writes += 1;
                day.world().note(|| format!("late: {}", sent.step));
                drop(take_effect(day, &sent));
            }
        }
        Deed::Set { host, site, state } => {
            let mut world = day.world();
            world.set(host, site, state);
            let words = world.machines_words();
            world.note(|| words);
        }
        Deed::Ends(id) => nutanix::ends(&mut day.world(), &id),
        Deed::Watch(id) => nutanix::watch(&mut day.world(), &id),
        Deed::Light(site) => drop(day.world().dark.remove(site)),
        Deed::Return => day.world().lost = None,
        Deed::AsPolicy => day.world().manual = None,
        Deed::PutBack { table, of, was, edit } => {
            let mut world = day.world();
            if world.routes.get(&table, of).value == edit {
                put(&mut world, &table, of, was);
            }
        }
    }
    None
}

/// The operation that is open on networks of an input.
fn open_on(day: &Shared, request: &FailoverRequest) -> Option<holdfast_model::OperationId> {
    let locks = day.journal.snapshot().locks;
    let mut open =
        locks.iter().filter(|(network, _)| request.networks.as_ref().is_none_or(|own| own.contains(*network)));
    open.find_map(|(_, lock)| lock.open.as_ref().map(|open| open.operation.clone()))
}

/// Changes a declared route by hand.
pub(crate) fn put(world: &mut World, table: &RouteTableId, of: Prefix, value: RouteValue) {
    let now = world.now;
    world.edited = Some(now);
    world.note(|| format!("by hand: {of} in {table} is {value}"));
    world.routes.set(table, of, value, now);
}

/// What somebody does: the input that is started, if one is.
fn somebody(day: &Shared, world: &mut World) -> Option<FailoverRequest> {
    let unit = world.dice.pick(&UNITS);
    let all = networks(unit);
    let hosts = super::ground::hosts_of(&all);
    let home = world.machines.home(&hosts);
    match world.dice.below(24) {
        0..=5 => match home {
            Some(from) => nutanix::failover(world, &hosts, from),
            None => nutanix::settle(world, &hosts),
        },
        6 => nutanix::failover(world, &hosts[..1], home?),
        7 => nutanix::lie(world, &hosts, home?),
        8 | 9 => return Some(to_move(&all, home?)),
        10 | 11 => return Some(to_move(&all, world.dice.pick(&SITES))),
        12 => {
            let inputs = world.inputs.clone();
            return (!inputs.is_empty()).then(|| world.dice.pick(&inputs));
        }
        13 | 14 => {
            let operations: Vec<_> = day.journal.snapshot().operations.into_keys().collect();
            let undo = (!operations.is_empty()).then(|| world.dice.pick(&operations))?;
            let force = world.dice.one_in(5).then(force);
            return Some(FailoverRequest { undo: Some(undo), force, ..FailoverRequest::default() });
        }
        15 => return Some(FailoverRequest { reconcile: Some(all), ..FailoverRequest::default() }),
        16 if world.dice.one_in(2) => {
            return Some(FailoverRequest { force: Some(force()), ..to_move(&all, world.dice.pick(&SITES)) });
        }
        16 => nutanix::settle(world, &hosts),
        17 => {
            let now = world.now;
            world.manual.get_or_insert(now);
            let after = world.dice.between(100, 4_000);
            world.later(after, Deed::AsPolicy);
        }
        18 => {
            let (table, of) = world.dice.pick(&declared());
            let was = world.routes.get(&table, of).value;
            let site = world.dice.pick(&SITES);
            let edit = if world.dice.one_in(3) { RouteValue::Blackhole } else { hop(&table, site) };
            let after = world.dice.between(100, 3_000);
            put(world, &table, of, edit.clone());
            world.later(after, Deed::PutBack { table, of, was, edit });
        }
        19 => {
            let site = world.dice.pick(&NC2);
            let after = world.dice.between(30, 2_000);
            world.dark.insert(site);
            world.note(|| format!("the Prism Central of {site} is dark"));
            world.later(after, Deed::Light(site));
        }
        20 if world.lost.is_none() => return lose(world, &hosts, unit),
        21 => {
            let ids: Vec<EventId> = world.jobs.keys().cloned().collect();
            if !ids.is_empty() {
                let id = world.dice.pick(&ids);
                world.later(1, Deed::Deliver(id));
            }
        }
        22 if home.is_some_and(|home| home != EC2) => {
            nutanix::back_to_ec2(world, &hosts);
            let after = world.dice.between(200, 500);
            world.later(after, Deed::Begin(to_move(&all, EC2)));
        }
        _ => {
            let late: Vec<EventId> = world.events.keys().cloned().collect();
            if !late.is_empty() {
                let id = world.dice.pick(&late);
                world.later(1, Deed::Deliver(id));
            }
        }
    }
    None
}

/// A Region goes; somebody may go on without it.
fn lose(world: &mut World, hosts: &[usize], unit: &[&str]) -> Option<FailoverRequest> {
    let gone = world.dice.pick(&[TOKYO, OSAKA]);
    let to = if gone == TOKYO { NC2_OSAKA } else { NC2_TOKYO };
    world.lost = Some(gone);
    world.note(|| format!("{gone} is gone"));
    let after = world.dice.between(600, 5_000);
    world.later(after, Deed::Return);
    for host in hosts {
        let from = SITES.into_iter().find(|site| region_of(site) == gone && world.machines.state(*host, site).runs());
        if let Some(from) = from {
            world.set(*host, from, State::Off);
            let boots = world.dice.between(30, 200);
            world.later(boots, Deed::Set { host: *host, site: to, state: State::On });
        }
    }
    let request = FailoverRequest { lost: lost(gone), ..to_move(&networks(unit), to) };
    let forced = FailoverRequest { force: Some(force()), ..request.clone() };
    let chosen = if world.dice.one_in(3) { forced } else { request };
    let after = world.dice.between(100, 500);
    world.later(after, Deed::Begin(chosen));
    None
}

/// Every place of some networks that no site explains is led by hand to a site.
pub(crate) fn mend(world: &mut World, of: &[Prefix], site: &str) {
    for (id, prefix) in declared().into_iter().filter(|(_, prefix)| of.contains(prefix)) {
        let value = world.routes.get(&id, prefix).value;
        if SITES.into_iter().all(|known| hop(&id, known) != value) {
            put(world, &id, prefix, hop(&id, site));
        }
    }
}
