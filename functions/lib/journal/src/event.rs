//! Journal events: what happened to an operation, in order.

use crate::Holder;
use holdfast_model::OperationId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One item of the journal: what one call to the store records. The number of an entry is also a fence: of two writers, the one that loses a number has been taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Version of this document's form: 1.
    pub v: u32,
    /// Position in the journal of the operation, from 0 without gaps.
    pub seq: u32,
    /// Who wrote it.
    pub by: Holder,
    /// When.
    pub at: Timestamp,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// What happened. An operation is finished when every step is done. Steps are named by their position in the plan, counted over all stages from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// An invocation holds all locks and works at the operation from here on; nobody before it does.
    Taken {
        /// A person's word that this invocation goes by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        force: Option<holdfast_model::wire::Force>,
    },
    /// These steps are about to be written.
    Started {
        /// Positions in the plan.
        steps: Vec<u32>,
    },
    /// These steps were read back as wanted.
    Done {
        /// Positions in the plan.
        steps: Vec<u32>,
    },
    /// The operation stops in a state that the checker proved, and waits for a person.
    Held {
        /// Why, in plain words.
        reason: String,
    },
    /// Another operation takes this one back, or replaces it; this one goes no further.
    Superseded {
        /// The operation that does.
        by: OperationId,
        /// The person by whose word it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        force: Option<holdfast_model::wire::Force>,
    },
}
