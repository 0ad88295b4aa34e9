//! Checks of guests: what each moved machine says of its own network, against what was captured of it.
//!
//! Outside EC2 a machine answers Systems Manager by a hybrid activation (`mi-..`). Who does not is believed as far as others have seen it: Prism
//! Central, which learns addresses, or a probe. Of whom nobody has seen anything, nothing is known.

use crate::checks::{list, pass, unknown};
use crate::context::Context;
use crate::facts::{Subject, site};
use holdfast_guest::{Activated, Guest, Ping};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::{
    Addressing, Fault, GuestNic, GuestReport, HostName, HostRecord, InstanceId, NicRecord, Power, Sighting, Site,
    SiteName, first_lines_of,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What a guest says of itself, or why it says nothing.
pub(crate) enum Answer {
    Said(InstanceId, GuestReport),
    Silent(String),
}

/// Answers of the hosts at an NC2 site.
pub(crate) type Answers = BTreeMap<HostName, Answer>;

/// Asks the machines of the hosts about themselves; nobody is asked at an EC2 site.
pub(crate) async fn ask(context: &Context, subject: &Subject<'_>, at: &SiteName) -> Result<Answers, Fault> {
    let Site::Nc2 { account, region, .. } = site(subject.map, at)? else { return Ok(Answers::new()) };
    let guest = context.guest(subject.map, account, region).await?;
    let hosts = subject.hosts.iter().filter(|host| host.addresses().any(|address| subject.holds(address)));
    match guest.read_activated().await {
        Ok(machines) => Ok(ask_each(&guest, hosts, &machines).await),
        Err(error) => {
            let why = format!("Systems Manager was not asked for it: {}", holdfast_runtime::chain(&error));
            Ok(hosts.map(|host| (host.name.clone(), Answer::Silent(why.clone()))).collect())
        }
    }
}

async fn ask_each<'a>(guest: &Guest, hosts: impl Iterator<Item = &'a HostRecord>, machines: &[Activated]) -> Answers {
    let mut answers = Answers::new();
    let mut found: BTreeMap<InstanceId, HostName> = BTreeMap::new();
    for host in hosts {
        match machine_of(host, machines) {
            Ok(machine) => drop(found.insert(machine.clone(), host.name.clone())),
            Err(why) => drop(answers.insert(host.name.clone(), Answer::Silent(why))),
        }
    }
    if found.is_empty() {
        return answers;
    }
    let mut reports = guest.run_capture(&found.keys().cloned().collect(), None).await;
    for (machine, host) in found {
        let answer = match reports.remove(&machine) {
            Some(Ok(report)) => Answer::Said(machine, report),
            Some(Err(error)) => Answer::Silent(holdfast_runtime::chain(&error)),
            None => Answer::Silent(format!("there was no answer about `{machine}`")),
        };
        answers.insert(host, answer);
    }
    answers
}

/// The one machine with the host's name that can be asked now.
fn machine_of<'a>(host: &HostRecord, machines: &'a [Activated]) -> Result<&'a InstanceId, String> {
    let name = host.guest.as_ref().map_or(host.name.as_str(), |guest| guest.host_name.as_str());
    let named: Vec<&Activated> = machines.iter().filter(|machine| machine.is_named(name)).collect();
    let online: Vec<&InstanceId> =
        named.iter().filter(|machine| machine.ping == Ping::Online).map(|machine| &machine.id).collect();
    match (online.as_slice(), named.as_slice()) {
        ([one], _) => Ok(one),
        ([], []) => Err(format!("Systems Manager has no hybrid activation of a machine named `{name}`")),
        ([], _) => Err(format!("{} is not online in Systems Manager", list(named.iter().map(|machine| &machine.id)))),
        (several, _) => Err(format!("several machines in Systems Manager are named `{name}`: {}", list(several))),
    }
}

/// What the answers say: each guest that differs from its capture, and in one check all that do not.
///
/// `answered` are the addresses that replied to a probe, and `resolvers` the DNS servers that only EC2 has.
pub(crate) fn judged(
    subject: &Subject<'_>,
    at: &SiteName,
    answers: &Answers,
    answered: &BTreeSet<Ipv4Addr>,
    resolvers: &BTreeSet<Ipv4Addr>,
) -> Vec<Check> {
    let (mut checks, mut right) = (Vec::new(), Vec::new());
    for host in &subject.hosts {
        let Some(answer) = answers.get(&host.name) else { continue };
        let view = View { host, subject, seen: running(subject, host, at), resolvers };
        let title = format!("guest of {}", host.name);
        let softened = |check: Check| match subject.map.excuse(host, at) {
            Some(why) => Check {
                status: check.status.min(CheckStatus::Warn),
                saw: format!("{}, excused: {why}", check.saw),
                ..check
            },
            None => check,
        };
        match answer {
            Answer::Said(machine, report) => match view.differences(report) {
                Err(why) => match view.seen_by_others(answered) {
                    Some(by) => right.push(format!("{}: {by}; `{machine}` {why}", host.name)),
                    None => checks.push(softened(unknown(title, format!("`{machine}` {why}")))),
                },
                Ok(found) if found.is_empty() => right.push(format!("{}: as captured, says `{machine}`", host.name)),
                Ok(found) => {
                    let status = found.iter().map(|(status, _)| *status).max().unwrap_or(CheckStatus::Unknown);
                    let saw = format!("`{machine}` says: {}", list(found.into_iter().map(|(_, text)| text)));
                    checks.push(softened(Check { name: title, status, saw }));
                }
            },
            Answer::Silent(why) => match view.seen_by_others(answered) {
                Some(by) => right.push(format!("{}: {by}; its gateway, DNS and lease are unknown: {why}", host.name)),
                None => checks.push(softened(unknown(title, format!("nobody has seen its addresses in use: {why}")))),
            },
        }
    }
    if !right.is_empty() {
        checks.push(pass(format!("guests at {at}"), list(first_lines_of(right, "the report"))));
    }
    checks
}

/// The one VM of a host that runs at a site.
fn running<'a>(subject: &'a Subject<'_>, host: &HostRecord, at: &SiteName) -> Option<&'a Sighting> {
    let seen = subject.evidence.as_ref()?.hosts.get(&host.name)?;
    let mut here = seen.iter().filter(|seen| seen.site == *at && seen.power == Power::On);
    here.next().filter(|_| here.next().is_none())
}

/// One host, and what is known of it besides its own word.
struct View<'a> {
    host: &'a HostRecord,
    subject: &'a Subject<'a>,
    seen: Option<&'a Sighting>,
    resolvers: &'a BTreeSet<Ipv4Addr>,
}

impl View<'_> {
    /// Who else has seen the guest use all its addresses; none where nobody has.
    fn seen_by_others(&self, answered: &BTreeSet<Ipv4Addr>) -> Option<&'static str> {
        let learned: BTreeSet<Ipv4Addr> =
            self.seen.iter().flat_map(|seen| &seen.nics).flat_map(|nic| nic.learned.iter().copied()).collect();
        let all = |seen: &BTreeSet<Ipv4Addr>| {
            self.host.addresses().filter(|a| self.subject.holds(*a)).all(|address| seen.contains(&address))
        };
        if all(&learned) {
            Some("Prism Central has seen its addresses in use")
        } else {
            all(answered).then_some("its addresses answer probes")
        }
    }

    /// Where a guest differs from its capture.
    ///
    /// # Errors
    /// Why it is not the guest of this host.
    fn differences(&self, report: &GuestReport) -> Result<Vec<(CheckStatus, String)>, String> {
        let macs: BTreeSet<_> =
            self.seen.iter().flat_map(|seen| &seen.nics).filter_map(|nic| nic.mac.as_ref()).collect();
        if !macs.is_empty() && report.nics.iter().all(|adapter| !macs.contains(&adapter.mac)) {
            return Err("is another machine of this name: it has no NIC of the VM".to_owned());
        }
        let mut found = Vec::new();
        for nic in self.host.nics.iter().filter(|nic| self.subject.holds(nic.primary)) {
            match self.adapter_of(nic, report) {
                Some(adapter) => self.compare(nic, adapter, &mut found),
                None if macs.is_empty() => {
                    return Err(format!("does not use {}, and which VM it is in is not known", nic.primary));
                }
                None => found.push((CheckStatus::Fail, format!("it does not use {} on any adapter", nic.primary))),
            }
        }
        Ok(found)
    }

    /// The adapter of the NIC that was given a recorded address, else the one that uses it.
    fn adapter_of<'r>(&self, nic: &NicRecord, report: &'r GuestReport) -> Option<&'r GuestNic> {
        let given = self.seen.into_iter().flat_map(|seen| &seen.nics).find(|n| n.configured.contains(&nic.primary));
        let mac = given.and_then(|given| given.mac.as_ref());
        let by_mac = mac.and_then(|mac| report.nics.iter().find(|adapter| adapter.mac == *mac));
        by_mac.or_else(|| report.nics.iter().find(|adapter| uses(adapter, nic.primary)))
    }

    fn compare(&self, nic: &NicRecord, now: &GuestNic, found: &mut Vec<(CheckStatus, String)>) {
        let mut tell = |status, text: String| found.push((status, format!("{}: {text}", now.name)));
        let then = self
            .host
            .guest
            .as_ref()
            .and_then(|guest| guest.nics.iter().find(|adapter| Some(&adapter.mac) == nic.mac.as_ref()));
        let used_then = |address: &Ipv4Addr| then.is_some_and(|then| uses(then, *address));
        let secondary =
            nic.secondary.iter().copied().filter(|address| used_then(address) && self.subject.holds(*address));
        for address in std::iter::once(nic.primary).chain(secondary) {
            if !uses(now, address) {
                let own = list(now.addresses.iter().map(|own| own.address));
                let own = if own.is_empty() { "no address".to_owned() } else { own };
                tell(CheckStatus::Fail, format!("it uses {own}, not {address}"));
            }
        }
        let length = |adapter: &GuestNic| {
            adapter.addresses.iter().find(|own| own.address == nic.primary).map(|own| own.prefix_length)
        };
        let wanted = then.and_then(length).unwrap_or(nic.prefix.length());
        if let Some(seen) = length(now).filter(|seen| *seen != wanted) {
            tell(CheckStatus::Fail, format!("the prefix length of {} is {seen}, it was {wanted}", nic.primary));
        }
        let Some(then) = then else { return };
        match (then.gateway, now.gateway) {
            (Some(then), None) => tell(CheckStatus::Fail, format!("it has no gateway, it had {then}")),
            (then, Some(now)) if then != Some(now) => {
                let then = then.map_or_else(|| "none".to_owned(), |then| then.to_string());
                tell(CheckStatus::Warn, format!("its gateway is {now}, it was {then}"));
            }
            (Some(_) | None, Some(_)) | (None, None) => {}
        }
        let of_ec2 = |server: &Ipv4Addr| server.is_link_local() || self.resolvers.contains(server);
        let lost: Vec<_> = then.dns.iter().filter(|server| !of_ec2(server) && !now.dns.contains(server)).collect();
        if !lost.is_empty() {
            tell(CheckStatus::Warn, format!("it does not use DNS server {} any more", list(lost)));
        }
        match (then.addressing, now.addressing) {
            (Addressing::Static, Addressing::Dhcp) => {
                let text = "DHCP gives its address, which was configured in the guest: it goes if the lease goes";
                tell(CheckStatus::Warn, text.to_owned());
            }
            (Addressing::Dhcp, Addressing::Static) => {
                tell(CheckStatus::Warn, "its address is configured in the guest, DHCP gave it before".to_owned());
            }
            (Addressing::Static, Addressing::Static | Addressing::Unknown)
            | (Addressing::Dhcp, Addressing::Dhcp | Addressing::Unknown)
            | (Addressing::Unknown, _) => {}
        }
    }
}

fn uses(adapter: &GuestNic, address: Ipv4Addr) -> bool {
    adapter.addresses.iter().any(|own| own.address == address)
}
