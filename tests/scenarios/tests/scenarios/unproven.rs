//! What looks right in the route tables and is not: no green execution.

use crate::support::{
    TOKYO, answered_at, changes, commands, ec2, fvn_route, green, held, last_call, migrated, patient_map, published,
    restore, run, to,
};
use holdfast_lab::{Execution, Lab};
use holdfast_sim::ec2::Home;
use holdfast_sim::guests::{Agent, Place};
use serde_json::json;
use std::net::Ipv4Addr;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 34);

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_probe_sees_is_not_green() {
    let lab = migrated().await;
    a_guest_that_keeps_its_old_lease(&lab).await;
    a_guest_that_takes_another_address_later(&lab).await;
    an_fvn_prefix_that_goes_while_it_is_verified(&lab).await;
}

async fn a_guest_that_keeps_its_old_lease(lab: &Lab) {
    lab.control().put("/switches", &json!({"guests": {"lease_on_link": false}})).await.unwrap();
    let execution = run(lab, "cutover", json!({"wave": "wave-1"})).await;
    held(&execution, "GuestSilent");
    held(&execution, "web-1");
    assert!(!execution.states().contains(&"SwapRoutes".to_owned()), "{:?}", execution.states());
    lab.control().put("/switches", &json!({"guests": {"lease_on_link": true}})).await.unwrap();
    green(&run(lab, "cutover", json!({"wave": "wave-1"})).await);
}

/// Every route is right, so nothing is to do; the guest uses another address, as when its lease went, and the probe tells; so does the guest itself
/// to a recheck, which changes nothing.
async fn a_guest_that_takes_another_address_later(lab: &Lab) {
    {
        let mut world = lab.sim().shared().world();
        let mut guests = world.guests.all.values_mut();
        let guest = guests.find(|guest| matches!(guest.place, Place::Vm { .. }) && guest.holder(ADDRESS).is_some());
        let home = Home { region: TOKYO.to_owned(), account: "111122223333".to_owned() };
        guest.unwrap().agent = Agent::Hybrid { id: "mi-0a0a0a0a0a0a0a034".to_owned(), home };
    }
    green(&run(lab, "recheck", json!({"wave": "wave-1"})).await);
    let earlier = lab.sim().shared().world().clone();
    another_address(lab);
    let unproven = run(lab, "failover", to("nc2-tokyo")).await;
    not_proven(&unproven);
    let since = last_call(lab).await;
    let recheck = run(lab, "recheck", json!({"wave": "wave-1"})).await;
    held(&recheck, "guest of web-1: `mi-0a0a0a0a0a0a0a034` says: Ethernet 2: it uses 172.30.1.199, not 172.30.1.34");
    assert_eq!(changes(lab, since).await, Vec::<serde_json::Value>::new());
    restore(lab, &earlier);
    green(&run(lab, "recheck", json!({"wave": "wave-1", "at": "nc2-tokyo"})).await);
    what_the_page_says_can_be_started(lab, &unproven).await;
    what_mends_itself_in_time_is_green(lab).await;
}

/// Each choice is a command that a person copies, with what would have come of it.
async fn what_the_page_says_can_be_started(lab: &Lab, unproven: &Execution) {
    let choices = commands(&unproven.cause);
    let [(go_on, again), (takes_back, undo), (forces, force)] = choices.as_slice() else { panic!("{choices:?}") };
    assert_eq!((go_on.as_str(), again), ("failover", &to("nc2-tokyo")));
    for told in [
        "Go on, which repeats nothing. It would be done: no route changes",
        "back. It would be refused: app is not led to ec2-tokyo: ",
        "Force it by your word, which is recorded: nobody then checks that the machines are there. It would be done: ",
    ] {
        assert!(unproven.cause.contains(told), "`{told}` is not in: {}", unproven.cause);
    }
    green(&run(lab, go_on, again.clone()).await);
    held(&run(lab, takes_back, undo.clone()).await, "app is not led to ec2-tokyo: ");
    let forced = run(lab, forces, force.clone()).await;
    green(&forced);
    assert_eq!(forced.output_of("SwapRoutes")["result"], "nothing_to_do");
}

/// The guest takes its address while proof is waited for: nobody is paged, and no route is touched again.
async fn what_mends_itself_in_time_is_green(lab: &Lab) {
    let right = lab.sim().shared().world().clone();
    another_address(lab);
    lab.publish(&published(lab, &patient_map().replace("proof_seconds: 0", "proof_seconds: 600"))).await.unwrap();
    let stores = json!({"function": "holdfast-verify", "service": "dynamodb", "action": "PutItem"});
    let hold = lab.control().post("/holds", &json!({"match": stores, "when": "after"})).await.unwrap();
    let hold = format!("/holds/{}", hold["id"]);
    let arn = lab.begin(TOKYO, "failover", &to("nc2-tokyo")).await.unwrap();
    assert_eq!(lab.control().get(&format!("{hold}?wait_ms=60000")).await.unwrap()["state"], "held");
    restore(lab, &right);
    lab.control().post(&format!("{hold}/release"), &json!({})).await.unwrap();
    let execution = lab.finish(TOKYO, &arn).await.unwrap();
    green(&execution);
    let states = execution.states();
    assert!(states.contains(&"AwaitProof".to_owned()), "{states:?}");
    assert_eq!(states.iter().filter(|state| *state == "SwapRoutes").count(), 1, "{states:?}");
    lab.publish(&published(lab, &patient_map())).await.unwrap();
}

/// The guest of the migrated machine uses another address, as when its lease went.
fn another_address(lab: &Lab) {
    let mut world = lab.sim().shared().world();
    let there = world.guests.all.values_mut().filter(|guest| matches!(guest.place, Place::Vm { .. }));
    let mut adapters = there.flat_map(|guest| &mut guest.adapters).filter(|adapter| adapter.holds(ADDRESS));
    adapters.next().unwrap().addresses = vec!["172.30.1.199/24".parse().unwrap()];
    assert!(adapters.next().is_none(), "one guest has the address");
}

/// The NC2 VPC loses the prefix when all before the verification is done.
async fn an_fvn_prefix_that_goes_while_it_is_verified(lab: &Lab) {
    let (route, interface) = fvn_route(lab).await;
    let route: Vec<(&str, &str)> = route.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let hold = json!({"match": {"function": "holdfast-verify"}, "when": "before"});
    let hold = format!("/holds/{}", lab.control().post("/holds", &hold).await.unwrap()["id"]);
    let arn = lab.begin(TOKYO, "failover", &to("nc2-tokyo")).await.unwrap();
    assert_eq!(lab.control().get(&format!("{hold}?wait_ms=60000")).await.unwrap()["state"], "held");
    ec2(lab, "DeleteRoute", &route).await;
    lab.control().post(&format!("{hold}/release"), &json!({})).await.unwrap();
    not_proven(&lab.finish(TOKYO, &arn).await.unwrap());
    ec2(lab, "CreateRoute", &[&route[..], &[("NetworkInterfaceId", interface.as_str())]].concat()).await;
    green(&run(lab, "failover", to("nc2-tokyo")).await);
    answered_at(lab, "pc-tokyo", "mended").await;
}

/// It holds after a verification in which a probe of the address failed; no route was to be changed.
#[track_caller]
fn not_proven(execution: &Execution) {
    held(execution, "checks failed");
    let states = execution.states();
    assert!(states.contains(&"NotProven".to_owned()), "{states:?}");
    assert_eq!(execution.output_of("SwapRoutes")["result"], "nothing_to_do");
    let verified = execution.output_of("Verify");
    let failed = verified["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["name"].as_str().unwrap().starts_with("probe from") && check["status"] == "fail");
    let failed: Vec<String> = failed.map(|check| check["saw"].to_string()).collect();
    assert!(failed.iter().any(|saw| saw.contains("172.30.1.34: no reply")), "{verified}");
}
