//! The checker: plays every subset of every stage of a plan and traces from every vantage, forward and back.
//!
//! Written without looking at the planner: it knows the plan, the picture and the network map, nothing of how the plan came about.

use crate::step::{Place, Plan, RouteValue, Step};
use crate::trace::{Outcome, Reply, Source, trace, trace_reply};
use crate::view::{View, parts, route_value};
use holdfast_model::{NetworkMap, NetworkName, Picture, Prefix, SiteName, VantageName};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of one network in one stage, at most: every subset of them is played.
const WIDEST: usize = 12;

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A step is about something that the map does not declare.
    #[error("[{step}] is outside of what the network map declares")]
    Undeclared {
        /// The step.
        step: String,
    },
    /// A table does not hold what a step needs before.
    #[error("[{step}] needs `{before}` before, but there is {now}")]
    NotBefore {
        /// The step.
        step: String,
        /// What it needs.
        before: String,
        /// What there is.
        now: String,
    },
    /// Two steps change one route, or a step changes nothing.
    #[error("[{step}] changes a route twice, or not at all")]
    NotOnce {
        /// The step.
        step: String,
    },
    /// A stage is too wide to be proven.
    #[error("stage {stage} has more than {WIDEST} steps of network `{network}`; not every subset can be played")]
    TooWide {
        /// Stage from 1.
        stage: usize,
        /// The network.
        network: NetworkName,
    },
    /// A state on the way makes something worse.
    #[error(
        "network `{network}` from vantage `{vantage}` in stage {stage}, with {} done: {outcome} (before: {before})",
        steps(applied)
    )]
    Worse {
        /// The network.
        network: NetworkName,
        /// The vantage.
        vantage: VantageName,
        /// Stage from 1.
        stage: usize,
        /// Steps that are done in this state.
        applied: Vec<String>,
        /// Where packets or replies end.
        outcome: String,
        /// Where they ended before.
        before: String,
    },
    /// The last state is not the wanted one.
    #[error("network `{network}` from vantage `{vantage}` after the last stage: {outcome}")]
    NotThere {
        /// The network.
        network: NetworkName,
        /// The vantage.
        vantage: VantageName,
        /// Where packets or replies end.
        outcome: String,
    },
}

fn steps(applied: &[String]) -> String {
    if applied.is_empty() { "nothing".to_owned() } else { format!("[{}]", applied.join("], [")) }
}

/// Checks a plan against a picture.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(plan: &Plan, picture: &Picture, map: &NetworkMap) -> Result<(), Vec<Violation>> {
    let mut violations = one_by_one(plan, picture, map);
    for network in &plan.networks {
        play(plan, network, picture, map, &mut violations);
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// What each step says by itself.
fn one_by_one(plan: &Plan, picture: &Picture, map: &NetworkMap) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut places = BTreeSet::new();
    for step in plan.steps() {
        let Place::Route { prefix } = step.place else {
            violations.push(Violation::Undeclared { step: step.to_string() });
            continue;
        };
        let network = step.networks.first().filter(|network| plan.networks.contains(*network));
        let declared = network.is_some_and(|network| {
            map.networks.get(network).is_some_and(|network| network.prefix == prefix)
                && map.tables_of(network).any(|(name, table)| {
                    *name == step.name
                        && table.id == step.table
                        && (&table.account, &table.region) == (&step.scope.account, &step.scope.region)
                        && table.next_hops.values().any(|hop| RouteValue::of(hop) == step.after)
                })
        });
        if !declared {
            violations.push(Violation::Undeclared { step: step.to_string() });
        }
        if !places.insert(step.key()) || step.before == step.after {
            violations.push(Violation::NotOnce { step: step.to_string() });
        }
        let now = match picture.tgw_tables.get(&step.table) {
            None => Err("nothing read".to_owned()),
            Some(table) => route_value(table, prefix).map_err(|state| format!("a route that {state}")),
        };
        if now.as_ref() != Ok(&step.before) {
            violations.push(Violation::NotBefore {
                step: step.to_string(),
                before: step.before.to_string(),
                now: now.map_or_else(|not| not, |value| format!("`{value}`")),
            });
        }
    }
    violations
}

/// Every place where one network can be in one state: vantage and part of the prefix, with the outcome and the replies.
type State = BTreeMap<(VantageName, Prefix), (Outcome, Reply)>;

fn observe(view: &View<'_>, map: &NetworkMap, network: &NetworkName, parts_of: &BTreeSet<Prefix>) -> State {
    let mut state = State::new();
    let mut replies: BTreeMap<(&VantageName, SiteName), Reply> = BTreeMap::new();
    for (name, vantage) in &map.vantages {
        for part in parts_of {
            let outcome = trace(view, map, vantage, *part);
            let reply = match &outcome {
                Outcome::Delivered(site) => replies
                    .entry((name, site.clone()))
                    .or_insert_with(|| {
                        let clients = vantage.prefixes().iter().flat_map(|prefix| parts(view.picture(), *prefix));
                        clients
                            .map(|client| {
                                trace_reply(view, map, vantage, Source { network, site, part: *part }, client)
                            })
                            .max()
                            .unwrap_or_else(|| Reply::Unknown("the vantage has no prefix".to_owned()))
                    })
                    .clone(),
                Outcome::Leaves(_) | Outcome::Blackhole(_) | Outcome::Loop(_) | Outcome::Unknown(_) => Reply::Returns,
            };
            state.insert((name.clone(), *part), (outcome, reply));
        }
    }
    state
}

fn play(plan: &Plan, network: &NetworkName, picture: &Picture, map: &NetworkMap, violations: &mut Vec<Violation>) {
    let Some(prefix) = map.networks.get(network).map(|n| n.prefix) else { return };
    let all_parts = parts(picture, prefix);
    let first = observe(&View::of(picture), map, network, &all_parts);
    let mut done: Vec<&Step> = Vec::new();
    let mut last = first.clone();
    for (at, stage) in plan.stages.iter().enumerate() {
        let own: Vec<&Step> = stage.iter().filter(|step| step.networks.contains(network)).collect();
        if own.len() > WIDEST {
            violations.push(Violation::TooWide { stage: at + 1, network: network.clone() });
            return;
        }
        for chosen in 0..(1_usize << own.len()) {
            let some = own.iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0).map(|(_, step)| *step);
            let applied: Vec<&Step> = done.iter().copied().chain(some).collect();
            let state = observe(&View::after(picture, applied.iter().copied()), map, network, &all_parts);
            for ((vantage, part), (outcome, reply)) in &state {
                let Some((outcome_before, reply_before)) = first.get(&(vantage.clone(), *part)) else { continue };
                let worse = |outcome: String, before: String| Violation::Worse {
                    network: network.clone(),
                    vantage: vantage.clone(),
                    stage: at + 1,
                    applied: applied.iter().map(ToString::to_string).collect(),
                    outcome,
                    before,
                };
                let unknown = matches!(outcome, Outcome::Unknown(_));
                let there = *outcome == Outcome::Delivered(plan.to.clone());
                if unknown || (!there && !outcome.alike(outcome_before)) {
                    violations.push(worse(outcome.to_string(), outcome_before.to_string()));
                }
                let as_before = outcome == outcome_before && reply.alike(reply_before);
                if *reply != Reply::Returns && !as_before {
                    violations.push(worse(reply.to_string(), reply_before.to_string()));
                }
            }
            last = state;
        }
        done.extend(own);
    }
    for ((vantage, _), (outcome, reply)) in last {
        let not = if outcome != Outcome::Delivered(plan.to.clone()) {
            outcome.to_string()
        } else if reply != Reply::Returns {
            reply.to_string()
        } else {
            continue;
        };
        violations.push(Violation::NotThere { network: network.clone(), vantage, outcome: not });
    }
}
