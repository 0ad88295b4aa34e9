//! What was read of VPCs: subnets, and the route tables that decide inside of them.

use crate::{EniId, Prefix, RouteState, RouteTableId, Scope, SubnetId, TgwId, VpcId, VpcPeeringId, ZoneName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A VPC with its subnets and the tables that decide inside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// The VPC.
    pub id: VpcId,
    /// Account (by map name) and Region it was read in.
    pub scope: Scope,
    /// Its own prefixes: what `local` means.
    pub prefixes: Vec<Prefix>,
    /// Subnets, each with the table that decides for it (the main table where none is associated).
    pub subnets: BTreeMap<SubnetId, VpcSubnet>,
    /// The main route table.
    pub main: Option<RouteTableId>,
    /// Route tables.
    pub tables: BTreeMap<RouteTableId, VpcTable>,
}

/// A subnet of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcSubnet {
    /// Its prefix.
    pub prefix: Prefix,
    /// The table that decides for it.
    pub table: RouteTableId,
    /// Its Availability Zone; none where it was not read. From a Zone in which an attachment has no subnet nothing reaches the transit gateway (Amazon
    /// VPC Transit Gateways guide, "VPC attachments").
    pub zone: Option<ZoneName>,
}

/// A route table of a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcTable {
    /// Its Name tag.
    pub name: Option<String>,
    /// Service that made the table for itself, by its tag, as AWS FIS (`managedByFIS`): such a table is never changed.
    pub managed_by: Option<String>,
    /// Routes by prefix, the deciding one: a created route hides one of a prefix list, and that one a propagated one (Amazon VPC user guide, "How
    /// route priority works").
    pub routes: BTreeMap<Prefix, VpcRoute>,
    /// By prefix, what a created route hides: it decides once that one is deleted.
    pub hidden: BTreeMap<Prefix, VpcRoute>,
}

impl VpcTable {
    /// The route of a prefix that decides where no created route does.
    #[must_use]
    pub fn beneath(&self, prefix: &Prefix) -> Option<&VpcRoute> {
        match self.routes.get(prefix) {
            Some(route) if route.origin != VpcRouteOrigin::Created => Some(route),
            Some(_) | None => self.hidden.get(prefix),
        }
    }

    /// Adds a route that EC2 told of, in whatever order it tells. Of two routes of one origin and prefix with different targets AWS chooses one at
    /// random (there, "Route priority for prefix lists"): where the route leads is then not known.
    pub fn add(&mut self, prefix: Prefix, route: VpcRoute) {
        let Some(known) = self.routes.get_mut(&prefix) else {
            self.routes.insert(prefix, route);
            return;
        };
        if known.origin == route.origin {
            known.unsure(&route);
            return;
        }
        let lower = if route.origin < known.origin { std::mem::replace(known, route) } else { route };
        if known.origin != VpcRouteOrigin::Created {
            return;
        }
        match self.hidden.get_mut(&prefix) {
            Some(known) if known.origin == lower.origin => known.unsure(&lower),
            Some(known) if known.origin < lower.origin => {}
            _ => drop(self.hidden.insert(prefix, lower)),
        }
    }
}

/// A route of a VPC route table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VpcRoute {
    /// Where it leads.
    pub target: VpcTarget,
    /// `Active` or `Blackhole`.
    pub state: RouteState,
    /// How it came into the table.
    pub origin: VpcRouteOrigin,
    /// Service that wrote it and keeps it, as far as that is known: `NC2` for a prefix that leads to a host of NC2.
    pub written_by: Option<String>,
}

impl VpcRoute {
    /// An active route that a call made.
    #[must_use]
    pub fn created(target: VpcTarget) -> Self {
        Self { target, state: RouteState::Active, origin: VpcRouteOrigin::Created, written_by: None }
    }

    /// Another route of its origin and prefix leads elsewhere.
    fn unsure(&mut self, other: &Self) {
        if self.target != other.target {
            self.state = RouteState::Unknown;
        }
    }

    /// The `local` route of a VPC.
    #[must_use]
    pub fn local() -> Self {
        Self { origin: VpcRouteOrigin::Local, ..Self::created(VpcTarget::Local) }
    }
}

/// How a route came into a VPC route table; of one prefix, the first of these decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcRouteOrigin {
    /// With the table (`CreateRouteTable`): the VPC's own prefixes.
    Local,
    /// By a call (`CreateRoute`).
    Created,
    /// By a call that named a managed prefix list.
    PrefixList,
    /// Propagated by a virtual private gateway.
    Propagated,
}

/// Where a route of a VPC leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VpcTarget {
    /// Inside the VPC.
    Local,
    /// A transit gateway.
    Tgw {
        /// The transit gateway.
        id: TgwId,
    },
    /// A network interface: for an FVN prefix, of an NC2 host.
    Eni {
        /// The interface.
        id: EniId,
    },
    /// A VPC peering connection.
    Peering {
        /// The connection.
        id: VpcPeeringId,
    },
    /// Another kind (gateway, endpoint), by its id.
    Other {
        /// Its id.
        id: String,
    },
}
