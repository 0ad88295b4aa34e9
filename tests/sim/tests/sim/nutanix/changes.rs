//! Preconditions, request ids, tasks, power and NIC updates.

use std::sync::Arc;

use holdfast_sim::ManualClock;
use holdfast_sim::prism::switches::{MissingIfMatch, NicEntity, StaleIfMatch, TornNicUpdate};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Client, new_nic, prism, prism_under, read};

async fn release(pc: &Client, vm: &str, nic: &str, if_match: Option<&str>) -> super::client::Reply {
    let path = format!("{}/nics/{nic}/$actions/release-ip", pc.vm_path(vm));
    let request = pc.request("POST", &path);
    read(if_match.map_or_else(|| pc.request("POST", &path), |tag| request.header("If-Match", tag))).await
}

async fn ids(pc: &Client, name: &str) -> (String, String) {
    let vm = pc.vm(name).await;
    let nic = pc.nic(&vm).await["extId"].as_str().unwrap().to_owned();
    (vm, nic)
}

// nutanix-api B.2: terraform pull request 1231 (missing), ansible issue 706 (malformed and `*`).
#[tokio::test]
async fn missing_malformed_and_stale_etags_are_refused() {
    let pc = prism("pc-a").await;
    let (vm, nic) = ids(&pc, "web-1").await;
    for (switch, status) in
        [(MissingIfMatch::Status428, 428), (MissingIfMatch::Status412, 412), (MissingIfMatch::Status400, 400)]
    {
        pc.switch(|s| s.missing_if_match = switch);
        let reply = release(&pc, &vm, &nic, None).await;
        assert_eq!((reply.status, reply.code()), (status, "PLAT-10004"));
        assert_eq!(reply.body["data"]["error"][0]["errorGroup"], "MISSING_ETAG_HEADER");
    }
    let tag = pc.get(&pc.vm_path(&vm)).await.etag.unwrap();
    for wrong in ["*".to_owned(), "bm9uc2Vuc2U=".to_owned(), format!("\"{tag}\""), "7".to_owned()] {
        let reply = release(&pc, &vm, &nic, Some(&wrong)).await;
        assert_eq!((reply.status, reply.code()), (412, "PLAT-10005"), "{wrong}");
    }
    let other = pc.vm("off-1").await;
    let foreign = pc.get(&pc.vm_path(&other)).await.etag.unwrap();
    assert_eq!(release(&pc, &vm, &nic, Some(&foreign)).await.status, 412);
    let accepted = release(&pc, &vm, &nic, Some(&tag)).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    assert_eq!(release(&pc, &vm, &nic, Some(&tag)).await.code(), "PLAT-10005");
    pc.switch(|s| s.stale_if_match = StaleIfMatch::FailedTask);
    let stale = release(&pc, &vm, &nic, Some(&tag)).await;
    assert!(pc.done(stale).await.starts_with("VMM-30303"));
}

// A Prism Central works on a number of tasks at once; the others are queued in the order of their acceptance.
#[tokio::test]
async fn tasks_take_their_time_and_wait_for_each_other() {
    let clock = Arc::new(ManualClock::new("2026-01-02T03:04:05Z".parse().unwrap()));
    let pc = prism_under("pc-a", Arc::clone(&clock)).await;
    pc.switch(|s| (s.task_queued_reads, s.task_running_reads, s.task_ms, s.tasks_at_once) = (0, 0, 3000, 2));
    let mut tasks = Vec::new();
    for name in ["web-1", "o'brien", "off-1"] {
        let vm = pc.vm(name).await;
        let reply = pc.change("POST", &vm, "/nics", new_nic(&pc.subnet("flat").await, None, None)).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        tasks.push(reply.body["data"]["extId"].as_str().unwrap().to_owned());
    }
    let states = async || {
        let mut states = Vec::new();
        for task in &tasks {
            let task = pc.get(&format!("/api/prism/v4.0/config/tasks/{task}")).await;
            states.push(task.body["data"]["status"].as_str().unwrap().to_owned());
        }
        states
    };
    assert_eq!(states().await, ["RUNNING", "RUNNING", "QUEUED"]);
    clock.advance(jiff::SignedDuration::from_millis(2999));
    assert_eq!(states().await, ["RUNNING", "RUNNING", "QUEUED"]);
    clock.advance(jiff::SignedDuration::from_millis(1));
    assert_eq!(states().await, ["SUCCEEDED", "SUCCEEDED", "RUNNING"]);
    clock.advance(jiff::SignedDuration::from_secs(3));
    assert_eq!(states().await, ["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
}

// terraform issue 1120: the need is to go for AHV actions and NIC create and delete; a PUT keeps it.
#[tokio::test]
async fn a_missing_etag_may_be_accepted_but_not_by_put() {
    let pc = prism("pc-a").await;
    let (vm, nic) = ids(&pc, "web-1").await;
    pc.switch(|s| s.missing_if_match = MissingIfMatch::Accepted);
    let accepted = release(&pc, &vm, &nic, None).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    let mut body = pc.nic(&vm).await;
    body["backingInfo"]["isConnected"] = json!(false);
    body["nicBackingInfo"]["isConnected"] = json!(false);
    let reply = read(pc.request("PUT", &format!("{}/nics/{nic}", pc.vm_path(&vm))).json(&body)).await;
    assert_eq!((reply.status, reply.code()), (428, "PLAT-10004"));
}

// nutanix-api B.2: Terraform sends the VM's ETag for NIC operations, Ansible the NIC's; both are accepted.
#[tokio::test]
async fn the_etag_of_the_nic_is_as_good_as_that_of_the_vm() {
    let pc = prism("pc-a").await;
    let (vm, nic) = ids(&pc, "web-1").await;
    let of_nic = pc.get(&format!("{}/nics/{nic}", pc.vm_path(&vm))).await.etag.unwrap();
    assert_ne!(Some(&of_nic), pc.get(&pc.vm_path(&vm)).await.etag.as_ref());
    let accepted = release(&pc, &vm, &nic, Some(&of_nic)).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
}

// terraform issues 1047, 1089, 1104: accepted, then failed, because the VM changed in between.
#[tokio::test]
async fn a_race_fails_the_task() {
    let pc = prism("pc-a").await;
    let (vm, nic) = ids(&pc, "web-1").await;
    pc.switch(|s| s.etag_races = 1);
    let tag = pc.get(&pc.vm_path(&vm)).await.etag.unwrap();
    let accepted = release(&pc, &vm, &nic, Some(&tag)).await;
    let task = pc.task(&accepted).await;
    assert_eq!((&task["status"], &task["errorMessages"][0]["code"]), (&json!("FAILED"), &json!("VMM-30303")));
    assert_eq!(task["errorMessages"][0]["errorGroup"], "VM_ETAG_MISMATCH");
    assert_eq!(task["errorMessages"][0]["argumentsMap"]["vm_uuid"], vm);
    // Two changes accepted at once under one ETag: the second one finds the VM changed by the first.
    let first = release(&pc, &vm, &nic, Some(&tag)).await;
    let second = release(&pc, &vm, &nic, Some(&tag)).await;
    assert_eq!(pc.done(first).await, "SUCCEEDED");
    assert!(pc.done(second).await.starts_with("VMM-30303"));
}

#[tokio::test]
async fn an_etag_may_change_on_its_own() {
    let pc = prism("pc-a").await;
    let path = pc.vm_path(&pc.vm("off-1").await);
    let first = pc.get(&path).await.etag;
    assert_eq!(first, pc.get(&path).await.etag);
    pc.switch(|s| s.etag_drift_every = 1);
    assert_ne!(first, pc.get(&path).await.etag);
}

// nutanix-api B.2: NTNX-Request-Id is an idempotency key.
#[tokio::test]
async fn a_repeated_request_id_gets_the_same_task_and_one_effect() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let body = new_nic(&pc.subnet("app").await, None, None);
    let tag = pc.get(&pc.vm_path(&vm)).await.etag.unwrap();
    let id = Uuid::new_v4().to_string();
    let path = format!("{}/nics", pc.vm_path(&vm));
    let send = |id: Option<&str>| {
        let request = pc.bare("POST", &path).basic_auth("admin", Some("first secret")).header("If-Match", &tag);
        id.map_or(request.try_clone().unwrap(), |id| request.header("NTNX-Request-Id", id)).json(&body)
    };
    for wrong in [None, Some("not a uuid")] {
        assert!(read(send(wrong)).await.schema().contains("NTNX-Request-Id"));
    }
    let first = read(send(Some(&id))).await;
    assert_eq!(pc.done(read(send(Some(&id))).await).await, "SUCCEEDED");
    // The ETag is stale by now: a repetition is answered all the same.
    assert_eq!(read(send(Some(&id))).await.body, first.body);
    let nics = pc.get(&path).await;
    assert_eq!(nics.body["data"].as_array().unwrap().len(), 2);
}

// nutanix-api D: a task goes through its states; ansible knows tasks that never name the NIC they made.
#[tokio::test]
async fn a_task_advances_as_it_is_read() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let subnet = pc.subnet("app").await;
    let create = || pc.change("POST", &vm, "/nics", new_nic(&subnet, None, None));
    let accepted = create().await;
    let id = accepted.body["data"]["extId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ZXJnb24=:"));
    let escaped = format!("/api/prism/v4.4/config/tasks/{}", id.replace('=', "%3D").replace(':', "%3A"));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(pc.get(&escaped).await.body["data"]["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["QUEUED", "RUNNING", "SUCCEEDED"]);
    let named = |task: &Value| {
        let all = task["entitiesAffected"].as_array().unwrap();
        all.iter().filter(|e| e["rel"] == "vmm:ahv:config:vm:nic").count()
    };
    assert_eq!(named(&pc.task(&accepted).await), 1);
    pc.switch(|s| s.nic_entity = NicEntity::Missing);
    assert_eq!(named(&pc.task(&create().await).await), 0);
    pc.switch(|s| s.nic_entity = NicEntity::Late);
    let late = create().await;
    assert_eq!(named(&pc.task(&late).await), 0);
    pc.task(&late).await;
    assert_eq!(named(&pc.task(&late).await), 1);
    assert_eq!(pc.get("/api/prism/v4.0/config/tasks/no-task").await.status, 400);
    let unknown = "/api/prism/v4.0/config/tasks/ZXJnb24=:11111111-1111-4111-8111-111111111111";
    assert_eq!(pc.get(unknown).await.status, 404);
}

// nutanix-api B.5: PUT changes the link; neither subnet nor address (terraform issue 993), nor nothing (issue 994).
#[tokio::test]
async fn put_changes_the_link_and_little_else() {
    let pc = prism("pc-a").await;
    let (vm, nic) = ids(&pc, "web-1").await;
    let app = pc.subnet("app").await;
    let rest = format!("/nics/{nic}");
    let whole = pc.nic(&vm).await;
    let changed = |pointers: &[(&str, Value)]| {
        let mut body = whole.clone();
        for (pointer, value) in pointers {
            for pair in ["", "nic"] {
                let (head, tail) = pointer.split_once('/').unwrap();
                let mut name = format!("{pair}{head}");
                if pair == "nic" {
                    name = format!("nic{}{}", head[..1].to_uppercase(), &head[1..]);
                }
                *body.pointer_mut(&format!("/{name}/{tail}")).unwrap() = value.clone();
            }
        }
        body
    };
    let down = changed(&[("backingInfo/isConnected", json!(false))]);
    let accepted = pc.change("PUT", &vm, &rest, down).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    assert_eq!(pc.nic(&vm).await["backingInfo"]["isConnected"], false);
    let accepted = pc.change("PUT", &vm, &rest, whole.clone()).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    for body in [
        whole.clone(),
        changed(&[("networkInfo/subnet/extId", json!(app)), ("backingInfo/isConnected", json!(false))]),
        changed(&[("networkInfo/ipv4Config/ipAddress/value", json!("172.31.99.11"))]),
        changed(&[("backingInfo/macAddress", json!("50:6b:8d:00:00:01"))]),
    ] {
        let accepted = pc.change("PUT", &vm, &rest, body).await;
        assert_eq!(pc.done(accepted).await, "VMM-30101: invalid input arguments");
    }
    // A client that changes one of the two forms only: not known, so a switch.
    for (form, up) in [("backingInfo", false), ("nicBackingInfo", true)] {
        let mut torn = pc.nic(&vm).await;
        torn[form]["isConnected"] = json!(up);
        let accepted = pc.change("PUT", &vm, &rest, torn).await;
        assert_eq!(pc.done(accepted).await, "SUCCEEDED");
        assert_eq!(pc.nic(&vm).await["nicBackingInfo"]["isConnected"], up);
    }
    pc.switch(|s| s.torn_nic_update = TornNicUpdate::Refused);
    let mut torn = whole.clone();
    torn["backingInfo"]["isConnected"] = json!(false);
    assert!(pc.change("PUT", &vm, &rest, torn).await.schema().contains("contradict"));
}

// nutanix-api B.4 and K: one-of members need their type; unknown `$` members do not matter.
#[tokio::test]
async fn a_nic_body_must_fit_the_schema_of_its_level() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let subnet = pc.subnet("app").await;
    let good = new_nic(&subnet, None, None);
    let mut untyped = good.clone();
    untyped["nicNetworkInfo"].as_object_mut().unwrap().remove("$objectType");
    let mut mac = good.clone();
    mac["nicBackingInfo"]["macAddress"] = json!("52:54");
    for (body, told) in [(untyped, "$objectType"), (mac, "MAC"), (json!({}), "required"), (json!([]), "JSON object")] {
        let reply = pc.change("POST", &vm, "/nics", body).await;
        assert!(reply.schema().contains(told), "{}", reply.text);
    }
    let mut extra = json!({"networkInfo": {"subnet": {"extId": subnet}}});
    extra["$unknownFields"] = json!({});
    let accepted = pc.change("POST", &vm, "/nics", extra).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    // One member of each form: the MAC address is not lost.
    let mut mixed = new_nic(&subnet, None, Some("50:6b:8d:00:00:07"));
    mixed["networkInfo"] = mixed["nicNetworkInfo"].take();
    let accepted = pc.change("POST", &vm, "/nics", mixed).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    let nics = pc.get(&format!("{}/nics", pc.vm_path(&vm))).await;
    assert_eq!(nics.body["data"][2]["backingInfo"]["macAddress"], "50:6b:8d:00:00:07");
    let old = prism("pc-b").await;
    let vm = old.vm("old-1").await;
    let body = new_nic(&old.subnet("app").await, None, None);
    assert!(old.change("POST", &vm, "/nics", body).await.schema().contains("v4.0"));
}

// nutanix-api B.3: power actions.
#[tokio::test]
async fn power_actions_need_the_right_state() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("off-1").await;
    let act = |action: &'static str| {
        let (pc, vm) = (&pc, &vm);
        async move { pc.done(pc.change("POST", vm, &format!("/$actions/{action}"), json!({})).await).await }
    };
    assert!(act("reboot").await.contains("not powered on"));
    assert_eq!(act("power-on").await, "SUCCEEDED");
    assert!(act("power-on").await.contains("already powered on"));
    assert_eq!(act("reset").await, "SUCCEEDED");
    assert_eq!(act("shutdown").await, "SUCCEEDED");
    assert_eq!(pc.get(&pc.vm_path(&vm)).await.body["data"]["powerState"], "OFF");
    let log = pc.sim.shared().gate().log().since(0);
    assert!(log.iter().any(|e| e.action == "vms.power-on" && e.mutating && e.params.contains(&vm)));
}

// Any client can build what it likes: VPC, subnet, VM, NIC, and take the VM away again.
#[tokio::test]
async fn a_network_and_a_vm_are_built_through_the_api() {
    let pc = prism("pc-a").await;
    let made = |task: Value, rel: &str| {
        let all = task["entitiesAffected"].as_array().unwrap();
        all.iter().find(|e| e["rel"] == rel).unwrap()["extId"].as_str().unwrap().to_owned()
    };
    let post = |path: &str, body: Value| read(pc.request("POST", path).json(&body));
    let external = pc.subnet("no-nat").await;
    let vpc = post(
        "/api/networking/v4.4/config/vpcs",
        json!({"name": "mine", "externalSubnets": [{"subnetReference": external}],
            "externallyRoutablePrefixes": [{"ipv4": {"ip": {"value": "10.9.0.0"}, "prefixLength": 24}}]}),
    )
    .await;
    let vpc = made(pc.task(&vpc).await, "networking:config:vpc");
    let subnet = json!({"name": "mine", "subnetType": "OVERLAY", "vpcReference": vpc, "ipConfig": [{"ipv4": {
        "ipSubnet": {"ip": {"value": "10.9.0.0"}, "prefixLength": 24}, "defaultGatewayIp": {"value": "10.9.0.1"},
        "poolList": [{"startIp": {"value": "10.9.0.10"}, "endIp": {"value": "10.9.0.20"}}]}}]});
    let subnet = post("/api/networking/v4.4/config/subnets", subnet).await;
    let subnet = made(pc.task(&subnet).await, "networking:config:subnet");
    let cluster = pc.id("/api/clustermgmt/v4.0/config/clusters", "pc-a-cluster").await;
    let vm = json!({"name": "new-1", "cluster": {"extId": cluster}, "nics": [new_nic(&subnet, None, None)]});
    let vm = post("/api/vmm/v4.3/ahv/config/vms", vm).await;
    let vm = made(pc.task(&vm).await, "vmm:ahv:config:vm");
    assert_eq!(pc.address(&vm).await, "10.9.0.10");
    assert_eq!(pc.get(&pc.vm_path(&vm)).await.body["data"]["powerState"], "OFF");
    let path = |kind: &str, id: &str| format!("/api/networking/v4.4/config/{kind}/{id}");
    let drop = async |path: String| {
        let tag = pc.get(&path).await.etag.unwrap();
        pc.done(read(pc.request("DELETE", &path).header("If-Match", tag)).await).await
    };
    assert!(drop(path("vpcs", &vpc)).await.contains("has subnets"));
    assert!(drop(path("subnets", &subnet)).await.contains("in use"));
    let old = pc.get(&path("vpcs", &vpc)).await;
    let mut body = old.body["data"].clone();
    body["externallyRoutablePrefixes"][0]["ipv4"]["prefixLength"] = json!(20);
    let put = |tag: &str| pc.request("PUT", &path("vpcs", &vpc)).header("If-Match", tag).json(&body);
    assert_eq!(read(put("x")).await.code(), "PLAT-10005");
    let accepted = read(put(&old.etag.unwrap())).await;
    assert_eq!(pc.done(accepted).await, "SUCCEEDED");
    let now = pc.get(&path("vpcs", &vpc)).await.body;
    assert_eq!(now["data"]["externallyRoutablePrefixes"][0]["ipv4"]["prefixLength"], 20);
    {
        let world = pc.sim.shared().world();
        let host = world.ec2.find(holdfast_sim::ec2::Kind::Eni, "ap-northeast-1", "host-1-fvn").unwrap();
        assert_eq!(world.prisms["pc-a"].vpc_named("mine").unwrap().host_interfaces, [host]);
    }
    let gone = pc.change("DELETE", &vm, "", json!({})).await;
    assert_eq!(pc.done(gone).await, "SUCCEEDED");
    assert_eq!(pc.get(&pc.vm_path(&vm)).await.status, 404);
    assert_eq!(drop(path("subnets", &subnet)).await, "SUCCEEDED");
    assert_eq!(drop(path("vpcs", &vpc)).await, "SUCCEEDED");
}
