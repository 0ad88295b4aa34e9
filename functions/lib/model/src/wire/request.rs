//! What a person types to start an execution.

use crate::{EventId, HostName, InventoryVersion, NamedVersions, NetworkName, OperationId, Region, SiteName, WaveName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Starts `capture`: `{"wave": "wave-1"}`, or `{"wave": "wave-1", "import": "<table>"}` for what older scripts recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureRequest {
    /// The wave to capture.
    pub wave: WaveName,
    /// Hosts whose guest may say otherwise than the EC2 API; the API then counts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accept_contradiction: BTreeSet<HostName>,
    /// A DynamoDB table that older scripts wrote, with `InstanceId`, `InstanceName` and `PrivateIp` on each item: the wave is taken from it, and
    /// neither EC2 nor a guest is asked. The stack names it too, as `ImportTable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<String>,
}

/// Starts `cutover`: `{"wave": "wave-1"}`, or `{"wave": "wave-1", "inventory": 3}` with a version of its inventory that is not the newest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CutoverRequest {
    /// The wave that Move has migrated.
    pub wave: WaveName,
    /// Version of its inventory that counts. Left out: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventoryVersion>,
    /// The event that starts it: what the networks' policy says of it counts. Left out: a person starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Who approved what an event proposed; recorded with the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
}

impl CutoverRequest {
    /// The version that it names, as every function after it takes it.
    #[must_use]
    pub fn named(&self) -> NamedVersions {
        named(&self.wave, self.inventory)
    }
}

/// The version that a request names for its wave, if it does.
pub(crate) fn named(wave: &WaveName, version: Option<InventoryVersion>) -> NamedVersions {
    version.map(|version| (wave.clone(), version)).into_iter().collect()
}

/// Starts `recheck`: `{"wave": "wave-1"}`, a day after its cutover or at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecheckRequest {
    /// The wave that has moved.
    pub wave: WaveName,
    /// Site that its machines are at. Left out: the one that it was cut over to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<SiteName>,
    /// Version of its inventory that counts. Left out: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventoryVersion>,
}

/// Starts `failover`: `{"networks": ["app"], "to": "nc2-osaka"}` or `{"undo": "op-.."}`, with `"lost": "<Region>"` when a Region is gone, or
/// `{"reconcile": ["app"]}` when it is back, or when tables do not follow any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A Region that is declared lost: not one call is made to it, and its tables stay as they are. What they should hold is kept, for
    /// `reconcile`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Region>,
    /// Operation to undo, instead of `networks` and `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<OperationId>,
    /// Networks that moved while a Region was lost, instead of `networks` and `to`: that Region's tables follow. Where nothing is owed, tables that do not
    /// follow where the last operation left these networks are led back there, as far as the networks' `drift` policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconcile: Option<BTreeSet<NetworkName>>,
    /// Versions of the inventory that count, by wave. Left out: of every wave the newest.
    #[serde(default, skip_serializing_if = "NamedVersions::is_empty")]
    pub inventory: NamedVersions,
    /// A person's word in place of evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<Force>,
    /// Sites that may be silent: nobody there is looked for where Prism Central does not answer. Their Region is called, and its tables are changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<Box<Waiver>>,
    /// The event that starts it: what the networks' policy says of it counts. Left out: a person starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Who approved what an event proposed; recorded with the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
}

/// What a [`FailoverRequest`] asks for, once it is known to be one of these.
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
        /// The Region that is declared lost.
        lost: Option<Region>,
    },
    /// Undo an operation.
    Undo {
        /// The operation.
        operation: OperationId,
        /// The Region that is declared lost.
        lost: Option<Region>,
    },
    /// Bring the tables of a Region that was lost to where these networks moved meanwhile; where none was, those that do not follow to where the last
    /// operation left them.
    Reconcile(BTreeSet<NetworkName>),
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
        if self.undo.is_some() || self.reconcile.is_some() {
            let alone = if self.undo.is_some() { "undo" } else { "reconcile" };
            let others = [
                ("networks", self.networks.is_some()),
                ("to", self.to.is_some()),
                ("hosts", self.hosts.is_some()),
                ("lost", alone == "reconcile" && self.lost.is_some()),
                ("reconcile", alone == "undo" && self.reconcile.is_some()),
            ];
            let given: Vec<String> =
                others.iter().filter(|(_, given)| *given).map(|(name, _)| format!("`{name}`")).collect();
            if !given.is_empty() {
                return Err(format!("`{alone}` stands alone; leave {} out", given.join(" and ")));
            }
        }
        if let Some(operation) = &self.undo {
            return Ok(FailoverIntent::Undo { operation: operation.clone(), lost: self.lost.clone() });
        }
        if let Some(networks) = &self.reconcile {
            return match networks.is_empty() {
                true => Err("`reconcile` is empty; name at least one network".to_owned()),
                false => Ok(FailoverIntent::Reconcile(networks.clone())),
            };
        }
        let form = "write `{\"networks\": [\"..\"], \"to\": \"<site>\"}`";
        let networks = self.networks.clone().ok_or_else(|| format!("`networks` is missing; {form}"))?;
        let to = self.to.clone().ok_or_else(|| format!("`to` is missing; {form}"))?;
        if networks.is_empty() {
            return Err("`networks` is empty; name at least one network".to_owned());
        }
        if self.hosts.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(
                "`hosts` is empty; name at least one address, or leave it out to move whole networks".to_owned()
            );
        }
        Ok(FailoverIntent::Move { networks, to, hosts: self.hosts.clone(), lost: self.lost.clone() })
    }
}

/// Starts `drill`: `{"networks": ["app"], "to": "nc2-osaka"}`, with `"test_failover": true, "recovery_plan": "app"` for copies in the test network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// Networks whose failover is tried on paper.
    pub networks: BTreeSet<NetworkName>,
    /// Site they would move to.
    pub to: SiteName,
    /// A Region that the plan does without, as if it were lost; the checks of today's state still call it. Such a drill does not count as the last
    /// good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Region>,
    /// Whether the recovery plan is tried too, by Nutanix's test failover into its test network; the copies are removed afterwards.
    #[serde(default, skip_serializing_if = "is_false")]
    pub test_failover: bool,
    /// Name of the recovery plan, as the Prism Central of the site has it; with `test_failover`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_plan: Option<String>,
    /// Versions of the inventory that count, by wave. Left out: of every wave the newest.
    #[serde(default, skip_serializing_if = "NamedVersions::is_empty")]
    pub inventory: NamedVersions,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl DrillRequest {
    /// The recovery plan whose test failover is wanted; none where none is.
    ///
    /// # Errors
    /// A sentence that says what does not go together.
    pub fn tested_plan(&self) -> Result<Option<&str>, String> {
        match (self.test_failover, &self.recovery_plan) {
            (false, None) => Ok(None),
            (true, Some(_)) if self.lost.is_some() => {
                Err("`test_failover` and `lost` do not go together: drill once with the one and once with the other"
                    .to_owned())
            }
            (true, Some(plan)) => Ok(Some(plan)),
            (true, None) => Err("`test_failover` needs the name of the recovery plan as `recovery_plan`".to_owned()),
            (false, Some(_)) => Err("`recovery_plan` is for `\"test_failover\": true`, which is not there".to_owned()),
        }
    }
}

/// Sites whose Prism Central does not answer and that are not counted on, and on whose word; it is recorded with the operation. One that answers is judged
/// as any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// NC2 sites, at least one; not the destination.
    pub sites: BTreeSet<SiteName>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
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
