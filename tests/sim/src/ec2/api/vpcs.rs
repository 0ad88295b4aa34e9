//! VPCs and subnets.

use ipnet::Ipv4Net;

use super::{
    super::{AttachmentKind, Kind, Subnet, Vpc, id},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    tags,
    xml::Xml,
};

/// Sizes of a VPC and of a subnet: /16 to /28. Source: Amazon VPC user guide, "VPC CIDR blocks".
const SIZES: std::ops::RangeInclusive<u8> = 16..=28;

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let cidr = cx.params.prefix("CidrBlock")?;
    if !SIZES.contains(&cidr.prefix_len()) {
        return Err(Ec2Error::new("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let (vpc, home) = (cx.new_id("vpc"), cx.home());
    let main = id::id("rtb", &format!("{vpc}/main"));
    let table = cx.ec2().local_table(home.clone(), &vpc, &[cidr]);
    let tags = cx.params.tag_specification("vpc");
    cx.ec2().route_tables.insert(main.clone(), table);
    cx.ec2().vpcs.insert(vpc.clone(), Vpc { home, cidrs: vec![cidr], main_route_table: main, tags });
    let mut xml = Xml::default();
    if let Some(found) = cx.world.ec2.vpcs.get(&vpc) {
        xml.node("vpc", |xml| write_vpc(xml, &vpc, found, "pending"));
    }
    Ok(xml)
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 8] = [
        "vpc-id",
        "cidr",
        "cidr-block-association.cidr-block",
        "state",
        "owner-id",
        "is-default",
        "dhcp-options-id",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("VpcId", Kind::Vpc)?;
    cx.all_known(Kind::Vpc, &ids, |id| cx.world.ec2.vpcs.get(id).is_some_and(|vpc| cx.owns(&vpc.home)))?;
    let found = cx
        .world
        .ec2
        .vpcs
        .iter()
        .filter(|(id, vpc)| {
            cx.owns(&vpc.home)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&vpc.tags, |filter| match filter {
                    "vpc-id" => one(id),
                    "cidr" => vpc.cidrs.first().map(ToString::to_string).into_iter().collect(),
                    "cidr-block-association.cidr-block" => vpc.cidrs.iter().map(ToString::to_string).collect(),
                    "state" => one("available"),
                    "owner-id" => one(&vpc.home.account),
                    "is-default" => one(false),
                    _ => one("default"),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("vpcSet", page, |xml, (id, vpc)| write_vpc(xml, id, vpc, "available")).maybe("nextToken", next);
    Ok(xml)
}

fn write_vpc(xml: &mut Xml, id: &str, vpc: &Vpc, state: &str) {
    xml.text("vpcId", id)
        .text("ownerId", &vpc.home.account)
        .text("state", state)
        .maybe("cidrBlock", vpc.cidrs.first())
        .set("cidrBlockAssociationSet", &vpc.cidrs, |xml, cidr: &Ipv4Net| {
            xml.text("cidrBlock", cidr).text("associationId", id::id("vpc-cidr-assoc", &format!("{id}/{cidr}"))).node(
                "cidrBlockState",
                |xml| {
                    xml.text("state", "associated");
                },
            );
        })
        .text("dhcpOptionsId", "default")
        .text("instanceTenancy", "default")
        .text("isDefault", false);
    tags::write(xml, &vpc.tags);
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let vpc = cx.params.id("VpcId", Kind::Vpc)?.to_owned();
    cx.all_known(Kind::Vpc, &[&vpc], |id| cx.world.ec2.vpcs.get(id).is_some_and(|vpc| cx.owns(&vpc.home)))?;
    let ec2 = cx.ec2();
    let main = ec2.vpcs.get(&vpc).map(|found| found.main_route_table.clone()).unwrap_or_default();
    let used = ec2.subnets.values().any(|subnet| subnet.vpc == vpc)
        || ec2.enis.values().any(|eni| eni.vpc == vpc)
        || ec2.route_tables.iter().any(|(id, table)| table.vpc == vpc && *id != main);
    if used {
        let message = format!("The vpc '{vpc}' has dependencies and cannot be deleted.");
        return Err(Ec2Error::new("DependencyViolation", message));
    }
    ec2.vpcs.remove(&vpc);
    ec2.route_tables.remove(&main);
    Ok(tags::done())
}

pub(super) fn create_subnet(cx: &mut Cx<'_>) -> Result<Xml> {
    let vpc = cx.params.id("VpcId", Kind::Vpc)?.to_owned();
    let cidr = cx.params.prefix("CidrBlock")?;
    let zone = cx.params.get("AvailabilityZone").map_or_else(|| format!("{}a", cx.caller.region), str::to_owned);
    if !zone.starts_with(&cx.caller.region) {
        return Err(Ec2Error::value(format!("Value ({zone}) for parameter availabilityZone is invalid.")));
    }
    let tags = cx.params.tag_specification("subnet");
    let Some(parent) = cx.world.ec2.vpcs.get(&vpc).filter(|vpc| cx.owns(&vpc.home)) else {
        return Err(Ec2Error::not_found(Kind::Vpc, &vpc));
    };
    if !SIZES.contains(&cidr.prefix_len()) || !parent.cidrs.iter().any(|own| own.contains(&cidr)) {
        return Err(Ec2Error::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let conflict = cx
        .world
        .ec2
        .subnets
        .values()
        .any(|other| other.vpc == vpc && (other.cidr.contains(&cidr) || cidr.contains(&other.cidr)));
    if conflict {
        let message = format!("The CIDR '{cidr}' conflicts with another subnet");
        return Err(Ec2Error::new("InvalidSubnet.Conflict", message));
    }
    let (id, home) = (cx.new_id("subnet"), cx.home());
    let subnet = Subnet { home, vpc, cidr, zone, route_table: None, tags };
    cx.ec2().subnets.insert(id.clone(), subnet.clone());
    let free = cx.ec2().free_addresses(&id);
    let mut xml = Xml::default();
    xml.node("subnet", |xml| write_subnet(xml, &id, &subnet, free));
    Ok(xml)
}

pub(super) fn delete_subnet(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("SubnetId", Kind::Subnet)?.to_owned();
    cx.all_known(Kind::Subnet, &[&id], |id| cx.world.ec2.subnets.get(id).is_some_and(|subnet| cx.owns(&subnet.home)))?;
    let ec2 = cx.ec2();
    let attached = ec2.attachments.values().any(|it| {
        !it.state.is_going() && matches!(&it.kind, AttachmentKind::Vpc { subnets, .. } if subnets.contains(&id))
    });
    if attached || ec2.enis.values().any(|eni| eni.subnet == id) {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(Ec2Error::new("DependencyViolation", message));
    }
    ec2.subnets.remove(&id);
    Ok(tags::done())
}

pub(super) fn describe_subnets(cx: &mut Cx<'_>) -> Result<Xml> {
    const FILTERS: [&str; 10] = [
        "subnet-id",
        "vpc-id",
        "cidr-block",
        "cidr",
        "cidrBlock",
        "availability-zone",
        "availabilityZone",
        "state",
        "owner-id",
        "tag-key",
    ];
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("SubnetId", Kind::Subnet)?;
    cx.all_known(Kind::Subnet, &ids, |id| cx.world.ec2.subnets.get(id).is_some_and(|subnet| cx.owns(&subnet.home)))?;
    let found = cx
        .world
        .ec2
        .subnets
        .iter()
        .filter(|(id, subnet)| {
            cx.owns(&subnet.home)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&subnet.tags, |filter| match filter {
                    "subnet-id" => one(id),
                    "vpc-id" => one(&subnet.vpc),
                    "cidr-block" | "cidr" | "cidrBlock" => one(subnet.cidr),
                    "availability-zone" | "availabilityZone" => one(&subnet.zone),
                    "state" => one("available"),
                    _ => one(&subnet.home.account),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("subnetSet", page, |xml, (id, subnet)| {
        write_subnet(xml, id, subnet, cx.world.ec2.free_addresses(id));
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

fn write_subnet(xml: &mut Xml, id: &str, subnet: &Subnet, free: usize) {
    let Subnet { home, vpc, cidr, zone, .. } = subnet;
    xml.text("subnetId", id)
        .text("subnetArn", format!("arn:aws:ec2:{}:{}:subnet/{id}", home.region, home.account))
        .text("state", "available")
        .text("vpcId", vpc)
        .text("ownerId", &home.account)
        .text("cidrBlock", cidr)
        .set("ipv6CidrBlockAssociationSet", std::iter::empty::<()>(), |_, ()| {})
        .text("availableIpAddressCount", free)
        .text("availabilityZone", zone)
        .text("defaultForAz", false)
        .text("mapPublicIpOnLaunch", false)
        .text("assignIpv6AddressOnCreation", false);
    tags::write(xml, &subnet.tags);
}
