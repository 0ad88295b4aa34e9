//! Questions about routing by transit gateways, for the API and for the data plane.

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::state::{Attachment, AttachmentKind, Ec2, Home, Progress, TgwRouteTable};

/// Where a TGW route comes from. The order is EC2's precedence for one prefix, best first.
///
/// Source: Amazon VPC Transit Gateways guide, "Route evaluation order".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteOrigin {
    /// Written by a person or a program.
    Static,
    /// An entry of a prefix list that the table refers to.
    PrefixList,
    /// Propagated by a VPC attachment.
    Vpc,
    /// Propagated by a Direct Connect gateway.
    DirectConnect,
    /// Propagated by a VPN.
    Vpn,
}

/// State of a TGW route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteState {
    /// Written, not yet reported as active. It forwards already.
    Pending,
    /// Forwards.
    Active,
    /// Drops.
    Blackhole,
}

/// A route of a TGW route table as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TgwRoute {
    /// Destination.
    pub prefix: Ipv4Net,
    /// Where it comes from.
    pub origin: RouteOrigin,
    /// State.
    pub state: RouteState,
    /// Attachment that it leads to, also when that one is gone; nothing for a declared blackhole.
    pub attachment: Option<String>,
    /// The prefix list that it comes from.
    pub prefix_list: Option<String>,
}

/// What one attachment propagates.
struct Propagated<'a> {
    attachment: &'a str,
    origin: RouteOrigin,
    prefixes: Prefixes<'a>,
}

/// Prefixes as their owner keeps them.
#[derive(Clone, Copy)]
enum Prefixes<'a> {
    Few(&'a [Ipv4Net]),
    Many(&'a BTreeSet<Ipv4Net>),
}

impl Prefixes<'_> {
    fn contains(self, prefix: &Ipv4Net) -> bool {
        match self {
            Self::Few(all) => all.contains(prefix),
            Self::Many(all) => all.contains(prefix),
        }
    }

    fn all(self) -> BTreeSet<Ipv4Net> {
        match self {
            Self::Few(all) => all.iter().copied().collect(),
            Self::Many(all) => all.clone(),
        }
    }

    fn count(self) -> usize {
        match self {
            Self::Few(all) => all.len(),
            Self::Many(all) => all.len(),
        }
    }
}

impl Ec2 {
    /// Longest-prefix match in a TGW route table, over the routes in effect.
    pub fn tgw_lookup(&self, table: &str, ip: Ipv4Addr) -> Option<TgwRoute> {
        let table = self.tgw_route_tables.get(table)?;
        let propagated = self.propagated(table);
        let prefixes = (0..=32).rev().filter_map(|length| Ipv4Net::new(ip, length).ok());
        prefixes.into_iter().find_map(|prefix| self.in_effect(table, &propagated, &prefix.trunc()))
    }

    /// The routes in effect in a TGW route table, by prefix.
    pub fn tgw_routes(&self, table: &str) -> Vec<TgwRoute> {
        self.tgw_route_tables.get(table).map(|table| self.tgw_routes_of(table)).unwrap_or_default()
    }

    /// The same for a view of a table.
    pub(crate) fn tgw_routes_of(&self, table: &TgwRouteTable) -> Vec<TgwRoute> {
        let propagated = self.propagated(table);
        let mut prefixes: BTreeSet<Ipv4Net> = table.routes.keys().copied().collect();
        for list in table.prefix_lists.keys().filter_map(|id| self.prefix_lists.get(id)) {
            prefixes.extend(list.in_effect().keys());
        }
        prefixes.extend(propagated.iter().flat_map(|from| from.prefixes.all()));
        prefixes.iter().filter_map(|prefix| self.in_effect(table, &propagated, prefix)).collect()
    }

    /// The routes in effect of a view of a table for those of some prefixes that it has.
    pub(crate) fn tgw_routes_for(
        &self,
        table: &TgwRouteTable,
        prefixes: impl IntoIterator<Item = Ipv4Net>,
    ) -> Vec<TgwRoute> {
        let propagated = self.propagated(table);
        prefixes.into_iter().filter_map(|prefix| self.in_effect(table, &propagated, &prefix)).collect()
    }

    /// The route in effect for one prefix of a table.
    pub(crate) fn tgw_route(&self, table: &str, prefix: &Ipv4Net) -> Option<TgwRoute> {
        let table = self.tgw_route_tables.get(table)?;
        self.in_effect(table, &self.propagated(table), prefix)
    }

    /// How many routes a transit gateway has over all its tables, a prefix list counting with its maximum of entries.
    pub(crate) fn tgw_routes_counted(&self, tgw: &str) -> usize {
        let tables = self.tgw_route_tables.values().filter(|table| table.tgw == tgw);
        tables
            .map(|table| {
                let lists = table.prefix_lists.keys().filter_map(|id| self.prefix_lists.get(id));
                let propagated = self.propagated(table);
                table.routes.len()
                    + lists.map(|list| list.max_entries).sum::<usize>()
                    + propagated.iter().map(|from| from.prefixes.count()).sum::<usize>()
            })
            .sum()
    }

    /// A static route hides an entry of a prefix list, that one a propagated route.
    fn in_effect(&self, table: &TgwRouteTable, propagated: &[Propagated<'_>], prefix: &Ipv4Net) -> Option<TgwRoute> {
        let written = |origin, attachment: &Option<String>, pending, prefix_list| {
            let gone = attachment.as_ref().is_none_or(|id| !self.attachment_carries(id));
            let state = match (gone, pending) {
                (true, _) => RouteState::Blackhole,
                (false, true) => RouteState::Pending,
                (false, false) => RouteState::Active,
            };
            TgwRoute { prefix: *prefix, origin, state, attachment: attachment.clone(), prefix_list }
        };
        if let Some(route) = table.routes.get(prefix) {
            return Some(written(RouteOrigin::Static, &route.attachment, route.pending_reads > 0, None));
        }
        let listed = table.prefix_lists.iter().find(|(id, reference)| {
            !reference.state.is_going()
                && self.prefix_lists.get(*id).is_some_and(|list| list.in_effect().contains_key(prefix))
        });
        if let Some((id, reference)) = listed {
            let pending = matches!(reference.state, Progress::Pending(_));
            return Some(written(RouteOrigin::PrefixList, &reference.attachment, pending, Some(id.clone())));
        }
        let best = propagated.iter().filter(|from| from.prefixes.contains(prefix)).min_by_key(|from| from.origin)?;
        let attachment = Some(best.attachment.to_owned());
        let (prefix, origin) = (*prefix, best.origin);
        Some(TgwRoute { prefix, origin, state: RouteState::Active, attachment, prefix_list: None })
    }

    fn propagated<'a>(&'a self, table: &'a TgwRouteTable) -> Vec<Propagated<'a>> {
        let from = table.propagations.iter().filter(|(_, progress)| !progress.is_going());
        from.filter_map(|(id, _)| {
            let (origin, prefixes) = self.advertised(id)?;
            Some(Propagated { attachment: id, origin, prefixes })
        })
        .collect()
    }

    /// What an attachment propagates; nothing over a peering, or when the attachment carries no traffic.
    fn advertised(&self, attachment: &str) -> Option<(RouteOrigin, Prefixes<'_>)> {
        let attachment = self.attachments.get(attachment).filter(|attachment| attachment.carries())?;
        match &attachment.kind {
            AttachmentKind::Vpc { vpc, .. } => Some((RouteOrigin::Vpc, Prefixes::Few(&self.vpcs.get(vpc)?.cidrs))),
            AttachmentKind::Vpn { prefixes, .. } => Some((RouteOrigin::Vpn, Prefixes::Many(prefixes))),
            AttachmentKind::DirectConnectGateway { prefixes, .. } => {
                Some((RouteOrigin::DirectConnect, Prefixes::Many(prefixes)))
            }
            AttachmentKind::Peering { .. } => None,
        }
    }

    fn attachment_carries(&self, id: &str) -> bool {
        self.attachments.get(id).is_some_and(Attachment::carries)
    }

    /// The table of transit gateway `tgw` that routes what comes in by an attachment. A peering has one at each side.
    pub fn association(&self, tgw: &str, attachment: &str) -> Option<&str> {
        self.tgw_route_tables
            .iter()
            .find(|(_, table)| {
                table.tgw == tgw
                    && matches!(
                        table.associations.get(attachment),
                        Some(Progress::Available | Progress::Pending(_) | Progress::Modifying(_))
                    )
            })
            .map(|(id, _)| id.as_str())
    }

    /// The tables that refer to a prefix list: TGW route tables and VPC route tables.
    pub(crate) fn references(&self, list: &str) -> Vec<&str> {
        let tgw = self.tgw_route_tables.iter().filter(|(_, table)| table.prefix_lists.contains_key(list));
        let vpc = self.route_tables.iter().filter(|(_, table)| table.prefix_lists.contains_key(list));
        tgw.map(|(id, _)| id.as_str()).chain(vpc.map(|(id, _)| id.as_str())).collect()
    }
}

impl Attachment {
    /// Whether traffic passes: the attachment is there, perhaps being changed.
    pub fn carries(&self) -> bool {
        matches!(self.state, Progress::Available | Progress::Modifying(_))
    }

    /// The sides of the attachment: transit gateway and place. A peering has two, any other kind one.
    pub fn sides(&self) -> Vec<(&str, &Home)> {
        let mut sides = vec![(self.tgw.as_str(), &self.home)];
        if let AttachmentKind::Peering { peer_tgw, peer } = &self.kind {
            sides.push((peer_tgw, peer));
        }
        sides
    }

    /// The transit gateway at the other side of a peering, seen from `tgw`.
    pub fn across(&self, tgw: &str) -> Option<&str> {
        match &self.kind {
            AttachmentKind::Peering { peer_tgw, .. } if self.tgw == tgw => Some(peer_tgw),
            AttachmentKind::Peering { peer_tgw, .. } if peer_tgw == tgw => Some(&self.tgw),
            _ => None,
        }
    }
}
