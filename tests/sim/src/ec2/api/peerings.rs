//! Peerings between transit gateways: asked for at one side, accepted at the other.

use super::{
    super::{Attachment, AttachmentKind, Home, Kind, Progress},
    Cx, Ec2Error, Result,
    attachments::{forget, invalid_state, see, visible},
    params::{PAGES, one},
    tags,
    tgws::{available, state},
    xml::Xml,
};

/// The accepting transit gateway and its home.
fn accepter(attachment: &Attachment) -> Option<(&str, &Home)> {
    match &attachment.kind {
        AttachmentKind::Peering { peer_tgw, peer } => Some((peer_tgw, peer)),
        AttachmentKind::Vpc { .. } | AttachmentKind::Vpn { .. } | AttachmentKind::DirectConnectGateway { .. } => None,
    }
}

fn write(xml: &mut Xml, id: &str, attachment: &Attachment) {
    let Some(far) = accepter(attachment) else { return };
    xml.text("transitGatewayAttachmentId", id);
    for (name, (tgw, home)) in
        [("requesterTgwInfo", (attachment.tgw.as_str(), &attachment.home)), ("accepterTgwInfo", far)]
    {
        xml.node(name, |xml| {
            xml.text("transitGatewayId", tgw).text("ownerId", &home.account).text("region", &home.region);
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
    cx.ec2().attachments.insert(id.clone(), attachment.clone());
    let mut xml = Xml::default();
    xml.node("transitGatewayPeeringAttachment", |xml| write(xml, &id, &attachment));
    Ok(xml)
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 6] = [
        "transit-gateway-attachment-id",
        "transit-gateway-id",
        "local-owner-id",
        "remote-owner-id",
        "state",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("TransitGatewayAttachmentIds", Kind::Attachment)?;
    let ec2 = &cx.world.ec2;
    let seen = |it: &Attachment| visible(cx, it) && accepter(it).is_some();
    cx.all_known(Kind::Attachment, &ids, |id| ec2.attachments.get(id).is_some_and(seen))?;
    let found = ec2
        .attachments
        .iter()
        .filter(|(id, it)| {
            seen(it)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&it.tags, |filter| match filter {
                    "transit-gateway-attachment-id" => one(id),
                    "transit-gateway-id" => it.sides().iter().map(|(tgw, _)| (*tgw).to_owned()).collect(),
                    "local-owner-id" => one(&cx.caller.account),
                    "remote-owner-id" => accepter(it).map(|(_, home)| home.account.clone()).into_iter().collect(),
                    _ => one(state(it.state)),
                })
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("transitGatewayPeeringAttachments", &page, |xml, id| {
        if let Some(attachment) = ec2.attachments.get(id) {
            write(xml, id, attachment);
        }
    });
    xml.maybe("nextToken", next);
    see(cx.ec2(), &page);
    Ok(xml)
}

/// A peering that the request names, of which the caller has a side.
fn own<'a>(cx: &'a mut Cx<'_>) -> Result<(String, &'a mut Attachment)> {
    let id = cx.params.id("TransitGatewayAttachmentId", Kind::Attachment)?.to_owned();
    let is_own = cx
        .world
        .ec2
        .attachments
        .get(&id)
        .is_some_and(|it| visible(cx, it) && accepter(it).is_some() && it.state != Progress::Deleted);
    match cx.ec2().attachments.get_mut(&id) {
        Some(found) if is_own => Ok((id, found)),
        _ => Err(Ec2Error::not_found(Kind::Attachment, &id)),
    }
}

pub(super) fn accept(cx: &mut Cx<'_>) -> Result<Xml> {
    let (home, reads) = (cx.home(), cx.switches.attachment_pending_reads);
    let (id, attachment) = own(cx)?;
    if accepter(attachment).is_none_or(|(_, far)| *far != home) {
        return Err(Ec2Error::not_found(Kind::Attachment, &id));
    }
    if attachment.state != Progress::PendingAcceptance {
        return Err(invalid_state(&id));
    }
    attachment.state = Progress::making(reads);
    let mut xml = Xml::default();
    xml.node("transitGatewayPeeringAttachment", |xml| write(xml, &id, attachment));
    Ok(xml)
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let reads = cx.switches.attachment_pending_reads;
    let (id, attachment) = own(cx)?;
    if !matches!(attachment.state, Progress::Available | Progress::PendingAcceptance) {
        return Err(invalid_state(&id));
    }
    attachment.state = Progress::unmaking(reads);
    let mut xml = Xml::default();
    xml.node("transitGatewayPeeringAttachment", |xml| write(xml, &id, attachment));
    forget(cx.ec2(), &id);
    Ok(xml)
}
