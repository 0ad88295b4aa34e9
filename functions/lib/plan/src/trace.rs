//! Walks a packet over the tables: from a vantage to a network, and the reply back.
//!
//! Proves routing, not filtering: security groups, network ACLs and the guest's own firewall are not in a picture. What was not read
//! ends a walk as unknown.

use crate::entry::{Taken, entry_taken};
use crate::view::View;
use crate::walk::{End, Walk};
use holdfast_model::{
    AttachmentId, AttachmentKind, NetworkMap, NetworkName, Prefix, Region, Replies, Site, SiteName, Vantage, VpcId,
};
use std::fmt;

/// Where packets of a vantage to a prefix end. The order is from good to bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// At this site.
    Delivered(SiteName),
    /// Outside the declared sites.
    Leaves(String),
    /// Dropped.
    Blackhole(String),
    /// In a circle of these tables.
    Loop(Vec<String>),
    /// Something on the way was not read or is not settled.
    Unknown(String),
}

/// Where replies to a vantage end. The order is from good to bad.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    /// They leave where the vantage expects them.
    Returns,
    /// They leave elsewhere.
    Leaves(String),
    /// Dropped.
    Blackhole(String),
    /// In a circle of these tables.
    Loop(Vec<String>),
    /// Something on the way was not read or is not settled.
    Unknown(String),
}

impl Outcome {
    /// Whether two outcomes are the same kind of good or bad; delivered at two sites is not the same.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Outcome::Delivered(a), Outcome::Delivered(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Reply {
    /// Whether two replies are the same kind of good or bad.
    #[must_use]
    pub fn alike(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Delivered(site) => write!(f, "delivered at {site}"),
            Outcome::Leaves(at) => write!(f, "leaves the declared sites: {at}"),
            Outcome::Blackhole(at) => write!(f, "dropped: {at}"),
            Outcome::Loop(path) => write!(f, "loops: {}", path.join(" -> ")),
            Outcome::Unknown(at) => write!(f, "unknown: {at}"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Returns => f.write_str("reply returns"),
            Reply::Leaves(at) => write!(f, "reply leaves elsewhere: {at}"),
            Reply::Blackhole(at) => write!(f, "reply dropped: {at}"),
            Reply::Loop(path) => write!(f, "reply loops: {}", path.join(" -> ")),
            Reply::Unknown(at) => write!(f, "reply unknown: {at}"),
        }
    }
}

/// Traces from a vantage to one [part](crate::parts) of a prefix. Where subnets of an attachment differ, the worst counts.
#[must_use]
pub fn trace(view: &View<'_>, map: &NetworkMap, vantage: &Vantage, to: Prefix) -> Outcome {
    let mut walk = Walk::new(view, map, to);
    match vantage {
        Vantage::OnPremises { .. } => match entry_taken(view, map, vantage, to) {
            Taken::At(region, attachment) => walk.enter(&region, &attachment),
            Taken::Nowhere(why) => return Outcome::Blackhole(why),
            Taken::Unknown(what) => return Outcome::Unknown(what),
        },
        Vantage::Vpc { region, enters, prefixes, .. } => walk.start_at_clients(region, enters, prefixes),
    }
    walk.ends
        .into_iter()
        .map(|end| match end {
            End::Local { vpc, at } => delivered(map, &vpc, at, |site| matches!(site, Site::Ec2 { .. })),
            End::Eni { vpc, at } => delivered(map, &vpc, at, |site| matches!(site, Site::Nc2 { .. })),
            End::Out { region, attachment } => Outcome::Leaves(format!("by {attachment} in {region}")),
            End::Leaves(at) => Outcome::Leaves(at),
            End::Blackhole(at) => Outcome::Blackhole(at),
            End::Loop(path) => Outcome::Loop(path),
            End::Unknown(at) => Outcome::Unknown(at),
        })
        .max()
        .unwrap_or_else(|| Outcome::Unknown("the way has no end".to_owned()))
}

/// Machines that reply: of one part of a network, at a site.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Network.
    pub network: &'a NetworkName,
    /// Where its machines are.
    pub site: &'a SiteName,
    /// The part of its prefix that was asked.
    pub part: Prefix,
}

/// Where replies to a vantage must come out.
enum Expected {
    /// By one of these attachments.
    By(Vec<(Region, AttachmentId)>),
    /// In this VPC.
    In(VpcId),
    Unknown(String),
}

/// Traces the reply from the machines of a network at a site to one [part](crate::parts) of the vantage's prefixes.
///
/// Replies to on-premises must leave by the entry that the traffic to the source's part takes in this view, unless the map names another
/// attachment or accepts any entry of the vantage.
#[must_use]
pub fn trace_reply(view: &View<'_>, map: &NetworkMap, vantage: &Vantage, source: Source<'_>, to: Prefix) -> Reply {
    let mut walk = Walk::new(view, map, to);
    let Source { network, site, part } = source;
    match map.sites.get(site) {
        Some(at) if map.networks.contains_key(network) => walk.start_at_machines(at, part),
        _ => walk.ends.push(End::Unknown(format!("network `{network}` or site `{site}` is not in the network map"))),
    }
    let expected = expected(view, map, vantage, part);
    walk.ends
        .into_iter()
        .map(|end| match (end, &expected) {
            (End::Unknown(at), _) => Reply::Unknown(at),
            (_, Expected::Unknown(what)) => Reply::Unknown(what.clone()),
            (End::Out { region, attachment }, Expected::By(all))
                if all.contains(&(region.clone(), attachment.clone())) =>
            {
                Reply::Returns
            }
            (End::Local { vpc, .. }, Expected::In(clients)) if vpc == *clients => Reply::Returns,
            (End::Out { region, attachment }, _) => Reply::Leaves(format!("by {attachment} in {region}")),
            (End::Local { at, .. } | End::Eni { at, .. } | End::Leaves(at), _) => Reply::Leaves(at),
            (End::Blackhole(at), _) => Reply::Blackhole(at),
            (End::Loop(path), _) => Reply::Loop(path),
        })
        .max()
        .unwrap_or_else(|| Reply::Unknown("the way has no end".to_owned()))
}

fn expected(view: &View<'_>, map: &NetworkMap, vantage: &Vantage, part: Prefix) -> Expected {
    match vantage {
        Vantage::OnPremises { replies: Replies::Any, .. } => {
            let entries = vantage.entries().into_iter().map(|entry| (entry.region, entry.attachment));
            let (region, leaves) = vantage.reply_leaves();
            Expected::By(entries.chain([(region.clone(), leaves.clone())]).collect())
        }
        Vantage::OnPremises { reply_leaves: Some(_), .. } => {
            let (region, leaves) = vantage.reply_leaves();
            Expected::By(vec![(region.clone(), leaves.clone())])
        }
        Vantage::OnPremises { .. } => match entry_taken(view, map, vantage, part) {
            Taken::At(region, attachment) => Expected::By(vec![(region, attachment)]),
            Taken::Nowhere(_) => {
                let (region, enters) = vantage.enters();
                Expected::By(vec![(region.clone(), enters.clone())])
            }
            Taken::Unknown(what) => Expected::Unknown(what),
        },
        Vantage::Vpc { region, enters, .. } => match view.picture().attachment(region, enters).map(|at| &at.kind) {
            Some(AttachmentKind::Vpc { vpc, .. }) => Expected::In(vpc.clone()),
            Some(_) => Expected::Unknown(format!("{enters} in {region} is not the attachment of a VPC")),
            None => Expected::Unknown(format!("{enters} in {region} was not read")),
        },
    }
}

fn delivered(map: &NetworkMap, vpc: &VpcId, at: String, kind: impl Fn(&Site) -> bool) -> Outcome {
    let mut sites = map.sites.iter().filter(|(_, site)| site.vpc() == vpc && kind(site)).map(|(name, _)| name);
    match (sites.next(), sites.next()) {
        (Some(site), None) => Outcome::Delivered(site.clone()),
        (Some(a), Some(b)) => Outcome::Unknown(format!("{at} may be site `{a}` or `{b}`")),
        (None, _) => Outcome::Leaves(at),
    }
}
