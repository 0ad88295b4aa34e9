//! Reads transit gateways: attachments, route tables and all routes of a table.

use crate::codes::Ec2Error;
use crate::convert::{Precedence, attachment_state, managed_by, name_tag, parse, tgw_route};
use crate::network::AwsNetwork;
use crate::pages::{filter, read_pages};
use aws_sdk_ec2::types::{Filter, TransitGatewayAttachmentResourceType as ResourceType, TransitGatewayRoute};
use holdfast_model::{
    AccountId, AttachmentId, AttachmentState, Prefix, Region, RouteTableId, SubnetId, TgwId, TgwRoute, VpcId,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const ATTACHMENTS: &str = "DescribeTransitGatewayAttachments";
const VPC_ATTACHMENTS: &str = "DescribeTransitGatewayVpcAttachments";
const PEERINGS: &str = "DescribeTransitGatewayPeeringAttachments";
const TABLES: &str = "DescribeTransitGatewayRouteTables";
const SEARCH: &str = "SearchTransitGatewayRoutes";

/// An attachment as `DescribeTransitGatewayAttachments` tells of it.
pub(crate) struct Listed {
    pub id: AttachmentId,
    pub name: Option<String>,
    pub tgw: TgwId,
    pub kind: ListedKind,
    pub state: AttachmentState,
    pub association: Option<RouteTableId>,
    /// Account number of what is attached.
    pub owner: Option<AccountId>,
}

/// What is attached, as far as the list of all attachments tells.
pub(crate) enum ListedKind {
    Vpc(VpcId),
    Peering,
    Vpn,
    DirectConnectGateway,
    Other(String),
}

/// A transit gateway route table without its routes.
pub(crate) struct ListedTable {
    pub tgw: TgwId,
    pub name: Option<String>,
    pub managed_by: Option<String>,
}

impl AwsNetwork {
    /// All attachments of the transit gateways of this account and Region.
    pub(crate) async fn read_attachments(&self) -> Result<Vec<Listed>, Ec2Error> {
        let what = "attachments";
        let request = self.reads.describe_transit_gateway_attachments().max_results(1000);
        let found = read_pages!(self, "DescribeTransitGatewayAttachments", what, request, transit_gateway_attachments);
        found
            .iter()
            .map(|at| {
                let kind = match at.resource_type() {
                    Some(ResourceType::Vpc) => ListedKind::Vpc(parse::<VpcId>("VPC", at.resource_id())?),
                    Some(ResourceType::Peering | ResourceType::TgwPeering) => ListedKind::Peering,
                    Some(ResourceType::Vpn) => ListedKind::Vpn,
                    Some(ResourceType::DirectConnectGateway) => ListedKind::DirectConnectGateway,
                    other => ListedKind::Other(other.map_or("unknown", |kind| kind.as_str()).to_owned()),
                };
                let table = at.association().and_then(|association| association.transit_gateway_route_table_id());
                Ok(Listed {
                    id: parse::<AttachmentId>("attachment", at.transit_gateway_attachment_id())?,
                    name: name_tag(at.tags()),
                    tgw: parse::<TgwId>("transit gateway", at.transit_gateway_id())?,
                    kind,
                    state: attachment_state(at.state()),
                    owner: at.resource_owner_id().and_then(|id| AccountId::parse(id).ok()),
                    association: match table.filter(|id| !id.is_empty()) {
                        Some(id) => Some(parse::<RouteTableId>("association", Some(id))?),
                        None => None,
                    },
                })
            })
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(ATTACHMENTS, what, error))
    }

    /// Subnets of every VPC attachment.
    pub(crate) async fn read_attachment_subnets(&self) -> Result<BTreeMap<AttachmentId, Vec<SubnetId>>, Ec2Error> {
        let what = "VPC attachments";
        let request = self.reads.describe_transit_gateway_vpc_attachments().max_results(1000);
        let found =
            read_pages!(self, "DescribeTransitGatewayVpcAttachments", what, request, transit_gateway_vpc_attachments);
        found
            .iter()
            .map(|at| {
                let id = parse::<AttachmentId>("attachment", at.transit_gateway_attachment_id())?;
                let mut subnets = at
                    .subnet_ids()
                    .iter()
                    .map(|subnet| parse::<SubnetId>("subnet", Some(subnet)))
                    .collect::<Result<Vec<_>, _>>()?;
                subnets.sort();
                Ok((id, subnets))
            })
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(VPC_ATTACHMENTS, what, error))
    }

    /// Transit gateway and Region on the other side of every peering attachment.
    pub(crate) async fn read_peerings(&self) -> Result<BTreeMap<AttachmentId, Vec<(TgwId, Region)>>, Ec2Error> {
        let what = "peering attachments";
        let request = self.reads.describe_transit_gateway_peering_attachments().max_results(1000);
        let found = read_pages!(
            self,
            "DescribeTransitGatewayPeeringAttachments",
            what,
            request,
            transit_gateway_peering_attachments
        );
        found
            .iter()
            .map(|at| {
                let id = parse::<AttachmentId>("attachment", at.transit_gateway_attachment_id())?;
                let sides = [at.requester_tgw_info(), at.accepter_tgw_info()]
                    .into_iter()
                    .flatten()
                    // A side without a transit gateway is a core network.
                    .filter(|side| side.transit_gateway_id().is_some())
                    .map(|side| {
                        Ok((
                            parse::<TgwId>("transit gateway", side.transit_gateway_id())?,
                            parse::<Region>("Region", side.region())?,
                        ))
                    })
                    .collect::<Result<Vec<_>, String>>()?;
                Ok((id, sides))
            })
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(PEERINGS, what, error))
    }

    /// Transit gateway and name of every route table.
    pub(crate) async fn read_tgw_tables(&self) -> Result<BTreeMap<RouteTableId, ListedTable>, Ec2Error> {
        let what = "transit gateway route tables";
        let request = self.reads.describe_transit_gateway_route_tables().max_results(1000);
        let found = read_pages!(self, "DescribeTransitGatewayRouteTables", what, request, transit_gateway_route_tables);
        found
            .iter()
            .map(|table| {
                Ok((
                    parse::<RouteTableId>("route table", table.transit_gateway_route_table_id())?,
                    ListedTable {
                        tgw: parse::<TgwId>("transit gateway", table.transit_gateway_id())?,
                        name: name_tag(table.tags()),
                        managed_by: managed_by(table.tags()),
                    },
                ))
            })
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(TABLES, what, error))
    }

    /// All IPv4 routes of a table, the deciding one for each prefix.
    ///
    /// # Guarantees
    /// Complete or an error: pages are followed by token; where EC2 says that there are more and gives no token, the table is read in halves.
    pub async fn read_routes(&self, table: &RouteTableId) -> Result<BTreeMap<Prefix, TgwRoute>, Ec2Error> {
        let what = format!("routes of `{table}`");
        let mut found = Found::default();
        // EC2 wants a filter; every route is one of these two types, in whatever state.
        let all = filter("type", ["static", "propagated"]);
        let mut halves = Vec::new();
        if !self.search(table, &what, all, &mut found).await? {
            halves.push(Prefix::around(Ipv4Addr::UNSPECIFIED, 0));
        }
        while let Some(prefix) = halves.pop() {
            // Whether a subnet-of-match holds the prefix itself is not documented.
            let exact = filter("route-search.exact-match", [prefix]);
            self.search(table, &what, exact, &mut found).await?;
            let parts = halves_of(prefix);
            for part in parts {
                if !self.search(table, &what, filter("route-search.subnet-of-match", [part]), &mut found).await? {
                    halves.push(part);
                } else {
                    self.search(table, &what, filter("route-search.exact-match", [part]), &mut found).await?;
                }
            }
        }
        Ok(found.routes.into_iter().map(|(prefix, (_, route))| (prefix, route)).collect())
    }

    /// Routes of one prefix, exactly.
    pub(crate) async fn read_exactly(
        &self,
        table: &RouteTableId,
        prefix: Prefix,
    ) -> Result<Option<(Precedence, TgwRoute)>, Ec2Error> {
        let what = format!("route {prefix} of `{table}`");
        let mut found = Found::default();
        self.search(table, &what, filter("route-search.exact-match", [prefix]), &mut found).await?;
        Ok(found.routes.remove(&prefix))
    }

    /// One search with all its pages; false when EC2 says that there are more and gives no token.
    async fn search(&self, table: &RouteTableId, what: &str, by: Filter, found: &mut Found) -> Result<bool, Ec2Error> {
        let request =
            self.reads.search_transit_gateway_routes().transit_gateway_route_table_id(table.as_str()).filters(by);
        let mut token: Option<String> = None;
        loop {
            self.pace.take(SEARCH, crate::pace::Class::Read).await;
            let page = request
                .clone()
                .max_results(1000)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(|error| self.error(SEARCH, what, &error))?;
            found.add(page.routes()).map_err(|error| self.malformed(SEARCH, what, error))?;
            token = page.next_token.filter(|next| !next.is_empty());
            if token.is_none() {
                return Ok(page.additional_routes_available != Some(true));
            }
        }
    }
}

/// The two halves of a prefix; of a host route, nothing.
fn halves_of(prefix: Prefix) -> Vec<Prefix> {
    let length = prefix.length();
    if length >= 32 {
        return Vec::new();
    }
    vec![Prefix::around(prefix.network(), length + 1), Prefix::around(prefix.broadcast(), length + 1)]
}

/// Routes found so far, the deciding one for each prefix.
#[derive(Default)]
struct Found {
    routes: BTreeMap<Prefix, (Precedence, TgwRoute)>,
}

impl Found {
    fn add(&mut self, routes: &[TransitGatewayRoute]) -> Result<(), String> {
        for route in routes {
            let Some((prefix, precedence, route)) = tgw_route(route)? else { continue };
            match self.routes.get_mut(&prefix) {
                Some(known) if known.0 < precedence => {}
                Some(known) if known.0 == precedence => {
                    // Equal-cost VPN: one route with every target.
                    known.1.targets.extend(route.targets);
                    known.1.targets.sort();
                    known.1.targets.dedup();
                }
                _ => {
                    self.routes.insert(prefix, (precedence, route));
                }
            }
        }
        Ok(())
    }
}
