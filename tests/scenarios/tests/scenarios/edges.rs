//! Every Retry and every Catch of the state machines is taken, shown from the execution history.

use crate::events;
use crate::support::{
    TOKYO, begin_and_kill_if_held, commands, cut_over, failed_in, fault, green, held, lab_with, leases_run_out,
    migrate, no_faults, patient_map, person, published, recover, run, to,
};
use holdfast_lab::{Execution, Lab, LabOptions, Source};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

/// An edge: machine, state, `Retry` or `Catch`, position.
pub type Edge = (String, String, &'static str, usize);

/// A function, the service and action of a call of it, and how many such calls of the execution go by first.
type Call = (&'static str, &'static str, &'static str, u32);

/// Calls of functions in the order of a machine's states, with the call by which each can be disturbed. Every function reads the network map
/// from S3 when it is new; `verify` stores a report each time.
const CALLS: [(&str, &[Call]); 6] = [
    ("capture", &[("capture", "s3", "GET*", 0), ("watch", "s3", "GET*", 0), ("verify", "dynamodb", "PutItem", 0)]),
    (
        "cutover",
        &[
            ("verify", "dynamodb", "PutItem", 0),
            ("restore-nic", "s3", "GET*", 0),
            ("watch", "s3", "GET*", 0),
            ("swap-route", "s3", "GET*", 0),
            ("verify", "dynamodb", "PutItem", 1),
        ],
    ),
    ("recheck", &[("watch", "s3", "GET*", 0), ("verify", "dynamodb", "PutItem", 0)]),
    ("failover", &[("watch", "s3", "GET*", 0), ("swap-route", "s3", "GET*", 0), ("verify", "dynamodb", "PutItem", 0)]),
    ("reprotect", &[]),
    (
        "drill",
        &[
            ("watch", "s3", "GET*", 0),
            ("swap-route", "s3", "GET*", 0),
            ("verify", "dynamodb", "PutItem", 0),
            ("watch", "dynamodb", "GetItem", 0),
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_retry_and_every_catch_of_capture_and_cutover_is_taken() {
    let lab = lab_with(LabOptions { map: Source::Text(patient_map()), ..LabOptions::default() }).await;
    let mut taken = BTreeSet::new();
    disturb(&lab, "capture", &mut taken).await;
    green(&run(&lab, "capture", json!({"wave": "wave-1"})).await);
    migrate(&lab).await;
    events::cutovers(&lab, &mut taken).await;
    disturb(&lab, "cutover", &mut taken).await;
    lease(&lab, "cutover", &mut taken).await;
    all_taken(&lab, &["capture", "cutover"], taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_retry_and_every_catch_of_failover_is_taken() {
    let lab = cut_over().await;
    let mut taken = BTreeSet::new();
    events::failovers(&lab, &mut taken).await;
    disturb(&lab, "failover", &mut taken).await;
    lease(&lab, "failover", &mut taken).await;
    all_taken(&lab, &["failover", "reprotect"], taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_retry_and_every_catch_of_recheck_and_drill_is_taken() {
    let lab = cut_over().await;
    let mut taken = BTreeSet::new();
    disturb(&lab, "recheck", &mut taken).await;
    disturb(&lab, "drill", &mut taken).await;
    all_taken(&lab, &["recheck", "drill"], taken).await;
}

/// The state machines have no edge that was not taken, once their page has failed too.
async fn all_taken(lab: &Lab, machines: &[&str], mut taken: BTreeSet<Edge>) {
    page(lab, machines, &mut taken).await;
    let missed: Vec<Edge> = edges(machines).into_iter().filter(|edge| !taken.contains(edge)).collect();
    assert!(missed.is_empty(), "never taken: {missed:?}");
}

#[test]
fn every_state_machine_is_disturbed() {
    let folder = std::fs::read_dir(format!("{}/../../statemachines", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let names = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = names.filter(|name| name.ends_with(".asl.json")).collect();
    assert_eq!(files, CALLS.iter().map(|(machine, _)| format!("{machine}.asl.json")).collect());
}

/// Publishes the network map in a version that no function has read yet.
async fn publish_anew(lab: &Lab) {
    static VERSION: AtomicU32 = AtomicU32::new(301);
    let age = format!("evidence_max_age_seconds: {}", VERSION.fetch_add(1, Ordering::Relaxed));
    let text = patient_map().replace("evidence_max_age_seconds: 300", &age);
    lab.publish(&published(lab, &text)).await.unwrap();
}

fn input(machine: &str) -> Value {
    match machine {
        "capture" | "cutover" | "recheck" => json!({"wave": "wave-1"}),
        _ => to("nc2-tokyo"),
    }
}

/// What the execution whose call is disturbed is started with: only a test failover has `watch` read an item.
fn input_of(machine: &str, (function, _, action, _): &Call) -> Value {
    match (*function, *action) {
        ("watch", "GetItem") => {
            json!({"networks": ["app"], "to": "nc2-osaka", "test_failover": true, "recovery_plan": "app"})
        }
        _ => input(machine),
    }
}

/// Throttles each call of a machine until its function gives up once, then denies it.
async fn disturb(lab: &Lab, machine: &str, taken: &mut BTreeSet<Edge>) {
    let calls = CALLS.iter().find(|(name, _)| *name == machine).unwrap().1;
    for call @ (function, service, action, skip) in calls {
        let pattern = json!({"function": format!("holdfast-{function}"), "service": service, "action": action});
        publish_anew(lab).await;
        fault(lab, pattern.clone(), *skip, holdfast_runtime::MAX_ATTEMPTS, json!({"kind": "throttle"})).await;
        let execution = run(lab, machine, input_of(machine, call)).await;
        no_faults(lab).await;
        green(&execution);
        let cleaned = "is cleaned up: none of its VMs is there any more";
        assert_eq!(execution.words().contains(cleaned), *action == "GetItem", "{machine}: {}", execution.words());
        let before = taken.len();
        note_retries(machine, &execution, taken);
        assert!(taken.len() > before, "{machine}: no Retry was taken when {function} was throttled");

        let code = if *service == "s3" { "AccessDenied" } else { "AccessDeniedException" };
        let denied = json!({"kind": "error", "code": code, "status": 403, "message": "injected"});
        publish_anew(lab).await;
        // Where nothing of routes failed yet, what a person could start is asked after a throttle; else whoever would say it is denied too.
        let routes = *function == "swap-route" && machine != "drill";
        fault(lab, pattern, *skip, if routes { 2 } else { 1 }, denied).await;
        if *function == "watch" {
            let asks = json!({"function": "holdfast-swap-route", "service": "s3", "action": "GET*"});
            fault(lab, asks, 0, holdfast_runtime::MAX_ATTEMPTS, json!({"kind": "throttle"})).await;
        }
        let execution = run(lab, machine, input_of(machine, call)).await;
        no_faults(lab).await;
        note_retries(machine, &execution, taken);
        assert!(execution.held(), "{machine}: {function} was denied, and it ended {}", execution.words());
        assert!(execution.cause.contains("AccessDenied"), "{}", execution.cause);
        let states = execution.states();
        assert_eq!(&states[states.len() - 2..], ["Page", "Held"], "{machine}: {states:?}");
        taken.insert((machine.to_owned(), failed_in(&execution), "Catch", 0));
        if routes {
            assert!(execution.cause.contains("not checked, as AccessDenied came in between"), "{}", execution.cause);
            assert_eq!(commands(&execution.cause), [(machine.to_owned(), input(machine))]);
            taken.insert((machine.to_owned(), "Choices".to_owned(), "Catch", 0));
        }
    }
}

/// A writer dies at a route call and its operation is finished; whoever wants something else waits until no call of the dead can land any more.
async fn lease(lab: &Lab, machine: &str, taken: &mut BTreeSet<Edge>) {
    recover(lab).await;
    let call = json!({"function": "holdfast-swap-route", "service": "ec2", "action": "ReplaceTransitGatewayRoute"});
    let hold = json!({"match": call, "when": "after"});
    assert!(begin_and_kill_if_held(lab, "failover", &to("nc2-osaka"), hold).await.is_some(), "no route was replaced");
    green(&run(lab, "failover", to("nc2-osaka")).await);

    recover(lab).await;
    let early = run(lab, machine, input(machine)).await;
    held(&early, "may still have a call under way");
    note_retries(machine, &early, taken);
    leases_run_out(lab, &["app"]).await;
    green(&run(lab, machine, input(machine)).await);
}

/// The page itself fails: it is tried again, and the execution still holds.
async fn page(lab: &Lab, machines: &[&str], taken: &mut BTreeSet<Edge>) {
    let topic = "arn:aws:sns:ap-northeast-1:111122223333:holdfast-hold";
    person(lab, "sns", &[("Action", "DeleteTopic"), ("TopicArn", topic), ("Version", "2010-03-31")]).await;
    for &machine in machines {
        let nonsense = match machine {
            "reprotect" => {
                // No drill can be started of the way back.
                let sfn = &lab.aws(TOKYO).unwrap().sfn;
                let drill = "arn:aws:states:ap-northeast-1:111122223333:stateMachine:holdfast-drill";
                sfn.delete_state_machine().state_machine_arn(drill).send().await.unwrap();
                taken.insert((machine.to_owned(), "StartDrill".to_owned(), "Catch", 0));
                let output = json!({"way_back": [{"networks": ["nonsense"], "to": "nc2-osaka"}]});
                json!({"detail": {"output": output.to_string()}})
            }
            _ => json!({"nonsense": true}),
        };
        let execution = run(lab, machine, nonsense).await;
        assert!(execution.held() && execution.cause.contains("nonsense"), "{machine}: {}", execution.words());
        note_retries(machine, &execution, taken);
        let published = execution
            .history
            .iter()
            .any(|event| event.task_succeeded_event_details().is_some_and(|d| d.resource_type() == "sns"));
        assert!(!published, "{machine}: the page went out although its topic is gone");
        taken.insert((machine.to_owned(), "Page".to_owned(), "Catch", 0));
    }
}

/// Which Retry entries the history shows: a failed call that did not leave its state.
pub fn note_retries(machine: &str, execution: &Execution, taken: &mut BTreeSet<Edge>) {
    let mut state = String::new();
    let mut failed: Option<String> = None;
    for event in &execution.history {
        if let Some(entered) = event.state_entered_event_details() {
            state = entered.name().to_owned();
            failed = None;
        }
        let error = event
            .lambda_function_failed_event_details()
            .and_then(|details| details.error())
            .or_else(|| event.task_failed_event_details().and_then(|details| details.error()));
        let scheduled =
            event.lambda_function_scheduled_event_details().is_some() || event.task_scheduled_event_details().is_some();
        if scheduled && let Some(error) = failed.take() {
            let entries = machine_states(machine)[&state]["Retry"].as_array().cloned().unwrap_or_default();
            for position in 0..entries.len() {
                let names = retries(machine, &state, position);
                if names.contains(&error) || names.contains(&"States.TaskFailed".to_owned()) {
                    taken.insert((machine.to_owned(), state.clone(), "Retry", position));
                    break;
                }
            }
        }
        if let Some(error) = error {
            failed = Some(error.to_owned());
        }
    }
}

fn machine_states(machine: &str) -> Value {
    let path = format!("{}/../../statemachines/{machine}.asl.json", env!("CARGO_MANIFEST_DIR"));
    let definition: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    definition["States"].clone()
}

fn retries(machine: &str, state: &str, position: usize) -> Vec<String> {
    let names = machine_states(machine)[state]["Retry"][position]["ErrorEquals"].clone();
    names.as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn edges(machines: &[&str]) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for &machine in machines {
        for (state, definition) in machine_states(machine).as_object().unwrap() {
            for kind in ["Retry", "Catch"] {
                for position in 0..definition[kind].as_array().map_or(0, Vec::len) {
                    edges.insert((machine.to_owned(), state.clone(), kind, position));
                }
            }
        }
    }
    edges
}
