//! Prism Central, v4 API and v3 ([`v3`]), as far as Holdfast and its users touch it.
//!
//! Built from `nutanix-api` sections A to D, I and K: what the official SDKs demand and what public issues report. A
//! change is accepted as a task and happens some reads later; what public text leaves open is a switch
//! ([`Switches`]). State is in [`state`], the rules of address management in [`address`], what tasks do in
//! [`change`], the HTTP side in [`serve`].

pub mod address;
mod body;
pub mod change;
pub mod file;
mod handlers;
pub(crate) mod hooks;
pub mod ids;
pub mod level;
mod load;
mod nc2;
mod nics;
mod odata;
pub mod recovery;
mod render;
pub mod reply;
mod routes;
pub mod serve;
pub mod state;
mod subnets;
pub mod switches;
pub mod task;
mod v3;
mod vms;
mod vpcs;

use std::net::Ipv4Addr;

use jiff::Timestamp;

pub use ids::ExtId;
pub use load::load;
pub use nc2::move_gateway;
pub use recovery::{RecoveryPlan, failover};
pub use serve::router;
pub use state::{Lease, Prism};
pub use switches::Switches;

/// Something that happened to a VM and that its guest notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A client made the VM; it is off.
    Created {
        /// The VM.
        vm: ExtId,
    },
    /// The VM is gone, powered on or not.
    Deleted {
        /// The VM.
        vm: ExtId,
    },
    /// Powered on or rebooted.
    Booted {
        /// The VM.
        vm: ExtId,
    },
    /// Powered off.
    PoweredOff {
        /// The VM.
        vm: ExtId,
    },
    /// The link of a NIC came back.
    LinkUp {
        /// The VM.
        vm: ExtId,
        /// The NIC's MAC address.
        mac: String,
    },
    /// The link of a NIC went.
    LinkDown {
        /// The VM.
        vm: ExtId,
        /// The NIC's MAC address.
        mac: String,
    },
    /// A NIC was added to the running VM.
    NicPlugged {
        /// The VM.
        vm: ExtId,
        /// The NIC's MAC address.
        mac: String,
    },
    /// A NIC was taken from the running VM.
    NicUnplugged {
        /// The VM.
        vm: ExtId,
        /// The NIC's MAC address.
        mac: String,
    },
}

/// What a request sees of the world around its Prism Central, and where it leaves what it did to guests.
pub struct Context<'a> {
    /// The switches of the world.
    pub switches: &'a mut Switches,
    /// The present moment.
    pub now: Timestamp,
    /// The addresses that a guest really uses on the NIC of this VM with this MAC address.
    pub seen: &'a dyn Fn(ExtId, &str) -> Vec<Ipv4Addr>,
    /// What guests have to notice, in order.
    pub signals: Vec<Signal>,
    /// What is to be done with recovery plans, each with its task.
    pub wishes: Vec<(ids::TaskId, recovery::actions::Wish)>,
}
