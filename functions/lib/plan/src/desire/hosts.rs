//! Host routes: for machines that move ahead of their network, and away when the network follows.

use super::{Table, To, effective, effective_by, one};
use crate::present::{NoValue, value_at};
use crate::refusal::Refusal;
use crate::step::{Place, Plan, RouteValue, Step};
use crate::view::parts;
use holdfast_model::{NetworkMap, NetworkName, NextHop, Picture, Prefix, SiteName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Addresses of networks that are at `to`, or on their way there by a plan, which host routes lead to other sites: machines that went ahead of their
/// network, or stay behind it. Every table leads such an address to that one site, by a host route or as it leads the network.
#[must_use]
pub fn apart(
    networks: &BTreeSet<NetworkName>,
    to: &SiteName,
    map: &NetworkMap,
    picture: &Picture,
    plan: Option<&Plan>,
) -> BTreeMap<SiteName, BTreeSet<Ipv4Addr>> {
    let steps: Vec<&Step> = plan.into_iter().flat_map(Plan::steps).collect();
    let mut apart: BTreeMap<SiteName, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for (network, prefix) in networks.iter().filter_map(|name| Some((name, map.networks.get(name)?.prefix))) {
        let made = steps.iter().filter_map(|step| match step.place {
            Place::Route { prefix } => Some(prefix),
            Place::Reference { .. } | Place::Propagation { .. } => None,
        });
        let hosts: BTreeSet<Prefix> = parts(picture, prefix)
            .into_iter()
            .chain(made)
            .filter(|part| part.length() == 32 && *part != prefix && prefix.covers(part))
            .collect();
        for host in hosts {
            if let Some(site) = site_of_host(host, (network, prefix), map, picture, &steps).filter(|site| *site != to) {
                apart.entry(site.clone()).or_default().insert(host.network());
            }
        }
    }
    apart
}

/// The one site that every table leads a host to after the steps, at least one of them by a host route.
fn site_of_host<'a>(
    host: Prefix,
    (network, prefix): (&NetworkName, Prefix),
    map: &'a NetworkMap,
    picture: &Picture,
    steps: &[&Step],
) -> Option<&'a SiteName> {
    let mut led = Vec::new();
    let mut by_host_route = false;
    for (_, declared) in map.tables_of(network) {
        let value = |place: &Place| {
            let step = steps.iter().find(|step| step.table == declared.id && step.place.spot() == place.spot());
            step.map_or_else(|| value_at(picture, &declared.id, place), |step| Ok(step.after.clone()))
        };
        let own = value(&Place::Route { prefix: host }).ok()?;
        by_host_route |= own != RouteValue::Absent;
        let whole = effective_by(declared, prefix, picture, value).ok()?;
        led.push((declared, if own == RouteValue::Absent { whole } else { own }));
    }
    let fits = |site: &&SiteName| {
        led.iter().all(|(declared, value)| declared.next_hops.get(*site).map(RouteValue::of).as_ref() == Some(value))
    };
    let mut sites = map.sites.keys().filter(fits);
    match (by_host_route, sites.next(), sites.next()) {
        (true, Some(site), None) => Some(site),
        _ => None,
    }
}

impl Table<'_> {
    /// Host routes for some machines, where their network leads another way.
    pub(super) fn hosts(
        &self,
        moving: &[(&NetworkName, Prefix)],
        hosts: &BTreeSet<Ipv4Addr>,
        (to, hop): To<'_>,
    ) -> Result<Vec<Step>, Refusal> {
        let arrives = RouteValue::of(hop);
        let mut steps = Vec::new();
        for (network, prefix) in moving {
            let whole = effective(self.declared, *prefix, self.picture)
                .map_err(|no| self.refuse(&Place::Route { prefix: *prefix }, no))?;
            for address in hosts.iter().filter(|address| prefix.holds(**address)) {
                let place = Place::Route { prefix: Prefix::host(*address) };
                let after = if whole == arrives { RouteValue::Absent } else { arrives.clone() };
                let before = self.ours(&place, &after)?;
                if let (RouteValue::Absent, NextHop::Absent { served_by }, true) = (&arrives, hop, whole != arrives) {
                    return Err(Refusal::HostServed {
                        table: self.whole_label(),
                        address: *address,
                        network: (*network).clone(),
                        site: to.clone(),
                        served_by: *served_by,
                    });
                }
                let why = if after == RouteValue::Absent {
                    format!("{address} is at {to}, as {network} is")
                } else {
                    format!("{address} is at {to} apart from {network}")
                };
                steps.extend(self.step(one(network), place, (before, after), why));
            }
        }
        Ok(steps)
    }

    /// Host routes that the matrix explains go: the whole network moves.
    pub(super) fn collapsed(&self, moving: &[(&NetworkName, Prefix)]) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::new();
        for (network, prefix) in moving.iter().filter(|(_, prefix)| prefix.length() < 32) {
            let all = *prefix..=Prefix::host(prefix.broadcast());
            let inside = |p: &&Prefix| p.length() == 32 && prefix.covers(p);
            let found: Vec<Prefix> = match self.picture.tgw_tables.get(&self.declared.id) {
                Some(table) => table.routes.range(all).map(|(p, _)| p).filter(inside).copied().collect(),
                None => self
                    .picture
                    .vpc_table(&self.declared.id)
                    .into_iter()
                    .flat_map(|(_, table)| table.routes.range(all.clone()).map(|(p, _)| p).filter(inside).copied())
                    .collect(),
            };
            for host in found {
                let place = Place::Route { prefix: host };
                let before = match value_at(self.picture, &self.declared.id, &place) {
                    Ok(value) if value != RouteValue::Absent && self.explained(&value) => value,
                    // A leftover of somebody else: whether it does harm is found by tracing.
                    Ok(_) | Err(NoValue::NotOurs(_)) => continue,
                    Err(no) => return Err(self.refuse(&place, no)),
                };
                let why = format!("the route of {network} leads it too: its host route goes");
                steps.extend(self.step(one(network), place, (before, RouteValue::Absent), why));
            }
        }
        Ok(steps)
    }
}
