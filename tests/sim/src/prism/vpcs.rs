//! FVN VPCs of the `networking` namespace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::change::Change;
use super::handlers::{Accepted, check_content_etag, content_etag, one, path_id};
use super::ids::ExtId;
use super::level::Level;
use super::reply::{Refused, Reply, Request};
use super::state::{Prism, Vpc, VpcKind};
use super::subnets::{accepted, addresses};
use super::task::{Affected, REL_VPC};
use super::{Context, body, odata, render};

const VPCS: odata::ListRules = odata::ListRules {
    response: "networking.v4.config.ListVpcsApiResponse",
    item: "networking.v4.config.Vpc",
    filters: &["name", "extId", "vpcType"],
    orders: &["name"],
};

/// The beta filters by name alone (SDK 4.0.1b1).
const VPCS_BETA: odata::ListRules = odata::ListRules { filters: &["name"], ..VPCS };

fn of_vpc(ext_id: ExtId) -> Vec<Affected> {
    vec![Affected { ext_id, rel: REL_VPC }]
}

/// The id, if there is an entity with it.
///
/// # Errors
/// There is none.
pub(super) fn known<T>(map: &BTreeMap<ExtId, T>, id: ExtId, kind: &str) -> Result<ExtId, Refused> {
    if map.contains_key(&id) { Ok(id) } else { Err(Refused::not_found(kind, id)) }
}

impl Prism {
    fn path_vpc(&self, id: &str) -> Result<&Vpc, Refused> {
        self.vpcs.get(&path_id(id)?).ok_or_else(|| Refused::not_found("VPC", id))
    }

    pub(super) fn list_vpcs(&self, request: &Request, level: Level) -> Result<Reply, Refused> {
        let rules = if level.is_beta() { &VPCS_BETA } else { &VPCS };
        odata::list(request, rules, level, self.vpcs.values().map(|v| render::vpc(v, level)).collect())
    }

    pub(super) fn get_vpc(&self, id: &str, level: Level) -> Result<Reply, Refused> {
        let vpc = self.path_vpc(id)?;
        let kind = "networking.v4.config.Vpc";
        let entity = render::vpc(vpc, level);
        Ok(one(kind, "networking.v4.config.GetVpcApiResponse", entity, level, Some(content_etag(vpc))))
    }

    fn read_vpc(&self, body: &Value, ext_id: ExtId) -> Result<Vpc, Refused> {
        let name = body::required(body::text(body, "/name")?, "/name")?.to_owned();
        let kind = match body::text(body, "/vpcType")? {
            None | Some("REGULAR") => VpcKind::Regular,
            Some("TRANSIT") => VpcKind::Transit,
            Some(other) => return Err(Refused::body("/vpcType", format!("`{other}` is not a VPC type"))),
        };
        let external_subnets = body::items(body, "/externalSubnets")?
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
        let routable = body::items(body, "/externallyRoutablePrefixes")?
            .iter()
            .map(|item| body::required(body::prefix(item, "/ipv4")?, "/externallyRoutablePrefixes/ipv4"))
            .collect::<Result<Vec<_>, _>>()?;
        let dns = addresses(body, "/commonDhcpOptions/domainNameServers")?;
        // What shares an external subnet is behind the same hosts.
        let shares = |vpc: &&Vpc| {
            let own = |id: &ExtId| self.subnets.get(id).is_some_and(|subnet| subnet.vpc == Some(vpc.ext_id));
            external_subnets.iter().any(|id| vpc.external_subnets.contains(id) || own(id))
        };
        let hosts: BTreeSet<String> =
            self.vpcs.values().filter(shares).flat_map(|v| v.host_interfaces.clone()).collect();
        let host_interfaces = hosts.into_iter().collect();
        Ok(Vpc { ext_id, name, kind, external_subnets, routable, dns, host_interfaces })
    }

    pub(super) fn prepare_vpc(&mut self, request: &Request) -> Result<Accepted, Refused> {
        let ext_id = self.next_id("vpc");
        let vpc = self.read_vpc(&body::object(request)?, ext_id)?;
        let change = Change::CreateVpc(Box::new(vpc));
        Ok(accepted("CreateVpc", "networking.v4.config.CreateVpcApiResponse", Vec::new(), change))
    }

    pub(super) fn prepare_vpc_update(
        &self,
        request: &Request,
        id: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let old = self.path_vpc(id)?;
        let vpc = self.read_vpc(&body::object(request)?, old.ext_id)?;
        check_content_etag(request, &content_etag(old), cx)?;
        let change = Change::UpdateVpc(Box::new(vpc));
        Ok(accepted("UpdateVpc", "networking.v4.config.UpdateVpcApiResponse", of_vpc(old.ext_id), change))
    }

    pub(super) fn prepare_vpc_delete(
        &self,
        request: &Request,
        id: &str,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        let old = self.path_vpc(id)?;
        check_content_etag(request, &content_etag(old), cx)?;
        let change = Change::DeleteVpc(old.ext_id);
        Ok(accepted("DeleteVpc", "networking.v4.config.DeleteVpcApiResponse", of_vpc(old.ext_id), change))
    }
}
