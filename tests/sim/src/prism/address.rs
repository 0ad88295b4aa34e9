//! Address management of subnets: which address a NIC may get.

use std::net::Ipv4Addr;

use super::ids::ExtId;
use super::state::{IpConfig, Prism, Subnet};
use super::switches::Switches;
use super::task::Failure;

/// What a NIC asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// No address.
    Nothing,
    /// Any free address of the pools, or none on an unmanaged subnet.
    Any,
    /// Exactly this one.
    Exactly(Ipv4Addr),
}

impl IpConfig {
    /// Whether the platform itself keeps this address: network, broadcast, gateway, DHCP server.
    pub fn keeps(&self, address: Ipv4Addr) -> bool {
        let ends =
            self.prefix.prefix_len() < 31 && (address == self.prefix.network() || address == self.prefix.broadcast());
        ends || address == self.gateway || self.dhcp_server == Some(address)
    }

    /// Whether a pool holds this address.
    pub fn pooled(&self, address: Ipv4Addr) -> bool {
        self.pools.iter().any(|(low, high)| (low..=high).contains(&&address))
    }
}

impl Prism {
    /// The NICs on a subnet, each with its VM.
    pub fn nics_on(&self, subnet: ExtId) -> impl Iterator<Item = (&super::state::Vm, &super::state::Nic)> {
        self.vms.values().flat_map(|vm| vm.nics.iter().map(move |n| (vm, n))).filter(move |(_, n)| n.subnet == subnet)
    }

    fn holder(&self, subnet: ExtId, address: Ipv4Addr, but: Option<ExtId>) -> Option<ExtId> {
        self.nics_on(subnet)
            .find(|(_, n)| Some(n.ext_id) != but && n.addresses().any(|own| own == address))
            .map(|(_, n)| n.ext_id)
    }

    /// The address that a NIC gets on `subnet`; `nic` is the asking NIC, where it exists already.
    ///
    /// # Errors
    /// The subnet is unmanaged, the address is not free or not allowed, or the pools are empty.
    pub(super) fn choose_address(
        &self,
        subnet: &Subnet,
        wanted: Wanted,
        nic: Option<ExtId>,
        switches: &Switches,
    ) -> Result<Option<Ipv4Addr>, Failure> {
        let ip = match (wanted, &subnet.ip) {
            (Wanted::Nothing, _) | (Wanted::Any, None) => return Ok(None),
            (Wanted::Exactly(_), None) => {
                return Err(Failure::address("Cannot assign IP address on an unmanaged network"));
            }
            (_, Some(ip)) => ip,
        };
        let Wanted::Exactly(address) = wanted else {
            let free = |a: &Ipv4Addr| {
                !ip.keeps(*a) && !subnet.reserved.contains_key(a) && self.holder(subnet.ext_id, *a, nic).is_none()
            };
            let mut pooled =
                ip.pools.iter().flat_map(|(low, high)| (low.to_bits()..=high.to_bits()).map(Ipv4Addr::from_bits));
            return pooled.find(free).map(Some).ok_or_else(|| {
                Failure::address("Cannot allocate address! No DHCP pool is defined or the DHCP pool is exhausted")
            });
        };
        self.given(subnet, ip, address, nic, switches).map(Some)
    }

    /// The secondary addresses that a NIC gets on `subnet`, where `primary` is its own.
    ///
    /// # Errors
    /// As of [`Prism::choose_address`], and for one that is named twice.
    pub(super) fn choose_secondary(
        &self,
        subnet: &Subnet,
        wanted: &[Ipv4Addr],
        primary: Option<Ipv4Addr>,
        nic: Option<ExtId>,
        switches: &Switches,
    ) -> Result<Vec<Ipv4Addr>, Failure> {
        let mut given = Vec::with_capacity(wanted.len());
        for address in wanted {
            let Some(ip) = &subnet.ip else {
                return Err(Failure::address("Cannot assign IP address on an unmanaged network"));
            };
            if primary == Some(*address) || given.contains(address) {
                return Err(Failure::address(format!("IP address {address} is named twice")));
            }
            given.push(self.given(subnet, ip, *address, nic, switches)?);
        }
        Ok(given)
    }

    /// An address that is named, where it may be given.
    fn given(
        &self,
        subnet: &Subnet,
        ip: &IpConfig,
        address: Ipv4Addr,
        nic: Option<ExtId>,
        switches: &Switches,
    ) -> Result<Ipv4Addr, Failure> {
        if !ip.prefix.contains(&address) {
            let text = format!("IP address {address} does not belong to the subnet {}", ip.prefix);
            return Err(Failure::address(text));
        }
        if ip.keeps(address) {
            let text = format!("IP address {address} is the network, broadcast, gateway or DHCP server address");
            return Err(Failure::address(text));
        }
        if self.holder(subnet.ext_id, address, nic).is_some() {
            return Err(Failure::address(format!("IP address {address} is already assigned to another NIC")));
        }
        if subnet.reserved.contains_key(&address) && !switches.assign_reserved {
            return Err(Failure::address(format!("IP address {address} is reserved")));
        }
        if !ip.pooled(address) && !switches.assign_outside_pool {
            return Err(Failure::address(format!("IP address {address} is not in any pool of the subnet")));
        }
        Ok(address)
    }

    /// Notes that an address of `subnet` is kept for later.
    ///
    /// # Errors
    /// The subnet is unmanaged, or an address is outside it, kept by the platform, held or reserved already.
    pub(super) fn reserve(&mut self, subnet: ExtId, addresses: &[Ipv4Addr], context: &str) -> Result<(), Failure> {
        let entry = self.subnets.get(&subnet).ok_or_else(|| Failure::address("the subnet does not exist"))?;
        let ip = entry.ip.as_ref().ok_or_else(|| Failure::address("Cannot reserve IP on an unmanaged network"))?;
        for address in addresses {
            let fault = if !ip.prefix.contains(address) || ip.keeps(*address) {
                "cannot be reserved in this subnet"
            } else if self.holder(subnet, *address, None).is_some() {
                "is already assigned to a NIC"
            } else if entry.reserved.contains_key(address) {
                "is already reserved"
            } else {
                continue;
            };
            return Err(Failure::address(format!("IP address {address} {fault}")));
        }
        if let Some(entry) = self.subnets.get_mut(&subnet) {
            entry.reserved.extend(addresses.iter().map(|a| (*a, context.to_owned())));
        }
        Ok(())
    }

    /// Addresses of the pools that nobody holds, in order: the first `count` of them.
    pub(super) fn free_in_pools(&self, subnet: &Subnet, count: usize) -> Vec<Ipv4Addr> {
        let Some(ip) = &subnet.ip else { return Vec::new() };
        ip.pools
            .iter()
            .flat_map(|(low, high)| (low.to_bits()..=high.to_bits()).map(Ipv4Addr::from_bits))
            .filter(|a| {
                !ip.keeps(*a) && !subnet.reserved.contains_key(a) && self.holder(subnet.ext_id, *a, None).is_none()
            })
            .take(count)
            .collect()
    }
}
