//! What an operation replaces: it is closed before the operation goes on, whoever takes it.

use crate::desk::{Desk, TakeError};
use crate::status::{Phase, Status};
use crate::{Append, Entry, Event, Intent, JournalStore, Locks, Operation};
use holdfast_model::OperationId;
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Tries of an append that others race for.
const TRIES: usize = 5;

/// The operations that locks point to.
pub(crate) fn open_on(locks: &Locks) -> BTreeSet<OperationId> {
    locks.values().filter_map(|lock| lock.open.as_ref()).map(|open| open.operation.clone()).collect()
}

impl<J: JournalStore> Desk<'_, J> {
    /// Closes what an operation replaces, and what that one was to close and did not come to, so that nobody resumes or undoes it any more. `locks` are as
    /// they were before the operation had them.
    pub(crate) async fn close_replaced(&self, by: &Operation, locks: &Locks, now: Timestamp) -> Result<(), TakeError> {
        let undone = match &by.intent {
            Intent::Undo { operation, .. } => Some(operation),
            Intent::Move { .. } => None,
        };
        let mut left: Vec<OperationId> = by.replaces.union(&open_on(locks)).cloned().collect();
        let mut seen = BTreeSet::from([by.id.clone()]);
        let mut found = Vec::new();
        while let Some(id) = left.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            let Some(operation) = self.journal.read_operation(&id).await? else { continue };
            let (status, _) = self.status(&operation).await?;
            // INVARIANT: what an operation replaces was closed before that operation came to its end.
            match status.phase {
                Phase::Superseded(_) => continue,
                Phase::Finished if undone != Some(&id) => continue,
                Phase::Finished => {}
                Phase::Planned | Phase::Working | Phase::Held(_) => left.extend(operation.replaces.iter().cloned()),
            }
            found.push((operation, status));
        }
        let event = Event::Superseded { by: by.id.clone(), force: by.force.clone() };
        while let Some((operation, status)) = found.pop() {
            let already = |phase: &Phase| match phase {
                Phase::Superseded(_) => true,
                Phase::Finished => undone != Some(&operation.id),
                Phase::Planned | Phase::Working | Phase::Held(_) => false,
            };
            self.append_to(&operation, status, &event, already, now).await?;
        }
        Ok(())
    }

    /// Appends an event to the journal of an operation of which `status` was read, behind whatever was appended in between.
    pub(crate) async fn append_to(
        &self,
        operation: &Operation,
        mut status: Status,
        event: &Event,
        already: impl Fn(&Phase) -> bool,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        for _ in 0..TRIES {
            if already(&status.phase) {
                return Ok(());
            }
            let entry = Entry { v: 1, seq: status.next, by: self.holder.clone(), at: now, events: vec![event.clone()] };
            match self.journal.append(&operation.id, &entry).await? {
                Append::Appended => return Ok(()),
                Append::AlreadyThere(other) if other == entry => return Ok(()),
                Append::AlreadyThere(_) => (status, _) = self.status(operation).await?,
            }
        }
        Err(TakeError::Closed { operation: operation.id.clone(), why: "is still being worked at".to_owned() })
    }
}
