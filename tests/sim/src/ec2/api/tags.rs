//! Tags of all resources.

use super::{
    super::{Kind, state::Tags},
    Cx, Ec2Error, Result,
    params::{PAGES, one},
    xml::Xml,
};

/// Writes a resource's tags.
pub(super) fn write(xml: &mut Xml, tags: &Tags) {
    xml.set("tagSet", tags, |xml, (key, value)| {
        xml.text("key", key).text("value", value);
    });
}

/// The kind of an id, by its longest fitting prefix.
fn kind_of(id: &str) -> Option<Kind> {
    let (prefix, _) = id.rsplit_once('-')?;
    [
        Kind::Vpc,
        Kind::Subnet,
        Kind::RouteTable,
        Kind::Instance,
        Kind::Eni,
        Kind::Tgw,
        Kind::Attachment,
        Kind::TgwRouteTable,
        Kind::VpcPeering,
        Kind::PrefixList,
    ]
    .into_iter()
    .find(|kind| kind.id_prefix() == prefix)
}

fn resource_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Vpc => "vpc",
        Kind::Subnet => "subnet",
        Kind::RouteTable => "route-table",
        Kind::Instance => "instance",
        Kind::Eni => "network-interface",
        Kind::Tgw => "transit-gateway",
        Kind::Attachment => "transit-gateway-attachment",
        Kind::TgwRouteTable => "transit-gateway-route-table",
        Kind::VpcPeering => "vpc-peering-connection",
        Kind::PrefixList => "prefix-list",
    }
}

/// The tags of one of the caller's resources.
fn tags_of<'a>(cx: &'a mut Cx<'_>, id: &str) -> Result<&'a mut Tags> {
    let unknown = || Ec2Error::new("InvalidID", format!("The ID '{id}' is not valid"));
    let kind = kind_of(id).ok_or_else(unknown)?;
    let home = cx.home();
    let ec2 = &mut cx.world.ec2;
    let found = match kind {
        Kind::Vpc => ec2.vpcs.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::Subnet => ec2.subnets.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::RouteTable => ec2.route_tables.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::Instance => ec2.instances.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::Eni => ec2.enis.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::Tgw => ec2.tgws.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::Attachment => ec2.attachments.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::TgwRouteTable => ec2.tgw_route_tables.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::PrefixList => ec2.prefix_lists.get_mut(id).map(|it| (it.home.clone(), &mut it.tags)),
        Kind::VpcPeering => ec2.vpc_peerings.get_mut(id).map(|it| (it.requester.home.clone(), &mut it.tags)),
    };
    match found {
        Some((owner, tags)) if owner == home => Ok(tags),
        _ => Err(Ec2Error::not_found(kind, id)),
    }
}

/// Start of the keys that only AWS itself sets, such as `aws:autoscaling:groupName`.
const RESERVED: &str = "aws:";

fn not_reserved<'k>(mut keys: impl Iterator<Item = &'k String>) -> Result<()> {
    match keys.find(|key| key.starts_with(RESERVED)) {
        Some(_) => Err(Ec2Error::value("Tag keys starting with 'aws:' are reserved for internal use")),
        None => Ok(()),
    }
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let ids: Vec<String> = cx.params.list("ResourceId").into_iter().map(str::to_owned).collect();
    let wanted = cx.params.tags("Tag");
    if ids.is_empty() {
        return Err(Ec2Error::missing("resourceIdSet"));
    }
    if wanted.is_empty() {
        return Err(Ec2Error::missing("tagSet"));
    }
    not_reserved(wanted.keys())?;
    for id in &ids {
        tags_of(cx, id)?;
    }
    for id in &ids {
        tags_of(cx, id)?.extend(wanted.clone());
    }
    Ok(done())
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let ids: Vec<String> = cx.params.list("ResourceId").into_iter().map(str::to_owned).collect();
    let mut wanted: Vec<(String, Option<String>)> = Vec::new();
    for n in 1..=cx.params.structures("Tag") {
        let key = cx.params.need(&format!("Tag.{n}.Key"))?.to_owned();
        wanted.push((key, cx.params.0.get(&format!("Tag.{n}.Value")).cloned()));
    }
    not_reserved(wanted.iter().map(|(key, _)| key))?;
    for id in &ids {
        tags_of(cx, id)?;
    }
    for id in &ids {
        let tags = tags_of(cx, id)?;
        if wanted.is_empty() {
            tags.retain(|key, _| key.starts_with(RESERVED));
        }
        for (key, value) in &wanted {
            if value.as_ref().is_none_or(|value| tags.get(key) == Some(value)) {
                tags.remove(key);
            }
        }
    }
    Ok(done())
}

/// The answer of actions that only succeed.
pub(super) fn done() -> Xml {
    let mut xml = Xml::default();
    xml.text("return", true);
    xml
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&["key", "value", "resource-id", "resource-type", "tag-key"])?;
    let home = cx.home();
    let ec2 = &cx.world.ec2;
    let all = (ec2.vpcs.iter().map(|(id, it)| (Kind::Vpc, id, &it.home, &it.tags)))
        .chain(ec2.subnets.iter().map(|(id, it)| (Kind::Subnet, id, &it.home, &it.tags)))
        .chain(ec2.route_tables.iter().map(|(id, it)| (Kind::RouteTable, id, &it.home, &it.tags)))
        .chain(ec2.instances.iter().map(|(id, it)| (Kind::Instance, id, &it.home, &it.tags)))
        .chain(ec2.enis.iter().map(|(id, it)| (Kind::Eni, id, &it.home, &it.tags)))
        .chain(ec2.tgws.iter().map(|(id, it)| (Kind::Tgw, id, &it.home, &it.tags)))
        .chain(ec2.attachments.iter().map(|(id, it)| (Kind::Attachment, id, &it.home, &it.tags)))
        .chain(ec2.tgw_route_tables.iter().map(|(id, it)| (Kind::TgwRouteTable, id, &it.home, &it.tags)))
        .chain(ec2.vpc_peerings.iter().map(|(id, it)| (Kind::VpcPeering, id, &it.requester.home, &it.tags)))
        .chain(ec2.prefix_lists.iter().map(|(id, it)| (Kind::PrefixList, id, &it.home, &it.tags)));
    let found = all
        .filter(|(_, _, owner, _)| **owner == home)
        .flat_map(|(kind, id, _, tags)| tags.iter().map(move |(key, value)| (kind, id, key, value)))
        .filter(|(kind, id, key, value)| {
            let own = Tags::from([((*key).clone(), (*value).clone())]);
            filters.pass(&own, |filter| match filter {
                "key" => one(key),
                "value" => one(value),
                "resource-id" => one(id),
                _ => one(resource_type(*kind)),
            })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("tagSet", page, |xml, (kind, id, key, value)| {
        xml.text("resourceId", id).text("resourceType", resource_type(kind)).text("key", key).text("value", value);
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}
