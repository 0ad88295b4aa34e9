//! The lock item of a network: which operation is open on it, and who may have a call under way.

use crate::{Holder, Intent, JournalStore};
use holdfast_model::{Fault, FaultName, NetworkName, OperationId, Region, SiteName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// What the tables of a Region that was lost still have to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
    /// When the last operation that moved the network ended: what was seen of its machines before tells nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Timestamp>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { v: 1, fence: 0, open: None, lease: None, owed: None, moved_at: None }
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

/// What the tables of a Region that was lost still have to follow: the intent, not steps, since nobody knows what that Region holds when it answers
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owed {
    /// The operation that went on without the Region.
    pub operation: OperationId,
    /// The Region.
    pub region: Region,
    /// Where the network is now.
    pub to: SiteName,
}

/// The site that the tables of a Region that was lost have to follow these networks to.
///
/// # Errors
/// `InvalidInput` where a network owes nothing, or they went to several sites; the store's faults.
pub async fn owed_to<J: JournalStore>(networks: &BTreeSet<NetworkName>, journal: &J) -> Result<SiteName, Fault> {
    let invalid = |message: String| Fault::new(FaultName::InvalidInput, message);
    let locks = journal.read_locks(networks).await.map_err(|error| Fault::new(error.fault(), error.to_string()))?;
    let mut wanted: Option<SiteName> = None;
    for (network, lock) in &locks {
        let Some(owed) = &lock.owed else {
            return Err(invalid(format!(
                "no Region owes anything for network `{network}`: it did not move while one was lost, or that was made whole since"
            )));
        };
        match &wanted {
            None => wanted = Some(owed.to.clone()),
            Some(to) if *to == owed.to => {}
            Some(to) => {
                return Err(invalid(format!(
                    "network `{network}` went to `{}` and another to `{to}`; reconcile each by itself",
                    owed.to
                )));
            }
        }
    }
    wanted.ok_or_else(|| invalid("`reconcile` is empty; name at least one network".to_owned()))
}
