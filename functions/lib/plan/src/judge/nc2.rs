//! NC2 sites: what the evidence says of them.

use super::{Judge, Objection};
use crate::refusal::list;
use holdfast_model::{HostName, HostRecord, Power, Prefix, Sighting, Site};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Where the machines of a network stand, as far as NC2 sites tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Every captured host runs at the destination with its addresses, and nowhere else: one line each.
    There(Vec<String>),
    /// Some run at the destination and elsewhere: two claim an address.
    Both(Vec<String>),
    /// Some run elsewhere only.
    Left(Vec<String>),
    /// Some run nowhere, or not with their addresses.
    Wrong(Vec<String>),
}

impl<'a> Judge<'_, 'a> {
    pub(super) fn nc2_sites(&mut self, hosts: &[&'a HostRecord], prefixes: &[Prefix]) {
        let Some(evidence) = self.facts.evidence else { return };
        let to_nc2 = matches!(self.facts.map.sites.get(self.facts.to), Some(Site::Nc2 { .. }));
        for host in hosts {
            let sightings = evidence.hosts.get(&host.name).map_or(&[][..], Vec::as_slice);
            for seen in sightings.iter().filter(|seen| seen.site != *self.facts.to) {
                self.elsewhere(host, seen);
            }
            if !to_nc2 {
                continue;
            }
            let here: Vec<&Sighting> =
                sightings.iter().filter(|seen| seen.site == *self.facts.to && seen.power == Power::On).collect();
            match here.as_slice() {
                [seen] => self.addresses(host, seen, prefixes),
                [] => self.absent(host, sightings),
                [_, _, ..] => {
                    let vms = list(here.iter().map(|seen| &seen.vm));
                    let saw = format!("runs more than once at `{}`: VMs {vms}", self.facts.to);
                    self.host(host, saw, "shut down all but the right one");
                }
            }
        }
        self.held_by_others(hosts, prefixes);
    }

    /// VMs of no captured host that hold an address of one.
    fn held_by_others(&mut self, hosts: &[&'a HostRecord], prefixes: &[Prefix]) {
        let Some(evidence) = self.facts.evidence else { return };
        let recorded: BTreeSet<Ipv4Addr> =
            hosts.iter().flat_map(|host| host.addresses()).filter(|a| self.moves(prefixes, *a)).collect();
        let names: BTreeSet<&HostName> = hosts.iter().map(|host| &host.name).collect();
        for (name, sightings) in evidence.hosts.iter().filter(|(name, _)| !names.contains(name)) {
            for seen in sightings.iter().filter(|seen| seen.power != Power::Off) {
                let held: BTreeSet<Ipv4Addr> =
                    seen.nics.iter().flat_map(|nic| nic.configured.iter().chain(&nic.learned)).copied().collect();
                let taken: Vec<&Ipv4Addr> = held.intersection(&recorded).collect();
                if !taken.is_empty() {
                    self.objections.push(Objection::Stranger {
                        who: format!("VM `{name}` ({}) at `{}`", seen.vm, seen.site),
                        saw: format!("holds {} of a captured host", list(taken)),
                        mend: "shut it down or give it another address",
                    });
                }
            }
        }
    }

    /// What the evidence says of a whole network, as far as NC2 sites tell: what `judge` says of it, told apart by what a machine's failover means.
    pub(super) fn standing(&mut self) -> Standing {
        let (prefixes, evidence) = (self.prefixes(), self.facts.evidence);
        let hosts = self.hosts(&prefixes);
        let (mut both, mut left) = (Vec::new(), Vec::new());
        for host in &hosts {
            let sightings = evidence.and_then(|it| it.hosts.get(&host.name)).map_or(&[][..], Vec::as_slice);
            let runs = |seen: &&Sighting| seen.power == Power::On;
            let elsewhere = sightings.iter().filter(runs).find(|seen| seen.site != *self.facts.to);
            let here = sightings.iter().filter(runs).find(|seen| seen.site == *self.facts.to);
            match (here, elsewhere) {
                (Some(here), Some(there)) => both.push(format!(
                    "{} runs at `{}` as VM `{}` and at `{}` as VM `{}`",
                    host.name, here.site, here.vm, there.site, there.vm
                )),
                (None, Some(there)) => {
                    left.push(format!("{} runs at `{}` as VM `{}`", host.name, there.site, there.vm))
                }
                (Some(_) | None, None) => {}
            }
        }
        if !both.is_empty() {
            return Standing::Both(both);
        }
        if !left.is_empty() {
            return Standing::Left(left);
        }
        self.nc2_sites(&hosts, &prefixes);
        match self.objections.is_empty() && !hosts.is_empty() {
            true => Standing::There(std::mem::take(&mut self.lines)),
            false if hosts.is_empty() => Standing::Wrong(vec!["no host of it was captured".to_owned()]),
            false => Standing::Wrong(self.objections.iter().map(ToString::to_string).collect()),
        }
    }

    /// A VM of a host at a site that routes will not lead to.
    fn elsewhere(&mut self, host: &HostRecord, seen: &Sighting) {
        let at = format!("at `{}` as VM `{}`", seen.site, seen.vm);
        match seen.power {
            Power::Off => self.lines.push(format!("{}: off {at}", host.name)),
            Power::On => self.host(host, format!("runs {at}"), "shut that VM down first"),
            Power::Unknown => {
                self.host(host, format!("is in an unknown power state {at}"), "make Prism Central show it as off");
            }
        }
    }

    fn absent(&mut self, host: &HostRecord, sightings: &[Sighting]) {
        let here: Vec<String> = sightings
            .iter()
            .filter(|seen| seen.site == *self.facts.to)
            .map(|seen| match seen.power {
                Power::Unknown => format!("VM `{}` in an unknown power state", seen.vm),
                Power::On | Power::Off => format!("VM `{}` switched off", seen.vm),
            })
            .collect();
        let saw = if here.is_empty() { "no VM of this name".to_owned() } else { here.join(", ") };
        let saw = format!("does not run at `{}` ({saw})", self.facts.to);
        self.unless_excused(host, saw, "start it there, or take it out of the networks");
    }

    fn addresses(&mut self, host: &HostRecord, seen: &Sighting, prefixes: &[Prefix]) {
        let kept = self.facts.map.kept(host);
        let (wanted, left): (Vec<Ipv4Addr>, Vec<Ipv4Addr>) = host
            .addresses()
            .filter(|a| self.moves(prefixes, *a))
            .partition(|address| kept.addresses().any(|other| other == *address));
        if !left.is_empty() {
            let mapping = format!("`waves.{}.nics` of the network map", host.wave);
            self.lines.push(format!("{}: {} left out, as {mapping} says", host.name, list(&left)));
        }
        let at = format!("at `{}` as VM `{}`", seen.site, seen.vm);
        let mut right = true;
        for address in &wanted {
            let Some(nic) = seen.nics.iter().find(|nic| nic.configured.contains(address)) else {
                right = false;
                let saw = format!("runs {at} without {address} on a NIC");
                self.unless_excused(host, saw, "run `restore-nic` for its wave");
                continue;
            };
            if !nic.connected {
                right = false;
                let saw = format!("runs {at}, but the NIC of {address} is disconnected");
                self.unless_excused(host, saw, "connect the NIC");
            } else if !nic.learned.contains(address) && host.uses(*address) {
                right = false;
                let uses = if nic.learned.is_empty() { "no address".to_owned() } else { list(&nic.learned) };
                let saw = format!("runs {at} with {address} on its NIC, but the guest was seen to use {uses}");
                self.silent_unless_excused(host, saw);
            }
        }
        if right {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            self.lines.push(format!("{}: runs {at} with {}", host.name, wanted.join(", ")));
        }
    }
}
