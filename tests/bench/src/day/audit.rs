//! What must never happen, looked at with every write and every start. It knows the world as it is, and shares no code with what decides.

use super::calls::{Sent, prefix_of};
use super::ground::{EC2, HOSTS, NEIGHBOUR, TABLES, hosts_of, prefix, region, region_of};
use super::routes::{End, declared};
use super::world::{Day, World, Writer};
use futures::FutureExt;
use holdfast_journal::{Event as Entry, JournalStore, Operation, Phase, Status};
use holdfast_model::{Ending, EventId, NetworkName, SiteName};
use holdfast_plan::{Decision, Step};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// By the map: evidence older than this does not count, in seconds.
const EVIDENCE: i64 = 300;

/// A function has ended so long after it began, in seconds, and a call of it is over.
const INVOCATION: i64 = 120;

/// The kill switch is honoured within so many seconds.
const SWITCH: i64 = 60;

/// By the map: a network that was moved is left for so long, in seconds, by what starts by itself.
const HOLD_DOWN: i64 = 600;

/// By the map: so many moves of a network within a day, and nothing starts by itself.
const MOST_A_DAY: usize = 4;

/// By what an invocation writes.
#[derive(Debug, Clone)]
pub(crate) struct Writ {
    pub(crate) operation: Operation,
    /// Whether it opened the operation, or resumed it.
    pub(crate) opened: bool,
    /// Sites that are not counted on where they are silent.
    pub(crate) waived: BTreeSet<SiteName>,
    /// When the first site of its evidence was asked; none where it has none.
    pub(crate) evidence: Option<Timestamp>,
    /// When evidence was judged.
    pub(crate) judged: Timestamp,
    /// When the routing was read.
    pub(crate) pictured: Timestamp,
    /// When the operation was taken.
    pub(crate) taken: Timestamp,
}

/// Looks at a write that is about to be sent; `read` is when its place was read before.
pub(crate) fn before_write(day: &Day, writ: &Writ, step: &Step, read: Option<Timestamp>) {
    let operation = &writ.operation;
    let entries = day.journal.read_entries(&operation.id).now_or_never().and_then(Result::ok).unwrap_or_default();
    let events: Vec<&Entry> = entries.iter().flat_map(|entry| &entry.events).collect();
    let mut world = day.world();
    world.counts.writes += 1;
    let id = &operation.id;
    world.note(|| format!("{id} writes {step}"));
    let names_step = |at: u32| usize::try_from(at).ok().and_then(|at| operation.plan.steps().nth(at)) == Some(step);
    let named =
        events.iter().any(|event| matches!(event, Entry::Started { steps } if steps.iter().any(|at| names_step(*at))));
    if !named {
        world.violate(format!("{id}: {step} is written before the journal names it"));
    }
    if !declared().contains(&(step.table.clone(), prefix_of(step))) {
        world.violate(format!("{id}: {step} is not in the network map"));
    }
    let present = world.routes.get(&step.table, prefix_of(step)).value;
    let as_read = world.edited.is_none_or(|edited| read.is_some_and(|read| edited < read));
    if as_read && present != step.before && present != step.after {
        world.violate(format!("{id}: {step}, and it was `{present}` when it was read"));
    }
    let lost = operation.intent.lost();
    if lost.is_some_and(|lost| *lost == step.scope.region) {
        world.violate(format!("{id}: {step} calls a Region that is declared lost"));
    }
    let forced =
        operation.force.is_some() || events.iter().any(|event| matches!(event, Entry::Taken { force: Some(_) }));
    if !forced {
        evidenced(&mut world, writ, step);
    }
}

fn evidenced(world: &mut World, writ: &Writ, step: &Step) {
    let Writ { operation, judged, .. } = writ;
    let (id, to) = (&operation.id, operation.plan.to.as_str());
    let Some(begin) = writ.evidence else {
        world.violate(format!("{id}: {step} without evidence, and nobody's force is on record"));
        return;
    };
    let age = judged.duration_since(begin).as_secs();
    if age > EVIDENCE {
        world.violate(format!("{id}: {step} by evidence that was {age} s old"));
    }
    if world.now.duration_since(*judged).as_secs() > INVOCATION {
        world.violate(format!(
            "{id}: {step} is written {} s after it was decided",
            world.now.duration_since(*judged).as_secs()
        ));
    }
    let lost = operation.intent.lost();
    let window = (begin, *judged);
    let waived = |site: &str| writ.waived.iter().any(|name| name.as_str() == site) && world.was_silent(site, window);
    let looked_at = |site: &str| lost.is_none_or(|lost| *lost != region(region_of(site))) && !waived(site);
    let hosts = hosts_of(&step.networks);
    if let Some(why) = world.machines.against(&hosts, to, window, looked_at) {
        world.violate(format!("{id}: {step} leads to {to}, but {why}"));
    }
    if !writ.opened {
        return;
    }
    let overtaken = |network: &NetworkName| {
        world.ends.get(network).is_some_and(|ends| ends.values().any(|end| *end > begin && *end <= writ.taken))
    };
    if step.networks.iter().any(overtaken) {
        world
            .violate(format!("{id}: {step} by evidence of {begin}, and another operation has moved the network since"));
    }
}

/// Lets a write take effect, and looks at where packets go before and after.
pub(crate) fn written(world: &mut World, sent: &Sent, effect: impl FnOnce(&mut World)) {
    let Sent { step, operation, .. } = sent;
    let place = (step.table.clone(), prefix_of(step));
    if let Some(last) = world.writers.get(&place)
        && last.operation != *operation
        && last.at > sent.at
    {
        world.violate(format!(
            "{operation}: {step}, sent at {}, takes effect after a write of {}",
            sent.at, last.operation
        ));
    }
    let hosts = hosts_of(&step.networks);
    let before = ends(world, &hosts);
    effect(world);
    world.writers.insert(place, Writer { operation: operation.clone(), at: world.now });
    // What a person changed by hand after the routing was read is nobody's plan.
    if world.edited.is_some_and(|at| at >= sent.pictured) {
        return;
    }
    for ((enters, host, was), (_, _, is)) in before.into_iter().zip(ends(world, &hosts)) {
        if is.is_bad() && !was.is_bad() {
            world.violate(format!(
                "{operation}: after {step} packets that enter by {enters} to {} meet a {is:?}",
                HOSTS[host].0
            ));
        }
    }
}

/// Where packets end from every vantage that can enter.
fn ends(world: &World, hosts: &[usize]) -> Vec<(&'static str, usize, End)> {
    let alive = TABLES.into_iter().filter(|enters| world.answers(&super::ground::table(enters)));
    let all = alive.flat_map(|enters| hosts.iter().map(move |host| (enters, *host)));
    all.map(|(enters, host)| (enters, host, world.routes.walk(enters, host))).collect()
}

/// Looks at an operation that says that it is done.
pub(crate) fn finished(day: &Day, writ: &Writ) {
    let Writ { operation, pictured, .. } = writ;
    let entries = day.journal.read_entries(&operation.id).now_or_never().and_then(Result::ok).unwrap_or_default();
    let mut world = day.world();
    // Its locks are freed a little later.
    let now = entries.last().map_or(world.now, |last| last.at);
    for network in &operation.plan.networks {
        world.ends.entry(network.clone()).or_default().entry(operation.id.clone()).or_insert(now);
    }
    world.counts.operations += 1;
    if world.edited.is_some_and(|at| at >= *pictured) || operation.intent.lost().is_some() {
        return;
    }
    for (enters, host, end) in ends(&world, &hosts_of(&operation.plan.networks)) {
        let known = operation.plan.to.as_str();
        if !matches!(end, End::At(site) if site == known) {
            let (id, name) = (&operation.id, HOSTS[host].0);
            world.violate(format!("{id} is done, and packets that enter by {enters} to {name} meet {end:?}"));
        }
    }
}

/// Looks at what an event starts by itself.
pub(crate) fn started(
    day: &Day,
    execution: &str,
    id: &EventId,
    decision: &Decision,
    (begin, decided): (Timestamp, Timestamp),
) {
    let mut world = day.world();
    world.counts.started_by_event += 1;
    let to = decision.to.as_str().to_owned();
    let why = |what: String| format!("{execution} starts {id} by itself, and {what}");
    match world.started.insert(id.clone(), execution.to_owned()) {
        Some(other) if other != execution => world.violate(why(format!("{other} has started it"))),
        Some(_) | None => {}
    }
    match world.jobs.get(id) {
        Some(job) if job.test => world.violate(why("it was a test failover".to_owned())),
        Some(job) if job.event.ending != Ending::Finished => world.violate(why("it has not ended well".to_owned())),
        Some(job) if !job.ended => world.violate(why("it has not ended".to_owned())),
        Some(_) => {}
        None => world.violate(why("no Prism Central tells of it".to_owned())),
    }
    if world.manual.is_some_and(|since| decided.duration_since(since).as_secs() > SWITCH) {
        world.violate(why("the kill switch is on".to_owned()));
    }
    // Evidence of Prism Centrals: EC2 is looked at before routes change.
    let window = (begin, decided);
    let waived = |site: &str| {
        let named = decision.waived.iter().flat_map(|waiver| &waiver.sites).any(|name| name.as_str() == site);
        named && world.was_silent(site, window)
    };
    let looked_at = |site: &str| site != EC2 && !waived(site);
    if let Some(against) = world.machines.against(&hosts_of(&decision.networks), &to, window, looked_at) {
        world.violate(why(against));
    }
    for network in &decision.networks {
        let ends = world.ends.get(network).cloned().unwrap_or_default();
        // Ends between the reading of the locks and now are nobody's fault.
        let ends: Vec<Timestamp> = ends.into_values().filter(|end| *end <= begin).collect();
        if ends.iter().any(|end| decided.duration_since(*end).as_secs() < HOLD_DOWN - INVOCATION) {
            world.violate(why(format!("network {network} was moved just before")));
        }
        let day_ago = world.now - SignedDuration::from_hours(24);
        if ends.iter().filter(|end| **end > day_ago).count() >= MOST_A_DAY {
            world.violate(why(format!("network {network} was moved {MOST_A_DAY} times already")));
        }
    }
}

/// Looks at the world as a day leaves it.
pub(crate) fn ended(day: &Day) {
    let mut world = day.world();
    if !world.routes.neighbour_stands() {
        world.violate(format!("route {} of another is not as it was", prefix(NEIGHBOUR)));
    }
    let stored = day.journal.snapshot();
    for (id, operation) in &stored.operations {
        let entries = stored.entries.get(id).map_or(&[][..], Vec::as_slice);
        let phase = Status::fold(&operation.plan, entries).map(|status| status.phase);
        if !matches!(phase, Ok(Phase::Planned | Phase::Finished | Phase::Superseded(_))) {
            world.violate(format!("all is well and started again, and {id} is {phase:?}"));
        }
    }
    for unit in super::ground::UNITS {
        let networks: BTreeSet<NetworkName> = super::ground::networks(unit);
        let hosts = hosts_of(&networks);
        let home = world.machines.home(&hosts);
        for (enters, host, end) in ends(&world, &hosts) {
            if !matches!(end, End::At(site) if Some(site) == home) {
                let name = HOSTS[host].0;
                world.violate(format!("all is well and started again, {name} is at {home:?}, and packets that enter by {enters} meet {end:?}"));
            }
        }
    }
}
