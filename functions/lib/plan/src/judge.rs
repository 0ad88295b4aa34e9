//! Judges whether the machines are where routes are to lead.

use crate::refusal::list;
use holdfast_model::{
    Eni, EniStatus, Evidence, FaultName, HostName, HostRecord, Instance, InstanceState, Machines, NetworkMap,
    NetworkName, Picture, Power, Prefix, Sighting, Site, SiteName,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// How far in the future a document may be dated: clocks of two functions differ by less.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// Everything that a judgement rests on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Networks that are to move.
    pub networks: &'a BTreeSet<NetworkName>,
    /// Site that routes are to lead to.
    pub to: &'a SiteName,
    /// The network map, with the policy.
    pub map: &'a NetworkMap,
    /// What the Prism Centrals said; none when nobody asked them.
    pub evidence: Option<&'a Evidence>,
    /// Only these addresses move; none: whole networks.
    pub addresses: Option<&'a BTreeSet<Ipv4Addr>>,
    /// The routing as it is; none where it was not read, and then nothing is said of machines that routes would strand.
    pub picture: Option<&'a Picture>,
    /// Captured hosts; those without an address in the networks do not count.
    pub hosts: &'a [HostRecord],
    /// Instances and network interfaces of each EC2 site, read now; and of NC2 sites' VPCs where they were read.
    pub machines: &'a BTreeMap<SiteName, Machines>,
    /// The time.
    pub now: Timestamp,
}

/// One thing that speaks against leading routes to the site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// No evidence.
    #[error("there is no evidence of where the machines run; run `watch` first, or start with `force` (who and why)")]
    NoEvidence,
    /// Nothing was captured.
    #[error("no host was captured in {}; run `capture` first", list(networks))]
    NotCaptured {
        /// The networks.
        networks: BTreeSet<NetworkName>,
    },
    /// The evidence is too old.
    #[error("evidence `{id}` is {age} s old, policy allows {allowed} s; take it again")]
    Stale {
        /// Its key.
        id: String,
        /// Age in seconds; negative when dated in the future.
        age: i64,
        /// Allowed age in seconds.
        allowed: u32,
    },
    /// The evidence is of other networks.
    #[error("evidence `{id}` does not speak of {}; take it again for these networks", list(missing))]
    OtherNetworks {
        /// Its key.
        id: String,
        /// Networks it leaves out.
        missing: Vec<NetworkName>,
    },
    /// A site did not answer.
    #[error("site `{site}` is unknown: {why}; make it answer, or start with `force` (who and why)")]
    Unread {
        /// The site.
        site: SiteName,
        /// Why.
        why: String,
    },
    /// A host is not where routes are to lead.
    #[error("{host} {saw}; {mend}")]
    Host {
        /// The host.
        host: HostName,
        /// What was seen.
        saw: String,
        /// What a person can do.
        mend: &'static str,
    },
    /// Somebody else is in the way.
    #[error("{who} {saw}; {mend}")]
    Stranger {
        /// Id and name.
        who: String,
        /// What was seen.
        saw: String,
        /// What a person can do.
        mend: &'static str,
    },
}

/// Everything that speaks against it; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Objections(pub Vec<Objection>);

impl Objections {
    /// The fault that a function returns for it: what a person has to mend first.
    #[must_use]
    pub fn fault(&self) -> FaultName {
        let rank = |objection: &Objection| match objection {
            Objection::NotCaptured { .. } => (0, FaultName::NotCaptured),
            Objection::NoEvidence => (1, FaultName::EvidenceMissing),
            Objection::Stale { .. } => (2, FaultName::EvidenceStale),
            Objection::Host { .. } | Objection::Stranger { .. } | Objection::OtherNetworks { .. } => {
                (3, FaultName::EvidenceAgainst)
            }
            Objection::Unread { .. } => (4, FaultName::Unread),
        };
        self.0.iter().map(rank).min_by_key(|(rank, _)| *rank).map_or(FaultName::EvidenceAgainst, |(_, fault)| fault)
    }
}

/// Judges whether every captured host of the networks runs at the site with its recorded addresses, and nowhere else.
///
/// Returns one line a host. Silence is never taken for an answer: a site that was not read, a power state that is not known and a host that
/// was not seen are objections.
///
/// # Errors
/// Every objection, each naming hosts or ids and what a person can do.
pub fn judge(facts: &Facts<'_>) -> Result<Vec<String>, Objections> {
    let mut judge = Judge { facts, lines: Vec::new(), objections: Vec::new() };
    judge.all();
    if judge.objections.is_empty() { Ok(judge.lines) } else { Err(Objections(judge.objections)) }
}

struct Judge<'f, 'a> {
    facts: &'f Facts<'a>,
    lines: Vec<String>,
    objections: Vec<Objection>,
}

impl<'a> Judge<'_, 'a> {
    fn all(&mut self) {
        let prefixes = self.prefixes();
        let hosts: Vec<&'a HostRecord> =
            self.facts.hosts.iter().filter(|host| host.addresses().any(|a| holds(&prefixes, a))).collect();
        if hosts.is_empty() {
            self.objections.push(Objection::NotCaptured { networks: self.facts.networks.clone() });
            return;
        }
        self.lost_sites();
        self.ec2_sites(&hosts, &prefixes);
        if self.evidence_counts() {
            self.nc2_sites(&hosts, &prefixes);
        }
    }

    fn prefixes(&self) -> Vec<Prefix> {
        let networks = self.facts.networks.iter();
        networks.filter_map(|name| self.facts.map.networks.get(name)).map(|network| network.prefix).collect()
    }

    fn host(&mut self, host: &HostRecord, saw: impl Into<String>, mend: &'static str) {
        self.objections.push(Objection::Host { host: host.name.clone(), saw: saw.into(), mend });
    }

    /// NC2 sites whose answer counts: those that can carry one of the networks, and the destination; none of a Region that is declared lost.
    fn nc2_in_scope(&self) -> BTreeSet<&'a SiteName> {
        let networks = self.facts.networks.iter().filter_map(|name| self.facts.map.networks.get(name));
        let mut sites: BTreeSet<&SiteName> = networks.flat_map(|network| network.subnets.keys()).collect();
        if matches!(self.facts.map.sites.get(self.facts.to), Some(Site::Nc2 { .. })) {
            sites.insert(self.facts.to);
        }
        sites.retain(|site| self.facts.map.sites.get(*site).is_none_or(|site| self.facts.map.reachable(site.region())));
        sites
    }

    /// What a person answers for who declares a Region lost: that no machine of its sites serves anybody.
    fn lost_sites(&mut self) {
        for (name, site) in &self.facts.map.sites {
            if !self.facts.map.reachable(site.region()) {
                self.lines.push(format!("{name}: nobody was asked, as {} is declared lost", site.region()));
            }
        }
    }

    /// Whether the evidence is there, fresh and about these networks. Unread sites are objections of their own.
    fn evidence_counts(&mut self) -> bool {
        let sites = self.nc2_in_scope();
        let Some(evidence) = self.facts.evidence else {
            if !sites.is_empty() {
                self.objections.push(Objection::NoEvidence);
            }
            return false;
        };
        let age = self.facts.now.duration_since(evidence.taken_at).as_secs();
        let allowed = self.facts.map.policy.evidence_max_age_seconds;
        if age > i64::from(allowed) || age < -CLOCK_SKEW_SECONDS {
            self.objections.push(Objection::Stale { id: evidence.id.0.clone(), age, allowed });
        }
        let missing: Vec<NetworkName> = self.facts.networks.difference(&evidence.networks).cloned().collect();
        if !missing.is_empty() {
            self.objections.push(Objection::OtherNetworks { id: evidence.id.0.clone(), missing });
        }
        for site in sites {
            if !evidence.sites_read.contains(site) {
                let why = evidence.sites_unread.get(site).map_or("it is not in the evidence", String::as_str);
                self.objections.push(Objection::Unread { site: site.clone(), why: why.to_owned() });
            }
        }
        true
    }

    fn nc2_sites(&mut self, hosts: &[&'a HostRecord], prefixes: &[Prefix]) {
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
        let recorded: BTreeSet<Ipv4Addr> =
            hosts.iter().flat_map(|host| host.addresses()).filter(|a| holds(prefixes, *a)).collect();
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
        self.host(host, saw, "start it there, or take it out of the networks");
    }

    fn addresses(&mut self, host: &HostRecord, seen: &Sighting, prefixes: &[Prefix]) {
        let wanted: Vec<Ipv4Addr> = host.addresses().filter(|a| holds(prefixes, *a)).collect();
        let at = format!("at `{}` as VM `{}`", seen.site, seen.vm);
        let mut right = true;
        for address in &wanted {
            let Some(nic) = seen.nics.iter().find(|nic| nic.configured.contains(address)) else {
                right = false;
                self.host(host, format!("runs {at} without {address} on a NIC"), "run `restore-nic` for its wave");
                continue;
            };
            if !nic.connected {
                right = false;
                let saw = format!("runs {at}, but the NIC of {address} is disconnected");
                self.host(host, saw, "connect the NIC");
            } else if !nic.learned.contains(address) {
                right = false;
                let uses = if nic.learned.is_empty() { "no address".to_owned() } else { list(&nic.learned) };
                let saw = format!("runs {at} with {address} on its NIC, but the guest was seen to use {uses}");
                self.host(
                    host,
                    saw,
                    "make the guest take its address (renew its lease or reboot), then take evidence again",
                );
            }
        }
        if right {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            self.lines.push(format!("{}: runs {at} with {}", host.name, wanted.join(", ")));
        }
    }

    fn ec2_sites(&mut self, hosts: &[&'a HostRecord], prefixes: &[Prefix]) {
        let facts = self.facts;
        for (name, site) in &facts.map.sites {
            let Site::Ec2 { region, .. } = site else { continue };
            if !facts.map.reachable(region) {
                continue;
            }
            let Some(machines) = facts.machines.get(name) else {
                let why = "its instances and network interfaces were not read".to_owned();
                self.objections.push(Objection::Unread { site: name.clone(), why });
                continue;
            };
            for host in hosts {
                if name == facts.to {
                    self.instance_runs(host, machines, prefixes);
                } else {
                    self.instance_stopped(host, machines.instances.get(&host.instance));
                }
            }
            self.strangers(name, machines, hosts, prefixes);
        }
    }

    fn instance_stopped(&mut self, host: &HostRecord, instance: Option<&Instance>) {
        let state = match instance.map(|instance| instance.state) {
            None => return,
            Some(InstanceState::Stopped) => {
                self.lines.push(format!("{}: instance {} is stopped", host.name, host.instance));
                return;
            }
            Some(InstanceState::Terminated) => return,
            Some(InstanceState::Pending) => "is starting",
            Some(InstanceState::Running) => "is running",
            Some(InstanceState::Stopping) => "is still stopping",
            Some(InstanceState::Unknown) => "is in a state that is not known",
        };
        self.host(host, format!("has instance {} that {state}", host.instance), "stop the instance first");
    }

    fn instance_runs(&mut self, host: &HostRecord, machines: &Machines, prefixes: &[Prefix]) {
        let Some(instance) = machines.instances.get(&host.instance) else {
            let saw = format!("has no instance {} at `{}`", host.instance, self.facts.to);
            self.host(host, saw, "the way back needs the captured instance");
            return;
        };
        if instance.state != InstanceState::Running {
            let saw = format!("has instance {} that is not running at `{}`", host.instance, self.facts.to);
            self.host(host, saw, "start the instance, then try again");
            return;
        }
        let held: BTreeSet<Ipv4Addr> =
            instance.enis.iter().filter_map(|eni| machines.enis.get(eni)).flat_map(addresses).collect();
        let wanted: Vec<Ipv4Addr> = host.addresses().filter(|a| holds(prefixes, *a)).collect();
        let lost: Vec<&Ipv4Addr> = wanted.iter().filter(|a| !held.contains(a)).collect();
        if lost.is_empty() {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let line = format!("{}: instance {} runs with {}", host.name, host.instance, wanted.join(", "));
            self.lines.push(line);
        } else {
            let saw = format!("has instance {} without {}", host.instance, list(lost));
            self.host(host, saw, "give its network interface the recorded address");
        }
    }

    /// Whoever else holds an address of a network in a VPC: once routes lead elsewhere it is cut off, and until then it may answer for a moved
    /// machine.
    fn strangers(&mut self, site: &SiteName, machines: &Machines, hosts: &[&HostRecord], prefixes: &[Prefix]) {
        if site == self.facts.to {
            return;
        }
        let own: BTreeSet<_> = hosts.iter().map(|host| &host.instance).collect();
        for eni in machines.enis.values() {
            let inside: Vec<Ipv4Addr> = addresses(eni).filter(|a| holds(prefixes, *a)).collect();
            if inside.is_empty() || eni.instance.as_ref().is_some_and(|instance| own.contains(instance)) {
                continue;
            }
            match eni.status {
                EniStatus::Available => continue,
                EniStatus::InUse | EniStatus::Unknown => {}
            }
            let who = match eni.instance.as_ref().and_then(|id| machines.instances.get(id)) {
                Some(instance) => {
                    let name = instance.name.as_deref().unwrap_or("no name");
                    format!("instance {} ({name}, {}) by {}", instance.id, state_words(instance.state), eni.id)
                }
                None if eni.description.is_empty() => format!("network interface {}", eni.id),
                None => format!("network interface {} ({})", eni.id, eni.description),
            };
            self.objections.push(Objection::Stranger {
                who,
                saw: format!("holds {} at `{site}` and is no captured host", list(inside)),
                mend: "move it with a wave, remove it, or leave the network where it is",
            });
        }
    }
}

fn state_words(state: InstanceState) -> &'static str {
    match state {
        InstanceState::Pending => "starting",
        InstanceState::Running => "running",
        InstanceState::Stopping => "stopping",
        InstanceState::Stopped => "stopped",
        InstanceState::Terminated => "terminated",
        InstanceState::Unknown => "in an unknown state",
    }
}

fn addresses(eni: &Eni) -> impl Iterator<Item = Ipv4Addr> + '_ {
    std::iter::once(eni.primary).chain(eni.secondary.iter().copied())
}

fn holds(prefixes: &[Prefix], address: Ipv4Addr) -> bool {
    prefixes.iter().any(|prefix| prefix.holds(address))
}
