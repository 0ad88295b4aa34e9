//! Tables that use a managed prefix list: one reference, and routes of their own for networks that lead another way.

use super::{Table, To, one, unread, why};
use crate::refusal::Refusal;
use crate::step::{Place, RouteValue, Step};
use holdfast_model::{NetworkName, Prefix, PrefixListId};
use std::collections::BTreeSet;

/// A member of a prefix list: its prefix, its own route now, and where it is to lead.
type Member<'a> = (&'a NetworkName, Prefix, RouteValue, RouteValue);

/// The own route of a member under a reference. Networks that do not move keep what they have, and get a route of their own only where the
/// reference that led them goes.
fn own_route(reference: &RouteValue, own: &RouteValue, leads: &RouteValue, moves: bool) -> RouteValue {
    match (moves, leads == reference) {
        (true, true) => RouteValue::Absent,
        (true, false) => leads.clone(),
        (false, true) => own.clone(),
        (false, false) => leads.clone(),
    }
}

/// Where the reference of a list is to lead: where all networks lead one way, there; otherwise what takes the fewest changes.
fn choose(
    now: &RouteValue,
    arrives: &RouteValue,
    members: &[Member<'_>],
    moving: &BTreeSet<&NetworkName>,
) -> RouteValue {
    let feasible = |reference: &RouteValue| {
        members.iter().all(|(network, _, own, leads)| {
            // Under a reference no route of its own can mean that a covering route serves a network.
            let serves = *reference == RouteValue::Absent || leads == reference || *leads != RouteValue::Absent;
            // A network that stays is only pinned where the reference goes altogether.
            let stays = moving.contains(network)
                || *reference == RouteValue::Absent
                || *own != RouteValue::Absent
                || leads == reference;
            serves && stays
        })
    };
    let cost = |reference: &RouteValue| {
        let own = members
            .iter()
            .filter(|(network, _, own, leads)| *own != own_route(reference, own, leads, moving.contains(network)));
        usize::from(reference != now) + own.count()
    };
    if feasible(arrives) && members.iter().all(|(.., leads)| leads == arrives) {
        return arrives.clone();
    }
    let absent = RouteValue::Absent;
    let choices = [now, arrives, &absent].into_iter().filter(|value| feasible(value));
    choices.min_by_key(|value| cost(value)).cloned().unwrap_or(absent)
}

impl<'a> Table<'a> {
    /// A reference for the networks that lead one way, and routes of their own over it for the others.
    pub(super) fn listed(
        &self,
        list: &PrefixListId,
        moving: &[(&NetworkName, Prefix)],
        (to, hop): To<'_>,
    ) -> Result<Vec<Step>, Refusal> {
        let members = self.members(list)?;
        let place = Place::Reference { list: list.clone(), prefixes: members.iter().map(|m| m.1).collect() };
        let now = self.ours(&place, &RouteValue::Absent)?;
        let names: BTreeSet<&NetworkName> = moving.iter().map(|(name, _)| *name).collect();
        let arrives = RouteValue::of(hop);
        // Per member: its own route now, and where it is to lead.
        let mut members_now = Vec::new();
        for (network, prefix) in members {
            let own = self.ours(&Place::Route { prefix }, &RouteValue::Absent)?;
            let held = if own == RouteValue::Absent { now.clone() } else { own.clone() };
            let leads = if names.contains(network) { arrives.clone() } else { held };
            members_now.push((network, prefix, own, leads));
        }
        let choice = choose(&now, &arrives, &members_now, &names);
        let all_one_way = members_now.iter().all(|(.., leads)| *leads == arrives);
        let count = members_now.len();
        let why_reference = if all_one_way && choice == RouteValue::Absent {
            format!("all {count} networks of the list are at {to}: none needs a route")
        } else if all_one_way {
            format!("all {count} networks of the list are at {to}: one reference leads them")
        } else if choice == RouteValue::Absent {
            format!("the {count} networks of the list lead different ways: each has a route of its own")
        } else {
            "the list's networks that do not lead this way have routes of their own".to_owned()
        };
        let moved = names.iter().map(|name| (*name).clone()).collect();
        let mut steps = Vec::new();
        steps.extend(self.step(moved, place, (now, choice.clone()), why_reference));
        for (network, prefix, own, leads) in members_now {
            let moves = names.contains(network);
            let after = own_route(&choice, &own, &leads, moves);
            let why = if !moves {
                format!("{network} stays where it is when the reference to {list} goes")
            } else if after == RouteValue::Absent && choice == RouteValue::Absent {
                why(hop, network, to)
            } else if after == RouteValue::Absent {
                format!("the reference to {list} leads {network} to {to}")
            } else {
                format!("{}; a route of its own, since other networks of {list} stay", why(hop, network, to))
            };
            steps.extend(self.step(one(network), Place::Route { prefix }, (own, after), why));
        }
        Ok(steps)
    }

    /// Networks of the table with their prefixes, which must be exactly the entries of the list.
    fn members(&self, list: &PrefixListId) -> Result<Vec<(&'a NetworkName, Prefix)>, Refusal> {
        let Some(read) = self.picture.prefix_lists.get(list) else {
            return Err(unread(self.declared, &format!("prefix list {list}")));
        };
        let networks = self.map.networks.iter().filter(|(name, _)| self.declared.routes(name));
        let members: Vec<(&NetworkName, Prefix)> = networks.map(|(name, network)| (name, network.prefix)).collect();
        let prefixes: BTreeSet<Prefix> = members.iter().map(|(_, prefix)| *prefix).collect();
        let extra: Vec<Prefix> = read.entries.difference(&prefixes).copied().collect();
        let missing = members.iter().filter(|(_, prefix)| !read.entries.contains(prefix));
        let missing: Vec<NetworkName> = missing.map(|(name, _)| (*name).clone()).collect();
        if extra.is_empty() && missing.is_empty() {
            return Ok(members);
        }
        Err(Refusal::PrefixListOther { table: self.label(), list: list.clone(), extra, missing })
    }
}
