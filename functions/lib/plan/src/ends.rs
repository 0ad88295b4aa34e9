//! Whether a plan ends well: what is known before it, and where everything is with every step done.

use crate::case::{Case, Frame, Item};
use crate::refusal::Refusal;
use crate::step::{Move, RouteValue, Step};
use crate::trace::{Outcome, Reply};
use crate::view::{Found, View, table_label};
use crate::walk::leads_to_flow;
use holdfast_model::{
    AttachmentId, AttachmentKind, NetworkName, NextHop, Prefix, RouteState, RouteTable, RouteTableId, Site, SiteName,
    SubnetId, VantageName,
};

/// What a plan is for.
pub(crate) struct Purpose<'a> {
    /// Whole networks, or some machines of them.
    pub(crate) whole: bool,
    pub(crate) to: &'a SiteName,
}

/// Checks the present and the final state of a case, without any order.
pub(crate) fn ends_well(case: &Case<'_>, frame: &Frame<'_>, purpose: &Purpose<'_>) -> Result<(), Refusal> {
    let ends = case.ends();
    if let Some(end) = ends.iter().find(|end| matches!(end.before.0, Outcome::Unknown(_))) {
        return Err(Refusal::Unknown {
            vantage: end.vantage.clone(),
            network: end.item.network.clone(),
            outcome: end.before.0.to_string(),
        });
    }
    let view = case.view(u128::MAX);
    for end in ends.iter().filter(|end| end.item.moves) {
        if end.after.0 != Outcome::Delivered(purpose.to.clone()) {
            return Err(not_delivered(frame, &view, purpose, end.item, end.vantage, &end.after.0));
        }
    }
    for end in &ends {
        let (outcome, reply) = &end.after;
        if end.item.moves && *reply != Reply::Returns {
            return Err(Refusal::NoReply {
                network: end.item.network.clone(),
                site: purpose.to.clone(),
                vantage: end.vantage.clone(),
                outcome: reply.to_string(),
            });
        }
        let stays = outcome.alike(&end.before.0) && (*reply == Reply::Returns || reply.alike(&end.before.1));
        if !end.item.moves && !stays {
            let (outcome, before) = if outcome.alike(&end.before.0) {
                (reply.to_string(), end.before.1.to_string())
            } else {
                (outcome.to_string(), end.before.0.to_string())
            };
            return Err(Refusal::Bystander {
                network: end.item.network.clone(),
                vantage: end.vantage.clone(),
                outcome,
                before,
            });
        }
    }
    Ok(())
}

/// Where a table ends without a route of ours, the declared route must be the one that decides.
pub(crate) fn served(wanted: &Move<'_>, frame: &Frame<'_>, steps: &[Step]) -> Result<(), Refusal> {
    let view = View::after(frame.now.picture(), steps);
    let networks = frame.map.networks.iter().filter(|(name, _)| wanted.networks.contains(*name));
    for (name, network) in networks {
        for (_, declared) in frame.map.tables_of(name) {
            let Some(NextHop::Absent { served_by }) = declared.next_hops.get(wanted.to) else { continue };
            let Some(found) = not_served(&view, declared, network.prefix, *served_by) else { continue };
            return Err(Refusal::NotServed {
                table: table_label(view.picture(), &declared.id),
                scope: holdfast_model::Scope { account: declared.account.clone(), region: declared.region.clone() },
                prefix: network.prefix,
                served_by: *served_by,
                found,
            });
        }
    }
    Ok(())
}

fn not_served(view: &View<'_>, declared: &RouteTable, prefix: Prefix, served_by: Prefix) -> Option<String> {
    let decides = |found: Prefix, state: RouteState| match (found == served_by, state) {
        (true, RouteState::Active) => None,
        (true, state) => Some(format!("that route is {}", words(state))),
        (false, _) => Some(format!("route {found} is the one that decides there")),
    };
    let Some(table) = view.picture().tgw_tables.get(&declared.id) else {
        return match view.vpc_route(&declared.id, prefix) {
            Some((found, route)) => decides(found, route.state),
            None => Some("no such route is there".to_owned()),
        };
    };
    match view.tgw_route(table, prefix) {
        Found::Route { prefix, state, .. } => decides(prefix, state),
        Found::Nothing => Some("no such route is there".to_owned()),
        Found::Hidden(prefix) => Some(format!("a static route of {prefix} hides what is there")),
    }
}

fn not_delivered(
    frame: &Frame<'_>,
    view: &View<'_>,
    purpose: &Purpose<'_>,
    item: &Item<'_>,
    vantage: &VantageName,
    outcome: &Outcome,
) -> Refusal {
    let network_prefix = frame.map.networks.get(item.network).map_or(item.part, |network| network.prefix);
    let missing = flow_missing(frame, view, purpose.to, item);
    if let Some(site) = frame.map.sites.get(purpose.to)
        && !missing.is_empty()
    {
        return Refusal::FlowMissing {
            network: item.network.clone(),
            prefix: item.part,
            site: purpose.to.clone(),
            vpc: site.vpc().clone(),
            missing,
        };
    }
    let picture = view.picture();
    let found_in = listing(view, item.part);
    if purpose.whole && item.part != network_prefix && !found_in.is_empty() {
        let found_in = found_in.iter().map(|id| table_label(picture, id)).collect();
        return Refusal::Leftover {
            network: item.network.clone(),
            prefix: network_prefix,
            part: item.part,
            found_in,
            vantage: vantage.clone(),
            outcome: outcome.to_string(),
        };
    }
    Refusal::NotDelivered {
        network: item.network.clone(),
        site: purpose.to.clone(),
        vantage: vantage.clone(),
        outcome: outcome.to_string(),
    }
}

/// Tables that list a prefix.
fn listing(view: &View<'_>, part: Prefix) -> Vec<RouteTableId> {
    let picture = view.picture();
    let tgw =
        picture.tgw_tables.values().filter(|table| table.routes.contains_key(&part)).map(|table| table.id.clone());
    let vpc = picture.vpcs.values().flat_map(|vpc| &vpc.tables);
    tgw.chain(vpc.filter(|(_, table)| table.routes.contains_key(&part)).map(|(id, _)| id.clone())).collect()
}

/// Subnets of the attachments that lead into the destination's VPC whose table does not lead the part to Flow.
fn flow_missing(frame: &Frame<'_>, view: &View<'_>, to: &SiteName, item: &Item<'_>) -> Vec<(RouteTableId, SubnetId)> {
    let Some(site @ Site::Nc2 { .. }) = frame.map.sites.get(to) else { return Vec::new() };
    let Some(vpc) = view.picture().vpcs.get(site.vpc()) else { return Vec::new() };
    let mut missing = Vec::new();
    for (id, attachment) in view.picture().attachments.get(site.region()).into_iter().flatten() {
        let AttachmentKind::Vpc { vpc: attached, subnets } = &attachment.kind else { continue };
        if attached != site.vpc() || !leads_in(frame, item.network, to, id) {
            continue;
        }
        for subnet in subnets {
            let Some(table) = vpc.subnets.get(subnet).map(|s| &s.table) else { continue };
            let leads = view.vpc_route(table, item.part).is_some_and(|(prefix, route)| {
                leads_to_flow(prefix, &route.target) && route.state == RouteState::Active
            });
            if !leads {
                missing.push((table.clone(), subnet.clone()));
            }
        }
    }
    missing
}

/// Whether a table leads the network at this site to this attachment.
fn leads_in(frame: &Frame<'_>, network: &NetworkName, to: &SiteName, id: &AttachmentId) -> bool {
    frame.map.tables_of(network).any(|(_, declared)| {
        let value = declared.next_hops.get(to).map(RouteValue::of);
        value.is_some_and(|value| matches!(value, RouteValue::Static { attachment } if attachment == *id))
    })
}

fn words(state: RouteState) -> &'static str {
    match state {
        RouteState::Pending => "pending",
        RouteState::Active => "active",
        RouteState::Blackhole => "a blackhole",
        RouteState::Deleting => "being deleted",
        RouteState::Unknown => "in a state that is not known",
    }
}
