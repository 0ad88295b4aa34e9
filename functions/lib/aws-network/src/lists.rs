//! Reads what stands beside the routes of transit gateway route tables: managed prefix lists, references to them, propagations; and VPC
//! peering connections.

use crate::codes::Ec2Error;
use crate::convert::{name_tag, parse, reference};
use crate::network::AwsNetwork;
use crate::pages::{FILTER_VALUES, filter, read_pages};
use crate::places::propagates;
use aws_sdk_ec2::types::{
    Filter, ManagedPrefixList, TransitGatewayPrefixListReference, TransitGatewayRouteTablePropagation,
    VpcPeeringConnectionStateReasonCode, VpcPeeringConnectionVpcInfo,
};
use holdfast_model::{
    AttachmentId, AttachmentState, Prefix, PrefixList, PrefixListId, PrefixListReference, Region, RouteTableId, VpcId,
    VpcPeering, VpcPeeringId,
};
use std::collections::{BTreeMap, BTreeSet};

const LISTS: &str = "DescribeManagedPrefixLists";
const ENTRIES: &str = "GetManagedPrefixListEntries";
pub(crate) const REFERENCES: &str = "GetTransitGatewayPrefixListReferences";
pub(crate) const PROPAGATIONS: &str = "GetTransitGatewayRouteTablePropagations";
const VPC_PEERINGS: &str = "DescribeVpcPeeringConnections";

/// Entries a page: `GetManagedPrefixListEntries` and `DescribeManagedPrefixLists` give no more.
const PAGE: i32 = 100;

impl AwsNetwork {
    /// Managed prefix lists with all their IPv4 entries. A list that EC2 does not tell of is left out.
    ///
    /// # Guarantees
    /// Entries and version belong together: the entries of that version are asked for.
    pub(crate) async fn read_prefix_lists(
        &self,
        ids: &BTreeSet<PrefixListId>,
    ) -> Result<BTreeMap<PrefixListId, Result<PrefixList, Ec2Error>>, Ec2Error> {
        let what = "prefix lists";
        let mut described: Vec<ManagedPrefixList> = Vec::new();
        let ids: Vec<&PrefixListId> = ids.iter().collect();
        for some in ids.chunks(FILTER_VALUES) {
            let request =
                self.reads.describe_managed_prefix_lists().filters(filter("prefix-list-id", some)).max_results(PAGE);
            described.extend(read_pages!(self, "DescribeManagedPrefixLists", what, request, prefix_lists));
        }
        let lists = described.iter().map(|list| async move {
            let id = parse::<PrefixListId>("prefix list", list.prefix_list_id())
                .map_err(|error| self.malformed(LISTS, what, error))?;
            Ok((id.clone(), self.prefix_list(id, list).await))
        });
        Ok(futures::future::try_join_all(lists).await?.into_iter().collect())
    }

    async fn prefix_list(&self, id: PrefixListId, list: &ManagedPrefixList) -> Result<PrefixList, Ec2Error> {
        let missing = |field: &str| self.malformed(LISTS, &format!("`{id}`"), format!("no {field}"));
        // Lists that AWS manages have neither version nor size; no table's routes are theirs to count.
        let version = list.version().unwrap_or(0);
        let max_entries = u32::try_from(list.max_entries().unwrap_or(0)).map_err(|_| missing("number of entries"))?;
        let name = name_tag(list.tags()).or_else(|| list.prefix_list_name().map(str::to_owned));
        let entries = self.read_entries_of(&id, (version != 0).then_some(version)).await?;
        Ok(PrefixList { scope: self.scope().clone(), id, name, version, max_entries, entries })
    }

    /// IPv4 entries of a managed prefix list, as it is now.
    pub(crate) async fn read_entries(&self, id: &PrefixListId) -> Result<BTreeSet<Prefix>, Ec2Error> {
        self.read_entries_of(id, None).await
    }

    /// Entries of one version, which no change touches any more.
    async fn read_entries_of(&self, id: &PrefixListId, version: Option<i64>) -> Result<BTreeSet<Prefix>, Ec2Error> {
        let what = format!("entries of `{id}`");
        let request = self
            .reads
            .get_managed_prefix_list_entries()
            .prefix_list_id(id.as_str())
            .set_target_version(version)
            .max_results(PAGE);
        let found = read_pages!(self, "GetManagedPrefixListEntries", &what, request, entries);
        found
            .iter()
            .filter(|entry| entry.cidr().is_none_or(|cidr| !cidr.contains(':')))
            .map(|entry| parse::<Prefix>("entry", entry.cidr()))
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(ENTRIES, &what, error))
    }

    /// References of a table to managed prefix lists.
    pub(crate) async fn read_references(
        &self,
        table: &RouteTableId,
    ) -> Result<BTreeMap<PrefixListId, PrefixListReference>, Ec2Error> {
        let what = format!("prefix list references of `{table}`");
        let found = self.list_references(table, &what, None).await?;
        found
            .iter()
            .map(reference)
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(REFERENCES, &what, error))
    }

    /// The same as EC2 tells them, all or those that a filter lets through.
    pub(crate) async fn list_references(
        &self,
        table: &RouteTableId,
        what: &str,
        only: Option<Filter>,
    ) -> Result<Vec<TransitGatewayPrefixListReference>, Ec2Error> {
        let request = self
            .reads
            .get_transit_gateway_prefix_list_references()
            .transit_gateway_route_table_id(table.as_str())
            .set_filters(only.map(|only| vec![only]))
            .max_results(1000);
        Ok(read_pages!(
            self,
            "GetTransitGatewayPrefixListReferences",
            what,
            request,
            transit_gateway_prefix_list_references
        ))
    }

    /// Propagations of a table as EC2 tells them, all or those that a filter lets through.
    pub(crate) async fn list_propagations(
        &self,
        table: &RouteTableId,
        what: &str,
        only: Option<Filter>,
    ) -> Result<Vec<TransitGatewayRouteTablePropagation>, Ec2Error> {
        let request = self
            .reads
            .get_transit_gateway_route_table_propagations()
            .transit_gateway_route_table_id(table.as_str())
            .set_filters(only.map(|only| vec![only]))
            .max_results(1000);
        Ok(read_pages!(
            self,
            "GetTransitGatewayRouteTablePropagations",
            what,
            request,
            transit_gateway_route_table_propagations
        ))
    }

    /// Attachments that propagate into a table, or are about to.
    pub(crate) async fn read_propagations(&self, table: &RouteTableId) -> Result<BTreeSet<AttachmentId>, Ec2Error> {
        let what = format!("propagations of `{table}`");
        let found = self.list_propagations(table, &what, None).await?;
        found
            .iter()
            .filter_map(|found| propagates(found).transpose())
            .collect::<Result<_, String>>()
            .map_err(|error| self.malformed(PROPAGATIONS, &what, error))
    }

    /// VPC peering connections that this account sees. One that EC2 does not tell of is left out.
    pub(crate) async fn read_vpc_peerings(
        &self,
        ids: &BTreeSet<VpcPeeringId>,
    ) -> Result<BTreeMap<VpcPeeringId, VpcPeering>, Ec2Error> {
        let what = "VPC peering connections";
        let mut peerings = BTreeMap::new();
        let ids: Vec<&VpcPeeringId> = ids.iter().collect();
        for some in ids.chunks(FILTER_VALUES) {
            let request = self
                .reads
                .describe_vpc_peering_connections()
                .filters(filter("vpc-peering-connection-id", some))
                .max_results(1000);
            let found = read_pages!(self, "DescribeVpcPeeringConnections", what, request, vpc_peering_connections);
            for peering in &found {
                let malformed = |error: String| self.malformed(VPC_PEERINGS, what, error);
                let id = parse::<VpcPeeringId>("VPC peering connection", peering.vpc_peering_connection_id())
                    .map_err(malformed)?;
                use VpcPeeringConnectionStateReasonCode as S;
                let state = match peering.status().and_then(|status| status.code()) {
                    Some(S::Active) => AttachmentState::Available,
                    Some(S::InitiatingRequest | S::PendingAcceptance | S::Provisioning) => AttachmentState::Changing,
                    Some(S::Deleted | S::Deleting | S::Expired | S::Failed | S::Rejected) => AttachmentState::Gone,
                    _ => AttachmentState::Unknown,
                };
                let peering = VpcPeering {
                    id: id.clone(),
                    name: name_tag(peering.tags()),
                    requester: side(peering.requester_vpc_info()).map_err(malformed)?,
                    accepter: side(peering.accepter_vpc_info()).map_err(malformed)?,
                    state,
                };
                peerings.insert(id, peering);
            }
        }
        Ok(peerings)
    }
}

fn side(info: Option<&VpcPeeringConnectionVpcInfo>) -> Result<(VpcId, Region), String> {
    let info = info.ok_or("a side of a VPC peering connection is missing")?;
    Ok((
        parse::<VpcId>("VPC of a peering connection", info.vpc_id())?,
        parse::<Region>("Region of a peering connection", info.region())?,
    ))
}
