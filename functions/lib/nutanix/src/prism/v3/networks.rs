//! Subnets, VPCs and clusters of v3, read into the form of v4.

use holdfast_model::ExtId;
use serde_json::{Value, json};

use crate::NutanixError;
use crate::json::{ext_id, ipv4_list, list, text};
use crate::prism::api::NetworkApi;
use crate::prism::v3::{V3, id, name, vms};
use crate::prism::v4::{ExternalSubnet, Nic, ReservedIp, Subnet, Vnic, Vpc};

fn subnet(entity: &Value) -> Option<Subnet> {
    let resources = entity.pointer("/status/resources")?;
    let config = resources.get("ip_config").unwrap_or(&Value::Null);
    let address = |place: &str| config.pointer(place).map(|ip| json!({"value": ip}));
    // A range is `first last`, parted by a blank.
    let range = |pool: &Value| {
        let (first, last) = text(pool, "/range")?.split_once(' ')?;
        Some(json!({"startIp": {"value": first.trim()}, "endIp": {"value": last.trim()}}))
    };
    let pools: Vec<Value> = list(config, "/pool_list").iter().filter_map(range).collect();
    Subnet::parse(&json!({
        "extId": id(entity)?, "name": name(entity), "vpcReference": resources.pointer("/vpc_reference/uuid"),
        "ipConfig": [{"ipv4": {
            "ipSubnet": {"ip": address("/subnet_ip"), "prefixLength": config.get("prefix_length")},
            "defaultGatewayIp": address("/default_gateway_ip"), "dhcpServerAddress": address("/dhcp_server_address/ip"),
            "poolList": pools,
        }}],
    }))
}

fn vpc(entity: &Value) -> Option<Vpc> {
    let resources = entity.pointer("/status/resources")?;
    let routable = list(resources, "/externally_routable_prefix_list").iter();
    let routable = routable
        .map(|p| json!({"ipv4": {"ip": {"value": p.get("ip")}, "prefixLength": p.get("prefix_length")}}))
        .collect::<Vec<_>>();
    let external = list(resources, "/external_subnet_list").iter();
    let external =
        external.map(|s| json!({"subnetReference": s.pointer("/external_subnet_reference/uuid")})).collect::<Vec<_>>();
    Vpc::parse(&json!({"extId": id(entity)?, "name": name(entity), "externallyRoutablePrefixes": routable,
        "externalSubnets": external}))
}

impl NetworkApi for V3 {
    async fn vpcs_named(&self, name: &str) -> Result<Vec<Vpc>, NutanixError> {
        let found = self.named(&format!("list of VPCs named `{name}`"), "vpc", "name", name).await?;
        Ok(found.iter().filter_map(vpc).collect())
    }

    async fn subnets_named(&self, name: &str) -> Result<Vec<Subnet>, NutanixError> {
        let found = self.named(&format!("list of subnets named `{name}`"), "subnet", "name", name).await?;
        Ok(found.iter().filter_map(subnet).collect())
    }

    async fn vpc(&self, id: &ExtId) -> Result<Vpc, NutanixError> {
        let what = format!("VPC `{id}`");
        let mut found = None;
        self.list(&what, "vpc", None, |entity| found = found.take().or(vpc(entity).filter(|vpc| vpc.id == *id)))
            .await?;
        found.ok_or_else(|| NutanixError::NotFound { what, message: "it is not in the list of VPCs".to_owned() })
    }

    async fn subnet(&self, id: &ExtId) -> Result<Subnet, NutanixError> {
        let what = format!("subnet `{id}`");
        let entity = self.get(&what, &format!("/subnets/{id}")).await?;
        subnet(&entity).ok_or_else(|| self.calls.unreadable(&what, "no `metadata.uuid`"))
    }

    async fn clusters_named(&self, name: &str) -> Result<Vec<ExtId>, NutanixError> {
        let found = self.named(&format!("list of clusters named `{name}`"), "cluster", "name", name).await?;
        Ok(found.iter().filter_map(id).collect())
    }

    async fn external_subnets(&self, vpc: &Vpc) -> Result<Vec<ExternalSubnet>, NutanixError> {
        let mut all = Vec::with_capacity(vpc.external.len());
        for id in &vpc.external {
            let what = format!("external subnet `{id}` of VPC `{}`", vpc.name);
            let entity = self.get(&what, &format!("/subnets/{id}")).await?;
            if self::id(&entity).is_none() {
                return Err(self.calls.unreadable(&what, "no `metadata.uuid`"));
            }
            let flag = |name: &str| entity.pointer("/status/resources").and_then(|r| r.get(name)?.as_bool());
            all.push(ExternalSubnet {
                id: id.clone(),
                name: name(&entity).unwrap_or_default().to_owned(),
                external: flag("is_external").unwrap_or(false),
                nat: flag("enable_nat").unwrap_or(true),
            });
        }
        Ok(all)
    }

    async fn vnics(&self, subnet: &ExtId) -> Result<Vec<Vnic>, NutanixError> {
        let mut found = Vec::new();
        self.list(&format!("list of NICs on subnet `{subnet}`"), "vm", None, |entity| {
            let vm = id(entity);
            let nics = list(entity, "/status/resources/nic_list").iter();
            let here = nics.filter(|nic| ext_id(nic.pointer("/subnet_reference/uuid")).as_ref() == Some(subnet));
            found.extend(here.filter_map(|nic| Nic::parse(&vms::nic(nic))).map(|nic| Vnic {
                nic: Some(nic.id),
                vm: vm.clone(),
                mac: nic.mac,
                assigned: nic.configured,
                learned: nic.learned,
            }));
        })
        .await?;
        Ok(found)
    }

    async fn reserved_ips(&self, subnet: &ExtId) -> Result<Vec<ReservedIp>, NutanixError> {
        let what = format!("list of reserved addresses of subnet `{subnet}`");
        let entity = self.get(&what, &format!("/subnets/{subnet}")).await?;
        if text(&entity, "/metadata/uuid").is_none() {
            return Err(self.calls.unreadable(&what, "no `metadata.uuid`"));
        }
        let addresses = ipv4_list(&entity, "/status/resources/reserved_ip_address_list");
        Ok(addresses.into_iter().map(|address| ReservedIp { address, context: None }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn a_subnet_is_read_with_its_prefix_and_what_the_platform_keeps() {
        let subnet = subnet(&json!({"metadata": {"uuid": ID}, "status": {"name": "app", "resources": {
            "subnet_type": "OVERLAY", "vpc_reference": {"kind": "vpc", "uuid": ID}, "ip_config": {"subnet_ip": "172.30.1.0",
            "prefix_length": 24, "default_gateway_ip": "172.30.1.1", "dhcp_server_address": {"ip": "172.30.1.2"},
            "pool_list": [{"range": "172.30.1.100 172.30.1.199"}]}}}}))
        .unwrap();
        assert_eq!((subnet.name.as_str(), subnet.prefix.unwrap().to_string().as_str()), ("app", "172.30.1.0/24"));
        assert_eq!(subnet.gateway, Some("172.30.1.1".parse().unwrap()));
        assert_eq!(subnet.dhcp_server, Some("172.30.1.2".parse().unwrap()));
        assert_eq!(subnet.pools, [("172.30.1.100".parse().unwrap(), "172.30.1.199".parse().unwrap())]);
        assert_eq!(subnet.vpc, Some(ExtId::parse(ID).unwrap()));
    }

    #[test]
    fn an_unmanaged_subnet_has_no_prefix() {
        let flat = json!({"metadata": {"uuid": ID}, "status": {"name": "flat", "resources": {"subnet_type": "VLAN"}}});
        let flat = subnet(&flat).unwrap();
        assert_eq!((flat.prefix, flat.gateway, flat.vpc), (None, None, None));
    }
}
