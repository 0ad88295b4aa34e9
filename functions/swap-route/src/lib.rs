//! `swap-route`: points every declared route table at where the machines of a network are.
//!
//! Owns the order of the parts: network map, lock, observe, plan, check, evidence, journal, apply, read back, words. What is safe is
//! decided in `holdfast-plan`, when a route is written in `holdfast-journal`, how in `holdfast-aws-network`.

mod choices;
mod command;
mod context;
mod debts;
mod goal;
mod neighbours;
mod picture;
mod swap;
mod tables;
mod way_back;
mod words;

pub use command::FAILOVER;
pub use context::Context;
pub use swap::handle;
pub use tables::AwsTables;

/// IAM actions in the accounts that the network map names: everything that is read, and the writes of routes.
pub const ACTIONS: &[&[&str]] = &[
    holdfast_aws_network::ACTIONS,
    holdfast_aws_network::QUOTA_ACTIONS,
    holdfast_aws_network::TARGET_ACTIONS,
    holdfast_aws_network::WRITE_ACTIONS,
];

/// IAM actions in the function's own account.
pub const OWN_ACTIONS: &[&[&str]] = &[
    holdfast_runtime::MapSource::ACTIONS,
    holdfast_runtime::Accounts::ACTIONS,
    holdfast_store::Inventory::READ_ACTIONS,
    holdfast_store::EvidenceStore::READ_ACTIONS,
    holdfast_store::Operations::ACTIONS,
];
