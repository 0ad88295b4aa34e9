//! The NICs that a place gives to its guest, and what DHCP offers on each.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::state::Place;
use crate::world::World;

/// MTU that the EC2 DHCP server hands out. Source: Amazon EC2 user guide, "Network MTU".
const EC2_MTU: u32 = 9001;

/// MTU of overlay networks and of machines on-premises.
const USUAL_MTU: u32 = 1500;

/// A NIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hardware {
    pub mac: String,
    pub link: bool,
    pub offer: Option<Offer>,
}

/// What DHCP offers, or what a person would configure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub addresses: Vec<Ipv4Net>,
    pub gateway: Ipv4Addr,
    pub dns: Vec<Ipv4Addr>,
    pub suffixes: Vec<String>,
    pub mtu: u32,
}

/// The NICs of a place in device order; none on-premises, where nothing ever changes.
pub(super) fn of(world: &World, place: &Place) -> Vec<Hardware> {
    match place {
        Place::Instance { instance } => of_instance(world, instance),
        Place::Vm { prism, vm } => {
            let Some(prism) = world.prisms.get(prism) else { return Vec::new() };
            let Some(found) = prism.vms.get(vm) else { return Vec::new() };
            found
                .nics
                .iter()
                .map(|nic| {
                    let offer = prism.lease(*vm, &nic.mac).map(|lease| Offer {
                        addresses: Ipv4Net::new(lease.address, lease.prefix_length).into_iter().collect(),
                        gateway: lease.gateway,
                        dns: lease.dns,
                        suffixes: Vec::new(),
                        mtu: USUAL_MTU,
                    });
                    Hardware { mac: nic.mac.clone(), link: nic.shape.connected, offer }
                })
                .collect()
        }
        Place::OnPremises { .. } => Vec::new(),
    }
}

fn of_instance(world: &World, instance: &str) -> Vec<Hardware> {
    let ec2 = &world.ec2;
    let Some(found) = ec2.instances.get(instance) else { return Vec::new() };
    let interfaces = found.enis.values().filter_map(|id| ec2.enis.get(id));
    interfaces
        .map(|eni| {
            let offer = ec2.subnets.get(&eni.subnet).map(|subnet| {
                let length = subnet.cidr.prefix_len();
                let own = std::iter::once(eni.address).chain(eni.secondary.iter().copied());
                let resolver = ec2.vpcs.get(&eni.vpc).and_then(|vpc| vpc.cidrs.first()).map(|cidr| nth(*cidr, 2));
                Offer {
                    addresses: own.filter_map(|ip| Ipv4Net::new(ip, length).ok()).collect(),
                    gateway: nth(subnet.cidr, 1),
                    dns: resolver.into_iter().collect(),
                    suffixes: vec![format!("{}.compute.internal", eni.home.region)],
                    mtu: EC2_MTU,
                }
            });
            Hardware { mac: eni.mac.clone(), link: true, offer }
        })
        .collect()
}

/// The `n`th address of a prefix, counted from its network address.
pub(super) fn nth(prefix: Ipv4Net, n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(prefix.network().to_bits().wrapping_add(n))
}
