//! Network interfaces.

use std::net::Ipv4Addr;

use super::{
    super::{
        Ec2, Eni, Kind, Service,
        id::{id as made_id, mac},
    },
    Cx, Ec2Error, Result,
    eni_changes::can_attach,
    filters::{groups_of, write_groups},
    instances::dns_name,
    launch::new_interface,
    params::{PAGES, Params, one},
    tags,
    xml::Xml,
};
use crate::guests;

const FILTERS: [&str; 22] = [
    "network-interface-id",
    "vpc-id",
    "subnet-id",
    "availability-zone",
    "private-ip-address",
    "addresses.private-ip-address",
    "addresses.primary",
    "mac-address",
    "status",
    "owner-id",
    "description",
    "source-dest-check",
    "group-id",
    "interface-type",
    "requester-id",
    "requester-managed",
    "attachment.status",
    "attachment.instance-owner-id",
    "attachment.instance-id",
    "attachment.device-index",
    "attachment.attachment-id",
    "tag-key",
];

/// Id of an interface's attachment to its instance.
pub(super) fn attachment_id(eni: &str) -> String {
    made_id("eni-attach", eni)
}

/// `<prefix>.PrivateIpAddresses.N`: the addresses that are not primary.
pub(super) fn secondary_addresses(params: &Params<'_>, prefix: &str) -> Result<Vec<Ipv4Addr>> {
    let list = if prefix.is_empty() { "PrivateIpAddresses".to_owned() } else { format!("{prefix}.PrivateIpAddresses") };
    let mut addresses = Vec::new();
    for n in 1..=params.structures(&list) {
        if !params.flag(&format!("{list}.{n}.Primary"))? {
            addresses.extend(params.address(&format!("{list}.{n}.PrivateIpAddress"))?);
        }
    }
    Ok(addresses)
}

fn status(eni: &Eni) -> &'static str {
    if eni.attached.is_some() || eni.service.is_some() { "in-use" } else { "available" }
}

pub(super) fn interface_type(eni: &Eni) -> &'static str {
    eni.service.map_or("interface", Service::interface_type)
}

/// Owner of what an interface is attached to: an instance's account, or a service.
fn instance_owner(ec2: &Ec2, eni: &Eni) -> Option<String> {
    let instance = eni.attached.as_ref().and_then(|(instance, _)| ec2.instances.get(instance));
    instance.map(|it| it.home.account.clone()).or_else(|| eni.service.map(|it| it.requester().to_owned()))
}

fn zone<'a>(ec2: &'a Ec2, eni: &Eni) -> &'a str {
    ec2.subnets.get(&eni.subnet).map_or("", |subnet| &subnet.zone)
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("NetworkInterfaceId", Kind::Eni)?;
    let ec2 = &cx.world.ec2;
    cx.all_known(Kind::Eni, &ids, |id| ec2.enis.get(id).is_some_and(|eni| cx.owns(&eni.home)))?;
    let found = ec2
        .enis
        .iter()
        .filter(|(id, eni)| {
            cx.owns(&eni.home)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && filters.pass(&eni.tags, |filter| match filter {
                    "network-interface-id" => one(id),
                    "vpc-id" => one(&eni.vpc),
                    "subnet-id" => one(&eni.subnet),
                    "availability-zone" => one(zone(ec2, eni)),
                    "private-ip-address" => one(eni.address),
                    "addresses.private-ip-address" => {
                        std::iter::once(&eni.address).chain(&eni.secondary).map(ToString::to_string).collect()
                    }
                    "addresses.primary" if eni.secondary.is_empty() => one(true),
                    "addresses.primary" => vec!["true".into(), "false".into()],
                    "mac-address" => one(&eni.mac),
                    "status" => one(status(eni)),
                    "owner-id" => one(&eni.home.account),
                    "description" => one(&eni.description),
                    "source-dest-check" => one(eni.source_dest_check),
                    "group-id" => groups_of(eni),
                    "interface-type" => one(interface_type(eni)),
                    "requester-id" => eni.service.map(|it| it.requester().to_owned()).into_iter().collect(),
                    "requester-managed" => one(eni.service.is_some()),
                    "attachment.status" if status(eni) == "in-use" => one("attached"),
                    "attachment.instance-owner-id" => instance_owner(ec2, eni).into_iter().collect(),
                    "attachment.instance-id" => eni.attached.iter().map(|(instance, _)| instance.clone()).collect(),
                    "attachment.device-index" => eni.attached.iter().map(|(_, index)| index.to_string()).collect(),
                    "attachment.attachment-id" => eni.attached.iter().map(|_| attachment_id(id)).collect(),
                    _ => Vec::new(),
                })
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("networkInterfaceSet", page, |xml, (id, eni)| write_eni(xml, ec2, id, eni)).maybe("nextToken", next);
    Ok(xml)
}

fn write_eni(xml: &mut Xml, ec2: &Ec2, id: &str, eni: &Eni) {
    xml.text("networkInterfaceId", id)
        .text("subnetId", &eni.subnet)
        .text("vpcId", &eni.vpc)
        .text("availabilityZone", zone(ec2, eni))
        .text("description", &eni.description)
        .text("ownerId", &eni.home.account)
        .maybe("requesterId", eni.service.map(Service::requester))
        .text("requesterManaged", eni.service.is_some())
        .text("status", status(eni))
        .text("macAddress", &eni.mac)
        .text("privateIpAddress", eni.address)
        .text("privateDnsName", dns_name(eni.address, &eni.home.region))
        .text("sourceDestCheck", eni.source_dest_check)
        .text("interfaceType", interface_type(eni));
    write_groups(xml, ec2, eni);
    if let Some((instance, index)) = &eni.attached {
        let found = ec2.instances.get(instance);
        xml.node("attachment", |xml| {
            xml.text("attachmentId", attachment_id(id))
                .text("instanceId", instance)
                .maybe("instanceOwnerId", found.map(|it| &it.home.account))
                .text("deviceIndex", index)
                .text("status", "attached")
                .maybe("attachTime", found.map(|it| it.launched))
                .text("deleteOnTermination", eni.delete_on_termination);
        });
    }
    if let Some(service) = eni.service {
        xml.node("attachment", |xml| {
            xml.text("attachmentId", made_id("ela-attach", id))
                .text("instanceOwnerId", service.requester())
                .text("deviceIndex", 1)
                .text("status", "attached")
                .text("deleteOnTermination", false);
        });
    }
    tags::write(xml, &eni.tags);
    write_association(xml, eni);
    write_addresses(xml, eni);
}

/// Writes the Elastic IP address of an interface's primary address, where it has one.
pub(super) fn write_association(xml: &mut Xml, eni: &Eni) {
    if let Some(elastic) = eni.elastic_ip {
        xml.node("association", |xml| {
            xml.text("publicIp", elastic)
                .text("publicDnsName", "")
                .text("ipOwnerId", &eni.home.account)
                .text("allocationId", made_id("eipalloc", &elastic.to_string()))
                .text("associationId", made_id("eipassoc", &elastic.to_string()));
        });
    }
}

/// Writes an interface's addresses, the primary one first.
pub(super) fn write_addresses(xml: &mut Xml, eni: &Eni) {
    let addresses = std::iter::once((&eni.address, true)).chain(eni.secondary.iter().map(|address| (address, false)));
    xml.set("privateIpAddressesSet", addresses, |xml, (address, primary)| {
        xml.text("privateIpAddress", address)
            .text("privateDnsName", dns_name(*address, &eni.home.region))
            .text("primary", primary);
    })
    .set("ipv6AddressesSet", std::iter::empty::<()>(), |_, ()| {});
}

pub(super) fn create(cx: &mut Cx<'_>) -> Result<Xml> {
    let subnet = cx.params.id("SubnetId", Kind::Subnet)?.to_owned();
    let address = cx.params.address("PrivateIpAddress")?;
    let secondary = secondary_addresses(&cx.params, "")?;
    let mut eni = new_interface(cx, &subnet, address, secondary)?;
    eni.description = cx.params.get("Description").unwrap_or_default().to_owned();
    eni.tags = cx.params.tag_specification("network-interface");
    let id = cx.new_id("eni");
    eni.mac = mac(&id);
    cx.ec2().enis.insert(id.clone(), eni.clone());
    let mut xml = Xml::default();
    xml.node("networkInterface", |xml| write_eni(xml, &cx.world.ec2, &id, &eni));
    Ok(xml)
}

/// An interface of the caller.
pub(super) fn own<'a>(cx: &'a mut Cx<'_>, id: &str) -> Result<&'a mut Eni> {
    let home = cx.home();
    let found = cx.ec2().enis.get_mut(id).filter(|eni| eni.home == home);
    found.ok_or_else(|| Ec2Error::not_found(Kind::Eni, id))
}

pub(super) fn attach(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("NetworkInterfaceId", Kind::Eni)?.to_owned();
    let instance = cx.params.id("InstanceId", Kind::Instance)?.to_owned();
    let index: u32 = cx.params.parse("DeviceIndex")?.ok_or_else(|| Ec2Error::missing("DeviceIndex"))?;
    let eni = own(cx, &id)?;
    if eni.attached.is_some() || eni.service.is_some() {
        return Err(Ec2Error::new("InvalidNetworkInterface.InUse", format!("Interface: [{id}] in use.")));
    }
    let vpc = eni.vpc.clone();
    let home = cx.home();
    let Some(found) = cx.ec2().instances.get_mut(&instance).filter(|it| it.home == home) else {
        return Err(Ec2Error::not_found(Kind::Instance, &instance));
    };
    if !can_attach(found.state) {
        let message = format!("Instance '{instance}' is not 'running' or 'stopped'.");
        return Err(Ec2Error::new("IncorrectInstanceState", message));
    }
    if found.enis.contains_key(&index) {
        let message = format!("Instance '{instance}' already has an interface attached at device index '{index}'.");
        return Err(Ec2Error::value(message));
    }
    let primary = found.enis.values().next().cloned();
    found.enis.insert(index, id.clone());
    let wrong_vpc = primary.and_then(|first| cx.world.ec2.enis.get(&first)).is_some_and(|first| first.vpc != vpc);
    if wrong_vpc {
        if let Some(found) = cx.ec2().instances.get_mut(&instance) {
            found.enis.remove(&index);
        }
        return Err(Ec2Error::value("The network interface and the instance are in different VPCs."));
    }
    own(cx, &id)?.attached = Some((instance.clone(), index));
    guests::instance_changed(cx.world, &instance);
    let mut xml = Xml::default();
    xml.text("attachmentId", attachment_id(&id)).text("networkCardIndex", 0);
    Ok(xml)
}

pub(super) fn assign(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("NetworkInterfaceId", Kind::Eni)?.to_owned();
    let mut wanted = Vec::new();
    for text in cx.params.list("PrivateIpAddress") {
        wanted.push(
            text.parse::<Ipv4Addr>()
                .map_err(|_| Ec2Error::value(format!("Invalid value '{text}' for PrivateIpAddress")))?,
        );
    }
    let count: usize = cx.params.parse("SecondaryPrivateIpAddressCount")?.unwrap_or(0);
    if wanted.is_empty() == (count == 0) {
        let message = "Give either PrivateIpAddress or SecondaryPrivateIpAddressCount";
        return Err(Ec2Error::new("InvalidParameterCombination", message));
    }
    let (vpc, subnet) = own(cx, &id).map(|eni| (eni.vpc.clone(), eni.subnet.clone()))?;
    let cidr = cx.ec2().subnets.get(&subnet).map(|subnet| subnet.cidr);
    for address in &wanted {
        if cidr.is_none_or(|cidr| !cidr.contains(address)) {
            return Err(Ec2Error::value(format!("Address {address} does not fall within the subnet's address range")));
        }
        if cx.ec2().eni_by_ip(&vpc, *address).is_some_and(|(holder, _)| holder != id) {
            return Err(Ec2Error::new("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
        }
    }
    let mut assigned = Vec::new();
    for address in wanted {
        let eni = own(cx, &id)?;
        if eni.address != address && !eni.secondary.contains(&address) {
            eni.secondary.push(address);
        }
        assigned.push(address);
    }
    for _ in 0..count {
        let free = cx.ec2().free_address(&subnet).ok_or_else(|| {
            Ec2Error::new("InsufficientFreeAddressesInSubnet", format!("Subnet '{subnet}' has no free address."))
        })?;
        own(cx, &id)?.secondary.push(free);
        assigned.push(free);
    }
    let mut xml = tags::done();
    xml.text("networkInterfaceId", &id).set("assignedPrivateIpAddressesSet", assigned, |xml, address| {
        xml.text("privateIpAddress", address);
    });
    Ok(xml)
}

pub(super) fn delete(cx: &mut Cx<'_>) -> Result<Xml> {
    let id = cx.params.id("NetworkInterfaceId", Kind::Eni)?.to_owned();
    if let Some((instance, _)) = &own(cx, &id)?.attached {
        let message = format!("Network interface '{id}' is currently in use by instance '{instance}'.");
        return Err(Ec2Error::new("InvalidNetworkInterface.InUse", message));
    }
    let eni = own(cx, &id)?;
    if eni.service.is_some() {
        let kind = interface_type(eni);
        let message = format!("Network interface '{id}' is currently in use and is of type {kind}.");
        return Err(Ec2Error::value(message));
    }
    cx.ec2().enis.remove(&id);
    Ok(tags::done())
}
