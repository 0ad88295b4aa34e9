//! References of TGW route tables to managed prefix lists.
//!
//! Source: EC2 API reference, `CreateTransitGatewayPrefixListReference` and its kin. The code for a reference that is
//! there already, or not there, is nowhere documented; those of routes are given.

use super::{
    super::{Kind, PrefixListReference, Progress},
    Cx, Ec2Error, Result,
    attachments::resource,
    params::{PAGES, one},
    prefix_lists::open_list,
    tgw_routes::{check_quota, target},
    tgw_tables::table,
    tgws::state,
    xml::Xml,
};

const NODE: &str = "transitGatewayPrefixListReference";

fn write(xml: &mut Xml, cx: &Cx<'_>, table: &str, list: &str, reference: &PrefixListReference) {
    let ec2 = &cx.world.ec2;
    let state = match reference.state {
        Progress::Deleted => "deleting",
        other => state(other),
    };
    xml.text("transitGatewayRouteTableId", table)
        .text("prefixListId", list)
        .maybe("prefixListOwnerId", ec2.prefix_lists.get(list).map(|list| &list.home.account))
        .text("state", state)
        .text("blackhole", reference.attachment.is_none());
    let Some(id) = &reference.attachment else { return };
    xml.node("transitGatewayAttachment", |xml| {
        xml.text("transitGatewayAttachmentId", id);
        let tgw = ec2.tgw_route_tables.get(table).map(|table| table.tgw.as_str()).unwrap_or_default();
        if let Some(found) = ec2.attachments.get(id) {
            let (kind, resource_id, _) = resource(ec2, found, tgw);
            xml.text("resourceType", kind).text("resourceId", resource_id);
        }
    });
}

/// Table, its transit gateway, and list of the request; and the reference, if there is one.
fn named(cx: &mut Cx<'_>) -> Result<(String, String, String, Option<PrefixListReference>)> {
    let list = cx.params.id("PrefixListId", Kind::PrefixList)?.to_owned();
    let (id, found) = table(cx)?;
    let reference = found.prefix_lists.get(&list).cloned();
    Ok((id, found.tgw.clone(), list, reference))
}

fn put(cx: &mut Cx<'_>, table: &str, list: String, reference: PrefixListReference) -> Xml {
    let stale_reads = cx.switches.stale_reads;
    let mut xml = Xml::default();
    xml.node(NODE, |xml| write(xml, cx, table, &list, &reference));
    if let Some(table) = cx.ec2().tgw_route_tables.get_mut(table) {
        table.keep_stale(stale_reads);
        if reference.state == Progress::Deleted {
            table.prefix_lists.remove(&list);
        } else {
            table.prefix_lists.insert(list, reference);
        }
    }
    xml
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let (table, tgw, list, reference) = named(cx)?;
    let size = open_list(cx, &list)?.max_entries;
    let attachment = target(cx, &tgw)?;
    if reference.is_some() {
        let message = format!("Prefix list {list} is referenced in Transit Gateway Route Table {table} already");
        return Err(Ec2Error::new("RouteAlreadyExists", message));
    }
    check_quota(cx, &tgw, size)?;
    let state = Progress::making(cx.switches.prefix_list_pending_reads);
    Ok(put(cx, &table, list, PrefixListReference { attachment, state }))
}

/// The reference of the request, there and not on its way.
fn existing(cx: &mut Cx<'_>) -> Result<(String, String, String, PrefixListReference)> {
    let (table, tgw, list, reference) = named(cx)?;
    match reference {
        Some(reference) if reference.state == Progress::Available => Ok((table, tgw, list, reference)),
        Some(reference) => {
            let state = state(reference.state);
            Err(Ec2Error::state(format!("The reference to prefix list {list} in {table} is {state}")))
        }
        None => {
            let message = format!("Prefix list {list} is not referenced in Transit Gateway Route Table {table}");
            Err(Ec2Error::new("InvalidRoute.NotFound", message))
        }
    }
}

/// Leads all entries elsewhere, at once.
pub(super) fn modify(cx: &mut Cx<'_>) -> Result<Xml> {
    let (table, tgw, list, _) = existing(cx)?;
    let attachment = target(cx, &tgw)?;
    let state = Progress::changing(cx.switches.prefix_list_pending_reads);
    Ok(put(cx, &table, list, PrefixListReference { attachment, state }))
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let (table, _, list, reference) = existing(cx)?;
    let state = Progress::unmaking(cx.switches.prefix_list_pending_reads);
    Ok(put(cx, &table, list, PrefixListReference { state, ..reference }))
}

pub(super) fn get(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 7] = [
        "attachment.resource-id",
        "attachment.resource-type",
        "attachment.transit-gateway-attachment-id",
        "is-blackhole",
        "prefix-list-id",
        "prefix-list-owner-id",
        "state",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let (id, stale) = table(cx).map(|(id, table)| (id, table.read_stale()))?;
    let ec2 = &cx.world.ec2;
    let now = || ec2.tgw_route_tables.get(&id);
    let Some(view) = stale.as_ref().or_else(now) else { return Err(Ec2Error::not_found(Kind::TgwRouteTable, &id)) };
    let found: Vec<(String, PrefixListReference)> = view
        .prefix_lists
        .iter()
        .filter(|(list, reference)| {
            let attached = || {
                let found = ec2.attachments.get(reference.attachment.as_ref()?)?;
                Some(resource(ec2, found, &view.tgw))
            };
            filters.pass(&Default::default(), |filter| match filter {
                "attachment.resource-id" => attached().map(|(_, id, _)| id).into_iter().collect(),
                "attachment.resource-type" => attached().map(|(kind, ..)| kind.to_owned()).into_iter().collect(),
                "attachment.transit-gateway-attachment-id" => reference.attachment.iter().cloned().collect(),
                "is-blackhole" => one(reference.attachment.is_none()),
                "prefix-list-id" => one(list),
                "prefix-list-owner-id" => {
                    ec2.prefix_lists.get(list.as_str()).map(|list| list.home.account.clone()).into_iter().collect()
                }
                _ => one(state(reference.state)),
            })
        })
        .map(|(list, reference)| (list.clone(), reference.clone()))
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewayPrefixListReferenceSet", &page, |xml, (list, it)| write(xml, cx, &id, list, it));
    xml.maybe("nextToken", next);
    see(cx, &id, page.into_iter().map(|(list, _)| list));
    Ok(xml)
}

/// A read saw these references: what is on its way moves on.
pub(super) fn see(cx: &mut Cx<'_>, table: &str, lists: impl IntoIterator<Item = String>) {
    let Some(table) = cx.ec2().tgw_route_tables.get_mut(table) else { return };
    for list in lists {
        let Some(reference) = table.prefix_lists.get_mut(&list) else { continue };
        reference.state = reference.state.seen();
        if reference.state == Progress::Deleted {
            table.prefix_lists.remove(&list);
        }
    }
}
