//! Subnets, their addresses, and VPCs of the `networking` namespace.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::change::Change;
use super::handlers::{Accepted, one, path_id};
use super::ids::ExtId;
use super::level::Level;
use super::reply::{Refused, Reply, Request};
use super::state::{IpConfig, Prism, Subnet, SubnetKind, Vpc, VpcKind};
use super::task::{Affected, REL_SUBNET};
use super::{body, odata, render};

const SUBNETS: odata::ListRules = odata::ListRules {
    response: "networking.v4.config.ListSubnetsApiResponse",
    item: "networking.v4.config.Subnet",
    filters: &["name", "extId", "subnetType", "isExternal", "vpcReference", "clusterReference", "networkId"],
    orders: &["name"],
};
const VNICS: odata::ListRules = odata::ListRules {
    response: "networking.v4.config.ListSubnetVnicsApiResponse",
    item: "networking.v4.config.Vnic",
    filters: &[],
    orders: &[],
};
const RESERVED: odata::ListRules = odata::ListRules {
    response: "networking.v4.config.ListSubnetReservedIpsApiResponse",
    item: "networking.v4.config.ReservedIp",
    filters: &[],
    orders: &[],
};
const VPCS: odata::ListRules = odata::ListRules {
    response: "networking.v4.config.ListVpcsApiResponse",
    item: "networking.v4.config.Vpc",
    filters: &["name", "extId", "vpcType"],
    orders: &["name"],
};

fn ip_config(config: &Value) -> Result<IpConfig, Refused> {
    let prefix = body::required(body::prefix(config, "/ipv4/ipSubnet")?, "/ipConfig/0/ipv4/ipSubnet")?;
    let gateway =
        body::required(body::address(config, "/ipv4/defaultGatewayIp")?, "/ipConfig/0/ipv4/defaultGatewayIp")?;
    let pools = body::items(config, "/ipv4/poolList")?
        .iter()
        .map(|pool| {
            let low = body::required(body::address(pool, "/startIp")?, "/startIp")?;
            let high = body::required(body::address(pool, "/endIp")?, "/endIp")?;
            if low > high || !prefix.contains(&low) || !prefix.contains(&high) {
                return Err(Refused::body("/ipConfig/0/ipv4/poolList", "is not a range inside the subnet"));
            }
            Ok((low, high))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if !prefix.contains(&gateway) {
        return Err(Refused::body("/ipConfig/0/ipv4/defaultGatewayIp", "is not inside the subnet"));
    }
    Ok(IpConfig { prefix, gateway, dhcp_server: body::address(config, "/ipv4/dhcpServerAddress")?, pools })
}

/// Addresses as `[{"ipv4": {"value": ".."}}]`.
fn addresses(body: &Value, path: &str) -> Result<Vec<Ipv4Addr>, Refused> {
    body::items(body, path)?
        .iter()
        .map(|item| body::required(body::address(item, "/ipv4")?, &format!("{path}/ipv4")))
        .collect()
}

fn accepted(operation: &'static str, response: &'static str, affected: Vec<Affected>, change: Change) -> Accepted {
    Accepted { operation, response, affected, if_version: None, change }
}

impl Prism {
    fn path_subnet(&self, id: &str) -> Result<&Subnet, Refused> {
        let parsed = path_id(id)?;
        self.subnets.get(&parsed).ok_or_else(|| Refused::not_found("subnet", id))
    }

    fn known<T>(map: &std::collections::BTreeMap<ExtId, T>, id: ExtId, kind: &str) -> Result<ExtId, Refused> {
        if map.contains_key(&id) { Ok(id) } else { Err(Refused::not_found(kind, id)) }
    }

    pub(super) fn list_subnets(&self, request: &Request, level: Level) -> Result<Reply, Refused> {
        let items = self.subnets.values().map(|s| render::subnet(self, s, level)).collect();
        odata::list(request, &SUBNETS, level, items)
    }

    pub(super) fn get_subnet(&self, id: &str, level: Level) -> Result<Reply, Refused> {
        let entity = render::subnet(self, self.path_subnet(id)?, level);
        Ok(one("networking.v4.config.Subnet", "networking.v4.config.GetSubnetApiResponse", entity, level, None))
    }

    pub(super) fn list_vnics(&self, request: &Request, id: &str, level: Level) -> Result<Reply, Refused> {
        let subnet = self.path_subnet(id)?.ext_id;
        let items = self.nics_on(subnet).map(|(vm, nic)| render::vnic(vm, nic, level)).collect();
        odata::list(request, &VNICS, level, items)
    }

    pub(super) fn list_reserved_ips(&self, request: &Request, id: &str, level: Level) -> Result<Reply, Refused> {
        let subnet = self.path_subnet(id)?;
        let items = subnet.reserved.iter().map(|(a, c)| render::reserved_ip(subnet, *a, c, level)).collect();
        odata::list(request, &RESERVED, level, items)
    }

    pub(super) fn list_vpcs(&self, request: &Request, level: Level) -> Result<Reply, Refused> {
        odata::list(request, &VPCS, level, self.vpcs.values().map(|v| render::vpc(v, level)).collect())
    }

    pub(super) fn get_vpc(&self, id: &str, level: Level) -> Result<Reply, Refused> {
        let vpc = self.vpcs.get(&path_id(id)?).ok_or_else(|| Refused::not_found("VPC", id))?;
        let entity = render::vpc(vpc, level);
        Ok(one("networking.v4.config.Vpc", "networking.v4.config.GetVpcApiResponse", entity, level, None))
    }

    pub(super) fn prepare_subnet(&mut self, request: &Request) -> Result<Accepted, Refused> {
        let body = body::object(request)?;
        let name = body::required(body::text(&body, "/name")?, "/name")?.to_owned();
        let kind = match body::required(body::text(&body, "/subnetType")?, "/subnetType")? {
            "OVERLAY" => SubnetKind::Overlay,
            "VLAN" => SubnetKind::Vlan,
            other => return Err(Refused::body("/subnetType", format!("`{other}` is neither OVERLAY nor VLAN"))),
        };
        let vpc = body::ext_id(&body, "/vpcReference")?.map(|id| Self::known(&self.vpcs, id, "VPC")).transpose()?;
        let cluster = body::ext_id(&body, "/clusterReference")?
            .map(|id| Self::known(&self.clusters, id, "cluster"))
            .transpose()?;
        if kind == SubnetKind::Overlay && vpc.is_none() {
            return Err(Refused::body("/vpcReference", "is required for an overlay subnet"));
        }
        let ip = body::items(&body, "/ipConfig")?.first().map(ip_config).transpose()?;
        if kind == SubnetKind::Overlay && ip.is_none() {
            return Err(Refused::body("/ipConfig", "is required for an overlay subnet"));
        }
        let external = body::flag(&body, "/isExternal")?.unwrap_or(false);
        let subnet = Subnet {
            ext_id: self.next_id("subnet"),
            name,
            kind,
            vpc,
            cluster,
            external,
            nat: external && body::flag(&body, "/isNatEnabled")?.unwrap_or(true),
            network_id: body::number(&body, "/networkId")?.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            ip,
            dns: addresses(&body, "/dhcpOptions/domainNameServers")?,
            reserved: std::collections::BTreeMap::new(),
        };
        let change = Change::CreateSubnet(Box::new(subnet));
        Ok(accepted("CreateSubnet", "networking.v4.config.CreateSubnetApiResponse", Vec::new(), change))
    }

    pub(super) fn prepare_vpc(&mut self, request: &Request) -> Result<Accepted, Refused> {
        let body = body::object(request)?;
        let name = body::required(body::text(&body, "/name")?, "/name")?.to_owned();
        let kind = match body::text(&body, "/vpcType")? {
            None | Some("REGULAR") => VpcKind::Regular,
            Some("TRANSIT") => VpcKind::Transit,
            Some(other) => return Err(Refused::body("/vpcType", format!("`{other}` is not a VPC type"))),
        };
        let external_subnets = body::items(&body, "/externalSubnets")?
            .iter()
            .map(|item| {
                let path = "/externalSubnets/subnetReference";
                let id = body::required(body::ext_id(item, "/subnetReference")?, path)?;
                match self.subnets.get(&id) {
                    Some(subnet) if subnet.external => Ok(id),
                    Some(_) => Err(Refused::body(path, format!("subnet {id} is not an external subnet"))),
                    None => Err(Refused::not_found("subnet", id)),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let routable = body::items(&body, "/externallyRoutablePrefixes")?
            .iter()
            .map(|item| body::required(body::prefix(item, "/ipv4")?, "/externallyRoutablePrefixes/ipv4"))
            .collect::<Result<Vec<_>, _>>()?;
        let dns = addresses(&body, "/commonDhcpOptions/domainNameServers")?;
        let ext_id = self.next_id("vpc");
        let vpc = Vpc { ext_id, name, kind, external_subnets, routable, dns, host_interfaces: Vec::new() };
        let change = Change::CreateVpc(Box::new(vpc));
        Ok(accepted("CreateVpc", "networking.v4.config.CreateVpcApiResponse", Vec::new(), change))
    }

    /// The addresses that a reserve or unreserve request lists or counts up.
    fn listed(&self, body: &Value, subnet: &Subnet, kind: &str) -> Result<Vec<Ipv4Addr>, Refused> {
        let count = body::number(body, "/count")?;
        let counted = || {
            let count = body::required(count, "/count")?;
            u32::try_from(count)
                .ok()
                .filter(|c| (1..=1024).contains(c))
                .ok_or_else(|| Refused::body("/count", "is not a count"))
        };
        match kind {
            "IP_ADDRESS_LIST" => {
                let list = addresses(body, "/ipAddresses")?;
                if list.is_empty() { Err(Refused::body("/ipAddresses", "is required")) } else { Ok(list) }
            }
            "IP_ADDRESS_RANGE" => {
                let path = "/startIpAddress/ipv4";
                let start = body::required(body::address(body, path)?, path)?.to_bits();
                Ok((start..start.saturating_add(counted()?)).map(Ipv4Addr::from_bits).collect())
            }
            "IP_ADDRESS_COUNT" => Ok(self.free_in_pools(subnet, usize::try_from(counted()?).unwrap_or(0))),
            other => Err(Refused::body("/reserveType", format!("`{other}` is not a kind of reservation"))),
        }
    }

    pub(super) fn prepare_reserve(&self, request: &Request, id: &str) -> Result<Accepted, Refused> {
        let subnet = self.path_subnet(id)?;
        let body = body::object(request)?;
        let kind = body::required(body::text(&body, "/reserveType")?, "/reserveType")?;
        let list = self.listed(&body, subnet, kind)?;
        let context = body::text(&body, "/clientContext")?.unwrap_or_default().to_owned();
        if context.chars().count() > 64 {
            return Err(Refused::body("/clientContext", "is longer than 64 characters"));
        }
        let change = Change::Reserve(subnet.ext_id, list, context);
        let affected = vec![Affected { ext_id: subnet.ext_id, rel: REL_SUBNET }];
        Ok(accepted("ReserveIps", "networking.v4.config.ReserveIpsApiResponse", affected, change))
    }

    pub(super) fn prepare_unreserve(&self, request: &Request, id: &str) -> Result<Accepted, Refused> {
        let subnet = self.path_subnet(id)?;
        let body = body::object(request)?;
        let list = match body::required(body::text(&body, "/unreserveType")?, "/unreserveType")? {
            "CONTEXT" => {
                let context = body::required(body::text(&body, "/clientContext")?, "/clientContext")?;
                subnet.reserved.iter().filter(|(_, c)| *c == context).map(|(a, _)| *a).collect()
            }
            "IP_ADDRESS_COUNT" => return Err(Refused::body("/unreserveType", "IP_ADDRESS_COUNT cannot be unreserved")),
            kind => self.listed(&body, subnet, kind)?,
        };
        let affected = vec![Affected { ext_id: subnet.ext_id, rel: REL_SUBNET }];
        let change = Change::Unreserve(subnet.ext_id, list);
        Ok(accepted("UnreserveIps", "networking.v4.config.UnreserveIpsApiResponse", affected, change))
    }
}
