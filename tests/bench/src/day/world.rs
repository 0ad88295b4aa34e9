//! The world of one day: its clock, its machines and routes, what is broken in it, and what is to happen.

use super::deeds::Deed;
use super::dice::Dice;
use super::ground::{EC2, Ground, HOSTS, NC2, NC2_TOKYO, SITES, region_of, region_of_table};
use super::machines::{Machines, State};
use super::routes::Routes;
use holdfast_journal::MemoryJournal;
use holdfast_model::wire::FailoverRequest;
use holdfast_model::{Clock, Event, EventId, Evidence, NetworkName, OperationId, Prefix, RouteTableId, StartPolicy};
use holdfast_plan::Decision;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Everything that actors share.
#[derive(Debug)]
pub(crate) struct Day {
    world: Mutex<World>,
    pub(crate) journal: MemoryJournal,
    pub(crate) ground: Ground,
}

/// A handle on the day.
pub(crate) type Shared = Arc<Day>;

/// An event as it is stored, who acts on it, and what that one was answered.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) event: Event,
    pub(crate) taken: Option<(String, Decision, Evidence)>,
}

/// Something that Nutanix did, as a Prism Central tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) event: Event,
    /// A test failover or validation: by no means an event.
    pub(crate) test: bool,
    /// When it ended.
    pub(crate) ended: bool,
}

/// Who wrote a place last.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) operation: String,
    pub(crate) at: Timestamp,
}

/// What changes in a day.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
    pub(crate) machines: Machines,
    pub(crate) routes: Routes,
    /// Sites whose Prism Central does not answer.
    pub(crate) dark: BTreeSet<&'static str>,
    /// When Prism Centrals did not answer: from, and until.
    silences: BTreeMap<&'static str, Vec<(Timestamp, Timestamp)>>,
    /// The Region that does not answer.
    pub(crate) lost: Option<&'static str>,
    /// Since when the kill switch is on.
    pub(crate) manual: Option<Timestamp>,
    pub(crate) jobs: BTreeMap<EventId, Job>,
    pub(crate) events: BTreeMap<EventId, Stored>,
    pub(crate) agenda: BTreeMap<(Timestamp, u64), Deed>,
    next: u64,
    /// When somebody changed a declared route by hand.
    pub(crate) edited: Option<Timestamp>,
    pub(crate) writers: BTreeMap<(RouteTableId, Prefix), Writer>,
    /// When operations that moved a network ended.
    pub(crate) ends: BTreeMap<NetworkName, BTreeMap<OperationId, Timestamp>>,
    /// Executions that events started by themselves.
    pub(crate) started: BTreeMap<EventId, String>,
    /// Inputs that were started.
    pub(crate) inputs: Vec<FailoverRequest>,
    /// Nothing fails any more.
    pub(crate) calm: bool,
    /// What an actor that is polled waits for: the earliest time, or a call.
    pub(crate) waits: Option<Timestamp>,
    pub(crate) counts: Counts,
    pub(crate) violations: Vec<String>,
    /// What happened, for whoever looks at a seed.
    pub(crate) story: Vec<String>,
}

/// How often what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub executions: u64,
    pub writes: u64,
    pub late_writes: u64,
    pub deaths: u64,
    pub operations: u64,
    pub forced: u64,
    pub undone: u64,
    pub without_region: u64,
    pub started_by_event: u64,
    pub approved: u64,
    pub held_back: u64,
    pub refused: u64,
    pub replaced: u64,
    pub stuck: u64,
    pub by_hand: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.executions += other.executions;
        self.writes += other.writes;
        self.late_writes += other.late_writes;
        self.deaths += other.deaths;
        self.operations += other.operations;
        self.forced += other.forced;
        self.undone += other.undone;
        self.without_region += other.without_region;
        self.started_by_event += other.started_by_event;
        self.approved += other.approved;
        self.held_back += other.held_back;
        self.refused += other.refused;
        self.replaced += other.replaced;
        self.stuck += other.stuck;
        self.by_hand += other.by_hand;
    }
}

/// The world before anything has happened.
pub(crate) fn new(seed: u64) -> Shared {
    let mut dice = Dice::new(seed);
    let policy = {
        use StartPolicy::{Automatic, Manual, Propose};
        dice.pick(&[Automatic, Automatic, Automatic, Propose, Manual])
    };
    let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    let world = World {
        now,
        dice,
        machines: Machines::at(NC2_TOKYO, now),
        routes: Routes::at(NC2_TOKYO, now),
        dark: BTreeSet::new(),
        silences: BTreeMap::new(),
        lost: None,
        manual: None,
        jobs: BTreeMap::new(),
        events: BTreeMap::new(),
        agenda: BTreeMap::new(),
        next: 0,
        edited: None,
        writers: BTreeMap::new(),
        ends: BTreeMap::new(),
        started: BTreeMap::new(),
        inputs: Vec::new(),
        calm: false,
        waits: None,
        counts: Counts::default(),
        violations: Vec::new(),
        story: Vec::new(),
    };
    Arc::new(Day { world: Mutex::new(world), journal: MemoryJournal::default(), ground: Ground::new(policy) })
}

impl Day {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Day {
    fn now(&self) -> Timestamp {
        self.world().now
    }
}

impl World {
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Plans something for so many seconds from now on.
    pub(crate) fn later(&mut self, seconds: i64, deed: Deed) {
        let at = self.now + SignedDuration::from_secs(seconds);
        self.next += 1;
        self.agenda.insert((at, self.next), deed);
    }

    /// Whether somebody redrives an execution that is held.
    pub(crate) fn redrives(&mut self) -> bool {
        !self.calm && self.dice.one_in(8)
    }

    /// A number that nobody else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let line = format!("{} {}", self.now, what());
        self.story.push(line);
    }

    pub(crate) fn violate(&mut self, what: String) {
        let line = format!("{}: {what}", self.now);
        self.note(|| format!("VIOLATION {what}"));
        self.violations.push(line);
    }

    pub(crate) fn set(&mut self, host: usize, site: &'static str, state: State) {
        let now = self.now;
        self.machines.set(host, site, state, now);
    }

    pub(crate) fn answers(&self, table: &RouteTableId) -> bool {
        self.lost != Some(region_of_table(table))
    }

    /// Whether the Prism Central of a site answers, or EC2.
    pub(crate) fn tells(&self, site: &str) -> bool {
        self.lost != Some(region_of(site)) && (site == EC2 || !self.dark.contains(site))
    }

    /// Remembers which Prism Centrals are silent now.
    pub(crate) fn listen(&mut self) {
        for site in NC2 {
            let tells = self.tells(site);
            let now = self.now;
            let spans = self.silences.entry(site).or_default();
            match (tells, spans.last_mut().filter(|(_, until)| *until == Timestamp::MAX)) {
                (true, Some((_, until))) => *until = now,
                (false, None) => spans.push((now, Timestamp::MAX)),
                (true, None) | (false, Some(_)) => {}
            }
        }
    }

    /// Whether the Prism Central of a site was silent at any moment from `begin` to `end`.
    pub(crate) fn was_silent(&self, site: &str, (begin, end): (Timestamp, Timestamp)) -> bool {
        self.silences.get(site).is_some_and(|spans| spans.iter().any(|(from, until)| *from <= end && begin <= *until))
    }

    /// Machines by site, for whoever looks at a seed.
    pub(crate) fn machines_words(&self) -> String {
        let of = |host: usize| {
            let at: Vec<String> = SITES.iter().map(|site| format!("{:?}", self.machines.state(host, site))).collect();
            format!("{} {}", HOSTS[host].0, at.join("/"))
        };
        (0..HOSTS.len()).map(of).collect::<Vec<_>>().join(", ")
    }
}

/// A call under way: over after a while, in which anything may happen.
pub(crate) struct Gate<'a>(pub(crate) &'a Day);

impl Future for Gate<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut world = self.0.world();
        if world.dice.one_in(2) {
            return Poll::Ready(());
        }
        world.waits = Some(Timestamp::MIN);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Over at a time.
pub(crate) struct Until<'a>(pub(crate) &'a Day, pub(crate) Timestamp);

impl Future for Until<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut world = self.0.world();
        if self.1 <= world.now {
            return Poll::Ready(());
        }
        world.waits = Some(world.waits.map_or(self.1, |other| other.min(self.1)));
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

pub(crate) async fn pause(day: &Day, seconds: i64) {
    let until = day.now() + SignedDuration::from_secs(seconds);
    Until(day, until).await;
}
