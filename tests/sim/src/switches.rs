//! Settings of the emulated platforms that a test may turn, each section owned by its module.

use serde::{Deserialize, Serialize};

use crate::{ec2, guests, move_, prism};

/// All switches. `PUT /switches` changes the given ones and leaves the others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    /// EC2.
    pub ec2: ec2::Switches,
    /// Prism Central.
    pub prism: prism::Switches,
    /// Nutanix Move.
    #[serde(rename = "move")]
    pub move_: move_::Switches,
    /// Guests and Run Command.
    pub guests: guests::Switches,
}
