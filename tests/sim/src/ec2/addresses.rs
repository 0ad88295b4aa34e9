//! Addresses of subnets, and which ids are taken.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{
    id::{id, mac},
    state::{AttachmentKind, Ec2, Eni, Kind, Progress, Service, Tags},
};

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

    /// The highest address of a subnet that no interface has.
    fn last_free_address(&self, subnet: &str) -> Option<Ipv4Addr> {
        let found = self.subnets.get(subnet)?;
        let hosts: Vec<Ipv4Addr> = found.cidr.hosts().skip(RESERVED - 1).collect();
        hosts.into_iter().rev().find(|ip| self.eni_by_ip(&found.vpc, *ip).is_none())
    }

    /// Gives a VPC attachment its network interfaces, one in each of its subnets, and takes those away that it has no
    /// use for any more. They have the highest free addresses.
    ///
    /// Source: Amazon VPC Transit Gateways guide, "Transit gateway VPC attachments".
    pub(crate) fn keep_tgw_interfaces(&mut self, attachment: &str) {
        let wanted = match self.attachments.get(attachment).map(|it| (&it.kind, it.state)) {
            Some((AttachmentKind::Vpc { subnets, .. }, state))
                if !state.is_going() && state != Progress::PendingAcceptance =>
            {
                subnets.clone()
            }
            _ => BTreeSet::new(),
        };
        let description = Service::TransitGateway.description(attachment, "");
        self.enis.retain(|_, eni| {
            eni.service != Some(Service::TransitGateway)
                || eni.description != description
                || wanted.contains(&eni.subnet)
        });
        for subnet_id in wanted {
            let id = id("eni", &format!("{attachment}/{subnet_id}"));
            let free = self.last_free_address(&subnet_id);
            let (Some(subnet), Some(address), false) =
                (self.subnets.get(&subnet_id), free, self.enis.contains_key(&id))
            else {
                continue;
            };
            let eni = Eni {
                home: subnet.home.clone(),
                vpc: subnet.vpc.clone(),
                subnet: subnet_id,
                mac: mac(&id),
                address,
                secondary: Vec::new(),
                attached: None,
                service: Some(Service::TransitGateway),
                delete_on_termination: false,
                groups: Vec::new(),
                elastic_ip: None,
                source_dest_check: true,
                description: description.clone(),
                tags: Tags::new(),
            };
            self.enis.insert(id, eni);
        }
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
