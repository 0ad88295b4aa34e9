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
    const OTHERS: [&str; 8] = [
        "GatewayId",
        "NatGatewayId",
        "InstanceId",
        "VpcEndpointId",
        "CarrierGatewayId",
        "LocalGatewayId",
        "CoreNetworkArn",
        "EgressOnlyInternetGatewayId",
    ];
    if let Some(other) = OTHERS.iter().find(|name| cx.params.get(name).is_some()) {
        return Err(Ec2Error::new("UnsupportedOperation", format!("Routes to a {other} are not simulated.")));
    }
    const KNOWN: [&str; 3] = ["TransitGatewayId", "NetworkInterfaceId", "VpcPeeringConnectionId"];
    let ec2 = &cx.world.ec2;
    let mut named = KNOWN.iter().filter_map(|name| Some((*name, cx.params.get(name)?)));
    let first = named.next().ok_or_else(|| Ec2Error::missing("TransitGatewayId or another target"))?;
    if named.next().is_some() {
        return Err(Ec2Error::new("InvalidParameterCombination", "The request must contain exactly one target."));
    }
    match first {
        ("TransitGatewayId", tgw) => {
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
        ("NetworkInterfaceId", eni) => {
            let Some(found) = ec2.enis.get(eni).filter(|found| cx.owns(&found.home)) else {
                return Err(Ec2Error::not_found(Kind::Eni, eni));
            };
            if found.vpc != table.vpc {
                let message = format!("route table and network interface {eni} belong to different networks");
                return Err(Ec2Error::value(message));
            }
            Ok(VpcTarget::NetworkInterface(eni.to_owned()))
        }
        (_, peering) => {
            let found = ec2.vpc_peerings.get(peering);
            let seen = found.filter(|it| it.stands() && it.sides().into_iter().any(|side| cx.owns(&side.home)));
            let Some(found) = seen else { return Err(Ec2Error::not_found(Kind::VpcPeering, peering)) };
            // One that waits to be accepted is taken; the route is a blackhole until then. Source: Amazon VPC Peering
            // guide, "Update your route tables".
            if found.across(&table.vpc).is_none() {
                let message = format!("route table and network gateway {peering} belong to different networks");
                return Err(Ec2Error::value(message));
            }
            Ok(VpcTarget::PeeringConnection(peering.to_owned()))
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
    if *target == VpcTarget::Local {
        return Ok(());
    }
    if !matches!(target, VpcTarget::NetworkInterface(_)) {
        // The text as seen on AWS: hashicorp/terraform issue 26018.
        let message = "Route target is not supported. This route only supports interface and instance targets.";
        return Err(Ec2Error::value(message));
    }
    let whole = vpc.is_some_and(|vpc| vpc.cidrs.contains(prefix))
        || ec2.subnets.values().any(|subnet| subnet.vpc == table.vpc && subnet.cidr == *prefix);
    if !whole {
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
    check_quota(cx, &id, &found, 1)?;
    if let Some(table) = cx.ec2().route_tables.get_mut(&id) {
        table.routes.insert(prefix, VpcRoute { target });
    }
    Ok(tags::done())
}

/// Refuses what would bring a table above its quota; the local routes do not count.
fn check_quota(cx: &Cx<'_>, id: &str, table: &RouteTable, more: usize) -> Result<()> {
    let most = cx.switches.routes_per_table;
    if table.counted() + more <= most {
        return Ok(());
    }
    let message = format!("The maximum number of routes of route table '{id}' has been reached: {most}.");
    Err(Ec2Error::new("RouteLimitExceeded", message))
}

/// Another target for a route that is there. The local route, too, may lead to an interface instead, and back
/// (`LocalTarget`). Source: Amazon VPC user guide, "Replace or restore the target for a local route".
pub(super) fn replace(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, found) = table(cx).map(|(id, table)| (id, table.clone()))?;
    if !found.routes.contains_key(&prefix) {
        // Not `InvalidRoute.NotFound`, as checked on AWS: getmoto/moto pull request 6425.
        let message = format!("There is no route defined for '{prefix}' in the route table. Use CreateRoute instead.");
        return Err(Ec2Error::value(message));
    }
    let is_vpc_cidr = cx.world.ec2.vpcs.get(&found.vpc).is_some_and(|vpc| vpc.cidrs.contains(&prefix));
    let target = match cx.params.flag("LocalTarget")? {
        true if is_vpc_cidr => VpcTarget::Local,
        true => return Err(Ec2Error::value(format!("{prefix} is not a local route of route table {id}"))),
        false => target(cx, &found)?,
    };
    check_within_vpc(&cx.world.ec2, &found, &prefix, &target)?;
    if let Some(table) = cx.ec2().route_tables.get_mut(&id) {
        table.routes.insert(prefix, VpcRoute { target });
    }
    Ok(tags::done())
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let prefix = cx.params.prefix("DestinationCidrBlock")?;
    let (id, found) = table(cx).map(|(id, table)| (id, table.clone()))?;
    let is_vpc_cidr = cx.world.ec2.vpcs.get(&found.vpc).is_some_and(|vpc| vpc.cidrs.contains(&prefix));
    match found.routes.get(&prefix) {
        None => {
            let message = format!("no route with destination-cidr-block {prefix} in route table {id}");
            Err(Ec2Error::new("InvalidRoute.NotFound", message))
        }
        Some(_) if is_vpc_cidr => {
            Err(Ec2Error::value(format!("cannot remove local route {prefix} in route table {id}")))
        }
        Some(_) => {
            if let Some(table) = cx.ec2().route_tables.get_mut(&id) {
                table.routes.remove(&prefix);
            }
            Ok(tags::done())
        }
    }
}
