//! Reads VPCs: their prefixes, subnets and the tables that decide inside them.

use crate::codes::{Ec2Error, ErrorKind};
use crate::convert::{Destination, managed_by, name_tag, parse, vpc_route};
use crate::network::AwsNetwork;
use crate::pages::{FILTER_VALUES, filter, read_pages};
use aws_sdk_ec2::types::{RouteTable, RouteTableAssociationStateCode};
use holdfast_model::{
    Prefix, PrefixList, PrefixListId, RouteTableId, SubnetId, Vpc, VpcId, VpcRoute, VpcRouteOrigin, VpcSubnet,
    VpcTable, ZoneName,
};
use std::collections::{BTreeMap, BTreeSet};

const TABLES: &str = "DescribeRouteTables";
const SUBNETS: &str = "DescribeSubnets";

/// Prefix and Availability Zone of each subnet of some VPCs.
type Subnets = BTreeMap<VpcId, BTreeMap<SubnetId, (Prefix, Option<ZoneName>)>>;

impl AwsNetwork {
    /// IPv4 prefixes of the subnets of some VPCs.
    ///
    /// # Errors
    /// [`Ec2Error`] when one page could not be read.
    pub async fn read_subnets(
        &self,
        vpcs: &BTreeSet<VpcId>,
    ) -> Result<BTreeMap<VpcId, BTreeMap<SubnetId, Prefix>>, Ec2Error> {
        let prefixes = |subnets: BTreeMap<SubnetId, (Prefix, _)>| subnets.into_iter().map(|(id, (own, _))| (id, own));
        let found = self.read_zoned_subnets(vpcs).await?;
        Ok(found.into_iter().map(|(vpc, subnets)| (vpc, prefixes(subnets).collect())).collect())
    }

    async fn read_zoned_subnets(&self, vpcs: &BTreeSet<VpcId>) -> Result<Subnets, Ec2Error> {
        let what = format!("subnets of {}", list(vpcs));
        let request = self.reads.describe_subnets().filters(filter("vpc-id", vpcs)).max_results(1000);
        let subnets = read_pages!(self, "DescribeSubnets", &what, request, subnets);
        let mut found = Subnets::new();
        for subnet in &subnets {
            let malformed = |error: String| self.malformed(SUBNETS, &what, error);
            // A subnet without IPv4 carries no network of ours.
            let Some(cidr) = subnet.cidr_block().filter(|cidr| !cidr.is_empty()) else { continue };
            let vpc = parse::<VpcId>("VPC of a subnet", subnet.vpc_id()).map_err(malformed)?;
            let id = parse::<SubnetId>("subnet", subnet.subnet_id()).map_err(malformed)?;
            let prefix = parse::<Prefix>("prefix of a subnet", Some(cidr)).map_err(malformed)?;
            let zone = subnet.availability_zone().and_then(|zone| ZoneName::parse(zone).ok());
            found.entry(vpc).or_default().insert(id, (prefix, zone));
        }
        Ok(found)
    }

    /// VPCs with their subnets and tables: two calls for all of them.
    ///
    /// A VPC's own prefixes are those of its `local` routes, which every table of it has.
    pub(crate) async fn read_vpcs(
        &self,
        ids: &BTreeSet<VpcId>,
    ) -> Result<BTreeMap<VpcId, Result<VpcRead, Ec2Error>>, Ec2Error> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let what = format!("route tables of {}", list(ids));
        let tables = async {
            let request = self.reads.describe_route_tables().filters(filter("vpc-id", ids)).max_results(100);
            Ok::<_, Ec2Error>(read_pages!(self, "DescribeRouteTables", &what, request, route_tables))
        };
        let (subnets, tables) = futures::future::try_join(self.read_zoned_subnets(ids), tables).await?;
        let read = |id: &VpcId| {
            let own: Vec<&RouteTable> = tables.iter().filter(|table| table.vpc_id() == Some(id.as_str())).collect();
            if own.is_empty() {
                return Err(Ec2Error {
                    scope: self.scope().clone(),
                    action: TABLES,
                    what: format!("`{id}`"),
                    kind: ErrorKind::IdNotFound,
                    detail: "a VPC has at least its main table".to_owned(),
                });
            }
            self.vpc(id, &own, subnets.get(id)).map_err(|error| self.malformed(TABLES, &format!("`{id}`"), error))
        };
        Ok(ids.iter().map(|id| (id.clone(), read(id))).collect())
    }

    fn vpc(
        &self,
        id: &VpcId,
        own: &[&RouteTable],
        subnets: Option<&BTreeMap<SubnetId, (Prefix, Option<ZoneName>)>>,
    ) -> Result<VpcRead, String> {
        let mut tables = BTreeMap::new();
        let mut explicit: BTreeMap<SubnetId, RouteTableId> = BTreeMap::new();
        let mut main = None;
        let mut prefixes = BTreeSet::new();
        let mut by_list = Vec::new();
        for table in own {
            let table_id = parse::<RouteTableId>("route table", table.route_table_id())?;
            for association in table.associations() {
                let gone = association.association_state().and_then(|state| state.state()).is_some_and(|state| {
                    matches!(
                        state,
                        RouteTableAssociationStateCode::Disassociated | RouteTableAssociationStateCode::Failed
                    )
                });
                if gone {
                    continue;
                }
                if association.main() == Some(true) {
                    main = Some(table_id.clone());
                } else if let Some(subnet) = association.subnet_id() {
                    explicit.insert(parse::<SubnetId>("subnet of an association", Some(subnet))?, table_id.clone());
                }
            }
            let (name, managed_by) = (name_tag(table.tags()), managed_by(table.tags()));
            let mut read = VpcTable { name, managed_by, routes: BTreeMap::new(), hidden: BTreeMap::new() };
            for route in table.routes() {
                match vpc_route(route)? {
                    Some((Destination::Prefix(prefix), route)) => {
                        if route.origin == VpcRouteOrigin::Local {
                            prefixes.insert(prefix);
                        }
                        read.add(prefix, route);
                    }
                    Some((Destination::List(list), route)) => by_list.push((table_id.clone(), list, route)),
                    None => {}
                }
            }
            tables.insert(table_id, read);
        }
        let mut with_tables = BTreeMap::new();
        for (subnet, (prefix, zone)) in subnets.into_iter().flatten() {
            let table = explicit.get(subnet).or(main.as_ref()).ok_or("no main table")?.clone();
            with_tables.insert(subnet.clone(), VpcSubnet { prefix: *prefix, table, zone: zone.clone() });
        }
        let vpc = Vpc {
            id: id.clone(),
            scope: self.scope().clone(),
            prefixes: prefixes.into_iter().collect(),
            subnets: with_tables,
            main,
            tables,
        };
        Ok(VpcRead { vpc, by_list })
    }

    /// VPC of each of these route tables; one that EC2 does not tell of is left out.
    pub(crate) async fn read_vpcs_of(
        &self,
        tables: &BTreeSet<RouteTableId>,
    ) -> Result<BTreeMap<RouteTableId, VpcId>, Ec2Error> {
        let what = format!("VPCs of {}", list(tables));
        let mut vpcs = BTreeMap::new();
        let ids: Vec<&RouteTableId> = tables.iter().collect();
        for some in ids.chunks(FILTER_VALUES) {
            let request = self.reads.describe_route_tables().filters(filter("route-table-id", some)).max_results(100);
            let found = read_pages!(self, "DescribeRouteTables", &what, request, route_tables);
            for table in &found {
                let malformed = |error: String| self.malformed(TABLES, &what, error);
                let id = parse::<RouteTableId>("route table", table.route_table_id()).map_err(malformed)?;
                vpcs.insert(id, parse::<VpcId>("VPC of a route table", table.vpc_id()).map_err(malformed)?);
            }
        }
        Ok(vpcs)
    }
}

/// A VPC without the routes that its tables have by prefix list, whose entries are still to be read.
pub(crate) struct VpcRead {
    pub vpc: Vpc,
    pub by_list: Vec<(RouteTableId, PrefixListId, VpcRoute)>,
}

impl VpcRead {
    /// The VPC with a route for each entry of its lists.
    pub(crate) fn with_lists(mut self, lists: &BTreeMap<PrefixListId, PrefixList>) -> Result<Vpc, PrefixListId> {
        for (table, list, route) in self.by_list {
            let Some(known) = lists.get(&list) else { return Err(list) };
            let Some(table) = self.vpc.tables.get_mut(&table) else { continue };
            let route = VpcRoute { origin: VpcRouteOrigin::PrefixList, ..route };
            for entry in &known.entries {
                table.add(*entry, route.clone());
            }
        }
        Ok(self.vpc)
    }
}

/// Ids as a person reads them.
pub(crate) fn list<T: ToString>(ids: impl IntoIterator<Item = T>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| format!("`{}`", id.to_string())).collect();
    ids.join(", ")
}
