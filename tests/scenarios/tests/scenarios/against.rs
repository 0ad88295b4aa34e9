//! What stands against a swap of routes is named, and nothing is changed; once it is mended the same input goes through.

use crate::bad_input::refused;
use crate::support::{
    TOKYO, answered_at, dynamodb, ec2, fault, forget, fvn_route, green, held, invoke, last_call, no_faults,
    patient_map, power, power_off, probes, published, recover, restore, run, set_timeout, story_world,
    swap_with_fresh_evidence, tables, to,
};
use holdfast_lab::{Lab, wait};
use holdfast_sim::World;
use holdfast_sim::ec2::Progress;
use holdfast_sim::prism::state::Power;
use serde_json::{Value, json};
use std::time::Duration;

/// For what comes within a second or two.
const LIMIT: Duration = Duration::from_secs(60);

/// All transit gateway routes are right, and the NC2 VPC does not lead the prefix to a host: the probe fails and the execution is not green.
pub async fn a_vpc_without_the_fvn_prefix(lab: &Lab) {
    let (route, interface) = fvn_route(lab).await;
    let route: Vec<(&str, &str)> = route.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    ec2(lab, "DeleteRoute", &route).await;
    for probe in probes(lab).await {
        assert!(!probe.to_string().contains("web-1"), "the probe should fail: {probe}");
    }
    refused(lab, "failover", to("nc2-tokyo"), &["172.30.1.0/24", route[0].1]).await;
    ec2(lab, "CreateRoute", &[&route[..], &[("NetworkInterfaceId", interface.as_str())]].concat()).await;
    green(&run(lab, "failover", to("nc2-tokyo")).await);
}

/// The quota that is applied counts, not AWS's default; and one that nobody may read is said with the default.
pub async fn a_quota_that_is_used_up(lab: &Lab) {
    let routes = |count: usize| json!({"ec2": {"routes_per_transit_gateway": count}});
    lab.control().put("/switches", &routes(5)).await.unwrap();
    let says = ["would hold 6 routes, the quota is 5 (5 now); raise it or move fewer", "ap-northeast-"];
    refused(lab, "cutover", json!({"wave": "wave-1"}), &says).await;
    let plan = json!({"schema_version": 1, "execution": "alone", "action": "plan", "request": to("nc2-tokyo")});
    let error = invoke(lab, "holdfast-swap-route", &plan).await.unwrap_err();
    assert!(error["errorMessage"].as_str().unwrap().contains(says[0]), "{error}");
    lab.control().put("/switches", &routes(12_000)).await.unwrap();
    let denied = json!({"kind": "error", "code": "AccessDeniedException", "status": 400, "message": "injected"});
    fault(lab, json!({"service": "servicequotas", "region": TOKYO}), 0, 1, denied).await;
    let planned = invoke(lab, "holdfast-swap-route", &plan).await.unwrap();
    no_faults(lab).await;
    let text = planned["plan"].as_str().unwrap();
    assert!(text.ends_with("6 of 12000 routes (5 now)"), "{text}");
    assert!(text.contains("6 of 10000 routes (5 now; quota not read: GetServiceQuota of quota `L-BCC1FB47`"), "{text}");
    assert!(text.contains(": not allowed (AccessDeniedException: injected), AWS default 10000 assumed)\n"), "{text}");
    lab.control().put("/switches", &routes(10_000)).await.unwrap();
}

/// A load balancer of the source VPC could not reach its targets any more: the cutover is refused by its preflight, and by `swap-route` itself.
/// Returns the network map that accepts it.
pub async fn load_balancer_targets(lab: &Lab) -> Value {
    let front = json!({"name": "front", "vpc": "apps", "targets": ["web-1", "app-1"]});
    let mut balanced = story_world();
    balanced.regions.get_mut(TOKYO).unwrap().target_groups.push(serde_json::from_value(front).unwrap());
    lab.sim().shared().world().ec2.target_groups = World::from_file(&balanced).unwrap().ec2.target_groups;
    let web = "target i-0a1b2c3d4e5f60034 (172.30.1.34) of target group front could not be reached by its load balancer in `ec2-tokyo`";
    let app = "target i-0a1b2c3d4e5f60035 (172.30.1.35) of target group front";
    refused(lab, "cutover", json!({"wave": "wave-1"}), &[web, app, "`policy.accept_stranded` as `front`"]).await;

    let swap = swap_with_fresh_evidence(lab, to("nc2-tokyo")).await;
    let before = tables(lab).await;
    let error = invoke(lab, "holdfast-swap-route", &swap).await.unwrap_err();
    assert!([web, app].iter().all(|target| error["errorMessage"].as_str().unwrap().contains(target)), "{error}");
    // Whom it cannot ask may have targets.
    let denied = json!({"kind": "error", "code": "AccessDenied", "status": 403, "message": "injected"});
    fault(lab, json!({"service": "elasticloadbalancing", "action": "DescribeTargetHealth"}), 0, 2, denied).await;
    let error = invoke(lab, "holdfast-swap-route", &swap).await.unwrap_err();
    assert_eq!(error["errorType"], "AccessDenied", "{error}");
    assert!(error["errorMessage"].as_str().unwrap().contains("targets of `front`"), "{error}");
    told_beforehand(lab, [web, app]).await;
    assert_eq!(tables(lab).await, before);

    let mut accepting = published(lab, &patient_map());
    accepting["policy"]["accept_stranded"] = json!(["front"]);
    accepting
}

/// A plan, a drill and a forced failover name whom they cut off, by id and address; only the last one goes on, and stores it.
async fn told_beforehand(lab: &Lab, targets: [&str; 2]) {
    let named = |text: &str| targets.iter().all(|target| text.contains(target));
    let plan = json!({"schema_version": 1, "execution": "alone", "action": "plan", "request": to("nc2-tokyo")});
    // Whom it could not ask is said.
    let planned = invoke(lab, "holdfast-swap-route", &plan).await.unwrap();
    let text = planned["plan"].as_str().unwrap();
    assert!(text.contains("\ncut off:\n  not known of all: ") && text.contains("targets of `front`"), "{text}");
    no_faults(lab).await;
    let planned = invoke(lab, "holdfast-swap-route", &plan).await.unwrap();
    let text = planned["plan"].as_str().unwrap();
    assert!(
        named(text) && text.contains("move it too, or accept it under `policy.accept_stranded` as `front`"),
        "{text}"
    );
    assert!(planned["summary"].as_str().unwrap().contains("under `cut off` in the plan"), "{planned}");
    refused(lab, "drill", to("nc2-tokyo"), &targets).await;

    let earlier = lab.sim().shared().world().clone();
    let mut forced = to("nc2-tokyo");
    forced["force"] = json!({"by": "operator", "reason": "to see whom it cuts off"});
    let swap = json!({"schema_version": 1, "execution": "alone", "action": "apply", "request": forced});
    let done = invoke(lab, "holdfast-swap-route", &swap).await.unwrap();
    assert_eq!(done["result"], "done");
    assert!(named(done["plan"].as_str().unwrap()), "{done}");
    assert!(named(done["summary"].as_str().unwrap()), "{done}");
    let stored = dynamodb(lab, "Scan", json!({"TableName": "holdfast-operations"})).await;
    assert!(stored["Items"].as_array().unwrap().iter().any(|item| named(&item.to_string())), "{stored}");
    restore(lab, &earlier);
    forget(lab, "holdfast-operations", "evidence#").await;
}

pub async fn a_prism_central_that_does_not_answer(lab: &Lab) {
    // The machines are not there.
    refused(lab, "failover", to("nc2-osaka"), &["EvidenceAgainst", "`nc2-tokyo`"]).await;
    lab.control().post("/prism/pc-tokyo", &json!({"lost": true})).await.unwrap();
    let endpoint = &lab.sim().prism_centrals()["pc-tokyo"].url;
    refused(lab, "failover", to("nc2-osaka"), &["site `nc2-tokyo` is unknown", endpoint, "force"]).await;
    lab.control().post("/prism/pc-tokyo", &json!({"lost": false})).await.unwrap();
}

pub async fn an_attachment_that_is_not_available(lab: &Lab) {
    const OSAKA: &str = "tgw-attach-0c200000000000003";
    let put = |state| lab.sim().shared().world().ec2.attachments.get_mut(OSAKA).unwrap().state = state;
    recover(lab).await;
    for state in [Progress::Modifying(1000), Progress::Deleted] {
        put(state);
        refused(lab, "failover", to("nc2-osaka"), &[OSAKA, "ap-northeast-3"]).await;
    }
    put(Progress::Available);
    recover(lab).await;
}

/// A table that AWS FIS made for itself is not changed; it is named as an operator looks for it, by its Name tag.
pub async fn a_table_that_fis_manages(lab: &Lab) {
    const TABLE: (&str, &str) = ("ResourceId.1", "tgw-rtb-00000000000000001");
    recover(lab).await;
    let before = tables(lab).await;
    let fis = [("Tag.1.Key", "managedByFIS"), ("Tag.1.Value", "true")];
    let name = async |name| {
        ec2(lab, "CreateTags", &[TABLE, ("Tag.1.Key", "Name"), ("Tag.1.Value", name)]).await;
    };
    name("core").await;
    ec2(lab, "CreateTags", &[&[TABLE], &fis[..]].concat()).await;
    let says = ["core (tgw-rtb-00000000000000001)", "is managed by AWS FIS"];
    refused(lab, "failover", to("nc2-osaka"), &says).await;
    ec2(lab, "DeleteTags", &[&[TABLE], &fis[..]].concat()).await;
    name("tgw-tokyo").await;
    assert_eq!(tables(lab).await, before);
    recover(lab).await;
}

/// What is older than policy is not acted on: evidence, and the plan of an operation that cannot be finished.
async fn too_old(lab: &Lab) {
    let impatient = |key: &str| {
        published(lab, &format!("{}  {key}: 1\n", patient_map().replace("  evidence_max_age_seconds: 300\n", "")))
    };
    lab.publish(&impatient("evidence_max_age_seconds")).await.unwrap();
    let swap = swap_with_fresh_evidence(lab, to("nc2-osaka")).await;
    let error = wait::until("evidence that is too old", LIMIT, || async {
        let error = invoke(lab, "holdfast-swap-route", &swap).await.unwrap_err();
        Ok((error["errorType"] != "SwapIncomplete").then_some(error))
    });
    let error = error.await.unwrap();
    assert_eq!(error["errorType"], "EvidenceStale", "{error}");
    assert!(error["errorMessage"].as_str().unwrap().contains("policy allows 1 s; take it again"), "{error}");

    lab.publish(&impatient("plan_max_age_seconds")).await.unwrap();
    let execution = wait::until("a plan that is too old", LIMIT, || async {
        let execution = run(lab, "failover", to("nc2-osaka")).await;
        Ok((!execution.cause.contains("SwapIncomplete")).then_some(execution))
    });
    held(&execution.await.unwrap(), "policy allows 1 s (`plan_max_age_seconds`); take it back with `{\"undo\": \"op-");
    lab.publish(&published(lab, &patient_map())).await.unwrap();
}

pub async fn operations_and_drift(lab: &Lab) {
    // Another operation is open.
    recover(lab).await;
    let denied = json!({"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "injected"});
    fault(lab, json!({"service": "ec2", "region": TOKYO, "action": "ReplaceTransitGatewayRoute"}), 0, 99, denied).await;
    held(&run(lab, "failover", to("nc2-osaka")).await, "SwapIncomplete");
    too_old(lab).await;
    no_faults(lab).await;
    recover(lab).await;
    refused(lab, "failover", to("nc2-tokyo"), &["OperationOpen"]).await;
    refused(lab, "failover", json!({"reconcile": ["app"]}), &["OperationOpen", "move app to nc2-osaka"]).await;

    // Somebody else changed a route of the open operation.
    recover(lab).await;
    let [table, vpn] = ["tgw-rtb-00000000000000001", "tgw-attach-00b00000000000001"];
    let replace = async |attachment| {
        let route = [("TransitGatewayRouteTableId", table), ("DestinationCidrBlock", "172.30.1.0/24")];
        let to = [("TransitGatewayAttachmentId", attachment)];
        ec2(lab, "ReplaceTransitGatewayRoute", &[&route[..], &to[..]].concat()).await;
    };
    replace(vpn).await;
    refused(lab, "failover", to("nc2-osaka"), &["Drifted", table, "172.30.1.0/24"]).await;
    replace("tgw-attach-0c200000000000001").await;
    green(&run(lab, "failover", to("nc2-osaka")).await);
    what_nobody_can_end_is_replaced(lab, replace).await;

    // And a route of the steady state: a drill says so and how to mend it.
    replace("tgw-attach-0c200000000000001").await;
    let says = [
        "network app is at nc2-osaka, but route 172.30.1.0/24 of",
        table,
        r#"{"networks": ["app"], "to": "nc2-osaka"}"#,
    ];
    refused(lab, "drill", to("nc2-tokyo"), &says).await;
    drift_is_corrected_where_policy_says_so(lab, &says).await;
    evidence_of_every_invocation(lab).await;
}

/// An operation that was planned where the tables did not agree, and whose plan somebody has crossed since in a table that it does not name: by its own
/// input it goes no further, and nothing takes it back. What the page offers then replaces it.
async fn what_nobody_can_end_is_replaced(lab: &Lab, replace: impl AsyncFn(&'static str)) {
    let forced = |execution: &str, site: &str| {
        let mut request = to(site);
        request["force"] = json!({"by": "ana", "reason": "3 a.m."});
        json!({"schema_version": 1, "execution": execution, "action": "apply", "request": request})
    };
    replace("tgw-attach-0c200000000000001").await;
    let denied = json!({"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "injected"});
    fault(lab, json!({"service": "ec2", "action": "ReplaceTransitGatewayRoute"}), 0, 99, denied).await;
    let error = invoke(lab, "holdfast-swap-route", &forced("first", "nc2-tokyo")).await.unwrap_err();
    assert_eq!(error["errorType"], "SwapIncomplete", "{error}");
    no_faults(lab).await;
    replace("tgw-attach-0eee0000000000013").await;

    let mut input = forced("second", "nc2-tokyo");
    input["action"] = json!("choices");
    input["request"] = to("nc2-tokyo");
    input["evidence"] = swap_with_fresh_evidence(lab, to("nc2-tokyo")).await["evidence"].clone();
    let told = invoke(lab, "holdfast-swap-route", &input).await.unwrap();
    let told = told["summary"].as_str().unwrap();
    for says in [
        "Go on, which repeats nothing. It would be refused: the checker refuses the plan: ",
        " stays open: start its input again, or take it back with `{\"undo\": \"op-",
        " back. It would be refused: the tables did not agree on a site of network `app` before op-",
        "nobody then checks that the machines are there. It would be done: 2 routes in 2 stages changed, each state on the way proven; op-",
        " are at ec2-tokyo: lead them there from where the tables are, by your word, which is recorded and ends that operation. It would be ",
        " are at nc2-osaka: lead them there from where the tables are, by your word, which is recorded and ends that operation. It would be done: no route changes",
        " ends where it is, and nobody finishes it any more\n   start it with {\"networks\":[\"app\"],\"to\":\"nc2-osaka\",\"force\":{\"by\":\"YOUR NAME\",\"reason\":\"WHY\"}}",
    ] {
        assert!(told.contains(says), "`{says}` is not in: {told}");
    }
    input["action"] = json!("apply");
    let error = invoke(lab, "holdfast-swap-route", &input).await.unwrap_err();
    assert_eq!(error["errorType"], "Refused", "{error}");
    // The execution that planned it does not look away from what came between.
    let error = invoke(lab, "holdfast-swap-route", &forced("first", "nc2-tokyo")).await.unwrap_err();
    assert_eq!(error["errorType"], "Refused", "{error}");
    let done = invoke(lab, "holdfast-swap-route", &forced("second", "nc2-osaka")).await.unwrap();
    assert_eq!(done["result"], "done", "{done}");
    assert!(done["summary"].as_str().unwrap().contains(" in place of op-"), "{done}");
}

/// A reconcile tells of the route that somebody changed; where policy has it corrected, it is, as long as the machines run where they were left.
async fn drift_is_corrected_where_policy_says_so(lab: &Lab, says: &[&str]) {
    let reconcile = json!({"reconcile": ["app"]});
    refused(lab, "failover", reconcile.clone(), &[says, &["`drift: report`"]].concat()).await;
    let subnets = "subnets: { nc2-tokyo: app, nc2-osaka: app }";
    let correct = patient_map().replace(subnets, &format!("{subnets}\n    drift: correct"));
    lab.publish(&published(lab, &correct)).await.unwrap();
    recover(lab).await;
    let elsewhere = ["EvidenceAgainst", "left network `app` at `nc2-osaka`", "runs at `nc2-tokyo`"];
    refused(lab, "failover", reconcile.clone(), &elsewhere).await;
    recover(lab).await;
    let corrected = run(lab, "failover", reconcile).await;
    green(&corrected);
    assert!(
        corrected.words().contains("drift is corrected: every declared table leads app to nc2-osaka"),
        "{}",
        corrected.words()
    );
    assert_eq!(
        corrected.output["plan"].as_str().unwrap().matches("172.30.1.0/24").count(),
        1,
        "one table said otherwise"
    );
    answered_at(lab, "pc-osaka", "drift is corrected").await;
    lab.publish(&published(lab, &patient_map())).await.unwrap();
}

/// A failback that one invocation has no time for: the machines stop while its first stage is written, so the second is not begun, and is once
/// they run again.
async fn evidence_of_every_invocation(lab: &Lab) {
    // It begins no change in its last 55 s.
    set_timeout(lab, "holdfast-swap-route", 60).await;
    recover(lab).await;
    let delay = json!({"kind": "delay", "ms": 6000});
    fault(lab, json!({"service": "ec2", "action": "ReplaceTransitGatewayRoute"}), 0, 1, delay).await;
    let since = last_call(lab).await;
    let arn = lab.begin(TOKYO, "failover", &to("nc2-tokyo")).await.unwrap();
    // Evidence is judged before the operation is stored.
    while !stores(lab, since).await {}
    power(lab, "pc-tokyo", Power::Off);
    let failback = lab.finish(TOKYO, &arn).await.unwrap();
    held(&failback, "EvidenceAgainst");
    let states = failback.states();
    let times = |state: &str| states.iter().filter(|entered| *entered == state).count();
    assert_eq!((times("TakeEvidence"), times("SwapRoutes")), (2, 2), "{states:?}");
    assert!(states.contains(&"AreRoutesSwapped".to_owned()), "{states:?}");

    power(lab, "pc-tokyo", Power::On);
    green(&run(lab, "failover", to("nc2-tokyo")).await);
    set_timeout(lab, "holdfast-swap-route", 120).await;
    approved_as_drilled(lab).await;
}

/// What a drill shows is, word for word, what the failover then does and prints.
async fn approved_as_drilled(lab: &Lab) {
    judged(lab, ("fail", "of a drill to nc2-osaka: no drill found nothing wrong yet"), 1).await;
    let drill = run(lab, "drill", to("nc2-osaka")).await;
    green(&drill);
    judged(lab, ("pass", "app, now at nc2-tokyo, is ready to go to nc2-osaka"), 1).await;
    judged(lab, ("pass", "app, now at nc2-tokyo, is ready to go to nc2-osaka"), 0).await;
    recover(lab).await;
    let since = last_call(lab).await;
    let failover = run(lab, "failover", to("nc2-osaka")).await;
    green(&failover);
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let calls = log.as_array().unwrap().iter().filter(|call| call["source"] == "aws" && call["function"].is_string());
    let calls = calls.count();
    assert!((30..=60).contains(&calls), "a failover that a person starts made {calls} calls to AWS");
    let plan = failover.output["plan"].as_str().unwrap();
    assert!(plan.starts_with("| stage | Region") && plan.contains("172.30.1.0/24"), "{plan}");
    assert_eq!(drill.output["plan"], failover.output["plan"]);
    // The way back has been drilled, but not well.
    judged(lab, ("fail", "app, now at nc2-osaka, is not ready to fail over: of a drill to nc2-tokyo"), 1).await;
}

/// What the hourly look says of the network, and how many people are told of it: of each change, once.
async fn judged(lab: &Lab, (status, saw): (&str, &str), told: usize) {
    let since = last_call(lab).await;
    let answer = lab.judge_drills(TOKYO).await.unwrap();
    let checks = answer["checks"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let check = checks.iter().find(|check| check["name"] == "readiness of app").unwrap();
    assert_eq!(check["status"], status, "{check:#}");
    assert!(check["saw"].as_str().unwrap().contains(saw), "{check:#}");
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let tells = |call: &&Value| call["function"] == "holdfast-verify" && call["action"] == "PutEvents";
    assert_eq!(log.as_array().unwrap().iter().filter(tells).count(), told, "{saw}");
}

/// Whether `swap-route` has written to a table since.
async fn stores(lab: &Lab, since: u64) -> bool {
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let writes = |call: &Value| call["function"] == "holdfast-swap-route" && call["action"] == "PutItem";
    log.as_array().unwrap().iter().any(writes)
}

/// From NC2 Osaka: refused while a VM runs or an instance does not; then every table is as it was before the wave left EC2.
pub async fn the_way_back_to_ec2(lab: &Lab, on_ec2: &Value) {
    refused(lab, "failover", to("ec2-tokyo"), &["EvidenceAgainst", "web-1", "shut that VM down first"]).await;
    power_off(lab, "pc-osaka");
    refused(lab, "failover", to("ec2-tokyo"), &["EvidenceAgainst", "i-0a1b2c3d4e5f60034", "start the instance"]).await;
    let instances = [("InstanceId.1", "i-0a1b2c3d4e5f60034"), ("InstanceId.2", "i-0a1b2c3d4e5f60035")];
    ec2(lab, "StartInstances", &instances).await;
    let running = wait::until("the start of the instances", LIMIT, || async {
        let seen = ec2(lab, "DescribeInstances", &instances).await;
        Ok((!seen.contains("<name>pending</name>")).then_some(()))
    });
    running.await.unwrap();
    green(&run(lab, "failover", to("ec2-tokyo")).await);
    assert_eq!(tables(lab).await, *on_ec2);
    answered_at(lab, "i-0a1b2c3d4e5f60034", "on EC2").await;
}
