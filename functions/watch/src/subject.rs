//! Which networks and which destination a request speaks of, checked against the network map.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::Ipv4Addr;

use holdfast_journal::Operation;
use holdfast_model::{Fault, FaultName, NetworkMap, NetworkName, SiteName, WaveName};

/// What evidence is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Networks, at least one.
    pub networks: BTreeSet<NetworkName>,
    /// Site that the machines should be at.
    pub to: SiteName,
    /// Only the machines with these addresses move; none: whole networks.
    pub hosts: Option<BTreeSet<Ipv4Addr>>,
}

impl Scope {
    /// NC2 sites that could run a machine of the networks: those with a subnet for one of them, and the destination; none in a lost Region.
    #[must_use]
    pub fn nc2_sites(&self, map: &NetworkMap) -> BTreeSet<SiteName> {
        let networks = self.networks.iter().filter_map(|name| map.networks.get(name));
        let carried = networks.flat_map(|network| network.subnets.keys()).chain([&self.to]);
        let asked = |site: &&SiteName| {
            let site = map.sites.get(*site);
            site.is_some_and(|site| matches!(site, holdfast_model::Site::Nc2 { .. }) && map.reachable(site.region()))
        };
        carried.filter(asked).cloned().collect()
    }
}

fn unknown<N: Display>(kind: &str, name: &N, declared: impl Iterator<Item = impl Display>) -> Fault {
    let declared: Vec<String> = declared.map(|name| format!("`{name}`")).collect();
    let declared = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
    let message = format!("there is no {kind} `{name}`; the network map declares {declared}");
    Fault::new(FaultName::InvalidInput, message)
}

/// The wave's place in the map.
///
/// # Errors
/// `InvalidInput` that lists what is declared.
pub(crate) fn wave<'a>(map: &'a NetworkMap, name: &WaveName) -> Result<&'a holdfast_model::Wave, Fault> {
    map.waves.get(name).ok_or_else(|| unknown("wave", name, map.waves.keys()))
}

/// Networks and destination that a person or an event named.
///
/// # Errors
/// `InvalidInput` that lists what is declared.
pub fn of_request(map: &NetworkMap, networks: &BTreeSet<NetworkName>, to: &SiteName) -> Result<Scope, Fault> {
    if networks.is_empty() {
        let message = "`networks` is empty; name at least one network".to_owned();
        return Err(Fault::new(FaultName::InvalidInput, message));
    }
    if let Some(name) = networks.iter().find(|name| !map.networks.contains_key(*name)) {
        return Err(unknown("network", name, map.networks.keys()));
    }
    if !map.sites.contains_key(to) {
        return Err(unknown("site", to, map.sites.keys()));
    }
    Ok(Scope { networks: networks.clone(), to: to.clone(), hosts: None })
}

/// Networks of an operation, and the site that they were at before it.
///
/// # Errors
/// `NotUndoable` when the tables did not lead to one site before; `InvalidInput` when the map has them no more.
pub fn of_operation(map: &NetworkMap, operation: &Operation) -> Result<Scope, Fault> {
    let not = |why: String| {
        Fault::new(FaultName::NotUndoable, format!("operation `{}` cannot be undone: {why}", operation.id))
    };
    let to = operation.undo_to().map_err(not)?;
    Ok(Scope { hosts: operation.plan.hosts.clone(), ..of_request(map, &operation.plan.networks, &to)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_declared_is_refused_with_what_is() {
        let fault = unknown("site", &"nc2-mars", ["ec2-tokyo", "nc2-tokyo"].iter());
        assert_eq!(fault.name, FaultName::InvalidInput);
        assert_eq!(fault.message, "there is no site `nc2-mars`; the network map declares `ec2-tokyo`, `nc2-tokyo`");
    }
}
