//! Recovery plans: the failover of VMs to the other Prism Central, and the jobs that tell of it (nutanix-api E).
//!
//! Plans are in [`plan`], jobs in [`job`], what a person may do with them in [`run`], what clients ask of them
//! in [`actions`], what happens to VMs in
//! [`vms`], the reading by v4 in [`lookup`] and [`render`], that by v3 beside the rest of v3.

pub(super) mod actions;
pub mod job;
pub(super) mod lookup;
mod plan;
mod render;
pub mod run;
mod vms;

pub use job::{Job, Kind};
pub use plan::{PlanShown, RecoveryPlan, Zone};
pub use run::{Order, Step, Until, clean_up, failover, start, step};
