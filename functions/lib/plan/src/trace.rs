//! Walks a packet over the tables: from a vantage to a network, and the reply back.
//!
//! Proves routing, not filtering: security groups, network ACLs and the guest's own firewall are not in a picture. What was not read
//! ends a walk as unknown.

use crate::view::{Found, View, table_label, vpc_route};
use holdfast_model::{
    AttachmentId, AttachmentKind, AttachmentState, NetworkMap, NetworkName, Prefix, Region, RouteState, RouteTableId,
    Site, SiteName, SubnetId, Vantage, Vpc, VpcId, VpcTarget,
};
use std::fmt;

/// Where packets of a vantage to a prefix end. The order is from good to bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// At this site.
    Delivered(SiteName),
    /// Outside the declared sites.
    Leaves(String),
    /// Dropped.
    Blackhole(String),
    /// In a circle of these tables.
    Loop(Vec<String>),
    /// Something on the way was not read or is not settled.
    Unknown(String),
}

/// Where replies to a vantage end. The order is from good to bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// They leave where the vantage expects them.
    Returns,
    /// They leave elsewhere.
    Leaves(String),
    /// Dropped.
    Blackhole(String),
    /// In a circle of these tables.
    Loop(Vec<String>),
    /// Something on the way was not read or is not settled.
    Unknown(String),
}

impl Outcome {
    /// Whether two outcomes are the same kind of good or bad; delivered at two sites is not the same.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Outcome::Delivered(a), Outcome::Delivered(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Reply {
    /// Whether two replies are the same kind of good or bad.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Delivered(site) => write!(f, "delivered at {site}"),
            Outcome::Leaves(at) => write!(f, "leaves the declared sites: {at}"),
            Outcome::Blackhole(at) => write!(f, "dropped: {at}"),
            Outcome::Loop(path) => write!(f, "loops: {}", path.join(" -> ")),
            Outcome::Unknown(at) => write!(f, "unknown: {at}"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Returns => f.write_str("reply returns"),
            Reply::Leaves(at) => write!(f, "reply leaves elsewhere: {at}"),
            Reply::Blackhole(at) => write!(f, "reply dropped: {at}"),
            Reply::Loop(path) => write!(f, "reply loops: {}", path.join(" -> ")),
            Reply::Unknown(at) => write!(f, "reply unknown: {at}"),
        }
    }
}

/// Traces from a vantage to one [part](crate::parts) of a prefix. Where subnets of an attachment differ, the worst counts.
#[must_use]
pub fn trace(view: &View<'_>, map: &NetworkMap, vantage: &Vantage, to: Prefix) -> Outcome {
    let mut walk = Walk::new(view, map, to);
    let (region, enters) = vantage.enters();
    match vantage {
        Vantage::OnPremises { .. } => walk.enter(region, enters),
        Vantage::Vpc { prefixes, .. } => walk.start_at_clients(region, enters, prefixes),
    }
    walk.ends
        .into_iter()
        .map(|end| match end {
            End::Local { vpc, at, .. } => delivered(map, &vpc, at, |site| matches!(site, Site::Ec2 { .. })),
            End::Eni { vpc, at } => delivered(map, &vpc, at, |site| matches!(site, Site::Nc2 { .. })),
            End::Out { region, attachment } => Outcome::Leaves(format!("by {attachment} in {region}")),
            End::Leaves(at) => Outcome::Leaves(at),
            End::Blackhole(at) => Outcome::Blackhole(at),
            End::Loop(path) => Outcome::Loop(path),
            End::Unknown(at) => Outcome::Unknown(at),
        })
        .max()
        .unwrap_or_else(|| Outcome::Unknown("the way has no end".to_owned()))
}

/// Machines that reply: of one part of a network, at a site.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Network.
    pub network: &'a NetworkName,
    /// Where its machines are.
    pub site: &'a SiteName,
    /// The part of its prefix that was asked.
    pub part: Prefix,
}

/// Traces the reply from the machines of a network at a site to one [part](crate::parts) of the vantage's prefixes.
#[must_use]
pub fn trace_reply(view: &View<'_>, map: &NetworkMap, vantage: &Vantage, source: Source<'_>, to: Prefix) -> Reply {
    let Source { network, site, .. } = source;
    let mut walk = Walk::new(view, map, to);
    match (map.networks.get(network), map.sites.get(site)) {
        (Some(network), Some(site)) => walk.start_at_machines(site, network.prefix),
        _ => walk.ends.push(End::Unknown(format!("network `{network}` or site `{site}` is not in the network map"))),
    }
    let expected = vantage.reply_leaves();
    walk.ends
        .into_iter()
        .map(|end| match end {
            End::Out { region, attachment } if expected == (&region, &attachment) => Reply::Returns,
            End::Local { via: None, .. } => Reply::Returns,
            End::Local { via: Some((region, attachment)), .. } if expected == (&region, &attachment) => Reply::Returns,
            End::Out { region, attachment } => Reply::Leaves(format!("by {attachment} in {region}")),
            End::Local { at, .. } | End::Eni { at, .. } | End::Leaves(at) => Reply::Leaves(at),
            End::Blackhole(at) => Reply::Blackhole(at),
            End::Loop(path) => Reply::Loop(path),
            End::Unknown(at) => Reply::Unknown(at),
        })
        .max()
        .unwrap_or_else(|| Reply::Unknown("the way has no end".to_owned()))
}

fn delivered(map: &NetworkMap, vpc: &VpcId, at: String, kind: impl Fn(&Site) -> bool) -> Outcome {
    let mut sites = map.sites.iter().filter(|(_, site)| site.vpc() == vpc && kind(site)).map(|(name, _)| name);
    match (sites.next(), sites.next()) {
        (Some(site), None) => Outcome::Delivered(site.clone()),
        (Some(a), Some(b)) => Outcome::Unknown(format!("{at} may be site `{a}` or `{b}`")),
        (None, _) => Outcome::Leaves(at),
    }
}

/// Whether a route of an NC2 VPC leads to a Flow network: a network interface, and not for everything.
pub(crate) fn leads_to_flow(prefix: Prefix, target: &VpcTarget) -> bool {
    matches!(target, VpcTarget::Eni { .. }) && prefix.length() > 0
}

/// Where a walk ends.
#[derive(Debug)]
enum End {
    /// `local` of a VPC, reached by an attachment or from inside.
    Local {
        vpc: VpcId,
        via: Option<(Region, AttachmentId)>,
        at: String,
    },
    /// A network interface of a VPC.
    Eni {
        vpc: VpcId,
        at: String,
    },
    /// Out of AWS by an attachment.
    Out {
        region: Region,
        attachment: AttachmentId,
    },
    /// Out by something else.
    Leaves(String),
    Blackhole(String),
    Loop(Vec<String>),
    Unknown(String),
}

struct Walk<'v, 'a> {
    view: &'v View<'a>,
    map: &'v NetworkMap,
    to: Prefix,
    tables: Vec<RouteTableId>,
    ends: Vec<End>,
}

impl<'v, 'a> Walk<'v, 'a> {
    fn new(view: &'v View<'a>, map: &'v NetworkMap, to: Prefix) -> Self {
        Self { view, map, to, tables: Vec::new(), ends: Vec::new() }
    }

    /// Into a transit gateway by one of its attachments: the table that it is associated with decides.
    fn enter(&mut self, region: &Region, id: &AttachmentId) {
        let Some(attachment) = self.usable(region, id) else { return };
        match &attachment.association {
            Some(table) => self.decide(region, table),
            None => self.ends.push(End::Blackhole(format!("{id} in {region} is associated with no table"))),
        }
    }

    /// An attachment that carries traffic, or an end.
    fn usable(&mut self, region: &Region, id: &AttachmentId) -> Option<&'a holdfast_model::Attachment> {
        if !self.map.reachable(region) {
            self.ends.push(End::Blackhole(format!("{region} is declared lost")));
            return None;
        }
        let Some(attachment) = self.view.picture().attachment(region, id) else {
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
        let name = table_label(picture, id);
        let to = self.to;
        match self.view.tgw_route(table, to) {
            Found::Nothing => self.ends.push(End::Blackhole(format!("no route for {to} in {name}"))),
            Found::Hidden(prefix) => self.ends.push(End::Unknown(format!(
                "what a propagated route of {prefix} in {name} does once the static one is deleted cannot be read"
            ))),
            Found::Route { prefix, state: RouteState::Blackhole, .. } => {
                self.ends.push(End::Blackhole(format!("route {prefix} in {name} is a blackhole")));
            }
            Found::Route {
                prefix, state: RouteState::Pending | RouteState::Deleting | RouteState::Unknown, ..
            } => {
                self.ends.push(End::Unknown(format!("route {prefix} in {name} is not settled")));
            }
            Found::Route { prefix, state: RouteState::Active, targets: [] } => {
                self.ends.push(End::Unknown(format!("route {prefix} in {name} names no attachment")));
            }
            Found::Route { state: RouteState::Active, targets, .. } => {
                self.tables.push(id.clone());
                for target in targets {
                    self.leave(region, target);
                }
                self.tables.pop();
            }
        }
    }

    /// Out of a transit gateway by one of its attachments.
    fn leave(&mut self, region: &Region, id: &AttachmentId) {
        let Some(attachment) = self.usable(region, id) else { return };
        match &attachment.kind {
            AttachmentKind::Vpc { vpc, subnets } => {
                if subnets.is_empty() {
                    self.ends.push(End::Unknown(format!("the subnets of {id} in {region} were not read")));
                }
                for subnet in subnets {
                    self.subnet(vpc, subnet, Some((region, id)));
                }
            }
            AttachmentKind::Peering { region: other, .. } if !self.map.reachable(other) => {
                self.ends.push(End::Blackhole(format!("{other} is declared lost")));
            }
            AttachmentKind::Peering { tgw, region: other } => match self.view.picture().attachment(other, id) {
                Some(far) if far.tgw == *tgw => self.enter(other, id),
                Some(_) | None => {
                    self.ends.push(End::Unknown(format!("the far end of {id}, {tgw} in {other}, was not read")));
                }
            },
            AttachmentKind::Vpn | AttachmentKind::DirectConnectGateway | AttachmentKind::Other { .. } => {
                self.ends.push(End::Out { region: region.clone(), attachment: id.clone() });
            }
        }
    }

    /// Through the table of a subnet: AWS delivers through the table of each subnet of an attachment.
    fn subnet(&mut self, vpc_id: &VpcId, subnet: &SubnetId, via: Option<(&Region, &AttachmentId)>) {
        let picture = self.view.picture();
        let Some(vpc) = picture.vpcs.get(vpc_id) else {
            self.ends.push(End::Unknown(format!("{vpc_id} was not read")));
            return;
        };
        let Some((table_id, table)) =
            vpc.subnets.get(subnet).and_then(|s| vpc.tables.get(&s.table).map(|t| (&s.table, t)))
        else {
            self.ends.push(End::Unknown(format!("{subnet} of {vpc_id} or its table was not read")));
            return;
        };
        let at = format!("{table_id} of {subnet} in {vpc_id}");
        let to = self.to;
        let Some((prefix, route)) = vpc_route(table, to) else {
            self.ends.push(End::Blackhole(format!("no route for {to} in {at}")));
            return;
        };
        match route.state {
            RouteState::Active => {}
            RouteState::Blackhole => {
                self.ends.push(End::Blackhole(format!("route {prefix} in {at} is a blackhole")));
                return;
            }
            RouteState::Pending | RouteState::Deleting | RouteState::Unknown => {
                self.ends.push(End::Unknown(format!("route {prefix} in {at} is not settled")));
                return;
            }
        }
        match &route.target {
            VpcTarget::Local => self.ends.push(End::Local {
                vpc: vpc_id.clone(),
                via: via.map(|(region, id)| (region.clone(), id.clone())),
                at,
            }),
            VpcTarget::Eni { id } if leads_to_flow(prefix, &route.target) => {
                self.ends.push(End::Eni { vpc: vpc_id.clone(), at: format!("to {id} by {at}") });
            }
            VpcTarget::Eni { id } => self.ends.push(End::Leaves(format!("to {id} by {at}"))),
            VpcTarget::Peering { id } => self.ends.push(End::Leaves(format!("to {id} by {at}"))),
            VpcTarget::Other { id } => self.ends.push(End::Leaves(format!("to {id} by {at}"))),
            VpcTarget::Tgw { id } => {
                let region = &vpc.scope.region;
                let own = picture.attachments.get(region).into_iter().flatten().find(|(_, attachment)| {
                    attachment.tgw == *id
                        && matches!(&attachment.kind, AttachmentKind::Vpc { vpc, .. } if vpc == vpc_id)
                        && attachment.state != AttachmentState::Gone
                });
                match own {
                    Some((attachment, _)) => self.enter(region, attachment),
                    None => self.ends.push(End::Unknown(format!("the attachment of {vpc_id} to {id} was not read"))),
                }
            }
        }
    }

    /// From clients in a VPC.
    fn start_at_clients(&mut self, region: &Region, enters: &AttachmentId, clients: &[Prefix]) {
        let Some(attachment) = self.usable(region, enters) else { return };
        let AttachmentKind::Vpc { vpc, .. } = &attachment.kind else {
            self.ends.push(End::Unknown(format!("{enters} in {region} is not the attachment of a VPC")));
            return;
        };
        let Some(seen) = self.view.picture().vpcs.get(vpc) else {
            self.ends.push(End::Unknown(format!("{vpc} was not read")));
            return;
        };
        let subnets = seen.subnets.iter().filter(|(_, s)| clients.iter().any(|client| client.overlaps(&s.prefix)));
        self.start_at_subnets(vpc, subnets.map(|(id, _)| id).collect(), "the clients");
    }

    /// From machines of a network at a site: on EC2, from the subnets that hold the network; on NC2, from the subnets whose table leads to
    /// the network, since its replies come out of the interfaces of NC2 hosts there.
    fn start_at_machines(&mut self, site: &Site, network: Prefix) {
        let Some(vpc) = self.view.picture().vpcs.get(site.vpc()) else {
            self.ends.push(End::Unknown(format!("{} was not read", site.vpc())));
            return;
        };
        let subnets = match site {
            Site::Ec2 { .. } => {
                vpc.subnets.iter().filter(|(_, s)| s.prefix.overlaps(&network)).map(|(id, _)| id).collect()
            }
            Site::Nc2 { .. } => flow_subnets(vpc, network),
        };
        self.start_at_subnets(site.vpc(), subnets, &format!("{network}"));
    }

    fn start_at_subnets(&mut self, vpc: &VpcId, subnets: Vec<&SubnetId>, what: &str) {
        if subnets.is_empty() {
            self.ends.push(End::Blackhole(format!("no subnet of {vpc} holds {what} or leads to it")));
        }
        for subnet in subnets {
            self.subnet(vpc, subnet, None);
        }
    }
}

/// Subnets whose table leads a network to Flow.
fn flow_subnets(vpc: &Vpc, network: Prefix) -> Vec<&SubnetId> {
    let leads = |table: &RouteTableId| {
        vpc.tables
            .get(table)
            .and_then(|table| vpc_route(table, network))
            .is_some_and(|(prefix, route)| leads_to_flow(prefix, &route.target))
    };
    vpc.subnets.iter().filter(|(_, subnet)| leads(&subnet.table)).map(|(id, _)| id).collect()
}
