//! The test cutover: a VM comes up from a copy of the disks in the test network, and the instance runs on beside it.
//!
//! Of Move's reference there is no more than the actions `test`, `retest` and `undotest` of a workload and `TestNetworkID` of a plan (nutanix-api G). What the VM
//! is named, what state the workload shows and what a cutover does with it are [`super::Switches`].

use super::cutover::{Target, make_vm, ready, start};
use super::{TestName, state::Workload};
use crate::{
    prism::{ExtId, Signal, hooks},
    world::World,
};

/// What is done with the test of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestAction {
    /// A VM comes up.
    Test,
    /// Another one comes up in its place.
    Retest,
    /// It is deleted.
    Undo,
}

/// Tests the cutover of one workload, or ends its test.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub fn test_workload(
    world: &mut World,
    name: &str,
    plan: ExtId,
    workload: ExtId,
    action: TestAction,
) -> Result<(), String> {
    let found = world.moves.get(name).and_then(|m| m.plans.get(&plan)).ok_or("there is no such plan")?;
    let entry = found.workloads.iter().find(|w| w.uuid == workload).ok_or("there is no such workload")?.clone();
    match (action, entry.test_vm) {
        (TestAction::Test, Some(_)) => return Err(format!("workload `{}` is tested already", entry.name)),
        (TestAction::Test, None) if !ready(&entry) => {
            return Err(format!("workload `{}` is not ready for a test", entry.name));
        }
        (TestAction::Retest | TestAction::Undo, None) => {
            return Err(format!("workload `{}` has no test", entry.name));
        }
        (TestAction::Test, None) | (TestAction::Retest | TestAction::Undo, Some(_)) => {}
    }
    let made = match action {
        TestAction::Undo => None,
        TestAction::Test | TestAction::Retest => {
            let vm_name = match world.switches.move_.test_name {
                TestName::Same => entry.name.clone(),
                TestName::Suffixed => format!("{}-test", entry.name),
            };
            let network = found.test_network.or(entry.network).unwrap_or(found.network);
            let prism = found.prism.clone();
            let target = Target { prism: &prism, cluster: found.cluster, network, name: &vm_name };
            let (vm, _) = make_vm(world, &entry, &target)?;
            start(world, &entry, &prism, vm);
            Some(vm)
        }
    };
    remove_vm(world, name, plan, workload);
    if let Some(entry) = entry_of(world, name, plan, workload) {
        entry.test_vm = made;
    }
    Ok(())
}

/// Deletes the VM of a workload's test, where there is one.
pub(super) fn remove_vm(world: &mut World, name: &str, plan: ExtId, workload: ExtId) {
    let prism = world.moves.get(name).and_then(|m| m.plans.get(&plan)).map(|plan| plan.prism.clone());
    let vm = entry_of(world, name, plan, workload).and_then(|entry| entry.test_vm.take());
    let (Some(prism), Some(vm)) = (prism, vm) else { return };
    if let Some(of) = world.prisms.get_mut(&prism) {
        of.vms.remove(&vm);
    }
    hooks::notify(world, &prism, vec![Signal::Deleted { vm }]);
}

fn entry_of<'w>(world: &'w mut World, name: &str, plan: ExtId, workload: ExtId) -> Option<&'w mut Workload> {
    let plan = world.moves.get_mut(name).and_then(|m| m.plans.get_mut(&plan))?;
    plan.workloads.iter_mut().find(|w| w.uuid == workload)
}
