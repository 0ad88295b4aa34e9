//! A fault before the effect, a fault after the effect and the death of the process, at every call of an operation, each followed by a new
//! start; undo after every step; drift; executions that race.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use holdfast_journal::{Event, *};
use holdfast_model::*;
use holdfast_plan::{Place, Plan, RouteValue, Step};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

struct Now(Mutex<Timestamp>);

impl Clock for Now {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_322_800 + seconds).unwrap()
}

fn network(name: &str) -> NetworkName {
    NetworkName::parse(name).unwrap()
}

fn route(name: &str) -> RouteValue {
    RouteValue::Static { attachment: AttachmentId::parse(format!("tgw-attach-{name:0>8}")).unwrap() }
}

fn step(table: &str, before: RouteValue, after: RouteValue) -> Step {
    Step {
        table: RouteTableId::parse(format!("tgw-rtb-{table:0>8}")).unwrap(),
        name: TableName::parse(table).unwrap(),
        tag: None,
        scope: Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("ap-northeast-1").unwrap() },
        networks: BTreeSet::from([network("app")]),
        place: Place::Route { prefix: Prefix::parse("172.30.1.0/24").unwrap() },
        before,
        after,
        why: "test".into(),
    }
}

/// Two stages with all kinds of change: three writes.
fn plan() -> Plan {
    Plan {
        networks: BTreeSet::from([network("app"), network("db")]),
        to: SiteName::parse("nc2-osaka").unwrap(),
        hosts: None,
        stages: vec![
            vec![step("a", route("old"), route("new")), step("b", RouteValue::Absent, route("new"))],
            vec![step("c", route("old"), RouteValue::Absent)],
        ],
    }
}

fn tables_before() -> MemoryTables {
    tables_settling(Settling::AfterOneRead)
}

fn tables_settling(settling: Settling) -> MemoryTables {
    let tables = MemoryTables::new(settling);
    for step in plan().steps().filter(|step| step.before != RouteValue::Absent) {
        tables.set(&step.table, step.place.spot(), step.before.clone());
    }
    tables
}

fn holds(tables: &MemoryTables, which: impl Fn(&Step) -> &RouteValue) -> bool {
    plan().steps().all(|step| tables.get(&step.table, &step.place.spot()) == *which(step))
}

/// Where a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// The call is refused and has no effect.
    Before,
    /// The call has its effect, and its answer is lost.
    After,
    /// The process dies before the call: no call has an effect from then on.
    DeathBefore,
    /// The process dies after the call has had its effect.
    DeathAfter,
}

/// Breaks call number `at` of either trait.
struct Breaking<'a> {
    journal: &'a MemoryJournal,
    tables: &'a MemoryTables,
    calls: AtomicUsize,
    at: usize,
    how: Break,
}

enum Chance {
    Good,
    LostAnswer,
    NoEffect,
}

impl Breaking<'_> {
    fn chance(&self) -> Chance {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match (self.how, call.cmp(&self.at)) {
            (_, std::cmp::Ordering::Less) | (Break::Before | Break::After, std::cmp::Ordering::Greater) => Chance::Good,
            (Break::After | Break::DeathAfter, std::cmp::Ordering::Equal) => Chance::LostAnswer,
            (Break::Before | Break::DeathBefore, std::cmp::Ordering::Equal)
            | (Break::DeathBefore | Break::DeathAfter, std::cmp::Ordering::Greater) => Chance::NoEffect,
        }
    }

    async fn store<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let lost = || Err(StoreError::Unavailable("broken by the test".into()));
        match self.chance() {
            Chance::Good => call.await,
            Chance::LostAnswer => call.await.and_then(|_| lost()),
            Chance::NoEffect => lost(),
        }
    }

    async fn table<T>(&self, call: impl Future<Output = Result<T, TablesError>>) -> Result<T, TablesError> {
        let lost = || Err(TablesError::Unavailable("broken by the test".into()));
        match self.chance() {
            Chance::Good => call.await,
            Chance::LostAnswer => call.await.and_then(|_| lost()),
            Chance::NoEffect => lost(),
        }
    }
}

impl JournalStore for Breaking<'_> {
    async fn read_locks(&self, networks: &BTreeSet<NetworkName>) -> Result<BTreeMap<NetworkName, Lock>, StoreError> {
        self.store(self.journal.read_locks(networks)).await
    }
    async fn swap_lock(&self, network: &NetworkName, expected: u64, lock: &Lock) -> Result<LockWrite, StoreError> {
        self.store(self.journal.swap_lock(network, expected, lock)).await
    }
    async fn put_operation(&self, operation: &Operation) -> Result<Put, StoreError> {
        self.store(self.journal.put_operation(operation)).await
    }
    async fn read_operation(&self, id: &OperationId) -> Result<Option<Operation>, StoreError> {
        self.store(self.journal.read_operation(id)).await
    }
    async fn read_entries(&self, id: &OperationId) -> Result<Vec<Entry>, StoreError> {
        self.store(self.journal.read_entries(id)).await
    }
    async fn append(&self, id: &OperationId, entry: &Entry) -> Result<Append, StoreError> {
        self.store(self.journal.append(id, entry)).await
    }
}

impl RouteTables for Breaking<'_> {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.table(self.tables.read_route(step)).await
    }
    async fn write_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.table(self.tables.write_route(step)).await
    }
    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        self.table(self.tables.await_route(step, within)).await
    }
    async fn pause(&self, _: u32) {}
}

#[derive(Debug)]
enum Failed {
    Take(TakeError),
    Stopped(Stopped),
}

struct Start<'a> {
    id: &'a str,
    intent: Intent,
    plan: Plan,
    /// Whether a person forces it.
    force: bool,
    now: i64,
    deadline: i64,
}

impl Start<'_> {
    fn operation(&self) -> Operation {
        Operation {
            v: 2,
            id: OperationId::parse(self.id).unwrap(),
            intent: self.intent.clone(),
            from: BTreeMap::new(),
            map: MapRef { bucket: "b".into(), key: "k".into(), version: String::new(), sha256: "0".repeat(64) },
            force: self.force.then(|| wire::Force { by: "ana".into(), reason: "3 a.m.".into() }),
            evidence: None,
            event: None,
            approved_by: None,
            replaces: BTreeSet::new(),
            verdict: Vec::new(),
            planned_at: at(self.now),
            planned_by: self.holder(),
            plan: self.plan.clone(),
        }
    }

    fn holder(&self) -> Holder {
        Holder { execution: self.id.to_owned(), invocation: format!("{}-{}", self.id, self.now) }
    }

    /// Whether the tables are as the plan leaves them: `swap-route` then opens no operation.
    async fn nothing_to_do<T: RouteTables>(&self, tables: &T) -> bool {
        let mut read = Vec::new();
        for step in self.plan.steps() {
            read.push(tables.read_route(step).await == Ok(Seen::Settled(step.after.clone())));
        }
        !read.is_empty() && read.iter().all(|right| *right)
    }

    /// What `swap-route` does, with the plan given.
    async fn run<S: JournalStore, T: RouteTables>(&self, journal: &S, tables: &T) -> Result<Applied, Failed> {
        let desk = Desk::new(journal, self.holder(), at(self.deadline + 25));
        let networks = BTreeSet::from([network("app"), network("db")]);
        let clock = Now(Mutex::new(at(self.now)));
        let over = self.force.then(|| &*MAP);
        let mut session = match desk.find(&networks, &self.intent, over, clock.now()).await.map_err(Failed::Take)? {
            // A person plans anew what cannot be finished.
            Standing::Same(_, locks) if self.force => {
                desk.open(self.operation(), &locks, clock.now()).await.map_err(Failed::Take)?
            }
            Standing::Same(id, locks) => desk.resume(&id, &locks, None, clock.now()).await.map_err(Failed::Take)?,
            Standing::Free(locks)
                if locks.values().all(|lock| lock.open.is_none()) && self.nothing_to_do(tables).await =>
            {
                return Ok(Applied::Done);
            }
            Standing::Free(locks) => desk.open(self.operation(), &locks, clock.now()).await.map_err(Failed::Take)?,
        };
        let limits =
            Limits { deadline: at(self.deadline), margin: Duration::from_secs(5), settle: Duration::from_secs(1) };
        apply(&mut session, tables, &clock, &limits).await.map_err(Failed::Stopped)
    }
}

fn forward(id: &str, now: i64) -> Start<'_> {
    let networks = BTreeSet::from([network("app"), network("db")]);
    let intent = Intent::Move { networks, to: SiteName::parse("nc2-osaka").unwrap(), hosts: None, lost: None };
    Start { id, intent, plan: plan(), force: false, now, deadline: now + 60 }
}

#[tokio::test]
async fn broken_at_every_call_and_started_again_ends_done() {
    let hows = [Break::Before, Break::After, Break::DeathBefore, Break::DeathAfter];
    for (how, settling) in hows.into_iter().flat_map(|how| [(how, Settling::AfterOneRead), (how, Settling::AtOnce)]) {
        let mut number = 0;
        loop {
            let (journal, tables) = (MemoryJournal::default(), tables_settling(settling));
            let broken = Breaking { journal: &journal, tables: &tables, calls: AtomicUsize::new(0), at: number, how };
            let first = forward("op-00000001", 0).run(&broken, &broken).await;
            let calls = broken.calls.load(Ordering::SeqCst);
            let written_unjournalled =
                plan().steps().any(|step| tables.get(&step.table, &step.place.spot()) != step.before)
                    && journal.snapshot().entries.is_empty();
            assert!(!written_unjournalled, "{how:?} at {number}");
            // Same input again: another execution, another id.
            if !matches!(first, Ok(Applied::Done)) || !holds(&tables, |step| &step.after) {
                let again = forward("op-00000002", 10).run(&journal, &tables).await;
                assert!(matches!(again, Ok(Applied::Done)), "{how:?} at {number}: {first:?}, {again:?}");
            }
            assert!(holds(&tables, |step| &step.after), "{how:?} at {number}");
            let stored = journal.snapshot();
            for (id, entries) in &stored.entries {
                let plan = &stored.operations[id].plan;
                for count in 0..=entries.len() {
                    Status::fold(plan, &entries[..count]).unwrap();
                }
            }
            if calls <= number {
                assert!(number > 12, "the operation makes {number} calls");
                break;
            }
            number += 1;
        }
    }
}

#[tokio::test]
async fn a_third_party_meets_an_open_operation_until_it_ends() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let broken =
        Breaking { journal: &journal, tables: &tables, calls: AtomicUsize::new(0), at: 6, how: Break::DeathAfter };
    assert!(forward("op-00000001", 0).run(&broken, &broken).await.is_err());
    let mut other = forward("op-00000003", 10);
    other.intent = Intent::Move {
        networks: BTreeSet::from([network("db")]),
        to: SiteName::parse("nc2-tokyo").unwrap(),
        hosts: None,
        lost: None,
    };
    let Err(Failed::Take(error)) = other.run(&journal, &tables).await else { panic!("taken") };
    insta::assert_snapshot!(error.to_string(), @r#"operation op-00000001 (move app, db to nc2-osaka) is open on network `app` since 2026-01-02T03:00:00Z, worked at by execution `op-00000001`; start its input again to finish it, or take it back with `{"undo": "op-00000001"}`; where neither is possible, replace it: `{"networks": ["app", "db"], "to": "<site>", "force": {"by": "<you>", "reason": "<why>"}}`, with the site where its machines run, leads them there from where the tables are, by your word, which is recorded"#);
    assert!(forward("op-00000002", 20).run(&journal, &tables).await.is_ok());
    other.plan.stages.clear();
    // The dead invocation had until 60, and a call of it takes at most 25 more.
    other.now = 84;
    other.deadline = 144;
    let Err(Failed::Take(error)) = other.run(&journal, &tables).await else { panic!("taken") };
    insta::assert_snapshot!(error.to_string(), @"execution `op-00000001` may still have a call under way on network `app` until 2026-01-02T03:01:25Z");
    other.now = 85;
    assert!(matches!(other.run(&journal, &tables).await, Ok(Applied::Done)));
}

#[tokio::test]
async fn the_lease_of_whoever_died_outlives_those_that_resumed() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let broken =
        Breaking { journal: &journal, tables: &tables, calls: AtomicUsize::new(0), at: 6, how: Break::DeathAfter };
    assert!(forward("op-00000001", 0).run(&broken, &broken).await.is_err());
    // Stops at once for lack of time; its own lease would end at 27.
    let mut short = forward("op-00000002", 1);
    short.deadline = 2;
    assert!(matches!(short.run(&journal, &tables).await, Ok(Applied::Continue)));
    let undo = |now| backward("op-0000000c", "op-00000001", &tables, now);
    let soon = undo(84).run(&journal, &tables).await;
    assert!(
        matches!(&soon, Err(Failed::Take(TakeError::LeaseHeld { execution, until, .. })) if execution == "op-00000001" && *until == at(85)),
        "{soon:?}"
    );
    assert!(matches!(undo(85).run(&journal, &tables).await, Ok(Applied::Done)));
    assert!(holds(&tables, |step| &step.before));
}

/// The inverse of what was done so far, as `plan_undo` makes it from the tables.
fn backward<'a>(id: &'a str, undone: &str, tables: &MemoryTables, now: i64) -> Start<'a> {
    let stages = plan().stages.into_iter().rev().map(|stage| {
        let done = stage.iter().filter(|step| tables.get(&step.table, &step.place.spot()) == step.after);
        done.map(Step::inverse).collect::<Vec<_>>()
    });
    let stages = stages.filter(|stage| !stage.is_empty()).collect();
    let intent = Intent::Undo { operation: OperationId::parse(undone).unwrap(), lost: None };
    Start { id, intent, plan: Plan { stages, ..plan() }, force: false, now, deadline: now + 60 }
}

#[tokio::test]
async fn undo_after_every_call_puts_every_table_back() {
    let before = tables_before();
    for number in 5.. {
        let (journal, tables) = (MemoryJournal::default(), tables_before());
        let how = Break::DeathAfter;
        let broken = Breaking { journal: &journal, tables: &tables, calls: AtomicUsize::new(0), at: number, how };
        let first = forward("op-00000001", 0).run(&broken, &broken).await;
        let finished = broken.calls.load(Ordering::SeqCst) <= number;
        let open = journal.snapshot().locks.values().any(|lock| lock.open.is_some());
        let leased = journal.snapshot().locks.values().any(|lock| lock.lease.is_some());
        if leased && first.is_err() {
            // A call of the dead invocation may still be under way.
            let soon = backward("op-0000000b", "op-00000001", &tables, 10).run(&journal, &tables).await;
            assert!(
                matches!(soon, Err(Failed::Take(TakeError::LeaseHeld { .. }))) || !open || soon.is_ok(),
                "{soon:?}"
            );
        }
        let undo = backward("op-0000000c", "op-00000001", &tables, 200).run(&journal, &tables).await;
        assert!(matches!(undo, Ok(Applied::Done)), "at {number}: {undo:?}");
        assert!(
            plan().steps().all(|s| tables.get(&s.table, &s.place.spot()) == before.get(&s.table, &s.place.spot())),
            "at {number}"
        );
        let stored = journal.snapshot();
        if let Some((id, operation)) = stored.operations.first_key_value() {
            let status = Status::fold(&operation.plan, stored.entries.get(id).map_or(&[], Vec::as_slice)).unwrap();
            let by = OperationId::parse("op-0000000b").unwrap();
            assert!(matches!(status.phase, Phase::Superseded(_)) || *id == by, "at {number}: {status:?}");
        }
        if finished {
            break;
        }
    }
}

#[tokio::test]
async fn the_same_move_without_a_lost_region_replaces_the_open_one_and_leaves_what_that_region_owes() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let third = plan().steps().nth(2).unwrap().clone();
    tables.set(&third.table, third.place.spot(), route("strange"));
    assert!(forward("op-00000001", 0).run(&journal, &tables).await.is_err());
    let mut other = forward("op-00000002", 10);
    let Intent::Move { networks, to, .. } = other.intent.clone() else { panic!("no move") };
    let lost = Some(Region::parse("ap-northeast-1").unwrap());
    let elsewhere = SiteName::parse("nc2-tokyo").unwrap();
    other.plan.stages.clear();
    other.intent = Intent::Move { networks: networks.clone(), to: elsewhere, hosts: None, lost: lost.clone() };
    let refused = other.run(&journal, &tables).await;
    assert!(matches!(refused, Err(Failed::Take(TakeError::OperationOpen { .. }))), "{refused:?}");

    other.intent = Intent::Move { networks, to: to.clone(), hosts: None, lost };
    assert!(matches!(other.run(&journal, &tables).await, Ok(Applied::Done)));
    let stored = journal.snapshot();
    let first = &stored.operations[&OperationId::parse("op-00000001").unwrap()];
    let by = OperationId::parse("op-00000002").unwrap();
    assert_eq!(Status::fold(&first.plan, &stored.entries[&first.id]).unwrap().phase, Phase::Superseded(by.clone()));
    let owed = Owed { operation: by, region: Region::parse("ap-northeast-1").unwrap(), to, hosts: None };
    assert!(stored.locks.values().all(|lock| lock.open.is_none() && lock.owed.as_ref() == Some(&owed)));

    // The Region is back, and the move is made whole.
    let mut whole = forward("op-00000003", 20);
    whole.plan.stages.clear();
    assert!(matches!(whole.run(&journal, &tables).await, Ok(Applied::Done)));
    assert!(journal.snapshot().locks.values().all(|lock| lock.owed.is_none()));
}

#[tokio::test]
async fn what_a_lost_region_owes_outlives_a_death_at_every_call() {
    let networks = BTreeSet::from([network("app"), network("db")]);
    let region = Region::parse("ap-northeast-3").unwrap();
    for how in [Break::Before, Break::After, Break::DeathBefore, Break::DeathAfter] {
        for number in 0.. {
            let (journal, tables) = (MemoryJournal::default(), tables_before());
            let broken = Breaking { journal: &journal, tables: &tables, calls: AtomicUsize::new(0), at: number, how };
            let mut start = forward("op-00000001", 0);
            let Intent::Move { lost, to, .. } = &mut start.intent else { panic!("no move") };
            *lost = Some(region.clone());
            let to = to.clone();
            // What becomes of it is the next start's affair.
            let _ = start.run(&broken, &broken).await;
            let finished = broken.calls.load(Ordering::SeqCst) <= number;
            let again = Start { id: "op-00000002", now: 200, deadline: 260, ..start };
            assert!(matches!(again.run(&journal, &tables).await, Ok(Applied::Done)), "{how:?} at {number}");
            let Due::Owed(owed) = due_of(&networks, &journal).await.unwrap() else { panic!("nothing is owed") };
            assert_eq!((&owed.region, &owed.to, &owed.hosts), (&region, &to, &None), "{how:?} at {number}");

            let whole = forward("op-00000003", 300);
            // No table differs, so `swap-route` opens an operation without steps.
            let whole = Start { plan: Plan { stages: Vec::new(), ..plan() }, ..whole };
            assert!(matches!(whole.run(&journal, &tables).await, Ok(Applied::Done)));
            let due = due_of(&networks, &journal).await;
            assert!(matches!(due, Ok(Due::Steady(steady)) if steady.site == to), "{how:?} at {number}");
            if finished {
                break;
            }
        }
    }
}

static MAP: LazyLock<NetworkMap> = LazyLock::new(|| {
    let text = include_str!("../../../../infra/network-map.example.yaml");
    let db = "  db: { prefix: 172.30.2.0/24, subnets: { nc2-tokyo: db, nc2-osaka: db } }\n";
    NetworkMap::parse(&text.replacen("networks:\n", &format!("networks:\n{db}"), 1)).unwrap()
});

/// A start that ends the operation which `op-00000001` has left open, from the tables as they are.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Undo,
    WithoutRegion,
    Forced,
    ForcedElsewhere,
}

/// What is left for a start of a kind to do, as it would be planned from the tables.
fn ending<'a>(kind: Ends, id: &'a str, tables: &MemoryTables, now: i64) -> Start<'a> {
    let left = plan().stages.into_iter().map(|stage| {
        let left = stage.into_iter().filter(|step| tables.get(&step.table, &step.place.spot()) != step.after);
        left.map(|step| Step { before: tables.get(&step.table, &step.place.spot()), ..step }).collect::<Vec<_>>()
    });
    let stages = left.filter(|stage| !stage.is_empty()).collect();
    let mut start = Start { plan: Plan { stages, ..plan() }, ..forward(id, now) };
    match (kind, &mut start.intent) {
        (Ends::Undo, _) => return backward(id, "op-00000001", tables, now),
        (Ends::WithoutRegion, Intent::Move { lost, .. }) => *lost = Some(Region::parse("ap-northeast-1").unwrap()),
        (Ends::ForcedElsewhere, Intent::Move { to, .. }) => *to = SiteName::parse("ec2-tokyo").unwrap(),
        (Ends::Forced | Ends::WithoutRegion | Ends::ForcedElsewhere, _) => {}
    }
    start.force = matches!(kind, Ends::Forced | Ends::ForcedElsewhere);
    start
}

/// Whoever goes on with an operation, or ends that one too, knows what it was to close.
#[tokio::test]
async fn what_an_operation_replaces_is_closed_whatever_died_at_any_call() {
    let first = OperationId::parse("op-00000001").unwrap();
    for (kind, how) in [Ends::Undo, Ends::WithoutRegion, Ends::Forced, Ends::ForcedElsewhere]
        .into_iter()
        .flat_map(|kind| [Break::After, Break::DeathBefore, Break::DeathAfter].map(|how| (kind, how)))
    {
        for (number, died, taken_back) in (0..).flat_map(|number| {
            [(6, false), (9, false), (9, true), (12, false)].map(|(died, taken_back)| (number, died, taken_back))
        }) {
            let (journal, tables) = (MemoryJournal::default(), tables_before());
            let broken = |at, how| Breaking { journal: &journal, tables: &tables, calls: AtomicUsize::new(0), at, how };
            let dies = broken(died, Break::DeathAfter);
            assert!(forward("op-00000001", 0).run(&dies, &dies).await.is_err());
            let breaks = broken(number, how);
            // What becomes of it is the next start's affair.
            let second = ending(kind, "op-00000002", &tables, 200);
            let _ = second.run(&breaks, &breaks).await;
            let stored = journal.snapshot();
            let second_open = stored
                .locks
                .values()
                .any(|lock| lock.open.as_ref().is_some_and(|open| open.operation.as_str() == "op-00000002"));
            let again = match taken_back && second_open {
                true => Start {
                    intent: Intent::Undo { operation: OperationId::parse("op-00000002").unwrap(), lost: None },
                    plan: Plan { stages: Vec::new(), ..plan() },
                    ..ending(kind, "op-00000003", &tables, 400)
                },
                // Nobody forces it again: what was begun by force is only gone on with.
                false => Start {
                    force: second.force && !second_open,
                    intent: second.intent.clone(),
                    ..ending(kind, "op-00000003", &tables, 400)
                },
            };
            let at = format!("{kind:?}, {how:?} at {number} after {died}, {taken_back}: {:?}", again.intent);
            let ended = again.run(&journal, &tables).await;
            assert!(matches!(ended, Ok(Applied::Done)), "{at}: {ended:?}");
            let stored = journal.snapshot();
            for (id, operation) in &stored.operations {
                let entries = stored.entries.get(id).map_or(&[][..], Vec::as_slice);
                let phase = Status::fold(&operation.plan, entries).unwrap().phase;
                let closed = matches!(phase, Phase::Finished | Phase::Superseded(_));
                assert!(closed || (*id != first && phase == Phase::Planned), "{at}: {id} is {phase:?}");
            }
            assert!(stored.locks.values().all(|lock| lock.open.is_none()), "{at}");
            if breaks.calls.load(Ordering::SeqCst) <= number && died == 12 {
                break;
            }
        }
    }
}

/// One without steps is at its end as soon as somebody has taken it.
#[tokio::test]
async fn what_an_operation_without_steps_replaces_is_closed_after_two_deaths() {
    let first = OperationId::parse("op-00000001").unwrap();
    for (one, two) in (0..12).flat_map(|one| (0..12).map(move |two| (one, two))) {
        let (journal, tables) = (MemoryJournal::default(), tables_before());
        let broken = |at| {
            let (journal, tables, calls) = (&journal, &tables, AtomicUsize::new(0));
            Breaking { journal, tables, calls, at, how: Break::DeathAfter }
        };
        let dies = broken(6);
        assert!(forward("op-00000001", 0).run(&dies, &dies).await.is_err());
        let empty = |id, now| Start {
            plan: Plan { stages: Vec::new(), ..plan() },
            ..ending(Ends::ForcedElsewhere, id, &tables, now)
        };
        let dies = broken(one);
        let _ = empty("op-00000002", 200).run(&dies, &dies).await;
        let taken = journal
            .snapshot()
            .locks
            .values()
            .any(|lock| lock.open.as_ref().is_some_and(|open| open.operation.as_str() == "op-00000002"));
        // Who goes on with it needs no word.
        let dies = broken(two);
        let _ = Start { force: !taken, ..empty("op-00000003", 400) }.run(&dies, &dies).await;
        let open = journal
            .snapshot()
            .locks
            .values()
            .any(|lock| lock.open.as_ref().is_some_and(|open| open.operation == first));
        let last = Start { force: open, ..empty("op-00000004", 600) }.run(&journal, &tables).await;
        assert!(matches!(last, Ok(Applied::Done)), "{one}, {two}: {last:?}");
        let stored = journal.snapshot();
        let phase = Status::fold(&stored.operations[&first].plan, &stored.entries[&first]).unwrap().phase;
        assert!(matches!(phase, Phase::Superseded(_)), "{one}, {two}: {phase:?}");
    }
}

/// A word is needed, and one that moves all that was to move.
#[tokio::test]
async fn only_a_forced_move_of_the_same_networks_replaces_what_is_open() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let third = plan().steps().nth(2).unwrap().clone();
    tables.set(&third.table, third.place.spot(), route("strange"));
    assert!(forward("op-00000001", 0).run(&journal, &tables).await.is_err());
    let elsewhere = || ending(Ends::ForcedElsewhere, "op-00000002", &tables, 10);
    let refused = async |start: Start<'_>| {
        let end = start.run(&journal, &tables).await;
        assert!(matches!(end, Err(Failed::Take(TakeError::OperationOpen { .. }))), "{end:?}");
    };
    refused(Start { force: false, ..elsewhere() }).await;
    let (app, db) = (network("app"), network("db"));
    let to = SiteName::parse("ec2-tokyo").unwrap();
    let host = Some(BTreeSet::from(["172.30.1.34".parse().unwrap()]));
    for (networks, hosts) in [([app.clone()].into(), None), ([db].into(), None), ([app, network("db")].into(), host)] {
        refused(Start { intent: Intent::Move { networks, to: to.clone(), hosts, lost: None }, ..elsewhere() }).await;
    }
    let other = Intent::Undo { operation: OperationId::parse("op-00000009").unwrap(), lost: None };
    refused(Start { intent: other, ..elsewhere() }).await;

    assert!(matches!(elsewhere().run(&journal, &tables).await, Ok(Applied::Done)));
    let stored = journal.snapshot();
    let last = |id: &str| stored.entries[&OperationId::parse(id).unwrap()].last().unwrap().events.clone();
    let force = Some(wire::Force { by: "ana".into(), reason: "3 a.m.".into() });
    let by = OperationId::parse("op-00000002").unwrap();
    assert_eq!(last("op-00000001"), [Event::Superseded { by, force }]);
    let second = &stored.operations[&OperationId::parse("op-00000002").unwrap()];
    assert_eq!(second.replaces, [OperationId::parse("op-00000001").unwrap()].into());
}

/// Two people who force different sites end with the later word: an execution ends nothing that has ended its own, and plans nothing anew of its own.
#[tokio::test]
async fn a_word_ends_nothing_that_came_after_it() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let third = plan().steps().nth(2).unwrap().clone();
    tables.set(&third.table, third.place.spot(), route("strange"));
    let first = Start { force: true, ..forward("op-00000001", 0) };
    assert!(first.run(&journal, &tables).await.is_err());
    let other = Start { plan: plan(), ..ending(Ends::ForcedElsewhere, "op-00000002", &tables, 10) };
    assert!(other.run(&journal, &tables).await.is_err());
    let desk = |execution: &str| {
        let holder = Holder { execution: execution.to_owned(), invocation: "i".to_owned() };
        Desk::new(&journal, holder, at(200))
    };
    let networks = BTreeSet::from([network("app"), network("db")]);
    let again = desk("op-00000001").find(&networks, &first.intent, Some(&*MAP), at(20)).await;
    assert!(matches!(again, Err(TakeError::OperationOpen { .. })), "{again:?}");
    let anew = desk("op-00000003").find(&networks, &first.intent, Some(&*MAP), at(20)).await;
    assert!(matches!(anew, Ok(Standing::Free(_))), "{anew:?}");

    let anew = |execution: &str, start: &Start<'_>, why| desk(execution).plans_anew(&start.operation(), why);
    assert!(anew("op-00000003", &first, FaultName::Drifted) && anew("op-00000003", &first, FaultName::Refused));
    assert!(!anew("op-00000001", &first, FaultName::Drifted), "it planned that itself");
    for passes in [FaultName::Unread, FaultName::LeaseHeld, FaultName::Throttled, FaultName::EvidenceAgainst] {
        assert!(!anew("op-00000003", &first, passes), "{passes:?}");
    }
    assert!(!anew("op-00000003", &backward("op-00000004", "op-00000001", &tables, 30), FaultName::Drifted));
}

/// A word does not stop a write that is under way.
#[tokio::test]
async fn nobody_replaces_an_operation_of_which_a_write_may_still_take_effect() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let Err(Failed::Stopped(_)) = forward("op-00000001", 0).run(&journal, &Late(&tables)).await else {
        panic!("it had no answer")
    };
    for kind in [Ends::Forced, Ends::ForcedElsewhere] {
        let early = ending(kind, "op-00000002", &tables, 24).run(&journal, &tables).await;
        assert!(matches!(early, Err(Failed::Take(TakeError::LeaseHeld { .. }))), "{early:?}");
    }
    let late = ending(Ends::ForcedElsewhere, "op-00000002", &tables, 25).run(&journal, &tables).await;
    assert!(matches!(late, Ok(Applied::Done)), "{late:?}");
}

/// Networks that another map locks beside: whoever began to take them died, and somebody works at what it replaces.
#[tokio::test]
async fn nobody_resumes_over_a_call_of_what_it_replaces() {
    let journal = MemoryJournal::default();
    let (old, new) = (forward("op-00000001", 0), forward("op-00000002", 0));
    let (app, db) = (BTreeSet::from([network("app")]), BTreeSet::from([network("app"), network("db")]));
    let lock = |start: &Start<'_>, lease: Option<Lease>| Lock {
        fence: 1,
        open: Some(Open { operation: start.operation().id, intent: start.intent.clone(), since: at(0) }),
        lease,
        ..Lock::default()
    };
    let other = Intent::Move { networks: app, to: SiteName::parse("nc2-tokyo").unwrap(), hosts: None, lost: None };
    let old = Start { intent: other, ..old };
    journal.put_operation(&old.operation()).await.unwrap();
    let replaces = BTreeSet::from([old.operation().id]);
    journal.put_operation(&Operation { replaces, ..new.operation() }).await.unwrap();
    journal.swap_lock(&network("app"), 0, &lock(&new, None)).await.unwrap();
    let lease = Lease { holder: old.holder(), until: at(85) };
    journal.swap_lock(&network("db"), 0, &lock(&old, Some(lease))).await.unwrap();
    let desk = || Desk::new(&journal, forward("op-00000003", 10).holder(), at(200));
    let standing = desk().find(&db, &new.intent, None, at(84)).await.unwrap();
    let Standing::Same(id, locks) = standing else { panic!("{standing:?}") };
    assert_eq!(id, new.operation().id);
    let early = desk().resume(&id, &locks, None, at(84)).await.unwrap_err();
    assert!(matches!(early, TakeError::LeaseHeld { .. }), "{early:?}");
    assert!(desk().resume(&id, &locks, None, at(85)).await.is_ok());
    let entries = journal.snapshot().entries;
    let superseded = entries[&old.operation().id].last().unwrap().events.last().cloned();
    assert_eq!(superseded, Some(Event::Superseded { by: id, force: None }));
}

#[tokio::test]
async fn an_undo_that_loses_a_region_goes_on_without_it() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    assert!(matches!(forward("op-00000001", 0).run(&journal, &tables).await, Ok(Applied::Done)));
    let third = plan().steps().nth(2).unwrap().clone();
    tables.set(&third.table, third.place.spot(), route("strange"));
    let undo =
        Start { plan: Plan { stages: inverse(), ..plan() }, ..backward("op-0000000b", "op-00000001", &tables, 10) };
    assert!(matches!(undo.run(&journal, &tables).await, Err(Failed::Stopped(_))));
    let region = Region::parse("ap-northeast-3").unwrap();
    let mut without = backward("op-0000000c", "op-00000001", &tables, 20);
    without.intent = Intent::Undo { operation: OperationId::parse("op-00000001").unwrap(), lost: Some(region.clone()) };
    assert!(matches!(without.run(&journal, &tables).await, Ok(Applied::Done)));
    let stored = journal.snapshot();
    let second = &stored.operations[&OperationId::parse("op-0000000b").unwrap()];
    let by = OperationId::parse("op-0000000c").unwrap();
    assert_eq!(Status::fold(&second.plan, &stored.entries[&second.id]).unwrap().phase, Phase::Superseded(by));
    assert!(stored.locks.values().all(|lock| lock.owed.as_ref().is_some_and(|owed| owed.region == region)));
}

fn inverse() -> Vec<Vec<Step>> {
    plan().stages.into_iter().rev().map(|stage| stage.iter().map(Step::inverse).collect()).collect()
}

#[tokio::test]
async fn drift_holds_with_both_values_and_what_is_left() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let third = plan().steps().nth(2).unwrap().clone();
    tables.set(&third.table, third.place.spot(), route("strange"));
    let Err(Failed::Stopped(stopped)) = forward("op-00000001", 0).run(&journal, &tables).await else {
        panic!("went on")
    };
    assert!(matches!(stopped.cause, Cause::Drifted { .. }));
    insta::assert_snapshot!(stopped.to_string(), @r#"route 172.30.1.0/24 in c (tgw-rtb-0000000c) (account `main` in ap-northeast-1) is `tgw-attach-0strange`, neither `tgw-attach-00000old` as planned from nor `no static route` as wanted; somebody else changed it: put it to one of the two; done: ap-northeast-1 a (tgw-rtb-0000000a): route 172.30.1.0/24 from tgw-attach-00000old to tgw-attach-00000new; ap-northeast-1 b (tgw-rtb-0000000b): route 172.30.1.0/24 from no static route to tgw-attach-00000new; left: ap-northeast-1 c (tgw-rtb-0000000c): route 172.30.1.0/24 from tgw-attach-00000old to no static route; start the same input again to go on, or take it back with `{"undo": "op-00000001"}`; where neither is possible, replace it: `{"networks": ["app", "db"], "to": "<site>", "force": {"by": "<you>", "reason": "<why>"}}`, with the site where its machines run, leads them there from where the tables are, by your word, which is recorded"#);
    assert_eq!(Fault::from(stopped).name, FaultName::Drifted);
    assert_eq!(tables.get(&third.table, &third.place.spot()), route("strange"));
    let stored = journal.snapshot();
    assert!(stored.locks.values().all(|lock| lock.lease.is_none() && lock.open.is_some()));
    tables.set(&third.table, third.place.spot(), third.before.clone());
    assert!(matches!(forward("op-00000002", 10).run(&journal, &tables).await, Ok(Applied::Done)));
}

#[tokio::test]
async fn without_time_left_nothing_is_written_and_the_next_call_goes_on() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let mut short = forward("op-00000001", 0);
    short.deadline = 3;
    assert!(matches!(short.run(&journal, &tables).await, Ok(Applied::Continue)));
    assert!(holds(&tables, |step| &step.before));
    assert!(matches!(forward("op-00000002", 1).run(&journal, &tables).await, Ok(Applied::Done)));
    assert!(holds(&tables, |step| &step.after));
    let stored = journal.snapshot();
    assert_eq!(stored.operations.len(), 1, "the second start resumed the first operation");
    assert!(stored.locks.values().all(|lock| lock.open.is_none() && lock.lease.is_none()));
}

#[tokio::test]
async fn who_is_taken_over_stops_before_its_next_write() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let start = forward("op-00000001", 0);
    let networks = BTreeSet::from([network("app"), network("db")]);
    let desk = Desk::new(&journal, start.holder(), at(85));
    let Standing::Free(locks) = desk.find(&networks, &start.intent, None, at(0)).await.unwrap() else {
        panic!("not free")
    };
    let mut old = desk.open(start.operation(), &locks, at(0)).await.unwrap();
    // A second execution of the same intent resumes at once, and stops for lack of time.
    let mut second = forward("op-00000002", 1);
    second.deadline = 2;
    assert!(matches!(second.run(&journal, &tables).await, Ok(Applied::Continue)));
    let clock = Now(Mutex::new(at(2)));
    let limits = Limits { deadline: at(60), margin: Duration::from_secs(5), settle: Duration::from_secs(1) };
    let stopped = apply(&mut old, &tables, &clock, &limits).await.unwrap_err();
    assert_eq!(stopped.cause, Cause::TakenOver("op-00000002".into()));
    assert!(holds(&tables, |step| &step.before));
    let leases: Vec<_> = journal.snapshot().locks.into_values().filter_map(|lock| lock.lease).collect();
    assert_eq!(leases, [], "whoever took over had left its lease behind, and no call of it is under way any more");
}

/// Tables that take a write, say nothing, and let it have its effect when they want to.
struct Late<'a>(&'a MemoryTables);

impl RouteTables for Late<'_> {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.0.read_route(step).await
    }
    async fn write_route(&self, _: &Step) -> Result<Seen, TablesError> {
        Err(TablesError::Unavailable("timed out".into()))
    }
    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        self.0.await_route(step, within).await
    }
    async fn pause(&self, _: u32) {}
}

/// The client's time-out is not the platform's: a call without an answer may take effect a little later, and an undo must come after it.
#[tokio::test]
async fn a_write_without_an_answer_keeps_others_out_for_as_long_as_it_may_take_effect() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let Err(Failed::Stopped(stopped)) = forward("op-00000001", 0).run(&journal, &Late(&tables)).await else {
        panic!("it had no answer")
    };
    assert!(matches!(stopped.cause, Cause::Unanswered { .. }), "{stopped}");
    let early = backward("op-00000002", "op-00000001", &tables, 1).run(&journal, &tables).await;
    assert!(matches!(early, Err(Failed::Take(TakeError::LeaseHeld { .. }))), "{early:?}");
    for step in stopped.left.iter().take(1) {
        tables.write_route(step).await.unwrap();
    }
    assert!(!holds(&tables, |step| &step.before));
    let undo = backward("op-00000003", "op-00000001", &tables, 26).run(&journal, &tables).await;
    assert!(matches!(undo, Ok(Applied::Done)), "{undo:?}");
    assert!(holds(&tables, |step| &step.before));
}

/// Tables whose first write has no answer, while another execution does everything.
struct Overtaken<'a>(&'a MemoryTables, &'a MemoryJournal);

impl RouteTables for Overtaken<'_> {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.0.read_route(step).await
    }
    async fn write_route(&self, _: &Step) -> Result<Seen, TablesError> {
        futures::executor::block_on(forward("op-00000002", 1).run(self.1, self.0)).unwrap();
        Err(TablesError::Unavailable("timed out".into()))
    }
    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        self.0.await_route(step, within).await
    }
    async fn pause(&self, _: u32) {}
}

#[tokio::test]
async fn who_is_taken_over_with_a_call_under_way_keeps_its_lease() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let first = forward("op-00000001", 0);
    let Err(Failed::Stopped(stopped)) = first.run(&journal, &Overtaken(&tables, &journal)).await else {
        panic!("it was taken over")
    };
    assert_eq!(stopped.cause, Cause::TakenOver("op-00000002".into()));
    assert!(holds(&tables, |step| &step.after));
    let locks = journal.snapshot().locks;
    assert!(locks.values().all(|lock| lock.lease.as_ref().unwrap().holder == first.holder()), "{locks:?}");
}

/// Whoever took over still works: its lock is not touched, and it can free it.
#[tokio::test]
async fn who_is_taken_over_leaves_the_locks_of_who_took_over() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    let networks = BTreeSet::from([network("app"), network("db")]);
    let first = forward("op-00000001", 0);
    let desk = Desk::new(&journal, first.holder(), at(85));
    let Standing::Free(locks) = desk.find(&networks, &first.intent, None, at(0)).await.unwrap() else {
        panic!("not free")
    };
    let mut old = desk.open(first.operation(), &locks, at(0)).await.unwrap();
    let second = forward("op-00000002", 1);
    let desk = Desk::new(&journal, second.holder(), at(86));
    let Standing::Same(id, locks) = desk.find(&networks, &first.intent, None, at(1)).await.unwrap() else {
        panic!("free")
    };
    let mut new = desk.resume(&id, &locks, None, at(1)).await.unwrap();
    let clock = Now(Mutex::new(at(2)));
    let limits = Limits { deadline: at(60), margin: Duration::from_secs(5), settle: Duration::from_secs(1) };
    let held = journal.snapshot().locks;
    let stopped = apply(&mut old, &tables, &clock, &limits).await.unwrap_err();
    assert_eq!(stopped.cause, Cause::TakenOver("op-00000002".into()));
    assert_eq!(journal.snapshot().locks, held);
    assert!(matches!(apply(&mut new, &tables, &clock, &limits).await, Ok(Applied::Done)));
    assert!(journal.snapshot().locks.values().all(|lock| lock.open.is_none()));
}

#[tokio::test]
async fn of_racing_executions_the_tables_end_right_whatever_the_order() {
    for racers in [2, 5] {
        let (journal, tables) = (MemoryJournal::default(), tables_before());
        let ids: Vec<String> = (0..racers).map(|n| format!("op-0000001{n}")).collect();
        let starts: Vec<Start<'_>> = ids.iter().map(|id| forward(id, 0)).collect();
        let ends = futures::future::join_all(starts.iter().map(|start| start.run(&journal, &tables))).await;
        assert!(ends.iter().any(|end| matches!(end, Ok(Applied::Done))), "{ends:?}");
        assert!(holds(&tables, |step| &step.after));
        assert!(journal.snapshot().locks.values().all(|lock| lock.open.is_none()));
    }
}

#[tokio::test]
async fn journal_items_keep_their_form() {
    let (journal, tables) = (MemoryJournal::default(), tables_before());
    forward("op-00000001", 0).run(&journal, &tables).await.unwrap();
    let stored = journal.snapshot();
    let (id, operation) = stored.operations.first_key_value().unwrap();
    let items = serde_json::json!({
        "operation": operation,
        "entries": stored.entries[id],
        "lock": stored.locks[&network("app")],
        "open_lock": Lock {
            v: 1,
            fence: 3,
            open: Some(Open { operation: id.clone(), intent: operation.intent.clone(), since: at(0) }),
            lease: Some(Lease { holder: operation.planned_by.clone(), until: at(85) }),
            owed: None,
            moved_at: None,
            moves: BTreeSet::new(),
            left: None,
        },
    });
    insta::assert_snapshot!("journal_items_v2", serde_json::to_string_pretty(&items).unwrap());
}

/// Items that an earlier version wrote must stay readable: these files are never regenerated, new versions get a file of their own.
#[derive(serde::Deserialize)]
struct Golden {
    operation: Operation,
    entries: Vec<Entry>,
    open_lock: Lock,
}

fn golden(text: &str) -> Operation {
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert!(golden.open_lock.open.is_some());
    assert_eq!(Status::fold(&golden.operation.plan, &golden.entries).unwrap().phase, Phase::Finished);
    golden.operation
}

#[test]
fn golden_items_of_version_1_still_decode_and_fold() {
    let operation = golden(include_str!("golden/v1.json"));
    let first = operation.plan.steps().next().unwrap();
    assert_eq!(first.networks, BTreeSet::from([network("app")]));
    assert_eq!(first.place, Place::Route { prefix: Prefix::parse("172.30.1.0/24").unwrap() });
}

#[test]
fn golden_items_of_version_2_still_decode_and_fold() {
    let operation = golden(include_str!("golden/v2.json"));
    let places: Vec<String> = operation.plan.steps().map(|step| step.place.to_string()).collect();
    assert_eq!(
        places,
        ["reference to pl-0000000a (2 prefixes)", "route 172.30.1.34/32", "propagation of tgw-attach-00000old"]
    );
}
