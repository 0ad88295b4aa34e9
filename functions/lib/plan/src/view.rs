//! A picture with some steps applied on paper, and the longest-prefix lookup in its tables.

use crate::step::{Place, RouteValue, Step, label};
use crate::uncovered::propagated_prefix;
use holdfast_model::{
    Attachment, AttachmentId, AttachmentKind, Picture, Prefix, PrefixListId, ReferenceState, RouteOrigin, RouteState,
    RouteTableId, TgwRoute, TgwTable, Vpc, VpcRoute, VpcTable, VpcTarget,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A picture with some steps applied on paper.
#[derive(Debug, Clone)]
pub struct View<'a> {
    picture: &'a Picture,
    index: Rc<Index<'a>>,
    changes: BTreeMap<&'a RouteTableId, Changes<'a>>,
}

/// What is looked up often.
#[derive(Debug)]
struct Index<'a> {
    /// Prefix lengths that occur anywhere, one bit each.
    lengths: u64,
    /// VPC tables with their VPCs.
    vpc_tables: BTreeMap<&'a RouteTableId, (&'a Vpc, &'a VpcTable)>,
}

/// Steps of one table.
#[derive(Debug, Clone, Default)]
struct Changes<'a> {
    routes: BTreeMap<Prefix, &'a RouteValue>,
    references: BTreeMap<&'a PrefixListId, &'a RouteValue>,
    propagations: BTreeMap<&'a AttachmentId, &'a RouteValue>,
    lengths: u64,
}

/// What the lookup in a transit gateway route table found.
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
        targets: Cow<'a, [AttachmentId]>,
    },
    /// A route of this prefix is gone on paper, and what it hid was never read.
    Hidden(Prefix),
}

fn bit(prefix: Prefix) -> u64 {
    1_u64 << prefix.length()
}

impl<'a> View<'a> {
    /// The picture as it was read.
    #[must_use]
    pub fn of(picture: &'a Picture) -> Self {
        let tgw = picture.tgw_tables.values().flat_map(|table| table.routes.keys());
        let vpc = picture.vpcs.values().flat_map(|vpc| vpc.tables.values()).flat_map(|table| table.routes.keys());
        let own = picture.vpcs.values().flat_map(|vpc| &vpc.prefixes);
        let lists = picture.prefix_lists.values().flat_map(|list| &list.entries);
        let lengths = tgw.chain(vpc).chain(own).chain(lists).fold(0, |all, prefix| all | bit(*prefix));
        let vpc_tables = picture.vpcs.values().flat_map(|vpc| vpc.tables.iter().map(move |(id, t)| (id, (vpc, t))));
        let index = Rc::new(Index { lengths, vpc_tables: vpc_tables.collect() });
        Self { picture, index, changes: BTreeMap::new() }
    }

    /// The picture after these steps.
    #[must_use]
    pub fn after(picture: &'a Picture, steps: impl IntoIterator<Item = &'a Step>) -> Self {
        Self::of(picture).with(steps)
    }

    /// The same picture after these steps, and no others.
    #[must_use]
    pub fn with(&self, steps: impl IntoIterator<Item = &'a Step>) -> Self {
        let mut all: BTreeMap<&RouteTableId, Changes<'_>> = BTreeMap::new();
        for step in steps {
            let changes = all.entry(&step.table).or_default();
            match &step.place {
                Place::Route { prefix } => {
                    changes.lengths |= bit(*prefix);
                    changes.routes.insert(*prefix, &step.after);
                }
                Place::Reference { list, prefixes } => {
                    changes.lengths = prefixes.iter().fold(changes.lengths, |all, prefix| all | bit(*prefix));
                    changes.references.insert(list, &step.after);
                }
                Place::Propagation { attachment } => drop(changes.propagations.insert(attachment, &step.after)),
            }
        }
        Self { picture: self.picture, index: Rc::clone(&self.index), changes: all }
    }

    /// The picture underneath.
    #[must_use]
    pub fn picture(&self) -> &'a Picture {
        self.picture
    }

    /// A VPC table and its VPC; none when it was not read.
    pub(crate) fn vpc_table(&self, id: &RouteTableId) -> Option<(&'a Vpc, &'a VpcTable)> {
        self.index.vpc_tables.get(id).copied()
    }

    fn lengths(&self, table: &RouteTableId, at_most: u8) -> impl Iterator<Item = u8> + use<> {
        let all = self.index.lengths | self.changes.get(table).map_or(0, |changes| changes.lengths);
        (0..=at_most.min(32)).rev().filter(move |length| all & (1_u64 << length) != 0)
    }

    /// The route of a table that decides for every address of `destination` that no listed longer prefix takes.
    ///
    /// The longest prefix wins; of one prefix, a static route hides one of a prefix list, and that one a propagated one (AWS: "How transit
    /// gateways work", route evaluation order).
    pub(crate) fn tgw_route(&self, table: &'a TgwTable, destination: Prefix) -> Found<'a> {
        self.tgw_routes(table, destination).next().unwrap_or(Found::Nothing)
    }

    /// Every route of a table that covers `destination`, the longest first.
    pub(crate) fn tgw_routes(&self, table: &'a TgwTable, destination: Prefix) -> impl Iterator<Item = Found<'a>> {
        self.lengths(&table.id, destination.length())
            .filter_map(move |length| self.tgw_route_of(table, Prefix::around(destination.network(), length)))
    }

    /// The route of exactly this prefix.
    pub(crate) fn tgw_route_of(&self, table: &'a TgwTable, prefix: Prefix) -> Option<Found<'a>> {
        match self.changes.get(&table.id) {
            None => table.routes.get(&prefix).map(|route| read(prefix, route)),
            Some(changes) => self.changed(table, changes, prefix),
        }
    }

    /// The route of exactly this prefix in a table that steps change.
    fn changed(&self, table: &'a TgwTable, changes: &Changes<'a>, prefix: Prefix) -> Option<Found<'a>> {
        let seen = table.routes.get(&prefix);
        match changes.routes.get(&prefix) {
            Some(value @ (RouteValue::Static { .. } | RouteValue::Blackhole)) => return led(prefix, value),
            Some(
                RouteValue::Absent
                | RouteValue::Tgw { .. }
                | RouteValue::VpcPeering { .. }
                | RouteValue::Eni { .. }
                | RouteValue::Propagates,
            ) => {}
            None => {
                if let Some(route) = seen.filter(|route| route.origin == RouteOrigin::Static) {
                    return Some(read(prefix, route));
                }
            }
        }
        self.listed(table, changes, prefix).or_else(|| self.propagated(table, changes, prefix))
    }

    /// The route of exactly this prefix by a reference to a prefix list.
    fn listed(&self, table: &'a TgwTable, changes: &Changes<'a>, prefix: Prefix) -> Option<Found<'a>> {
        let seen = table.routes.get(&prefix);
        let mut found: Vec<Found<'a>> = Vec::new();
        let lists: BTreeSet<&PrefixListId> =
            table.references.keys().chain(changes.references.keys().copied()).collect();
        for list in lists {
            let holds = match self.picture.prefix_lists.get(list) {
                Some(read) => read.entries.contains(&prefix),
                // Its routes are known where they decide, and unknown where another one hides them.
                None => seen.is_some_and(|route| route.origin == RouteOrigin::PrefixList { id: list.clone() }),
            };
            match (changes.references.get(list), table.references.get(list)) {
                _ if !holds => {}
                (Some(value), _) => found.extend(led(prefix, value)),
                (None, Some(reference)) => found.push(Found::Route {
                    prefix,
                    state: match (reference.state, &reference.attachment) {
                        (ReferenceState::Available, Some(_)) => RouteState::Active,
                        (ReferenceState::Available, None) => RouteState::Blackhole,
                        (ReferenceState::Changing | ReferenceState::Deleting | ReferenceState::Unknown, _) => {
                            RouteState::Unknown
                        }
                    },
                    targets: Cow::Borrowed(reference.attachment.as_slice()),
                }),
                (None, None) => {}
            }
        }
        // What was read of a route that is still there counts, with its state.
        if let Some(route) = seen
            && let RouteOrigin::PrefixList { id } = &route.origin
            && !changes.references.contains_key(id)
        {
            return Some(read(prefix, route));
        }
        match found.len() {
            0 => None,
            1 => found.pop(),
            // Two lists with one entry: which of them decides is not documented.
            _ => Some(Found::Hidden(prefix)),
        }
    }

    /// The propagated route of exactly this prefix. What VPNs and Direct Connect gateways propagate is known only where it decides, in this table or
    /// in another one: see [`crate::uncovered`].
    fn propagated(&self, table: &'a TgwTable, changes: &Changes<'a>, prefix: Prefix) -> Option<Found<'a>> {
        let seen = table.routes.get(&prefix);
        let on = |id: &AttachmentId| changes.propagations.get(id).map(|value| **value == RouteValue::Propagates);
        let shown = seen.filter(|route| route.origin == RouteOrigin::Propagated);
        if let Some(route) = shown {
            let left: Vec<AttachmentId> =
                route.targets.iter().filter(|target| on(target) != Some(false)).cloned().collect();
            if left.len() == route.targets.len() {
                return Some(read(prefix, route));
            }
            if !left.is_empty() {
                return Some(Found::Route { prefix, state: route.state, targets: Cow::Owned(left) });
            }
        }
        let region = &table.scope.region;
        let mut own: Vec<&'a Attachment> = Vec::new();
        let mut unread = false;
        for attachment in self.picture.attachments.get(region).into_iter().flat_map(BTreeMap::values) {
            let propagates = match (on(&attachment.id), &table.propagations) {
                (Some(on), _) => Some(on),
                // A route that was neither there nor hidden before does not come by itself.
                (None, _) if seen.is_none() => Some(false),
                (None, Some(all)) => Some(all.contains(&attachment.id)),
                (None, None) => None,
            };
            if attachment.tgw != table.tgw
                || propagates == Some(false)
                || propagated_prefix(self.picture, table, attachment, prefix) != Some(true)
            {
                continue;
            }
            match propagates {
                Some(_) => own.push(attachment),
                None => unread = true,
            }
        }
        let vpcs = own.iter().any(|attachment| matches!(attachment.kind, AttachmentKind::Vpc { .. }));
        own.retain(|attachment| !vpcs || matches!(attachment.kind, AttachmentKind::Vpc { .. }));
        match own.as_slice() {
            _ if unread => Some(Found::Hidden(prefix)),
            [] => None,
            [one] => Some(Found::Route {
                prefix,
                state: RouteState::Active,
                targets: Cow::Borrowed(std::slice::from_ref(&one.id)),
            }),
            // Two VPCs of one prefix: which of them decides is not documented.
            [_, _, ..] => Some(Found::Hidden(prefix)),
        }
    }

    /// The route of a VPC table that decides for `destination`.
    pub(crate) fn vpc_route(&self, id: &RouteTableId, destination: Prefix) -> Option<(Prefix, Cow<'a, VpcRoute>)> {
        let (_, table) = self.vpc_table(id)?;
        let changes = self.changes.get(id);
        self.lengths(id, destination.length()).find_map(|length| {
            let prefix = Prefix::around(destination.network(), length);
            let target = match changes.and_then(|changes| changes.routes.get(&prefix)) {
                None => return table.routes.get(&prefix).map(|route| (prefix, Cow::Borrowed(route))),
                Some(RouteValue::Tgw { id }) => VpcTarget::Tgw { id: id.clone() },
                Some(RouteValue::VpcPeering { id }) => VpcTarget::Peering { id: id.clone() },
                Some(RouteValue::Eni { id }) => VpcTarget::Eni { id: id.clone() },
                Some(
                    RouteValue::Absent | RouteValue::Static { .. } | RouteValue::Blackhole | RouteValue::Propagates,
                ) => return table.beneath(&prefix).map(|route| (prefix, Cow::Borrowed(route))),
            };
            Some((prefix, Cow::Owned(VpcRoute::created(target))))
        })
    }
}

fn read(prefix: Prefix, route: &TgwRoute) -> Found<'_> {
    Found::Route { prefix, state: route.state, targets: Cow::Borrowed(&route.targets) }
}

/// A route that was made on paper.
fn led(prefix: Prefix, value: &RouteValue) -> Option<Found<'_>> {
    match value {
        RouteValue::Static { attachment } => Some(Found::Route {
            prefix,
            state: RouteState::Active,
            targets: Cow::Borrowed(std::slice::from_ref(attachment)),
        }),
        RouteValue::Blackhole => {
            Some(Found::Route { prefix, state: RouteState::Blackhole, targets: Cow::Borrowed(&[]) })
        }
        RouteValue::Absent
        | RouteValue::Tgw { .. }
        | RouteValue::VpcPeering { .. }
        | RouteValue::Eni { .. }
        | RouteValue::Propagates => None,
    }
}

/// The parts of a prefix that tables may treat differently: the prefix itself (whatever no longer prefix takes), and every longer
/// prefix inside it that any table, prefix list or VPC of the picture has.
#[must_use]
pub fn parts(picture: &Picture, prefix: Prefix) -> BTreeSet<Prefix> {
    let all = prefix..=Prefix::host(prefix.broadcast());
    let inside = |other: &&Prefix| **other != prefix && prefix.covers(other);
    let mut parts = BTreeSet::from([prefix]);
    for table in picture.tgw_tables.values() {
        parts.extend(table.routes.range(all.clone()).map(|(p, _)| p).filter(inside));
    }
    for vpc in picture.vpcs.values() {
        for table in vpc.tables.values() {
            parts.extend(table.routes.range(all.clone()).map(|(p, _)| p).filter(inside));
        }
        parts.extend(vpc.prefixes.iter().filter(inside));
    }
    for list in picture.prefix_lists.values() {
        parts.extend(list.entries.range(all.clone()).filter(inside));
    }
    parts
}

/// A table of a picture as an operator looks for it: Name tag and id.
pub(crate) fn table_label(picture: &Picture, id: &RouteTableId) -> String {
    let name = match picture.tgw_tables.get(id) {
        Some(table) => table.name.as_deref(),
        None => picture.vpc_table(id).and_then(|(_, table)| table.name.as_deref()),
    };
    label(name, id)
}
