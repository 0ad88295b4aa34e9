//! Managed prefix lists, and their references in TGW route tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use super::{Home, Progress, Tags};

/// The entries of one version: each prefix with its description.
pub type Entries = BTreeMap<Ipv4Net, Option<String>>;

/// A customer-managed prefix list.
#[derive(Debug, Clone, Serialize)]
pub struct PrefixList {
    /// Where and whose.
    pub home: Home,
    /// Name.
    pub name: String,
    /// Most entries that it takes; a reference counts with it against the quota of the table.
    pub max_entries: usize,
    /// Current version.
    pub version: u64,
    /// The version that routes go by: the current one, or the one before while a change is on its way.
    pub applied: u64,
    /// Entries of all versions.
    pub versions: BTreeMap<u64, Entries>,
    /// State.
    pub state: PrefixListState,
    /// Other accounts that see it and may refer to it.
    pub shared_with: BTreeSet<String>,
    /// When it was created.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
}

impl PrefixList {
    /// The entries of the current version.
    pub fn entries(&self) -> &Entries {
        const NONE: &Entries = &Entries::new();
        self.versions.get(&self.version).unwrap_or(NONE)
    }

    /// The entries that routes have.
    pub fn in_effect(&self) -> &Entries {
        self.versions.get(&self.applied).unwrap_or_else(|| self.entries())
    }

    /// One more read saw the list: a change on its way moves on, and a finished one is in effect.
    pub fn see(&mut self) {
        self.state = self.state.clone().seen();
        if !matches!(self.state, PrefixListState::InProgress(..)) {
            self.applied = self.version;
        }
    }

    /// Whether an account may refer to it.
    pub fn is_open_to(&self, account: &str) -> bool {
        self.home.account == account || self.shared_with.contains(account)
    }
}

/// What was last asked of a prefix list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixListChange {
    /// To be made.
    Create,
    /// Other entries, another size, another name.
    Modify,
    /// The entries of an older version.
    Restore,
    /// To go away.
    Delete,
}

/// State of a prefix list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PrefixListState {
    /// On its way; this many more reads show it so.
    InProgress(PrefixListChange, u32),
    /// Done.
    Complete(PrefixListChange),
    /// Not done, with the reason.
    Failed(PrefixListChange, String),
}

impl PrefixListState {
    /// A change under way: done at once if no read is to see it.
    pub fn changing(change: PrefixListChange, reads: u32) -> Self {
        if reads == 0 { Self::Complete(change) } else { Self::InProgress(change, reads) }
    }

    /// The state after one more read saw this one.
    #[must_use]
    pub fn seen(self) -> Self {
        match self {
            Self::InProgress(change, reads) => Self::changing(change, reads.saturating_sub(1)),
            other => other,
        }
    }
}

impl fmt::Display for PrefixListState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (change, end) = match self {
            Self::InProgress(change, _) => (change, "in-progress"),
            Self::Complete(change) => (change, "complete"),
            Self::Failed(change, _) => (change, "failed"),
        };
        let change = match change {
            PrefixListChange::Create => "create",
            PrefixListChange::Modify => "modify",
            PrefixListChange::Restore => "restore",
            PrefixListChange::Delete => "delete",
        };
        write!(f, "{change}-{end}")
    }
}

/// A reference of a TGW route table to a prefix list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrefixListReference {
    /// Attachment that all its entries lead to; nothing for a blackhole.
    pub attachment: Option<String>,
    /// Progress.
    pub state: Progress,
}
