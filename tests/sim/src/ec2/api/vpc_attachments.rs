//! Attachments of VPCs to transit gateways.
//!
//! A VPC of another account is attached where the transit gateway is shared with that account, and waits for the
//! gateway's owner to accept it. Source: Amazon VPC Transit Gateways guide, "Shared transit gateways".

use std::collections::BTreeSet;

use super::{
    super::{Attachment, AttachmentKind, Ec2, Kind, Progress},
    Cx, Ec2Error, Result,
    attachments::{describe_kind, invalid_state, named, put},
    params::one,
    tags,
    tgws::{attachable, state},
    xml::Xml,
};

const NODE: &str = "transitGatewayVpcAttachment";

fn is_vpc(kind: &AttachmentKind) -> bool {
    matches!(kind, AttachmentKind::Vpc { .. })
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let values = |_: &Cx<'_>, it: &Attachment, filter: &str| match (&it.kind, filter) {
        (_, "transit-gateway-id") => one(&it.tgw),
        (AttachmentKind::Vpc { vpc, .. }, _) => one(vpc),
        _ => Vec::new(),
    };
    describe_kind(cx, "transitGatewayVpcAttachments", &["transit-gateway-id", "vpc-id"], is_vpc, values, write)
}

fn write(xml: &mut Xml, id: &str, attachment: &Attachment) {
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

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let tgw = cx.params.id("TransitGatewayId", Kind::Tgw)?.to_owned();
    let vpc = cx.params.id("VpcId", Kind::Vpc)?.to_owned();
    let subnets: BTreeSet<String> = cx.params.ids("SubnetIds", Kind::Subnet)?.into_iter().map(str::to_owned).collect();
    if subnets.is_empty() {
        return Err(Ec2Error::missing("SubnetIds"));
    }
    let gateway = attachable(cx, &tgw)?;
    let waits = !cx.owns(&gateway.home) && !gateway.auto_accept;
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
    let making = Progress::making(cx.switches.attachment_pending_reads);
    let attachment = Attachment {
        home: cx.home(),
        tgw,
        kind: AttachmentKind::Vpc { vpc, subnets, appliance_mode },
        state: if waits { Progress::PendingAcceptance } else { making },
        created: cx.now,
        tags: cx.params.tag_specification("transit-gateway-attachment"),
    };
    let id = cx.new_id("tgw-attach");
    if !waits {
        join_defaults(cx, &attachment.tgw, &id);
    }
    Ok(put(cx, id, attachment, NODE, write))
}

/// Associates an attachment with the default tables of its transit gateway, where that has such.
fn join_defaults(cx: &mut Cx<'_>, tgw: &str, id: &str) {
    let making = Progress::making(cx.switches.attachment_pending_reads);
    let ec2 = cx.ec2();
    let Some(gateway) = ec2.tgws.get(tgw).cloned() else { return };
    if let Some(table) = gateway.default_association_table.and_then(|table| ec2.tgw_route_tables.get_mut(&table)) {
        table.associations.insert(id.to_owned(), making);
    }
    if let Some(table) = gateway.default_propagation_table.and_then(|table| ec2.tgw_route_tables.get_mut(&table)) {
        table.propagations.insert(id.to_owned(), making);
    }
}

/// An attachment that waits for the caller, who owns the transit gateway.
fn waiting(cx: &Cx<'_>) -> Result<(String, Attachment)> {
    let (id, attachment) = named(cx, is_vpc)?;
    if !cx.world.ec2.tgws.get(&attachment.tgw).is_some_and(|tgw| cx.owns(&tgw.home)) {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    }
    if attachment.state == Progress::PendingAcceptance { Ok((id, attachment)) } else { Err(invalid_state(&id)) }
}

pub(super) fn accept(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut attachment) = waiting(cx)?;
    attachment.state = Progress::making(cx.switches.attachment_pending_reads);
    join_defaults(cx, &attachment.tgw, &id);
    Ok(put(cx, id, attachment, NODE, write))
}

/// A rejected attachment goes away, as a deleted one.
pub(super) fn reject(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut attachment) = waiting(cx)?;
    attachment.state = Progress::unmaking(cx.switches.attachment_pending_reads);
    Ok(put(cx, id, attachment, NODE, write))
}

pub(super) fn modify(cx: &mut Cx<'_>) -> Result<Xml> {
    let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let add = names(cx.params.ids("AddSubnetIds", Kind::Subnet)?);
    let remove = names(cx.params.ids("RemoveSubnetIds", Kind::Subnet)?);
    let mode = cx.params.get("Options.ApplianceModeSupport").map(|value| value == "enable");
    let (id, mut attachment) = available(cx)?;
    // What is attached is the VPC owner's matter.
    let AttachmentKind::Vpc { vpc, subnets, appliance_mode } = &mut attachment.kind else {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    };
    if !cx.owns(&attachment.home) {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    }
    if let Some(missing) = remove.iter().find(|subnet| !subnets.contains(*subnet)) {
        return Err(Ec2Error::not_found(Kind::Subnet, missing));
    }
    subnets.extend(add);
    subnets.retain(|subnet| !remove.contains(subnet));
    if subnets.is_empty() {
        return Err(Ec2Error::value("A VPC attachment needs at least one subnet."));
    }
    check_subnets(&cx.world.ec2, vpc, subnets)?;
    *appliance_mode = mode.unwrap_or(*appliance_mode);
    attachment.state = Progress::changing(cx.switches.attachment_pending_reads);
    Ok(put(cx, id, attachment, NODE, write))
}

/// The VPC attachment that the request names, if it is available.
fn available(cx: &Cx<'_>) -> Result<(String, Attachment)> {
    let (id, attachment) = named(cx, is_vpc)?;
    if attachment.state == Progress::Available { Ok((id, attachment)) } else { Err(invalid_state(&id)) }
}

/// The owner of the VPC may delete it, and the owner of the transit gateway.
pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut attachment) = available(cx)?;
    attachment.state = Progress::unmaking(cx.switches.attachment_pending_reads);
    Ok(put(cx, id, attachment, NODE, write))
}
