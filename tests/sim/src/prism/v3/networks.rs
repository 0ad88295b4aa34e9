//! Subnets, VPCs and clusters as v3 shows them (nutanix-sdk-ruby: SubnetResources, IpConfig, VirtualNetworkResources).

use serde_json::{Value, json};

use super::super::ids::ExtId;
use super::super::reply::{Reply, Request};
use super::super::state::{Prism, Subnet, SubnetKind, Vpc, VpcKind};
use super::{Refusal, entity, list, reference};

fn subnet(central: &Prism, subnet: &Subnet) -> Value {
    let overlay = subnet.kind == SubnetKind::Overlay;
    let mut resources = json!({
        "subnet_type": if overlay { "OVERLAY" } else { "VLAN" },
        "is_external": subnet.external,
        "reserved_ip_address_list": subnet.reserved.keys().collect::<Vec<_>>(),
    });
    if let Some(map) = resources.as_object_mut() {
        if !overlay {
            map.insert("vlan_id".into(), subnet.network_id.into());
        }
        if subnet.external {
            map.insert("enable_nat".into(), subnet.nat.into());
        }
        if let Some(vpc) = subnet.vpc.and_then(|id| central.vpcs.get(&id)) {
            map.insert("vpc_reference".into(), reference("vpc", vpc.ext_id, &vpc.name));
        }
        if let Some(ip) = &subnet.ip {
            let pools: Vec<Value> =
                ip.pools.iter().map(|(low, high)| json!({"range": format!("{low} {high}")})).collect();
            let mut config = json!({"subnet_ip": ip.prefix.network(), "prefix_length": ip.prefix.prefix_len(),
                "default_gateway_ip": ip.gateway, "pool_list": pools,
                "dhcp_options": {"domain_name_server_list": subnet.dns}});
            if let (Some(server), Some(config)) = (ip.dhcp_server, config.as_object_mut()) {
                config.insert("dhcp_server_address".into(), json!({"ip": server}));
            }
            map.insert("ip_config".into(), config);
        }
    }
    let spec = json!({"name": subnet.name, "resources": resources});
    let status = json!({"name": subnet.name, "state": "COMPLETE", "resources": resources});
    entity("subnet", subnet.ext_id, 1, &spec, status)
}

fn vpc(central: &Prism, vpc: &Vpc) -> Value {
    let name = |id: &ExtId| central.subnets.get(id).map(|s| s.name.clone()).unwrap_or_default();
    let external: Vec<Value> = vpc
        .external_subnets
        .iter()
        .map(|id| json!({"external_subnet_reference": reference("subnet", *id, &name(id))}))
        .collect();
    let routable: Vec<Value> =
        vpc.routable.iter().map(|p| json!({"ip": p.network(), "prefix_length": p.prefix_len()})).collect();
    let resources = json!({
        "vpc_type": match vpc.kind { VpcKind::Regular => "REGULAR", VpcKind::Transit => "TRANSIT" },
        "external_subnet_list": external,
        "externally_routable_prefix_list": routable,
        "common_domain_name_server_ip_list": vpc.dns.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
    });
    let spec = json!({"name": vpc.name, "resources": resources});
    let status = json!({"name": vpc.name, "state": "COMPLETE", "resources": resources});
    entity("vpc", vpc.ext_id, 1, &spec, status)
}

impl Prism {
    pub(super) fn v3_list_subnets(&self, request: &Request) -> Result<Reply, Refusal> {
        let attributes = [("name", "/status/name"), ("vpc_uuid", "/status/resources/vpc_reference/uuid")];
        list(request, "subnet", &attributes, self.subnets.values().map(|s| subnet(self, s)).collect())
    }

    pub(super) fn v3_get_subnet(&self, id: &str) -> Result<Reply, Refusal> {
        let found = ExtId::parse(id).and_then(|id| self.subnets.get(&id));
        found.map(|s| Reply::json(200, subnet(self, s))).ok_or_else(|| Refusal::missing("subnet", id))
    }

    pub(super) fn v3_list_vpcs(&self, request: &Request) -> Result<Reply, Refusal> {
        list(request, "vpc", &[("name", "/status/name")], self.vpcs.values().map(|v| vpc(self, v)).collect())
    }

    pub(super) fn v3_list_clusters(&self, request: &Request) -> Result<Reply, Refusal> {
        let all = self.clusters.values().map(|cluster| {
            let status = json!({"name": cluster.name, "state": "COMPLETE",
                "resources": {"config": {"service_list": ["AOS"]}}});
            entity("cluster", cluster.ext_id, 1, &json!({"name": cluster.name, "resources": {}}), status)
        });
        list(request, "cluster", &[("name", "/status/name")], all.collect())
    }
}
