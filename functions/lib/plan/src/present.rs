//! What a place of a table holds now, as far as calls can change it.

use crate::step::{Place, RouteValue};
use holdfast_model::{
    Picture, Prefix, ReferenceState, RouteOrigin, RouteState, RouteTableId, Scope, TgwTable, VpcRouteOrigin, VpcTable,
    VpcTarget,
};

/// Why a place has no value that a step could change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoValue {
    /// The table, or what of it is asked for, was not read.
    Unread,
    /// It is changing: words that follow the place.
    Unsettled(String),
    /// Somebody else keeps it: who, or what it is.
    NotOurs(String),
}

/// What a table of the picture holds at a place. A propagated route counts as nothing; so does a route of a prefix list where a single route is
/// asked for.
///
/// # Errors
/// [`NoValue`].
pub fn value_at(picture: &Picture, table: &RouteTableId, place: &Place) -> Result<RouteValue, NoValue> {
    if let Some(table) = picture.tgw_tables.get(table) {
        return match place {
            Place::Route { prefix } => tgw_route(table, *prefix),
            Place::Reference { list, .. } => match table.references.get(list) {
                None => Ok(RouteValue::Absent),
                Some(reference) => match (reference.state, &reference.attachment) {
                    (ReferenceState::Available, Some(attachment)) => {
                        Ok(RouteValue::Static { attachment: attachment.clone() })
                    }
                    (ReferenceState::Available, None) => Ok(RouteValue::Blackhole),
                    (ReferenceState::Changing, _) => Err(NoValue::Unsettled("is being changed".to_owned())),
                    (ReferenceState::Deleting, _) => Err(NoValue::Unsettled("is being deleted".to_owned())),
                    (ReferenceState::Unknown, _) => Err(NoValue::Unsettled("has a state that is not known".to_owned())),
                },
            },
            Place::Propagation { attachment } => match &table.propagations {
                None => Err(NoValue::Unread),
                Some(on) if on.contains(attachment) => Ok(RouteValue::Propagates),
                Some(_) => Ok(RouteValue::Absent),
            },
        };
    }
    let Some((_, table)) = picture.vpc_table(table) else { return Err(NoValue::Unread) };
    match place {
        Place::Route { prefix } => vpc_route(table, *prefix),
        Place::Reference { .. } | Place::Propagation { .. } => {
            Err(NoValue::NotOurs("no transit gateway route table".to_owned()))
        }
    }
}

fn tgw_route(table: &TgwTable, prefix: Prefix) -> Result<RouteValue, NoValue> {
    let Some(route) = table.routes.get(&prefix) else { return Ok(RouteValue::Absent) };
    match &route.origin {
        RouteOrigin::Propagated | RouteOrigin::PrefixList { .. } => return Ok(RouteValue::Absent),
        RouteOrigin::Static => {}
    }
    match (route.state, route.targets.first()) {
        (RouteState::Active | RouteState::Blackhole, Some(attachment)) => {
            Ok(RouteValue::Static { attachment: attachment.clone() })
        }
        (RouteState::Blackhole, None) => Ok(RouteValue::Blackhole),
        (RouteState::Pending, _) => Err(NoValue::Unsettled("is pending".to_owned())),
        (RouteState::Deleting, _) => Err(NoValue::Unsettled("is being deleted".to_owned())),
        (RouteState::Active, None) | (RouteState::Unknown, _) => {
            Err(NoValue::Unsettled("has a state that is not known".to_owned()))
        }
    }
}

fn vpc_route(table: &VpcTable, prefix: Prefix) -> Result<RouteValue, NoValue> {
    let Some(route) = table.routes.get(&prefix) else { return Ok(RouteValue::Absent) };
    match route.origin {
        VpcRouteOrigin::Local => return Err(NoValue::NotOurs("the VPC's own prefix".to_owned())),
        VpcRouteOrigin::PrefixList | VpcRouteOrigin::Propagated => return Ok(RouteValue::Absent),
        VpcRouteOrigin::Created => {}
    }
    match route.state {
        RouteState::Active | RouteState::Blackhole => {}
        RouteState::Pending | RouteState::Deleting | RouteState::Unknown => {
            return Err(NoValue::Unsettled("has a state that is not known".to_owned()));
        }
    }
    if let Some(by) = &route.written_by {
        return Err(NoValue::NotOurs(format!("written and kept by {by}")));
    }
    match &route.target {
        VpcTarget::Tgw { id } => Ok(RouteValue::Tgw { id: id.clone() }),
        VpcTarget::Peering { id } => Ok(RouteValue::VpcPeering { id: id.clone() }),
        VpcTarget::Eni { id } => Ok(RouteValue::Eni { id: id.clone() }),
        VpcTarget::Local => Err(NoValue::NotOurs("the VPC's own prefix".to_owned())),
        VpcTarget::Other { id } => Err(NoValue::NotOurs(id.clone())),
    }
}

/// Account and Region that a table was read in.
pub(crate) fn scope_of<'a>(picture: &'a Picture, table: &RouteTableId) -> Option<&'a Scope> {
    match picture.tgw_tables.get(table) {
        Some(table) => Some(&table.scope),
        None => picture.vpc_table(table).map(|(vpc, _)| &vpc.scope),
    }
}

/// Name tag of a table.
pub(crate) fn tag_of(picture: &Picture, table: &RouteTableId) -> Option<String> {
    match picture.tgw_tables.get(table) {
        Some(table) => table.name.clone(),
        None => picture.vpc_table(table).and_then(|(_, table)| table.name.clone()),
    }
}

/// Service that made a table for itself.
pub(crate) fn manager_of<'a>(picture: &'a Picture, table: &RouteTableId) -> Option<&'a str> {
    match picture.tgw_tables.get(table) {
        Some(table) => table.managed_by.as_deref(),
        None => picture.vpc_table(table).and_then(|(_, table)| table.managed_by.as_deref()),
    }
}
