//! What became of a probe.

use std::{fmt, net::Ipv4Addr};

use serde::Serialize;

use crate::guests::{GuestId, Place};

/// Why a packet did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Lost {
    /// A blackhole route, or an attachment without a route table.
    Blackhole {
        /// Table and prefix.
        at: String,
    },
    /// The packet went round until its time to live was over.
    Loop {
        /// The last hop.
        at: String,
    },
    /// Nothing at this place leads to the address.
    NoRoute {
        /// The table, guest or network.
        at: String,
    },
    /// The packet reached the network of the address, and no machine there has it.
    NoHost {
        /// The subnet.
        at: String,
    },
    /// A machine has the address, its operating system does not answer to it.
    GuestSilent {
        /// The machine.
        at: String,
        /// Why.
        why: String,
    },
    /// A filter dropped the packet.
    Filtered {
        /// The network interface.
        at: String,
        /// Which filter.
        why: String,
    },
    /// The Region is lost.
    RegionLost {
        /// The Region.
        region: String,
    },
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blackhole { at } => write!(f, "blackhole at {at}"),
            Self::Loop { at } => write!(f, "loop at {at}"),
            Self::NoRoute { at } => write!(f, "no route at {at}"),
            Self::NoHost { at } => write!(f, "no host at {at}"),
            Self::GuestSilent { at, why } => write!(f, "{at} is silent: {why}"),
            Self::Filtered { at, why } => write!(f, "dropped at {at}: {why}"),
            Self::RegionLost { region } => write!(f, "Region {region} is lost"),
        }
    }
}

/// A guest that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answerer {
    /// The guest.
    pub guest: GuestId,
    /// Where it runs.
    pub place: Place,
}

/// What became of one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProbeOutcome {
    /// A reply came back; several, where several guests hold the address.
    Answered {
        /// Who answered, the first one first.
        by: Vec<Answerer>,
        /// The way there.
        path: Vec<String>,
        /// The way back of the first reply.
        back: Vec<String>,
    },
    /// The probe did not arrive.
    Lost {
        /// Why.
        lost: Lost,
        /// The way up to there.
        path: Vec<String>,
    },
    /// The probe arrived, the reply did not.
    ReplyLost {
        /// Who replied.
        by: Answerer,
        /// Why.
        lost: Lost,
        /// The way there.
        path: Vec<String>,
        /// The way back up to where it ended.
        back: Vec<String>,
    },
    /// The asking guest could not send.
    NotSent {
        /// Why.
        why: String,
    },
}

/// What became of some probes from one guest to one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeReport {
    /// The asking guest.
    pub from: GuestId,
    /// The address asked.
    pub to: Ipv4Addr,
    /// Probes sent.
    pub sent: u32,
    /// Probes with a reply.
    pub received: u32,
    /// Further replies.
    pub duplicates: u32,
    /// Each guest that answered, once.
    pub answered_by: Vec<Answerer>,
    /// What became of each.
    pub outcomes: Vec<ProbeOutcome>,
}
