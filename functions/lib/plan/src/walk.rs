//! The walk of a packet from table to table.

use crate::view::{Found, View, table_label};
use holdfast_model::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, NetworkMap, PeeringReach, Prefix, Region, RouteState,
    RouteTableId, Site, SubnetId, TgwId, Vpc, VpcId, VpcPeeringId, VpcRoute, VpcSubnet, VpcTarget, ZoneName,
};
use std::collections::BTreeMap;

/// Whether a route of an NC2 VPC leads to a Flow network: a network interface, and not for everything.
pub(crate) fn leads_to_flow(prefix: Prefix, target: &VpcTarget) -> bool {
    matches!(target, VpcTarget::Eni { .. }) && prefix.length() > 0
}

/// Whether what leaves a subnet reaches the transit gateway by an attachment of its VPC: only from an Availability Zone in which the attachment has a
/// subnet (Amazon VPC Transit Gateways guide, "VPC attachments"). None where a Zone was not read.
fn reaches(vpc: Option<&Vpc>, subnet: &SubnetId, attachment: &Attachment) -> Option<bool> {
    let AttachmentKind::Vpc { subnets, .. } = &attachment.kind else { return None };
    let zone = |id: &SubnetId| vpc?.subnets.get(id)?.zone.as_ref();
    if subnets.contains(subnet) {
        return Some(true);
    }
    let own = zone(subnet)?;
    let zones: Vec<Option<&ZoneName>> = subnets.iter().map(zone).collect();
    if zones.contains(&Some(own)) {
        Some(true)
    } else if zones.is_empty() || zones.contains(&None) {
        None
    } else {
        Some(false)
    }
}

/// Where a walk ends.
#[derive(Debug)]
pub(crate) enum End {
    /// An address of a VPC itself.
    Local {
        /// The VPC.
        vpc: VpcId,
        /// By which table.
        at: String,
    },
    /// A network interface of a VPC.
    Eni {
        /// The VPC.
        vpc: VpcId,
        /// By which table.
        at: String,
    },
    /// Out of AWS by an attachment.
    Out {
        /// Its Region.
        region: Region,
        /// The attachment.
        attachment: AttachmentId,
    },
    /// Out by something else.
    Leaves(String),
    /// Dropped.
    Blackhole(String),
    /// In a circle of these tables.
    Loop(Vec<String>),
    /// Not known.
    Unknown(String),
}

pub(crate) struct Walk<'v, 'a> {
    view: &'v View<'a>,
    map: &'v NetworkMap,
    to: Prefix,
    tables: Vec<RouteTableId>,
    /// VPC whose own address the packet comes from.
    from: Option<VpcId>,
    pub(crate) ends: Vec<End>,
}

impl<'v, 'a> Walk<'v, 'a> {
    pub(crate) fn new(view: &'v View<'a>, map: &'v NetworkMap, to: Prefix) -> Self {
        Self { view, map, to, tables: Vec::new(), from: None, ends: Vec::new() }
    }

    /// Into a transit gateway by one of its attachments: the table that it is associated with decides.
    pub(crate) fn enter(&mut self, region: &Region, id: &AttachmentId) {
        if let Some(attachment) = self.usable(region, id, None) {
            self.by_association(attachment);
        }
    }

    fn by_association(&mut self, attachment: &'a Attachment) {
        let (id, region) = (&attachment.id, &attachment.region);
        match &attachment.association {
            Some(table) => self.decide(region, table),
            None => self.ends.push(End::Blackhole(format!("{id} in {region} is associated with no table"))),
        }
    }

    /// An attachment that carries traffic, as seen from a transit gateway where that is known, or an end.
    fn usable(&mut self, region: &Region, id: &AttachmentId, from: Option<&TgwId>) -> Option<&'a Attachment> {
        if !self.map.reachable(region) {
            self.ends.push(End::Blackhole(format!("{region} is declared lost")));
            return None;
        }
        let picture = self.view.picture();
        let seen = from.map_or_else(|| picture.attachment(region, id), |tgw| picture.side(region, tgw, id));
        let Some(attachment) = seen else {
            self.ends.push(End::Unknown(format!("{id} in {region} was not read")));
            return None;
        };
        match attachment.state {
            AttachmentState::Available => Some(attachment),
            AttachmentState::Gone => {
                self.ends.push(End::Blackhole(format!("{id} in {region} is gone")));
                None
            }
            AttachmentState::Changing | AttachmentState::Unknown => {
                self.ends.push(End::Unknown(format!("{id} in {region} is not available")));
                None
            }
        }
    }

    fn decide(&mut self, region: &Region, id: &RouteTableId) {
        let picture = self.view.picture();
        if self.tables.contains(id) {
            let start = self.tables.iter().position(|t| t == id).unwrap_or(0);
            let circle = self.tables.iter().skip(start).chain(std::iter::once(id));
            let path = circle.map(|t| table_label(picture, t)).collect();
            self.ends.push(End::Loop(path));
            return;
        }
        let Some(table) = picture.tgw_tables.get(id) else {
            self.ends.push(End::Unknown(format!("{id} in {region} was not read")));
            return;
        };
        let name = || table_label(picture, id);
        let to = self.to;
        match self.view.tgw_route(table, to) {
            Found::Nothing => self.ends.push(End::Blackhole(format!("no route for {to} in {}", name()))),
            Found::Hidden(prefix) => self.ends.push(End::Unknown(format!(
                "what takes over for {prefix} in {} once the route that hides it is gone cannot be read",
                name()
            ))),
            Found::Route { prefix, state: RouteState::Blackhole, .. } => {
                self.ends.push(End::Blackhole(format!("route {prefix} in {} is a blackhole", name())));
            }
            Found::Route {
                prefix, state: RouteState::Pending | RouteState::Deleting | RouteState::Unknown, ..
            } => {
                self.ends.push(End::Unknown(format!("route {prefix} in {} is not settled", name())));
            }
            Found::Route { prefix, state: RouteState::Active, targets } if targets.is_empty() => {
                self.ends.push(End::Unknown(format!("route {prefix} in {} names no attachment", name())));
            }
            Found::Route { state: RouteState::Active, targets, .. } => {
                self.tables.push(id.clone());
                for target in targets.iter() {
                    self.leave(region, &table.tgw, target);
                }
                self.tables.pop();
            }
        }
    }

    /// Out of a transit gateway by one of its attachments.
    fn leave(&mut self, region: &Region, from: &TgwId, id: &AttachmentId) {
        let Some(attachment) = self.usable(region, id, Some(from)) else { return };
        if let Some(node) = self.map.pass_through.values().find(|node| node.region == *region && node.enters == *id) {
            self.enter(region, &node.leaves);
            return;
        }
        match &attachment.kind {
            AttachmentKind::Vpc { vpc, subnets } => {
                if subnets.is_empty() {
                    self.ends.push(End::Unknown(format!("the subnets of {id} in {region} were not read")));
                }
                let from = self.from.take();
                for subnet in subnets {
                    self.subnet(vpc, subnet);
                }
                self.from = from;
            }
            AttachmentKind::Peering { region: other, .. } if !self.map.reachable(other) => {
                self.ends.push(End::Blackhole(format!("{other} is declared lost")));
            }
            AttachmentKind::Peering { tgw, region: other } => {
                if self.view.picture().side(other, tgw, id).is_none() {
                    self.ends.push(End::Unknown(format!("the far end of {id}, {tgw} in {other}, was not read")));
                } else if let Some(far) = self.usable(other, id, Some(tgw)) {
                    self.by_association(far);
                }
            }
            AttachmentKind::Vpn | AttachmentKind::DirectConnectGateway | AttachmentKind::Other { .. } => {
                self.ends.push(End::Out { region: region.clone(), attachment: id.clone() });
            }
        }
    }

    /// Through the table of a subnet: AWS delivers through the table of each subnet of an attachment.
    fn subnet(&mut self, vpc_id: &VpcId, subnet: &SubnetId) {
        let Some(vpc) = self.view.picture().vpcs.get(vpc_id) else {
            self.ends.push(End::Unknown(format!("{vpc_id} was not read")));
            return;
        };
        match vpc.subnets.get(subnet).map(|s| &s.table).filter(|table| vpc.tables.contains_key(*table)) {
            Some(table) => self.by_table(vpc_id, subnet, table),
            None => self.ends.push(End::Unknown(format!("{subnet} of {vpc_id} or its table was not read"))),
        }
    }

    fn by_table(&mut self, vpc_id: &VpcId, subnet: &SubnetId, table: &RouteTableId) {
        let to = self.to;
        let at = format!("{table} of {subnet} in {vpc_id}");
        let Some((prefix, route)) = self.view.vpc_route(table, to) else {
            self.ends.push(End::Blackhole(format!("no route for {to} in {at}")));
            return;
        };
        match route.state {
            RouteState::Active => self.follow((vpc_id, subnet), prefix, &route, &at),
            RouteState::Blackhole => {
                self.ends.push(End::Blackhole(format!("route {prefix} in {at} is a blackhole")));
            }
            RouteState::Pending | RouteState::Deleting | RouteState::Unknown => {
                self.ends.push(End::Unknown(format!("route {prefix} in {at} is not settled")));
            }
        }
    }

    fn follow(&mut self, (vpc_id, subnet): (&VpcId, &SubnetId), prefix: Prefix, route: &VpcRoute, at: &str) {
        let picture = self.view.picture();
        match &route.target {
            VpcTarget::Local => self.ends.push(End::Local { vpc: vpc_id.clone(), at: at.to_owned() }),
            VpcTarget::Eni { id } if leads_to_flow(prefix, &route.target) => {
                self.ends.push(End::Eni { vpc: vpc_id.clone(), at: format!("to {id} by {at}") });
            }
            VpcTarget::Eni { id } => self.ends.push(End::Leaves(format!("to {id} by {at}"))),
            VpcTarget::Other { id } => self.ends.push(End::Leaves(format!("to {id} by {at}"))),
            VpcTarget::Peering { id } => self.over_peering(vpc_id, id, at),
            VpcTarget::Tgw { id } => {
                let Some(region) = picture.vpcs.get(vpc_id).map(|vpc| &vpc.scope.region) else { return };
                let own = picture.attachments.get(region).into_iter().flatten().find(|(_, attachment)| {
                    attachment.tgw == *id
                        && matches!(&attachment.kind, AttachmentKind::Vpc { vpc, .. } if vpc == vpc_id)
                        && attachment.state != AttachmentState::Gone
                });
                match own {
                    Some((id, attachment)) => match reaches(picture.vpcs.get(vpc_id), subnet, attachment) {
                        Some(true) => self.enter(region, id),
                        Some(false) => {
                            let zone = picture.vpcs.get(vpc_id).and_then(|vpc| vpc.subnets.get(subnet)?.zone.as_ref());
                            let zone = zone.map_or("there", ZoneName::as_str);
                            self.ends.push(End::Blackhole(format!(
                                "{id} in {region} has no subnet in Availability Zone {zone}, where {subnet} is, by {at}"
                            )));
                        }
                        None => self.ends.push(End::Unknown(format!(
                            "the Availability Zone of {subnet} in {vpc_id} or of the subnets of {id} was not read"
                        ))),
                    },
                    None => self.ends.push(End::Unknown(format!("the attachment of {vpc_id} to {id} was not read"))),
                }
            }
        }
    }

    /// Over a VPC peering connection: from an address of the one VPC to an address of the other, no further (Amazon VPC Peering guide, "VPC
    /// peering limitations"); where the policy says that overlays are carried, also to a network interface that the main table there leads to.
    fn over_peering(&mut self, vpc: &VpcId, id: &VpcPeeringId, at: &str) {
        let picture = self.view.picture();
        let Some(peering) = picture.vpc_peerings.get(id) else {
            self.ends.push(End::Unknown(format!("{id} was not read")));
            return;
        };
        match peering.state {
            AttachmentState::Available => {}
            AttachmentState::Gone => return self.ends.push(End::Blackhole(format!("{id} is gone"))),
            AttachmentState::Changing | AttachmentState::Unknown => {
                return self.ends.push(End::Unknown(format!("{id} is not active")));
            }
        }
        let Some((far, region)) = peering.across(vpc) else {
            return self.ends.push(End::Blackhole(format!("{id} does not connect {vpc}, by {at}")));
        };
        if !self.map.reachable(region) {
            return self.ends.push(End::Blackhole(format!("{region} is declared lost")));
        }
        let Some(there) = picture.vpcs.get(far) else {
            return self.ends.push(End::Unknown(format!("{far} was not read")));
        };
        let overlays = self.map.policy.vpc_peering == PeeringReach::Overlays;
        let to = self.to;
        let own = self.from.as_ref() == Some(vpc);
        if there.prefixes.iter().any(|prefix| prefix.covers(&to)) && (own || overlays) {
            return self.ends.push(End::Local { vpc: far.clone(), at: format!("over {id} by {at}") });
        }
        let filtered = format!("{id} carries only what goes from an own prefix of {vpc} to one of {far}; by {at}");
        let main = there.main.as_ref().filter(|_| overlays);
        let Some((prefix, route)) = main.and_then(|main| self.view.vpc_route(main, to)) else {
            return self.ends.push(End::Blackhole(filtered));
        };
        if leads_to_flow(prefix, &route.target) && route.state == RouteState::Active {
            self.ends.push(End::Eni { vpc: far.clone(), at: format!("over {id} by {at}") });
        } else {
            self.ends.push(End::Blackhole(filtered));
        }
    }

    /// From clients in a VPC. Its attachment only says which VPC that is: its tables may lead elsewhere than to the transit gateway.
    pub(crate) fn start_at_clients(&mut self, region: &Region, enters: &AttachmentId, clients: &[Prefix]) {
        if !self.map.reachable(region) {
            return self.ends.push(End::Blackhole(format!("{region} is declared lost")));
        }
        let Some(attachment) = self.view.picture().attachment(region, enters) else {
            return self.ends.push(End::Unknown(format!("{enters} in {region} was not read")));
        };
        let AttachmentKind::Vpc { vpc, .. } = &attachment.kind else {
            self.ends.push(End::Unknown(format!("{enters} in {region} is not the attachment of a VPC")));
            return;
        };
        let Some(seen) = self.view.picture().vpcs.get(vpc) else {
            self.ends.push(End::Unknown(format!("{vpc} was not read")));
            return;
        };
        self.from = Some(vpc.clone());
        let subnets = seen.subnets.iter().filter(|(_, s)| clients.iter().any(|client| client.overlaps(&s.prefix)));
        self.start_at_subnets(vpc, subnets.collect(), "the clients");
    }

    /// From machines of a part of a network at a site: on EC2, from the subnets that hold the part; on NC2, from the subnets whose table leads to
    /// it, since its replies come out of the interfaces of NC2 hosts there. In which Availability Zone those are is not read: in one that has a subnet
    /// of an attachment, where there is any.
    pub(crate) fn start_at_machines(&mut self, site: &Site, part: Prefix) {
        let Some(vpc) = self.view.picture().vpcs.get(site.vpc()) else {
            self.ends.push(End::Unknown(format!("{} was not read", site.vpc())));
            return;
        };
        let subnets: Vec<(&SubnetId, &VpcSubnet)> = match site {
            Site::Ec2 { .. } => {
                self.from = Some(site.vpc().clone());
                vpc.subnets.iter().filter(|(_, s)| s.prefix.overlaps(&part)).collect()
            }
            Site::Nc2 { .. } => {
                let leads: Vec<_> = vpc.subnets.iter().filter(|(_, s)| self.leads_to_flow(&s.table, part)).collect();
                let picture = self.view.picture();
                let all = picture.attachments.get(&vpc.scope.region).into_iter().flat_map(|all| all.values());
                let own: Vec<&Attachment> = all
                    .filter(|at| matches!(&at.kind, AttachmentKind::Vpc { vpc: of, .. } if of == site.vpc()))
                    .collect();
                let outside = |subnet| own.iter().all(|at| reaches(Some(vpc), subnet, at) == Some(false));
                let near: Vec<_> = leads.iter().copied().filter(|(id, _)| !outside(id)).collect();
                if near.is_empty() { leads } else { near }
            }
        };
        self.start_at_subnets(site.vpc(), subnets, &format!("{part}"));
    }

    /// Whether a table leads a part of a network to Flow.
    fn leads_to_flow(&self, table: &RouteTableId, part: Prefix) -> bool {
        self.view.vpc_route(table, part).is_some_and(|(prefix, route)| leads_to_flow(prefix, &route.target))
    }

    /// From each of these subnets; those of one table and Availability Zone are alike.
    fn start_at_subnets(&mut self, vpc: &VpcId, subnets: Vec<(&SubnetId, &VpcSubnet)>, what: &str) {
        if subnets.is_empty() {
            self.ends.push(End::Blackhole(format!("no subnet of {vpc} holds {what} or leads to it")));
        }
        let alike: BTreeMap<(&RouteTableId, Option<&ZoneName>), &SubnetId> =
            subnets.into_iter().map(|(id, s)| ((&s.table, s.zone.as_ref()), id)).collect();
        for ((table, _), subnet) in alike {
            if self.view.vpc_table(table).is_some() {
                self.by_table(vpc, subnet, table);
            } else {
                self.ends.push(End::Unknown(format!("{table} of {vpc} was not read")));
            }
        }
    }
}
