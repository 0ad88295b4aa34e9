//! One NC2 site: which VMs carry the hosts' names there, and which hold their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures::{StreamExt, TryStreamExt};
use holdfast_model::{ExtId, HostName, HostRecord, Network, NetworkName, SightedNic, Sighting, SiteName};
use holdfast_nutanix::{Nic, NutanixError, Prism, Subnet, Vm, Vpc};

/// Names asked for at once.
const NAMES_AT_ONCE: usize = 8;

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

/// Every VM of the site that carries a host's name in its cluster, or holds a host's address on a subnet of the networks.
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
    for holder in holders(prism, query).await? {
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

/// VMs that hold an address of the hosts on a subnet of the networks, given or in use.
async fn holders(prism: &Prism, query: &SiteQuery<'_>) -> Result<BTreeSet<ExtId>, SiteError> {
    let addresses: BTreeSet<Ipv4Addr> = query.hosts.iter().flat_map(HostRecord::addresses).collect();
    let names: BTreeSet<&String> =
        query.networks.values().filter_map(|network| network.subnets.get(query.site)).collect();
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (vpc, mut holders) = (flow_vpc(prism, query).await?, BTreeSet::new());
    for name in names {
        let subnet = subnet_of(prism, query, &vpc, name).await?;
        for vnic in prism.vnics(&subnet.id).await? {
            let held = vnic.assigned.iter().chain(&vnic.learned).any(|address| addresses.contains(address));
            holders.extend(vnic.vm.filter(|_| held));
        }
    }
    Ok(holders)
}

fn sighted(nic: &Nic) -> SightedNic {
    SightedNic {
        nic: nic.id.clone(),
        mac: nic.mac.clone(),
        connected: nic.connected,
        subnet: nic.subnet.clone(),
        configured: nic.configured.clone(),
        learned: nic.learned.clone(),
    }
}
