//! What Holdfast keeps in DynamoDB: the inventory, and in the operations table locks, operations, journals, evidence,
//! reports, drills, test failovers, NICs being restored, and what `watch` found.
//!
//! Every write has a condition, every read is strongly consistent, and there are no transactions, which strongly consistent
//! global tables do not have. Decides nothing: what a lost condition means is for `holdfast-journal` and the functions.

mod document;
mod drills;
mod error;
mod events;
mod evidence;
mod failovers;
mod hints;
mod inventory;
mod item;
mod old_table;
mod operations;
mod reports;
mod restore;
mod results;
mod standing;
mod table;
mod test_failovers;
mod watched;

pub use drills::{Drill, Drills, DrillsTo, Told};
pub use error::StoreError;
pub use events::{EventRecord, Events, Found, Published, Taken};
pub use evidence::EvidenceStore;
pub use failovers::Failovers;
pub use hints::Hints;
pub use inventory::{Captured, Inventory, PutVersion};
pub use old_table::{OldRow, OldTable};
pub use operations::Operations;
pub use reports::Reports;
pub use restore::{RestoreJournal, RestoreKey, RestorePut, RestoreRecord};
pub use results::{HostResult, HostResults, Standing};
pub use standing::{RegionStanding, Standings};
pub use table::Put;
pub use test_failovers::{Cleaning, KeptTest, TestFailover, TestFailovers, TestOver};
pub use watched::{Asked, Dark, Darkness, First, Note, Noted, Watched, WatchedAppliance, Watches};
