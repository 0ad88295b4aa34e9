//! `swap-route` killed at every call that it makes, and the same input started again.

use crate::support::{
    TOKYO, answered_at, begin_and_kill_if_held, changes, cut_over, forget, green, invoke, invoke_and_kill, last_call,
    probes, recover, run, swap_with_fresh_evidence, tables, to,
};
use holdfast_lab::Lab;
use serde_json::{Value, json};

const FUNCTION: &str = "holdfast-swap-route";

/// More calls than one run of `swap-route` makes.
const MANY: u32 = 80;

/// Each time from the same world and with an empty journal: the VMs are at NC2 Osaka, the routes lead to NC2 Tokyo.
#[tokio::test(flavor = "multi_thread")]
async fn swap_route_killed_at_any_call_is_finished_by_the_same_input() {
    let lab = cut_over().await;
    readers_killed(&lab).await;
    recover(&lab).await;
    let before = lab.sim().shared().world().clone();
    let mut input = Value::Null;
    let mut killed = 0;
    for call in 0..MANY {
        begin_again(&lab, &before).await;
        if call % 10 == 0 {
            input = swap_with_fresh_evidence(&lab, to("nc2-osaka")).await;
        }
        let when = if call % 2 == 0 { "before" } else { "after" };
        let hold = json!({"match": {"source": "aws", "function": FUNCTION}, "skip": call, "when": when});
        if !invoke_and_kill(&lab, FUNCTION, &input, hold).await {
            break;
        }
        killed += 1;
        never_worse(&lab, &format!("call {call} {when}")).await;
        let again = invoke(&lab, FUNCTION, &input).await;
        let again = again.unwrap_or_else(|error| panic!("call {call} {when}: {error}"));
        let ended = again["result"] == "done" || again["result"] == "nothing_to_do";
        assert!(ended, "call {call} {when}: {again}");
        answered_at(&lab, "pc-osaka", &format!("call {call} {when}")).await;
    }
    assert!((20..MANY).contains(&killed), "{killed} calls were killed");

    // And as a person does it: an execution whose function is killed between the two Regions' writes holds, and the same input finishes.
    begin_again(&lab, &before).await;
    let write =
        json!({"function": FUNCTION, "service": "ec2", "region": TOKYO, "action": "ReplaceTransitGatewayRoute"});
    let held = begin_and_kill_if_held(
        &lab,
        "failover",
        &to("nc2-osaka"),
        json!({"match": write, "skip": 0, "when": "before"}),
    )
    .await;
    assert!(held.unwrap().held());
    never_worse(&lab, "an execution").await;
    green(&run(&lab, "failover", to("nc2-osaka")).await);
    answered_at(&lab, "pc-osaka", "an execution").await;
}

/// `watch` and `verify` die at what they read, send and store: the same input again gives the same answer, and nothing of a dead one is read.
async fn readers_killed(lab: &Lab) {
    let watch = json!({"schema_version": 1, "execution": "killed", "subject": {"kind": "failover", "request": to("nc2-tokyo")}});
    let evidence = invoke(lab, "holdfast-watch", &watch).await.unwrap()["evidence"].clone();
    let check = json!({"kind": "postflight", "networks": ["app"], "to": "nc2-tokyo", "evidence": evidence});
    let verify = json!({"schema_version": 1, "execution": "killed", "check": check});
    let cases = [
        ("holdfast-watch", &watch, json!({"source": "prism:pc-tokyo"}), "before"),
        ("holdfast-watch", &watch, json!({"service": "s3"}), "before"),
        ("holdfast-watch", &watch, json!({"service": "secretsmanager"}), "before"),
        ("holdfast-watch", &watch, json!({"action": "PutItem"}), "before"),
        ("holdfast-watch", &watch, json!({"action": "PutItem"}), "after"),
        ("holdfast-verify", &verify, json!({"service": "ec2"}), "before"),
        ("holdfast-verify", &verify, json!({"service": "s3"}), "before"),
        ("holdfast-verify", &verify, json!({"action": "SendCommand"}), "after"),
        ("holdfast-verify", &verify, json!({"action": "PutItem"}), "before"),
        ("holdfast-verify", &verify, json!({"action": "PutItem"}), "after"),
    ];
    let since = last_call(lab).await;
    let before = tables(lab).await;
    for (function, input, mut call, when) in cases {
        let case = format!("{function} killed {when} {call}");
        if ["s3", "secretsmanager"].iter().any(|service| call["service"] == *service) {
            // Only a process that is new reads them.
            let first = json!({"match": {"function": function}, "when": "before"});
            assert!(invoke_and_kill(lab, function, input, first).await, "{case}: no call at all");
        }
        call["function"] = json!(function);
        assert!(
            invoke_and_kill(lab, function, input, json!({"match": call, "when": when})).await,
            "{case}: no such call"
        );
        let again = invoke(lab, function, input).await.unwrap_or_else(|error| panic!("{case}: {error}"));
        if function == "holdfast-verify" {
            assert_eq!(again["result"], "pass", "{case}: {again}");
        } else {
            assert!(again["evidence"].is_string(), "{case}: {again}");
        }
    }
    assert_eq!((changes(lab, since).await, tables(lab).await), (Vec::new(), before));
}

async fn begin_again(lab: &Lab, world: &holdfast_sim::World) {
    *lab.sim().shared().world() = world.clone();
    forget(lab, "holdfast-operations", "evidence#").await;
}

/// The VMs have left Tokyo: until the routes follow nobody answers, but nothing loops and nothing is dropped that had a route.
async fn never_worse(lab: &Lab, case: &str) {
    for probe in probes(lab).await {
        let text = probe.to_string().to_lowercase();
        assert!(!text.contains("loop") && !text.contains("blackhole"), "{case}: {probe}");
    }
}
