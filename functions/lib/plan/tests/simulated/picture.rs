//! A picture of a world, built from what the simulator holds, without any call.

use holdfast_model::*;
use holdfast_sim::World;
use holdfast_sim::ec2;
use std::collections::{BTreeMap, BTreeSet};

fn prefix(net: impl ToString) -> Prefix {
    Prefix::parse(&net.to_string()).unwrap()
}

fn scope(home: &ec2::Home) -> Scope {
    Scope { account: AccountName::parse("main").unwrap(), region: Region::parse(&*home.region).unwrap() }
}

fn attachment_id(id: &str) -> AttachmentId {
    AttachmentId::parse(id).unwrap()
}

fn table_id(id: &str) -> RouteTableId {
    RouteTableId::parse(id).unwrap()
}

fn state(progress: ec2::Progress) -> AttachmentState {
    match progress {
        ec2::Progress::Available => AttachmentState::Available,
        ec2::Progress::Deleting(_) | ec2::Progress::Deleted => AttachmentState::Gone,
        ec2::Progress::Pending(_) | ec2::Progress::PendingAcceptance | ec2::Progress::Modifying(_) => {
            AttachmentState::Changing
        }
    }
}

/// Everything in Regions that are not lost.
pub fn picture(world: &World) -> Picture {
    let mut picture = Picture::empty("2026-01-02T03:04:05Z".parse().unwrap());
    let ec2 = &world.ec2;
    let here = |home: &ec2::Home| !world.lost_regions.contains(&home.region);
    for (id, table) in ec2.tgw_route_tables.iter().filter(|(_, table)| here(&table.home)) {
        picture.tgw_tables.insert(table_id(id), tgw_table(world, id, table));
    }
    for (id, attachment) in &ec2.attachments {
        for (tgw, home) in attachment.sides() {
            if here(home) {
                let seen = side(world, id, attachment, tgw, home);
                picture.attach(seen);
            }
        }
        if let ec2::AttachmentKind::DirectConnectGateway { resource, allowed, .. } = &attachment.kind {
            let id = DxGatewayId::parse(&**resource).unwrap();
            // The association goes with the attachment.
            let here = allowed.iter().map(prefix).collect();
            let here = attachment.carries().then(|| (TgwId::parse(&*attachment.tgw).unwrap(), here));
            let allowed = here.into_iter().collect();
            picture.dx_gateways.insert(id.clone(), DxGateway { id, name: None, allowed });
        }
    }
    for (id, vpc) in ec2.vpcs.iter().filter(|(_, vpc)| here(&vpc.home)) {
        picture.vpcs.insert(VpcId::parse(&**id).unwrap(), vpc_of(world, id, vpc));
    }
    for (id, eni) in ec2.enis.iter().filter(|(_, eni)| here(&eni.home)) {
        let status = if eni.attached.is_some() { EniStatus::InUse } else { EniStatus::Available };
        let seat = EniSeat { vpc: VpcId::parse(&*eni.vpc).unwrap(), status };
        picture.enis.insert(EniId::parse(&**id).unwrap(), Some(seat));
    }
    for (id, list) in ec2.prefix_lists.iter().filter(|(_, list)| here(&list.home)) {
        let id = PrefixListId::parse(&**id).unwrap();
        let read = PrefixList {
            id: id.clone(),
            name: Some(list.name.clone()),
            scope: scope(&list.home),
            version: 1,
            max_entries: u32::try_from(list.max_entries).unwrap(),
            entries: list.entries().keys().map(prefix).collect(),
        };
        picture.prefix_lists.insert(id, read);
    }
    for (id, peering) in &ec2.vpc_peerings {
        let id = VpcPeeringId::parse(&**id).unwrap();
        let side =
            |side: &ec2::VpcPeer| (VpcId::parse(&*side.vpc).unwrap(), Region::parse(&*side.home.region).unwrap());
        let state = match peering.state {
            ec2::VpcPeeringState::Active => AttachmentState::Available,
            ec2::VpcPeeringState::PendingAcceptance | ec2::VpcPeeringState::Provisioning(_) => {
                AttachmentState::Changing
            }
            ec2::VpcPeeringState::Failed | ec2::VpcPeeringState::Rejected | ec2::VpcPeeringState::Deleted => {
                AttachmentState::Gone
            }
        };
        let (requester, accepter) = (side(&peering.requester), side(&peering.accepter));
        picture.vpc_peerings.insert(id.clone(), VpcPeering { id, name: None, requester, accepter, state });
    }
    picture
}

fn tgw_table(world: &World, id: &str, table: &ec2::TgwRouteTable) -> TgwTable {
    let routes = world.ec2.tgw_routes(id).into_iter().map(|route| {
        let origin = match (route.origin, &route.prefix_list) {
            (ec2::RouteOrigin::Static, _) => RouteOrigin::Static,
            (_, Some(list)) => RouteOrigin::PrefixList { id: PrefixListId::parse(&**list).unwrap() },
            (_, None) => RouteOrigin::Propagated,
        };
        let state = match route.state {
            ec2::RouteState::Active => RouteState::Active,
            ec2::RouteState::Blackhole => RouteState::Blackhole,
            ec2::RouteState::Pending => RouteState::Pending,
        };
        let targets = route.attachment.iter().map(|id| attachment_id(id)).collect();
        (prefix(route.prefix), TgwRoute { origin, state, targets })
    });
    let references = table.prefix_lists.iter().map(|(list, reference)| {
        let attachment = reference.attachment.as_deref().map(attachment_id);
        (PrefixListId::parse(&**list).unwrap(), PrefixListReference { attachment, state: ReferenceState::Available })
    });
    TgwTable {
        id: table_id(id),
        name: table.tags.get("Name").cloned(),
        scope: scope(&table.home),
        tgw: TgwId::parse(&*table.tgw).unwrap(),
        managed_by: None,
        routes: routes.collect(),
        references: references.collect(),
        propagations: Some(table.propagations.keys().map(|id| attachment_id(id)).collect()),
    }
}

fn side(world: &World, id: &str, attachment: &ec2::Attachment, tgw: &str, home: &ec2::Home) -> Attachment {
    let kind = match &attachment.kind {
        ec2::AttachmentKind::Vpc { vpc, subnets, .. } => AttachmentKind::Vpc {
            vpc: VpcId::parse(&**vpc).unwrap(),
            subnets: subnets.iter().map(|subnet| SubnetId::parse(&**subnet).unwrap()).collect(),
        },
        ec2::AttachmentKind::Vpn { .. } => AttachmentKind::Vpn,
        ec2::AttachmentKind::DirectConnectGateway { .. } => AttachmentKind::DirectConnectGateway,
        ec2::AttachmentKind::Peering { .. } => {
            let far = attachment.across(tgw).unwrap();
            let region = &world.ec2.tgws[far].home.region;
            AttachmentKind::Peering { tgw: TgwId::parse(far).unwrap(), region: Region::parse(&**region).unwrap() }
        }
    };
    Attachment {
        id: attachment_id(id),
        name: attachment.tags.get("Name").cloned(),
        region: Region::parse(&*home.region).unwrap(),
        tgw: TgwId::parse(tgw).unwrap(),
        kind,
        state: state(attachment.state),
        association: world.ec2.association(tgw, id).map(table_id),
    }
}

fn vpc_of(world: &World, id: &str, vpc: &ec2::Vpc) -> Vpc {
    let ec2 = &world.ec2;
    let subnets = ec2.subnets.iter().filter(|(_, subnet)| subnet.vpc == id).map(|(subnet_id, subnet)| {
        let table = table_id(ec2.subnet_table(subnet_id).unwrap());
        (
            SubnetId::parse(&**subnet_id).unwrap(),
            VpcSubnet { prefix: prefix(subnet.cidr), table, zone: ZoneName::parse(&*subnet.zone).ok() },
        )
    });
    let tables = ec2.route_tables.iter().filter(|(_, table)| table.vpc == id).map(|(table_id_, table)| {
        let routes = table.routes.iter().map(|(to, route)| {
            let (target, written_by) = match &route.target {
                ec2::VpcTarget::Local => (VpcTarget::Local, None),
                ec2::VpcTarget::TransitGateway(id) => (VpcTarget::Tgw { id: TgwId::parse(&**id).unwrap() }, None),
                ec2::VpcTarget::NetworkInterface(id) => {
                    // NC2 writes no table that the map declares.
                    let by = (!table_id_.starts_with("rtb-000c")).then(|| "NC2".to_owned());
                    (VpcTarget::Eni { id: EniId::parse(&**id).unwrap() }, by)
                }
                ec2::VpcTarget::PeeringConnection(id) => {
                    (VpcTarget::Peering { id: VpcPeeringId::parse(&**id).unwrap() }, None)
                }
                ec2::VpcTarget::Gateway(id) | ec2::VpcTarget::NatGateway(id) => {
                    (VpcTarget::Other { id: id.clone() }, None)
                }
            };
            let origin = match target {
                VpcTarget::Local => VpcRouteOrigin::Local,
                VpcTarget::Tgw { .. } | VpcTarget::Eni { .. } | VpcTarget::Peering { .. } | VpcTarget::Other { .. } => {
                    VpcRouteOrigin::Created
                }
            };
            let gone = ec2.vpc_target_gone(table, &route.target);
            let state = if gone { RouteState::Blackhole } else { RouteState::Active };
            (prefix(to), VpcRoute { target, state, origin, written_by })
        });
        let name = table.tags.get("Name").cloned();
        (table_id(table_id_), VpcTable { name, managed_by: None, routes: routes.collect(), hidden: BTreeMap::new() })
    });
    Vpc {
        id: VpcId::parse(id).unwrap(),
        scope: scope(&vpc.home),
        prefixes: vpc.cidrs.iter().map(prefix).collect::<BTreeSet<_>>().into_iter().collect(),
        subnets: subnets.collect(),
        main: Some(table_id(&vpc.main_route_table)),
        tables: tables.collect(),
    }
}
