//! Configuration that was set inside guests, given back to them through Systems Manager, where the wave says so.
//!
//! Changes only guests that told at the capture how their adapters were configured, that answer by a hybrid activation and have all NICs of the
//! host's VM, and only adapters that differ from their capture: in how they come by their addresses, in what was configured, in their MTU. Believes only the guest's own view afterwards. What is to be set is decided in
//! [`wanted`], which is pure; a start that dies leaves it to the next one, which asks the guest again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures::StreamExt;
use holdfast_guest::{Activated, AdapterSettings, Guest, GuestError, Ping, SettingsOutcome, SettingsResult};
use holdfast_model::{
    Addressing, ExtId, Fault, FaultName, GuestNic, GuestReport, HostName, HostRecord, InstanceId, NicRecord, Platform,
};
use holdfast_nutanix::{Prism, Vm};

use crate::repair::Limits;
use crate::report::Report;

/// Guests that are configured at once; each is a command of its own.
const GUESTS_AT_ONCE: usize = 16;

/// Whose guests are configured.
pub struct GuestJob<'a> {
    /// Systems Manager of the site's account and Region.
    pub guest: &'a Guest,
    /// Prism Central of the site.
    pub prism: &'a Prism,
    /// Captured hosts, without the NICs that their VMs are to do without.
    pub hosts: &'a [HostRecord],
    /// Until when.
    pub limits: Limits,
}

/// A guest that may have to be configured.
struct Candidate<'a> {
    host: &'a HostRecord,
    vm: Vm,
    machine: InstanceId,
}

/// Gives guests the configuration that was captured of them, and tells of each in the report.
///
/// # Guarantees
/// No guest is changed whose own view fits its capture, or that is not without doubt the host's. One that cannot be asked, or whose VM cannot be read,
/// is left as it is, and told: what became of its NICs is in the report already.
pub async fn give_settings_back(job: &GuestJob<'_>, report: &mut Report) {
    let vms: BTreeMap<HostName, ExtId> = report.guests().collect();
    let hosts: Vec<(&HostRecord, &ExtId)> =
        job.hosts.iter().filter(|host| is_known(host)).filter_map(|host| Some((host, vms.get(&host.name)?))).collect();
    if hosts.is_empty() {
        return;
    }
    if job.limits.begin.is_over() {
        hosts.iter().for_each(|(host, _)| report.reopen(&host.name));
        return;
    }
    let machines = match job.guest.read_activated().await {
        Ok(machines) => machines,
        Err(error) => {
            let why = format!("Systems Manager was not asked for it: {}", holdfast_runtime::chain(&error));
            hosts.iter().filter(|(host, _)| is_static(host)).for_each(|(host, _)| report.tell(&host.name, left(&why)));
            return;
        }
    };
    let mut candidates = Vec::new();
    for (host, vm) in hosts {
        match machine_of(host, &machines) {
            Ok(machine) => match job.prism.vm(vm).await {
                Ok(read) => candidates.push(Candidate { host, vm: read.vm, machine }),
                Err(error) => report.tell(&host.name, left(&error.to_string())),
            },
            // One that had a lease has taken another by now: what Prism Central saw of it counts.
            Err(why) if is_static(host) => report.tell(&host.name, left(&why)),
            Err(_) => {}
        }
    }
    let views = ask(job.guest, candidates.iter()).await;
    let mut due = Vec::new();
    for candidate in candidates {
        let name = &candidate.host.name;
        let first = |view| Ok((view, wanted(candidate.host, &candidate.vm, view)?.into_iter().next()));
        match view_of(&candidate, &views).and_then(first) {
            Err(why) if is_static(candidate.host) => report.tell(name, left(&why)),
            Err(_) => {}
            Ok((view, None)) => {
                if uses_all(candidate.host, view) {
                    report
                        .right_by_guest(candidate.host, "its guest says that it is configured as captured".to_owned());
                }
            }
            Ok(_) if job.limits.begin.is_over() => report.reopen(name),
            Ok((_, Some(settings))) => due.push((candidate, settings)),
        }
    }
    configure(job, due, report).await;
}

/// Configures an adapter of each guest: a script has the time for one. What is left is for the next start.
async fn configure(job: &GuestJob<'_>, due: Vec<(Candidate<'_>, AdapterSettings)>, report: &mut Report) {
    let set = futures::stream::iter(due).map(async |(candidate, settings)| {
        let (machine, platform) = (&candidate.machine, candidate.host.platform.unwrap_or(Platform::Linux));
        tracing::info!(host = %candidate.host.name, machine = %machine, "configures {} of its guest: {settings}", settings.mac);
        let results = job.guest.run_settings(machine, platform, std::slice::from_ref(&settings)).await;
        (candidate, settings, results)
    });
    let set: Vec<_> = set.buffer_unordered(GUESTS_AT_ONCE).collect().await;
    let views = ask(job.guest, set.iter().map(|(candidate, _, _)| candidate)).await;
    for (candidate, settings, results) in set {
        let host = candidate.host;
        let (short, said) = told(&results);
        let seen = view_of(&candidate, &views);
        let seen = seen.and_then(|view| Ok((wanted(host, &candidate.vm, view)?, uses_all(host, view))));
        let why = match seen {
            Ok((left, true)) if left.is_empty() => {
                report.right_by_guest(host, format!("its guest was configured again ({settings}){short}"));
                continue;
            }
            Ok((left, _)) if !left.is_empty() && left.iter().all(|still| still.mac != settings.mac) => {
                report.reopen(&host.name);
                continue;
            }
            Ok((left, _)) if left.is_empty() => "does not use all its addresses".to_owned(),
            Ok(_) => "does not have it".to_owned(),
            Err(why) => format!("does not say: {why}"),
        };
        let message = format!(
            "its guest was to be configured again ({settings}); {said}; `{}` {why}; look into the guest, and start again",
            candidate.machine
        );
        report.fail(&host.name, Fault::new(FaultName::GuestSilent, message));
    }
}

/// What the script says, for who is content and for who is not.
fn told(results: &Result<Vec<SettingsResult>, GuestError>) -> (String, String) {
    let results = match results {
        Ok(results) => results,
        Err(error) => return (String::new(), format!("the script did not tell: {}", holdfast_runtime::chain(error))),
    };
    let lasts = results.iter().all(|result| result.outcome == SettingsOutcome::Set);
    let short = if lasts { String::new() } else { ", which lasts until it starts anew".to_owned() };
    let line = |result: &SettingsResult| {
        let SettingsResult { mac, outcome, by, why } = result;
        let outcome = match outcome {
            SettingsOutcome::Set => "it is set",
            SettingsOutcome::UntilRestart => "it is set until the next start",
            SettingsOutcome::Back => "the old configuration is back",
            SettingsOutcome::Refused => "nothing was changed",
            SettingsOutcome::Broken => "it is not known what it has",
        };
        let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        format!("{mac}: {outcome}{by}{why}")
    };
    let lines: Vec<String> = results.iter().map(line).collect();
    (short, format!("the script says: {}", lines.join("; ")))
}

fn left(why: &str) -> String {
    format!("its guest is left as it is: {why}")
}

async fn ask<'a, 'h: 'a>(
    guest: &Guest,
    candidates: impl Iterator<Item = &'a Candidate<'h>>,
) -> BTreeMap<InstanceId, Result<GuestReport, GuestError>> {
    let machines: BTreeSet<InstanceId> = candidates.map(|candidate| candidate.machine.clone()).collect();
    if machines.is_empty() { BTreeMap::new() } else { guest.run_capture(&machines, None).await }
}

fn view_of<'v>(
    candidate: &Candidate<'_>,
    views: &'v BTreeMap<InstanceId, Result<GuestReport, GuestError>>,
) -> Result<&'v GuestReport, String> {
    match views.get(&candidate.machine) {
        Some(Ok(view)) => Ok(view),
        Some(Err(error)) => Err(holdfast_runtime::chain(error)),
        None => Err(format!("there was no answer about `{}`", candidate.machine)),
    }
}

/// The one machine with the host's name that can be asked now.
fn machine_of(host: &HostRecord, machines: &[Activated]) -> Result<InstanceId, String> {
    let name = host.guest.as_ref().map_or(host.name.as_str(), |guest| guest.host_name.as_str());
    let named: Vec<&Activated> = machines.iter().filter(|machine| machine.is_named(name)).collect();
    let online: Vec<&str> =
        named.iter().filter(|machine| machine.ping == Ping::Online).map(|machine| machine.id.as_str()).collect();
    match (online.as_slice(), named.as_slice()) {
        ([one], [.., _]) => InstanceId::parse(*one).map_err(|error| error.to_string()),
        (_, []) => Err(format!("Systems Manager has no hybrid activation of a machine named `{name}`")),
        ([], [one, ..]) => Err(format!("`{}` is not online in Systems Manager", one.id)),
        (several, _) => Err(format!("several machines in Systems Manager are named `{name}`: {}", several.join(", "))),
    }
}

/// The adapter of a captured NIC as it was captured, where it told how it came by its addresses.
fn captured<'a>(host: &'a HostRecord, nic: &NicRecord) -> Option<&'a GuestNic> {
    let adapter = host.guest.as_ref()?.nics.iter().find(|adapter| Some(&adapter.mac) == nic.mac.as_ref())?;
    (adapter.addressing != Addressing::Unknown).then_some(adapter)
}

fn is_known(host: &HostRecord) -> bool {
    host.nics.iter().any(|nic| captured(host, nic).is_some())
}

fn is_static(host: &HostRecord) -> bool {
    host.nics.iter().any(|nic| captured(host, nic).is_some_and(|then| then.addressing == Addressing::Static))
}

fn uses_all(host: &HostRecord, view: &GuestReport) -> bool {
    let own: BTreeSet<Ipv4Addr> = view.nics.iter().flat_map(|nic| &nic.addresses).map(|own| own.address).collect();
    host.addresses().filter(|address| host.uses(*address)).all(|address| own.contains(&address))
}

/// What is to be set in a guest: nothing where it has all that was captured.
///
/// # Errors
/// Why the guest is not to be touched: it may be that of another machine, or lacks an adapter.
fn wanted(host: &HostRecord, vm: &Vm, view: &GuestReport) -> Result<Vec<AdapterSettings>, String> {
    let own: BTreeSet<_> = view.nics.iter().map(|adapter| &adapter.mac).collect();
    if let Some(nic) = vm.nics.iter().find(|nic| nic.connected && nic.mac.as_ref().is_none_or(|mac| !own.contains(mac)))
    {
        return Err(format!("the machine that answers has no adapter of {nic}"));
    }
    let mut all = Vec::new();
    for nic in &host.nics {
        let Some(then) = captured(host, nic) else { continue };
        let given = vm.nics.iter().find(|given| given.configured.contains(&nic.primary));
        let mac = given.and_then(|given| given.mac.as_ref());
        let Some(now) = mac.and_then(|mac| view.nics.iter().find(|adapter| adapter.mac == *mac)) else {
            return Err(format!("the machine that answers has no adapter of the NIC of {}", nic.primary));
        };
        let settings = AdapterSettings::captured(nic, then, now);
        if differs(&settings, now) {
            all.push(settings);
        }
    }
    Ok(all)
}

fn differs(settings: &AdapterSettings, now: &GuestNic) -> bool {
    if settings.mtu.is_some() && settings.mtu != now.mtu {
        return true;
    }
    if settings.leased {
        // A lease that has not come yet is a matter of the link.
        return now.addressing == Addressing::Static;
    }
    now.addressing == Addressing::Dhcp
        || settings.addresses.iter().any(|own| !now.addresses.contains(own))
        || settings.gateway.is_some() && settings.gateway != now.gateway
        || settings.dns.iter().any(|server| !now.dns.contains(server))
        || settings.routes.iter().any(|route| !now.routes.contains(route))
}
