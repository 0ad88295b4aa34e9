//! Instances: description and power.

use super::{
    super::{Ec2, Eni, Instance, InstanceState, Kind, Platform, id::id as made_id},
    Cx, Ec2Error, Result,
    enis::{attachment_id, write_addresses, write_association},
    filters::{groups_of, write_groups},
    params::{Filters, PAGES, one},
    tags,
    xml::Xml,
};
use crate::guests;

const FILTERS: [&str; 23] = [
    "instance-id",
    "instance-state-name",
    "instance-state-code",
    "instance-type",
    "image-id",
    "vpc-id",
    "subnet-id",
    "availability-zone",
    "private-ip-address",
    "private-dns-name",
    "platform",
    "architecture",
    "owner-id",
    "reservation-id",
    "network-interface.network-interface-id",
    "network-interface.subnet-id",
    "network-interface.vpc-id",
    "network-interface.addresses.private-ip-address",
    "network-interface.mac-address",
    "instance.group-id",
    "source-dest-check",
    "instance-lifecycle",
    "tag-key",
];

/// The interfaces of an instance by device index.
fn interfaces<'a>(ec2: &'a Ec2, instance: &'a Instance) -> impl Iterator<Item = (u32, &'a String, &'a Eni)> {
    instance.enis.iter().filter_map(|(index, id)| Some((*index, id, ec2.enis.get(id)?)))
}

fn passes(ec2: &Ec2, id: &str, instance: &Instance, filters: &Filters) -> bool {
    let primary = interfaces(ec2, instance).next().map(|(_, _, eni)| eni);
    let of_primary = |value: fn(&Eni) -> String| primary.map(value).into_iter().collect();
    let of_all =
        |value: fn(&String, &Eni) -> String| interfaces(ec2, instance).map(|(_, id, eni)| value(id, eni)).collect();
    let (state, code) = instance.state.name_and_code();
    filters.pass(&instance.tags, |filter| match filter {
        "instance-id" => one(id),
        "instance-state-name" => one(state),
        "instance-state-code" => one(code),
        "instance-type" => one(&instance.instance_type),
        "image-id" => one(image(instance.platform)),
        "vpc-id" => of_primary(|eni| eni.vpc.clone()),
        "subnet-id" => of_primary(|eni| eni.subnet.clone()),
        "availability-zone" => one(zone(ec2, instance)),
        "private-ip-address" => of_primary(|eni| eni.address.to_string()),
        "private-dns-name" => primary.map(|eni| dns_name(eni.address, &instance.home.region)).into_iter().collect(),
        "platform" => match instance.platform {
            Platform::Windows => one("windows"),
            Platform::Linux => Vec::new(),
        },
        "architecture" => one("x86_64"),
        "owner-id" => one(&instance.home.account),
        "reservation-id" => one(&instance.reservation),
        "network-interface.network-interface-id" => of_all(|id, _| id.clone()),
        "network-interface.subnet-id" => of_all(|_, eni| eni.subnet.clone()),
        "network-interface.vpc-id" => of_all(|_, eni| eni.vpc.clone()),
        "network-interface.mac-address" => of_all(|_, eni| eni.mac.clone()),
        "network-interface.addresses.private-ip-address" => interfaces(ec2, instance)
            .flat_map(|(_, _, eni)| std::iter::once(&eni.address).chain(&eni.secondary))
            .map(ToString::to_string)
            .collect(),
        "instance.group-id" => primary.iter().flat_map(|eni| groups_of(eni)).collect(),
        "source-dest-check" => of_primary(|eni| eni.source_dest_check.to_string()),
        _ => Vec::new(),
    })
}

/// The image of a platform; the simulation has one each.
fn image(platform: Platform) -> String {
    match platform {
        Platform::Windows => made_id("ami", "windows"),
        Platform::Linux => made_id("ami", "linux"),
    }
}

fn zone(ec2: &Ec2, instance: &Instance) -> String {
    interfaces(ec2, instance)
        .next()
        .and_then(|(_, _, eni)| ec2.subnets.get(&eni.subnet))
        .map_or_else(|| format!("{}a", instance.home.region), |subnet| subnet.zone.clone())
}

/// The private DNS name that EC2 gives an address.
pub(super) fn dns_name(address: std::net::Ipv4Addr, region: &str) -> String {
    format!("ip-{}.{region}.compute.internal", address.to_string().replace('.', "-"))
}

pub(super) fn describe(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&FILTERS)?;
    let ids = cx.params.ids("InstanceId", Kind::Instance)?;
    let own = |id: &str| cx.world.ec2.instances.get(id).is_some_and(|it| cx.owns(&it.home));
    cx.all_known(Kind::Instance, &ids, own)?;
    let ec2 = &cx.world.ec2;
    let found: Vec<String> = ec2
        .instances
        .iter()
        .filter(|(id, it)| {
            cx.owns(&it.home) && (ids.is_empty() || ids.contains(&id.as_str())) && passes(ec2, id, it, &filters)
        })
        .map(|(id, _)| id.clone())
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("reservationSet", &page, |xml, id| {
        let Some(instance) = ec2.instances.get(id) else { return };
        write_reservation(xml, ec2, std::slice::from_ref(id), instance);
    });
    xml.maybe("nextToken", next);
    see(cx.ec2(), &page);
    Ok(xml)
}

/// A read saw these instances: what is on its way moves on.
fn see(ec2: &mut Ec2, ids: &[String]) {
    for id in ids {
        if let Some(instance) = ec2.instances.get_mut(id) {
            instance.state = instance.state.seen();
        }
    }
}

/// Writes what started the instances, and the instances.
pub(super) fn write_reservation(xml: &mut Xml, ec2: &Ec2, ids: &[String], first: &Instance) {
    xml.text("reservationId", &first.reservation)
        .text("ownerId", &first.home.account)
        .set("groupSet", std::iter::empty::<()>(), |_, ()| {})
        .set("instancesSet", ids, |xml, id| {
            if let Some(instance) = ec2.instances.get(id) {
                write_instance(xml, ec2, id, instance);
            }
        });
}

fn write_instance(xml: &mut Xml, ec2: &Ec2, id: &str, instance: &Instance) {
    let primary = interfaces(ec2, instance).next().map(|(_, _, eni)| eni);
    let region = &instance.home.region;
    xml.text("instanceId", id).text("imageId", image(instance.platform));
    write_state(xml, "instanceState", instance.state);
    xml.text("privateDnsName", primary.map(|eni| dns_name(eni.address, region)).unwrap_or_default())
        .text("dnsName", "")
        .text("reason", "")
        .text("amiLaunchIndex", 0)
        .set("productCodes", std::iter::empty::<()>(), |_, ()| {})
        .text("instanceType", &instance.instance_type)
        .text("launchTime", instance.launched)
        .node("placement", |xml| {
            xml.text("availabilityZone", zone(ec2, instance)).text("groupName", "").text("tenancy", "default");
        })
        .node("monitoring", |xml| {
            xml.text("state", "disabled");
        });
    match instance.platform {
        Platform::Windows => xml.text("platform", "windows").text("platformDetails", "Windows"),
        Platform::Linux => xml.text("platformDetails", "Linux/UNIX"),
    };
    if let Some(eni) = primary {
        xml.text("subnetId", &eni.subnet)
            .text("vpcId", &eni.vpc)
            .text("privateIpAddress", eni.address)
            .text("sourceDestCheck", eni.source_dest_check);
        write_groups(xml, ec2, eni);
    }
    xml.text("architecture", "x86_64")
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", "/dev/sda1")
        .set("blockDeviceMapping", std::iter::empty::<()>(), |_, ()| {})
        .text("virtualizationType", "hvm")
        .text("hypervisor", "xen")
        .text("ebsOptimized", false)
        .text("enaSupport", true);
    tags::write(xml, &instance.tags);
    xml.set("networkInterfaceSet", interfaces(ec2, instance), |xml, (index, id, eni)| {
        xml.text("networkInterfaceId", id)
            .text("subnetId", &eni.subnet)
            .text("vpcId", &eni.vpc)
            .text("description", &eni.description)
            .text("ownerId", &eni.home.account)
            .text("status", "in-use")
            .text("macAddress", &eni.mac)
            .text("privateIpAddress", eni.address)
            .text("privateDnsName", dns_name(eni.address, region))
            .text("sourceDestCheck", eni.source_dest_check)
            .text("interfaceType", "interface");
        write_groups(xml, ec2, eni);
        xml.node("attachment", |xml| {
            xml.text("attachmentId", attachment_id(id))
                .text("deviceIndex", index)
                .text("status", "attached")
                .text("attachTime", instance.launched)
                .text("deleteOnTermination", eni.delete_on_termination)
                .text("networkCardIndex", 0);
        });
        write_association(xml, eni);
        write_addresses(xml, eni);
    });
}

fn write_state(xml: &mut Xml, name: &str, state: InstanceState) {
    let (text, code) = state.name_and_code();
    xml.node(name, |xml| {
        xml.text("code", code).text("name", text);
    });
}

pub(super) fn describe_status(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&["instance-state-name", "instance-state-code", "availability-zone", "tag-key"])?;
    let ids = cx.params.ids("InstanceId", Kind::Instance)?;
    let all = cx.params.flag("IncludeAllInstances")?;
    let own = |id: &str| cx.world.ec2.instances.get(id).is_some_and(|it| cx.owns(&it.home));
    cx.all_known(Kind::Instance, &ids, own)?;
    let ec2 = &cx.world.ec2;
    let found = ec2
        .instances
        .iter()
        .filter(|(id, it)| {
            cx.owns(&it.home)
                && (ids.is_empty() || ids.contains(&id.as_str()))
                && (all || it.state == InstanceState::Running)
                && passes(ec2, id, it, &filters)
        })
        .collect();
    let (page, next) = cx.params.page(found, PAGES)?;
    let mut xml = Xml::default();
    xml.set("instanceStatusSet", &page, |xml, (id, instance)| {
        let health = if instance.state == InstanceState::Running { "ok" } else { "not-applicable" };
        xml.text("instanceId", id).text("availabilityZone", zone(ec2, instance));
        write_state(xml, "instanceState", instance.state);
        for check in ["systemStatus", "instanceStatus"] {
            xml.node(check, |xml| {
                xml.text("status", health);
            });
        }
    });
    xml.maybe("nextToken", next);
    let seen: Vec<String> = page.into_iter().map(|(id, _)| id.clone()).collect();
    see(cx.ec2(), &seen);
    Ok(xml)
}

pub(super) fn start(cx: &mut Cx<'_>) -> Result<Xml> {
    turn(
        cx,
        |state| state != InstanceState::Terminated && !matches!(state, InstanceState::Stopping(_)),
        |ec2, id, reads| ec2.start_instance(id, reads),
    )
}

pub(super) fn stop(cx: &mut Cx<'_>) -> Result<Xml> {
    turn(cx, |state| state != InstanceState::Terminated, |ec2, id, reads| ec2.stop_instance(id, reads))
}

pub(super) fn terminate(cx: &mut Cx<'_>) -> Result<Xml> {
    turn(cx, |_| true, |ec2, id, _| ec2.terminate_instance(id))
}

/// Changes the power of the named instances: of all, or of none if one of them cannot.
fn turn(
    cx: &mut Cx<'_>,
    may: fn(InstanceState) -> bool,
    change: fn(&mut Ec2, &str, u32) -> std::result::Result<(), String>,
) -> Result<Xml> {
    let ids: Vec<String> = cx.params.ids("InstanceId", Kind::Instance)?.into_iter().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err(Ec2Error::missing("InstanceId"));
    }
    let mut changes = Vec::new();
    for id in &ids {
        let Some(instance) = cx.world.ec2.instances.get(id).filter(|it| cx.owns(&it.home)) else {
            return Err(Ec2Error::not_found(Kind::Instance, id));
        };
        if !may(instance.state) {
            let (state, _) = instance.state.name_and_code();
            let message = format!("The instance '{id}' is not in a state from which it can be changed so: {state}");
            return Err(Ec2Error::new("IncorrectInstanceState", message));
        }
        changes.push((id, instance.state));
    }
    let reads = cx.switches.instance_pending_reads;
    let mut xml = Xml::default();
    xml.set("instancesSet", changes, |xml, (id, before)| {
        // Each was found above; an instance that is gone meanwhile cannot be, as the world is locked.
        let done = change(&mut cx.world.ec2, id, reads);
        guests::instance_changed(cx.world, id);
        if let (Ok(()), Some(instance)) = (done, cx.world.ec2.instances.get(id)) {
            xml.text("instanceId", id);
            write_state(xml, "currentState", instance.state);
            write_state(xml, "previousState", before);
        }
    });
    Ok(xml)
}
