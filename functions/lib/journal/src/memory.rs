//! The store and the route tables in memory: the second implementation of both traits, for whoever tests an operation without AWS.

use crate::{Append, Entry, JournalStore, Lock, LockWrite, Operation, Put, RouteTables, Seen, StoreError, TablesError};
use holdfast_model::{NetworkName, OperationId, RouteTableId};
use holdfast_plan::{RouteValue, Spot, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A journal in memory.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Stored>);

/// What a [`MemoryJournal`] holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Locks.
    pub locks: BTreeMap<NetworkName, Lock>,
    /// Operations.
    pub operations: BTreeMap<OperationId, Operation>,
    /// Journals.
    pub entries: BTreeMap<OperationId, Vec<Entry>>,
}

impl MemoryJournal {
    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of everything stored.
    #[must_use]
    pub fn snapshot(&self) -> Stored {
        self.stored().clone()
    }
}

impl JournalStore for MemoryJournal {
    async fn read_locks(&self, networks: &BTreeSet<NetworkName>) -> Result<BTreeMap<NetworkName, Lock>, StoreError> {
        let stored = self.stored();
        Ok(networks.iter().map(|n| (n.clone(), stored.locks.get(n).cloned().unwrap_or_default())).collect())
    }

    async fn swap_lock(&self, network: &NetworkName, expected: u64, lock: &Lock) -> Result<LockWrite, StoreError> {
        let mut stored = self.stored();
        let present = stored.locks.get(network).cloned().unwrap_or_default();
        if present.fence != expected {
            return Ok(LockWrite::Changed(Box::new(present)));
        }
        stored.locks.insert(network.clone(), lock.clone());
        Ok(LockWrite::Written)
    }

    async fn put_operation(&self, operation: &Operation) -> Result<Put, StoreError> {
        let mut stored = self.stored();
        if stored.operations.contains_key(&operation.id) {
            return Ok(Put::AlreadyThere);
        }
        stored.operations.insert(operation.id.clone(), operation.clone());
        Ok(Put::Stored)
    }

    async fn read_operation(&self, id: &OperationId) -> Result<Option<Operation>, StoreError> {
        Ok(self.stored().operations.get(id).cloned())
    }

    async fn read_entries(&self, id: &OperationId) -> Result<Vec<Entry>, StoreError> {
        Ok(self.stored().entries.get(id).cloned().unwrap_or_default())
    }

    async fn append(&self, id: &OperationId, entry: &Entry) -> Result<Append, StoreError> {
        let mut stored = self.stored();
        let entries = stored.entries.entry(id.clone()).or_default();
        if let Some(there) = entries.iter().find(|there| there.seq == entry.seq) {
            return Ok(Append::AlreadyThere(there.clone()));
        }
        entries.push(entry.clone());
        Ok(Append::Appended)
    }
}

/// Route tables in memory.
#[derive(Debug, Default)]
pub struct MemoryTables {
    routes: Mutex<Routes>,
    settling: Settling,
}

/// When a written route is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settling {
    /// It is seen as changing once, then as settled.
    #[default]
    AfterOneRead,
    /// The answer to the write says so.
    AtOnce,
}

type Routes = BTreeMap<(RouteTableId, Spot), (RouteValue, Fresh)>;

/// Whether a change was seen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Yes,
    No,
}

impl MemoryTables {
    /// Empty tables.
    #[must_use]
    pub fn new(settling: Settling) -> Self {
        Self { routes: Mutex::default(), settling }
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a route, reference or propagation as somebody else would.
    pub fn set(&self, table: &RouteTableId, spot: Spot, value: RouteValue) {
        self.routes().insert((table.clone(), spot), (value, Fresh::No));
    }

    /// What a table holds.
    #[must_use]
    pub fn get(&self, table: &RouteTableId, spot: &Spot) -> RouteValue {
        self.routes().get(&(table.clone(), spot.clone())).map_or(RouteValue::Absent, |(value, _)| value.clone())
    }
}

impl RouteTables for MemoryTables {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        let mut routes = self.routes();
        Ok(match routes.get_mut(&step.key()) {
            None => Seen::Settled(RouteValue::Absent),
            Some((value, Fresh::No)) => Seen::Settled(value.clone()),
            Some((value, fresh)) => {
                *fresh = Fresh::No;
                Seen::Changing(value.clone())
            }
        })
    }

    async fn write_route(&self, step: &Step) -> Result<Seen, TablesError> {
        let mut routes = self.routes();
        let place = step.key();
        let present = routes.get(&place).map_or(RouteValue::Absent, |(value, _)| value.clone());
        match (step.before == RouteValue::Absent, present == RouteValue::Absent) {
            (true, false) => return Err(TablesError::Changed("RouteAlreadyExists".to_owned())),
            (false, true) => return Err(TablesError::Changed("InvalidRoute.NotFound".to_owned())),
            (true, true) | (false, false) => {}
        }
        let after = step.after.clone();
        let (fresh, seen) = match self.settling {
            Settling::AfterOneRead => (Fresh::Yes, Seen::Changing(after.clone())),
            Settling::AtOnce => (Fresh::No, Seen::Settled(after.clone())),
        };
        routes.insert(place, (after, fresh));
        Ok(seen)
    }

    async fn await_route(&self, step: &Step, _: Duration) -> Result<Seen, TablesError> {
        match self.read_route(step).await? {
            Seen::Changing(_) => self.read_route(step).await,
            settled @ Seen::Settled(_) => Ok(settled),
        }
    }

    async fn pause(&self, _: u32) {}
}
