//! What a test failover made: the copies of the VMs, and how their network is shut off.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_model::{ExtId, Fault, FaultName, NetworkName, Power, Site, TestSeen, TestSubnet, TestVm};
use holdfast_nutanix::{Fate, RecoveryJob, RecoveryState, Vpc};
use holdfast_store::TestFailover;

use super::{TestDesk, fault};
use crate::site::sighted;

/// Reads what the job of a test made.
pub(super) async fn read(desk: &TestDesk<'_>, test: &TestFailover, job: &RecoveryJob) -> Result<TestSeen, Fault> {
    let mut vms: BTreeMap<String, TestVm> = BTreeMap::new();
    for entity in desk.prism.recovered_entities(&job.id).await.map_err(|error| fault(&error))? {
        let (vm, failed) = match entity.fate {
            Fate::Recovered(vm) => (Some(vm), None),
            Fate::Failed { vm, why } => (vm, Some(why)),
            Fate::Pending => (None, Some("the job has ended without it".to_owned())),
        };
        let read = match &vm {
            Some(vm) => Some(desk.prism.vm(vm).await.map_err(|error| fault(&error))?.vm),
            None => None,
        };
        let name = entity.name.or_else(|| read.as_ref().map(|vm| vm.name.clone()));
        let copy = TestVm {
            vm,
            failed,
            power: read.as_ref().map_or(Power::Unknown, |vm| vm.power),
            nics: read.iter().flat_map(|vm| vm.nics.iter().map(sighted)).collect(),
        };
        vms.insert(name.unwrap_or_else(|| entity.source.to_string()), copy);
    }
    let used: BTreeSet<ExtId> =
        vms.values().flat_map(|vm| vm.nics.iter().filter_map(|nic| nic.subnet.clone())).collect();
    let failed = match &job.state {
        RecoveryState::Succeeded | RecoveryState::Warned => None,
        RecoveryState::Failed => Some("it failed".to_owned()),
        RecoveryState::Aborted => Some("it was aborted".to_owned()),
        RecoveryState::Unknown(word) | RecoveryState::Unfinished(word) => Some(word.clone()),
    };
    let seconds = job.ended.zip(job.started).map(|(ended, started)| ended.duration_since(started).as_secs());
    Ok(TestSeen { at: desk.now, seconds, failed, vms, subnets: subnets(desk, test, &used).await? })
}

async fn subnets(
    desk: &TestDesk<'_>,
    test: &TestFailover,
    used: &BTreeSet<ExtId>,
) -> Result<BTreeMap<ExtId, TestSubnet>, Fault> {
    let production = production(desk, test).await?;
    let mut subnets = BTreeMap::new();
    for id in used {
        let subnet = desk.prism.subnet(id).await.map_err(|error| fault(&error))?;
        let vpc = match &subnet.vpc {
            Some(vpc) => Some(desk.prism.vpc(vpc).await.map_err(|error| fault(&error))?),
            None => None,
        };
        let landing = match &vpc {
            Some(vpc) => {
                let external = desk.prism.external_subnets(vpc).await.map_err(|error| fault(&error))?;
                Some(subnet.landing(vpc, &external))
            }
            None => None,
        };
        let carries = production.subnets.get(id).cloned();
        let production_vpc = vpc.is_some_and(|vpc| vpc.id == production.vpc.id);
        subnets.insert(id.clone(), TestSubnet { landing, production: carries, production_vpc });
    }
    Ok(subnets)
}

/// What carries production at the site of a test.
struct Production {
    vpc: Vpc,
    subnets: BTreeMap<ExtId, NetworkName>,
}

async fn production(desk: &TestDesk<'_>, test: &TestFailover) -> Result<Production, Fault> {
    let Some(Site::Nc2 { fvn_vpc, .. }) = desk.map.sites.get(&test.to) else {
        return Err(Fault::new(FaultName::InvalidInput, format!("site `{}` is no NC2 site", test.to)));
    };
    let mut vpcs = desk.prism.vpcs_named(fvn_vpc).await.map_err(|error| fault(&error))?.into_iter();
    let (Some(vpc), None) = (vpcs.next(), vpcs.next()) else {
        let message = format!("{} does not have exactly one Flow VPC named `{fvn_vpc}`", desk.central);
        return Err(Fault::new(FaultName::InvalidMap, message));
    };
    let mut subnets = BTreeMap::new();
    for (network, declared) in &desk.map.networks {
        let Some(name) = declared.subnets.get(&test.to) else { continue };
        let named = desk.prism.subnets_named(name).await.map_err(|error| fault(&error))?;
        let inside = named.into_iter().filter(|subnet| subnet.vpc.as_ref() == Some(&vpc.id));
        subnets.extend(inside.map(|subnet| (subnet.id, network.clone())));
    }
    Ok(Production { vpc, subnets })
}
