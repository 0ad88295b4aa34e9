//! What happens to guests when something happens to their machines.

use super::{
    lease,
    load::usual,
    state::{Agent, GuestId, Place},
};
use crate::{
    ec2::InstanceState,
    prism::{ExtId, Signal},
    world::World,
};

/// Told after an instance was created, started, stopped or terminated, or after an interface was attached to it or
/// detached from it; its state in [`World::ec2`] is the new one.
pub fn instance_changed(world: &mut World, instance: &str) {
    let place = Place::Instance { instance: instance.to_owned() };
    let known = world.guests.at(&place).map(|(id, guest)| (id.clone(), guest.running));
    let Some(found) = world.ec2.instances.get(instance) else { return };
    let (on, gone) = (found.state.is_on(), found.state == InstanceState::Terminated);
    if gone {
        if let Some((id, _)) = known {
            world.guests.all.remove(&id);
        }
        return;
    }
    let name = found.tags.get("Name").filter(|name| !name.is_empty()).map_or(instance, String::as_str).to_owned();
    let platform = found.platform;
    let (id, running) = known.unwrap_or_else(|| (usual(world, &name, platform, place, Agent::Instance), false));
    match (running, on) {
        (false, true) => lease::boot(world, &id),
        (true, false) => lease::stop(world, &id),
        (true, true) => lease::look(world, &id),
        (false, false) => {}
    }
}

/// Told after something happened to a VM; its state in [`World::prisms`] is the one at the end of the request.
pub fn vm_changed(world: &mut World, prism: &str, signal: &Signal) {
    let vm = match signal {
        Signal::Created { vm }
        | Signal::Deleted { vm }
        | Signal::Booted { vm }
        | Signal::PoweredOff { vm }
        | Signal::LinkUp { vm, .. }
        | Signal::LinkDown { vm, .. }
        | Signal::NicPlugged { vm, .. }
        | Signal::NicUnplugged { vm, .. } => *vm,
    };
    let Some(id) = guest_of_vm(world, prism, vm) else { return };
    match signal {
        Signal::Created { .. } => {}
        Signal::Deleted { .. } => {
            world.guests.all.remove(&id);
        }
        Signal::Booted { .. } => lease::boot(world, &id),
        Signal::PoweredOff { .. } => lease::stop(world, &id),
        Signal::LinkUp { mac, .. } | Signal::NicPlugged { mac, .. } => lease::link_up(world, &id, mac),
        Signal::LinkDown { mac, .. } => lease::link_down(world, &id, mac),
        Signal::NicUnplugged { mac, .. } => lease::unplug(world, &id, mac),
    }
}

/// The guest of a VM; a VM that a client made gets a Linux of its own.
fn guest_of_vm(world: &mut World, prism: &str, vm: ExtId) -> Option<GuestId> {
    if let Some((id, _)) = world.guests.of_vm(prism, vm) {
        return Some(id.clone());
    }
    let name = world.prisms.get(prism)?.vms.get(&vm)?.name.clone();
    let place = Place::Vm { prism: prism.to_owned(), vm };
    Some(usual(world, &name, crate::ec2::Platform::Linux, place, Agent::None))
}

/// Copies the disk of the machine at `from` to a VM: a second guest with the same configuration, which is off. The first
/// one stays where it is, as off or on as its machine; it is removed with that machine.
///
/// The copy keeps its adapters by MAC address: a NIC with another address will be a fresh adapter with DHCP.
pub fn copy(world: &mut World, from: &Place, prism: &str, vm: ExtId) {
    let Some((id, guest)) = world.guests.at(from) else { return };
    let (machine, mut guest) = (id.machine().to_owned(), guest.clone());
    let place = Place::Vm { prism: prism.to_owned(), vm };
    if let Some(old) = world.guests.at(&place).map(|(id, _)| id.clone()) {
        world.guests.all.remove(&old);
    }
    guest.place = place;
    guest.running = false;
    let id = world.guests.free_name(&format!("{machine}@{prism}"));
    world.guests.all.insert(id, guest);
}
