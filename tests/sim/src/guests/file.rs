//! The world file's sections on guests and on-premises sites.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// What differs from the usual in a machine's operating system.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuestFile {}

/// An on-premises site.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnPremisesFile {
    /// Name.
    pub name: String,
    /// Its prefix.
    pub prefix: Ipv4Net,
    /// Region whose transit gateway it enters.
    pub region: String,
    /// Attachment through which it enters, by name or id.
    pub attachment: String,
}
