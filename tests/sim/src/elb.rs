//! Elastic Load Balancing: which addresses its target groups send traffic to.
//!
//! Answered where the world file declares a target group; else its calls go to the emulator behind the front.

use std::collections::BTreeMap;

use crate::{
    ec2::{InstanceState, TargetGroup, Xml},
    front::{Caller, Refusal},
    world::World,
};

/// The actions that are answered.
pub const ACTIONS: [&str; 2] = ["DescribeTargetGroups", "DescribeTargetHealth"];

/// Most target groups in one answer. Source: ELB API reference, `DescribeTargetGroups`, `PageSize`.
const PAGE: usize = 400;

/// Answers one action with the inside of its result.
pub(crate) fn handle(
    world: &World,
    caller: &Caller,
    action: &str,
    form: &BTreeMap<String, String>,
) -> Result<String, Refusal> {
    let own = |group: &TargetGroup| group.home.account == caller.account && group.home.region == caller.region;
    let groups = world.ec2.target_groups.iter().filter(|(_, group)| own(group));
    let missing = |what: &str| Refusal {
        status: 400,
        code: "TargetGroupNotFound".into(),
        message: format!("Target groups '{what}' not found"),
    };
    let mut xml = Xml::default();
    if action == "DescribeTargetHealth" {
        let arn = form.get("TargetGroupArn").map(String::as_str).unwrap_or_default();
        let (_, group) = groups.into_iter().find(|(id, _)| *id == arn).ok_or_else(|| missing(arn))?;
        members(&mut xml, "TargetHealthDescriptions", &group.targets, |xml, target| {
            xml.node("Target", |xml| {
                xml.text("Id", target).text("Port", group.port);
            })
            .text("HealthCheckPort", group.port)
            .node("TargetHealth", |xml| health(xml, world, group, target));
        });
        return Ok(xml.as_str().to_owned());
    }
    let list = |name: &str| -> Vec<&String> { (1..).map_while(|n| form.get(&format!("{name}.member.{n}"))).collect() };
    let (arns, names) = (list("TargetGroupArns"), list("Names"));
    let found: Vec<(&String, &TargetGroup)> = groups
        .filter(|(arn, group)| {
            (arns.is_empty() || arns.contains(arn)) && (names.is_empty() || names.contains(&&group.name))
        })
        .collect();
    if found.len() < arns.len().max(names.len()) {
        let wanted: Vec<&str> = arns.iter().chain(&names).map(|text| text.as_str()).collect();
        return Err(missing(&wanted.join(", ")));
    }
    let number = |name: &str, usual: usize| form.get(name).map_or(Ok(usual), |text| text.parse());
    let refused = |what: &str| Refusal {
        status: 400,
        code: "ValidationError".into(),
        message: format!("The value of '{what}' is not valid"),
    };
    let size = number("PageSize", PAGE).ok().filter(|size| (1..=PAGE).contains(size));
    let size = size.ok_or_else(|| refused("PageSize"))?;
    let from = number("Marker", 0).map_err(|_| refused("Marker"))?;
    let next = from.saturating_add(size);
    let more = found.len() > next;
    members(&mut xml, "TargetGroups", found.into_iter().skip(from).take(size), |xml, (arn, group)| {
        xml.text("TargetGroupArn", arn)
            .text("TargetGroupName", &group.name)
            .text("Protocol", "TCP")
            .text("Port", group.port)
            .text("VpcId", &group.vpc)
            .text("TargetType", if group.by_ip { "ip" } else { "instance" })
            .text("IpAddressType", "ipv4");
    });
    if more {
        xml.text("NextMarker", next);
    }
    Ok(xml.as_str().to_owned())
}

/// A list as the Query protocol writes it.
fn members<T>(xml: &mut Xml, name: &str, items: impl IntoIterator<Item = T>, mut inside: impl FnMut(&mut Xml, T)) {
    xml.node(name, |xml| {
        for item in items {
            xml.node("member", |xml| inside(xml, item));
        }
    });
}

/// Healthy while the instance behind a target runs; an address that no instance has may be anywhere and is healthy.
fn health(xml: &mut Xml, world: &World, group: &TargetGroup, target: &str) {
    let ec2 = &world.ec2;
    let holder = || {
        let (_, eni) = ec2.eni_by_ip(&group.vpc, target.parse().ok()?)?;
        eni.attached.as_ref().map(|(instance, _)| instance.as_str())
    };
    let instance = if group.by_ip { holder() } else { Some(target) };
    let runs = instance.and_then(|id| ec2.instances.get(id)).is_none_or(|it| it.state == InstanceState::Running);
    match (runs, group.by_ip) {
        (true, _) => xml.text("State", "healthy"),
        (false, true) => xml.text("State", "unhealthy").text("Reason", "Target.Timeout"),
        (false, false) => xml.text("State", "unused").text("Reason", "Target.InvalidState"),
    };
}
