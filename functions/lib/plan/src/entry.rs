//! Where traffic from on-premises enters: by what is advertised there, which our own steps may change.

use crate::view::{Found, View};
use holdfast_model::{
    Advertisement, AttachmentId, AttachmentState, EntryPoint, NetworkMap, Prefix, Region, RouteState, TgwId, Vantage,
};
use std::collections::BTreeSet;

/// Where traffic of a vantage to a destination enters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// By this attachment.
    At(Region, AttachmentId),
    /// Nobody tells on-premises of the destination.
    Nowhere(String),
    /// What is advertised was not read.
    Unknown(String),
}

/// How an entry is told of to on-premises.
enum Told {
    /// By a prefix of this length.
    Length(u8),
    Not,
    Unknown(String),
}

/// Where traffic of a vantage to a [part](crate::parts) of a prefix enters: where the longest matching prefix is advertised; of equally long ones, by
/// the first entry.
#[must_use]
pub fn entry_taken(view: &View<'_>, map: &NetworkMap, vantage: &Vantage, to: Prefix) -> Taken {
    let mut best: Option<(u8, EntryPoint)> = None;
    for entry in vantage.entries() {
        match told(view, map, &entry, to) {
            Told::Unknown(what) => return Taken::Unknown(what),
            Told::Not => {}
            Told::Length(length) => {
                if best.as_ref().is_none_or(|(longest, _)| length > *longest) {
                    best = Some((length, entry));
                }
            }
        }
    }
    match best {
        Some((_, entry)) => Taken::At(entry.region, entry.attachment),
        None => Taken::Nowhere(format!("on-premises is told of {to} by no entry")),
    }
}

fn told(view: &View<'_>, map: &NetworkMap, entry: &EntryPoint, to: Prefix) -> Told {
    let picture = view.picture();
    let (region, id) = (&entry.region, &entry.attachment);
    if entry.advertised == Advertisement::Always {
        // The prefix of the network that is asked for, or the destination's own.
        return Told::Length(map.network_of(to.network()).map_or(to.length(), |(_, network)| network.prefix.length()));
    }
    if !map.reachable(region) {
        return told_by_the_lost(view, entry, to);
    }
    let Some(attachment) = picture.attachment(region, id) else {
        return Told::Unknown(format!("{id} in {region} was not read"));
    };
    match attachment.state {
        AttachmentState::Available => {}
        AttachmentState::Gone => return Told::Not,
        AttachmentState::Changing | AttachmentState::Unknown => {
            return Told::Unknown(format!("{id} in {region} is not available"));
        }
    }
    match &entry.advertised {
        Advertisement::Always => Told::Not,
        Advertisement::AllowedPrefixes { gateway } => match picture.dx_gateways.get(gateway) {
            None => Told::Unknown(format!("the allowed prefixes of Direct Connect gateway {gateway} were not read")),
            Some(read) => {
                let allowed = read.allowed.get(&attachment.tgw).into_iter().flatten();
                let longest = allowed.filter(|prefix| prefix.covers(&to)).map(Prefix::length).max();
                longest.map_or(Told::Not, Told::Length)
            }
        },
        Advertisement::Bgp => {
            let Some(table_id) = &attachment.association else { return Told::Not };
            let Some(table) = picture.tgw_tables.get(table_id) else {
                return Told::Unknown(format!("{table_id} in {region} was not read"));
            };
            // A transit gateway tells a VPN of the routes of the table that the VPN is associated with, but not of those that lead back into it.
            for found in view.tgw_routes(table, to) {
                match found {
                    Found::Nothing => {}
                    Found::Hidden(prefix) => return Told::Unknown(format!("what {table_id} holds for {prefix}")),
                    Found::Route { prefix, state: RouteState::Active, targets } => {
                        if !(targets.len() == 1 && targets.first() == Some(id)) {
                            return Told::Length(prefix.length());
                        }
                    }
                    Found::Route { state: RouteState::Blackhole, .. } => {}
                    Found::Route {
                        prefix,
                        state: RouteState::Pending | RouteState::Deleting | RouteState::Unknown,
                        ..
                    } => {
                        return Told::Unknown(format!("route {prefix} of {table_id} is not settled"));
                    }
                }
            }
            Told::Not
        }
    }
}

/// What an entry of a Region that is declared lost is still told of: BGP is silent, allowed prefixes are not. Which transit gateway it was is not read, so
/// every association of the gateway counts whose transit gateway nobody has seen.
fn told_by_the_lost(view: &View<'_>, entry: &EntryPoint, to: Prefix) -> Told {
    let picture = view.picture();
    match &entry.advertised {
        Advertisement::Always | Advertisement::Bgp => Told::Not,
        Advertisement::AllowedPrefixes { gateway } => {
            let Some(read) = picture.dx_gateways.get(gateway) else {
                return Told::Unknown(format!(
                    "the allowed prefixes of Direct Connect gateway {gateway} were not read"
                ));
            };
            let seen: BTreeSet<&TgwId> = picture.sides().map(|attachment| &attachment.tgw).collect();
            let unseen = read.allowed.iter().filter(|(tgw, _)| !seen.contains(tgw)).flat_map(|(_, allowed)| allowed);
            let longest = unseen.filter(|prefix| prefix.covers(&to)).map(Prefix::length).max();
            longest.map_or(Told::Not, Told::Length)
        }
    }
}
