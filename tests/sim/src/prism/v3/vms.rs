//! VMs as v3 shows them, and the one way to change their NICs: a PUT of the whole spec.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::address::Wanted;
use super::super::change::{Change, NicWish, PowerAction};
use super::super::ids::ExtId;
use super::super::reply::{Reply, Request};
use super::super::state::{Nic, NicShape, Power, Prism, Vm};
use super::super::vms::of_vm;
use super::super::{Context, body};
use super::{Refusal, entity, list, reference, task_uuid};

/// A NIC. Whether a spec shows learned addresses too is unverified; here it does, so that a client must leave them out
/// of what it sends back (terraform-provider-nutanix issue 97).
fn nic(central: &Prism, nic: &Nic) -> Value {
    let shape = &nic.shape;
    let assigned = nic.address.filter(|_| nic.hidden_reads == 0).map(|ip| json!({"ip": ip, "type": "ASSIGNED"}));
    let learned = nic.learned.iter().map(|ip| json!({"ip": ip, "type": "LEARNED"}));
    let subnet = central.subnets.get(&nic.subnet).map(|s| s.name.clone()).unwrap_or_default();
    let mut shown = json!({
        "uuid": nic.ext_id,
        "nic_type": shape.kind,
        "mac_address": nic.mac,
        "is_connected": shape.connected,
        "num_queues": shape.queues,
        "vlan_mode": if shape.vlan_mode == "TRUNK" { "TRUNKED" } else { "ACCESS" },
        "subnet_reference": reference("subnet", nic.subnet, &subnet),
        "ip_endpoint_list": assigned.into_iter().chain(learned).collect::<Vec<_>>(),
        "trunked_vlan_list": shape.trunked,
    });
    let Some(map) = shown.as_object_mut() else { return shown };
    if let Some(model) = &shape.model {
        map.insert("model".into(), model.as_str().into());
    }
    if nic.hidden_reads == 0 {
        map.insert("secondary_ip_address_list".into(), json!(nic.secondary));
    }
    if let Some(chain) = shape.function_chain {
        map.insert("network_function_chain_reference".into(), reference("network_function_chain", chain, ""));
    }
    if let Some(kind) = &shape.function_kind {
        map.insert("network_function_nic_type".into(), kind.as_str().into());
    }
    shown
}

/// That a VM without NICs shows no list of them is unverified.
fn spec(central: &Prism, vm: &Vm) -> Value {
    let cluster = central.clusters.get(&vm.cluster).map(|c| c.name.clone()).unwrap_or_default();
    let mut spec = json!({
        "name": vm.name,
        "cluster_reference": reference("cluster", vm.cluster, &cluster),
        "resources": {
            "power_state": vm.power.as_str(),
            "num_sockets": vm.sockets,
            "memory_size_mib": vm.memory_bytes >> 20,
        },
    });
    if let (false, Some(resources)) = (vm.nics.is_empty(), spec.get_mut("resources").and_then(Value::as_object_mut)) {
        resources.insert("nic_list".into(), vm.nics.iter().map(|n| nic(central, n)).collect());
    }
    spec
}

fn shown(central: &Prism, vm: &Vm) -> Value {
    let spec = spec(central, vm);
    let mut status = spec.clone();
    if let Some(map) = status.as_object_mut() {
        map.insert("state".into(), "COMPLETE".into());
    }
    entity("vm", vm.ext_id, vm.version, &spec, status)
}

/// The address that a NIC of a spec asks for.
fn asked(item: &Value) -> Result<Option<Ipv4Addr>, Refusal> {
    let mut found = None;
    for endpoint in body::items(item, "/ip_endpoint_list")? {
        if body::text(endpoint, "/type")?.unwrap_or("ASSIGNED") != "ASSIGNED" {
            return Err(Refusal::invalid("IP address with type LEARNED not allowed"));
        }
        let text = body::text(endpoint, "/ip")?.unwrap_or_default();
        found = Some(text.parse().map_err(|_| Refusal::invalid(format!("`{text}` is not an IPv4 address")))?);
    }
    Ok(found)
}

fn wish(item: &Value, default: &NicShape) -> Result<NicWish, Refusal> {
    let subnet = body::required(body::ext_id(item, "/subnet_reference/uuid")?, "/subnet_reference/uuid")?;
    let given = |name: &str| body::text(item, name).map(|text| text.map(str::to_owned));
    let shape = NicShape {
        connected: body::flag(item, "/is_connected")?.unwrap_or(default.connected),
        kind: given("/nic_type")?.unwrap_or_else(|| default.kind.clone()),
        vlan_mode: match body::text(item, "/vlan_mode")? {
            Some("TRUNKED") => "TRUNK".into(),
            Some("ACCESS") | None => "ACCESS".into(),
            Some(other) => return Err(Refusal::invalid(format!("`{other}` is no vlan_mode"))),
        },
        model: given("/model")?,
        queues: body::number(item, "/num_queues")?.unwrap_or(default.queues),
        trunked: body::items(item, "/trunked_vlan_list")?.iter().filter_map(Value::as_i64).collect(),
        function_chain: body::ext_id(item, "/network_function_chain_reference/uuid")?,
        function_kind: given("/network_function_nic_type")?,
        ..default.clone()
    };
    let wanted = asked(item)?.map_or(Wanted::Any, Wanted::Exactly);
    let secondary = item.get("secondary_ip_address_list").map(|list| {
        serde_json::from_value(list.clone())
            .map_err(|error| Refusal::invalid(format!("secondary_ip_address_list: {error}")))
    });
    let mac = given("/mac_address")?.map(|mac| mac.to_ascii_lowercase());
    Ok(NicWish { mac, subnet, wanted, secondary: secondary.transpose()?, shape })
}

/// What makes the NICs of a VM those of a list: what is missing goes, what has no UUID comes, links change.
///
/// That another address, subnet or MAC address of a NIC is refused is unverified: nothing public shows that it works
/// (nutanix-api H).
fn nic_changes(vm: &Vm, wanted: &[Value], keeps_order: bool) -> Result<Vec<Change>, Refusal> {
    let mut order = Vec::new();
    let (mut kept, mut updates, mut creations) = (Vec::new(), Vec::new(), Vec::new());
    for item in wanted {
        let id = body::ext_id(item, "/uuid")?;
        order.push(id);
        let Some(id) = id else {
            creations.push(Change::CreateNic(vm.ext_id, wish(item, &NicShape::default())?));
            continue;
        };
        let nic = vm.nic(id).ok_or_else(|| Refusal::invalid(format!("The VM has no NIC {id}")))?;
        // Later versions want it given with every update (terraform-provider-nutanix issue 33).
        body::required(body::flag(item, "/is_connected")?, "/is_connected")?;
        let wish = wish(item, &nic.shape)?;
        let moved = wish.subnet != nic.subnet
            || wish.mac.as_ref().is_some_and(|mac| *mac != nic.mac)
            || wish.secondary.as_ref().is_some_and(|secondary| *secondary != nic.secondary)
            || matches!(wish.wanted, Wanted::Exactly(ip) if Some(ip) != nic.address);
        if moved {
            return Err(Refusal::invalid(format!("Subnet, address and MAC address of NIC {id} cannot be changed")));
        }
        kept.push(id);
        if wish.shape != nic.shape {
            updates.push(Change::UpdateNic(vm.ext_id, id, NicWish { wanted: Wanted::Nothing, ..wish }));
        }
    }
    let gone = vm.nics.iter().filter(|nic| !kept.contains(&nic.ext_id));
    let mut all: Vec<Change> = gone.map(|nic| Change::DeleteNic(vm.ext_id, nic.ext_id)).collect();
    all.append(&mut updates);
    if keeps_order && !creations.is_empty() {
        creations.push(Change::ArrangeNics(vm.ext_id, order));
    }
    all.append(&mut creations);
    Ok(all)
}

impl Prism {
    pub(super) fn v3_vm(&self, id: &str) -> Result<&Vm, Refusal> {
        ExtId::parse(id).and_then(|id| self.vms.get(&id)).ok_or_else(|| Refusal::missing("VM", id))
    }

    pub(super) fn v3_list_vms(&self, request: &Request) -> Result<Reply, Refusal> {
        list(request, "vm", &[("vm_name", "/status/name")], self.vms.values().map(|vm| shown(self, vm)).collect())
    }

    pub(super) fn v3_get_vm(&mut self, id: &str, cx: &Context<'_>) -> Result<Reply, Refusal> {
        let ext_id = self.v3_vm(id)?.ext_id;
        if let Some(vm) = self.vms.get_mut(&ext_id) {
            vm.reads = vm.reads.wrapping_add(1);
            let every = cx.switches.etag_drift_every;
            if every > 0 && vm.reads.is_multiple_of(every) {
                vm.touch(cx.now);
            }
        }
        let mut body = shown(self, self.v3_vm(id)?);
        if let Some(map) = body.as_object_mut() {
            map.insert("api_version".into(), "3.1".into());
        }
        Ok(Reply::json(200, body))
    }

    /// A missing `nic_list` takes all NICs away: the spec is the whole of what is wanted.
    pub(super) fn v3_put_vm(&mut self, request: &Request, id: &str, cx: &mut Context<'_>) -> Result<Reply, Refusal> {
        let vm = self.v3_vm(id)?;
        let body = body::object(request)?;
        body::required(body::text(&body, "/api_version")?, "/api_version")?;
        if body::required(body::text(&body, "/metadata/kind")?, "/metadata/kind")? != "vm" {
            return Err(Refusal::invalid("/metadata/kind must be vm"));
        }
        if body.get("status").is_some() {
            return Err(Refusal::invalid("status is not a member of an intent"));
        }
        let version = body::required(body::number(&body, "/metadata/spec_version")?, "/metadata/spec_version")?;
        if u64::try_from(version).ok() != Some(vm.version) {
            let message = "Edit conflict: please retry change.".to_owned();
            return Err(Refusal { status: 409, reason: "CONCURRENT_REQUESTS_NOT_ALLOWED", message });
        }
        if body::required(body::text(&body, "/spec/name")?, "/spec/name")? != vm.name {
            return Err(Refusal::invalid("that a VM is renamed is not simulated"));
        }
        body::required(body.pointer("/spec/resources"), "/spec/resources")?;
        let mut changes =
            nic_changes(vm, body::items(&body, "/spec/resources/nic_list")?, cx.switches.v3_keeps_nic_order)?;
        let power = match (body::text(&body, "/spec/resources/power_state")?, vm.power) {
            (Some("ON"), Power::Off) => Some(PowerAction::On),
            (Some("OFF"), Power::On) => Some(PowerAction::Off),
            _ => None,
        };
        changes.extend(power.map(|action| Change::Power(vm.ext_id, action)));
        let (vm, version) = (vm.ext_id, vm.version);
        let task = self.accept("VmUpdate", of_vm(vm), Some((vm, version)), Change::All(changes), cx);
        let body = json!({"api_version": "3.1", "spec": body.get("spec"),
            "metadata": {"kind": "vm", "uuid": vm, "spec_version": version + 1, "categories": {}},
            "status": {"state": "PENDING", "execution_context": {"task_uuid": task_uuid(&task)}}});
        Ok(Reply::json(202, body))
    }
}
