//! What a recovery job does to VMs.

use jiff::Timestamp;

use super::super::file::Side;
use super::super::ids::ExtId;
use super::super::state::{Nic, Power, Prism, Vm};
use super::super::switches::PlannedSource;
use super::super::{Signal, hooks};
use super::{Kind, RecoveryPlan};
use crate::world::World;

/// The one VM of this name that the plan protects at a side.
pub(super) fn source<'w>(world: &'w World, plan: &RecoveryPlan, side: Side, name: &str) -> Result<&'w Vm, String> {
    let prism = prism(world, plan.prism(side))?;
    let copied =
        |vm: &Vm| prism.jobs.values().any(|job| job.kind == Kind::Test && job.made().any(|id| id == vm.ext_id));
    let protected = |vm: &&Vm| !plan.stale.contains(&(side, vm.ext_id)) && !copied(vm);
    let mut found = prism.vms_named(name).filter(protected);
    match (found.next(), found.next()) {
        (Some(vm), None) => Ok(vm),
        (None, _) => Err(format!("Prism Central `{}` has no VM `{name}`", prism.name)),
        (Some(_), Some(_)) => Err(format!("Prism Central `{}` has several VMs `{name}`", prism.name)),
    }
}

fn prism<'w>(world: &'w World, name: &str) -> Result<&'w Prism, String> {
    world.prisms.get(name).ok_or_else(|| format!("there is no Prism Central `{name}`"))
}

/// Whether these VMs can be recovered from the side `from`.
///
/// # Errors
/// A sentence that says why one of them cannot.
pub(super) fn check(
    world: &World,
    plan: &RecoveryPlan,
    from: Side,
    kind: Kind,
    sources: &[ExtId],
) -> Result<(), String> {
    let (source, target) = (prism(world, plan.prism(from))?, prism(world, plan.prism(from.other()))?);
    let test = kind == Kind::Test;
    let stale: Vec<ExtId> = plan.stale.iter().filter(|(side, _)| *side != from).map(|(_, id)| *id).collect();
    for id in sources {
        let vm = source.vms.get(id).ok_or_else(|| format!("Prism Central `{}` has no VM `{id}`", source.name))?;
        for nic in &vm.nics {
            let Some(subnet) = plan.mapped(nic.subnet, from, test) else {
                let what = if test { "maps to no test network" } else { "does not map" };
                return Err(format!("a NIC of VM `{}` is in a subnet that the recovery plan {what}", vm.name));
            };
            for address in nic.addresses() {
                let has = |nic: &Nic| nic.addresses().any(|own| own == address);
                let held = |(vm, nic): &(&Vm, &Nic)| has(nic) && !stale.contains(&vm.ext_id);
                if let Some((vm, _)) = target.nics_on(subnet).find(held) {
                    let (holder, place) = (&vm.name, &target.name);
                    return Err(format!("address {address} is held by VM `{holder}` of Prism Central `{place}`"));
                }
            }
        }
    }
    Ok(())
}

/// Recovers one VM: its copy starts at the other side, and the source becomes what the kind of the job makes of it.
///
/// Nothing if the VM or a side is gone.
pub(super) fn recover(
    world: &mut World,
    plan: &mut RecoveryPlan,
    from: Side,
    kind: Kind,
    source: ExtId,
    now: Timestamp,
) -> Option<ExtId> {
    let (source_name, target_name) = (plan.prism(from).to_owned(), plan.prism(from.other()).to_owned());
    let old = world.prisms.get(&source_name)?.vms.get(&source)?.clone();
    if kind.moves() {
        remove_stale(world, plan, from.other(), &old.name);
    }
    let switches = &world.switches.prism;
    let (keeps_mac, keeps_id) = (switches.failover_keeps_mac, switches.failover_keeps_id && kind.moves());
    let target = world.prisms.get_mut(&target_name)?;
    let vm = copy(target, plan, &old, from, kind, (keeps_mac, keeps_id), now);
    let new = vm.ext_id;
    target.vms.insert(new, vm);
    hooks::recovered(world, (&source_name, source), (&target_name, new));
    match kind {
        Kind::Planned | Kind::Live => leave_source(world, plan, from, source),
        Kind::Unplanned => plan.stale.push((from, source)),
        Kind::Test | Kind::Validate => {}
    }
    if kind.moves() {
        plan.arrived(&old.name, from.other());
    }
    hooks::notify(world, &target_name, vec![Signal::Booted { vm: new }]);
    Some(new)
}

/// Removes VMs, such as those of a test.
pub(super) fn remove(world: &mut World, prism: &str, vms: &[ExtId]) {
    for vm in vms {
        if let Some(prism) = world.prisms.get_mut(prism) {
            prism.vms.remove(vm);
        }
        hooks::notify(world, prism, vec![Signal::Deleted { vm: *vm }]);
    }
}

/// A VM that comes back takes the place of what an earlier failover left there.
fn remove_stale(world: &mut World, plan: &mut RecoveryPlan, side: Side, name: &str) {
    let prism = plan.prism(side).to_owned();
    let named = |id: &ExtId| world.prisms.get(&prism).and_then(|it| it.vms.get(id)).is_none_or(|vm| vm.name == name);
    let (gone, stale) = plan.stale.iter().copied().partition(|(at, id)| *at == side && named(id));
    plan.stale = stale;
    let gone: Vec<(Side, ExtId)> = gone;
    remove(world, &prism, &gone.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

fn leave_source(world: &mut World, plan: &mut RecoveryPlan, from: Side, vm: ExtId) {
    let name = plan.prism(from).to_owned();
    match world.switches.prism.planned_source {
        PlannedSource::Removed => remove(world, &name, &[vm]),
        PlannedSource::PoweredOff => {
            if let Some(vm) = world.prisms.get_mut(&name).and_then(|prism| prism.vms.get_mut(&vm)) {
                vm.power = Power::Off;
                vm.version += 1;
            }
            plan.stale.push((from, vm));
            hooks::notify(world, &name, vec![Signal::PoweredOff { vm }]);
        }
    }
}

/// The VM as it will be at the target. That a copy made for a test has the name of the VM is unverified.
fn copy(
    target: &mut Prism,
    plan: &RecoveryPlan,
    old: &Vm,
    from: Side,
    kind: Kind,
    (keeps_mac, keeps_id): (bool, bool),
    now: Timestamp,
) -> Vm {
    let ext_id = if keeps_id { old.ext_id } else { target.next_id("recovered") };
    let mut vm = Vm::new(ext_id, old.name.clone(), target.first_cluster, Power::On, now);
    vm.description = old.description.clone();
    vm.guest_tools = old.guest_tools;
    for nic in &old.nics {
        let mac = if keeps_mac { nic.mac.clone() } else { target.next_mac() };
        vm.nics.push(Nic {
            ext_id: target.next_id("nic"),
            mac,
            subnet: plan.mapped(nic.subnet, from, kind == Kind::Test).unwrap_or(nic.subnet),
            address: nic.address,
            secondary: nic.secondary.clone(),
            shape: nic.shape.clone(),
            hidden_reads: 0,
            learned: Vec::new(),
            learned_reads: 0,
        });
    }
    vm
}
