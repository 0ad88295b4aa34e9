//! A random topology as a network map and as a world.

use crate::world::*;
use holdfast_model::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Regions of the transit gateways: the last two share one, and reach each other by the first.
const REGIONS: [&str; 4] = ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-northeast-3"];

/// A random topology.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Transit gateways.
    gateways: usize,
    /// Networks.
    networks: usize,
    /// Per network: site before, as an index (0: EC2).
    before: Vec<usize>,
    /// Site that all move to.
    to: usize,
    /// What tables use for their networks, one for each gateway.
    tables: Vec<Kind>,
    /// Whether the EC2 VPC's propagation is switched.
    propagation: bool,
    /// Whether there are clients in a VPC of their own.
    clients: bool,
    /// How the first site on-premises is told of prefixes.
    told: Told,
    /// Whether only one machine of the first network moves.
    one_host: bool,
    /// Things that are wrong.
    faults: Vec<Wrong>,
}

/// What a table uses for its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    List,
    Aggregate,
}

/// How a site on-premises is told of prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Always,
    /// By BGP at two entries; replies may leave by any.
    BgpAny,
    /// By BGP at two entries; replies must leave by the one that was taken.
    BgpSymmetric,
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
    Managed { gateway: usize },
    ForeignEntry,
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let (g, n) = (0..4_usize, 0..4_usize);
    prop_oneof![
        3 => (g.clone(), n.clone(), 0..4_usize).prop_map(|(gateway, network, to)| Wrong::Leftover { gateway, network, to }),
        1 => (g.clone(), n.clone()).prop_map(|(gateway, network)| Wrong::FlowMissing { gateway, network }),
        1 => (g.clone(), prop_oneof![Just(AttachmentState::Changing), Just(AttachmentState::Gone)])
            .prop_map(|(gateway, state)| Wrong::Attachment { gateway, state }),
        1 => g.clone().prop_map(|gateway| Wrong::WideRouteGone { gateway }),
        1 => g.clone().prop_map(|gateway| Wrong::Unread { gateway }),
        1 => (g.clone(), n.clone()).prop_map(|(gateway, network)| Wrong::Strange { gateway, network }),
        1 => (g.clone(), n).prop_map(|(gateway, network)| Wrong::Pending { gateway, network }),
        1 => g.prop_map(|gateway| Wrong::Managed { gateway }),
        1 => Just(Wrong::ForeignEntry),
    ]
}

/// Any topology.
pub fn topology() -> impl Strategy<Value = Topology> {
    (2..=4_usize, prop_oneof![9 => 1..=4_usize, 1 => 5..=50_usize]).prop_flat_map(|(gateways, networks)| {
        let faults = prop_oneof![4 => Just(Vec::new()), 3 => prop::collection::vec(wrong(), 1..=2)];
        let kind = prop_oneof![3 => Just(Kind::Single), 2 => Just(Kind::List), 1 => Just(Kind::Aggregate)];
        let told = prop_oneof![4 => Just(Told::Always), 2 => Just(Told::BgpAny), 1 => Just(Told::BgpSymmetric)];
        let before = prop_oneof![
            2 => (0..=gateways).prop_map(move |at| vec![at; networks]),
            1 => prop::collection::vec(0..=gateways, networks)
        ];
        let tables = prop::collection::vec(kind, gateways);
        let flags = (prop::bool::weighted(0.3), any::<bool>(), prop::bool::weighted(0.15));
        (before, 0..=gateways, tables, flags, told, faults).prop_map(
            move |(before, to, tables, (propagation, clients, one_host), told, faults)| Topology {
                gateways,
                networks,
                before,
                to,
                tables,
                propagation,
                clients,
                told,
                one_host,
                faults,
            },
        )
    })
}

/// Small ones with one route for each network in each table, whose orders can all be tried.
pub fn small() -> impl Strategy<Value = Topology> {
    let told = prop_oneof![1 => Just(Told::BgpAny), 3 => Just(Told::BgpSymmetric)];
    (2..=4_usize, told).prop_flat_map(|(gateways, told)| {
        (0..=gateways, 0..=gateways, any::<bool>(), prop::collection::vec(wrong(), 0..=1)).prop_map(
            move |(before, to, clients, faults)| Topology {
                gateways,
                networks: 1,
                before: vec![before],
                to,
                tables: vec![Kind::Single; gateways],
                propagation: false,
                clients,
                told,
                one_host: false,
                faults,
            },
        )
    })
}

fn gw(n: usize) -> String {
    format!("gw{n}")
}

/// Peering between two gateways.
fn peer(a: usize, b: usize) -> String {
    format!("peer{}{}", a.min(b), a.max(b))
}

/// Where gateway `g` sends what is behind gateway `to`: gateways of one Region are not peered.
fn towards(g: usize, to: usize) -> String {
    if REGIONS[g] == REGIONS[to] { peer(0, g) } else { peer(g, to) }
}

fn site_name(n: usize) -> String {
    if n == 0 { "ec2".to_owned() } else { format!("nc{}", n - 1) }
}

fn net(n: usize) -> String {
    format!("172.30.{n}.0/24")
}

impl Topology {
    /// The kind of a gateway's table; the first one keeps the EC2 VPC's own prefix, which an aggregate would hide.
    fn kind(&self, g: usize) -> Kind {
        if g == 0 && self.tables[g] == Kind::Aggregate { Kind::Single } else { self.tables[g] }
    }

    /// EC2 is behind gateway 0, NC2 site `n` behind gateway `n`.
    pub fn map(&self) -> NetworkMap {
        let mut text = String::from("schema_version: 1\naccounts: {main: {id: \"111122223333\"}}\nprism_centrals:\n");
        for (g, region) in REGIONS.iter().enumerate().take(self.gateways) {
            writeln!(
                text,
                "  pc{g}: {{endpoint: \"https://p:9440\", secret: s, trust: {{kind: web_roots}}, region: {region}}}"
            )
            .unwrap();
        }
        writeln!(text, "sites:\n  ec2: {{kind: ec2, account: main, region: {}, vpc: {}}}", REGIONS[0], vpc("ec2"))
            .unwrap();
        for (g, region) in REGIONS.iter().enumerate().take(self.gateways) {
            let at = vpc(&format!("nc{g}"));
            writeln!(text, "  nc{g}: {{kind: nc2, account: main, region: {region}, vpc: {at}, prism_central: pc{g}, fvn_vpc: f, cluster: c}}").unwrap();
        }
        text.push_str("networks:\n");
        for n in 0..self.networks {
            let subnets: Vec<String> = (0..self.gateways).map(|g| format!("nc{g}: s")).collect();
            writeln!(text, "  net{n}: {{prefix: {}, subnets: {{{}}}}}", net(n), subnets.join(", ")).unwrap();
        }
        text.push_str("route_tables:\n");
        for (g, region) in REGIONS.iter().enumerate().take(self.gateways) {
            let mut keys = match self.kind(g) {
                Kind::Single => String::new(),
                Kind::List => format!("    prefix_list: {}\n", pl(&gw(g))),
                Kind::Aggregate => "    aggregate: 172.30.0.0/16\n".to_owned(),
            };
            if g == 0 && self.propagation {
                writeln!(keys, "    propagations: {{ec2: {}}}", attachment("ec2")).unwrap();
            }
            let ec2 = match self.kind(g) {
                Kind::Aggregate => format!("{{kind: peering, id: {}}}", attachment(&peer(0, g))),
                Kind::Single | Kind::List => "{kind: absent, served_by: 172.30.0.0/16}".to_owned(),
            };
            writeln!(
                text,
                "  gw{g}:\n    account: main\n    region: {region}\n    id: {}\n{keys}    next_hops:\n      ec2: {ec2}",
                rtb(&gw(g))
            )
            .unwrap();
            for s in 0..self.gateways {
                let (kind, to) = if s == g { ("attachment", format!("nc{g}")) } else { ("peering", towards(g, s)) };
                writeln!(text, "      nc{s}: {{kind: {kind}, id: {}}}", attachment(&to)).unwrap();
            }
        }
        text.push_str("vantages:\n");
        for (g, region) in REGIONS.iter().enumerate().take(self.gateways) {
            let own = attachment(&format!("vpn{g}"));
            write!(text, "  on{g}:\n    kind: on_premises\n    prefixes: [192.168.{g}.0/24]\n    account: main\n    region: {region}\n    enters: {own}\n").unwrap();
            if g == 0 && self.told != Told::Always {
                let other = attachment("vpn1");
                write!(text, "    advertised: {{kind: bgp}}\n    or_enters:\n      - {{account: main, region: {}, attachment: {other}, advertised: {{kind: bgp}}}}\n", REGIONS[1]).unwrap();
                if self.told == Told::BgpAny {
                    text.push_str("    replies: any\n");
                }
            }
        }
        if self.clients {
            let own = attachment("clients");
            writeln!(
                text,
                "  clients: {{kind: vpc, prefixes: [10.99.1.0/24], account: main, region: {}, enters: {own}}}",
                REGIONS[1]
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
        for (a, region) in REGIONS.iter().enumerate().take(self.gateways) {
            for b in (a + 1..self.gateways).filter(|b| *region != REGIONS[*b]) {
                world.peer(&peer(a, b), &gw(a), &gw(b));
            }
        }
        let subnets: Vec<(String, String)> = (0..self.networks).map(|n| (format!("app{n}"), net(n))).collect();
        let subnets: Vec<(&str, &str)> = subnets.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        world.vpc("ec2", "172.30.0.0/16", &subnets, &gw(0));
        if self.clients {
            world.vpc("clients", "10.99.0.0/16", &[("cl", "10.99.1.0/24")], &gw(1));
            world.route(&gw(1), "10.99.0.0/16", "clients", Propagated);
        }
        for (g, region) in REGIONS.iter().enumerate().take(self.gateways) {
            let (name, sub) = (format!("nc{g}"), format!("sub{g}"));
            world.vpc(&name, &format!("10.{g}.0.0/16"), &[(&sub, &format!("10.{g}.1.0/24"))], &gw(g));
            for n in 0..self.networks {
                world.flow(&name, &sub, &net(n));
            }
            world.attach(&format!("vpn{g}"), &gw(g), AttachmentKind::Vpn);
            world.route(&gw(g), &format!("192.168.{g}.0/24"), &format!("vpn{g}"), Propagated);
            if self.clients && g != 1 {
                world.route(&gw(g), "10.99.0.0/16", &towards(g, 1), Static);
            }
            for other in (0..self.gateways).filter(|other| *other != g) {
                world.route(&gw(g), &format!("192.168.{other}.0/24"), &towards(g, other), Static);
            }
            let entries: Vec<String> = (0..self.networks).map(net).collect();
            if self.kind(g) == Kind::List {
                world.list(&gw(g), region, &entries.iter().map(String::as_str).collect::<Vec<_>>());
            }
            match (g, self.kind(g)) {
                (0, _) if self.propagation && self.before.iter().all(|at| *at != 0) => {}
                (0, _) => world.route(&gw(0), "172.30.0.0/16", "ec2", Propagated),
                (_, Kind::Aggregate) => {
                    let at = self.before[0];
                    let to = if at == 0 { peer(0, g) } else { self.leads(g, at) };
                    world.route(&gw(g), "172.30.0.0/16", &to, Static);
                }
                (_, Kind::Single | Kind::List) => world.route(&gw(g), "172.30.0.0/16", &peer(0, g), Static),
            }
            self.place_networks(&mut world, g);
        }
        world
    }

    fn leads(&self, g: usize, at: usize) -> String {
        if at == g + 1 { format!("nc{g}") } else { towards(g, at - 1) }
    }

    /// Routes of the networks where their machines are, as the table's kind has them.
    fn place_networks(&self, world: &mut World, g: usize) {
        let one_place = self.before.iter().all(|at| *at == self.before[0]);
        for (n, at) in self.before.iter().enumerate() {
            let to = if *at == 0 { peer(0, g) } else { self.leads(g, *at) };
            match self.kind(g) {
                _ if *at == 0 && self.kind(g) != Kind::Aggregate => {}
                Kind::List if one_place => world.refer(&gw(g), &gw(g), &to),
                Kind::Aggregate if *at == self.before[0] => {}
                Kind::Single | Kind::List | Kind::Aggregate => world.route(&gw(g), &net(n), &to, RouteOrigin::Static),
            }
        }
    }

    pub fn world(&self) -> World {
        let mut world = self.sound_world();
        for wrong in &self.faults {
            self.spoil(&mut world, wrong);
            if matches!(wrong, Wrong::Unread { .. }) {
                break;
            }
        }
        world
    }

    fn spoil(&self, world: &mut World, wrong: &Wrong) {
        let g = |n: &usize| n % self.gateways;
        let n = |network: &usize| network % self.networks;
        match wrong {
            Wrong::Leftover { gateway, network, to } => {
                let host = format!("172.30.{}.34/32", n(network));
                let to = if g(to) == g(gateway) { format!("nc{}", g(to)) } else { towards(g(gateway), g(to)) };
                world.route(&gw(g(gateway)), &host, &to, RouteOrigin::Static);
            }
            Wrong::FlowMissing { gateway, network } => {
                let at = g(gateway);
                let table = world.vpc_table(&format!("nc{at}"), &format!("sub{at}"));
                table.routes.remove(&prefix(&net(n(network))));
            }
            Wrong::Attachment { gateway, state } => {
                world.attachment(REGIONS[g(gateway)], &format!("nc{}", g(gateway))).state = *state;
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
                let to = format!("vpn{}", g(gateway));
                world.route(&gw(g(gateway)), &net(n(network)), &to, RouteOrigin::Static);
            }
            Wrong::Pending { gateway, network } => {
                if let Some(route) = world.routes(&gw(g(gateway))).get_mut(&prefix(&net(n(network))))
                    && route.origin == RouteOrigin::Static
                {
                    route.state = RouteState::Pending;
                }
            }
            Wrong::Managed { gateway } => {
                let table = world.picture.tgw_tables.get_mut(&rtb(&gw(g(gateway)))).unwrap();
                table.managed_by = Some("AWS FIS".to_owned());
            }
            Wrong::ForeignEntry => {
                for list in world.picture.prefix_lists.values_mut() {
                    list.entries.insert(prefix("10.98.0.0/16"));
                }
            }
        }
    }

    /// Networks, site and, where only some machines move, their addresses.
    pub fn intent(&self) -> (BTreeSet<NetworkName>, SiteName, Option<BTreeSet<Ipv4Addr>>) {
        let to = site(&site_name(self.to));
        if self.one_host {
            return (BTreeSet::from([network("net0")]), to, Some(BTreeSet::from(["172.30.0.40".parse().unwrap()])));
        }
        ((0..self.networks).map(|n| network(&format!("net{n}"))).collect(), to, None)
    }

    /// Whether nothing is wrong and nothing moves by itself.
    pub fn sound(&self) -> bool {
        self.faults.is_empty() && self.told != Told::BgpSymmetric
    }

    /// Whether a refusal is no surprise: something is wrong, or a host route cannot lead back to EC2 alone.
    pub fn may_be_refused(&self) -> bool {
        !self.sound() || (self.one_host && self.to == 0)
    }

    pub fn unread(&self) -> bool {
        self.faults.iter().any(|wrong| matches!(wrong, Wrong::Unread { .. }))
    }

    /// The one site that all networks were at.
    pub fn came_from(&self) -> Option<SiteName> {
        let first = self.before[0];
        self.before.iter().all(|at| *at == first).then(|| site(&site_name(first)))
    }

    /// Numbers of steps after which a crash is played: every one of short plans, a few of long ones.
    pub fn crash_points(&self, steps: usize) -> Vec<usize> {
        let every = steps / 12 + 1;
        (0..=steps).filter(|at| at % every == 0 || *at == steps).collect()
    }
}
