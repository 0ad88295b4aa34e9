//! Whether a network's next failover is proven by a drill, and what makes a drill's result stale.

use crate::{InventoryVersion, NetworkName, SiteName, WaveName};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a drill was made with. Its result says nothing of a failover with anything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillBasis {
    /// SHA-256 of the network map.
    pub map: String,
    /// Digest of the accounts of the map: the roles that get into them, with their external ids.
    pub roles: String,
    /// Versions of the inventory that had the network's machines.
    pub waves: BTreeMap<WaveName, InventoryVersion>,
    /// Digest of what the declared tables held for the network and its clients; none where they were not all read.
    pub routes: Option<String>,
    /// SHA-256 of the program that made it; none where it could not be told.
    pub code: Option<String>,
}

/// Why a drill's result does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stale {
    /// There is no drill that found nothing wrong.
    Never,
    /// A later one found something wrong.
    Failed,
    /// It is older than `policy.drill_max_age_days`.
    Old,
    /// The network map is another one.
    Map,
    /// Roles of the map, or their external ids, are others.
    Roles,
    /// A wave with machines of the network was captured anew.
    Waves,
    /// The declared tables hold other routes for the network or its clients.
    Routes,
    /// The functions are of another build.
    Code,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stale::Never => "no drill found nothing wrong yet",
            Stale::Failed => "a later drill found something wrong",
            Stale::Old => "it is older than policy allows",
            Stale::Map => "the network map has changed since",
            Stale::Roles => "the roles of the accounts have changed since",
            Stale::Waves => "machines were captured anew since",
            Stale::Routes => "routes have changed since",
            Stale::Code => "other code is deployed since",
        })
    }
}

/// The `detail` of a message on the bus: whether a network's next failover is proven by a drill. Told when that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkReady {
    /// 1.
    pub schema_version: u32,
    /// The network.
    pub network: NetworkName,
    /// Site that its routes lead to now; none where the tables follow no site, or were not all read.
    pub at: Option<SiteName>,
    /// Whether it is.
    pub ready: Readiness,
    /// When that was found, by our clock.
    pub found_at: Timestamp,
    /// All of this in one line, with the input of the drill that mends it.
    pub summary: String,
}

/// Whether a network's next failover is proven by a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Readiness {
    /// By a drill to this site.
    Ready {
        /// The site.
        to: SiteName,
    },
    /// It is not.
    NotReady {
        /// By site that the network could go to, why no drill counts.
        stale: BTreeMap<SiteName, Vec<Stale>>,
    },
    /// Where the network is, or what its tables hold, could not be read.
    Unknown {},
}

impl NetworkReady {
    /// The `source` of the message on the bus.
    pub const SOURCE: &str = "holdfast.verify";

    /// The `detail-type` of the message on the bus.
    #[must_use]
    pub fn detail_type(&self) -> &'static str {
        match self.ready {
            Readiness::Ready { .. } => "Network ready",
            Readiness::NotReady { .. } => "Network not ready",
            Readiness::Unknown {} => "Network readiness unknown",
        }
    }
}
