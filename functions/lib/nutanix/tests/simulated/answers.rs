//! Answers that are none: garbage, and calls that hang or never end, at every kind of call.

use std::time::{Duration, Instant};

use futures::future::join_all;
use holdfast_model::{ExtId, FaultName};
use holdfast_nutanix::{Move, NutanixError, Prism, RecoveryPlan, TimeLimit, Timeouts, Vm, Vpc};
use holdfast_sim::Sim;
use holdfast_sim::faults::{Effect, Garbage, Match, NewFault, When};

use crate::{credentials, limit, prism_of, start, trust};

/// What calls are made with.
struct Known {
    vm: Vm,
    app: ExtId,
    vpc: Vpc,
    plan: RecoveryPlan,
}

/// Each kind of call by its action, with what it is called in errors; those that change something last.
const V4: [(&str, &str); 20] = [
    ("info", "version of `vmm`"),
    ("clusters.list", "list of clusters named `cluster-1`"),
    ("vpcs.list", "list of VPCs named `prod`"),
    ("subnets.list", "list of subnets named `app`"),
    ("subnets.get", "external subnet `"),
    ("subnets.vnics.list", "list of NICs on subnet `"),
    ("subnets.reserved-ips.list", "list of reserved addresses of subnet `"),
    ("vms.list", "list of VMs named `app-1`"),
    ("vms.get", "VM `"),
    ("recovery-plans.list", "list of recovery plans"),
    ("recovery-plan-jobs.list", "list of recovery jobs"),
    ("recovery-plan-jobs.execution-steps.list", "list of the steps of recovery job `"),
    ("vms.nics.migrate", "migration of NIC `"),
    ("vms.nics.release-ip", "release of the address of NIC `"),
    ("vms.nics.assign-ip", "assignment of 172.31.99.20 to NIC `"),
    ("vms.nics.update", "disconnection of NIC `"),
    ("vms.nics.create", "creation of a NIC with MAC address "),
    ("vms.nics.delete", "deletion of NIC `"),
    ("vms.reboot", "reboot of VM `"),
    ("tasks.get", "assignment of 172.31.99.20 to NIC `"),
];

const V3: [(&str, &str); 14] = [
    ("v3.clusters.list", "list of clusters named `cluster-1`"),
    ("v3.vpcs.list", "list of VPCs named `prod`"),
    ("v3.subnets.list", "list of subnets named `app`"),
    ("v3.subnets.get", "external subnet `"),
    ("v3.vms.list", "list of VMs named `app-1`"),
    ("v3.vms.get", "VM `"),
    ("v3.recovery-plans.list", "list of recovery plans"),
    ("v3.recovery-plan-jobs.list", "list of recovery jobs"),
    ("v3.recovery-plan-jobs.execution-status", "steps of recovery job `"),
    ("v3.vms.update", "deletion of NIC `"),
    ("v3.vms.update", "creation of a NIC with MAC address "),
    ("v3.vms.update", "disconnection of NIC `"),
    ("v3.vms.acpi-reboot", "reboot of VM `"),
    ("v3.tasks.get", "disconnection of NIC `"),
];

const MOVE: [(&str, &str); 3] = [
    ("login", "login"),
    ("plans.list", "list of migration plans"),
    ("workloads.list", "list of machines of migration plan `plan-"),
];

impl Known {
    async fn of(prism: &Prism) -> Self {
        let vm = prism.vms_named("app-1").await.unwrap().remove(0);
        let app = prism.subnets_named("app").await.unwrap().remove(0).id;
        let vpc = prism.vpcs_named("prod").await.unwrap().remove(0);
        prism.clusters_named("cluster-1").await.unwrap();
        Self { vm, app, vpc, plan: prism.recovery_plans().await.unwrap().remove(0) }
    }

    /// Makes the call that an error calls `what`.
    async fn ask(&self, prism: &Prism, what: &str) -> Result<(), NutanixError> {
        let Self { vm, app, vpc, plan } = self;
        let (nic, free, limit) = (&vm.nics[0], "172.31.99.20".parse().unwrap(), limit());
        match what.split(' ').take(3).collect::<Vec<_>>().join(" ").as_str() {
            "list of VMs" | "version of `vmm`" => prism.vms_named("app-1").await.map(drop),
            "list of clusters" => prism.clusters_named("cluster-1").await.map(drop),
            "list of VPCs" => prism.vpcs_named("prod").await.map(drop),
            "list of subnets" => prism.subnets_named("app").await.map(drop),
            "external subnet `" => prism.external_subnets(vpc).await.map(drop),
            "list of NICs" => prism.vnics(app).await.map(drop),
            "list of reserved" => prism.reserved_ips(app).await.map(drop),
            "VM `" => prism.vm(&vm.id).await.map(drop),
            "list of recovery" if what.ends_with("plans") => prism.recovery_plans().await.map(drop),
            "list of recovery" => prism.recovery_jobs("2027-01-01T00:00:00Z".parse().unwrap()).await.map(drop),
            "list of the" | "steps of recovery" => prism.recovered_entities(&plan.id).await.map(drop),
            "migration of NIC" => prism.migrate_nic(&vm.id, &nic.id, app, "172.30.1.40".parse().unwrap(), &limit).await,
            "release of the" => prism.release_ip(&vm.id, &nic.id, &limit).await,
            "assignment of 172.31.99.20" => prism.assign_ip(&vm.id, &nic.id, free, &limit).await,
            "disconnection of NIC" => prism.set_link(&vm.id, &nic.id, false, &limit).await.map(|_| ()),
            "creation of a" => {
                let mut again = nic.again(app, Some("172.30.1.41".parse().unwrap())).unwrap();
                again.mac = holdfast_model::MacAddress::parse("50:6b:8d:00:00:77").unwrap();
                prism.create_nic(&vm.id, &again, &[], &limit).await.map(drop)
            }
            "deletion of NIC" => prism.delete_nic(&vm.id, &nic.id, &limit).await,
            "reboot of VM" => prism.reboot(&vm.id, &limit).await,
            other => panic!("no call is called `{other}`"),
        }
    }
}

fn strike(sim: &Sim, source: &str, action: &str, effect: Effect) {
    let matching = Match { source: Some(source.into()), action: Some(action.into()), ..Match::default() };
    sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: None, effect });
}

fn by_v3(world: String) -> String {
    world.replacen("    username: admin\n", "    username: admin\n    api_level: \"4.0.a1\"\n", 1)
}

fn by_v4(world: String) -> String {
    world.replacen("    username: admin\n", "    username: admin\n    api_level: \"4.3\"\n", 1)
}

/// Every kind of call by one family of the API meets a form of garbage before its effect.
async fn garbage(form: Garbage, calls: &[(&str, &str)], change: fn(String) -> String) {
    let sim = start(change).await;
    let prism = prism_of(&sim);
    let known = Known::of(&prism).await;
    // A change may be answered by nothing.
    let change = |action: &str| action.starts_with("vms.nics") || action == "vms.reboot";
    for (action, what) in calls.iter().filter(|(action, _)| form != Garbage::Empty || !change(action)) {
        if action.ends_with("tasks.get") {
            assert_eq!(prism.vm(&known.vm.id).await.unwrap().vm.nics, known.vm.nics, "{form:?}");
        }
        strike(&sim, "prism:tokyo", action, Effect::Garbage { form, when: When::Before });
        let fresh = prism_of(&sim);
        let ended = known.ask(if *action == "info" { &fresh } else { &prism }, what).await;
        sim.shared().gate().clear_faults();
        // Whoever is told no level tries what there may be.
        if ended.is_ok() && *action == "info" {
            continue;
        }
        let error = ended.expect_err(&format!("{form:?} at {action}"));
        assert!(matches!(error, NutanixError::Unreadable { .. }), "{form:?} at {action}: {error}");
        assert_eq!(error.fault_name(), Some(FaultName::Unavailable));
        assert!(error.to_string().contains(&format!("asked for {what}")), "{form:?} at {action}: {error}");
    }
}

#[tokio::test]
async fn garbage_is_taken_for_no_answer_and_the_error_names_the_call() {
    let forms = [Garbage::Html, Garbage::Truncated, Garbage::WrongTypes, Garbage::Empty];
    join_all(forms.map(async |form| {
        tokio::join!(garbage(form, &V4, by_v4), garbage(form, &V3, by_v3));
    }))
    .await;
    garbage(Garbage::Huge, &[("vms.list", "list of VMs named `app-1`")], by_v4).await;
}

#[tokio::test]
async fn garbage_of_move_is_taken_for_no_answer_and_the_error_names_the_call() {
    let sim = start(|world| world).await;
    let endpoint = &sim.moves()["move-1"];
    let connect = || {
        let who = credentials("nutanix", "secret of move");
        Move::connect(&endpoint.url, who, &trust(endpoint), Timeouts::default()).unwrap()
    };
    for form in [Garbage::Html, Garbage::Truncated, Garbage::WrongTypes, Garbage::Empty] {
        for (action, what) in MOVE {
            strike(&sim, "move", action, Effect::Garbage { form, when: When::After });
            let error = connect().records().await.unwrap_err();
            sim.shared().gate().clear_faults();
            assert!(matches!(error, NutanixError::Unreadable { .. }), "{form:?} at {action}: {error}");
            assert!(error.to_string().contains(&format!("asked for {what}")), "{form:?} at {action}: {error}");
        }
    }
}

/// As long as a call is waited for here: longer than any takes that is answered, on a busy machine too.
const REQUEST: Duration = Duration::from_millis(1500);

/// Longer than three tries take, and shorter than those of a client that waits as long as it does by default.
const ALL_TRIES: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_call_that_hangs_or_never_ends_is_given_up_and_the_error_names_it() {
    let hangs = |n: usize| match n % 2 {
        0 => Effect::Hang { when: When::Before },
        _ => Effect::Trickle { ms: 50, when: When::Before },
    };
    let timeouts = Timeouts { request: REQUEST, ..Timeouts::default() };
    let of_prism = V4.iter().chain(&V3).enumerate().map(async |(n, (action, what))| {
        let sim = start(if action.starts_with("v3") { by_v3 } else { by_v4 }).await;
        let endpoint = &sim.prism_centrals()["tokyo"];
        let who = credentials(&endpoint.username, &endpoint.password);
        let prism = Prism::connect(&endpoint.url, who, &trust(endpoint), timeouts).unwrap();
        let known = Known::of(&prism_of(&sim)).await;
        if *action != "info" {
            Known::of(&prism).await;
        }
        strike(&sim, "prism:tokyo", action, hangs(n));
        let begun = Instant::now();
        (action, what, known.ask(&prism, what).await.unwrap_err(), begun.elapsed())
    });
    let of_move = MOVE.iter().enumerate().map(async |(n, (action, what))| {
        let sim = start(|world| world).await;
        let endpoint = &sim.moves()["move-1"];
        let who = credentials("nutanix", "secret of move");
        let appliance = Move::connect(&endpoint.url, who, &trust(endpoint), timeouts).unwrap();
        strike(&sim, "move", action, hangs(n));
        let begun = Instant::now();
        (action, what, appliance.records().await.unwrap_err(), begun.elapsed())
    });
    let (of_prism, of_move) = tokio::join!(join_all(of_prism), join_all(of_move));
    for (action, what, error, took) in of_prism.into_iter().chain(of_move) {
        assert!(matches!(error, NutanixError::Unreachable { .. }), "{action}: {error}");
        assert!(error.to_string().contains(&format!("asked for {what}")), "{action}: {error}");
        assert!(took < ALL_TRIES, "{action}: {took:?}");
    }
}

#[tokio::test]
async fn nothing_is_waited_for_when_the_time_of_all_is_over() {
    let sim = start(|world| world).await;
    let endpoint = &sim.prism_centrals()["tokyo"];
    let who = credentials(&endpoint.username, &endpoint.password);
    let until = Some(TimeLimit::after(Duration::from_millis(300)));
    let timeouts = Timeouts { until, ..Timeouts::default() };
    let prism = Prism::connect(&endpoint.url, who, &trust(endpoint), timeouts).unwrap();
    strike(&sim, "prism:tokyo", "*", Effect::Hang { when: When::Before });
    let begun = Instant::now();
    let first = prism.vms_named("app-1").await.unwrap_err();
    let second = prism.vms_named("app-1").await.unwrap_err();
    assert!(begun.elapsed() < ALL_TRIES, "{:?}", begun.elapsed());
    assert!(matches!(first, NutanixError::Unreachable { .. }), "{first}");
    assert!(second.to_string().contains("the time for it was over before it was sent"), "{second}");
    assert!(sim.shared().gate().log().since(0).len() <= 1);
}
