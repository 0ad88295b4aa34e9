//! One NC2 site: which VMs carry the hosts' names there, and which hold their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use holdfast_model::{ExtId, HostName, HostRecord, Network, NetworkName, SightedNic, Sighting, SiteName};
use holdfast_nutanix::{Fate, Nic, NutanixError, Prism, RecoveryAction, Subnet, Vm, Vpc};
use jiff::Timestamp;

/// Names asked for at once.
const NAMES_AT_ONCE: usize = 8;

/// Of so many tests, the newest, the copies are told from machines. A plan has one test at a time.
const TESTS: usize = 10;

/// How long a Prism Central may take to tell of its tests: evidence does not wait for them any longer.
const TELLS: Duration = Duration::from_secs(20);

/// What is wanted of a site.
#[derive(Debug, Clone, Copy)]
pub struct SiteQuery<'a> {
    /// The site.
    pub site: &'a SiteName,
    /// Its Flow VPC.
    pub fvn_vpc: &'a str,
    /// Its cluster.
    pub cluster: &'a str,
    /// Networks, each with its subnet at the site.
    pub networks: &'a BTreeMap<NetworkName, Network>,
    /// Hosts to look for.
    pub hosts: &'a [HostRecord],
}

/// Why a site could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// Prism Central did not say it.
    #[error(transparent)]
    Prism(#[from] NutanixError),
    /// Prism Central does not have what the network map says.
    #[error("{0}")]
    Differs(String),
}

/// Every VM of the site that carries a host's name in its cluster, or holds a host's address on a subnet of the networks. Copies that a test failover has
/// made in its test network are left out: they serve nobody.
///
/// # Guarantees
/// Complete: an error means that nothing is known of the site.
///
/// # Errors
/// [`SiteError`].
pub async fn read_site(prism: &Prism, query: &SiteQuery<'_>) -> Result<BTreeMap<HostName, Vec<Sighting>>, SiteError> {
    let clusters = prism.clusters_named(query.cluster).await?;
    let [cluster] = clusters.as_slice() else {
        return Err(one("clusters", query.cluster, prism, clusters.len()));
    };
    let names: BTreeSet<&HostName> = query.hosts.iter().map(|host| &host.name).collect();
    let named: Vec<(HostName, Vec<Vm>)> = futures::stream::iter(names)
        .map(async |name| prism.vms_named(name.as_str()).await.map(|vms| (name.clone(), vms)))
        .buffered(NAMES_AT_ONCE)
        .try_collect()
        .await?;
    let mut found: BTreeMap<ExtId, (HostName, Vm)> = BTreeMap::new();
    for (name, vms) in named {
        let here = vms.into_iter().filter(|vm| vm.cluster.as_ref() == Some(cluster));
        found.extend(here.map(|vm| (vm.id.clone(), (name.clone(), vm))));
    }
    let production = production(prism, query).await?;
    let elsewhere = |vm: &Vm| {
        let mut subnets = vm.nics.iter().filter_map(|nic| nic.subnet.as_ref());
        !vm.nics.is_empty() && subnets.all(|subnet| !production.subnets.contains(subnet))
    };
    if found.values().any(|(_, vm)| elsewhere(vm)) {
        let copies = test_copies(prism).await;
        found.retain(|id, (_, vm)| !(elsewhere(vm) && copies.contains(id)));
    }
    for holder in production.holders {
        if found.contains_key(&holder) {
            continue;
        }
        match prism.vm(&holder).await {
            Ok(read) => {
                let name = HostName::parse(read.vm.name.clone()).or_else(|_| HostName::parse(holder.as_str()));
                let name = name.map_err(|error| SiteError::Differs(error.to_string()))?;
                found.insert(holder, (name, read.vm));
            }
            // It went away between two reads.
            Err(NutanixError::NotFound { .. }) => {}
            Err(other) => return Err(other.into()),
        }
    }
    let mut sightings: BTreeMap<HostName, Vec<Sighting>> = BTreeMap::new();
    for (name, vm) in found.into_values() {
        let nics = vm.nics.iter().map(sighted).collect();
        sightings.entry(name).or_default().push(Sighting {
            site: query.site.clone(),
            vm: vm.id,
            power: vm.power,
            nics,
        });
    }
    Ok(sightings)
}

fn one(kind: &str, name: &str, prism: &Prism, count: usize) -> SiteError {
    SiteError::Differs(format!("`{}` has {count} {kind} named `{name}`, there must be one", prism.endpoint()))
}

/// The Flow VPC of the site.
pub(crate) async fn flow_vpc(prism: &Prism, query: &SiteQuery<'_>) -> Result<Vpc, SiteError> {
    let vpcs = prism.vpcs_named(query.fvn_vpc).await?;
    let [vpc] = vpcs.as_slice() else { return Err(one("Flow VPCs", query.fvn_vpc, prism, vpcs.len())) };
    Ok(vpc.clone())
}

/// The subnet of a Flow VPC that has this name.
pub(crate) async fn subnet_of(
    prism: &Prism,
    query: &SiteQuery<'_>,
    vpc: &Vpc,
    name: &str,
) -> Result<Subnet, SiteError> {
    let named = prism.subnets_named(name).await?;
    let inside: Vec<Subnet> = named.into_iter().filter(|subnet| subnet.vpc.as_ref() == Some(&vpc.id)).collect();
    let [subnet] = inside.as_slice() else {
        return Err(one(&format!("subnets in VPC `{}`", query.fvn_vpc), name, prism, inside.len()));
    };
    Ok(subnet.clone())
}

/// VMs that test failovers have made, whoever started those. They are no machines of ours, though they have the names and addresses; none is known where
/// recovery jobs are not told, and then every VM counts.
async fn test_copies(prism: &Prism) -> BTreeSet<ExtId> {
    let asked = async {
        let jobs = prism.recovery_jobs(Timestamp::UNIX_EPOCH).await?;
        let tests = jobs.into_iter().filter(|job| job.action == RecoveryAction::TestFailover);
        let mut copies = BTreeSet::new();
        for job in tests.take(TESTS) {
            let entities = prism.recovered_entities(&job.id).await?;
            copies.extend(entities.into_iter().filter_map(|entity| match entity.fate {
                Fate::Recovered(vm) | Fate::Failed { vm: Some(vm), .. } if vm != entity.source => Some(vm),
                Fate::Recovered(_) | Fate::Failed { .. } | Fate::Pending => None,
            }));
        }
        Ok::<_, NutanixError>(copies)
    };
    match tokio::time::timeout(TELLS, asked).await {
        Ok(Ok(copies)) => copies,
        Ok(Err(error)) => {
            tracing::warn!("whether VMs are copies of a test failover is not known: {error}");
            BTreeSet::new()
        }
        Err(_) => {
            tracing::warn!("whether VMs are copies of a test failover was not told within {} s", TELLS.as_secs());
            BTreeSet::new()
        }
    }
}

/// The subnets that carry the networks at a site.
#[derive(Default)]
struct Production {
    subnets: BTreeSet<ExtId>,
    /// VMs that hold an address of the hosts on one of them, given or in use.
    holders: BTreeSet<ExtId>,
}

async fn production(prism: &Prism, query: &SiteQuery<'_>) -> Result<Production, SiteError> {
    let addresses: BTreeSet<Ipv4Addr> = query.hosts.iter().flat_map(HostRecord::addresses).collect();
    let names: BTreeSet<&String> =
        query.networks.values().filter_map(|network| network.subnets.get(query.site)).collect();
    let mut found = Production::default();
    if names.is_empty() {
        return Ok(found);
    }
    let vpc = flow_vpc(prism, query).await?;
    for name in names {
        let subnet = subnet_of(prism, query, &vpc, name).await?;
        for vnic in prism.vnics(&subnet.id).await? {
            let held = vnic.assigned.iter().chain(&vnic.learned).any(|address| addresses.contains(address));
            found.holders.extend(vnic.vm.filter(|_| held));
        }
        found.subnets.insert(subnet.id);
    }
    Ok(found)
}

pub(crate) fn sighted(nic: &Nic) -> SightedNic {
    SightedNic {
        nic: nic.id.clone(),
        mac: nic.mac.clone(),
        connected: nic.connected,
        subnet: nic.subnet.clone(),
        configured: nic.configured.clone(),
        learned: nic.learned.clone(),
    }
}
