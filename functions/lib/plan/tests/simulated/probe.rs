//! What the data plane makes of a probe, in words that a trace can be compared with.

use crate::spec::{Kind, Spec};
use crate::world::asker;
use holdfast_model::Prefix;
use holdfast_plan::{Outcome, Reply};
use holdfast_sim::World;
use holdfast_sim::dataplane::{Lost, ProbeOutcome, probe};
use holdfast_sim::guests::Place;
use std::net::Ipv4Addr;

/// Where a packet or its reply ended. The order is from good to bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A machine of this site has it; of a reply, the asker.
    Arrived(String),
    /// It left AWS elsewhere.
    Left,
    Dropped,
    Loops,
}

/// An end with its place: an id that a trace must name too; empty where there is none.
pub type At = (End, String);

/// One way of packets through the world, and of their replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub there: At,
    /// Of what arrived.
    pub back: Option<At>,
    path: Vec<String>,
    path_back: Vec<String>,
}

/// What happened to all packets: each subnet of an attachment takes its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub ways: Vec<Way>,
}

impl Seen {
    /// The worst end.
    pub fn there(&self) -> &End {
        self.ways.iter().map(|way| &way.there.0).max().unwrap()
    }

    /// The worst end of replies to what ended worst; none where nothing arrived.
    pub fn back(&self) -> Option<&End> {
        let worst = self.ways.iter().filter(|way| way.there.0 == *self.there());
        worst.filter_map(|way| way.back.as_ref().map(|(end, _)| end)).max()
    }

    /// Arrives, and its replies arrive.
    pub fn served_at(&self, site: &str) -> bool {
        *self.there() == End::Arrived(site.to_owned()) && matches!(self.back(), Some(End::Arrived(_)))
    }

    /// Whether a packet or its reply came by something.
    pub fn came_by(&self, what: &str) -> bool {
        let hops = self.ways.iter().flat_map(|way| way.path.iter().chain(&way.path_back));
        hops.into_iter().any(|hop| hop.contains(what))
    }

    pub fn agrees(&self, outcome: &Outcome) -> bool {
        let end = match outcome {
            Outcome::Delivered(site) => End::Arrived(site.to_string()),
            Outcome::Leaves(_) => End::Left,
            Outcome::Blackhole(_) => End::Dropped,
            Outcome::Loop(_) => End::Loops,
            Outcome::Unknown(_) => return false,
        };
        let text = outcome.to_string();
        let place = |way: &Way| way.there.0 == end && text.contains(&way.there.1);
        *self.there() == end && self.ways.iter().any(place)
    }

    pub fn agrees_back(&self, reply: &Reply) -> bool {
        let worst = self.back();
        let end = match reply {
            Reply::Returns => return matches!(worst, Some(End::Arrived(_))),
            Reply::Leaves(_) => End::Left,
            Reply::Blackhole(_) => End::Dropped,
            Reply::Loop(_) => End::Loops,
            Reply::Unknown(_) => return false,
        };
        let text = reply.to_string();
        // A trace follows replies from every table of an NC2 VPC that leads to Flow, the data plane from the one host that it has: the tables of one
        // site, which these worlds keep alike for replies, count as one.
        let table = |place: &str| {
            if place.starts_with("rtb-000a") { place[..place.len() - 1].to_owned() } else { place.to_owned() }
        };
        // The declared table of clients inside of that VPC leads to Flow as well.
        let inside =
            |place: &str| place.starts_with("rtb-000a") && text.contains(" in vpc-000a") && text.contains("rtb-000c");
        let named = |way: &Way| {
            way.back.as_ref().is_some_and(|(at, place)| *at == end && (text.contains(&table(place)) || inside(place)))
        };
        worst == Some(&end) && self.ways.iter().any(named)
    }
}

/// How many packets see every subnet of every attachment together with every other.
fn flows(spec: &Spec) -> u32 {
    let has = |count| spec.sites.iter().any(|site| site.kind == Kind::Nc2 && site.subnets == count);
    (if has(2) { 2 } else { 1 }) * (if has(3) { 3 } else { 1 })
}

pub fn ask(spec: &Spec, world: &World, client: usize, to: Ipv4Addr) -> Seen {
    let name = asker(spec, client);
    let (from, _) = world.guests.named(&name).unwrap_or_else(|| panic!("no guest {name}"));
    Seen { ways: (0..flows(spec)).map(|flow| way(spec, world, probe(world, from, to, flow))).collect() }
}

fn way(spec: &Spec, world: &World, outcome: ProbeOutcome) -> Way {
    let site = |place: &Place| (End::Arrived(site_of(spec, world, place)), String::new());
    match outcome {
        ProbeOutcome::Answered { by, path, back: path_back } => {
            let back = Some((End::Arrived("asker".to_owned()), String::new()));
            Way { there: site(&by[0].place), back, path, path_back }
        }
        ProbeOutcome::ReplyLost { by, lost, path, back: path_back } => {
            Way { there: site(&by.place), back: Some(end(lost, &path_back)), path, path_back }
        }
        ProbeOutcome::Lost { lost, path } => Way { there: end(lost, &path), back: None, path, path_back: Vec::new() },
        ProbeOutcome::NotSent { why } => {
            assert!(why.contains("to which no entry advertises"), "{why}");
            Way { there: (End::Dropped, String::new()), back: None, path: Vec::new(), path_back: Vec::new() }
        }
    }
}

fn site_of(spec: &Spec, world: &World, place: &Place) -> String {
    let vpc = match place {
        Place::Instance { instance } => &world.ec2.enis[&world.ec2.instances[instance].enis[&0]].vpc,
        Place::Vm { prism, .. } => return prism.replace("pc", "s"),
        Place::OnPremises { site } => return format!("on-premises {site}"),
    };
    let at = (0..spec.sites.len()).find(|s| *vpc == format!("vpc-000a000{s}"));
    at.map_or_else(|| vpc.clone(), |s| format!("s{s}"))
}

fn first(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn end(lost: Lost, path: &[String]) -> At {
    match lost {
        Lost::Blackhole { at } => match at.split_once(", where ") {
            Some((_, attachment)) => (End::Dropped, first(attachment)),
            None => (End::Dropped, first(&at)),
        },
        Lost::NoRoute { at } => match (at.strip_prefix("the network behind "), at.split_once(", beyond")) {
            (Some(attachment), _) => (End::Left, attachment.to_owned()),
            (None, Some((id, _))) => (End::Left, id.to_owned()),
            (None, None) if at.contains(", which has no subnet in ") => {
                (End::Dropped, at.split(',').next().unwrap_or_default().to_owned())
            }
            (None, None) => {
                assert!(at.starts_with("tgw-rtb-") || at.starts_with("rtb-"), "no route at {at}: {path:?}");
                (End::Dropped, at)
            }
        },
        Lost::Loop { .. } => {
            let last = path.iter().rev().find(|hop| hop.starts_with("tgw-rtb-"));
            (End::Loops, first(last.map_or("", String::as_str)))
        }
        Lost::Filtered { at, why } => match why.split_once("comes by ") {
            Some((_, attachment)) => (End::Left, attachment.to_owned()),
            None => (End::Dropped, at),
        },
        Lost::RegionLost { region } => (End::Dropped, region),
        Lost::NoHost { at } if at.contains("another guest holds") => (End::Left, String::new()),
        Lost::NoHost { .. } | Lost::GuestSilent { .. } => panic!("{lost}: {path:?}"),
    }
}

/// The part of a client's prefixes that it asks from.
pub fn own_part(parts: impl IntoIterator<Item = Prefix>, address: Ipv4Addr) -> Prefix {
    parts.into_iter().filter(|part| part.holds(address)).max_by_key(Prefix::length).unwrap()
}
