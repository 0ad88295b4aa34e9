//! Death at every call, before and after its effect, and a new start.

use holdfast_model::{FaultName, Macs};
use holdfast_sim::faults::{Effect, HoldRequest, HoldState, Match, NewFault, When};
use serde_json::{Value, json};

use crate::world::Scene;

/// Kills a start at its `k`-th change, then starts again. False when the start had ended before.
async fn die_at(level: &str, switches: &Value, macs: Macs, k: u64, when: When) -> bool {
    let head = format!("  tokyo:\n    api_level: \"{level}\"\n");
    let mut scene = Scene::after_cutover(|world| world.replacen("  tokyo:\n", &head, 1)).await;
    scene.switch(switches);
    if macs == Macs::AsCaptured {
        // The one has its addresses already when its MAC address is asked for.
        scene.hosts[0].nics[0].secondary = vec!["172.30.1.44".parse().unwrap()];
        scene.hosts[1].nics[0].secondary = vec!["172.30.1.45".parse().unwrap()];
        scene.guests_use_primary();
        let web = scene.hosts.remove(0);
        scene.start().await.unwrap();
        scene.hosts.push(web);
        scene.declared.mac_addresses = macs;
    }
    let gate = scene.sim.shared().gate();
    let action = if level == V3 { "v3.vms.update" } else { "vms.nics.*" };
    let matching = Match { source: Some("prism".into()), action: Some(action.into()), ..Match::default() };
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
    let what = format!("level {level}, {switches}, {macs:?}, {when:?} change {k}");
    scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    scene.assert_right(&what).await;
    died
}

/// A level that is not spoken, beside which there is v3.
const V3: &str = "4.0.a1";

/// More changes than any start makes.
const MANY: u64 = 12;

async fn die_everywhere(when: When, switches: Value) {
    die_everywhere_at("4.1", Macs::AsMoved, when, switches).await;
}

async fn die_everywhere_at(level: &str, macs: Macs, when: When, switches: Value) {
    let died = futures::future::join_all((0..MANY).map(|k| die_at(level, &switches, macs, k, when))).await;
    let changes = died.iter().take_while(|died| **died).count();
    // Two NICs are created and deleted, or deleted and created; by v4 one gives its addresses up first.
    let least = match (level, macs) {
        (V3, _) => 4,
        (_, Macs::AsCaptured) => 5,
        (_, Macs::AsMoved) => 6,
    };
    assert!((least..died.len()).contains(&changes), "{level}, {switches}: {changes} changes");
}

#[tokio::test]
async fn by_v3_a_nic_that_was_taken_away_is_given_back_after_a_death_at_any_change() {
    let die = |when| die_everywhere_at(V3, Macs::AsMoved, when, json!({}));
    tokio::join!(die(When::Before), die(When::After));
}

#[tokio::test]
async fn a_nic_that_gets_its_mac_address_of_ec2_is_there_once_after_a_death_at_any_change() {
    let die = |level, when| die_everywhere_at(level, Macs::AsCaptured, when, json!({}));
    tokio::join!(die("4.1", When::Before), die("4.1", When::After), die(V3, When::After));
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
    scene.switch(&json!({"migrate_powered_on": false, }));
    let matching = Match { source: Some("prism".into()), action: Some("vms.nics.create".into()), ..Match::default() };
    let effect = Effect::Error { code: "VMM-1".into(), status: 422, message: "not today".into() };
    let mut before = scene.vm("web-1").await.nics[0].clone();
    for _ in 0..10 {
        // It shows some reads after the cutover.
        if before.primary().is_none() {
            before = scene.vm("web-1").await.nics[0].clone();
        }
    }
    let refuse = |times| {
        let (matching, effect) = (matching.clone(), effect.clone());
        scene.sim.shared().gate().add_fault(NewFault { matching, skip: 0, times, effect });
    };
    refuse(None);
    let fault = scene.start().await.unwrap_err();
    let (mac, subnet) = (before.mac.as_ref().unwrap(), before.subnet.as_ref().unwrap());
    let old = format!("MAC address {mac}, subnet `{subnet}` and {}", before.primary().unwrap());
    assert!(fault.message.contains(&format!("before, it had {old}")), "{fault}");
    assert_eq!(scene.vm("web-1").await.nics, []);
    scene.sim.shared().gate().clear_faults();
    refuse(Some(1));
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::RestoreIncomplete, "{fault}");
    assert!(fault.message.contains("not today") && fault.message.contains("on its old subnet"), "{fault}");
    let now = scene.vm("web-1").await.nics;
    assert_eq!((now.len(), now[0].primary(), &now[0].subnet), (1, before.primary(), &before.subnet));
    scene.start().await.unwrap();
    scene.assert_right("after the refusal").await;
}
