//! Death at every call, before and after its effect, and a new start.

use holdfast_model::FaultName;
use holdfast_sim::faults::{Effect, HoldRequest, HoldState, Match, NewFault, When};
use serde_json::{Value, json};

use crate::world::Scene;

/// Kills a start at its `k`-th change, then starts again. False when the start had ended before.
async fn die_at(switches: &Value, k: u64, when: When) -> bool {
    let scene = Scene::after_cutover(|world| world).await;
    scene.switch(switches);
    let gate = scene.sim.shared().gate();
    let matching = Match { source: Some("prism".into()), action: Some("vms.nics.*".into()), ..Match::default() };
    let hold = gate.add_hold(HoldRequest { matching, skip: k, when });
    let mut watch = gate.watch_hold(hold).unwrap();
    let held = async {
        watch.wait_for(|state| *state == HoldState::Held).await.unwrap();
    };
    let died = tokio::select! {
        () = held => true,
        ended = scene.start() => { ended.unwrap(); false }
    };
    gate.release(hold);
    let what = format!("{switches}, {when:?} change {k}");
    scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    scene.assert_right(&what).await;
    died
}

/// More changes than any start makes.
const MANY: u64 = 12;

async fn die_everywhere(when: When, switches: Value) {
    let died = futures::future::join_all((0..MANY).map(|k| die_at(&switches, k, when))).await;
    let changes = died.iter().take_while(|died| **died).count();
    assert!((6..died.len()).contains(&changes), "{switches}: {changes} changes");
}

#[tokio::test]
async fn a_start_that_died_before_any_change_is_finished_by_the_next() {
    die_everywhere(When::Before, json!({})).await;
}

#[tokio::test]
async fn a_start_that_died_after_any_change_is_finished_by_the_next() {
    die_everywhere(When::After, json!({})).await;
}

#[tokio::test]
async fn a_nic_that_was_taken_away_is_given_back_after_a_death_before_any_change() {
    die_everywhere(When::Before, json!({"migrate_powered_on": false})).await;
}

#[tokio::test]
async fn a_nic_that_was_taken_away_is_given_back_after_a_death_after_any_change() {
    die_everywhere(When::After, json!({"migrate_powered_on": false})).await;
}

/// Tasks that last.
fn slow() -> Value {
    json!({"migrate_powered_on": false, "task_queued_reads": 1, "task_running_reads": 1})
}

#[tokio::test]
async fn a_nic_that_was_taken_away_slowly_is_given_back_after_a_death_before_any_change() {
    die_everywhere(When::Before, slow()).await;
}

#[tokio::test]
async fn a_nic_that_was_taken_away_slowly_is_given_back_after_a_death_after_any_change() {
    die_everywhere(When::After, slow()).await;
}

#[tokio::test]
async fn a_nic_whose_creation_is_refused_is_created_as_it_was() {
    let scene = Scene::after_cutover(|world| world).await;
    scene.switch(&json!({"migrate_powered_on": false}));
    let matching = Match { source: Some("prism".into()), action: Some("vms.nics.create".into()), ..Match::default() };
    let effect = Effect::Error { code: "VMM-1".into(), status: 422, message: "not today".into() };
    scene.sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: Some(1), effect });
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::RestoreIncomplete, "{fault}");
    assert!(fault.message.contains("not today") && fault.message.contains("on its old subnet"), "{fault}");
    assert_eq!(scene.vm("web-1").await.nics.len(), 1);
    scene.start().await.unwrap();
    scene.assert_right("after the refusal").await;
}
