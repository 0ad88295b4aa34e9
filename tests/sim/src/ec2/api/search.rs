//! `SearchTransitGatewayRoutes`.
//!
//! Source: Amazon EC2 API reference, "SearchTransitGatewayRoutes": at least one filter, at most 1,000 routes a time.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv4Net;

use super::{
    super::{Ec2, Kind, RouteOrigin, RouteState, TgwRoute, TgwRouteTable},
    Cx, Ec2Error, Result,
    attachments::resource,
    params::{PAGES, one},
    tgw_prefix_lists,
    tgw_routes::{origin, state, write},
    tgw_tables::table,
    xml::Xml,
};

const FILTERS: [&str; 10] = [
    "attachment.transit-gateway-attachment-id",
    "attachment.resource-id",
    "attachment.resource-type",
    "prefix-list-id",
    "route-search.exact-match",
    "route-search.longest-prefix-match",
    "route-search.subnet-of-match",
    "route-search.supernet-of-match",
    "state",
    "type",
];

/// What a `route-search` filter wants of a route's prefix.
#[derive(Clone, Copy)]
enum Search {
    Exact,
    Longest,
    SubnetOf,
    SupernetOf,
}

impl Search {
    fn named(filter: &str) -> Option<Self> {
        match filter.strip_prefix("route-search.")? {
            "exact-match" => Some(Self::Exact),
            "longest-prefix-match" => Some(Self::Longest),
            "subnet-of-match" => Some(Self::SubnetOf),
            "supernet-of-match" => Some(Self::SupernetOf),
            _ => None,
        }
    }

    /// The routes of a table that one value of the filter keeps.
    fn find(self, ec2: &Ec2, table: &TgwRouteTable, wanted: &Ipv4Net) -> Vec<TgwRoute> {
        let covering = |lengths: Vec<u8>| {
            let prefixes = lengths.into_iter().filter_map(|length| Ipv4Net::new(wanted.addr(), length).ok());
            ec2.tgw_routes_for(table, prefixes.map(|prefix| prefix.trunc()))
        };
        let longest_first = || (0..=wanted.prefix_len()).rev().collect();
        match self {
            Self::Exact => ec2.tgw_routes_for(table, [*wanted]),
            Self::Longest => covering(longest_first()).into_iter().take(1).collect(),
            Self::SupernetOf => covering(longest_first()),
            Self::SubnetOf => {
                let all = ec2.tgw_routes_of(table).into_iter();
                all.filter(|route| wanted.contains(&route.prefix)).collect()
            }
        }
    }
}

/// A prefix, or an address as a prefix of one.
fn wanted(text: &str) -> Result<Ipv4Net> {
    let prefix = text.parse().or_else(|_| text.parse::<std::net::Ipv4Addr>().map(Ipv4Net::from));
    prefix.map_err(|_| {
        Ec2Error::value(format!("Value ({text}) for parameter Filter is invalid. Not a valid CIDR block."))
    })
}

pub(super) fn search(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&FILTERS)?;
    if filters.is_empty() {
        return Err(Ec2Error::missing("Filters"));
    }
    let (id, stale) = table(cx).map(|(id, table)| (id, table.read_stale()))?;
    let ec2 = &cx.world.ec2;
    let now = || ec2.tgw_route_tables.get(&id);
    let Some(view) = stale.as_ref().or_else(now) else { return Err(Ec2Error::not_found(Kind::TgwRouteTable, &id)) };
    let tgw = view.tgw.as_str();
    let mut found: Option<BTreeMap<Ipv4Net, TgwRoute>> = None;
    for (name, values) in filters.iter() {
        let Some(search) = Search::named(name) else { continue };
        let mut kept = BTreeMap::new();
        for value in values {
            for route in search.find(ec2, view, &wanted(value)?) {
                kept.insert(route.prefix, route);
            }
        }
        // Filters of several names must all hold.
        found = Some(match found {
            Some(before) => before.into_iter().filter(|(prefix, _)| kept.contains_key(prefix)).collect(),
            None => kept,
        });
    }
    let mut routes = found.map_or_else(|| ec2.tgw_routes_of(view), |found| found.into_values().collect());
    let attached = |route: &TgwRoute| {
        let found = ec2.attachments.get(route.attachment.as_ref()?)?;
        Some(resource(ec2, found, tgw))
    };
    routes.retain(|route| {
        filters.pass(&Default::default(), |filter| match filter {
            "attachment.transit-gateway-attachment-id" => route.attachment.iter().cloned().collect(),
            "attachment.resource-id" => attached(route).map(|(_, id, _)| id).into_iter().collect(),
            "attachment.resource-type" => attached(route).map(|(kind, ..)| kind.to_owned()).into_iter().collect(),
            "prefix-list-id" => route.prefix_list.iter().cloned().collect(),
            "state" => one(state(route.state)),
            "type" => one(origin(route.origin)),
            // The `route-search` filters were applied above: any value passes.
            _ => values_of(&filters, filter),
        })
    });
    let (page, next) = cx.params.page(routes, PAGES)?;
    let mut xml = Xml::default();
    xml.set("routeSet", &page, |xml, route| write(xml, ec2, tgw, route, state(route.state)))
        .text("additionalRoutesAvailable", next.is_some())
        .maybe("nextToken", next.filter(|_| cx.switches.search_tokens));
    see(cx, &id, &page);
    Ok(xml)
}

fn values_of(filters: &super::params::Filters, wanted: &str) -> Vec<String> {
    filters.iter().filter(|(name, _)| *name == wanted).flat_map(|(_, values)| values.to_vec()).collect()
}

/// This read saw these routes: pending ones move on.
fn see(cx: &mut Cx<'_>, table: &str, routes: &[TgwRoute]) {
    let pending = routes.iter().filter(|it| it.state == RouteState::Pending);
    let lists: BTreeSet<String> = pending.filter_map(|it| it.prefix_list.clone()).collect();
    tgw_prefix_lists::see(cx, table, lists);
    let Some(table) = cx.ec2().tgw_route_tables.get_mut(table) else { return };
    for route in routes.iter().filter(|it| it.origin == RouteOrigin::Static && it.state == RouteState::Pending) {
        if let Some(found) = table.routes.get_mut(&route.prefix) {
            found.pending_reads = found.pending_reads.saturating_sub(1);
        }
    }
}
