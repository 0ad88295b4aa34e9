//! Plans and workloads as Move shows them: PascalCase, `Entities` with `MetaData`, `Spec` and `Status`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::state::{MoveAppliance, Plan, Progress, Workload};
use super::{Switches, TestState};
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

/// What a workload shows: its state, and the VM that its links lead to.
fn shown(workload: &Workload, switches: &Switches) -> (&'static str, Option<ExtId>) {
    match (workload.progress, workload.test_vm) {
        (Progress::ReadyToCutover | Progress::Failed, Some(test)) => {
            let state = match switches.test_state {
                TestState::Named => "TestCutoverCompleted",
                TestState::Waiting => Progress::ReadyToCutover.as_str(),
                TestState::Completed => Progress::Completed.as_str(),
            };
            (state, switches.test_linked.then_some(test))
        }
        (Progress::Completed, _) => (workload.progress.as_str(), workload.vm),
        (other, _) => (other.as_str(), None),
    }
}

fn status(plan: &Plan, workload: &Workload, switches: &Switches) -> Value {
    let (state, vm) = shown(workload, switches);
    let (actions, percent): (&[&str], u32) = match workload.progress {
        Progress::ReadyToCutover | Progress::Failed if workload.test_vm.is_some() => {
            (&["CUTOVER", "RETEST", "UNDOTEST"], 100)
        }
        Progress::ReadyToCutover | Progress::Failed => (&["CUTOVER", "TEST"], 100),
        Progress::CuttingOver(_) => (&[], 90),
        Progress::Completed => (&["DELETE"], 100),
    };
    let mut status = json!({
        "Name": workload.name,
        "UUID": workload.uuid,
        "StateString": state,
        "Actions": actions,
        "ProgressPercentage": percent,
        "ETAInSecs": 0,
        "TotalDataSizeInBytes": 0,
        "MigratedDataSizeInBytes": 0,
        "ErrorMessage": workload.error.as_deref().unwrap_or_default(),
    });
    // The link to the VM's console is the one place that tells the UUID of the target VM.
    if let (Some(vm), Some(map)) = (vm, status.as_object_mut()) {
        map.insert("VmLink".into(), format!("https://{}:9440/console/#page/explore/vms/{vm}", plan.prism).into());
        let link = format!("https://{}:9440/console/vnc/vm/{vm}/proxy", plan.prism);
        map.insert("VmConsoleLink".into(), link.into());
    }
    status
}

/// A plan.
pub fn plan(plan: &Plan, details: bool, switches: &Switches) -> Value {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for workload in &plan.workloads {
        *counts.entry(shown(workload, switches).0).or_default() += 1;
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
            "NetworkMappings": [{"TargetNetworkID": plan.network, "TestNetworkID": plan.test_network.map(|id| id.to_string()).unwrap_or_default()}],
            "Workload": {"Type": "VM", "VMs": vms},
            "Settings": {"NicConfigMode": "retain"},
        },
        "Status": {},
    });
    if let (true, Some(map)) = (details, entity.pointer_mut("/MetaData").and_then(Value::as_object_mut)) {
        map.insert("VMStatus".into(), plan.workloads.iter().map(|w| status(plan, w, switches)).collect());
    }
    entity
}

/// All plans.
pub fn plans(appliance: &MoveAppliance, details: bool, switches: &Switches) -> Value {
    let entities: Vec<Value> = appliance.plans.values().map(|p| plan(p, details, switches)).collect();
    json!({"MetaData": {"Count": entities.len()}, "Entities": entities})
}

/// A workload.
pub fn workload(plan: &Plan, workload: &Workload, switches: &Switches) -> Value {
    json!({
        "MetaData": status(plan, workload, switches),
        "Spec": {"VMReference": {"UUID": workload.uuid, "VMID": workload.instance, "VMName": workload.name}},
        "Status": status(plan, workload, switches),
    })
}

/// All workloads of a plan.
pub fn workloads(plan: &Plan, switches: &Switches) -> Value {
    let entities: Vec<Value> = plan.workloads.iter().map(|w| workload(plan, w, switches)).collect();
    let all: Vec<Value> = plan.workloads.iter().map(|w| status(plan, w, switches)).collect();
    json!({"MetaData": {"Count": entities.len()}, "Entities": entities, "Status": {"VMStatus": all}})
}
