//! Checks that an NC2 VPC leads a network into Flow: subnet tables, and the source/destination check of the interface.

use crate::checks::{fail, list, pass, unknown};
use crate::facts::{Live, Subject};
use holdfast_aws_network::AwsNetwork;
use holdfast_model::wire::Check;
use holdfast_model::{
    AttachmentKind, AttachmentState, EniId, NetworkName, Prefix, RouteState, Scope, Site, SiteName, VpcTable, VpcTarget,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the tables of the attachment subnets of a site's VPC do with each network.
pub(crate) struct Flow {
    pub checks: Vec<Check>,
    /// Interfaces that the tables lead to.
    pub enis: BTreeSet<EniId>,
}

/// Checks the table of every subnet that the transit gateway delivers to; an EC2 site has no such tables.
pub(crate) fn tables(subject: &Subject<'_>, live: &Live, name: &SiteName, site: &Site) -> Flow {
    let mut flow = Flow { checks: Vec::new(), enis: BTreeSet::new() };
    if let Site::Ec2 { .. } = site {
        return flow;
    }
    for network in &subject.networks {
        if let Some(declared) = subject.map.networks.get(network) {
            flow.check(live, (name, site), (network, declared.prefix));
        }
    }
    flow
}

impl Flow {
    fn check(&mut self, live: &Live, (name, site): (&SiteName, &Site), (network, prefix): (&NetworkName, Prefix)) {
        let title = format!("{network} in the VPC of {name}");
        let id = site.vpc();
        let Some(vpc) = live.picture.vpcs.get(id) else {
            let unread = live.picture.unread.iter().find(|unread| unread.what.contains(id.as_str()));
            let why = unread.map_or("it was not read", |unread| unread.why.as_str());
            self.checks.push(unknown(title, format!("VPC `{id}`: {why}")));
            return;
        };
        let attachments = live.picture.attachments.get(site.region()).into_iter().flat_map(BTreeMap::values);
        let subnets: BTreeSet<_> = attachments
            .filter(|attachment| attachment.state != AttachmentState::Gone)
            .filter_map(|attachment| match &attachment.kind {
                AttachmentKind::Vpc { vpc, subnets } if vpc == id => Some(subnets),
                AttachmentKind::Vpc { .. }
                | AttachmentKind::Peering { .. }
                | AttachmentKind::Vpn
                | AttachmentKind::DirectConnectGateway
                | AttachmentKind::Other { .. } => None,
            })
            .flatten()
            .collect();
        if subnets.is_empty() {
            self.checks.push(unknown(title, format!("no attachment of VPC `{id}` was read")));
            return;
        }
        let mut wrong = Vec::new();
        for subnet in &subnets {
            let Some((table_id, table)) = vpc.subnets.get(*subnet).and_then(|s| vpc.tables.get_key_value(&s.table))
            else {
                wrong.push(format!("subnet `{subnet}` is not in VPC `{id}`"));
                continue;
            };
            match leads_to(table, prefix) {
                Ok(eni) => {
                    self.enis.insert(eni);
                }
                Err(why) => wrong.push(format!("`{table_id}` of subnet `{subnet}`: {why}")),
            }
        }
        self.checks.push(if wrong.is_empty() {
            pass(title, format!("{prefix} leads to {} from every attachment subnet", list(&self.enis)))
        } else {
            let mend = "NC2 writes this route when the subnet's prefix is externally routable in the Flow VPC";
            fail(title, format!("{}; {mend}", list(wrong)))
        });
    }
}

/// Interface that a table leads a prefix to.
fn leads_to(table: &VpcTable, prefix: Prefix) -> Result<EniId, String> {
    let best = table.routes.iter().filter(|(p, _)| p.covers(&prefix)).max_by_key(|(p, _)| p.length());
    let Some((found, route)) = best else { return Err(format!("no route for {prefix}")) };
    match (&route.target, route.state) {
        (VpcTarget::Eni { id }, RouteState::Active) if found.length() > 0 => Ok(id.clone()),
        (VpcTarget::Eni { id }, RouteState::Blackhole) => Err(format!("route {found} to {id} is a blackhole")),
        (VpcTarget::Tgw { id }, _) => {
            Err(format!("route {found} leads back to {id}, there is none for {prefix} to an NC2 host"))
        }
        (VpcTarget::Local, _) => Err(format!("{prefix} is local to the VPC")),
        (VpcTarget::Eni { id }, _) => Err(format!("route {found} to {id} is not one of Flow's")),
        (VpcTarget::Peering { id }, _) => Err(format!("route {found} leads to {id}")),
        (VpcTarget::Other { id }, _) => Err(format!("route {found} leads to {id}")),
    }
}

/// Source/destination checking drops every packet of a network on its way through an interface.
pub(crate) async fn source_dest(
    networks: &BTreeMap<Scope, AwsNetwork>,
    name: &SiteName,
    site: &Site,
    enis: &BTreeSet<EniId>,
) -> Option<Check> {
    if enis.is_empty() {
        return None;
    }
    let title = format!("source/destination check at {name}");
    let scope = Scope { account: site.account().clone(), region: site.region().clone() };
    let network = networks.get(&scope)?;
    let seen = match network.read_source_dest_checks(enis).await {
        Ok(seen) => seen,
        Err(error) => return Some(unknown(title, error.to_string())),
    };
    let on: Vec<&EniId> = seen.iter().filter(|(_, on)| **on).map(|(id, _)| id).collect();
    let missing: Vec<&EniId> = enis.iter().filter(|id| !seen.contains_key(id)).collect();
    Some(if !on.is_empty() {
        fail(title, format!("it is on for {}, which drops what is not addressed to the NC2 host itself", list(on)))
    } else if !missing.is_empty() {
        unknown(title, format!("{} cannot be read", list(missing)))
    } else {
        pass(title, format!("off for {}", list(seen.keys())))
    })
}
