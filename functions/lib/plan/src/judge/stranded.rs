//! Neighbours that the move cuts off from what moves: those that AWS or Flow holds back by a route of its own.

use super::ec2::{ids_of, who_is};
use super::{Facts, Judge, Objection, addresses_of, holds, looked_at};
use crate::desire::{between, current_site};
use crate::refusal::list;
use crate::step::{Place, RouteValue};
use crate::touch::propagated_prefixes;
use crate::view::View;
use crate::walk::leads_to_flow;
use holdfast_model::{
    Eni, EniId, EniStatus, HostRecord, InstanceId, InstanceState, Machines, NetworkMap, NetworkName, Picture, Prefix,
    Site, SiteName, TargetKind, VpcTarget,
};
use std::collections::BTreeSet;

/// Interfaces that AWS makes for a transit gateway's attachment: nobody's machine.
pub(super) fn of_aws(eni: &Eni) -> bool {
    eni.kind == "transit_gateway"
        || (eni.managed_by.is_some() && eni.description.contains("Transit Gateway Attachment"))
}

/// Instances of NC2 itself carry its tags.
fn of_nc2(eni: &Eni, machines: &Machines) -> bool {
    let instance = eni.instance.as_ref().and_then(|id| machines.instances.get(id));
    instance.is_some_and(|instance| instance.tags.keys().any(|key| key.to_ascii_lowercase().starts_with("nutanix")))
}

/// EC2 sites that networks leave when they move to a site: those where they are now, or from which they may be on their way. Whoever was left behind
/// by an earlier move is no worse off by a later one.
#[must_use]
pub fn ec2_sites_left(
    networks: &BTreeSet<NetworkName>,
    to: &SiteName,
    map: &NetworkMap,
    picture: &Picture,
) -> BTreeSet<SiteName> {
    let left = |name: &SiteName| {
        networks.iter().any(|network| match current_site(map, picture, network) {
            Some(here) => here == *name,
            None => between(map, picture, network, name, to),
        })
    };
    let ec2 = map.sites.iter().filter(|(name, site)| *name != to && matches!(site, Site::Ec2 { .. }));
    ec2.map(|(name, _)| name).filter(|name| left(name)).cloned().collect()
}

/// Whom a plan cuts off from what moves, whether or not anything else speaks against it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CutOff {
    /// Those whom nobody accepted: [`judge`](super::judge) objects to each.
    pub refused: Vec<Objection>,
    /// Those whom the policy accepts by name, one line each.
    pub accepted: Vec<String>,
}

impl CutOff {
    /// One line for each, for a person: who, what is cut off, and what to do.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.refused.iter().map(ToString::to_string).chain(self.accepted.iter().cloned()).collect()
    }
}

/// Tells whom a plan cuts off, by what was read of the machines in `facts`; evidence is not looked at. A site that is not in `facts.machines` tells
/// nothing: whoever could not read it says so.
#[must_use]
pub fn cut_off(facts: &Facts<'_>) -> CutOff {
    let (accepted, mut refused) = looked_at(facts, |judge| {
        let prefixes = judge.prefixes();
        let hosts = judge.hosts(&prefixes);
        judge.stranded(&hosts);
        // Where nothing was captured, whoever holds an address may be what moves.
        if !hosts.is_empty() {
            judge.left_in_subnets(&hosts, &prefixes);
        }
    });
    let mut seen = BTreeSet::new();
    refused.retain(|objection| seen.insert(objection.to_string()));
    CutOff { refused, accepted }
}

impl<'a> Judge<'_, 'a> {
    /// Everything that the routing strands once the plan is done; as it was read, where there is none.
    pub(super) fn stranded(&mut self, hosts: &[&'a HostRecord]) {
        let Some(picture) = self.facts.picture else { return };
        let moving: BTreeSet<&InstanceId> = hosts.iter().map(|host| &host.instance).collect();
        // A table that the plan itself changes holds nobody back.
        let view = View::after(picture, self.facts.plan.iter().flat_map(|plan| plan.steps()));
        let left = ec2_sites_left(self.facts.networks, self.facts.to, self.facts.map, picture);
        for (name, site) in &self.facts.map.sites {
            if name == self.facts.to {
                continue;
            }
            let Some(machines) = self.facts.machines.get(name) else { continue };
            match site {
                Site::Ec2 { .. } => {
                    if left.contains(name) {
                        self.held_by_local(name, site, machines, &moving, &view);
                        self.balanced(name, site, machines, &moving);
                    }
                    self.cut_off(name, site, machines, &moving, picture);
                }
                Site::Nc2 { .. } => self.held_by_nc2(name, site, machines, &view),
            }
        }
        self.split(picture);
    }

    fn strand(&mut self, who: String, ids: Vec<String>, saw: String) {
        match ids.iter().find(|id| self.facts.map.policy.accept_stranded.contains(*id)) {
            Some(id) => self.lines.push(format!("{who} {saw}; accepted as `{id}`")),
            None => self.objections.push(Objection::Stranded { who, ids, saw }),
        }
    }

    /// Interfaces whose own subnet table keeps what moves inside of the VPC: a route more specific than `local` cannot lead to a transit gateway.
    fn held_by_local(
        &mut self,
        name: &SiteName,
        site: &Site,
        machines: &Machines,
        moving: &BTreeSet<&InstanceId>,
        view: &View<'_>,
    ) {
        let prefixes = self.prefixes();
        let networks = self.network_prefixes();
        for eni in machines.enis.values().filter(|eni| counts(eni, machines, moving)) {
            let inside: Vec<_> = addresses_of(eni).filter(|address| holds(&networks, *address)).collect();
            // Whole networks: who holds an address of them is a stranger already.
            if !inside.is_empty() && self.facts.addresses.is_none() {
                continue;
            }
            let table =
                view.picture().vpcs.get(site.vpc()).and_then(|vpc| vpc.subnets.get(&eni.subnet)).map(|s| &s.table);
            let Some(table) = table else { continue };
            let held: Vec<Prefix> = prefixes
                .iter()
                .filter(|prefix| {
                    view.vpc_route(table, **prefix).is_some_and(|(_, route)| route.target == VpcTarget::Local)
                })
                .copied()
                .collect();
            if held.is_empty() {
                continue;
            }
            let why = if inside.is_empty() {
                format!(
                    "could not reach {} any more from `{name}`: `local` keeps it inside of {}",
                    list(&held),
                    site.vpc()
                )
            } else {
                format!(
                    "stays in the subnet of machines that move: neither side reaches the other ({} and {})",
                    list(&inside),
                    list(&held)
                )
            };
            self.strand(neighbour(eni, machines), ids_of(eni), why);
        }
    }

    /// Load-balancer targets that move: the load balancer's own interfaces stay behind `local`.
    fn balanced(&mut self, name: &SiteName, site: &Site, machines: &Machines, moving: &BTreeSet<&InstanceId>) {
        let prefixes = self.prefixes();
        for target in machines.targets.iter().flatten().filter(|target| target.vpc == *site.vpc()) {
            let (moves, id) = match &target.target {
                TargetKind::Instance { id } => {
                    let enis = machines.enis.values().filter(|eni| eni.instance.as_ref() == Some(id));
                    let held: Vec<_> = enis.flat_map(addresses_of).map(|address| address.to_string()).collect();
                    let held = if held.is_empty() { String::new() } else { format!(" ({})", held.join(", ")) };
                    (moving.contains(id), format!("{id}{held}"))
                }
                TargetKind::Address { address } => (holds(&prefixes, *address), address.to_string()),
            };
            if moves {
                let who = format!("target {id} of target group {}", target.group);
                let saw = format!(
                    "could not be reached by its load balancer in `{name}` any more: `local` keeps it inside of {}",
                    site.vpc()
                );
                self.strand(who, vec![target.group.clone()], saw);
            }
        }
    }

    /// Interfaces that the plan's wider routes and propagations cut off, though nobody moves them.
    fn cut_off(
        &mut self,
        name: &SiteName,
        site: &Site,
        machines: &Machines,
        moving: &BTreeSet<&InstanceId>,
        picture: &Picture,
    ) {
        let networks = self.network_prefixes();
        let mut wide: Vec<(Prefix, String)> = Vec::new();
        for step in self.facts.plan.iter().flat_map(|plan| plan.steps()) {
            match &step.place {
                Place::Route { prefix } if networks.iter().any(|own| prefix.covers(own) && prefix != own) => {
                    wide.push((
                        *prefix,
                        format!("{} leads all of {prefix} to {}", step.label(), step.words(&step.after)),
                    ));
                }
                Place::Propagation { attachment } if step.after == RouteValue::Absent => {
                    let off = propagated_prefixes(picture, &step.scope.region, attachment).unwrap_or_default();
                    let words = format!("{} has no propagation of {attachment} any more", step.label());
                    wide.extend(off.iter().map(|prefix| (*prefix, words.clone())));
                }
                Place::Route { .. } | Place::Reference { .. } | Place::Propagation { .. } => {}
            }
        }
        for eni in machines.enis.values().filter(|eni| eni.vpc == *site.vpc() && counts(eni, machines, moving)) {
            let outside = addresses_of(eni).find(|address| !holds(&networks, *address));
            let Some(address) = outside else { continue };
            let by: BTreeSet<&String> = wide.iter().filter(|(p, _)| p.holds(address)).map(|(_, words)| words).collect();
            if !by.is_empty() {
                let by: Vec<&str> = by.into_iter().map(String::as_str).collect();
                let saw = format!("at `{name}` could not be reached by {address} any more: {}", by.join(", "));
                self.strand(neighbour(eni, machines), ids_of(eni), saw);
            }
        }
    }

    /// Machines of an NC2 site's VPC that is not the destination: NC2's own route keeps the prefix at that site, where nobody is.
    fn held_by_nc2(&mut self, name: &SiteName, site: &Site, machines: &Machines, view: &View<'_>) {
        let prefixes = self.prefixes();
        let hosts = flow_interfaces(view, site, &prefixes);
        let enis = machines.enis.values().filter(|eni| counts(eni, machines, &BTreeSet::new()));
        for eni in enis.filter(|eni| !of_nc2(eni, machines) && !hosts.contains(&eni.id)) {
            let on_host = eni.instance.as_ref().is_some_and(|instance| {
                hosts.iter().any(|host| machines.enis.get(host).and_then(|eni| eni.instance.as_ref()) == Some(instance))
            });
            let table =
                view.picture().vpcs.get(site.vpc()).and_then(|vpc| vpc.subnets.get(&eni.subnet)).map(|s| &s.table);
            let (false, Some(table)) = (on_host, table) else { continue };
            let leads = |prefix: &&Prefix| {
                view.vpc_route(table, **prefix).is_some_and(|(p, route)| leads_to_flow(p, &route.target))
            };
            let held: Vec<Prefix> = prefixes.iter().filter(leads).copied().collect();
            if !held.is_empty() {
                let saw = format!("could not reach {}: NC2's own route keeps it at `{name}`", list(&held));
                self.strand(neighbour(eni, machines), ids_of(eni), saw);
            }
        }
    }

    /// Networks that stay in a Flow VPC which has a subnet of a network that moves: Flow routes between its own subnets itself.
    fn split(&mut self, picture: &Picture) {
        let map = self.facts.map;
        for (name, network) in map.networks.iter().filter(|(name, _)| !self.facts.networks.contains(*name)) {
            let Some(at) = current_site(map, picture, name) else { continue };
            if at == *self.facts.to || !matches!(map.sites.get(&at), Some(Site::Nc2 { .. })) {
                continue;
            }
            if !network.subnets.contains_key(&at) {
                continue;
            }
            let moved = self
                .facts
                .networks
                .iter()
                .filter(|n| map.networks.get(*n).is_some_and(|n| n.subnets.contains_key(&at)));
            let moved: Vec<_> = moved.collect();
            if !moved.is_empty() {
                let saw = format!(
                    "at `{at}` could not reach {} any more: its Flow VPC keeps a subnet of the same prefix there",
                    list(moved)
                );
                self.strand(format!("network `{name}`"), vec![name.to_string()], saw);
            }
        }
    }
}

/// A neighbour as an operator looks for it, with its addresses.
fn neighbour(eni: &Eni, machines: &Machines) -> String {
    let held: Vec<String> = addresses_of(eni).map(|address| address.to_string()).collect();
    format!("{} at {}", who_is(eni, machines), held.join(", "))
}

/// Interfaces of NC2 hosts that the VPC's tables lead a prefix to.
fn flow_interfaces(view: &View<'_>, site: &Site, prefixes: &[Prefix]) -> BTreeSet<EniId> {
    let tables = view.picture().vpcs.get(site.vpc()).into_iter().flat_map(|vpc| vpc.tables.keys());
    let routes = tables.flat_map(|table| prefixes.iter().filter_map(|prefix| view.vpc_route(table, *prefix)));
    let enis = routes.filter_map(|(_, route)| match &route.target {
        VpcTarget::Eni { id } => Some(id.clone()),
        VpcTarget::Local | VpcTarget::Tgw { .. } | VpcTarget::Peering { .. } | VpcTarget::Other { .. } => None,
    });
    enis.collect()
}

/// Whether an interface is somebody's who stays: in use, not AWS's own for a transit gateway, of no host that moves, of no machine that is stopped.
fn counts(eni: &Eni, machines: &Machines, moving: &BTreeSet<&InstanceId>) -> bool {
    let in_use = match eni.status {
        EniStatus::Available => false,
        EniStatus::InUse | EniStatus::Unknown => true,
    };
    let instance = eni.instance.as_ref();
    let up = match instance.and_then(|id| machines.instances.get(id)).map(|instance| instance.state) {
        Some(InstanceState::Stopped | InstanceState::Terminated) => false,
        Some(InstanceState::Pending | InstanceState::Running | InstanceState::Stopping | InstanceState::Unknown)
        | None => true,
    };
    in_use && up && !of_aws(eni) && instance.is_none_or(|instance| !moving.contains(instance))
}
