//! What finishes becomes one event each, whoever watches, whatever is dark and whoever dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::join;
use holdfast_model::{Clock, Credentials, Ending, Event, Fault, FaultName, HostRecord, Job, NetworkMap, Region, Trust};
use holdfast_nutanix::{Move, Prism, Timeouts};
use holdfast_runtime::{Bus, Message};
use holdfast_sim::move_::{Part, cutover_part};
use holdfast_sim::prism::recovery::run::End;
use holdfast_sim::prism::recovery::{Kind, Order, Step, Until, clean_up, start, step};
use holdfast_sim::{Endpoint, Options, Sim, World};
use holdfast_store::{Events, Inventory, Watches};
use holdfast_watch::{Desk, Eyes, Finished, PATIENCE, Stay, find};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::Notify;

use crate::tables::Server;

const WORLD: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs: [{ name: ec2, cidrs: [172.30.0.0/16], subnets: [{ name: app, cidr: 172.30.1.0/24 }] }]
    instances:
      - { name: mv-1, id: i-00000041, interfaces: [{ subnet: app, address: 172.30.1.41 }] }
      - { name: mv-2, id: i-00000042, interfaces: [{ subnet: app, address: 172.30.1.42 }] }
prism_centrals:
  pc-tokyo:
    username: holdfast
    password: tokyo-secret
    clusters: [{ name: other }, { name: nc2-tokyo }]
    vpcs: [{ name: apps }]
    subnets: [{ name: app, vpc: apps, cidr: 172.30.1.0/24, pools: [{ first: 172.30.1.100, last: 172.30.1.199 }] }]
    vms:
      - { name: web-1, cluster: nc2-tokyo, nics: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: app-1, cluster: nc2-tokyo, nics: [{ subnet: app, address: 172.30.1.35 }] }
      - { name: stranger, cluster: nc2-tokyo, nics: [{ subnet: app, address: 172.30.1.36 }] }
  pc-osaka:
    username: holdfast
    password: osaka-secret
    clusters: [{ name: nc2-osaka }]
    vpcs: [{ name: apps }]
    subnets:
      - { name: app, vpc: apps, cidr: 172.30.1.0/24 }
      - { name: test, vpc: apps, cidr: 172.30.1.0/24 }
recovery_plans:
  app:
    primary: pc-tokyo
    recovery: pc-osaka
    networks: [{ primary: app, recovery: app, recovery_test: test }]
    vms: [web-1, app-1]
  strangers:
    primary: pc-tokyo
    recovery: pc-osaka
    networks: [{ primary: app, recovery: app }]
    vms: [stranger]
moves:
  move-tokyo:
    username: holdfast
    password: move-secret
    plans:
      - { name: first, region: ap-northeast-1, prism_central: pc-tokyo, network: app, workloads: [{ instance: mv-1 }] }
      - { name: second, region: ap-northeast-1, prism_central: pc-tokyo, network: app, workloads: [{ instance: mv-2 }] }
"#;

const TOKYO: &str = "ap-northeast-1";
const OSAKA: &str = "ap-northeast-3";

/// What the bus makes of a message.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Takes,
    Refuses,
    /// The message does not arrive, and nobody ever answers.
    Swallows,
    /// The message arrives, and nobody ever answers.
    TakesSilently,
}

/// A bus in memory.
struct Memory {
    messages: Mutex<Vec<Message>>,
    mood: Mutex<Mood>,
    silent: Notify,
    heard: Notify,
}

impl Memory {
    fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Bus for Memory {
    async fn put(&self, message: &Message) -> Result<(), Fault> {
        let mood = *self.mood.lock().unwrap();
        if matches!(mood, Mood::Takes | Mood::TakesSilently) {
            self.messages.lock().unwrap().push(message.clone());
            self.heard.notify_one();
        }
        match mood {
            Mood::Takes => Ok(()),
            Mood::Refuses => Err(Fault::new(FaultName::Unavailable, "no bus".to_owned())),
            Mood::Swallows | Mood::TakesSilently => {
                self.silent.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// Our clock: it goes on by so many seconds whenever somebody looks at it.
struct Hands {
    at: Mutex<Timestamp>,
    step: AtomicI64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        let mut at = self.at.lock().unwrap();
        *at += SignedDuration::from_secs(self.step.load(Ordering::Relaxed));
        *at
    }
}

/// A world with its watchers in two Regions.
struct Lab {
    sim: Sim,
    map: NetworkMap,
    tables: Server,
    /// Calls of the tables after which a reply is lost: another one each time.
    lost: AtomicUsize,
    inventory: Inventory,
    events: Events,
    watches: Watches,
    bus: Memory,
    now: Hands,
    /// Prism Centrals that cannot be asked, without the time that it takes to find out.
    dark: Mutex<BTreeSet<String>>,
    /// Where those are asked that take every request and answer none, by their Prism Central.
    mute: Mutex<BTreeMap<String, String>>,
}

fn host(name: &str, wave: &str, address: &str, instance: &str) -> HostRecord {
    serde_json::from_value(json!({
        "name": name, "wave": wave, "instance": instance, "platform": "linux",
        "captured_at": "2026-01-02T03:04:05Z", "guest": null,
        "nics": [{"device_index": 0, "eni": "eni-0a1b2c3d4e", "mac": "0a:00:00:00:00:01", "primary": address, "secondary": [],
            "subnet": "subnet-0a1b2c3d4e", "prefix": "172.30.1.0/24", "network": "app"}]
    }))
    .unwrap()
}

impl Lab {
    async fn start(level: &str) -> Self {
        let osaka = "    password: osaka-secret\n";
        let world = WORLD.replace(osaka, &format!("{osaka}    api_level: \"{level}\"\n"));
        let sim = Sim::start(World::from_yaml(&world).unwrap(), Options::callers_here()).await.unwrap();
        let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/network-map.example.yaml"));
        let wave =
            "  wave-2:\n    from: ec2-tokyo\n    to: nc2-tokyo\n    select: { kind: vpc }\n    move: move-tokyo\n";
        let map = NetworkMap::parse(&map.unwrap().replace("waves:\n", &format!("waves:\n{wave}"))).unwrap();
        let tables = Server::default();
        let config = tables.start().await;
        let inventory = Inventory::new(&config, "inventory");
        let dr = [
            host("web-1", "wave-1", "172.30.1.34", "i-00000034"),
            host("app-1", "wave-1", "172.30.1.35", "i-00000035"),
        ];
        let moved =
            [host("mv-1", "wave-2", "172.30.1.41", "i-00000041"), host("mv-2", "wave-2", "172.30.1.42", "i-00000042")];
        inventory.put(&"wave-1".parse().unwrap(), None, "c1", &dr).await.unwrap();
        inventory.put(&"wave-2".parse().unwrap(), None, "c2", &moved).await.unwrap();
        Self {
            sim,
            map,
            tables,
            lost: AtomicUsize::new(0),
            inventory,
            events: Events::new(&config, "operations"),
            watches: Watches::new(&config, "operations"),
            bus: Memory {
                messages: Mutex::default(),
                mood: Mutex::new(Mood::Takes),
                silent: Notify::new(),
                heard: Notify::new(),
            },
            now: Hands { at: Mutex::new("2027-01-15T08:00:00Z".parse().unwrap()), step: AtomicI64::new(0) },
            dark: Mutex::default(),
            mute: Mutex::default(),
        }
    }

    /// What a watcher of a Region, started anew, does in a minute.
    async fn look(&self, region: &str) -> Finished {
        self.look_again(region, Stay::NOT).await
    }

    /// The same, and it stays while a recovery job goes on.
    async fn look_again(&self, region: &str, stay: Stay) -> Finished {
        let region: Region = region.parse().unwrap();
        let timeouts = Timeouts { request: Duration::from_secs(5), ..Timeouts::default() };
        let access = |endpoint: &Endpoint| {
            let trust = Trust::Ca { pem: std::fs::read_to_string(&endpoint.ca_file).unwrap() };
            (endpoint.url.clone(), Credentials::login(&endpoint.username, &endpoint.password), trust)
        };
        let prisms = self.sim.prism_centrals().iter().map(|(name, endpoint)| {
            let (url, who, trust) = access(endpoint);
            let dark = self.dark.lock().unwrap().contains(name);
            let url = self.mute.lock().unwrap().get(name).cloned().unwrap_or(url);
            let prism = Prism::connect(&url, who, &trust, timeouts).map_err(|error| error.to_string());
            (name.parse().unwrap(), if dark { Err("it does not answer".to_owned()) } else { prism })
        });
        let moves = self.sim.moves().iter().map(|(name, endpoint)| {
            let (url, who, trust) = access(endpoint);
            (name.parse().unwrap(), Ok(Move::connect(&url, who, &trust, timeouts).unwrap()))
        });
        let eyes = Eyes { prisms: prisms.collect(), moves: moves.collect() };
        let desk = Desk {
            map: &self.map,
            inventory: &self.inventory,
            events: &self.events,
            watches: &self.watches,
            bus: &self.bus,
            region: &region,
            clock: &self.now,
            invocation: "invocation",
            patience: if self.mute.lock().unwrap().is_empty() { PATIENCE } else { Duration::from_millis(100) },
            stay,
        };
        find(&desk, &eyes).await.unwrap()
    }

    /// Watchers of both Regions at the same time, and one of the tables' replies is lost.
    async fn both(&self) {
        self.tables.lose(self.tables.calls() + self.lost.fetch_add(1, Ordering::Relaxed));
        join(self.look(TOKYO), self.look(OSAKA)).await;
    }

    /// A watcher that dies where the bus does not answer.
    async fn dies(&self, mood: Mood) {
        *self.bus.mood.lock().unwrap() = mood;
        tokio::select! {
            _ = self.look(TOKYO) => panic!("it lives"),
            () = self.bus.silent.notified() => {}
        }
        *self.bus.mood.lock().unwrap() = Mood::Takes;
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.now.at.lock().unwrap();
        *now += SignedDuration::from_secs(seconds);
    }

    fn run(&self, plan: &str, kind: Kind, change: impl FnOnce(&mut Order)) -> String {
        self.run_at(plan, kind, change, self.now.now())
    }

    /// The same by a clock of Prism Central of its own.
    fn run_at(&self, plan: &str, kind: Kind, change: impl FnOnce(&mut Order), at: Timestamp) -> String {
        let mut order = Order::of(kind);
        change(&mut order);
        let report = start(&mut self.sim.shared().world(), plan, &order, at).unwrap();
        format!("failover-{}", report["job"].as_str().unwrap())
    }

    fn step(&self, step_: &Step) {
        step(&mut self.sim.shared().world(), "app", step_, self.now.now()).unwrap();
    }

    fn cut_over(&self, plan: &str, fail: &[&str]) {
        let part = Part { only: None, fail: fail.iter().map(ToString::to_string).collect() };
        cutover_part(&mut self.sim.shared().world(), "move-tokyo", plan, &part).unwrap();
    }

    fn lose(&self, prism: &str) {
        self.sim.shared().world().lost_prisms.insert(prism.to_owned());
    }

    /// Ids of the events on the bus, in order.
    fn told(&self) -> Vec<String> {
        self.told_events().iter().map(|event| event.id.to_string()).collect()
    }

    fn told_events(&self) -> Vec<Event> {
        let all = self.bus.all();
        all.iter().filter_map(|message| serde_json::from_str(&message.detail).ok()).collect()
    }

    fn last(&self) -> (Event, Message) {
        (self.told_events().pop().unwrap(), self.bus.all().pop().unwrap())
    }
}

fn abort(recover: &[&str]) -> Step {
    Step { recover: recover.iter().map(ToString::to_string).collect(), end: Some(End::Aborted), ..Step::default() }
}

/// How often a Prism Central was asked for its recovery jobs.
fn asked(lab: &Lab, prism: &str) -> usize {
    let log = lab.sim.shared().gate().log().since(0);
    let jobs = |action: &str| action.contains("recovery-plan-jobs.list") || action.contains("recovery_plan_jobs.list");
    log.iter().filter(|call| call.source.to_string() == format!("prism:{prism}") && jobs(&call.action)).count()
}

#[tokio::test]
async fn a_job_that_goes_on_is_asked_about_until_it_ends() {
    for level in ["4.4", "4.1"] {
        let lab = Lab::start(level).await;
        lab.look(OSAKA).await;
        let job = lab.run("app", Kind::Unplanned, |order| order.until = Until::Running);
        // The site that the machines leave does not answer, and holds nobody up.
        lab.lose("pc-tokyo");
        let (before, others) = (asked(&lab, "pc-osaka"), asked(&lab, "pc-tokyo"));
        let stay = Stay { until: lab.now.now() + SignedDuration::from_secs(55), again: Duration::from_millis(1) };
        let ends = async {
            while asked(&lab, "pc-osaka") < before + 3 {
                tokio::task::yield_now().await;
            }
            assert_eq!(lab.told(), [] as [&str; 0]);
            lab.step(&Step { end: Some(End::Finished), ..Step::default() });
            std::future::pending::<()>().await;
        };
        let finished = tokio::select! {
            finished = lab.look_again(OSAKA, stay) => finished,
            () = ends => unreachable!(),
        };
        assert_eq!(lab.told(), [job], "{level}");
        assert_eq!(finished.published.len(), 1);
        assert!(asked(&lab, "pc-tokyo") <= others + 1, "{level}: one without a job that goes on is asked once");
    }
}

#[tokio::test]
async fn nobody_stays_for_a_job_that_hangs() {
    let lab = Lab::start("4.4").await;
    lab.look(OSAKA).await;
    lab.run("app", Kind::Planned, |order| order.until = Until::Running);
    let (before, stay) = (asked(&lab, "pc-osaka"), |seconds| Stay {
        until: lab.now.now() + SignedDuration::from_secs(seconds),
        again: Duration::from_millis(1),
    });
    lab.now.step.store(5, Ordering::Relaxed);
    lab.look_again(OSAKA, stay(200)).await;
    let more = asked(&lab, "pc-osaka") - before;
    assert!((2..40).contains(&more), "asked {more} times");
    // One that began half a day ago is asked about by the schedule alone.
    lab.now.step.store(0, Ordering::Relaxed);
    lab.pass(12 * 3600);
    let before = asked(&lab, "pc-osaka");
    lab.look_again(OSAKA, stay(200)).await;
    assert_eq!((asked(&lab, "pc-osaka") - before, lab.told()), (1, Vec::new()));
}

#[tokio::test]
async fn a_failover_is_one_event_and_what_ended_before_the_first_look_is_none() {
    // Before pc.7.5 the jobs are v3's.
    for level in ["4.4", "4.1"] {
        let lab = Lab::start(level).await;
        lab.run("app", Kind::Planned, |_| {});
        lab.both().await;
        assert_eq!(lab.told(), [] as [&str; 0], "{level}");
        // Prism Central's clock is far behind.
        let long_ago = "2027-01-15T02:00:00Z".parse().unwrap();
        let back = lab.run_at("app", Kind::Planned, |_| {}, long_ago);
        lab.both().await;
        let there = lab.run("app", Kind::Unplanned, |order| order.warning = true);
        lab.both().await;
        lab.pass(600);
        lab.both().await;
        assert_eq!(lab.told(), [back, there], "{level}");
        let (event, message) = lab.last();
        assert_eq!((message.source, message.detail_type), ("holdfast.recovery", "Failover finished"));
        assert_eq!((event.to.as_str(), event.ending), ("nc2-osaka", Ending::Finished), "{level}");
        if level == "4.4" {
            assert_eq!(event.from.unwrap().as_str(), "nc2-tokyo");
        }
        assert_eq!(event.networks, BTreeSet::from(["app".parse().unwrap()]));
        let now: Vec<_> =
            event.machines.iter().map(|(host, it)| (host.as_str(), it.vm.is_some(), &it.failed)).collect();
        assert_eq!(now, [("app-1", true, &None), ("web-1", true, &None)], "{level}");
        assert!(event.machines.values().all(|it| it.source.as_deref() != it.vm.as_ref().map(|vm| vm.as_str())));
    }
}

#[tokio::test]
async fn validations_tests_and_jobs_that_run_are_no_events_and_one_that_ends_half_done_says_so() {
    let lab = Lab::start("4.4").await;
    lab.look(TOKYO).await;
    lab.run("app", Kind::Validate, |_| {});
    lab.run("app", Kind::Test, |_| {});
    lab.look(OSAKA).await;
    clean_up(&mut lab.sim.shared().world(), "app", lab.now.now()).unwrap();
    let partly = lab.run("app", Kind::Planned, |order| order.until = Until::Running);
    lab.step(&Step { recover: vec!["web-1".to_owned()], ..Step::default() });
    let looked = lab.look(OSAKA).await;
    assert_eq!((lab.told(), looked), (vec![], Finished::default()));
    lab.step(&abort(&[]));
    lab.both().await;
    let (event, message) = lab.last();
    assert_eq!((event.id.as_str(), message.detail_type), (partly.as_str(), "Failover partly finished"));
    assert_eq!(event.machines.iter().filter(|(_, it)| it.failed.is_some()).count(), 1);
    assert!(event.machines[&"web-1".parse().unwrap()].failed.is_none(), "{}", event.summary);

    let failed = lab.run("app", Kind::Planned, |order| order.fail = vec!["app-1".to_owned()]);
    lab.look(TOKYO).await;
    let (event, message) = lab.last();
    assert_eq!((event.id.as_str(), message.detail_type), (failed.as_str(), "Failover failed"), "{}", event.summary);
    assert!(event.summary.contains("not app-1 (VM app-1 could not be recovered)"), "{}", event.summary);
}

#[tokio::test]
async fn a_job_that_both_sides_show_is_one_event_and_waits_for_the_side_that_it_goes_to() {
    let lab = Lab::start("4.4").await;
    lab.sim.shared().world().switches.prism.jobs_on_both_sides = true;
    lab.look(TOKYO).await;
    let there = lab.run("app", Kind::Unplanned, |_| {});
    lab.dark.lock().unwrap().insert("pc-osaka".to_owned());
    let looked = lab.look(TOKYO).await;
    assert_eq!((&looked.found, lab.told()), (&BTreeSet::new(), vec![]));
    let why = looked.unknown.values().next_back().unwrap();
    assert_eq!(why, "its VMs may be at Prism Central pc-osaka, which does not answer");
    lab.dark.lock().unwrap().clear();
    lab.both().await;
    lab.both().await;
    assert_eq!(lab.told(), [there]);
    assert_eq!((lab.last().0.to.as_str(), lab.last().0.ending), ("nc2-osaka", Ending::Finished));
}

#[tokio::test]
async fn machines_that_nobody_captured_are_no_event_and_told_of_once() {
    let lab = Lab::start("4.4").await;
    lab.look(TOKYO).await;
    lab.run("strangers", Kind::Planned, |_| {});
    let ignored = lab.look(OSAKA).await.ignored;
    assert!(ignored.len() == 1 && ignored[0].ends_with("moves no captured host, but stranger"), "{ignored:?}");
    assert_eq!((lab.look(TOKYO).await, lab.told()), (Finished::default(), vec![]));
}

#[tokio::test]
async fn who_dies_between_finding_and_publishing_is_followed_by_another_after_a_minute() {
    let lab = Lab::start("4.4").await;
    lab.look(TOKYO).await;
    let first = lab.run("app", Kind::Planned, |_| {});
    lab.dies(Mood::Swallows).await;
    // Its finder may be at it still.
    lab.pass(59);
    lab.look(OSAKA).await;
    assert_eq!(lab.told(), [] as [&str; 0]);
    // Nobody asks the Prism Central for it again.
    lab.lose("pc-osaka");
    lab.pass(1);
    let looked = lab.look(OSAKA).await;
    assert_eq!(looked.published.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [&first]);
    lab.sim.shared().world().lost_prisms.clear();
    lab.both().await;
    assert_eq!(lab.told(), std::slice::from_ref(&first));

    // Published, and not noted: who acts on it has to bear a second one.
    let second = lab.run("app", Kind::Planned, |_| {});
    lab.dies(Mood::TakesSilently).await;
    lab.pass(60);
    lab.look(OSAKA).await;
    lab.both().await;
    assert_eq!(lab.told(), [first.clone(), second.clone(), second.clone()]);

    // A bus that refuses is asked again.
    let third = lab.run("app", Kind::Planned, |_| {});
    *lab.bus.mood.lock().unwrap() = Mood::Refuses;
    let refused = lab.look(TOKYO).await;
    assert!(refused.unpublished.values().eq(["no bus"]) && refused.found.len() == 1, "{refused:?}");
    *lab.bus.mood.lock().unwrap() = Mood::Takes;
    lab.pass(60);
    lab.look(TOKYO).await;
    assert_eq!(lab.told(), [first, second.clone(), second, third]);
}

#[tokio::test]
async fn one_that_does_not_answer_is_unknown_and_told_of_once_and_the_others_are_heard() {
    let lab = Lab::start("4.4").await;
    lab.look(TOKYO).await;
    lab.run("app", Kind::Planned, |_| {});
    lab.look(TOKYO).await;
    lab.dark.lock().unwrap().insert("pc-osaka".to_owned());
    let looked = lab.look(TOKYO).await;
    assert!(looked.unknown.keys().eq(["Prism Central pc-osaka"]), "{looked:?}");
    lab.look(OSAKA).await;
    // The other side goes on: its failover is found.
    let back = lab.run("app", Kind::Unplanned, |_| {});
    lab.pass(299);
    lab.both().await;
    assert_eq!(lab.told().last(), Some(&back));
    let before = lab.bus.all().len();
    lab.pass(1);
    lab.look(TOKYO).await;
    lab.look(OSAKA).await;
    lab.pass(3600);
    lab.both().await;
    let alarms = lab.bus.all().split_off(before);
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!((alarms[0].source, alarms[0].detail_type), ("holdfast.watch", "Appliance unknown"));
    assert!(alarms[0].detail.contains("Prism Central pc-osaka has told nothing to ap-northeast-1 for 300 s"));
    // It answers again, and is told of when it is dark another time.
    lab.dark.lock().unwrap().clear();
    assert_eq!((lab.look(TOKYO).await, lab.look(OSAKA).await), (Finished::default(), Finished::default()));
    lab.dark.lock().unwrap().insert("pc-osaka".to_owned());
    lab.look(TOKYO).await;
    lab.pass(301);
    lab.look(TOKYO).await;
    assert_eq!(lab.bus.all().len(), before + 2);
    // A job that ended while its Prism Central was dark is found when it answers.
    lab.dark.lock().unwrap().clear();
    let there = lab.run("app", Kind::Planned, |_| {});
    lab.dark.lock().unwrap().insert("pc-osaka".to_owned());
    lab.look(TOKYO).await;
    lab.dark.lock().unwrap().clear();
    lab.look(TOKYO).await;
    assert_eq!(lab.told().last(), Some(&there));
}

#[tokio::test]
async fn a_failover_is_published_before_the_side_that_it_left_is_given_up() {
    let lab = Lab::start("4.4").await;
    lab.look(TOKYO).await;
    let there = lab.run("app", Kind::Unplanned, |_| {});
    let silence = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silence.local_addr().unwrap());
    lab.mute.lock().unwrap().insert("pc-tokyo".to_owned(), url);
    let told = async {
        tokio::select! {
            looked = lab.look(OSAKA) => panic!("it gave up at once: {looked:?}"),
            () = lab.bus.heard.notified() => assert_eq!(lab.told(), [there]),
        }
    };
    // To give up takes several tries of five seconds each.
    tokio::time::timeout(Duration::from_secs(10), told).await.expect("it waited for the other side");
}

#[tokio::test]
async fn a_wave_in_several_plans_is_one_event_when_all_of_it_is_over() {
    let lab = Lab::start("4.4").await;
    lab.both().await;
    lab.cut_over("first", &["mv-1"]);
    lab.both().await;
    let (event, message) = lab.last();
    assert_eq!((message.source, message.detail_type), ("holdfast.move", "Cutover failed"), "{}", event.summary);
    lab.cut_over("first", &[]);
    lab.both().await;
    lab.both().await;
    let (event, message) = lab.last();
    assert_eq!(message.detail_type, "Cutover partly finished", "{}", event.summary);
    assert!(event.machines[&"mv-1".parse().unwrap()].failed.is_none());
    lab.cut_over("second", &[]);
    lab.both().await;
    lab.pass(60);
    lab.both().await;
    let (event, message) = lab.last();
    assert_eq!((lab.told().len(), message.detail_type), (3, "Cutover finished"));
    let Job::Cutover { wave, appliance, plans } = &event.job else { panic!("{event:?}") };
    assert_eq!((wave.as_str(), appliance.as_str()), ("wave-2", "move-tokyo"));
    assert_eq!(plans, &BTreeSet::from(["first".to_owned(), "second".to_owned()]));
    assert_eq!((event.from.unwrap().as_str(), event.to.as_str()), ("ec2-tokyo", "nc2-tokyo"));
    assert!(event.machines.values().all(|it| it.vm.is_some() && it.failed.is_none()));
}
