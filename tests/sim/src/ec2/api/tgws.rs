//! Transit gateways.

use super::{
    super::{Attachment, Kind, Progress, TgwRouteTable, TransitGateway, load::DEFAULT_ASN},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    tags,
    xml::Xml,
};

/// EC2's name of a progress.
pub(super) fn state(progress: Progress) -> &'static str {
    match progress {
        Progress::Pending(_) => "pending",
        Progress::PendingAcceptance => "pendingAcceptance",
        Progress::Modifying(_) => "modifying",
        Progress::Available => "available",
        Progress::Deleting(_) => "deleting",
        Progress::Deleted => "deleted",
    }
}

/// Whether the caller sees a transit gateway: as its owner, as one that it is shared with, or by an attached VPC.
pub(super) fn visible(cx: &Cx<'_>, id: &str, tgw: &TransitGateway) -> bool {
    let attached = |it: &Attachment| it.tgw == id && it.state != Progress::Deleted && cx.owns(&it.home);
    let shared = tgw.home.region == cx.caller.region && tgw.shared_with.contains(&cx.caller.account);
    cx.owns(&tgw.home) || shared || cx.world.ec2.attachments.values().any(attached)
}

/// A transit gateway that the caller may attach a VPC to, there and not on its way.
pub(super) fn attachable<'a>(cx: &'a Cx<'_>, id: &str) -> Result<&'a TransitGateway> {
    let found = cx.world.ec2.tgws.get(id).filter(|tgw| visible(cx, id, tgw));
    there(id, found)
}

fn there<'a>(id: &str, found: Option<&'a TransitGateway>) -> Result<&'a TransitGateway> {
    let found = found.filter(|tgw| !tgw.state.is_going()).ok_or_else(|| Ec2Error::not_found(Kind::Tgw, id))?;
    if found.state == Progress::Available {
        Ok(found)
    } else {
        Err(Ec2Error::state(format!("Transit Gateway {id} is in invalid state {}.", state(found.state))))
    }
}

/// A transit gateway of the caller that is there and not on its way.
pub(super) fn available<'a>(cx: &'a Cx<'_>, id: &str) -> Result<&'a TransitGateway> {
    there(id, cx.world.ec2.tgws.get(id).filter(|tgw| cx.owns(&tgw.home)))
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let asn = cx.params.parse("Options.AmazonSideAsn")?.unwrap_or(DEFAULT_ASN);
    let associate = cx.params.get("Options.DefaultRouteTableAssociation") != Some("disable");
    let propagate = cx.params.get("Options.DefaultRouteTablePropagation") != Some("disable");
    let description = cx.params.get("Description").unwrap_or_default().to_owned();
    let tags = cx.params.tag_specification("transit-gateway");
    let (id, home, created) = (cx.new_id("tgw"), cx.home(), cx.now);
    let table = (associate || propagate).then(|| cx.new_id("tgw-rtb"));
    let gateway = TransitGateway {
        home: home.clone(),
        state: Progress::making(cx.switches.attachment_pending_reads),
        description,
        asn,
        shared_with: Default::default(),
        auto_accept: cx.params.get("Options.AutoAcceptSharedAttachments") == Some("enable"),
        default_association_table: table.clone().filter(|_| associate),
        default_propagation_table: table.clone().filter(|_| propagate),
        created,
        tags,
    };
    if let Some(table) = table {
        cx.ec2().tgw_route_tables.insert(table, TgwRouteTable::empty(home, id.clone(), created));
    }
    cx.ec2().tgws.insert(id.clone(), gateway.clone());
    let mut xml = Xml::default();
    xml.node("transitGateway", |xml| write(xml, &id, &gateway));
    Ok(xml)
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 7] = [
        "transit-gateway-id",
        "state",
        "owner-id",
        "options.amazon-side-asn",
        "options.association-default-route-table-id",
        "options.propagation-default-route-table-id",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("TransitGatewayIds", Kind::Tgw)?;
    let seen = |id: &str, tgw: &TransitGateway| visible(cx, id, tgw);
    cx.all_known(Kind::Tgw, &ids, |id| cx.world.ec2.tgws.get(id).is_some_and(|tgw| seen(id, tgw)))?;
    let found = cx
        .world
        .ec2
        .tgws
        .iter()
        .filter(|(id, tgw)| {
            seen(id, tgw)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&tgw.tags, |filter| match filter {
                    "transit-gateway-id" => one(id),
                    "state" => one(state(tgw.state)),
                    "owner-id" => one(&tgw.home.account),
                    "options.amazon-side-asn" => one(tgw.asn),
                    "options.association-default-route-table-id" => {
                        tgw.default_association_table.iter().cloned().collect()
                    }
                    _ => tgw.default_propagation_table.iter().cloned().collect(),
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewaySet", page, |xml, id| {
        if let Some(tgw) = cx.world.ec2.tgws.get_mut(&id) {
            write(xml, &id, tgw);
            tgw.state = tgw.state.seen();
        }
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

fn write(xml: &mut Xml, id: &str, tgw: &TransitGateway) {
    let enabled = |on: bool| if on { "enable" } else { "disable" };
    xml.text("transitGatewayId", id)
        .text("transitGatewayArn", format!("arn:aws:ec2:{}:{}:transit-gateway/{id}", tgw.home.region, tgw.home.account))
        .text("state", state(tgw.state))
        .text("ownerId", &tgw.home.account)
        .text("description", &tgw.description)
        .text("creationTime", tgw.created)
        .node("options", |xml| {
            xml.text("amazonSideAsn", tgw.asn)
                .text("autoAcceptSharedAttachments", enabled(tgw.auto_accept))
                .text("defaultRouteTableAssociation", enabled(tgw.default_association_table.is_some()))
                .maybe("associationDefaultRouteTableId", tgw.default_association_table.as_ref())
                .text("defaultRouteTablePropagation", enabled(tgw.default_propagation_table.is_some()))
                .maybe("propagationDefaultRouteTableId", tgw.default_propagation_table.as_ref())
                .text("vpnEcmpSupport", "enable")
                .text("dnsSupport", "enable")
                .text("multicastSupport", "disable");
        });
    tags::write(xml, &tgw.tags);
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("TransitGatewayId", Kind::Tgw)?.to_owned();
    available(cx, &id)?;
    let reads = cx.switches.attachment_pending_reads;
    let ec2 = cx.ec2();
    let attached = |it: &Attachment| !it.state.is_going() && it.sides().iter().any(|(tgw, _)| *tgw == id);
    if ec2.attachments.values().any(attached) {
        let message = format!("{id} has non-deleted Transit Gateway Attachments.");
        return Err(Ec2Error::state(message));
    }
    ec2.tgw_route_tables.retain(|_, table| table.tgw != id);
    let mut xml = Xml::default();
    if let Some(tgw) = ec2.tgws.get_mut(&id) {
        tgw.state = Progress::unmaking(reads);
        xml.node("transitGateway", |xml| write(xml, &id, tgw));
    }
    Ok(xml)
}
