//! VMs that hold each other's addresses.

use std::time::Duration;

use futures::future::join_all;
use holdfast_model::FaultName;
use holdfast_nutanix::TimeLimit;
use holdfast_sim::faults::{Effect, HoldRequest, HoldState, Match, NewFault, When};
use serde_json::json;

use crate::world::Scene;

/// `web-1` has the address of `app-1`, and that one its.
async fn swapped(head: &str) -> Scene {
    let mut scene = Scene::before_cutover(|world| {
        let swapped = "    vms:\n      - { name: web-1, nics: [{ subnet: app, address: 172.30.1.35 }] }\n      - { name: app-1, nics: [{ subnet: app, address: 172.30.1.34 }] }\n";
        world.replacen("    vms:\n", swapped, 1).replacen("  tokyo:\n", &format!("  tokyo:\n{head}"), 1)
    })
    .await;
    scene.with_move = false;
    scene.switch(&json!({"learned_lag_reads": 0}));
    scene
}

/// No address is used by both.
async fn assert_used_once(scene: &Scene, what: &str) {
    let mut used = Vec::new();
    for name in ["web-1", "app-1"] {
        let nics = scene.vm(name).await.nics;
        used.extend(nics.into_iter().filter(|nic| nic.connected).flat_map(|nic| nic.learned));
    }
    let all = used.len();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), all, "{what}: an address is in use twice: {used:?}");
}

/// Kills a start at its `k`-th change, then starts again. False when the start had ended before.
async fn die_at(k: u64, when: When) -> bool {
    let what = format!("{when:?} change {k}");
    let scene = swapped("").await;
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
    assert_used_once(&scene, &what).await;
    scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    scene.assert_right(&what).await;
    died
}

#[tokio::test]
async fn two_hosts_that_hold_each_others_addresses_get_their_own_whenever_a_start_dies() {
    let after = join_all((0..12).map(|k| die_at(k, When::After))).await;
    let changes = after.iter().take_while(|died| **died).count();
    // A link down, two addresses released and given, a link up, and guests that take them.
    assert!((6..after.len()).contains(&changes), "{changes} changes");
    assert!(die_at(1, When::Before).await && die_at(2, When::Before).await);
}

#[tokio::test]
async fn a_host_that_gave_its_address_up_for_nothing_gets_it_back() {
    let scene = swapped("").await;
    let (web, before) = (scene.vm("web-1").await, scene.vm("app-1").await.nics);
    let matching = Match {
        source: Some("prism".into()),
        action: Some("vms.nics.*".into()),
        contains: Some(web.id.to_string()),
        ..Match::default()
    };
    let effect = Effect::Error { code: "VMM-1".into(), status: 422, message: "not today".into() };
    scene.sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: None, effect });
    let fault = scene.start().await.unwrap_err();
    assert!(fault.message.contains("not today"), "{fault}");
    let changes = scene.changes();
    assert!(changes.iter().filter(|change| *change == "vms.nics.release-ip").count() > 0, "{changes:?}");
    let now = scene.vm("app-1").await.nics;
    assert_eq!((&now[0].id, now[0].connected, &now[0].configured), (&before[0].id, true, &before[0].configured));
    scene.sim.shared().gate().clear_faults();
    scene.start().await.unwrap();
    scene.assert_right("after the refusal").await;
}

#[tokio::test]
async fn where_no_address_can_be_given_up_a_person_is_told_how_and_nothing_is_changed() {
    let mut running = swapped("").await;
    running.policy.repair_running_vms = false;
    for scene in [running, swapped("    api_level: \"4.0.a1\"\n").await] {
        let fault = scene.start().await.unwrap_err();
        assert_eq!(fault.name, FaultName::AddressHeld, "{fault}");
        assert!(fault.message.contains("power one of them off, release its address"), "{fault}");
        assert_eq!(scene.changes(), Vec::<String>::new());
    }
    let scene = swapped("").await;
    let web = scene.vm("web-1").await;
    let (prism, limit) = (scene.prism(), TimeLimit::after(Duration::from_secs(60)));
    scene.power_off(&web);
    prism.release_ip(&web.id, &web.nics[0].id, &limit).await.unwrap();
    scene.start().await.unwrap();
    for (name, address) in [("web-1", "172.30.1.34"), ("app-1", "172.30.1.35")] {
        assert_eq!(scene.vm(name).await.nics[0].primary(), Some(address.parse().unwrap()), "{name}");
    }
}

/// Has Prism Central fall silent at the `k`-th call, then starts again. False when the start had ended before.
async fn fall_silent_at(k: u64) -> bool {
    let what = format!("silent at call {k}");
    let mut scene = swapped("").await;
    // What a guest uses shows with the next read.
    scene.policy.guest_timeout_seconds = 1;
    let nics = async || [scene.vm("web-1").await.nics, scene.vm("app-1").await.nics];
    let before = nics().await;
    let gate = scene.sim.shared().gate();
    let matching = Match { source: Some("prism".into()), ..Match::default() };
    gate.add_fault(NewFault { matching, skip: k, times: None, effect: Effect::DropReply });
    let ended = scene.start().await;
    let struck = gate.faults().iter().any(|fault| fault.struck > 0);
    gate.clear_faults();
    assert_eq!(struck, ended.is_err(), "{what}: {ended:?}");
    let shown = |nics: &[Vec<holdfast_nutanix::Nic>; 2], n: usize| {
        let shown = |nic: &holdfast_nutanix::Nic| (nic.connected, nic.configured.clone());
        nics[n].iter().map(shown).collect::<Vec<_>>()
    };
    let now = nics().await;
    for (n, name) in
        ["web-1", "app-1"].into_iter().enumerate().filter(|(n, _)| struck && shown(&now, *n) != shown(&before, *n))
    {
        let told = ended.as_ref().unwrap_err().message.clone();
        let lines: Vec<&str> = told.split(&format!("{name}: ")).skip(1).collect();
        let right = shown(&now, n) == [(true, vec![scene.hosts[n].nics[0].primary])];
        assert!(
            right || lines.iter().any(|line| line.contains("start again, or ")),
            "{what}: {name}: {told}: {:?}",
            now[n]
        );
    }
    assert_used_once(&scene, &what).await;
    scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    scene.assert_right(&what).await;
    struck
}

#[tokio::test]
async fn two_hosts_that_hold_each_others_addresses_get_their_own_where_prism_central_fell_silent() {
    // From the first change on, which is that of the circle.
    let usual = swapped("").await;
    usual.start().await.unwrap();
    let log = usual.sim.shared().gate().log().since(0);
    let first = log.iter().position(|entry| entry.mutating).unwrap();
    let calls = u64::try_from(first).unwrap()..u64::try_from(log.len()).unwrap();
    let struck = join_all(calls.map(fall_silent_at)).await;
    assert!(struck.iter().filter(|struck| **struck).count() >= 15, "{struck:?}");
}
