//! How guests come by their addresses: only when they boot, when a link comes up, or when a NIC is plugged in.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{
    hardware::{self, Hardware, Offer},
    state::{Adapter, Addressing, Guest, GuestId},
};
use crate::{ec2::Platform, world::World};

/// The guest starts, or starts again: it meets its NICs and takes leases.
pub fn boot(world: &mut World, id: &GuestId) {
    let Some(place) = world.guests.all.get(id).map(|guest| guest.place.clone()) else { return };
    let nics = hardware::of(world, &place);
    let Some(guest) = world.guests.all.get_mut(id) else { return };
    guest.running = true;
    for adapter in &mut guest.adapters {
        adapter.plugged = matches!(place, super::Place::OnPremises { .. });
    }
    for nic in &nics {
        meet(guest, nic);
    }
}

/// The running guest looks which NICs it has: it meets those that came, and loses those that went.
pub fn look(world: &mut World, id: &GuestId) {
    let Some(place) = world.guests.all.get(id).map(|guest| guest.place.clone()) else { return };
    let nics = hardware::of(world, &place);
    let Some(guest) = world.guests.all.get_mut(id) else { return };
    for adapter in &mut guest.adapters {
        adapter.plugged &= nics.iter().any(|nic| nic.mac.eq_ignore_ascii_case(&adapter.mac));
    }
    for nic in &nics {
        if !guest.adapter(&nic.mac).is_some_and(|adapter| adapter.plugged) {
            meet(guest, nic);
        }
    }
}

/// The guest stops.
pub fn stop(world: &mut World, id: &GuestId) {
    if let Some(guest) = world.guests.all.get_mut(id) {
        guest.running = false;
    }
}

/// A NIC's link comes up, or a NIC is plugged into the running guest. A guest that is off notices nothing.
/// With the switch `lease_on_link` off it keeps the addresses that it has, as a guest whose DHCP client hangs.
pub fn link_up(world: &mut World, id: &GuestId, mac: &str) {
    let takes_lease = world.switches.guests.lease_on_link;
    let Some(place) = world.guests.all.get(id).map(|guest| guest.place.clone()) else { return };
    let nics = hardware::of(world, &place);
    let Some(guest) = world.guests.all.get_mut(id).filter(|guest| guest.running) else { return };
    if let Some(adapter) = guest.adapter_mut(mac).filter(|_| !takes_lease) {
        adapter.link = true;
        return;
    }
    if let Some(nic) = nics.iter().find(|nic| nic.mac.eq_ignore_ascii_case(mac)) {
        meet(guest, nic);
    }
}

/// A NIC's link goes down.
pub fn link_down(world: &mut World, id: &GuestId, mac: &str) {
    if let Some(adapter) = world.guests.all.get_mut(id).and_then(|guest| guest.adapter_mut(mac)) {
        adapter.link = false;
    }
}

/// A NIC is taken away; the guest keeps the adapter's configuration.
pub fn unplug(world: &mut World, id: &GuestId, mac: &str) {
    if let Some(adapter) = world.guests.all.get_mut(id).and_then(|guest| guest.adapter_mut(mac)) {
        adapter.plugged = false;
    }
}

/// The guest meets a NIC: the adapter that it knows by the MAC address, or a fresh one, which uses DHCP.
fn meet(guest: &mut Guest, nic: &Hardware) {
    if guest.adapter(&nic.mac).is_none() {
        let name = adapter_name(guest.platform, guest.adapters.len());
        guest.adapters.push(fresh(name, &nic.mac));
    }
    let Some(adapter) = guest.adapter_mut(&nic.mac) else { return };
    adapter.plugged = true;
    adapter.link = nic.link;
    if adapter.addressing == Addressing::Dhcp && nic.link {
        take(adapter, nic.offer.as_ref());
    }
}

pub(super) fn fresh(name: String, mac: &str) -> Adapter {
    Adapter {
        name,
        mac: mac.to_ascii_lowercase(),
        addressing: Addressing::Dhcp,
        addresses: Vec::new(),
        gateway: None,
        dns: Vec::new(),
        suffixes: Vec::new(),
        routes: Vec::new(),
        mtu: 1500,
        plugged: false,
        link: false,
    }
}

/// The name that the operating system gives to its adapter number `index`.
pub(super) fn adapter_name(platform: Platform, index: usize) -> String {
    match (platform, index) {
        (Platform::Linux, _) => format!("eth{index}"),
        (Platform::Windows, 0) => "Ethernet".to_owned(),
        (Platform::Windows, _) => format!("Ethernet {}", index + 1),
    }
}

/// Uses what is offered. Without an offer the guest gives itself a link-local address.
pub(super) fn take(adapter: &mut Adapter, offer: Option<&Offer>) {
    match offer {
        Some(offer) => {
            adapter.addresses = offer.addresses.clone();
            adapter.gateway = Some(offer.gateway);
            adapter.dns = offer.dns.clone();
            adapter.suffixes = offer.suffixes.clone();
            adapter.mtu = offer.mtu;
        }
        None => {
            adapter.addresses = link_local(&adapter.mac).into_iter().collect();
            adapter.gateway = None;
            adapter.dns.clear();
            adapter.suffixes.clear();
        }
    }
}

/// The address within 169.254.0.0/16 that belongs to a MAC address, away from its reserved ends (RFC 3927, 2.1).
fn link_local(mac: &str) -> Option<Ipv4Net> {
    let octet = |text: Option<&str>| text.and_then(|t| u8::from_str_radix(t, 16).ok()).unwrap_or(1);
    let mut octets = mac.rsplit(':');
    let (last, third) = (octet(octets.next()), octet(octets.next()));
    Ipv4Net::new(Ipv4Addr::new(169, 254, third.clamp(1, 254), last), 16).ok()
}
