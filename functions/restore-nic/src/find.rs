//! Which VM a captured host became: by Move's own record, else by exact name in the declared cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_model::{ExtId, Fault, FaultName, HostRecord};
use holdfast_nutanix::{Backoff, Move, MoveRecord, MoveState, NutanixError, Prism, TimeLimit, Vm};

use crate::fault_of;

/// How long a cutover that Move still calls unfinished is waited for: its event may come a moment before its last state.
const MOVE_SETTLES: Duration = Duration::from_secs(20);

/// The cluster of the site.
///
/// # Errors
/// `InvalidMap` when there is none or several of this name.
pub(crate) async fn find_cluster(prism: &Prism, name: &str) -> Result<ExtId, Fault> {
    let found = prism.clusters_named(name).await.map_err(|e| fault_of(&e))?;
    match found.as_slice() {
        [cluster] => Ok(cluster.clone()),
        others => Err(Fault::new(
            FaultName::InvalidMap,
            format!("`{}` has {} clusters named `{name}`, there must be one", prism.endpoint(), others.len()),
        )),
    }
}

/// What Move knows of these hosts, once none of them is unfinished or the time for it is over.
pub(crate) async fn read_move(appliance: &Move, hosts: &[HostRecord]) -> Result<Vec<MoveRecord>, NutanixError> {
    let limit = TimeLimit::after(MOVE_SETTLES);
    let mut backoff = Backoff::default();
    loop {
        let records = appliance.records().await?;
        let under_way = |record: &MoveRecord| match &record.state {
            MoveState::Unfinished(state) => state.to_ascii_lowercase().contains("progress"),
            MoveState::Finished | MoveState::Test => false,
        };
        let waiting = hosts.iter().any(|host| records_of(&records, host).any(under_way));
        if !waiting || !backoff.pause(&limit).await {
            return Ok(records);
        }
    }
}

fn records_of<'a>(records: &'a [MoveRecord], host: &'a HostRecord) -> impl Iterator<Item = &'a MoveRecord> {
    records.iter().filter(|record| match &record.instance {
        Some(instance) => *instance == host.instance,
        None => record.name == host.name.as_str(),
    })
}

/// The VM of a host.
///
/// # Errors
/// `VmNotFound` when there is none, or Move has not cut it over; `VmAmbiguous` when there are several.
pub(crate) async fn find_vm(
    prism: &Prism,
    cluster: &ExtId,
    cluster_name: &str,
    records: &[MoveRecord],
    host: &HostRecord,
) -> Result<Vm, Fault> {
    let mut open: Option<&MoveRecord> = None;
    let mut finished = BTreeSet::new();
    for record in records_of(records, host) {
        match (&record.state, &record.vm) {
            (MoveState::Finished, Some(vm)) => {
                finished.insert(vm.clone());
            }
            (MoveState::Finished, None) => {}
            (MoveState::Test | MoveState::Unfinished(_), _) => open = Some(record),
        }
    }
    let mut found = Vec::new();
    for id in &finished {
        match prism.vm(id).await {
            Ok(read) => found.push(read.vm),
            // A VM that failed over and back has another id: then its name finds it.
            Err(NutanixError::NotFound { .. }) => {}
            Err(other) => return Err(fault_of(&other)),
        }
    }
    if finished.is_empty()
        && let Some(record) = open
    {
        let state = match &record.state {
            MoveState::Test => "a test cutover, whose VM is a copy",
            MoveState::Unfinished(state) => state.as_str(),
            MoveState::Finished => "finished",
        };
        let (plan, name) = (&record.plan, &host.name);
        let message = format!("Move has not cut over `{name}` (plan `{plan}`): its state there is {state}");
        return Err(Fault::new(FaultName::VmNotFound, message));
    }
    let how = if found.is_empty() { "by name" } else { "by Move's record" };
    if found.is_empty() {
        let named = prism.vms_named(host.name.as_str()).await.map_err(|e| fault_of(&e))?;
        found = named.into_iter().filter(|vm| vm.cluster.as_ref() == Some(cluster)).collect();
    }
    match found.as_slice() {
        [vm] => Ok(vm.clone()),
        [] => Err(Fault::new(
            FaultName::VmNotFound,
            format!("no VM is named `{}` in cluster `{cluster_name}` at `{}`", host.name, prism.endpoint()),
        )),
        several => {
            let ids: Vec<&str> = several.iter().map(|vm| vm.id.as_str()).collect();
            let message = format!("{} VMs are `{}` {how}: {}", several.len(), host.name, ids.join(", "));
            Err(Fault::new(FaultName::VmAmbiguous, message))
        }
    }
}
