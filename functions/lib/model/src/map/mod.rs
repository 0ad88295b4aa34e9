//! The network map: the one document that a user writes. Parsing and reference checks are in `map_check`.

mod lost;
mod policy;
mod site;
mod start;
mod table;
mod vantage;
mod waived;
mod wave;

pub use lost::Lost;
pub use policy::{GuestRefresh, LONGEST_PROOF_SECONDS, PeeringReach, Policy};
pub use site::{DriftPolicy, Network, Site};
pub use start::{ClockTime, Day, LONGEST_APPROVAL_SECONDS, StartLimits, StartPolicy, Window};
pub use table::{NextHop, RouteTable};
pub use vantage::{Advertisement, EntryPoint, PassThrough, ProbeMachine, Replies, Vantage};
pub use wave::{GuestSettings, Led, Macs, NicMapping, Select, Wave};

use crate::wire::Waiver;
use crate::{
    AccountId, AccountName, MoveName, NetworkName, PassThroughName, PrismName, Region, SiteName, TableName,
    VantageName, WaveName,
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
    /// Attachments that send on what they get, as an inspection VPC does, by a name of yours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pass_through: BTreeMap<PassThroughName, PassThrough>,
    /// Machines that move together from EC2.
    #[serde(default)]
    pub waves: BTreeMap<WaveName, Wave>,
    /// Limits and choices.
    #[serde(default)]
    pub policy: Policy,
    /// A Region that this execution does not count on; never part of the document.
    #[serde(skip)]
    lost: Option<Lost>,
    /// Sites that this execution does not count on where they are silent; never part of the document.
    #[serde(skip)]
    waived: Option<Waiver>,
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
    /// Name of the secret in Secrets Manager: JSON `{"username": .., "password": ..}`, or `{"api_key": ..}` for a Prism Central.
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
        self.route_tables.iter().filter(move |(_, table)| table.routes(network))
    }

    /// These networks and all that share a place of a route table with one of them: an aggregate, a prefix list or a propagation. What is planned for
    /// the one depends on where the others are, so no two operations may work at them at once.
    #[must_use]
    pub fn entangled(&self, networks: &BTreeSet<NetworkName>) -> BTreeSet<NetworkName> {
        let shared = self
            .route_tables
            .values()
            .filter(|table| table.aggregate.is_some() || table.prefix_list.is_some() || !table.propagations.is_empty());
        let touched = shared.filter(|table| networks.iter().any(|network| table.routes(network)));
        let others = touched.flat_map(|table| self.networks.keys().filter(|network| table.routes(network)));
        others.chain(networks).cloned().collect()
    }

    /// A captured host without the NICs that its VM is to do without.
    #[must_use]
    pub fn kept(&self, host: &crate::HostRecord) -> crate::HostRecord {
        self.waves.get(&host.wave).map_or_else(|| host.clone(), |wave| wave.kept(host))
    }

    /// Why a host need not be right for routes to be led to a site: its wave goes there and excuses it by name.
    #[must_use]
    pub fn excuse(&self, host: &crate::HostRecord, to: &SiteName) -> Option<&str> {
        let wave = self.waves.get(&host.wave).filter(|wave| wave.to == *to)?;
        wave.excused.get(&host.name).map(String::as_str)
    }

    /// The network that holds an address.
    #[must_use]
    pub fn network_of(&self, address: std::net::Ipv4Addr) -> Option<(&NetworkName, &Network)> {
        self.networks.iter().find(|(_, n)| n.prefix.holds(address))
    }
}
