//! What the guests of VMs have to notice, told to [`crate::guests`].

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{ExtId, Signal};
use crate::{
    guests::{self, Guest, Guests, Place},
    world::World,
};

/// The guests that run in VMs of a Prism Central.
pub(crate) fn in_vms<'g>(guests: &'g Guests, prism: &str) -> BTreeMap<ExtId, &'g Guest> {
    let vm_of = |guest: &Guest| match &guest.place {
        Place::Vm { prism: own, vm } if own == prism && guest.running => Some(*vm),
        Place::Vm { .. } | Place::Instance { .. } | Place::OnPremises { .. } => None,
    };
    guests.all.values().filter_map(|guest| Some((vm_of(guest)?, guest))).collect()
}

/// The addresses that a guest really uses on the NIC with this MAC address.
pub(crate) fn used(guest: &Guest, mac: &str) -> Vec<Ipv4Addr> {
    let adapter = guest.adapter(mac).filter(|adapter| adapter.is_up());
    adapter.map(|adapter| adapter.addresses.iter().map(|own| own.addr()).collect()).unwrap_or_default()
}

/// Tells guests what happened to their VMs.
pub(crate) fn notify(world: &mut World, prism: &str, signals: Vec<Signal>) {
    for signal in signals {
        guests::vm_changed(world, prism, &signal);
    }
}

/// A VM was recovered at another Prism Central from the disk of the old one: a copy of its guest is there. The old VM
/// keeps its guest for as long as it exists.
pub(crate) fn recovered(world: &mut World, from: (&str, ExtId), to: (&str, ExtId)) {
    guests::copy(world, &Place::Vm { prism: from.0.to_owned(), vm: from.1 }, to.0, to.1);
}

/// Move has copied an instance's disk to a VM: a copy of its guest is there. The stopped instance keeps its own.
pub(crate) fn migrated(world: &mut World, instance: &str, to: (&str, ExtId)) {
    guests::copy(world, &Place::Instance { instance: instance.to_owned() }, to.0, to.1);
}
