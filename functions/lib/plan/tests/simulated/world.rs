//! A topology as a simulated world: its ids, where its tables lead, and the world itself.

use crate::dice::Dice;
use crate::file::file;
use crate::spec::{Client, Kind, Spec, Wall};
use holdfast_model::{NetworkName, Prefix, SiteName, VantageName};
use holdfast_sim::World;
use holdfast_sim::ec2;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

pub const ACCOUNT: &str = "111122223333";
pub const COVERING: &str = "172.30.0.0/16";
/// Last octets of the addresses that every site holds of every network.
pub const HOSTS: [u8; 4] = [20, 34, 140, 200];

pub fn tgw(g: usize) -> String {
    format!("tgw-0000000{g}")
}

pub fn table(g: usize, t: usize) -> String {
    format!("tgw-rtb-000000{g}{t}")
}

pub fn of_site(s: usize) -> String {
    format!("tgw-attach-000a000{s}")
}

pub fn of_client(c: usize, g: usize) -> String {
    format!("tgw-attach-000c00{c}{g}")
}

pub fn peering(a: usize, b: usize) -> String {
    format!("tgw-attach-000e00{}{}", a.min(b), a.max(b))
}

pub fn of_wall(g: usize) -> String {
    format!("tgw-attach-000f000{g}")
}

pub fn client_table(c: usize) -> String {
    format!("rtb-000c000{c}")
}

pub fn site_table(s: usize, k: usize) -> String {
    format!("rtb-000a00{s}{k}")
}

pub fn pcx(c: usize) -> String {
    format!("pcx-000c000{c}")
}

pub fn list(g: usize) -> String {
    format!("pl-0000000{g}")
}

pub fn network(n: usize) -> String {
    format!("172.30.{n}.0/24")
}

pub fn site_name(s: usize) -> SiteName {
    SiteName::parse(format!("s{s}")).unwrap()
}

pub fn network_name(n: usize) -> NetworkName {
    NetworkName::parse(format!("net{n}")).unwrap()
}

pub fn vantage_name(c: usize) -> VantageName {
    VantageName::parse(format!("c{c}")).unwrap()
}

pub fn client_prefix(spec: &Spec, c: usize) -> String {
    match spec.clients[c] {
        Client::OnPremises { .. } => format!("192.168.{c}.0/24"),
        Client::Vpc { .. } => format!("10.{}.0.0/16", 50 + c),
        Client::Inside { site } => format!("10.{}.9.0/24", 10 + site),
    }
}

/// Address that a client asks from.
pub fn client_address(spec: &Spec, c: usize) -> Ipv4Addr {
    let c8 = u8::try_from(c).unwrap();
    match spec.clients[c] {
        Client::OnPremises { .. } => Ipv4Addr::new(192, 168, c8, 10),
        Client::Vpc { .. } => Ipv4Addr::new(10, 50 + c8, 1, 10),
        Client::Inside { site } => Ipv4Addr::new(10, 10 + u8::try_from(site).unwrap(), 9, 10),
    }
}

pub fn address(n: usize, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(172, 30, u8::try_from(n).unwrap(), host)
}

/// What a route leads to that drops the traffic.
pub const BLACKHOLE: &str = "blackhole";

/// The network interface of the one host of an NC2 site.
pub fn fvn(s: usize) -> String {
    format!("eni-000a000{s}")
}

/// Where a table of a gateway leads a network whose machines are at a site; none where the covering prefix serves it.
pub fn hop(spec: &Spec, gateway: usize, site: usize) -> Option<String> {
    let at = &spec.sites[site];
    if spec.black == Some((gateway, site)) {
        return Some(BLACKHOLE.to_owned());
    }
    let covered = at.kind == Kind::Ec2 && !spec.explicit && spec.covered(gateway) == Some(site);
    if covered && !spec.aggregate[gateway] {
        return None;
    }
    Some(match spec.next(gateway, at.gateway) {
        None => of_site(site),
        Some(next) => peering(gateway, next),
    })
}

pub fn peered(spec: &Spec, c: usize) -> bool {
    matches!(spec.clients[c], Client::Vpc { peered: true, .. })
}

/// The file of everything but routes of transit gateways, then those.
pub fn world(spec: &Spec) -> World {
    let mut world = World::from_yaml(&file(spec)).unwrap_or_else(|error| panic!("seed {}: {error}", spec.seed));
    let mut owned: Vec<(String, Vec<usize>)> = Vec::new();
    for (c, client) in spec.clients.iter().enumerate() {
        let gateways = match client {
            Client::OnPremises { entries, home, .. } => {
                entries.iter().map(|(gateway, _)| *gateway).take(if *home { 1 } else { 9 }).collect()
            }
            Client::Vpc { gateway, .. } => vec![*gateway],
            // The prefix of the site's VPC covers it.
            Client::Inside { .. } => continue,
        };
        owned.push((client_prefix(spec, c), gateways));
    }
    for (s, site) in spec.sites.iter().enumerate().filter(|(_, site)| site.kind == Kind::Nc2) {
        owned.push((format!("10.{}.0.0/16", 10 + s), vec![site.gateway]));
    }
    let ec2_sites: Vec<usize> =
        spec.sites.iter().filter(|site| site.kind == Kind::Ec2).map(|site| site.gateway).collect();
    if !ec2_sites.is_empty() {
        owned.push((COVERING.to_owned(), ec2_sites));
    }
    for (g, t) in spec.all_tables() {
        for (prefix, gateways) in &owned {
            let Some(first) = gateways.first().filter(|_| !gateways.contains(&g)) else { continue };
            let Some(next) = spec.next(g, *first) else { continue };
            put(&mut world, &table(g, t), prefix, Some(peering(g, next)));
        }
        for (n, site) in spec.at.iter().enumerate() {
            match hop(spec, g, *site) {
                Some(to) if spec.listed[g] => refer(&mut world, &table(g, t), &list(g), carries(to)),
                Some(to) if spec.aggregate[g] => put(&mut world, &table(g, t), COVERING, carries(to)),
                Some(to) => put(&mut world, &table(g, t), &network(n), carries(to)),
                None => {}
            }
        }
    }
    for (c, n) in (0..spec.clients.len()).flat_map(|c| (0..spec.at.len()).map(move |n| (c, n))) {
        if let Some(to) = declared(spec, c).and_then(|_| client_hop(spec, c, spec.at[n])) {
            vpc_put(&mut world, &client_table(c), &network(n), vpc_target(to));
        }
    }
    for (g, wall) in spec.walls.iter().enumerate() {
        match wall {
            Some(Wall::There) => {
                (0..spec.at.len()).for_each(|n| put(&mut world, &table(g, 1), &network(n), Some(of_wall(g))))
            }
            Some(Wall::Back) => {
                (0..spec.clients.len())
                    .for_each(|c| put(&mut world, &table(g, 0), &client_prefix(spec, c), Some(of_wall(g))));
            }
            None => {}
        }
    }
    world.switches.ec2.peering_carries_overlays = spec.overlays;
    world
}

/// The attachment that a route leads to; none for a blackhole.
pub fn carries(to: String) -> Option<String> {
    (to != BLACKHOLE).then_some(to)
}

/// The gateway of a client whose own table is declared.
pub fn declared(spec: &Spec, c: usize) -> Option<usize> {
    match spec.clients[c] {
        Client::Vpc { gateway, peered: true } => Some(gateway),
        Client::Inside { site } => Some(spec.sites[site].gateway),
        Client::Vpc { peered: false, .. } | Client::OnPremises { .. } => None,
    }
}

/// Where the declared table of a client leads a network whose machines are at a site; none where the route of [`covers`] serves it.
pub fn client_hop(spec: &Spec, c: usize, site: usize) -> Option<String> {
    match spec.clients[c] {
        Client::Inside { site: own } if own == site => Some(fvn(site)),
        Client::Inside { site: own } => spec.explicit.then(|| tgw(spec.sites[own].gateway)),
        Client::Vpc { .. } if spec.peer_site() == Some(site) => spec.pcx_named.then(|| pcx(c)),
        Client::Vpc { gateway, .. } => Some(tgw(gateway)),
        Client::OnPremises { .. } => None,
    }
}

/// The prefix whose route serves networks in the declared table of a client that has none of their own.
pub fn covers(spec: &Spec, c: usize) -> &'static str {
    if matches!(spec.clients[c], Client::Inside { .. }) { "0.0.0.0/0" } else { COVERING }
}

pub fn vpc_target(to: String) -> ec2::VpcTarget {
    match to.split('-').next() {
        Some("pcx") => ec2::VpcTarget::PeeringConnection(to),
        Some("eni") => ec2::VpcTarget::NetworkInterface(to),
        _ => ec2::VpcTarget::TransitGateway(to),
    }
}

pub fn put(world: &mut World, table: &str, prefix: &str, attachment: Option<String>) {
    let route = ec2::StaticRoute { attachment, pending_reads: 0 };
    world.ec2.tgw_route_tables.get_mut(table).unwrap().routes.insert(prefix.parse().unwrap(), route);
}

pub fn refer(world: &mut World, table: &str, list: &str, attachment: Option<String>) {
    let reference = ec2::PrefixListReference { attachment, state: ec2::Progress::Available };
    world.ec2.tgw_route_tables.get_mut(table).unwrap().prefix_lists.insert(list.to_owned(), reference);
}

pub fn vpc_put(world: &mut World, table: &str, prefix: &str, target: ec2::VpcTarget) {
    let route = ec2::VpcRoute { target };
    world.ec2.route_tables.get_mut(table).unwrap().routes.insert(prefix.parse().unwrap(), route);
}

/// The name of a guest that asks for a client.
pub fn asker(spec: &Spec, c: usize) -> String {
    match spec.clients[c] {
        Client::OnPremises { .. } => format!("c{c}-client"),
        Client::Vpc { .. } | Client::Inside { .. } => format!("c{c}"),
    }
}

/// The address of a part that no longer part takes, where a machine is.
pub fn inside(part: Prefix, all: &BTreeSet<Prefix>) -> Option<Ipv4Addr> {
    let longer = |ip: Ipv4Addr| all.iter().any(|other| *other != part && part.covers(other) && other.holds(ip));
    let octets = part.network().octets();
    let candidates = HOSTS.iter().map(|host| Ipv4Addr::new(octets[0], octets[1], octets[2], *host));
    candidates.into_iter().find(|ip| part.holds(*ip) && !longer(*ip))
}

pub fn dice(spec: &Spec) -> Dice {
    Dice::new(spec.seed ^ 0x5151)
}
