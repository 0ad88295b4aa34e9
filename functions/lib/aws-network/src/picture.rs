//! Puts together what is read of several accounts and Regions into one picture.

use crate::codes::Ec2Error;
use crate::network::AwsNetwork;
use crate::tgw::{Listed, ListedKind, ListedTable};
use crate::vpcs::VpcRead;
use futures::future::join_all;
use holdfast_model::{
    Advertisement, Attachment, AttachmentId, AttachmentKind, AttachmentState, DxGateway, DxGatewayId, NetworkMap,
    NextHop, Picture, Prefix, PrefixList, PrefixListId, PrefixListReference, Region, RouteOrigin, RouteTable,
    RouteTableId, Scope, Site, SiteName, SubnetId, TgwId, TgwRoute, TgwTable, Unread, Vantage, VpcId, VpcPeering,
    VpcPeeringId, VpcTarget,
};
use jiff::Timestamp;
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
fn tgw_scopes(map: &NetworkMap) -> BTreeSet<Scope> {
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

fn table_scope(table: &RouteTable) -> Scope {
    Scope { account: table.account.clone(), region: table.region.clone() }
}

fn site_scope(site: &Site) -> Scope {
    Scope { account: site.account().clone(), region: site.region().clone() }
}

/// Reads the routing that the map speaks of, in all accounts and Regions of `networks` at once.
///
/// As [`read_picture_towards`], for nobody who moves anything.
pub async fn read_picture(networks: &BTreeMap<Scope, AwsNetwork>, map: &NetworkMap, now: Timestamp) -> Picture {
    read_picture_towards(networks, map, None, now).await
}

/// Reads the routing that the map speaks of, in all accounts and Regions of `networks` at once, for whoever moves networks to site `to`.
///
/// # Flow
/// Attachments and their subnets; then the routes of the tables in scope and the VPCs; then the prefix lists and VPC peering connections that they
/// name. Tables in scope are those of the map, and those that decide for traffic from the vantages, the VPCs of sites, pass-through nodes and
/// peerings. What no answer so far has told is asked for only then: the other side of a peering whose other Region is not in `networks`, the
/// transit gateway of a table that no attachment is associated with. Propagations are read of tables for which the map names them, and of
/// those that hold no route of ours once the networks are at `to`: there, a propagated route may come out from under a static one.
///
/// # Guarantees
/// What could not be read completely is not in the maps of the picture, and is named in `unread`. A scope of the map that is not in `networks` is
/// named there too.
pub async fn read_picture_towards(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    to: Option<&SiteName>,
    now: Timestamp,
) -> Picture {
    let mut picture = Picture::empty(now);
    for scope in scopes_of(map).iter().filter(|scope| !networks.contains_key(*scope)) {
        picture.unread.push(Unread {
            what: "routing".to_owned(),
            scope: scope.clone(),
            why: "this account and Region was not asked".to_owned(),
        });
    }
    let asked = tgw_scopes(map);
    let gateways = join_all(networks.values().filter(|network| asked.contains(network.scope())).map(read_gateways));
    let owners = join_all(networks.values().map(|network| read_table_owners(network, map)));
    let advertised = read_dx_gateways(networks, map);
    let (gateways, owners, advertised) = futures::future::join3(gateways, owners, advertised).await;
    for found in advertised {
        match found {
            Ok(gateway) => drop(picture.dx_gateways.insert(gateway.id.clone(), gateway)),
            Err(unread) => picture.unread.push(unread),
        }
    }
    add_attachments(&mut picture, &gateways, networks).await;

    let tables = tables_in_scope(map, &picture, &gateways);
    let mut vpcs = vpcs_in_scope(map, &picture, &gateways, networks);
    for (found, unread) in owners {
        vpcs.extend(found);
        picture.unread.extend(unread);
    }
    let wants = Wants::of(map, to);
    let tables = join_all(networks.values().map(|network| {
        let own = tables.iter().filter(|(_, scope)| *scope == network.scope()).map(|(table, _)| table.clone());
        read_tables(network, own.collect(), &gateways, &wants)
    }));
    let vpcs = join_all(networks.values().map(|network| {
        let own = vpcs.iter().filter(|(_, scope)| *scope == network.scope()).map(|(vpc, _)| vpc.clone());
        read_vpcs(network, own.collect())
    }));
    let (tables, vpcs) = futures::future::join(tables, vpcs).await;
    for (found, unread) in tables {
        picture.tgw_tables.extend(found.into_iter().map(|table| (table.id.clone(), table)));
        picture.unread.extend(unread);
    }
    let mut read = BTreeMap::new();
    for (found, unread) in vpcs {
        read.extend(found);
        picture.unread.extend(unread);
    }
    read_beside(&mut picture, networks, map, read).await;
    mark_nc2(&mut picture, map);
    picture.unread.sort_by(|a, b| (&a.scope, &a.what).cmp(&(&b.scope, &b.what)));
    picture
}

/// Attachments of one account and Region.
struct Gateways {
    scope: Scope,
    attachments: Vec<Listed>,
    subnets: Option<BTreeMap<AttachmentId, Vec<SubnetId>>>,
    unread: Vec<Unread>,
}

async fn read_gateways(network: &AwsNetwork) -> Gateways {
    let (attachments, subnets) =
        futures::future::join(network.read_attachments(), network.read_attachment_subnets()).await;
    let mut unread = Vec::new();
    let attachments = attachments.unwrap_or_else(|error| {
        unread.push(not_read(network, "attachments", &error));
        Vec::new()
    });
    let subnets = subnets.map_err(|error| unread.push(not_read(network, "subnets of VPC attachments", &error))).ok();
    Gateways { scope: network.scope().clone(), attachments, subnets, unread }
}

fn not_read(network: &AwsNetwork, what: impl Into<String>, why: &dyn std::fmt::Display) -> Unread {
    Unread { what: what.into(), scope: network.scope().clone(), why: why.to_string() }
}

async fn add_attachments(picture: &mut Picture, gateways: &[Gateways], networks: &BTreeMap<Scope, AwsNetwork>) {
    for gateway in gateways {
        picture.unread.extend(gateway.unread.iter().cloned());
        let mut peerings = None;
        for listed in &gateway.attachments {
            let kind = match &listed.kind {
                ListedKind::Vpc(vpc) => gateway.subnets.as_ref().and_then(|all| {
                    let gone = (listed.state == AttachmentState::Gone).then(Vec::new);
                    let subnets = all.get(&listed.id).cloned().or(gone)?;
                    Some(AttachmentKind::Vpc { vpc: vpc.clone(), subnets })
                }),
                ListedKind::Peering => match other_side(gateways, &gateway.scope.region, &listed.id) {
                    Some((tgw, region)) => Some(AttachmentKind::Peering { tgw, region }),
                    None => {
                        if peerings.is_none() {
                            peerings = Some(read_peerings(picture, networks, &gateway.scope).await);
                        }
                        let own = (listed.tgw.clone(), gateway.scope.region.clone());
                        peerings
                            .as_ref()
                            .and_then(|all| all.get(&listed.id))
                            .and_then(|sides| sides.iter().find(|side| **side != own))
                            .map(|(tgw, region)| AttachmentKind::Peering { tgw: tgw.clone(), region: region.clone() })
                    }
                },
                ListedKind::Vpn => Some(AttachmentKind::Vpn),
                ListedKind::DirectConnectGateway => Some(AttachmentKind::DirectConnectGateway),
                ListedKind::Other(name) => Some(AttachmentKind::Other { name: name.clone() }),
            };
            let Some(kind) = kind else {
                picture.unread.push(Unread {
                    what: format!("what is attached by `{}`", listed.id),
                    scope: gateway.scope.clone(),
                    why: "no answer told of it".to_owned(),
                });
                continue;
            };
            let attachment = Attachment {
                id: listed.id.clone(),
                name: listed.name.clone(),
                region: gateway.scope.region.clone(),
                tgw: listed.tgw.clone(),
                kind,
                state: listed.state,
                association: listed.association.clone(),
            };
            let in_region = picture.attachments.entry(gateway.scope.region.clone()).or_default();
            // The owner of a VPC sees its attachment to a shared transit gateway without the association, which only the gateway's owner sees.
            let known = in_region.get(&listed.id).is_some_and(|known| known.association.is_some());
            if !known {
                in_region.insert(listed.id.clone(), attachment);
            }
        }
    }
}

/// Transit gateway and Region on the other side of a peering, when that Region was read too: the attachment has one id on both sides.
fn other_side(gateways: &[Gateways], region: &Region, id: &AttachmentId) -> Option<(TgwId, Region)> {
    gateways.iter().filter(|gateway| gateway.scope.region != *region).find_map(|gateway| {
        let there = gateway.attachments.iter().find(|listed| listed.id == *id)?;
        Some((there.tgw.clone(), gateway.scope.region.clone()))
    })
}

async fn read_peerings(
    picture: &mut Picture,
    networks: &BTreeMap<Scope, AwsNetwork>,
    scope: &Scope,
) -> BTreeMap<AttachmentId, Vec<(TgwId, Region)>> {
    let Some(network) = networks.get(scope) else { return BTreeMap::new() };
    match network.read_peerings().await {
        Ok(peerings) => peerings,
        Err(error) => {
            picture.unread.push(not_read(network, "peering attachments", &error));
            BTreeMap::new()
        }
    }
}

/// Transit gateway tables to read, each with its account and Region.
fn tables_in_scope(map: &NetworkMap, picture: &Picture, gateways: &[Gateways]) -> BTreeMap<RouteTableId, Scope> {
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
    for attachment in picture.attachments.values().flat_map(BTreeMap::values) {
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
fn vpcs_in_scope(
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

/// VPCs of the VPC route tables that the map names in one account and Region.
async fn read_table_owners(network: &AwsNetwork, map: &NetworkMap) -> (BTreeMap<VpcId, Scope>, Vec<Unread>) {
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

/// Reads the Direct Connect gateways whose allowed prefixes tell on-premises where to send the networks.
async fn read_dx_gateways(networks: &BTreeMap<Scope, AwsNetwork>, map: &NetworkMap) -> Vec<Result<DxGateway, Unread>> {
    let mut named: BTreeMap<DxGatewayId, &AwsNetwork> = BTreeMap::new();
    for entry in map.vantages.values().flat_map(Vantage::entries) {
        let Advertisement::AllowedPrefixes { gateway } = entry.advertised else { continue };
        if let Some(network) = networks.get(&Scope { account: entry.account, region: entry.region }) {
            named.entry(gateway).or_insert(network);
        }
    }
    let reads = named.into_iter().map(|(id, network)| async move {
        let read = network.read_dx_gateway(&id).await;
        read.map_err(|error| not_read(network, format!("Direct Connect gateway `{id}`"), &error))
    });
    join_all(reads).await
}

/// What is read of a table beside its routes, for calls that most network maps do not need.
struct Wants {
    /// Names and tags of transit gateway tables.
    names: bool,
    references: BTreeSet<RouteTableId>,
    propagations: BTreeSet<RouteTableId>,
}

impl Wants {
    fn of(map: &NetworkMap, to: Option<&SiteName>) -> Self {
        let tables = || map.route_tables.values().filter(|table| table.id.is_tgw());
        let uncovers = |table: &&RouteTable| {
            !table.propagations.is_empty()
                || to.and_then(|to| table.next_hops.get(to)).is_some_and(|hop| matches!(hop, NextHop::Absent { .. }))
        };
        Self {
            names: map
                .route_tables
                .values()
                .any(|table| !table.id.is_tgw() || table.prefix_list.is_some() || !table.propagations.is_empty()),
            references: tables().filter(|table| table.prefix_list.is_some()).map(|table| table.id.clone()).collect(),
            propagations: tables().filter(uncovers).map(|table| table.id.clone()).collect(),
        }
    }
}

async fn read_tables(
    network: &AwsNetwork,
    ids: BTreeSet<RouteTableId>,
    gateways: &[Gateways],
    wants: &Wants,
) -> (Vec<TgwTable>, Vec<Unread>) {
    let mut unread = Vec::new();
    let associated = |table: &RouteTableId| {
        gateways
            .iter()
            .flat_map(|gateway| &gateway.attachments)
            .find(|listed| listed.association.as_ref() == Some(table))
            .map(|listed| listed.tgw.clone())
    };
    let mut listed: BTreeMap<RouteTableId, ListedTable> = BTreeMap::new();
    if ids.iter().any(|table| wants.names || associated(table).is_none()) {
        match network.read_tgw_tables().await {
            Ok(tables) => listed = tables,
            Err(error) => unread.push(not_read(network, "transit gateway route tables", &error)),
        }
    }
    let read = join_all(ids.iter().map(|table| read_table(network, table, wants))).await;
    let mut tables = Vec::new();
    for (table, read) in ids.into_iter().zip(read) {
        let own = listed.remove(&table);
        let (name, managed_by) = own.as_ref().map_or((None, None), |own| (own.name.clone(), own.managed_by.clone()));
        let (routes, references, propagations) = match read {
            Ok(read) => read,
            Err((what, error)) => {
                unread.push(not_read(network, format!("{what} of `{table}`"), &error));
                continue;
            }
        };
        match associated(&table).or(own.map(|own| own.tgw)) {
            Some(tgw) => {
                let scope = network.scope().clone();
                tables.push(TgwTable { id: table, name, scope, tgw, managed_by, routes, references, propagations });
            }
            None => unread.push(not_read(
                network,
                format!("transit gateway of `{table}`"),
                &"there is no such transit gateway route table here",
            )),
        }
    }
    (tables, unread)
}

type TableRead =
    (BTreeMap<Prefix, TgwRoute>, BTreeMap<PrefixListId, PrefixListReference>, Option<BTreeSet<AttachmentId>>);

async fn read_table(
    network: &AwsNetwork,
    table: &RouteTableId,
    wants: &Wants,
) -> Result<TableRead, (&'static str, Ec2Error)> {
    let references = async {
        match wants.references.contains(table) {
            true => network.read_references(table).await.map(Some),
            false => Ok(None),
        }
    };
    let propagations = async {
        match wants.propagations.contains(table) {
            true => network.read_propagations(table).await.map(Some),
            false => Ok(None),
        }
    };
    let (routes, references, propagations) =
        futures::future::join3(network.read_routes(table), references, propagations).await;
    let routes = routes.map_err(|error| ("routes", error))?;
    let by_list = routes.values().any(|route| matches!(route.origin, RouteOrigin::PrefixList { .. }));
    let references = match references.map_err(|error| ("prefix list references", error))? {
        Some(references) => references,
        None if by_list => network.read_references(table).await.map_err(|error| ("prefix list references", error))?,
        None => BTreeMap::new(),
    };
    Ok((routes, references, propagations.map_err(|error| ("propagations", error))?))
}

async fn read_vpcs(network: &AwsNetwork, ids: BTreeSet<VpcId>) -> (BTreeMap<VpcId, VpcRead>, Vec<Unread>) {
    let mut unread = Vec::new();
    let mut vpcs = BTreeMap::new();
    match network.read_vpcs(&ids).await {
        Ok(found) => {
            for (id, vpc) in found {
                match vpc {
                    Ok(vpc) => drop(vpcs.insert(id, vpc)),
                    Err(error) => unread.push(not_read(network, format!("VPC `{id}`"), &error)),
                }
            }
        }
        Err(error) => unread.extend(ids.iter().map(|id| not_read(network, format!("VPC `{id}`"), &error))),
    }
    (vpcs, unread)
}

/// Reads the prefix lists and VPC peering connections that the map, the tables and the VPCs name, and puts the VPCs into the picture.
async fn read_beside(
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
fn mark_nc2(picture: &mut Picture, map: &NetworkMap) {
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
