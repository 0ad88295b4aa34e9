//! What a finished cutover or failover starts by itself: noted, proposed, done, or told to a person. The events are stored as `watch` stores them.

use crate::edges::{Edge, note_retries};
use crate::support::{
    TOKYO, answered_at, changes, dynamodb, ec2, failed_in, fault, green, held, invoke, last_call, no_faults,
    patient_map, person, power_off, published, recover, restore, run, to,
};
use holdfast_lab::{Execution, Lab, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The longest that a message may take to a subscriber.
const ARRIVES: Duration = Duration::from_secs(30);

/// The word of whoever approves.
const APPROVAL: &str = r#"{"approved_by": "Kim"}"#;

/// What is answered to a proposal.
enum Answer {
    Approve,
    Fail(&'static str),
    Nobody,
}

/// A machine, a call by which its first look at an event can be disturbed, and one for what it proposes.
struct Started {
    machine: &'static str,
    looks: Value,
    proposes: Value,
}

fn call(function: &str, service: &str, action: &str) -> Value {
    json!({"function": format!("holdfast-{function}"), "service": service, "action": action})
}

/// Networks are at `nc2-tokyo`, their machines go to `nc2-osaka` and back.
pub async fn failovers(lab: &Lab, taken: &mut BTreeSet<Edge>) {
    subscribe(lab).await;
    recover(lab).await;
    let failover =
        Started { machine: "failover", looks: call("watch", "s3", "GET*"), proposes: call("swap-route", "s3", "GET*") };
    asked(lab, &failover, &|| stored(lab, failover_to("nc2-osaka")), taken).await;
    answered_at_nobody(lab).await;

    // The kill switch turns everything to manual, at the next decision.
    publish(lab, "automatic", 60).await;
    switch(lab, "manual").await;
    let off = run(lab, "failover", stored(lab, failover_to("nc2-osaka")).await).await;
    held(&off, "the kill switch is on: parameter `/holdfast/start` is `manual`");
    switch(lab, "as_policy").await;

    // Two executions of one event: one is asked for, and told who approved.
    publish(lab, "propose", 60).await;
    let event = stored(lab, failover_to("nc2-osaka")).await;
    let first = lab.begin(TOKYO, "failover", &event).await.unwrap();
    let token = proposed(lab, &first).await;
    let second = run(lab, "failover", event).await;
    noted(&second, &format!("execution `{first}`"));
    answer(lab, &token, &Answer::Approve).await;
    let approved = lab.finish(TOKYO, &first).await.unwrap();
    green(&approved);
    assert!(approved.words().contains("started by event failover-"), "{}", approved.words());
    assert!(approved.words().contains("approved by Kim"), "{}", approved.words());
    answered_at(lab, "pc-osaka", "approved").await;
    noted(&run(lab, "failover", stored(lab, failover_to("nc2-osaka")).await).await, "led to `nc2-osaka` already");

    // The way back by itself; but not while both sites run the machines.
    publish(lab, "automatic", 60).await;
    lab.control().post("/recovery-plans/app/failover", &json!({"kind": "unplanned"})).await.unwrap();
    let since = last_call(lab).await;
    let both = run(lab, "failover", stored(lab, failover_to("nc2-tokyo")).await).await;
    held(&both, "two sites run the same machine: app-1 runs at `nc2-tokyo`");
    assert_eq!(changes(lab, since).await, Vec::<Value>::new());
    power_off(lab, "pc-osaka");
    // Where the side that they left is silent, the job and the machines at the other say enough; its Region answers, and its tables follow.
    let silent = |lost: bool| json!({"lost": lost});
    lab.control().post("/prism/pc-osaka", &silent(true)).await.unwrap();
    let mut unplanned = failover_to("nc2-tokyo");
    unplanned["job"]["action"] = "unplanned".into();
    let event = stored(lab, unplanned).await;
    let back = OnceLock::new();
    way_back_rule(lab, true).await;
    let failover = async || {
        back.set(run(lab, "failover", event.clone()).await).unwrap();
        Ok(())
    };
    let reprotect = lab.run_by_event(TOKYO, "reprotect", failover).await.unwrap();
    way_back_rule(lab, false).await;
    let back = back.into_inner().unwrap();
    lab.control().post("/prism/pc-osaka", &silent(false)).await.unwrap();
    green(&back);
    assert_eq!(back.output["result"], "done");
    assert!(back.words().contains("not counted on by word of policy of `app`: event failover-"), "{}", back.words());
    answered_at(lab, "pc-tokyo", "automatic").await;
    the_way_back_is_drilled(lab, &back, &reprotect).await;
}

/// The rule by which a failover that has ended well starts the check of the way back, which no test waits for unless it wants to.
async fn way_back_rule(lab: &Lab, enabled: bool) {
    let events = &lab.aws(TOKYO).unwrap().events;
    let rules = events.list_rules().send().await.unwrap();
    let rule = rules.rules().iter().find(|rule| rule.name().is_some_and(|name| name.contains("FailoverProven")));
    let name = rule.and_then(|rule| rule.name()).unwrap();
    match enabled {
        true => drop(events.enable_rule().name(name).send().await.unwrap()),
        false => drop(events.disable_rule().name(name).send().await.unwrap()),
    }
}

/// What EventBridge said of a failover that has ended well has started the drill of the way back.
async fn the_way_back_is_drilled(lab: &Lab, failover: &Execution, reprotect: &Execution) {
    assert_eq!(failover.output["way_back"], json!([{"networks": ["app"], "to": "nc2-osaka"}]));
    green(reprotect);
    let words = reprotect.words();
    let (after, drill) = words.split_once(": the way back is looked at by ").unwrap();
    assert_eq!(after, format!("after {}", failover.arn));
    let drill = lab.finish(TOKYO, drill).await.unwrap();
    green(&drill);
    assert!(drill.words().contains("to nc2-osaka"), "{}", drill.words());
    // Meanwhile somebody removed a route that the failover had left: whoever plans the way back is told.
    let as_left = lab.sim().shared().world().clone();
    let route =
        [("TransitGatewayRouteTableId", "tgw-rtb-00000000000000001"), ("DestinationCidrBlock", "172.30.1.0/24")];
    ec2(lab, "DeleteTransitGatewayRoute", &route).await;
    let plan = json!({"schema_version": 1, "execution": "e", "action": "plan", "request": to("nc2-osaka")});
    let planned = invoke(lab, "holdfast-swap-route", &plan).await.unwrap();
    let (_, changed) = planned["plan"].as_str().unwrap().split_once("changed since the last move:").unwrap();
    assert!(changed.contains("172.30.1.0/24") && changed.contains("somebody made it no static route"), "{changed}");
    assert_eq!(changed.trim().lines().count(), 1, "{changed}");
    restore(lab, &as_left);
    assert!(!drill.output["plan"].to_string().contains("changed since"), "{}", drill.output);
    // A failover that changed no route came from nowhere.
    let nothing = json!({"output": json!({"result": "noted"}).to_string()});
    let nowhere = run(lab, "reprotect", json!({"detail": nothing})).await;
    green(&nowhere);
    assert!(nowhere.words().contains("no way back to look at"), "{}", nowhere.words());
}

/// Move has migrated the wave, and nobody has cut it over.
pub async fn cutovers(lab: &Lab, taken: &mut BTreeSet<Edge>) {
    subscribe(lab).await;
    let cutover = Started {
        machine: "cutover",
        looks: call("watch", "s3", "GET*"),
        proposes: call("verify", "dynamodb", "PutItem"),
    };
    asked(lab, &cutover, &|| stored(lab, cutover_of("wave-1")), taken).await;
    let approved = propose(lab, "cutover", stored(lab, cutover_of("wave-1")).await, Answer::Approve).await;
    green(&approved);
    assert!(approved.words().contains("approved by Kim"), "{}", approved.words());
    answered_at(lab, "pc-tokyo", "approved").await;
    publish(lab, "automatic", 60).await;
    let again = run(lab, "cutover", stored(lab, cutover_of("wave-1")).await).await;
    green(&again);
    assert_eq!(again.output["result"], "done");
}

/// Nothing starts but what is approved, whatever else becomes of an event; each Retry and Catch on the way is taken.
async fn asked<F: Future<Output = Value>>(
    lab: &Lab,
    started: &Started,
    event: &impl Fn() -> F,
    taken: &mut BTreeSet<Edge>,
) {
    let Started { machine, looks, proposes } = started;
    let since = last_call(lab).await;
    publish(lab, "manual", 60).await;
    fault(lab, looks.clone(), 0, holdfast_runtime::MAX_ATTEMPTS, json!({"kind": "throttle"})).await;
    let manual = run(lab, machine, event().await).await;
    noted(&manual, "policy of `app` is manual");
    note_retries(machine, &manual, taken);
    no_faults(lab).await;

    publish(lab, "propose", 60).await;
    fault(lab, proposes.clone(), 0, holdfast_runtime::MAX_ATTEMPTS, json!({"kind": "throttle"})).await;
    let rejected = propose(lab, machine, event().await, Answer::Fail("Rejected")).await;
    noted(&rejected, "rejected: Kim: no");
    note_retries(machine, &rejected, taken);
    no_faults(lab).await;
    taken.insert(((*machine).to_owned(), "Propose".to_owned(), "Catch", 0));
    let other = propose(lab, machine, event().await, Answer::Fail("Other")).await;
    held(&other, "Other: Kim: no");
    taken.insert(((*machine).to_owned(), "Propose".to_owned(), "Catch", 2));

    for (pattern, action) in [(looks, "s3"), (proposes, proposes["service"].as_str().unwrap())] {
        let code = if action == "s3" { "AccessDenied" } else { "AccessDeniedException" };
        publish(lab, "propose", 60).await;
        fault(lab, pattern.clone(), 0, 1, json!({"kind": "error", "code": code, "status": 403, "message": "injected"}))
            .await;
        let denied = run(lab, machine, event().await).await;
        no_faults(lab).await;
        held(&denied, "AccessDenied");
        taken.insert(((*machine).to_owned(), failed_in(&denied), "Catch", 0));
    }

    publish(lab, "propose", 1).await;
    let expired = propose(lab, machine, event().await, Answer::Nobody).await;
    noted(&expired, "nobody answered within 1 s");
    taken.insert(((*machine).to_owned(), "Propose".to_owned(), "Catch", 1));
    // One that a person stops says nothing itself.
    publish(lab, "propose", 60).await;
    let stopped = lab.begin(TOKYO, machine, &event().await).await.unwrap();
    proposed(lab, &stopped).await;
    lab.aws(TOKYO).unwrap().sfn.stop_execution().execution_arn(&stopped).send().await.unwrap();
    let told = message(lab, &["ABORTED", &stopped]).await;
    let go_on = format!("aws stepfunctions redrive-execution --region ap-northeast-1 --execution-arn {stopped}");
    assert!(told.contains(&go_on), "{told}");
    assert_eq!(changes(lab, since).await, Vec::<Value>::new());
}

async fn answered_at_nobody(lab: &Lab) {
    let probes = crate::support::probes(lab).await;
    assert!(probes.iter().all(|probe| probe["received"] == 0), "routes followed unasked: {probes:?}");
}

#[track_caller]
fn noted(execution: &Execution, why: &str) {
    green(execution);
    assert_eq!(execution.output["result"], "noted", "{}", execution.words());
    assert!(execution.words().contains(why), "`{why}` is not in: {}", execution.words());
}

/// Publishes the network map with a policy, in a version that no function has read yet.
async fn publish(lab: &Lab, policy: &str, expires: u32) {
    static VERSION: AtomicU32 = AtomicU32::new(1001);
    let age = format!("evidence_max_age_seconds: {}", VERSION.fetch_add(1, Ordering::Relaxed));
    let subnets = "    subnets: { nc2-tokyo: app, nc2-osaka: app }\n";
    let map = patient_map().replace("evidence_max_age_seconds: 300", &age);
    let map = map.replace(subnets, &format!("{subnets}    start: {policy}\n"));
    let limits = format!("  start: {{ hold_down_seconds: 0, approval_expires_seconds: {expires} }}\n");
    lab.publish(&published(lab, &(map + &limits))).await.unwrap();
}

async fn switch(lab: &Lab, value: &str) {
    let parameter = lab.aws(TOKYO).unwrap().ssm.put_parameter().name("/holdfast/start").value(value).overwrite(true);
    parameter.send().await.unwrap();
}

fn failover_to(site: &str) -> Value {
    let from = if site == "nc2-osaka" { "nc2-tokyo" } else { "nc2-osaka" };
    let job = json!({"kind": "failover", "prism_central": "pc-osaka", "job": id(), "name": "app", "action": "planned"});
    json!({"job": job, "from": from, "to": site})
}

fn cutover_of(wave: &str) -> Value {
    let job = json!({"kind": "cutover", "wave": wave, "appliance": "move-tokyo", "plans": [wave]});
    json!({"job": job, "from": "ec2-tokyo", "to": "nc2-tokyo"})
}

fn id() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    format!("00000000-0000-4000-8000-{:012}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Stores an event of the story's machines as `watch` does when it finds one, and returns what its rule starts the machine with.
async fn stored(lab: &Lab, of: Value) -> Value {
    let kind = of["job"]["kind"].as_str().unwrap();
    let event_id = format!("{kind}-{}", id());
    let event = json!({
        "schema_version": 1, "id": event_id, "job": of["job"], "ending": "finished", "networks": ["app"], "from": of["from"],
        "to": of["to"], "machines": {"web-1": {}, "app-1": {}}, "found_at": "2026-01-02T03:04:05Z", "summary": "it has ended",
    });
    let found = json!({"v": 1, "event": event, "by": "test"}).to_string();
    let item = json!({"pk": {"S": format!("event#{event_id}")}, "sk": {"S": "found"}, "doc": {"S": found}});
    dynamodb(lab, "PutItem", json!({"TableName": "holdfast-operations", "Item": item})).await;
    match kind {
        "cutover" => json!({"event": event_id, "wave": of["job"]["wave"]}),
        _ => {
            let mut input = to(of["to"].as_str().unwrap());
            input["event"] = event_id.into();
            input
        }
    }
}

/// Subscribes a queue to the topic of messages.
async fn subscribe(lab: &Lab) {
    let version = ("Version", "2012-11-05");
    person(lab, "sqs", &[("Action", "CreateQueue"), ("QueueName", "messages"), version]).await;
    let topic = "arn:aws:sns:ap-northeast-1:111122223333:holdfast-hold";
    let queue = "arn:aws:sqs:ap-northeast-1:111122223333:messages";
    let form = [("Action", "Subscribe"), ("TopicArn", topic), ("Protocol", "sqs"), ("Endpoint", queue)];
    person(lab, "sns", &[&form[..], &[("Version", "2010-03-31")]].concat()).await;
}

/// Starts an execution that proposes something, answers, and waits for its end.
async fn propose(lab: &Lab, machine: &str, input: Value, with: Answer) -> Execution {
    let arn = lab.begin(TOKYO, machine, &input).await.unwrap();
    let token = proposed(lab, &arn).await;
    answer(lab, &token, &with).await;
    lab.finish(TOKYO, &arn).await.unwrap()
}

/// The token of the command that approves what an execution proposes, from the message that a person gets.
async fn proposed(lab: &Lab, execution: &str) -> String {
    let body = message(lab, &["proposes", execution]).await;
    let (_, command) =
        body.split_once("aws stepfunctions send-task-success --region ap-northeast-1 --task-token ").unwrap();
    command.split(' ').next().unwrap().to_owned()
}

/// The next message to people with all these words.
async fn message(lab: &Lab, words: &[&str]) -> String {
    let url = "http://127.0.0.1/111122223333/messages";
    let form =
        [("Action", "ReceiveMessage"), ("QueueUrl", url), ("MaxNumberOfMessages", "10"), ("VisibilityTimeout", "600")];
    let form = [&form[..], &[("Version", "2012-11-05")]].concat();
    wait::until("a message", ARRIVES, || async {
        let received = person(lab, "sqs", &form).await;
        let mut bodies = received.split("<Body>").skip(1);
        Ok(bodies.find(|body| words.iter().all(|word| body.contains(word))).map(str::to_owned))
    })
    .await
    .unwrap()
}

async fn answer(lab: &Lab, token: &str, with: &Answer) {
    let sfn = &lab.aws(TOKYO).unwrap().sfn;
    match with {
        Answer::Approve => drop(sfn.send_task_success().task_token(token).output(APPROVAL).send().await.unwrap()),
        Answer::Fail(error) => {
            let failure = sfn.send_task_failure().task_token(token).error(*error).cause("Kim: no");
            drop(failure.send().await.unwrap());
        }
        Answer::Nobody => {}
    }
}
