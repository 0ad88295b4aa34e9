//! A plan of 8,000 steps: applied in order over several invocations, each of which ends well before its deadline, with few entries that fit into items.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use holdfast_journal::*;
use holdfast_model::*;
use holdfast_plan::{Place, Plan, RouteValue, Step};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Writes a second that AWS allows.
const PER_SECOND: i64 = 5;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_322_800 + seconds).unwrap()
}

/// Tables whose writes take the time that AWS lets them take.
#[derive(Default)]
struct Paced {
    tables: MemoryTables,
    /// Writes so far, which are the clock.
    writes: AtomicI64,
    order: Mutex<Vec<Step>>,
}

impl Clock for Paced {
    fn now(&self) -> Timestamp {
        at(self.writes.load(Ordering::SeqCst) / PER_SECOND)
    }
}

impl RouteTables for Paced {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.tables.read_route(step).await
    }
    async fn write_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.order.lock().unwrap().push(step.clone());
        self.tables.write_route(step).await
    }
    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        self.tables.await_route(step, within).await
    }
    async fn pause(&self, _: u32) {}
}

fn step(number: u32) -> Step {
    Step {
        table: RouteTableId::parse(format!("tgw-rtb-0000000{}", number % 4)).unwrap(),
        name: TableName::parse("hub").unwrap(),
        tag: None,
        scope: Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("ap-northeast-1").unwrap() },
        networks: BTreeSet::from([NetworkName::parse("app").unwrap()]),
        place: Place::Route { prefix: Prefix::parse(&format!("100.64.{}.{}/32", number / 256, number % 256)).unwrap() },
        before: RouteValue::Absent,
        after: RouteValue::Blackhole,
        why: "app is at nc2-osaka, by its VPC attachment".into(),
    }
}

/// Two stages of 6,000 and 2,000.
fn plan() -> Plan {
    Plan {
        networks: BTreeSet::from([NetworkName::parse("app").unwrap()]),
        to: SiteName::parse("nc2-osaka").unwrap(),
        hosts: None,
        stages: vec![(0..6000).map(step).collect(), (6000..8000).map(step).collect()],
    }
}

#[tokio::test]
async fn eight_thousand_steps_are_applied_in_order_over_several_invocations() {
    let (journal, tables) = (MemoryJournal::default(), Paced::default());
    let networks = plan().networks;
    let intent = Intent::Move { networks: networks.clone(), to: plan().to, hosts: None, lost: None };
    let mut invocations = 0;
    loop {
        invocations += 1;
        let holder = Holder { execution: "e".into(), invocation: format!("i{invocations}") };
        let begun = tables.now();
        let deadline = begun + Duration::from_secs(900);
        let desk = Desk::new(&journal, holder.clone(), deadline + Duration::from_secs(25));
        let mut session = match desk.find(&networks, &intent, None, begun).await.unwrap() {
            Standing::Same(id, locks) => desk.resume(&id, &locks, None, begun).await.unwrap(),
            Standing::Free(locks) => {
                let operation = Operation {
                    v: 2,
                    id: OperationId::parse("op-00000001").unwrap(),
                    intent: intent.clone(),
                    from: BTreeMap::new(),
                    map: MapRef { bucket: "b".into(), key: "k".into(), version: "1".into(), sha256: "0".into() },
                    force: None,
                    evidence: None,
                    event: None,
                    approved_by: None,
                    replaces: BTreeSet::new(),
                    verdict: Vec::new(),
                    planned_at: begun,
                    planned_by: holder,
                    plan: plan(),
                };
                desk.open(operation, &locks, begun).await.unwrap()
            }
        };
        let limits = Limits { deadline, margin: Duration::from_secs(55), settle: Duration::from_secs(30) };
        let applied = apply(&mut session, &tables, &tables, &limits).await.unwrap();
        assert!(tables.now() <= deadline - Duration::from_secs(50), "invocation {invocations} ended too late");
        if applied == Applied::Done {
            break;
        }
    }
    assert_eq!(invocations, 2, "8,000 writes at 5 a second take 1,600 s");
    let order = tables.order.lock().unwrap();
    assert_eq!(order.len(), 8000, "every step is written once");
    let first: BTreeSet<&Step> = order.iter().take(6000).collect();
    assert!(plan().stages.first().unwrap().iter().all(|step| first.contains(step)), "stage after stage");
    let stored = journal.snapshot();
    let entries = stored.entries.values().next().unwrap();
    assert!(entries.len() <= 40, "{} entries", entries.len());
    let largest = entries.iter().map(|entry| serde_json::to_string(entry).unwrap().len()).max().unwrap();
    assert!(largest < 100_000, "an entry of {largest} bytes");
    assert_eq!(Status::fold(&plan(), entries).unwrap().phase, Phase::Finished);
}
