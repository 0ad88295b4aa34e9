//! Commands that were sent, and how far they are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::{ec2::Home, guests::GuestId};

/// Status of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// Sent, not fetched by the machine.
    Pending,
    /// Runs.
    InProgress,
    /// Ended with exit status 0.
    Success,
    /// Ended with another exit status.
    Failed,
    /// The machine did not fetch it in time.
    TimedOut,
    /// Cancelled before it ended.
    Cancelled,
}

impl Status {
    /// The word of `Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Success => "Success",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
        }
    }

    /// The words of `StatusDetails`.
    pub fn details(self) -> &'static str {
        match self {
            Self::TimedOut => "DeliveryTimedOut",
            Self::Pending | Self::InProgress | Self::Success | Self::Failed | Self::Cancelled => self.as_str(),
        }
    }

    /// Whether it stays so.
    pub fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::InProgress => false,
            Self::Success | Self::Failed | Self::TimedOut | Self::Cancelled => true,
        }
    }
}

/// What a script printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Exit status.
    pub code: i32,
    /// Standard output, whole.
    pub stdout: String,
    /// Standard error, whole.
    pub stderr: String,
}

/// A command on one machine.
#[derive(Debug, Clone, Serialize)]
pub struct Invocation {
    /// The machine's guest.
    pub guest: GuestId,
    /// Its host name when the command was sent.
    pub host_name: String,
    /// Reads so far.
    pub reads: u32,
    /// Status, also while reads do not show it yet.
    pub status: Status,
    /// What was printed, once it is over.
    pub output: Option<Output>,
}

/// A command.
#[derive(Debug, Clone, Serialize)]
pub struct Command {
    /// Account and Region that it was sent in.
    pub home: Home,
    /// Name of the document.
    pub document: String,
    /// Comment.
    pub comment: String,
    /// Parameters of the document.
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Machines that were named.
    pub instance_ids: Vec<String>,
    /// Targets that were named, as given.
    pub targets: serde_json::Value,
    /// How many machines run it at once, and how many may fail before it goes to no more, as given. All are asked at once here.
    pub throttles: (Option<String>, Option<String>),
    /// Seconds that a machine has to fetch it.
    pub timeout_seconds: u32,
    /// When it was sent.
    pub requested: Timestamp,
    /// Number of the command, for the order of lists.
    pub serial: u64,
    /// Its invocations by managed-instance id.
    pub invocations: BTreeMap<String, Invocation>,
}

impl Command {
    /// The name of the document's one plugin.
    pub fn plugin(&self) -> &'static str {
        if self.document == super::send::POWERSHELL { "aws:runPowerShellScript" } else { "aws:runShellScript" }
    }

    /// The status over all invocations.
    pub fn status(&self) -> Status {
        let of = |status: Status| self.invocations.values().any(|invocation| invocation.status == status);
        let none_over = !self.invocations.values().any(|invocation| invocation.status.is_over());
        match self.invocations.values().all(|invocation| invocation.status.is_over()) {
            false if none_over && !of(Status::InProgress) => Status::Pending,
            false => Status::InProgress,
            true if of(Status::Failed) => Status::Failed,
            true if of(Status::TimedOut) => Status::TimedOut,
            true if of(Status::Cancelled) => Status::Cancelled,
            true => Status::Success,
        }
    }
}

/// Commands that were sent, by id.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RunCommand {
    /// Commands.
    pub commands: BTreeMap<String, Command>,
    /// Counts commands.
    #[serde(skip)]
    pub(super) sent: u64,
}
