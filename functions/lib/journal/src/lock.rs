//! The lock item of a network: which operation is open on it, and who may have a call under way.

use crate::{Holder, Intent};
use holdfast_model::OperationId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The lock of one network. A network that was never locked has [`Lock::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this document's form: 1.
    pub v: u32,
    /// Grows by one with each change of this item: what a compare-and-swap compares.
    pub fence: u64,
    /// The open operation.
    pub open: Option<Open>,
    /// The invocation that may have a call under way; none once it, and all before it, said that they stopped.
    pub lease: Option<Lease>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { v: 1, fence: 0, open: None, lease: None }
    }
}

impl Lock {
    /// The lease, where it has not run out.
    #[must_use]
    pub fn leased(&self, now: Timestamp) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.until > now)
    }
}

/// The operation that is open on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The operation, whose document exists.
    pub operation: OperationId,
    /// What it is for.
    pub intent: Intent,
    /// Since when.
    pub since: Timestamp,
}

/// The time until which an invocation may have a call under way: its deadline plus the time-out of one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Whose.
    pub holder: Holder,
    /// Until when.
    pub until: Timestamp,
}
