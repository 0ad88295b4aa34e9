//! Regions and Availability Zones.

use super::{
    Cx, Result,
    params::{Filters, one},
    xml::Xml,
};

/// Regions that every world has, besides those of its world file.
const REGIONS: [&str; 6] =
    ["ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "eu-central-1", "us-east-1", "us-west-2"];

/// Zones of each Region.
const ZONES: [&str; 3] = ["a", "c", "d"];

impl crate::ec2::Ec2 {
    /// Every Region that there is, in order.
    pub fn known_regions(&self) -> Vec<String> {
        let mut names: Vec<String> = REGIONS.iter().map(|name| (*name).to_owned()).collect();
        names.extend(self.regions.iter().cloned());
        names.sort();
        names.dedup();
        names
    }
}

pub(super) fn describe_regions(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters: Filters = cx.params.filters(&["region-name", "endpoint", "opt-in-status"])?;
    let mut names = cx.world.ec2.known_regions();
    let wanted = cx.params.list("RegionName");
    if let Some(unknown) = wanted.iter().find(|name| !names.iter().any(|known| known == *name)) {
        return Err(super::Ec2Error::value(format!("Invalid region name: {unknown}")));
    }
    let endpoint = |name: &str| format!("ec2.{name}.amazonaws.com");
    names.retain(|name| {
        (wanted.is_empty() || wanted.contains(&name.as_str()))
            && filters.pass(&Default::default(), |filter| match filter {
                "region-name" => one(name),
                "endpoint" => one(endpoint(name)),
                _ => one("opt-in-not-required"),
            })
    });
    let mut xml = Xml::default();
    xml.set("regionInfo", names, |xml, name| {
        xml.text("regionName", &name)
            .text("regionEndpoint", endpoint(&name))
            .text("optInStatus", "opt-in-not-required");
    });
    Ok(xml)
}

pub(super) fn describe_availability_zones(cx: &mut Cx<'_>) -> Result<Xml> {
    let filters = cx.params.filters(&["zone-name", "zone-id", "region-name", "state", "zone-type", "opt-in-status"])?;
    let region = cx.caller.region.clone();
    let wanted = cx.params.list("ZoneName");
    let zones =
        ZONES.iter().enumerate().map(|(n, letter)| (format!("{region}{letter}"), format!("{region}-az{}", n + 1)));
    let zones = zones.filter(|(name, zone_id)| {
        (wanted.is_empty() || wanted.contains(&name.as_str()))
            && filters.pass(&Default::default(), |filter| match filter {
                "zone-name" => one(name),
                "zone-id" => one(zone_id),
                "region-name" => one(&region),
                "state" => one("available"),
                "zone-type" => one("availability-zone"),
                _ => one("opt-in-not-required"),
            })
    });
    let mut xml = Xml::default();
    xml.set("availabilityZoneInfo", zones, |xml, (name, zone_id)| {
        xml.text("zoneName", name)
            .text("zoneId", zone_id)
            .text("zoneState", "available")
            .text("regionName", &region)
            .text("optInStatus", "opt-in-not-required")
            .text("zoneType", "availability-zone");
    });
    Ok(xml)
}
