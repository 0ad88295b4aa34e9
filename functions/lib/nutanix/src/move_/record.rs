//! What Move's lists say of one machine.

use std::collections::BTreeMap;

use holdfast_model::{ExtId, InstanceId};
use serde_json::Value;

use crate::json::{list, text};

/// What Move knows of one machine of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRecord {
    /// The migration plan.
    pub plan: String,
    /// Name of the machine.
    pub name: String,
    /// The EC2 instance that it was.
    pub instance: Option<InstanceId>,
    /// The VM that it became.
    pub vm: Option<ExtId>,
    /// How far it is.
    pub state: MoveState,
    /// What went wrong with it, in Move's words.
    pub error: Option<String>,
}

impl MoveRecord {
    /// Whether its cutover failed: it says so, and is not finished. Another cutover may be made.
    #[must_use]
    pub fn failed(&self) -> bool {
        match &self.state {
            MoveState::Unfinished(state) => {
                let state = state.to_ascii_lowercase();
                ["fail", "error", "abort", "cancel"].iter().any(|word| state.contains(word))
            }
            MoveState::Finished | MoveState::Test => false,
        }
    }

    /// Whether its cutover goes on (`CutoverInProgress`, `CutoverLastSync`); the list of Move's words is not published.
    #[must_use]
    pub fn cutting_over(&self) -> bool {
        match &self.state {
            MoveState::Unfinished(state) => {
                let state = state.to_ascii_lowercase();
                state.contains("cutover") && !state.contains("ready") && !self.failed()
            }
            MoveState::Finished | MoveState::Test => false,
        }
    }
}

/// How far the migration of one machine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveState {
    /// Cut over; the VM is the machine now.
    Finished,
    /// A test cutover: the VM is a copy that will go away.
    Test,
    /// Not cut over, in Move's words.
    Unfinished(String),
}

/// Where the members of one machine may stand; the first one that has a member counts.
const PLACES: [&str; 4] = ["", "/Status", "/MetaData", "/Spec"];

/// Machines of one plan: from the list of its workloads, else from the plan itself.
pub(super) fn read(plan: &str, plan_entity: &Value, workloads: &Value) -> Vec<MoveRecord> {
    let sources = sources(plan_entity);
    let mut all = Vec::new();
    for entity in list(workloads, "/Entities").iter().chain([workloads, plan_entity]) {
        let nested = list(entity, "/Status/VMStatus").iter().chain(list(entity, "/MetaData/VMStatus"));
        all.extend(nested.chain([entity]).filter_map(|machine| machine_record(plan, machine, &sources)));
    }
    // The plan and its workloads may both tell of a machine: what names its VM counts.
    let mut by_machine: BTreeMap<(String, Option<InstanceId>), MoveRecord> = BTreeMap::new();
    for record in all {
        let key = (record.name.clone(), record.instance.clone());
        match by_machine.get(&key) {
            Some(known) if known.vm.is_some() || record.vm.is_none() => {}
            _ => {
                by_machine.insert(key, record);
            }
        }
    }
    by_machine.into_values().collect()
}

/// Instance ids by the id that Move gives the machine.
fn sources(plan: &Value) -> BTreeMap<String, InstanceId> {
    list(plan, "/Spec/Workload/VMs")
        .iter()
        .filter_map(|vm| {
            let reference = vm.get("VMReference")?;
            let instance = InstanceId::parse(text(reference, "/VMID")?).ok()?;
            Some((text(reference, "/UUID")?.to_owned(), instance))
        })
        .collect()
}

fn machine_record(plan: &str, machine: &Value, sources: &BTreeMap<String, InstanceId>) -> Option<MoveRecord> {
    let member = |names: &[&str]| {
        PLACES.iter().find_map(|place| names.iter().find_map(|name| text(machine, &format!("{place}/{name}"))))
    };
    let actions: Vec<String> = PLACES
        .iter()
        .flat_map(|place| list(machine, &format!("{place}/Actions")))
        .filter_map(Value::as_str)
        .map(str::to_ascii_lowercase)
        .collect();
    let link = member(&["VmConsoleLink", "VMConsoleLink", "VmLink", "VMLink"]);
    let state = member(&["StateString", "StatusString"]);
    // A plan, which has neither workload state nor link of its own, is not a machine.
    let is_machine =
        link.is_some() || member(&["VMReference/VMID", "VMID"]).is_some() || machine.get("StateString").is_some();
    if !is_machine || machine.pointer("/Spec/Workload").is_some() {
        return None;
    }
    let named = member(&["VMReference/VMID", "VMID"]).and_then(|id| InstanceId::parse(id).ok());
    let known = member(&["VMReference/UUID", "UUID"]).and_then(|id| sources.get(id).cloned());
    Some(MoveRecord {
        plan: plan.to_owned(),
        name: member(&["Name", "VMName", "VMReference/VMName"])?.to_owned(),
        instance: named.or(known),
        vm: link.and_then(vm_of_link),
        state: judge(state.unwrap_or("unknown"), &actions),
        error: member(&["ErrorMessage"]).map(str::to_owned),
    })
}

fn judge(state: &str, actions: &[String]) -> MoveState {
    let lower = state.to_ascii_lowercase();
    let test_actions = ["undotest", "undo_test", "retest"];
    if lower.contains("test") || actions.iter().any(|a| test_actions.contains(&a.as_str())) {
        MoveState::Test
    } else if lower.ends_with("completed") || lower.ends_with("complete") {
        MoveState::Finished
    } else {
        MoveState::Unfinished(state.to_owned())
    }
}

/// The VM of a console link, which contains `vm/<uuid>/proxy`.
fn vm_of_link(link: &str) -> Option<ExtId> {
    let mut parts = link.split(['/', '?', '&', '=', '#']);
    while let Some(part) = parts.next() {
        if part.eq_ignore_ascii_case("vm") || part.eq_ignore_ascii_case("vms") {
            let id = parts.next().and_then(|p| ExtId::parse(p).ok());
            if id.is_some() {
                return id;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const VM: &str = "11111111-1111-4111-8111-111111111111";

    fn plan() -> Value {
        json!({"MetaData": {"UUID": "p", "StateString": "Completed"},
            "Spec": {"Name": "p1", "Workload": {"Type": "VM", "VMs": [{"VMReference": {"UUID": "w1", "VMID": "i-0a1b2c3d4e"}}]}}})
    }

    #[test]
    fn the_vm_is_read_from_the_console_link_and_the_instance_from_the_plan() {
        let link = format!("https://pc:9440/console/vm/{VM}/proxy");
        let workloads = json!({"Entities": [{"MetaData": {"Name": "web-1", "UUID": "w1", "StateString": "Completed"},
            "Status": {"VmConsoleLink": link}}]});
        let records = read("p1", &plan(), &workloads);
        assert_eq!(records.len(), 1, "{records:?}");
        assert_eq!(records[0].vm, Some(ExtId::parse(VM).unwrap()));
        assert_eq!(records[0].instance, Some(InstanceId::parse("i-0a1b2c3d4e").unwrap()));
        assert_eq!((records[0].name.as_str(), &records[0].state), ("web-1", &MoveState::Finished));
    }

    #[test]
    fn machines_nested_in_a_status_are_read() {
        let workloads = json!({"Status": {"VMStatus": [
            {"Name": "web-1", "UUID": "w1", "StateString": "ReadyToCutover", "Actions": ["CUTOVER"]},
            {"Name": "app-1", "UUID": "w2", "StateString": "TestCutoverCompleted",
             "VmConsoleLink": format!("https://pc/#console/vm/{VM}/proxy")}]}});
        let records = read("p1", &plan(), &workloads);
        let states: Vec<_> = records.iter().map(|r| (r.name.as_str(), r.state.clone())).collect();
        assert_eq!(states, [("app-1", MoveState::Test), ("web-1", MoveState::Unfinished("ReadyToCutover".into()))]);
    }

    #[test]
    fn a_completed_workload_that_offers_to_undo_a_test_is_a_test() {
        assert_eq!(judge("Completed", &["undotest".to_owned()]), MoveState::Test);
        assert_eq!(judge("Completed", &["delete".to_owned()]), MoveState::Finished);
        assert_eq!(judge("Incomplete data", &[]), MoveState::Unfinished("Incomplete data".into()));
    }
}
