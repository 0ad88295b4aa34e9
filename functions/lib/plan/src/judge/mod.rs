//! Judges whether the machines are where routes are to lead, and whom the routes would cut off.

mod ec2;
mod nc2;
mod objection;
mod stranded;

pub(crate) use nc2::Standing;
pub use objection::{Objection, Objections};
pub use stranded::{CutOff, cut_off, ec2_sites_left};

use crate::step::Plan;
use holdfast_model::wire::Waiver;
use holdfast_model::{
    Evidence, HostName, HostRecord, Machines, NetworkMap, NetworkName, Picture, Prefix, Site, SiteName,
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
    /// Addresses of the networks that routes will lead to other sites ([`crate::apart`]); each site's are judged by themselves.
    pub apart: &'a BTreeMap<SiteName, BTreeSet<Ipv4Addr>>,
    /// The routing as it is; none where it was not read, and then nothing is said of machines that routes would strand.
    pub picture: Option<&'a Picture>,
    /// Captured hosts; those without an address in the networks do not count.
    pub hosts: &'a [HostRecord],
    /// Instances and network interfaces of the sites of [`sites_judged`], read now.
    pub machines: &'a BTreeMap<SiteName, Machines>,
    /// The plan that is about to be applied; none where there is none yet, and then nothing is said of machines that its wider routes cut off.
    pub plan: Option<&'a Plan>,
    /// The time.
    pub now: Timestamp,
}

/// Judges whether every captured host of the networks runs at the site with its recorded addresses, and nowhere else.
///
/// Hosts that are led apart from their network are judged at their own site. Returns one line a host. Silence is never taken for an answer: a site that was not read, a power state that is not known and a host that
/// was not seen are objections.
///
/// # Errors
/// Every objection, each naming hosts or ids and what a person can do.
pub fn judge(facts: &Facts<'_>) -> Result<Vec<String>, Objections> {
    let (lines, objections) = looked_at(facts, |judge| judge.all());
    if objections.is_empty() { Ok(lines) } else { Err(Objections(objections)) }
}

/// Where the machines of networks stand, as far as NC2 sites tell. Sites that were not read are left out: whoever asks has to look at them.
pub(crate) fn standing(facts: &Facts<'_>) -> Standing {
    Judge { facts, lines: Vec::new(), objections: Vec::new() }.standing()
}

/// NC2 sites that were to be read for this and were not, each with the reason.
pub(crate) fn unread(facts: &Facts<'_>) -> BTreeMap<SiteName, String> {
    let mut judge = Judge { facts, lines: Vec::new(), objections: Vec::new() };
    judge.evidence_counts();
    let unread = judge.objections.into_iter().filter_map(|objection| match objection {
        Objection::Unread { site, why } => Some((site, why)),
        Objection::NoEvidence
        | Objection::NotCaptured { .. }
        | Objection::Stale { .. }
        | Objection::OtherNetworks { .. }
        | Objection::Host { .. }
        | Objection::Guest { .. }
        | Objection::Stranded { .. }
        | Objection::Stranger { .. } => None,
    });
    unread.collect()
}

/// What a look at all that moves finds, and at what is led apart from it.
fn looked_at(facts: &Facts<'_>, look: impl Fn(&mut Judge<'_, '_>)) -> (Vec<String>, Vec<Objection>) {
    let mut judge = Judge { facts, lines: Vec::new(), objections: Vec::new() };
    look(&mut judge);
    let (mut lines, mut objections) = (judge.lines, judge.objections);
    for (to, addresses) in facts.apart {
        let facts = Facts { to, addresses: Some(addresses), apart: &BTreeMap::new(), plan: None, ..*facts };
        let mut judge = Judge { facts: &facts, lines: Vec::new(), objections: Vec::new() };
        look(&mut judge);
        lines.extend(judge.lines);
        objections.extend(judge.objections);
    }
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    (lines, objections)
}

/// Sites whose machines a judgement looks at: where an NC2 site is the destination of all, evidence tells of it, and nobody there is stranded.
#[must_use]
pub fn sites_judged(
    to: &SiteName,
    apart: &BTreeMap<SiteName, BTreeSet<Ipv4Addr>>,
    map: &NetworkMap,
) -> BTreeSet<SiteName> {
    let passed = |name: &SiteName, site: &Site| apart.is_empty() && name == to && matches!(site, Site::Nc2 { .. });
    map.sites.iter().filter(|(name, site)| !passed(name, site)).map(|(name, _)| name.clone()).collect()
}

struct Judge<'f, 'a> {
    facts: &'f Facts<'a>,
    lines: Vec<String>,
    objections: Vec<Objection>,
}

impl<'a> Judge<'_, 'a> {
    fn all(&mut self) {
        let prefixes = self.prefixes();
        let hosts = self.hosts(&prefixes);
        if hosts.is_empty() {
            self.objections.push(Objection::NotCaptured { networks: self.facts.networks.clone() });
            return;
        }
        self.lost_sites();
        self.stranded(&hosts);
        self.ec2_sites(&hosts, &prefixes);
        if self.evidence_counts() {
            self.nc2_sites(&hosts, &prefixes);
        }
    }

    /// Captured hosts with an address that moves.
    fn hosts(&self, prefixes: &[Prefix]) -> Vec<&'a HostRecord> {
        self.facts.hosts.iter().filter(|host| host.addresses().any(|a| self.moves(prefixes, a))).collect()
    }

    /// What moves: the networks, or some addresses of them.
    fn prefixes(&self) -> Vec<Prefix> {
        match self.facts.addresses {
            Some(addresses) => addresses.iter().map(|address| Prefix::host(*address)).collect(),
            None => self.network_prefixes(),
        }
    }

    /// Whether an address is one of those that are led to the site.
    fn moves(&self, prefixes: &[Prefix], address: Ipv4Addr) -> bool {
        holds(prefixes, address) && !self.facts.apart.values().any(|apart| apart.contains(&address))
    }

    fn network_prefixes(&self) -> Vec<Prefix> {
        let networks = self.facts.networks.iter();
        networks.filter_map(|name| self.facts.map.networks.get(name)).map(|network| network.prefix).collect()
    }

    /// Whether the policy accepts one of these ids as stranded; then a line says so.
    fn accepted(&mut self, who: &str, ids: &[String]) -> bool {
        let accepted = ids.iter().find(|id| self.facts.map.policy.accept_stranded.contains(*id));
        if let Some(id) = accepted {
            self.lines.push(format!("{who}: left behind, accepted as `{id}`"));
        }
        accepted.is_some()
    }

    fn host(&mut self, host: &HostRecord, saw: impl Into<String>, mend: &'static str) {
        self.objections.push(Objection::Host { host: host.name.clone(), saw: saw.into(), mend });
    }

    /// An objection to a host that is not right at the destination; a line where it is excused by name.
    fn unless_excused(&mut self, host: &HostRecord, saw: String, mend: &'static str) {
        self.excusable(host, saw, |host, saw| Objection::Host { host, saw, mend });
    }

    /// An objection to a guest that was not seen to use its address; a line where its host is excused by name.
    fn silent_unless_excused(&mut self, host: &HostRecord, saw: String) {
        let mend = "make the guest take its address (renew its lease or reboot), then take evidence again";
        self.excusable(host, saw, |host, saw| Objection::Guest { host, saw, mend });
    }

    fn excusable(&mut self, host: &HostRecord, saw: String, objection: impl FnOnce(HostName, String) -> Objection) {
        match self.facts.map.excuse(host, self.facts.to) {
            Some(why) => self.lines.push(format!("{}: {saw}, excused: {why}", host.name)),
            None => self.objections.push(objection(host.name.clone(), saw)),
        }
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
                match self.facts.map.waived(site) {
                    Some(Waiver { by, reason, .. }) => {
                        self.lines.push(format!("{site}: unknown ({why}), not counted on by word of {by}: {reason}"));
                    }
                    None => self.objections.push(Objection::Unread { site: site.clone(), why: why.to_owned() }),
                }
            }
        }
        true
    }
}

pub(super) fn addresses_of(eni: &holdfast_model::Eni) -> impl Iterator<Item = Ipv4Addr> + '_ {
    std::iter::once(eni.primary).chain(eni.secondary.iter().copied())
}

pub(super) fn holds(prefixes: &[Prefix], address: Ipv4Addr) -> bool {
    prefixes.iter().any(|prefix| prefix.holds(address))
}
