//! The words of Holdfast as types: ids, the network map, what was observed, what was captured, evidence, the wire
//! documents of every function and the names of every fault.
//!
//! Owns no decision and no effect: no clock, no environment, no network. Route decisions are in `holdfast-plan`.

mod aws_error;
mod clock;
mod credentials;
mod event;
mod evidence;
mod fault;
mod ids;
mod inventory;
mod landing;
mod lines;
mod machines;
mod map;
mod map_check;
mod message;
mod observed;
mod observed_vpc;
mod prefix;
mod quotas;
mod readiness;
mod test_failover;
pub mod wire;

pub use clock::Clock;
pub use credentials::{Credentials, Key, Login};
pub use event::{Action, ApplianceUnknown, Became, Ending, Event, Job};
pub use evidence::{Evidence, EvidenceId, Power, SightedNic, Sighting};
pub use fault::{Fault, FaultName, Function};
pub use ids::*;
pub use inventory::{
    Addressing, GuestNic, GuestReport, GuestRoute, HostRecord, InventoryVersion, NamedVersions, NicAddress, NicRecord,
    Platform,
};
pub use landing::{Landing, WayOut};
pub use machines::{Eni, EniStatus, Instance, InstanceState, LoadBalancerTarget, Machines, TargetKind};
pub use map::*;
pub use map_check::MapError;
pub use message::{MOST_LINES, first_lines, first_lines_of};
pub use observed::*;
pub use observed_vpc::*;
pub use prefix::{Prefix, PrefixError};
pub use quotas::{Quota, QuotaName, Quotas};
pub use readiness::{DrillBasis, NetworkReady, Readiness, Stale};
pub use test_failover::{TestLeft, TestSeen, TestSubnet, TestVm};
