//! VPC route tables and their associations.

use std::collections::BTreeSet;

use super::{
    super::{Ec2, Kind, RouteTable, VpcTarget, id::id as made_id},
    Cx, Ec2Error, Result,
    params::{PageLimits, one},
    tags,
    xml::Xml,
};

/// At most 100 tables a page. Source: EC2 API reference, `DescribeRouteTables`.
const PAGES: PageLimits = PageLimits { least: 5, most: 100, default: 100 };

const FILTERS: [&str; 17] = [
    "route-table-id",
    "vpc-id",
    "owner-id",
    "association.main",
    "association.subnet-id",
    "association.route-table-id",
    "association.route-table-association-id",
    "route.destination-cidr-block",
    "route.destination-prefix-list-id",
    "route.transit-gateway-id",
    "route.network-interface-id",
    "route.vpc-peering-connection-id",
    "route.nat-gateway-id",
    "route.state",
    "route.origin",
    "route.gateway-id",
    "tag-key",
];

/// Subnets that use a table of their own choice, and whether it is the main one.
fn users<'a>(ec2: &'a Ec2, id: &'a str, table: &RouteTable) -> (Vec<&'a String>, bool) {
    let subnets =
        ec2.subnets.iter().filter(|(_, it)| it.route_table.as_deref() == Some(id)).map(|(id, _)| id).collect();
    (subnets, ec2.vpcs.get(&table.vpc).is_some_and(|vpc| vpc.main_route_table == id))
}

fn association_id(table: &str, subnet: &str) -> String {
    made_id("rtbassoc", &format!("{table}/{subnet}"))
}

fn state(ec2: &Ec2, table: &RouteTable, target: &VpcTarget) -> &'static str {
    if ec2.vpc_target_gone(table, target) { "blackhole" } else { "active" }
}

/// The id that a route leads to, if it is of the kind that a filter asks for.
fn target_id(target: &VpcTarget, filter: &str) -> Option<String> {
    match (target, filter) {
        (VpcTarget::TransitGateway(id), "route.transit-gateway-id")
        | (VpcTarget::NetworkInterface(id), "route.network-interface-id")
        | (VpcTarget::PeeringConnection(id), "route.vpc-peering-connection-id")
        | (VpcTarget::Gateway(id), "route.gateway-id")
        | (VpcTarget::NatGateway(id), "route.nat-gateway-id") => Some(id.clone()),
        _ => None,
    }
}

/// The local routes come with the table; all others were created.
fn origin(target: &VpcTarget) -> &'static str {
    match target {
        VpcTarget::Local => "CreateRouteTable",
        VpcTarget::TransitGateway(_)
        | VpcTarget::NetworkInterface(_)
        | VpcTarget::PeeringConnection(_)
        | VpcTarget::Gateway(_)
        | VpcTarget::NatGateway(_) => "CreateRoute",
    }
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("RouteTableId", Kind::RouteTable)?;
    let ec2 = &cx.world.ec2;
    cx.all_known(Kind::RouteTable, &ids, |id| ec2.route_tables.get(id).is_some_and(|it| cx.owns(&it.home)))?;
    let found: Vec<(String, RouteTable)> = ec2
        .route_tables
        .iter()
        .filter(|(_, table)| cx.owns(&table.home))
        .map(|(id, table)| (id.clone(), table.view()))
        .filter(|(id, table)| {
            let (subnets, main) = users(ec2, id, table);
            let targets = || table.routes.values().chain(table.prefix_lists.values()).map(|route| &route.target);
            (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&table.tags, |filter| match filter {
                    "route-table-id" => one(id),
                    "vpc-id" => one(&table.vpc),
                    "owner-id" => one(&table.home.account),
                    "association.main" if main => one(true),
                    "association.main" => subnets.iter().map(|_| "false".into()).collect(),
                    "association.subnet-id" => subnets.iter().map(ToString::to_string).collect(),
                    "association.route-table-id" if main || !subnets.is_empty() => one(id),
                    "association.route-table-association-id" => {
                        subnets.iter().map(|subnet| association_id(id, subnet)).collect()
                    }
                    "route.destination-cidr-block" => table.routes.keys().map(ToString::to_string).collect(),
                    "route.destination-prefix-list-id" => table.prefix_lists.keys().cloned().collect(),
                    "route.transit-gateway-id"
                    | "route.network-interface-id"
                    | "route.vpc-peering-connection-id"
                    | "route.nat-gateway-id" => targets().filter_map(|target| target_id(target, filter)).collect(),
                    "route.state" => targets().map(|target| state(ec2, table, target).into()).collect(),
                    "route.origin" => targets().map(|target| origin(target).into()).collect(),
                    "route.gateway-id" => std::iter::once("local".into())
                        .chain(targets().filter_map(|target| target_id(target, filter)))
                        .collect(),
                    _ => Vec::new(),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("routeTableSet", &page, |xml, (id, table)| write(xml, ec2, id, table)).maybe("nextToken", next);
    for (id, _) in page {
        if let Some(table) = cx.ec2().route_tables.get_mut(&id) {
            table.seen();
        }
    }
    Ok(xml)
}

fn write_target(xml: &mut Xml, ec2: &Ec2, target: &VpcTarget) {
    match target {
        VpcTarget::Local => xml.text("gatewayId", "local"),
        VpcTarget::TransitGateway(tgw) => xml.text("transitGatewayId", tgw),
        VpcTarget::Gateway(id) => xml.text("gatewayId", id),
        VpcTarget::NatGateway(id) => xml.text("natGatewayId", id),
        VpcTarget::PeeringConnection(peering) => xml.text("vpcPeeringConnectionId", peering),
        VpcTarget::NetworkInterface(eni) => {
            let attached = ec2.enis.get(eni).and_then(|eni| eni.attached.as_ref());
            if let Some((instance, _)) = attached {
                xml.text("instanceId", instance)
                    .maybe("instanceOwnerId", ec2.instances.get(instance).map(|it| &it.home.account));
            }
            xml.text("networkInterfaceId", eni)
        }
    };
}

fn write_route(
    xml: &mut Xml,
    ec2: &Ec2,
    table: &RouteTable,
    (name, destination): (&str, &str),
    target: &VpcTarget,
    origin: &str,
) {
    xml.node("item", |xml| {
        xml.text(name, destination);
        write_target(xml, ec2, target);
        xml.text("state", state(ec2, table, target)).text("origin", origin);
    });
}

fn write(xml: &mut Xml, ec2: &Ec2, id: &str, table: &RouteTable) {
    xml.text("routeTableId", id).text("vpcId", &table.vpc).text("ownerId", &table.home.account);
    let written =
        table.routes.iter().map(|(prefix, route)| ("destinationCidrBlock", prefix.to_string(), &route.target));
    let listed =
        table.prefix_lists.iter().map(|(list, route)| ("destinationPrefixListId", list.clone(), &route.target));
    let hidden = |prefix| table.routes.contains_key(prefix);
    let propagated = table.propagated.iter().filter(|(prefix, _)| !hidden(*prefix));
    xml.node("routeSet", |xml| {
        for (name, destination, target) in written.chain(listed) {
            write_route(xml, ec2, table, (name, &destination), target, origin(target));
        }
        for (prefix, target) in propagated {
            let destination = ("destinationCidrBlock", prefix.to_string());
            write_route(xml, ec2, table, (destination.0, &destination.1), target, "EnableVgwRoutePropagation");
        }
    });
    let (subnets, main) = users(ec2, id, table);
    let main = main.then_some(None);
    xml.set("associationSet", main.into_iter().chain(subnets.into_iter().map(Some)), |xml, subnet| {
        xml.text("routeTableAssociationId", association_id(id, subnet.map_or("main", String::as_str)))
            .text("routeTableId", id)
            .maybe("subnetId", subnet)
            .text("main", subnet.is_none())
            .node("associationState", |xml| {
                xml.text("state", "associated");
            });
    });
    let gateways: BTreeSet<&String> = table
        .propagated
        .values()
        .filter_map(|target| match target {
            VpcTarget::Gateway(id) => Some(id),
            _ => None,
        })
        .collect();
    xml.set("propagatingVgwSet", gateways, |xml, id| {
        xml.text("gatewayId", id);
    });
    tags::write(xml, &table.tags);
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let vpc = cx.params.id("VpcId", Kind::Vpc)?.to_owned();
    let Some(found) = cx.world.ec2.vpcs.get(&vpc).filter(|found| cx.owns(&found.home)) else {
        return Err(Ec2Error::not_found(Kind::Vpc, &vpc));
    };
    let mut table = cx.world.ec2.local_table(cx.home(), &vpc, &found.cidrs);
    table.tags = cx.params.tag_specification("route-table");
    let id = cx.new_id("rtb");
    cx.ec2().route_tables.insert(id.clone(), table.clone());
    let mut xml = Xml::default();
    xml.node("routeTable", |xml| write(xml, &cx.world.ec2, &id, &table));
    Ok(xml)
}

pub(super) fn associate(cx: &mut Cx<'_>) -> Result<Xml> {
    let table = cx.params.id("RouteTableId", Kind::RouteTable)?.to_owned();
    let subnet = cx.params.id("SubnetId", Kind::Subnet)?.to_owned();
    let home = cx.home();
    let Some(vpc) = cx.ec2().route_tables.get(&table).filter(|it| it.home == home).map(|it| it.vpc.clone()) else {
        return Err(Ec2Error::not_found(Kind::RouteTable, &table));
    };
    let Some(found) = cx.ec2().subnets.get_mut(&subnet).filter(|it| it.home == home) else {
        return Err(Ec2Error::not_found(Kind::Subnet, &subnet));
    };
    if found.vpc != vpc {
        let message = format!("Route table {table} and network {subnet} belong to different networks");
        return Err(Ec2Error::value(message));
    }
    if let Some(other) = &found.route_table {
        let message =
            format!("the specified association for route table {other} conflicts with an existing association");
        return Err(Ec2Error::new("Resource.AlreadyAssociated", message));
    }
    found.route_table = Some(table.clone());
    let mut xml = Xml::default();
    xml.text("associationId", association_id(&table, &subnet)).node("associationState", |xml| {
        xml.text("state", "associated");
    });
    Ok(xml)
}

pub(super) fn disassociate(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.need("AssociationId")?.to_owned();
    let home = cx.home();
    let found = cx.ec2().subnets.iter_mut().find(|(subnet, it)| {
        it.home == home && it.route_table.as_ref().is_some_and(|table| association_id(table, subnet) == id)
    });
    let Some((_, subnet)) = found else {
        let message = format!("The association ID '{id}' does not exist");
        return Err(Ec2Error::new("InvalidAssociationID.NotFound", message));
    };
    subnet.route_table = None;
    Ok(tags::done())
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("RouteTableId", Kind::RouteTable)?.to_owned();
    let Some(table) = cx.world.ec2.route_tables.get(&id).filter(|it| cx.owns(&it.home)) else {
        return Err(Ec2Error::not_found(Kind::RouteTable, &id));
    };
    let (subnets, main) = users(&cx.world.ec2, &id, table);
    if main || !subnets.is_empty() {
        let message = format!("The routeTable '{id}' has dependencies and cannot be deleted.");
        return Err(Ec2Error::new("DependencyViolation", message));
    }
    cx.ec2().route_tables.remove(&id);
    Ok(tags::done())
}
