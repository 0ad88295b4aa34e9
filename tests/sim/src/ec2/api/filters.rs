//! What filters packets: security groups, and each VPC's default network ACL. Nothing is filtered here: they are only told of.

use std::collections::BTreeMap;

use super::{
    super::{Ec2, Eni, SecurityGroup, Service, Vpc, id},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    xml::Xml,
};

/// Name of a VPC's own group.
const DEFAULT: &str = "default";

/// Security groups of an interface; those of gateways have none. Source: VPC user guide, "NAT gateway basics" and "Transit gateway VPC attachments".
pub(super) fn groups_of(eni: &Eni) -> Vec<String> {
    if matches!(eni.service, Some(Service::NatGateway | Service::TransitGateway | Service::GatewayLoadBalancerEndpoint))
    {
        return Vec::new();
    }
    if eni.groups.is_empty() { vec![id::security_group(&eni.vpc, DEFAULT)] } else { eni.groups.clone() }
}

/// Writes an interface's or an instance's groups.
pub(super) fn write_groups(xml: &mut Xml, ec2: &Ec2, eni: &Eni) {
    xml.set("groupSet", groups_of(eni), |xml, group| {
        let name = ec2.security_groups.get(&group).map_or(DEFAULT, |group| &group.name);
        xml.text("groupId", &group).text("groupName", name);
    });
}

fn own_vpcs<'a>(cx: &'a Cx<'_>) -> impl Iterator<Item = (&'a String, &'a Vpc)> {
    cx.world.ec2.vpcs.iter().filter(|(_, vpc)| cx.owns(&vpc.home))
}

/// The caller's groups: each VPC's default one, which admits its own members, and those that the world declares.
fn own_groups(cx: &Cx<'_>) -> BTreeMap<String, SecurityGroup> {
    let defaults = own_vpcs(cx).map(|(vpc, found)| {
        let id = id::security_group(vpc, DEFAULT);
        let (home, vpc, name) = (found.home.clone(), vpc.clone(), DEFAULT.to_owned());
        (id.clone(), SecurityGroup { home, vpc, name, admits: vec![id] })
    });
    let declared = cx.world.ec2.security_groups.iter().filter(|(_, group)| cx.owns(&group.home));
    defaults.chain(declared.map(|(id, group)| (id.clone(), group.clone()))).collect()
}

fn description(group: &SecurityGroup) -> &str {
    if group.name == DEFAULT { "default VPC security group" } else { &group.name }
}

pub(super) fn describe_security_groups(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&[
        "group-id",
        "group-name",
        "vpc-id",
        "owner-id",
        "description",
        "ip-permission.group-id",
        "egress.ip-permission.group-id",
        "tag-key",
    ])?;
    let groups = own_groups(cx);
    let ids = cx.params.list("GroupId");
    if let Some(unknown) = ids.iter().find(|id| !groups.contains_key(**id)) {
        return Err(Ec2Error::new("InvalidGroup.NotFound", format!("The security group '{unknown}' does not exist")));
    }
    let found = groups
        .into_iter()
        .filter(|(id, group)| {
            (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&Default::default(), |filter| match filter {
                    "group-id" => one(id),
                    "group-name" => one(&group.name),
                    "vpc-id" => one(&group.vpc),
                    "owner-id" => one(&group.home.account),
                    "ip-permission.group-id" => group.admits.clone(),
                    "egress.ip-permission.group-id" => Vec::new(),
                    _ => one(description(group)),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("securityGroupInfo", page, |xml, (id, group)| {
        xml.text("ownerId", &group.home.account)
            .text("groupId", id)
            .text("groupName", &group.name)
            .text("groupDescription", description(&group))
            .text("vpcId", &group.vpc)
            .set("ipPermissions", &group.admits, |xml, admitted| {
                xml.text("ipProtocol", "-1").set("groups", [()], |xml, ()| {
                    xml.text("userId", &group.home.account).text("groupId", admitted);
                });
            })
            .set("ipPermissionsEgress", [()], |xml, ()| {
                xml.text("ipProtocol", "-1").set("ipRanges", [()], |xml, ()| {
                    xml.text("cidrIp", "0.0.0.0/0");
                });
            });
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

pub(super) fn describe_network_acls(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters =
        cx.params.filters(&["network-acl-id", "vpc-id", "default", "association.subnet-id", "owner-id", "tag-key"])?;
    let acl_id = |vpc: &str| id::id("acl", &format!("{vpc}/default"));
    let ids = cx.params.list("NetworkAclId");
    if let Some(unknown) = ids.iter().find(|id| !own_vpcs(cx).any(|(vpc, _)| acl_id(vpc) == **id)) {
        return Err(Ec2Error::new(
            "InvalidNetworkAclID.NotFound",
            format!("The networkAcl ID '{unknown}' does not exist"),
        ));
    }
    let subnets = |vpc: &str| -> Vec<String> {
        cx.world.ec2.subnets.iter().filter(|(_, it)| it.vpc == vpc).map(|(id, _)| id.clone()).collect()
    };
    let found = own_vpcs(cx)
        .filter(|(vpc, found)| {
            (ids.is_empty() || ids.contains(&acl_id(vpc).as_str()))
                && filters.pass(&Default::default(), |filter| match filter {
                    "network-acl-id" => one(acl_id(vpc)),
                    "vpc-id" => one(vpc),
                    "default" => one(true),
                    "association.subnet-id" => subnets(vpc),
                    _ => one(&found.home.account),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    // The default ACL lets all traffic pass by rule 100, and the rule that cannot be removed denies the rest.
    let entries = [(100, "allow", false), (100, "allow", true), (32_767, "deny", false), (32_767, "deny", true)];
    let mut xml = Xml::default();
    xml.set("networkAclSet", page, |xml, (vpc, found)| {
        let acl = acl_id(vpc);
        xml.text("networkAclId", &acl)
            .text("vpcId", vpc)
            .text("default", true)
            .text("ownerId", &found.home.account)
            .set("entrySet", entries, |xml, (number, action, egress)| {
                xml.text("ruleNumber", number)
                    .text("protocol", "-1")
                    .text("ruleAction", action)
                    .text("egress", egress)
                    .text("cidrBlock", "0.0.0.0/0");
            })
            .set("associationSet", subnets(vpc), |xml, subnet| {
                xml.text("networkAclAssociationId", id::id("aclassoc", &subnet))
                    .text("networkAclId", &acl)
                    .text("subnetId", subnet);
            })
            .set("tagSet", std::iter::empty::<()>(), |_, ()| {});
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}
