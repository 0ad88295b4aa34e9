//! Gives each NIC of a migrated wave its recorded address again, and makes the guests use them.
//!
//! Changes only the NICs of the VMs that the wave's hosts became. Powers nothing on or off, changes no route, and guesses no VM: see [`find`].
//! Changes settings inside guests only where the wave says so: see [`settings`].
//! What a NIC needs is decided in [`pair`] and done in [`nic`], for a host in [`repair`], and believed when Prism Central has seen it in [`guest`].

mod circle;
mod context;
mod find;
mod fit;
mod guest;
mod journal;
mod moved;
mod nic;
mod order;
mod pair;
mod recreate;
mod repair;
mod report;
mod settings;
mod wave;

pub use context::{ANSWER, Context, NO_MORE_CHANGES, handle};
pub use journal::{MacRefusal, Note, Notes};
pub use repair::Limits;
pub use report::{Report, Restored};
pub use settings::{GuestJob, give_settings_back};
pub use wave::{Job, restore};

use holdfast_model::{Fault, FaultName};
use holdfast_nutanix::NutanixError;

/// IAM actions of this function in the accounts of the network map.
pub const ACTIONS: &[&[&str]] = &[holdfast_guest::ACTIONS];

/// IAM actions of this function in its own account.
pub const OWN_ACTIONS: &[&[&str]] = &[
    holdfast_runtime::MapSource::ACTIONS,
    holdfast_runtime::Secrets::ACTIONS,
    holdfast_runtime::Accounts::ACTIONS,
    holdfast_store::Inventory::READ_ACTIONS,
    holdfast_store::RestoreJournal::ACTIONS,
    holdfast_store::HostResults::ACTIONS,
    holdfast_store::Failovers::ACTIONS,
];

/// The fault that an error of Prism Central or Move is here.
fn fault_of(error: &NutanixError) -> Fault {
    Fault::new(error.fault_name().unwrap_or(FaultName::RestoreIncomplete), error.to_string())
}
