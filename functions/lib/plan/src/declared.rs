//! Whether a step is within what the network map declares.

use crate::step::{Place, Plan, RouteValue, Step};
use holdfast_model::{NetworkMap, RouteTable};

/// Whether the map declares the step's table, its place and its new value, for networks of the plan.
pub(crate) fn is_declared(step: &Step, plan: &Plan, map: &NetworkMap) -> bool {
    let Some(table) = map.route_tables.get(&step.name) else { return false };
    let same = table.id == step.table && table.account == step.scope.account && table.region == step.scope.region;
    let routed = step.networks.iter().all(|network| table.routes(network) && map.networks.contains_key(network));
    // Where a list's reference goes, a network that stays gets a route of its own.
    let pinned = table.prefix_list.is_some();
    let moving = pinned || step.networks.iter().any(|network| plan.networks.contains(network));
    same && routed && moving && place_declared(step, table, map) && value_declared(step, table)
}

fn place_declared(step: &Step, table: &RouteTable, map: &NetworkMap) -> bool {
    let own =
        |prefix| step.networks.iter().filter_map(|name| map.networks.get(name)).any(|network| network.prefix == prefix);
    match &step.place {
        Place::Route { prefix } => {
            let host = prefix.length() == 32
                && step.networks.iter().filter_map(|name| map.networks.get(name)).any(|n| n.prefix.covers(prefix));
            own(*prefix) || host || table.aggregate == Some(*prefix)
        }
        Place::Reference { list, prefixes } => {
            let routed =
                || map.networks.iter().filter(|(name, _)| table.routes(name)).map(|(_, network)| network.prefix);
            table.prefix_list.as_ref() == Some(list) && prefixes.iter().all(|entry| routed().any(|own| own == *entry))
        }
        Place::Propagation { attachment } => table.propagations.values().any(|declared| declared == attachment),
    }
}

fn value_declared(step: &Step, table: &RouteTable) -> bool {
    let explained = table.next_hops.values().any(|hop| RouteValue::of(hop) == step.after);
    match (&step.place, &step.after) {
        (Place::Propagation { .. }, RouteValue::Propagates | RouteValue::Absent) => true,
        (Place::Propagation { .. }, _) | (_, RouteValue::Propagates) => false,
        // Nothing of its own: the wider route, the reference or the covering route leads there.
        (Place::Reference { .. }, RouteValue::Absent) => true,
        (Place::Route { prefix }, RouteValue::Absent) => {
            explained || prefix.length() == 32 || table.prefix_list.is_some() || table.aggregate.is_some()
        }
        (Place::Route { .. } | Place::Reference { .. }, _) => explained,
    }
}
