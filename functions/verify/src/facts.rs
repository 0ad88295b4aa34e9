//! Reads what the checks need, all at once.

use crate::context::Context;
use futures::future::join;
use holdfast_aws_network::{AwsNetwork, read_picture_towards, read_quotas, read_sites, read_targets};
use holdfast_model::{
    Evidence, EvidenceId, Fault, FaultName, HostRecord, Machines, NamedVersions, NetworkMap, NetworkName, Picture,
    QuotaName, Scope, Site, SiteName,
};
use holdfast_plan::{Move, Refusal, ec2_sites_left, plan_move, quotas_wanted, sites_judged};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Networks and hosts that a verification is about.
pub(crate) struct Subject<'a> {
    pub map: &'a NetworkMap,
    pub networks: BTreeSet<NetworkName>,
    /// Only these addresses of them; none: whole networks.
    pub addresses: Option<BTreeSet<Ipv4Addr>>,
    pub hosts: Vec<HostRecord>,
    pub evidence: Option<Evidence>,
    pub now: Timestamp,
}

/// What AWS says now.
pub(crate) struct Live {
    pub picture: Picture,
    /// Instances and network interfaces of the sites' VPCs that answered.
    pub machines: BTreeMap<SiteName, Machines>,
    /// Why the others did not.
    pub machines_unread: BTreeMap<SiteName, String>,
}

impl<'a> Subject<'a> {
    /// Reads the captured hosts of the networks, those of the named versions where there are such, and the evidence when there is any.
    pub(crate) async fn read(
        context: &Context,
        map: &'a NetworkMap,
        networks: &BTreeSet<NetworkName>,
        named: &NamedVersions,
        evidence: Option<&EvidenceId>,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        known(map, networks)?;
        let evidence = async {
            match evidence {
                None => Ok(None),
                Some(id) => context.evidence.get(id).await.map_err(Fault::from)?.map(Some).ok_or_else(|| {
                    Fault::new(FaultName::InvalidInput, format!("there is no evidence `{}`; take it again", id.0))
                }),
            }
        };
        let (hosts, evidence) = join(context.inventory.hosts_of(networks, named), evidence).await;
        Ok(Self { map, networks: networks.clone(), addresses: None, hosts: hosts?, evidence: evidence?, now })
    }

    /// The same for some of the networks.
    pub(crate) fn only(&self, networks: BTreeSet<NetworkName>) -> Self {
        let (addresses, hosts) = (self.addresses.clone(), self.hosts.clone());
        Self { map: self.map, networks, addresses, hosts, evidence: self.evidence.clone(), now: self.now }
    }

    /// The same for some addresses of the networks.
    pub(crate) fn moving(self, addresses: Option<BTreeSet<Ipv4Addr>>) -> Self {
        Self { addresses, ..self }
    }

    /// Whether an address is one of those that it is about, as far as only some are.
    pub(crate) fn holds(&self, address: Ipv4Addr) -> bool {
        self.addresses.as_ref().is_none_or(|only| only.contains(&address))
    }
}

fn known(map: &NetworkMap, networks: &BTreeSet<NetworkName>) -> Result<(), Fault> {
    if networks.is_empty() {
        return Err(Fault::new(FaultName::InvalidInput, "`networks` is empty; name at least one network"));
    }
    for name in networks {
        if !map.networks.contains_key(name) {
            let declared = crate::checks::list(map.networks.keys());
            return Err(Fault::new(
                FaultName::InvalidInput,
                format!("network `{name}` is not in the network map (declared: {declared})"),
            ));
        }
    }
    Ok(())
}

/// A site of the map.
pub(crate) fn site<'a>(map: &'a NetworkMap, name: &SiteName) -> Result<&'a Site, Fault> {
    map.sites.get(name).ok_or_else(|| {
        let declared = crate::checks::list(map.sites.keys());
        Fault::new(FaultName::InvalidInput, format!("site `{name}` is not in the network map (declared: {declared})"))
    })
}

impl Live {
    /// Reads routing, for whoever would move networks to `towards`, and the machines of the VPCs of `sites`.
    pub(crate) async fn read(
        networks: &BTreeMap<Scope, AwsNetwork>,
        map: &NetworkMap,
        towards: Option<&SiteName>,
        sites: &BTreeSet<SiteName>,
        now: Timestamp,
    ) -> Self {
        let picture = read_picture_towards(networks, map, towards, now);
        let (picture, found) = join(picture, read_sites(networks, map, sites)).await;
        let mut live = Self { picture, machines: BTreeMap::new(), machines_unread: BTreeMap::new() };
        live.add(found);
        live
    }

    /// Reads the machines that a judgement of `subject` at a site looks at, as far as they were not read.
    pub(crate) async fn read_judged(
        &mut self,
        networks: &BTreeMap<Scope, AwsNetwork>,
        subject: &Subject<'_>,
        at: &SiteName,
    ) {
        let mut more = sites_judged(at, &crate::routes::apart(subject, self, at), subject.map);
        more.retain(|site| !self.machines.contains_key(site) && !self.machines_unread.contains_key(site));
        let found = read_sites(networks, subject.map, &more).await;
        self.add(found);
    }

    fn add<E: ToString>(&mut self, found: BTreeMap<SiteName, Result<Machines, E>>) {
        for (site, machines) in found {
            match machines {
                Ok(machines) => drop(self.machines.insert(site, machines)),
                Err(error) => drop(self.machines_unread.insert(site, error.to_string())),
            }
        }
    }

    /// Reads the load-balancer targets of the EC2 sites that a move to `to` leaves; none if they were read, else why not.
    pub(crate) async fn read_targets(
        &mut self,
        networks: &BTreeMap<Scope, AwsNetwork>,
        subject: &Subject<'_>,
        to: &SiteName,
    ) -> Option<String> {
        let left = ec2_sites_left(&subject.networks, to, subject.map, &self.picture);
        match read_targets(networks, subject.map, &left).await {
            Ok(read) => {
                for (site, targets) in read {
                    if let Some(machines) = self.machines.get_mut(&site) {
                        machines.targets = Some(targets);
                    }
                }
                None
            }
            Err(error) => Some(error.to_string()),
        }
    }
    /// Reads the quotas that a plan to `to` takes more of; all of them where AWS's defaults would forbid it.
    pub(crate) async fn read_quotas(
        &mut self,
        networks: &BTreeMap<Scope, AwsNetwork>,
        subject: &Subject<'_>,
        to: &SiteName,
    ) {
        let wanted = match plan_move(&Move::whole(&subject.networks, to), subject.map, &self.picture) {
            Ok(plan) => quotas_wanted(&plan, &self.picture),
            Err(Refusal::Quota { .. }) => networks.keys().map(|scope| (scope.clone(), QuotaName::ALL.into())).collect(),
            Err(_) => return,
        };
        self.picture.quotas = read_quotas(networks, &wanted).await;
    }
}
