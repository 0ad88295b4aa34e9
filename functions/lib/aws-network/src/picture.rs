//! Puts together what is read of several accounts and Regions into one picture.

use crate::beside::{mark_nc2, read_beside, read_dx_gateways, read_enis, read_table_owners};
use crate::codes::Ec2Error;
use crate::network::AwsNetwork;
use crate::scope::{Wants, scopes_of, tables_in_scope, tgw_scopes, vpcs_in_scope};
use crate::tgw::{Listed, ListedKind, ListedTable};
use crate::vpcs::VpcRead;
use futures::future::join_all;
use holdfast_model::{
    Attachment, AttachmentId, AttachmentKind, AttachmentState, NetworkMap, Picture, Prefix, PrefixListId,
    PrefixListReference, Region, RouteTableId, Scope, SiteName, SubnetId, TgwId, TgwRoute, TgwTable, Unread, VpcId,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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
/// peerings. The other side of a peering is asked for only where its other Region is not in `networks`. Propagations are read of tables for which the map names them, and of
/// those that hold no route of ours once the networks are at `to`: there, a propagated route may come out from under a static one. References to
/// prefix lists are read of the same tables, and of those that show a route of a list.
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
    let enis = join_all(networks.values().map(|network| read_enis(network, map)));
    let (gateways, owners, advertised, enis) = futures::future::join4(gateways, owners, advertised, enis).await;
    for (found, unread) in enis {
        picture.enis.extend(found);
        picture.unread.extend(unread);
    }
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
pub(crate) struct Gateways {
    pub scope: Scope,
    pub attachments: Vec<Listed>,
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

pub(crate) fn not_read(network: &AwsNetwork, what: impl Into<String>, why: &dyn std::fmt::Display) -> Unread {
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
                ListedKind::Peering => match other_side(gateways, &gateway.scope.region, listed) {
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
                // Whoever walks into a peering with a core network does not know where it leads; nobody else needs to.
                if matches!(listed.kind, ListedKind::Peering) {
                    continue;
                }
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
            // The owner of a VPC sees its attachment to a shared transit gateway without the association, which only the gateway's owner sees.
            let known = picture.side(&attachment.region, &attachment.tgw, &attachment.id);
            if known.is_none_or(|known| known.association.is_none()) {
                picture.attach(attachment);
            }
        }
    }
}

/// Transit gateway and Region on the other side of a peering, when that side was read too: the attachment has one id on both sides.
fn other_side(gateways: &[Gateways], region: &Region, own: &Listed) -> Option<(TgwId, Region)> {
    gateways.iter().find_map(|gateway| {
        let at = &gateway.scope.region;
        let far = |there: &&Listed| there.id == own.id && (at, &there.tgw) != (region, &own.tgw);
        gateway.attachments.iter().find(far).map(|there| (there.tgw.clone(), at.clone()))
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
    if ids.is_empty() {
        return (Vec::new(), unread);
    }
    let read = join_all(ids.iter().map(|table| read_table(network, table, wants)));
    let (read, listed) = futures::future::join(read, network.read_tgw_tables()).await;
    let mut listed: BTreeMap<RouteTableId, ListedTable> = listed.unwrap_or_else(|error| {
        unread.push(not_read(network, "transit gateway route tables", &error));
        BTreeMap::new()
    });
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
    let references = match references.map_err(|error| ("prefix list references", error))? {
        Some(references) => references,
        None if wants.references_of(&routes) => {
            network.read_references(table).await.map_err(|error| ("prefix list references", error))?
        }
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
