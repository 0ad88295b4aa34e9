//! Takes an operation: finds the open one, opens one, resumes one. From then on a [`Session`] works at it.

use crate::locks::read_status;
use crate::replaced::open_on;
use crate::session::Session;
use crate::status::{Illegal, Phase, Status};
use crate::{
    Entry, Event, Holder, Intent, JournalStore, Lease, Lock, LockWrite, Locks, Open, Operation, StoreError, read_locks,
};
use futures::StreamExt;
use holdfast_model::{FaultName, NetworkMap, NetworkName, OperationId, wire::Force};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Locks that are written at once, after the first: whoever loses that one takes no other.
pub(crate) const LOCKS_AT_ONCE: usize = 16;

/// Where an invocation takes operations.
#[derive(Debug)]
pub struct Desk<'a, J> {
    pub(crate) journal: &'a J,
    pub(crate) holder: Holder,
    /// Until when a call of this invocation may take effect.
    pub(crate) lease_until: Timestamp,
}

/// What an intent meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No operation is open on the networks.
    Free(Locks),
    /// This operation of an equal intent is open.
    Same(OperationId, Locks),
}

/// A lock that an invocation holds.
#[derive(Debug)]
pub(crate) struct HeldLock {
    /// As it was last written.
    pub(crate) lock: Lock,
    /// The lease of whoever held it before and never said that it stopped: it stays when this one is given up.
    pub(crate) older: Option<Lease>,
}

/// The locks that an invocation holds.
pub(crate) type HeldLocks = BTreeMap<NetworkName, HeldLock>;

/// Why an operation cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// Another intent is open.
    #[error("operation {operation} ({intent}) is open on network `{network}` since {since}{}; start its input again to finish it, or take it back with `{}`{}", by(.holder.as_deref()), .intent.undo_input(.operation), else_replaced(.replace.as_ref()))]
    OperationOpen {
        /// The network.
        network: NetworkName,
        /// The open operation.
        operation: OperationId,
        /// What it is for.
        intent: Box<Intent>,
        /// Since when.
        since: Timestamp,
        /// Who works at it, if anybody does.
        holder: Option<Box<Holder>>,
        /// What a person is told who can do neither; none where its document is not stored.
        replace: Option<String>,
    },
    /// Somebody who worked for another intent may still have a call under way.
    #[error("execution `{execution}` may still have a call under way on network `{network}` until {until}")]
    LeaseHeld {
        /// The network.
        network: NetworkName,
        /// Whose.
        execution: String,
        /// Until when.
        until: Timestamp,
    },
    /// Others took the locks in between.
    #[error("another execution took network `{network}` at the same moment")]
    Raced {
        /// The network.
        network: NetworkName,
    },
    /// The operation to resume is not stored.
    #[error("operation {0} is not stored, or not completely")]
    NoOperation(OperationId),
    /// The operation cannot be taken any more.
    #[error("operation {operation} {why}")]
    Closed {
        /// The operation.
        operation: OperationId,
        /// Why.
        why: String,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal is not what can have happened.
    #[error("the journal of operation {operation} is not legal")]
    Illegal {
        /// The operation.
        operation: OperationId,
        /// Which entry.
        #[source]
        source: Illegal,
    },
}

impl TakeError {
    /// The fault that a function returns for it.
    #[must_use]
    pub fn fault(&self) -> FaultName {
        match self {
            TakeError::OperationOpen { .. } => FaultName::OperationOpen,
            TakeError::LeaseHeld { .. } | TakeError::Raced { .. } => FaultName::LeaseHeld,
            TakeError::Closed { .. } => FaultName::TakenOver,
            TakeError::NoOperation(_) | TakeError::Illegal { .. } => FaultName::Internal,
            TakeError::Store(error) => error.fault(),
        }
    }
}

fn else_replaced(replace: Option<&String>) -> String {
    replace.map(|replace| format!("; {replace}")).unwrap_or_default()
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(", worked at by execution `{}`", holder.execution)).unwrap_or_default()
}

/// Sees that nobody may have a call under way on these networks.
fn unleased<'l>(mut locks: impl Iterator<Item = (&'l NetworkName, &'l Lock)>, now: Timestamp) -> Result<(), TakeError> {
    match locks.find_map(|(network, lock)| Some((network, lock.leased(now)?))) {
        None => Ok(()),
        Some((network, lease)) => Err(TakeError::LeaseHeld {
            network: network.clone(),
            execution: lease.holder.execution.clone(),
            until: lease.until,
        }),
    }
}

impl<'a, J: JournalStore> Desk<'a, J> {
    /// A desk for one invocation. `lease_until` is the deadline of the invocation plus the time-out of one call.
    pub fn new(journal: &'a J, holder: Holder, lease_until: Timestamp) -> Self {
        Self { journal, holder, lease_until }
    }

    /// Finds out what an intent meets on its networks. Changes nothing. `over` is the network map, where a person forces the intent.
    ///
    /// # Errors
    /// [`TakeError::OperationOpen`] when another intent is open, which this one may not replace.
    pub async fn find(
        &self,
        networks: &BTreeSet<NetworkName>,
        intent: &Intent,
        over: Option<&NetworkMap>,
        now: Timestamp,
    ) -> Result<Standing, TakeError> {
        self.meet(read_locks(networks, self.journal).await?, intent, over, now).await
    }

    /// Finds out what an intent meets on networks whose locks were read with [`read_locks`] or [`crate::free_ended`]. Reads nothing more where nothing
    /// else is open.
    ///
    /// # Errors
    /// [`TakeError::OperationOpen`] when another intent is open, which this one may not replace.
    pub async fn meet(
        &self,
        locks: Locks,
        intent: &Intent,
        over: Option<&NetworkMap>,
        now: Timestamp,
    ) -> Result<Standing, TakeError> {
        let mut open: BTreeMap<&OperationId, (&NetworkName, &Lock, &Open)> = BTreeMap::new();
        for (network, lock) in &locks {
            if let Some(on) = &lock.open {
                open.entry(&on.operation).or_insert((network, lock, on));
            }
        }
        // Who died while it took the locks has left some with the operation that it replaces: that one is for its own successor to close.
        let mut read = BTreeMap::new();
        if open.len() > 1 {
            read = self.read_all(open.keys().copied()).await?;
            let replaced: BTreeSet<&OperationId> = read.values().flat_map(|operation| &operation.replaces).collect();
            open.retain(|id, _| !replaced.contains(id));
        }
        let same = open.iter().find(|(_, (_, _, on))| on.intent == *intent).map(|(id, _)| (*id).clone());
        open.retain(|id, (_, _, on)| same.as_ref() != Some(*id) && !intent.replaces(id, &on.intent));
        if open.is_empty() {
            return Ok(match same {
                Some(operation) => Standing::Same(operation, locks),
                None => Standing::Free(locks),
            });
        }
        if read.is_empty() {
            read = self.read_all(open.keys().copied()).await?;
        }
        for (id, (network, lock, on)) in open {
            let operation = read.get(id);
            if let (Some(map), Some(operation)) = (over, operation)
                && intent.covers(operation, map)
                && !self.is_overtaken_by(operation).await?
            {
                continue;
            }
            return Err(TakeError::OperationOpen {
                network: network.clone(),
                operation: id.clone(),
                intent: Box::new(on.intent.clone()),
                since: on.since,
                holder: lock.leased(now).map(|lease| Box::new(lease.holder.clone())),
                replace: operation.map(Operation::or_replace),
            });
        }
        Ok(Standing::Free(locks))
    }

    /// Whether an operation has ended one that this execution planned: a person's word ends nothing that came after it.
    async fn is_overtaken_by(&self, operation: &Operation) -> Result<bool, TakeError> {
        let ended = self.read_all(operation.replaces.iter()).await?;
        Ok(ended.values().any(|ended| ended.planned_by.execution == self.holder.execution))
    }

    /// Whether a person who forces the input of an open operation has it replaced by a new plan where it cannot go on, for this reason: only what somebody
    /// could look at before, so nothing that this execution planned.
    #[must_use]
    pub fn plans_anew(&self, operation: &Operation, why_not: FaultName) -> bool {
        let is_stuck = matches!(why_not, FaultName::Drifted | FaultName::Refused);
        let is_move = matches!(operation.intent, Intent::Move { .. });
        is_stuck && is_move && operation.planned_by.execution != self.holder.execution
    }

    /// The documents of operations, of those that are stored.
    async fn read_all(
        &self,
        ids: impl Iterator<Item = &OperationId>,
    ) -> Result<BTreeMap<OperationId, Operation>, TakeError> {
        let mut read = BTreeMap::new();
        for id in ids {
            if let Some(operation) = self.journal.read_operation(id).await? {
                read.insert(id.clone(), operation);
            }
        }
        Ok(read)
    }

    /// Reads the journal of an operation and folds it.
    ///
    /// # Errors
    /// [`TakeError::Illegal`], [`TakeError::Store`].
    pub async fn status(&self, operation: &Operation) -> Result<(Status, Vec<Entry>), TakeError> {
        read_status(operation, self.journal).await
    }

    /// Opens an operation on networks that were found free, or whose open operations it replaces.
    ///
    /// # Flow
    /// No lease may be left; the operation with its plan, and with what it replaces, is stored; then every lock is swapped; then what it replaces is closed;
    /// then the journal begins.
    ///
    /// # Guarantees
    /// When this returns, the operation is stored with its plan, every lock points to it with this invocation's lease, and what was open there before, or
    /// is taken back, is closed. A lock that somebody else took in between gives all others back.
    ///
    /// # Assumptions
    /// `locks` were read before the tables that the plan is made from, and `now` is not after that: a lease that ran out in between may have brought about
    /// a write that the plan does not know of.
    ///
    /// # Errors
    /// [`TakeError::LeaseHeld`] when somebody who worked for another intent may still have a call under way, [`TakeError::Raced`] when a lock
    /// was taken in between.
    pub async fn open(
        self,
        mut operation: Operation,
        locks: &Locks,
        now: Timestamp,
    ) -> Result<Session<'a, J>, TakeError> {
        unleased(locks.iter(), now)?;
        operation.replaces = open_on(locks);
        if let Intent::Undo { operation: undone, .. } = &operation.intent {
            operation.replaces.insert(undone.clone());
        }
        self.journal.put_operation(&operation).await?;
        let status = Status::fold(&operation.plan, &[])
            .map_err(|source| TakeError::Illegal { operation: operation.id.clone(), source })?;
        let force = operation.force.clone();
        let taken = self.take(&operation, locks, now).await?;
        self.close_replaced(&operation, locks, now).await?;
        let mut session = Session::new(self, operation, status, taken);
        session.note(Event::Taken { force });
        Ok(session)
    }

    /// Resumes an operation from its frozen plan. `force` is a person's word that this invocation goes by; `now` is when the locks were read.
    ///
    /// # Guarantees
    /// When this returns, whoever worked at it before can append no more to its journal, and so begins no further step; and what it replaces is closed,
    /// also where whoever opened it died before.
    ///
    /// # Errors
    /// [`TakeError::Raced`] when a lock was taken in between, [`TakeError::LeaseHeld`] when somebody who worked at what it replaces may still have a call
    /// under way, [`TakeError::Closed`] when the operation has ended.
    pub async fn resume(
        self,
        id: &OperationId,
        locks: &Locks,
        force: Option<&Force>,
        now: Timestamp,
    ) -> Result<Session<'a, J>, TakeError> {
        let others = locks.iter().filter(|(_, lock)| lock.open.as_ref().is_none_or(|open| open.operation != *id));
        unleased(others, now)?;
        let operation = self.journal.read_operation(id).await?.ok_or_else(|| TakeError::NoOperation(id.clone()))?;
        let taken = self.take(&operation, locks, now).await?;
        // An operation without steps ends with the entry below: whoever dies behind it closes nothing any more.
        self.close_replaced(&operation, locks, now).await?;
        let event = Event::Taken { force: force.cloned() };
        let ended = |phase: &Phase| matches!(phase, Phase::Finished | Phase::Superseded(_));
        let (status, _) = self.status(&operation).await?;
        self.append_to(&operation, status, &event, ended, now).await?;
        let (status, _) = self.status(&operation).await?;
        // Without steps it is this invocation that finished it, and goes on to what is left of it.
        let closed = ended(&status.phase) && !(status.phase == Phase::Finished && operation.plan.is_empty());
        let mut session = Session::new(self, operation, status, taken);
        if closed {
            session.release(now).await;
            return Err(TakeError::Closed { operation: id.clone(), why: "ended in between".to_owned() });
        }
        Ok(session)
    }

    /// Takes every lock with a lease that covers the one of whoever held it before.
    async fn take(&self, operation: &Operation, locks: &Locks, now: Timestamp) -> Result<HeldLocks, TakeError> {
        let mut taken = HeldLocks::new();
        let mut lost = None;
        let mut all = locks.iter().map(|(network, lock)| self.take_one(operation, network, lock, now));
        let mut ends = Vec::new();
        if let Some(first) = all.next() {
            ends.push(first.await);
        }
        if ends.iter().all(|(_, end)| matches!(end, Ok(Some(_)))) {
            ends.extend(futures::stream::iter(all).buffered(LOCKS_AT_ONCE).collect::<Vec<_>>().await);
        }
        for (network, end) in ends {
            match end {
                Ok(Some(held)) => drop(taken.insert(network, held)),
                Ok(None) => lost = lost.or(Some(TakeError::Raced { network })),
                Err(error) => lost = Some(error.into()),
            }
        }
        match lost {
            None => Ok(taken),
            Some(lost) => {
                if matches!(lost, TakeError::Raced { .. }) {
                    self.give_back(&taken, locks).await;
                }
                Err(lost)
            }
        }
    }

    /// Takes one lock; none when somebody else changed it in between.
    async fn take_one(
        &self,
        operation: &Operation,
        network: &NetworkName,
        lock: &Lock,
        now: Timestamp,
    ) -> (NetworkName, Result<Option<HeldLock>, StoreError>) {
        let since = lock.open.as_ref().filter(|open| open.operation == operation.id).map_or(now, |open| open.since);
        let open = Open { operation: operation.id.clone(), intent: operation.intent.clone(), since };
        let older = lock.leased(now).filter(|lease| lease.holder != self.holder).cloned();
        let until = older.as_ref().map_or(self.lease_until, |older| older.until.max(self.lease_until));
        let lease = Lease { holder: self.holder.clone(), until };
        let mine = Lock { fence: lock.fence + 1, open: Some(open), lease: Some(lease), ..lock.clone() };
        let end = match self.journal.swap_lock(network, lock.fence, &mine).await {
            Ok(LockWrite::Written) => Ok(Some(HeldLock { lock: mine, older })),
            Ok(LockWrite::Changed(other)) if *other == mine => Ok(Some(HeldLock { lock: mine, older })),
            Ok(LockWrite::Changed(_)) => Ok(None),
            Err(error) => Err(error),
        };
        (network.clone(), end)
    }

    /// Puts locks back to what they were; one that cannot be put back runs out with its lease.
    async fn give_back(&self, taken: &HeldLocks, before: &Locks) {
        for (network, mine) in taken {
            let Some(before) = before.get(network) else { continue };
            let back = Lock { fence: mine.lock.fence + 1, ..before.clone() };
            if let Err(error) = self.journal.swap_lock(network, mine.lock.fence, &back).await {
                tracing::warn!(network = %network, %error, "lock of network `{network}` was not given back: {error}");
            }
        }
    }
}
