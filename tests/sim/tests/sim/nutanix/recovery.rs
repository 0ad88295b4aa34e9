//! Recovery plans and their jobs, by v4 and v3 (nutanix-api E).

use std::sync::Arc;

use holdfast_sim::ManualClock;
use holdfast_sim::prism::recovery::{Kind, Order, start};
use holdfast_sim::prism::switches::{JobOrder, PartlyFailed};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::client::{Client, Reply, prism_as};

const JOBS: &str = "/api/dataprotection/v4.3/config/recovery-plan-jobs";
const V3: &str = "/api/nutanix/v3/recovery_plan_jobs";

/// Two protected VMs, and a test network at the recovery side.
fn protected(file: &str) -> String {
    let file = file.replace("    api_level: \"4.0\"\n    advertises_level: false\n", "    api_level: \"4.3\"\n");
    let file = file.replace("recovery: app }]", "recovery: app, recovery_test: lab }]");
    let file = file.replace("vms: [\"o'brien\"]", "vms: [\"o'brien\", app-2]");
    let second = "      - { name: app-2, nics: [{ subnet: app, address: 172.30.1.51 }] }\n      - { name: off-1";
    let file = file.replacen("      - { name: off-1", second, 1);
    let (before, recovery) = file.split_once("  pc-b:").unwrap();
    let recovery = recovery.replacen(
        "    subnets:\n",
        "      - { name: lab }\n    subnets:\n      - { name: lab, vpc: lab, cidr: 172.30.1.0/24 }\n",
        1,
    );
    format!("{before}  pc-b:{recovery}")
}

async fn two_sides() -> (Client, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new("2027-01-15T08:00:00Z".parse().unwrap()));
    (prism_as("pc-a", protected, Arc::clone(&clock) as _).await, clock)
}

impl Client {
    /// The jobs that a Prism Central shows by v4, newest first.
    async fn jobs(&self, name: &str) -> Vec<Value> {
        let reply = self.ask(name, &format!("{JOBS}?$orderby=startTime%20desc"), None).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body.get("data").map(|data| data.as_array().unwrap().clone()).unwrap_or_default()
    }

    /// The same by v3, in any order.
    async fn jobs_by_v3(&self, name: &str) -> Vec<Value> {
        let reply = self.ask(name, &format!("{V3}/list"), Some(json!({"kind": "recovery_plan_job"}))).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body["entities"].as_array().unwrap().clone()
    }

    async fn run(&self, order: Value) -> Value {
        self.control("/recovery-plans/apps/failover", order).await
    }

    /// How many VMs of this name a Prism Central has.
    fn vms(&self, prism: &str, name: &str) -> usize {
        self.sim.shared().world().prisms[prism].vms_named(name).count()
    }

    async fn steps(&self, job: &Value) -> Reply {
        self.ask("pc-b", &format!("{JOBS}/{}/execution-steps", job.as_str().unwrap()), None).await
    }
}

#[tokio::test]
async fn each_kind_of_run_is_a_job_where_it_was_started_in_the_words_of_both_apis() {
    let (pc, clock) = two_sides().await;
    let runs = [
        (json!({"kind": "validate"}), "VALIDATE", "VALIDATE", "SUCCEEDED", "COMPLETED"),
        (json!({"kind": "validate", "fail": ["app-2"]}), "VALIDATE", "VALIDATE", "FAILED", "FAILED"),
        (json!({"kind": "test", "until": "queued"}), "TEST_FAILOVER", "TEST_FAILOVER", "QUEUED", "QUEUED"),
        (json!({"kind": "unplanned"}), "UNPLANNED_FAILOVER", "FAILOVER", "SUCCEEDED", "COMPLETED"),
        (json!({"kind": "planned"}), "PLANNED_FAILOVER", "MIGRATE", "SUCCEEDED", "COMPLETED"),
        (
            json!({"kind": "live", "warning": true}),
            "PLANNED_FAILOVER",
            "LIVE_MIGRATE",
            "SUCCEEDED_WITH_VALIDATION_WARNING",
            "COMPLETED_WITH_WARNING",
        ),
    ];
    for (order, action, action_v3, status, status_v3) in runs {
        let report = pc.run(order.clone()).await;
        let (here, elsewhere) = (report["to"].as_str().unwrap(), report["from"].as_str().unwrap());
        let job = pc.jobs(here).await.into_iter().find(|it| it["extId"] == report["job"]).unwrap();
        assert_eq!(
            (&job["extId"], &job["actionType"], &job["status"]),
            (&report["job"], &json!(action), &json!(status))
        );
        assert_eq!(job["isLiveMigrateVMs"] == true, order["kind"] == "live", "{order}");
        assert_eq!(job["endTime"].is_null(), status == "QUEUED", "{order}");
        let ids = |name: &str| json!(pc.sim.shared().world().prisms[name].ext_id);
        assert_eq!(job["failoverDirections"][0]["targetDomainManagerExtId"], ids(here));
        assert_eq!(job["failoverDirections"][0]["sourceDomainManagerExtId"], ids(elsewhere));
        let all = pc.jobs_by_v3(here).await;
        let old = all.iter().find(|it| it["metadata"]["uuid"] == report["job"]).unwrap();
        let parameters = &old["status"]["resources"]["execution_parameters"];
        assert_eq!(
            (&parameters["action_type"], &old["status"]["execution_status"]["status"]),
            (&json!(action_v3), &json!(status_v3))
        );
        assert_eq!(old["status"]["start_time"], json!(pc.sim.shared().now().to_string()));
        for shown in [pc.jobs(elsewhere).await, pc.jobs_by_v3(elsewhere).await] {
            assert!(!shown.iter().any(|it| it["extId"] == report["job"] || it["metadata"]["uuid"] == report["job"]));
        }
        pc.switch(|switches| switches.jobs_on_both_sides = true);
        assert!(pc.jobs(elsewhere).await.iter().any(|it| it["extId"] == report["job"]), "{order}");
        pc.switch(|switches| switches.jobs_on_both_sides = false);
        if status == "QUEUED" {
            pc.control("/recovery-plans/apps/job", json!({"end": "aborted"})).await;
            assert!(pc.jobs(here).await.iter().any(|it| it["status"] == "ABORTED"));
        }
        clock.advance(SignedDuration::from_mins(5));
    }
}

#[tokio::test]
async fn a_job_goes_step_by_step_and_names_what_each_vm_became() {
    let (pc, clock) = two_sides().await;
    let begun = pc.run(json!({"kind": "unplanned", "until": "running"})).await;
    assert_eq!((begun["state"].as_str(), pc.vms("pc-b", "app-2")), (Some("running"), 0));
    clock.advance(SignedDuration::from_mins(2));
    let half = pc.control("/recovery-plans/apps/job", json!({"recover": ["app-2"]})).await;
    assert_eq!((half["state"].as_str(), pc.vms("pc-b", "app-2"), pc.vms("pc-b", "o'brien")), (Some("running"), 1, 0));
    let job = pc.jobs("pc-b").await.remove(0);
    assert_eq!((&job["status"], &job["percentageComplete"]), (&json!("RUNNING"), &json!(50)));
    clock.advance(SignedDuration::from_mins(2));
    let done = pc.control("/recovery-plans/apps/job", json!({"end": "finished"})).await;
    let job = pc.jobs("pc-b").await.remove(0);
    assert_eq!((&job["startTime"], &job["endTime"]), (&json!("2027-01-15T08:00:00Z"), &json!("2027-01-15T08:04:00Z")));

    let steps = pc.steps(&done["job"]).await.body["data"].as_array().unwrap().clone();
    let result = |step: &Value| step["executionStepResults"][0]["result"].clone();
    let named: Vec<Value> = steps.iter().map(result).filter(|result| !result.is_null()).collect();
    let reported = done["vms"].as_array().unwrap();
    assert_eq!(named.len(), 2);
    for vm in reported {
        let told = named.iter().find(|it| it["sourceEntityExtId"] == vm["source_ext_id"]).unwrap();
        assert_eq!((&told["recoveredEntityExtId"], &told["name"]), (&vm["recovered_ext_id"], &vm["name"]));
    }
    let path = format!("{V3}/{}/execution_status", done["job"].as_str().unwrap());
    let old = pc.ask("pc-b", &path, None).await.body["operation_status"]["step_execution_status_list"].clone();
    for vm in reported {
        let of = |step: &&Value| step["any_entity_reference_list"][0]["uuid"] == vm["source_ext_id"];
        let step = old.as_array().unwrap().iter().find(of).unwrap();
        let info = &step["recovered_entity_info_list"][0]["recovered_entity_info"];
        assert_eq!(
            (&step["operation_type"], &info["entity_uuid"]),
            (&json!("ENTITY_RECOVERY"), &vm["recovered_ext_id"])
        );
        let below = |it: &&Value| it["parent_step_uuid"] == step["step_uuid"];
        let below = old.as_array().unwrap().iter().find(below).unwrap();
        assert_eq!(below["any_entity_reference_list"][0]["uuid"], vm["recovered_ext_id"]);
    }
}

#[tokio::test]
async fn what_a_job_did_not_recover_stays_and_the_next_job_takes_it() {
    for (partly, word, word_v3) in [
        (PartlyFailed::Failed, "FAILED", "FAILED"),
        (PartlyFailed::Warning, "SUCCEEDED_WITH_VALIDATION_WARNING", "COMPLETED_WITH_WARNING"),
    ] {
        let (pc, _) = two_sides().await;
        pc.switch(|switches| switches.partly_failed_job = partly);
        let first = pc.run(json!({"kind": "planned", "fail": ["app-2"]})).await;
        assert_eq!(pc.jobs("pc-b").await[0]["status"], word);
        assert_eq!(pc.jobs_by_v3("pc-b").await[0]["status"]["execution_status"]["status"], word_v3);
        assert_eq!((pc.vms("pc-a", "app-2"), pc.vms("pc-b", "app-2"), pc.vms("pc-b", "o'brien")), (1, 0, 1));
        let steps = pc.steps(&first["job"]).await.body["data"].as_array().unwrap().clone();
        let failed: Vec<&Value> = steps.iter().filter(|step| step["status"] == "FAILED").collect();
        assert_eq!((failed.len(), &failed[0]["affectedEntities"][0]["name"]), (1, &json!("app-2")));
        assert!(failed[0]["errorMessage"]["message"].as_str().unwrap().contains("app-2"));

        let back = pc.run(json!({"kind": "planned", "to": "pc-a"})).await;
        assert_eq!((back["vms"].as_array().unwrap().len(), &back["vms"][0]["name"]), (1, &json!("o'brien")));
        pc.run(json!({"kind": "planned", "fail": ["app-2"]})).await;
        let rest = pc.run(json!({"kind": "unplanned"})).await;
        assert_eq!((rest["to"].as_str(), rest["vms"].as_array().unwrap().len()), (Some("pc-b"), 1));
        assert_eq!(pc.run(json!({"kind": "planned"})).await["to"], "pc-a");
        assert_eq!((pc.vms("pc-a", "app-2"), pc.vms("pc-b", "app-2"), pc.vms("pc-b", "o'brien")), (1, 0, 0));
    }
}

#[tokio::test]
async fn an_aborted_job_leaves_what_it_did_and_one_plan_has_one_job_at_a_time() {
    let (pc, _) = two_sides().await;
    pc.run(json!({"kind": "planned", "until": "running"})).await;
    let now = pc.sim.shared().now();
    let again = start(&mut pc.sim.shared().world(), "apps", &Order::of(Kind::Test), now).unwrap_err();
    assert!(again.contains("has not ended"), "{again}");
    pc.control("/recovery-plans/apps/job", json!({"recover": ["o'brien"], "end": "aborted"})).await;
    assert_eq!((pc.vms("pc-a", "app-2"), pc.vms("pc-a", "o'brien"), pc.vms("pc-b", "o'brien")), (1, 0, 1));
    assert_eq!(pc.jobs("pc-b").await[0]["status"], "ABORTED");
    pc.sim.shared().world().lost_prisms.insert("pc-b".into());
    let lost = start(&mut pc.sim.shared().world(), "apps", &Order::of(Kind::Unplanned), now).unwrap_err();
    assert!(lost.contains("`pc-b` is lost"), "{lost}");
}

#[tokio::test]
async fn a_test_copies_into_the_test_network_and_only_the_copies_go_away_again() {
    let (pc, _) = two_sides().await;
    let report = pc.run(json!({"kind": "test"})).await;
    {
        let world = pc.sim.shared().world();
        let (here, there) = (&world.prisms["pc-a"], &world.prisms["pc-b"]);
        let (old, new) = (here.vms_named("app-2").next().unwrap(), there.vms_named("app-2").next().unwrap());
        assert_ne!(new.ext_id, old.ext_id);
        assert_eq!(there.subnets[&new.nics[0].subnet].name, "lab");
        assert_eq!(new.nics[0].address, Some("172.30.1.51".parse().unwrap()));
        let running = |name: &str, vm| world.guests.of_vm(name, vm).is_some_and(|(_, guest)| guest.running);
        assert!(running("pc-a", old.ext_id) && running("pc-b", new.ext_id));
    }
    let now = pc.sim.shared().now();
    let again = start(&mut pc.sim.shared().world(), "apps", &Order::of(Kind::Test), now).unwrap_err();
    assert!(again.contains("is held by VM"), "{again}");
    assert_eq!(pc.control("/recovery-plans/apps/clean-up", json!({})).await["removed"].as_array().unwrap().len(), 2);
    assert_eq!((pc.vms("pc-b", "app-2"), pc.vms("pc-b", "old-1"), pc.vms("pc-a", "app-2")), (0, 1, 1));
    let path = format!("{V3}/{}/cleanup_status", report["job"].as_str().unwrap());
    assert_eq!(pc.ask("pc-b", &path, None).await.body["status"], "COMPLETED");
    let none =
        start(&mut pc.sim.shared().world(), "apps", &Order { to: Some("pc-a".into()), ..Order::of(Kind::Test) }, now);
    assert!(none.unwrap_err().contains("at `pc-a` already"));
    pc.run(json!({"kind": "planned"})).await;
    let unmapped = start(&mut pc.sim.shared().world(), "apps", &Order::of(Kind::Test), now).unwrap_err();
    assert!(unmapped.contains("maps to no test network"), "{unmapped}");
}

#[tokio::test]
async fn a_recovery_may_keep_the_ids_of_the_vms() {
    let (pc, _) = two_sides().await;
    pc.switch(|switches| switches.failover_keeps_id = true);
    for kind in ["unplanned", "planned", "planned"] {
        let report = pc.run(json!({"kind": kind})).await;
        assert!(report["vms"].as_array().unwrap().iter().all(|vm| vm["source_ext_id"] == vm["recovered_ext_id"]));
        let (to, from) = (report["to"].as_str().unwrap(), report["from"].as_str().unwrap());
        assert_eq!((pc.vms(to, "app-2"), pc.vms(from, "app-2")), (1, usize::from(kind == "unplanned")));
    }
}

// Wheels of datapolicies and dataprotection: no recovery plans in 4.0 and 4.1.
#[tokio::test]
async fn v4_has_recovery_plans_from_its_second_minor_version_on_and_v3_always() {
    let pc = prism_as("pc-b", str::to_owned, Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH))).await;
    for version in ["v4.0", "v4.1", "v4.2"] {
        for path in ["datapolicies/VERSION/config/recovery-plans", "dataprotection/VERSION/config/recovery-plan-jobs"] {
            let path = format!("/api/{}", path.replace("VERSION", version));
            assert_eq!(pc.get(&path).await.status, 404, "{path}");
            assert_eq!(pc.ask("pc-a", &path, None).await.status, if version == "v4.2" { 200 } else { 404 }, "{path}");
        }
    }
    let plans = pc.ask("pc-a", "/api/datapolicies/v4.3/config/recovery-plans", None).await;
    let ids = |name: &str| json!(pc.sim.shared().world().prisms[name].ext_id);
    assert_eq!(plans.names(), ["apps"]);
    let location = |key: &str| plans.body["data"][0][key]["domainManagerExtId"].clone();
    assert_eq!((location("primaryLocation"), location("recoveryLocation")), (ids("pc-a"), ids("pc-b")));
    let list = |kind: &str| format!("/api/nutanix/v3/{kind}s/list");
    let old = pc.ask("pc-b", &list("recovery_plan"), Some(json!({"filter": "name==apps"}))).await;
    assert_eq!(old.body["entities"][0]["metadata"]["uuid"], plans.body["data"][0]["extId"]);
    let zones = pc.ask("pc-b", &list("availability_zone"), Some(json!({}))).await.body;
    let kinds = zones["entities"].as_array().unwrap().iter().map(|zone| zone["status"]["resources"].clone());
    let own: Vec<Value> = kinds.filter(|it| it["management_plane_type"] == "Local").collect();
    assert_eq!((own.len(), &own[0]["management_url"]), (1, &ids("pc-b")));
}

#[tokio::test]
async fn the_lists_of_jobs_page_and_refuse_what_nobody_published() {
    let (pc, clock) = two_sides().await;
    for _ in 0..3 {
        pc.run(json!({"kind": "validate"})).await;
        clock.advance(SignedDuration::from_mins(1));
    }
    let page = pc.ask("pc-b", &format!("{JOBS}?$orderby=startTime%20desc&$limit=2&$page=1"), None).await;
    assert_eq!(page.body["data"].as_array().unwrap().len(), 1);
    assert_eq!(page.body["data"][0]["startTime"], "2027-01-15T08:00:00Z");
    let filtered = pc.ask("pc-b", &format!("{JOBS}?$filter=status%20eq%20'FAILED'"), None).await;
    assert!(filtered.status == 400 && filtered.schema().contains("cannot be filtered"), "{}", filtered.text);
    pc.switch(|switches| switches.job_order = JobOrder::Refused);
    assert_eq!(pc.ask("pc-b", &format!("{JOBS}?$orderby=startTime%20desc"), None).await.status, 400);
    let filtered = pc.ask("pc-b", &format!("{V3}/list"), Some(json!({"filter": "status==FAILED"}))).await;
    assert_eq!(filtered.status, 422);
    let missing = pc.ask("pc-a", &format!("{JOBS}/{}", "11111111-1111-4111-8111-111111111111"), None).await;
    assert_eq!((missing.status, missing.code()), (404, "VMM-20005"));
    assert_eq!(pc.ask("pc-b", &format!("{V3}/nothing"), None).await.status, 404);
}

#[tokio::test]
async fn a_client_runs_a_plan_towards_its_own_side_and_the_same_request_but_once() {
    let (pc, _) = two_sides().await;
    let ids = |name: &str| json!(pc.sim.shared().world().prisms[name].ext_id);
    let plan = pc.ask("pc-b", "/api/datapolicies/v4.3/config/recovery-plans", None).await.body["data"][0].clone();
    let path = |word: &str| {
        format!(
            "/api/dataprotection/v4.3/operations/recovery-plans/{}/$actions/{word}",
            plan["extId"].as_str().unwrap()
        )
    };
    let toward = |from: &str, to: &str| {
        let direction = json!({"sourceDomainManagerExtId": ids(from), "targetDomainManagerExtId": ids(to)});
        json!({"name": "drill-1", "failoverDirections": [direction]})
    };
    let post = async |word: &str, id: &str, body: Value| pc.ask_as("pc-b", &path(word), id, body).await;
    let (first, second) = ("0b7c2c0e-3a53-4e4e-8f0d-6f1d2a7f0a11", "0b7c2c0e-3a53-4e4e-8f0d-6f1d2a7f0a12");
    let (no_way, other_way) = (json!({"name": "drill-1"}), toward("pc-b", "pc-a"));
    assert!(post("test-failover", first, no_way).await.schema().contains("is required"));
    assert!(post("test-failover", first, other_way).await.schema().contains("must lead to this Prism Central"));
    assert_eq!(post("dance", first, json!({})).await.status, 404);
    let accepted = post("test-failover", first, toward("pc-a", "pc-b")).await;
    assert_eq!((accepted.status, pc.jobs("pc-b").await.len()), (202, 1));
    assert_eq!(post("test-failover", first, toward("pc-a", "pc-b")).await.body, accepted.body);
    assert_eq!(pc.jobs("pc-b").await[0]["name"], "drill-1");
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(pc.jobs("pc-b").await.remove(0)["status"].as_str().unwrap().to_owned());
    }
    assert_eq!((seen.last().map(String::as_str), pc.vms("pc-b", "app-2")), (Some("SUCCEEDED"), 1), "{seen:?}");
    let task = accepted.body["data"]["extId"].as_str().unwrap();
    let task = pc.ask("pc-b", &format!("/api/prism/v4.3/config/tasks/{task}"), None).await.body["data"].clone();
    assert_eq!(task["completionDetails"][0]["value"], pc.jobs("pc-b").await[0]["extId"]);
    assert_eq!(post("clean-up-resources", second, json!({})).await.status, 202);
    assert_eq!((pc.vms("pc-b", "app-2"), pc.vms("pc-a", "app-2")), (0, 1));
}
