//! Entities as the v4 API shows them, at each level.
//!
//! Every object that the official SDKs turn into a class carries `$objectType` and `$reserved` (nutanix-api K).

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::ids::ExtId;
use super::level::Level;
use super::state::{Cluster, Nic, Prism, Subnet, SubnetKind, Vm, Vpc, VpcKind};

/// An object with its type.
pub(super) fn object(kind: &str, level: Level, members: Value) -> Value {
    let mut map = Map::new();
    map.insert("$objectType".into(), kind.into());
    map.insert("$reserved".into(), level.reserved(kind));
    if let Value::Object(members) = members {
        map.extend(members);
    }
    Value::Object(map)
}

fn ip_value(address: Ipv4Addr) -> Value {
    json!({"$objectType": "common.v1.config.IPv4Address", "$reserved": {}, "value": address.to_string(), "prefixLength": 32})
}

fn ip_address(address: Ipv4Addr) -> Value {
    json!({"$objectType": "common.v1.config.IPAddress", "$reserved": {}, "ipv4": ip_value(address)})
}

fn reference(kind: &str, id: ExtId) -> Value {
    json!({"$objectType": kind, "$reserved": {}, "extId": id})
}

/// A NIC. v4.0 and its betas know one pair of members; from v4.1 on a second pair mirrors it.
pub fn nic(nic: &Nic, level: Level) -> Value {
    let shape = &nic.shape;
    let backing = |kind: &str| {
        object(
            kind,
            level,
            json!({"model": shape.model, "macAddress": nic.mac, "isConnected": shape.connected, "numQueues": shape.queues}),
        )
    };
    let shown = nic.address.filter(|_| nic.hidden_reads == 0);
    let mut config = json!({"$objectType": "vmm.v4.ahv.config.Ipv4Config", "$reserved": {}, "shouldAssignIp": null});
    if let (Some(address), Some(map)) = (shown, config.as_object_mut()) {
        map.insert("ipAddress".into(), ip_value(address));
        if !nic.secondary.is_empty() {
            map.insert("secondaryIpAddressList".into(), nic.secondary.iter().map(|a| ip_value(*a)).collect());
        }
    }
    let network = |kind: &str| {
        let mut all = object(
            kind,
            level,
            json!({
                "nicType": shape.kind,
                "subnet": reference("vmm.v4.ahv.config.SubnetReference", nic.subnet),
                "vlanMode": shape.vlan_mode,
                "shouldAllowUnknownMacs": shape.unknown_macs,
                "ipv4Config": config,
            }),
        );
        if let Some(map) = all.as_object_mut() {
            if !shape.trunked.is_empty() {
                map.insert("trunkedVlans".into(), json!(shape.trunked));
            }
            if let Some(chain) = shape.function_chain {
                map.insert(
                    "networkFunctionChain".into(),
                    reference("vmm.v4.ahv.config.NetworkFunctionChainReference", chain),
                );
            }
            if let Some(kind) = &shape.function_kind {
                map.insert("networkFunctionNicType".into(), kind.as_str().into());
            }
            if !nic.learned.is_empty() {
                let learned: Vec<Value> = nic.learned.iter().map(|a| ip_value(*a)).collect();
                map.insert(
                    "ipv4Info".into(),
                    json!({"$objectType": "vmm.v4.ahv.config.Ipv4Info", "$reserved": {}, "learnedIpAddresses": learned}),
                );
            }
        }
        all
    };
    let mut members = json!({
        "extId": nic.ext_id,
        "backingInfo": backing("vmm.v4.ahv.config.EmulatedNic"),
        "networkInfo": network("vmm.v4.ahv.config.NicNetworkInfo"),
    });
    if let (true, Some(map)) = (level >= Level::Minor(1), members.as_object_mut()) {
        map.insert("nicBackingInfo".into(), backing("vmm.v4.ahv.config.VirtualEthernetNic"));
        map.insert("nicNetworkInfo".into(), network("vmm.v4.ahv.config.VirtualEthernetNicNetworkInfo"));
    }
    object("vmm.v4.ahv.config.Nic", level, members)
}

/// A VM.
pub fn vm(central: &Prism, vm: &Vm, level: Level) -> Value {
    let host = central.clusters.get(&vm.cluster).map(|c| c.host);
    let mut members = json!({
        "extId": vm.ext_id,
        "name": vm.name,
        "powerState": vm.power.as_str(),
        "createTime": vm.created.to_string(),
        "updateTime": vm.updated.to_string(),
        "generationUuid": vm.ext_id,
        "biosUuid": vm.ext_id,
        "numSockets": vm.sockets,
        "numCoresPerSocket": 1,
        "numThreadsPerCore": 1,
        "memorySizeBytes": vm.memory_bytes,
        "machineType": "PC",
        "isAgentVm": false,
        "protectionType": "UNPROTECTED",
        "cluster": reference("vmm.v4.ahv.config.ClusterReference", vm.cluster),
        "guestTools": {"$objectType": "vmm.v4.ahv.config.GuestTools", "$reserved": {}, "isInstalled": vm.guest_tools,
            "isEnabled": vm.guest_tools, "isReachable": vm.guest_tools},
    });
    if let Some(map) = members.as_object_mut() {
        if let Some(text) = &vm.description {
            map.insert("description".into(), text.as_str().into());
        }
        // A VM that is powered off runs on no host.
        if let (Some(host), super::state::Power::On) = (host, vm.power) {
            map.insert("host".into(), reference("vmm.v4.ahv.config.HostReference", host));
        }
        if !vm.nics.is_empty() {
            map.insert("nics".into(), vm.nics.iter().map(|n| nic(n, level)).collect());
        }
    }
    object("vmm.v4.ahv.config.Vm", level, members)
}

/// A subnet.
pub fn subnet(central: &Prism, subnet: &Subnet, level: Level) -> Value {
    let overlay = subnet.kind == SubnetKind::Overlay;
    let mut members = json!({
        "extId": subnet.ext_id,
        "name": subnet.name,
        "subnetType": if overlay { "OVERLAY" } else { "VLAN" },
        "networkId": subnet.network_id,
        "isExternal": subnet.external,
        "isAdvancedNetworking": true,
        "hypervisorType": "acropolis",
    });
    let Some(map) = members.as_object_mut() else { return members };
    if subnet.external {
        map.insert("isNatEnabled".into(), subnet.nat.into());
    }
    if let Some(vpc) = subnet.vpc {
        map.insert("vpcReference".into(), json!(vpc));
    }
    if let Some(cluster) = subnet.cluster {
        map.insert("clusterReference".into(), json!(cluster));
        if level >= Level::Minor(1) {
            map.insert("clusterReferenceList".into(), json!([cluster]));
        }
    }
    if !subnet.dns.is_empty() {
        let servers: Vec<Value> = subnet.dns.iter().map(|a| ip_address(*a)).collect();
        map.insert(
            "dhcpOptions".into(),
            json!({"$objectType": "networking.v4.config.DhcpOptions", "$reserved": {}, "domainNameServers": servers}),
        );
    }
    if !subnet.reserved.is_empty() {
        map.insert("reservedIpAddresses".into(), subnet.reserved.keys().map(|a| ip_address(*a)).collect());
    }
    if let Some(ip) = &subnet.ip {
        let range = |low: Ipv4Addr, high: Ipv4Addr| json!({"$objectType": "networking.v4.config.IPv4Pool", "$reserved": {}, "startIp": ip_value(low), "endIp": ip_value(high)});
        let held = |low: Ipv4Addr, high: Ipv4Addr| {
            let nics = central.nics_on(subnet.ext_id).flat_map(|(_, n)| n.addresses());
            let taken = nics.chain(subnet.reserved.keys().copied()).filter(|a| (low..=high).contains(a));
            taken.collect::<std::collections::BTreeSet<_>>().len() as u64
        };
        let size = |low: Ipv4Addr, high: Ipv4Addr| u64::from(high.to_bits().saturating_sub(low.to_bits())) + 1;
        let mut v4 = json!({
            "$objectType": "networking.v4.config.IPv4Config", "$reserved": {},
            "ipSubnet": {"$objectType": "networking.v4.config.IPv4Subnet", "$reserved": {},
                "ip": ip_value(ip.prefix.network()), "prefixLength": ip.prefix.prefix_len()},
            "defaultGatewayIp": ip_value(ip.gateway),
            "poolList": ip.pools.iter().map(|(l, h)| range(*l, *h)).collect::<Vec<_>>(),
        });
        if let (Some(server), Some(v4)) = (ip.dhcp_server, v4.as_object_mut()) {
            v4.insert("dhcpServerAddress".into(), ip_value(server));
        }
        let config = json!([{"$objectType": "networking.v4.config.IPConfig", "$reserved": {}, "ipv4": v4}]);
        map.insert("ipConfig".into(), config);
        map.insert("ipPrefix".into(), ip.prefix.to_string().into());
        let pools: Vec<Value> = ip
            .pools
            .iter()
            .map(|(l, h)| {
                json!({"$objectType": "networking.v4.config.IPPoolUsage", "$reserved": {}, "numTotalIPs": size(*l, *h),
                    "numFreeIPs": size(*l, *h).saturating_sub(held(*l, *h)), "range": range(*l, *h)})
            })
            .collect();
        let assigned = central.nics_on(subnet.ext_id).filter(|(_, n)| n.address.is_some()).count();
        let free: u64 = ip.pools.iter().map(|(l, h)| size(*l, *h).saturating_sub(held(*l, *h))).sum();
        map.insert(
            "ipUsage".into(),
            json!({"$objectType": "networking.v4.config.IPUsage", "$reserved": {}, "numMacs": central.nics_on(subnet.ext_id).count(),
                "numFreeIPs": free, "numAssignedIPs": assigned, "ipPoolUsages": pools}),
        );
    }
    object("networking.v4.config.Subnet", level, members)
}

/// A NIC as its subnet sees it.
pub fn vnic(vm: &Vm, nic: &Nic, level: Level) -> Value {
    let mut members = json!({"extId": nic.ext_id, "macAddress": nic.mac, "vmReference": vm.ext_id});
    if let Some(map) = members.as_object_mut() {
        if let Some(address) = nic.address.filter(|_| nic.hidden_reads == 0) {
            map.insert("assignedIpv4Addresses".into(), json!([ip_address(address)]));
            if !nic.secondary.is_empty() {
                let all = nic.secondary.iter().map(|a| ip_address(*a)).collect();
                map.insert("assignedSecondaryIpv4Addresses".into(), all);
            }
        }
        if !nic.learned.is_empty() {
            map.insert("learnedIpv4Addresses".into(), nic.learned.iter().map(|a| ip_address(*a)).collect());
        }
    }
    object("networking.v4.config.Vnic", level, members)
}

/// A reserved address of a subnet.
pub fn reserved_ip(subnet: &Subnet, address: Ipv4Addr, context: &str, level: Level) -> Value {
    let id = ExtId::derived(&["reserved", &subnet.ext_id.to_string(), &address.to_string()]);
    let mut members = json!({"extId": id, "ipv4Address": address.to_string()});
    if let (false, Some(map)) = (context.is_empty(), members.as_object_mut()) {
        map.insert("clientContext".into(), context.into());
    }
    object("networking.v4.config.ReservedIp", level, members)
}

/// A VPC.
pub fn vpc(vpc: &Vpc, level: Level) -> Value {
    let external: Vec<Value> = vpc
        .external_subnets
        .iter()
        .map(|id| json!({"$objectType": "networking.v4.config.ExternalSubnet", "$reserved": {}, "subnetReference": id}))
        .collect();
    let routable: Vec<Value> = vpc
        .routable
        .iter()
        .map(|p| {
            json!({"$objectType": "networking.v4.config.IPSubnet", "$reserved": {},
                "ipv4": {"$objectType": "networking.v4.config.IPv4Subnet", "$reserved": {}, "ip": ip_value(p.network()), "prefixLength": p.prefix_len()}})
        })
        .collect();
    let mut members = json!({
        "extId": vpc.ext_id,
        "name": vpc.name,
    });
    if let Some(map) = members.as_object_mut() {
        // The beta tells no kinds of VPCs apart (SDK 4.0.1b1).
        if !level.is_beta() {
            let kind = match vpc.kind {
                VpcKind::Regular => "REGULAR",
                VpcKind::Transit => "TRANSIT",
            };
            map.insert("vpcType".into(), kind.into());
        }
        if !external.is_empty() {
            map.insert("externalSubnets".into(), Value::Array(external));
        }
        if !routable.is_empty() {
            map.insert("externallyRoutablePrefixes".into(), Value::Array(routable));
        }
        if !vpc.dns.is_empty() {
            let servers: Vec<Value> = vpc.dns.iter().map(|a| ip_address(*a)).collect();
            map.insert(
                "commonDhcpOptions".into(),
                json!({"$objectType": "networking.v4.config.VpcDhcpOptions", "$reserved": {}, "domainNameServers": servers}),
            );
        }
    }
    object("networking.v4.config.Vpc", level, members)
}

/// A cluster.
pub fn cluster(cluster: &Cluster, level: Level) -> Value {
    let members = json!({
        "extId": cluster.ext_id,
        "name": cluster.name,
        "config": {"$objectType": "clustermgmt.v4.config.ClusterConfigReference", "$reserved": {},
            "hypervisorTypes": ["AHV"], "clusterFunction": ["AOS"]},
    });
    object("clustermgmt.v4.config.Cluster", level, members)
}

/// The Prism Central itself.
pub fn domain_manager(central: &Prism, level: Level) -> Value {
    let members = json!({
        "extId": central.ext_id,
        "isRegisteredWithHostingCluster": true,
        "config": {"$objectType": "prism.v4.config.DomainManagerClusterConfig", "$reserved": {}, "name": central.name,
            "size": "SMALL",
            "buildInfo": {"$objectType": "clustermgmt.v4.config.BuildInfo", "$reserved": {}, "version": central.product}},
    });
    object("prism.v4.config.DomainManager", level, members)
}
