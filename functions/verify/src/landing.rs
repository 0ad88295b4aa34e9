//! What an NC2 site has ready for machines that are to go there: the subnet of each network, and their addresses on it.

use crate::checks::{fail, list, pass, unknown, warn};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::{Evidence, ExtId, HostName, HostRecord, Landing, NetworkMap, NetworkName, Sighting, SiteName};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// A site, and what is to go there.
#[derive(Debug, Clone)]
pub(crate) struct Destination<'a> {
    pub to: &'a SiteName,
    pub networks: BTreeSet<NetworkName>,
    pub hosts: &'a [HostRecord],
    /// What the site has ready; none where nobody asked.
    pub evidence: Option<&'a Evidence>,
    /// How bad it is that an address is reserved there.
    pub reserved: CheckStatus,
}

impl Destination<'_> {
    /// Whether every network has a subnet there that can carry it.
    pub(crate) fn subnets(&self, map: &NetworkMap) -> Vec<Check> {
        let to = self.to;
        let Some(evidence) = self.evidence else {
            return vec![unknown(format!("subnets at {to}"), "Prism Central was not asked what it has ready")];
        };
        if let Some(why) = evidence.sites_unread.get(to) {
            return vec![unknown(format!("subnets at {to}"), why.clone())];
        }
        let declared = self.networks.iter().filter_map(|name| Some((name, map.networks.get(name)?)));
        declared
            .map(|(name, network)| {
                let title = format!("subnet for {name} at {to}");
                let Some(landing) = evidence.landings.get(name) else {
                    let hosts = self.hosts.iter().filter(|host| host.nics.iter().any(|nic| nic.network == *name));
                    let hosts = list(hosts.map(|host| &host.name));
                    let mend = format!("write one under `networks.{name}.subnets.{to}` of the network map");
                    return fail(title, format!("the network map has none, but {hosts} need it; {mend}"));
                };
                let misfits = landing.misfits(network.prefix);
                match misfits.is_empty() {
                    true => pass(
                        title,
                        format!("`{}` of VPC `{}` can carry {}", landing.subnet, landing.vpc, network.prefix),
                    ),
                    false => fail(title, misfits.join("; ")),
                }
            })
            .collect()
    }

    /// Whether a host can have its addresses on those networks there.
    pub(crate) fn addresses(&self, host: &HostRecord, found: &mut Vec<Check>) {
        let Some(evidence) = self.evidence else { return };
        for nic in host.nics.iter().filter(|nic| self.networks.contains(&nic.network)) {
            let landing = evidence.landings.get(&nic.network);
            for address in std::iter::once(nic.primary).chain(nic.secondary.iter().copied()) {
                if let Some(landing) = landing {
                    self.on_subnet(landing, address, found);
                }
                for (other, vm) in users(evidence, self.to, address) {
                    // A VM of the host's own name is the host, or told of by itself.
                    if *other != host.name {
                        let text = format!("{address}: VM `{other}` ({vm}) has it at {}; free it there", self.to);
                        found.push(fail("address in use", text));
                    }
                }
            }
        }
    }

    /// What a subnet has already for an address.
    fn on_subnet(&self, landing: &Landing, address: Ipv4Addr, found: &mut Vec<Check>) {
        let subnet = &landing.subnet;
        if let Some(what) = landing.own(address) {
            let mend = "give the subnet another one, or the machine";
            found.push(fail(
                "address of the subnet itself",
                format!("{address}: subnet `{subnet}` has it as {what}; {mend}"),
            ));
        }
        if let Some(what) = landing.kept.get(&address) {
            let saw = format!("{address}: {what} holds it on subnet `{subnet}`; free it there");
            found.push(Check { status: self.reserved, ..fail("address reserved", saw) });
        }
        if let Some((first, last)) = landing.pool(address) {
            let mend = "Prism Central may hand it to another VM before; shrink the pool around it";
            found.push(warn(
                "address in a DHCP pool",
                format!("{address} is in {first} to {last} of subnet `{subnet}`: {mend}"),
            ));
        }
    }
}

/// VMs of a site that an address was given to, or that use it.
fn users<'a>(evidence: &'a Evidence, site: &SiteName, address: Ipv4Addr) -> Vec<(&'a HostName, &'a ExtId)> {
    let has = |sighting: &&Sighting| {
        let mut nics = sighting.nics.iter();
        sighting.site == *site && nics.any(|nic| nic.configured.contains(&address) || nic.learned.contains(&address))
    };
    let all = evidence.hosts.iter();
    all.flat_map(|(name, seen)| seen.iter().filter(has).map(move |sighting| (name, &sighting.vm))).collect()
}
