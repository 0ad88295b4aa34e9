//! A route change as one value, and a plan as stages of them.

use crate::stored::StoredStep;
use holdfast_model::{
    AttachmentId, EniId, NetworkName, NextHop, Prefix, PrefixListId, RouteTableId, Scope, SiteName, TableName, TgwId,
    VpcPeeringId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

/// What of a route table a step changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Place {
    /// The route of exactly this prefix.
    Route {
        /// The prefix.
        prefix: Prefix,
    },
    /// The reference to a managed prefix list: one route for each of its entries.
    Reference {
        /// The list.
        list: PrefixListId,
        /// Its entries when it was read.
        prefixes: BTreeSet<Prefix>,
    },
    /// Whether an attachment propagates its prefixes into the table.
    Propagation {
        /// The attachment.
        attachment: AttachmentId,
    },
}

impl Place {
    /// What of the table it is, without what was read of it: two steps of a plan never share table and spot.
    #[must_use]
    pub fn spot(&self) -> Spot {
        match self {
            Place::Route { prefix } => Spot::Route(*prefix),
            Place::Reference { list, .. } => Spot::Reference(list.clone()),
            Place::Propagation { attachment } => Spot::Propagation(attachment.clone()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Route { prefix } => write!(f, "route {prefix}"),
            Place::Reference { list, prefixes } => write!(f, "reference to {list} ({} prefixes)", prefixes.len()),
            Place::Propagation { attachment } => write!(f, "propagation of {attachment}"),
        }
    }
}

/// What of a table a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// The route of exactly this prefix.
    Route(Prefix),
    /// The reference to this prefix list.
    Reference(PrefixListId),
    /// The propagation of this attachment.
    Propagation(AttachmentId),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spot::Route(prefix) => write!(f, "route {prefix}"),
            Spot::Reference(list) => write!(f, "reference to {list}"),
            Spot::Propagation(attachment) => write!(f, "propagation of {attachment}"),
        }
    }
}

/// What a place of a route table holds, as far as calls can change it.
///
/// A propagated route does not count: it is hidden by a static one and comes back when that one is deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RouteValue {
    /// Nothing: no static route, no reference, no propagation.
    Absent,
    /// A static route or a reference to an attachment of the transit gateway.
    Static {
        /// The attachment.
        attachment: AttachmentId,
    },
    /// A static route or a reference that drops the traffic, without an attachment.
    Blackhole,
    /// Of a VPC table: a route to a transit gateway.
    Tgw {
        /// The transit gateway.
        id: TgwId,
    },
    /// Of a VPC table: a route to a VPC peering connection.
    VpcPeering {
        /// The connection.
        id: VpcPeeringId,
    },
    /// Of a VPC table: a route to a network interface.
    Eni {
        /// The interface.
        id: EniId,
    },
    /// The attachment propagates.
    Propagates,
}

impl RouteValue {
    /// What a table holds when it follows this entry of the matrix.
    #[must_use]
    pub fn of(hop: &NextHop) -> Self {
        match hop {
            NextHop::Attachment { id } | NextHop::Peering { id } => Self::Static { attachment: id.clone() },
            NextHop::Tgw { id } => Self::Tgw { id: id.clone() },
            NextHop::VpcPeering { id } => Self::VpcPeering { id: id.clone() },
            NextHop::Eni { id } => Self::Eni { id: id.clone() },
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
            RouteValue::Tgw { id } => write!(f, "{id}"),
            RouteValue::VpcPeering { id } => write!(f, "{id}"),
            RouteValue::Eni { id } => write!(f, "{id}"),
            RouteValue::Propagates => f.write_str("on"),
        }
    }
}

/// One change of one route table: its precondition, its idempotency check, its inverse and the line that an operator reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "StoredStep")]
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
    /// Networks that the change is made for.
    pub networks: BTreeSet<NetworkName>,
    /// What of the table is changed.
    pub place: Place,
    /// What the place must hold before.
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

    /// Table and spot: two steps of a plan never share them.
    #[must_use]
    pub fn key(&self) -> (RouteTableId, Spot) {
        (self.table.clone(), self.place.spot())
    }

    /// The table as an operator looks for it: Name tag, or else its name in the network map, and id.
    #[must_use]
    pub fn label(&self) -> String {
        label(Some(self.tag.as_deref().unwrap_or(self.name.as_str())), &self.table)
    }

    /// A value of this step's place in words: a propagation is on or off, a reference there or not.
    #[must_use]
    pub fn words(&self, value: &RouteValue) -> String {
        match (&self.place, value) {
            (Place::Propagation { .. }, RouteValue::Absent) => "off".to_owned(),
            (Place::Reference { .. }, RouteValue::Absent) => "no reference".to_owned(),
            (Place::Route { .. } | Place::Reference { .. } | Place::Propagation { .. }, value) => value.to_string(),
        }
    }

    /// What is changed, in words.
    #[must_use]
    pub fn place_words(&self) -> String {
        match &self.place {
            Place::Route { prefix } => prefix.to_string(),
            Place::Reference { list, prefixes } => format!("{list} ({} prefixes)", prefixes.len()),
            Place::Propagation { attachment } => format!("propagation of {attachment}"),
        }
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
            "{} {}: {} from {} to {}",
            self.scope.region,
            self.label(),
            self.place,
            self.words(&self.before),
            self.words(&self.after)
        )
    }
}

/// What is wanted: networks, or some machines of them, led to a site.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    /// Networks.
    pub networks: &'a BTreeSet<NetworkName>,
    /// Site that they move to.
    pub to: &'a SiteName,
    /// Only these addresses move, by host routes; none: whole networks.
    pub hosts: Option<&'a BTreeSet<Ipv4Addr>>,
}

impl<'a> Move<'a> {
    /// Whole networks.
    #[must_use]
    pub fn whole(networks: &'a BTreeSet<NetworkName>, to: &'a SiteName) -> Self {
        Self { networks, to, hosts: None }
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
    /// Only these addresses move; none: whole networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<Ipv4Addr>>,
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
