//! `swap-route` killed at every call that it makes, and the same input started again.

use crate::support::{
    TOKYO, begin_and_kill_if_held, cut_over, forget, green, invoke, invoke_and_kill, probes, recover, run,
    swap_with_fresh_evidence, to,
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
        at_osaka(&lab, &format!("call {call} {when}")).await;
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
    at_osaka(&lab, "an execution").await;
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

async fn at_osaka(lab: &Lab, case: &str) {
    for probe in probes(lab).await {
        assert!(probe.to_string().contains("pc-osaka"), "{case}: {probe}");
    }
}
