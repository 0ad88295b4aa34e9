//! The world file: a YAML description of the world that a simulation starts with.
//!
//! Names stand for ids: an id that is not given is made from the name, always the same one. A reference may be a name
//! or an id. Unknown keys are errors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{direct_connect, ec2, guests, move_, prism, switches::Switches};

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorldFile {
    /// Account of credentials that name no other, and owner of what names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_account: Option<String>,
    /// Accounts by their 12 digits.
    pub accounts: BTreeMap<String, AccountFile>,
    /// AWS Regions by name.
    pub regions: BTreeMap<String, ec2::file::RegionFile>,
    /// Direct Connect gateways.
    pub direct_connect_gateways: Vec<direct_connect::file::DirectConnectGatewayFile>,
    /// Peerings between transit gateways.
    pub transit_gateway_peerings: Vec<ec2::file::PeeringFile>,
    /// Peering connections between VPCs.
    pub vpc_peerings: Vec<ec2::file::VpcPeeringFile>,
    /// On-premises sites.
    pub on_premises: Vec<guests::file::OnPremisesFile>,
    /// Prism Centrals by name.
    pub prism_centrals: BTreeMap<String, prism::file::PrismCentralFile>,
    /// Move appliances by name.
    pub moves: BTreeMap<String, move_::file::MoveFile>,
    /// Nutanix recovery plans by name.
    pub recovery_plans: BTreeMap<String, prism::file::RecoveryPlanFile>,
    /// Platform settings.
    pub switches: Switches,
}

/// An account.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountFile {
    /// Roles of it that others may assume.
    pub roles: Vec<RoleFile>,
}

/// A role.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleFile {
    /// Its name, the end of its ARN.
    pub name: String,
    /// External id that a caller must give.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Accounts whose callers may assume it; any account unless given.
    #[serde(default)]
    pub trusts: Vec<String>,
}

impl WorldFile {
    /// Reads the text of a world file.
    ///
    /// # Errors
    /// The first syntax error, unknown key or value of a wrong type, with its line.
    pub fn parse(text: &str) -> Result<Self, WorldError> {
        serde_saphyr::from_str(text).map_err(|error| WorldError::Text { reason: error.to_string() })
    }
}

/// What is wrong with a world file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The text is not a world file.
    #[error("the world file cannot be read: {reason}")]
    Text {
        /// What and where, from the YAML reader.
        reason: String,
    },
    /// A value does not fit the rest.
    #[error("world file, at `{place}`: {problem}")]
    Place {
        /// Path of the value, such as `regions.ap-northeast-1.vpcs[ec2].subnets[app]`.
        place: String,
        /// What is wrong and what to write.
        problem: String,
    },
}

impl WorldError {
    /// An error at a place.
    pub fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Place { place: place.into(), problem: problem.into() }
    }
}
