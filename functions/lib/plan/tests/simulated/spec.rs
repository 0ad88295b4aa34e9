//! A random topology, as numbers, and the way between its gateways.

use crate::dice::Dice;
use crate::world::HOSTS;
use std::collections::{BTreeMap, VecDeque};

pub const REGIONS: [&str; 3] = ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ec2,
    Nc2,
}

#[derive(Debug, Clone, Copy)]
pub struct Site {
    pub kind: Kind,
    pub gateway: usize,
    /// Subnets of the attachment, each with a table of its own.
    pub subnets: usize,
}

/// How on-premises is told of what is behind an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Always,
    Bgp,
    Allowed,
}

#[derive(Debug, Clone)]
pub enum Client {
    OnPremises {
        /// Gateways and how each is told of, the preferred one first.
        entries: Vec<(usize, Told)>,
        /// Replies must come back where the traffic went in.
        stateful: bool,
        /// Every gateway sends replies to the first entry, not to its own.
        home: bool,
    },
    Vpc {
        gateway: usize,
        /// Reaches the first EC2 site over a VPC peering connection, by a declared table.
        peered: bool,
    },
    /// Machines in the VPC of an NC2 site, in a subnet with a declared table.
    Inside { site: usize },
}

/// What an inspection VPC sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// What clients of the gateway send to networks.
    There,
    /// What is sent to clients.
    Back,
}

#[derive(Debug, Clone)]
pub struct Spec {
    pub seed: u64,
    /// Region of each transit gateway.
    pub gateways: Vec<usize>,
    /// Whether clients of a gateway have a route table of their own there.
    pub edge: Vec<bool>,
    pub peers: Vec<(usize, usize)>,
    pub sites: Vec<Site>,
    /// Site that the tables lead each network to.
    pub at: Vec<usize>,
    pub clients: Vec<Client>,
    /// EC2 sites have routes of their own instead of relying on the covering one.
    pub explicit: bool,
    /// Gateways whose tables refer to a prefix list of all networks.
    pub listed: Vec<bool>,
    /// Gateways whose tables have one route for all networks.
    pub aggregate: Vec<bool>,
    /// The first EC2 site's VPC propagates where it is attached as long as a network is there.
    pub propagation: bool,
    /// VPC peering carries overlays, and connects clients with the first NC2 site instead of the first EC2 site.
    pub overlays: bool,
    /// Declared tables of clients name the VPC peering connection, instead of relying on the covering route.
    pub pcx_named: bool,
    /// At this gateway what is for machines at this site is dropped.
    pub black: Option<(usize, usize)>,
    /// Gateways with an inspection VPC.
    pub walls: Vec<Option<Wall>>,
    /// Networks that are to move, and where to.
    pub moving: Vec<usize>,
    pub to: usize,
    /// Only this machine of the network moves, by its last octet.
    pub host: Option<u8>,
}

impl Spec {
    /// A topology; `small` ones have few enough tables that every order of changes can be tried.
    pub fn new(seed: u64, small: bool) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let count = 2 + dice.below(if small { 2 } else { 3 });
        let regions = (2 + dice.below(2)).min(count);
        let gateways: Vec<usize> = (0..count).map(|g| g % regions).collect();
        let mut peers = Vec::new();
        for b in 1..count {
            let others: Vec<usize> = (0..b).filter(|a| gateways[*a] != gateways[b]).collect();
            let first = *dice.pick(&others);
            peers.push((first, b));
            peers.extend(others.into_iter().filter(|a| *a != first && dice.one_in(3)).map(|a| (a, b)));
        }
        let mut sites = Vec::new();
        if !dice.one_in(4) {
            sites.push(Site { kind: Kind::Ec2, gateway: dice.below(count), subnets: 1 });
        }
        for n in 0..1 + dice.below(3) {
            let subnets = if dice.one_in(if small { 4 } else { 2 }) { [2, 3, 1][n] } else { 1 };
            sites.push(Site { kind: Kind::Nc2, gateway: dice.below(count), subnets });
        }
        if sites.len() < 4 && dice.one_in(5) {
            let gateway = dice.below(count);
            // Two VPCs of one prefix that propagate into one table: which of them decides is not documented.
            if !sites.iter().any(|site| site.kind == Kind::Ec2 && site.gateway == gateway) {
                sites.push(Site { kind: Kind::Ec2, gateway, subnets: 1 });
            }
        }
        if sites.len() == 1 {
            sites.push(Site { kind: Kind::Nc2, gateway: dice.below(count), subnets: 1 });
        }
        if small {
            for site in &mut sites {
                site.subnets = site.subnets.min(2);
            }
        }
        let networks = 1 + dice.below(if small { 2 } else { 3 });
        let together = dice.one_in(2);
        let first = dice.below(sites.len());
        let at = (0..networks).map(|_| if together { first } else { dice.below(sites.len()) }).collect();
        let mut clients: Vec<Client> = (0..1 + dice.below(2)).map(|_| on_premises(dice, count)).collect();
        let has_ec2 = sites.iter().any(|site| site.kind == Kind::Ec2);
        for _ in 0..dice.below(3) {
            clients.push(Client::Vpc {
                gateway: dice.below(count),
                peered: has_ec2 && dice.one_in(if small { 2 } else { 3 }),
            });
        }
        let moving = if dice.one_in(2) { (0..networks).collect() } else { vec![dice.below(networks)] };
        let mut spec = Self {
            seed,
            edge: (0..count).map(|_| dice.one_in(4)).collect(),
            gateways,
            peers,
            sites,
            at,
            clients,
            explicit: dice.one_in(4),
            listed: vec![false; count],
            aggregate: vec![false; count],
            propagation: false,
            overlays: false,
            pcx_named: false,
            black: None,
            walls: vec![None; count],
            to: 0,
            moving,
            host: None,
        };
        let elsewhere: Vec<usize> = (0..spec.sites.len()).filter(|site| spec.at[spec.moving[0]] != *site).collect();
        spec.to = *dice.pick(&elsewhere);
        if small && dice.one_in(5) {
            spec.advertise();
        }
        // A reference leads all networks one way, so all are where the first one is, and move together.
        if together && dice.one_in(3) {
            spec.moving = (0..networks).collect();
            spec.listed = (0..count).map(|_| dice.one_in(2)).collect();
        } else if together && dice.one_in(3) {
            spec.moving = (0..networks).collect();
            let has_ec2 = |g: usize| spec.sites.iter().any(|site| site.kind == Kind::Ec2 && site.gateway == g);
            spec.aggregate = (0..count).map(|g| dice.one_in(2) && !has_ec2(g)).collect();
        }
        if spec.first_ec2().is_some() && dice.one_in(4) {
            spec.moving = (0..networks).collect();
            spec.propagation = true;
        } else if dice.one_in(4) {
            spec.moving.truncate(1);
            spec.host = Some(*dice.pick(&HOSTS));
        }
        spec.overlays = dice.one_in(3);
        if !small {
            let wall = |edge: &bool| (*edge && !dice.one_in(3)).then(|| *dice.pick(&[Wall::There, Wall::Back]));
            spec.walls = spec.edge.iter().map(wall).collect();
        }
        spec.pcx_named = !dice.one_in(4);
        if dice.one_in(if small { 2 } else { 6 }) {
            spec.black = Some((dice.below(count), dice.below(spec.sites.len())));
        }
        if small && has_ec2 && dice.one_in(4) {
            spec.clients.push(Client::Vpc { gateway: dice.below(count), peered: true });
        }
        let nc2: Vec<usize> = (0..spec.sites.len()).filter(|site| spec.sites[*site].kind == Kind::Nc2).collect();
        if dice.one_in(3) && !nc2.is_empty() {
            spec.clients.push(Client::Inside { site: *dice.pick(&nc2) });
        }
        spec
    }

    /// The site whose VPC is peered with clients.
    pub fn peer_site(&self) -> Option<usize> {
        let kind = if self.overlays { Kind::Nc2 } else { Kind::Ec2 };
        self.sites.iter().position(|site| site.kind == kind)
    }

    pub fn first_ec2(&self) -> Option<usize> {
        self.sites.iter().position(|site| site.kind == Kind::Ec2)
    }

    /// Whether the first EC2 site's VPC is to propagate where it is attached, with every network at these sites.
    pub fn propagates(&self, at: impl IntoIterator<Item = usize>) -> bool {
        !self.propagation || at.into_iter().any(|site| Some(site) == self.first_ec2())
    }

    /// A move that often has no safe order: on-premises is told by BGP at two entries, and replies go to the first. The destination's table must be
    /// changed before the others, but the longer prefix in it draws traffic to the second entry, and the firewall drops the replies.
    fn advertise(&mut self) {
        let (first, second) = self.peers[0];
        let site = |kind, gateway| Site { kind, gateway, subnets: 1 };
        self.sites = vec![site(Kind::Ec2, first), site(Kind::Nc2, second)];
        self.at.fill(0);
        self.to = 1;
        self.explicit = false;
        let entries = vec![(first, Told::Bgp), (second, Told::Bgp)];
        self.clients[0] = Client::OnPremises { entries, stateful: true, home: true };
    }

    /// The next gateway on the shortest way to another one.
    pub fn next(&self, from: usize, to: usize) -> Option<usize> {
        let mut came = BTreeMap::from([(to, to)]);
        let mut queue = VecDeque::from([to]);
        while let Some(at) = queue.pop_front() {
            for (a, b) in &self.peers {
                for (x, y) in [(*a, *b), (*b, *a)] {
                    if x == at && !came.contains_key(&y) {
                        came.insert(y, at);
                        queue.push_back(y);
                    }
                }
            }
        }
        came.get(&from).copied().filter(|_| from != to)
    }

    pub fn region(&self, gateway: usize) -> &'static str {
        REGIONS[self.gateways[gateway]]
    }

    /// Tables of a gateway.
    pub fn tables(&self, gateway: usize) -> usize {
        if self.edge[gateway] { 2 } else { 1 }
    }

    /// Every transit gateway route table: its gateway and number.
    pub fn all_tables(&self) -> Vec<(usize, usize)> {
        (0..self.gateways.len()).flat_map(|g| (0..self.tables(g)).map(move |t| (g, t))).collect()
    }

    /// The EC2 site whose VPC the covering prefix leads to at a gateway: its own, or else the first one.
    pub fn covered(&self, gateway: usize) -> Option<usize> {
        let mut ec2 = self.sites.iter().enumerate().filter(|(_, site)| site.kind == Kind::Ec2);
        let first = ec2.clone().next();
        ec2.find(|(_, site)| site.gateway == gateway).or(first).map(|(at, _)| at)
    }
}

fn on_premises(dice: &mut Dice, count: usize) -> Client {
    let first = dice.below(count);
    let told = *dice.pick(&[Told::Always, Told::Bgp, Told::Bgp, Told::Allowed]);
    let mut entries = vec![(first, told)];
    if dice.one_in(2) {
        let second = (first + 1 + dice.below(count - 1)) % count;
        let also = if dice.one_in(3) { *dice.pick(&[Told::Always, Told::Bgp, Told::Allowed]) } else { told };
        entries.push((second, also));
    }
    Client::OnPremises { entries, stateful: !dice.one_in(4), home: !dice.one_in(3) }
}
