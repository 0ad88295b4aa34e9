//! The clients against the simulated Prism Central and Move, over HTTPS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

mod answers;
mod levels;
mod recovery;

use std::time::Duration;

use futures::future::join_all;
use holdfast_model::{Credentials, InstanceId, Key, Trust};
use holdfast_nutanix::{Cutover, Move, MoveState, NutanixError, Prism, TimeLimit, Timeouts};
use holdfast_sim::faults::{Effect, Match, NewFault};
use holdfast_sim::move_::{Part, cutover_part};
use holdfast_sim::{Endpoint, Options, Sim, World};

const WORLD: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs:
      - name: ec2
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.1.0/24 }]
    instances:
      - { name: web-1, platform: windows, interfaces: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: web-2, interfaces: [{ subnet: app, address: 172.30.1.35 }] }
      - { name: web-3, interfaces: [{ subnet: app, address: 172.30.1.36 }] }
switches: { prism: { task_queued_reads: 0, task_running_reads: 0 } }
prism_centrals:
  osaka:
    username: osaka
    password: "secret of osaka"
    clusters: [{ name: cluster-3 }]
    vpcs: [{ name: prod }]
    subnets: [{ name: dr, vpc: prod, cidr: 172.30.3.0/24 }]
    vms:
      - { name: dr-1, nics: [{ subnet: dr, address: 172.30.3.11 }] }
      - { name: dr-2, nics: [{ subnet: dr, address: 172.30.3.12 }] }
  tokyo:
    username: admin
    password: "secret of prism"
    clusters: [{ name: cluster-1 }]
    vpcs:
      - { name: transit, kind: transit }
      - { name: prod, external_subnets: [outside], routable_prefixes: [172.30.0.0/16] }
    subnets:
      - { name: outside, vpc: transit, cidr: 100.64.10.0/24, external: true, nat: false }
      - { name: app, vpc: prod, cidr: 172.30.1.0/24, pools: [{ first: 172.30.1.100, last: 172.30.1.199 }], reserved: [172.30.1.50] }
      - { name: landing, vpc: prod, cidr: 172.31.99.0/24, pools: [{ first: 172.31.99.10, last: 172.31.99.99 }] }
      - { name: dr, vpc: prod, cidr: 172.30.3.0/24 }
      - { name: lab, vpc: prod, cidr: 172.30.3.0/24 }
    vms:
      - { name: app-1, nics: [{ subnet: landing }] }
      - { name: "o'brien", powered_off: true }
recovery_plans:
  dr:
    primary: osaka
    recovery: tokyo
    networks: [{ primary: dr, recovery: dr, recovery_test: lab }]
    vms: [dr-1, dr-2]
moves:
  move-1:
    username: nutanix
    password: "secret of move"
    plans:
      - { name: plan-1, region: ap-northeast-1, prism_central: tokyo, network: landing, workloads: [{ instance: web-1 }] }
      - { name: plan-2, region: ap-northeast-1, prism_central: tokyo, network: landing, workloads: [{ instance: web-2 }, { instance: web-3 }] }
"#;

async fn start(change: impl Fn(String) -> String) -> Sim {
    Sim::start(World::from_yaml(&change(WORLD.to_owned())).unwrap(), Options::callers_here()).await.unwrap()
}

fn trust(endpoint: &Endpoint) -> Trust {
    Trust::Ca { pem: std::fs::read_to_string(&endpoint.ca_file).unwrap() }
}

fn credentials(username: &str, password: &str) -> Credentials {
    Credentials::login(username, password)
}

fn prism_of(sim: &Sim) -> Prism {
    prism_named(sim, "tokyo")
}

fn prism_named(sim: &Sim, name: &str) -> Prism {
    let endpoint = &sim.prism_centrals()[name];
    let who = credentials(&endpoint.username, &endpoint.password);
    Prism::connect(&endpoint.url, who, &trust(endpoint), Timeouts::default()).unwrap()
}

fn limit() -> TimeLimit {
    TimeLimit::after(Duration::from_secs(60))
}

fn inject(sim: &Sim, action: &str, times: u64, effect: Effect) {
    let matching = Match { source: Some("prism".into()), action: Some(action.into()), ..Match::default() };
    sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: Some(times), effect });
}

/// Moves `app-1` to the subnet `app`, gives it another address there, bounces its link, and returns the number of its NICs.
async fn journey(prism: &Prism) -> usize {
    let vm = prism.vms_named("app-1").await.unwrap().remove(0);
    let app = prism.subnets_named("app").await.unwrap().remove(0).id;
    let nic = vm.nics[0].id.clone();
    prism.migrate_nic(&vm.id, &nic, &app, "172.30.1.35".parse().unwrap(), &limit()).await.unwrap();
    prism.release_ip(&vm.id, &nic, &limit()).await.unwrap();
    prism.assign_ip(&vm.id, &nic, "172.30.1.36".parse().unwrap(), &limit()).await.unwrap();
    prism.set_link(&vm.id, &nic, false, &limit()).await.unwrap();
    assert!(!prism.vm(&vm.id).await.unwrap().vm.nics[0].connected);
    prism.set_link(&vm.id, &nic, true, &limit()).await.unwrap();
    prism.set_link(&vm.id, &nic, true, &limit()).await.unwrap();
    let again = prism.vm(&vm.id).await.unwrap().vm.nics[0].again(&app, Some("172.30.1.37".parse().unwrap())).unwrap();
    prism.delete_nic(&vm.id, &nic, &limit()).await.unwrap();
    let made = prism.create_nic(&vm.id, &again, &[], &limit()).await.unwrap();
    assert_eq!(made.mac.unwrap(), again.mac);
    prism.reboot(&vm.id, &limit()).await.unwrap();
    let mut seen = prism.vm(&vm.id).await.unwrap().vm;
    for _ in 0..10 {
        if !seen.nics[0].learned.is_empty() {
            break;
        }
        seen = prism.vm(&vm.id).await.unwrap().vm;
    }
    assert_eq!(seen.nics[0].configured, ["172.30.1.37".parse::<std::net::Ipv4Addr>().unwrap()]);
    assert_eq!(seen.nics[0].learned, ["172.30.1.37".parse::<std::net::Ipv4Addr>().unwrap()]);
    seen.nics.len()
}

#[tokio::test]
async fn a_service_account_asks_by_its_key() {
    let sim =
        start(|world| world.replacen("    username: admin\n", "    username: admin\n    api_key: k-1\n", 1)).await;
    let endpoint = &sim.prism_centrals()["tokyo"];
    let by = |key: &str| {
        let key = Credentials::Key(Key { api_key: key.into() });
        Prism::connect(&endpoint.url, key, &trust(endpoint), Timeouts::default()).unwrap()
    };
    assert_eq!(journey(&by("k-1")).await, 1);
    let refused = by("k-2").vms_named("app-1").await.unwrap_err();
    assert!(matches!(refused, NutanixError::WrongPassword { status: 401, .. }), "{refused}");
    let mover = &sim.moves()["move-1"];
    let key = Credentials::Key(Key { api_key: "k-1".into() });
    let refused = Move::connect(&mover.url, key, &trust(mover), Timeouts::default()).unwrap_err();
    assert!(
        refused.to_string().ends_with("takes a user name and a password, and its secret holds an API key"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_wrong_password_an_untrusted_certificate_and_silence_are_told_apart() {
    let sim = start(|world| world).await;
    let endpoint = sim.prism_centrals()["tokyo"].clone();
    let ask = async |url: &str, password: &str, trust: Trust| {
        let prism = Prism::connect(url, credentials("admin", password), &trust, Timeouts::default()).unwrap();
        prism.vms_named("web-1").await.map(|_| ()).unwrap_err()
    };
    let wrong = ask(&endpoint.url, "guess", trust(&endpoint)).await;
    assert!(matches!(wrong, NutanixError::WrongPassword { status: 401, .. }), "{wrong}");
    let roots = ask(&endpoint.url, "secret of prism", Trust::WebRoots).await;
    assert!(matches!(roots, NutanixError::Untrusted { .. }), "{roots}");
    let other = ask(&endpoint.url, "secret of prism", Trust::Fingerprint { sha256: "00".repeat(32) }).await;
    let NutanixError::Untrusted { why, .. } = &other else { panic!("{other}") };
    let seen = why.strip_prefix("its SHA-256 fingerprint is ").unwrap().to_owned();
    let pinned = Trust::Fingerprint { sha256: seen };
    let prism =
        Prism::connect(&endpoint.url, credentials("admin", "secret of prism"), &pinned, Timeouts::default()).unwrap();
    prism.vms_named("web-1").await.unwrap();
    let nobody = ask("https://127.0.0.1:1", "secret of prism", trust(&endpoint)).await;
    assert!(matches!(nobody, NutanixError::Unreachable { .. }), "{nobody}");
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let (sim, other) = (start(|world| world).await, start(|world| world).await);
    let endpoint = &sim.prism_centrals()["tokyo"];
    let foreign = trust(&other.prism_centrals()["tokyo"]);
    let who = credentials("admin", "secret of prism");
    let prism = Prism::connect(&endpoint.url, who, &foreign, Timeouts::default()).unwrap();
    let error = prism.vms_named("web-1").await.unwrap_err();
    assert!(matches!(error, NutanixError::Untrusted { .. }), "{error}");
}

#[tokio::test]
async fn a_lost_reply_makes_no_second_nic() {
    join_all([Effect::DropReply, Effect::DropRequest, Effect::Throttle].map(async |fault| {
        let sim = start(|world| world).await;
        inject(&sim, "info", 1, fault.clone());
        let prism = prism_of(&sim);
        for action in ["vms.list", "vms.nics.create", "vms.nics.delete", "tasks.get"] {
            inject(&sim, action, 1, fault.clone());
        }
        let vm = prism.vms_named("app-1").await.unwrap().remove(0);
        let nic = prism.vm(&vm.id).await.unwrap().vm.nics[0].clone();
        let again = nic.again(nic.subnet.as_ref().unwrap(), None).unwrap();
        prism.delete_nic(&vm.id, &nic.id, &limit()).await.unwrap();
        prism.create_nic(&vm.id, &again, &[], &limit()).await.unwrap();
        assert_eq!(prism.vm(&vm.id).await.unwrap().vm.nics.len(), 1);
        assert!(sim.shared().gate().faults().iter().all(|rule| rule.struck == 1), "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_change_goes_through_however_the_etag_is_refused() {
    let all = [
        serde_json::json!({"stale_if_match": "refused", "etag_drift_every": 3}),
        serde_json::json!({"stale_if_match": "failed_task", "etag_drift_every": 3}),
        serde_json::json!({"etag_races": 2}),
        serde_json::json!({"nic_entity": "missing", "missing_if_match": "accepted"}),
        serde_json::json!({"nic_entity": "late", "task_queued_reads": 0, "task_running_reads": 0}),
    ];
    join_all(all.map(async |switches| {
        let sim = start(|world| world).await;
        {
            let mut world = sim.shared().world();
            let mut all = serde_json::to_value(&world.switches.prism).unwrap();
            all.as_object_mut().unwrap().extend(switches.as_object().unwrap().clone());
            world.switches.prism = serde_json::from_value(all).unwrap();
        }
        assert_eq!(journey(&prism_of(&sim)).await, 1, "{switches}");
    }))
    .await;
}

#[tokio::test]
async fn move_names_the_vm_of_an_instance_after_the_cutover_and_not_before() {
    for older in [false, true] {
        let sim = start(|world| {
            world.replacen(
                "    username: nutanix\n",
                &format!("    username: nutanix\n    older_login_only: {older}\n"),
                1,
            )
        })
        .await;
        let endpoint = &sim.moves()["move-1"];
        let connect = |password: &str| {
            Move::connect(&endpoint.url, credentials("nutanix", password), &trust(endpoint), Timeouts::default())
                .unwrap()
        };
        let appliance = connect("secret of move");
        let before = appliance.records().await.unwrap();
        assert_eq!(before.len(), 3, "{before:?}");
        assert!(before.iter().all(|record| record.vm.is_none() && matches!(record.state, MoveState::Unfinished(_))));
        holdfast_sim::move_::cutover(&mut sim.shared().world(), "move-1", "plan-1").unwrap();
        appliance.records().await.unwrap();
        let after = appliance.records().await.unwrap().into_iter().find(|record| record.name == "web-1").unwrap();
        assert_eq!(after.state, MoveState::Finished);
        let vm = prism_of(&sim).vms_named("web-1").await.unwrap().remove(0);
        assert_eq!(after.vm, Some(vm.id));
        assert!(after.instance.as_ref().map(InstanceId::as_str).unwrap().starts_with("i-"));
        let error = connect("guess").records().await.unwrap_err();
        assert!(matches!(error, NutanixError::WrongPassword { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_plan_tells_how_far_its_machines_are_in_parts_too() {
    let sim = start(|world| world).await;
    let endpoint = &sim.moves()["move-1"];
    let appliance =
        Move::connect(&endpoint.url, credentials("nutanix", "secret of move"), &trust(endpoint), Timeouts::default());
    let appliance = appliance.unwrap();
    let plan = async || {
        let mut plans = appliance.plans().await.unwrap();
        plans.retain(|plan| plan.name == "plan-2");
        plans.remove(0)
    };
    let cut = |only: &str, fail: &[&str]| {
        let fail = fail.iter().map(|name| (*name).to_owned()).collect();
        let part = Part { only: Some(vec![only.to_owned()]), fail };
        cutover_part(&mut sim.shared().world(), "move-1", "plan-2", &part).unwrap();
    };
    assert_eq!(plan().await.cutover(), Cutover::Waiting);
    cut("web-2", &["web-2"]);
    let failed = plan().await;
    assert_eq!(failed.cutover(), Cutover::Failed);
    let machine = failed.machines.iter().find(|machine| machine.name == "web-2").unwrap();
    assert!(machine.failed() && machine.vm.is_none());
    assert!(machine.error.as_deref().unwrap().contains("could not be created"), "{machine:?}");
    sim.shared().world().switches.move_.cutover_reads = 3;
    cut("web-3", &[]);
    assert_eq!(plan().await.cutover(), Cutover::UnderWay);
    let mut seen = plan().await;
    for _ in 0..5 {
        seen = plan().await;
    }
    assert_eq!(seen.cutover(), Cutover::Partly);
    cut("web-2", &[]);
    for _ in 0..5 {
        seen = plan().await;
    }
    assert_eq!(seen.cutover(), Cutover::Finished);
    assert!(seen.machines.iter().all(|machine| machine.vm.is_some() && machine.error.is_none()), "{seen:?}");
}
