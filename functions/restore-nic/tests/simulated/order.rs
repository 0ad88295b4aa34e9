//! A VM of several NICs, of which one can only be created anew: the others behind it follow.

use std::net::Ipv4Addr;

use futures::future::join_all;
use holdfast_model::{ExtId, MacAddress, Macs, NicRecord};
use holdfast_nutanix::Nic;
use holdfast_sim::faults::{HoldRequest, HoldState, Match, When};
use serde_json::json;

use crate::world::Scene;

/// A level that is not spoken, beside which there is v3.
const V3: &str = "4.0.a1";

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 30, 1, last)
}

/// `web-1` was captured with NICs of 172.30.1.34, .40 and .41; its VM has the given ones now. A NIC gets to another subnet only by being created anew.
async fn scene(level: &str, nics: [&str; 3]) -> Scene {
    let vm = format!("    vms:\n      - {{ name: web-1, nics: [{{ {} }}] }}\n", nics.join(" }, { "));
    let head = format!("  tokyo:\n    api_level: \"{level}\"\n");
    let mut scene =
        Scene::before_cutover(|world| world.replacen("    vms:\n", &vm, 1).replacen("  tokyo:\n", &head, 1)).await;
    scene.with_move = false;
    scene.hosts.truncate(1);
    let nics = &mut scene.hosts[0].nics;
    for (device_index, last) in [(1, 40), (2, 41)] {
        let mac = MacAddress::parse(&format!("0a:00:00:00:00:0{device_index}")).ok();
        nics.push(NicRecord { device_index, primary: address(last), mac, ..nics[0].clone() });
    }
    scene.switch(&json!({"migrate_powered_on": false, "learned_lag_reads": 0, "address_lag_reads": 0}));
    scene
}

const FIRST: [&str; 3] = ["subnet: landing", "subnet: app, address: 172.30.1.40", "subnet: app, address: 172.30.1.41"];
const MIDDLE: [&str; 3] = ["subnet: app, address: 172.30.1.34", "subnet: landing", "subnet: app, address: 172.30.1.41"];
const LAST: [&str; 3] = ["subnet: app, address: 172.30.1.34", "subnet: app, address: 172.30.1.40", "subnet: landing"];

fn ids(nics: &[Nic]) -> Vec<ExtId> {
    nics.iter().map(|nic| nic.id.clone()).collect()
}

/// In the order of the capture, each with its address, connected and in use, and no note is left.
async fn assert_in_order(scene: &Scene, what: &str) -> Vec<Nic> {
    let nics = scene.vm("web-1").await.nics;
    let seen: Vec<_> = nics.iter().map(|nic| (nic.primary(), nic.learned.clone(), nic.connected)).collect();
    let wanted = [34, 40, 41].map(|last| (Some(address(last)), vec![address(last)], true));
    assert_eq!(seen, wanted, "{what}");
    assert!(scene.notes.is_empty(), "{what}: notes are left");
    nics
}

#[tokio::test]
async fn those_behind_a_nic_that_is_created_anew_follow_it_with_their_mac_addresses_and_those_before_it_stay() {
    let all = ["4.1", "4.0.b1", V3].into_iter().flat_map(|level| [FIRST, MIDDLE, LAST].map(|nics| (level, nics)));
    join_all(all.map(async |(level, nics)| {
        let what = format!("{level}, {nics:?}");
        let scene = scene(level, nics).await;
        let before = scene.vm("web-1").await.nics;
        let done = scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}")).done;
        assert!(!done[0].contains("another order"), "{done:?}");
        let now = assert_in_order(&scene, &what).await;
        let macs = |nics: &[Nic]| nics.iter().map(|nic| nic.mac.clone()).collect::<Vec<_>>();
        assert_eq!(macs(&now), macs(&before), "{what}");
        let first = nics.iter().position(|nic| nic.contains("landing")).unwrap();
        let stayed = before.iter().zip(&now).take_while(|(before, now)| before.id == now.id).count();
        assert_eq!(stayed, first, "{what}");
        assert!(ids(&now)[first..].iter().all(|id| !ids(&before).contains(id)), "{what}");
        let changes = scene.changes();
        scene.start().await.unwrap();
        assert_eq!(scene.changes(), changes, "{what}");
    }))
    .await;
}

#[tokio::test]
async fn where_v3_keeps_the_order_of_its_list_the_others_are_not_touched() {
    let scene = scene(V3, FIRST).await;
    scene.switch(&json!({"v3_keeps_nic_order": true}));
    let before = scene.vm("web-1").await.nics;
    scene.start().await.unwrap();
    let now = assert_in_order(&scene, "v3").await;
    assert_eq!(ids(&now)[1..], ids(&before)[1..]);
}

#[tokio::test]
async fn nics_that_get_their_mac_addresses_of_ec2_keep_their_order() {
    join_all(["4.1", V3].map(async |level| {
        let mut scene = scene(level, MIDDLE).await;
        scene.declared.mac_addresses = Macs::AsCaptured;
        scene.start().await.unwrap_or_else(|fault| panic!("{level}: {fault}"));
        let now = assert_in_order(&scene, level).await;
        let macs = now.iter().map(|nic| nic.mac.clone());
        assert!(macs.eq(scene.hosts[0].nics.iter().map(|nic| nic.mac.clone())), "{level}: {now:?}");
    }))
    .await;
}

#[tokio::test]
async fn nics_that_did_not_stand_as_captured_do_so_once_one_is_created_anew_which_is_told() {
    let scene = scene("4.1", [FIRST[1], FIRST[0], FIRST[2]]).await;
    let done = scene.start().await.unwrap().done;
    assert!(done[0].contains("stand in another order now: 172.30.1.34, 172.30.1.40, 172.30.1.41;"), "{done:?}");
    assert_in_order(&scene, "turned").await;
}

#[tokio::test]
async fn a_running_vm_of_which_a_nic_would_have_to_be_created_anew_is_left_alone_where_policy_says_so() {
    let mut scene = scene("4.1", FIRST).await;
    scene.policy.repair_running_vms = false;
    let before = scene.vm("web-1").await.nics;
    let fault = scene.start().await.unwrap_err();
    assert!(fault.message.contains("repair_running_vms: false"), "{fault}");
    assert_eq!(ids(&scene.vm("web-1").await.nics), ids(&before));
}

/// Kills a start at its `k`-th change, then starts again. False when the start had ended before.
async fn die_at(level: &str, macs: Macs, k: u64, when: When) -> bool {
    let mut scene = scene(level, FIRST).await;
    scene.declared.mac_addresses = macs;
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
    let what = format!("{level}, {macs:?}, {when:?} change {k}");
    scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    assert_in_order(&scene, &what).await;
    died
}

#[tokio::test]
async fn the_order_is_kept_after_a_death_at_any_change() {
    let ways = [
        ("4.1", Macs::AsMoved, When::After),
        ("4.1", Macs::AsCaptured, When::After),
        (V3, Macs::AsMoved, When::Before),
    ];
    join_all(ways.map(async |(level, macs, when)| {
        let died = join_all((0..10).map(|k| die_at(level, macs, k, when))).await;
        let changes = died.iter().take_while(|died| **died).count();
        // Three NICs are deleted and created.
        assert!((6..died.len()).contains(&changes), "{level}, {macs:?}: {changes} changes");
    }))
    .await;
}
