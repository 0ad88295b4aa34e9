//! The v3 API: what it refuses, what a page holds, and what one intent changes (nutanix-api H).

use serde_json::{Value, json};

use super::client::{Client, Reply, prism, prism_in, read};

const VMS: &str = "/api/nutanix/v3/vms";

impl Client {
    async fn list(&self, kind: &str, more: Value) -> Reply {
        let mut body = json!({"kind": kind});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(self.request("POST", &format!("/api/nutanix/v3/{kind}s/list")).json(&body)).await
    }

    async fn put(&self, vm: &str, body: &Value) -> Reply {
        read(self.request("PUT", &format!("{VMS}/{vm}")).json(body)).await
    }

    /// The intent of a VM, ready to be sent back.
    async fn intent(&self, vm: &str) -> Value {
        let mut body = self.get(&format!("{VMS}/{vm}")).await.body;
        body.as_object_mut().unwrap().remove("status").unwrap();
        for nic in body["spec"]["resources"]["nic_list"].as_array_mut().unwrap() {
            nic["ip_endpoint_list"].as_array_mut().unwrap().retain(|endpoint| endpoint["type"] == "ASSIGNED");
        }
        body
    }

    /// The task of an accepted intent, read to its end.
    async fn ended(&self, accepted: &Reply) -> Value {
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        let task = accepted.body["status"]["execution_context"]["task_uuid"].as_str().unwrap();
        for _ in 0..20 {
            let task = self.get(&format!("/api/nutanix/v3/tasks/{task}")).await.body;
            if !matches!(task["status"].as_str().unwrap(), "QUEUED" | "RUNNING") {
                return task;
            }
        }
        panic!("the task does not end");
    }
}

fn refusal(reply: &Reply) -> (u16, &str, &str) {
    let said = &reply.body["message_list"][0];
    (reply.status, said["reason"].as_str().unwrap(), said["message"].as_str().unwrap())
}

// nutanix.dev 2019-06-13: 20 of 1407 VMs unless more are asked for, 500 at most.
#[tokio::test]
async fn a_page_holds_20_entities_unless_more_are_asked_for() {
    let many: String = (0..30).map(|i| format!("      - {{ name: x{i} }}\n")).collect();
    let pc = prism_in("pc-a", |world| world.replacen("    vms:\n", &format!("    vms:\n{many}"), 1)).await;
    let first = pc.list("vm", json!({})).await;
    assert_eq!(first.body["entities"].as_array().unwrap().len(), 20);
    assert_eq!(first.body["metadata"], json!({"total_matches": 33, "kind": "vm", "length": 20, "offset": 0}));
    let rest = pc.list("vm", json!({"offset": 20, "length": 500})).await;
    assert_eq!(rest.body["entities"].as_array().unwrap().len(), 13);
    assert_eq!(pc.list("vm", json!({"length": 501})).await.status, 422);
    let one = pc.list("vm", json!({"filter": "vm_name==web-1"})).await;
    assert_eq!(one.body["entities"][0]["status"]["name"], "web-1");
    assert_eq!(refusal(&pc.list("vm", json!({"filter": "colour==red"})).await).0, 422);
    let gone = prism_in("pc-a", |w| w.replacen("    api_level: \"4.4\"", "    serves_v3: false", 1)).await;
    assert_eq!(gone.list("vm", json!({})).await.status, 404);
}

#[tokio::test]
async fn an_intent_is_whole_current_and_without_what_was_learned_or_it_is_refused() {
    let pc = prism("pc-a").await;
    let vm = pc.vm("web-1").await;
    let intent = pc.intent(&vm).await;
    let without = |place: &str, member: &str| {
        let mut changed = intent.clone();
        changed.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(member).unwrap();
        changed
    };
    for (place, member) in [("", "api_version"), ("", "metadata"), ("/metadata", "spec_version"), ("/spec", "name")] {
        assert_eq!(refusal(&pc.put(&vm, &without(place, member)).await).0, 422, "{member}");
    }
    let nic = "/spec/resources/nic_list/0";
    assert!(refusal(&pc.put(&vm, &without(nic, "is_connected")).await).2.contains("is_connected"));
    let with = |place: &str, value: Value| {
        let mut changed = intent.clone();
        *changed.pointer_mut(place).unwrap() = value;
        changed
    };
    let learned = with(&format!("{nic}/ip_endpoint_list"), json!([{"ip": "172.31.99.10", "type": "LEARNED"}]));
    let said = pc.put(&vm, &learned).await;
    assert_eq!(refusal(&said), (422, "INVALID_REQUEST", "IP address with type LEARNED not allowed"));
    let moved = with(&format!("{nic}/ip_endpoint_list"), json!([{"ip": "172.31.99.11", "type": "ASSIGNED"}]));
    assert!(refusal(&pc.put(&vm, &moved).await).2.contains("cannot be changed"));
    let mut whole = intent.clone();
    whole["status"] = json!({});
    assert_eq!(refusal(&pc.put(&vm, &whole).await).0, 422);

    let down = with(&format!("{nic}/is_connected"), json!(false));
    let task = pc.ended(&pc.put(&vm, &down).await).await;
    assert_eq!((task["status"].as_str(), &task["entity_reference_list"][0]["uuid"]), (Some("SUCCEEDED"), &json!(vm)));
    assert_eq!(pc.nic(&vm).await["nicBackingInfo"]["isConnected"], false);
    let conflict = pc.put(&vm, &intent).await;
    let said = (409, "CONCURRENT_REQUESTS_NOT_ALLOWED", "Edit conflict: please retry change.");
    assert_eq!(refusal(&conflict), said);
}

#[tokio::test]
async fn an_intent_takes_effect_as_a_whole_or_not_at_all() {
    let pc = prism("pc-a").await;
    let (vm, app) = (pc.vm("web-1").await, pc.subnet("app").await);
    let new = |address: &str| {
        json!({"is_connected": true, "mac_address": "50:6b:8d:aa:bb:02",
        "subnet_reference": {"kind": "subnet", "uuid": app}, "ip_endpoint_list": [{"ip": address, "type": "ASSIGNED"}]})
    };
    let mut held = pc.intent(&vm).await;
    held["spec"]["resources"]["nic_list"] = json!([new("172.30.1.50")]);
    let task = pc.ended(&pc.put(&vm, &held).await).await;
    assert_eq!(task["status"], "FAILED");
    assert!(task["error_detail"].as_str().unwrap().contains("already assigned"), "{task}");
    assert_eq!(pc.address(&vm).await, "172.31.99.10");
    let mut free = pc.intent(&vm).await;
    free["spec"]["resources"]["nic_list"] = json!([new("172.30.1.34")]);
    assert_eq!(pc.ended(&pc.put(&vm, &free).await).await["status"], "SUCCEEDED");
    assert_eq!(pc.address(&vm).await, "172.30.1.34");
    pc.switch(|switches| switches.etag_races = 1);
    let mut none = pc.intent(&vm).await;
    none["spec"]["resources"]["nic_list"] = json!([]);
    let task = pc.ended(&pc.put(&vm, &none).await).await;
    assert_eq!((&task["status"], &task["error_code"]), (&json!("FAILED"), &json!("CONCURRENT_REQUESTS_NOT_ALLOWED")));
}
