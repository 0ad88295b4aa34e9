//! What every declared table should hold, against what it holds: the steps of a plan, without their order.

mod hosts;
mod listed;

pub use hosts::apart;

use crate::present::{NoValue, manager_of, scope_of, tag_of, value_at};
use crate::refusal::Refusal;
use crate::step::{Move, Place, RouteValue, Spot, Step};
use crate::targets::usable;
use crate::view::table_label;
use holdfast_model::{
    AttachmentId, AttachmentKind, NetworkMap, NetworkName, NextHop, Picture, Prefix, RouteTable, Scope, Site, SiteName,
    TableName,
};
use std::collections::BTreeSet;

/// Every step that the intent needs.
pub(crate) fn desired_steps(wanted: &Move<'_>, map: &NetworkMap, picture: &Picture) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for (name, declared) in &map.route_tables {
        let moving: Vec<(&NetworkName, Prefix)> = wanted
            .networks
            .iter()
            .filter(|network| declared.routes(network))
            .filter_map(|network| map.networks.get(network).map(|n| (network, n.prefix)))
            .collect();
        if moving.is_empty() {
            continue;
        }
        let table = Table::new(name, declared, map, picture)?;
        let Some(hop) = declared.next_hops.get(wanted.to) else { continue };
        let mut of_table = match (wanted.hosts, &declared.prefix_list, declared.aggregate) {
            (Some(hosts), _, _) => table.hosts(&moving, hosts, (wanted.to, hop))?,
            (None, Some(list), _) => table.listed(list, &moving, (wanted.to, hop))?,
            (None, None, Some(aggregate)) => table.aggregated(aggregate, &moving, (wanted.to, hop))?,
            (None, None, None) => table.single(&moving, (wanted.to, hop))?,
        };
        if wanted.hosts.is_none() {
            of_table.extend(table.collapsed(&moving)?);
            of_table.extend(table.propagations(wanted)?);
        }
        if let Some(by) = manager_of(picture, &declared.id).filter(|_| !of_table.is_empty()) {
            return Err(Refusal::Managed { table: table.label(), scope: table.scope.clone(), by: by.to_owned() });
        }
        for step in &of_table {
            usable(step, &step.after, picture)?;
        }
        steps.extend(of_table);
    }
    Ok(steps)
}

/// What a table leads a network by now: a route of its own, or else the aggregate or the reference.
pub(crate) fn effective(declared: &RouteTable, prefix: Prefix, picture: &Picture) -> Result<RouteValue, NoValue> {
    effective_by(declared, prefix, picture, |place| value_at(picture, &declared.id, place))
}

/// The same, where the values are not those of the picture.
fn effective_by(
    declared: &RouteTable,
    prefix: Prefix,
    picture: &Picture,
    value: impl Fn(&Place) -> Result<RouteValue, NoValue>,
) -> Result<RouteValue, NoValue> {
    let at = |place: Place| match value(&place) {
        // Somebody else's route serves it: none of ours.
        Err(NoValue::NotOurs(_)) => Ok(RouteValue::Absent),
        value => value,
    };
    let own = at(Place::Route { prefix })?;
    if own != RouteValue::Absent {
        return Ok(own);
    }
    match (&declared.prefix_list, declared.aggregate) {
        (Some(list), _) => match picture.prefix_lists.get(list) {
            None => Err(NoValue::Unread),
            Some(read) if read.entries.contains(&prefix) => {
                at(Place::Reference { list: list.clone(), prefixes: BTreeSet::new() })
            }
            Some(_) => Ok(own),
        },
        (None, Some(aggregate)) => at(Place::Route { prefix: aggregate }),
        (None, None) => Ok(own),
    }
}

/// The site that the tables lead a network to: the one whose entries in the matrix every table follows. Where two sites have the same
/// entries everywhere, or none fits, there is none.
#[must_use]
pub fn current_site(map: &NetworkMap, picture: &Picture, network: &NetworkName) -> Option<SiteName> {
    let prefix = map.networks.get(network)?.prefix;
    let mut held = Vec::new();
    for (_, declared) in map.tables_of(network) {
        held.push((declared, effective(declared, prefix, picture).ok()?));
    }
    let mut fits = map.sites.keys().filter(|site| {
        held.iter().all(|(declared, value)| declared.next_hops.get(*site).map(RouteValue::of).as_ref() == Some(value))
    });
    match (fits.next(), fits.next()) {
        (Some(site), None) if !held.is_empty() => Some(site.clone()),
        _ => None,
    }
}

/// Whether a network may be on its way from one site to another: no table leads it to a third site. A table that was not read, or that follows no site
/// at all, tells nothing.
pub(crate) fn between(
    map: &NetworkMap,
    picture: &Picture,
    network: &NetworkName,
    from: &SiteName,
    to: &SiteName,
) -> bool {
    let Some(prefix) = map.networks.get(network).map(|network| network.prefix) else { return false };
    map.tables_of(network).all(|(_, declared)| {
        let Ok(value) = effective(declared, prefix, picture) else { return true };
        let leads_to: Vec<&SiteName> =
            declared.next_hops.iter().filter(|(_, hop)| RouteValue::of(hop) == value).map(|(site, _)| site).collect();
        leads_to.is_empty() || leads_to.contains(&from) || leads_to.contains(&to)
    })
}

/// A declared table with what was read of it.
struct Table<'a> {
    name: &'a TableName,
    declared: &'a RouteTable,
    map: &'a NetworkMap,
    picture: &'a Picture,
    scope: &'a Scope,
    tag: Option<String>,
}

type To<'a> = (&'a SiteName, &'a NextHop);

impl<'a> Table<'a> {
    fn new(
        name: &'a TableName,
        declared: &'a RouteTable,
        map: &'a NetworkMap,
        picture: &'a Picture,
    ) -> Result<Self, Refusal> {
        let Some(scope) = scope_of(picture, &declared.id) else {
            return Err(unread(declared, "table"));
        };
        Ok(Self { name, declared, map, picture, scope, tag: tag_of(picture, &declared.id) })
    }

    fn label(&self) -> String {
        table_label(self.picture, &self.declared.id)
    }

    /// Name tag and id, account and Region.
    fn whole_label(&self) -> String {
        format!("{} ({})", self.label(), self.scope)
    }

    fn step(
        &self,
        networks: BTreeSet<NetworkName>,
        place: Place,
        (before, after): (RouteValue, RouteValue),
        why: String,
    ) -> Option<Step> {
        (before != after).then(|| Step {
            table: self.declared.id.clone(),
            name: self.name.clone(),
            tag: self.tag.clone(),
            scope: self.scope.clone(),
            networks,
            place,
            before,
            after,
            why,
        })
    }

    /// Whether a site of the matrix has this value here.
    fn explained(&self, value: &RouteValue) -> bool {
        self.declared.next_hops.values().any(|hop| RouteValue::of(hop) == *value)
    }

    fn refuse(&self, place: &Place, no: NoValue) -> Refusal {
        match no {
            NoValue::Unread => unread(self.declared, &place.spot().to_string()),
            NoValue::Unsettled(state) => {
                Refusal::Unsettled { table: self.whole_label(), place: place.spot().to_string(), state }
            }
            NoValue::NotOurs(value) => self.not_ours(place.spot(), value),
        }
    }

    fn not_ours(&self, place: Spot, value: String) -> Refusal {
        let place = place.to_string();
        let hops = self.declared.next_hops.iter();
        let known = hops.map(|(site, hop)| format!("`{}` for `{site}`", RouteValue::of(hop))).collect();
        Refusal::NotOurs { table: self.whole_label(), place, value, known }
    }

    /// What a place holds, when the matrix explains it or it holds nothing. What somebody else keeps there is nothing too, as long as nothing is
    /// wanted there.
    fn ours(&self, place: &Place, after: &RouteValue) -> Result<RouteValue, Refusal> {
        match value_at(self.picture, &self.declared.id, place) {
            Err(NoValue::NotOurs(_)) if *after == RouteValue::Absent => Ok(RouteValue::Absent),
            Err(no) => Err(self.refuse(place, no)),
            Ok(value) if value == RouteValue::Absent || self.explained(&value) => Ok(value),
            Ok(value) => Err(self.not_ours(place.spot(), value.to_string())),
        }
    }

    /// One route for each network.
    fn single(&self, moving: &[(&NetworkName, Prefix)], (to, hop): To<'_>) -> Result<Vec<Step>, Refusal> {
        let after = RouteValue::of(hop);
        let mut steps = Vec::new();
        for (network, prefix) in moving {
            let place = Place::Route { prefix: *prefix };
            let before = self.ours(&place, &after)?;
            // A table that follows no site of the matrix is not for us to change, even where nothing is what it holds.
            if !self.explained(&before) {
                return Err(self.not_ours(place.spot(), before.to_string()));
            }
            steps.extend(self.step(one(network), place, (before, after.clone()), why(hop, network, to)));
        }
        Ok(steps)
    }

    /// One wider route for all networks of the table.
    fn aggregated(
        &self,
        aggregate: Prefix,
        moving: &[(&NetworkName, Prefix)],
        (to, hop): To<'_>,
    ) -> Result<Vec<Step>, Refusal> {
        let after = RouteValue::of(hop);
        let place = Place::Route { prefix: aggregate };
        let before = self.ours(&place, &after)?;
        if !self.explained(&before) {
            return Err(self.not_ours(place.spot(), before.to_string()));
        }
        let mut steps = Vec::new();
        let names: BTreeSet<&NetworkName> = moving.iter().map(|(name, _)| *name).collect();
        if before != after {
            let others = self.map.networks.keys().filter(|n| self.declared.routes(n) && !names.contains(*n));
            let staying: Vec<String> = others
                .filter_map(|network| {
                    let site = current_site(self.map, self.picture, network);
                    let hop = site.as_ref().and_then(|site| self.declared.next_hops.get(site));
                    let stays = hop.map(RouteValue::of).as_ref() != Some(&after);
                    let at = site.map_or_else(|| "of no known site".to_owned(), |site| format!("at {site}"));
                    stays.then(|| format!("{network} ({at})"))
                })
                .collect();
            if !staying.is_empty() {
                return Err(Refusal::AggregateSplit { table: self.whole_label(), aggregate, to: to.clone(), staying });
            }
            let all = names.iter().map(|name| (*name).clone()).collect();
            let why = format!("every network under {aggregate} is at {to}");
            steps.extend(self.step(all, place, (before, after), why));
        }
        for (network, prefix) in moving.iter().filter(|(_, prefix)| *prefix != aggregate) {
            let place = Place::Route { prefix: *prefix };
            let own = self.ours(&place, &RouteValue::Absent)?;
            let why = format!("{network} is served by {aggregate} here");
            steps.extend(self.step(one(network), place, (own, RouteValue::Absent), why));
        }
        Ok(steps)
    }

    /// Propagations are on while any network of the table lives at their site.
    fn propagations(&self, wanted: &Move<'_>) -> Result<Vec<Step>, Refusal> {
        let mut steps = Vec::new();
        if self.declared.propagations.is_empty() {
            return Ok(steps);
        }
        let networks = self.map.networks.keys().filter(|network| self.declared.routes(network));
        let sites: Vec<Option<SiteName>> = networks
            .map(|network| match wanted.networks.contains(network) {
                true => Some(wanted.to.clone()),
                false => current_site(self.map, self.picture, network),
            })
            .collect();
        for (site, attachment) in &self.declared.propagations {
            let place = Place::Propagation { attachment: attachment.clone() };
            let before = value_at(self.picture, &self.declared.id, &place).map_err(|no| self.refuse(&place, no))?;
            let lives = sites.iter().any(|at| at.as_ref() == Some(site));
            let (after, why) = if lives {
                (RouteValue::Propagates, format!("networks of this table live at {site}"))
            } else if sites.iter().any(Option::is_none) {
                // A network of no known site may be there.
                continue;
            } else {
                (RouteValue::Absent, format!("no network of this table lives at {site} any more"))
            };
            let moving = wanted.networks.iter().filter(|n| self.declared.routes(n)).cloned().collect();
            if let Some(step) = self.step(moving, place, (before, after), why) {
                self.of_site(attachment, site)?;
                steps.push(step);
            }
        }
        Ok(steps)
    }

    /// An attachment whose propagation is switched must be that of the site's own VPC: another's would cut off whoever lives there.
    fn of_site(&self, attachment: &AttachmentId, site: &SiteName) -> Result<(), Refusal> {
        let own = self.map.sites.get(site).map(Site::vpc);
        match self.picture.attachment(&self.scope.region, attachment).map(|seen| &seen.kind) {
            None => Err(unread(self.declared, &format!("attachment {attachment}"))),
            Some(AttachmentKind::Vpc { vpc, .. }) if Some(vpc) == own => Ok(()),
            Some(_) => Err(Refusal::Attachment {
                table: self.whole_label(),
                target: attachment.to_string(),
                state: format!("not the attachment of {site}'s VPC"),
            }),
        }
    }
}

fn one(network: &NetworkName) -> BTreeSet<NetworkName> {
    BTreeSet::from([network.clone()])
}

fn unread(declared: &RouteTable, what: &str) -> Refusal {
    let RouteTable { id, account, region, .. } = declared;
    Refusal::Unread { what: vec![format!("{what} of {id} in account `{account}`, {region}")] }
}

fn why(hop: &NextHop, network: &NetworkName, to: &SiteName) -> String {
    match hop {
        NextHop::Attachment { .. } => format!("{network} is at {to}, by its VPC attachment"),
        NextHop::Peering { .. } => format!("{network} is at {to}, over the peering"),
        NextHop::Tgw { .. } => format!("{network} is at {to}, by the transit gateway"),
        NextHop::VpcPeering { .. } => format!("{network} is at {to}, over VPC peering"),
        NextHop::Eni { .. } => format!("{network} is at {to}, by its network interface"),
        NextHop::Absent { served_by } => format!("{network} is at {to}, served by {served_by}"),
        NextHop::Blackhole => format!("{network} is at {to}, not reached from here"),
    }
}
