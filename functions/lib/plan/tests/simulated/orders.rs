//! Brute force: every order of a plan's steps is played in the simulator and judged by its data plane, and the planner must have known.

use crate::change::{Change, What, apply, changes, now, of_step};
use crate::differential::{Counts, compare, parts_of};
use crate::flaws::spoil;
use crate::map::map;
use crate::picture::picture;
use crate::probe::{End, Seen, ask};
use crate::spec::Spec;
use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use holdfast_sim::World;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Seeds that are tried.
const SEEDS: u64 = 165;

/// Changes at most: every order of them is 120 ways through 32 states.
const MOST: usize = 5;

/// From a client to an address.
struct Way {
    client: usize,
    address: Ipv4Addr,
    moves: bool,
}

/// Every state between the changes of a move, by which of them are done.
struct Played {
    /// Per state, what became of every way.
    all: Vec<Vec<Seen>>,
    safe: Vec<bool>,
    /// Per state, which ways that move have arrived at the destination.
    arrived: Vec<Vec<bool>>,
    /// Rank of each change.
    ranks: Vec<u8>,
}

fn ways(spec: &Spec, picture: &Picture) -> Vec<Way> {
    let mut ways = Vec::new();
    for n in 0..spec.at.len() {
        let all = parts_of(spec, picture, n);
        let host = spec.host.map(|host| address(n, host));
        let addresses: Vec<Ipv4Addr> = all.iter().filter_map(|part| inside(*part, &all)).collect();
        for client in 0..spec.clients.len() {
            ways.extend(addresses.iter().map(|address| {
                let moves = spec.moving.contains(&n) && (spec.host.is_none() || host == Some(*address));
                Way { client, address: *address, moves }
            }));
        }
    }
    ways
}

fn look(spec: &Spec, world: &World, ways: &[Way]) -> Vec<Seen> {
    ways.iter().map(|way| ask(spec, world, way.client, way.address)).collect()
}

/// Whether a state does to a way what was not so before: it ends otherwise and not at its destination, or its replies are lost otherwise.
fn harmed(spec: &Spec, way: &Way, before: &Seen, now: &Seen) -> bool {
    let arrived = way.moves && *now.there() == End::Arrived(site_name(spec.to).to_string());
    let same = now.there() == before.there();
    let lost = !matches!(now.back(), None | Some(End::Arrived(_)));
    (!arrived && !same) || (lost && !(same && now.back() == before.back()))
}

fn with(world: &World, changes: &[Change], mask: usize) -> World {
    let mut world = world.clone();
    for (_, change) in changes.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0) {
        apply(&mut world, change);
    }
    world
}

fn play(spec: &Spec, changes: &[Change], states: &[World], ways: &[Way]) -> Played {
    let all: Vec<Vec<Seen>> = states.iter().map(|world| look(spec, world, ways)).collect();
    let harm = |now: &Vec<Seen>| ways.iter().zip(&all[0]).zip(now).any(|((w, b), n)| harmed(spec, w, b, n));
    let to = End::Arrived(site_name(spec.to).to_string());
    let arrived = |now: &Vec<Seen>| ways.iter().zip(now).map(|(way, seen)| way.moves && *seen.there() == to).collect();
    let (safe, arrived) = (all.iter().map(|now| !harm(now)).collect(), all.iter().map(arrived).collect());
    Played { all, safe, arrived, ranks: changes.iter().map(Change::rank).collect() }
}

impl Played {
    /// Whether one more change harms nothing, and nothing that has arrived leaves again.
    fn step_safe(&self, before: usize, after: usize) -> bool {
        let stays = self.arrived[before].iter().zip(&self.arrived[after]).all(|(was, is)| !was || *is);
        self.safe[before] && self.safe[after] && stays
    }

    /// Whether everything of a lower rank than what is to be done is done.
    fn in_turn(&self, done: usize, stage: usize) -> bool {
        let of = |mask: usize| self.ranks.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0);
        let highest = of(stage).map(|(_, rank)| rank).max();
        of(!(done | stage)).chain(of(stage)).all(|(_, rank)| Some(rank) >= highest)
    }

    /// Whether any order of some changes is safe after others.
    fn stage_safe(&self, done: usize, stage: usize) -> bool {
        subsets(stage).all(|some| bits(some).all(|bit| self.step_safe(done | (some ^ bit), done | some)))
    }

    /// Orders in which every state on the way is safe.
    fn safe_orders(&self) -> usize {
        let mut orders = vec![0; self.safe.len()];
        orders[0] = 1;
        for mask in 1..self.safe.len() {
            let last = bits(mask).filter(|bit| self.in_turn(mask ^ bit, *bit) && self.step_safe(mask ^ bit, mask));
            orders[mask] = last.map(|bit| orders[mask ^ bit]).sum();
        }
        orders[self.safe.len() - 1]
    }

    /// The fewest stages such that every order of every stage is safe.
    fn fewest_stages(&self) -> Option<usize> {
        let full = self.safe.len() - 1;
        let mut least = vec![None; self.safe.len()];
        least[0] = Some(0);
        for mask in 1..=full {
            let stages = subsets(mask).filter(|stage| *stage != 0);
            let whole =
                stages.filter(|stage| self.in_turn(mask ^ stage, *stage) && self.stage_safe(mask ^ stage, *stage));
            least[mask] = whole.filter_map(|stage| least[mask ^ stage]).min().map(|stages: usize| stages + 1);
        }
        least[full]
    }

    /// Every way that moves is served at the destination, and no other is harmed.
    fn ends_well(&self, spec: &Spec, ways: &[Way]) -> bool {
        let to = site_name(spec.to).to_string();
        ways.iter().zip(&self.all[0]).zip(&self.all[self.all.len() - 1]).all(|((way, before), after)| {
            if way.moves { after.served_at(&to) } else { !harmed(spec, way, before, after) }
        })
    }
}

fn subsets(mask: usize) -> impl Iterator<Item = usize> {
    (0..=mask).filter(move |subset| subset & mask == *subset)
}

fn bits(mask: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS).map(|bit| 1 << bit).filter(move |bit| mask & bit != 0)
}

fn planned(spec: &Spec, map: &NetworkMap, picture: &Picture) -> Result<Plan, Refusal> {
    let networks: BTreeSet<NetworkName> = spec.moving.iter().map(|n| network_name(*n)).collect();
    let hosts = spec.host.map(|host| BTreeSet::from([address(spec.moving[0], host)]));
    plan_move(&Move { networks: &networks, to: &site_name(spec.to), hosts: hosts.as_ref() }, map, picture)
}

/// Compares one plan with what every order really does.
fn accepted(spec: &Spec, plan: &Plan, changes: &[Change], played: &Played, ways: &[Way]) {
    let seed = spec.seed;
    let place = |step: &Step| {
        let at = changes.iter().position(|change| *change == of_step(step));
        1_usize << at.unwrap_or_else(|| panic!("seed {seed}: [{step}] is not among {changes:#?}"))
    };
    let stages: Vec<usize> = plan.stages.iter().map(|stage| stage.iter().map(place).sum()).collect();
    assert_eq!(stages.iter().sum::<usize>(), played.safe.len() - 1, "seed {seed}: {plan:#?} of {changes:#?}");
    let mut done = 0;
    for stage in &stages {
        assert!(played.stage_safe(done, *stage), "seed {seed}: harm in {stage:#b} after {done:#b} of {changes:#?}");
        done |= stage;
    }
    assert!(played.ends_well(spec, ways), "seed {seed}: the end of {plan:#?} is wrong");
    assert_eq!(Some(stages.len()), played.fewest_stages(), "seed {seed}: stages of {plan:#?}");
}

fn refused(spec: &Spec, refusal: &Refusal, played: &Played, ways: &[Way], counts: &mut Counts) {
    let seed = spec.seed;
    match refusal {
        Refusal::NoSafeOrder { .. } => {
            assert_eq!(played.safe_orders(), 0, "seed {seed}: {refusal}");
            assert!(played.ends_well(spec, ways), "seed {seed}: {refusal}");
            counts.add("no safe order");
        }
        Refusal::NotDelivered { .. }
        | Refusal::FlowMissing { .. }
        | Refusal::Leftover { .. }
        | Refusal::NoReply { .. }
        | Refusal::Bystander { .. } => {
            assert!(!played.ends_well(spec, ways), "seed {seed}: {refusal}");
            counts.add("ends badly");
        }
        // A matter of what the map says, not of packets.
        _ => counts.add("other refusals"),
    }
}

/// Why a move is refused though every packet would arrive: by another route than the one that the network map names, as no host route can say it, or
/// over a route that no site of the map has there. There is no other reason.
fn by_the_map(spec: &Spec, refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NotServed { .. } => "safe, but not served as the map says",
        Refusal::HostServed { .. } => "safe, but not as a host route",
        Refusal::NotOurs { .. } => "safe, but not ours",
        other => panic!("seed {}: safe, but refused: {other}", spec.seed),
    }
}

/// A world with few enough changes, perhaps with something wrong in it.
fn small(seed: u64) -> Option<(Spec, World, Vec<Change>)> {
    let spec = Spec::new(1_000_000 + seed, true);
    let mut dice = dice(&spec);
    let mut world = world(&spec);
    if dice.one_in(4) {
        spoil(&mut dice, &spec, &mut world);
    }
    let changes = changes(&spec, &world);
    let usable = |change: &Change| match (&change.what, &change.to) {
        (_, None) => true,
        (_, Some(to)) if to == BLACKHOLE || to.starts_with("pcx-") || to.starts_with("eni-") => true,
        (What::VpcRoute { .. }, Some(tgw)) => world.ec2.is_attached(&world.ec2.route_tables[&change.table].vpc, tgw),
        (What::Route { .. } | What::Reference { .. }, Some(to)) => world.ec2.attachments[to].carries(),
        (What::Propagation { attachment }, Some(_)) => world.ec2.attachments[attachment].carries(),
    };
    let few = (1..=MOST).contains(&changes.len()) && changes.iter().all(usable);
    few.then_some((spec, world, changes))
}

#[test]
fn every_order_does_what_the_planner_says() {
    let (mut counts, mut on_paper) = (Counts::default(), Counts::default());
    for seed in 0..SEEDS {
        let Some((spec, world, changes)) = small(seed) else { continue };
        let map = map(&spec, &world);
        let picture = picture(&world);
        // A plan counts the worst of all clients of a prefix; the data plane is asked from one address of it.
        if map.vantages.values().any(|vantage| parts(&picture, vantage.prefixes()[0]).len() > 1) {
            continue;
        }
        let ways = ways(&spec, &picture);
        let states: Vec<World> = (0..1 << changes.len()).map(|mask| with(&world, &changes, mask)).collect();
        let played = play(&spec, &changes, &states, &ways);
        let orders: usize = (1..=changes.len()).product();
        let leads = |to: &str| {
            let hops = changes.iter().flat_map(|change| change.to.clone().into_iter().chain(now(&world, change)));
            hops.into_iter().any(|hop| hop.starts_with(to))
        };
        let hops: Vec<&str> = [BLACKHOLE, "pcx-", "eni-"].into_iter().filter(|hop| leads(hop)).collect();
        counts.add("worlds");
        for (what, is) in [
            ("propagations", changes.iter().any(|change| matches!(change.what, What::Propagation { .. }))),
            ("aggregates", spec.aggregate.contains(&true)),
            ("hosts", spec.host.is_some()),
            ("blackholes", hops.contains(&BLACKHOLE)),
            ("VPC peering", hops.contains(&"pcx-")),
            ("interfaces", hops.contains(&"eni-")),
        ] {
            if is {
                counts.add(what);
            }
        }
        if played.safe_orders() < orders {
            counts.add("some order unsafe");
        }
        match planned(&spec, &map, &picture) {
            Ok(plan) => {
                accepted(&spec, &plan, &changes, &played, &ways);
                counts.add(if plan.stages.len() > 1 { "several stages" } else { "one stage" });
                for hop in &hops {
                    counts.add(match *hop {
                        BLACKHOLE => "planned with blackholes",
                        "pcx-" => "planned with VPC peering",
                        _ => "planned with interfaces",
                    });
                }
                for (mask, state) in played.all.iter().enumerate() {
                    let seen = |client, address| {
                        let way = ways.iter().position(|way| way.client == client && way.address == address);
                        state[way.unwrap()].clone()
                    };
                    let done = |step: &&Step| {
                        changes
                            .iter()
                            .position(|change| *change == of_step(step))
                            .is_some_and(|at| mask & (1 << at) != 0)
                    };
                    compare(&spec, &map, &View::after(&picture, plan.steps().filter(done)), seen, &mut on_paper);
                }
            }
            Err(refusal) => {
                counts.add("refusals");
                refused(&spec, &refusal, &played, &ways, &mut counts);
                if played.ends_well(&spec, &ways) && played.safe_orders() > 0 {
                    counts.add(by_the_map(&spec, &refusal));
                }
            }
        }
    }
    println!("{counts:?}\non paper: {on_paper:?}");
    let worlds = counts.of("worlds");
    assert!(worlds >= 100, "{counts:?}");
    for (what, at_least) in [("propagations", 10), ("aggregates", 4), ("hosts", 20)] {
        assert!(counts.of(what) >= at_least, "{what}: {counts:?}");
    }
    for (what, percent) in [
        ("several stages", 20),
        ("refusals", 20),
        ("some order unsafe", 20),
        ("no safe order", 3),
        ("blackholes", 20),
        ("interfaces", 12),
        ("VPC peering", 10),
        ("planned with blackholes", 6),
        ("planned with interfaces", 6),
        ("planned with VPC peering", 3),
    ] {
        assert!(counts.of(what) * 100 >= worlds * percent, "{what}: {counts:?}");
    }
}
