//! The end of a day: machines are put right, and what is open is finished, taken back, or forced by name, until the routes lead where the machines are.

use super::deeds::{force, mend, put};
use super::failover::attempt;
use super::ground::{UNITS, hosts_of, networks};
use super::nutanix::settle;
use super::routes::{declared, hop, prefix_of};
use super::swap::{input_of, to_move};
use super::world::Shared;
use holdfast_model::OperationId;
use holdfast_model::wire::FailoverRequest;

/// Starts of one unit before it counts as stuck.
const STARTS: usize = 4;

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
            let home = world.machines.home(&hosts).unwrap();
            mend(&mut world, home);
            home
        };
        let mut last = String::new();
        let mut well = false;
        for _ in 0..STARTS {
            let locks = day.journal.snapshot().locks;
            let open = locks.iter().filter(|(network, _)| all.contains(*network));
            let open = open.filter_map(|(_, lock)| lock.open.clone()).next();
            let wanted = to_move(&all, home);
            let other = open.clone().filter(|open| input_of(&open.intent) != wanted);
            if let Some(open) = other {
                let same = input_of(&open.intent);
                let undo = FailoverRequest {
                    undo: Some(open.operation.clone()),
                    lost: open.intent.lost().cloned(),
                    ..FailoverRequest::default()
                };
                let forced = FailoverRequest { force: Some(force()), ..same.clone() };
                for input in [same, undo, forced] {
                    match attempt(&day, input).await {
                        Ok(()) => break,
                        Err(fault) => last = fault.message,
                    }
                }
            }
            match attempt(&day, wanted).await {
                Ok(()) => {
                    well = true;
                    break;
                }
                Err(fault) => last = fault.message,
            }
            if let Some(open) = open {
                by_hand(&day, &open.operation);
            }
        }
        if !well {
            day.world().violate(format!("all is well, and {unit:?} cannot be led to {home}: {last}"));
            return;
        }
    }
}

/// Leads every place of an operation's networks by hand to where it was to lead: what nothing else takes out of the way. Places that its frozen plan does
/// not name may have been changed since.
fn by_hand(day: &Shared, operation: &OperationId) {
    let stored = day.journal.snapshot();
    let Some(operation) = stored.operations.get(operation) else { return };
    let mut world = day.world();
    world.counts.by_hand += 1;
    let prefixes: Vec<_> = hosts_of(&operation.plan.networks).into_iter().map(prefix_of).collect();
    for (id, of) in declared().into_iter().filter(|(_, of)| prefixes.contains(of)) {
        put(&mut world, &id, of, hop(&id, operation.plan.to.as_str()));
    }
}
