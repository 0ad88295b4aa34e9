//! What the guests of VMs have to notice, told to [`crate::guests`].

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{ExtId, Signal};
use crate::{guests::Guests, world::World};

/// The addresses that the guest of a VM really uses on the NIC with this MAC address.
pub(crate) fn seen(guests: &Guests, prism: &str, vm: ExtId, mac: &str) -> Vec<Ipv4Addr> {
    let _ = (guests, prism, vm, mac);
    Vec::new()
}

/// Tells guests what happened to their VMs.
pub(crate) fn notify(world: &mut World, prism: &str, signals: Vec<Signal>) {
    let _ = (world, prism, signals);
}

/// A VM was recovered at another Prism Central: its guest goes with it, or a copy of the guest where the old VM keeps
/// running. `macs` tells which NIC became which.
pub(crate) fn recovered(
    world: &mut World,
    from: (&str, ExtId),
    to: (&str, ExtId),
    macs: &BTreeMap<String, String>,
    leaves_running: bool,
) {
    let _ = (world, from, to, macs, leaves_running);
}

/// Move has cut an instance over to a VM: its guest goes with it and boots there.
pub(crate) fn migrated(world: &mut World, instance: &str, to: (&str, ExtId), macs: &BTreeMap<String, String>) {
    let _ = (world, instance, to, macs);
}
