//! Instances and network interfaces.

use std::{collections::BTreeMap, net::Ipv4Addr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Home, Service, Tags};

/// Operating system family of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Windows.
    Windows,
    /// Linux.
    #[default]
    Linux,
}

/// State of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Starting; shown for this many more reads.
    Pending(u32),
    /// Running.
    Running,
    /// Stopping; shown for this many more reads.
    Stopping(u32),
    /// Stopped.
    Stopped,
    /// Terminated.
    Terminated,
}

impl InstanceState {
    /// EC2's name and code of the state.
    pub fn name_and_code(self) -> (&'static str, u16) {
        match self {
            Self::Pending(_) => ("pending", 0),
            Self::Running => ("running", 16),
            Self::Terminated => ("terminated", 48),
            Self::Stopping(_) => ("stopping", 64),
            Self::Stopped => ("stopped", 80),
        }
    }

    /// The state after one more read saw this one.
    #[must_use]
    pub fn seen(self) -> Self {
        match self {
            Self::Pending(reads) if reads > 1 => Self::Pending(reads - 1),
            Self::Pending(_) => Self::Running,
            Self::Stopping(reads) if reads > 1 => Self::Stopping(reads - 1),
            Self::Stopping(_) => Self::Stopped,
            Self::Running | Self::Stopped | Self::Terminated => self,
        }
    }

    /// Whether its operating system runs.
    pub fn is_on(self) -> bool {
        matches!(self, Self::Pending(_) | Self::Running)
    }
}

/// An instance.
#[derive(Debug, Clone, Serialize)]
pub struct Instance {
    /// Where and whose.
    pub home: Home,
    /// Operating system family.
    pub platform: Platform,
    /// Instance type.
    pub instance_type: String,
    /// State.
    pub state: InstanceState,
    /// Launch time.
    pub launched: Timestamp,
    /// Network interfaces by device index.
    pub enis: BTreeMap<u32, String>,
    /// Whether it forwards what arrives for others, as a firewall appliance does.
    pub forwards: bool,
    /// Reservation it was started in.
    pub reservation: String,
    /// Tags.
    pub tags: Tags,
}

/// A network interface.
#[derive(Debug, Clone, Serialize)]
pub struct Eni {
    /// Where and whose.
    pub home: Home,
    /// Its VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// MAC address, lower case.
    pub mac: String,
    /// Primary address.
    pub address: Ipv4Addr,
    /// Secondary addresses.
    pub secondary: Vec<Ipv4Addr>,
    /// Instance and device index that it is attached to.
    pub attached: Option<(String, u32)>,
    /// The service that made it for itself and uses it.
    pub service: Option<Service>,
    /// Goes away with its instance.
    pub delete_on_termination: bool,
    /// Security groups; none: the default one of its VPC.
    pub groups: Vec<String>,
    /// Elastic IP address of its primary address.
    pub elastic_ip: Option<Ipv4Addr>,
    /// Source/destination check.
    pub source_dest_check: bool,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}
