//! The cutover: an instance stops, a VM of its name starts with its disks.
//!
//! The VM has other MAC addresses and addresses from the pool of the landing subnet: for AWS sources Move retains
//! neither (nutanix-api G).

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::TestAtCutover;
use super::state::{Progress, Workload};
use crate::{
    guests,
    prism::{
        Context, ExtId, Signal,
        address::Wanted,
        change::NicWish,
        hooks,
        state::{NicShape, Power, Vm},
    },
    world::World,
};

/// Which workloads of a plan are cut over, by their names or instances; the others go on waiting.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Part {
    /// Those that are cut over; all that wait unless given.
    pub only: Option<Vec<String>>,
    /// Those of them whose cutover fails.
    pub fail: Vec<String>,
}

/// Cuts all workloads of a plan over that are not yet.
///
/// # Errors
/// A sentence that says why it cannot be done; workloads before the failing one are cut over.
pub fn cutover(world: &mut World, name: &str, plan: &str) -> Result<Value, String> {
    cutover_part(world, name, plan, &Part::default())
}

/// Cuts some workloads of a plan over.
///
/// # Errors
/// As [`cutover`](fn@cutover), and names of workloads that do not wait for a cutover.
pub fn cutover_part(world: &mut World, name: &str, plan: &str, part: &Part) -> Result<Value, String> {
    let appliance = world.moves.get(name).ok_or_else(|| format!("there is no Move `{name}`"))?;
    let plan = appliance.plan(plan).ok_or_else(|| format!("Move `{name}` has no plan `{plan}`"))?;
    let (uuid, plan_name) = (plan.uuid, plan.name.clone());
    let named = |w: &Workload, names: &[String]| names.contains(&w.name) || names.contains(&w.instance);
    let waiting = |w: &&Workload| ready(w) && part.only.as_ref().is_none_or(|only| named(w, only));
    let workloads: Vec<Workload> = plan.workloads.iter().filter(waiting).cloned().collect();
    if workloads.is_empty() {
        return Err(format!("every workload of plan `{plan_name}` is cut over already"));
    }
    let waits = |name: &str| workloads.iter().any(|w| w.name == name || w.instance == name);
    if let Some(unknown) = part.only.iter().flatten().chain(&part.fail).find(|name| !waits(name)) {
        return Err(format!("plan `{plan_name}` has no workload `{unknown}` that waits for a cutover"));
    }
    let mut done = Vec::new();
    for workload in workloads {
        if named(&workload, &part.fail) {
            fail(world, name, uuid, workload.uuid);
            done.push(json!({"name": workload.name, "instance": workload.instance, "failed": FAILURE}));
        } else {
            done.push(cutover_workload(world, name, uuid, workload.uuid)?);
        }
    }
    Ok(json!({"move": name, "plan": plan_name, "vms": done}))
}

/// What a cutover that fails says.
const FAILURE: &str = "the target VM could not be created";

/// A workload that waits for a cutover, its first one or another.
pub(super) fn ready(workload: &Workload) -> bool {
    match workload.progress {
        Progress::ReadyToCutover | Progress::Failed => true,
        Progress::CuttingOver(_) | Progress::Completed => false,
    }
}

fn fail(world: &mut World, name: &str, plan: ExtId, workload: ExtId) {
    let plan = world.moves.get_mut(name).and_then(|m| m.plans.get_mut(&plan));
    if let Some(entry) = plan.and_then(|p| p.workloads.iter_mut().find(|w| w.uuid == workload)) {
        entry.progress = Progress::Failed;
        entry.error = Some(FAILURE.to_owned());
    }
}

/// Cuts one workload over.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub fn cutover_workload(world: &mut World, name: &str, plan: ExtId, workload: ExtId) -> Result<Value, String> {
    let found = world.moves.get(name).and_then(|m| m.plans.get(&plan)).ok_or("there is no such plan")?;
    let entry = found.workloads.iter().find(|w| w.uuid == workload).ok_or("there is no such workload")?.clone();
    let (prism_name, network) = (found.prism.clone(), entry.network.unwrap_or(found.network));
    let target = Target { prism: &prism_name, cluster: found.cluster, network, name: &entry.name };
    if !ready(&entry) {
        return Err(format!("workload `{}` is not ready for a cutover", entry.name));
    }
    let at_cutover = world.switches.move_.test_at_cutover;
    if entry.test_vm.is_some() && at_cutover == TestAtCutover::Refused {
        return Err(format!("undo the test of workload `{}` first", entry.name));
    }
    let (vm, addresses) = make_vm(world, &entry, &target)?;
    if at_cutover == TestAtCutover::Removed {
        super::test_cutover::remove_vm(world, name, plan, workload);
    }

    // Move waits until the instance has stopped before it calls the cutover done.
    world.ec2.stop_instance(&entry.instance, 0)?;
    guests::instance_changed(world, &entry.instance);
    start(world, &entry, &prism_name, vm);

    let reads = world.switches.move_.cutover_reads;
    let plan = world.moves.get_mut(name).and_then(|m| m.plans.get_mut(&plan));
    if let Some(entry) = plan.and_then(|p| p.workloads.iter_mut().find(|w| w.uuid == workload)) {
        entry.vm = Some(vm);
        entry.error = None;
        entry.progress = Progress::CuttingOver(reads);
    }
    Ok(json!({"name": entry.name, "instance": entry.instance, "vm_ext_id": vm, "prism_central": prism_name,
        "addresses": addresses}))
}

/// Where a VM is made, and how it is named.
pub(super) struct Target<'a> {
    pub(super) prism: &'a str,
    pub(super) cluster: ExtId,
    pub(super) network: ExtId,
    pub(super) name: &'a str,
}

/// The VM of a workload starts with a copy of its disks.
pub(super) fn start(world: &mut World, entry: &Workload, prism: &str, vm: ExtId) {
    hooks::migrated(world, &entry.instance, (prism, vm));
    hooks::notify(world, prism, vec![Signal::Booted { vm }]);
}

/// Makes the VM of a workload, with a NIC for each of the instance; it and its addresses.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub(super) fn make_vm(
    world: &mut World,
    entry: &Workload,
    target: &Target<'_>,
) -> Result<(ExtId, Vec<Ipv4Addr>), String> {
    let Target { prism: prism_name, cluster, network, name } = *target;
    if world.lost_prisms.contains(prism_name) {
        return Err(format!("Prism Central `{prism_name}` does not answer"));
    }
    let instance = world.ec2.instances.get(&entry.instance);
    let instance = instance.ok_or_else(|| format!("instance `{}` does not exist", entry.instance))?;
    let interfaces = instance.enis.len();

    let Some(prism) = world.prisms.get_mut(prism_name) else {
        return Err(format!("there is no Prism Central `{prism_name}`"));
    };
    let vm = prism.next_id("migrated");
    prism.vms.insert(vm, Vm::new(vm, name.to_owned(), cluster, Power::Off, Timestamp::UNIX_EPOCH));
    let seen = |_, _: &str| Vec::new();
    let switches = &mut world.switches.prism;
    let mut cx = Context { switches, now: Timestamp::UNIX_EPOCH, seen: &seen, signals: Vec::new(), wishes: Vec::new() };
    for _ in 0..interfaces {
        let wish =
            NicWish { mac: None, subnet: network, wanted: Wanted::Any, secondary: None, shape: NicShape::default() };
        if let Err(failure) = prism.create_nic(vm, wish, &mut cx) {
            prism.vms.remove(&vm);
            return Err(format!("VM `{name}` cannot be made: {}", failure.message));
        }
    }
    let Some(made) = prism.vms.get_mut(&vm) else { return Err("the VM is gone".into()) };
    made.power = Power::On;
    Ok((vm, made.nics.iter().filter_map(|n| n.address).collect()))
}
