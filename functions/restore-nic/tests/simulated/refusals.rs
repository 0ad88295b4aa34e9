//! What is refused, each with one clear error and nothing changed.

use holdfast_model::FaultName;
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
async fn a_nic_that_was_not_captured_and_secondary_addresses_are_refused() {
    let mut scene = web_1(|world| world).await;
    let second = scene.hosts[0].nics[0].clone();
    scene.hosts[0].nics[0].secondary = vec!["172.30.1.44".parse().unwrap()];
    refused(&scene, FaultName::RestoreIncomplete, "secondary addresses (172.30.1.44)").await;
    scene.hosts[0].nics[0].secondary.clear();
    scene.hosts[0].nics.push(holdfast_model::NicRecord {
        device_index: 1,
        primary: "172.30.1.40".parse().unwrap(),
        ..second
    });
    refused(&scene, FaultName::NicUnexpected, "the VM has 1 NICs, 2 were captured; none for 172.30.1.40").await;
    scene.hosts[0].nics.clear();
    refused(&scene, FaultName::NicUnexpected, "not expected: NIC `").await;
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
async fn one_bad_host_does_not_stop_the_others() {
    let held = "{ name: other, nics: [{ subnet: app, address: 172.30.1.34 }] }";
    let scene =
        Scene::after_cutover(|world| world.replacen("{ name: other, nics: [{ subnet: landing }] }", held, 1)).await;
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::AddressHeld);
    assert!(fault.message.contains("app-1: 172.30.1.35 is right"), "{fault}");
    assert_eq!(scene.vm("app-1").await.nics[0].primary(), Some("172.30.1.35".parse().unwrap()));
}
