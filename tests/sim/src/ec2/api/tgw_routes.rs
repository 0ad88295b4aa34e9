//! Static routes of TGW route tables.

use ipnet::Ipv4Net;

use super::{
    super::{Ec2, Kind, Progress, RouteOrigin, RouteState, StaticRoute, TgwRoute},
    Cx, Ec2Error, Result,
    attachments::{invalid_state, resource},
    tgw_tables::{attachment, table},
    xml::Xml,
};

/// Where the request sends the prefix: to an available attachment of the table's transit gateway, or nowhere.
pub(super) fn target(cx: &Cx<'_>, tgw: &str) -> Result<Option<String>> {
    match (cx.params.get("TransitGatewayAttachmentId"), cx.params.flag("Blackhole")?) {
        (Some(_), false) => {
            let id = cx.params.id("TransitGatewayAttachmentId", Kind::Attachment)?;
            if attachment(cx, tgw, id)?.state == Progress::Available {
                Ok(Some(id.to_owned()))
            } else {
                Err(invalid_state(id))
            }
        }
        (None, true) => Ok(None),
        (None, false) => Err(Ec2Error::missing("TransitGatewayAttachmentId")),
        (Some(_), true) => {
            let message = "The parameter Blackhole cannot be used with the parameter TransitGatewayAttachmentId";
            Err(Ec2Error::new("InvalidParameterCombination", message))
        }
    }
}

fn no_route(prefix: Ipv4Net, table: &str) -> Ec2Error {
    let message = format!("Route {prefix} does not exist in Transit Gateway Route Table {table}");
    Ec2Error::new("InvalidRoute.NotFound", message)
}

/// Table and transit gateway of the request, and whether the table has a static route of this prefix.
fn named(cx: &mut Cx<'_>, prefix: &Ipv4Net) -> Result<(String, String, bool)> {
    let (id, found) = table(cx)?;
    Ok((id, found.tgw.clone(), found.routes.contains_key(prefix)))
}

/// Refuses what would bring a transit gateway above its quota of routes. The quota and its code are documented for
/// routes of a table: Amazon VPC Transit Gateways guide, "Quotas"; EC2 API reference, "Error codes".
pub(super) fn check_quota(cx: &Cx<'_>, tgw: &str, more: usize) -> Result<()> {
    let most = cx.switches.routes_per_transit_gateway;
    if cx.world.ec2.tgw_routes_counted(tgw) + more <= most {
        return Ok(());
    }
    let message = format!("The maximum number of routes of transit gateway {tgw} has been reached: {most}.");
    Err(Ec2Error::new("RouteLimitExceeded", message))
}

/// A static route for a prefix that has none. A propagated route of the prefix does not count: it gets hidden.
pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, tgw, there) = named(cx, &prefix)?;
    let target = target(cx, &tgw)?;
    if there {
        let message = format!("Route {prefix} already exists in Transit Gateway Route Table {id}");
        return Err(Ec2Error::new("RouteAlreadyExists", message));
    }
    check_quota(cx, &tgw, 1)?;
    Ok(put(cx, &id, prefix, target))
}

/// Another target for a prefix that has a static route.
pub(super) fn replace(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, tgw, there) = named(cx, &prefix)?;
    let target = target(cx, &tgw)?;
    if !there {
        return Err(no_route(prefix, &id));
    }
    Ok(put(cx, &id, prefix, target))
}

fn put(cx: &mut Cx<'_>, table: &str, prefix: Ipv4Net, attachment: Option<String>) -> Xml {
    let pending_reads = if attachment.is_some() { cx.switches.route_pending_reads } else { 0 };
    let stale_reads = cx.switches.stale_reads;
    if let Some(table) = cx.ec2().tgw_route_tables.get_mut(table) {
        table.keep_stale(stale_reads);
        table.routes.insert(prefix, StaticRoute { attachment, pending_reads });
    }
    let ec2 = &cx.world.ec2;
    let tgw = ec2.tgw_route_tables.get(table).map(|table| table.tgw.as_str()).unwrap_or_default();
    let mut xml = Xml::default();
    if let Some(route) = ec2.tgw_route(table, &prefix) {
        xml.node("route", |xml| write(xml, ec2, tgw, &route, state(route.state)));
    }
    xml
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let stale_reads = cx.switches.stale_reads;
    let (id, found) = table(cx)?;
    let tgw = found.tgw.clone();
    let Some(route) = found.routes.get(&prefix).cloned() else { return Err(no_route(prefix, &id)) };
    found.keep_stale(stale_reads);
    found.routes.remove(&prefix);
    let (origin, attachment) = (RouteOrigin::Static, route.attachment);
    let route = TgwRoute { prefix, origin, state: RouteState::Active, attachment, prefix_list: None };
    let mut xml = Xml::default();
    xml.node("route", |xml| write(xml, &cx.world.ec2, &tgw, &route, "deleted"));
    Ok(xml)
}

/// EC2's name of a route's state.
pub(super) fn state(state: RouteState) -> &'static str {
    match state {
        RouteState::Pending => "pending",
        RouteState::Active => "active",
        RouteState::Blackhole => "blackhole",
    }
}

/// EC2's name of a route's type.
pub(super) fn origin(origin: RouteOrigin) -> &'static str {
    match origin {
        RouteOrigin::Static | RouteOrigin::PrefixList => "static",
        RouteOrigin::Vpc | RouteOrigin::DirectConnect | RouteOrigin::Vpn => "propagated",
    }
}

pub(super) fn write(xml: &mut Xml, ec2: &Ec2, tgw: &str, route: &TgwRoute, state: &str) {
    xml.text("destinationCidrBlock", route.prefix).maybe("prefixListId", route.prefix_list.as_ref());
    if let Some(id) = &route.attachment {
        xml.set("transitGatewayAttachments", [id], |xml, id| {
            xml.text("transitGatewayAttachmentId", id);
            if let Some(found) = ec2.attachments.get(id) {
                let (kind, resource_id, _) = resource(ec2, found, tgw);
                xml.text("resourceId", resource_id).text("resourceType", kind);
            }
        });
    }
    xml.text("type", origin(route.origin)).text("state", state);
}
