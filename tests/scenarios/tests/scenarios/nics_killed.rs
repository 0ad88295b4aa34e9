//! `restore-nic` killed at the calls that it makes to Prism Central, and the same input started again.

use crate::support::{
    answered_at, begin_and_kill_if_held, begin_anew, forget, green, held, invoke, invoke_and_kill, lab, last_call,
    migrate, run, story_world,
};
use holdfast_lab::{Lab, wave};
use holdfast_sim::prism::Switches;
use holdfast_sim::{World, WorldFile};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FUNCTION: &str = "holdfast-restore-nic";
const ADDRESS: &str = "172.30.1.34";

#[tokio::test(flavor = "multi_thread")]
async fn restore_nic_killed_at_any_call_of_a_migration_is_finished_by_the_same_input() {
    // Between two changes nothing but the number of reads differs: this way is killed at each of them, the others at the first.
    killed_at(&lab().await, Every::Call, "migrate", None, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capture_and_restore_nic_killed_at_any_call_to_others_than_prism_are_finished_by_the_same_input() {
    killed_at(&lab().await, Every::Other, "migrate", None, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_nic_killed_around_any_other_change_is_finished_by_the_same_input() {
    let lab = lab().await;
    killed_at(&lab, Every::Change, "assign-ip", Some("app"), |_| {}).await;
    killed_at(&lab, Every::Change, "nics.create", None, |it| it.migrate_within_vpc = false).await;
}

/// Where it is killed: before each call to Prism Central and after each change, only around changes, or at the calls that it makes to others.
#[derive(PartialEq)]
enum Every {
    Call,
    Change,
    Other,
}

/// Kills it on the way by which `web-1` comes to its address: the change that shows the way, where Move lands the VM, and what Nutanix does.
async fn killed_at(lab: &Lab, every: Every, change: &str, landing: Option<&str>, turn: fn(&mut Switches)) {
    let mut world = story_world();
    wave::resize(&mut world, 1).unwrap();
    let workloads = &mut world.moves.get_mut("move-tokyo").unwrap().plans[0].workloads;
    workloads[0].network = landing.map(str::to_owned);
    let switches = &mut world.switches.prism;
    (switches.task_queued_reads, switches.task_running_reads) = (0, 0);
    (switches.address_lag_reads, switches.learned_lag_reads) = (0, 0);
    turn(switches);
    begin_anew(lab, &world).await;
    if every == Every::Other {
        capture_killed(lab).await;
    }
    green(&run(lab, "capture", json!({"wave": "wave-1"})).await);

    let all = undisturbed(lab, &world).await;
    let (calls, others): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|call| call["source"] == "prism:pc-tokyo");
    let actions: Vec<&str> = calls.iter().map(|call| call["action"].as_str().unwrap()).collect();
    let change = actions.iter().find(|action| action.contains(change));
    let change = change.unwrap_or_else(|| panic!("{actions:?}"));
    if every == Every::Other {
        return killed_beside_prism(lab, &world, &others).await;
    }
    for (position, call) in calls.iter().enumerate() {
        let changes = call["mutating"] == true;
        let follows = position > 0 && calls[position - 1]["mutating"] == true;
        if every == Every::Call || changes || follows {
            kill(lab, &world, position, "before").await;
        }
        // After a read nothing is different from before it.
        if changes {
            kill(lab, &world, position, "after").await;
        }
    }
    in_a_cutover(lab, &world, change).await;
}

/// At what it reads when it is new, at its notes, and at Move.
async fn killed_beside_prism(lab: &Lab, world: &WorldFile, calls: &[Value]) {
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for call in calls {
        let (service, action) = (call["service"].as_str().unwrap(), call["action"].as_str().unwrap());
        let position = seen.entry((service, action)).or_default();
        let to = if call["mutating"] == true { &mut writes } else { &mut reads };
        to.push((service, action, *position));
        *position += 1;
    }
    let services: BTreeSet<&str> = seen.keys().map(|(service, _)| *service).collect();
    for service in ["dynamodb", "s3", "secretsmanager", "move"] {
        assert!(services.contains(service), "{seen:?}");
    }
    let killed = async |(service, action, position): (&str, &str, u32), when: &str| {
        let pattern = json!({"function": FUNCTION, "service": service, "action": action});
        let case = format!("killed {when} {service} {action} {position}");
        let hold = json!({"match": pattern, "skip": position, "when": when});
        assert!(invoke_and_kill(lab, FUNCTION, &input(), hold).await, "{case}: it ended without this call");
        case
    };
    // Whoever dies at a read leaves a process that is new, and reads map and secrets again.
    migrated_anew(lab, world).await;
    assert!(invoke_and_kill(lab, FUNCTION, &input(), json!({"match": {"function": FUNCTION}, "when": "before"})).await);
    for read in reads {
        killed(read, "before").await;
    }
    finished(lab, "killed at what it reads").await;
    for write in writes {
        for when in ["before", "after"] {
            migrated_anew(lab, world).await;
            let case = killed(write, when).await;
            finished(lab, &case).await;
        }
    }
}

/// `capture` dies when commands are sent, and around each part of what it stores: the version is then stored once, and whole.
async fn capture_killed(lab: &Lab) {
    let input = json!({"schema_version": 1, "execution": "killed", "map": null, "request": {"wave": "wave-1"}});
    let capture = "holdfast-capture";
    for (action, position, when) in [
        ("SendCommand", 0, "after"),
        ("PutItem", 0, "before"),
        ("PutItem", 0, "after"),
        ("PutItem", 1, "before"),
        ("PutItem", 1, "after"),
    ] {
        forget(lab, "holdfast-inventory", "").await;
        let case = format!("killed {when} {action} {position}");
        let hold = json!({"match": {"function": capture, "action": action}, "skip": position, "when": when});
        assert!(invoke_and_kill(lab, capture, &input, hold).await, "{case}: it ended without this call");
        let output = invoke(lab, capture, &input).await.unwrap_or_else(|error| panic!("{case}: {error}"));
        let captured = (&output["result"], &output["inventory"], &output["hosts"]);
        assert_eq!(captured, (&json!("done"), &json!(1), &json!(["web-1"])), "{case}: {output}");
    }
    forget(lab, "holdfast-inventory", "").await;
}

/// The same as the state machine sees it: the cutover holds, and started again it goes on to the end.
async fn in_a_cutover(lab: &Lab, world: &WorldFile, change: &str) {
    migrated_anew(lab, world).await;
    let wave = json!({"wave": "wave-1"});
    let hold = json!({"match": {"source": "prism", "function": FUNCTION, "action": change}, "when": "after"});
    let killed = begin_and_kill_if_held(lab, "cutover", &wave, hold).await.unwrap();
    held(&killed, "Runtime.ExitError");
    assert!(!killed.states().contains(&"SwapRoutes".to_owned()), "{:?}", killed.states());
    green(&run(lab, "cutover", wave).await);
    answered_at(lab, "pc-tokyo", change).await;
}

/// The calls of a start that nothing disturbs.
async fn undisturbed(lab: &Lab, world: &WorldFile) -> Vec<Value> {
    migrated_anew(lab, world).await;
    let since = last_call(lab).await;
    finished(lab, "undisturbed").await;
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let ours = |call: &&Value| call["function"] == FUNCTION;
    log.as_array().unwrap().iter().filter(ours).cloned().collect()
}

async fn kill(lab: &Lab, world: &WorldFile, position: usize, when: &str) {
    let case = format!("killed {when} call {position}");
    migrated_anew(lab, world).await;
    let hold = json!({"match": {"source": "prism", "function": FUNCTION}, "skip": position, "when": when});
    assert!(invoke_and_kill(lab, FUNCTION, &input(), hold).await, "{case}: it ended without this call");
    finished(lab, &case).await;
}

fn input() -> Value {
    json!({"schema_version": 1, "execution": "killed", "map": null, "wave": "wave-1"})
}

/// The world right after Move's cutover, and nothing noted by an earlier start.
async fn migrated_anew(lab: &Lab, world: &WorldFile) {
    *lab.sim().shared().world() = World::from_file(world).unwrap();
    forget(lab, "holdfast-operations", "").await;
    migrate(lab).await;
}

/// Starts it until it is done: the VM has one NIC, connected, with the recorded address, and its guest uses that.
async fn finished(lab: &Lab, case: &str) {
    let input = input();
    let mut calls = 0;
    loop {
        calls += 1;
        assert!(calls < 100, "{case}: it continues for ever");
        let output = invoke(lab, FUNCTION, &input).await.unwrap_or_else(|error| panic!("{case}: {error}"));
        match output["result"].as_str() {
            Some("continue") => {}
            Some("done") => break,
            _ => panic!("{case}: {output}"),
        }
    }
    let world = lab.sim().shared().world();
    let (id, vm) = world.prisms["pc-tokyo"].vms.iter().find(|(_, vm)| vm.name == "web-1").unwrap();
    let nics: Vec<Value> = vm.nics.iter().map(|nic| serde_json::to_value(nic).unwrap()).collect();
    assert_eq!(nics.len(), 1, "{case}: {nics:?}");
    assert_eq!(vm.nics[0].address.unwrap().to_string(), ADDRESS, "{case}: {nics:?}");
    let (_, guest) = world.guests.of_vm("pc-tokyo", *id).unwrap();
    assert!(guest.holder(ADDRESS.parse().unwrap()).is_some(), "{case}: {:?}", guest.adapters);
}
