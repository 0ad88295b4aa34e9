//! What is refused, each with one clear error and nothing changed.

use holdfast_model::{FaultName, Macs, NicRecord};
use holdfast_nutanix::{CreateNic, TimeLimit};
use serde_json::json;

use crate::world::Scene;

/// Starts and wants a fault whose message contains a text, with no change made to a NIC.
async fn refused(scene: &Scene, name: FaultName, text: &str) {
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, name, "{fault}");
    assert!(fault.message.contains(text), "{fault}");
    let touched = scene.changes().into_iter().filter(|action| action.starts_with("vms.nics")).count();
    assert_eq!(touched, 0, "{fault}");
}

/// Only `web-1`, and no Move.
async fn web_1(change: impl Fn(String) -> String) -> Scene {
    let mut scene = Scene::after_cutover(change).await;
    scene.hosts.truncate(1);
    scene.with_move = false;
    scene
}

#[tokio::test]
async fn a_prism_central_with_which_nothing_can_be_done_is_refused_with_its_level_and_the_mend() {
    let head = "  tokyo:\n    api_level: \"4.0.a1\"\n    serves_v3: false\n";
    let scene = web_1(|world| world.replacen("  tokyo:\n", head, 1)).await;
    refused(&scene, FaultName::NotConfigured, "speaks v4.0.a1 and no v3 of `vmm`").await;
    refused(&scene, FaultName::NotConfigured, "update Prism Central to pc.2024.3 or later").await;
}

#[tokio::test]
async fn a_name_that_is_found_twice_or_not_at_all_is_refused() {
    let twin =
        "    vms:\n      - { name: web-1, id: 99999999-0000-4000-8000-000000000001, nics: [{ subnet: landing }] }\n";
    let scene = web_1(|world| world.replacen("    vms:\n", twin, 1)).await;
    refused(&scene, FaultName::VmAmbiguous, "99999999-0000-4000-8000-000000000001").await;
    let elsewhere = twin.replace("nics:", "cluster: cluster-2, nics:");
    let scene = web_1(|world| world.replacen("    vms:\n", &elsewhere, 1)).await;
    scene.start().await.unwrap();
    let mut scene = Scene::before_cutover(|world| world).await;
    scene.with_move = false;
    refused(&scene, FaultName::VmNotFound, "no VM is named `web-1` in cluster `cluster-1`").await;
    scene.with_move = true;
    refused(&scene, FaultName::VmNotFound, "ReadyToCutover").await;
}

#[tokio::test]
async fn a_subnet_that_does_not_fit_is_refused() {
    for (right, wrong, told) in [
        (
            "name: app, vpc: prod, cidr: 172.30.1.0/24, pools",
            "name: app, vpc: prod, cidr: 172.30.0.0/23, pools",
            "is 172.30.0.0/23, not 172.30.1.0/24",
        ),
        (
            "routable_prefixes: [172.30.0.0/16]",
            "routable_prefixes: [10.0.0.0/8]",
            "(10.0.0.0/8) do not cover 172.30.1.0/24",
        ),
        ("external: true, nat: false", "external: true, nat: true", "without NAT"),
        ("name: prod, external_subnets: [outside]", "name: prod", "it has none"),
    ] {
        let scene = web_1(|world| world.replacen(right, wrong, 1)).await;
        refused(&scene, FaultName::SubnetUnfit, told).await;
    }
}

#[tokio::test]
async fn an_address_of_somebody_else_is_refused_by_name() {
    let held = "{ name: other, nics: [{ subnet: app, address: 172.30.1.34 }] }";
    let scene = web_1(|world| world.replacen("{ name: other, nics: [{ subnet: landing }] }", held, 1)).await;
    refused(&scene, FaultName::AddressHeld, "VM `other`").await;
    let scene = web_1(|world| {
        world.replacen("pools: [{ first: 172.30.1.100", "reserved: [172.30.1.34], pools: [{ first: 172.30.1.100", 1)
    })
    .await;
    refused(&scene, FaultName::AddressHeld, "reserved").await;
    let scene =
        web_1(|world| world.replacen("name: app, vpc: prod, ", "name: app, vpc: prod, gateway: 172.30.1.34, ", 1))
            .await;
    refused(&scene, FaultName::AddressHeld, "gateway").await;
}

#[tokio::test]
async fn another_number_of_nics_is_refused_with_the_mend_that_mends_it() {
    let mut scene = web_1(|world| world).await;
    let first = scene.hosts[0].nics[0].clone();
    let second = NicRecord { device_index: 1, primary: "172.30.1.40".parse().unwrap(), ..first };
    scene.hosts[0].nics.push(second);
    refused(
        &scene,
        FaultName::NicUnexpected,
        "the VM has 1 NICs, 2 were captured; none for 172.30.1.40 (captured NIC 1)",
    )
    .await;
    refused(&scene, FaultName::NicUnexpected, "under `waves.wave-1.nics.web-1` what is right: `leave_out` lists").await;
    scene.map_nics("web-1", &json!({"leave_out": [2]}));
    refused(&scene, FaultName::InvalidMap, "`web-1` was captured without NIC 2; it has 0, 1").await;
    scene.map_nics("web-2", &json!({"leave_out": [1]}));
    refused(&scene, FaultName::InvalidMap, "no host `web-2` was captured with the wave").await;
    scene.map_nics("web-1", &json!({"leave_out": [1]}));
    let restored = scene.start().await.unwrap();
    assert!(restored.done[0].starts_with("web-1: 172.30.1.34 is right"), "{:?}", restored.done);

    let two = "    vms:\n      - { name: web-1, nics: [{ subnet: landing, mac: '50:6b:8d:00:00:01' }, { subnet: landing, mac: '50:6b:8d:00:00:02' }] }\n";
    let mut scene = Scene::before_cutover(|world| world.replacen("    vms:\n", two, 1)).await;
    scene.hosts.truncate(1);
    scene.with_move = false;
    refused(&scene, FaultName::NicUnexpected, "the VM has 2 NICs, 1 were captured; not expected: NIC `").await;
    scene.map_nics("web-1", &json!({"to": {"0": "50:6b:8d:00:00:03"}, "ignore": ["50:6b:8d:00:00:01"]}));
    refused(&scene, FaultName::NicUnexpected, "no NIC `50:6b:8d:00:00:03`, which captured NIC 0 is mapped to").await;
    let before = scene.vm("web-1").await.nics[0].clone();
    scene.map_nics("web-1", &json!({"to": {"0": "50:6b:8d:00:00:02"}, "ignore": ["50:6b:8d:00:00:01"]}));
    scene.start().await.unwrap();
    let nics = scene.vm("web-1").await.nics;
    assert_eq!((nics.len(), &nics[0]), (2, &before));
    assert_eq!(nics[1].primary(), Some("172.30.1.34".parse().unwrap()));
    let changes = scene.changes();
    scene.start().await.unwrap();
    assert_eq!(scene.changes(), changes);
}

#[tokio::test]
async fn a_mac_address_or_secondary_address_of_somebody_else_is_refused_by_name() {
    let mut scene = web_1(|world| world).await;
    scene.declared.mac_addresses = Macs::AsCaptured;
    let captured = scene.hosts[0].nics[0].mac.take();
    refused(&scene, FaultName::NotCaptured, "the MAC address of the NIC of 172.30.1.34 was not captured").await;
    scene.hosts[0].nics[0].mac = captured;
    scene.switch(&json!({"learned_lag_reads": 0}));
    scene.hosts[0].nics[0].secondary = vec!["172.30.1.44".parse().unwrap()];
    let mac = scene.hosts[0].nics[0].mac.clone().unwrap();
    let (prism, app) = (scene.prism(), scene.prism().subnets_named("app").await.unwrap().remove(0).id);
    let other = scene.vm("other").await;
    let limit = TimeLimit::after(std::time::Duration::from_secs(60));
    let second =
        CreateNic { mac: mac.clone(), ..other.nics[0].again(&app, Some("172.30.1.44".parse().unwrap())).unwrap() };
    let made = prism.create_nic(&other.id, &second, &[], &limit).await.unwrap();
    let refused = async |text: &str| {
        let fault = scene.start().await.unwrap_err();
        assert!(fault.name == FaultName::AddressHeld && fault.message.contains(text), "{fault}");
        assert_eq!(scene.vm("web-1").await.nics[0].configured, ["172.31.99.11".parse::<std::net::Ipv4Addr>().unwrap()]);
    };
    refused("172.30.1.44 is not free: VM `other`").await;
    prism.release_ip(&other.id, &made.id, &limit).await.unwrap();
    scene.power_off(&other);
    refused(&format!("MAC address {mac} of EC2 is not free: VM `{}` has it on subnet `app`", other.id)).await;
}

#[tokio::test]
async fn a_mac_address_that_is_not_taken_is_told_the_nic_is_right_but_for_it_and_it_is_not_asked_for_again() {
    let all = [("4.1", "refused"), ("4.1", "replaced"), ("4.0.a1", "refused"), ("4.0.a1", "replaced")];
    futures::future::join_all(all.map(async |(level, foreign)| {
        let head = format!("  tokyo:\n    api_level: \"{level}\"\n");
        let mut scene = Scene::after_cutover(|world| world.replacen("  tokyo:\n", &head, 1)).await;
        // The one has its address already when its MAC address is asked for.
        let second = scene.hosts.remove(0);
        scene.start().await.unwrap();
        scene.hosts.push(second);
        scene.switch(&json!({"foreign_macs": foreign}));
        scene.declared.mac_addresses = Macs::AsCaptured;
        let fault = scene.start().await.unwrap_err();
        assert_eq!(fault.name, FaultName::RestoreIncomplete, "{level} {foreign}: {fault}");
        let changes = scene.changes();
        let again = scene.start().await.unwrap_err();
        for host in &scene.hosts {
            let mac = host.nics[0].mac.as_ref().unwrap();
            let told = format!("not MAC address {mac} of EC2, which Prism Central does not take");
            assert!(fault.message.contains(&told), "{level} {foreign}: {fault}");
            assert!(again.message.contains(&told), "{level} {foreign}: {again}");
        }
        assert_eq!((again.name, scene.changes()), (fault.name, changes.clone()), "{level} {foreign}");
        scene.declared.mac_addresses = Macs::AsMoved;
        scene.start().await.unwrap();
        scene.assert_right(&format!("{level} {foreign}")).await;
        assert_eq!(scene.changes(), changes, "{level} {foreign}");
        // Who writes it in anew wants it tried.
        scene.declared.mac_addresses = Macs::AsCaptured;
        scene.start().await.unwrap_err();
        assert!(scene.changes().len() > changes.len(), "{level} {foreign}");
    }))
    .await;
}

#[tokio::test]
async fn a_guest_that_is_not_seen_with_its_secondary_address_is_named_with_it() {
    let mut scene = web_1(|world| world).await;
    scene.hosts[0].nics[0].secondary = vec!["172.30.1.44".parse().unwrap()];
    scene.policy.guest_timeout_seconds = 1;
    scene.switch(&json!({"learned_lag_reads": 0}));
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::GuestSilent, "{fault}");
    assert!(fault.message.contains("was not seen to use 172.30.1.44 on the NIC of 172.30.1.34"), "{fault}");
    assert!(fault.message.contains("secondary addresses be set up"), "{fault}");
}

#[tokio::test]
async fn a_guest_that_keeps_its_own_address_is_named_with_it() {
    let guest = "    vms:\n      - { name: web-1, nics: [{ subnet: landing }], guest: { adapters: [{ addresses: [172.30.1.77/24] }] } }\n";
    let mut scene = Scene::before_cutover(|world| world.replacen("    vms:\n", guest, 1)).await;
    scene.hosts.truncate(1);
    scene.with_move = false;
    scene.policy.guest_timeout_seconds = 1;
    scene.switch(&json!({"learned_lag_reads": 0}));
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::GuestSilent, "{fault}");
    assert!(fault.message.contains("the guest uses 172.30.1.77 on the NIC of 172.30.1.34"), "{fault}");
}

#[tokio::test]
async fn one_bad_host_does_not_stop_the_others_and_nobody_where_it_is_excused() {
    let held = "{ name: other, nics: [{ subnet: app, address: 172.30.1.34 }] }";
    let mut scene =
        Scene::after_cutover(|world| world.replacen("{ name: other, nics: [{ subnet: landing }] }", held, 1)).await;
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::AddressHeld);
    assert!(fault.message.contains("app-1: 172.30.1.35 is right"), "{fault}");
    assert_eq!(scene.vm("app-1").await.nics[0].primary(), Some("172.30.1.35".parse().unwrap()));
    let excuse = |host: &str| serde_json::from_value(json!({host: "a printer has its address"})).unwrap();
    scene.declared.excused = excuse("web-9");
    let fault = scene.start().await.unwrap_err();
    assert!(fault.message.contains("`waves.wave-1.excused` of the network map: no host `web-9`"), "{fault}");
    scene.declared.excused = excuse("web-1");
    let done = scene.start().await.unwrap().done;
    assert!(done[0].starts_with("web-1: excused (a printer has its address), though 172.30.1.34"), "{done:?}");
}
