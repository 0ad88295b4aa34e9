//! `SearchTransitGatewayRoutes`.
//!
//! Source: Amazon EC2 API reference, "SearchTransitGatewayRoutes": at least one filter, at most 1,000 routes a time.

use ipnet::Ipv4Net;

use super::{
    super::{RouteOrigin, RouteState, TgwRoute},
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

    /// The routes that one value of the filter keeps.
    fn keep(self, routes: &[TgwRoute], wanted: &Ipv4Net) -> Vec<TgwRoute> {
        let covering = |route: &&TgwRoute| route.prefix.contains(wanted);
        let longest = routes.iter().filter(covering).map(|route| route.prefix.prefix_len()).max();
        routes
            .iter()
            .filter(|route| match self {
                Self::Exact => route.prefix == *wanted,
                Self::Longest => covering(route) && Some(route.prefix.prefix_len()) == longest,
                Self::SubnetOf => wanted.contains(&route.prefix),
                Self::SupernetOf => covering(route),
            })
            .cloned()
            .collect()
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
    let (id, view) = table(cx).map(|(id, table)| (id, table.read()))?;
    let ec2 = &cx.world.ec2;
    let tgw = view.tgw.as_str();
    let mut routes = ec2.tgw_routes_of(&view);
    for (name, values) in filters.iter() {
        let Some(search) = Search::named(name) else { continue };
        let mut kept = Vec::new();
        for value in values {
            kept.extend(search.keep(&routes, &wanted(value)?));
        }
        routes = kept;
    }
    routes.sort_by_key(|route| route.prefix);
    routes.dedup();
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
    let lists: std::collections::BTreeSet<String> = pending.filter_map(|it| it.prefix_list.clone()).collect();
    tgw_prefix_lists::see(cx, table, lists);
    let Some(table) = cx.ec2().tgw_route_tables.get_mut(table) else { return };
    for route in routes.iter().filter(|it| it.origin == RouteOrigin::Static && it.state == RouteState::Pending) {
        if let Some(found) = table.routes.get_mut(&route.prefix) {
            found.pending_reads = found.pending_reads.saturating_sub(1);
        }
    }
}
