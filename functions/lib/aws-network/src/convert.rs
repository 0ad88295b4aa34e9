//! From EC2's words to those of the model. What cannot be read is an error, never left out.

use aws_sdk_ec2::types::{
    NetworkInterfaceStatus, Route, RouteOrigin as EC2Origin, RouteState as VpcRouteState, Tag,
    TransitGatewayAttachmentResourceType as ResourceType, TransitGatewayAttachmentState,
    TransitGatewayPrefixListReference, TransitGatewayPrefixListReferenceState, TransitGatewayRoute,
    TransitGatewayRouteState, TransitGatewayRouteType,
};
use holdfast_model::{
    AttachmentId, AttachmentState, EniId, EniStatus, Prefix, PrefixListId, PrefixListReference, ReferenceState,
    RouteOrigin, RouteState, TgwId, TgwRoute, VpcPeeringId, VpcRoute, VpcRouteOrigin, VpcTarget,
};
use std::fmt::Display;

/// Parses a field that EC2 always fills.
pub(crate) fn parse<T>(field: &str, text: Option<&str>) -> Result<T, String>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    let text = text.ok_or_else(|| format!("no {field}"))?;
    T::try_from(text.to_owned()).map_err(|error| format!("{field}: {error}"))
}

/// The Name tag, when it is not empty.
pub(crate) fn name_tag(tags: &[Tag]) -> Option<String> {
    tags.iter()
        .find(|tag| tag.key() == Some("Name"))
        .and_then(Tag::value)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// The service that made a thing for itself, by its tags. AWS FIS marks the tables that its cross-Region scenario makes:
/// <https://docs.aws.amazon.com/fis/latest/userguide/cross-region-scenario.html>
pub(crate) fn managed_by(tags: &[Tag]) -> Option<String> {
    let fis = |tag: &&Tag| tag.key() == Some("managedByFIS") && tag.value() != Some("false");
    tags.iter().find(fis).map(|_| "AWS FIS".to_owned())
}

pub(crate) fn attachment_state(state: Option<&TransitGatewayAttachmentState>) -> AttachmentState {
    use TransitGatewayAttachmentState as S;
    match state {
        Some(S::Available) => AttachmentState::Available,
        Some(
            S::Initiating | S::InitiatingRequest | S::Modifying | S::Pending | S::PendingAcceptance | S::RollingBack,
        ) => AttachmentState::Changing,
        Some(S::Deleted | S::Deleting | S::Failed | S::Failing | S::Rejected | S::Rejecting) => AttachmentState::Gone,
        _ => AttachmentState::Unknown,
    }
}

pub(crate) fn route_state(state: Option<&TransitGatewayRouteState>) -> RouteState {
    use TransitGatewayRouteState as S;
    match state {
        Some(S::Active) => RouteState::Active,
        Some(S::Blackhole) => RouteState::Blackhole,
        Some(S::Pending) => RouteState::Pending,
        Some(S::Deleting) => RouteState::Deleting,
        _ => RouteState::Unknown,
    }
}

pub(crate) fn eni_status(status: Option<&NetworkInterfaceStatus>) -> EniStatus {
    use NetworkInterfaceStatus as S;
    match status {
        Some(S::Available) => EniStatus::Available,
        Some(S::InUse | S::Associated | S::Attaching | S::Detaching) => EniStatus::InUse,
        _ => EniStatus::Unknown,
    }
}

/// Which of several routes for one prefix decides; the lowest wins.
/// <https://docs.aws.amazon.com/vpc/latest/tgw/how-transit-gateways-work.html#tgw-route-evaluation-overview>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precedence {
    Static,
    PrefixList,
    Vpc,
    DirectConnectGateway,
    Connect,
    Vpn,
    Other,
}

/// A route of a transit gateway with its prefix and precedence; none for IPv6 and for routes that are gone.
pub(crate) fn tgw_route(route: &TransitGatewayRoute) -> Result<Option<(Prefix, Precedence, TgwRoute)>, String> {
    // IPv6 routes never carry a network of ours.
    if route.destination_cidr_block().is_some_and(|text| text.contains(':'))
        || route.state() == Some(&TransitGatewayRouteState::Deleted)
    {
        return Ok(None);
    }
    let prefix = parse::<Prefix>("prefix of a route", route.destination_cidr_block())?;
    let origin = match route.r#type() {
        Some(TransitGatewayRouteType::Static) => match route.prefix_list_id().filter(|id| !id.is_empty()) {
            Some(list) => RouteOrigin::PrefixList { id: parse::<PrefixListId>("prefix list of a route", Some(list))? },
            None => RouteOrigin::Static,
        },
        Some(TransitGatewayRouteType::Propagated) => RouteOrigin::Propagated,
        other => return Err(format!("route {prefix} is of type {other:?}")),
    };
    let attachments = route.transit_gateway_attachments();
    let mut targets = attachments
        .iter()
        .map(|at| parse::<AttachmentId>("attachment of a route", at.transit_gateway_attachment_id()))
        .collect::<Result<Vec<_>, _>>()?;
    targets.sort();
    let precedence = match &origin {
        RouteOrigin::Static => Precedence::Static,
        RouteOrigin::PrefixList { .. } => Precedence::PrefixList,
        RouteOrigin::Propagated => match attachments.first().and_then(|at| at.resource_type()) {
            Some(ResourceType::Vpc) => Precedence::Vpc,
            Some(ResourceType::DirectConnectGateway) => Precedence::DirectConnectGateway,
            Some(ResourceType::Connect) => Precedence::Connect,
            Some(ResourceType::Vpn) => Precedence::Vpn,
            _ => Precedence::Other,
        },
    };
    Ok(Some((prefix, precedence, TgwRoute { origin, state: route_state(route.state()), targets })))
}

/// What a route of a VPC table is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    Prefix(Prefix),
    List(PrefixListId),
}

/// A route of a VPC table with its destination; none for IPv6 and for the prefix lists of gateway endpoints, which hold addresses of AWS services.
pub(crate) fn vpc_route(route: &Route) -> Result<Option<(Destination, VpcRoute)>, String> {
    let list = route.destination_prefix_list_id().filter(|id| !id.is_empty());
    let destination = match (list, route.destination_cidr_block().filter(|text| !text.is_empty())) {
        (Some(_), _) if route.gateway_id().is_some_and(|id| id.starts_with("vpce-")) => return Ok(None),
        (Some(list), _) => Destination::List(parse::<PrefixListId>("prefix list of a route", Some(list))?),
        (None, Some(text)) => Destination::Prefix(parse::<Prefix>("prefix of a route", Some(text))?),
        (None, None) => return Ok(None),
    };
    let state = match route.state() {
        Some(VpcRouteState::Active) => RouteState::Active,
        Some(VpcRouteState::Blackhole) => RouteState::Blackhole,
        _ => RouteState::Unknown,
    };
    let target = if let Some(id) = route.transit_gateway_id() {
        VpcTarget::Tgw { id: parse::<TgwId>("target of a route", Some(id))? }
    } else if let Some(id) = route.network_interface_id() {
        VpcTarget::Eni { id: parse::<EniId>("target of a route", Some(id))? }
    } else if route.gateway_id() == Some("local") {
        VpcTarget::Local
    } else if let Some(id) = route.vpc_peering_connection_id() {
        VpcTarget::Peering { id: parse::<VpcPeeringId>("target of a route", Some(id))? }
    } else {
        let id = [
            route.gateway_id(),
            route.nat_gateway_id(),
            route.instance_id(),
            route.local_gateway_id(),
            route.carrier_gateway_id(),
            route.core_network_arn(),
            route.egress_only_internet_gateway_id(),
        ]
        .into_iter()
        .flatten()
        .next()
        .unwrap_or("no target")
        .to_owned();
        VpcTarget::Other { id }
    };
    let origin = match route.origin() {
        Some(EC2Origin::CreateRouteTable) => VpcRouteOrigin::Local,
        Some(EC2Origin::EnableVgwRoutePropagation) => VpcRouteOrigin::Propagated,
        _ => VpcRouteOrigin::Created,
    };
    Ok(Some((destination, VpcRoute { target, state, origin, written_by: None })))
}

/// A reference of a transit gateway route table with its list.
pub(crate) fn reference(
    found: &TransitGatewayPrefixListReference,
) -> Result<(PrefixListId, PrefixListReference), String> {
    use TransitGatewayPrefixListReferenceState as S;
    let list = parse::<PrefixListId>("prefix list of a reference", found.prefix_list_id())?;
    let attachment = found
        .transit_gateway_attachment()
        .and_then(|attachment| attachment.transit_gateway_attachment_id())
        .filter(|id| !id.is_empty());
    let attachment = match (attachment, found.blackhole()) {
        (Some(id), _) => Some(parse::<AttachmentId>("attachment of a reference", Some(id))?),
        (None, Some(true)) => None,
        (None, _) => return Err(format!("the reference to `{list}` has neither an attachment nor is it a blackhole")),
    };
    let state = match found.state() {
        Some(S::Available) => ReferenceState::Available,
        Some(S::Pending | S::Modifying) => ReferenceState::Changing,
        Some(S::Deleting) => ReferenceState::Deleting,
        _ => ReferenceState::Unknown,
    };
    Ok((list, PrefixListReference { attachment, state }))
}
