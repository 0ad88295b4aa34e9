//! Reads what stands beside tables and attachments: prefix lists, VPC peering connections, Direct Connect gateways.

use crate::network::AwsNetwork;
use crate::picture::not_read;
use crate::scope::table_scope;
use crate::vpcs::VpcRead;
use futures::future::join_all;
use holdfast_model::{
    Advertisement, DxGateway, DxGatewayId, EniId, EniSeat, NetworkMap, NextHop, Picture, PrefixList, PrefixListId,
    RouteTableId, Scope, Site, Unread, Vantage, VpcId, VpcPeering, VpcPeeringId, VpcTarget,
};
use std::collections::{BTreeMap, BTreeSet};

/// VPCs of the VPC route tables that the map names in one account and Region.
pub(crate) async fn read_table_owners(network: &AwsNetwork, map: &NetworkMap) -> (BTreeMap<VpcId, Scope>, Vec<Unread>) {
    let tables = map.route_tables.values().filter(|table| !table.id.is_tgw() && table_scope(table) == *network.scope());
    let tables: BTreeSet<RouteTableId> = tables.map(|table| table.id.clone()).collect();
    if tables.is_empty() {
        return (BTreeMap::new(), Vec::new());
    }
    match network.read_vpcs_of(&tables).await {
        Ok(found) => {
            let missing = tables.iter().filter(|table| !found.contains_key(*table));
            let unread = missing
                .map(|table| not_read(network, format!("VPC of `{table}`"), &"there is no such route table here"))
                .collect();
            (found.into_values().map(|vpc| (vpc, network.scope().clone())).collect(), unread)
        }
        Err(error) => (BTreeMap::new(), vec![not_read(network, "VPCs of route tables", &error)]),
    }
}

/// Reads the network interfaces that tables of the map lead to in one account and Region.
pub(crate) async fn read_enis(
    network: &AwsNetwork,
    map: &NetworkMap,
) -> (BTreeMap<EniId, Option<EniSeat>>, Vec<Unread>) {
    let tables = map.route_tables.values().filter(|table| table_scope(table) == *network.scope());
    let hops = tables.flat_map(|table| table.next_hops.values());
    let ids = hops.filter_map(|hop| match hop {
        NextHop::Eni { id } => Some(id.clone()),
        NextHop::Attachment { .. }
        | NextHop::Peering { .. }
        | NextHop::Tgw { .. }
        | NextHop::VpcPeering { .. }
        | NextHop::Absent { .. }
        | NextHop::Blackhole => None,
    });
    let ids: BTreeSet<EniId> = ids.collect();
    match network.read_eni_seats(&ids).await {
        Ok(seats) => (seats, Vec::new()),
        Err(error) => (BTreeMap::new(), vec![not_read(network, "network interfaces of next hops", &error)]),
    }
}

/// Reads the Direct Connect gateways whose allowed prefixes tell on-premises where to send the networks.
///
/// A gateway is global (Direct Connect user guide, "Direct Connect gateways"): where the Region of its entry is not asked, as one that is declared
/// lost, another Region of the same account tells of it.
pub(crate) async fn read_dx_gateways(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
) -> Vec<Result<DxGateway, Unread>> {
    let mut named: BTreeMap<DxGatewayId, Result<&AwsNetwork, Scope>> = BTreeMap::new();
    for entry in map.vantages.values().flat_map(Vantage::entries) {
        let Advertisement::AllowedPrefixes { gateway } = entry.advertised else { continue };
        let own = Scope { account: entry.account, region: entry.region };
        let elsewhere = || networks.values().find(|network| network.scope().account == own.account);
        let asked = networks.get(&own).or_else(elsewhere).ok_or(own);
        if !matches!(named.get(&gateway), Some(Ok(_))) {
            named.insert(gateway, asked);
        }
    }
    let reads = named.into_iter().map(|(id, asked)| async move {
        let what = format!("Direct Connect gateway `{id}`");
        match asked {
            Ok(network) => network.read_dx_gateway(&id).await.map_err(|error| not_read(network, what, &error)),
            Err(scope) => {
                let why = format!("no Region of account `{}` was asked", scope.account);
                Err(Unread { what, scope, why })
            }
        }
    });
    join_all(reads).await
}

/// Reads the prefix lists and VPC peering connections that the map, the tables and the VPCs name, and puts the VPCs into the picture.
pub(crate) async fn read_beside(
    picture: &mut Picture,
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    vpcs: BTreeMap<VpcId, VpcRead>,
) {
    let mut lists: BTreeMap<PrefixListId, Scope> = BTreeMap::new();
    let mut peerings: BTreeMap<VpcPeeringId, Scope> = BTreeMap::new();
    for table in map.route_tables.values() {
        if let Some(list) = &table.prefix_list {
            lists.entry(list.clone()).or_insert_with(|| table_scope(table));
        }
        for hop in table.next_hops.values() {
            if let NextHop::VpcPeering { id } = hop {
                peerings.entry(id.clone()).or_insert_with(|| table_scope(table));
            }
        }
    }
    for table in picture.tgw_tables.values() {
        for list in table.references.keys() {
            lists.entry(list.clone()).or_insert_with(|| table.scope.clone());
        }
    }
    for read in vpcs.values() {
        for (_, list, _) in &read.by_list {
            lists.entry(list.clone()).or_insert_with(|| read.vpc.scope.clone());
        }
        let routes = read.vpc.tables.values().flat_map(|table| table.routes.values());
        for route in routes.chain(read.by_list.iter().map(|(_, _, route)| route)) {
            if let VpcTarget::Peering { id } = &route.target {
                peerings.entry(id.clone()).or_insert_with(|| read.vpc.scope.clone());
            }
        }
    }
    let lists = join_all(networks.values().map(|network| read_lists(network, own(&lists, network))));
    let peerings = join_all(networks.values().map(|network| read_vpc_peerings(network, own(&peerings, network))));
    let (lists, peerings) = futures::future::join(lists, peerings).await;
    for (found, unread) in lists {
        picture.prefix_lists.extend(found);
        picture.unread.extend(unread);
    }
    for (found, unread) in peerings {
        picture.vpc_peerings.extend(found);
        picture.unread.extend(unread);
    }
    for (id, read) in vpcs {
        let scope = read.vpc.scope.clone();
        match read.with_lists(&picture.prefix_lists) {
            Ok(vpc) => drop(picture.vpcs.insert(id, vpc)),
            Err(list) => picture.unread.push(Unread {
                what: format!("VPC `{id}`"),
                scope,
                why: format!("a route goes by prefix list `{list}`, whose prefixes were not read"),
            }),
        }
    }
}

/// Ids that are read in the account and Region of a network.
fn own<T: Clone + Ord>(ids: &BTreeMap<T, Scope>, network: &AwsNetwork) -> BTreeSet<T> {
    ids.iter().filter(|(_, scope)| *scope == network.scope()).map(|(id, _)| id.clone()).collect()
}

async fn read_lists(
    network: &AwsNetwork,
    ids: BTreeSet<PrefixListId>,
) -> (BTreeMap<PrefixListId, PrefixList>, Vec<Unread>) {
    let (mut lists, mut unread) = (BTreeMap::new(), Vec::new());
    if ids.is_empty() {
        return (lists, unread);
    }
    match network.read_prefix_lists(&ids).await {
        Ok(mut found) => {
            for id in ids {
                match found.remove(&id) {
                    Some(Ok(list)) => drop(lists.insert(id, list)),
                    Some(Err(error)) => unread.push(not_read(network, format!("prefix list `{id}`"), &error)),
                    None => {
                        unread.push(not_read(network, format!("prefix list `{id}`"), &"there is no such list here"))
                    }
                }
            }
        }
        Err(error) => unread.push(not_read(network, "prefix lists", &error)),
    }
    (lists, unread)
}

async fn read_vpc_peerings(
    network: &AwsNetwork,
    ids: BTreeSet<VpcPeeringId>,
) -> (BTreeMap<VpcPeeringId, VpcPeering>, Vec<Unread>) {
    if ids.is_empty() {
        return (BTreeMap::new(), Vec::new());
    }
    match network.read_vpc_peerings(&ids).await {
        Ok(found) => {
            let missing = ids.iter().filter(|id| !found.contains_key(*id));
            let unread = missing
                .map(|id| not_read(network, format!("VPC peering `{id}`"), &"there is no such connection here"))
                .collect();
            (found, unread)
        }
        Err(error) => (BTreeMap::new(), vec![not_read(network, "VPC peering connections", &error)]),
    }
}

/// Marks the routes that NC2 writes: in the VPC of a cluster, prefixes from outside of it that lead to an interface. One that the map
/// declares is the user's.
pub(crate) fn mark_nc2(picture: &mut Picture, map: &NetworkMap) {
    for site in map.sites.values() {
        if matches!(site, Site::Ec2 { .. }) {
            continue;
        }
        let Some(vpc) = picture.vpcs.get_mut(site.vpc()) else { continue };
        for (id, table) in &mut vpc.tables {
            for (prefix, route) in &mut table.routes {
                let VpcTarget::Eni { id: eni } = &route.target else { continue };
                let declared = map.route_tables.values().filter(|declared| declared.id == *id);
                let ours = declared
                    .flat_map(|declared| declared.next_hops.values())
                    .any(|hop| matches!(hop, NextHop::Eni { id } if id == eni));
                if !ours && !vpc.prefixes.iter().any(|own| own.covers(prefix)) {
                    route.written_by = Some("NC2".to_owned());
                }
            }
        }
    }
}
