//! `trace` and `trace_reply` against the data plane, from every vantage to every part of every network, over random tables.

use crate::flaws::spoil;
use crate::map::map;
use crate::picture::picture;
use crate::probe::{Seen, ask, own_part};
use crate::spec::Spec;
use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Worlds that are compared.
const WORLDS: u64 = 240;

/// How often each kind came up.
#[derive(Debug, Default)]
pub struct Counts(pub BTreeMap<&'static str, usize>);

impl Counts {
    pub fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }
}

/// Parts of a network, with the machine that is to move by itself.
pub fn parts_of(spec: &Spec, picture: &Picture, n: usize) -> BTreeSet<Prefix> {
    let host = spec.host.filter(|_| spec.moving.contains(&n)).map(|host| Prefix::host(address(n, host)));
    parts(picture, Prefix::parse(&network(n)).unwrap()).into_iter().chain(host).collect()
}

/// Traces every way and compares it with what the data plane did with a packet from a client to an address.
pub fn compare(
    spec: &Spec,
    map: &NetworkMap,
    view: &View<'_>,
    ask: impl Fn(usize, Ipv4Addr) -> Seen,
    counts: &mut Counts,
) {
    let picture = view.picture();
    for (c, n) in (0..spec.clients.len()).flat_map(|c| (0..spec.at.len()).map(move |n| (c, n))) {
        let Some(vantage) = map.vantages.get(&vantage_name(c)) else { continue };
        let parts_of_network = parts_of(spec, picture, n);
        for part in &parts_of_network {
            let Some(address) = inside(*part, &parts_of_network) else { continue };
            let seen = ask(c, address);
            let outcome = trace(view, map, vantage, *part);
            let same = seen.agrees(&outcome);
            assert!(same, "seed {} c{c} -> {address} ({part}): traced {outcome}, seen {seen:#?}", spec.seed);
            counts.add(match &outcome {
                Outcome::Delivered(_) => "delivered",
                Outcome::Leaves(_) => "leaves",
                Outcome::Blackhole(_) => "dropped",
                Outcome::Loop(_) => "loops",
                Outcome::Unknown(_) => "unknown",
            });
            if outcome.to_string().contains("Availability Zone") {
                counts.add("another Availability Zone");
            }
            if seen.came_by(" forwards") {
                counts.add("inspected");
            }
            if spec.overlays && seen.came_by(" -> pcx-") && seen.came_by(" subnet net") {
                counts.add("overlays over VPC peering");
            }
            if let Outcome::Delivered(site) = &outcome {
                replies(spec, map, view, (c, n, *part), site, &seen, counts);
            }
        }
    }
}

fn replies(
    spec: &Spec,
    map: &NetworkMap,
    view: &View<'_>,
    (c, n, part): (usize, usize, Prefix),
    site: &SiteName,
    seen: &Seen,
    counts: &mut Counts,
) {
    let vantage = &map.vantages[&vantage_name(c)];
    let network = network_name(n);
    let source = Source { network: &network, site, part };
    let clients = parts(view.picture(), vantage.prefixes()[0]);
    let reply = trace_reply(view, map, vantage, source, own_part(clients, client_address(spec, c)));
    let same = seen.agrees_back(&reply);
    assert!(same, "seed {} {site} {part} -> c{c}: traced {reply}, seen {seen:#?}", spec.seed);
    if reply.to_string().contains("Availability Zone") {
        counts.add("another Availability Zone");
    }
    counts.add(match &reply {
        Reply::Returns => "reply returns",
        Reply::Leaves(_) => "reply leaves",
        Reply::Blackhole(_) => "reply dropped",
        Reply::Loop(_) => "reply loops",
        Reply::Unknown(_) => "reply unknown",
    });
}

#[test]
fn a_trace_ends_where_the_data_plane_ends() {
    let mut counts = Counts::default();
    for seed in 0..WORLDS {
        let spec = Spec::new(seed, false);
        let mut dice = dice(&spec);
        let mut world = world(&spec);
        let mut map = map(&spec, &world);
        for _ in 0..dice.below(6) {
            spoil(&mut dice, &spec, &mut world);
        }
        if dice.one_in(6) {
            let region = spec.region(dice.below(spec.gateways.len()));
            match map.clone().losing(&Region::parse(region).unwrap()) {
                Ok(without) => map = without,
                Err(_) => continue,
            }
            world.lost_regions.insert(region.to_owned());
            counts.add("worlds without a Region");
        }
        let picture = picture(&world);
        compare(&spec, &map, &View::of(&picture), |c, to| ask(&spec, &world, c, to), &mut counts);
    }
    println!("{counts:?}");
    let forward = ["delivered", "leaves", "dropped", "loops"].map(|kind| counts.of(kind));
    let all: usize = forward.iter().sum();
    assert!(all > 1200, "{counts:?}");
    for (count, at_least) in forward.into_iter().zip([20, 2, 5, 2]) {
        assert!(count * 100 >= all * at_least, "{counts:?}");
    }
    assert!(counts.of("worlds without a Region") * 10 >= usize::try_from(WORLDS).unwrap(), "{counts:?}");
    for (what, at_least) in [("inspected", 100), ("overlays over VPC peering", 15), ("another Availability Zone", 20)] {
        assert!(counts.of(what) >= at_least, "{what}: {counts:?}");
    }
    let back = ["reply returns", "reply leaves", "reply dropped", "reply loops"].map(|kind| counts.of(kind));
    for (count, at_least) in back.into_iter().zip([20, 2, 5, 1]) {
        assert!(count * 100 >= counts.of("delivered") * at_least, "{counts:?}");
    }
}
