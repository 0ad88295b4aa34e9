//! Which address a NIC may get, and how it gets it.

use serde_json::{Value, json};

use super::client::{Client, new_nic, prism, prism_in, read};

/// A NIC of web-1 in `app` with the address .100 of the pool.
async fn in_app(pc: &Client) -> (String, String) {
    let vm = pc.vm("web-1").await;
    let nic = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    let outcome = migrate(pc, &vm, &nic, "app", None).await;
    assert_eq!(outcome, "SUCCEEDED");
    (vm, nic)
}

async fn migrate(pc: &Client, vm: &str, nic: &str, to: &str, address: Option<&str>) -> String {
    let mut body = json!({"subnet": {"extId": pc.subnet(to).await}, "migrateType": "ASSIGN_IP"});
    if let Some(address) = address {
        body["ipAddress"] = json!({"value": address});
    }
    let accepted = pc.change("POST", vm, &format!("/nics/{nic}/$actions/migrate"), body).await;
    pc.done(accepted).await
}

async fn act(pc: &Client, vm: &str, nic: &str, action: &str, address: Option<&str>) -> String {
    let body = address.map_or(json!({}), |a| json!({"ipAddress": {"value": a}}));
    let accepted = pc.change("POST", vm, &format!("/nics/{nic}/$actions/{action}"), body).await;
    pc.done(accepted).await
}

// nutanix-api C, "Pool gotcha", and B.5 for the texts.
#[tokio::test]
async fn only_free_addresses_of_the_subnet_are_given() {
    let pc = prism("pc-a").await;
    let (vm, nic) = in_app(&pc).await;
    assert_eq!(act(&pc, &vm, &nic, "release-ip", None).await, "SUCCEEDED");
    assert_eq!(pc.address(&vm).await, Value::Null);
    for (address, why) in [
        ("172.30.1.1", "gateway"),
        ("172.30.1.2", "DHCP server"),
        ("172.30.1.0", "network"),
        ("172.30.1.255", "broadcast"),
        ("172.30.2.7", "does not belong"),
        ("172.30.1.50", "already assigned"),
    ] {
        let told = act(&pc, &vm, &nic, "assign-ip", Some(address)).await;
        assert!(told.starts_with("NET-40001") && told.contains(why), "{address}: {told}");
    }
    assert_eq!(act(&pc, &vm, &nic, "assign-ip", Some("172.30.1.34")).await, "SUCCEEDED");
    assert_eq!(pc.address(&vm).await, "172.30.1.34");
    let wrong = json!({"ipAddress": {"value": "172.30.1.344"}});
    let reply = pc.change("POST", &vm, &format!("/nics/{nic}/$actions/assign-ip"), wrong).await;
    assert!(reply.schema().contains("172.30.1.344"));
}

// Open question 3: may assign-ip replace an address that is not released; may a reserved address be assigned?
// Open question 4: may an explicit address lie outside the pool?
#[tokio::test]
async fn what_is_not_known_of_assign_ip_is_a_switch() {
    let pc = prism("pc-a").await;
    let (vm, nic) = in_app(&pc).await;
    let assign = |address: &'static str| act(&pc, &vm, &nic, "assign-ip", Some(address));
    assert!(assign("172.30.1.34").await.contains("already has the IP address 172.30.1.100"));
    pc.switch(|s| s.assign_replaces = true);
    assert_eq!(assign("172.30.1.34").await, "SUCCEEDED");
    assert_eq!(assign("172.30.1.150").await, "SUCCEEDED");
    pc.switch(|s| (s.assign_reserved, s.assign_outside_pool) = (false, false));
    assert_eq!(assign("172.30.1.110").await, "SUCCEEDED");
    assert!(assign("172.30.1.150").await.contains("is reserved"));
    assert!(assign("172.30.1.34").await.contains("not in any pool"));
    assert_eq!(pc.address(&vm).await, "172.30.1.110");
}

// packer-plugin-nutanix issue 328 (exhausted pool), ansible issue 593 (unmanaged network).
#[tokio::test]
async fn an_empty_pool_and_an_unmanaged_subnet_fail_the_task() {
    let pc = prism("pc-a").await;
    let (web, off) = (pc.vm("web-1").await, pc.vm("off-1").await);
    let landing = pc.subnet("landing").await;
    for expected in
        ["SUCCEEDED", "NET-40001: Cannot allocate address! No DHCP pool is defined or the DHCP pool is exhausted"]
    {
        let accepted = pc.change("POST", &web, "/nics", new_nic(&landing, None, None)).await;
        assert_eq!(pc.done(accepted).await, expected);
    }
    let nic = pc.nic(&off).await["extId"].as_str().unwrap().to_owned();
    let told = act(&pc, &off, &nic, "assign-ip", Some("10.0.0.5")).await;
    assert_eq!(told, "NET-40001: Cannot assign IP address on an unmanaged network");
}

// ansible's integration test of migrate: the same NIC afterwards, another subnet, the requested address.
#[tokio::test]
async fn migrate_keeps_the_nic_and_takes_the_address() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let before = pc.nic(&vm).await;
    let nic = before["extId"].as_str().unwrap();
    assert!(migrate(&pc, &vm, nic, "app", Some("172.30.1.50")).await.contains("already assigned"));
    assert_eq!(pc.nic(&vm).await, before);
    assert_eq!(migrate(&pc, &vm, nic, "app", Some("172.30.1.34")).await, "SUCCEEDED");
    assert_eq!(pc.address(&vm).await, "172.30.1.34");
    let after = pc.nic(&vm).await;
    assert_eq!(after["extId"], before["extId"]);
    assert_eq!(after["backingInfo"]["macAddress"], before["backingInfo"]["macAddress"]);
    assert!(migrate(&pc, &vm, nic, "app", None).await.contains("already connected"));
    let released = json!({"subnet": {"extId": pc.subnet("landing").await}, "migrateType": "RELEASE_IP"});
    let accepted = pc.change("POST", &vm, &format!("/nics/{nic}/$actions/migrate"), released).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    assert_eq!(pc.address(&vm).await, Value::Null);
    let wrong = json!({"subnet": {"extId": pc.subnet("app").await}, "migrateType": "KEEP"});
    assert!(pc.change("POST", &vm, &format!("/nics/{nic}/$actions/migrate"), wrong).await.schema().contains("KEEP"));
}

// Open question 2: does migrate keep the MAC, work on a VM that is on, and between two subnets of one VPC?
#[tokio::test]
async fn what_is_not_known_of_migrate_is_a_switch() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let before = pc.nic(&vm).await;
    let nic = before["extId"].as_str().unwrap();
    pc.switch(|s| s.migrate_powered_on = false);
    assert!(migrate(&pc, &vm, nic, "app", None).await.contains("powered on"));
    pc.switch(|s| (s.migrate_powered_on, s.migrate_within_vpc) = (true, false));
    assert!(migrate(&pc, &vm, nic, "app", None).await.contains("one VPC"));
    pc.switch(|s| (s.migrate_within_vpc, s.migrate_keeps_mac) = (true, false));
    assert_eq!(migrate(&pc, &vm, nic, "app", None).await, "SUCCEEDED");
    assert_ne!(pc.nic(&vm).await["backingInfo"]["macAddress"], before["backingInfo"]["macAddress"]);
}

// ansible's tests wait after CreateNic until the address reads back.
#[tokio::test]
async fn a_configured_address_shows_some_reads_later() {
    let pc = prism("pc-a").await;
    pc.switch(|s| s.address_lag_reads = 2);
    let vm = pc.vm("web-1").await;
    let nic = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    assert_eq!(migrate(&pc, &vm, &nic, "app", Some("172.30.1.34")).await, "SUCCEEDED");
    let shown = async || pc.nic(&vm).await["networkInfo"]["ipv4Config"]["ipAddress"]["value"].clone();
    let seen = [shown().await, shown().await, shown().await];
    assert_eq!(seen, [Value::Null, Value::Null, json!("172.30.1.34")]);
}

#[tokio::test]
async fn a_chosen_mac_address_is_kept_and_must_be_free() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("off-1").await;
    let app = pc.subnet("app").await;
    let create = |mac: &'static str| pc.change("POST", &vm, "/nics", new_nic(&app, Some("172.30.1.60"), Some(mac)));
    let accepted = create("50:6B:8D:11:22:33").await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    let nics = pc.get(&format!("{}/nics", pc.vm_path(&vm))).await;
    assert_eq!(nics.body["data"][1]["backingInfo"]["macAddress"], "50:6b:8d:11:22:33");
    let twice = pc.change("POST", &vm, "/nics", new_nic(&app, None, Some("50-6b-8d-11-22-33"))).await;
    assert!(pc.done(twice).await.contains("already in use"));
}

// nutanix-api C: reserve and unreserve.
#[tokio::test]
async fn addresses_are_reserved_and_unreserved() {
    let pc = prism("pc-a").await;
    let path = format!("/api/networking/v4.4/config/subnets/{}", pc.subnet("app").await);
    let post = |action: &str, body: Value| {
        read(pc.request("POST", &format!("{path}/addresses/$actions/{action}")).json(&body))
    };
    let list = |address: &str| json!({"reserveType": "IP_ADDRESS_LIST", "ipAddresses": [{"ipv4": {"value": address}}], "clientContext": "run-42"});
    let accepted = post("reserve", list("172.30.1.34")).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    for (address, why) in
        [("172.30.1.34", "already reserved"), ("172.30.1.50", "already assigned"), ("172.30.1.1", "cannot be reserved")]
    {
        let accepted = post("reserve", list(address)).await;
        assert!(pc.done(accepted).await.contains(why), "{address}");
    }
    let count = json!({"reserveType": "IP_ADDRESS_COUNT", "count": 2, "clientContext": "run-42"});
    let accepted = post("reserve", count).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    let reserved = async || {
        let body = pc.get(&format!("{path}/reserved-ips")).await.body;
        body["data"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(reserved().await, 4);
    let accepted = post("unreserve", json!({"unreserveType": "CONTEXT", "clientContext": "run-42"})).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    assert_eq!(reserved().await, 1);
    assert!(post("reserve", json!({"reserveType": "SOME"})).await.schema().contains("SOME"));
    let long = json!({"reserveType": "IP_ADDRESS_COUNT", "count": 1, "clientContext": "x".repeat(65)});
    assert!(post("reserve", long).await.schema().contains("64"));
}

#[tokio::test]
async fn a_reserved_address_is_not_given_out_by_the_pool() {
    let pc = prism_in("pc-a", |file| file.replace("reserved: [172.30.1.150]", "reserved: [172.30.1.100]")).await;
    let (vm, _) = in_app(&pc).await;
    assert_eq!(pc.address(&vm).await, "172.30.1.101");
}
