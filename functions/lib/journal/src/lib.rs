//! Operations: one intent with a frozen plan, its lock on each network, its journal, and the write-ahead loop that applies it.
//!
//! Owns the order of journal and effect. Decides no route (see `holdfast-plan`) and names no AWS client: DynamoDB is in `holdfast-store`.
//!
//! An operation is stored with its plan before any lock points to it. A lock points to the open operation of a network and carries the
//! lease of whoever works at it. The journal of an operation is numbered without gaps, so an append is also the fence: whoever takes an
//! operation over appends first, and whoever worked at it before finds its next number taken, before it writes another route.

mod apply;
mod desk;
mod event;
mod lock;
mod locks;
mod memory;
mod operation;
mod outdated;
mod owed;
mod replaced;
mod session;
mod status;
mod store;
mod tables;

pub use apply::{Applied, Cause, Limits, Stopped, apply};
pub use desk::{Desk, Standing, TakeError};
pub use event::{Entry, Event};
pub use lock::{Lease, Left, Lock, Open};
pub use locks::{Locks, free_ended, read_locks};
pub use memory::{MemoryJournal, MemoryTables, Settling, Stored};
pub use operation::{Holder, Intent, Operation};
pub use outdated::outdated;
pub use owed::{Due, NotOwed, Owed, Steady, due_of};
pub use session::{AppendError, Session};
pub use status::{Illegal, Phase, Status};
pub use store::{Append, JournalStore, LockWrite, Put, StoreError};
pub use tables::{RouteTables, Seen, TablesError};
