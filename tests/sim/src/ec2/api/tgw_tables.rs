//! TGW route tables, their associations and propagations.

use std::collections::BTreeMap;

use super::{
    super::{Attachment, AttachmentKind, Kind, Progress, TgwRouteTable},
    Cx, Ec2Error, Result,
    attachments::{association_state, invalid_state, resource, visible},
    params::{PAGES, one},
    tags,
    tgws::{available, state},
    xml::Xml,
};

/// The table of the request: the caller's, there, and not on its way.
pub(super) fn table<'a>(cx: &'a mut Cx<'_>) -> Result<(String, &'a mut TgwRouteTable)> {
    let id = cx.params.id("TransitGatewayRouteTableId", Kind::TgwRouteTable)?.to_owned();
    let home = cx.home();
    let found =
        cx.world.ec2.tgw_route_tables.get_mut(&id).filter(|it| it.home == home && it.state != Progress::Deleted);
    match found {
        Some(table) if table.state == Progress::Available => Ok((id, table)),
        Some(_) => Err(Ec2Error::state(format!("Transit Gateway Route Table {id} is in invalid state"))),
        None => Err(Ec2Error::not_found(Kind::TgwRouteTable, &id)),
    }
}

/// An attachment of the table's transit gateway that is there.
pub(super) fn attachment<'a>(cx: &'a Cx<'_>, tgw: &str, id: &str) -> Result<&'a Attachment> {
    let found = cx.world.ec2.attachments.get(id);
    let found = found.filter(|it| it.state != Progress::Deleted && it.sides().iter().any(|(side, _)| *side == tgw));
    found.ok_or_else(|| Ec2Error::not_found(Kind::Attachment, id))
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let tgw = cx.params.id("TransitGatewayId", Kind::Tgw)?.to_owned();
    available(cx, &tgw)?;
    let table = TgwRouteTable {
        state: Progress::making(cx.switches.attachment_pending_reads),
        tags: cx.params.tag_specification("transit-gateway-route-table"),
        ..TgwRouteTable::empty(cx.home(), tgw, cx.now)
    };
    let id = cx.new_id("tgw-rtb");
    cx.ec2().tgw_route_tables.insert(id.clone(), table.clone());
    let mut xml = Xml::default();
    xml.node("transitGatewayRouteTable", |xml| write(xml, cx, &id, &table));
    Ok(xml)
}

fn is_default(cx: &Cx<'_>, id: &str, table: &TgwRouteTable) -> (bool, bool) {
    cx.world.ec2.tgws.get(&table.tgw).map_or((false, false), |tgw| {
        (tgw.default_association_table.as_deref() == Some(id), tgw.default_propagation_table.as_deref() == Some(id))
    })
}

fn write(xml: &mut Xml, cx: &Cx<'_>, id: &str, table: &TgwRouteTable) {
    let (association, propagation) = is_default(cx, id, table);
    xml.text("transitGatewayRouteTableId", id)
        .text("transitGatewayId", &table.tgw)
        .text("state", state(table.state))
        .text("defaultAssociationRouteTable", association)
        .text("defaultPropagationRouteTable", propagation)
        .text("creationTime", table.created);
    tags::write(xml, &table.tags);
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 6] = [
        "transit-gateway-route-table-id",
        "transit-gateway-id",
        "state",
        "default-association-route-table",
        "default-propagation-route-table",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("TransitGatewayRouteTableIds", Kind::TgwRouteTable)?;
    let tables = &cx.world.ec2.tgw_route_tables;
    cx.all_known(Kind::TgwRouteTable, &ids, |id| tables.get(id).is_some_and(|it| cx.owns(&it.home)))?;
    let found = tables
        .iter()
        .filter(|(id, table)| {
            let (association, propagation) = is_default(cx, id, table);
            cx.owns(&table.home)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&table.tags, |filter| match filter {
                    "transit-gateway-route-table-id" => one(id),
                    "transit-gateway-id" => one(&table.tgw),
                    "state" => one(state(table.state)),
                    "default-association-route-table" => one(association),
                    _ => one(propagation),
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewayRouteTables", &page, |xml, id| {
        if let Some(table) = tables.get(id) {
            write(xml, cx, id, table);
        }
    });
    xml.maybe("nextToken", next);
    for id in &page {
        if let Some(table) = cx.ec2().tgw_route_tables.get_mut(id) {
            table.state = table.state.seen();
        }
    }
    Ok(xml)
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let reads = cx.switches.attachment_pending_reads;
    let (id, mut found) = table(cx).map(|(id, table)| (id, table.clone()))?;
    if is_default(cx, &id, &found) != (false, false) {
        return Err(Ec2Error::state(format!("Cannot delete default Transit Gateway Route Table {id}")));
    }
    if !found.associations.is_empty() || !found.propagations.is_empty() || !found.prefix_lists.is_empty() {
        let message = format!(
            "Transit Gateway Route Table {id} has associated attachments, propagations or prefix list references"
        );
        return Err(Ec2Error::state(message));
    }
    found.state = Progress::unmaking(reads);
    cx.ec2().tgw_route_tables.insert(id.clone(), found.clone());
    let mut xml = Xml::default();
    xml.node("transitGatewayRouteTable", |xml| write(xml, cx, &id, &found));
    Ok(xml)
}

/// EC2's name of a propagation's progress.
fn propagation_state(progress: &Progress) -> &'static str {
    match progress {
        Progress::Pending(_) | Progress::PendingAcceptance | Progress::Modifying(_) => "enabling",
        Progress::Available => "enabled",
        Progress::Deleting(_) => "disabling",
        Progress::Deleted => "disabled",
    }
}

/// Whether the list of associations or that of propagations is meant.
#[derive(Clone, Copy)]
enum List {
    Associations,
    Propagations,
}

impl List {
    fn of(self, table: &mut TgwRouteTable) -> &mut BTreeMap<String, Progress> {
        match self {
            Self::Associations => &mut table.associations,
            Self::Propagations => &mut table.propagations,
        }
    }

    fn state(self, progress: &Progress) -> &'static str {
        match self {
            Self::Associations => association_state(progress),
            Self::Propagations => propagation_state(progress),
        }
    }
}

/// Table, its transit gateway and attachment of a request that joins or parts them.
fn pair(cx: &mut Cx<'_>) -> Result<(String, String, String)> {
    let (table, tgw) = table(cx).map(|(id, table)| (id, table.tgw.clone()))?;
    let id = cx.params.id("TransitGatewayAttachmentId", Kind::Attachment)?.to_owned();
    attachment(cx, &tgw, &id)?;
    Ok((table, tgw, id))
}

/// Writes an association or a propagation down and answers with it.
fn put(cx: &mut Cx<'_>, list: List, name: &str, pair: (String, String, String), progress: Progress) -> Result<Xml> {
    let (table, tgw, id) = pair;
    let mut xml = Xml::default();
    let found = attachment(cx, &tgw, &id)?;
    let (kind, resource_id, _) = resource(&cx.world.ec2, found, &tgw);
    xml.node(name, |xml| {
        xml.text("transitGatewayRouteTableId", &table)
            .text("transitGatewayAttachmentId", &id)
            .text("resourceId", resource_id)
            .text("resourceType", kind)
            .text("state", list.state(&progress));
    });
    if let Some(table) = cx.ec2().tgw_route_tables.get_mut(&table) {
        if progress == Progress::Deleted {
            list.of(table).remove(&id);
        } else {
            list.of(table).insert(id, progress);
        }
    }
    Ok(xml)
}

pub(super) fn associate(cx: &mut Cx<'_>) -> Result<Xml> {
    let pair = pair(cx)?;
    let (_, tgw, id) = &pair;
    if attachment(cx, tgw, id)?.state != Progress::Available {
        return Err(invalid_state(id));
    }
    let taken = cx.world.ec2.tgw_route_tables.values().any(|it| it.tgw == *tgw && it.associations.contains_key(id));
    if taken {
        let message = format!("Transit Gateway Attachment {id} is already associated to a route table.");
        return Err(Ec2Error::new("Resource.AlreadyAssociated", message));
    }
    let progress = Progress::making(cx.switches.attachment_pending_reads);
    put(cx, List::Associations, "association", pair, progress)
}

pub(super) fn disassociate(cx: &mut Cx<'_>) -> Result<Xml> {
    let pair = pair(cx)?;
    let (table, _, id) = &pair;
    let found = cx.world.ec2.tgw_route_tables.get(table).and_then(|table| table.associations.get(id));
    if found != Some(&Progress::Available) {
        let message = format!("Association between {id} and {table} does not exist or is on its way.");
        return Err(Ec2Error::new("InvalidAssociation.NotFound", message));
    }
    let progress = Progress::unmaking(cx.switches.attachment_pending_reads);
    put(cx, List::Associations, "association", pair, progress)
}

/// A propagation that is being disabled takes no other change until it is gone.
fn not_going(cx: &Cx<'_>, table: &str, id: &str) -> Result<()> {
    let found = cx.world.ec2.tgw_route_tables.get(table).and_then(|table| table.propagations.get(id));
    if found.is_some_and(|progress| progress.is_going()) {
        return Err(Ec2Error::state(format!("Propagation from {id} to {table} is in invalid state disabling.")));
    }
    Ok(())
}

pub(super) fn enable_propagation(cx: &mut Cx<'_>) -> Result<Xml> {
    let pair = pair(cx)?;
    let (table, tgw, id) = &pair;
    let found = attachment(cx, tgw, id)?;
    // Source: Amazon VPC Transit Gateways guide, "Transit gateway peering attachments": static routes only.
    if matches!(found.kind, AttachmentKind::Peering { .. }) {
        return Err(Ec2Error::value(format!("Propagation is not supported for peering attachment {id}.")));
    }
    if found.state != Progress::Available {
        return Err(invalid_state(id));
    }
    not_going(cx, table, id)?;
    if cx.world.ec2.tgw_route_tables.get(table).is_some_and(|table| table.propagations.contains_key(id)) {
        let message = format!("Propagation from {id} to {table} is enabled already.");
        return Err(Ec2Error::new("TransitGatewayRouteTablePropagation.Duplicate", message));
    }
    let progress = Progress::making(cx.switches.attachment_pending_reads);
    put(cx, List::Propagations, "propagation", pair, progress)
}

pub(super) fn disable_propagation(cx: &mut Cx<'_>) -> Result<Xml> {
    let pair = pair(cx)?;
    let (table, _, id) = &pair;
    not_going(cx, table, id)?;
    if !cx.world.ec2.tgw_route_tables.get(table).is_some_and(|table| table.propagations.contains_key(id)) {
        let message = format!("Propagation from {id} to {table} does not exist.");
        return Err(Ec2Error::new("TransitGatewayRouteTablePropagation.NotFound", message));
    }
    let progress = Progress::unmaking(cx.switches.attachment_pending_reads);
    put(cx, List::Propagations, "propagation", pair, progress)
}

pub(super) fn associations(cx: &mut Cx<'_>) -> Result<Xml> {
    list(cx, List::Associations, "associations")
}

pub(super) fn propagations(cx: &mut Cx<'_>) -> Result<Xml> {
    list(cx, List::Propagations, "transitGatewayRouteTablePropagations")
}

/// The tables that an attachment propagates to, for those who see the attachment: of the caller's tables.
pub(super) fn attachment_propagations(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&["transit-gateway-route-table-id"])?;
    let id = cx.params.id("TransitGatewayAttachmentId", Kind::Attachment)?.to_owned();
    let ec2 = &cx.world.ec2;
    if !ec2.attachments.get(&id).is_some_and(|it| it.state != Progress::Deleted && visible(cx, it)) {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    }
    let tables = ec2.tgw_route_tables.iter().filter(|(_, table)| cx.owns(&table.home));
    let found: Vec<(String, Progress)> = tables
        .filter_map(|(table, found)| Some((table.clone(), *found.propagations.get(&id)?)))
        .filter(|(table, _)| filters.pass(&Default::default(), |_| one(table)))
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewayAttachmentPropagations", &page, |xml, (table, progress)| {
        xml.text("transitGatewayRouteTableId", table).text("state", propagation_state(progress));
    });
    xml.maybe("nextToken", next);
    for (table, progress) in page {
        let Some(table) = cx.ec2().tgw_route_tables.get_mut(&table) else { continue };
        match progress.seen() {
            Progress::Deleted => table.propagations.remove(&id),
            seen => table.propagations.insert(id.clone(), seen),
        };
    }
    Ok(xml)
}

fn list(cx: &mut Cx<'_>, list: List, name: &str) -> Result<Xml> {
    let filters = cx.params.filters(&["resource-id", "resource-type", "transit-gateway-attachment-id"])?;
    let (id, mut found) = table(cx).map(|(id, table)| (id, table.clone()))?;
    let ec2 = &cx.world.ec2;
    let entries = list
        .of(&mut found)
        .clone()
        .into_iter()
        .filter_map(|(id, progress)| {
            let (kind, resource_id, _) = resource(ec2, ec2.attachments.get(&id)?, &found.tgw);
            Some((id, kind, resource_id, progress))
        })
        .filter(|(id, kind, resource_id, _)| {
            filters.pass(&Default::default(), |filter| match filter {
                "resource-id" => one(resource_id),
                "resource-type" => one(kind),
                _ => one(id),
            })
        })
        .collect();
    let (page, next) = cx.params.page(entries, PAGES)?;
    let mut xml = Xml::default();
    xml.set(name, &page, |xml, (id, kind, resource_id, progress)| {
        xml.text("transitGatewayAttachmentId", id)
            .text("resourceId", resource_id)
            .text("resourceType", kind)
            .text("state", list.state(progress));
    });
    xml.maybe("nextToken", next);
    if let Some(table) = cx.ec2().tgw_route_tables.get_mut(&id) {
        for (attachment, _, _, progress) in page {
            match progress.seen() {
                Progress::Deleted => list.of(table).remove(&attachment),
                seen => list.of(table).insert(attachment, seen),
            };
        }
    }
    Ok(xml)
}
