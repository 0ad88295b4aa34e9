//! Starting new instances.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{
    super::{Eni, Instance, InstanceState, Kind, Platform},
    Cx, Ec2Error, Result,
    enis::secondary_addresses,
    instances::write_reservation,
    xml::Xml,
};
use crate::{ec2::id, guests};

/// An interface that a new instance shall have.
struct Wanted {
    index: u32,
    existing: Option<String>,
    subnet: String,
    address: Option<Ipv4Addr>,
    secondary: Vec<Ipv4Addr>,
}

/// `RunInstances`: image, count, type, subnet or interfaces, and tags; other parameters have no effect here.
///
/// An image whose name says `windows` (such as `resolve:ssm:/aws/service/ami-windows-latest/..`) makes a Windows
/// machine, any other a Linux one. A client token that was seen before starts nothing and answers as the first time.
pub(super) fn run(cx: &mut Cx<'_>) -> Result<Xml> {
    let image = cx.params.need("ImageId")?.to_lowercase();
    let platform = if image.contains("windows") { Platform::Windows } else { Platform::Linux };
    let most: usize = cx.params.parse("MaxCount")?.ok_or_else(|| Ec2Error::missing("MaxCount"))?;
    let least: usize = cx.params.parse("MinCount")?.ok_or_else(|| Ec2Error::missing("MinCount"))?;
    if least == 0 || most < least {
        return Err(Ec2Error::value(format!("Value ({least}, {most}) for minCount and maxCount is invalid.")));
    }
    let token = cx.params.get("ClientToken").map(|token| (cx.home(), token.to_owned()));
    if let Some(started) = token.as_ref().and_then(|token| cx.world.ec2.client_tokens.get(token)).cloned() {
        return Ok(answer(cx, &started));
    }
    let wanted = interfaces(cx)?;
    if most > 1 && wanted.iter().any(|it| it.address.is_some() || it.existing.is_some() || !it.secondary.is_empty()) {
        let message = "An address or a network interface can be given to one instance only.";
        return Err(Ec2Error::new("InvalidParameterCombination", message));
    }
    let instance_type = cx.params.get("InstanceType").unwrap_or("m5.large").to_owned();
    let tags = cx.params.tag_specification("instance");
    let reservation = cx.new_id("r");
    let mut started = Vec::new();
    for _ in 0..most {
        let id = cx.new_id("i");
        let mut enis = BTreeMap::new();
        for interface in &wanted {
            enis.insert(interface.index, attach(cx, interface, &id)?);
        }
        let state = match cx.switches.instance_pending_reads {
            0 => InstanceState::Running,
            reads => InstanceState::Pending(reads),
        };
        let instance = Instance {
            home: cx.home(),
            platform,
            instance_type: instance_type.clone(),
            state,
            launched: cx.now,
            enis,
            forwards: false,
            reservation: reservation.clone(),
            tags: tags.clone(),
        };
        cx.ec2().instances.insert(id.clone(), instance);
        guests::instance_changed(cx.world, &id);
        started.push(id);
    }
    if let Some(token) = token {
        cx.ec2().client_tokens.insert(token, started.clone());
    }
    Ok(answer(cx, &started))
}

fn answer(cx: &Cx<'_>, started: &[String]) -> Xml {
    let mut xml = Xml::default();
    if let Some(first) = started.first().and_then(|id| cx.world.ec2.instances.get(id)) {
        write_reservation(&mut xml, &cx.world.ec2, started, first);
    }
    xml
}

/// The interfaces that a request asks for, each checked.
fn interfaces(cx: &Cx<'_>) -> Result<Vec<Wanted>> {
    let params = &cx.params;
    let mut wanted = Vec::new();
    for n in 1..=params.structures("NetworkInterface") {
        let prefix = format!("NetworkInterface.{n}");
        let index = params.parse(&format!("{prefix}.DeviceIndex"))?.unwrap_or(0);
        let existing = params.get(&format!("{prefix}.NetworkInterfaceId")).map(str::to_owned);
        let subnet = match &existing {
            Some(eni) => {
                let free = cx.world.ec2.enis.get(eni).filter(|it| cx.owns(&it.home));
                let free = free.ok_or_else(|| Ec2Error::not_found(Kind::Eni, eni))?;
                if free.attached.is_some() {
                    return Err(in_use(eni));
                }
                free.subnet.clone()
            }
            None => params.id(&format!("{prefix}.SubnetId"), Kind::Subnet)?.to_owned(),
        };
        let address = params.address(&format!("{prefix}.PrivateIpAddress"))?;
        let secondary = secondary_addresses(params, &prefix)?;
        wanted.push(Wanted { index, existing, subnet, address, secondary });
    }
    if wanted.is_empty() {
        let subnet = params
            .get("SubnetId")
            .ok_or_else(|| Ec2Error::new("VPCIdNotSpecified", "No default VPC for this user. Name a subnet."))?;
        let address = params.address("PrivateIpAddress")?;
        wanted.push(Wanted { index: 0, existing: None, subnet: subnet.to_owned(), address, secondary: Vec::new() });
    }
    for interface in &wanted {
        if !cx.world.ec2.subnets.get(&interface.subnet).is_some_and(|subnet| cx.owns(&subnet.home)) {
            return Err(Ec2Error::not_found(Kind::Subnet, &interface.subnet));
        }
    }
    Ok(wanted)
}

fn attach(cx: &mut Cx<'_>, wanted: &Wanted, instance: &str) -> Result<String> {
    let attached = Some((instance.to_owned(), wanted.index));
    if let Some(existing) = &wanted.existing {
        let eni = cx.ec2().enis.get_mut(existing).ok_or_else(|| Ec2Error::not_found(Kind::Eni, existing))?;
        if eni.attached.is_some() {
            return Err(in_use(existing));
        }
        eni.attached = attached;
        return Ok(existing.clone());
    }
    let eni = new_interface(cx, &wanted.subnet, wanted.address, wanted.secondary.clone())?;
    let id = cx.new_id("eni");
    let mac = id::mac(&id);
    cx.ec2().enis.insert(id.clone(), Eni { mac, attached, delete_on_termination: true, ..eni });
    Ok(id)
}

fn in_use(eni: &str) -> Ec2Error {
    Ec2Error::new("InvalidNetworkInterface.InUse", format!("Interface: [{eni}] in use."))
}

/// An interface in a subnet of the caller, with this address or the next free one; it has no MAC address yet.
pub(super) fn new_interface(
    cx: &Cx<'_>,
    subnet: &str,
    address: Option<Ipv4Addr>,
    secondary: Vec<Ipv4Addr>,
) -> Result<Eni> {
    let ec2 = &cx.world.ec2;
    let Some(found) = ec2.subnets.get(subnet).filter(|found| cx.owns(&found.home)) else {
        return Err(Ec2Error::not_found(Kind::Subnet, subnet));
    };
    let address = address.or_else(|| ec2.free_address(subnet)).ok_or_else(|| {
        let message = format!("There are not enough free addresses in subnet '{subnet}' to satisfy the request.");
        Ec2Error::new("InsufficientFreeAddressesInSubnet", message)
    })?;
    for wanted in std::iter::once(&address).chain(&secondary) {
        if !found.cidr.contains(wanted) {
            return Err(Ec2Error::value(format!("Address {wanted} does not fall within the subnet's address range")));
        }
        if ec2.eni_by_ip(&found.vpc, *wanted).is_some() {
            return Err(Ec2Error::new("InvalidIPAddress.InUse", format!("Address {wanted} is in use.")));
        }
    }
    Ok(Eni {
        home: cx.home(),
        vpc: found.vpc.clone(),
        subnet: subnet.to_owned(),
        mac: String::new(),
        address,
        secondary,
        attached: None,
        service: None,
        delete_on_termination: false,
        groups: Vec::new(),
        elastic_ip: None,
        source_dest_check: true,
        description: String::new(),
        tags: Default::default(),
    })
}
