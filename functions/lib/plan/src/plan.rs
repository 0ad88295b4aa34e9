//! From intent and picture to a plan, or a reasoned no.

use crate::case::Case;
use crate::refusal::{Refusal, list};
use crate::search::stages;
use crate::step::{Move, Place, Plan, RouteValue, Step};
use crate::view::{route_value, table_label};
use holdfast_model::{
    AttachmentState, NetworkMap, NetworkName, NextHop, Picture, Prefix, RouteTable, Site, SiteName, TableName, TgwTable,
};
use std::collections::{BTreeMap, BTreeSet};

/// Plans to move networks to a site: the fewest stages such that every subset of every stage leaves every vantage served.
///
/// The same inputs give the same plan, byte for byte. A plan without stages means that every table is right and leads there.
///
/// # Errors
/// [`Refusal`], when anything in scope is unknown, no order is safe, or the network would not be reached in the end.
pub fn plan_move(wanted: &Move<'_>, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    let Move { networks, to, hosts } = *wanted;
    if let Some(what) = unsupported(hosts, map) {
        return Err(Refusal::Unsupported { what });
    }
    let Some(site) = map.sites.get(to) else {
        return Err(Refusal::UnknownSite { site: to.clone(), declared: list(map.sites.keys()) });
    };
    if networks.is_empty() {
        return Err(Refusal::NoNetwork);
    }
    whole_groups(networks, map)?;
    everything_read(picture)?;
    let mut merged = Vec::new();
    for name in networks {
        let network = map.networks.get(name).ok_or_else(|| unknown(name, map))?;
        if matches!(site, Site::Nc2 { .. }) && !network.subnets.contains_key(to) {
            return Err(Refusal::NoSubnet { network: name.clone(), site: to.clone() });
        }
        let mut steps = Vec::new();
        for (table_name, declared) in map.tables_of(name) {
            let table = read_table(declared, picture)?;
            let before = present(table, network.prefix)?;
            if !declared.next_hops.values().any(|hop| RouteValue::of(hop) == before) {
                return Err(Refusal::NotOurs {
                    table: table_label(picture, &table.id),
                    scope: table.scope.clone(),
                    prefix: network.prefix,
                    value: before.to_string(),
                });
            }
            let Some(hop) = declared.next_hops.get(to) else {
                return Err(Refusal::Undeclared { table: declared.id.clone(), network: name.clone() });
            };
            let after = RouteValue::of(hop);
            usable(table, &after, picture)?;
            if before != after {
                let why = why(hop, name, to);
                steps.push(step(table_name, declared, table, (name, network.prefix), (before, after), why));
            }
        }
        if map.tables_of(name).next().is_none() {
            return Err(Refusal::NotRouted { network: name.clone() });
        }
        let case = Case::new(name, to, map, picture, steps);
        case.ends_well()?;
        merge(&mut merged, stages(&case)?);
    }
    Ok(Plan { networks: networks.clone(), to: to.clone(), hosts: hosts.cloned(), stages: merged })
}

/// Plans to take steps back that an operation did, so that every table holds exactly what it held before; steps that never ran are left
/// out. `to` is the site that the networks were at before.
///
/// # Errors
/// [`Refusal`] as for [`plan_move`], and where a table holds neither what the operation wrote nor what it found.
pub fn plan_undo(done: &[Step], to: &SiteName, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    if !map.sites.contains_key(to) {
        return Err(Refusal::UnknownSite { site: to.clone(), declared: list(map.sites.keys()) });
    }
    everything_read(picture)?;
    let mut by_network: BTreeMap<&NetworkName, Vec<Step>> = BTreeMap::new();
    for undone in done {
        let (network_name, prefix) = single(undone)?;
        let network = map.networks.get(network_name).ok_or_else(|| unknown(network_name, map))?;
        let declared = map.tables_of(network_name).find(|(_, table)| table.id == undone.table);
        let Some((_, declared)) = declared.filter(|_| network.prefix == prefix) else {
            return Err(Refusal::Undeclared { table: undone.table.clone(), network: network_name.clone() });
        };
        let table = read_table(declared, picture)?;
        let now = present(table, prefix)?;
        let steps = by_network.entry(network_name).or_default();
        if now == undone.before {
            continue;
        }
        if now != undone.after {
            return Err(drifted(&undone.inverse(), &now));
        }
        usable(table, &undone.before, picture)?;
        steps.push(undone.inverse());
    }
    let mut merged = Vec::new();
    let networks = by_network.keys().map(|name| (*name).clone()).collect();
    for (name, steps) in by_network {
        let case = Case::new(name, to, map, picture, steps);
        case.ends_well()?;
        merge(&mut merged, stages(&case)?);
    }
    Ok(Plan { networks, to: to.clone(), hosts: None, stages: merged })
}

/// What is left of a plan that was partly done: its steps whose table still holds what it held before, in the same stages.
///
/// # Errors
/// [`Refusal`], when something in scope was not read or a table holds neither what a step found nor what it was to write.
pub fn plan_rest(plan: &Plan, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    everything_read(picture)?;
    let mut stages = Vec::new();
    for stage in &plan.stages {
        let mut rest = Vec::new();
        for step in stage {
            let (network, prefix) = single(step)?;
            let declared = map.tables_of(network).find(|(_, table)| table.id == step.table);
            let Some((_, declared)) = declared else {
                return Err(Refusal::Undeclared { table: step.table.clone(), network: network.clone() });
            };
            let now = present(read_table(declared, picture)?, prefix)?;
            if now == step.before {
                rest.push(step.clone());
            } else if now != step.after {
                return Err(drifted(step, &now));
            }
        }
        if !rest.is_empty() {
            stages.push(rest);
        }
    }
    Ok(Plan { networks: plan.networks.clone(), to: plan.to.clone(), hosts: plan.hosts.clone(), stages })
}

/// The site that the tables lead a network to: the one whose entries in the matrix every table follows. Where two sites have the same
/// entries everywhere, or none fits, there is none.
#[must_use]
pub fn current_site(map: &NetworkMap, picture: &Picture, network: &NetworkName) -> Option<SiteName> {
    let prefix = map.networks.get(network)?.prefix;
    let mut held = Vec::new();
    for (_, declared) in map.tables_of(network) {
        held.push((declared, route_value(picture.tgw_tables.get(&declared.id)?, prefix).ok()?));
    }
    let mut fits = map.sites.keys().filter(|site| {
        held.iter().all(|(declared, value)| declared.next_hops.get(*site).map(RouteValue::of).as_ref() == Some(value))
    });
    match (fits.next(), fits.next()) {
        (Some(site), None) if !held.is_empty() => Some(site.clone()),
        _ => None,
    }
}

/// What the planner cannot do with this map.
fn unsupported(hosts: Option<&BTreeSet<std::net::Ipv4Addr>>, map: &NetworkMap) -> Option<&'static str> {
    let any = |test: fn(&RouteTable) -> bool| map.route_tables.values().any(test);
    [
        (hosts.is_some(), "single machines of a network"),
        (any(|table| !table.id.is_tgw()), "VPC route tables"),
        (any(|table| table.aggregate.is_some()), "aggregates"),
        (any(|table| table.prefix_list.is_some()), "prefix lists"),
        (any(|table| !table.propagations.is_empty()), "propagations"),
    ]
    .into_iter()
    .find_map(|(given, what)| given.then_some(what))
}

/// The one network and route of a step.
fn single(step: &Step) -> Result<(&NetworkName, Prefix), Refusal> {
    match (&step.place, step.networks.first()) {
        (Place::Route { prefix }, Some(network)) => Ok((network, *prefix)),
        (Place::Route { .. } | Place::Reference { .. } | Place::Propagation { .. }, _) => {
            Err(Refusal::Unsupported { what: "references and propagations" })
        }
    }
}

fn drifted(step: &Step, now: &RouteValue) -> Refusal {
    Refusal::Drifted {
        what: format!("{} in {} ({})", step.place, step.label(), step.scope),
        value: now.to_string(),
        before: step.before.to_string(),
        after: step.after.to_string(),
    }
}

fn unknown(network: &NetworkName, map: &NetworkMap) -> Refusal {
    Refusal::UnknownNetwork { network: network.clone(), declared: list(map.networks.keys()) }
}

fn whole_groups(networks: &BTreeSet<NetworkName>, map: &NetworkMap) -> Result<(), Refusal> {
    for name in networks {
        let network = map.networks.get(name).ok_or_else(|| unknown(name, map))?;
        let Some(group) = &network.group else { continue };
        let others = map.networks.iter().filter(|(_, other)| other.group.as_ref() == Some(group));
        let missing: Vec<NetworkName> =
            others.map(|(name, _)| name.clone()).filter(|name| !networks.contains(name)).collect();
        if !missing.is_empty() {
            return Err(Refusal::GroupIncomplete { group: group.clone(), missing });
        }
    }
    Ok(())
}

fn everything_read(picture: &Picture) -> Result<(), Refusal> {
    if picture.unread.is_empty() {
        return Ok(());
    }
    let what = picture.unread.iter().map(|u| format!("{} in {}: {}", u.what, u.scope, u.why)).collect();
    Err(Refusal::Unread { what })
}

fn read_table<'a>(declared: &RouteTable, picture: &'a Picture) -> Result<&'a TgwTable, Refusal> {
    picture.tgw_tables.get(&declared.id).ok_or_else(|| Refusal::Unread {
        what: vec![format!("table {} in account `{}`, {}", declared.id, declared.account, declared.region)],
    })
}

fn present(table: &TgwTable, prefix: Prefix) -> Result<RouteValue, Refusal> {
    route_value(table, prefix).map_err(|state| Refusal::Unsettled {
        table: crate::step::label(table.name.as_deref(), &table.id),
        scope: table.scope.clone(),
        prefix,
        state,
    })
}

/// A route is only made to an attachment that carries traffic.
fn usable(table: &TgwTable, value: &RouteValue, picture: &Picture) -> Result<(), Refusal> {
    let RouteValue::Static { attachment } = value else { return Ok(()) };
    let refuse = |state: &str| {
        Err(Refusal::Attachment {
            table: table_label(picture, &table.id),
            scope: table.scope.clone(),
            attachment: attachment.clone(),
            state: state.to_owned(),
        })
    };
    match picture.attachment(&table.scope.region, attachment) {
        None => Err(Refusal::Unread { what: vec![format!("attachment {attachment} in {}", table.scope.region)] }),
        Some(seen) if seen.tgw != table.tgw => refuse(&format!("of {}, not of this table's {}", seen.tgw, table.tgw)),
        Some(seen) => match seen.state {
            AttachmentState::Available => Ok(()),
            AttachmentState::Changing => refuse("being changed"),
            AttachmentState::Gone => refuse("gone"),
            AttachmentState::Unknown => refuse("in a state that is not known"),
        },
    }
}

fn step(
    name: &TableName,
    declared: &RouteTable,
    table: &TgwTable,
    (network, prefix): (&NetworkName, Prefix),
    (before, after): (RouteValue, RouteValue),
    why: String,
) -> Step {
    Step {
        table: declared.id.clone(),
        name: name.clone(),
        tag: table.name.clone(),
        scope: table.scope.clone(),
        networks: BTreeSet::from([network.clone()]),
        place: Place::Route { prefix },
        before,
        after,
        why,
    }
}

fn why(hop: &NextHop, network: &NetworkName, to: &SiteName) -> String {
    match hop {
        NextHop::Attachment { .. } => format!("{network} is at {to}, by its VPC attachment"),
        NextHop::Peering { .. } => format!("{network} is at {to}, over the peering"),
        NextHop::Tgw { .. } | NextHop::VpcPeering { .. } | NextHop::Eni { .. } => format!("{network} is at {to}"),
        NextHop::Absent { served_by } => format!("{network} is at {to}, served by {served_by}"),
        NextHop::Blackhole => format!("{network} is at {to}, not reached from here"),
    }
}

/// Networks do not influence each other, since their prefixes do not overlap: stage by stage they go together.
fn merge(into: &mut Vec<Vec<Step>>, stages: Vec<Vec<Step>>) {
    for (at, stage) in stages.into_iter().enumerate() {
        match into.get_mut(at) {
            Some(already) => already.extend(stage),
            None => into.push(stage),
        }
    }
}
