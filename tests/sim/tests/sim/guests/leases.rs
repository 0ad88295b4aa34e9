//! Guests change an address only when they take a lease.

use std::net::Ipv4Addr;

use holdfast_sim::{
    World,
    ec2::Kind,
    guests::{self, Addressing, report},
    prism::Signal,
};

use super::support::{WEB, WORLD, bounce, cut_over, id, moved, readdress, vm, world};

fn addresses(world: &World, guest: &str) -> Vec<String> {
    let (_, guest) = world.guests.named(guest).unwrap();
    let up = guest.adapters.iter().filter(|adapter| adapter.is_up());
    up.flat_map(|adapter| adapter.addresses.iter().map(ToString::to_string)).collect()
}

#[test]
fn a_new_nic_is_a_new_adapter_with_dhcp() {
    let mut world = world();
    cut_over(&mut world);
    let (_, guest) = world.guests.named("app-1@pc-tokyo").unwrap();
    assert_eq!(guest.host_name, "app-one");
    assert_eq!(guest.adapters.len(), 2);
    assert!(!guest.adapters[0].plugged);
    assert_eq!(guest.adapters[0].addressing, Addressing::Static);
    assert_eq!(guest.adapters[1].addressing, Addressing::Dhcp);
    assert_eq!(addresses(&world, "app-1@pc-tokyo"), ["172.30.1.100/24"]);
}

#[test]
fn an_address_given_to_a_nic_is_used_after_a_lease_only() {
    let mut world = world();
    cut_over(&mut world);
    let old = addresses(&world, "web-1@pc-tokyo");
    readdress(&mut world, "pc-tokyo", "web-1", "app", WEB);
    assert_eq!(addresses(&world, "web-1@pc-tokyo"), old);
    bounce(&mut world, "pc-tokyo", "web-1");
    assert_eq!(addresses(&world, "web-1@pc-tokyo"), ["172.30.1.34/24"]);
}

#[test]
fn a_reboot_takes_a_lease_too() {
    let mut world = world();
    cut_over(&mut world);
    readdress(&mut world, "pc-tokyo", "web-1", "app", WEB);
    let vm = vm(&world, "pc-tokyo", "web-1");
    guests::vm_changed(&mut world, "pc-tokyo", &Signal::Booted { vm });
    assert_eq!(addresses(&world, "web-1@pc-tokyo"), ["172.30.1.34/24"]);
}

#[test]
fn a_nic_without_an_address_leaves_a_link_local_one() {
    let mut world = moved();
    let vm = vm(&world, "pc-tokyo", "web-1");
    world.prisms.get_mut("pc-tokyo").unwrap().vms.get_mut(&vm).unwrap().nics[0].address = None;
    bounce(&mut world, "pc-tokyo", "web-1");
    assert!(addresses(&world, "web-1@pc-tokyo")[0].starts_with("169.254."));
    let (_, guest) = world.guests.named("web-1@pc-tokyo").unwrap();
    assert_eq!(report::capture(guest)["nics"][0]["addresses"], serde_json::json!([]));
}

#[test]
fn a_static_adapter_keeps_its_address_whatever_is_offered() {
    let yaml = WORLD.replace(
        "        platform: windows\n        interfaces: [{ subnet: app, address: 172.30.1.34 }]",
        "        platform: windows\n        interfaces: [{ subnet: app, address: 172.30.1.34 }]\n        guest: { adapters: [{ addresses: [10.1.2.3/24], gateway: 10.1.2.1 }] }",
    );
    let world = World::from_yaml(&yaml).unwrap();
    assert_eq!(addresses(&world, "web-1"), ["10.1.2.3/24"]);
}

#[test]
fn an_interface_attached_to_a_running_instance_is_an_adapter_at_once() {
    let mut world = world();
    let (web, legacy) = ("web-1", "legacy-0");
    let instance = id(&world, Kind::Instance, "ap-northeast-1", web);
    let eni = id(&world, Kind::Eni, "ap-northeast-1", legacy);
    world.ec2.instances.get_mut(&instance).unwrap().enis.insert(1, eni);
    guests::instance_changed(&mut world, &instance);
    assert_eq!(addresses(&world, web), ["172.30.1.34/24", "172.30.9.10/24"]);
    world.ec2.instances.get_mut(&instance).unwrap().enis.remove(&1);
    guests::instance_changed(&mut world, &instance);
    assert_eq!(addresses(&world, web), ["172.30.1.34/24"]);
}

#[test]
fn a_capture_tells_what_the_guest_has() {
    let world = world();
    let (_, guest) = world.guests.named("app-1").unwrap();
    let said = report::capture(guest);
    assert_eq!(said["host_name"], "app-one");
    let nic = &said["nics"][0];
    assert_eq!(nic["addressing"], "static");
    assert_eq!(nic["gateway"], "172.30.1.1");
    assert_eq!(nic["dns"][0], "172.30.0.2");
    assert_eq!(nic["addresses"][1]["address"], "172.30.1.36");
    assert_eq!(nic["routes"][0]["prefix"], "10.99.0.0/16");
    assert!(said.to_string().ends_with(",\"end\":true}"));
}

#[test]
fn mistakes_about_guests_are_told_with_their_place() {
    let cases = [
        ("attachment: onprem-tokyo,", "attachment: apps,", "on_premises[site-tokyo].attachment"),
        ("attachment: onprem-tokyo,", "attachment: nowhere,", "there is no attachment `nowhere` in ap-northeast-1"),
        ("mi-0123456789abcdef0", "i-0123456789abcdef0", "write `mi-..`"),
        ("192.168.20.77", "192.168.30.77", "is not in 192.168.20.0/24"),
        ("{ managed: false }", "{ manged: false }", "manged"),
        ("site-tokyo, prefix: 192.168.10.0/24,", "site-tokyo, prefix: 192.168.10.1/24,", "write `192.168.10.0/24`"),
    ];
    for (right, wrong, told) in cases {
        assert!(WORLD.contains(right), "{right}");
        let error = World::from_yaml(&WORLD.replacen(right, wrong, 1)).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.contains(told), "`{wrong}`: {error}");
    }
}

#[test]
fn the_client_of_a_site_has_its_address() {
    let world = world();
    assert_eq!(addresses(&world, "desk"), ["192.168.20.77/24"]);
    let (id, guest) = world.guests.named("site-tokyo").unwrap();
    assert_eq!(id.as_str(), "site-tokyo-client");
    assert!(guest.holder(Ipv4Addr::new(192, 168, 10, 10)).is_some());
}
