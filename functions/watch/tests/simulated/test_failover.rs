//! Test failovers of drills: started once, cleaned up whoever dies, and nobody else's is touched.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_model::{Fault, FaultName, NetworkMap, Power, Trust};
use holdfast_nutanix::{Prism, RecoveryAction, Timeouts};
use holdfast_runtime::{Bus, Message};
use holdfast_sim::faults::{Effect, HoldRequest, HoldState, Match, NewFault, When};
use holdfast_sim::prism::recovery::{Kind, Order, start};
use holdfast_sim::{Options, Sim, World};
use holdfast_store::{TestFailover, TestFailovers, TestOver};
use holdfast_watch::test_failover::{
    Advance, BORNE, Cleaned, LONGEST, LOOKED_AFTER, MAY_SHOW, TestDesk, WantedTest, advance, clean, sweep,
};
use holdfast_watch::{SiteQuery, read_site};
use jiff::{SignedDuration, Timestamp};

use crate::tables::Server;

const WORLD: &str = r#"
prism_centrals:
  pc-tokyo:
    username: holdfast
    password: tokyo-secret
    clusters: [{ name: nc2-tokyo }]
    vpcs: [{ name: apps }]
    subnets: [{ name: app, vpc: apps, cidr: 172.30.1.0/24 }]
    vms:
      - { name: web-1, nics: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: app-1, nics: [{ subnet: app, address: 172.30.1.35 }] }
  pc-osaka:
    username: holdfast
    password: osaka-secret
    clusters: [{ name: nc2-osaka }]
    vpcs: [{ name: apps }, { name: lab }]
    subnets:
      - { name: app, vpc: apps, cidr: 172.30.1.0/24 }
      - { name: test, vpc: lab, cidr: 172.30.1.0/24 }
    vms: [{ name: stranger, nics: [{ subnet: app, address: 172.30.1.36 }] }]
recovery_plans:
  app:
    primary: pc-tokyo
    recovery: pc-osaka
    networks: [{ primary: app, recovery: app, recovery_test: test }]
    vms: [web-1, app-1]
"#;

/// By v4, and by v3 before pc.7.5.
const LEVELS: [&str; 2] = ["4.4", "4.1"];

/// How often a drill asks before it gives up: a simulated job ends after a few looks.
const ASKED: usize = 20;

/// A bus in memory.
#[derive(Default)]
struct Memory(Mutex<Vec<Message>>);

impl Bus for Memory {
    async fn put(&self, message: &Message) -> Result<(), Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
        Ok(())
    }
}

struct Scene {
    sim: Sim,
    map: NetworkMap,
    tables: Server,
    tests: TestFailovers,
    bus: Memory,
}

impl Scene {
    async fn start(level: &str) -> Self {
        let osaka = "    password: osaka-secret\n";
        let world = WORLD.replace(osaka, &format!("{osaka}    api_level: \"{level}\"\n"));
        let sim = Sim::start(World::from_yaml(&world).unwrap(), Options::callers_here()).await.unwrap();
        let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/network-map.example.yaml"));
        let tables = Server::default();
        let tests = TestFailovers::new(&tables.start().await, "operations");
        Self { sim, map: NetworkMap::parse(&map.unwrap()).unwrap(), tables, tests, bus: Memory::default() }
    }

    /// A client of a process of its own.
    fn prism(&self, name: &str) -> Prism {
        let endpoint = &self.sim.prism_centrals()[name];
        let who = holdfast_model::Credentials::login(&endpoint.username, &endpoint.password);
        let trust = Trust::Ca { pem: std::fs::read_to_string(&endpoint.ca_file).unwrap() };
        Prism::connect(&endpoint.url, who, &trust, Timeouts::default()).unwrap()
    }

    fn at(&self, minutes: i64) -> Timestamp {
        self.sim.shared().now() + SignedDuration::from_mins(minutes)
    }

    /// What an invocation does, so many minutes from now.
    async fn invoke<T>(&self, id: &str, minutes: i64, work: impl AsyncFnOnce(&TestDesk<'_>) -> T) -> T {
        let (prism, central) = (self.prism("pc-osaka"), "pc-osaka".parse().unwrap());
        let desk = TestDesk {
            map: &self.map,
            central: &central,
            prism: &prism,
            tests: &self.tests,
            now: self.at(minutes),
            invocation: id,
        };
        work(&desk).await
    }

    async fn ask(&self, execution: &str, minutes: i64) -> Result<Advance, Fault> {
        let (networks, to) = ([self.map.networks.keys().next().unwrap().clone()].into(), "nc2-osaka".parse().unwrap());
        let wanted = WantedTest { execution, networks: &networks, to: &to, plan: "app" };
        self.invoke(execution, minutes, async |desk| advance(desk, &wanted).await).await
    }

    /// Asks until the test is there.
    async fn up(&self, execution: &str, minutes: i64) -> Result<TestFailover, Fault> {
        for _ in 0..ASKED {
            if let Advance::Up(test) = self.ask(execution, minutes).await? {
                return Ok(*test);
            }
        }
        Err(Fault::new(FaultName::Unavailable, "it does not come up".to_owned()))
    }

    /// Cleans the only test there is, a step.
    async fn clean(&self, minutes: i64) -> Result<Cleaned, Fault> {
        self.invoke("cleaner", minutes, async |desk| {
            let kept = self.tests.all(desk.central).await?.remove(0);
            clean(desk, kept).await
        })
        .await
    }

    async fn sweep(&self, minutes: i64) -> Vec<String> {
        self.invoke("sweeper", minutes, async |desk| sweep(desk, &self.bus).await.unwrap()).await
    }

    /// A whole drill: the test is there, and cleaned up.
    async fn drill(&self, execution: &str, minutes: i64) -> Result<(), Fault> {
        self.up(execution, minutes).await?;
        for _ in 0..ASKED {
            if let Cleaned::Over(_) = self.clean(minutes).await? {
                return Ok(());
            }
        }
        Err(Fault::new(FaultName::Unavailable, "it does not go away".to_owned()))
    }

    async fn kept(&self) -> Option<TestFailover> {
        self.tests.all(&"pc-osaka".parse().unwrap()).await.unwrap().pop().map(|kept| kept.test)
    }

    /// Names of the VMs of a Prism Central.
    fn vms(&self, prism: &str) -> Vec<String> {
        let world = self.sim.shared().world();
        let mut names: Vec<String> = world.prisms[prism].vms.values().map(|vm| vm.name.clone()).collect();
        names.sort();
        names
    }

    /// Jobs of the recovery plan that are tests.
    async fn jobs(&self) -> usize {
        let jobs = self.prism("pc-osaka").recovery_jobs(Timestamp::UNIX_EPOCH).await.unwrap();
        jobs.iter().filter(|job| job.action == RecoveryAction::TestFailover).count()
    }

    fn assert_as_before(&self, what: &str) {
        assert_eq!(self.vms("pc-osaka"), ["stranger"], "{what}");
        assert_eq!(self.vms("pc-tokyo"), ["app-1", "web-1"], "{what}");
    }

    fn run_test(&self, change: impl FnOnce(&mut Order)) {
        let mut order = Order::of(Kind::Test);
        change(&mut order);
        start(&mut self.sim.shared().world(), "app", &order, self.at(5)).unwrap();
    }

    fn refuse(&self, action: &str, times: Option<u64>) {
        let matching = Match { source: Some("prism".into()), action: Some(action.into()), ..Match::default() };
        let effect = Effect::Error { code: "DP-1".into(), status: 422, message: "not today".into() };
        self.sim.shared().gate().add_fault(NewFault { matching, skip: 0, times, effect });
    }
}

#[tokio::test]
async fn copies_are_started_looked_at_and_removed_and_production_runs_on() {
    for level in LEVELS {
        let scene = Scene::start(level).await;
        let test = scene.up("drill-1", 0).await.unwrap();
        assert_eq!(scene.vms("pc-osaka"), ["app-1", "stranger", "web-1"], "{level}");
        let seen = test.seen.as_ref().unwrap();
        let web = &seen.vms["web-1"];
        assert_eq!((seen.vms.len(), &seen.failed, web.power, &web.failed), (2, &None, Power::On, &None), "{level}");
        assert_eq!(web.nics[0].configured, ["172.30.1.34".parse::<std::net::Ipv4Addr>().unwrap()], "{level}");
        let subnets: Vec<_> = seen.subnets.values().collect();
        let landing = subnets[0].landing.as_ref().unwrap();
        assert_eq!((subnets.len(), landing.subnet.as_str(), landing.vpc.as_str()), (1, "test", "lab"), "{level}");
        assert_eq!((&subnets[0].production, subnets[0].production_vpc), (&None, false), "{level}");

        // Asked again, it is the same one; nobody else's drill gets in between, and no sweep.
        assert_eq!(scene.ask("drill-1", 0).await.unwrap(), Advance::Up(Box::new(scene.kept().await.unwrap())));
        let other = scene.ask("drill-2", 1).await.unwrap_err();
        assert!(other.name == FaultName::Refused && other.message.contains("of drill `drill-1` is there"), "{other}");
        assert_eq!(scene.sweep(1).await, [] as [String; 0], "{level}");

        while let Cleaned::Open { .. } = scene.clean(1).await.unwrap() {}
        scene.assert_as_before(level);
        assert!(matches!(scene.kept().await.unwrap().over, Some(TestOver::Cleaned { .. })), "{level}");
        let over = scene.ask("drill-1", 2).await.unwrap_err();
        assert!(over.message.contains("is over: it was cleaned at"), "{over}");
        scene.drill("drill-2", 3).await.unwrap();
        assert_eq!(scene.jobs().await, 2, "{level}");
    }
}

/// A failover in the middle of a test finds its own VMs, and not those of the test beside them.
#[tokio::test]
async fn copies_are_no_evidence_and_what_a_failover_brings_is() {
    for level in LEVELS {
        let scene = Scene::start(level).await;
        let hosts = [crate::host("web-1", "172.30.1.34"), crate::host("app-1", "172.30.1.35")];
        let site = "nc2-osaka".parse().unwrap();
        let query = SiteQuery {
            site: &site,
            fvn_vpc: "apps",
            cluster: "nc2-osaka",
            networks: &scene.map.networks,
            hosts: &hosts,
        };
        scene.up("drill-1", 0).await.unwrap();
        assert_eq!(read_site(&scene.prism("pc-osaka"), &query).await.unwrap(), BTreeMap::new(), "{level}");
        start(&mut scene.sim.shared().world(), "app", &Order::of(Kind::Unplanned), scene.at(1)).unwrap();
        let seen = read_site(&scene.prism("pc-osaka"), &query).await.unwrap();
        let seen: Vec<_> = seen.iter().map(|(host, seen)| (host.as_str(), seen.len())).collect();
        assert_eq!(seen, [("app-1", 1), ("web-1", 1)], "{level}");
    }
}

#[tokio::test]
async fn a_test_of_somebody_else_is_neither_disturbed_nor_cleaned() {
    for level in LEVELS {
        let scene = Scene::start(level).await;
        scene.run_test(|_| {});
        let refused = scene.ask("drill-1", 0).await.unwrap_err();
        assert!(refused.message.contains("which Holdfast did not start, has left 2 VMs"), "{refused}");
        assert_eq!((scene.kept().await, scene.sweep(60).await), (None, Vec::new()), "{level}");
        assert_eq!(scene.vms("pc-osaka"), ["app-1", "stranger", "web-1"], "{level}");

        // By v4 the clean-up takes the last test of the plan, which is not ours any more.
        let scene = Scene::start(level).await;
        scene.up("drill-1", 0).await.unwrap();
        scene.run_test(|order| order.fail = vec!["web-1".into(), "app-1".into()]);
        match (level, scene.clean(6).await.unwrap()) {
            ("4.4", Cleaned::Open { why, .. }) => {
                assert!(why.contains("is later and was not started by us"), "{why}");
                assert_eq!(scene.vms("pc-osaka"), ["app-1", "stranger", "web-1"]);
            }
            ("4.1", Cleaned::Over(_)) => scene.assert_as_before(level),
            (level, other) => panic!("{level}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_prism_central_refuses_is_told_and_leaves_nothing() {
    for (level, action) in [("4.4", "recovery-plans.test-failover"), ("4.1", "v3.recovery-plan-jobs.create")] {
        let scene = Scene::start(level).await;
        scene.refuse(action, Some(1));
        let refused = scene.ask("drill-1", 0).await.unwrap_err();
        assert!(refused.name == FaultName::Refused && refused.message.contains("not today"), "{refused}");
        assert!(matches!(scene.kept().await.unwrap().over, Some(TestOver::NeverStarted { .. })), "{level}");
        scene.assert_as_before(level);
        scene.drill("drill-2", 1).await.unwrap();
        let (networks, to) = ([].into(), "nc2-osaka".parse().unwrap());
        let wanted = WantedTest { execution: "drill-3", networks: &networks, to: &to, plan: "apps" };
        let unknown = scene.invoke("x", 0, async |desk| advance(desk, &wanted).await).await.unwrap_err();
        assert!(unknown.message.contains("no recovery plan named `apps` (it has `app`)"), "{unknown}");
    }
}

/// People are told once, after a time, and it goes on being tried.
#[tokio::test]
async fn a_test_that_cannot_be_cleaned_is_told_of_once_and_cleaned_when_it_can() {
    let scene = Scene::start("4.4").await;
    scene.up("drill-1", 0).await.unwrap();
    scene.refuse("recovery-plans.clean-up-resources", None);
    let (looked_after, borne) = (LOOKED_AFTER.as_mins(), BORNE.as_mins());
    let told =
        |scene: &Scene| scene.bus.0.lock().unwrap().iter().map(|message| message.detail_type).collect::<Vec<_>>();
    for (minutes, wanted) in [(looked_after + 1, 0), (looked_after + borne + 1, 1), (looked_after + borne + 2, 1)] {
        let words = scene.sweep(minutes).await;
        assert!(
            words[0].contains("is not cleaned: 2 VMs of it are still there") && words[0].contains("not today"),
            "{words:?}"
        );
        assert_eq!(told(&scene), vec!["Test failover left"; wanted], "{minutes}");
    }
    scene.sim.shared().gate().clear_faults();
    let words = scene.sweep(looked_after + borne + 3).await;
    assert!(words[0].ends_with("is cleaned"), "{words:?}");
    scene.assert_as_before("at last");
    assert_eq!((scene.sweep(looked_after + borne + 4).await, told(&scene).len()), (Vec::new(), 1));
}

/// A drill that waits for ever would end without a word.
#[tokio::test]
async fn a_test_that_takes_too_long_is_told_of_and_cleaned_once_it_has_ended() {
    let scene = Scene::start("4.4").await;
    scene.sim.shared().world().switches.prism.job_reads = 12;
    let (longest, looked_after) = (LONGEST.as_mins(), LOOKED_AFTER.as_mins());
    assert!(matches!(scene.ask("drill-1", 0).await.unwrap(), Advance::Continue(_)));
    assert!(matches!(scene.ask("drill-1", longest - 1).await.unwrap(), Advance::Continue(_)));
    let told = scene.ask("drill-1", longest + 1).await.unwrap_err();
    assert!(told.name == FaultName::Refused && told.message.contains("still under way after 60 minutes"), "{told}");
    let words = scene.sweep(longest + looked_after + 2).await;
    assert!(words[0].contains("is not cleaned: its job is under way"), "{words:?}");
    for minute in 3..BORNE.as_mins() {
        scene.sweep(longest + looked_after + minute).await;
    }
    scene.assert_as_before("at last");
}

/// Where a drill dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// At a change that Prism Central is asked for; between two of them a death is one after a call of the tables.
    Prism(&'static str, When),
    /// After the effect of a call of the tables.
    Table(usize),
}

/// Has a drill die, then lets somebody find what it left. False where it had ended before.
async fn die(level: &str, death: Death, finder: &str) -> bool {
    let scene = Scene::start(level).await;
    let what = format!("level {level}, {death:?}, found by {finder}");
    let gate = scene.sim.shared().gate();
    let died = match death {
        Death::Prism(action, when) => {
            let matching = Match { source: Some("prism".into()), action: Some(action.into()), ..Match::default() };
            let hold = gate.add_hold(HoldRequest { matching, skip: 0, when });
            let mut watch = gate.watch_hold(hold).unwrap();
            let held = async {
                watch.wait_for(|state| *state == HoldState::Held).await.unwrap();
            };
            let died = tokio::select! {
                () = held => true,
                ended = scene.drill("drill-1", 0) => { ended.unwrap(); false }
            };
            gate.release(hold);
            died
        }
        Death::Table(call) => {
            let wanted = scene.tables.calls() + call;
            let reached = async {
                while scene.tables.calls() <= wanted {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                () = reached => true,
                ended = scene.drill("drill-1", 0) => { ended.unwrap(); false }
            }
        }
    };
    let later = if finder == "another drill" { LOOKED_AFTER.as_mins() + MAY_SHOW.as_mins() } else { 1 };
    match finder {
        // Step Functions asks again at once, and then gives up.
        "the same drill" => drop(scene.drill("drill-1", 1).await),
        "another drill" => {
            // A test whose job runs is not cleaned before it has ended, and says so to whoever starts a drill.
            let mut ended = scene.drill("drill-2", later).await;
            for again in 0..ASKED {
                if ended.as_ref().is_err_and(|fault| fault.message.contains("its job is under way")) {
                    ended = scene.drill(&format!("drill-2-{again}"), later).await;
                }
            }
            ended.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        }
        _ => {}
    }
    // Every minute from when nobody looks after it, and before people are told.
    for minute in 1..BORNE.as_mins() {
        scene.sweep(later + LOOKED_AFTER.as_mins() + minute).await;
    }
    scene.assert_as_before(&what);
    assert!(scene.kept().await.is_none_or(|test| test.over.is_some()), "{what}");
    let most = if finder == "another drill" { 2 } else { 1 };
    assert!(scene.jobs().await <= most, "{what}: started twice");
    assert_eq!(scene.bus.0.lock().unwrap().len(), 0, "{what}");
    died
}

/// More calls of the tables than any drill makes.
const MANY: usize = 24;

async fn die_everywhere(level: &str, finder: &str) {
    let changes = match level {
        "4.4" => ["recovery-plans.test-failover", "recovery-plans.clean-up-resources"],
        _ => ["v3.recovery-plan-jobs.create", "v3.recovery-plan-jobs.cleanup"],
    };
    let changes =
        changes.into_iter().flat_map(|action| [When::Before, When::After].map(|when| Death::Prism(action, when)));
    let died = futures::future::join_all(changes.map(|death| die(level, death, finder))).await;
    assert_eq!(died, [true; 4], "{level}, {finder}");
    let died = futures::future::join_all((0..MANY).map(|call| die(level, Death::Table(call), finder))).await;
    let deaths = died.iter().take_while(|died| **died).count();
    assert!((6..MANY).contains(&deaths), "{level}, {finder}: {deaths} calls of the tables");
}

#[tokio::test]
async fn a_sweep_cleans_after_a_death_at_any_step() {
    for level in LEVELS {
        die_everywhere(level, "a sweep").await;
    }
}

#[tokio::test]
async fn the_same_drill_goes_on_after_a_death_at_any_step_and_starts_no_second_test() {
    die_everywhere("4.4", "the same drill").await;
}

#[tokio::test]
async fn another_drill_cleans_and_makes_its_own_after_a_death_at_any_step() {
    die_everywhere("4.4", "another drill").await;
}
