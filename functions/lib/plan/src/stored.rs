//! The stored forms of a step: journals hold plans of every version.

use crate::step::{Place, RouteValue, Step};
use holdfast_model::{NetworkName, Prefix, RouteTableId, Scope, TableName};
use serde::Deserialize;
use std::collections::BTreeSet;

/// A step as any version stored it: the first named one `network` and one `prefix`, where there are `networks` and a `place` now.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredStep {
    table: RouteTableId,
    name: TableName,
    #[serde(default)]
    tag: Option<String>,
    scope: Scope,
    #[serde(default)]
    networks: Option<BTreeSet<NetworkName>>,
    #[serde(default)]
    network: Option<NetworkName>,
    #[serde(default)]
    place: Option<Place>,
    #[serde(default)]
    prefix: Option<Prefix>,
    before: RouteValue,
    after: RouteValue,
    why: String,
}

impl TryFrom<StoredStep> for Step {
    type Error = &'static str;

    fn try_from(stored: StoredStep) -> Result<Self, Self::Error> {
        let networks = match (stored.networks, stored.network) {
            (Some(networks), None) => networks,
            (None, Some(network)) => BTreeSet::from([network]),
            (None, None) => return Err("a step has no `networks`"),
            (Some(_), Some(_)) => return Err("a step has both `networks` and `network`"),
        };
        let place = match (stored.place, stored.prefix) {
            (Some(place), None) => place,
            (None, Some(prefix)) => Place::Route { prefix },
            (None, None) => return Err("a step has no `place`"),
            (Some(_), Some(_)) => return Err("a step has both `place` and `prefix`"),
        };
        Ok(Step {
            table: stored.table,
            name: stored.name,
            tag: stored.tag,
            scope: stored.scope,
            networks,
            place,
            before: stored.before,
            after: stored.after,
            why: stored.why,
        })
    }
}
