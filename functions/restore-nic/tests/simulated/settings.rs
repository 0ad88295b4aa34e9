//! What was configured inside a guest, given back to it through Systems Manager.

use std::time::Duration;

use holdfast_model::FaultName;
use holdfast_model::wire::Progress;
use holdfast_sim::faults::{Effect, Garbage, HoldRequest, HoldState, Match, NewFault, When};
use holdfast_sim::guests::{Addressing, Agent, Guest, report};

use crate::world::Scene;

/// Time enough.
const TIME: Duration = Duration::from_secs(120);

/// `web-1`, configured in the guest with a DNS server of its own and EC2's, cut over by Move: its new NIC is a new adapter, which has a lease.
async fn moved() -> Scene {
    let usual = "interfaces: [{ subnet: app, address: 172.30.1.34 }]";
    let guest = format!(
        "{usual}, guest: {{ managed_id: mi-00000000000000034, managed_region: ap-northeast-1, adapters: [{{ static: true, dns: [172.30.0.2, 192.168.10.53] }}] }}"
    );
    let mut scene = Scene::before_cutover(|world| world.replacen(usual, &guest, 1)).await;
    scene.hosts.truncate(1);
    let captured = report::capture(scene.sim.shared().world().guests.named("web-1").unwrap().1);
    scene.hosts[0].guest = serde_json::from_value(captured).unwrap();
    scene.hosts[0].platform = Some(holdfast_model::Platform::Windows);
    holdfast_sim::move_::cutover(&mut scene.sim.shared().world(), "move-1", "plan-1").unwrap();
    scene
}

/// The guest of the VM.
fn guest<T>(scene: &Scene, look: impl Fn(&mut Guest) -> T) -> T {
    let mut world = scene.sim.shared().world();
    let hybrid = |guest: &&mut Guest| guest.running && matches!(guest.agent, Agent::Hybrid { .. });
    look(world.guests.all.values_mut().find(hybrid).unwrap())
}

/// Commands that were sent.
fn commands(scene: &Scene) -> usize {
    scene.sim.shared().gate().log().since(0).into_iter().filter(|entry| entry.action == "SendCommand").count()
}

#[tokio::test]
async fn a_guest_gets_back_what_was_configured_in_it_but_for_what_is_of_ec2_and_once_is_enough() {
    let scene = moved().await;
    let done = scene.start_with_guests(TIME).await.unwrap().done;
    assert!(done[0].contains("its guest was configured again (address 172.30.1.34/24, "), "{done:?}");
    assert!(done[0].contains("address 172.30.1.34/24, gateway 172.30.1.1, dns 192.168.10.53"), "{done:?}");
    guest(&scene, |guest| {
        let adapter = guest.adapters.iter().find(|adapter| adapter.plugged).unwrap();
        assert_eq!(adapter.addressing, Addressing::Static);
        assert_eq!(adapter.dns, ["192.168.10.53".parse::<std::net::Ipv4Addr>().unwrap()]);
        let holders = guest
            .adapters
            .iter()
            .filter(|one| one.addresses.iter().any(|own| own.addr() == adapter.addresses[0].addr()));
        assert_eq!(holders.count(), 1, "a ghost still claims it: {:?}", guest.adapters);
    });
    scene.assert_right("configured").await;
    // Asked, configured, asked again; then asked only.
    assert_eq!(commands(&scene), 3);
    let done = scene.start_with_guests(TIME).await.unwrap().done;
    assert!(done[0].contains("its guest says that it is configured as captured"), "{done:?}");
    assert_eq!(commands(&scene), 4);
}

#[tokio::test]
async fn a_guest_that_says_it_is_configured_and_is_not_is_not_believed() {
    let scene = moved().await;
    scene.sim.shared().world().switches.guests.settings_ignored = true;
    let fault = scene.start_with_guests(TIME).await.unwrap_err();
    assert_eq!(fault.name, FaultName::GuestSilent, "{fault}");
    assert!(fault.message.contains("it is set by Windows") && fault.message.contains("does not have it"), "{fault}");
    scene.sim.shared().world().switches.guests.settings_ignored = false;
    scene.start_with_guests(TIME).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_keeps_an_address_of_its_own_is_put_right_where_prism_central_only_sees_it() {
    let mut scene = moved().await;
    scene.policy.guest_timeout_seconds = 1;
    scene.switch(&serde_json::json!({"learned_lag_reads": 0}));
    guest(&scene, |guest| {
        let adapter = guest.adapters.iter_mut().find(|adapter| adapter.plugged).unwrap();
        adapter.addressing = Addressing::Static;
        adapter.addresses = vec!["172.30.1.77/24".parse().unwrap()];
    });
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::GuestSilent, "{fault}");
    let done = scene.start_with_guests(TIME).await.unwrap().done;
    assert!(done[0].starts_with("web-1: 172.30.1.34 is right (its guest was configured again"), "{done:?}");
    // What was noted of its link is taken away once Prism Central sees it too.
    scene.start().await.unwrap();
    scene.assert_right("put right").await;
}

#[tokio::test]
async fn a_guest_that_is_not_without_doubt_the_hosts_is_left_as_it_is() {
    type Change = (&'static str, fn(&Scene));
    let changes: [Change; 3] = [
        ("Systems Manager has no hybrid activation of a machine named `WEB-1`", |scene| {
            guest(scene, |guest| guest.host_name = "other".to_owned())
        }),
        ("`mi-00000000000000034` is not online", |scene| guest(scene, |guest| guest.agent = Agent::None)),
        ("the machine that answers has no adapter of NIC `", |scene| {
            // The activation is that of another machine, which has its name.
            let agent = guest(scene, |guest| std::mem::replace(&mut guest.agent, Agent::None));
            let mut world = scene.sim.shared().world();
            let other = world.guests.all.values_mut().find(|guest| guest.host_name.eq_ignore_ascii_case("other"));
            let other = other.unwrap();
            (other.agent, other.host_name) = (agent, "WEB-1".to_owned());
        }),
    ];
    for (why, change) in changes {
        let scene = moved().await;
        change(&scene);
        let done = scene.start_with_guests(TIME).await.unwrap().done;
        assert!(done[0].contains(&format!("its guest is left as it is: {why}")), "{why}: {done:?}");
        assert!(commands(&scene) <= 1, "{why}");
    }
}

#[tokio::test]
async fn a_guest_that_did_not_tell_is_not_asked_and_without_time_none_is_touched() {
    let mut scene = moved().await;
    let cut = scene.start_with_guests(Duration::ZERO).await.unwrap();
    assert_eq!((cut.result, commands(&scene)), (Progress::Continue, 0));
    scene.hosts[0].guest.as_mut().unwrap().nics[0].addressing = holdfast_model::Addressing::Unknown;
    assert_eq!(scene.start_with_guests(TIME).await.unwrap().result, Progress::Done);
    assert_eq!(commands(&scene), 0);
}

#[tokio::test]
async fn a_guest_that_had_a_lease_is_left_alone_while_it_has_one_and_takes_one_again_in_place_of_what_was_set() {
    let mut scene = moved().await;
    let then = &mut scene.hosts[0].guest.as_mut().unwrap().nics[0];
    (then.addressing, then.mtu) = (holdfast_model::Addressing::Dhcp, Some(9001));
    let adapter = |scene: &Scene| guest(scene, |guest| guest.adapters.iter().find(|one| one.plugged).unwrap().clone());
    let done = scene.start_with_guests(TIME).await.unwrap().done;
    assert!(done[0].contains("its guest says that it is configured as captured"), "{done:?}");
    // EC2's MTU is none of NC2.
    assert_eq!((commands(&scene), adapter(&scene).mtu), (1, 1500));
    let fix = |scene: &Scene, address: &str| {
        guest(scene, |guest| {
            let adapter = guest.adapters.iter_mut().find(|one| one.plugged).unwrap();
            (adapter.addressing, adapter.addresses) = (Addressing::Static, vec![address.parse().unwrap()]);
        });
    };
    for address in ["172.30.1.34/24", "172.30.1.77/24"] {
        fix(&scene, address);
        scene.policy.guest_timeout_seconds = 1;
        let done = scene.start_with_guests(TIME).await.unwrap().done;
        assert!(done[0].contains("its guest was configured again (dhcp, address 172.30.1.34/24)"), "{done:?}");
        let now = adapter(&scene);
        assert_eq!((now.addressing, now.addresses), (Addressing::Dhcp, vec!["172.30.1.34/24".parse().unwrap()]));
    }
    scene.hosts[0].guest.as_mut().unwrap().nics[0].mtu = Some(1400);
    let done = scene.start_with_guests(TIME).await.unwrap().done;
    assert!(done[0].contains("(dhcp, address 172.30.1.34/24, mtu 1400)"), "{done:?}");
    assert_eq!(adapter(&scene).mtu, 1400);
    // Where it cannot be asked, what Prism Central saw is enough.
    guest(&scene, |guest| guest.agent = Agent::None);
    let done = scene.start_with_guests(TIME).await.unwrap().done;
    assert!(!done[0].contains("its guest"), "{done:?}");
}

#[tokio::test]
async fn a_start_that_dies_around_a_command_is_finished_by_the_next() {
    for (skip, when) in [(0, When::Before), (1, When::Before), (1, When::After), (2, When::After)] {
        let what = format!("{when:?} command {skip}");
        let scene = moved().await;
        let gate = scene.sim.shared().gate();
        let matching = Match { service: Some("ssm".into()), action: Some("SendCommand".into()), ..Match::default() };
        let hold = gate.add_hold(HoldRequest { matching, skip, when });
        let mut watch = gate.watch_hold(hold).unwrap();
        tokio::select! {
            held = watch.wait_for(|state| *state == HoldState::Held) => drop(held.unwrap()),
            ended = scene.start_with_guests(TIME) => panic!("{what}: {ended:?}"),
        }
        gate.release(hold);
        scene.start_with_guests(TIME).await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        scene.assert_right(&what).await;
        let is_static =
            |guest: &mut Guest| guest.adapters.iter().any(|a| a.plugged && a.addressing == Addressing::Static);
        assert!(guest(&scene, is_static), "{what}");
    }
}

/// Scenes at once; most of a start is waiting.
const LANES: usize = 8;

/// Calls to Systems Manager so far.
fn asked(scene: &Scene) -> Vec<String> {
    let log = scene.sim.shared().gate().log().since(0);
    log.into_iter().filter(|entry| entry.service == "ssm").map(|entry| entry.action).collect()
}

#[tokio::test]
async fn a_guest_is_configured_after_a_fault_at_any_call_of_systems_manager_and_a_new_start() {
    let error = |status| Effect::Error { code: "InternalServerError".into(), status, message: "try later".into() };
    let form = Garbage::Html;
    // Tries that it strikes: all of a call, or all calls from then on.
    let faults: [(Effect, Option<u64>); 6] = [
        (error(500), Some(3)),
        (error(503), Some(1)),
        (Effect::DropReply, Some(1)),
        (Effect::DropReply, None),
        (Effect::Garbage { form, when: When::Before }, Some(3)),
        (Effect::Garbage { form, when: When::After }, Some(3)),
    ];
    // Each lane has a scene of its own, in which the NIC is right, and every so many-th fault.
    futures::future::join_all((0..LANES).map(async |lane| {
        let scene = moved().await;
        scene.start().await.unwrap();
        let world = scene.sim.shared().world().clone();
        scene.start_with_guests(TIME).await.unwrap();
        let calls = asked(&scene);
        assert!(calls.len() >= 8, "{calls:?}");
        // Each call gets three of them, the next one the others.
        let each = (0..calls.len() * 3).map(|n| (n / 3, &calls[n / 3], &faults[n % 6]));
        for (skip, action, (effect, times)) in each.skip(lane).step_by(LANES) {
            let what = format!("{effect:?} {times:?} at {action} ({skip})");
            *scene.sim.shared().world() = world.clone();
            let matching = Match { service: Some("ssm".into()), ..Match::default() };
            let (skip, times, effect) = (u64::try_from(skip).unwrap(), *times, effect.clone());
            let gate = scene.sim.shared().gate();
            gate.add_fault(NewFault { matching, skip, times, effect });
            let is_static = |scene: &Scene| {
                guest(scene, |guest| guest.adapters.iter().any(|a| a.plugged && a.addressing == Addressing::Static))
            };
            let ended = scene.start_with_guests(TIME).await;
            assert!(gate.faults().iter().any(|fault| fault.struck > 0), "{what}");
            match &ended {
                // Where it could not be asked, it is left as it was, and that is told.
                Ok(restored) => {
                    let told = &restored.done[0];
                    let set = ["its guest was configured again", "its guest says that it is configured as captured"];
                    let left = told.contains("its guest is left as it is: ") && !is_static(&scene);
                    assert!(is_static(&scene) && set.iter().any(|set| told.contains(set)) || left, "{what}: {told}");
                }
                Err(fault) => {
                    let told = fault.message.starts_with("web-1: ") && fault.message.contains("start again");
                    assert!(fault.name == FaultName::GuestSilent && told, "{what}: {fault}");
                }
            }
            gate.clear_faults();
            let again = scene.start_with_guests(TIME).await.unwrap_or_else(|fault| panic!("after {what}: {fault}"));
            assert!(is_static(&scene), "after {what}: {again:?}");
            scene.assert_right(&what).await;
        }
    }))
    .await;
}
