//! What ties a machine to AWS and does not follow it out: Elastic IP addresses, and security groups that others admit.

use crate::codes::Ec2Error;
use crate::convert::parse;
use crate::network::AwsNetwork;
use crate::pages::{FILTER_VALUES, filter, read_pages};
use holdfast_model::{EniId, VpcId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What ties the interfaces of a VPC to AWS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ties {
    /// Elastic IP addresses by interface.
    pub elastic: BTreeMap<EniId, BTreeSet<Ipv4Addr>>,
    /// Security groups by interface, as `sg-..`.
    pub groups: BTreeMap<EniId, BTreeSet<String>>,
    /// For a security group, the groups whose rules name it, by id, with their names.
    pub named_by: BTreeMap<String, BTreeMap<String, String>>,
}

impl AwsNetwork {
    /// Elastic IP addresses and security groups of all interfaces of a VPC, and which groups of this account and Region name those of `of` in a rule.
    ///
    /// # Errors
    /// [`Ec2Error`] when one page could not be read.
    pub async fn read_ties(&self, vpc: &VpcId, of: &BTreeSet<EniId>) -> Result<Ties, Ec2Error> {
        let what = format!("network interfaces of `{vpc}`");
        let request = self.reads.describe_network_interfaces().filters(filter("vpc-id", [vpc])).max_results(1000);
        let found = read_pages!(self, "DescribeNetworkInterfaces", &what, request, network_interfaces);
        let mut ties = Ties::default();
        for eni in &found {
            let id = parse::<EniId>("network interface", eni.network_interface_id())
                .map_err(|error| self.malformed("DescribeNetworkInterfaces", &what, error))?;
            let groups = eni.groups().iter().filter_map(|group| group.group_id()).map(str::to_owned).collect();
            let primary = eni.association().into_iter();
            let all = primary.chain(eni.private_ip_addresses().iter().filter_map(|at| at.association()));
            // A public address that EC2 lends has no allocation, and goes away with the instance.
            let elastic: BTreeSet<Ipv4Addr> = all
                .filter(|association| association.allocation_id().is_some_and(|id| !id.is_empty()))
                .filter_map(|association| association.public_ip()?.parse().ok())
                .collect();
            if !elastic.is_empty() {
                ties.elastic.insert(id.clone(), elastic);
            }
            ties.groups.insert(id, groups);
        }
        let carried: BTreeSet<&String> = of.iter().filter_map(|eni| ties.groups.get(eni)).flatten().collect();
        let carried: Vec<String> = carried.into_iter().cloned().collect();
        let mut named_by: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for some in carried.chunks(FILTER_VALUES) {
            for direction in ["ip-permission.group-id", "egress.ip-permission.group-id"] {
                let what = "security groups that name others";
                let request = self.reads.describe_security_groups().filters(filter(direction, some)).max_results(1000);
                let found = read_pages!(self, "DescribeSecurityGroups", what, request, security_groups);
                for group in &found {
                    let rules = group.ip_permissions().iter().chain(group.ip_permissions_egress());
                    let named = rules.flat_map(|rule| rule.user_id_group_pairs()).filter_map(|pair| pair.group_id());
                    for named in named.filter(|named| carried.iter().any(|id| id == named)) {
                        let id = group.group_id().unwrap_or_default().to_owned();
                        let name = group.group_name().unwrap_or_default().to_owned();
                        named_by.entry(named.to_owned()).or_default().insert(id, name);
                    }
                }
            }
        }
        ties.named_by = named_by;
        Ok(ties)
    }
}
