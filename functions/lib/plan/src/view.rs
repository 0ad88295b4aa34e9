//! A picture with some steps applied on paper, and the longest-prefix lookup in its tables.

use crate::step::{Place, RouteValue, Step, label};
use holdfast_model::{
    AttachmentId, AttachmentKind, Picture, Prefix, RouteOrigin, RouteState, RouteTableId, TgwTable, VpcRoute, VpcTable,
};
use std::collections::{BTreeMap, BTreeSet};

/// A picture with some steps applied on paper.
#[derive(Debug, Clone)]
pub struct View<'a> {
    picture: &'a Picture,
    changes: BTreeMap<(RouteTableId, Prefix), &'a RouteValue>,
}

/// What the longest-prefix lookup in a transit gateway route table found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// No route covers the destination.
    Nothing,
    /// This route decides.
    Route {
        /// Its prefix.
        prefix: Prefix,
        /// Its state.
        state: RouteState,
        /// Its attachments.
        targets: &'a [AttachmentId],
    },
    /// A static route of this prefix is deleted on paper, and what it hid was never read.
    Hidden(Prefix),
}

impl<'a> View<'a> {
    /// The picture as it was read.
    #[must_use]
    pub fn of(picture: &'a Picture) -> Self {
        Self { picture, changes: BTreeMap::new() }
    }

    /// The picture after these steps.
    #[must_use]
    pub fn after(picture: &'a Picture, steps: impl IntoIterator<Item = &'a Step>) -> Self {
        let changes = steps
            .into_iter()
            .filter_map(|step| match &step.place {
                Place::Route { prefix } => Some(((step.table.clone(), *prefix), &step.after)),
                Place::Reference { .. } | Place::Propagation { .. } => None,
            })
            .collect();
        Self { picture, changes }
    }

    /// The picture underneath.
    #[must_use]
    pub fn picture(&self) -> &'a Picture {
        self.picture
    }

    /// The route of a table that decides for every address of `destination` that no listed longer prefix takes.
    ///
    /// The longest prefix wins; of one prefix, a static route hides a propagated one (AWS: "How transit gateways work", route
    /// evaluation order).
    pub(crate) fn tgw_route(&self, table: &'a TgwTable, destination: Prefix) -> Found<'a> {
        for length in (0..=destination.length()).rev() {
            let prefix = Prefix::around(destination.network(), length);
            let read = table.routes.get(&prefix);
            let active = |targets| Found::Route { prefix, state: RouteState::Active, targets };
            match self.changes.get(&(table.id.clone(), prefix)) {
                Some(RouteValue::Static { attachment }) => return active(std::slice::from_ref(attachment)),
                Some(RouteValue::Blackhole) => {
                    return Found::Route { prefix, state: RouteState::Blackhole, targets: &[] };
                }
                Some(RouteValue::Absent) => match read {
                    Some(route) if route.origin == RouteOrigin::Propagated => {
                        return Found::Route { prefix, state: route.state, targets: &route.targets };
                    }
                    Some(_) if self.may_be_propagated(table, prefix) => return Found::Hidden(prefix),
                    Some(_) | None => {}
                },
                Some(
                    RouteValue::Tgw { .. }
                    | RouteValue::VpcPeering { .. }
                    | RouteValue::Eni { .. }
                    | RouteValue::Propagates,
                )
                | None => {
                    if let Some(route) = read {
                        return Found::Route { prefix, state: route.state, targets: &route.targets };
                    }
                }
            }
        }
        Found::Nothing
    }

    /// Whether a VPC attached to the table's transit gateway has exactly this prefix, and so may propagate it.
    fn may_be_propagated(&self, table: &TgwTable, prefix: Prefix) -> bool {
        self.picture.attachments.get(&table.scope.region).into_iter().flat_map(BTreeMap::values).any(|attachment| {
            attachment.tgw == table.tgw
                && matches!(&attachment.kind, AttachmentKind::Vpc { vpc, .. }
                    if self.picture.vpcs.get(vpc).is_some_and(|v| v.prefixes.contains(&prefix)))
        })
    }
}

/// The route of a VPC table that decides for `destination`.
pub(crate) fn vpc_route(table: &VpcTable, destination: Prefix) -> Option<(Prefix, &VpcRoute)> {
    (0..=destination.length()).rev().find_map(|length| {
        let prefix = Prefix::around(destination.network(), length);
        table.routes.get(&prefix).map(|route| (prefix, route))
    })
}

/// The parts of a prefix that tables may treat differently: the prefix itself (whatever no longer prefix takes), and every longer
/// prefix inside it that any table of the picture lists.
#[must_use]
pub fn parts(picture: &Picture, prefix: Prefix) -> BTreeSet<Prefix> {
    let last = Prefix::host(prefix.broadcast());
    let inside = |routes: &mut dyn Iterator<Item = Prefix>| -> Vec<Prefix> {
        routes.filter(|p| *p != prefix && prefix.covers(p)).collect()
    };
    let mut parts = BTreeSet::from([prefix]);
    for table in picture.tgw_tables.values() {
        parts.extend(inside(&mut table.routes.range(prefix..=last).map(|(p, _)| *p)));
    }
    for table in picture.vpcs.values().flat_map(|vpc| vpc.tables.values()) {
        parts.extend(inside(&mut table.routes.range(prefix..=last).map(|(p, _)| *p)));
    }
    parts
}

/// What a table holds for exactly this prefix, as far as static routes go.
///
/// # Errors
/// What is not settled, in plain words.
pub fn route_value(table: &TgwTable, prefix: Prefix) -> Result<RouteValue, String> {
    let Some(route) = table.routes.get(&prefix) else { return Ok(RouteValue::Absent) };
    if route.origin != RouteOrigin::Static {
        return Ok(RouteValue::Absent);
    }
    match (route.state, route.targets.first()) {
        (RouteState::Active | RouteState::Blackhole, Some(attachment)) => {
            Ok(RouteValue::Static { attachment: attachment.clone() })
        }
        (RouteState::Blackhole, None) => Ok(RouteValue::Blackhole),
        (RouteState::Pending, _) => Err("is pending".to_owned()),
        (RouteState::Deleting, _) => Err("is being deleted".to_owned()),
        (RouteState::Active, None) | (RouteState::Unknown, _) => Err("has a state that is not known".to_owned()),
    }
}

/// A table of a picture as an operator looks for it: Name tag and id.
pub(crate) fn table_label(picture: &Picture, id: &RouteTableId) -> String {
    label(picture.tgw_tables.get(id).and_then(|table| table.name.as_deref()), id)
}
