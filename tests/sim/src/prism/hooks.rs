//! What the guests of VMs have to notice, told to [`crate::guests`].

use std::net::Ipv4Addr;

use super::{ExtId, Signal};
use crate::{
    guests::{self, Guests, Place},
    world::World,
};

/// The addresses that the guest of a VM really uses on the NIC with this MAC address.
pub(crate) fn seen(guests: &Guests, prism: &str, vm: ExtId, mac: &str) -> Vec<Ipv4Addr> {
    guests.seen(prism, vm, mac)
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
