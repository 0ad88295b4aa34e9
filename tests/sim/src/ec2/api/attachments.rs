//! Attachments of transit gateways: the common view of all kinds, and those of VPCs.

use std::collections::BTreeSet;

use super::{
    super::{Attachment, AttachmentKind, Ec2, Home, Kind, Progress},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    tags,
    tgws::{available, state},
    xml::Xml,
};

/// Whether the caller sees an attachment: as owner of what is attached or of a transit gateway.
pub(super) fn visible(cx: &Cx<'_>, attachment: &Attachment) -> bool {
    sides_seen(cx, attachment).next().is_some()
}

/// The sides of an attachment that the caller sees: its transit gateway and that one's home.
fn sides_seen<'a>(cx: &'a Cx<'_>, attachment: &'a Attachment) -> impl Iterator<Item = (&'a str, &'a Home)> {
    attachment.sides().into_iter().filter_map(|(tgw, home)| {
        let owner = cx.world.ec2.tgws.get(tgw).map_or(home, |found| &found.home);
        (cx.owns(home) || cx.owns(owner)).then_some((tgw, owner))
    })
}

/// Type, id and owner of what an attachment attaches, seen from `tgw`.
pub(super) fn resource(ec2: &Ec2, attachment: &Attachment, tgw: &str) -> (&'static str, String, String) {
    let own = || attachment.home.account.clone();
    match &attachment.kind {
        AttachmentKind::Vpc { vpc, .. } => ("vpc", vpc.clone(), own()),
        AttachmentKind::Vpn { resource, .. } => ("vpn", resource.clone(), own()),
        AttachmentKind::DirectConnectGateway { resource, .. } => ("direct-connect-gateway", resource.clone(), own()),
        AttachmentKind::Peering { .. } => {
            let far = attachment.across(tgw).unwrap_or_default();
            let owner = ec2.tgws.get(far).map_or_else(own, |tgw| tgw.home.account.clone());
            ("peering", far.to_owned(), owner)
        }
    }
}

/// Reads saw these attachments: what is on its way moves on.
pub(super) fn see(ec2: &mut Ec2, ids: &[String]) {
    for id in ids {
        if let Some(attachment) = ec2.attachments.get_mut(id) {
            attachment.state = attachment.state.seen();
        }
    }
}

pub(super) fn describe_all(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 10] = [
        "transit-gateway-attachment-id",
        "transit-gateway-id",
        "transit-gateway-owner-id",
        "resource-id",
        "resource-type",
        "resource-owner-id",
        "state",
        "association.state",
        "association.transit-gateway-route-table-id",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("TransitGatewayAttachmentIds", Kind::Attachment)?;
    let ec2 = &cx.world.ec2;
    cx.all_known(Kind::Attachment, &ids, |id| ec2.attachments.get(id).is_some_and(|it| visible(cx, it)))?;
    let found: Vec<_> = ec2
        .attachments
        .iter()
        .filter(|(id, _)| ids.is_empty() || ids.contains(&id.as_str()))
        .flat_map(|(id, it)| sides_seen(cx, it).map(move |(tgw, owner)| (id, it, tgw, owner)))
        .filter(|(id, it, tgw, owner)| {
            let (kind, resource_id, resource_owner) = resource(ec2, it, tgw);
            let table = ec2.association(tgw, id);
            let associated =
                |table: &str| Some(association_state(ec2.tgw_route_tables.get(table)?.associations.get(*id)?));
            filters.pass(&it.tags, |filter| match filter {
                "transit-gateway-attachment-id" => one(id),
                "transit-gateway-id" => one(tgw),
                "transit-gateway-owner-id" => one(&owner.account),
                "resource-id" => one(&resource_id),
                "resource-type" => one(kind),
                "resource-owner-id" => one(&resource_owner),
                "state" => one(state(it.state)),
                "association.state" => table.and_then(associated).map(str::to_owned).into_iter().collect(),
                _ => table.map(str::to_owned).into_iter().collect(),
            })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewayAttachments", &page, |xml, (id, it, tgw, owner)| {
        let (kind, resource_id, resource_owner) = resource(ec2, it, tgw);
        xml.text("transitGatewayAttachmentId", id)
            .text("transitGatewayId", tgw)
            .text("transitGatewayOwnerId", &owner.account)
            .text("resourceOwnerId", resource_owner)
            .text("resourceType", kind)
            .text("resourceId", resource_id)
            .text("state", state(it.state));
        if let Some(table) = ec2.association(tgw, id) {
            let progress = ec2.tgw_route_tables.get(table).and_then(|table| table.associations.get(*id));
            xml.node("association", |xml| {
                xml.text("transitGatewayRouteTableId", table).maybe("state", progress.map(association_state));
            });
        }
        xml.text("creationTime", it.created);
        tags::write(xml, &it.tags);
    });
    xml.maybe("nextToken", next);
    let seen: Vec<String> = page.into_iter().map(|(id, ..)| id.clone()).collect();
    see(cx.ec2(), &seen);
    Ok(xml)
}

/// EC2's name of an association's progress.
pub(super) fn association_state(progress: &Progress) -> &'static str {
    match progress {
        Progress::Pending(_) | Progress::PendingAcceptance | Progress::Modifying(_) => "associating",
        Progress::Available => "associated",
        Progress::Deleting(_) => "disassociating",
        Progress::Deleted => "disassociated",
    }
}

pub(super) fn describe_vpc(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 5] = ["transit-gateway-attachment-id", "transit-gateway-id", "vpc-id", "state", "tag-key"];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("TransitGatewayAttachmentIds", Kind::Attachment)?;
    let vpc_of = |attachment: &Attachment| match &attachment.kind {
        AttachmentKind::Vpc { vpc, .. } => Some(vpc.clone()),
        AttachmentKind::Vpn { .. } | AttachmentKind::DirectConnectGateway { .. } | AttachmentKind::Peering { .. } => {
            None
        }
    };
    let ec2 = &cx.world.ec2;
    let seen = |it: &Attachment| visible(cx, it) && vpc_of(it).is_some();
    cx.all_known(Kind::Attachment, &ids, |id| ec2.attachments.get(id).is_some_and(seen))?;
    let found = ec2
        .attachments
        .iter()
        .filter(|(id, it)| {
            seen(it)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&it.tags, |filter| match filter {
                    "transit-gateway-attachment-id" => one(id),
                    "transit-gateway-id" => one(&it.tgw),
                    "vpc-id" => vpc_of(it).into_iter().collect(),
                    _ => one(state(it.state)),
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewayVpcAttachments", &page, |xml, id| {
        if let Some(attachment) = ec2.attachments.get(id) {
            write_vpc(xml, id, attachment);
        }
    });
    xml.maybe("nextToken", next);
    see(cx.ec2(), &page);
    Ok(xml)
}

fn write_vpc(xml: &mut Xml, id: &str, attachment: &Attachment) {
    let AttachmentKind::Vpc { vpc, subnets, appliance_mode } = &attachment.kind else { return };
    xml.text("transitGatewayAttachmentId", id)
        .text("transitGatewayId", &attachment.tgw)
        .text("vpcId", vpc)
        .text("vpcOwnerId", &attachment.home.account)
        .text("state", state(attachment.state))
        .node("subnetIds", |xml| {
            for subnet in subnets {
                xml.text("item", subnet);
            }
        })
        .text("creationTime", attachment.created)
        .node("options", |xml| {
            xml.text("dnsSupport", "enable")
                .text("ipv6Support", "disable")
                .text("applianceModeSupport", if *appliance_mode { "enable" } else { "disable" });
        });
    tags::write(xml, &attachment.tags);
}

/// The zones of an attachment's subnets: each subnet must be of the VPC, and the only one of its zone.
fn check_subnets(ec2: &Ec2, vpc: &str, subnets: &BTreeSet<String>) -> Result<()> {
    let mut zones = BTreeSet::new();
    for id in subnets {
        let Some(subnet) = ec2.subnets.get(id).filter(|subnet| subnet.vpc == vpc) else {
            return Err(Ec2Error::not_found(Kind::Subnet, id));
        };
        if !zones.insert(&subnet.zone) {
            let message = format!("Duplicate Subnets for same AZ {}.", subnet.zone);
            return Err(Ec2Error::new("DuplicateSubnetsInSameZone", message));
        }
    }
    Ok(())
}

pub(super) fn create_vpc(cx: &mut Cx<'_>) -> Result<Xml> {
    let tgw = cx.params.id("TransitGatewayId", Kind::Tgw)?.to_owned();
    let vpc = cx.params.id("VpcId", Kind::Vpc)?.to_owned();
    let subnets: BTreeSet<String> = cx.params.ids("SubnetIds", Kind::Subnet)?.into_iter().map(str::to_owned).collect();
    if subnets.is_empty() {
        return Err(Ec2Error::missing("SubnetIds"));
    }
    let gateway = available(cx, &tgw)?.clone();
    let ec2 = &cx.world.ec2;
    if !ec2.vpcs.get(&vpc).is_some_and(|found| cx.owns(&found.home)) {
        return Err(Ec2Error::not_found(Kind::Vpc, &vpc));
    }
    check_subnets(ec2, &vpc, &subnets)?;
    let duplicate = ec2.attachments.values().any(|it| {
        it.tgw == tgw && !it.state.is_going() && matches!(&it.kind, AttachmentKind::Vpc { vpc: own, .. } if *own == vpc)
    });
    if duplicate {
        let message = format!("{tgw} has non-deleted Transit Gateway Attachments with same VPC ID.");
        return Err(Ec2Error::new("DuplicateTransitGatewayAttachment", message));
    }
    let appliance_mode = cx.params.get("Options.ApplianceModeSupport") == Some("enable");
    let reads = cx.switches.attachment_pending_reads;
    let attachment = Attachment {
        home: cx.home(),
        tgw,
        kind: AttachmentKind::Vpc { vpc, subnets, appliance_mode },
        state: Progress::making(reads),
        created: cx.now,
        tags: cx.params.tag_specification("transit-gateway-attachment"),
    };
    let id = cx.new_id("tgw-attach");
    let ec2 = cx.ec2();
    ec2.attachments.insert(id.clone(), attachment.clone());
    if let Some(table) = gateway.default_association_table.and_then(|table| ec2.tgw_route_tables.get_mut(&table)) {
        table.associations.insert(id.clone(), Progress::making(reads));
    }
    if let Some(table) = gateway.default_propagation_table.and_then(|table| ec2.tgw_route_tables.get_mut(&table)) {
        table.propagations.insert(id.clone(), Progress::making(reads));
    }
    let mut xml = Xml::default();
    xml.node("transitGatewayVpcAttachment", |xml| write_vpc(xml, &id, &attachment));
    Ok(xml)
}

/// The caller's VPC attachment that the request names, if it is available.
fn own_vpc_attachment<'a>(cx: &'a mut Cx<'_>) -> Result<(String, &'a mut Attachment)> {
    let id = cx.params.id("TransitGatewayAttachmentId", Kind::Attachment)?.to_owned();
    let is_own = cx.world.ec2.attachments.get(&id).is_some_and(|it| {
        visible(cx, it) && it.state != Progress::Deleted && matches!(it.kind, AttachmentKind::Vpc { .. })
    });
    match cx.ec2().attachments.get_mut(&id) {
        Some(found) if is_own && found.state == Progress::Available => Ok((id, found)),
        Some(_) if is_own => Err(invalid_state(&id)),
        _ => Err(Ec2Error::not_found(Kind::Attachment, &id)),
    }
}

pub(super) fn invalid_state(id: &str) -> Ec2Error {
    Ec2Error::state(format!("{id} is in invalid state"))
}

pub(super) fn modify_vpc(cx: &mut Cx<'_>) -> Result<Xml> {
    let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let add = names(cx.params.ids("AddSubnetIds", Kind::Subnet)?);
    let remove = names(cx.params.ids("RemoveSubnetIds", Kind::Subnet)?);
    let mode = cx.params.get("Options.ApplianceModeSupport").map(|value| value == "enable");
    let reads = cx.switches.attachment_pending_reads;
    let (id, attachment) = own_vpc_attachment(cx).map(|(id, attachment)| (id, attachment.clone()))?;
    let AttachmentKind::Vpc { vpc, mut subnets, appliance_mode } = attachment.kind.clone() else {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    };
    if let Some(missing) = remove.iter().find(|subnet| !subnets.contains(*subnet)) {
        return Err(Ec2Error::not_found(Kind::Subnet, missing));
    }
    subnets.extend(add);
    subnets.retain(|subnet| !remove.contains(subnet));
    if subnets.is_empty() {
        return Err(Ec2Error::value("A VPC attachment needs at least one subnet."));
    }
    check_subnets(&cx.world.ec2, &vpc, &subnets)?;
    let appliance_mode = mode.unwrap_or(appliance_mode);
    let changed = Attachment {
        kind: AttachmentKind::Vpc { vpc, subnets, appliance_mode },
        state: Progress::changing(reads),
        ..attachment
    };
    cx.ec2().attachments.insert(id.clone(), changed.clone());
    let mut xml = Xml::default();
    xml.node("transitGatewayVpcAttachment", |xml| write_vpc(xml, &id, &changed));
    Ok(xml)
}

pub(super) fn delete_vpc(cx: &mut Cx<'_>) -> Result<Xml> {
    let reads = cx.switches.attachment_pending_reads;
    let (id, attachment) = own_vpc_attachment(cx)?;
    attachment.state = Progress::unmaking(reads);
    let mut xml = Xml::default();
    xml.node("transitGatewayVpcAttachment", |xml| write_vpc(xml, &id, attachment));
    forget(cx.ec2(), &id);
    Ok(xml)
}

/// Takes a deleted attachment out of all associations and propagations. Static routes to it stay, as blackholes.
pub(super) fn forget(ec2: &mut Ec2, id: &str) {
    for table in ec2.tgw_route_tables.values_mut() {
        table.associations.remove(id);
        table.propagations.remove(id);
    }
}
