//! A journal that takes its time, and a record of when each call of an operation was under way.

use holdfast_journal::{
    Append, Entry, JournalStore, Lock, LockWrite, MemoryJournal, Operation, Put, RouteTables, Seen, StoreError,
    TablesError,
};
use holdfast_model::{NetworkName, OperationId};
use holdfast_plan::Step;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When calls were under way, and when the last route was accepted.
#[derive(Debug, Default)]
pub(super) struct Record {
    calls: Mutex<Vec<(Instant, Instant)>>,
    accepted: Mutex<Option<Instant>>,
}

impl Record {
    async fn of<T>(&self, call: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let answer = call.await;
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push((begun, Instant::now()));
        answer
    }

    /// When the last route was accepted.
    pub(super) fn accepted(&self) -> Option<Instant> {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls so far.
    pub(super) fn calls(&self) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The longest chain of calls after the first ones, each begun after the one before was answered, up to the last route accepted.
    pub(super) fn sequential(&self, after: usize) -> usize {
        let Some(accepted) = self.accepted() else { return 0 };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner).split_off(after);
        calls.retain(|(_, answered)| *answered <= accepted);
        calls.sort_by_key(|(_, answered)| *answered);
        let mut last: Option<Instant> = None;
        let chain = calls.iter().filter(|(begun, answered)| {
            let follows = last.is_none_or(|last| *begun >= last);
            if follows {
                last = Some(*answered);
            }
            follows
        });
        chain.count()
    }
}

/// A journal in memory that answers each call after a while.
pub(super) struct SlowJournal<'a> {
    pub(super) memory: MemoryJournal,
    pub(super) delay: Duration,
    pub(super) record: &'a Record,
}

impl SlowJournal<'_> {
    #[expect(clippy::disallowed_methods, reason = "stands for the way to DynamoDB")]
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.record
            .of(async {
                tokio::time::sleep(self.delay).await;
                call.await
            })
            .await
    }
}

impl JournalStore for SlowJournal<'_> {
    async fn read_locks(&self, networks: &BTreeSet<NetworkName>) -> Result<BTreeMap<NetworkName, Lock>, StoreError> {
        self.call(self.memory.read_locks(networks)).await
    }
    async fn swap_lock(&self, network: &NetworkName, expected: u64, lock: &Lock) -> Result<LockWrite, StoreError> {
        self.call(self.memory.swap_lock(network, expected, lock)).await
    }
    async fn put_operation(&self, operation: &Operation) -> Result<Put, StoreError> {
        self.call(self.memory.put_operation(operation)).await
    }
    async fn read_operation(&self, id: &OperationId) -> Result<Option<Operation>, StoreError> {
        self.call(self.memory.read_operation(id)).await
    }
    async fn read_entries(&self, id: &OperationId) -> Result<Vec<Entry>, StoreError> {
        self.call(self.memory.read_entries(id)).await
    }
    async fn append(&self, id: &OperationId, entry: &Entry) -> Result<Append, StoreError> {
        self.call(self.memory.append(id, entry)).await
    }
}

/// Route tables whose calls are recorded.
pub(super) struct Watched<'a, T> {
    pub(super) tables: T,
    pub(super) record: &'a Record,
}

impl<T: RouteTables> RouteTables for Watched<'_, T> {
    async fn read_route(&self, step: &Step) -> Result<Seen, TablesError> {
        self.record.of(self.tables.read_route(step)).await
    }
    async fn write_route(&self, step: &Step) -> Result<Seen, TablesError> {
        let written = self.record.of(self.tables.write_route(step)).await;
        if written.is_ok() {
            *self.record.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        written
    }
    async fn await_route(&self, step: &Step, within: Duration) -> Result<Seen, TablesError> {
        self.record.of(self.tables.await_route(step, within)).await
    }
    async fn pause(&self, tried: u32) {
        self.tables.pause(tried).await;
    }
}
