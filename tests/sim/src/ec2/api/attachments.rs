//! Attachments of transit gateways: what all kinds have in common.

use super::{
    super::{Attachment, AttachmentKind, Ec2, Home, Kind, Progress},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    tags,
    tgws::state,
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

/// The attachments of one kind that the caller sees: described, filtered and paged. `values` gives what an attachment has
/// for a filter of its kind; the filters by id and state are known everywhere.
pub(super) fn describe_kind(
    cx: &mut Cx<'_>,
    set: &str,
    filters: &[&str],
    is_kind: fn(&AttachmentKind) -> bool,
    values: impl Fn(&Cx<'_>, &Attachment, &str) -> Vec<String>,
    write: fn(&mut Xml, &str, &Attachment),
) -> Result<Xml> {
    let known = [&["transit-gateway-attachment-id", "state", "tag-key"], filters].concat();
    let filters = cx.params.filters(&known)?;
    let ids = cx.params.ids("TransitGatewayAttachmentIds", Kind::Attachment)?;
    let ec2 = &cx.world.ec2;
    let seen = |it: &Attachment| is_kind(&it.kind) && visible(cx, it);
    cx.all_known(Kind::Attachment, &ids, |id| ec2.attachments.get(id).is_some_and(seen))?;
    let found = ec2
        .attachments
        .iter()
        .filter(|(id, it)| {
            seen(it)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&it.tags, |filter| match filter {
                    "transit-gateway-attachment-id" => one(id),
                    "state" => one(state(it.state)),
                    filter => values(cx, it, filter),
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set(set, &page, |xml, id| {
        if let Some(attachment) = ec2.attachments.get(id) {
            write(xml, id, attachment);
        }
    });
    xml.maybe("nextToken", next);
    see(cx.ec2(), &page);
    Ok(xml)
}

/// The attachment of this kind that the request names, if the caller sees it and it is not gone.
pub(super) fn named(cx: &Cx<'_>, is_kind: fn(&AttachmentKind) -> bool) -> Result<(String, Attachment)> {
    let id = cx.params.id("TransitGatewayAttachmentId", Kind::Attachment)?;
    let found = cx.world.ec2.attachments.get(id);
    let found = found.filter(|it| is_kind(&it.kind) && it.state != Progress::Deleted && visible(cx, it));
    found.map(|it| (id.to_owned(), it.clone())).ok_or_else(|| Ec2Error::not_found(Kind::Attachment, id))
}

/// Puts a changed attachment in its place, and answers with it.
pub(super) fn put(
    cx: &mut Cx<'_>,
    id: String,
    attachment: Attachment,
    name: &str,
    write: fn(&mut Xml, &str, &Attachment),
) -> Xml {
    let mut xml = Xml::default();
    xml.node(name, |xml| write(xml, &id, &attachment));
    if attachment.state.is_going() {
        forget(cx.ec2(), &id);
    }
    cx.ec2().attachments.insert(id.clone(), attachment);
    cx.ec2().keep_tgw_interfaces(&id);
    xml
}

pub(super) fn invalid_state(id: &str) -> Ec2Error {
    Ec2Error::state(format!("{id} is in invalid state"))
}

/// Takes a deleted attachment out of all associations and propagations. Static routes to it stay, as blackholes.
fn forget(ec2: &mut Ec2, id: &str) {
    for table in ec2.tgw_route_tables.values_mut() {
        table.associations.remove(id);
        table.propagations.remove(id);
    }
}
