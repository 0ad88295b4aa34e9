//! What the journal needs of a store. Every write is conditional; a lost condition is a named outcome.

use crate::{Entry, Lock, Operation};
use holdfast_model::{NetworkName, OperationId};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// A store of locks, operations and journals. All reads are strongly consistent.
///
/// A write whose reply was lost may be sent again by the store; it then meets its own effect, which the lost-condition outcomes
/// carry, so that the journal can tell.
pub trait JournalStore: Send + Sync {
    /// Reads the locks of these networks; one that was never written is [`Lock::default`]. One call where the store can.
    fn read_locks(
        &self,
        networks: &BTreeSet<NetworkName>,
    ) -> impl Future<Output = Result<BTreeMap<NetworkName, Lock>, StoreError>> + Send;

    /// Writes a lock if the stored one still has fence number `expected` (0: never written).
    fn swap_lock(
        &self,
        network: &NetworkName,
        expected: u64,
        lock: &Lock,
    ) -> impl Future<Output = Result<LockWrite, StoreError>> + Send;

    /// Stores an operation with its plan, unless one of this id exists.
    fn put_operation(&self, operation: &Operation) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Reads an operation with its plan; `None` when there is none, or not completely stored.
    fn read_operation(&self, id: &OperationId) -> impl Future<Output = Result<Option<Operation>, StoreError>> + Send;

    /// Reads the journal of an operation in order.
    fn read_entries(&self, id: &OperationId) -> impl Future<Output = Result<Vec<Entry>, StoreError>> + Send;

    /// Appends an entry at its number, unless that number is taken.
    fn append(&self, id: &OperationId, entry: &Entry) -> impl Future<Output = Result<Append, StoreError>> + Send;
}

/// How a compare-and-swap of a lock ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockWrite {
    /// The lock is as given.
    Written,
    /// The stored lock has another fence number: this one.
    Changed(Box<Lock>),
}

/// How storing an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is stored.
    Stored,
    /// There was one of this id.
    AlreadyThere,
}

/// How an append ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Append {
    /// The entry is in the journal.
    Appended,
    /// The number was taken, by this entry.
    AlreadyThere(Entry),
}

/// Why a store did not do what was asked. Whether a write had its effect is then unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Asked to slow down, and kept asking.
    #[error("the operations table is throttled: {0}")]
    Throttled(String),
    /// No answer, or an error of its own.
    #[error("the operations table does not answer: {0}")]
    Unavailable(String),
    /// No right, or no such table.
    #[error("the operations table refuses: {0}")]
    Denied(String),
    /// What is stored cannot be read by this version.
    #[error("an item of the operations table cannot be read: {0}")]
    Unreadable(String),
}
