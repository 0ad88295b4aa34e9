//! Random topologies: 2-4 transit gateways in a ring of peerings, an NC2 site behind each, an EC2 site, and random things that are wrong.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const REGIONS: [&str; 4] = ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "us-east-1"];

/// A random topology.
#[derive(Debug, Clone)]
struct Topology {
    /// Transit gateways, each in a Region of its own.
    gateways: usize,
    /// Networks.
    networks: usize,
    /// Per network: site before, as an index (0: EC2).
    before: Vec<usize>,
    /// Site that all move to.
    to: usize,
    /// Things that are wrong.
    faults: Vec<Wrong>,
}

/// Something that is wrong in a topology; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Wrong {
    Leftover { gateway: usize, network: usize, to: usize },
    FlowMissing { gateway: usize, network: usize },
    Attachment { gateway: usize, state: AttachmentState },
    WideRouteGone { gateway: usize },
    Unread { gateway: usize },
    Strange { gateway: usize, network: usize },
    Pending { gateway: usize, network: usize },
}

fn topology() -> impl Strategy<Value = Topology> {
    let wrong = prop_oneof![
        (0..4_usize, 0..4_usize, 0..4_usize).prop_map(|(gateway, network, to)| Wrong::Leftover {
            gateway,
            network,
            to
        }),
        (0..4_usize, 0..4_usize).prop_map(|(gateway, network)| Wrong::FlowMissing { gateway, network }),
        (0..4_usize, prop_oneof![Just(AttachmentState::Changing), Just(AttachmentState::Gone)])
            .prop_map(|(gateway, state)| Wrong::Attachment { gateway, state }),
        (0..4_usize).prop_map(|gateway| Wrong::WideRouteGone { gateway }),
        (0..4_usize).prop_map(|gateway| Wrong::Unread { gateway }),
        (0..4_usize, 0..4_usize).prop_map(|(gateway, network)| Wrong::Strange { gateway, network }),
        (0..4_usize, 0..4_usize).prop_map(|(gateway, network)| Wrong::Pending { gateway, network }),
    ];
    (2..=4_usize, 1..=4_usize).prop_flat_map(move |(gateways, networks)| {
        let faults = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(wrong.clone(), 1..=2)];
        (prop::collection::vec(0..=gateways, networks), 0..=gateways, faults)
            .prop_map(move |(before, to, faults)| Topology { gateways, networks, before, to, faults })
    })
}

fn region_of(n: usize) -> &'static str {
    REGIONS[n]
}

fn gw(n: usize) -> String {
    format!("gw{n}")
}

/// Peering between two gateways: one for each pair.
fn peer(a: usize, b: usize) -> String {
    format!("peer{}{}", a.min(b), a.max(b))
}

fn site_name(n: usize) -> String {
    if n == 0 { "ec2".to_owned() } else { format!("nc{}", n - 1) }
}

fn net(n: usize) -> String {
    format!("172.30.{n}.0/24")
}

impl Topology {
    /// EC2 is behind gateway 0, NC2 site `n` behind gateway `n`.
    fn map(&self) -> NetworkMap {
        let mut text = String::from("schema_version: 1\naccounts: {main: {id: \"111122223333\"}}\nprism_centrals:\n");
        for g in 0..self.gateways {
            writeln!(
                text,
                "  pc{g}: {{endpoint: \"https://p:9440\", secret: s, trust: {{kind: web_roots}}, region: {}}}",
                region_of(g)
            )
            .unwrap();
        }
        writeln!(text, "sites:\n  ec2: {{kind: ec2, account: main, region: {}, vpc: {}}}", region_of(0), vpc("ec2"))
            .unwrap();
        for g in 0..self.gateways {
            writeln!(text, "  nc{g}: {{kind: nc2, account: main, region: {}, vpc: {}, prism_central: pc{g}, fvn_vpc: f, cluster: c}}", region_of(g), vpc(&format!("nc{g}"))).unwrap();
        }
        text.push_str("networks:\n");
        for n in 0..self.networks {
            let subnets: Vec<String> = (0..self.gateways).map(|g| format!("nc{g}: s")).collect();
            writeln!(text, "  net{n}: {{prefix: {}, subnets: {{{}}}}}", net(n), subnets.join(", ")).unwrap();
        }
        text.push_str("route_tables:\n");
        for g in 0..self.gateways {
            writeln!(text, "  gw{g}:\n    account: main\n    region: {}\n    id: {}\n    next_hops:\n      ec2: {{kind: absent, served_by: 172.30.0.0/16}}", region_of(g), rtb(&gw(g))).unwrap();
            for s in 0..self.gateways {
                let hop = if s == g {
                    format!("{{kind: attachment, id: {}}}", attachment(&format!("nc{g}")))
                } else {
                    format!("{{kind: peering, id: {}}}", attachment(&peer(g, s)))
                };
                writeln!(text, "      nc{s}: {hop}").unwrap();
            }
        }
        text.push_str("vantages:\n");
        for g in 0..self.gateways {
            writeln!(
                text,
                "  on{g}: {{kind: on_premises, prefixes: [192.168.{g}.0/24], account: main, region: {}, enters: {}}}",
                region_of(g),
                attachment(&format!("vpn{g}"))
            )
            .unwrap();
        }
        NetworkMap::parse(&text).unwrap()
    }

    fn sound_world(&self) -> World {
        use RouteOrigin::{Propagated, Static};
        let mut world = World::new();
        for (g, region) in REGIONS.iter().enumerate().take(self.gateways) {
            world.tgw(&gw(g), region);
        }
        for a in 0..self.gateways {
            for b in a + 1..self.gateways {
                world.peer(&peer(a, b), &gw(a), &gw(b));
            }
        }
        let subnets: Vec<(String, String)> = (0..self.networks).map(|n| (format!("app{n}"), net(n))).collect();
        let subnets: Vec<(&str, &str)> = subnets.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        world.vpc("ec2", "172.30.0.0/16", &subnets, &gw(0));
        world.route(&gw(0), "172.30.0.0/16", "ec2", Propagated);
        for g in 0..self.gateways {
            let (name, sub) = (format!("nc{g}"), format!("sub{g}"));
            world.vpc(&name, &format!("10.{g}.0.0/16"), &[(&sub, &format!("10.{g}.1.0/24"))], &gw(g));
            for n in 0..self.networks {
                world.flow(&name, &sub, &net(n));
            }
            world.attach(&format!("vpn{g}"), &gw(g), AttachmentKind::Vpn);
            world.route(&gw(g), &format!("192.168.{g}.0/24"), &format!("vpn{g}"), Propagated);
            if g > 0 {
                world.route(&gw(g), "172.30.0.0/16", &peer(0, g), Static);
            }
            for other in (0..self.gateways).filter(|other| *other != g) {
                world.route(&gw(g), &format!("192.168.{other}.0/24"), &peer(g, other), Static);
            }
        }
        for (n, before) in self.before.iter().enumerate().filter(|(_, before)| **before > 0) {
            let at = before - 1;
            for g in 0..self.gateways {
                let target = if g == at { format!("nc{g}") } else { peer(g, at) };
                world.route(&gw(g), &net(n), &target, Static);
            }
        }
        world
    }

    fn world(&self) -> World {
        let mut world = self.sound_world();
        for wrong in &self.faults {
            let g = |n: &usize| n % self.gateways;
            let n = |network: &usize| network % self.networks;
            match wrong {
                Wrong::Leftover { gateway, network, to } => {
                    let host = format!("172.30.{}.34/32", n(network));
                    let target = if g(to) == g(gateway) { format!("nc{}", g(to)) } else { peer(g(gateway), g(to)) };
                    world.route(&gw(g(gateway)), &host, &target, RouteOrigin::Static);
                }
                Wrong::FlowMissing { gateway, network } => {
                    let at = g(gateway);
                    let table = world.vpc_table(&format!("nc{at}"), &format!("sub{at}"));
                    table.routes.remove(&prefix(&net(n(network))));
                }
                Wrong::Attachment { gateway, state } => {
                    world.attachment(region_of(g(gateway)), &format!("nc{}", g(gateway))).state = *state;
                }
                Wrong::WideRouteGone { gateway } => {
                    world.routes(&gw(g(gateway))).remove(&prefix("172.30.0.0/16"));
                    let table = world.picture.tgw_tables.get_mut(&rtb(&gw(g(gateway)))).unwrap();
                    table.propagations.as_mut().unwrap().remove(&attachment("ec2"));
                }
                Wrong::Unread { gateway } => {
                    world.picture.tgw_tables.remove(&rtb(&gw(g(gateway))));
                }
                Wrong::Strange { gateway, network } => {
                    if world.picture.tgw_tables.contains_key(&rtb(&gw(g(gateway)))) {
                        world.route(
                            &gw(g(gateway)),
                            &net(n(network)),
                            &format!("vpn{}", g(gateway)),
                            RouteOrigin::Static,
                        );
                    }
                }
                Wrong::Pending { gateway, network } => {
                    if let Some(table) = world.picture.tgw_tables.get_mut(&rtb(&gw(g(gateway))))
                        && let Some(route) = table.routes.get_mut(&prefix(&net(n(network))))
                    {
                        route.state = RouteState::Pending;
                    }
                }
            }
            if matches!(wrong, Wrong::Unread { .. }) {
                break;
            }
        }
        world
    }

    fn intent(&self) -> (BTreeSet<NetworkName>, SiteName) {
        ((0..self.networks).map(|n| network(&format!("net{n}"))).collect(), site(&site_name(self.to)))
    }
}

#[derive(Default)]
struct Seen {
    all: u32,
    several_stages: u32,
    refusals: u32,
    unsafe_orders: u32,
}

/// Applies steps where, in this order, the checker would be wrong if a state between two of them lost traffic.
fn delivered_everywhere(picture: &Picture, map: &NetworkMap, networks: &BTreeSet<NetworkName>, to: &SiteName) -> bool {
    networks.iter().all(|network| {
        let all = parts(picture, map.networks[network].prefix);
        map.vantages.values().all(|vantage| {
            all.iter().all(|part| trace(&View::of(picture), map, vantage, *part) == Outcome::Delivered(to.clone()))
        })
    })
}

#[test]
fn plans_of_random_topologies_keep_every_promise() {
    let seen = RefCell::new(Seen::default());
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&topology(), |topology| {
            let mut seen = seen.borrow_mut();
            seen.all += 1;
            let (map, world) = (topology.map(), topology.world());
            let (networks, to) = topology.intent();
            let planned = plan_move(&Move::whole(&networks, &to), &map, &world.picture);
            // The same inputs give the same plan, byte for byte.
            prop_assert_eq!(&planned, &plan_move(&Move::whole(&networks, &to), &map, &world.picture));
            let Ok(plan) = planned else {
                seen.refusals += 1;
                prop_assert!(!topology.faults.is_empty(), "a sound world is never refused");
                return Ok(());
            };
            // Unknown in scope never gives a step.
            let unread = topology.faults.iter().any(|wrong| matches!(wrong, Wrong::Unread { .. }));
            prop_assert!(!unread, "planned over a table that was not read");
            prop_assert_eq!(check(&plan, &world.picture, &map), Ok(()));
            if plan.stages.len() > 1 {
                seen.several_stages += 1;
                let mut backwards = plan.clone();
                backwards.stages.reverse();
                seen.unsafe_orders += u32::from(check(&backwards, &world.picture, &map).is_err());
            }
            // No step outside the intent.
            for step in plan.steps() {
                let network = step.networks.first().unwrap();
                prop_assert!(networks.contains(network));
                let Place::Route { prefix } = &step.place else { return Err(TestCaseError::fail("only routes")) };
                prop_assert!(map.networks[network].prefix.covers(prefix));
                prop_assert!(map.route_tables.values().any(|table| table.id == step.table));
            }
            // Applied, the intent holds, and there is nothing left to plan.
            let steps: Vec<Step> = plan.steps().cloned().collect();
            let mut after = world.picture.clone();
            apply(&mut after, &steps);
            prop_assert!(delivered_everywhere(&after, &map, &networks, &to));
            prop_assert!(plan_move(&Move::whole(&networks, &to), &map, &after).unwrap().is_empty());
            // The inverse restores every table exactly.
            let mut back = after.clone();
            let inverse: Vec<Step> = steps.iter().rev().map(Step::inverse).collect();
            apply(&mut back, &inverse);
            prop_assert_eq!(&back, &world.picture);
            // From every crash point: what is left passes the checker and ends at the intent; undo ends where it began.
            for done in 0..=steps.len() {
                let mut crashed = world.picture.clone();
                apply(&mut crashed, &steps[..done]);
                let rest = plan_rest(&plan, &map, &crashed).unwrap();
                prop_assert_eq!(check(&rest, &crashed, &map), Ok(()));
                let mut resumed = crashed.clone();
                apply(&mut resumed, rest.steps());
                prop_assert_eq!(&resumed, &after);
                let sites: BTreeSet<_> = topology.before.iter().map(|at| site(&site_name(*at))).collect();
                if let (1, Some(from)) = (sites.len(), sites.first())
                    && topology.faults.is_empty()
                {
                    let undo = plan_undo(&plan, from, &map, &crashed).unwrap();
                    prop_assert_eq!(check(&undo, &crashed, &map), Ok(()));
                    apply(&mut crashed, undo.steps());
                    prop_assert_eq!(&crashed, &world.picture);
                }
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    let fifth = seen.all / 5;
    assert!(seen.several_stages >= fifth, "{} of {} have several stages", seen.several_stages, seen.all);
    assert!(seen.refusals >= fifth, "{} of {} are refused", seen.refusals, seen.all);
    assert!(seen.unsafe_orders >= fifth, "{} of {} have an unsafe order", seen.unsafe_orders, seen.all);
}

/// Brute force over single steps: where the planner says that no order is safe, no order of single steps is.
#[test]
fn no_safe_order_means_that_brute_force_finds_none() {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&topology(), |topology| {
            let (map, world) = (topology.map(), topology.world());
            let (networks, to) = topology.intent();
            for network in &networks {
                let one = BTreeSet::from([network.clone()]);
                let Err(Refusal::NoSafeOrder { .. }) = plan_move(&Move::whole(&one, &to), &map, &world.picture) else {
                    continue;
                };
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
}
