//! Random topologies: two to four transit gateways, each in one of two or three Regions, with peerings; NC2 sites behind them, an EC2 site, clients
//! on-premises and in a VPC: one to six VPCs; tables of every kind, propagations, and random things that are wrong.

use crate::topology::*;
use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct Seen {
    all: u32,
    several_stages: u32,
    refusals: u32,
    unsafe_orders: u32,
    /// Topologies by how many VPCs they have.
    vpcs: BTreeMap<usize, u32>,
}

fn runner(cases: u32, seed: u8) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

/// Whether everything that was to move is delivered at the site, and what was not is where it was.
fn delivered(before: &Picture, after: &Picture, map: &NetworkMap, plan: &Plan) -> bool {
    map.networks.iter().all(|(network, declared)| {
        let hosts = plan.hosts.iter().flatten().map(|address| Prefix::host(*address));
        let own: BTreeSet<Prefix> = hosts.filter(|host| declared.prefix.covers(host)).collect();
        let parts: BTreeSet<Prefix> = parts(before, declared.prefix).union(&own).copied().collect();
        map.vantages.values().all(|vantage| {
            parts.iter().all(|part| {
                let now = trace(&View::of(after), map, vantage, *part);
                let moves = plan.networks.contains(network) && (plan.hosts.is_none() || own.contains(part));
                if moves {
                    now == Outcome::Delivered(plan.to.clone())
                } else {
                    now.alike(&trace(&View::of(before), map, vantage, *part))
                }
            })
        })
    })
}

#[test]
fn plans_of_random_topologies_keep_every_promise() {
    plans_keep_every_promise(1);
}

/// As many again, beside the first.
#[test]
fn plans_of_other_random_topologies_keep_every_promise() {
    plans_keep_every_promise(2);
}

fn plans_keep_every_promise(seed: u8) {
    let seen = RefCell::new(Seen::default());
    runner(100, seed)
        .run(&topology(), |topology| {
            let mut seen = seen.borrow_mut();
            seen.all += 1;
            *seen.vpcs.entry(topology.vpcs()).or_default() += 1;
            let (map, world) = (topology.map(), topology.world());
            let (networks, to, hosts) = topology.intent();
            let wanted = Move { networks: &networks, to: &to, hosts: hosts.as_ref() };
            let planned = plan_move(&wanted, &map, &world.picture);
            let Ok(plan) = planned else {
                seen.refusals += 1;
                prop_assert!(topology.may_be_refused(), "a sound world is refused: {:?}", planned);
                return Ok(());
            };
            // The same inputs give the same plan, byte for byte.
            let again = plan_move(&wanted, &map, &world.picture).unwrap();
            prop_assert_eq!(serde_json::to_string(&plan).unwrap(), serde_json::to_string(&again).unwrap());
            // Unknown in scope never gives a step.
            prop_assert!(!topology.unread(), "planned over a table that was not read");
            prop_assert_eq!(check(&plan, &world.picture, &map), Ok(()));
            if plan.stages.len() > 1 {
                seen.several_stages += 1;
                let mut backwards = plan.clone();
                backwards.stages.reverse();
                let mut at_once = plan.clone();
                at_once.stages = vec![plan.steps().cloned().collect()];
                let bad = |plan: &Plan| check(plan, &world.picture, &map).is_err();
                seen.unsafe_orders += u32::from(bad(&backwards) || bad(&at_once));
            }
            // No step outside the intent and what is entangled with it, none outside the declared tables, none changes nothing.
            let entangled = map.entangled(&networks);
            for step in plan.steps() {
                prop_assert!(step.networks.is_subset(&entangled) && !step.networks.is_empty(), "{step}");
                prop_assert!(map.route_tables[&step.name].id == step.table && step.before != step.after, "{step}");
            }
            // Applied, the intent holds, and there is nothing left to plan.
            let steps: Vec<Step> = plan.steps().cloned().collect();
            let mut after = world.picture.clone();
            apply(&mut after, &steps);
            prop_assert!(delivered(&world.picture, &after, &map, &plan));
            prop_assert!(plan_move(&wanted, &map, &after).unwrap().is_empty());
            // The inverse restores every table exactly.
            let mut back = after.clone();
            let inverse: Vec<Step> = steps.iter().rev().map(Step::inverse).collect();
            apply(&mut back, &inverse);
            prop_assert_eq!(&back, &world.picture);
            // After a crash anywhere: what is left passes the checker and ends at the intent; undo ends where it began.
            for done in topology.crashes(&plan) {
                let mut crashed = world.picture.clone();
                apply(&mut crashed, &done);
                let rest = plan_rest(&plan, &BTreeSet::new(), &map, &crashed).unwrap();
                prop_assert_eq!(check(&rest, &crashed, &map), Ok(()));
                let mut resumed = crashed.clone();
                apply(&mut resumed, rest.steps());
                prop_assert_eq!(&resumed, &after);
                if let (Some(from), true) = (topology.came_from(), topology.sound()) {
                    let undo = plan_undo(&plan, &from, &map, &crashed).unwrap();
                    prop_assert_eq!(check(&undo, &crashed, &map), Ok(()));
                    apply(&mut crashed, undo.steps());
                    prop_assert_eq!(&crashed, &world.picture);
                }
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.vpcs.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6], "{:?}", seen.vpcs);
    let fifth = seen.all / 5;
    assert!(seen.several_stages >= fifth, "{} of {} have several stages", seen.several_stages, seen.all);
    assert!(seen.refusals >= fifth, "{} of {} are refused", seen.refusals, seen.all);
    assert!(seen.unsafe_orders >= fifth, "{} of {} have an unsafe order", seen.unsafe_orders, seen.all);
}

/// Brute force over single steps: where the planner says that no order is safe, no order of single steps is.
#[test]
fn no_safe_order_means_that_brute_force_finds_none() {
    let stuck = RefCell::new(0_u32);
    runner(300, 1)
        .run(&small(), |topology| {
            let (map, world) = (topology.map(), topology.world());
            let (networks, to, _) = topology.intent();
            for network in &networks {
                let one = BTreeSet::from([network.clone()]);
                let Err(Refusal::NoSafeOrder { .. }) = plan_move(&Move::whole(&one, &to), &map, &world.picture) else {
                    continue;
                };
                *stuck.borrow_mut() += 1;
                let mut steps = Vec::new();
                for (name, table) in map.tables_of(network) {
                    let seen = &world.picture.tgw_tables[&table.id];
                    let prefix = map.networks[network].prefix;
                    let before = value_at(&world.picture, &seen.id, &Place::Route { prefix }).unwrap();
                    let after = RouteValue::of(&table.next_hops[&to]);
                    if before != after {
                        steps.push(Step {
                            table: table.id.clone(),
                            name: name.clone(),
                            tag: None,
                            scope: seen.scope.clone(),
                            networks: one.clone(),
                            place: Place::Route { prefix },
                            before,
                            after,
                            why: String::new(),
                        });
                    }
                }
                let mut orders = vec![Vec::new()];
                for _ in 0..steps.len() {
                    orders = orders
                        .into_iter()
                        .flat_map(|order: Vec<usize>| {
                            (0..steps.len())
                                .filter(|at| !order.contains(at))
                                .map(|at| [order.clone(), vec![at]].concat())
                                .collect::<Vec<_>>()
                        })
                        .collect();
                }
                for order in orders {
                    let stages = order.iter().map(|at| vec![steps[*at].clone()]).collect();
                    let plan = Plan { networks: one.clone(), to: to.clone(), hosts: None, stages };
                    prop_assert!(check(&plan, &world.picture, &map).is_err(), "{order:?} is safe");
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(*stuck.borrow() > 0, "no world without a safe order was seen");
}
