//! Reads the hosts of a wave from the EC2 API and inside their guests.

use crate::compare::compare;
use crate::select::{Failed, Selected, select, unsettled};
use holdfast_aws_network::AwsNetwork;
use holdfast_guest::{Guest, GuestError, Tags};
use holdfast_model::{
    Fault, FaultName, HostName, HostRecord, InstanceId, InstanceState, NetworkMap, NicRecord, Prefix, Select, SubnetId,
    Wave, WaveName, first_lines_of,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The hosts, in name order.
    pub hosts: Vec<HostRecord>,
    /// Hosts that could not be read, or whose guests contradict the EC2 API.
    pub failed: Vec<Failed>,
    /// What a person should know, one line each.
    pub notes: Vec<String>,
}

/// Reads the hosts of a wave. Running instances are asked themselves, stopped ones are taken from the EC2 API alone. A host that fails does not stop
/// the others.
///
/// # Errors
/// Those of [`select`]; `InvalidInput` when `accepted` names a host that is not of the wave; `AccessDenied`, `Throttled`, `Unavailable` of a call that
/// says nothing of a single host.
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
    let mut reports =
        if running.is_empty() { BTreeMap::new() } else { guest.run_capture(&running, tags_of(wave)).await };
    let mut read = Read { hosts: Vec::new(), failed: Vec::new(), notes: Vec::new() };
    for host in selected {
        let nics = nics_of(map, &host, &subnets)?;
        let id = &host.instance.id;
        let mut fail = |fault: FaultName, why: String| {
            read.failed.push(Failed { name: host.name.clone(), instance: id.clone(), fault, why });
        };
        if let Some(why) = unsettled(host.instance.state) {
            fail(FaultName::GuestUnread, why.to_owned());
            continue;
        }
        let report = match (running.contains(id), reports.remove(id)) {
            (false, _) => None,
            (true, Some(Ok(report))) => Some(report),
            (true, Some(Err(error))) => match call_fault(&error) {
                Some(fault) => return Err(unread_all(fault, &error)),
                None => {
                    fail(FaultName::GuestUnread, holdfast_runtime::chain(&error));
                    continue;
                }
            },
            (true, None) => {
                fail(FaultName::GuestUnread, "there was no answer about it".to_owned());
                continue;
            }
        };
        if let Some(report) = &report {
            let (found, notes) = compare(&host.name, &nics, report);
            if accepted.contains(&host.name) {
                read.notes.extend(found.iter().map(|found| format!("accepted, the EC2 API counts: {found}")));
            } else if !found.is_empty() {
                let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
                fail(FaultName::GuestContradicts, lines.join("; "));
                continue;
            }
            read.notes.extend(notes);
        }
        read.hosts.push(HostRecord {
            name: host.name,
            wave: name.clone(),
            instance: host.instance.id,
            platform: Some(host.instance.platform),
            captured_at: now,
            imported_from: None,
            guest: report,
            nics,
        });
    }
    // Whoever was given the tags of the wave in between and was asked too.
    read.notes.extend(reports.into_values().filter_map(|report| Some(format!("note: {}", report.err()?))));
    Ok(read)
}

/// The tags that select a wave, where nothing else does.
fn tags_of(wave: &Wave) -> Option<&Tags> {
    match &wave.select {
        Select::Tags { tags } => Some(tags),
        Select::Instances { .. } | Select::Subnet { .. } | Select::Vpc | Select::Network { .. } => None,
    }
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

fn unread_all(fault: FaultName, error: &GuestError) -> Fault {
    Fault::new(fault, format!("guests could not be read, nothing was stored: {}", holdfast_runtime::chain(error)))
}

/// The fault of hosts that were not captured, when the others were; `stored` says what became of those.
pub(crate) fn left_out(failed: &[Failed], stored: &str) -> Option<Fault> {
    let unread = failed.iter().any(|host| host.fault == FaultName::GuestUnread);
    let fault = if unread { FaultName::GuestUnread } else { failed.first()?.fault };
    let lines: Vec<String> =
        failed.iter().map(|host| format!("`{}` ({}): {}", host.name, host.instance, host.why)).collect();
    let lines = first_lines_of(lines, "what the mended ones leave when it is captured again");
    let contradicting = failed.iter().filter(|host| host.fault == FaultName::GuestContradicts);
    let contradicting: Vec<String> = contradicting.map(|host| format!("\"{}\"", host.name)).collect();
    let mut mend = Vec::new();
    if unread {
        mend.push("mend the Systems Manager agent or the instance's role, or stop the instance to capture it from the EC2 API alone".to_owned());
    }
    if !contradicting.is_empty() {
        mend.push(format!(
            "mend the guest, or start again with `\"accept_contradiction\": [{}]` to have the EC2 API count",
            contradicting.join(", ")
        ));
    }
    Some(Fault::new(fault, format!("not captured: {}; {}; {stored}", lines.join("; "), mend.join("; "))))
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
                eni: Some(eni.id.clone()),
                mac: Some(eni.mac.clone()),
                primary: eni.primary,
                secondary: eni.secondary.clone(),
                subnet: Some(eni.subnet.clone()),
                prefix: *prefix,
                network: network.clone(),
            })
        })
        .collect()
}
