//! The control server: shapes the world while clients work with it. JSON over HTTP.

use axum::{
    Json, Router,
    extract::{Query, State},
    routing::get,
};
use serde::Deserialize;

use crate::{log::Entry, shared::Shared};

/// The HTTP interface of the control server.
pub fn router(shared: Shared) -> Router {
    Router::new().route("/log", get(read_log)).with_state(shared)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn read_log(State(shared): State<Shared>, Query(query): Query<Since>) -> Json<Vec<Entry>> {
    Json(shared.gate().log().since(query.since))
}
