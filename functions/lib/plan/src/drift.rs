//! The steady state: tables that say otherwise than where networks are.

use crate::desire::desired_steps;
use crate::step::Move;
use holdfast_model::{NetworkMap, NetworkName, Picture, SiteName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// Every place that does not follow where the networks are, as operations left them. Nothing is corrected: to do so is a move to
/// the same site like any other.
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
            Ok(steps) => found.extend(steps.into_iter().map(|step| Drift {
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
