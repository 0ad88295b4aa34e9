//! Builds Prism Centrals and recovery plans from the world file.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::address::Wanted;
use super::change::NicWish;
use super::file::{self, FvnSubnetFile, FvnVpcFile, PrismCentralFile, VmFile};
use super::ids::ExtId;
use super::level::Levels;
use super::recovery::RecoveryPlan;
use super::state::{Cluster, IpConfig, NicShape, Power, Prism, Subnet, SubnetKind, Vm, Vpc, VpcKind};
use super::{Context, Switches};
use crate::{
    ec2::Kind,
    world::World,
    world_file::{WorldError, WorldFile},
};

/// Builds the Prism Centrals and recovery plans of a world file.
///
/// # Errors
/// The first thing in the file that does not fit, with its place.
pub fn load(file: &WorldFile, world: &mut World) -> Result<(), WorldError> {
    for (name, section) in &file.prism_centrals {
        let prism = prism(name, section, world)?;
        world.prisms.insert(name.clone(), prism);
    }
    for (name, section) in &file.recovery_plans {
        let plan = RecoveryPlan::from_file(name, section, world)?;
        let shown = plan.shown(world);
        for side in [&plan.primary, &plan.recovery] {
            if let Some(prism) = world.prisms.get_mut(side) {
                prism.recovery_plans.insert(shown.ext_id, shown.clone());
            }
        }
        world.recovery_plans.insert(name.clone(), plan);
    }
    Ok(())
}

fn given_id(id: Option<&str>, place: &str, words: &[&str]) -> Result<ExtId, WorldError> {
    id.map_or_else(
        || Ok(ExtId::derived(words)),
        |id| ExtId::parse(id).ok_or_else(|| WorldError::at(place, format!("`{id}` is not a UUID"))),
    )
}

fn prism(name: &str, section: &PrismCentralFile, world: &World) -> Result<Prism, WorldError> {
    let place = format!("prism_centrals.{name}");
    let levels = Levels::new(section.api_level, &section.api_levels).map_err(|unknown| {
        let problem = format!("there is no namespace `{unknown}`: write vmm, networking, prism, clustermgmt, dataprotection or datapolicies");
        WorldError::at(format!("{place}.api_levels"), problem)
    })?;
    let mut prism = Prism {
        name: name.to_owned(),
        ext_id: ExtId::derived(&[name]),
        username: section.username.clone(),
        password: section.password.clone(),
        api_key: section.api_key.clone(),
        levels,
        advertises_level: section.advertises_level,
        serves_v3: section.serves_v3,
        product: section.product.clone(),
        clusters: BTreeMap::new(),
        vpcs: BTreeMap::new(),
        subnets: BTreeMap::new(),
        vms: BTreeMap::new(),
        recovery_plans: BTreeMap::new(),
        jobs: BTreeMap::new(),
        tasks: BTreeMap::new(),
        ends: VecDeque::new(),
        accepted: BTreeMap::new(),
        recorded: None,
        serial: 0,
        first_cluster: ExtId::derived(&[name, "cluster", &format!("{name}-cluster")]),
    };
    let usual = [file::ClusterFile { name: format!("{name}-cluster"), id: None }];
    let clusters = if section.clusters.is_empty() { &usual[..] } else { &section.clusters };
    for (index, cluster) in clusters.iter().enumerate() {
        let place = format!("{place}.clusters[{}]", cluster.name);
        let ext_id = given_id(cluster.id.as_deref(), &place, &[name, "cluster", &cluster.name])?;
        let host = ExtId::derived(&[name, "host", &cluster.name]);
        prism.clusters.insert(ext_id, Cluster { ext_id, name: cluster.name.clone(), host });
        if index == 0 {
            prism.first_cluster = ext_id;
        }
    }
    // VPCs and external subnets refer to each other: ids first.
    for vpc in &section.vpcs {
        let place = format!("{place}.vpcs[{}]", vpc.name);
        let ext_id = given_id(vpc.id.as_deref(), &place, &[name, "vpc", &vpc.name])?;
        prism.vpcs.insert(ext_id, plain_vpc(ext_id, vpc));
    }
    for subnet in &section.subnets {
        let place = format!("{place}.subnets[{}]", subnet.name);
        add_subnet(&mut prism, subnet, &place)?;
    }
    for vpc in &section.vpcs {
        let place = format!("{place}.vpcs[{}]", vpc.name);
        connect_vpc(&mut prism, vpc, section, world, &place)?;
    }
    for vm in &section.vms {
        let place = format!("{place}.vms[{}]", vm.name);
        add_vm(&mut prism, vm, &place)?;
    }
    Ok(prism)
}

fn plain_vpc(ext_id: ExtId, vpc: &FvnVpcFile) -> Vpc {
    Vpc {
        ext_id,
        name: vpc.name.clone(),
        kind: match vpc.kind {
            file::VpcKind::Regular => VpcKind::Regular,
            file::VpcKind::Transit => VpcKind::Transit,
        },
        external_subnets: Vec::new(),
        routable: vpc.routable_prefixes.iter().map(|p| p.trunc()).collect(),
        dns: vpc.dns.clone(),
        host_interfaces: Vec::new(),
    }
}

fn connect_vpc(
    prism: &mut Prism,
    vpc: &FvnVpcFile,
    section: &PrismCentralFile,
    world: &World,
    place: &str,
) -> Result<(), WorldError> {
    let mut external = Vec::new();
    for name in &vpc.external_subnets {
        let subnet = prism.subnet_named(name).ok_or_else(|| {
            WorldError::at(format!("{place}.external_subnets"), format!("this Prism Central has no subnet `{name}`"))
        })?;
        if !subnet.external {
            let problem = format!("subnet `{name}` is not external: give it `external: true`");
            return Err(WorldError::at(format!("{place}.external_subnets"), problem));
        }
        external.push(subnet.ext_id);
    }
    let mut interfaces = Vec::new();
    for name in &vpc.host_interfaces {
        let place = format!("{place}.host_interfaces");
        let region = section.region.as_deref().ok_or_else(|| {
            WorldError::at(place.as_str(), "give this Prism Central the `region` that its hosts are in".to_owned())
        })?;
        let id = world
            .ec2
            .find(Kind::Eni, region, name)
            .ok_or_else(|| WorldError::at(place, format!("Region `{region}` has no network interface `{name}`")))?;
        interfaces.push(id.to_owned());
    }
    if let Some(found) = prism.vpcs.values_mut().find(|v| v.name == vpc.name) {
        found.external_subnets = external;
        found.host_interfaces = interfaces;
    }
    Ok(())
}

fn add_subnet(prism: &mut Prism, subnet: &FvnSubnetFile, place: &str) -> Result<(), WorldError> {
    let ext_id = given_id(subnet.id.as_deref(), place, &[&prism.name, "subnet", &subnet.name])?;
    if prism.subnets.contains_key(&ext_id) {
        return Err(WorldError::at(place, "another subnet has this name or id: give it an `id` of its own"));
    }
    let vpc = subnet.vpc.as_ref().map(|name| {
        prism
            .vpc_named(name)
            .map(|v| v.ext_id)
            .ok_or_else(|| WorldError::at(format!("{place}.vpc"), format!("this Prism Central has no VPC `{name}`")))
    });
    let vpc = vpc.transpose()?;
    let kind = match subnet.kind {
        file::SubnetKind::Overlay => SubnetKind::Overlay,
        file::SubnetKind::Vlan => SubnetKind::Vlan,
    };
    if kind == SubnetKind::Overlay && (vpc.is_none() || subnet.cidr.is_none()) {
        return Err(WorldError::at(place, "an overlay subnet needs a `vpc` and a `cidr`"));
    }
    let cluster = match kind {
        SubnetKind::Overlay => None,
        SubnetKind::Vlan => Some(cluster(prism, subnet.cluster.as_deref(), place)?),
    };
    let ip = subnet.cidr.map(|cidr| ip_config(cidr.trunc(), subnet, place)).transpose()?;
    let entry = Subnet {
        ext_id,
        name: subnet.name.clone(),
        kind,
        vpc,
        cluster,
        external: subnet.external,
        nat: subnet.external && subnet.nat,
        network_id: u32::try_from(prism.subnets.len()).unwrap_or(0) + 1,
        ip,
        dns: subnet.dns.clone(),
        reserved: subnet.reserved.iter().map(|a| (*a, String::new())).collect(),
    };
    prism.subnets.insert(ext_id, entry);
    Ok(())
}

fn ip_config(prefix: ipnet::Ipv4Net, subnet: &FvnSubnetFile, place: &str) -> Result<IpConfig, WorldError> {
    let first = prefix.hosts().next().unwrap_or_else(|| prefix.addr());
    let gateway = subnet.gateway.unwrap_or(first);
    if !prefix.contains(&gateway) {
        return Err(WorldError::at(format!("{place}.gateway"), format!("`{gateway}` is not in {prefix}")));
    }
    let mut pools = Vec::new();
    for pool in &subnet.pools {
        if pool.first > pool.last || !prefix.contains(&pool.first) || !prefix.contains(&pool.last) {
            let problem = format!("`{}` to `{}` is not a range in {prefix}", pool.first, pool.last);
            return Err(WorldError::at(format!("{place}.pools"), problem));
        }
        pools.push((pool.first, pool.last));
    }
    Ok(IpConfig { prefix, gateway, dhcp_server: subnet.dhcp_server, pools })
}

fn cluster(prism: &Prism, name: Option<&str>, place: &str) -> Result<ExtId, WorldError> {
    let Some(name) = name else { return Ok(prism.first_cluster) };
    prism.cluster_named(name).ok_or_else(|| {
        WorldError::at(format!("{place}.cluster"), format!("this Prism Central has no cluster `{name}`"))
    })
}

fn add_vm(prism: &mut Prism, vm: &VmFile, place: &str) -> Result<(), WorldError> {
    let ext_id = given_id(vm.id.as_deref(), place, &[&prism.name, "vm", &vm.name])?;
    if prism.vms.contains_key(&ext_id) {
        return Err(WorldError::at(place, "another VM has this name or id: give it an `id` of its own"));
    }
    let cluster = cluster(prism, vm.cluster.as_deref(), place)?;
    prism.vms.insert(ext_id, Vm::new(ext_id, vm.name.clone(), cluster, Power::Off, Timestamp::UNIX_EPOCH));
    let mut switches = Switches { address_lag_reads: 0, ..Switches::default() };
    let seen = |_, _: &str| Vec::new();
    let mut cx = Context {
        switches: &mut switches,
        now: Timestamp::UNIX_EPOCH,
        seen: &seen,
        signals: Vec::new(),
        wishes: Vec::new(),
    };
    for (index, nic) in vm.nics.iter().enumerate() {
        let place = format!("{place}.nics[{index}]");
        let subnet = prism.subnet_named(&nic.subnet).map(|s| s.ext_id).ok_or_else(|| {
            WorldError::at(format!("{place}.subnet"), format!("this Prism Central has no subnet `{}`", nic.subnet))
        })?;
        let wish = NicWish {
            mac: nic.mac.as_ref().map(|mac| mac.to_ascii_lowercase()),
            subnet,
            wanted: nic.address.map_or(Wanted::Any, Wanted::Exactly),
            secondary: Some(nic.secondary.clone()),
            shape: NicShape { connected: !nic.disconnected, ..NicShape::default() },
        };
        prism.create_nic(ext_id, wish, &mut cx).map_err(|failure| WorldError::at(place, failure.message))?;
    }
    if let Some(entry) = prism.vms.get_mut(&ext_id) {
        // What runs from the start was seen long ago: the first read finds its addresses learned.
        entry.nics.iter_mut().for_each(|nic| nic.learned_reads = u32::MAX);
        entry.power = if vm.powered_off { Power::Off } else { Power::On };
    }
    Ok(())
}
