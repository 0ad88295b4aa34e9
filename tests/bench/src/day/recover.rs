//! The end of a day: machines are put right, and what is open is finished, taken back, or forced by name, as a person is told to, until the routes lead
//! where the machines are.

use super::deeds::mend;
use super::failover::attempt;
use super::ground::{UNITS, hosts_of, networks};
use super::nutanix::settle;
use super::routes::prefix_of;
use super::swap::{input_of, to_move};
use super::world::Shared;
use holdfast_journal::Open;
use holdfast_model::NetworkName;
use holdfast_model::wire::FailoverRequest;
use std::collections::BTreeSet;

/// Starts of one unit before it counts as stuck.
const STARTS: usize = 4;

/// How a refusal tells that only a change by hand helps: a table holds what the map does not know.
const BY_HAND: &str = "put it to what the map has there";

/// Starts everything again until it is well.
pub(crate) async fn recover(day: Shared) {
    for unit in UNITS {
        let all = networks(unit);
        let hosts = hosts_of(&all);
        let home = {
            let mut world = day.world();
            if world.machines.home(&hosts).is_none() {
                settle(&mut world, &hosts);
            }
            world.machines.home(&hosts).unwrap()
        };
        if let Some(why) = led(&day, &all, home).await {
            day.world()
                .violate(format!("all is well, and nothing that a person is told leads {unit:?} to {home}: {why}"));
            return;
        }
    }
}

/// Leads a unit to where its machines are, by nothing but what a person is told; the last that it was refused with, if that leads nowhere.
async fn led(day: &Shared, all: &BTreeSet<NetworkName>, home: &str) -> Option<String> {
    let wanted = to_move(all, home);
    let mut last = None;
    for _ in 0..STARTS {
        let fault = match attempt(day, wanted.clone()).await {
            Ok(()) => return None,
            Err(fault) => fault.message,
        };
        let mut inputs: Vec<FailoverRequest> = open_on(day, all).iter().map(|open| input_of(&open.intent)).collect();
        inputs.extend(inputs_in(&fault, home));
        let mut words = vec![fault];
        let mut at = 0;
        while let Some(input) = inputs.get(at).cloned() {
            at += 1;
            match attempt(day, input.clone()).await {
                Ok(()) => {
                    let mut world = day.world();
                    world.counts.stuck += u64::from(input.force.is_some());
                    break;
                }
                Err(fault) => {
                    let told = inputs_in(&fault.message, home);
                    inputs.extend(told.into_iter().filter(|told| !inputs.contains(told)).collect::<Vec<_>>());
                    words.push(fault.message);
                }
            }
        }
        if words.iter().any(|words| words.contains(BY_HAND)) {
            day.world().counts.by_hand += 1;
            let prefixes: Vec<_> = hosts_of(all).into_iter().map(prefix_of).collect();
            mend(&mut day.world(), &prefixes, home);
        }
        last = words.pop();
    }
    last
}

/// The operation that is open on networks.
fn open_on(day: &Shared, all: &BTreeSet<NetworkName>) -> Option<Open> {
    let locks = day.journal.snapshot().locks;
    locks.into_iter().find_map(|(network, lock)| lock.open.filter(|_| all.contains(&network)))
}

/// The inputs that a message tells a person to start, filled in as a person does.
pub(crate) fn inputs_in(message: &str, home: &str) -> Vec<FailoverRequest> {
    let filled = message.replace("<site>", home).replace("<you>", "ana").replace("<why>", "3 a.m.");
    filled.split('`').filter_map(|input| serde_json::from_str(input).ok()).collect()
}
