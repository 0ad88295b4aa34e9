//! The calls of Direct Connect that are answered.

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::state::{gateway_of, uuid};
use crate::{
    ec2::{Attachment, AttachmentKind, Progress},
    front::{Caller, Refusal},
    world::World,
};

type Result<T> = std::result::Result<T, Refusal>;

/// Prefixes that one association may allow. Source: Direct Connect user guide, "Quotas": 200 from AWS to on-premises on
/// a transit virtual interface.
const MOST_PREFIXES: usize = 200;

fn refused(message: impl Into<String>) -> Refusal {
    Refusal { status: 400, code: "DirectConnectClientException".into(), message: message.into() }
}

/// Answers one action.
pub(crate) fn handle(world: &mut World, caller: &Caller, action: &str, body: &Value) -> Result<Value> {
    match action {
        "DescribeDirectConnectGateways" => gateways(world, caller, body),
        "DescribeDirectConnectGatewayAssociations" => associations(world, caller, body),
        "DescribeDirectConnectGatewayAttachments" => attachments(world, caller, body),
        "UpdateDirectConnectGatewayAssociation" => update(world, caller, body),
        _ => Err(Refusal {
            status: 400,
            code: "UnsupportedOperation".into(),
            message: format!("{action} of Direct Connect is not simulated"),
        }),
    }
}

fn text<'b>(body: &'b Value, key: &str) -> Option<&'b str> {
    body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Cuts one page out of a result; tokens are offsets.
fn page(name: &str, items: Vec<Value>, body: &Value) -> Result<Value> {
    let start: usize = match text(body, "nextToken") {
        Some(token) => token.parse().map_err(|_| refused("The token is invalid."))?,
        None => 0,
    };
    let size = body.get("maxResults").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(100);
    let next = (items.len() > start.saturating_add(size)).then(|| (start + size).to_string());
    let page: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let mut answer = json!({ name: page });
    if let (Some(next), Value::Object(answer)) = (next, &mut answer) {
        answer.insert("nextToken".into(), next.into());
    }
    Ok(answer)
}

fn gateways(world: &World, caller: &Caller, body: &Value) -> Result<Value> {
    let wanted = text(body, "directConnectGatewayId");
    let own = world.direct_connect.gateways.iter().filter(|(_, it)| it.account == caller.account);
    let found: Vec<Value> = own
        .filter(|(id, _)| wanted.is_none_or(|wanted| wanted == *id))
        .map(|(id, it)| {
            json!({
                "directConnectGatewayId": id,
                "directConnectGatewayName": it.name,
                "amazonSideAsn": it.asn,
                "ownerAccount": it.account,
                "directConnectGatewayState": "available",
            })
        })
        .collect();
    if let (Some(id), true) = (wanted, found.is_empty()) {
        return Err(refused(format!("Direct Connect Gateway {id} does not exist.")));
    }
    page("directConnectGateways", found, body)
}

fn attachments(world: &World, caller: &Caller, body: &Value) -> Result<Value> {
    let (gateway, interface) = (text(body, "directConnectGatewayId"), text(body, "virtualInterfaceId"));
    if gateway.is_none() && interface.is_none() {
        return Err(refused("Either directConnectGatewayId or virtualInterfaceId must be specified."));
    }
    let own = world.direct_connect.gateways.iter().filter(|(_, it)| it.account == caller.account);
    let found = own
        .filter(|(id, _)| gateway.is_none_or(|wanted| wanted == *id))
        .flat_map(|(id, it)| it.virtual_interfaces.iter().map(move |(vif, region)| (id, it, vif, region)))
        .filter(|(_, _, vif, _)| interface.is_none_or(|wanted| wanted == *vif))
        .map(|(id, it, vif, region)| {
            json!({
                "directConnectGatewayId": id,
                "virtualInterfaceId": vif,
                "virtualInterfaceRegion": region,
                "virtualInterfaceOwnerAccount": it.account,
                "attachmentState": "attached",
                "attachmentType": "TransitVirtualInterface",
            })
        })
        .collect();
    page("directConnectGatewayAttachments", found, body)
}

/// Attachments that are associations of a gateway, where the caller owns the gateway or the transit gateway.
fn seen<'w>(world: &'w World, caller: &'w Caller) -> impl Iterator<Item = (&'w str, &'w Attachment, &'w str)> {
    world.ec2.attachments.iter().filter_map(|(id, it)| {
        let gateway = gateway_of(it)?;
        let owner = &world.direct_connect.gateways.get(gateway)?.account;
        let visible = *owner == caller.account || it.home.account == caller.account;
        (visible && it.state != Progress::Deleted).then_some((id.as_str(), it, gateway))
    })
}

fn association(world: &World, id: &str, it: &Attachment, gateway: &str) -> Value {
    let allowed: Vec<Value> = match &it.kind {
        AttachmentKind::DirectConnectGateway { allowed, .. } => {
            allowed.iter().map(|prefix| json!({"cidr": prefix.to_string()})).collect()
        }
        AttachmentKind::Vpc { .. } | AttachmentKind::Vpn { .. } | AttachmentKind::Peering { .. } => Vec::new(),
    };
    let state = match it.state {
        Progress::Pending(_) | Progress::PendingAcceptance => "associating",
        Progress::Modifying(_) => "updating",
        Progress::Available => "associated",
        Progress::Deleting(_) => "disassociating",
        Progress::Deleted => "disassociated",
    };
    json!({
        "directConnectGatewayId": gateway,
        "directConnectGatewayOwnerAccount": world.direct_connect.gateways.get(gateway).map(|it| &it.account),
        "associationState": state,
        "associatedGateway": {
            "id": it.tgw,
            "type": "transitGateway",
            "ownerAccount": it.home.account,
            "region": it.home.region,
        },
        "associationId": uuid(id),
        "allowedPrefixesToDirectConnectGateway": allowed,
    })
}

fn associations(world: &mut World, caller: &Caller, body: &Value) -> Result<Value> {
    let wanted = |key| text(body, key);
    let (by_id, by_gateway) = (wanted("associationId"), wanted("directConnectGatewayId"));
    let by_tgw = wanted("associatedGatewayId").or(wanted("virtualGatewayId"));
    if by_id.is_none() && by_gateway.is_none() && by_tgw.is_none() {
        let message = "One of associationId, directConnectGatewayId or associatedGatewayId must be specified.";
        return Err(refused(message));
    }
    let fits = |wanted: Option<&str>, has: &str| wanted.is_none_or(|wanted| wanted == has);
    let found: Vec<(String, Value)> = seen(world, caller)
        .filter(|(id, it, gateway)| fits(by_id, &uuid(id)) && fits(by_gateway, gateway) && fits(by_tgw, &it.tgw))
        .map(|(id, it, gateway)| (id.to_owned(), association(world, id, it, gateway)))
        .collect();
    for (id, _) in &found {
        if let Some(it) = world.ec2.attachments.get_mut(id) {
            it.state = it.state.seen();
        }
    }
    page("directConnectGatewayAssociations", found.into_iter().map(|(_, shown)| shown).collect(), body)
}

fn prefixes(body: &Value, key: &str) -> Result<Vec<Ipv4Net>> {
    let list = body.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|entry| {
            let cidr = text(entry, "cidr").unwrap_or_default();
            let parsed = cidr.parse::<Ipv4Net>().ok().filter(|prefix| *prefix == prefix.trunc());
            parsed.ok_or_else(|| refused(format!("{cidr} is not a valid CIDR.")))
        })
        .collect()
}

/// Changes the allowed prefixes of an association. It is for the owner of the gateway.
fn update(world: &mut World, caller: &Caller, body: &Value) -> Result<Value> {
    let wanted = text(body, "associationId").ok_or_else(|| refused("associationId must be specified."))?;
    let (add, remove) = (
        prefixes(body, "addAllowedPrefixesToDirectConnectGateway")?,
        prefixes(body, "removeAllowedPrefixesToDirectConnectGateway")?,
    );
    let missing = || refused(format!("Association {wanted} does not exist."));
    let (id, it, gateway) = seen(world, caller).find(|(id, ..)| uuid(id) == wanted).ok_or_else(missing)?;
    if world.direct_connect.gateways.get(gateway).is_none_or(|found| found.account != caller.account) {
        return Err(missing());
    }
    let (id, gateway) = (id.to_owned(), gateway.to_owned());
    let mut changed = it.clone();
    let AttachmentKind::DirectConnectGateway { allowed, .. } = &mut changed.kind else { return Err(missing()) };
    if let Some(absent) = remove.iter().find(|prefix| !allowed.contains(*prefix)) {
        return Err(refused(format!("{absent} is not an allowed prefix of the association.")));
    }
    allowed.retain(|prefix| !remove.contains(prefix));
    allowed.extend(&add);
    if allowed.len() > MOST_PREFIXES {
        return Err(refused(format!("An association takes {MOST_PREFIXES} allowed prefixes at most.")));
    }
    let others = seen(world, caller).filter(|(other, _, at)| *other != id && *at == gateway);
    let taken = others.filter_map(|(_, it, _)| match &it.kind {
        AttachmentKind::DirectConnectGateway { allowed, .. } => Some(allowed),
        AttachmentKind::Vpc { .. } | AttachmentKind::Vpn { .. } | AttachmentKind::Peering { .. } => None,
    });
    let overlap = |a: &Ipv4Net, b: &Ipv4Net| a.contains(b) || b.contains(a);
    let clash = taken.flatten().find(|taken| add.iter().any(|prefix| overlap(prefix, taken))).copied();
    if let (Some(clash), false) = (clash, world.switches.direct_connect.overlapping_prefixes) {
        return Err(refused(format!("{clash} is allowed by another association of the gateway.")));
    }
    changed.state = Progress::changing(world.switches.ec2.attachment_pending_reads);
    let shown = association(world, &id, &changed, &gateway);
    world.ec2.attachments.insert(id, changed);
    Ok(json!({"directConnectGatewayAssociation": shown}))
}
