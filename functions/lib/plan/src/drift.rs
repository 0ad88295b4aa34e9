//! The steady state: tables that say otherwise than where networks are.

use crate::desire::{apart, desired_steps};
use crate::plan::plan_move;
use crate::refusal::Refusal;
use crate::step::{Move, Place, Plan, Step};
use holdfast_model::{DriftPolicy, NetworkMap, NetworkName, Picture, SiteName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

/// A place of a table that does not follow where a network is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// Networks that it is about.
    pub networks: BTreeSet<NetworkName>,
    /// Where they are.
    pub site: SiteName,
    /// What of which table, account and Region.
    pub place: String,
    /// What it says, and what it should say; or why that is not known.
    pub says: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.networks.iter().map(NetworkName::as_str).collect();
        let (noun, verb) = if names.len() == 1 { ("network", "is") } else { ("networks", "are") };
        write!(f, "{noun} {} {verb} at {}, but {} {}", names.join(", "), self.site, self.place, self.says)
    }
}

/// Every place that does not follow where the networks are, as operations left them. Host routes of machines that are led apart from their network, by
/// all tables alike, are none. Nothing is corrected: to do so is a move to the same site like any other.
#[must_use]
pub fn drift(sites: &BTreeMap<NetworkName, SiteName>, map: &NetworkMap, picture: &Picture) -> Vec<Drift> {
    let mut by_site: BTreeMap<&SiteName, BTreeSet<NetworkName>> = BTreeMap::new();
    for (network, site) in sites {
        by_site.entry(site).or_default().insert(network.clone());
    }
    let mut found = Vec::new();
    for (site, networks) in by_site {
        // Each by itself where together is refused, so that one that cannot be read hides no other.
        match desired_steps(&Move::whole(&networks, site), map, picture) {
            Ok(steps) => found.extend(astray(steps, &networks, site, map, picture).map(|step| Drift {
                networks: step.networks.clone(),
                site: site.clone(),
                place: format!("{} of {} ({})", step.place, step.label(), step.scope),
                says: format!("is {} and should be {}", step.words(&step.before), step.words(&step.after)),
            })),
            Err(refusal) if networks.len() == 1 => found.push(Drift {
                networks,
                site: site.clone(),
                place: "its tables".to_owned(),
                says: format!("cannot be compared: {refusal}"),
            }),
            Err(_) => {
                for network in networks {
                    found.extend(drift(&BTreeMap::from([(network, site.clone())]), map, picture));
                }
            }
        }
    }
    found.sort();
    found
}

/// Steps that are not only about machines which are led apart from their network.
fn astray(
    steps: Vec<Step>,
    networks: &BTreeSet<NetworkName>,
    site: &SiteName,
    map: &NetworkMap,
    picture: &Picture,
) -> impl Iterator<Item = Step> {
    let apart: BTreeSet<Ipv4Addr> =
        apart(networks, site, map, picture, None).into_values().flat_map(BTreeSet::into_iter).collect();
    steps.into_iter().filter(move |step| match step.place {
        Place::Route { prefix } => !(prefix.length() == 32 && apart.contains(&prefix.network())),
        Place::Reference { .. } | Place::Propagation { .. } => true,
    })
}

/// Plans to lead every table back to the site where the last operation left the networks: a move to that site, for networks whose policy has their
/// drift corrected. A plan without stages means that nothing is astray. Whether the machines run there is for [`judge`](crate::judge) to say.
///
/// # Errors
/// [`Refusal::DriftReported`] with everything that is astray, where the policy of a network only has it reported; [`Refusal::DriftApart`] where machines
/// are led apart from a network; else as for [`plan_move`], also where another network would be led too.
pub fn plan_correction(
    networks: &BTreeSet<NetworkName>,
    site: &SiteName,
    map: &NetworkMap,
    picture: &Picture,
) -> Result<Plan, Refusal> {
    let sites = networks.iter().map(|network| (network.clone(), site.clone())).collect();
    let found: Vec<String> = drift(&sites, map, picture).iter().map(ToString::to_string).collect();
    let only = only_reported(networks, map);
    let (whole, site_of_all) = (networks.clone(), site.clone());
    if found.is_empty() {
        return Ok(Plan { networks: whole, to: site_of_all, hosts: None, stages: Vec::new() });
    }
    if !only.is_empty() {
        return Err(Refusal::DriftReported { networks: whole, site: site_of_all, only, found });
    }
    let apart = apart(networks, site, map, picture, None);
    if !apart.is_empty() {
        let led = |(site, hosts): (SiteName, BTreeSet<Ipv4Addr>)| {
            hosts.into_iter().map(move |host| format!("{host} to {site}")).collect::<Vec<_>>()
        };
        let hosts = apart.into_iter().flat_map(led).collect();
        return Err(Refusal::DriftApart { networks: whole, site: site_of_all, hosts, found });
    }
    plan_move(&Move::whole(networks, site), map, picture)
}

/// Those of some networks whose policy has drift only reported.
#[must_use]
pub fn only_reported(networks: &BTreeSet<NetworkName>, map: &NetworkMap) -> BTreeSet<NetworkName> {
    let reports = |name: &&NetworkName| {
        map.networks.get(*name).is_some_and(|network| match network.drift {
            DriftPolicy::Report => true,
            DriftPolicy::Correct => false,
        })
    };
    networks.iter().filter(reports).cloned().collect()
}
