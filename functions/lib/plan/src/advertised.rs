//! How many prefixes on-premises is told of by each entry, against what its routers and AWS take.

use crate::forecast::{QuotaSource, QuotaUse};
use crate::step::{Place, Plan, RouteValue, Step};
use crate::touch::propagated_prefixes;
use crate::view::{Found, View};
use holdfast_model::{
    Advertisement, AttachmentId, AttachmentKind, EntryPoint, NetworkMap, Picture, Prefix, RouteState, TgwTable,
};
use std::collections::BTreeSet;

/// Prefixes from AWS to on-premises for each transit gateway on a transit virtual interface ("AWS Direct Connect quotas").
const DIRECT_CONNECT: usize = 200;

/// Routes that a VPN connection of a transit gateway advertises to a customer gateway ("Site-to-Site VPN quotas").
const VPN: usize = 5_000;

/// Prefixes that on-premises is told of by each entry, now and with the plan done: host routes count one by one.
pub(crate) fn advertised(plan: &Plan, map: &NetworkMap, picture: &Picture) -> Vec<QuotaUse> {
    let mut uses = BTreeSet::new();
    for entry in map.vantages.values().flat_map(holdfast_model::Vantage::entries) {
        match &entry.advertised {
            Advertisement::Always => {}
            Advertisement::Bgp => uses.extend(by_bgp(plan, &entry, picture)),
            // The prefixes are those of the association, whatever the tables hold: no step changes them.
            Advertisement::AllowedPrefixes { gateway } => {
                let allowed = picture.dx_gateways.get(gateway).into_iter().flat_map(|read| &read.allowed);
                uses.extend(allowed.map(|(tgw, prefixes)| QuotaUse {
                    what: format!("on-premises by Direct Connect gateway {gateway} of {tgw}"),
                    of: "allowed prefixes",
                    now: prefixes.len(),
                    after: prefixes.len(),
                    most: prefixes.len(),
                    quota: DIRECT_CONNECT,
                    source: QuotaSource::Documented,
                }));
            }
        }
    }
    uses.into_iter().collect()
}

/// BGP tells of every prefix that the table of the entry's attachment leads anywhere but back into it.
fn by_bgp(plan: &Plan, entry: &EntryPoint, picture: &Picture) -> Option<QuotaUse> {
    let attachment = picture.attachment(&entry.region, &entry.attachment)?;
    let table = picture.tgw_tables.get(attachment.association.as_ref()?)?;
    let quota = match attachment.kind {
        AttachmentKind::DirectConnectGateway => DIRECT_CONNECT,
        AttachmentKind::Vpn => VPN,
        AttachmentKind::Vpc { .. } | AttachmentKind::Peering { .. } | AttachmentKind::Other { .. } => return None,
    };
    let own: Vec<&Step> = plan.steps().filter(|step| step.table == table.id).collect();
    let made: Vec<Prefix> = own.iter().flat_map(|step| prefixes(step, picture)).collect();
    let (first, last) = (View::of(picture), View::after(picture, own.iter().copied()));
    let told = |view: &View<'_>, prefix: &Prefix| tells(view, table, &entry.attachment, *prefix);
    let now: BTreeSet<Prefix> = table.routes.keys().copied().filter(|prefix| told(&first, prefix)).collect();
    let all: BTreeSet<Prefix> = table.routes.keys().copied().chain(made.iter().copied()).collect();
    let after: BTreeSet<Prefix> = all.into_iter().filter(|prefix| told(&last, prefix)).collect();
    Some(QuotaUse {
        what: format!("on-premises by {} in {}", entry.attachment, entry.region),
        of: "advertised prefixes",
        now: now.len(),
        after: after.len(),
        most: now.union(&after).count(),
        quota,
        source: QuotaSource::Documented,
    })
}

fn tells(view: &View<'_>, table: &TgwTable, into: &AttachmentId, prefix: Prefix) -> bool {
    match view.picture().tgw_tables.get(&table.id).and_then(|table| view.tgw_route_of(table, prefix)) {
        Some(Found::Route { state: RouteState::Active, targets, .. }) => targets.as_ref() != [into.clone()],
        // It may be told of.
        Some(Found::Hidden(_)) => true,
        Some(Found::Route { .. } | Found::Nothing) | None => false,
    }
}

/// Prefixes whose routes a step makes.
fn prefixes(step: &Step, picture: &Picture) -> Vec<Prefix> {
    if step.after == RouteValue::Absent {
        return Vec::new();
    }
    match &step.place {
        Place::Route { prefix } => vec![*prefix],
        Place::Reference { prefixes, .. } => prefixes.iter().copied().collect(),
        Place::Propagation { attachment } => {
            propagated_prefixes(picture, &step.scope.region, attachment).map(<[Prefix]>::to_vec).unwrap_or_default()
        }
    }
}
