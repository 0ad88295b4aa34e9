//! Tokyo is lost: Osaka drives without one call to it; then Tokyo is back, with the old VMs running.

use crate::support::{
    OSAKA, TOKYO, commands, cut_over_with, dynamodb, fault, green, held, last_call, no_faults, power_off, probes,
    recover, to,
};
use holdfast_lab::{Consistency, Lab, Schedule, prober, wait};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn without_one_call_to_the_lost_region_and_back_on_strongly_consistent_tables() {
    driven_from_osaka(Consistency::Strong).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_call_to_the_lost_region_and_back_on_eventually_consistent_tables() {
    driven_from_osaka(Consistency::Eventual).await;
}

async fn driven_from_osaka(tables: Consistency) {
    let lab = cut_over_with(tables).await;
    if tables == Consistency::Eventual {
        let other = failover(&lab, to("nc2-osaka")).await;
        held(&other, "only ap-northeast-1 writes to them");
        let looked = lab.look(OSAKA).await.unwrap();
        assert!(looked["summary"].as_str().unwrap().contains("only ap-northeast-1 writes to them"), "{looked}");
    } else {
        in_the_middle_of_a_failover(&lab).await;
        lab.look(OSAKA).await.unwrap();
    }
    tokyo(&lab, true).await;
    lab.control().post("/recovery-plans/app/failover", &json!({"kind": "unplanned"})).await.unwrap();
    if tables == Consistency::Strong {
        found_without_tokyo(&lab).await;
    }

    // Nobody declared Tokyo lost: what cannot be read is unknown, and nothing is changed.
    let undeclared = failover(&lab, to("nc2-osaka")).await;
    held(&undeclared, "ap-northeast-1");
    if tables == Consistency::Strong {
        let declares = ("failover".to_owned(), lost("nc2-osaka"));
        assert!(commands(&undeclared.cause).contains(&declares), "{}", undeclared.cause);
        let told = "Declare ap-northeast-1 lost: no call is made to it, its tables stay as they are, and you answer for no machine there serving anybody. It would be done: ";
        assert!(undeclared.cause.contains(told), "{}", undeclared.cause);
    }
    held(&failover(&lab, lost("nc2-tokyo")).await, "which is declared lost");

    let since = last_call(&lab).await;
    let without = failover(&lab, lost("nc2-osaka")).await;
    green(&without);
    assert!(without.words().contains(r#"start `{"reconcile": ["app"]}`"#), "{}", without.words());
    assert!(without.words().contains("onprem-tokyo can only enter there"), "{}", without.words());
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let called: Vec<&Value> = log.as_array().unwrap().iter().filter(|call| to_tokyo(call)).collect();
    assert!(called.is_empty() && log.as_array().unwrap().len() > 30, "{tables:?}: {called:#?}");
    at_osaka(&lab, &[1]).await;

    // Tokyo is back, and its Prism Central starts the old VMs.
    tokyo(&lab, false).await;
    let reconcile = json!({"reconcile": ["app"]});
    let home = if tables == Consistency::Strong { OSAKA } else { TOKYO };
    let owed = wait::until("the intent in the replica of Tokyo", Duration::from_secs(60), || async {
        Ok(lock(&lab).await.to_string().contains("owed").then_some(()))
    });
    owed.await.unwrap();
    held(&lab.run(home, "failover", &reconcile).await.unwrap(), "runs at `nc2-tokyo`");
    power_off(&lab, "pc-tokyo");
    green(&lab.run(home, "failover", &reconcile).await.unwrap());
    at_osaka(&lab, &[0, 1]).await;
    // Nothing is owed and nothing is astray: a schedule that starts it wakes nobody.
    let again = lab.run_by_schedule(home, Schedule::Reconcile, &reconcile).await.unwrap();
    green(&again);
    assert_eq!(again.output_of("SwapRoutes")["result"], "nothing_to_do", "{}", again.words());
}

/// The side that the machines left is dark: what the other one tells starts what policy says, which is nothing by itself.
async fn found_without_tokyo(lab: &Lab) {
    let look = async || {
        let looked = lab.look(OSAKA).await?;
        assert!(
            looked["found"].as_array().unwrap().len() == 1 && looked["unknown"]["Prism Central pc-tokyo"].is_string()
        );
        Ok(())
    };
    let noted = lab.run_by_event(OSAKA, "failover", look).await.unwrap();
    green(&noted);
    assert_eq!(noted.output["result"], "noted", "{}", noted.words());
}

/// Tokyo goes when a planned failover has changed the routes of Osaka and not yet those of Tokyo; it is made whole later, and everything goes back.
async fn in_the_middle_of_a_failover(lab: &Lab) {
    recover(lab).await;
    let denied = json!({"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "injected"});
    fault(lab, json!({"service": "ec2", "region": TOKYO, "action": "ReplaceTransitGatewayRoute"}), 0, 1, denied).await;
    held(&failover(lab, to("nc2-osaka")).await, "SwapIncomplete");
    no_faults(lab).await;
    tokyo(lab, true).await;
    green(&failover(lab, lost("nc2-osaka")).await);
    tokyo(lab, false).await;
    at_osaka(lab, &[1]).await;
    assert_eq!(probes(lab).await[0]["received"], 0);
    green(&failover(lab, json!({"reconcile": ["app"]})).await);
    at_osaka(lab, &[0, 1]).await;
    taken_back_without_the_region(lab).await;
    recover(lab).await;
    green(&failover(lab, to("nc2-tokyo")).await);
}

/// Tokyo goes when a failback has changed its routes and not yet those of Osaka, and the machines are started in Osaka again: the failback is taken
/// back without a call to Tokyo, whose routes follow later.
async fn taken_back_without_the_region(lab: &Lab) {
    recover(lab).await;
    let denied = json!({"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "injected"});
    fault(lab, json!({"service": "ec2", "region": OSAKA, "action": "ReplaceTransitGatewayRoute"}), 0, 1, denied).await;
    let failback = failover(lab, to("nc2-tokyo")).await;
    held(&failback, "SwapIncomplete");
    no_faults(lab).await;
    tokyo(lab, true).await;
    lab.control().post("/recovery-plans/app/failover", &json!({"kind": "unplanned"})).await.unwrap();
    let (_, id) = failback.cause.split_once(r#"{"undo": ""#).unwrap();
    let id = id.split('"').next().unwrap();
    held(&failover(lab, json!({"undo": id})).await, "ap-northeast-1");
    let since = last_call(lab).await;
    green(&failover(lab, json!({"undo": id, "lost": TOKYO})).await);
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    assert_eq!(log.as_array().unwrap().iter().filter(|call| to_tokyo(call)).count(), 0);
    at_osaka(lab, &[1]).await;

    tokyo(lab, false).await;
    power_off(lab, "pc-tokyo");
    assert_eq!(probes(lab).await[0]["received"], 0);
    green(&failover(lab, json!({"reconcile": ["app"]})).await);
    at_osaka(lab, &[0, 1]).await;
}

/// Starts a failover in Osaka.
async fn failover(lab: &Lab, input: Value) -> holdfast_lab::Execution {
    lab.run(OSAKA, "failover", &input).await.unwrap_or_else(|error| panic!("{}", error.line()))
}

fn lost(to: &str) -> Value {
    json!({"networks": ["app"], "to": to, "lost": TOKYO})
}

/// Cuts Tokyo off with its Prism Central, or brings it back.
async fn tokyo(lab: &Lab, lost: bool) {
    for place in ["/regions/ap-northeast-1", "/prism/pc-tokyo"] {
        lab.control().post(place, &json!({"lost": lost})).await.unwrap();
    }
}

fn to_tokyo(call: &Value) -> bool {
    (call["source"] == "aws" && call["region"] == TOKYO) || call["source"].to_string().contains("pc-tokyo")
}

/// These clients are answered by one machine in Osaka, and by no other.
async fn at_osaka(lab: &Lab, clients: &[usize]) {
    let probes = probes(lab).await;
    for client in clients {
        prober::answered_at(&probes[*client], "pc-osaka").unwrap();
    }
}

/// The lock of the network, as Tokyo has it.
async fn lock(lab: &Lab) -> Value {
    let key = json!({"pk": {"S": "network#app"}, "sk": {"S": "lock"}});
    dynamodb(lab, "GetItem", json!({"TableName": "holdfast-operations", "Key": key})).await
}
