//! Reads the hosts of a wave from the EC2 API and inside their guests.

use crate::compare::{Contradiction, compare};
use crate::select::{Selected, select};
use holdfast_aws_network::AwsNetwork;
use holdfast_guest::{Guest, GuestError};
use holdfast_model::{
    Fault, FaultName, GuestReport, HostName, HostRecord, InstanceId, InstanceState, NetworkMap, NicRecord, Prefix,
    SubnetId, WaveName,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The hosts, in name order.
    pub hosts: Vec<HostRecord>,
    /// What a person should know, one line each.
    pub notes: Vec<String>,
}

/// Reads the hosts of a wave. Running instances are asked themselves, stopped ones are taken from the EC2 API alone.
///
/// # Errors
/// Those of [`select`]; `GuestUnread` naming every running host whose guest could not be read; `GuestContradicts` naming every
/// interface with both values, but for hosts in `accepted`; `InvalidInput` when `accepted` names a host that is not of the wave;
/// `AccessDenied`, `Throttled`, `Unavailable`.
pub async fn read_hosts(
    network: &AwsNetwork,
    guest: &Guest,
    map: &NetworkMap,
    name: &WaveName,
    accepted: &BTreeSet<HostName>,
    now: Timestamp,
) -> Result<Read, Fault> {
    let internal =
        |what: &str| Fault::new(FaultName::Internal, format!("the checked network map has no {what} of `{name}`"));
    let wave = map.waves.get(name).ok_or_else(|| internal("wave"))?;
    let vpc = map.sites.get(&wave.from).ok_or_else(|| internal("site"))?.vpc();
    let vpcs = BTreeSet::from([vpc.clone()]);
    let (machines, mut subnets) =
        futures::future::try_join(network.read_selected(vpc, &wave.select), network.read_subnets(&vpcs)).await?;
    let selected = select(map, name, wave, vpc, &machines)?;
    for host in accepted {
        if selected.iter().all(|found| found.name != *host) {
            return Err(Fault::new(
                FaultName::InvalidInput,
                format!("`accept_contradiction` names `{host}`, which is not a host of wave `{name}`"),
            ));
        }
    }
    let subnets = subnets.remove(vpc).unwrap_or_default();
    let running: BTreeSet<InstanceId> = selected
        .iter()
        .filter(|host| host.instance.state == InstanceState::Running)
        .map(|host| host.instance.id.clone())
        .collect();
    let reports = if running.is_empty() { BTreeMap::new() } else { guest.run_capture(&running).await };
    let mut reports = reports_of(&selected, &running, reports)?;
    let mut read = Read { hosts: Vec::new(), notes: Vec::new() };
    let mut contradictions = Vec::new();
    for host in selected {
        let nics = nics_of(map, &host, &subnets)?;
        let report = reports.remove(&host.instance.id);
        if let Some(report) = &report {
            let (found, notes) = compare(&host.name, &nics, report);
            read.notes.extend(notes);
            if accepted.contains(&host.name) {
                read.notes.extend(found.iter().map(|found| format!("accepted, the EC2 API counts: {found}")));
            } else {
                contradictions.extend(found);
            }
        }
        read.hosts.push(HostRecord {
            name: host.name,
            wave: name.clone(),
            instance: host.instance.id,
            platform: host.instance.platform,
            captured_at: now,
            guest: report,
            nics,
        });
    }
    refuse(&contradictions)?;
    Ok(read)
}

/// The report of every running host.
fn reports_of(
    selected: &[Selected],
    running: &BTreeSet<InstanceId>,
    mut results: BTreeMap<InstanceId, Result<GuestReport, GuestError>>,
) -> Result<BTreeMap<InstanceId, GuestReport>, Fault> {
    let mut reports = BTreeMap::new();
    let mut unread = Vec::new();
    let mut name = FaultName::GuestUnread;
    for host in selected.iter().filter(|host| running.contains(&host.instance.id)) {
        let id = &host.instance.id;
        match results.remove(id) {
            Some(Ok(report)) => {
                reports.insert(id.clone(), report);
            }
            Some(Err(error)) => {
                if let Some(of_call) = call_fault(&error) {
                    name = of_call;
                }
                unread.push(format!("`{}` ({id}): {}", host.name, holdfast_runtime::chain(&error)));
            }
            None => unread.push(format!("`{}` ({id}): there was no answer about it", host.name)),
        }
    }
    if unread.is_empty() {
        return Ok(reports);
    }
    let mend = match name {
        FaultName::GuestUnread => {
            "; mend the Systems Manager agent or the instance's role, or stop the instance to capture it from the EC2 API alone"
        }
        _ => "",
    };
    Err(Fault::new(name, format!("guests could not be read, nothing was stored: {}{mend}", unread.join("; "))))
}

/// The fault that a failed call to Systems Manager is; none when the machine is to blame.
fn call_fault(error: &GuestError) -> Option<FaultName> {
    match error {
        GuestError::Throttled { .. } => Some(FaultName::Throttled),
        GuestError::Denied { .. } => Some(FaultName::AccessDenied),
        GuestError::Call { .. } => Some(FaultName::Unavailable),
        _ => None,
    }
}

fn nics_of(map: &NetworkMap, host: &Selected, subnets: &BTreeMap<SubnetId, Prefix>) -> Result<Vec<NicRecord>, Fault> {
    let internal =
        |what: String| Fault::new(FaultName::Internal, format!("`{}` ({}): {what}", host.name, host.instance.id));
    host.enis
        .iter()
        .zip(0_u32..)
        .map(|(eni, position)| {
            let (network, _) = map
                .network_of(eni.primary)
                .ok_or_else(|| internal(format!("{} is in no network though it was checked", eni.primary)))?;
            let prefix = subnets
                .get(&eni.subnet)
                .ok_or_else(|| internal(format!("EC2 does not list subnet `{}` of `{}`", eni.subnet, eni.id)))?;
            Ok(NicRecord {
                device_index: eni.device_index.unwrap_or(position),
                eni: eni.id.clone(),
                mac: eni.mac.clone(),
                primary: eni.primary,
                secondary: eni.secondary.clone(),
                subnet: eni.subnet.clone(),
                prefix: *prefix,
                network: network.clone(),
            })
        })
        .collect()
}

fn refuse(contradictions: &[Contradiction]) -> Result<(), Fault> {
    if contradictions.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = contradictions.iter().map(ToString::to_string).collect();
    let hosts: BTreeSet<String> = contradictions.iter().map(|found| format!("\"{}\"", found.host)).collect();
    let hosts: Vec<String> = hosts.into_iter().collect();
    Err(Fault::new(
        FaultName::GuestContradicts,
        format!(
            "{}; mend the guest, or start again with `\"accept_contradiction\": [{}]` to have the EC2 API count; nothing was stored",
            lines.join("; "),
            hosts.join(", ")
        ),
    ))
}
