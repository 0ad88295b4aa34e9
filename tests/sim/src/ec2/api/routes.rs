//! Routes of VPC route tables.

use ipnet::Ipv4Net;

use super::{
    super::{Ec2, Kind, RouteTable, VpcRoute, VpcTarget},
    Cx, Ec2Error, Result, tags,
    xml::Xml,
};

/// The table of the request, if it is the caller's.
fn table<'a>(cx: &'a mut Cx<'_>) -> Result<(String, &'a mut RouteTable)> {
    let id = cx.params.id("RouteTableId", Kind::RouteTable)?.to_owned();
    let home = cx.home();
    match cx.world.ec2.route_tables.get_mut(&id).filter(|table| table.home == home) {
        Some(table) => Ok((id, table)),
        None => Err(Ec2Error::not_found(Kind::RouteTable, &id)),
    }
}

/// The one target that the request names, if the table's VPC can reach it.
fn target(cx: &Cx<'_>, table: &RouteTable) -> Result<VpcTarget> {
    const OTHERS: [&str; 9] = [
        "GatewayId",
        "NatGatewayId",
        "InstanceId",
        "VpcPeeringConnectionId",
        "VpcEndpointId",
        "CarrierGatewayId",
        "LocalGatewayId",
        "CoreNetworkArn",
        "EgressOnlyInternetGatewayId",
    ];
    if let Some(other) = OTHERS.iter().find(|name| cx.params.get(name).is_some()) {
        return Err(Ec2Error::new("UnsupportedOperation", format!("Routes to a {other} are not simulated.")));
    }
    let ec2 = &cx.world.ec2;
    match (cx.params.get("TransitGatewayId"), cx.params.get("NetworkInterfaceId")) {
        (Some(tgw), None) => {
            if ec2.tgws.get(tgw).is_none_or(|found| found.home.region != cx.caller.region) {
                return Err(Ec2Error::not_found(Kind::Tgw, tgw));
            }
            // EC2 says so of a transit gateway that the VPC is not attached to.
            if !ec2.is_attached(&table.vpc, tgw) {
                let message = format!("The transitGateway ID '{tgw}' does not exist.");
                return Err(Ec2Error::new("InvalidTransitGatewayID.NotFound", message));
            }
            Ok(VpcTarget::TransitGateway(tgw.to_owned()))
        }
        (None, Some(eni)) => {
            let Some(found) = ec2.enis.get(eni).filter(|found| cx.owns(&found.home)) else {
                return Err(Ec2Error::not_found(Kind::Eni, eni));
            };
            if found.vpc != table.vpc {
                let message = format!("route table and network interface {eni} belong to different networks");
                return Err(Ec2Error::value(message));
            }
            Ok(VpcTarget::NetworkInterface(eni.to_owned()))
        }
        (None, None) => Err(Ec2Error::missing("TransitGatewayId or NetworkInterfaceId")),
        (Some(_), Some(_)) => {
            Err(Ec2Error::new("InvalidParameterCombination", "The request must contain exactly one target."))
        }
    }
}

/// A prefix within the VPC must be one whole subnet, and may lead to an interface only.
/// Source: Amazon VPC user guide, "Route table concepts", rules for middlebox routing.
fn check_within_vpc(ec2: &Ec2, table: &RouteTable, prefix: &Ipv4Net, target: &VpcTarget) -> Result<()> {
    let vpc = ec2.vpcs.get(&table.vpc);
    if !vpc.is_some_and(|vpc| vpc.cidrs.iter().any(|cidr| cidr.contains(prefix))) {
        return Ok(());
    }
    if !matches!(target, VpcTarget::NetworkInterface(_)) {
        return Err(Ec2Error::value(format!(
            "The destination CIDR block {prefix} is equal to or more specific than one of this VPC's CIDR blocks. \
             This route can target only an interface or an instance."
        )));
    }
    if !ec2.subnets.values().any(|subnet| subnet.vpc == table.vpc && subnet.cidr == *prefix) {
        return Err(Ec2Error::value(format!(
            "The destination CIDR block {prefix} is more specific than one of this VPC's CIDR blocks and is not the \
             CIDR block of one of its subnets."
        )));
    }
    Ok(())
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, found) = table(cx).map(|(id, table)| (id, table.clone()))?;
    let target = target(cx, &found)?;
    if found.routes.contains_key(&prefix) {
        // Also with the same target: the guide "Ensuring idempotency" does not list CreateRoute.
        let message = format!("The route identified by {prefix} already exists.");
        return Err(Ec2Error::new("RouteAlreadyExists", message));
    }
    check_within_vpc(&cx.world.ec2, &found, &prefix, &target)?;
    if let Some(table) = cx.ec2().route_tables.get_mut(&id) {
        table.routes.insert(prefix, VpcRoute { target });
    }
    Ok(tags::done())
}

pub(super) fn replace(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, found) = table(cx).map(|(id, table)| (id, table.clone()))?;
    let Some(existing) = found.routes.get(&prefix) else {
        let message = format!("There is no route defined for '{prefix}' in the route table. Use CreateRoute instead.");
        return Err(Ec2Error::value(message));
    };
    if existing.target == VpcTarget::Local {
        return Err(Ec2Error::value(format!("cannot replace local route {prefix} in route table {id}")));
    }
    let target = target(cx, &found)?;
    check_within_vpc(&cx.world.ec2, &found, &prefix, &target)?;
    if let Some(table) = cx.ec2().route_tables.get_mut(&id) {
        table.routes.insert(prefix, VpcRoute { target });
    }
    Ok(tags::done())
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, table) = table(cx)?;
    match table.routes.get(&prefix).map(|route| &route.target) {
        None => {
            let message = format!("no route with destination-cidr-block {prefix} in route table {id}");
            Err(Ec2Error::new("InvalidRoute.NotFound", message))
        }
        Some(VpcTarget::Local) => {
            Err(Ec2Error::value(format!("cannot remove local route {prefix} in route table {id}")))
        }
        Some(VpcTarget::TransitGateway(_) | VpcTarget::NetworkInterface(_)) => {
            table.routes.remove(&prefix);
            Ok(tags::done())
        }
    }
}
