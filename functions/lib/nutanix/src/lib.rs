//! Prism Central (v4, per namespace, and v3) and Nutanix Move over HTTPS.
//!
//! Owns the wire forms, version negotiation, ETags, request ids, tasks and what an error means. Decides nothing about NICs: see
//! `holdfast-restore-nic`. There is no way to accept any certificate, and no session: every request carries its credentials.

mod error;
mod http;
mod json;
mod move_;
mod prism;
mod said;
mod slots;
mod trust;
mod wait;

pub use error::NutanixError;
pub use http::{TRIES, Timeouts};
pub use move_::{Cutover, Move, MovePlan, MoveRecord, MoveState};
pub use prism::{CreateNic, ExternalSubnet, Nic, Prism, ReservedIp, Subnet, Vm, VmRead, Vnic, Vpc};
pub use prism::{Fate, RecoveredEntity, RecoveryAction, RecoveryJob, RecoveryPlan, RecoveryState, Toward};
pub use wait::{Backoff, Pauses, TimeLimit};
