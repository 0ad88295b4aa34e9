//! Recovery plans: the failover of VMs to the other Prism Central.
//!
//! A recovered VM has a new UUID, the same name and the same addresses in the mapped subnet (nutanix-api E).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::file::{RecoveryPlanFile, Side};
use super::ids::ExtId;
use super::state::{Nic, Power, Prism, Vm};
use super::switches::PlannedSource;
use super::{Signal, hooks};
use crate::{world::World, world_file::WorldError};

/// A recovery plan between two Prism Centrals.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryPlan {
    /// Prism Central of the primary side.
    pub primary: String,
    /// Prism Central of the recovery side.
    pub recovery: String,
    /// Subnets that stand for each other: primary, recovery.
    pub networks: Vec<(ExtId, ExtId)>,
    /// Names of the VMs.
    pub vms: Vec<String>,
    /// Where the VMs run.
    pub live: Side,
    /// VMs that a failover left behind at the side that it came from.
    pub stale: Vec<(Side, ExtId)>,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Primary => Self::Recovery,
            Self::Recovery => Self::Primary,
        }
    }
}

impl RecoveryPlan {
    /// Builds a plan of the world file; its Prism Centrals exist already.
    ///
    /// # Errors
    /// A Prism Central or a subnet that does not exist.
    pub(super) fn from_file(name: &str, file: &RecoveryPlanFile, world: &World) -> Result<Self, WorldError> {
        let place = format!("recovery_plans.{name}");
        let prism = |name: &str, key: &str| {
            let problem = || format!("there is no Prism Central `{name}` under `prism_centrals`");
            world.prisms.get(name).ok_or_else(|| WorldError::at(format!("{place}.{key}"), problem()))
        };
        let (primary, recovery) = (prism(&file.primary, "primary")?, prism(&file.recovery, "recovery")?);
        let subnet = |prism: &Prism, name: &str| {
            prism.subnet_named(name).map(|s| s.ext_id).ok_or_else(|| {
                let problem = format!("Prism Central `{}` has no subnet `{name}`", prism.name);
                WorldError::at(format!("{place}.networks"), problem)
            })
        };
        let networks = file
            .networks
            .iter()
            .map(|n| Ok((subnet(primary, &n.primary)?, subnet(recovery, &n.recovery)?)))
            .collect::<Result<_, WorldError>>()?;
        Ok(Self {
            primary: file.primary.clone(),
            recovery: file.recovery.clone(),
            networks,
            vms: file.vms.clone(),
            live: file.live,
            stale: Vec::new(),
        })
    }

    /// The Prism Central of a side.
    pub fn prism(&self, side: Side) -> &str {
        match side {
            Side::Primary => &self.primary,
            Side::Recovery => &self.recovery,
        }
    }

    fn mapped(&self, subnet: ExtId, from: Side) -> Option<ExtId> {
        self.networks.iter().find_map(|(primary, recovery)| match from {
            Side::Primary => (*primary == subnet).then_some(*recovery),
            Side::Recovery => (*recovery == subnet).then_some(*primary),
        })
    }
}

/// The one VM of this name that the plan protects at the live side.
fn source<'w>(prism: &'w Prism, plan: &RecoveryPlan, name: &str) -> Result<&'w Vm, String> {
    let stale = |vm: &&Vm| !plan.stale.contains(&(plan.live, vm.ext_id));
    let mut found = prism.vms_named(name).filter(stale);
    match (found.next(), found.next()) {
        (Some(vm), None) => Ok(vm),
        (None, _) => Err(format!("Prism Central `{}` has no VM `{name}`", prism.name)),
        (Some(_), Some(_)) => Err(format!("Prism Central `{}` has several VMs `{name}`", prism.name)),
    }
}

/// Moves the VMs of the recovery plan `name` to its other side.
///
/// A planned failover needs both Prism Centrals and leaves the source VM removed or powered off (switch
/// `planned_source`). An unplanned one needs only the target and leaves the source VM as it is, stale: if its Prism
/// Central comes back, both run. Stale VMs of an earlier failover are removed from the side that recovers.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub fn failover(world: &mut World, name: &str, planned: bool) -> Result<Value, String> {
    let plan = world.recovery_plans.get(name).cloned().ok_or_else(|| format!("there is no recovery plan `{name}`"))?;
    let (from, to) = (plan.live, plan.live.other());
    let (source_name, target_name) = (plan.prism(from).to_owned(), plan.prism(to).to_owned());
    if world.lost_prisms.contains(&target_name) {
        return Err(format!("Prism Central `{target_name}` is lost: nothing can be recovered there"));
    }
    if planned && world.lost_prisms.contains(&source_name) {
        return Err(format!("Prism Central `{source_name}` is lost: only an unplanned failover is possible"));
    }
    let keeps_mac = world.switches.prism.failover_keeps_mac;
    let unknown = |name: &str| format!("there is no Prism Central `{name}`");
    let source_prism = world.prisms.get(&source_name).ok_or_else(|| unknown(&source_name))?;
    let mut sources = Vec::new();
    for vm in &plan.vms {
        let vm = source(source_prism, &plan, vm)?;
        for nic in &vm.nics {
            if plan.mapped(nic.subnet, from).is_none() {
                return Err(format!("a NIC of VM `{}` is in a subnet that the recovery plan does not map", vm.name));
            }
        }
        sources.push(vm.clone());
    }
    let target = world.prisms.get(&target_name).ok_or_else(|| unknown(&target_name))?;
    let stale: Vec<ExtId> = plan.stale.iter().filter(|(side, _)| *side == to).map(|(_, id)| *id).collect();
    for nic in sources.iter().flat_map(|vm| &vm.nics) {
        let Some((subnet, address)) = plan.mapped(nic.subnet, from).zip(nic.address) else { continue };
        let mut holders =
            target.nics_on(subnet).filter(|(vm, n)| n.address == Some(address) && !stale.contains(&vm.ext_id));
        if let Some((vm, _)) = holders.next() {
            return Err(format!("address {address} is held by VM `{}` of Prism Central `{target_name}`", vm.name));
        }
    }

    for vm in stale {
        if let Some(prism) = world.prisms.get_mut(&target_name) {
            prism.vms.remove(&vm);
        }
        hooks::notify(world, &target_name, vec![Signal::Deleted { vm }]);
    }
    let mut plan = plan;
    plan.stale.retain(|(side, _)| *side != to);
    let mut moved = Vec::new();
    for old in sources {
        let Some(target) = world.prisms.get_mut(&target_name) else { continue };
        let vm = recovered(target, &plan, &old, from, keeps_mac);
        let new = vm.ext_id;
        let addresses: Vec<_> = vm.nics.iter().filter_map(|n| n.address).collect();
        moved.push(
            json!({"name": vm.name, "source_ext_id": old.ext_id, "recovered_ext_id": new, "addresses": addresses}),
        );
        target.vms.insert(new, vm);
        hooks::recovered(world, (&source_name, old.ext_id), (&target_name, new));
        if planned {
            leave_source(world, &mut plan, from, old.ext_id);
        } else {
            plan.stale.push((from, old.ext_id));
        }
        hooks::notify(world, &target_name, vec![Signal::Booted { vm: new }]);
    }
    plan.live = to;
    world.recovery_plans.insert(name.to_owned(), plan);
    let kind = if planned { "planned" } else { "unplanned" };
    Ok(json!({"recovery_plan": name, "kind": kind, "from": source_name, "to": target_name, "vms": moved}))
}

fn leave_source(world: &mut World, plan: &mut RecoveryPlan, from: Side, vm: ExtId) {
    let name = plan.prism(from).to_owned();
    let Some(prism) = world.prisms.get_mut(&name) else { return };
    let signal = match world.switches.prism.planned_source {
        PlannedSource::Removed => {
            prism.vms.remove(&vm);
            Signal::Deleted { vm }
        }
        PlannedSource::PoweredOff => {
            if let Some(vm) = prism.vms.get_mut(&vm) {
                vm.power = Power::Off;
                vm.version += 1;
            }
            plan.stale.push((from, vm));
            Signal::PoweredOff { vm }
        }
    };
    hooks::notify(world, &name, vec![signal]);
}

fn recovered(target: &mut Prism, plan: &RecoveryPlan, old: &Vm, from: Side, keeps_mac: bool) -> Vm {
    let ext_id = target.next_id("recovered");
    let mut vm = Vm::new(ext_id, old.name.clone(), target.first_cluster, Power::On, Timestamp::UNIX_EPOCH);
    vm.description = old.description.clone();
    vm.guest_tools = old.guest_tools;
    for nic in &old.nics {
        let mac = if keeps_mac { nic.mac.clone() } else { target.next_mac() };
        vm.nics.push(Nic {
            ext_id: target.next_id("nic"),
            mac,
            subnet: plan.mapped(nic.subnet, from).unwrap_or(nic.subnet),
            address: nic.address,
            shape: nic.shape.clone(),
            hidden_reads: 0,
            learned: Vec::new(),
            learned_reads: 0,
        });
    }
    vm
}
