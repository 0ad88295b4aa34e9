//! Site-to-Site VPN connections of transit gateways, as far as they say how routes are exchanged.
//!
//! Source: EC2 API reference, `DescribeVpnConnections`; Site-to-Site VPN user guide, "Static and dynamic routing".

use super::{
    super::{Attachment, AttachmentKind, id::id as made_id},
    Cx, Ec2Error, Result,
    params::one,
    tags,
    tgws::state,
    xml::Xml,
};

/// The VPN of an attachment: its id, and whether it exchanges routes by BGP.
fn vpn(attachment: &Attachment) -> Option<(&str, bool, usize)> {
    match &attachment.kind {
        AttachmentKind::Vpn { resource, prefixes, bgp } => Some((resource, *bgp, prefixes.len())),
        AttachmentKind::Vpc { .. } | AttachmentKind::DirectConnectGateway { .. } | AttachmentKind::Peering { .. } => {
            None
        }
    }
}

/// All of the caller's connections at once: the call has no pages.
pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 6] =
        ["vpn-connection-id", "transit-gateway-id", "state", "type", "option.static-routes-only", "tag-key"];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.list("VpnConnectionId");
    let ec2 = &cx.world.ec2;
    let own = || {
        ec2.attachments
            .values()
            .filter(|it| cx.owns(&it.home))
            .filter_map(|it| vpn(it).map(|(id, bgp, routes)| (id, bgp, routes, it)))
    };
    if let Some(unknown) = ids.iter().find(|wanted| !own().any(|(id, ..)| id == **wanted)) {
        let message = format!("The vpnConnection ID '{unknown}' does not exist");
        return Err(Ec2Error::new("InvalidVpnConnectionID.NotFound", message));
    }
    let found = own().filter(|(id, bgp, _, it)| {
        (ids.is_empty() || ids.contains(id))
            && filters.pass(&it.tags, |filter| match filter {
                "vpn-connection-id" => one(id),
                "transit-gateway-id" => one(&it.tgw),
                "state" => one(state(it.state)),
                "type" => one("ipsec.1"),
                _ => one(!bgp),
            })
    });
    let mut xml = Xml::default();
    xml.set("vpnConnectionSet", found, |xml, (id, bgp, routes, it)| {
        xml.text("vpnConnectionId", id)
            .text("customerGatewayId", made_id("cgw", id))
            .text("transitGatewayId", &it.tgw)
            .text("state", state(it.state))
            .text("type", "ipsec.1")
            .text("category", "VPN")
            .text("gatewayAssociationState", "associated")
            .node("options", |xml| {
                xml.text("staticRoutesOnly", !bgp).text("enableAcceleration", false);
            })
            .set("vgwTelemetry", [()], |xml, ()| {
                xml.text("status", if it.carries() { "UP" } else { "DOWN" })
                    .text("statusMessage", if bgp { format!("{routes} BGP ROUTES") } else { String::new() })
                    .text("acceptedRouteCount", if bgp { routes } else { 0 });
            });
        tags::write(xml, &it.tags);
    });
    Ok(xml)
}
