//! Operations: one intent with a frozen plan, its lock on each network, its journal, and the write-ahead loop that applies it.
//!
//! Owns the order of journal and effect. Decides no route (see `holdfast-plan`) and names no AWS client: DynamoDB is in `holdfast-store`.

mod event;
mod lock;
mod operation;
mod store;
mod tables;

pub use event::{Entry, Event};
pub use lock::{Lease, Lock, Open};
pub use operation::{Holder, Intent, Operation};
pub use store::{Append, JournalStore, LockWrite, Put, StoreError};
pub use tables::{RouteTables, Seen, TablesError};
