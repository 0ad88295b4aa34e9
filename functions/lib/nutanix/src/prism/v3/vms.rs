//! VMs of v3, read into the form of v4, and the changes of their NICs: a PUT of the whole intent as it was read.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use holdfast_model::ExtId;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::http::{Body, Request};
use crate::json::{documents, list, text};
use crate::prism::api::{NicApi, VmApi};
use crate::prism::calls::TRIES_WHEN_STALE;
use crate::prism::v3::{V3, VERSION, id, name};
use crate::prism::v4::{CreateNic, Nic, Vm, VmRead};
use crate::{NutanixError, TimeLimit};

/// A NIC in the form of v4.
pub(super) fn nic(nic: &Value) -> Value {
    let endpoints = |wanted: &str| -> Vec<Value> {
        let all = list(nic, "/ip_endpoint_list").iter();
        let these = all.filter(|e| text(e, "/type").unwrap_or("ASSIGNED") == wanted);
        these.filter_map(|e| text(e, "/ip")).map(|ip| json!({"value": ip})).collect()
    };
    let mut assigned = endpoints("ASSIGNED").into_iter();
    let primary = assigned.next();
    let secondary = list(nic, "/secondary_ip_address_list").iter().map(|ip| json!({"value": ip}));
    json!({
        "extId": nic.get("uuid"),
        "backingInfo": {"macAddress": nic.get("mac_address"), "isConnected": nic.get("is_connected"),
            "model": nic.get("model"), "numQueues": nic.get("num_queues")},
        "networkInfo": {
            "nicType": nic.get("nic_type"),
            "vlanMode": text(nic, "/vlan_mode").map(|mode| if mode == "TRUNKED" { "TRUNK" } else { mode }),
            "trunkedVlans": nic.get("trunked_vlan_list"),
            "networkFunctionChain": nic.pointer("/network_function_chain_reference/uuid"),
            "networkFunctionNicType": nic.get("network_function_nic_type"),
            "subnet": {"extId": nic.pointer("/subnet_reference/uuid")},
            "ipv4Config": {"ipAddress": primary, "secondaryIpAddressList": assigned.chain(secondary).collect::<Vec<_>>()},
            "ipv4Info": {"learnedIpAddresses": endpoints("LEARNED")},
        },
    })
}

fn vm(entity: &Value) -> Option<Vm> {
    let resources = entity.pointer("/status/resources")?;
    let cluster = entity.pointer("/status/cluster_reference/uuid");
    Vm::parse(&json!({
        "extId": id(entity)?, "name": name(entity), "powerState": resources.get("power_state"),
        "cluster": {"extId": cluster.or_else(|| entity.pointer("/spec/cluster_reference/uuid"))},
        "nics": documents(resources, "/nic_list").ok()?.iter().map(nic).collect::<Vec<_>>(),
    }))
}

/// A NIC to create, as an item of a spec: one without UUID.
fn created(nic: &CreateNic) -> Value {
    let endpoints: Vec<Value> = nic.address.iter().map(|ip| json!({"ip": ip, "type": "ASSIGNED"})).collect();
    let all = json!({
        "mac_address": nic.mac,
        "is_connected": true,
        "subnet_reference": {"kind": "subnet", "uuid": nic.subnet},
        "ip_endpoint_list": endpoints,
        "nic_type": nic.nic_type.as_deref().unwrap_or("NORMAL_NIC"),
        "vlan_mode": if nic.vlan_mode.as_deref() == Some("TRUNK") { "TRUNKED" } else { "ACCESS" },
        "model": nic.model,
        "num_queues": nic.queues,
        "secondary_ip_address_list": nic.secondary,
        "trunked_vlan_list": nic.trunked_vlans,
        "network_function_chain_reference":
            nic.function_chain.as_ref().map(|id| json!({"kind": "network_function_chain", "uuid": id})),
        "network_function_nic_type": nic.function_type,
    });
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match all {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !empty(v)).collect::<Map<_, _>>().into(),
        other => other,
    }
}

/// What a PUT must not carry or must have: learned addresses are refused (terraform-provider-nutanix issue 97), the state of the link is
/// demanded (issue 33).
fn as_a_put_wants_it(nic: &mut Value) {
    let Some(map) = nic.as_object_mut() else { return };
    map.entry("is_connected").or_insert(true.into());
    if let Some(endpoints) = map.get_mut("ip_endpoint_list").and_then(Value::as_array_mut) {
        endpoints.retain(|e| text(e, "/type").unwrap_or("ASSIGNED") == "ASSIGNED");
    }
}

/// The intent of a VM as it was read, to be sent back with other NICs.
fn intent(read: &Value, edit: impl FnOnce(&mut Vec<Value>) -> Result<bool, NutanixError>) -> Edited {
    let (Some(metadata), Some(spec)) = (read.get("metadata"), read.get("spec")) else { return Edited::Unreadable };
    let (mut metadata, mut spec) = (metadata.clone(), spec.clone());
    // A VM without NICs may show no list. A VM with NICs that shows none is not understood: sent back, it would lose them.
    let some = !list(read, "/status/resources/nic_list").is_empty();
    let nics = match spec.get_mut("resources").and_then(Value::as_object_mut) {
        Some(resources) if !some => resources.entry("nic_list").or_insert(json!([])).as_array_mut(),
        Some(resources) => resources.get_mut("nic_list").and_then(Value::as_array_mut),
        None => None,
    };
    let Some(nics) = nics else { return Edited::Unreadable };
    nics.iter_mut().for_each(as_a_put_wants_it);
    match edit(nics) {
        Ok(true) => {}
        Ok(false) => return Edited::Already,
        Err(error) => return Edited::Refused(error),
    }
    // Without it, a category with several values loses all but one (nutanix-api H).
    if let Some(map) = metadata.as_object_mut().filter(|map| map.contains_key("categories_mapping")) {
        map.insert("use_categories_mapping".to_owned(), true.into());
    }
    Edited::Put(json!({"api_version": VERSION, "metadata": metadata, "spec": spec}))
}

enum Edited {
    Put(Value),
    Already,
    Refused(NutanixError),
    Unreadable,
}

impl V3 {
    /// Changes the list of NICs of a VM, waits for the task, and tells whether there was something to change, which `edit` says.
    ///
    /// # Guarantees
    /// A change that found the VM changed (HTTP 409, or in its task) was not made; it is made again, from a fresh read, with the same meaning.
    async fn change_nics(
        &self,
        what: &str,
        vm: &ExtId,
        limit: &TimeLimit,
        edit: impl Fn(&mut Vec<Value>) -> Result<bool, NutanixError>,
    ) -> Result<bool, NutanixError> {
        let mut backoff = self.calls.timeouts.pauses.backoff();
        let mut tries = 0;
        loop {
            match self.change_nics_once(what, vm, limit, &edit).await {
                Err(NutanixError::Stale { .. }) if tries < TRIES_WHEN_STALE && backoff.pause(limit).await => tries += 1,
                other => return other,
            }
        }
    }

    async fn change_nics_once(
        &self,
        what: &str,
        vm: &ExtId,
        limit: &TimeLimit,
        edit: impl Fn(&mut Vec<Value>) -> Result<bool, NutanixError>,
    ) -> Result<bool, NutanixError> {
        let path = format!("/vms/{vm}");
        let read = self.get(what, &path).await?;
        let body = match intent(&read, edit) {
            Edited::Put(body) => body,
            Edited::Already => return Ok(false),
            Edited::Refused(error) => return Err(error),
            Edited::Unreadable => {
                return Err(self.calls.unreadable(what, "no `metadata` or no `spec.resources.nic_list`"));
            }
        };
        let path = format!("/api/nutanix/v3{path}");
        let request = Request { body: Body::Json(body), ..self.calls.request(what, Method::PUT, &path) };
        let reply = self.calls.http.send(&request).await?;
        let task = text(&reply.body, "/status/execution_context/task_uuid");
        let task = task.ok_or_else(|| self.calls.unreadable(what, "no `status.execution_context.task_uuid`"))?;
        self.await_task(what, task, limit).await.map(|()| true)
    }

    fn no_action<T>(&self, action: &str) -> Result<T, NutanixError> {
        Err(NutanixError::NoAction {
            endpoint: self.calls.endpoint().to_owned(),
            level: "v3".to_owned(),
            action: action.to_owned(),
            message: "a NIC of this API gets another address or subnet only by being created anew".to_owned(),
        })
    }
}

impl VmApi for V3 {
    async fn vms_named(&self, name: &str) -> Result<Vec<Vm>, NutanixError> {
        let what = format!("list of VMs named `{name}`");
        let found = self.named(&what, "vm", "vm_name", name).await?;
        found
            .iter()
            .map(|e| vm(e).ok_or_else(|| self.calls.unreadable(&what, "a VM without `metadata.uuid`")))
            .collect()
    }

    async fn vm(&self, id: &ExtId) -> Result<VmRead, NutanixError> {
        let what = format!("VM `{id}`");
        let entity = self.get(&what, &format!("/vms/{id}")).await?;
        let vm = vm(&entity).ok_or_else(|| {
            self.calls.unreadable(&what, "no `metadata.uuid`, no `status.resources`, or a `nic_list` that is none")
        })?;
        Ok(VmRead { vm, etag: None })
    }

    async fn reboot(&self, vm: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        let what = format!("reboot of VM `{vm}`");
        let reply = self.post(&what, &format!("/vms/{vm}/acpi_reboot"), json!({})).await?;
        let task = text(&reply, "/task_uuid").ok_or_else(|| self.calls.unreadable(&what, "no `task_uuid`"))?;
        self.await_task(&what, task, limit).await
    }
}

fn same(nic: &Value, id: &ExtId) -> bool {
    text(nic, "/uuid") == Some(id.as_str())
}

fn no_such_nic(vm: &ExtId, nic: &ExtId) -> NutanixError {
    NutanixError::NotFound { what: format!("NIC `{nic}`"), message: format!("VM `{vm}` has no such NIC") }
}

impl NicApi for V3 {
    async fn migrate_nic(
        &self,
        _: &ExtId,
        _: &ExtId,
        _: &ExtId,
        _: Ipv4Addr,
        _: &TimeLimit,
    ) -> Result<(), NutanixError> {
        self.no_action("migrate")
    }

    async fn assign_ip(&self, _: &ExtId, _: &ExtId, _: Ipv4Addr, _: &TimeLimit) -> Result<(), NutanixError> {
        self.no_action("assign-ip")
    }

    async fn release_ip(&self, _: &ExtId, _: &ExtId, _: &TimeLimit) -> Result<(), NutanixError> {
        self.no_action("release-ip")
    }

    async fn set_link(
        &self,
        vm: &ExtId,
        nic: &ExtId,
        connected: bool,
        limit: &TimeLimit,
    ) -> Result<bool, NutanixError> {
        let what = format!("{} of NIC `{nic}`", if connected { "connection" } else { "disconnection" });
        self.change_nics(&what, vm, limit, |nics| {
            let here = nics.iter_mut().find(|n| same(n, nic)).and_then(Value::as_object_mut);
            let was = here.ok_or_else(|| no_such_nic(vm, nic))?.insert("is_connected".to_owned(), connected.into());
            Ok(was != Some(connected.into()))
        })
        .await
    }

    async fn set_secondary(&self, _: &ExtId, _: &ExtId, _: &[Ipv4Addr], _: &TimeLimit) -> Result<(), NutanixError> {
        self.no_action("change of secondary addresses")
    }

    async fn delete_nic(&self, vm: &ExtId, nic: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        self.change_nics(&format!("deletion of NIC `{nic}`"), vm, limit, |nics| {
            let before = nics.len();
            nics.retain(|n| !same(n, nic));
            if nics.len() < before { Ok(true) } else { Err(no_such_nic(vm, nic)) }
        })
        .await
        .map(|_| ())
    }

    async fn create_nic(
        &self,
        vm: &ExtId,
        nic: &CreateNic,
        ahead_of: &[ExtId],
        limit: &TimeLimit,
    ) -> Result<Nic, NutanixError> {
        let what = format!("creation of a NIC with MAC address {} on VM `{vm}`", nic.mac);
        let known = Mutex::new(BTreeSet::new());
        self.change_nics(&what, vm, limit, |nics| {
            let ids = nics.iter().filter_map(|n| text(n, "/uuid")).map(str::to_owned).collect();
            *known.lock().unwrap_or_else(PoisonError::into_inner) = ids;
            // One that came by an earlier try, whose reply was lost, is not created twice.
            let there =
                nics.iter().any(|n| text(n, "/mac_address").is_some_and(|m| m.eq_ignore_ascii_case(nic.mac.as_str())));
            let at = nics.iter().position(|n| ahead_of.iter().any(|behind| same(n, behind)));
            nics.insert(at.unwrap_or(nics.len()), created(nic));
            Ok(!there)
        })
        .await?;
        let known = known.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut backoff = self.calls.timeouts.pauses.backoff();
        loop {
            let seen = self.vm(vm).await?.vm;
            let own = seen.nics.iter().find(|n| n.mac.as_ref() == Some(&nic.mac));
            // One that came with another MAC address is told by its id.
            let another = || seen.nics.iter().find(|n| !known.contains(n.id.as_str()));
            if let Some(found) = own.or_else(another) {
                return Ok(found.clone());
            }
            if !backoff.pause(limit).await {
                let what = format!("the NIC with MAC address {}", nic.mac);
                let message = format!("its creation succeeded, but VM `{vm}` does not show it");
                return Err(NutanixError::NotFound { what, message });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Value {
        json!({
            "metadata": {"kind": "vm", "uuid": "11111111-1111-4111-8111-111111111111", "spec_version": 7, "categories_mapping": {}},
            "status": {"name": "web-1"},
            "spec": {"name": "web-1", "resources": {"num_sockets": 2, "nic_list": [{
                "uuid": "33333333-3333-4333-8333-333333333333", "mac_address": "50:6b:8d:11:22:33",
                "subnet_reference": {"kind": "subnet", "uuid": "22222222-2222-4222-8222-222222222222"},
                "ip_endpoint_list": [{"ip": "10.10.1.25", "type": "ASSIGNED"}, {"ip": "10.10.1.30", "type": "LEARNED"}],
                "secondary_ip_address_list": ["10.10.1.26"], "vlan_mode": "TRUNKED", "trunked_vlan_list": [10, 20],
                "network_function_nic_type": "TAP",
                "network_function_chain_reference": {"kind": "network_function_chain", "uuid": "55555555-5555-4555-8555-555555555555"}}]}},
        })
    }

    #[test]
    fn a_nic_is_read_into_the_form_of_v4() {
        let nic = Nic::parse(&nic(&read()["spec"]["resources"]["nic_list"][0])).unwrap();
        assert_eq!(nic.configured, ["10.10.1.25", "10.10.1.26"].map(|a| a.parse::<Ipv4Addr>().unwrap()));
        assert_eq!(nic.learned, ["10.10.1.30"].map(|a| a.parse::<Ipv4Addr>().unwrap()));
        assert_eq!((nic.mac.as_ref().unwrap().as_str(), nic.connected), ("50:6b:8d:11:22:33", true));
        let again = nic.again(nic.subnet.as_ref().unwrap(), None).unwrap();
        let created = created(&CreateNic { secondary: vec!["10.10.1.26".parse().unwrap()], ..again });
        let read = &read()["spec"]["resources"]["nic_list"][0];
        for member in [
            "vlan_mode",
            "trunked_vlan_list",
            "network_function_nic_type",
            "network_function_chain_reference",
            "secondary_ip_address_list",
        ] {
            assert_eq!(created[member], read[member], "{member}");
        }
    }

    #[test]
    fn a_put_is_the_whole_intent_without_status_and_without_what_was_only_learned() {
        let Edited::Put(put) = intent(&read(), |_| Ok(true)) else { panic!("no PUT") };
        assert_eq!((put.get("status"), &put["metadata"]["spec_version"]), (None, &json!(7)));
        assert_eq!((&put["spec"]["resources"]["num_sockets"], &put["api_version"]), (&json!(2), &json!("3.1")));
        assert_eq!(put["metadata"]["use_categories_mapping"], true);
        let nic = &put["spec"]["resources"]["nic_list"][0];
        assert_eq!(nic["ip_endpoint_list"], json!([{"ip": "10.10.1.25", "type": "ASSIGNED"}]));
        assert_eq!(nic["is_connected"], true);
    }

    #[test]
    fn an_intent_without_its_nics_is_never_sent_back() {
        let mut read = read();
        let nics = read["spec"]["resources"].as_object_mut().unwrap().remove("nic_list").unwrap();
        let Edited::Put(put) = intent(&read, |_| Ok(true)) else { panic!("a VM without NICs can be given one") };
        assert_eq!(put["spec"]["resources"]["nic_list"], json!([]));
        read["status"]["resources"] = json!({"nic_list": nics});
        assert!(matches!(intent(&read, |_| Ok(true)), Edited::Unreadable));
    }
}
