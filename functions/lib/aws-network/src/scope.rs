//! What of the network map is read: accounts and Regions, tables, VPCs, and what only some maps call for.

use crate::network::AwsNetwork;
use crate::picture::Gateways;
use holdfast_model::{
    AttachmentId, AttachmentKind, AttachmentState, NetworkMap, NextHop, Picture, Prefix, Region, RouteOrigin,
    RouteTable, RouteTableId, Scope, Site, SiteName, TgwRoute, Vantage, VpcId,
};
use std::collections::{BTreeMap, BTreeSet};

/// Every account and Region that a network map speaks of: those of its route tables, vantages, pass-through nodes and sites; none of a lost
/// Region.
#[must_use]
pub fn scopes_of(map: &NetworkMap) -> BTreeSet<Scope> {
    let tables = map.route_tables.values().map(table_scope);
    let all = tgw_scopes(map).into_iter().chain(tables).chain(map.sites.values().map(site_scope));
    all.filter(|scope| map.reachable(&scope.region)).collect()
}

/// Those with transit gateways.
pub(crate) fn tgw_scopes(map: &NetworkMap) -> BTreeSet<Scope> {
    let tables = map.route_tables.values().filter(|table| table.id.is_tgw()).map(table_scope);
    let vantages = map.vantages.values().flat_map(|vantage| {
        let account = vantage.scope().account;
        let entries = vantage.entries().into_iter().map(|entry| Scope { account: entry.account, region: entry.region });
        let leaves = Scope { account, region: vantage.reply_leaves().0.clone() };
        entries.chain([leaves]).collect::<Vec<_>>()
    });
    let nodes =
        map.pass_through.values().map(|node| Scope { account: node.account.clone(), region: node.region.clone() });
    tables.chain(vantages).chain(nodes).filter(|scope| map.reachable(&scope.region)).collect()
}

pub(crate) fn table_scope(table: &RouteTable) -> Scope {
    Scope { account: table.account.clone(), region: table.region.clone() }
}

pub(crate) fn site_scope(site: &Site) -> Scope {
    Scope { account: site.account().clone(), region: site.region().clone() }
}

/// Transit gateway tables to read, each with its account and Region.
pub(crate) fn tables_in_scope(
    map: &NetworkMap,
    picture: &Picture,
    gateways: &[Gateways],
) -> BTreeMap<RouteTableId, Scope> {
    let mut tables: BTreeMap<RouteTableId, Scope> = BTreeMap::new();
    for table in map.route_tables.values().filter(|table| table.id.is_tgw()) {
        tables.insert(table.id.clone(), Scope { account: table.account.clone(), region: table.region.clone() });
    }
    let mut vantages: BTreeSet<(Region, AttachmentId)> = BTreeSet::new();
    for vantage in map.vantages.values() {
        vantages.extend(vantage.entries().into_iter().map(|entry| (entry.region, entry.attachment)));
        let (region, leaves) = vantage.reply_leaves();
        vantages.insert((region.clone(), leaves.clone()));
    }
    vantages.extend(map.pass_through.values().map(|node| (node.region.clone(), node.leaves.clone())));
    let vpcs: BTreeSet<&VpcId> = map.sites.values().map(Site::vpc).collect();
    for attachment in picture.sides() {
        let passed = match &attachment.kind {
            AttachmentKind::Vpc { vpc, .. } => vpcs.contains(vpc),
            AttachmentKind::Peering { .. } => attachment.state == AttachmentState::Available,
            AttachmentKind::Vpn | AttachmentKind::DirectConnectGateway | AttachmentKind::Other { .. } => false,
        };
        let Some(table) = &attachment.association else { continue };
        if !passed && !vantages.contains(&(attachment.region.clone(), attachment.id.clone())) {
            continue;
        }
        // Only the owner of a transit gateway is told of associations, so whoever was told owns the table.
        let told = |gateway: &&Gateways| {
            gateway.scope.region == attachment.region
                && gateway.attachments.iter().any(|listed| listed.association.as_ref() == Some(table))
        };
        if let Some(owner) = gateways.iter().find(told) {
            tables.entry(table.clone()).or_insert_with(|| owner.scope.clone());
        }
    }
    tables
}

/// VPCs to read, each with its account and Region: those of sites and of vantages, and those that the tables of the map lead to.
pub(crate) fn vpcs_in_scope(
    map: &NetworkMap,
    picture: &Picture,
    gateways: &[Gateways],
    networks: &BTreeMap<Scope, AwsNetwork>,
) -> BTreeMap<VpcId, Scope> {
    let mut vpcs: BTreeMap<VpcId, Scope> =
        map.sites.values().map(|site| (site.vpc().clone(), site_scope(site))).collect();
    let vantages = map.vantages.values().filter_map(|vantage| match vantage {
        Vantage::OnPremises { .. } => None,
        Vantage::Vpc { region, enters, .. } => Some((region, enters, vantage.scope())),
    });
    let hops = map.route_tables.values().flat_map(|table| {
        table.next_hops.values().filter_map(move |hop| match hop {
            NextHop::Attachment { id } => Some((&table.region, id, table_scope(table))),
            NextHop::Peering { .. }
            | NextHop::Tgw { .. }
            | NextHop::VpcPeering { .. }
            | NextHop::Eni { .. }
            | NextHop::Absent { .. }
            | NextHop::Blackhole => None,
        })
    });
    for (region, id, fallback) in vantages.chain(hops) {
        if let Some(AttachmentKind::Vpc { vpc, .. }) = picture.attachment(region, id).map(|attachment| &attachment.kind)
        {
            vpcs.entry(vpc.clone()).or_insert_with(|| owner(map, gateways, region, id, networks).unwrap_or(fallback));
        }
    }
    vpcs
}

/// Account and Region that own what is attached, where the map names that account.
fn owner(
    map: &NetworkMap,
    gateways: &[Gateways],
    region: &Region,
    id: &AttachmentId,
    networks: &BTreeMap<Scope, AwsNetwork>,
) -> Option<Scope> {
    let in_region = gateways.iter().filter(|gateway| gateway.scope.region == *region);
    let listed = in_region.flat_map(|gateway| &gateway.attachments).find(|listed| listed.id == *id)?;
    let number = listed.owner.as_ref()?;
    let named = map.accounts.iter().filter(|(_, account)| account.id == *number);
    let mut scopes = named.map(|(name, _)| Scope { account: name.clone(), region: region.clone() });
    scopes.find(|scope| networks.contains_key(scope))
}

/// What is read of a table beside its routes, for calls that most network maps do not need.
pub(crate) struct Wants {
    pub references: BTreeSet<RouteTableId>,
    pub propagations: BTreeSet<RouteTableId>,
    /// Prefixes of the networks: a longer static route in one is a host's, and goes when its network follows.
    networks: Vec<Prefix>,
}

impl Wants {
    pub fn of(map: &NetworkMap, to: Option<&SiteName>) -> Self {
        let tables = || map.route_tables.values().filter(|table| table.id.is_tgw());
        let uncovers = |table: &RouteTable| {
            to.and_then(|to| table.next_hops.get(to)).is_some_and(|hop| matches!(hop, NextHop::Absent { .. }))
        };
        let ids = |wanted: &dyn Fn(&RouteTable) -> bool| {
            tables().filter(|table| wanted(table)).map(|table| table.id.clone()).collect()
        };
        Self {
            references: ids(&|table| table.prefix_list.is_some() || uncovers(table)),
            propagations: ids(&|table| !table.propagations.is_empty() || uncovers(table)),
            networks: map.networks.values().filter(|_| to.is_some()).map(|network| network.prefix).collect(),
        }
    }

    /// Whether a route of a prefix list decides here, or may come out from under a host's static route.
    pub fn references_of(&self, routes: &BTreeMap<Prefix, TgwRoute>) -> bool {
        routes.iter().any(|(prefix, route)| match &route.origin {
            RouteOrigin::PrefixList { .. } => true,
            RouteOrigin::Static => self.networks.iter().any(|own| own != prefix && own.covers(prefix)),
            RouteOrigin::Propagated => false,
        })
    }
}
