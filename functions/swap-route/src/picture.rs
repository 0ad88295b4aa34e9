//! The routing as it is, once nothing in it is changing.

use crate::tables::pauses;
use backon::Retryable;
use holdfast_aws_network::{AwsNetwork, read_picture_towards};
use holdfast_model::{NetworkMap, Picture, ReferenceState, RouteState, Scope, SiteName};
use holdfast_runtime::Clock;
use std::collections::BTreeMap;
use std::time::Duration;

/// Reads the routing for whoever moves networks to a site. What is changing, as after a death in the middle of a write, is given time to settle; what
/// does not within that time is in the picture as it was seen last.
pub(crate) async fn read_settled(
    networks: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    to: &SiteName,
    clock: &dyn Clock,
    within: Duration,
) -> Picture {
    let read = || async {
        let picture = read_picture_towards(networks, map, Some(to), clock.now()).await;
        if is_settling(&picture, map) { Err(Box::new(picture)) } else { Ok(picture) }
    };
    read.retry(pauses(within)).await.unwrap_or_else(|last| *last)
}

/// Whether a route or a reference of a declared table is changing, which is over within seconds.
fn is_settling(picture: &Picture, map: &NetworkMap) -> bool {
    let mut tables = map.route_tables.values().filter_map(|declared| picture.tgw_tables.get(&declared.id));
    tables.any(|table| {
        let changes = |state: RouteState| matches!(state, RouteState::Pending | RouteState::Deleting);
        table.routes.values().any(|route| changes(route.state))
            || table.references.values().any(|reference| reference.state == ReferenceState::Changing)
    })
}
