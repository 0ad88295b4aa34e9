//! Settings of the emulated platforms that a test may turn, each section owned by its module.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::Source;
use crate::{direct_connect, ec2, guests, move_, prism};

/// How long answers take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// Milliseconds that every call to AWS takes besides its own work, as a network would.
    pub aws_ms: u64,
    /// Milliseconds that every call to a Prism Central takes besides its own work.
    pub prism_ms: u64,
}

impl Pace {
    /// Milliseconds that a call to a platform takes.
    pub(crate) fn of(&self, source: &Source) -> u64 {
        match source {
            Source::Aws => self.aws_ms,
            Source::Prism(_) => self.prism_ms,
            Source::Move(_) => 0,
        }
    }
}

/// All switches. `PUT /switches` changes the given ones and leaves the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// How long answers take; nothing unless set, for a benchmark.
    pub pace: Pace,
    /// EC2.
    pub ec2: ec2::Switches,
    /// Direct Connect.
    pub direct_connect: direct_connect::Switches,
    /// Prism Central.
    pub prism: prism::Switches,
    /// Nutanix Move.
    #[serde(rename = "move")]
    pub move_: move_::Switches,
    /// Guests and Run Command.
    pub guests: guests::Switches,
}
