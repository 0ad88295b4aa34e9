//! What happens to the world by a person's hand.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refused;
use crate::{dataplane, dataplane::ProbeRequest, move_, prism, prism::recovery, shared::Shared, switches::Switches};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lost {
    lost: bool,
}

pub(super) async fn lose_region(
    State(shared): State<Shared>,
    Path(region): Path<String>,
    Json(body): Json<Lost>,
) -> Result<Json<Value>, Refused> {
    let mut world = shared.world();
    let known = world.ec2.known_regions();
    if !known.contains(&region) {
        return Err(Refused::missing(format!("there is no Region `{region}`; there are {}", known.join(", "))));
    }
    mark(&mut world.lost_regions, region, body.lost);
    Ok(Json(json!({})))
}

pub(super) async fn lose_prism(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(body): Json<Lost>,
) -> Result<Json<Value>, Refused> {
    let mut world = shared.world();
    if !world.prisms.contains_key(&name) {
        return Err(Refused::missing(format!("there is no Prism Central `{name}`")));
    }
    mark(&mut world.lost_prisms, name, body.lost);
    Ok(Json(json!({})))
}

fn mark(set: &mut BTreeSet<String>, name: String, lost: bool) {
    if lost {
        set.insert(name);
    } else {
        set.remove(&name);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gateway {
    vpc: String,
    interface: String,
}

pub(super) async fn move_gateway(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(body): Json<Gateway>,
) -> Result<Json<Value>, Refused> {
    prism::move_gateway(&mut shared.world(), &name, &body.vpc, &body.interface).map(Json).map_err(Refused::conflict)
}

pub(super) async fn read_switches(State(shared): State<Shared>) -> Json<Switches> {
    Json(shared.world().switches.clone())
}

pub(super) async fn turn_switches(
    State(shared): State<Shared>,
    Json(change): Json<Value>,
) -> Result<Json<Switches>, Refused> {
    let refused = |error: serde_json::Error| Refused(StatusCode::BAD_REQUEST, error.to_string());
    let mut world = shared.world();
    let mut document = serde_json::to_value(&world.switches).map_err(refused)?;
    merge(&mut document, change);
    world.switches = serde_json::from_value(document).map_err(refused)?;
    Ok(Json(world.switches.clone()))
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cutover {
    plan: String,
    #[serde(default)]
    only: Option<Vec<String>>,
    #[serde(default)]
    fail: Vec<String>,
}

pub(super) async fn cutover(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(body): Json<Cutover>,
) -> Result<Json<Value>, Refused> {
    let part = move_::Part { only: body.only, fail: body.fail };
    move_::cutover_part(&mut shared.world(), &name, &body.plan, &part).map(Json).map_err(Refused::conflict)
}

pub(super) async fn failover(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(order): Json<recovery::Order>,
) -> Result<Json<Value>, Refused> {
    let now = shared.now();
    recovery::start(&mut shared.world(), &name, &order, now).map(Json).map_err(Refused::conflict)
}

pub(super) async fn step(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Json(step): Json<recovery::Step>,
) -> Result<Json<Value>, Refused> {
    let now = shared.now();
    recovery::step(&mut shared.world(), &name, &step, now).map(Json).map_err(Refused::conflict)
}

pub(super) async fn clean_up(State(shared): State<Shared>, Path(name): Path<String>) -> Result<Json<Value>, Refused> {
    let now = shared.now();
    recovery::clean_up(&mut shared.world(), &name, now).map(Json).map_err(Refused::conflict)
}

pub(super) async fn probes(
    State(shared): State<Shared>,
    Json(request): Json<ProbeRequest>,
) -> Result<Json<Value>, Refused> {
    dataplane::probes(&mut shared.world(), &request).map(Json).map_err(Refused::conflict)
}

pub(super) async fn read_world(State(shared): State<Shared>) -> Json<Value> {
    let world = shared.world();
    Json(json!({
        "ec2": world.ec2,
        "direct_connect": world.direct_connect,
        "prism_centrals": world.prisms,
        "moves": world.moves,
        "recovery_plans": world.recovery_plans,
        "guests": world.guests,
        "run_command": world.run_command,
        "switches": world.switches,
        "lost_regions": world.lost_regions,
        "lost_prisms": world.lost_prisms,
    }))
}
