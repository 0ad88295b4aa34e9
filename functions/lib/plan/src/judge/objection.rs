//! What speaks against leading routes to a site.

use crate::refusal::list;
use holdfast_model::{FaultName, HostName, NetworkName, SiteName, first_lines};
use std::collections::BTreeSet;

/// One thing that speaks against leading routes to the site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// No evidence.
    #[error("there is no evidence of where the machines run; run `watch` first, or start with `force` (who and why)")]
    NoEvidence,
    /// Nothing was captured.
    #[error("no host was captured in {}; run `capture` first", list(networks))]
    NotCaptured {
        /// The networks.
        networks: BTreeSet<NetworkName>,
    },
    /// The evidence is too old.
    #[error("evidence `{id}` is {age} s old, policy allows {allowed} s; take it again")]
    Stale {
        /// Its key.
        id: String,
        /// Age in seconds; negative when dated in the future.
        age: i64,
        /// Allowed age in seconds.
        allowed: u32,
    },
    /// The evidence is of other networks.
    #[error("evidence `{id}` does not speak of {}; take it again for these networks", list(missing))]
    OtherNetworks {
        /// Its key.
        id: String,
        /// Networks it leaves out.
        missing: Vec<NetworkName>,
    },
    /// A site did not answer.
    #[error("site `{site}` is unknown: {why}; make it answer, or start with `force` (who and why)")]
    Unread {
        /// The site.
        site: SiteName,
        /// Why.
        why: String,
    },
    /// A host is not where routes are to lead.
    #[error("{host} {saw}; {mend}")]
    Host {
        /// The host.
        host: HostName,
        /// What was seen.
        saw: String,
        /// What a person can do.
        mend: &'static str,
    },
    /// A host is there, and its guest was not seen to use its address: it may yet.
    #[error("{host} {saw}; {mend}")]
    Guest {
        /// The host.
        host: HostName,
        /// What was seen.
        saw: String,
        /// What a person can do.
        mend: &'static str,
    },
    /// Somebody could no longer reach what moves.
    #[error("{who} {saw}; move it too, or accept it under `policy.accept_stranded` as {}", list(ids))]
    Stranded {
        /// What it is, with its name.
        who: String,
        /// Its ids, each of which the policy may accept.
        ids: Vec<String>,
        /// What would be cut off.
        saw: String,
    },
    /// Somebody else is in the way.
    #[error("{who} {saw}; {mend}")]
    Stranger {
        /// Id and name.
        who: String,
        /// What was seen.
        saw: String,
        /// What a person can do.
        mend: &'static str,
    },
}

/// Everything that speaks against it; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", all(&self.0))]
pub struct Objections(pub Vec<Objection>);

impl Objections {
    /// The fault that a function returns for it: what a person has to mend first.
    #[must_use]
    pub fn fault(&self) -> FaultName {
        let rank = |objection: &Objection| match objection {
            Objection::NotCaptured { .. } => (0, FaultName::NotCaptured),
            Objection::NoEvidence => (1, FaultName::EvidenceMissing),
            Objection::Stale { .. } => (2, FaultName::EvidenceStale),
            Objection::Host { .. }
            | Objection::Guest { .. }
            | Objection::Stranger { .. }
            | Objection::OtherNetworks { .. } => (3, FaultName::EvidenceAgainst),
            Objection::Unread { .. } => (4, FaultName::Unread),
            Objection::Stranded { .. } => (5, FaultName::Refused),
        };
        self.0.iter().map(rank).min_by_key(|(rank, _)| *rank).map_or(FaultName::EvidenceAgainst, |(_, fault)| fault)
    }
}

fn all(objections: &[Objection]) -> String {
    first_lines(objections.iter().map(ToString::to_string)).join("; ")
}
