//! Puts together what is read of several accounts and Regions into one picture.

use crate::network::AwsNetwork;
use crate::tgw::{Listed, ListedKind, ListedTable};
use futures::future::join_all;
use holdfast_model::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, NetworkMap, Picture, Prefix, Region, RouteTableId,
    Scope, Site, SubnetId, TgwId, TgwRoute, TgwTable, Unread, Vantage, Vpc, VpcId,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Every account and Region that a network map speaks of: those of its route tables, vantages and sites; none of a lost Region.
#[must_use]
pub fn scopes_of(map: &NetworkMap) -> BTreeSet<Scope> {
    let all = tgw_scopes(map).into_iter().chain(map.sites.values().map(site_scope));
    all.filter(|scope| map.reachable(&scope.region)).collect()
}

/// Those with transit gateways.
fn tgw_scopes(map: &NetworkMap) -> BTreeSet<Scope> {
    let tables =
        map.route_tables.values().map(|table| Scope { account: table.account.clone(), region: table.region.clone() });
    let vantages = map.vantages.values().flat_map(|vantage| {
        let enters = vantage.scope();
        let leaves = Scope { account: enters.account.clone(), region: vantage.reply_leaves().0.clone() };
        [enters, leaves]
    });
    tables.chain(vantages).filter(|scope| map.reachable(&scope.region)).collect()
}

fn site_scope(site: &Site) -> Scope {
    Scope { account: site.account().clone(), region: site.region().clone() }
}

/// Reads the routing that the map speaks of, in all accounts and Regions of `networks` at once.
///
/// # Flow
/// Attachments and their subnets; then the routes of the tables in scope and the VPCs. Tables in scope are those of the map, and those that decide
/// for traffic from the vantages, the VPCs of sites and peerings. What no answer so far has told is asked for only then: the other side of a
/// peering whose other Region is not in `networks`, the transit gateway of a table that no attachment is associated with.
///
/// # Guarantees
/// What could not be read completely is not in the maps of the picture, and is named in `unread`. A scope of the map that is not in `networks` is
/// named there too.
pub async fn read_picture(networks: &BTreeMap<Scope, AwsNetwork>, map: &NetworkMap, now: Timestamp) -> Picture {
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
    let gateways = gateways.await;
    add_attachments(&mut picture, &gateways, networks).await;

    let tables = tables_in_scope(map, &picture, &gateways);
    let vpcs = vpcs_in_scope(map, &picture);
    let tables = join_all(networks.values().map(|network| {
        let own = tables.iter().filter(|(_, scope)| *scope == network.scope()).map(|(table, _)| table.clone());
        read_tables(network, own.collect(), &gateways)
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
    for (found, unread) in vpcs {
        picture.vpcs.extend(found);
        picture.unread.extend(unread);
    }
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
    let vantages: BTreeSet<(&Region, &AttachmentId)> =
        map.vantages.values().flat_map(|vantage| [vantage.enters(), vantage.reply_leaves()]).collect();
    let vpcs: BTreeSet<&VpcId> = map.sites.values().map(Site::vpc).collect();
    for attachment in picture.attachments.values().flat_map(BTreeMap::values) {
        let passed = match &attachment.kind {
            AttachmentKind::Vpc { vpc, .. } => vpcs.contains(vpc),
            AttachmentKind::Peering { .. } => attachment.state == AttachmentState::Available,
            AttachmentKind::Vpn | AttachmentKind::DirectConnectGateway | AttachmentKind::Other { .. } => false,
        };
        let Some(table) = &attachment.association else { continue };
        if !passed && !vantages.contains(&(&attachment.region, &attachment.id)) {
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

/// VPCs to read, each with its account and Region: those of sites and of vantages.
fn vpcs_in_scope(map: &NetworkMap, picture: &Picture) -> BTreeMap<VpcId, Scope> {
    let mut vpcs: BTreeMap<VpcId, Scope> =
        map.sites.values().map(|site| (site.vpc().clone(), site_scope(site))).collect();
    for vantage in map.vantages.values() {
        match vantage {
            Vantage::OnPremises { .. } => {}
            Vantage::Vpc { region, enters, .. } => {
                if let Some(AttachmentKind::Vpc { vpc, .. }) =
                    picture.attachment(region, enters).map(|attachment| &attachment.kind)
                {
                    vpcs.entry(vpc.clone()).or_insert_with(|| vantage.scope());
                }
            }
        }
    }
    vpcs
}

async fn read_tables(
    network: &AwsNetwork,
    ids: BTreeSet<RouteTableId>,
    gateways: &[Gateways],
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
    if ids.iter().any(|table| associated(table).is_none()) {
        match network.read_tgw_tables().await {
            Ok(tables) => listed = tables,
            Err(error) => unread.push(not_read(network, "transit gateway route tables", &error)),
        }
    }
    let routes = join_all(ids.iter().map(|table| network.read_routes(table))).await;
    let mut tables = Vec::new();
    for (table, routes) in ids.into_iter().zip(routes) {
        let own = listed.remove(&table);
        let name = own.as_ref().and_then(|own| own.name.clone());
        let routes: BTreeMap<Prefix, TgwRoute> = match routes {
            Ok(routes) => routes,
            Err(error) => {
                unread.push(not_read(network, format!("routes of `{table}`"), &error));
                continue;
            }
        };
        match associated(&table).or(own.map(|own| own.tgw)) {
            Some(tgw) => {
                tables.push(TgwTable {
                    id: table,
                    name,
                    scope: network.scope().clone(),
                    tgw,
                    managed_by: None,
                    routes,
                    references: BTreeMap::new(),
                    propagations: None,
                });
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

async fn read_vpcs(network: &AwsNetwork, ids: BTreeSet<VpcId>) -> (BTreeMap<VpcId, Vpc>, Vec<Unread>) {
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
