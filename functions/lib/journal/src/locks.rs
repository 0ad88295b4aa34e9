//! The locks of several networks.

use crate::{Entry, JournalStore, Lock, Operation, Phase, Status, TakeError};
use holdfast_model::{NetworkName, OperationId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The locks of some networks as they were read.
pub type Locks = BTreeMap<NetworkName, Lock>;

/// The locks of some networks. One that points to an operation which has ended, but whose last writer died before it freed the lock, is as that
/// writer would have left it.
///
/// # Errors
/// [`TakeError::Store`], [`TakeError::Illegal`].
pub async fn read_locks<J: JournalStore>(networks: &BTreeSet<NetworkName>, journal: &J) -> Result<Locks, TakeError> {
    free_ended(journal.read_locks(networks).await?, journal).await
}

/// Locks as they are stored, but that one which points to an operation that has ended is as [`read_locks`] returns it.
///
/// # Errors
/// [`TakeError::Store`], [`TakeError::Illegal`].
pub async fn free_ended<J: JournalStore>(mut locks: Locks, journal: &J) -> Result<Locks, TakeError> {
    let mut ended: BTreeMap<OperationId, Option<(Operation, Phase, Timestamp)>> = BTreeMap::new();
    for (network, lock) in &mut locks {
        let Some(open) = &lock.open else { continue };
        if !ended.contains_key(&open.operation) {
            let end = end(&open.operation, journal).await?;
            ended.insert(open.operation.clone(), end);
        }
        if let Some(Some((operation, phase, at))) = ended.get(&open.operation) {
            *lock = lock.clone().freed(network, operation, phase, *at);
        }
    }
    Ok(locks)
}

/// An operation that has ended, how and when; none where it did not.
async fn end<J: JournalStore>(
    id: &OperationId,
    journal: &J,
) -> Result<Option<(Operation, Phase, Timestamp)>, TakeError> {
    let Some(operation) = journal.read_operation(id).await? else { return Ok(None) };
    let (status, entries) = read_status(&operation, journal).await?;
    let ended = matches!(status.phase, Phase::Finished | Phase::Superseded(_));
    let last = entries.last().filter(|_| ended).map(|entry| entry.at);
    Ok(last.map(|at| (operation, status.phase, at)))
}

/// Reads the journal of an operation and folds it.
pub(crate) async fn read_status<J: JournalStore>(
    operation: &Operation,
    journal: &J,
) -> Result<(Status, Vec<Entry>), TakeError> {
    let entries = journal.read_entries(&operation.id).await?;
    let status = Status::fold(&operation.plan, &entries)
        .map_err(|source| TakeError::Illegal { operation: operation.id.clone(), source })?;
    Ok((status, entries))
}
