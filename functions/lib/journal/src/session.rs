//! One invocation at work on one operation.

use crate::desk::{Desk, HeldLocks, LOCKS_AT_ONCE};
use crate::status::Status;
use crate::{Append, Entry, Event, JournalStore, Lease, Lock, LockWrite, Operation, StoreError};
use futures::StreamExt;
use holdfast_model::NetworkName;
use jiff::{SignedDuration, Timestamp};

/// One invocation at work on one operation, whose locks it holds.
#[derive(Debug)]
pub struct Session<'a, J> {
    desk: Desk<'a, J>,
    operation: Operation,
    status: Status,
    locks: HeldLocks,
    /// Events that go with the next append.
    waiting: Vec<Event>,
    /// Whether a write had no answer.
    doubts: bool,
}

/// Why an append failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another invocation appended first: it works at the operation now.
    #[error("execution `{execution}` took the operation over")]
    TakenOver {
        /// Whose execution.
        execution: String,
    },
    /// The store did not do it; whether the entry is there is not known.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<'a, J: JournalStore> Session<'a, J> {
    pub(crate) fn new(desk: Desk<'a, J>, operation: Operation, status: Status, locks: HeldLocks) -> Self {
        Self { desk, operation, status, locks, waiting: Vec::new(), doubts: false }
    }

    /// The operation.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Notes that a write had no answer.
    pub(crate) fn doubt(&mut self) {
        self.doubts = true;
    }

    /// Whether a write of this invocation had no answer.
    pub(crate) fn doubts(&self) -> bool {
        self.doubts
    }

    /// Notes an event that goes with the next append.
    pub(crate) fn note(&mut self, event: Event) {
        self.waiting.push(event);
    }

    /// Appends everything noted in one entry.
    ///
    /// # Guarantees
    /// When this returns well, no other invocation has taken the operation over up to now.
    pub(crate) async fn append(&mut self, now: Timestamp) -> Result<(), AppendError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let entry =
            Entry { v: 1, seq: self.status.next, by: self.desk.holder.clone(), at: now, events: self.waiting.clone() };
        match self.desk.journal.append(&self.operation.id, &entry).await? {
            Append::Appended => {}
            Append::AlreadyThere(other) if other == entry => {}
            Append::AlreadyThere(other) => {
                return Err(AppendError::TakenOver { execution: other.by.execution });
            }
        }
        self.waiting.clear();
        // INVARIANT: the events were made from this status, so the fold takes them.
        if let Err(error) = self.status.entry(&self.operation.plan, &entry) {
            tracing::error!(operation = %self.operation.id, %error, "journal of {} is not legal: {error}", self.operation.id);
        }
        Ok(())
    }

    /// Ends the lease: no call of this invocation is under way any more. The operation stays open.
    pub(crate) async fn stop(&mut self) {
        self.swap(|_, lock, older| Lock { lease: older, ..lock }).await;
    }

    /// Keeps the lease for as long as one call may take, from now on: a write had no answer. The operation stays open.
    pub(crate) async fn linger(&mut self, now: Timestamp, deadline: Timestamp) {
        let until = now + self.desk.lease_until.duration_since(deadline).max(SignedDuration::ZERO);
        let holder = self.desk.holder.clone();
        self.swap(|_, lock, older| {
            let until = older.as_ref().map_or(until, |older| older.until.max(until));
            Lock { lease: Some(Lease { holder: holder.clone(), until }), ..lock }
        })
        .await;
    }

    /// Ends the lease of an invocation that was taken over: whoever took over may have ended, and left this lease behind for calls under way.
    pub(crate) async fn leave(&self) {
        let journal = self.desk.journal;
        let networks = self.locks.keys().cloned().collect();
        let present = match journal.read_locks(&networks).await {
            Ok(present) => present,
            Err(error) => {
                tracing::warn!(operation = %self.operation.id, %error, "leases run out by themselves: {error}");
                return;
            }
        };
        for (network, lock) in present {
            // Whoever holds the lock now compares its fence: it is not touched.
            if lock.lease.as_ref().is_none_or(|lease| lease.holder != self.desk.holder) {
                continue;
            }
            let older = self.locks.get(&network).and_then(|held| held.older.clone());
            let left = Lock { fence: lock.fence + 1, lease: older, ..lock.clone() };
            if let Err(error) = journal.swap_lock(&network, lock.fence, &left).await {
                tracing::warn!(network = %network, %error, "lease of network `{network}` runs out by itself: {error}");
            }
        }
    }

    /// Frees the locks: the operation has ended.
    pub(crate) async fn release(&mut self, now: Timestamp) {
        let (operation, phase) = (self.operation.clone(), self.status.phase.clone());
        self.swap(|network, lock, older| Lock { lease: older, ..lock.freed(network, &operation, &phase, now) }).await;
    }

    /// A lock that cannot be changed is not an error of the operation: whoever comes next finds the journal, and the lease runs out.
    async fn swap(&mut self, change: impl Fn(&NetworkName, Lock, Option<Lease>) -> Lock) {
        let journal = self.desk.journal;
        let swaps = self.locks.iter_mut().map(|(network, held)| {
            let fence = held.lock.fence;
            let next = change(network, Lock { fence: fence + 1, ..held.lock.clone() }, held.older.clone());
            async move {
                match journal.swap_lock(network, fence, &next).await {
                    Ok(LockWrite::Written) => held.lock = next,
                    Ok(LockWrite::Changed(_)) => {}
                    Err(error) => {
                        tracing::warn!(network = %network, %error, "lock of network `{network}` was not changed: {error}");
                    }
                }
            }
        });
        futures::stream::iter(swaps).buffer_unordered(LOCKS_AT_ONCE).collect::<()>().await;
    }
}
