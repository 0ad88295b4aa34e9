//! The log, the faults and the holds.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refused;
use crate::{
    faults::{Fault, HoldRequest, HoldState, NewFault},
    log::Entry,
    shared::Shared,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

pub(super) async fn read_log(State(shared): State<Shared>, Query(query): Query<Since>) -> Json<Vec<Entry>> {
    Json(shared.gate().log().since(query.since))
}

pub(super) async fn clear_log(State(shared): State<Shared>) -> Json<Value> {
    shared.gate().log().clear();
    Json(json!({}))
}

pub(super) async fn add_fault(State(shared): State<Shared>, Json(rule): Json<NewFault>) -> Json<Value> {
    Json(json!({"id": shared.gate().add_fault(rule)}))
}

pub(super) async fn read_faults(State(shared): State<Shared>) -> Json<Vec<Fault>> {
    Json(shared.gate().faults())
}

pub(super) async fn clear_faults(State(shared): State<Shared>) -> Json<Value> {
    shared.gate().clear_faults();
    Json(json!({}))
}

pub(super) async fn remove_fault(State(shared): State<Shared>, Path(id): Path<u64>) -> Result<Json<Value>, Refused> {
    if shared.gate().remove_fault(id) {
        Ok(Json(json!({})))
    } else {
        Err(Refused::missing(format!("there is no fault {id}")))
    }
}

pub(super) async fn add_hold(State(shared): State<Shared>, Json(hold): Json<HoldRequest>) -> Json<Value> {
    Json(json!({"id": shared.gate().add_hold(hold)}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    #[serde(default)]
    wait_ms: u64,
}

pub(super) async fn read_hold(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Query(query): Query<Wait>,
) -> Result<Json<Value>, Refused> {
    let mut states = shared.gate().watch_hold(id).ok_or_else(|| no_hold(id))?;
    let held = states.wait_for(|state| *state != HoldState::Waiting);
    // Running out of time is an answer too: the state then still is `waiting`.
    drop(tokio::time::timeout(Duration::from_millis(query.wait_ms), held).await);
    let state = *states.borrow();
    Ok(Json(json!({"id": id, "state": state, "call": shared.gate().held_call(id)})))
}

pub(super) async fn release(State(shared): State<Shared>, Path(id): Path<u64>) -> Result<Json<Value>, Refused> {
    if shared.gate().release(id) { Ok(Json(json!({}))) } else { Err(no_hold(id)) }
}

pub(super) async fn kill(State(shared): State<Shared>, Path(id): Path<u64>) -> Result<Json<Value>, Refused> {
    let pid = shared.gate().kill(id).map_err(Refused::conflict)?;
    Ok(Json(json!({"pid": pid})))
}

fn no_hold(id: u64) -> Refused {
    Refused::missing(format!("there is no hold {id}"))
}
