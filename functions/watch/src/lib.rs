//! Evidence: a dated document of where each host of some networks runs, powered how, with which configured and learned addresses. And, every minute,
//! what Move and recovery plans finished by themselves: one event each on the bus.
//!
//! Reads Prism Centrals. All that it changes there are test failovers: those that a drill asks for are started and cleaned up. Infers nothing from silence: a site that does not answer is
//! unread, with the reason. EC2 sites are read by `swap-route` and `verify` themselves.

mod decide;
mod finished;
mod handle;
mod hint;
mod landing;
mod poll;
mod site;
mod subject;
pub mod test_failover;
mod tested;
mod words;

pub use finished::{AGAIN, Desk, Eyes, Finished, LOOK, PATIENCE, Stay, find};
pub use handle::{Context, REPLY, SETTLES, handle};
pub use hint::{Answered, Called, SECRET, UrlAnswer, UrlRequest, called, hinted, signed_at};
pub use landing::read_landings;
pub use site::{SiteError, SiteQuery, read_site};
pub use subject::{Scope, of_operation, of_request};
pub use words::summary;

/// IAM actions of this function in the accounts of the network map: none.
pub const ACTIONS: &[&[&str]] = &[];

/// IAM actions for reading locks, and operations with their journals.
const READS_OPERATIONS: &[&str] = &["dynamodb:BatchGetItem", "dynamodb:Query"];

/// IAM actions of this function in its own account.
pub const OWN_ACTIONS: &[&[&str]] = &[
    holdfast_runtime::MapSource::ACTIONS,
    holdfast_runtime::Secrets::ACTIONS,
    holdfast_store::Inventory::READ_ACTIONS,
    READS_OPERATIONS,
    holdfast_store::EvidenceStore::WRITE_ACTIONS,
    holdfast_store::Events::ACTIONS,
    holdfast_store::Watches::ACTIONS,
    holdfast_store::Hints::ACTIONS,
    holdfast_store::TestFailovers::ACTIONS,
    holdfast_runtime::StartSwitch::ACTIONS,
    holdfast_runtime::EventBridge::ACTIONS,
];
