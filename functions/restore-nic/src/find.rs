//! Which VM a captured host became: by Move's own record, followed through the failovers since; else by exact name in the declared cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_model::{Event, ExtId, Fault, FaultName, HostRecord};
use holdfast_nutanix::{Move, MoveRecord, MoveState, NutanixError, Prism, TimeLimit, Vm};

use crate::fault_of;
use crate::moved::{Was, now_at, told, trail};

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
    let mut backoff = appliance.backoff();
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

/// Where VMs are looked for, and by what.
pub(crate) struct Search<'a> {
    pub(crate) prism: &'a Prism,
    pub(crate) cluster: &'a ExtId,
    /// Its name.
    pub(crate) cluster_name: &'a str,
    /// What Move says.
    pub(crate) records: &'a [MoveRecord],
    /// What recovery plans did since, in the order in which they ended.
    pub(crate) failovers: &'a [Event],
}

impl Search<'_> {
    /// The VM of a host.
    ///
    /// # Errors
    /// `VmNotFound` when there is none, or Move has not cut it over; `VmAmbiguous` when there are several, or the one that is here is not what the
    /// recovery jobs made of the host last.
    pub(crate) async fn vm_of(&self, host: &HostRecord) -> Result<Vm, Fault> {
        let mut open: Option<&MoveRecord> = None;
        let mut finished = BTreeSet::new();
        for record in records_of(self.records, host) {
            match (&record.state, &record.vm) {
                (MoveState::Finished, Some(vm)) => {
                    finished.insert(vm.clone());
                }
                (MoveState::Finished, None) => {}
                (MoveState::Test | MoveState::Unfinished(_), _) => open = Some(record),
            }
        }
        let mut found: Vec<Vm> = Vec::new();
        for id in &finished {
            let trail = trail(id, &host.name, self.failovers);
            found.extend(if trail.len() < 2 { self.read(id).await? } else { self.at_end_of(&trail, host).await? });
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
        let mut tests = Vec::new();
        if found.is_empty() {
            // A failover that was not watched gave it another id: then its name finds it.
            let named = self.prism.vms_named(host.name.as_str()).await.map_err(|e| fault_of(&e))?;
            let here = named.into_iter().filter(|vm| vm.cluster.as_ref() == Some(self.cluster));
            (tests, found) = here.partition(|vm| self.is_test(&vm.id));
        }
        match found.as_slice() {
            [vm] => Ok(vm.clone()),
            [] => {
                let tests: String =
                    tests.iter().map(|vm| format!("; VM `{}` is of a test cutover of Move", vm.id)).collect();
                let (name, cluster, endpoint) = (&host.name, self.cluster_name, self.prism.endpoint());
                let message = format!("no VM is named `{name}` in cluster `{cluster}` at `{endpoint}`{tests}");
                Err(Fault::new(FaultName::VmNotFound, message))
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|vm| vm.id.as_str()).collect();
                let message = format!("{} VMs are `{}` {how}: {}", several.len(), host.name, ids.join(", "));
                Err(Fault::new(FaultName::VmAmbiguous, message))
            }
        }
    }

    /// Whether Move says of a VM that it came of a test cutover, of whatever machine.
    fn is_test(&self, vm: &ExtId) -> bool {
        self.records.iter().any(|record| record.state == MoveState::Test && record.vm.as_ref() == Some(vm))
    }

    /// A VM, where it is at this Prism Central.
    async fn read(&self, id: &ExtId) -> Result<Option<Vm>, Fault> {
        match self.prism.vm(id).await {
            Ok(read) => Ok(Some(read.vm)),
            Err(NutanixError::NotFound { .. }) => Ok(None),
            Err(other) => Err(fault_of(&other)),
        }
    }

    /// What recovery jobs made of a host last, where it is in the cluster; none where nothing is there that it ever was.
    async fn at_end_of(&self, trail: &[Was<'_>], host: &HostRecord) -> Result<Option<Vm>, Fault> {
        let mut here = Vec::new();
        for was in trail {
            here.extend(self.read(&was.vm).await?.filter(|vm| vm.cluster.as_ref() == Some(self.cluster)));
        }
        let last = trail.last().map(|was| &was.vm);
        let why = match here.as_slice() {
            [] => return Ok(None),
            [vm] if Some(&vm.id) == last && vm.name == host.name.as_str() => return Ok(Some(vm.clone())),
            [vm] if Some(&vm.id) == last => format!("that one is named `{}`", vm.name),
            [earlier] => format!(
                "in cluster `{}` there is only `{}`, which it was before it went to {}; if that is the machine all the same, leave `move` of the wave out of the network map, so that its name finds it",
                self.cluster_name,
                earlier.id,
                now_at(trail).map_or("another site", |site| site.as_str())
            ),
            several => {
                let ids: Vec<String> = several.iter().map(|vm| format!("`{}` ({})", vm.id, vm.name)).collect();
                format!("in cluster `{}` there are {}", self.cluster_name, ids.join(" and "))
            }
        };
        let message = format!("`{}` was VM {}; {why}", host.name, told(trail));
        Err(Fault::new(FaultName::VmAmbiguous, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::{Credentials, Trust};
    use holdfast_nutanix::Timeouts;
    use serde_json::json;

    /// Before anybody is asked: there is no such Prism Central.
    #[tokio::test]
    async fn the_vm_of_a_test_cutover_is_never_taken() {
        let host: HostRecord = serde_json::from_value(json!({
            "name": "web-1", "wave": "wave-1", "instance": "i-0a1b2c3d", "platform": "linux",
            "captured_at": "2026-01-02T03:04:05Z", "guest": null, "nics": []
        }))
        .unwrap();
        let vm = ExtId::parse("11111111-1111-4111-8111-111111111111").unwrap();
        let record = MoveRecord {
            plan: "plan-1".into(),
            name: "web-1".into(),
            instance: Some(host.instance.clone()),
            vm: Some(vm.clone()),
            state: MoveState::Test,
            error: None,
        };
        let who = Credentials::login("admin", "secret");
        let prism = Prism::connect("https://127.0.0.1:1", who, &Trust::WebRoots, Timeouts::default()).unwrap();
        let records = [record];
        let search =
            Search { prism: &prism, cluster: &vm, cluster_name: "cluster-1", records: &records, failovers: &[] };
        let fault = search.vm_of(&host).await.unwrap_err();
        assert_eq!(fault.name, FaultName::VmNotFound);
        assert!(fault.message.contains("a test cutover, whose VM is a copy"), "{fault}");
    }
}
