//! The operating systems of all machines, and the on-premises sites.
//!
//! A guest belongs to a disk, not to a machine: Move and a failover copy it to a VM. It finds its NICs by MAC address when
//! it boots, and changes an address only when it takes a lease ([`lease`]): what Prism Central or EC2 say that a NIC
//! has is an offer to it, nothing more.

mod events;
pub mod file;
mod hardware;
pub mod lease;
mod load;
pub mod report;
mod state;

use serde::{Deserialize, Serialize};

pub use events::{copy, instance_changed, vm_changed};
pub use load::load;
pub use state::{Adapter, Addressing, Agent, Entry, Guest, GuestId, Guests, Place, Site};

/// Settings of guests and Run Command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// How many reads find no invocation of a command that was just sent.
    pub invocation_hidden_reads: u32,
    /// How many more reads show it as `Pending`.
    pub invocation_pending_reads: u32,
    /// How many more reads show it as `InProgress`.
    pub invocation_progress_reads: u32,
    /// Whether a guest asks for a lease when a link comes up.
    pub lease_on_link: bool,
    /// The settings script says that it has set what the guest does not have afterwards.
    pub settings_ignored: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            invocation_hidden_reads: 1,
            invocation_pending_reads: 1,
            invocation_progress_reads: 1,
            lease_on_link: true,
            settings_ignored: false,
        }
    }
}
