//! Peerings between transit gateways: asked for at one side, accepted at the other.

use super::{
    super::{Attachment, AttachmentKind, Home, Kind, Progress},
    Cx, Ec2Error, Result,
    attachments::{describe_kind, invalid_state, named, put},
    params::one,
    tags,
    tgws::{available, state},
    xml::Xml,
};

const NODE: &str = "transitGatewayPeeringAttachment";

/// The accepting transit gateway and its home.
fn accepter(attachment: &Attachment) -> Option<(&str, &Home)> {
    match &attachment.kind {
        AttachmentKind::Peering { peer_tgw, peer } => Some((peer_tgw, peer)),
        AttachmentKind::Vpc { .. } | AttachmentKind::Vpn { .. } | AttachmentKind::DirectConnectGateway { .. } => None,
    }
}

fn is_peering(kind: &AttachmentKind) -> bool {
    matches!(kind, AttachmentKind::Peering { .. })
}

fn write(xml: &mut Xml, id: &str, attachment: &Attachment) {
    let Some(far) = accepter(attachment) else { return };
    xml.text("transitGatewayAttachmentId", id);
    for (name, (tgw, home)) in
        [("requesterTgwInfo", (attachment.tgw.as_str(), &attachment.home)), ("accepterTgwInfo", far)]
    {
        xml.node(name, |xml| {
            let kind = if tgw.starts_with("core-network-") { "coreNetworkId" } else { "transitGatewayId" };
            xml.text(kind, tgw).text("ownerId", &home.account).text("region", &home.region);
        });
    }
    xml.node("status", |xml| {
        xml.text("code", state(attachment.state));
    })
    .text("state", state(attachment.state))
    .text("creationTime", attachment.created);
    tags::write(xml, &attachment.tags);
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let tgw = cx.params.id("TransitGatewayId", Kind::Tgw)?.to_owned();
    let peer_tgw = cx.params.id("PeerTransitGatewayId", Kind::Tgw)?.to_owned();
    let region = cx.params.need("PeerRegion")?.to_owned();
    let account = cx.params.need("PeerAccountId")?.to_owned();
    available(cx, &tgw)?;
    let peer = Home { region, account };
    if cx.world.ec2.tgws.get(&peer_tgw).is_none_or(|found| found.home != peer) {
        return Err(Ec2Error::not_found(Kind::Tgw, &peer_tgw));
    }
    // One peering between two transit gateways. Source: Amazon VPC Transit Gateways guide, "Quotas".
    let duplicate = cx.world.ec2.attachments.values().any(|it| {
        accepter(it).is_some_and(|(far, _)| {
            !it.state.is_going() && ((it.tgw == tgw && far == peer_tgw) || (it.tgw == peer_tgw && far == tgw))
        })
    });
    if duplicate {
        let message =
            format!("{tgw} has non-deleted Transit Gateway Attachments with same Transit Gateway {peer_tgw}.");
        return Err(Ec2Error::new("DuplicateTransitGatewayAttachment", message));
    }
    let attachment = Attachment {
        home: cx.home(),
        tgw,
        kind: AttachmentKind::Peering { peer_tgw, peer },
        state: Progress::PendingAcceptance,
        created: cx.now,
        tags: cx.params.tag_specification("transit-gateway-attachment"),
    };
    let id = cx.new_id("tgw-attach");
    Ok(put(cx, id, attachment, NODE, write))
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let values = |cx: &Cx<'_>, it: &Attachment, filter: &str| match filter {
        "transit-gateway-id" => it.sides().iter().map(|(tgw, _)| (*tgw).to_owned()).collect(),
        "local-owner-id" => one(&cx.caller.account),
        _ => accepter(it).map(|(_, home)| home.account.clone()).into_iter().collect(),
    };
    let filters = ["transit-gateway-id", "local-owner-id", "remote-owner-id"];
    describe_kind(cx, "transitGatewayPeeringAttachments", &filters, is_peering, values, write)
}

/// Accepting is for the far side.
pub(super) fn accept(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut attachment) = named(cx, is_peering)?;
    if accepter(&attachment).is_none_or(|(_, far)| !cx.owns(far)) {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    }
    if attachment.state != Progress::PendingAcceptance {
        return Err(invalid_state(&id));
    }
    attachment.state = Progress::making(cx.switches.attachment_pending_reads);
    Ok(put(cx, id, attachment, NODE, write))
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let (id, mut attachment) = named(cx, is_peering)?;
    if !matches!(attachment.state, Progress::Available | Progress::PendingAcceptance) {
        return Err(invalid_state(&id));
    }
    attachment.state = Progress::unmaking(cx.switches.attachment_pending_reads);
    Ok(put(cx, id, attachment, NODE, write))
}
