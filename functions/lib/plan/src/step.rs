//! A route change as one value, and a plan as stages of them.

use holdfast_model::{AttachmentId, NetworkName, NextHop, Prefix, RouteTableId, Scope, SiteName, TableName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What a transit gateway route table holds for exactly one prefix, as far as static routes go.
///
/// A propagated route of the same prefix does not count: it is hidden by a static one and comes back when that one is deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RouteValue {
    /// No static route.
    Absent,
    /// A static route to an attachment.
    Static {
        /// The attachment.
        attachment: AttachmentId,
    },
    /// A static route that drops the traffic, without an attachment.
    Blackhole,
}

impl RouteValue {
    /// What a table holds when it follows this entry of the matrix.
    #[must_use]
    pub fn of(hop: &NextHop) -> Self {
        match hop {
            NextHop::Attachment { id } | NextHop::Peering { id } => Self::Static { attachment: id.clone() },
            NextHop::Absent { .. } => Self::Absent,
            NextHop::Blackhole => Self::Blackhole,
        }
    }
}

impl fmt::Display for RouteValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteValue::Absent => f.write_str("no static route"),
            RouteValue::Static { attachment } => write!(f, "{attachment}"),
            RouteValue::Blackhole => f.write_str("blackhole"),
        }
    }
}

/// One change of one route: its precondition, its idempotency check, its inverse and the line that an operator reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The table.
    pub table: RouteTableId,
    /// Its name in the network map.
    pub name: TableName,
    /// Its Name tag in EC2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Account and Region of the table.
    pub scope: Scope,
    /// Network that moves.
    pub network: NetworkName,
    /// Prefix of the route.
    pub prefix: Prefix,
    /// What the table must hold before.
    pub before: RouteValue,
    /// What it holds after.
    pub after: RouteValue,
    /// Why, in a few words.
    pub why: String,
}

impl Step {
    /// The step that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self {
            before: self.after.clone(),
            after: self.before.clone(),
            why: format!("back to what {} held before", self.name),
            ..self.clone()
        }
    }

    /// Table and prefix: two steps of a plan never share it.
    #[must_use]
    pub fn place(&self) -> (&RouteTableId, Prefix) {
        (&self.table, self.prefix)
    }

    /// The table as an operator looks for it: Name tag, or else its name in the network map, and id.
    #[must_use]
    pub fn label(&self) -> String {
        label(Some(self.tag.as_deref().unwrap_or(self.name.as_str())), &self.table)
    }
}

/// A table as an operator looks for it: Name tag and id.
pub(crate) fn label(tag: Option<&str>, id: &RouteTableId) -> String {
    tag.map_or_else(|| id.to_string(), |tag| format!("{tag} ({id})"))
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: route {} from {} to {}",
            self.scope.region,
            self.label(),
            self.prefix,
            self.before,
            self.after
        )
    }
}

/// Route changes in order. The steps of one stage may land in any order; a stage begins when the one before it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Networks that move.
    pub networks: BTreeSet<NetworkName>,
    /// Site that they move to.
    pub to: SiteName,
    /// Stages, none of them empty.
    pub stages: Vec<Vec<Step>>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.iter().all(Vec::is_empty)
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flatten()
    }
}
