//! The network map: the one document that a user writes. Parsing and reference checks are in `map_check`.

use crate::{
    AccountId, AccountName, AttachmentId, GroupName, InstanceId, MoveName, NetworkName, Prefix, PrismName, Region,
    RouteTableId, SiteName, SubnetId, TableName, VantageName, VpcId, WaveName,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The network map: sites, networks, route tables, vantages, waves and the policy.
///
/// Built only by [`NetworkMap::parse`], so every name in a value of this type that refers to another entry does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkMap {
    /// Version of this document's form: 1.
    pub schema_version: u32,
    /// AWS accounts, by a name of yours.
    pub accounts: BTreeMap<AccountName, Account>,
    /// Prism Centrals, by a name of yours.
    #[serde(default)]
    pub prism_centrals: BTreeMap<PrismName, Appliance>,
    /// Nutanix Move appliances, by a name of yours.
    #[serde(default)]
    pub move_appliances: BTreeMap<MoveName, Appliance>,
    /// Where machines can live.
    pub sites: BTreeMap<SiteName, Site>,
    /// Prefixes whose addresses must hold.
    pub networks: BTreeMap<NetworkName, Network>,
    /// Every route table that Holdfast may change, with its next hop for each site.
    pub route_tables: BTreeMap<TableName, RouteTable>,
    /// Where clients are.
    pub vantages: BTreeMap<VantageName, Vantage>,
    /// Machines that move together from EC2.
    #[serde(default)]
    pub waves: BTreeMap<WaveName, Wave>,
    /// Limits and choices.
    #[serde(default)]
    pub policy: Policy,
}

/// One AWS account and how the functions get into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The account number, in quotes (YAML would read it as a number).
    pub id: AccountId,
    /// Role to assume there. Left out: the functions' own account and role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// External id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// How to reach a Prism Central or a Move appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Appliance {
    /// `https://host:9440`, without a path.
    pub endpoint: String,
    /// Name of the secret in Secrets Manager: JSON `{"username": .., "password": ..}`.
    pub secret: String,
    /// How its certificate is trusted.
    pub trust: Trust,
    /// Region whose NC2 VPC it is in.
    pub region: Region,
}

/// How the certificate of an appliance is trusted. There is no way to trust any certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trust {
    /// Signed by this certificate authority.
    Ca {
        /// The certificate in PEM form.
        pem: String,
    },
    /// Exactly this certificate.
    Fingerprint {
        /// SHA-256 of the certificate in DER form: 64 hexadecimal digits, colons allowed.
        sha256: String,
    },
    /// Signed by an authority of the Web's root list.
    WebRoots,
}

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
}

/// A transit gateway route table that Holdfast may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// Account that owns the transit gateway.
    pub account: AccountName,
    /// Region of the transit gateway.
    pub region: Region,
    /// The table.
    pub id: RouteTableId,
    /// Networks that this table routes. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeSet<NetworkName>>,
    /// For each site, where this table sends a network whose machines live there. Every site needs an entry.
    pub next_hops: BTreeMap<SiteName, NextHop>,
}

/// Where a route table sends a network whose machines live at one site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NextHop {
    /// A static route to an attachment of this transit gateway: the VPC of the site.
    Attachment {
        /// The attachment.
        id: AttachmentId,
    },
    /// A static route to a peering attachment: towards the site's Region.
    Peering {
        /// The peering attachment.
        id: AttachmentId,
    },
    /// No route of ours: a covering or propagated route serves this site.
    Absent {
        /// The prefix of the route that serves it.
        served_by: Prefix,
    },
    /// A static route that drops the traffic.
    Blackhole,
}

/// Where clients are, and how their traffic enters and leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Vantage {
    /// Clients on-premises, behind Direct Connect or VPN.
    OnPremises {
        /// Addresses of the clients.
        prefixes: Vec<Prefix>,
        /// Account that owns the transit gateway they enter by.
        account: AccountName,
        /// Region of that transit gateway.
        region: Region,
        /// Attachment (VPN or Direct Connect gateway) that they enter by.
        enters: AttachmentId,
        /// Attachment that replies must leave by. Left out: the one that they enter by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_leaves: Option<AttachmentId>,
        /// Region of `reply_leaves`. Left out: `region`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_region: Option<Region>,
        /// A machine there from which the data path is probed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe: Option<ProbeMachine>,
    },
    /// Clients in a VPC in AWS.
    Vpc {
        /// Addresses of the clients.
        prefixes: Vec<Prefix>,
        /// Account that owns the transit gateway they enter by.
        account: AccountName,
        /// Region of that transit gateway.
        region: Region,
        /// The VPC's attachment.
        enters: AttachmentId,
        /// A machine there from which the data path is probed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe: Option<ProbeMachine>,
    },
}

impl Vantage {
    /// Addresses of the clients.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        match self {
            Vantage::OnPremises { prefixes, .. } | Vantage::Vpc { prefixes, .. } => prefixes,
        }
    }

    /// Account and Region of the transit gateway that the clients enter by.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Vantage::OnPremises { account, region, .. } | Vantage::Vpc { account, region, .. } => {
                Scope { account: account.clone(), region: region.clone() }
            }
        }
    }

    /// Attachment that the clients enter by, with its Region.
    #[must_use]
    pub fn enters(&self) -> (&Region, &AttachmentId) {
        match self {
            Vantage::OnPremises { region, enters, .. } | Vantage::Vpc { region, enters, .. } => (region, enters),
        }
    }

    /// Attachment that replies must leave by, with its Region.
    #[must_use]
    pub fn reply_leaves(&self) -> (&Region, &AttachmentId) {
        match self {
            Vantage::OnPremises { region, enters, reply_leaves, reply_region, .. } => {
                (reply_region.as_ref().unwrap_or(region), reply_leaves.as_ref().unwrap_or(enters))
            }
            Vantage::Vpc { region, enters, .. } => (region, enters),
        }
    }

    /// The machine to probe from.
    #[must_use]
    pub fn probe(&self) -> Option<&ProbeMachine> {
        match self {
            Vantage::OnPremises { probe, .. } | Vantage::Vpc { probe, .. } => probe.as_ref(),
        }
    }
}

/// A machine from which the data path is probed, by Systems Manager Run Command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeMachine {
    /// Managed instance (`mi-`) or EC2 instance (`i-`).
    pub instance: InstanceId,
    /// Account that manages it.
    pub account: AccountName,
    /// Region that manages it.
    pub region: Region,
    /// Windows or Linux. Left out: Systems Manager is asked before each probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<crate::Platform>,
}

/// Machines that move together from EC2 to NC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// EC2 site that the machines leave.
    pub from: SiteName,
    /// NC2 site that Move brings them to.
    pub to: SiteName,
    /// Which instances.
    pub select: Select,
    /// Move appliance that migrates them: its own record then names the VM. Left out: the VM is found by exact name.
    #[serde(default, rename = "move", skip_serializing_if = "Option::is_none")]
    pub move_appliance: Option<MoveName>,
}

/// Which EC2 instances belong to a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Select {
    /// These instances.
    Instances {
        /// Instance ids.
        ids: BTreeSet<InstanceId>,
    },
    /// Instances that carry all of these tags.
    Tags {
        /// Tag key and value.
        tags: BTreeMap<String, String>,
    },
    /// Instances with a network interface in this subnet.
    Subnet {
        /// The subnet.
        id: SubnetId,
    },
    /// Every instance of the site's VPC.
    Vpc,
}

/// Limits and choices that are the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Evidence older than this, in seconds, does not count.
    pub evidence_max_age_seconds: u32,
    /// How a guest is made to take its address.
    pub guest_refresh: GuestRefresh,
    /// How long a guest may take to use its address, in seconds.
    pub guest_timeout_seconds: u32,
    /// Pings sent to each address by a verification.
    pub probe_count: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            evidence_max_age_seconds: 300,
            guest_refresh: GuestRefresh::LinkBounce,
            guest_timeout_seconds: 180,
            probe_count: 3,
        }
    }
}

/// How a guest is made to take the address that its NIC was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuestRefresh {
    /// The NIC is disconnected and connected again, so that the guest asks for a lease.
    LinkBounce,
    /// The VM is rebooted.
    Reboot,
}

/// One account in one Region: the unit of clients, credentials and throttling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Account, by its name in the network map.
    pub account: AccountName,
    /// Region.
    pub region: Region,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "account `{}` in {}", self.account, self.region)
    }
}

/// Which version of the network map an execution works with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapRef {
    /// S3 bucket.
    pub bucket: String,
    /// S3 key.
    pub key: String,
    /// S3 object version; empty where the bucket keeps none.
    pub version: String,
    /// SHA-256 of the document, in lower-case hexadecimal.
    pub sha256: String,
}

impl NetworkMap {
    /// Tables that route a network, in name order.
    pub fn tables_of<'a>(&'a self, network: &'a NetworkName) -> impl Iterator<Item = (&'a TableName, &'a RouteTable)> {
        self.route_tables.iter().filter(move |(_, t)| t.networks.as_ref().is_none_or(|only| only.contains(network)))
    }

    /// The network that holds an address.
    #[must_use]
    pub fn network_of(&self, address: std::net::Ipv4Addr) -> Option<(&NetworkName, &Network)> {
        self.networks.iter().find(|(_, n)| n.prefix.holds(address))
    }
}
