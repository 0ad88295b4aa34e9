//! `verify`: checks before and after a change, and drills.
//!
//! Reads routes, machines, the inventory and evidence, has machines of the vantages probe the data path, and writes a report. Changes nothing and
//! refuses nothing: what it could not see is a check that ended *unknown*. Routing is proven by tracing; filtering (security groups, network ACLs,
//! firewalls of guests) shows only in the probes.
//!
//! [`handle`] is the entry; the checks are in `routes`, `machines`, `probes` and `flow`, one noun each.

mod basis;
mod checks;
mod context;
mod drill;
mod facts;
mod flow;
mod guests;
mod landing;
mod machines;
mod postflight;
mod preflight;
mod probes;
mod proof;
mod ready;
mod report;
mod routes;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod simulated_guests;
#[cfg(test)]
mod simulated_wave;
mod standing;
mod tested;
mod wave;

pub use context::Context;

use holdfast_model::Fault;
use holdfast_model::wire::{CutoverRequest, VerifyInput, VerifyKind, VerifyOutput};
use holdfast_runtime::{Invocation, surviving, waiving};
use postflight::Moved;
use proof::Proof;

/// IAM actions of this function in the accounts of the network map.
pub const ACTIONS: &[&[&str]] = &[
    holdfast_aws_network::ACTIONS,
    holdfast_aws_network::GROUP_ACTIONS,
    holdfast_aws_network::QUOTA_ACTIONS,
    holdfast_aws_network::TARGET_ACTIONS,
    holdfast_guest::ACTIONS,
];

/// IAM actions of this function in its own account.
pub const OWN_ACTIONS: &[&[&str]] = &[
    holdfast_runtime::MapSource::ACTIONS,
    holdfast_runtime::Accounts::ACTIONS,
    holdfast_store::Inventory::READ_ACTIONS,
    holdfast_store::EvidenceStore::READ_ACTIONS,
    holdfast_store::Reports::ACTIONS,
    holdfast_store::Drills::ACTIONS,
    holdfast_store::Standings::ACTIONS,
    holdfast_store::TestFailovers::READ_ACTIONS,
    holdfast_store::Watches::READ_ACTIONS,
    holdfast_runtime::EventBridge::ACTIONS,
];

/// Verifies what the input asks for and stores a report.
///
/// # Flow
/// Load the network map; read what the checks need, all at once; check; store the report.
///
/// # Guarantees
/// Nothing is changed in AWS or on a machine. The result is the worst of the checks.
///
/// # Errors
/// `InvalidInput` for a name that the map does not have; `NotCaptured` for a wave without inventory; `NotConfigured`, `InvalidMap`, `Throttled`,
/// `AccessDenied`, `Unavailable` for map, inventory, evidence and report.
pub async fn handle(context: &Context, input: VerifyInput, _: Invocation) -> Result<VerifyOutput, Fault> {
    let (map, map_ref) = context.maps.load(input.map.as_ref()).await?;
    let now = context.clock.now();
    let once = |found| (found, Proof::default());
    let found = match &input.check {
        VerifyKind::Captured { wave, evidence } => {
            let request = CutoverRequest { wave: wave.clone(), inventory: None, event: None, approved_by: None };
            let moment = preflight::Moment::Captured(evidence.as_ref());
            once(preflight::check(context, &map, &request, moment, now).await?)
        }
        VerifyKind::Preflight { request } => {
            once(preflight::check(context, &map, request, preflight::Moment::Cutover, now).await?)
        }
        VerifyKind::Postflight { networks, to, hosts, inventory, evidence, lost, waived, guests, swapped_at } => {
            let map = waiving(surviving(map, lost.as_ref())?, waived.as_ref(), to)?;
            let (hosts, guests, swapped_at) = (hosts.as_ref(), *guests, *swapped_at);
            let moved = Moved { networks, to, hosts, inventory, guests, swapped_at };
            postflight::check(context, &map, moved, evidence.as_ref(), now).await?
        }
        VerifyKind::Drill { request, evidence, plan, test } => {
            let paper = drill::Paper { request, evidence, plan, test: test.as_deref() };
            once(drill::check(context, (&map, &map_ref), paper, now).await?)
        }
        VerifyKind::Ready {} => once(ready::check(context, (&map, &map_ref), now).await?),
    };
    report::store(context, input, map_ref, found, now).await
}
