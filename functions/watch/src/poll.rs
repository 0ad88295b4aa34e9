//! The schedule's question: what finished since somebody last asked.

use std::collections::BTreeMap;

use holdfast_model::wire::{FinishedOutput, SCHEMA_VERSION};
use holdfast_model::{Appliance, Clock, Credentials, Fault, MapRef, NetworkMap, Region};
use holdfast_nutanix::{Move, NutanixError, Prism, Timeouts};
use holdfast_runtime::{EventBridge, Invocation, Secrets, SystemClock, Writer};
use holdfast_store::{Events, Inventory, TestFailovers, Watches};

use jiff::SignedDuration;

use crate::finished::{AGAIN, Desk, Eyes, Finished, LOOK, PATIENCE, Stay, find};
use crate::handle::REPLY;
use crate::test_failover::{TestDesk, sweep};

/// What a look at finished jobs needs.
#[derive(Debug)]
pub(crate) struct Poll {
    pub(crate) events: Events,
    pub(crate) watches: Watches,
    pub(crate) tests: TestFailovers,
    pub(crate) bus: EventBridge,
    pub(crate) writer: Writer,
    pub(crate) region: Region,
}

/// Looks at every appliance of the map once; for `stay_seconds` again at those with a recovery job that goes on.
///
/// # Errors
/// What the tables can return.
pub(crate) async fn poll(
    poll: &Poll,
    inventory: &Inventory,
    secrets: &Secrets,
    (map, reference): (&NetworkMap, MapRef),
    (stay_seconds, invocation): (u32, &Invocation),
) -> Result<FinishedOutput, Fault> {
    let begun = SystemClock.now();
    if let Err(fault) = poll.writer.allows(poll.region.as_str(), None) {
        let why = format!("nothing is looked for here: {}", fault.message);
        return Ok(output(reference, Finished::default(), why));
    }
    let appliances = map.prism_centrals.values().chain(map.move_appliances.values());
    // Secrets are read anew each time, so that one that was changed counts within a minute.
    let secrets = secrets.all(&appliances.map(|appliance| appliance.secret.as_str()).collect()).await;
    let eyes = Eyes {
        prisms: connect(&secrets, &map.prism_centrals, Prism::connect),
        moves: connect(&secrets, &map.move_appliances, Move::connect),
    };
    let until = begun.checked_add(SignedDuration::from_secs(stay_seconds.into())).unwrap_or(begun);
    // Whoever is asked last may take as long as it may.
    let last = invocation.deadline.time().checked_sub(LOOK + PATIENCE).unwrap_or(begun);
    let desk = Desk {
        map,
        inventory,
        events: &poll.events,
        watches: &poll.watches,
        bus: &poll.bus,
        region: &poll.region,
        clock: &SystemClock,
        invocation: &invocation.id,
        patience: PATIENCE,
        stay: Stay { until: until.min(last), again: AGAIN },
    };
    let finished = find(&desk, &eyes).await?;
    let swept = Box::pin(swept(poll, &eyes, map, invocation)).await;
    let mut words = summary(&finished);
    for word in &swept {
        words.push_str("; ");
        words.push_str(word);
    }
    Ok(FinishedOutput { swept, ..output(reference, finished, words) })
}

/// What became of test failovers that drills have left. What goes wrong here is told in words, and keeps no event back.
async fn swept(poll: &Poll, eyes: &Eyes, map: &NetworkMap, invocation: &Invocation) -> Vec<String> {
    let mut words = Vec::new();
    for (central, prism) in &eyes.prisms {
        let Ok(prism) = prism else { continue };
        let desk =
            TestDesk { map, central, prism, tests: &poll.tests, now: SystemClock.now(), invocation: &invocation.id };
        match sweep(&desk, &poll.bus).await {
            Ok(swept) => words.extend(swept),
            Err(fault) => words.push(format!("tests of drills at {central}: {}", fault.message)),
        }
    }
    words
}

type Connect<T> = fn(&str, Credentials, &holdfast_model::Trust, Timeouts) -> Result<T, NutanixError>;

fn connect<N: Ord + Clone, T>(
    secrets: &BTreeMap<String, Result<Credentials, Fault>>,
    appliances: &BTreeMap<N, Appliance>,
    connect: Connect<T>,
) -> BTreeMap<N, Result<T, String>> {
    let timeouts = Timeouts { request: REPLY, ..Timeouts::default() };
    let client = |appliance: &Appliance| match secrets.get(&appliance.secret) {
        Some(Ok(credentials)) => connect(&appliance.endpoint, credentials.clone(), &appliance.trust, timeouts)
            .map_err(|error| error.to_string()),
        Some(Err(fault)) => Err(fault.message.clone()),
        None => Err(format!("secret `{}` was not read", appliance.secret)),
    };
    appliances.iter().map(|(name, appliance)| (name.clone(), client(appliance))).collect()
}

fn output(map: MapRef, finished: Finished, summary: String) -> FinishedOutput {
    let Finished { found, published, unpublished, ignored, unknown } = finished;
    let swept = Vec::new();
    FinishedOutput {
        schema_version: SCHEMA_VERSION,
        map,
        found,
        published,
        unpublished,
        ignored,
        unknown,
        swept,
        summary,
    }
}

/// What one look found, in plain words.
fn summary(finished: &Finished) -> String {
    let Finished { found, published, unpublished, ignored, unknown } = finished;
    let mut clauses = vec![format!("{} found, {} published", found.len(), published.len())];
    clauses.extend(unpublished.iter().map(|(id, why)| format!("{id} is not published: {why}")));
    clauses.extend(ignored.iter().map(|why| format!("ignored: {why}")));
    clauses.extend(unknown.iter().map(|(name, why)| format!("{name} is unknown: {why}")));
    clauses.join("; ")
}
