//! What guests make of what Prism Central and Move do to their NICs.

use std::net::Ipv4Addr;

use holdfast_sim::{ec2::Kind, move_, prism::failover};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::{Client, new_nic, prism};

/// The addresses that the guest of the VM of this name uses on its first NIC.
fn used(pc: &Client, name: &str) -> Vec<String> {
    let world = pc.sim.shared().world();
    let vm = world.prisms["pc-a"].vms_named(name).next().unwrap();
    let used: Vec<Ipv4Addr> = world.guests.seen("pc-a", vm.ext_id, &vm.nics[0].mac);
    used.iter().map(ToString::to_string).collect()
}

async fn done(pc: &Client, method: &str, vm: &str, rest: &str, body: Value) {
    let accepted = pc.change(method, vm, rest, body).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED", "{rest}");
}

async fn link(pc: &Client, vm: &str, up: bool) {
    let mut nic = pc.nic(vm).await;
    nic["backingInfo"]["isConnected"] = json!(up);
    nic["nicBackingInfo"]["isConnected"] = json!(up);
    let id = nic["extId"].as_str().unwrap().to_owned();
    done(pc, "PUT", vm, &format!("/nics/{id}"), nic).await;
}

fn learned(nic: &Value) -> Vec<&str> {
    let all = nic["nicNetworkInfo"]["ipv4Info"]["learnedIpAddresses"].as_array();
    all.map_or_else(Vec::new, |all| all.iter().map(|a| a["value"].as_str().unwrap()).collect())
}

async fn learned_soon(pc: &Client, vm: &str) -> Vec<String> {
    for _ in 0..3 {
        pc.nic(vm).await;
    }
    learned(&pc.nic(vm).await).iter().map(|a| (*a).to_owned()).collect()
}

// A configured address is an offer: the guest takes it when its link comes up again.
#[tokio::test]
async fn a_guest_takes_its_address_when_the_link_bounces() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("o'brien").await;
    let id = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    assert_eq!(learned_soon(&pc, &vm).await, ["172.30.1.50"]);
    done(&pc, "POST", &vm, &format!("/nics/{id}/$actions/release-ip"), json!({})).await;
    let address = json!({"ipAddress": {"value": "172.30.1.34"}});
    done(&pc, "POST", &vm, &format!("/nics/{id}/$actions/assign-ip"), address).await;
    assert_eq!((pc.address(&vm).await, used(&pc, "o'brien")), (json!("172.30.1.34"), vec!["172.30.1.50".to_owned()]));
    assert_eq!(learned_soon(&pc, &vm).await, ["172.30.1.50"]);
    link(&pc, &vm, false).await;
    assert_eq!(used(&pc, "o'brien"), [""; 0]);
    link(&pc, &vm, true).await;
    assert_eq!(used(&pc, "o'brien"), ["172.30.1.34"]);
    assert_eq!(learned_soon(&pc, &vm).await, ["172.30.1.34"]);
}

// terraform issue 1089: a busy VM changes its ETag with no edit of the client's; here, when an address is learned.
#[tokio::test]
async fn learning_an_address_takes_reads_and_changes_the_etag() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let nic = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    let to = json!({"subnet": {"extId": pc.subnet("app").await}, "migrateType": "ASSIGN_IP", "ipAddress": {"value": "172.30.1.34"}});
    done(&pc, "POST", &vm, &format!("/nics/{nic}/$actions/migrate"), to).await;
    pc.switch(|s| (s.learned_lag_reads, s.learning_changes_etag) = (4, true));
    done(&pc, "POST", &vm, "/$actions/reboot", json!({})).await;
    let before = pc.get(&pc.vm_path(&vm)).await.etag;
    assert_eq!(learned(&pc.nic(&vm).await), ["172.31.99.10"]);
    assert_eq!(pc.get(&pc.vm_path(&vm)).await.etag, before);
    assert_eq!(learned(&pc.nic(&vm).await), ["172.31.99.10"]);
    assert_eq!(learned(&pc.nic(&vm).await), ["172.30.1.34"]);
    assert_ne!(pc.get(&pc.vm_path(&vm)).await.etag, before);
}

#[tokio::test]
async fn a_guest_takes_its_address_when_it_boots() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let nic = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    let to = json!({"subnet": {"extId": pc.subnet("app").await}, "migrateType": "ASSIGN_IP", "ipAddress": {"value": "172.30.1.34"}});
    done(&pc, "POST", &vm, &format!("/nics/{nic}/$actions/migrate"), to).await;
    assert_eq!(used(&pc, "web-1"), ["172.31.99.10"]);
    done(&pc, "POST", &vm, "/$actions/reboot", json!({})).await;
    assert_eq!(used(&pc, "web-1"), ["172.30.1.34"]);
    done(&pc, "POST", &vm, "/$actions/power-off", json!({})).await;
    assert_eq!(used(&pc, "web-1"), [""; 0]);
}

#[tokio::test]
async fn a_guest_takes_the_address_of_a_nic_that_is_plugged_in() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let old = pc.nic(&vm).await;
    let mac = old["backingInfo"]["macAddress"].as_str().unwrap();
    done(&pc, "DELETE", &vm, &format!("/nics/{}", old["extId"].as_str().unwrap()), json!({})).await;
    done(&pc, "POST", &vm, "/nics", new_nic(&pc.subnet("app").await, Some("172.30.1.34"), Some(mac))).await;
    assert_eq!(used(&pc, "web-1"), ["172.30.1.34"]);
}

// terraform issue 871: without a lease a guest gives itself an address in 169.254.0.0/16, which is learned too.
#[tokio::test]
async fn a_guest_without_an_offer_uses_a_link_local_address() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let nic = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    done(&pc, "POST", &vm, &format!("/nics/{nic}/$actions/release-ip"), json!({})).await;
    done(&pc, "POST", &vm, "/$actions/reset", json!({})).await;
    assert!(learned_soon(&pc, &vm).await[0].starts_with("169.254."));
}

#[tokio::test]
async fn the_guest_of_a_migrated_instance_boots_in_the_vm() {
    let pc = prism("pc-a").await;
    {
        let mut world = pc.sim.shared().world();
        move_::cutover(&mut world, "move-a", "wave-1").unwrap();
        let instance = world.ec2.find(Kind::Instance, "ap-northeast-1", "db-1").unwrap();
        assert!(!world.guests.of_instance(instance).unwrap().1.running);
    }
    assert_eq!(used(&pc, "db-1"), ["172.30.1.100"]);
}

// The most dangerous moment: the lost side comes back, and both VMs run with one address.
#[tokio::test]
async fn after_an_unplanned_failover_both_guests_run() {
    let pc = prism("pc-a").await;
    let mut world = pc.sim.shared().world();
    let running = |world: &holdfast_sim::World| {
        let address: Ipv4Addr = "172.30.1.50".parse().unwrap();
        world.guests.all.values().filter(|guest| guest.holder(address).is_some()).count()
    };
    assert_eq!(running(&world), 1);
    failover(&mut world, "apps", false, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(running(&world), 2);
    failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(running(&world), 1);
}
