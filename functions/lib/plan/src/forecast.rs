//! What a plan costs: calls and seconds, and what it takes of the quotas; and what of its end nobody can know beforehand.

use crate::advertised::advertised;
use crate::step::{Place, Plan, RouteValue, Step};
use crate::touch::propagated_prefixes;
use crate::uncovered::uncovered;
use crate::view::table_label;
use holdfast_model::{
    NetworkMap, Picture, PrefixListId, Quota, QuotaName, RouteOrigin, RouteTableId, Scope, TgwId, TgwTable,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Mutating calls that an account may make at once in one Region through one EC2 API ("Request throttling for the Amazon EC2 API").
const BUCKET: usize = 50;

/// Mutating calls that come back to the bucket each second.
const REFILL: usize = 5;

/// What a plan costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// Calls by account, Region and API.
    pub calls: BTreeMap<(Scope, &'static str), usize>,
    /// What would be used of each quota that the plan touches, and of what each entry tells on-premises.
    pub quotas: Vec<QuotaUse>,
    /// What nobody can know before the plan is done, and what a person can do about it: a line each.
    pub unknown: Vec<String>,
}

/// What is used of a quota.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaUse {
    /// What has the quota, with account and Region.
    pub what: String,
    /// What is counted.
    pub of: &'static str,
    /// Now, as far as tables were read.
    pub now: usize,
    /// With the plan done.
    pub after: usize,
    /// The most there may be on the way: what is made before something else is deleted.
    pub most: usize,
    /// The quota.
    pub quota: usize,
    /// Who says so.
    pub source: QuotaSource,
}

/// Who says what a quota is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaSource {
    /// AWS's documentation: it cannot be raised, or no service tells it.
    Documented,
    /// Service Quotas.
    Applied,
    /// Nobody, for this reason: AWS's default is assumed.
    Unread(String),
    /// Nobody was asked yet: AWS's default is assumed.
    NotAsked(Scope, QuotaName),
}

impl QuotaUse {
    /// Whether the plan would be refused in its middle. What is exceeded already is not made worse by a plan that adds nothing; and a quota that is
    /// exceeded already is not AWS's default.
    pub(crate) fn exceeded(&self) -> bool {
        let disproved = self.assumed() && self.now > self.quota;
        self.most > self.quota && self.most > self.now && !disproved
    }

    fn assumed(&self) -> bool {
        matches!(self.source, QuotaSource::Unread(_) | QuotaSource::NotAsked(..))
    }

    /// What the words of the quota end with, where it is not known.
    pub(crate) fn assumption(&self) -> String {
        match &self.source {
            QuotaSource::Documented | QuotaSource::Applied => String::new(),
            QuotaSource::Unread(why) => format!("; quota not read: {why}, AWS default {} assumed", self.quota),
            QuotaSource::NotAsked(..) if self.most > self.now => {
                format!("; quota not read: nobody asked, AWS default {} assumed", self.quota)
            }
            QuotaSource::NotAsked(..) => "; AWS default".to_owned(),
        }
    }
}

impl Forecast {
    /// Seconds that the calls take at least: buckets are per API, so the slowest counts and not the sum.
    #[must_use]
    pub fn seconds(&self) -> usize {
        self.calls.values().map(|count| seconds(*count)).max().unwrap_or(0)
    }
}

fn seconds(calls: usize) -> usize {
    calls.saturating_sub(BUCKET).div_ceil(REFILL)
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: usize = self.calls.values().sum();
        write!(f, "{count} changes, at least {} s by the throttle of EC2", self.seconds())?;
        let slowest = self.calls.iter().filter(|(_, count)| seconds(**count) > 0).max_by_key(|(_, count)| **count);
        if let Some(((scope, api), count)) = slowest {
            write!(f, " ({count} x {api} in {scope}: {BUCKET} at once, then {REFILL} a second)")?;
        }
        for quota in &self.quotas {
            let assumption = quota.assumption();
            let QuotaUse { what, of, now, after, quota, .. } = quota;
            write!(f, "\n{what}: {after} of {quota} {of} ({now} now{assumption})")?;
        }
        self.unknown.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

/// The API that makes a step.
#[must_use]
pub fn api(step: &Step) -> &'static str {
    let (from, to) = (&step.before, &step.after);
    let absent = &RouteValue::Absent;
    match (&step.place, from == absent, to == absent, step.table.is_tgw()) {
        (Place::Route { .. }, true, _, true) => "CreateTransitGatewayRoute",
        (Place::Route { .. }, _, true, true) => "DeleteTransitGatewayRoute",
        (Place::Route { .. }, _, _, true) => "ReplaceTransitGatewayRoute",
        (Place::Route { .. }, true, _, false) => "CreateRoute",
        (Place::Route { .. }, _, true, false) => "DeleteRoute",
        (Place::Route { .. }, _, _, false) => "ReplaceRoute",
        (Place::Reference { .. }, true, _, _) => "CreateTransitGatewayPrefixListReference",
        (Place::Reference { .. }, _, true, _) => "DeleteTransitGatewayPrefixListReference",
        (Place::Reference { .. }, _, _, _) => "ModifyTransitGatewayPrefixListReference",
        (Place::Propagation { .. }, true, _, _) => "EnableTransitGatewayRouteTablePropagation",
        (Place::Propagation { .. }, _, _, _) => "DisableTransitGatewayRouteTablePropagation",
    }
}

/// What a plan costs, by what was read.
#[must_use]
pub fn forecast(plan: &Plan, map: &NetworkMap, picture: &Picture) -> Forecast {
    let mut calls: BTreeMap<(Scope, &'static str), usize> = BTreeMap::new();
    for step in plan.steps() {
        *calls.entry((step.scope.clone(), api(step))).or_default() += 1;
    }
    let mut quotas = advertised(plan, map, picture);
    quotas.extend(routes(plan, picture));
    quotas.sort();
    Forecast { calls, quotas, unknown: uncovered(plan, picture) }
}

/// Routes of the transit gateways and VPC tables that a plan changes.
fn routes(plan: &Plan, picture: &Picture) -> Vec<QuotaUse> {
    let mut made: BTreeMap<&RouteTableId, (usize, usize)> = BTreeMap::new();
    for step in plan.steps() {
        let entry = made.entry(&step.table).or_default();
        let weight = weight(step, picture);
        if step.before == RouteValue::Absent {
            entry.0 += weight;
        } else if step.after == RouteValue::Absent {
            entry.1 += weight;
        }
    }
    let mut quotas = gateways(picture, &made);
    quotas.extend(vpc_tables(picture, &made));
    quotas
}

/// Routes that a step makes or takes away.
fn weight(step: &Step, picture: &Picture) -> usize {
    match &step.place {
        Place::Route { .. } => 1,
        Place::Reference { list, prefixes } => most_entries(picture, list).max(prefixes.len()),
        Place::Propagation { attachment } => {
            let prefixes = propagated_prefixes(picture, &step.scope.region, attachment);
            prefixes.map_or(1, <[_]>::len)
        }
    }
}

/// A prefix list counts with its most entries, however many it has ("Consolidate and manage network CIDR blocks with managed prefix lists").
fn most_entries(picture: &Picture, list: &PrefixListId) -> usize {
    let list = picture.prefix_lists.get(list);
    list.map_or(0, |list| usize::try_from(list.max_entries).unwrap_or(usize::MAX).max(list.entries.len()))
}

/// Routes of a transit gateway route table as its quota counts them: those that a better one hides too, as far as they are known.
fn counted(table: &TgwTable, picture: &Picture) -> usize {
    let of =
        |origin: &dyn Fn(&RouteOrigin) -> bool| table.routes.values().filter(|route| origin(&route.origin)).count();
    let listed = table.references.keys().map(|list| {
        most_entries(picture, list).max(of(&|origin| *origin == RouteOrigin::PrefixList { id: list.clone() }))
    });
    let known: BTreeMap<_, _> = table
        .propagations
        .iter()
        .flatten()
        .filter_map(|id| Some((id, propagated_prefixes(picture, &table.scope.region, id)?.len())))
        .collect();
    let shown = table.routes.values().filter(|route| route.origin == RouteOrigin::Propagated);
    let others = shown.flat_map(|route| &route.targets).filter(|target| !known.contains_key(target)).count();
    of(&|origin| *origin == RouteOrigin::Static) + listed.sum::<usize>() + known.values().sum::<usize>() + others
}

type Made<'a> = BTreeMap<&'a RouteTableId, (usize, usize)>;

/// Routes of each transit gateway that the plan changes, over all its tables that were read ("Amazon VPC Transit Gateways quotas": dynamic and static
/// ones of all its route tables together).
fn gateways(picture: &Picture, made: &Made<'_>) -> Vec<QuotaUse> {
    let tables = made.keys().filter_map(|id| picture.tgw_tables.get(*id));
    let changed: BTreeSet<(&TgwId, &Scope)> = tables.map(|table| (&table.tgw, &table.scope)).collect();
    let uses = changed.into_iter().map(|(tgw, scope)| {
        let own = || picture.tgw_tables.values().filter(|table| table.tgw == *tgw && table.scope == *scope);
        let now = own().map(|table| counted(table, picture)).sum();
        let (more, less) = own().filter_map(|table| made.get(&table.id)).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        used(format!("tables read of {tgw} ({scope})"), now, (more, less), quota(picture, scope, QuotaName::TgwRoutes))
    });
    uses.collect()
}

fn vpc_tables(picture: &Picture, made: &Made<'_>) -> Vec<QuotaUse> {
    let uses = made.iter().filter_map(|(id, changes)| {
        let (vpc, table) = picture.vpc_table(id)?;
        let what = format!("{} ({})", table_label(picture, id), vpc.scope);
        Some(used(what, table.routes.len(), *changes, quota(picture, &vpc.scope, QuotaName::VpcTableRoutes)))
    });
    uses.collect()
}

fn quota(picture: &Picture, scope: &Scope, name: QuotaName) -> (u32, QuotaSource) {
    match picture.quotas.get(scope).and_then(|quotas| quotas.get(&name)) {
        Some(Quota::Applied { value }) => (*value, QuotaSource::Applied),
        Some(Quota::Unread { why }) => (name.aws_default(), QuotaSource::Unread(why.clone())),
        None => (name.aws_default(), QuotaSource::NotAsked(scope.clone(), name)),
    }
}

fn used(what: String, now: usize, (more, less): (usize, usize), (quota, source): (u32, QuotaSource)) -> QuotaUse {
    let most = now.saturating_add(more);
    let quota = usize::try_from(quota).unwrap_or(usize::MAX);
    QuotaUse { what, of: "routes", now, after: most.saturating_sub(less), most, quota, source }
}

/// Quotas that are worth asking for before a plan is made true: those that it takes more of, and that nobody asked for.
#[must_use]
pub fn quotas_wanted(plan: &Plan, picture: &Picture) -> BTreeMap<Scope, BTreeSet<QuotaName>> {
    let mut wanted: BTreeMap<Scope, BTreeSet<QuotaName>> = BTreeMap::new();
    for used in routes(plan, picture).into_iter().filter(|used| used.most > used.now) {
        if let QuotaSource::NotAsked(scope, name) = used.source {
            wanted.entry(scope).or_default().insert(name);
        }
    }
    wanted
}
