//! From intent and picture to a plan, or a reasoned no.

use crate::case::{Client, Frame, Item};
use crate::classes::sort;
use crate::desire::desired_steps;
use crate::ends::{Purpose, ends_well, served};
use crate::forecast::{QuotaUse, forecast};
use crate::present::{NoValue, value_at};
use crate::refusal::{Refusal, list};
use crate::search::{Problem, Stuck};
use crate::step::{Move, Place, Plan, RouteValue, Step};
use crate::targets::usable;
use crate::touch::Touch;
use crate::view::{View, parts};
use holdfast_model::{NetworkMap, NetworkName, Picture, Prefix, Site, SiteName};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Steps that touch one part, at most: a state is one bit for each.
const STEPS: usize = 128;

/// Plans to move networks, or some machines of them, to a site: the fewest stages such that every subset of every stage leaves every
/// vantage served.
///
/// The same inputs give the same plan, byte for byte. A plan without stages means that every table is right and leads there.
///
/// # Errors
/// [`Refusal`], when anything in scope is unknown, no order is safe, or the networks would not be reached in the end.
pub fn plan_move(wanted: &Move<'_>, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    let Move { networks, to, hosts } = *wanted;
    let Some(site) = map.sites.get(to) else {
        return Err(Refusal::UnknownSite { site: to.clone(), declared: list(map.sites.keys()) });
    };
    if networks.is_empty() {
        return Err(Refusal::NoNetwork);
    }
    for name in networks {
        let network = map.networks.get(name).ok_or_else(|| unknown(name, map))?;
        if matches!(site, Site::Nc2 { .. }) && !network.subnets.contains_key(to) {
            return Err(Refusal::NoSubnet { network: name.clone(), site: to.clone() });
        }
        if map.tables_of(name).next().is_none() {
            return Err(Refusal::NotRouted { network: name.clone() });
        }
    }
    match hosts {
        None => whole_groups(networks, map)?,
        Some(hosts) => inside(hosts, networks, map)?,
    }
    everything_read(picture)?;
    let steps = desired_steps(wanted, map, picture)?;
    let stages = ordered(wanted, map, picture, &steps)?;
    let plan = Plan { networks: networks.clone(), to: to.clone(), hosts: hosts.cloned(), stages };
    within_quotas(&plan, map, picture)?;
    Ok(plan)
}

/// Plans to take a plan's steps back, so that every table holds exactly what it held before; steps that never ran are left out. `to` is the site that
/// the networks were at before.
///
/// # Errors
/// [`Refusal`] as for [`plan_move`], and where a table holds neither what the operation wrote nor what it found.
pub fn plan_undo(undone: &Plan, to: &SiteName, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    if !map.sites.contains_key(to) {
        return Err(Refusal::UnknownSite { site: to.clone(), declared: list(map.sites.keys()) });
    }
    for network in &undone.networks {
        map.networks.get(network).ok_or_else(|| unknown(network, map))?;
    }
    everything_read(picture)?;
    let mut steps = Vec::new();
    // What a lost Region's tables hold is not known: they follow when it answers again.
    for step in undone.steps().filter(|step| map.reachable(&step.scope.region)) {
        declared(step, map)?;
        let now = present(step, picture)?;
        if now == step.before {
            continue;
        }
        let inverse = step.inverse();
        if now != step.after {
            return Err(drifted(&inverse, &now));
        }
        usable(&inverse, &inverse.after, picture)?;
        steps.push(inverse);
    }
    steps.sort_by(|a, b| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
    let wanted = Move { networks: &undone.networks, to, hosts: undone.hosts.as_ref() };
    let stages = ordered(&wanted, map, picture, &steps)?;
    Ok(Plan { networks: undone.networks.clone(), to: to.clone(), hosts: undone.hosts.clone(), stages })
}

/// What is left of a plan that was partly done: its steps whose table still holds what it held before, in the same stages. `done` are the positions of
/// those that were read back as wanted before `picture` was read: nobody writes them again.
///
/// # Errors
/// [`Refusal`], when something in scope was not read, a table holds neither what a step found nor what it was to write, or holds again what a step found
/// that is done.
pub fn plan_rest(plan: &Plan, done: &BTreeSet<u32>, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    everything_read(picture)?;
    let mut stages = Vec::new();
    let mut numbers = 0_u32..;
    for stage in &plan.stages {
        let mut rest = Vec::new();
        for (step, at) in stage.iter().zip(numbers.by_ref()) {
            declared(step, map)?;
            let now = present(step, picture)?;
            if now == step.before && now != step.after && done.contains(&at) {
                return Err(put_back(step, &now));
            }
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

/// Sees that a plan stays within what is known of the quotas: a call that exceeds one fails in the middle of a plan, so it is refused before.
///
/// # Errors
/// [`Refusal::Quota`], with the first quota that would be exceeded on the way.
pub fn within_quotas(plan: &Plan, map: &NetworkMap, picture: &Picture) -> Result<(), Refusal> {
    match forecast(plan, map, picture).quotas.into_iter().find(QuotaUse::exceeded) {
        None => Ok(()),
        Some(used) => {
            let assumption = used.assumption();
            let QuotaUse { what, of, most: after, now, quota, .. } = used;
            Err(Refusal::Quota { what, of, after, now, quota, assumption })
        }
    }
}

/// Puts steps in order, after it was seen that they end well.
fn ordered(wanted: &Move<'_>, map: &NetworkMap, picture: &Picture, steps: &[Step]) -> Result<Vec<Vec<Step>>, Refusal> {
    let clients = map.vantages.iter().map(|(name, vantage)| Client {
        name,
        vantage,
        parts: vantage.prefixes().iter().flat_map(|prefix| parts(picture, *prefix)).collect(),
    });
    let frame = Frame { map, now: View::of(picture), to: wanted.to, vantages: clients.collect() };
    let items = items(wanted, map, picture, steps);
    let sorted = sort(&frame, picture, &items, steps);
    if wanted.hosts.is_none() {
        served(wanted, &frame, steps)?;
    }
    for class in &sorted.classes {
        if class.moves.len() >= STEPS {
            let network = class.case.items.first().map(|item| item.network.clone());
            let network = network.or_else(|| wanted.networks.first().cloned()).ok_or(Refusal::NoNetwork)?;
            return Err(Refusal::TooMany { network, steps: class.moves.len() });
        }
        let purpose = Purpose { whole: wanted.hosts.is_none(), to: wanted.to };
        ends_well(&class.case, &frame, &purpose)?;
    }
    let step_of = |a_move: usize| sorted.moves.get(a_move).and_then(|all| all.first()).and_then(|at| steps.get(*at));
    let mut stages: Vec<Vec<Step>> = Vec::new();
    for problem in &sorted.problems {
        let classes: Vec<_> = problem.iter().filter_map(|at| sorted.classes.get(*at)).collect();
        let problem = Problem::new(classes, |a_move| step_of(a_move).map_or(1, rank));
        let found = problem.stages().map_err(|stuck| match stuck {
            Stuck::NoOrder { reached, conflicts } => Refusal::NoSafeOrder {
                network: problem.network(),
                reached: reached.iter().filter_map(|at| step_of(*at)).map(|step| format!("[{step}]")).collect(),
                conflicts: conflicts
                    .iter()
                    .filter_map(|(at, harm)| step_of(*at).map(|step| format!("[{step}] would leave the way {harm}")))
                    .collect(),
            },
            Stuck::GaveUp { states, moves } => Refusal::SearchGaveUp { networks: problem.networks(), states, moves },
        })?;
        for (at, stage) in found.into_iter().enumerate() {
            if stages.len() <= at {
                stages.push(Vec::new());
            }
            let members = stage.iter().filter_map(|a_move| sorted.moves.get(*a_move)).flatten();
            if let Some(into) = stages.get_mut(at) {
                into.extend(members.filter_map(|step| steps.get(*step).cloned()));
            }
        }
    }
    let placed: BTreeSet<_> = stages.iter().flatten().map(Step::key).collect();
    if let Some(lost) = steps.iter().find(|step| !placed.contains(&step.key())) {
        return Err(Refusal::NotOrdered { step: lost.to_string() });
    }
    // INVARIANT: the steps of a stage stand in one order, so that a resumed plan counts them alike.
    for stage in &mut stages {
        stage.sort_by(|a, b| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
    }
    Ok(stages)
}

/// A propagation is switched on before anything else, and off after everything else.
fn rank(step: &Step) -> u8 {
    match (&step.place, &step.after) {
        (Place::Propagation { .. }, RouteValue::Propagates) => 0,
        (Place::Propagation { .. }, _) => 2,
        (Place::Route { .. } | Place::Reference { .. }, _) => 1,
    }
}

/// The parts of the networks that move, and of every other network that a step touches.
fn items<'a>(wanted: &Move<'a>, map: &'a NetworkMap, picture: &Picture, steps: &[Step]) -> Vec<Item<'a>> {
    let touch = Touch::new(picture, steps);
    let mut items = Vec::new();
    for (network, declared) in &map.networks {
        let moving = wanted.networks.contains(network);
        let mut all = parts(picture, declared.prefix);
        let own: BTreeSet<Prefix> = wanted
            .hosts
            .iter()
            .flat_map(|hosts| hosts.iter())
            .filter(|address| moving && declared.prefix.holds(**address))
            .map(|address| Prefix::host(*address))
            .collect();
        all.extend(own.iter().copied());
        let made = made_inside(steps, declared.prefix);
        all.extend(made.iter().copied());
        for part in all {
            // Where a whole network moves and its steps make a longer route, they lead that part apart: it stays where it is.
            let moves = moving && if wanted.hosts.is_none() { !made.contains(&part) } else { own.contains(&part) };
            if moves || !touch.touching(part).is_empty() {
                items.push(Item { network, part, moves });
            }
        }
    }
    items
}

/// Longer prefixes inside of one for which steps make a route.
fn made_inside(steps: &[Step], prefix: Prefix) -> BTreeSet<Prefix> {
    let made = steps.iter().filter(|step| step.after != RouteValue::Absent).filter_map(|step| match step.place {
        Place::Route { prefix } => Some(prefix),
        Place::Reference { .. } | Place::Propagation { .. } => None,
    });
    made.filter(|made| *made != prefix && prefix.covers(made)).collect()
}

fn inside(hosts: &BTreeSet<Ipv4Addr>, networks: &BTreeSet<NetworkName>, map: &NetworkMap) -> Result<(), Refusal> {
    let holds = |address: &Ipv4Addr| {
        networks.iter().filter_map(|name| map.networks.get(name)).any(|network| network.prefix.holds(*address))
    };
    match hosts.iter().find(|address| !holds(address)) {
        None => Ok(()),
        Some(address) => Err(Refusal::HostOutside { address: *address, networks: networks.iter().cloned().collect() }),
    }
}

/// A step is only about a table that the map declares for its networks.
fn declared(step: &Step, map: &NetworkMap) -> Result<(), Refusal> {
    let table = map.route_tables.values().find(|table| table.id == step.table);
    for network in &step.networks {
        if !table.is_some_and(|table| table.routes(network)) || !map.networks.contains_key(network) {
            return Err(Refusal::Undeclared { table: step.table.clone(), network: network.clone() });
        }
    }
    Ok(())
}

fn present(step: &Step, picture: &Picture) -> Result<RouteValue, Refusal> {
    value_at(picture, &step.table, &step.place).map_err(|no| match no {
        NoValue::Unread => {
            Refusal::Unread { what: vec![format!("{} of {} ({})", step.place, step.label(), step.scope)] }
        }
        NoValue::Unsettled(state) => Refusal::Unsettled {
            table: format!("{} ({})", step.label(), step.scope),
            place: step.place.spot().to_string(),
            state,
        },
        // What a service keeps there now is not what the plan was made from.
        NoValue::NotOurs(value) => drifted_to(step, value),
    })
}

fn put_back(step: &Step, now: &RouteValue) -> Refusal {
    Refusal::PutBack {
        what: format!("{} in {} ({})", step.place, step.label(), step.scope),
        value: step.words(now),
        after: step.words(&step.after),
    }
}

fn drifted(step: &Step, now: &RouteValue) -> Refusal {
    drifted_to(step, step.words(now))
}

fn drifted_to(step: &Step, value: String) -> Refusal {
    Refusal::Drifted {
        what: format!("{} in {} ({})", step.place, step.label(), step.scope),
        value,
        before: step.words(&step.before),
        after: step.words(&step.after),
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
