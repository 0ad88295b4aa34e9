//! How a packet leaves the guest that sends it.

use std::net::Ipv4Addr;

use super::{entry::entry_of, outcome::Lost, walk::At};
use crate::{
    guests::{Adapter, Guest, GuestId, Place},
    world::World,
};

/// The adapter that a guest sends by, and the next hop on its network.
struct Way<'g> {
    adapter: &'g Adapter,
    next: Ipv4Addr,
}

/// Whether an adapter has the address on its own network.
fn on_link(adapter: &Adapter, ip: Ipv4Addr) -> bool {
    adapter.addresses.iter().any(|own| own.contains(&ip))
}

/// The guest's own routing: on-link first, then its routes, then its default gateways; `source`'s adapter is preferred.
fn way(guest: &Guest, source: Option<Ipv4Addr>, to: Ipv4Addr) -> Option<Way<'_>> {
    let mut adapters: Vec<&Adapter> = guest.adapters.iter().filter(|adapter| adapter.is_up()).collect();
    adapters.sort_by_key(|adapter| !source.is_some_and(|ip| adapter.holds(ip)));
    let direct = adapters.iter().find(|adapter| on_link(adapter, to)).map(|adapter| Way { adapter, next: to });
    let routed = || {
        let routes = adapters.iter().flat_map(|adapter| adapter.routes.iter().map(move |route| (*adapter, route)));
        let best =
            routes.filter(|(_, (prefix, _))| prefix.contains(&to)).max_by_key(|(_, (prefix, _))| prefix.prefix_len());
        best.map(|(adapter, (_, gateway))| Way { adapter, next: *gateway })
    };
    let default = || adapters.iter().find_map(|adapter| adapter.gateway.map(|gateway| Way { adapter, next: gateway }));
    direct.or_else(routed).or_else(default)
}

/// The source address and first place of a packet from a guest to `to`. `source` is given for a reply.
pub(super) fn leave(
    world: &World,
    id: &GuestId,
    source: Option<Ipv4Addr>,
    to: Ipv4Addr,
) -> Result<(Ipv4Addr, At), Lost> {
    let silent = |why: &str| Lost::GuestSilent { at: id.to_string(), why: why.to_owned() };
    let guest = world.guests.all.get(id).filter(|guest| guest.running).ok_or_else(|| silent("it does not run"))?;
    let no_route = || Lost::NoRoute { at: format!("guest {id}") };
    let Way { adapter, next } = way(guest, source, to).ok_or_else(no_route)?;
    let own = adapter.addresses.iter().find(|own| own.contains(&next)).or(adapter.addresses.first());
    let from = source.or(own.map(ipnet::Ipv4Net::addr)).ok_or_else(no_route)?;
    let start = match &guest.place {
        Place::Instance { instance } => from_instance(world, instance, adapter, from, to)?,
        Place::Vm { prism, vm } => {
            let found = world.prisms.get(prism).ok_or_else(no_route)?;
            let nics = found.vms.get(vm).map(|vm| vm.nics.as_slice()).unwrap_or_default();
            let nic = nics.iter().find(|nic| nic.mac.eq_ignore_ascii_case(&adapter.mac)).ok_or_else(no_route)?;
            let subnet = found.subnets.get(&nic.subnet).ok_or_else(no_route)?;
            if next == to {
                At::Segment { prism: prism.clone(), subnet: subnet.ext_id }
            } else {
                // The next hop answers only where it is: a guest with a gateway of another network sends into the void.
                let gateway = subnet.ip.as_ref().is_some_and(|ip| ip.gateway == next);
                let vpc = subnet.vpc.filter(|_| gateway).ok_or_else(no_route)?;
                At::Fvn { prism: prism.clone(), vpc, from_aws: false }
            }
        }
        Place::OnPremises { site: name } => {
            let site = world.guests.sites.get(name).ok_or_else(no_route)?;
            if site.prefix.contains(&to) {
                let first = site.entries.first().ok_or_else(no_route)?;
                At::Outside(first.attachment.clone())
            } else {
                let nothing = || Lost::NoRoute { at: format!("site {name}, to which no entry advertises {to}") };
                let entry = entry_of(world, site, to).ok_or_else(nothing)?;
                let tgw = world.ec2.attachments.get(&entry.attachment).ok_or_else(no_route)?.tgw.clone();
                At::Tgw { tgw, via: entry.attachment.clone() }
            }
        }
    };
    Ok((from, start))
}

fn from_instance(world: &World, instance: &str, adapter: &Adapter, from: Ipv4Addr, to: Ipv4Addr) -> Result<At, Lost> {
    let ec2 = &world.ec2;
    let no_route = || Lost::NoRoute { at: instance.to_owned() };
    let enis = ec2.instances.get(instance).ok_or_else(no_route)?.enis.values();
    let mut enis = enis.filter_map(|id| ec2.enis.get_key_value(id));
    let (id, eni) = enis.find(|(_, eni)| eni.mac.eq_ignore_ascii_case(&adapter.mac)).ok_or_else(no_route)?;
    if eni.source_dest_check && eni.address != from && !eni.secondary.contains(&from) {
        return Err(Lost::Filtered { at: id.clone(), why: format!("the interface does not have {from}") });
    }
    // Within a subnet nothing is routed.
    let neighbour = ec2.subnets.get(&eni.subnet).is_some_and(|subnet| subnet.cidr.contains(&to));
    Ok(if neighbour { At::Vpc(eni.vpc.clone()) } else { At::Subnet(eni.subnet.clone()) })
}
