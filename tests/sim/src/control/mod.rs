//! The control server: shapes the world while clients work with it. JSON over HTTP, errors as `{"error": ".."}`.
//!
//! | Request | Effect |
//! | --- | --- |
//! | `GET /log?since=N`, `DELETE /log` | calls after number N, oldest first; forgets all (numbers go on) |
//! | `POST /faults` | adds a rule, `{"match": {..}, "skip": n, "times": n, "effect": {..}}` -> `{"id"}` |
//! | `GET /faults`, `DELETE /faults[/{id}]` | rules in force; takes them away |
//! | `POST /holds` | holds one call, `{"match": {..}, "skip": n, "when": "before" or "after"}` -> `{"id"}` |
//! | `GET /holds/{id}?wait_ms=N` | state; waits up to N ms for a call to be held |
//! | `POST /holds/{id}/release`, `POST /holds/{id}/kill` | lets the call go on; kills the process that made it |
//! | `POST /regions/{region}` `{"lost": bool}` | cuts a Region off, or brings it back |
//! | `POST /prism/{name}` `{"lost": bool}` | the same for a Prism Central |
//! | `POST /nc2/{prism}/gateway` `{"vpc", "interface"}` | NC2 makes another host the gateway of an FVN VPC: its prefixes lead to that host's interface in AWS |
//! | `GET /switches`, `PUT /switches` | settings of the platforms; only the given ones change |
//! | `POST /move/{name}/cutover` `{"plan", "only", "fail"}` | Nutanix Move cuts a migration plan over; of `"only"` these workloads, and `"fail"` are those whose cutover fails |
//! | `POST /recovery-plans/{name}/failover` `{"kind"}` | Nutanix runs the plan, see below -> `{"job", "state", "vms", ..}` |
//! | `POST /recovery-plans/{name}/job` `{"recover", "fail", "end"}` | takes the plan's job that has not ended a step further |
//! | `POST /recovery-plans/{name}/clean-up` | removes the VMs of the plan's last test |
//! | `POST /probes` `{"from", "to", "count"}` | sends probes through the data plane |
//! | `GET /world` | all state |
//!
//! A `match` has any of `source` (`aws`, `prism`, `prism:<name>`, `move`), `region`, `service`, `action` (may end in
//! `*`), `contains` (text in the parameters) and `function`. An empty one fits any call of a function. Effects are
//! `{"kind": "error", "code", "status", "message"}`, `{"kind": "throttle"}`, `{"kind": "delay", "ms"}`,
//! `{"kind": "drop_reply"}`, `{"kind": "drop_request"}`, and with `"when": "before"` or `"after"` the call's effect
//! `{"kind": "garbage", "form"}` (`html`, `truncated`, `wrong_types`, `empty`, `huge`), `{"kind": "hang"}` and
//! `{"kind": "trickle", "ms"}`, a byte at a time.
//!
//! A recovery plan runs as `planned`, `unplanned`, `live`, `test` or `validate`, in a job that shows at the Prism Central that
//! recovers. It is whole and ended unless told otherwise: `"until": "queued"` or `"running"` leaves it there, `"fail": [names]`
//! are VMs that it does not recover, `"warning": true` has its validation say something, `"to"` is the Prism Central that
//! recovers, `"name"` the name of the job. A step of a job recovers the VMs of `"recover"`, fails those of `"fail"`, and with
//! `"end"` the job is `"finished"`, with the VMs that are left, or `"aborted"`, without them.

mod gate;
mod worlds;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde_json::json;

use crate::shared::Shared;

/// The HTTP interface of the control server.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/log", get(gate::read_log).delete(gate::clear_log))
        .route("/faults", get(gate::read_faults).post(gate::add_fault).delete(gate::clear_faults))
        .route("/faults/{id}", delete(gate::remove_fault))
        .route("/holds", post(gate::add_hold))
        .route("/holds/{id}", get(gate::read_hold))
        .route("/holds/{id}/release", post(gate::release))
        .route("/holds/{id}/kill", post(gate::kill))
        .route("/regions/{region}", post(worlds::lose_region))
        .route("/prism/{name}", post(worlds::lose_prism))
        .route("/nc2/{prism}/gateway", post(worlds::move_gateway))
        .route("/switches", get(worlds::read_switches).put(worlds::turn_switches))
        .route("/move/{name}/cutover", post(worlds::cutover))
        .route("/recovery-plans/{name}/failover", post(worlds::failover))
        .route("/recovery-plans/{name}/job", post(worlds::step))
        .route("/recovery-plans/{name}/clean-up", post(worlds::clean_up))
        .route("/probes", post(worlds::probes))
        .route("/world", get(worlds::read_world))
        .with_state(shared)
}

/// A refusal, in a sentence.
struct Refused(StatusCode, String);

impl Refused {
    fn missing(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }

    fn conflict(why: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, why.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}
