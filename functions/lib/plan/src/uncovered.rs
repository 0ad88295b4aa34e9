//! What may take over where a route of ours is deleted, and no call of EC2 tells beforehand.
//!
//! EC2 shows the best route of a prefix only: what a VPN, Direct Connect gateway or Connect attachment propagates under a static route is hidden, and
//! decides once that one is deleted. It is known where another table of the transit gateway shows it, or shows that it is not there.

use crate::step::{Place, Plan, RouteValue};
use crate::view::{View, table_label};
use holdfast_model::{Attachment, AttachmentId, AttachmentKind, Picture, Prefix, RouteOrigin, RouteTableId, TgwTable};
use std::collections::{BTreeMap, BTreeSet};

/// Prefixes that a line names.
const NAMED: usize = 3;

/// Whether an attachment propagates exactly this prefix where it propagates; none where that is not known.
pub(crate) fn propagated_prefix(
    picture: &Picture,
    table: &TgwTable,
    attachment: &Attachment,
    prefix: Prefix,
) -> Option<bool> {
    match &attachment.kind {
        AttachmentKind::Peering { .. } => return Some(false),
        AttachmentKind::Vpc { vpc, .. } => {
            if let Some(vpc) = picture.vpcs.get(vpc) {
                return Some(vpc.prefixes.contains(&prefix));
            }
        }
        AttachmentKind::Vpn | AttachmentKind::DirectConnectGateway | AttachmentKind::Other { .. } => {}
    }
    let all = picture.tgw_tables.values().filter(|other| other.tgw == table.tgw && other.scope == table.scope);
    let mut propagating =
        all.filter(|other| other.propagations.as_ref().is_some_and(|all| all.contains(&attachment.id)));
    propagating.find_map(|other| match other.routes.get(&prefix) {
        None => Some(false),
        Some(route) if route.origin != RouteOrigin::Propagated => None,
        Some(route) => route.targets.contains(&attachment.id).then_some(true),
    })
}

/// For each table in which a plan leaves a prefix without a route of its own: who may propagate one there that nobody can see yet, and what a person
/// can do. One line each.
pub(crate) fn uncovered(plan: &Plan, picture: &Picture) -> Vec<String> {
    let view = View::after(picture, plan.steps());
    let mut found: BTreeMap<(&RouteTableId, BTreeSet<&AttachmentId>), BTreeSet<Prefix>> = BTreeMap::new();
    for step in plan.steps().filter(|step| step.after == RouteValue::Absent) {
        let Some(table) = picture.tgw_tables.get(&step.table) else { continue };
        let prefixes: Vec<Prefix> = match &step.place {
            Place::Route { prefix } => vec![*prefix],
            Place::Reference { prefixes, .. } => prefixes.iter().copied().collect(),
            Place::Propagation { .. } => continue,
        };
        let attachments = picture.attachments.get(&table.scope.region).into_iter().flat_map(BTreeMap::values);
        let propagating: Vec<&Attachment> = attachments
            .filter(|attachment| table.propagations.as_ref().is_some_and(|all| all.contains(&attachment.id)))
            .collect();
        for prefix in prefixes.into_iter().filter(|prefix| view.tgw_route_of(table, *prefix).is_none()) {
            let unknown = |at: &&&Attachment| propagated_prefix(picture, table, at, prefix).is_none();
            let unknown: BTreeSet<&AttachmentId> = propagating.iter().filter(unknown).map(|at| &at.id).collect();
            if !unknown.is_empty() {
                found.entry((&step.table, unknown)).or_default().insert(prefix);
            }
        }
    }
    let lines = found.into_iter().map(|((table, attachments), prefixes)| {
        let scope = picture.tgw_tables.get(table).map(|table| table.scope.to_string()).unwrap_or_default();
        let table = table_label(picture, table);
        let by: Vec<String> = attachments.into_iter().map(ToString::to_string).collect();
        format!(
            "not known: what takes over for {} in {table} ({scope}), where {} propagates: EC2 does not show what our route hides; if on-premises advertises exactly this prefix, traffic leaves there. Ask for it on-premises, or declare `blackhole` or a next hop instead of `absent`",
            named(&prefixes),
            by.join(", "),
        )
    });
    lines.collect()
}

fn named(prefixes: &BTreeSet<Prefix>) -> String {
    let names: Vec<String> = prefixes.iter().take(NAMED).map(ToString::to_string).collect();
    let more = prefixes.len().saturating_sub(NAMED);
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}
