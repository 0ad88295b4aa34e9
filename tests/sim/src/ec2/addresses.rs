//! Addresses of subnets, and which ids are taken.

use std::net::Ipv4Addr;

use super::state::{Ec2, Kind};

/// Addresses at the start of a subnet that AWS keeps: network, router, resolver and one in reserve.
/// Source: Amazon VPC user guide, "Subnet sizing".
const RESERVED: usize = 4;

impl Ec2 {
    /// The lowest address of a subnet that no interface has.
    pub fn free_address(&self, subnet: &str) -> Option<Ipv4Addr> {
        let found = self.subnets.get(subnet)?;
        // `hosts` leaves the network and the broadcast address out.
        found.cidr.hosts().skip(RESERVED - 1).find(|ip| self.eni_by_ip(&found.vpc, *ip).is_none())
    }

    /// How many addresses of a subnet no interface has.
    pub fn free_addresses(&self, subnet: &str) -> usize {
        let Some(found) = self.subnets.get(subnet) else { return 0 };
        let size = 1usize << (32 - u32::from(found.cidr.prefix_len()));
        let used: usize =
            self.enis.values().filter(|eni| eni.subnet == subnet).map(|eni| 1 + eni.secondary.len()).sum();
        size.saturating_sub(RESERVED + 1 + used)
    }

    /// Whether an id is taken.
    pub fn exists(&self, kind: Kind, id: &str) -> bool {
        match kind {
            Kind::Vpc => self.vpcs.contains_key(id),
            Kind::Subnet => self.subnets.contains_key(id),
            Kind::RouteTable => self.route_tables.contains_key(id),
            Kind::Instance => self.instances.contains_key(id),
            Kind::Eni => self.enis.contains_key(id),
            Kind::Tgw => self.tgws.contains_key(id),
            Kind::Attachment => self.attachments.contains_key(id),
            Kind::TgwRouteTable => self.tgw_route_tables.contains_key(id),
            Kind::PrefixList => self.prefix_lists.contains_key(id),
            Kind::VpcPeering => self.vpc_peerings.contains_key(id),
        }
    }
}
