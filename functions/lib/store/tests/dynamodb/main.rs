//! The store over HTTP: what is stored, what is refused, and that a lost reply changes neither.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it says"
)]

mod server;

use aws_config::SdkConfig;
use holdfast_journal::{Append, Entry, Event, JournalStore, Lock, LockWrite, Operation};
use holdfast_model::{
    DrillBasis, Evidence, ExtId, FaultName, HostName, HostRecord, InventoryVersion, NamedVersions, NetworkName,
    PrismName, Readiness, Region, SiteName, WaveName,
};
use holdfast_store::{
    Asked, Dark, Darkness, Drill, Drills, DrillsTo, EventRecord, Events, EvidenceStore, Failovers, First, Found,
    HostResult, HostResults, Inventory, Note, OldTable, Operations, Published, Put, PutVersion, RegionStanding,
    RestoreJournal, RestoreKey, RestorePut, Standing, Standings, Taken, TestFailover, TestFailovers, TestOver, Told,
    Watched, WatchedAppliance, Watches,
};
use serde_json::json;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};

fn host(at: &str, os: &str) -> HostRecord {
    serde_json::from_value(json!({
        "name": "web-1", "wave": "wave-1", "instance": "i-0a1b2c3d", "platform": "linux", "captured_at": at,
        "guest": {"schema_version": 1, "host_name": "web-1", "os": os, "nics": [], "end": true},
        "nics": [{"device_index": 0, "eni": "eni-0a1b2c3d", "mac": "0a:00:00:00:00:01", "primary": "172.30.1.34",
            "secondary": [], "subnet": "subnet-0a1b2c3d", "prefix": "172.30.1.0/24", "network": "app"}]
    }))
    .unwrap()
}

fn operation() -> Operation {
    serde_json::from_value(json!({
        "v": 1, "id": "op-20260102t030405-1a2b3c4d", "intent": {"kind": "move", "networks": ["app"], "to": "nc2-osaka"},
        "from": {"app": "nc2-tokyo"}, "map": {"bucket": "b", "key": "k", "version": "", "sha256": "00"}, "force": null,
        "evidence": "ev-1", "verdict": ["x".repeat(500_000)], "planned_at": "2026-01-02T03:04:05Z",
        "planned_by": {"execution": "e1", "invocation": "r1"},
        "plan": {"networks": ["app"], "to": "nc2-osaka", "stages": []}
    }))
    .unwrap()
}

fn entry(seq: u32) -> Entry {
    let operation = operation();
    Entry {
        v: 1,
        seq,
        by: operation.planned_by,
        at: operation.planned_at,
        events: vec![Event::Held { reason: "x".into() }],
    }
}

fn app() -> NetworkName {
    NetworkName::parse("app").unwrap()
}

fn wave() -> WaveName {
    WaveName::parse("wave-1").unwrap()
}

async fn inventory(config: &SdkConfig) {
    let inventory = Inventory::new(config, "inventory");
    assert_eq!(inventory.newest(&wave()).await.unwrap(), None);
    // Larger than an item may be.
    let first = vec![host("2026-01-02T00:00:00Z", &"漢".repeat(150_000))];
    let stored = inventory.put(&wave(), None, "c1", &first).await.unwrap();
    assert_eq!(stored, PutVersion::Stored(InventoryVersion(1)));
    assert_eq!(inventory.newest(&wave()).await.unwrap().unwrap().hosts, first);
    assert_eq!(inventory.hosts_of(&[app()].into(), &NamedVersions::new()).await.unwrap(), first);
    let raced = inventory.put(&wave(), None, "c2", &first).await.unwrap();
    assert_eq!(raced, PutVersion::Raced(InventoryVersion(1)));
    let second = vec![host("2026-01-03T00:00:00Z", "Linux")];
    let stored = inventory.put(&wave(), Some(InventoryVersion(1)), "c3", &second).await.unwrap();
    assert_eq!(stored, PutVersion::Stored(InventoryVersion(2)));
    let raced = inventory.put(&wave(), Some(InventoryVersion(1)), "c4", &first).await.unwrap();
    assert_eq!(raced, PutVersion::Raced(InventoryVersion(2)));
    assert_eq!(inventory.hosts_of(&[app()].into(), &NamedVersions::new()).await.unwrap(), second);
    assert_eq!(
        inventory.hosts_of(&[NetworkName::parse("data").unwrap()].into(), &NamedVersions::new()).await.unwrap(),
        []
    );
    // Who names a version gets it as it was stored, and nothing of a capture that lost the race.
    let one = Some(InventoryVersion(1));
    assert_eq!(inventory.version(&wave(), one).await.unwrap().unwrap().hosts, first);
    assert_eq!(inventory.version(&wave(), Some(InventoryVersion(2))).await.unwrap().unwrap().hosts, second);
    assert_eq!(inventory.version(&wave(), None).await.unwrap().unwrap().version, InventoryVersion(2));
    assert_eq!(inventory.hosts_of(&[app()].into(), &[(wave(), InventoryVersion(1))].into()).await.unwrap(), first);
    let unknown = inventory.version(&wave(), Some(InventoryVersion(3))).await.unwrap_err();
    assert_eq!(unknown.to_string(), "wave `wave-1` has no inventory version 3; it has 1, 2");
    assert_eq!(unknown.fault_name(), FaultName::InvalidInput);
    let other = [(WaveName::parse("wave-2").unwrap(), InventoryVersion(1))].into();
    let unknown = inventory.hosts_of(&[app()].into(), &other).await.unwrap_err();
    assert_eq!(unknown.to_string(), "wave `wave-2` has no inventory version 1; it has none: it was never captured");
}

/// A table that is larger than a page is read whole; what is no text is left out.
async fn old_table(config: &SdkConfig) {
    let results = HostResults::new(config, "old");
    for name in ["web-1", "web-2", "web-3"] {
        results.put(&wave(), &result(name)).await.unwrap();
    }
    let rows = OldTable::new(config, "old").rows().await.unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["pk"] == "wave#wave-1" && !row.contains_key("at")));
}

async fn operations(config: &SdkConfig) {
    let store = Operations::new(config, "operations");
    let operation = operation();
    assert_eq!(store.read_operation(&operation.id).await.unwrap(), None);
    assert_eq!(store.put_operation(&operation).await.unwrap(), holdfast_journal::Put::Stored);
    let other = Operation { verdict: Vec::new(), ..operation.clone() };
    assert_eq!(store.put_operation(&other).await.unwrap(), holdfast_journal::Put::AlreadyThere);
    for seq in 0..5 {
        // An append whose reply was lost meets itself, which the journal tells from another's entry.
        let appended = store.append(&operation.id, &entry(seq)).await.unwrap();
        assert!(appended == Append::Appended || appended == Append::AlreadyThere(entry(seq)));
    }
    let other = Entry { by: holdfast_journal::Holder { execution: "e2".into(), invocation: "r2".into() }, ..entry(4) };
    assert_eq!(store.append(&operation.id, &other).await.unwrap(), Append::AlreadyThere(entry(4)));
    assert_eq!(store.read_entries(&operation.id).await.unwrap(), (0..5).map(entry).collect::<Vec<_>>());
    assert_eq!(store.read_operation(&operation.id).await.unwrap(), Some(operation));
}

async fn locks(config: &SdkConfig) {
    let store = Operations::new(config, "operations");
    let networks = [app(), NetworkName::parse("data").unwrap(), NetworkName::parse("web").unwrap()].into();
    assert!(store.read_locks(&networks).await.unwrap().values().all(|lock| *lock == Lock::default()));
    let fence = |fence| Lock { fence, ..Lock::default() };
    for (expected, next) in [(0, fence(1)), (1, fence(2))] {
        let written = store.swap_lock(&app(), expected, &next).await.unwrap();
        assert!(written == LockWrite::Written || written == LockWrite::Changed(Box::new(next)));
    }
    assert_eq!(store.swap_lock(&app(), 1, &fence(9)).await.unwrap(), LockWrite::Changed(Box::new(fence(2))));
    assert_eq!(store.swap_lock(&app(), 0, &fence(9)).await.unwrap(), LockWrite::Changed(Box::new(fence(2))));
    let nobody = NetworkName::parse("nobody").unwrap();
    assert_eq!(store.swap_lock(&nobody, 3, &fence(4)).await.unwrap(), LockWrite::Changed(Box::default()));
    assert_eq!(store.read_locks(&networks).await.unwrap()[&app()], fence(2));
}

async fn restores(config: &SdkConfig) {
    let journal = RestoreJournal::new(config, "operations");
    let key = RestoreKey {
        wave: wave(),
        host: HostName::parse("web-1").unwrap(),
        vm: ExtId::parse("0a1b2c3d-0000-4000-8000-000000000001").unwrap(),
        nic: 0,
    };
    let (first, second) = (json!({"address": "172.30.1.34"}), json!({"address": "172.30.1.35"}));
    assert_eq!(journal.put(&key, &first).await.unwrap(), RestorePut::Stored);
    let put = journal.put(&key, &second).await.unwrap();
    assert!(matches!(put, RestorePut::UnderWay(record) if record.document == first && record.done.is_none()));
    let done = "2026-01-02T03:04:05Z".parse().unwrap();
    journal.mark_done(&key, done).await.unwrap();
    assert_eq!(journal.read_wave(&wave()).await.unwrap()[0].done, Some(done));
    assert_eq!(journal.put(&key, &second).await.unwrap(), RestorePut::Stored);
    let other = RestoreKey { nic: 1, ..key };
    assert!(journal.mark_done(&other, done).await.is_err());
}

fn basis() -> DrillBasis {
    DrillBasis { map: "m".into(), roles: "r".into(), waves: BTreeMap::new(), routes: None, code: None }
}

async fn drills(config: &SdkConfig) {
    let drills = Drills::new(config, "operations");
    let (network, to) = (app(), SiteName::parse("nc2-osaka").unwrap());
    assert_eq!(drills.read(&network).await.unwrap(), (BTreeMap::new(), None));
    let drill = |at: &str, report: &str| Drill {
        v: 1,
        made_at: at.parse().unwrap(),
        report: report.to_owned(),
        basis: basis(),
    };
    let (later, bad) = (drill("2026-01-02T00:00:00Z", "later"), drill("2026-01-03T00:00:00Z", "bad"));
    drills.note(&network, &to, true, &later).await.unwrap();
    drills.note(&network, &to, true, &drill("2026-01-01T00:00:00Z", "earlier")).await.unwrap();
    drills.note(&network, &to, false, &bad).await.unwrap();
    let told = |at: &str| Told { v: 1, ready: Readiness::Unknown {}, at: at.parse().unwrap() };
    for at in ["2026-01-03T01:00:00Z", "2026-01-03T00:00:00Z"] {
        drills.put_told(&network, &told(at)).await.unwrap();
    }
    let all = BTreeMap::from([(to, DrillsTo { good: Some(later), bad: Some(bad) })]);
    assert_eq!(drills.read(&network).await.unwrap(), (all, Some(told("2026-01-03T01:00:00Z"))));
}

async fn standings(config: &SdkConfig) {
    let (standings, region) = (Standings::new(config, "operations"), Region::parse("ap-northeast-3").unwrap());
    assert_eq!(standings.get(&region).await.unwrap(), None);
    let at = |at: &str| RegionStanding { v: 1, at: at.parse().unwrap(), code: None, roles: BTreeMap::new() };
    for when in ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"] {
        standings.put(&region, &at(when)).await.unwrap();
    }
    assert_eq!(standings.get(&region).await.unwrap(), Some(at("2026-01-02T00:00:00Z")));
}

fn result(name: &str) -> HostResult {
    HostResult {
        v: 1,
        host: HostName::parse(name).unwrap(),
        vm: None,
        standing: Standing::Open,
        done: Vec::new(),
        fault: None,
        execution: "e-1".to_owned(),
        at: "2026-01-02T03:00:00Z".parse().unwrap(),
    }
}

async fn results(config: &SdkConfig) {
    let results = HostResults::new(config, "inventory");
    let said = |at: &str, standing, done: &[&str]| HostResult {
        standing,
        done: done.iter().map(ToString::to_string).collect(),
        at: at.parse().unwrap(),
        ..result("web-1")
    };
    let open = said("2026-01-02T03:00:00Z", Standing::Open, &[]);
    let right = said("2026-01-02T04:00:00Z", Standing::Right, &["migrated"]);
    assert!(open.is_news(None) && right.is_news(Some(&open)));
    for result in [&right, &open] {
        results.put(&wave(), result).await.unwrap();
    }
    let known = results.of(&wave()).await.unwrap();
    assert_eq!(known.values().collect::<Vec<_>>(), [&right]);
    let again = said("2026-01-02T05:00:00Z", Standing::Right, &[]);
    assert!(!again.is_news(known.get(&again.host)));
}

fn found(by: &str) -> Found {
    let event = json!({"schema_version": 1, "id": "failover-1a2b3c4d-1111-4111-8111-111111111111",
        "job": {"kind": "failover", "prism_central": "pc-osaka", "job": "1a2b3c4d-1111-4111-8111-111111111111",
            "name": "app", "action": "unplanned"},
        "ending": "finished", "networks": ["app"], "to": "nc2-osaka", "machines": {"web-1": {}},
        "found_at": "2026-01-02T03:04:05Z", "summary": "web-1 is at nc2-osaka"});
    Found { v: 1, event: serde_json::from_value(event).unwrap(), by: by.to_owned() }
}

async fn events(config: &SdkConfig) {
    let events = Events::new(config, "operations");
    let (tokyo, osaka) = (found("tokyo"), found("osaka"));
    let id = &tokyo.event.id;
    assert_eq!(events.read(id).await.unwrap(), EventRecord::default());
    assert_eq!(events.put_found(&tokyo).await.unwrap(), Put::Stored);
    assert_eq!(events.put_found(&osaka).await.unwrap(), Put::AlreadyThere);
    let at = "2026-01-02T03:04:06Z".parse().unwrap();
    for by in ["tokyo", "osaka"] {
        events.put_published(id, &Published { v: 1, by: by.to_owned(), at }).await.unwrap();
    }
    let taken = |execution: &str| Taken { v: 1, execution: execution.to_owned(), at, answer: json!("go") };
    assert_eq!(events.take(id, &taken("e1")).await.unwrap(), taken("e1"));
    assert_eq!(events.take(id, &taken("e2")).await.unwrap(), taken("e1"));
    let record = events.read(id).await.unwrap();
    assert_eq!((&record.found, &record.taken), (&Some(tokyo.clone()), &Some(taken("e1"))));
    assert_eq!(record.published.as_ref().unwrap().by, "tokyo");

    let operations = Operations::new(config, "operations");
    let networks: BTreeSet<NetworkName> = ["taken".parse().unwrap(), "never-taken".parse().unwrap()].into();
    let lock = Lock { fence: 1, ..Lock::default() };
    operations.swap_lock(&"taken".parse().unwrap(), 0, &lock).await.unwrap();
    let (beside, locks) = operations.read_event_and_locks(id, &networks).await.unwrap();
    assert_eq!(beside, record);
    assert_eq!(locks.into_values().collect::<Vec<_>>(), [Lock::default(), lock]);
}

async fn evidence(config: &SdkConfig) {
    let (evidence, operations) = (EvidenceStore::new(config, "operations"), Operations::new(config, "operations"));
    let networks: BTreeSet<NetworkName> = ["part".parse().unwrap()].into();
    let lock = Lock { fence: 1, ..Lock::default() };
    operations.swap_lock(&"part".parse().unwrap(), 0, &lock).await.unwrap();
    let seen = |id: &str, why: String| -> Evidence {
        serde_json::from_value(json!({"id": id, "taken_at": "2026-01-02T03:04:05Z", "networks": ["part"],
            "sites_read": [], "sites_unread": {"nc2-osaka": why}, "hosts": {}}))
        .unwrap()
    };
    // The second is larger than an item may be.
    for stored in [seen("ev-1", "x".to_owned()), seen("ev-2", "漢".repeat(150_000))] {
        let id = &stored.id;
        assert_eq!(operations.read_evidence_and_locks(id, &networks).await.unwrap().0, None);
        evidence.put(&stored).await.unwrap();
        assert_eq!(evidence.get(id).await.unwrap().as_ref(), Some(&stored));
        let (found, locks) = operations.read_evidence_and_locks(id, &networks).await.unwrap();
        assert_eq!((found.as_ref(), locks.into_values().collect()), (Some(&stored), vec![lock.clone()]));
    }
}

async fn watched(config: &SdkConfig) {
    let watches = Watches::new(config, "operations");
    let pc = WatchedAppliance::PrismCentral("pc-osaka".parse().unwrap());
    let other = WatchedAppliance::Move("pc-osaka".parse().unwrap());
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    let first = |job: &str| First { v: 1, at, since: Some(at), ended: [job.to_owned()].into() };
    assert_eq!(watches.put_first(&pc, &first("a")).await.unwrap(), first("a"));
    assert_eq!(watches.put_first(&pc, &first("b")).await.unwrap(), first("a"));

    let (event, nobody) = (found("x").event.id, "failover-nobody".parse().unwrap());
    let note = Note::Event { whole: ["w/web-1=v".to_owned()].into() };
    watches.note(&pc, &event, &note).await.unwrap();
    watches.note(&pc, &nobody, &Note::Ignored { why: "x".to_owned() }).await.unwrap();
    let open = |jobs: &Watched| jobs.jobs.iter().filter(|(_, it)| !it.settled).map(|(id, _)| id.clone()).collect();
    assert_eq!(open(&watches.read(&pc).await.unwrap()), vec![event.clone()]);
    watches.settle(&pc, &event, at).await.unwrap();

    let (osaka, dark) = ("ap-northeast-3".parse().unwrap(), |why: &str| Dark { v: 1, since: at, why: why.to_owned() });
    watches.put_dark(&pc, &osaka, &dark("first")).await.unwrap();
    watches.put_dark(&pc, &osaka, &dark("second")).await.unwrap();
    watches.mark_told(&pc, &osaka, at).await.unwrap();
    let known = watches.read(&pc).await.unwrap();
    assert_eq!((known.first.as_ref(), open(&known)), (Some(&first("a")), vec![]));
    assert_eq!(known.dark[&osaka], Darkness { dark: dark("first"), told: true });
    watches.end_dark(&pc, &osaka, at).await.unwrap();
    assert!(watches.read(&pc).await.unwrap().dark.is_empty());
    watches.put_dark(&pc, &osaka, &dark("again")).await.unwrap();
    let again = watches.read(&pc).await.unwrap().dark;
    assert_eq!(again[&osaka], Darkness { dark: dark("again"), told: false });
    let asked = |at: &str| Asked { v: 1, at: at.parse().unwrap(), code: Some("c".to_owned()) };
    for when in ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"] {
        watches.put_asked(&pc, &osaka, &asked(when)).await.unwrap();
    }
    assert_eq!(watches.read(&pc).await.unwrap().asked[&osaka], asked("2026-01-02T00:00:00Z"));
    assert_eq!(watches.read(&other).await.unwrap(), Watched::default());
}

/// What was noted and told by two Prism Centrals is read once each, in the order in which it ended; what concerns nobody is not.
async fn failovers(config: &SdkConfig) {
    let (events, watches) = (Events::new(config, "operations"), Watches::new(config, "operations"));
    let [osaka, tokyo] = ["pc-osaka", "pc-tokyo"].map(|name| name.parse::<PrismName>().unwrap());
    let by = |name: &PrismName| WatchedAppliance::PrismCentral(name.clone());
    let note = Note::Event { whole: BTreeSet::new() };
    let there = found("there");
    let mut back = found("back");
    back.event.id = "failover-0".parse().unwrap();
    back.event.ended = Some("2026-01-02T04:00:00Z".parse().unwrap());
    for (prism, found) in [(&osaka, &there), (&tokyo, &there), (&tokyo, &back)] {
        watches.note(&by(prism), &found.event.id, &note).await.unwrap();
        events.put_found(found).await.unwrap();
    }
    let why = "it moves nobody".to_owned();
    watches.note(&by(&tokyo), &"failover-nobody".parse().unwrap(), &Note::Ignored { why }).await.unwrap();
    watches.note(&by(&tokyo), &"failover-died".parse().unwrap(), &note).await.unwrap();
    let told = Failovers::new(config, "operations").told_by([&tokyo, &osaka]).await.unwrap();
    assert_eq!(told, [there.event, back.event]);
}

async fn test_failovers(config: &SdkConfig) {
    let (tests, prism) = (TestFailovers::new(config, "operations"), "pc-osaka".parse().unwrap());
    let plan = ExtId::parse("0a1b2c3d-0000-4000-8000-000000000009").unwrap();
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    let test = |name: &str, over| TestFailover {
        v: 1,
        name: name.to_owned(),
        execution: "e-1".to_owned(),
        plan: plan.clone(),
        plan_name: "app".to_owned(),
        networks: [app()].into(),
        to: "nc2-osaka".parse().unwrap(),
        begun: at,
        until: at,
        job: None,
        seen: None,
        cleaning: None,
        over,
        told: None,
    };
    assert_eq!(tests.get(&prism, &plan).await.unwrap(), None);
    let first = tests.put(&prism, None, test("first", None)).await.unwrap().unwrap();
    assert_eq!(tests.put(&prism, None, test("second", None)).await.unwrap(), None);
    assert_eq!(tests.get(&prism, &plan).await.unwrap(), Some(first.clone()));
    let over = tests.put(&prism, Some(&first), test("first", Some(TestOver::Cleaned { at }))).await.unwrap().unwrap();
    // Who read it before it changed does not change it any more.
    assert_eq!(tests.put(&prism, Some(&first), test("late", None)).await.unwrap(), None);
    assert_eq!(tests.all(&prism).await.unwrap(), [over]);
    assert_eq!(tests.all(&"pc-tokyo".parse().unwrap()).await.unwrap(), []);
}

/// Runs a scenario, then again with the reply of each of its calls lost in turn.
async fn with_every_reply_lost(scenario: impl AsyncFn(&SdkConfig)) {
    let server = Server::default();
    scenario(&server.start().await).await;
    let calls = server.calls();
    assert!(calls > 0);
    for call in 0..calls {
        let server = Server::default();
        server.lose(call);
        scenario(&server.start().await).await;
        assert!(server.calls() > calls, "the lost call {call} was not made again");
    }
}

#[tokio::test]
async fn a_version_of_a_wave_is_stored_whole_and_never_overwritten() {
    with_every_reply_lost(inventory).await;
}

#[tokio::test]
async fn a_table_of_older_scripts_is_read_whole() {
    with_every_reply_lost(old_table).await;
}

#[tokio::test]
async fn an_operation_and_its_journal_are_written_once() {
    with_every_reply_lost(operations).await;
}

#[tokio::test]
async fn a_lock_changes_only_under_its_fence() {
    with_every_reply_lost(locks).await;
}

#[tokio::test]
async fn a_nic_under_way_keeps_its_record() {
    with_every_reply_lost(restores).await;
}

#[tokio::test]
async fn what_became_of_a_host_is_what_was_said_last() {
    with_every_reply_lost(results).await;
}

#[tokio::test]
async fn an_event_is_found_once_and_taken_once() {
    with_every_reply_lost(events).await;
}

#[tokio::test]
async fn evidence_of_any_size_is_read_beside_locks() {
    with_every_reply_lost(evidence).await;
}

#[tokio::test]
async fn what_is_known_of_an_appliance_outlives_its_watchers() {
    with_every_reply_lost(watched).await;
}

#[tokio::test]
async fn failovers_are_read_once_each_in_their_order() {
    with_every_reply_lost(failovers).await;
}

#[tokio::test]
async fn the_last_drill_is_the_latest() {
    with_every_reply_lost(drills).await;
}

#[tokio::test]
async fn a_test_failover_is_changed_only_by_who_has_read_it_as_it_is() {
    with_every_reply_lost(test_failovers).await;
}

#[tokio::test]
async fn what_a_region_said_last_of_itself_counts() {
    with_every_reply_lost(standings).await;
}
