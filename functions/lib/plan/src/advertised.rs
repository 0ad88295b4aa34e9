//! How many prefixes on-premises is told of by each entry, against what its routers and AWS take.

use crate::forecast::{QuotaSource, QuotaUse};
use crate::step::{Place, Plan, RouteValue};
use holdfast_model::{Advertisement, AttachmentKind, NetworkMap, Picture, RouteState};
use std::collections::BTreeSet;

/// Prefixes from AWS to on-premises for each transit gateway on a transit virtual interface ("AWS Direct Connect quotas").
const DIRECT_CONNECT: usize = 200;

/// Routes that a VPN connection of a transit gateway advertises to a customer gateway ("Site-to-Site VPN quotas").
const VPN: usize = 5_000;

/// Prefixes that each entry by BGP would be told of with the plan done: host routes count one by one.
pub(crate) fn advertised(plan: &Plan, map: &NetworkMap, picture: &Picture) -> Vec<QuotaUse> {
    let mut uses = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in map.vantages.values().flat_map(holdfast_model::Vantage::entries) {
        if entry.advertised != Advertisement::Bgp || !seen.insert((entry.region.clone(), entry.attachment.clone())) {
            continue;
        }
        let Some(attachment) = picture.attachment(&entry.region, &entry.attachment) else { continue };
        let Some(table) = attachment.association.as_ref().and_then(|id| picture.tgw_tables.get(id)) else { continue };
        let quota = match attachment.kind {
            AttachmentKind::DirectConnectGateway => DIRECT_CONNECT,
            AttachmentKind::Vpn => VPN,
            AttachmentKind::Vpc { .. } | AttachmentKind::Peering { .. } | AttachmentKind::Other { .. } => continue,
        };
        let told = table.routes.values().filter(|route| {
            route.state == RouteState::Active && route.targets.as_slice() != [entry.attachment.clone()]
        });
        let now = told.count();
        let own = plan.steps().filter(|step| step.table == table.id);
        let routes = own.filter(|step| matches!(step.place, Place::Route { .. }));
        let (mut more, mut less) = (0_usize, 0_usize);
        for step in routes {
            more += usize::from(step.before == RouteValue::Absent);
            less += usize::from(step.after == RouteValue::Absent);
        }
        let most = now.saturating_add(more);
        uses.push(QuotaUse {
            what: format!("on-premises by {} in {}", entry.attachment, entry.region),
            of: "advertised prefixes",
            now,
            after: most.saturating_sub(less),
            most,
            quota,
            source: QuotaSource::Documented,
        });
    }
    uses
}
