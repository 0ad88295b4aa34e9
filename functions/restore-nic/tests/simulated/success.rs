//! Waves that end as they were captured.

use std::time::Duration;

use holdfast_model::wire::Progress;
use holdfast_model::{GuestRefresh, Macs};
use holdfast_sim::prism::ids::ExtId;
use holdfast_sim::prism::state::NicShape;
use serde_json::json;

use crate::world::Scene;

#[tokio::test]
async fn a_wave_gets_its_addresses_back_and_a_second_start_changes_nothing() {
    let scene = Scene::after_cutover(|world| world).await;
    let restored = scene.start().await.unwrap();
    assert_eq!(restored.result, Progress::Done);
    assert!(restored.done[0].contains("web-1: 172.30.1.34 is right"), "{:?}", restored.done);
    scene.assert_right("first start").await;
    let changes = scene.changes();
    assert!(changes.contains(&"vms.nics.migrate".to_owned()) && changes.contains(&"vms.nics.assign-ip".to_owned()));
    assert!(!changes.contains(&"vms.nics.delete".to_owned()), "{changes:?}");
    let again = scene.start().await.unwrap();
    assert_eq!(again.done, ["web-1: 172.30.1.34 was right already", "app-1: 172.30.1.35 was right already"]);
    assert_eq!(scene.changes(), changes);
}

#[tokio::test]
async fn a_wave_gets_its_addresses_back_whatever_the_platform_refuses() {
    let all = [
        json!({"migrate_powered_on": false}),
        json!({"nic_actions": false}),
        json!({"migrate_within_vpc": false, "nic_entity": "missing"}),
        json!({"migrate_keeps_mac": false}),
        json!({"assign_replaces": true}),
        json!({"address_lag_reads": 6, "learned_lag_reads": 6}),
        json!({"stale_if_match": "failed_task", "etag_drift_every": 4}),
        json!({"etag_races": 3}),
    ];
    futures::future::join_all(all.map(async |switches| {
        let scene = Scene::after_cutover(|world| world).await;
        scene.switch(&switches);
        scene.start().await.unwrap_or_else(|fault| panic!("{switches}: {fault}"));
        scene.assert_right(&switches.to_string()).await;
        let changes = scene.changes();
        scene.start().await.unwrap();
        assert_eq!(scene.changes(), changes, "{switches}");
    }))
    .await;
}

/// `web-1` has two secondary addresses.
fn with_secondary(world: &str) -> String {
    let more = "address: 172.30.1.34, secondary: [172.30.1.44, 172.30.1.45] }] }";
    world.replacen("address: 172.30.1.34 }] }", more, 1)
}

#[tokio::test]
async fn secondary_addresses_are_given_back_at_every_level_whatever_the_platform_refuses() {
    let all = [
        ("4.1", json!({})),
        ("4.0.b1", json!({})),
        ("4.3", json!({"secondary_update": "refused"})),
        ("4.1", json!({"secondary_update": "ignored"})),
        ("4.0", json!({"migrate_powered_on": false, "secondary_update": "refused"})),
        ("4.0.a1", json!({})),
    ];
    futures::future::join_all(all.map(async |(level, switches)| {
        let what = format!("{level}, {switches}");
        let head = format!("  tokyo:\n    api_level: \"{level}\"\n");
        let mut scene = Scene::after_cutover(|world| with_secondary(&world).replacen("  tokyo:\n", &head, 1)).await;
        scene.switch(&switches);
        scene.guests_use_primary();
        scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        scene.assert_right(&what).await;
        assert_eq!(scene.hosts[0].nics[0].secondary.len(), 2, "{what}");
        let anew = scene.changes().iter().any(|change| change == "vms.nics.delete");
        assert_eq!(anew, switches.get("secondary_update").is_some(), "{what}: {:?}", scene.changes());
        let changes = scene.changes();
        scene.start().await.unwrap();
        assert_eq!(scene.changes(), changes, "{what}");
    }))
    .await;
}

#[tokio::test]
async fn mac_addresses_of_ec2_are_given_back_at_every_level_and_with_them_what_the_guest_has_set() {
    let all = [
        ("4.1", json!({})),
        ("4.0.b1", json!({"nic_entity": "missing", "etag_races": 3})),
        ("4.3", json!({"nic_actions": false, "stale_if_match": "failed_task", "etag_drift_every": 4})),
        ("4.0.a1", json!({})),
    ];
    futures::future::join_all(all.map(async |(level, switches)| {
        let what = format!("{level}, {switches}");
        let head = format!("  tokyo:\n    api_level: \"{level}\"\n");
        let mut scene = Scene::after_cutover(|world| {
            // The guest knows its addresses by the MAC address of EC2.
            let world =
                with_secondary(&world).replacen("45] }] }", "45] }], guest: { adapters: [{ static: true }] } }", 1);
            world.replacen("  tokyo:\n", &head, 1)
        })
        .await;
        scene.switch(&switches);
        // The one has its address already when its MAC address is asked for.
        let web = scene.hosts.remove(0);
        scene.start().await.unwrap();
        scene.hosts.push(web);
        scene.declared.mac_addresses = Macs::AsCaptured;
        scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        scene.assert_right(&what).await;
        let changes = scene.changes();
        scene.start().await.unwrap();
        assert_eq!(scene.changes(), changes, "{what}");
    }))
    .await;
}

#[tokio::test]
async fn a_nic_that_is_created_anew_is_what_it_was() {
    for level in ["4.0", "4.1", "4.0.a1"] {
        let head = format!("  tokyo:\n    api_level: \"{level}\"\n");
        let scene = Scene::after_cutover(|world| world.replacen("  tokyo:\n", &head, 1)).await;
        scene.switch(&json!({"migrate_powered_on": false}));
        let id = scene.vm("web-1").await.id.to_string();
        let shape = || {
            let world = scene.sim.shared().world();
            let vm = world.prisms["tokyo"].vms.values().find(|vm| vm.ext_id.to_string() == id).unwrap();
            vm.nics[0].shape.clone()
        };
        let trunk = NicShape {
            vlan_mode: "TRUNK".into(),
            trunked: vec![10, 20],
            kind: "NETWORK_FUNCTION_NIC".into(),
            function_chain: ExtId::parse("55555555-5555-4555-8555-555555555555"),
            function_kind: Some("TAP".into()),
            model: Some("E1000".into()),
            queues: 4,
            ..shape()
        };
        let set = |shape: NicShape| {
            let mut world = scene.sim.shared().world();
            let prism = world.prisms.get_mut("tokyo").unwrap();
            let vm = prism.vms.values_mut().find(|vm| vm.ext_id.to_string() == id).unwrap();
            vm.nics[0].shape = shape;
        };
        set(trunk.clone());
        scene.start().await.unwrap();
        assert!(
            scene.changes().iter().any(|c| c == "vms.nics.delete" || c == "v3.vms.update"),
            "{:?}",
            scene.changes()
        );
        assert_eq!(shape(), trunk, "{level}");
    }
}

#[tokio::test]
async fn a_wave_gets_its_addresses_back_at_every_level_by_name_and_by_reboot() {
    // v4.0.a1 is none that is spoken: there v3 is, by which a NIC is created anew.
    let all = [
        ("4.0.a1", true),
        ("4.0.b1", false),
        ("4.0.b1", true),
        ("4.0", true),
        ("4.1", false),
        ("4.2", true),
        ("4.3", true),
    ];
    futures::future::join_all(all.map(async |(level, advertises)| {
        let head = format!("  tokyo:\n    api_level: \"{level}\"\n    advertises_level: {advertises}\n");
        let mut scene = Scene::after_cutover(|world| world.replacen("  tokyo:\n", &head, 1)).await;
        scene.with_move = false;
        scene.policy.guest_refresh = GuestRefresh::Reboot;
        scene.start().await.unwrap();
        scene.assert_right(level).await;
        let changes = scene.changes();
        if level == "4.0.a1" {
            assert!(changes.iter().all(|change| change == "v3.vms.update"), "{level}: {changes:?}");
        } else {
            assert!(changes.contains(&"vms.reboot".to_owned()), "{level}: {changes:?}");
            assert!(!changes.contains(&"vms.nics.delete".to_owned()), "{level}: {changes:?}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_wave_gets_its_addresses_back_where_few_calls_at_once_are_answered() {
    let scene = Scene::after_cutover(|world| {
        world.replacen("switches: { prism: { ", "switches: { pace: { prism_ms: 2 }, prism: { calls_at_once: 1, ", 1)
    })
    .await;
    scene.start().await.unwrap();
    scene.assert_right("one call at a time").await;
    let log = scene.sim.shared().gate().log().since(0);
    assert!(log.iter().any(|entry| entry.status == Some(429)), "nothing was refused");
}

#[tokio::test]
async fn a_wave_goes_on_where_the_time_ran_out() {
    let scene = Scene::after_cutover(|world| world).await;
    let cut = scene.start_until(Duration::ZERO).await.unwrap();
    assert_eq!(cut.result, Progress::Continue);
    assert!(!scene.changes().iter().any(|action| action.starts_with("vms.nics")));
    assert_eq!(scene.start().await.unwrap().result, Progress::Done);
    scene.assert_right("after the second").await;
}

#[tokio::test]
async fn an_address_that_another_host_of_the_wave_holds_is_given_after_that_one() {
    let scene = Scene::after_cutover(|world| {
        world.replacen("first: 172.30.1.100, last: 172.30.1.199", "first: 172.30.1.34, last: 172.30.1.34", 1)
    })
    .await;
    scene.start().await.unwrap();
    scene.assert_right("chain").await;
}

#[tokio::test]
async fn a_running_vm_is_left_alone_where_policy_says_so() {
    let mut scene = Scene::after_cutover(|world| world).await;
    scene.policy.repair_running_vms = false;
    let fault = scene.start().await.unwrap_err();
    assert!(fault.message.contains("repair_running_vms: false") && fault.message.contains("power it off"), "{fault}");
    assert!(!scene.changes().iter().any(|action| action.starts_with("vms.nics")), "{:?}", scene.changes());
    for name in ["web-1", "app-1"] {
        scene.power_off(&scene.vm(name).await);
    }
    scene.start().await.unwrap();
    assert_eq!(scene.vm("web-1").await.nics[0].primary(), Some("172.30.1.34".parse().unwrap()));
}

#[tokio::test]
async fn a_vm_that_is_off_stays_off_with_its_nic_right() {
    let mut scene = Scene::after_cutover(|world| world).await;
    scene.hosts.truncate(1);
    scene.power_off(&scene.vm("web-1").await);
    let restored = scene.start().await.unwrap();
    assert!(restored.done[0].contains("not powered on"), "{:?}", restored.done);
    assert!(!scene.changes().contains(&"vms.power-on".to_owned()));
}
