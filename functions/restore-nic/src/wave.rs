//! All hosts of a wave: found, repaired a few at a time, and reported one by one.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use holdfast_model::{
    Event, ExtId, Fault, FaultName, HostName, HostRecord, Network, NetworkName, Policy, Wave, WaveName,
};
use holdfast_nutanix::{Move, Prism};
use holdfast_store::RestoreKey;

use crate::circle::{self, Wait};
use crate::fault_of;
use crate::find::{Search, find_cluster, read_move};
use crate::fit::Target;
use crate::journal::{Note, Notes};
use crate::repair::{HeldBy, Limits, Repair, Shared, Stop};
use crate::report::Report;

/// Hosts under repair at once. Most of them wait for a task, of which a Prism Central works on dozens at once; how many calls are under way is the
/// client's matter.
const HOSTS_AT_ONCE: usize = 128;

/// One wave to restore.
pub struct Job<'a, J> {
    /// Prism Central of the site.
    pub prism: &'a Prism,
    /// Move appliance that migrated the wave, where the map names one.
    pub appliance: Option<&'a Move>,
    /// Failovers since, in the order in which they ended: Move's record of a VM is followed through them.
    pub failovers: &'a [Event],
    /// The wave.
    pub wave: &'a WaveName,
    /// What the map says of it: its destination, MAC addresses, and NICs that are mapped.
    pub declared: &'a Wave,
    /// Flow VPC of the site.
    pub fvn_vpc: &'a str,
    /// Cluster of the site.
    pub cluster: &'a str,
    /// Networks of the map.
    pub networks: &'a BTreeMap<NetworkName, Network>,
    /// Limits and choices.
    pub policy: &'a Policy,
    /// Captured hosts.
    pub hosts: &'a [HostRecord],
    /// Notes on NICs under repair.
    pub notes: &'a J,
    /// Until when.
    pub limits: Limits,
}

/// A host with its VM and the notes of earlier starts.
type Found<'a> = (&'a HostRecord, ExtId, BTreeMap<u32, Note>);

/// How one host ended.
enum Outcome {
    Right(Vec<String>),
    OutOfTime,
    /// Another VM of the wave holds the address and may give it up; whether something was done before that showed.
    HeldInWave(HeldBy, bool),
    Failed(Fault),
}

/// Brings every host of a wave to its recorded addresses.
///
/// # Flow
/// Finds the VMs (Move's record and the failovers since, else name); a name that several VMs carry ends it there, before anything is changed. Reads and judges the subnets once, then repairs the hosts, a few at a time. Hosts whose address another
/// host of the wave still holds are tried again after the others; where they wait for each other, one gives its address up first: see
/// [`circle`].
///
/// # Guarantees
/// All hosts are tried, whatever becomes of one. No VM is changed by two of them. A second start on a wave that is right changes nothing.
///
/// Where the time ends before anything could be read, every host is still to be done, and nothing was changed.
///
/// # Errors
/// Faults of Prism Central or Move as such, and VMs that cannot be told apart, end the whole. That of a host is in the report.
pub async fn restore<J: Notes>(job: &Job<'_, J>) -> Result<Report, Fault> {
    refuse_unknown_hosts(job)?;
    match restore_all(job).await {
        Err(fault) if is_out_of_time(&fault, &job.limits) => {
            tracing::warn!("the time ran out: {}", fault.message);
            let mut report = Report::excusing(&job.declared.excused);
            for host in job.hosts {
                report.open(host, None);
            }
            Ok(report)
        }
        ended => ended,
    }
}

/// Whether a fault that another start may not meet came when there was no time left to go on. What hung until then is met again at the beginning of
/// the next start, if it still hangs.
fn is_out_of_time(fault: &Fault, limits: &Limits) -> bool {
    fault.name.retryable() && (limits.begin.is_over() || limits.wait.is_over())
}

async fn restore_all<J: Notes>(job: &Job<'_, J>) -> Result<Report, Fault> {
    let hosts: Vec<HostRecord> = job.hosts.iter().map(|host| job.declared.kept(host)).collect();
    let job = &Job { hosts: &hosts, ..*job };
    let cluster = find_cluster(job.prism, job.cluster).await?;
    let records = match job.appliance {
        Some(appliance) => read_move(appliance, job.hosts).await.map_err(|e| fault_of(&e))?,
        None => Vec::new(),
    };
    let search = Search {
        prism: job.prism,
        cluster: &cluster,
        cluster_name: job.cluster,
        records: &records,
        failovers: job.failovers,
    };
    let found: Vec<(&HostRecord, Result<ExtId, Fault>)> =
        many(job.hosts, async |host| (host, search.vm_of(host).await.map(|vm| vm.id))).await;
    let mut report = Report::excusing(&job.declared.excused);
    let mut pending = Vec::new();
    let notes = job.notes.read(job.wave).await?;
    for (host, vm) in found {
        match vm {
            Ok(vm) => pending.push((host, notes_of(&notes, host, &vm), vm)),
            Err(fault) if appliance_fault(fault.name) => return Err(fault),
            Err(fault) => report.failed(host, None, fault),
        }
    }
    let mut pending: Vec<Found<'_>> = pending.into_iter().map(|(host, notes, vm)| (host, vm, notes)).collect();
    refuse_shared_vms(&mut pending, &mut report);
    report.refuse_ambiguity()?;
    let vms: BTreeSet<ExtId> = pending.iter().map(|(_, vm, _)| vm.clone()).collect();
    let mut targets = read_targets(job).await?;
    while !pending.is_empty() {
        let parked = circle::parked(pending.iter().flat_map(|(_, _, notes)| notes.values()));
        let shared = Shared {
            prism: job.prism,
            wave: job.wave,
            declared: job.declared,
            targets: &targets,
            policy: job.policy,
            notes: job.notes,
            limits: job.limits,
            parked: &parked,
        };
        let outcomes: Vec<(Found<'_>, Outcome)> = many(pending, async |found| {
            let outcome = repair(&shared, &found, &vms).await;
            (found, outcome)
        })
        .await;
        let mut changed = false;
        let mut held = Vec::new();
        for (found, outcome) in outcomes {
            let (host, vm, _) = &found;
            match outcome {
                Outcome::Right(done) => {
                    changed |= !done.is_empty();
                    report.right(host, vm, done);
                }
                Outcome::OutOfTime => report.open(host, Some(vm)),
                Outcome::HeldInWave(by_whom, progress) => {
                    changed |= progress;
                    held.push((found, by_whom));
                }
                Outcome::Failed(fault) => report.failed(host, Some(vm), fault),
            }
        }
        if held.is_empty() {
            break;
        }
        let goes_on = match changed {
            true => Ok(true),
            false => break_circle(&shared, &mut held).await,
        };
        let goes_on = match goes_on {
            Ok(true) => read_anew(job.prism, &targets).await.map(Some),
            Ok(false) => Ok(None),
            Err(fault) => Err(fault),
        };
        let unread = match goes_on {
            Ok(Some(anew)) => {
                targets = anew;
                pending = held.into_iter().map(|(found, _)| found).collect();
                continue;
            }
            Ok(None) => None,
            Err(fault) => Some(fault),
        };
        let stuck: BTreeSet<ExtId> = held.iter().map(|((_, vm, _), _)| vm.clone()).collect();
        for ((host, vm, notes), HeldBy { holder, fault, .. }) in held {
            let mut fault = match &unread {
                Some(unread) => unread.clone(),
                None if stuck.contains(&holder) => circle::told(&fault),
                None => fault,
            };
            if let Some(left) = circle::unpark(&shared, host, &vm, &notes).await {
                fault.message = format!("{}; {left}", fault.message);
            }
            report.failed(host, Some(&vm), fault);
        }
        break;
    }
    Ok(report)
}

/// Has one of the VMs that wait for each other's addresses give its own up, and tells whether that was done. Where it was begun and does not work, its
/// note is among those of its host.
async fn break_circle<J: Notes>(shared: &Shared<'_, J>, held: &mut [(Found<'_>, HeldBy)]) -> Result<bool, Fault> {
    let wait = |((_, vm, _), by): &(Found<'_>, HeldBy)| Wait {
        waiter: vm.clone(),
        holder: by.holder.clone(),
        address: by.address,
    };
    let waits: Vec<Wait> = held.iter().map(wait).collect();
    for Wait { holder, address, .. } in circle::circle(&waits) {
        let Some(((host, vm, notes), by)) = held.iter_mut().find(|((_, vm, _), _)| *vm == holder) else { continue };
        let (device, note) = match circle::offer(shared, host, vm, address).await {
            Ok(Some(offered)) => offered,
            Ok(None) => continue,
            Err(Stop::Failed(fault)) => return Err(fault),
            Err(Stop::HeldBy(_) | Stop::OutOfTime) => return Ok(false),
        };
        let given = circle::give_up(shared, &note).await;
        notes.insert(device, note);
        let Err(error) = given else { return Ok(true) };
        by.fault.message = format!("{}; it does not give {address} up: {error}", by.fault.message);
        return Ok(false);
    }
    Ok(false)
}

/// Works on many hosts at once; one that takes long holds no other up. The results are in the hosts' order.
async fn many<H, R>(hosts: impl IntoIterator<Item = H>, work: impl AsyncFn(H) -> R) -> Vec<R> {
    let each = futures::stream::iter(hosts.into_iter().enumerate()).map(async |(n, host)| (n, work(host).await));
    let mut results: Vec<(usize, R)> = each.buffer_unordered(HOSTS_AT_ONCE).collect().await;
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}

fn notes_of(notes: &BTreeMap<RestoreKey, Note>, host: &HostRecord, vm: &ExtId) -> BTreeMap<u32, Note> {
    let ours = notes.iter().filter(|(key, _)| key.host == host.name && key.vm == *vm);
    ours.map(|(key, note)| (key.nic, note.clone())).collect()
}

/// What is written of hosts or NICs that are not there was written for others.
fn refuse_unknown_hosts<J>(job: &Job<'_, J>) -> Result<(), Fault> {
    let wrong_at = |key: &str, why: String| {
        let place = format!("`waves.{}.{key}` of the network map", job.wave);
        Err(Fault::new(FaultName::InvalidMap, format!("{place}: {why}")))
    };
    let wrong = |why| wrong_at("nics", why);
    let captured = |name: &HostName| job.hosts.iter().any(|host| host.name == *name);
    if let Some(name) = job.declared.excused.keys().find(|name| !captured(name)) {
        return wrong_at(
            "excused",
            format!("no host `{name}` was captured with the wave; take it out or capture anew"),
        );
    }
    for (name, mapping) in &job.declared.nics {
        let Some(host) = job.hosts.iter().find(|host| host.name == *name) else {
            return wrong(format!("no host `{name}` was captured with the wave; take it out or capture anew"));
        };
        let known = |device: &&u32| host.nics.iter().any(|nic| nic.device_index == **device);
        if let Some(device) = mapping.to.keys().chain(&mapping.leave_out).find(|device| !known(device)) {
            let have: Vec<String> = host.nics.iter().map(|nic| nic.device_index.to_string()).collect();
            return wrong(format!("`{name}` was captured without NIC {device}; it has {}", have.join(", ")));
        }
    }
    Ok(())
}

/// Takes out hosts that would work on one VM.
fn refuse_shared_vms(pending: &mut Vec<Found<'_>>, report: &mut Report) {
    let mut hosts_of: BTreeMap<ExtId, Vec<HostName>> = BTreeMap::new();
    for (host, vm, _) in pending.iter() {
        hosts_of.entry(vm.clone()).or_default().push(host.name.clone());
    }
    pending.retain(|(host, vm, _)| {
        let others: Vec<&str> = hosts_of.get(vm).into_iter().flatten().map(HostName::as_str).collect();
        if others.len() < 2 {
            return true;
        }
        let message = format!("VM `{vm}` would be several hosts at once: {}", others.join(", "));
        report.failed(host, Some(vm), Fault::new(FaultName::VmAmbiguous, message));
        false
    });
}

async fn read_targets<J>(job: &Job<'_, J>) -> Result<BTreeMap<NetworkName, Result<Target, Fault>>, Fault> {
    let wanted: BTreeSet<&NetworkName> = job.hosts.iter().flat_map(|host| &host.nics).map(|nic| &nic.network).collect();
    let mut targets = BTreeMap::new();
    for name in wanted {
        let Some(network) = job.networks.get(name) else { continue };
        let target = Target::read(job.prism, &job.declared.to, job.fvn_vpc, name, network).await;
        if let Err(fault) = &target
            && appliance_fault(fault.name)
        {
            return Err(fault.clone());
        }
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}

/// The same targets, with who is on their subnets now.
async fn read_anew(
    prism: &Prism,
    targets: &BTreeMap<NetworkName, Result<Target, Fault>>,
) -> Result<BTreeMap<NetworkName, Result<Target, Fault>>, Fault> {
    let mut anew = targets.clone();
    for target in anew.values_mut().filter_map(|target| target.as_mut().ok()) {
        target.refresh(prism).await?;
    }
    Ok(anew)
}

async fn repair<J: Notes>(shared: &Shared<'_, J>, found: &Found<'_>, vms: &BTreeSet<ExtId>) -> Outcome {
    let (host, vm, notes) = found;
    let mut repair = Repair::new(shared, host, vm);
    let stop = match repair.run(notes.clone()).await {
        Ok(()) => return Outcome::Right(repair.done),
        Err(stop) => stop,
    };
    let told = |fault: Fault| {
        let done = if repair.done.is_empty() { String::new() } else { format!(" (done: {})", repair.done.join(", ")) };
        Fault::new(fault.name, format!("{}{done}", fault.message))
    };
    match stop {
        Stop::OutOfTime => Outcome::OutOfTime,
        Stop::Failed(fault) if is_out_of_time(&fault, &shared.limits) => {
            tracing::warn!(host = %host.name, "{}", fault.message);
            Outcome::OutOfTime
        }
        Stop::HeldBy(held) if vms.contains(&held.holder) => {
            let progress = !repair.done.is_empty();
            Outcome::HeldInWave(HeldBy { fault: told(held.fault), ..held }, progress)
        }
        Stop::HeldBy(HeldBy { fault, .. }) | Stop::Failed(fault) => Outcome::Failed(told(fault)),
    }
}

/// Whether a fault speaks of Prism Central or Move as such, so that going on with the next host is useless.
fn appliance_fault(name: FaultName) -> bool {
    matches!(
        name,
        FaultName::WrongPassword | FaultName::UntrustedCertificate | FaultName::NotConfigured | FaultName::InvalidMap
    ) || name.retryable()
}
