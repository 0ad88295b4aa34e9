//! Questions about routing and addresses, for the API and for the data plane.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::state::{
    Attachment, AttachmentKind, Ec2, Eni, Home, Kind, Progress, RouteTable, Subnet, TgwRouteTable, VpcPeeringState,
    VpcTarget,
};

/// Where a TGW route comes from. The order is EC2's precedence for one prefix, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteOrigin {
    /// Written by a person or a program.
    Static,
    /// Propagated by a VPC attachment.
    Vpc,
    /// Propagated by a Direct Connect gateway.
    DirectConnect,
    /// Propagated by a VPN.
    Vpn,
}

/// State of a TGW route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteState {
    /// Written, not yet reported as active. It forwards already.
    Pending,
    /// Forwards.
    Active,
    /// Drops.
    Blackhole,
}

/// A route of a TGW route table as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TgwRoute {
    /// Destination.
    pub prefix: Ipv4Net,
    /// Where it comes from.
    pub origin: RouteOrigin,
    /// State.
    pub state: RouteState,
    /// Attachment that it leads to, also when that one is gone; nothing for a declared blackhole.
    pub attachment: Option<String>,
}

/// What a VPC route table says about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcHop {
    /// The route's destination.
    pub prefix: Ipv4Net,
    /// Its target.
    pub target: VpcTarget,
    /// Whether the target is gone.
    pub blackhole: bool,
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

    /// Longest-prefix match in a VPC route table.
    pub fn vpc_lookup(&self, route_table: &str, ip: Ipv4Addr) -> Option<VpcHop> {
        let table = self.route_tables.get(route_table)?;
        let (prefix, route) = table
            .routes
            .iter()
            .filter(|(prefix, _)| prefix.contains(&ip))
            .max_by_key(|(prefix, _)| prefix.prefix_len())?;
        let blackhole = self.vpc_target_gone(table, &route.target);
        Some(VpcHop { prefix: *prefix, target: route.target.clone(), blackhole })
    }

    /// Whether the target of a route in `table` is gone: the route then is a blackhole.
    ///
    /// A transit gateway counts as gone when the VPC is no longer attached to it.
    pub fn vpc_target_gone(&self, table: &RouteTable, target: &VpcTarget) -> bool {
        match target {
            VpcTarget::Local => false,
            VpcTarget::TransitGateway(tgw) => !self.is_attached(&table.vpc, tgw),
            VpcTarget::NetworkInterface(eni) => !self
                .enis
                .get(eni)
                .and_then(|eni| eni.attached.as_ref())
                .is_some_and(|(instance, _)| self.instances.get(instance).is_some_and(|it| it.state.is_on())),
            VpcTarget::PeeringConnection(id) => {
                self.vpc_peerings.get(id).is_none_or(|found| found.state != VpcPeeringState::Active)
            }
        }
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

    /// Longest-prefix match in a TGW route table, over the routes in effect.
    pub fn tgw_lookup(&self, table: &str, ip: Ipv4Addr) -> Option<TgwRoute> {
        self.tgw_routes(table)
            .into_iter()
            .filter(|route| route.prefix.contains(&ip))
            .max_by_key(|route| route.prefix.prefix_len())
    }

    /// The routes in effect in a TGW route table, by prefix: a static route hides propagated ones of its prefix.
    ///
    /// Source: Amazon VPC Transit Gateways guide, "Route evaluation order".
    pub fn tgw_routes(&self, table: &str) -> Vec<TgwRoute> {
        self.tgw_route_tables.get(table).map(|table| self.tgw_routes_of(table)).unwrap_or_default()
    }

    /// The same for a view of a table.
    pub(crate) fn tgw_routes_of(&self, table: &TgwRouteTable) -> Vec<TgwRoute> {
        let mut best: BTreeMap<Ipv4Net, TgwRoute> = BTreeMap::new();
        for (prefix, route) in &table.routes {
            let gone = route.attachment.as_ref().is_none_or(|id| !self.attachment_carries(id));
            let state = match (gone, route.pending_reads) {
                (true, _) => RouteState::Blackhole,
                (false, 0) => RouteState::Active,
                (false, _) => RouteState::Pending,
            };
            let attachment = route.attachment.clone();
            best.insert(*prefix, TgwRoute { prefix: *prefix, origin: RouteOrigin::Static, state, attachment });
        }
        for (id, progress) in &table.propagations {
            if matches!(progress, Progress::Deleting(_) | Progress::Deleted) {
                continue;
            }
            let Some((origin, prefixes)) = self.advertised(id) else { continue };
            for prefix in prefixes {
                let route = TgwRoute { prefix, origin, state: RouteState::Active, attachment: Some(id.clone()) };
                match best.get(&prefix) {
                    Some(better) if better.origin <= origin => {}
                    _ => {
                        best.insert(prefix, route);
                    }
                }
            }
        }
        best.into_values().collect()
    }

    /// What an attachment propagates; nothing over a peering, or when the attachment carries no traffic.
    fn advertised(&self, attachment: &str) -> Option<(RouteOrigin, Vec<Ipv4Net>)> {
        let attachment = self.attachments.get(attachment).filter(|attachment| attachment.carries())?;
        match &attachment.kind {
            AttachmentKind::Vpc { vpc, .. } => Some((RouteOrigin::Vpc, self.vpcs.get(vpc)?.cidrs.clone())),
            AttachmentKind::Vpn { prefixes, .. } => Some((RouteOrigin::Vpn, prefixes.iter().copied().collect())),
            AttachmentKind::DirectConnectGateway { prefixes, .. } => {
                Some((RouteOrigin::DirectConnect, prefixes.iter().copied().collect()))
            }
            AttachmentKind::Peering { .. } => None,
        }
    }

    fn attachment_carries(&self, id: &str) -> bool {
        self.attachments.get(id).is_some_and(Attachment::carries)
    }

    /// The table of transit gateway `tgw` that routes what comes in by an attachment. A peering has one at each side.
    pub fn association(&self, tgw: &str, attachment: &str) -> Option<&str> {
        self.tgw_route_tables
            .iter()
            .find(|(_, table)| {
                table.tgw == tgw
                    && matches!(
                        table.associations.get(attachment),
                        Some(Progress::Available | Progress::Pending(_) | Progress::Modifying(_))
                    )
            })
            .map(|(id, _)| id.as_str())
    }
}

impl Attachment {
    /// Whether traffic passes: the attachment is there, perhaps being changed.
    pub fn carries(&self) -> bool {
        matches!(self.state, Progress::Available | Progress::Modifying(_))
    }

    /// The sides of the attachment: transit gateway and place. A peering has two, any other kind one.
    pub fn sides(&self) -> Vec<(&str, &Home)> {
        let mut sides = vec![(self.tgw.as_str(), &self.home)];
        if let AttachmentKind::Peering { peer_tgw, peer } = &self.kind {
            sides.push((peer_tgw, peer));
        }
        sides
    }

    /// The transit gateway at the other side of a peering, seen from `tgw`.
    pub fn across(&self, tgw: &str) -> Option<&str> {
        match &self.kind {
            AttachmentKind::Peering { peer_tgw, .. } if self.tgw == tgw => Some(peer_tgw),
            AttachmentKind::Peering { peer_tgw, .. } if peer_tgw == tgw => Some(&self.tgw),
            _ => None,
        }
    }
}
