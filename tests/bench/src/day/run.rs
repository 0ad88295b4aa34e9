//! One day from its seed.

use super::audit;
use super::deeds::{Deed, Work, act};
use super::recover::recover;
use super::world::{Counts, Shared, new};
use holdfast_model::Clock;
use jiff::{SignedDuration, Timestamp};
use std::task::{Context, Poll, Waker};

/// How a day went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// What it was made from.
    pub seed: u64,
    /// Simulated seconds until everything was as it should be.
    pub seconds: i64,
    /// How often what happened.
    pub counts: Counts,
    /// What must never happen and did, with when.
    pub violations: Vec<String>,
    /// What happened, one line each.
    pub story: Vec<String>,
}

/// Something that is being done, and when it goes on.
struct Task {
    work: Work,
    wakes: Timestamp,
}

/// A day with all that may go wrong, then an hour of calm in which every input is started again.
#[must_use]
pub fn run(seed: u64) -> Day {
    let day = new(seed);
    let begin = day.now();
    let end = begin + SignedDuration::from_hours(24);
    let mut tasks = Vec::new();
    day.world().later(30, Deed::Act);
    while day.now() < end && day.world().violations.is_empty() {
        step(&day, &mut tasks);
    }
    calm(&day);
    while (!tasks.is_empty() || !day.world().agenda.is_empty()) && day.world().violations.is_empty() {
        step(&day, &mut tasks);
    }
    // Leases of those that died have run out.
    day.world().pass(600);
    if day.world().violations.is_empty() {
        tasks.push(Task { work: Box::pin(recover(day.clone())), wakes: Timestamp::MIN });
        while !tasks.is_empty() && day.world().violations.is_empty() {
            step(&day, &mut tasks);
        }
        if day.world().violations.is_empty() {
            audit::ended(&day);
        }
    }
    let seconds = day.now().duration_since(begin).as_secs();
    let world = day.world();
    let (violations, story) = (world.violations.clone(), world.story.clone());
    Day { seed, seconds, counts: world.counts, violations, story }
}

/// Everything answers, and nobody does anything any more but what is under way.
fn calm(day: &Shared) {
    let mut world = day.world();
    world.calm = true;
    world.dark.clear();
    world.lost = None;
    world.manual = None;
    world.listen();
    world.agenda.retain(|_, deed| matches!(deed, Deed::Late(_)));
}

/// Goes on with one of what is under way, or until the next thing happens.
fn step(day: &Shared, tasks: &mut Vec<Task>) {
    let now = day.now();
    loop {
        let due = {
            let mut world = day.world();
            let first = world.agenda.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= now);
            first.and_then(|key| world.agenda.remove(&key))
        };
        let Some(deed) = due else { break };
        let begun = act(day, deed);
        day.world().listen();
        tasks.extend(begun.map(|work| Task { work, wakes: Timestamp::MIN }));
    }
    let awake: Vec<usize> = (0..tasks.len()).filter(|at| tasks[*at].wakes <= now).collect();
    if awake.is_empty() {
        let mut world = day.world();
        let next = world.agenda.first_key_value().map(|((at, _), _)| *at);
        if let Some(next) = tasks.iter().map(|task| task.wakes).chain(next).min() {
            world.now = next;
        }
        return;
    }
    let at = {
        let mut world = day.world();
        world.waits = None;
        world.dice.pick(&awake)
    };
    let polled = tasks[at].work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let mut world = day.world();
    match polled {
        Poll::Ready(()) => drop(tasks.swap_remove(at)),
        Poll::Pending => tasks[at].wakes = world.waits.unwrap_or(Timestamp::MIN),
    }
    let slow = !world.calm && world.dice.one_in(400);
    let seconds = if slow { world.dice.between(20, 90) } else { world.dice.between(0, 1) };
    world.pass(seconds);
}
