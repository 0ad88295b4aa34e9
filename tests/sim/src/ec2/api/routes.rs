//! Routes of VPC route tables.

use std::fmt;

use ipnet::Ipv4Net;

use super::{
    super::{Kind, RouteTable, VpcRoute, VpcTarget, WithinVpc},
    Cx, Ec2Error, Result,
    prefix_lists::open_list,
    tags,
    xml::Xml,
};

/// The table of the request, if it is the caller's.
fn table(cx: &Cx<'_>) -> Result<(String, RouteTable)> {
    let id = cx.params.id("RouteTableId", Kind::RouteTable)?;
    let found = cx.world.ec2.route_tables.get(id).filter(|table| cx.owns(&table.home));
    found.map(|table| (id.to_owned(), table.clone())).ok_or_else(|| Ec2Error::not_found(Kind::RouteTable, id))
}

/// What a route is for.
enum Destination {
    Prefix(Ipv4Net),
    List(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::List(list) => list.fmt(f),
        }
    }
}

impl Destination {
    fn named(cx: &Cx<'_>) -> Result<Self> {
        match (cx.params.get("DestinationPrefixListId"), cx.params.get("DestinationCidrBlock")) {
            (None, _) => cx.params.prefix("DestinationCidrBlock").map(Self::Prefix),
            (Some(_), None) => Ok(Self::List(cx.params.id("DestinationPrefixListId", Kind::PrefixList)?.to_owned())),
            (Some(_), Some(_)) => {
                let message = "The request must contain exactly one destination.";
                Err(Ec2Error::new("InvalidParameterCombination", message))
            }
        }
    }

    fn route<'a>(&self, table: &'a RouteTable) -> Option<&'a VpcRoute> {
        match self {
            Self::Prefix(prefix) => table.routes.get(prefix),
            Self::List(list) => table.prefix_lists.get(list),
        }
    }

    fn put(self, cx: &mut Cx<'_>, table: &str, route: Option<VpcRoute>) {
        let stale_reads = cx.switches.stale_reads;
        let Some(table) = cx.ec2().route_tables.get_mut(table) else { return };
        table.keep_stale(stale_reads);
        match (self, route) {
            (Self::Prefix(prefix), Some(route)) => drop(table.routes.insert(prefix, route)),
            (Self::Prefix(prefix), None) => drop(table.routes.remove(&prefix)),
            (Self::List(list), Some(route)) => drop(table.prefix_lists.insert(list, route)),
            (Self::List(list), None) => drop(table.prefix_lists.remove(&list)),
        }
    }
}

/// The one target that the request names, if the table's VPC can reach it.
fn target(cx: &Cx<'_>, table: &RouteTable) -> Result<VpcTarget> {
    const OTHERS: [&str; 5] =
        ["InstanceId", "CarrierGatewayId", "LocalGatewayId", "CoreNetworkArn", "EgressOnlyInternetGatewayId"];
    const KNOWN: [&str; 6] = [
        "TransitGatewayId",
        "NetworkInterfaceId",
        "VpcPeeringConnectionId",
        "GatewayId",
        "VpcEndpointId",
        "NatGatewayId",
    ];
    if let Some(other) = OTHERS.iter().find(|name| cx.params.get(name).is_some()) {
        return Err(Ec2Error::new("UnsupportedOperation", format!("Routes to a {other} are not simulated.")));
    }
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
        (name @ ("GatewayId" | "VpcEndpointId" | "NatGatewayId"), id) => gateway(cx, table, name, id),
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

/// A gateway that the world file names in a route of this VPC.
fn gateway(cx: &Cx<'_>, table: &RouteTable, name: &str, id: &str) -> Result<VpcTarget> {
    let Some(vpc) = cx.world.ec2.gateways.get(id) else {
        let (code, noun) = match name {
            "NatGatewayId" => ("InvalidNatGatewayID.NotFound", "natGateway"),
            "VpcEndpointId" => ("InvalidVpcEndpointId.NotFound", "vpcEndpoint"),
            _ => ("InvalidGatewayID.NotFound", "gateway"),
        };
        return Err(Ec2Error::new(code, format!("The {noun} ID '{id}' does not exist")));
    };
    if *vpc != table.vpc {
        return Err(Ec2Error::value(format!("route table and network gateway {id} belong to different networks")));
    }
    let id = id.to_owned();
    Ok(if name == "NatGatewayId" { VpcTarget::NatGateway(id) } else { VpcTarget::Gateway(id) })
}

fn check_within_vpc(cx: &Cx<'_>, table: &RouteTable, to: &Destination, target: &VpcTarget) -> Result<()> {
    let Destination::Prefix(prefix) = to else { return Ok(()) };
    match cx.world.ec2.fits_vpc(table, prefix, target) {
        Ok(()) => Ok(()),
        // The text as seen on AWS: hashicorp/terraform issue 26018.
        Err(WithinVpc::Target) => {
            let message = "Route target is not supported. This route only supports interface and instance targets.";
            Err(Ec2Error::value(message))
        }
        Err(WithinVpc::NotWholeSubnet) => Err(Ec2Error::value(format!(
            "The destination CIDR block {prefix} is more specific than one of this VPC's CIDR blocks and is not the \
             CIDR block of one of its subnets."
        ))),
    }
}

/// Refuses what would bring a table above its quota.
fn check_quota(cx: &Cx<'_>, id: &str, table: &RouteTable, to: &Destination) -> Result<()> {
    let more = match to {
        Destination::Prefix(_) => 1,
        Destination::List(list) => cx.world.ec2.prefix_lists.get(list).map_or(0, |list| list.max_entries),
    };
    let most = cx.switches.routes_per_table;
    if cx.world.ec2.vpc_routes_counted(table) + more <= most {
        return Ok(());
    }
    let message = format!("The maximum number of routes of route table '{id}' has been reached: {most}.");
    Err(Ec2Error::new("RouteLimitExceeded", message))
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let to = Destination::named(cx)?;
    let (id, found) = table(cx)?;
    if let Destination::List(list) = &to {
        open_list(cx, list)?;
    }
    let target = target(cx, &found)?;
    if to.route(&found).is_some() {
        // Also with the same target: the guide "Ensuring idempotency" does not list CreateRoute.
        let message = format!("The route identified by {to} already exists.");
        return Err(Ec2Error::new("RouteAlreadyExists", message));
    }
    check_within_vpc(cx, &found, &to, &target)?;
    check_quota(cx, &id, &found, &to)?;
    to.put(cx, &id, Some(VpcRoute { target }));
    Ok(tags::done())
}

/// Whether a destination is one of the VPC's own CIDRs: its route came with the table.
fn is_vpc_cidr(cx: &Cx<'_>, table: &RouteTable, to: &Destination) -> bool {
    let Destination::Prefix(prefix) = to else { return false };
    cx.world.ec2.vpcs.get(&table.vpc).is_some_and(|vpc| vpc.cidrs.contains(prefix))
}

/// Another target for a route that is there. The local route, too, may lead to an interface instead, and back
/// (`LocalTarget`). Source: Amazon VPC user guide, "Replace or restore the target for a local route".
pub(super) fn replace(cx: &mut Cx<'_>) -> Result<Xml> {
    let to = Destination::named(cx)?;
    let (id, found) = table(cx)?;
    if to.route(&found).is_none() {
        // Not `InvalidRoute.NotFound`, as checked on AWS: getmoto/moto pull request 6425.
        let message = format!("There is no route defined for '{to}' in the route table. Use CreateRoute instead.");
        return Err(Ec2Error::value(message));
    }
    let target = match cx.params.flag("LocalTarget")? {
        true if is_vpc_cidr(cx, &found, &to) => VpcTarget::Local,
        true => return Err(Ec2Error::value(format!("{to} is not a local route of route table {id}"))),
        false => target(cx, &found)?,
    };
    check_within_vpc(cx, &found, &to, &target)?;
    to.put(cx, &id, Some(VpcRoute { target }));
    Ok(tags::done())
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let to = Destination::named(cx)?;
    let (id, found) = table(cx)?;
    if to.route(&found).is_none() {
        let message = match &to {
            Destination::Prefix(prefix) => {
                format!("no route with destination-cidr-block {prefix} in route table {id}")
            }
            Destination::List(list) => format!("no route with destination-prefix-list-id {list} in route table {id}"),
        };
        return Err(Ec2Error::new("InvalidRoute.NotFound", message));
    }
    if is_vpc_cidr(cx, &found, &to) {
        return Err(Ec2Error::value(format!("cannot remove local route {to} in route table {id}")));
    }
    to.put(cx, &id, None);
    Ok(tags::done())
}
