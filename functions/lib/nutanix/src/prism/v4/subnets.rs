//! Subnets, VPCs, clusters, and who holds which address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use holdfast_model::{ExtId, Landing, MacAddress, Prefix, WayOut};
use serde_json::Value;

use crate::NutanixError;
use crate::json::{ext_id, ipv4, ipv4_list, list, mac, text};
use crate::prism::api::NetworkApi;
use crate::prism::v4::level::{Level, Namespace};
use crate::prism::v4::{Nic, V4, equals};

/// A subnet of Prism Central.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The subnet.
    pub id: ExtId,
    /// Its name; unique at most inside its VPC.
    pub name: String,
    /// Its Flow VPC.
    pub vpc: Option<ExtId>,
    /// Its prefix; none for a subnet without IP management.
    pub prefix: Option<Prefix>,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// DHCP server, where it is not the gateway.
    pub dhcp_server: Option<Ipv4Addr>,
    /// First and last address of each range that IP management hands out by itself.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
}

impl Subnet {
    /// What decides whether machines can keep their addresses on the subnet, but for who is on it.
    #[must_use]
    pub fn landing(&self, vpc: &Vpc, external: &[ExternalSubnet]) -> Landing {
        let way =
            |subnet: &ExternalSubnet| WayOut { name: subnet.name.clone(), external: subnet.external, nat: subnet.nat };
        Landing {
            subnet: self.name.clone(),
            vpc: vpc.name.clone(),
            prefix: self.prefix,
            gateway: self.gateway,
            dhcp_server: self.dhcp_server,
            pools: self.pools.clone(),
            kept: BTreeMap::new(),
            routable: vpc.routable.clone(),
            external: external.iter().map(way).collect(),
        }
    }
}

/// An external subnet that a Flow VPC leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSubnet {
    /// The subnet.
    pub id: ExtId,
    /// Its name.
    pub name: String,
    /// Whether Prism Central calls it external.
    pub external: bool,
    /// Whether it translates addresses; the platform's default is yes.
    pub nat: bool,
}

/// A Flow VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// The VPC.
    pub id: ExtId,
    /// Its name.
    pub name: String,
    /// Externally routable prefixes.
    pub routable: Vec<Prefix>,
    /// External subnets that it leads to.
    pub external: Vec<ExtId>,
}

/// A NIC as its subnet sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vnic {
    /// The NIC.
    pub nic: Option<ExtId>,
    /// Its VM.
    pub vm: Option<ExtId>,
    /// MAC address.
    pub mac: Option<MacAddress>,
    /// Addresses that it was given.
    pub assigned: Vec<Ipv4Addr>,
    /// Addresses that were seen in use.
    pub learned: Vec<Ipv4Addr>,
}

/// An address that is kept for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservedIp {
    /// The address.
    pub address: Ipv4Addr,
    /// What it is kept for, in the words of whoever reserved it.
    pub context: Option<String>,
}

fn prefix(value: &Value) -> Option<Prefix> {
    let address = value.get("ip").and_then(ipv4)?;
    let length = value.get("prefixLength").and_then(Value::as_u64).and_then(|l| u8::try_from(l).ok())?;
    Some(Prefix::around(address, length))
}

fn range(value: &Value) -> Option<(Ipv4Addr, Ipv4Addr)> {
    Some((value.get("startIp").and_then(ipv4)?, value.get("endIp").and_then(ipv4)?))
}

impl Subnet {
    pub(in crate::prism) fn parse(value: &Value) -> Option<Self> {
        let config = value.pointer("/ipConfig/0/ipv4").unwrap_or(&Value::Null);
        let given = text(value, "/ipPrefix").and_then(|t| Prefix::parse(t).ok());
        Some(Self {
            id: ext_id(value.get("extId"))?,
            name: text(value, "/name").unwrap_or_default().to_owned(),
            vpc: ext_id(value.get("vpcReference")),
            prefix: config.get("ipSubnet").and_then(prefix).or(given),
            gateway: config.get("defaultGatewayIp").and_then(ipv4),
            dhcp_server: config.get("dhcpServerAddress").and_then(ipv4),
            pools: list(config, "/poolList").iter().filter_map(range).collect(),
        })
    }
}

impl Vpc {
    pub(in crate::prism) fn parse(value: &Value) -> Option<Self> {
        let routable = list(value, "/externallyRoutablePrefixes");
        let external = list(value, "/externalSubnets");
        Some(Self {
            id: ext_id(value.get("extId"))?,
            name: text(value, "/name").unwrap_or_default().to_owned(),
            routable: routable.iter().filter_map(|p| p.get("ipv4").and_then(prefix)).collect(),
            external: external.iter().filter_map(|s| ext_id(s.get("subnetReference"))).collect(),
        })
    }
}

impl Vnic {
    fn parse(value: &Value) -> Self {
        let mut assigned = ipv4_list(value, "/assignedIpv4Addresses");
        assigned.extend(ipv4_list(value, "/assignedSecondaryIpv4Addresses"));
        let mut learned = ipv4_list(value, "/learnedIpv4Addresses");
        learned.retain(|address| !address.is_link_local());
        Self {
            nic: ext_id(value.get("extId")),
            vm: ext_id(value.get("vmReference")),
            mac: mac(value, "/macAddress"),
            assigned,
            learned,
        }
    }
}

impl NetworkApi for V4 {
    async fn vpcs_named(&self, name: &str) -> Result<Vec<Vpc>, NutanixError> {
        let found =
            self.named(&format!("list of VPCs named `{name}`"), Namespace::Networking, "/config/vpcs", name).await?;
        Ok(found.iter().filter_map(Vpc::parse).collect())
    }

    async fn subnets_named(&self, name: &str) -> Result<Vec<Subnet>, NutanixError> {
        let what = format!("list of subnets named `{name}`");
        let found = self.named(&what, Namespace::Networking, "/config/subnets", name).await?;
        Ok(found.iter().filter_map(Subnet::parse).collect())
    }

    async fn vpc(&self, id: &ExtId) -> Result<Vpc, NutanixError> {
        let what = format!("VPC `{id}`");
        let reply = self.read(&what, Namespace::Networking, &format!("/config/vpcs/{id}"), &[], false).await?;
        let vpc = reply.body.get("data").and_then(Vpc::parse);
        vpc.ok_or_else(|| self.calls.unreadable(&what, "no `data.extId`"))
    }

    async fn subnet(&self, id: &ExtId) -> Result<Subnet, NutanixError> {
        let what = format!("subnet `{id}`");
        let reply = self.read(&what, Namespace::Networking, &format!("/config/subnets/{id}"), &[], false).await?;
        let subnet = reply.body.get("data").and_then(Subnet::parse);
        subnet.ok_or_else(|| self.calls.unreadable(&what, "no `data.extId`"))
    }

    async fn clusters_named(&self, name: &str) -> Result<Vec<ExtId>, NutanixError> {
        let what = format!("list of clusters named `{name}`");
        let found = self.named(&what, Namespace::Clusters, "/config/clusters", name).await?;
        Ok(found.iter().filter_map(|cluster| ext_id(cluster.get("extId"))).collect())
    }

    async fn external_subnets(&self, vpc: &Vpc) -> Result<Vec<ExternalSubnet>, NutanixError> {
        let mut all = Vec::with_capacity(vpc.external.len());
        for id in &vpc.external {
            let what = format!("external subnet `{id}` of VPC `{}`", vpc.name);
            let reply = self.read(&what, Namespace::Networking, &format!("/config/subnets/{id}"), &[], false).await?;
            let data = reply.body.get("data").filter(|data| ext_id(data.get("extId")).is_some());
            let data = data.ok_or_else(|| self.calls.unreadable(&what, "no `data.extId`"))?;
            all.push(ExternalSubnet {
                id: id.clone(),
                name: text(data, "/name").unwrap_or_default().to_owned(),
                external: data.get("isExternal").and_then(Value::as_bool).unwrap_or(false),
                nat: data.get("isNatEnabled").and_then(Value::as_bool).unwrap_or(true),
            });
        }
        Ok(all)
    }

    async fn vnics(&self, subnet: &ExtId) -> Result<Vec<Vnic>, NutanixError> {
        let what = format!("list of NICs on subnet `{subnet}`");
        if self.level(Namespace::Networking).await? < Level::LISTS_OF_SUBNETS {
            return self.vnics_of_vms(&what, subnet).await;
        }
        let found =
            self.read_all(&what, Namespace::Networking, &format!("/config/subnets/{subnet}/vnics"), None).await?;
        Ok(found.iter().map(Vnic::parse).collect())
    }

    async fn reserved_ips(&self, subnet: &ExtId) -> Result<Vec<ReservedIp>, NutanixError> {
        let what = format!("list of reserved addresses of subnet `{subnet}`");
        if self.level(Namespace::Networking).await? < Level::LISTS_OF_SUBNETS {
            let path = format!("/config/subnets/{subnet}");
            let reply = self.read(&what, Namespace::Networking, &path, &[], false).await?;
            if ext_id(reply.body.pointer("/data/extId")).is_none() {
                return Err(self.calls.unreadable(&what, "no `data.extId`"));
            }
            let addresses = ipv4_list(&reply.body, "/data/reservedIpAddresses");
            return Ok(addresses.into_iter().map(|address| ReservedIp { address, context: None }).collect());
        }
        let path = format!("/config/subnets/{subnet}/reserved-ips");
        let found = self.read_all(&what, Namespace::Networking, &path, None).await?;
        let parse = |value: &Value| {
            let address = value.get("ipv4Address").and_then(ipv4)?;
            Some(ReservedIp { address, context: text(value, "/clientContext").map(str::to_owned) })
        };
        Ok(found.iter().filter_map(parse).collect())
    }
}

impl V4 {
    async fn vnics_of_vms(&self, what: &str, subnet: &ExtId) -> Result<Vec<Vnic>, NutanixError> {
        let mut found = Vec::new();
        let select = [("$select", "extId,nics".to_owned())];
        self.read_pages(what, Namespace::Vmm, "/ahv/config/vms", &select, |vm| {
            let id = ext_id(vm.get("extId"));
            let nics =
                list(vm, "/nics").iter().filter_map(Nic::parse).filter(|nic| nic.subnet.as_ref() == Some(subnet));
            found.extend(nics.map(|nic| Vnic {
                nic: Some(nic.id),
                vm: id.clone(),
                mac: nic.mac,
                assigned: nic.configured,
                learned: nic.learned,
            }));
        })
        .await?;
        Ok(found)
    }

    /// Entities of a list with exactly this name. A server that does not filter this list by name is asked for all of it.
    async fn named(
        &self,
        what: &str,
        namespace: Namespace,
        path: &str,
        name: &str,
    ) -> Result<Vec<Value>, NutanixError> {
        let found = match self.read_all(what, namespace, path, Some(equals("name", name))).await {
            Err(NutanixError::Api { status: 400, .. }) => self.read_all(what, namespace, path, None).await?,
            other => other?,
        };
        Ok(found.into_iter().filter(|value| text(value, "/name") == Some(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_subnet_is_read_with_its_prefix_from_either_place() {
        let id = "22222222-2222-4222-8222-222222222222";
        let full = json!({"extId": id, "name": "app", "vpcReference": id, "ipPrefix": "10.9.9.0/24",
            "ipConfig": [{"ipv4": {"ipSubnet": {"ip": {"value": "172.30.1.0"}, "prefixLength": 24},
                "defaultGatewayIp": {"value": "172.30.1.1"},
                "poolList": [{"startIp": {"value": "172.30.1.100"}, "endIp": {"value": "172.30.1.199"}}]}}]});
        let subnet = Subnet::parse(&full).unwrap();
        assert_eq!(subnet.prefix.unwrap().to_string(), "172.30.1.0/24");
        assert_eq!(subnet.gateway, Some("172.30.1.1".parse().unwrap()));
        assert_eq!(subnet.vpc, Some(ExtId::parse(id).unwrap()));
        assert_eq!(subnet.pools, [("172.30.1.100".parse().unwrap(), "172.30.1.199".parse().unwrap())]);
        let bare = Subnet::parse(&json!({"extId": id, "ipPrefix": "10.9.9.0/24"})).unwrap();
        assert_eq!(bare.prefix.unwrap().to_string(), "10.9.9.0/24");
    }

    #[test]
    fn a_vpc_is_read_with_its_routable_prefixes_and_external_subnets() {
        let id = "22222222-2222-4222-8222-222222222222";
        let vpc = Vpc::parse(&json!({"extId": id, "name": "v",
            "externallyRoutablePrefixes": [{"ipv4": {"ip": {"value": "172.30.0.0"}, "prefixLength": 16}}],
            "externalSubnets": [{"subnetReference": id}]}))
        .unwrap();
        assert_eq!(vpc.routable.first().unwrap().to_string(), "172.30.0.0/16");
        assert_eq!(vpc.external.len(), 1);
        assert!(Vpc::parse(&json!({"extId": id})).unwrap().routable.is_empty());
    }

    #[test]
    fn a_vnic_is_read_in_every_form_of_address() {
        let vnic = Vnic::parse(&json!({"vmReference": "11111111-1111-4111-8111-111111111111",
            "assignedIpv4Addresses": ["10.0.0.1", {"value": "10.0.0.2"}, {"ipv4": {"value": "10.0.0.3"}}],
            "learnedIpv4Addresses": [{"ipv4": {"value": "169.254.1.1"}}]}));
        assert_eq!(vnic.assigned.len(), 3);
        assert!(vnic.learned.is_empty() && vnic.vm.is_some());
    }
}
