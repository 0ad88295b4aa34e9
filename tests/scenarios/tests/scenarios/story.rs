//! The reference story, and that no function did more than the template allows it.

use holdfast_lab::{Lab, LabOptions, Progress, story};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_late_call_of_the_look_is_not_the_executions() {
    let call = |function: &str, action: &str, pid: i32| json!({"function": format!("holdfast-{function}"), "service": "x", "action": action, "pid": pid});
    let decides =
        |pid: i32| json!({"function": "holdfast-watch", "service": "ssm", "action": "GetParameters", "pid": pid});
    let parted = |calls: &[Value]| story::found_and_decided(&calls.iter().collect::<Vec<_>>());
    let (look, late, own, swap) =
        (call("watch", "look", 1), call("watch", "late", 1), call("watch", "own", 2), call("swap-route", "own", 3));
    let (found, decided) = parted(&[look.clone(), decides(2), own, late.clone(), swap.clone()]);
    assert_eq!(found, ["watch x:look", "watch x:late"]);
    assert_eq!(decided, ["watch ssm:GetParameters", "watch x:own", "swap-route x:own"]);
    // One process makes calls one after the other: none of its is late.
    let (found, decided) = parted(&[look, decides(1), late, swap]);
    assert_eq!((found.len(), decided.len()), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_holds_and_every_call_is_within_the_functions_policy() {
    let lab = Lab::start(LabOptions::default()).await.unwrap_or_else(|error| panic!("{}", error.line()));
    if let Err(error) = story::tell(&lab, &Progress::silent()).await {
        panic!("{}", error.line());
    }
    let policies = policies();
    let log = lab.control().get("/log?since=0").await.unwrap();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in log.as_array().unwrap().iter().filter(|call| call["source"] == "aws") {
        if let Some(function) = call["function"].as_str() {
            let (service, action) = (call["service"].as_str().unwrap(), call["action"].as_str().unwrap());
            // S3 has methods and paths on the wire, and no action names.
            let action = if service == "s3" && action.starts_with("GET ") { "GetObject" } else { action };
            let action = format!("{service}:{action}");
            seen.entry(function.to_owned()).or_default().insert(action);
        }
    }
    assert_eq!(seen.len(), 5, "functions that called AWS: {:?}", seen.keys());
    for (function, actions) in seen {
        let beyond: Vec<&String> = actions.difference(&policies[&function]).collect();
        assert!(beyond.is_empty(), "`{function}` called {beyond:?}, which its policy does not allow");
    }
}

/// Allowed actions by function name, from the template.
fn policies() -> BTreeMap<String, BTreeSet<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/template.yaml");
    let template: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let functions = template["Resources"].as_object().unwrap().values();
    functions
        .filter(|resource| resource["Type"] == "AWS::Serverless::Function")
        .map(|resource| {
            let statements = resource["Properties"]["Policies"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|policy| policy["Statement"].as_array().unwrap());
            let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
            let name = resource["Properties"]["FunctionName"].as_str().unwrap().to_owned();
            (name, actions.map(|action| action.as_str().unwrap().to_owned()).collect())
        })
        .collect()
}
