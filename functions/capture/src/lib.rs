//! Records the addresses of a wave before it moves: from the EC2 API and, where an instance runs, from inside the guest; or imports what older scripts
//! recorded.
//!
//! Changes nothing but the inventory, and there only adds a version. Refuses two machines of one name, addresses outside the declared
//! networks, and whatever would be worse than what is captured already; a guest that cannot be read or contradicts the API is left out and named.

mod compare;
mod handle;
mod import;
mod judge;
mod read;
mod select;

pub use compare::{Contradiction, compare};
pub use handle::{Context, handle};
pub use import::{Imported, import};
pub use judge::{Judgement, judge};
pub use read::{Read, read_hosts};
pub use select::{Failed, Selected, select};

/// IAM actions of this function in the accounts of the network map.
pub const ACTIONS: &[&[&str]] = &[holdfast_aws_network::ACTIONS, holdfast_guest::ACTIONS];

/// IAM actions of this function in its own account.
pub const OWN_ACTIONS: &[&[&str]] = &[
    holdfast_runtime::MapSource::ACTIONS,
    holdfast_runtime::Accounts::ACTIONS,
    holdfast_store::Inventory::READ_ACTIONS,
    holdfast_store::Inventory::WRITE_ACTIONS,
    holdfast_store::OldTable::ACTIONS,
];
