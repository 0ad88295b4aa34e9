//! A random topology as a network map and as a world.

mod map;
mod world;

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::{Plan, Step};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Regions that a transit gateway may be in.
const REGIONS: [&str; 3] = ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"];

/// A random topology.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Region of each transit gateway: two or three different ones.
    gateways: Vec<usize>,
    /// Whether those of one Region are peered; else they reach each other by one of another Region.
    within: bool,
    /// Networks.
    networks: usize,
    /// Sites that there are, in order: 0 is EC2 behind the first gateway, n NC2 behind gateway n - 1. Each has a VPC of its own.
    sites: Vec<usize>,
    /// Per gateway, whether the VPC of its NC2 site propagates into its table, and whether its VPN does.
    propagates: Vec<(bool, bool)>,
    /// Per network: site before.
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
    /// Decides which steps of a stage in progress a crash leaves done.
    crash: u64,
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
    /// A route for a part of a network, or for more than it.
    Leftover {
        gateway: usize,
        network: usize,
        length: u8,
        as_: Left,
    },
    FlowMissing {
        gateway: usize,
        network: usize,
    },
    Attachment {
        gateway: usize,
        state: AttachmentState,
    },
    WideRouteGone {
        gateway: usize,
    },
    Unread {
        gateway: usize,
    },
    Strange {
        gateway: usize,
        network: usize,
    },
    Pending {
        gateway: usize,
        network: usize,
    },
    Managed {
        gateway: usize,
    },
    ForeignEntry,
}

/// What a leftover is.
#[derive(Debug, Clone, Copy)]
enum Left {
    /// A static route to a site.
    Static {
        to: usize,
    },
    Blackhole,
    /// A reference to a list of its own, to a site.
    Reference {
        to: usize,
    },
    /// Propagated by the gateway's VPN.
    Vpn,
}

fn leftover() -> impl Strategy<Value = Wrong> {
    let left = prop_oneof![
        3 => (0..4_usize).prop_map(|to| Left::Static { to }),
        1 => Just(Left::Blackhole),
        1 => (0..4_usize).prop_map(|to| Left::Reference { to }),
        1 => Just(Left::Vpn),
    ];
    let length = prop_oneof![2 => Just(32_u8), 3 => 17..=32_u8];
    (0..4_usize, 0..4_usize, length, left).prop_map(|(gateway, network, length, as_)| Wrong::Leftover {
        gateway,
        network,
        length,
        as_,
    })
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let (g, n) = (0..4_usize, 0..4_usize);
    prop_oneof![
        4 => leftover(),
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

/// Two to four transit gateways in at least two Regions.
fn gateways() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..REGIONS.len(), 2..=4).prop_map(|mut gateways| {
        if gateways.iter().all(|region| *region == gateways[0]) {
            gateways[1] = (gateways[0] + 1) % REGIONS.len();
        }
        gateways
    })
}

/// Any topology.
pub fn topology() -> impl Strategy<Value = Topology> {
    let networks = prop_oneof![9 => 1..=4_usize, 1 => 5..=50_usize];
    let sites = gateways().prop_flat_map(|gateways| {
        let all: Vec<usize> = (0..=gateways.len()).collect();
        let most = all.len();
        let some = prop_oneof![3 => Just(all.clone()), 2 => prop::sample::subsequence(all, 1..=most)];
        (Just(gateways), some)
    });
    (sites, networks).prop_flat_map(|((gateways, sites), networks)| {
        let count = gateways.len();
        let faults = prop_oneof![4 => Just(Vec::new()), 3 => prop::collection::vec(wrong(), 1..=2)];
        let kind = prop_oneof![3 => Just(Kind::Single), 2 => Just(Kind::List), 1 => Just(Kind::Aggregate)];
        let told = prop_oneof![4 => Just(Told::Always), 2 => Just(Told::BgpAny), 1 => Just(Told::BgpSymmetric)];
        let site = prop::sample::select(sites.clone());
        let before = prop_oneof![
            2 => site.clone().prop_map(move |at| vec![at; networks]),
            1 => prop::collection::vec(site.clone(), networks)
        ];
        let tables = prop::collection::vec((kind, any::<(bool, bool)>()), count);
        let flags = (prop::bool::weighted(0.3), any::<bool>(), prop::bool::weighted(0.15), any::<(u64, bool)>());
        (before, site, tables, flags, told, faults).prop_map(
            move |(before, to, tables, (propagation, clients, one_host, (crash, within)), told, faults)| Topology {
                gateways: gateways.clone(),
                within,
                networks,
                sites: sites.clone(),
                propagates: tables.iter().map(|(_, on)| *on).collect(),
                before,
                to,
                tables: tables.iter().map(|(kind, _)| *kind).collect(),
                propagation,
                clients,
                told,
                one_host,
                faults,
                crash,
            },
        )
    })
}

/// Small ones with one route for each network in each table, whose orders can all be tried.
pub fn small() -> impl Strategy<Value = Topology> {
    let told = prop_oneof![1 => Just(Told::BgpAny), 3 => Just(Told::BgpSymmetric)];
    (gateways(), told).prop_flat_map(|(gateways, told)| {
        let sites = 0..=gateways.len();
        let faults = prop::collection::vec(wrong(), 0..=1);
        (sites.clone(), sites, any::<bool>(), faults).prop_map(move |(before, to, clients, faults)| Topology {
            gateways: gateways.clone(),
            within: clients,
            networks: 1,
            sites: (0..=gateways.len()).collect(),
            propagates: vec![(false, true); gateways.len()],
            before: vec![before],
            to,
            tables: vec![Kind::Single; gateways.len()],
            propagation: false,
            clients,
            told,
            one_host: false,
            faults,
            crash: 0,
        })
    })
}

fn gw(n: usize) -> String {
    format!("gw{n}")
}

/// Peering between two gateways.
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
    /// Gateways with their Regions.
    fn regions(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.gateways.iter().map(|region| REGIONS[*region]).enumerate()
    }

    /// Where gateway `g` sends what is behind gateway `to`.
    fn towards(&self, g: usize, to: usize) -> String {
        let home = self.gateways[g];
        let by =
            if self.gateways[to] == home { self.gateways.iter().position(|region| *region != home) } else { Some(to) };
        peer(g, by.unwrap())
    }

    fn has_ec2(&self) -> bool {
        self.sites.contains(&0)
    }

    /// Gateways with an NC2 site behind them.
    fn nc2(&self) -> impl Iterator<Item = usize> {
        self.sites.iter().filter(|site| **site > 0).map(|site| site - 1)
    }

    fn nc2_regions(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.nc2().map(|g| (g, REGIONS[self.gateways[g]]))
    }

    /// VPCs that there are.
    pub fn vpcs(&self) -> usize {
        self.sites.len() + usize::from(self.clients)
    }

    /// The kind of a gateway's table; the first one keeps the EC2 VPC's own prefix, which an aggregate would hide.
    fn kind(&self, g: usize) -> Kind {
        if g == 0 && self.tables[g] == Kind::Aggregate { Kind::Single } else { self.tables[g] }
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

    /// What crashes leave done: of some stages in progress random steps, after everything before. Every stage of short plans, a few of long ones.
    pub fn crashes(&self, plan: &Plan) -> Vec<Vec<Step>> {
        let mut bits = Bits(self.crash);
        let every = plan.stages.len() / 6 + 1;
        let mut crashes = Vec::new();
        let mut done: Vec<Step> = Vec::new();
        for (at, stage) in plan.stages.iter().enumerate() {
            for _ in (0..2).filter(|_| at % every == 0) {
                let some = stage.iter().filter(|_| bits.next());
                crashes.push(done.iter().chain(some).cloned().collect());
            }
            done.extend(stage.iter().cloned());
        }
        crashes.push(done);
        crashes
    }
}

/// Random bits from a seed: SplitMix64.
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) & 1 == 1
    }
}
