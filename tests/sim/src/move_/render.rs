//! Plans and workloads as Move shows them: PascalCase, `Entities` with `MetaData`, `Spec` and `Status`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::{MoveAppliance, Plan, Progress, Workload};
use crate::prism::ExtId;

/// The reply to a login.
pub fn token(token: &str, username: &str) -> Value {
    json!({"AccessToken": token, "RefreshToken": ExtId::derived(&["refresh", token]), "AccessTokenExpiry": 900,
        "Username": username, "APIVersion": "2.2.0"})
}

/// The source and target providers.
pub fn providers(appliance: &MoveAppliance) -> Value {
    let mut entities: BTreeMap<String, Value> = BTreeMap::new();
    for plan in appliance.plans.values() {
        for (kind, name) in [("AWS_EC2", &plan.region), ("AOS_AHV_PC", &plan.prism)] {
            let uuid = ExtId::derived(&["provider", name]);
            let entity = json!({"MetaData": {"UUID": uuid, "Name": name, "Type": kind}, "Spec": {"UUID": uuid, "Name": name, "Type": kind}});
            entities.insert(name.clone(), entity);
        }
    }
    let entities: Vec<Value> = entities.into_values().collect();
    json!({"MetaData": {"Count": entities.len()}, "Entities": entities})
}

fn status(plan: &Plan, workload: &Workload) -> Value {
    let (actions, percent): (&[&str], u32) = match workload.progress {
        Progress::ReadyToCutover | Progress::Failed => (&["CUTOVER", "TEST"], 100),
        Progress::CuttingOver(_) => (&[], 90),
        Progress::Completed => (&["DELETE"], 100),
    };
    let mut status = json!({
        "Name": workload.name,
        "UUID": workload.uuid,
        "StateString": workload.progress.as_str(),
        "Actions": actions,
        "ProgressPercentage": percent,
        "ETAInSecs": 0,
        "TotalDataSizeInBytes": 0,
        "MigratedDataSizeInBytes": 0,
        "ErrorMessage": workload.error.as_deref().unwrap_or_default(),
    });
    // The link to the VM's console is the one place that tells the UUID of the target VM.
    if let (Progress::Completed, Some(vm), Some(map)) = (workload.progress, workload.vm, status.as_object_mut()) {
        map.insert("VmLink".into(), format!("https://{}:9440/console/#page/explore/vms/{vm}", plan.prism).into());
        let link = format!("https://{}:9440/console/vnc/vm/{vm}/proxy", plan.prism);
        map.insert("VmConsoleLink".into(), link.into());
    }
    status
}

/// A plan.
pub fn plan(plan: &Plan, details: bool) -> Value {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for workload in &plan.workloads {
        *counts.entry(workload.progress.as_str()).or_default() += 1;
    }
    let completed = plan.workloads.iter().all(|w| w.progress == Progress::Completed);
    let actions: &[&str] = if completed { &["DELETE"] } else { &["SUSPEND", "CANCEL"] };
    let vms: Vec<Value> = plan
        .workloads
        .iter()
        .map(|w| {
            json!({"VMReference": {"UUID": w.uuid, "VMID": w.instance, "VMName": w.name}, "GuestPrepMode": "manual",
                "VMCustomizeType": "replicate", "InstallNGT": true, "RetainMacAddress": false, "SkipIPRetention": true})
        })
        .collect();
    let mut entity = json!({
        "MetaData": {
            "UUID": plan.uuid,
            "Name": plan.name,
            "StateString": if completed { "Completed" } else { "InProgress" },
            "VMStateCounts": counts,
            "Actions": actions,
            "NumVMs": plan.workloads.len(),
        },
        "Spec": {
            "UUID": plan.uuid,
            "Name": plan.name,
            "SourceInfo": {"ProviderUUID": ExtId::derived(&["provider", &plan.region]), "AWSProviderAttrs": {"RegionID": plan.region}},
            "TargetInfo": {"ProviderUUID": ExtId::derived(&["provider", &plan.prism]), "AOSProviderAttrs": {"ClusterUUID": plan.cluster}},
            "NetworkMappings": [{"TargetNetworkID": plan.network}],
            "Workload": {"Type": "VM", "VMs": vms},
            "Settings": {"NicConfigMode": "retain"},
        },
        "Status": {},
    });
    if let (true, Some(map)) = (details, entity.pointer_mut("/MetaData").and_then(Value::as_object_mut)) {
        map.insert("VMStatus".into(), plan.workloads.iter().map(|w| status(plan, w)).collect());
    }
    entity
}

/// All plans.
pub fn plans(appliance: &MoveAppliance, details: bool) -> Value {
    let entities: Vec<Value> = appliance.plans.values().map(|p| plan(p, details)).collect();
    json!({"MetaData": {"Count": entities.len()}, "Entities": entities})
}

/// A workload.
pub fn workload(plan: &Plan, workload: &Workload) -> Value {
    json!({
        "MetaData": status(plan, workload),
        "Spec": {"VMReference": {"UUID": workload.uuid, "VMID": workload.instance, "VMName": workload.name}},
        "Status": status(plan, workload),
    })
}

/// All workloads of a plan.
pub fn workloads(plan: &Plan) -> Value {
    let entities: Vec<Value> = plan.workloads.iter().map(|w| workload(plan, w)).collect();
    let all: Vec<Value> = plan.workloads.iter().map(|w| status(plan, w)).collect();
    json!({"MetaData": {"Count": entities.len()}, "Entities": entities, "Status": {"VMStatus": all}})
}
