//! Subnets and their addresses of the `networking` namespace.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::change::Change;
use super::handlers::{Accepted, check_content_etag, content_etag, one, path_id};
use super::ids::ExtId;
use super::level::Level;
use super::reply::{Refused, Reply, Request};
use super::state::{IpConfig, Prism, Subnet, SubnetKind};
use super::task::{Affected, REL_SUBNET};
use super::vpcs::known;
use super::{Context, body, odata, render};

const SUBNETS: odata::ListRules = odata::ListRules {
    response: "networking.v4.config.ListSubnetsApiResponse",
    item: "networking.v4.config.Subnet",
    filters: &["name", "extId", "subnetType", "isExternal", "vpcReference", "clusterReference", "networkId"],
    orders: &["name"],
};
/// The beta filters by less (SDK 4.0.1b1).
const SUBNETS_BETA: odata::ListRules =
    odata::ListRules { filters: &["name", "subnetType", "isExternal", "vpcReference", "clusterReference"], ..SUBNETS };
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

/// Reads addresses as `[{"ipv4": {"value": ".."}}]`.
pub(super) fn addresses(body: &Value, path: &str) -> Result<Vec<Ipv4Addr>, Refused> {
    body::items(body, path)?
        .iter()
        .map(|item| body::required(body::address(item, "/ipv4")?, &format!("{path}/ipv4")))
        .collect()
}

pub(super) fn accepted(
    operation: &'static str,
    response: &'static str,
    affected: Vec<Affected>,
    change: Change,
) -> Accepted {
    Accepted { operation, response, affected, if_version: None, change }
}

fn of_subnet(ext_id: ExtId) -> Vec<Affected> {
    vec![Affected { ext_id, rel: REL_SUBNET }]
}

impl Prism {
    fn path_subnet(&self, id: &str) -> Result<&Subnet, Refused> {
        let parsed = path_id(id)?;
        self.subnets.get(&parsed).ok_or_else(|| Refused::not_found("subnet", id))
    }

    pub(super) fn list_subnets(&self, request: &Request, level: Level) -> Result<Reply, Refused> {
        let items = self.subnets.values().map(|s| render::subnet(self, s, level)).collect();
        odata::list(request, if level.is_beta() { &SUBNETS_BETA } else { &SUBNETS }, level, items)
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
        let affected = of_subnet(subnet.ext_id);
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
        let affected = of_subnet(subnet.ext_id);
        let change = Change::Unreserve(subnet.ext_id, list);
        Ok(accepted("UnreserveIps", "networking.v4.config.UnreserveIpsApiResponse", affected, change))
    }

    pub(super) fn get_subnet(&self, id: &str, level: Level) -> Result<Reply, Refused> {
        let subnet = self.path_subnet(id)?;
        let entity = render::subnet(self, subnet, level);
        let kind = "networking.v4.config.Subnet";
        Ok(one(kind, "networking.v4.config.GetSubnetApiResponse", entity, level, Some(content_etag(subnet))))
    }

    fn read_subnet(&self, body: &Value, ext_id: ExtId) -> Result<Subnet, Refused> {
        let name = body::required(body::text(body, "/name")?, "/name")?.to_owned();
        let kind = match body::required(body::text(body, "/subnetType")?, "/subnetType")? {
            "OVERLAY" => SubnetKind::Overlay,
            "VLAN" => SubnetKind::Vlan,
            other => return Err(Refused::body("/subnetType", format!("`{other}` is neither OVERLAY nor VLAN"))),
        };
        let vpc = body::ext_id(body, "/vpcReference")?.map(|id| known(&self.vpcs, id, "VPC")).transpose()?;
        let cluster =
            body::ext_id(body, "/clusterReference")?.map(|id| known(&self.clusters, id, "cluster")).transpose()?;
        if kind == SubnetKind::Overlay && vpc.is_none() {
            return Err(Refused::body("/vpcReference", "is required for an overlay subnet"));
        }
        let ip = body::items(body, "/ipConfig")?.first().map(ip_config).transpose()?;
        if kind == SubnetKind::Overlay && ip.is_none() {
            return Err(Refused::body("/ipConfig", "is required for an overlay subnet"));
        }
        let external = body::flag(body, "/isExternal")?.unwrap_or(false);
        Ok(Subnet {
            ext_id,
            name,
            kind,
            vpc,
            cluster,
            external,
            nat: external && body::flag(body, "/isNatEnabled")?.unwrap_or(true),
            network_id: body::number(body, "/networkId")?.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            ip,
            dns: addresses(body, "/dhcpOptions/domainNameServers")?,
            reserved: std::collections::BTreeMap::new(),
        })
    }

    pub(super) fn prepare_subnet(&mut self, request: &Request) -> Result<Accepted, Refused> {
        let ext_id = self.next_id("subnet");
        let subnet = self.read_subnet(&body::object(request)?, ext_id)?;
        let change = Change::CreateSubnet(Box::new(subnet));
        Ok(accepted("CreateSubnet", "networking.v4.config.CreateSubnetApiResponse", Vec::new(), change))
    }

    pub(super) fn prepare_subnet_update(
        &self,
        request: &Request,
        id: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let old = self.path_subnet(id)?;
        let mut subnet = self.read_subnet(&body::object(request)?, old.ext_id)?;
        subnet.reserved.clone_from(&old.reserved);
        check_content_etag(request, &content_etag(old), cx)?;
        let change = Change::UpdateSubnet(Box::new(subnet));
        Ok(accepted("UpdateSubnet", "networking.v4.config.UpdateSubnetApiResponse", of_subnet(old.ext_id), change))
    }

    pub(super) fn prepare_subnet_delete(
        &self,
        request: &Request,
        id: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let old = self.path_subnet(id)?;
        check_content_etag(request, &content_etag(old), cx)?;
        let change = Change::DeleteSubnet(old.ext_id);
        Ok(accepted("DeleteSubnet", "networking.v4.config.DeleteSubnetApiResponse", of_subnet(old.ext_id), change))
    }
}
