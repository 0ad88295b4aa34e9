//! What a person types to start an execution.

use crate::{HostName, NetworkName, OperationId, SiteName, WaveName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Starts `capture`: `{"wave": "wave-1"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureRequest {
    /// The wave to capture.
    pub wave: WaveName,
    /// Hosts whose guest may say otherwise than the EC2 API; the API then counts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accept_contradiction: BTreeSet<HostName>,
}

/// Starts `cutover`: `{"wave": "wave-1"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutoverRequest {
    /// The wave that Move has migrated.
    pub wave: WaveName,
}

/// Starts `failover`: `{"networks": ["app"], "to": "nc2-osaka"}`, or `{"undo": "op-.."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailoverRequest {
    /// Networks to move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeSet<NetworkName>>,
    /// Site to move them to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SiteName>,
    /// Move only the machines with these addresses, by host routes; the rest of the networks stays. Left out: whole networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<Ipv4Addr>>,
    /// Operation to undo, instead of `networks` and `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<OperationId>,
    /// A person's word in place of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<Force>,
}

/// What a [`FailoverRequest`] asks for, once it is known to be one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailoverIntent {
    /// Move these networks to this site.
    Move {
        /// Networks, at least one.
        networks: BTreeSet<NetworkName>,
        /// Destination.
        to: SiteName,
        /// Only these addresses; none: whole networks.
        hosts: Option<BTreeSet<Ipv4Addr>>,
    },
    /// Undo this operation.
    Undo(OperationId),
}

impl FailoverRequest {
    /// What is asked for.
    ///
    /// # Errors
    /// One line that says what to write.
    pub fn intent(&self) -> Result<FailoverIntent, String> {
        if let Some(force) = &self.force
            && (force.by.trim().is_empty() || force.reason.trim().is_empty())
        {
            return Err("`force` needs `by` (who) and `reason`, neither empty".to_owned());
        }
        match (&self.hosts, &self.undo) {
            (Some(_), Some(_)) => return Err("`undo` stands alone; leave `hosts` out".to_owned()),
            (Some(hosts), None) if hosts.is_empty() => {
                return Err(
                    "`hosts` is empty; name at least one address, or leave it out to move whole networks".to_owned()
                );
            }
            (Some(_) | None, _) => {}
        }
        match (&self.networks, &self.to, &self.undo) {
            (Some(networks), Some(to), None) if !networks.is_empty() => {
                Ok(FailoverIntent::Move { networks: networks.clone(), to: to.clone(), hosts: self.hosts.clone() })
            }
            (Some(_), Some(_), None) => Err("`networks` is empty; name at least one network".to_owned()),
            (None, None, Some(operation)) => Ok(FailoverIntent::Undo(operation.clone())),
            (_, _, Some(_)) => Err("`undo` stands alone; leave `networks` and `to` out".to_owned()),
            (None, _, None) => {
                Err("`networks` is missing; write `{\"networks\": [\"..\"], \"to\": \"<site>\"}`".to_owned())
            }
            (_, None, None) => Err("`to` is missing; write `{\"networks\": [\"..\"], \"to\": \"<site>\"}`".to_owned()),
        }
    }
}

/// Starts `drill`: `{"networks": ["app"], "to": "nc2-osaka"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// Networks whose failover is tried on paper.
    pub networks: BTreeSet<NetworkName>,
    /// Site they would move to.
    pub to: SiteName,
}

/// A person's word in place of evidence; it is recorded with the operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Force {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}
