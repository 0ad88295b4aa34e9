//! Where machines can live, and the prefixes whose addresses must hold.

use super::StartPolicy;
use crate::{AccountName, GroupName, Prefix, PrismName, Region, SiteName, VpcId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A place where machines can live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Site {
    /// Machines are EC2 instances of a VPC.
    Ec2 {
        /// Account that owns the VPC.
        account: AccountName,
        /// Region of the VPC.
        region: Region,
        /// The VPC.
        vpc: VpcId,
    },
    /// Machines are VMs of Nutanix Cloud Clusters.
    Nc2 {
        /// Account that owns the VPC of the cluster.
        account: AccountName,
        /// Region of the VPC.
        region: Region,
        /// The VPC that the cluster runs in.
        vpc: VpcId,
        /// Prism Central that manages the cluster.
        prism_central: PrismName,
        /// Name of the Flow VPC (FVN) whose subnets carry the networks.
        fvn_vpc: String,
        /// Name of the cluster; a VM of the same name elsewhere is not ours.
        cluster: String,
    },
}

impl Site {
    /// Account of the site's VPC.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        match self {
            Site::Ec2 { account, .. } | Site::Nc2 { account, .. } => account,
        }
    }

    /// Region of the site.
    #[must_use]
    pub fn region(&self) -> &Region {
        match self {
            Site::Ec2 { region, .. } | Site::Nc2 { region, .. } => region,
        }
    }

    /// VPC of the site.
    #[must_use]
    pub fn vpc(&self) -> &VpcId {
        match self {
            Site::Ec2 { vpc, .. } | Site::Nc2 { vpc, .. } => vpc,
        }
    }
}

/// A prefix whose addresses must hold wherever its machines live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The prefix.
    pub prefix: Prefix,
    /// Per NC2 site, the name of the subnet (FVN overlay, no-NAT) that carries it.
    #[serde(default)]
    pub subnets: BTreeMap<SiteName, String>,
    /// Networks of one group can only move together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupName>,
    /// What is done about tables that do not follow where the network is.
    #[serde(default, skip_serializing_if = "DriftPolicy::is_report")]
    pub drift: DriftPolicy,
    /// What a finished cutover or failover of its machines starts.
    #[serde(default, skip_serializing_if = "StartPolicy::is_manual")]
    pub start: StartPolicy,
}

/// What is done about tables that do not follow where a network is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftPolicy {
    /// It is told, with the input that mends it.
    #[default]
    Report,
    /// It is told, and `{"reconcile": ["<network>"]}` leads the tables back to the site where the last operation left the network, as long as evidence
    /// says that its machines run there.
    Correct,
}

impl DriftPolicy {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    fn is_report(&self) -> bool {
        *self == DriftPolicy::Report
    }
}
