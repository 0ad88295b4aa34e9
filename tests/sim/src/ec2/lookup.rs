//! Questions about VPC routing and addresses, for the API and for the data plane.

use std::{cmp::Reverse, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::state::{AttachmentKind, Ec2, Eni, Kind, RouteTable, Subnet, VpcPeeringState, VpcTarget};

/// What a VPC route table says about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcHop {
    /// The route's destination.
    pub prefix: Ipv4Net,
    /// The prefix list that it comes from.
    pub prefix_list: Option<String>,
    /// Its target.
    pub target: VpcTarget,
    /// Whether the target is gone.
    pub blackhole: bool,
}

/// Why a route within the VPC's own CIDRs is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithinVpc {
    /// It leads to something other than an interface or its like.
    Target,
    /// It is not one whole subnet.
    NotWholeSubnet,
}

/// Which of several routes for one prefix counts: the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank<'a> {
    Propagated,
    Listed(Reverse<&'a String>),
    Written,
}

impl Ec2 {
    /// The id that a name or an id of the world file stands for in a Region.
    pub fn find(&self, kind: Kind, region: &str, name_or_id: &str) -> Option<&str> {
        if let Some(id) = self.names.get(&(kind, region.to_owned(), name_or_id.to_owned())) {
            return Some(id);
        }
        let id = match kind {
            Kind::Vpc => self.vpcs.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::Subnet => self.subnets.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::RouteTable => self.route_tables.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::Instance => self.instances.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::Eni => self.enis.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::Tgw => self.tgws.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::Attachment => self.attachments.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::TgwRouteTable => self.tgw_route_tables.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::PrefixList => self.prefix_lists.get_key_value(name_or_id).map(|(id, _)| id),
            Kind::VpcPeering => self.vpc_peerings.get_key_value(name_or_id).map(|(id, _)| id),
        };
        id.map(String::as_str)
    }

    /// The route table that a subnet uses: its own, else the VPC's main one.
    pub fn subnet_table(&self, subnet: &str) -> Option<&str> {
        let subnet = self.subnets.get(subnet)?;
        match &subnet.route_table {
            Some(own) => Some(own),
            None => self.vpcs.get(&subnet.vpc).map(|vpc| vpc.main_route_table.as_str()),
        }
    }

    /// Longest-prefix match in a VPC route table. For one prefix, a route to the CIDR beats one to a prefix list, and that
    /// a propagated one; of several prefix lists, one always wins. Within the VPC's own CIDRs nothing propagated counts.
    ///
    /// Source: Amazon VPC user guide, "Route priority", "Route priority and prefix lists".
    pub fn vpc_lookup(&self, route_table: &str, ip: Ipv4Addr) -> Option<VpcHop> {
        let table = self.route_tables.get(route_table)?;
        let written = table.routes.iter().map(|(prefix, route)| (*prefix, Rank::Written, &route.target));
        let listed = table.prefix_lists.iter().flat_map(|(id, route)| {
            let entries = self.prefix_lists.get(id).map(|list| list.in_effect().keys());
            entries.into_iter().flatten().map(move |prefix| (*prefix, Rank::Listed(Reverse(id)), &route.target))
        });
        let propagated = table.propagated.iter().map(|(prefix, target)| (*prefix, Rank::Propagated, target));
        let (prefix, rank, target) = written
            .chain(listed)
            .chain(propagated)
            .filter(|(prefix, rank, target)| {
                prefix.contains(&ip) && (*rank == Rank::Written || self.fits_vpc(table, prefix, target).is_ok())
            })
            .max_by_key(|(prefix, rank, _)| (prefix.prefix_len(), *rank))?;
        let blackhole = self.vpc_target_gone(table, target);
        let prefix_list = match rank {
            Rank::Listed(Reverse(id)) => Some(id.clone()),
            Rank::Written | Rank::Propagated => None,
        };
        Some(VpcHop { prefix, prefix_list, target: target.clone(), blackhole })
    }

    /// How many routes of a table count against its quota: all but the local ones, prefix lists with their maximum.
    pub fn vpc_routes_counted(&self, table: &RouteTable) -> usize {
        let lists = table.prefix_lists.keys().filter_map(|id| self.prefix_lists.get(id));
        let written = table.routes.values().filter(|route| route.target != VpcTarget::Local).count();
        written + lists.map(|list| list.max_entries).sum::<usize>()
    }

    /// A prefix within the VPC must be one whole subnet, and may lead to an interface, a NAT gateway or a Gateway Load
    /// Balancer endpoint only.
    ///
    /// # Errors
    /// Which of the two rules is broken. Source: Amazon VPC user guide, "Routing for a middlebox appliance"; an entry
    /// of a prefix list that breaks them is ignored ("Prefix lists concepts and rules").
    pub fn fits_vpc(&self, table: &RouteTable, prefix: &Ipv4Net, target: &VpcTarget) -> Result<(), WithinVpc> {
        let vpc = self.vpcs.get(&table.vpc);
        if *target == VpcTarget::Local || !vpc.is_some_and(|vpc| vpc.cidrs.iter().any(|cidr| cidr.contains(prefix))) {
            return Ok(());
        }
        let middlebox = match target {
            VpcTarget::NetworkInterface(_) | VpcTarget::NatGateway(_) => true,
            VpcTarget::Gateway(id) => id.starts_with("vpce-"),
            VpcTarget::Local | VpcTarget::TransitGateway(_) | VpcTarget::PeeringConnection(_) => false,
        };
        if !middlebox {
            return Err(WithinVpc::Target);
        }
        let whole = vpc.is_some_and(|vpc| vpc.cidrs.contains(prefix))
            || self.subnets.values().any(|subnet| subnet.vpc == table.vpc && subnet.cidr == *prefix);
        if whole { Ok(()) } else { Err(WithinVpc::NotWholeSubnet) }
    }

    /// Whether the target of a route in `table` is gone: the route then is a blackhole.
    ///
    /// A transit gateway counts as gone when the VPC is no longer attached to it.
    pub fn vpc_target_gone(&self, table: &RouteTable, target: &VpcTarget) -> bool {
        match target {
            VpcTarget::Local => false,
            VpcTarget::TransitGateway(tgw) => !self.is_attached(&table.vpc, tgw),
            VpcTarget::NetworkInterface(eni) => !self.enis.get(eni).is_some_and(|eni| self.is_behind(eni)),
            VpcTarget::Gateway(id) | VpcTarget::NatGateway(id) => self.gateways.get(id) != Some(&table.vpc),
            VpcTarget::PeeringConnection(id) => {
                self.vpc_peerings.get(id).is_none_or(|found| found.state != VpcPeeringState::Active)
            }
        }
    }

    /// Whether something runs behind an interface: its instance, or the service that it belongs to.
    pub fn is_behind(&self, eni: &Eni) -> bool {
        let instance = eni.attached.as_ref().and_then(|(instance, _)| self.instances.get(instance));
        eni.service.is_some() || instance.is_some_and(|it| it.state.is_on())
    }

    /// Whether a VPC has an attachment that carries traffic to a transit gateway.
    pub fn is_attached(&self, vpc: &str, tgw: &str) -> bool {
        self.vpc_attachment(vpc, tgw).is_some()
    }

    /// The attachment, carrying traffic, of a VPC to a transit gateway.
    pub fn vpc_attachment(&self, vpc: &str, tgw: &str) -> Option<&str> {
        self.attachments
            .iter()
            .find(|(_, attachment)| {
                attachment.tgw == tgw
                    && attachment.carries()
                    && matches!(&attachment.kind, AttachmentKind::Vpc { vpc: own, .. } if own == vpc)
            })
            .map(|(id, _)| id.as_str())
    }

    /// The interface of a VPC that has this address, as primary or secondary.
    pub fn eni_by_ip(&self, vpc: &str, ip: Ipv4Addr) -> Option<(&str, &Eni)> {
        self.enis
            .iter()
            .find(|(_, eni)| eni.vpc == vpc && (eni.address == ip || eni.secondary.contains(&ip)))
            .map(|(id, eni)| (id.as_str(), eni))
    }

    /// The subnet of a VPC that this address is in.
    pub fn subnet_by_ip(&self, vpc: &str, ip: Ipv4Addr) -> Option<(&str, &Subnet)> {
        self.subnets
            .iter()
            .find(|(_, subnet)| subnet.vpc == vpc && subnet.cidr.contains(&ip))
            .map(|(id, subnet)| (id.as_str(), subnet))
    }
}
