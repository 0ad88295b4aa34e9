//! The journal's store and EC2's route tables as a function of ours meets them: slow, throttled, without an answer, or with an effect that comes late.

use super::audit::{Writ, before_write, written};
use super::deeds::Deed;
use super::ground::region_of_table;
use super::world::{Day, Gate, Shared, pause};
use holdfast_journal::{
    Append, Entry, JournalStore, Lock, LockWrite, MemoryJournal, Operation, Put, RouteTables, Seen, StoreError,
    TablesError,
};
use holdfast_model::{Clock, NetworkName, OperationId, Prefix, RouteTableId};
use holdfast_plan::{Place, RouteValue, Spot, Step};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// A call may have its effect so long after it was begun, in seconds: `OPERATION_TIMEOUT` of the functions.
pub(crate) const CALL: i64 = 25;

/// How a call ends.
enum Chance {
    Good,
    LostAnswer,
    NoEffect,
}

fn chance(day: &Day) -> Chance {
    let mut world = day.world();
    match (world.calm, world.dice.below(200)) {
        (false, 0) => Chance::LostAnswer,
        (false, 1) => Chance::NoEffect,
        _ => Chance::Good,
    }
}

/// The operations table.
#[derive(Debug)]
pub(crate) struct Store(pub(crate) Shared);

impl Store {
    async fn call<'a, T, F: Future<Output = Result<T, StoreError>> + Send>(
        &'a self,
        effect: impl Fn(&'a MemoryJournal) -> F + Send,
    ) -> Result<T, StoreError> {
        Gate(&self.0).await;
        let lost = || Err(StoreError::Unavailable("no answer".to_owned()));
        let end = match chance(&self.0) {
            Chance::Good => effect(&self.0.journal).await,
            // Sent again, it meets its own effect.
            Chance::LostAnswer if self.0.world().dice.one_in(2) => {
                drop(effect(&self.0.journal).await);
                Gate(&self.0).await;
                effect(&self.0.journal).await
            }
            Chance::LostAnswer => effect(&self.0.journal).await.and_then(|_| lost()),
            Chance::NoEffect => lost(),
        };
        Gate(&self.0).await;
        end
    }
}

impl JournalStore for Store {
    async fn read_locks(&self, networks: &BTreeSet<NetworkName>) -> Result<BTreeMap<NetworkName, Lock>, StoreError> {
        self.call(|journal| journal.read_locks(networks)).await
    }
    async fn swap_lock(&self, network: &NetworkName, expected: u64, lock: &Lock) -> Result<LockWrite, StoreError> {
        self.call(|journal| journal.swap_lock(network, expected, lock)).await
    }
    async fn put_operation(&self, operation: &Operation) -> Result<Put, StoreError> {
        self.call(|journal| journal.put_operation(operation)).await
    }
    async fn read_operation(&self, id: &OperationId) -> Result<Option<Operation>, StoreError> {
        self.call(|journal| journal.read_operation(id)).await
    }
    async fn read_entries(&self, id: &OperationId) -> Result<Vec<Entry>, StoreError> {
        self.call(|journal| journal.read_entries(id)).await
    }
    async fn append(&self, id: &OperationId, entry: &Entry) -> Result<Append, StoreError> {
        self.call(|journal| journal.append(id, entry)).await
    }
}

/// A write that was sent to EC2.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) step: Step,
    pub(crate) operation: String,
    /// When.
    pub(crate) at: Timestamp,
    /// When the routing was read that it rests on.
    pub(crate) pictured: Timestamp,
}

/// What of a step's place is a route: the map of a day has nothing else.
pub(crate) fn prefix_of(step: &Step) -> Prefix {
    match &step.place {
        Place::Route { prefix } => *prefix,
        Place::Reference { .. } | Place::Propagation { .. } => Prefix::parse("0.0.0.0/0").unwrap(),
    }
}

/// EC2 does what was sent, as `CreateTransitGatewayRoute`, `Replace..` and `Delete..` do: whatever the route leads to now.
pub(crate) fn take_effect(day: &Day, sent: &Sent) -> Result<Seen, TablesError> {
    let Sent { step, .. } = sent;
    let mut world = day.world();
    let of = prefix_of(step);
    let present = world.routes.get(&step.table, of).value;
    match (step.before == RouteValue::Absent, present == RouteValue::Absent) {
        (true, false) => return Err(TablesError::Changed("RouteAlreadyExists".to_owned())),
        (false, true) => return Err(TablesError::Changed("InvalidRoute.NotFound".to_owned())),
        (true, true) | (false, false) => {}
    }
    let slow = !world.calm && world.dice.one_in(80);
    let settles = if slow { world.dice.between(20, 90) } else { world.dice.between(0, 4) };
    let settles = world.now + SignedDuration::from_secs(settles);
    let settled = settles == world.now;
    written(&mut world, sent, |world| world.routes.set(&step.table, of, step.after.clone(), settles));
    let value = step.after.clone();
    Ok(if settled { Seen::Settled(value) } else { Seen::Changing(value) })
}

/// A write on its way. Who sent it may die: then it may still take effect.
struct OnItsWay<'a> {
    day: &'a Day,
    sent: Option<Sent>,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(sent) = self.sent.take() {
            late(self.day, sent);
        }
    }
}

/// What nobody waits for any more takes effect within the time of a call, or never.
fn late(day: &Day, sent: Sent) {
    let mut world = day.world();
    let most = (sent.at + SignedDuration::from_secs(CALL)).duration_since(world.now).as_secs();
    if most >= 0 && world.dice.one_in(2) {
        let after = world.dice.between(0, most);
        world.later(after, Deed::Late(Box::new(sent)));
    }
}

/// Route tables, written by one invocation.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) day: Shared,
    pub(crate) writ: Writ,
    /// When each place was read last.
    pub(crate) reads: Mutex<BTreeMap<(RouteTableId, Spot), Timestamp>>,
}

impl Tables {
    fn answers(&self, step: &Step) -> Result<(), TablesError> {
        match self.day.world().answers(&step.table) {
            true => Ok(()),
            false => Err(TablesError::Unavailable(format!("{} does not answer", region_of_table(&step.table)))),
        }
    }
}

impl RouteTables for Tables {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        Gate(&self.day).await;
        self.answers(step)?;
        let end = match chance(&self.day) {
            Chance::Good => {
                let world = self.day.world();
                let slot = world.routes.get(&step.table, prefix_of(step));
                self.reads.lock().unwrap().insert(step.key(), world.now);
                Ok(if world.now < slot.settles { Seen::Changing(slot.value) } else { Seen::Settled(slot.value) })
            }
            Chance::LostAnswer => Err(TablesError::Unavailable("no answer".to_owned())),
            Chance::NoEffect => Err(TablesError::Throttled("RequestLimitExceeded".to_owned())),
        };
        Gate(&self.day).await;
        end
    }

    async fn write_route(&self, step: &Step) -> Result<Seen, TablesError> {
        let read = self.reads.lock().unwrap().get(&step.key()).copied();
        before_write(&self.day, &self.writ, step, read);
        self.answers(step)?;
        let sent = Sent {
            step: step.clone(),
            operation: self.writ.operation.id.to_string(),
            at: self.day.now(),
            pictured: self.writ.pictured,
        };
        let limit = sent.at + SignedDuration::from_secs(CALL);
        let mut way = OnItsWay { day: &self.day, sent: Some(sent) };
        Gate(&self.day).await;
        let Some(sent) = way.sent.take() else { return Err(TablesError::Unavailable("no answer".to_owned())) };
        let fate = chance(&self.day);
        if self.day.now() > limit {
            return Err(TablesError::Unavailable("no answer".to_owned()));
        }
        self.answers(step)?;
        let end = match fate {
            Chance::Good => take_effect(&self.day, &sent),
            Chance::LostAnswer => {
                if self.day.world().dice.one_in(2) {
                    late(&self.day, sent);
                } else {
                    drop(take_effect(&self.day, &sent));
                }
                Err(TablesError::Unavailable("no answer".to_owned()))
            }
            Chance::NoEffect if self.day.world().dice.one_in(2) => Err(TablesError::Busy("IncorrectState".to_owned())),
            Chance::NoEffect => Err(TablesError::Throttled("RequestLimitExceeded".to_owned())),
        };
        Gate(&self.day).await;
        end
    }

    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        let until = self.day.now() + SignedDuration::try_from(within).unwrap();
        loop {
            let seen = self.read_route(step).await?;
            if seen == Seen::Settled(step.after.clone()) || self.day.now() > until {
                return Ok(seen);
            }
            pause(&self.day, 1).await;
        }
    }

    async fn pause(&self, tried: u32) {
        pause(&self.day, 1 << tried).await;
    }
}
