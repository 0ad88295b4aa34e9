//! The checker: plays every subset of every stage of a plan and traces from every vantage, forward and back.
//!
//! Written without looking at the planner: it knows the plan, the picture and the network map, nothing of how the plan came about.

use crate::declared::is_declared;
use crate::present::{NoValue, manager_of, value_at};
use crate::step::{Place, Plan, RouteValue, Step};
use crate::touch::{Profile, Touch, profile};
use crate::trace::{Outcome, Reply, Source, trace, trace_reply};
use crate::view::{View, parts};
use holdfast_model::{NetworkMap, NetworkName, Picture, Prefix, RouteTableId, Vantage, VantageName};
use std::collections::BTreeSet;

/// Steps of one stage that touch one part of a network, at most: every subset of them is played.
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
    play(plan, picture, map, &mut violations);
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// What each step says by itself.
fn one_by_one(plan: &Plan, picture: &Picture, map: &NetworkMap) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut places = BTreeSet::new();
    for step in plan.steps() {
        if !is_declared(step, plan, map) || manager_of(picture, &step.table).is_some() {
            violations.push(Violation::Undeclared { step: step.to_string() });
        }
        if !places.insert(step.key()) || step.before == step.after {
            violations.push(Violation::NotOnce { step: step.to_string() });
        }
        let now = value_at(picture, &step.table, &step.place);
        if now.as_ref() != Ok(&step.before) {
            let now = match now {
                Ok(value) => format!("`{}`", step.words(&value)),
                Err(NoValue::Unread) => "nothing read".to_owned(),
                Err(NoValue::Unsettled(state)) => format!("one that {state}"),
                Err(NoValue::NotOurs(what)) => format!("somebody else's: {what}"),
            };
            let before = step.words(&step.before);
            violations.push(Violation::NotBefore { step: step.to_string(), before, now });
        }
    }
    violations
}

/// What is the same for every part of every network.
struct Play<'a> {
    plan: &'a Plan,
    map: &'a NetworkMap,
    picture: &'a Picture,
    now: View<'a>,
    /// Per vantage, the parts of its prefixes.
    clients: Vec<(&'a VantageName, &'a Vantage, Vec<Prefix>)>,
    /// Steps with their stage from 0, in order.
    steps: Vec<(usize, &'a Step)>,
}

/// A part of a network's prefix, and whether it is to end at the plan's site.
struct Part<'a> {
    network: &'a NetworkName,
    prefix: Prefix,
    moves: bool,
}

/// One state: per vantage, where packets end and where replies do.
type Ways<'w> = &'w [(Outcome, Reply)];

/// What makes the play of one part that of another: what tables say of it, and which steps touch it, when and how.
type Looks<'a> = (bool, Profile<'a>, Vec<(usize, &'a RouteTableId, Touching, &'a RouteValue, &'a RouteValue)>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Touching {
    /// By a route of this length.
    Length(u8),
    /// By this very step.
    Step(usize),
}

fn play(plan: &Plan, picture: &Picture, map: &NetworkMap, violations: &mut Vec<Violation>) {
    let clients = map.vantages.iter().map(|(name, vantage)| {
        let all = vantage.prefixes().iter().flat_map(|prefix| parts(picture, *prefix)).collect();
        (name, vantage, all)
    });
    let stages = plan.stages.iter().enumerate();
    let steps = stages.flat_map(|(at, stage)| stage.iter().map(move |step| (at, step))).collect();
    let play = Play { plan, map, picture, now: View::of(picture), clients: clients.collect(), steps };
    let touch = Touch::new(picture, plan.steps());
    let all_clients = play.clients.iter().flat_map(|(_, _, parts)| parts);
    let answering: BTreeSet<usize> = all_clients.flat_map(|part| touch.touching(*part)).collect();
    let mut proven: BTreeSet<Looks<'_>> = BTreeSet::new();
    for (network, declared) in &map.networks {
        let moving = plan.networks.contains(network);
        let hosts: BTreeSet<Prefix> = plan
            .hosts
            .iter()
            .flatten()
            .filter(|address| moving && declared.prefix.holds(**address))
            .map(|address| Prefix::host(*address))
            .collect();
        // A route that a plan for whole networks makes inside of one leads that part another way: there nothing may change.
        let led_apart: BTreeSet<Prefix> = plan
            .steps()
            .filter_map(|step| match &step.place {
                Place::Route { prefix } if step.after != RouteValue::Absent => Some(*prefix),
                Place::Route { .. } | Place::Reference { .. } | Place::Propagation { .. } => None,
            })
            .filter(|prefix| declared.prefix.covers(prefix) && *prefix != declared.prefix)
            .collect();
        let known = parts(picture, declared.prefix);
        for prefix in known.union(&hosts).copied().collect::<BTreeSet<_>>().union(&led_apart) {
            let moves =
                moving && if plan.hosts.is_none() { !led_apart.contains(prefix) } else { hosts.contains(prefix) };
            let own: BTreeSet<usize> = touch.touching(*prefix).union(&answering).copied().collect();
            if !moves && own.is_empty() {
                continue;
            }
            let looks = play.looks(*prefix, moves, &own, &answering);
            if proven.contains(&looks) {
                continue;
            }
            if play.part(&Part { network, prefix: *prefix, moves }, &own, violations) {
                proven.insert(looks);
            }
        }
    }
}

impl<'a> Play<'a> {
    fn looks(&self, prefix: Prefix, moves: bool, own: &BTreeSet<usize>, answering: &BTreeSet<usize>) -> Looks<'a> {
        let steps = own.iter().filter_map(|at| self.steps.get(*at).map(|(stage, step)| (*at, *stage, *step)));
        let steps = steps.map(|(at, stage, step)| {
            let touching = match &step.place {
                Place::Route { prefix } if !answering.contains(&at) => Touching::Length(prefix.length()),
                Place::Route { .. } | Place::Reference { .. } | Place::Propagation { .. } => Touching::Step(at),
            };
            (stage, &step.table, touching, &step.before, &step.after)
        });
        (moves, profile(self.picture, self.map, prefix), steps.collect())
    }

    fn observe(&self, view: &View<'_>, part: &Part<'_>) -> Vec<(Outcome, Reply)> {
        let clients = self.clients.iter().map(|(_, vantage, parts)| {
            let outcome = trace(view, self.map, vantage, part.prefix);
            let reply = match &outcome {
                Outcome::Delivered(site) => {
                    let source = Source { network: part.network, site, part: part.prefix };
                    let replies = parts.iter().map(|to| trace_reply(view, self.map, vantage, source, *to));
                    replies.max().unwrap_or_else(|| Reply::Unknown("the vantage has no prefix".to_owned()))
                }
                Outcome::Leaves(_) | Outcome::Blackhole(_) | Outcome::Loop(_) | Outcome::Unknown(_) => Reply::Returns,
            };
            (outcome, reply)
        });
        clients.collect()
    }

    /// Plays every subset of every stage for one part; whether nothing was wrong.
    fn part(&self, part: &Part<'_>, own: &BTreeSet<usize>, violations: &mut Vec<Violation>) -> bool {
        let found = violations.len();
        let first = self.observe(&self.now, part);
        let mut done: Vec<&Step> = Vec::new();
        let mut last = first.clone();
        for stage in 0..self.plan.stages.len() {
            let steps = own.iter().filter_map(|at| self.steps.get(*at));
            let now: Vec<&Step> = steps.filter(|(at, _)| *at == stage).map(|(_, step)| *step).collect();
            if now.len() > WIDEST {
                violations.push(Violation::TooWide { stage: stage + 1, network: part.network.clone() });
                return false;
            }
            let mut played: Vec<Vec<(Outcome, Reply)>> = Vec::new();
            for chosen in 0..(1_usize << now.len()) {
                let some = now.iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0).map(|(_, step)| *step);
                let applied: Vec<&Step> = done.iter().copied().chain(some).collect();
                let state = self.observe(&self.now.with(applied.iter().copied()), part);
                self.compare(part, (stage, &applied), (&first, &state), violations);
                // INVARIANT: without one of its steps a subset has a smaller number, so it was played before.
                let one_less = (0..now.len()).filter(|bit| chosen & (1 << bit) != 0).map(|bit| chosen & !(1 << bit));
                for before in one_less.filter_map(|at| played.get(at)) {
                    self.stayed(part, (stage, &applied), (before, &state), violations);
                }
                played.push(state);
            }
            last = played.pop().unwrap_or(last);
            done.extend(now);
        }
        self.arrived(part, (&first, &last), violations);
        violations.len() == found
    }

    /// A state on the way against the one before everything.
    fn compare(
        &self,
        part: &Part<'_>,
        (stage, applied): (usize, &[&Step]),
        (first, state): (Ways<'_>, Ways<'_>),
        violations: &mut Vec<Violation>,
    ) {
        let ways = self.clients.iter().zip(first).zip(state);
        for (((vantage, ..), (outcome_before, reply_before)), (outcome, reply)) in ways {
            let worse = |outcome: String, before: String| Violation::Worse {
                network: part.network.clone(),
                vantage: (*vantage).clone(),
                stage: stage + 1,
                applied: applied.iter().map(ToString::to_string).collect(),
                outcome,
                before,
            };
            let unknown = matches!(outcome, Outcome::Unknown(_));
            let there = part.moves && *outcome == Outcome::Delivered(self.plan.to.clone());
            if unknown || (!there && !outcome.alike(outcome_before)) {
                violations.push(worse(outcome.to_string(), outcome_before.to_string()));
            }
            let as_before = outcome == outcome_before && reply.alike(reply_before);
            if *reply != Reply::Returns && !as_before {
                violations.push(worse(reply.to_string(), reply_before.to_string()));
            }
        }
    }

    /// What has arrived must not leave again by one more step.
    fn stayed(
        &self,
        part: &Part<'_>,
        (stage, applied): (usize, &[&Step]),
        (before, state): (Ways<'_>, Ways<'_>),
        violations: &mut Vec<Violation>,
    ) {
        let to = Outcome::Delivered(self.plan.to.clone());
        for (((vantage, ..), (was, _)), (outcome, _)) in self.clients.iter().zip(before).zip(state) {
            if part.moves && *was == to && *outcome != to {
                violations.push(Violation::Worse {
                    network: part.network.clone(),
                    vantage: (*vantage).clone(),
                    stage: stage + 1,
                    applied: applied.iter().map(ToString::to_string).collect(),
                    outcome: outcome.to_string(),
                    before: was.to_string(),
                });
            }
        }
    }

    /// The last state of a part that moves.
    fn arrived(&self, part: &Part<'_>, (first, last): (Ways<'_>, Ways<'_>), violations: &mut Vec<Violation>) {
        for (((vantage, ..), _), (outcome, reply)) in self.clients.iter().zip(first).zip(last) {
            let not = match (part.moves, outcome, reply) {
                (false, _, _) => continue,
                (true, Outcome::Delivered(site), Reply::Returns) if *site == self.plan.to => continue,
                (true, Outcome::Delivered(site), reply) if *site == self.plan.to => reply.to_string(),
                (true, outcome, _) => outcome.to_string(),
            };
            let (network, vantage) = (part.network.clone(), (*vantage).clone());
            violations.push(Violation::NotThere { network, vantage, outcome: not });
        }
    }
}
