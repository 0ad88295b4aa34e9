//! Reads EC2 instances and network interfaces.

use crate::codes::Ec2Error;
use crate::convert::{eni_status, name_tag, parse};
use crate::network::AwsNetwork;
use crate::pages::{FILTER_VALUES, filter, read_pages};
use crate::scope::site_scope;
use aws_sdk_ec2::types::{
    Filter, Instance as Ec2Instance, InstanceNetworkInterface, InstanceStateName, NetworkInterface, PlatformValues,
    Reservation,
};
use holdfast_model::{
    Eni, EniId, EniSeat, EniStatus, Instance, InstanceId, InstanceState, MacAddress, Machines, NetworkMap, Platform,
    Scope, Select, Site, SiteName, SubnetId, VpcId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const INSTANCES: &str = "DescribeInstances";
const INTERFACES: &str = "DescribeNetworkInterfaces";

impl AwsNetwork {
    /// All instances and network interfaces of some VPCs, attached or not.
    ///
    /// # Errors
    /// [`Ec2Error`] when one page could not be read.
    pub async fn read_machines(&self, vpcs: &BTreeSet<VpcId>) -> Result<Machines, Ec2Error> {
        let names = vpcs.iter().map(VpcId::as_str).collect::<Vec<_>>().join("`, `");
        let what = format!("network interfaces of `{names}`");
        let interfaces = async {
            let request = self.reads.describe_network_interfaces().filters(filter("vpc-id", vpcs)).max_results(1000);
            Ok::<_, Ec2Error>(read_pages!(self, "DescribeNetworkInterfaces", &what, request, network_interfaces))
        };
        let of_vpcs = format!("instances of `{names}`");
        let instances = self.read_instances(vec![filter("vpc-id", vpcs)], &of_vpcs);
        let (mut machines, interfaces) = futures::future::try_join(instances, interfaces).await?;
        for interface in &interfaces {
            if let Some(eni) = eni(interface).map_err(|error| self.malformed(INTERFACES, &what, error))? {
                machines.enis.insert(eni.id.clone(), eni);
            }
        }
        Ok(machines)
    }

    /// Selected instances with their network interfaces; for a network all of the VPC, see `Wave::selects`. Instances of another VPC are returned too when they are selected by id.
    ///
    /// # Errors
    /// [`Ec2Error`] when one page could not be read. An id that EC2 does not know is left out, not an error.
    pub async fn read_selected(&self, vpc: &VpcId, select: &Select) -> Result<Machines, Ec2Error> {
        let in_vpc = filter("vpc-id", [vpc]);
        match select {
            Select::Instances { ids } => {
                let mut all = Machines::default();
                let ids: Vec<&InstanceId> = ids.iter().collect();
                for some in ids.chunks(FILTER_VALUES) {
                    let filters = vec![filter("instance-id", some)];
                    let found = self.read_instances(filters, "instances by id").await?;
                    all.instances.extend(found.instances);
                    all.enis.extend(found.enis);
                }
                Ok(all)
            }
            Select::Tags { tags } => {
                let mut filters = vec![in_vpc];
                filters.extend(tags.iter().map(|(key, value)| filter(format!("tag:{key}"), [value])));
                self.read_instances(filters, &format!("instances of `{vpc}` by tag")).await
            }
            Select::Subnet { id } => {
                let filters = vec![in_vpc, filter("network-interface.subnet-id", [id])];
                self.read_instances(filters, &format!("instances of `{id}`")).await
            }
            // EC2 has no filter by prefix: whoever knows the map leaves out the rest.
            Select::Vpc | Select::Network { .. } => {
                self.read_instances(vec![in_vpc], &format!("instances of `{vpc}`")).await
            }
        }
    }

    /// Whether source/destination checking is on, for those of the interfaces that this account may see.
    ///
    /// # Errors
    /// [`Ec2Error`] when one page could not be read.
    pub async fn read_source_dest_checks(&self, enis: &BTreeSet<EniId>) -> Result<BTreeMap<EniId, bool>, Ec2Error> {
        if enis.is_empty() {
            return Ok(BTreeMap::new());
        }
        let what = "source/destination checks";
        let request =
            self.reads.describe_network_interfaces().filters(filter("network-interface-id", enis)).max_results(1000);
        let found = read_pages!(self, "DescribeNetworkInterfaces", what, request, network_interfaces);
        Ok(found
            .iter()
            .filter_map(|eni| Some((EniId::parse(eni.network_interface_id()?).ok()?, eni.source_dest_check()?)))
            .collect())
    }

    /// VPC and status of some interfaces; none for one that EC2 does not tell of.
    pub(crate) async fn read_eni_seats(
        &self,
        enis: &BTreeSet<EniId>,
    ) -> Result<BTreeMap<EniId, Option<EniSeat>>, Ec2Error> {
        let what = "network interfaces of next hops";
        let mut seats: BTreeMap<EniId, Option<EniSeat>> = enis.iter().map(|id| (id.clone(), None)).collect();
        let ids: Vec<&EniId> = enis.iter().collect();
        for some in ids.chunks(FILTER_VALUES) {
            let by_id = filter("network-interface-id", some);
            let request = self.reads.describe_network_interfaces().filters(by_id).max_results(1000);
            let found = read_pages!(self, "DescribeNetworkInterfaces", what, request, network_interfaces);
            for eni in &found {
                let malformed = |error: String| self.malformed(INTERFACES, what, error);
                let id = parse::<EniId>("network interface", eni.network_interface_id()).map_err(malformed)?;
                let vpc = parse::<VpcId>("VPC of a network interface", eni.vpc_id()).map_err(malformed)?;
                seats.insert(id, Some(EniSeat { vpc, status: eni_status(eni.status()) }));
            }
        }
        Ok(seats)
    }

    async fn read_instances(&self, filters: Vec<Filter>, what: &str) -> Result<Machines, Ec2Error> {
        let request = self.reads.describe_instances().set_filters(Some(filters)).max_results(1000);
        let reservations: Vec<Reservation> = read_pages!(self, "DescribeInstances", what, request, reservations);
        let mut machines = Machines::default();
        for found in reservations.iter().flat_map(Reservation::instances) {
            let (instance, enis) = instance(found).map_err(|error| {
                let id = found.instance_id().unwrap_or("an instance");
                self.malformed(INSTANCES, what, format!("`{id}`: {error}"))
            })?;
            // A terminated instance is listed for an hour or so, without a VPC or interfaces.
            if let Some(instance) = instance {
                machines.instances.insert(instance.id.clone(), instance);
                machines.enis.extend(enis.into_iter().map(|eni| (eni.id.clone(), eni)));
            }
        }
        Ok(machines)
    }
}

/// Machines of the VPCs of `sites`, but of a lost Region, all accounts and Regions at once; for each site that could not be read, why.
///
/// The VPCs of one account and Region are read together.
pub async fn read_sites(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    sites: &BTreeSet<SiteName>,
) -> BTreeMap<SiteName, Result<Machines, Ec2Error>> {
    let mut by_scope: BTreeMap<Scope, BTreeMap<&SiteName, &VpcId>> = BTreeMap::new();
    let wanted = |name: &SiteName, site: &Site| sites.contains(name) && map.reachable(site.region());
    for (name, site) in map.sites.iter().filter(|(name, site)| wanted(name, site)) {
        by_scope.entry(site_scope(site)).or_default().insert(name, site.vpc());
    }
    let reads = by_scope.iter().filter_map(|(scope, sites)| {
        let network = networks.get(scope)?;
        Some(async move {
            let vpcs = sites.values().map(|vpc| (*vpc).clone()).collect();
            let read = network.read_machines(&vpcs).await;
            sites
                .iter()
                .map(|(name, vpc)| {
                    let of_vpc = read.as_ref().map(|all| only(all, vpc)).map_err(Clone::clone);
                    ((*name).clone(), of_vpc)
                })
                .collect::<Vec<_>>()
        })
    });
    futures::future::join_all(reads).await.into_iter().flatten().collect()
}

/// What of it is in one VPC.
fn only(all: &Machines, vpc: &VpcId) -> Machines {
    Machines {
        instances: all.instances.iter().filter(|(_, i)| i.vpc == *vpc).map(|(id, i)| (id.clone(), i.clone())).collect(),
        enis: all.enis.iter().filter(|(_, eni)| eni.vpc == *vpc).map(|(id, eni)| (id.clone(), eni.clone())).collect(),
        ..all.clone()
    }
}

fn instance(found: &Ec2Instance) -> Result<(Option<Instance>, Vec<Eni>), String> {
    let id = parse::<InstanceId>("instance", found.instance_id())?;
    let state = match found.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => InstanceState::Unknown,
    };
    let vpc = match found.vpc_id().filter(|id| !id.is_empty()) {
        Some(vpc) => parse::<VpcId>("VPC", Some(vpc))?,
        None if state == InstanceState::Terminated => return Ok((None, Vec::new())),
        None => return Err("no VPC".to_owned()),
    };
    let mut enis = found
        .network_interfaces()
        .iter()
        .filter_map(|interface| instance_eni(interface, &id, &vpc).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    enis.sort_by_key(|eni| eni.device_index);
    let instance = Instance {
        id,
        name: name_tag(found.tags()),
        state,
        vpc,
        platform: match found.platform() {
            Some(PlatformValues::Windows) => Platform::Windows,
            // EC2 fills the field for Windows only; `Windows` and `windows` are both seen.
            Some(other) if other.as_str().eq_ignore_ascii_case("windows") => Platform::Windows,
            _ => Platform::Linux,
        },
        tags: found
            .tags()
            .iter()
            .map(|tag| (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned()))
            .collect(),
        enis: enis.iter().map(|eni| eni.id.clone()).collect(),
    };
    Ok((Some(instance), enis))
}

/// A network interface in the answer about its instance; none without IPv4.
fn instance_eni(found: &InstanceNetworkInterface, instance: &InstanceId, vpc: &VpcId) -> Result<Option<Eni>, String> {
    let addresses = found.private_ip_addresses().iter().map(|at| (at.primary(), at.private_ip_address()));
    let Some((primary, secondary)) = addresses_of(found.private_ip_address(), addresses)? else { return Ok(None) };
    Ok(Some(Eni {
        id: parse::<EniId>("network interface", found.network_interface_id())?,
        description: found.description().unwrap_or_default().to_owned(),
        kind: found.interface_type().unwrap_or("interface").to_owned(),
        managed_by: None,
        vpc: vpc.clone(),
        subnet: parse::<SubnetId>("subnet", found.subnet_id())?,
        mac: parse::<MacAddress>("MAC address", found.mac_address())?,
        primary,
        secondary,
        status: match eni_status(found.status()) {
            EniStatus::Unknown => EniStatus::InUse,
            known => known,
        },
        instance: Some(instance.clone()),
        device_index: found
            .attachment()
            .and_then(|attachment| attachment.device_index())
            .and_then(|index| u32::try_from(index).ok()),
    }))
}

/// A network interface in the answer about interfaces; none without IPv4.
fn eni(found: &NetworkInterface) -> Result<Option<Eni>, String> {
    let addresses = found.private_ip_addresses().iter().map(|at| (at.primary(), at.private_ip_address()));
    let Some((primary, secondary)) = addresses_of(found.private_ip_address(), addresses)? else { return Ok(None) };
    let attachment = found.attachment();
    let instance = attachment.and_then(|at| at.instance_id()).filter(|id| !id.is_empty());
    Ok(Some(Eni {
        id: parse::<EniId>("network interface", found.network_interface_id())?,
        description: found.description().unwrap_or_default().to_owned(),
        kind: found.interface_type().map_or("interface", |kind| kind.as_str()).to_owned(),
        managed_by: found
            .requester_managed()
            .filter(|managed| *managed)
            .map(|_| found.requester_id().unwrap_or("an AWS service").to_owned()),
        vpc: parse::<VpcId>("VPC", found.vpc_id())?,
        subnet: parse::<SubnetId>("subnet", found.subnet_id())?,
        mac: parse::<MacAddress>("MAC address", found.mac_address())?,
        primary,
        secondary,
        status: eni_status(found.status()),
        instance: match instance {
            Some(id) => Some(parse::<InstanceId>("instance", Some(id))?),
            None => None,
        },
        device_index: attachment.and_then(|at| at.device_index()).and_then(|index| u32::try_from(index).ok()),
    }))
}

/// The primary address and the others.
fn addresses_of<'a>(
    primary: Option<&str>,
    all: impl Iterator<Item = (Option<bool>, Option<&'a str>)>,
) -> Result<Option<(Ipv4Addr, Vec<Ipv4Addr>)>, String> {
    let address = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| format!("`{text}` is not an IPv4 address"));
    let mut first = primary.filter(|text| !text.is_empty()).map(address).transpose()?;
    let mut others = Vec::new();
    for (is_primary, text) in all {
        let Some(text) = text else { continue };
        let this = address(text)?;
        if is_primary == Some(true) {
            first = Some(this);
        } else {
            others.push(this);
        }
    }
    Ok(first.map(|first| {
        others.retain(|other| *other != first);
        (first, others)
    }))
}
