//! What filters packets: each VPC has its default security group and its default network ACL, which let all pass that
//! their defaults let pass.

use super::{
    super::{Vpc, id},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    xml::Xml,
};

/// Id of a VPC's default security group.
pub(super) fn group_id(vpc: &str) -> String {
    id::id("sg", &format!("{vpc}/default"))
}

/// Writes an interface's or an instance's groups.
pub(super) fn write_groups(xml: &mut Xml, vpc: &str) {
    xml.set("groupSet", [group_id(vpc)], |xml, group| {
        xml.text("groupId", group).text("groupName", "default");
    });
}

fn own_vpcs<'a>(cx: &'a Cx<'_>) -> impl Iterator<Item = (&'a String, &'a Vpc)> {
    cx.world.ec2.vpcs.iter().filter(|(_, vpc)| cx.owns(&vpc.home))
}

pub(super) fn describe_security_groups(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&["group-id", "group-name", "vpc-id", "owner-id", "description", "tag-key"])?;
    let ids = cx.params.list("GroupId");
    if let Some(unknown) = ids.iter().find(|id| !own_vpcs(cx).any(|(vpc, _)| group_id(vpc) == **id)) {
        return Err(Ec2Error::new("InvalidGroup.NotFound", format!("The security group '{unknown}' does not exist")));
    }
    let found = own_vpcs(cx)
        .filter(|(vpc, found)| {
            let group = group_id(vpc);
            (ids.is_empty() || ids.contains(&group.as_str()))
                && filters.pass(&Default::default(), |filter| match filter {
                    "group-id" => one(&group),
                    "group-name" => one("default"),
                    "vpc-id" => one(vpc),
                    "owner-id" => one(&found.home.account),
                    _ => one("default VPC security group"),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("securityGroupInfo", page, |xml, (vpc, found)| {
        let group = group_id(vpc);
        xml.text("ownerId", &found.home.account)
            .text("groupId", &group)
            .text("groupName", "default")
            .text("groupDescription", "default VPC security group")
            .text("vpcId", vpc)
            .set("ipPermissions", [()], |xml, ()| {
                xml.text("ipProtocol", "-1").set("groups", [()], |xml, ()| {
                    xml.text("userId", &found.home.account).text("groupId", &group);
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
