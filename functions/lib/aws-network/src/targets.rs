//! Reads the targets of load balancers.

use crate::codes::Ec2Error;
use crate::convert::parse;
use crate::network::AwsNetwork;
use crate::pace::Class;
use crate::scope::site_scope;
use aws_sdk_elasticloadbalancingv2::types::{TargetGroup, TargetTypeEnum};
use futures::{StreamExt, TryStreamExt};
use holdfast_model::{InstanceId, LoadBalancerTarget, NetworkMap, Scope, SiteName, TargetKind, VpcId};
use std::collections::{BTreeMap, BTreeSet};

const GROUPS: &str = "DescribeTargetGroups";
const HEALTH: &str = "DescribeTargetHealth";

/// Most groups in one answer. <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetGroups.html>
const PAGE: i32 = 400;

/// Groups that are asked for their targets at once: there is one call for each.
const AT_ONCE: usize = 8;

/// Load-balancer targets of some sites' VPCs, all accounts and Regions at once.
///
/// # Errors
/// [`Ec2Error`] of the first site that could not be read completely.
pub async fn read_targets(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    sites: &BTreeSet<SiteName>,
) -> Result<BTreeMap<SiteName, Vec<LoadBalancerTarget>>, Ec2Error> {
    let asked = map.sites.iter().filter(|(name, _)| sites.contains(*name));
    let reads = asked.filter_map(|(name, site)| {
        let network = networks.get(&site_scope(site))?;
        let vpcs = BTreeSet::from([site.vpc().clone()]);
        Some(async move { Ok((name.clone(), network.read_targets(&vpcs).await?)) })
    });
    Ok(futures::future::try_join_all(reads).await?.into_iter().collect())
}

impl AwsNetwork {
    /// IPv4 addresses and instances that target groups of some VPCs send traffic to, whatever their health: machines that moved are unhealthy.
    /// Classic load balancers have no target groups and are not seen.
    ///
    /// # Errors
    /// [`Ec2Error`] when one page or one group could not be read.
    pub async fn read_targets(&self, vpcs: &BTreeSet<VpcId>) -> Result<Vec<LoadBalancerTarget>, Ec2Error> {
        let mut groups: Vec<(VpcId, TargetGroup)> = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            self.pace.take(GROUPS, Class::Read).await;
            let request = self.elb.describe_target_groups().page_size(PAGE).set_marker(marker.take());
            let page = request.send().await.map_err(|error| self.error(GROUPS, "target groups", &error))?;
            for group in page.target_groups.unwrap_or_default() {
                // A group of Lambda functions is in no VPC.
                let Some(vpc) = group.vpc_id().filter(|id| !id.is_empty()) else { continue };
                let vpc = parse::<VpcId>("VPC of a target group", Some(vpc))
                    .map_err(|error| self.malformed(GROUPS, "target groups", error))?;
                if vpcs.contains(&vpc) {
                    groups.push((vpc, group));
                }
            }
            marker = page.next_marker.filter(|next| !next.is_empty());
            if marker.is_none() {
                break;
            }
        }
        let reads = groups.iter().map(|(vpc, group)| self.read_group(vpc, group));
        let mut targets: Vec<Vec<LoadBalancerTarget>> =
            futures::stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut targets: Vec<LoadBalancerTarget> = targets.drain(..).flatten().collect();
        targets.sort();
        Ok(targets)
    }

    async fn read_group(&self, vpc: &VpcId, group: &TargetGroup) -> Result<Vec<LoadBalancerTarget>, Ec2Error> {
        let name = group.target_group_name().unwrap_or_default();
        let what = format!("targets of `{name}`");
        self.pace.take(HEALTH, Class::Read).await;
        let request = self.elb.describe_target_health().set_target_group_arn(group.target_group_arn.clone());
        let found = request.send().await.map_err(|error| self.error(HEALTH, &what, &error))?;
        let ids = found.target_health_descriptions().iter().filter_map(|it| it.target()?.id());
        let kinds = ids.filter_map(|id| kind(group.target_type(), id).transpose());
        let targets = kinds.map(|kind| {
            let target = kind.map_err(|error| self.malformed(HEALTH, &what, error))?;
            Ok(LoadBalancerTarget { group: name.to_owned(), vpc: vpc.clone(), target })
        });
        targets.collect()
    }
}

/// What a target is; none for an IPv6 address, and for another load balancer, whose own groups are read.
fn kind(of: Option<&TargetTypeEnum>, id: &str) -> Result<Option<TargetKind>, String> {
    match of {
        Some(TargetTypeEnum::Alb | TargetTypeEnum::Lambda) => Ok(None),
        Some(TargetTypeEnum::Instance) => {
            Ok(Some(TargetKind::Instance { id: parse::<InstanceId>("target", Some(id))? }))
        }
        Some(TargetTypeEnum::Ip) if id.contains(':') => Ok(None),
        Some(TargetTypeEnum::Ip) => {
            let address = id.parse().map_err(|_| format!("target `{id}` is not an IPv4 address"))?;
            Ok(Some(TargetKind::Address { address }))
        }
        other => Err(format!("targets are of type {other:?}")),
    }
}
