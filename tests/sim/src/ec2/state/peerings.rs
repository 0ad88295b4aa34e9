//! VPC peering connections.

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;

use super::{Home, Tags};

/// State of a VPC peering connection. Source: Amazon VPC Peering guide, "VPC peering connection lifecycle".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcPeeringState {
    /// Waits for the owner of the accepter VPC.
    PendingAcceptance,
    /// Accepted; this many more reads show it so.
    Provisioning(u32),
    /// Carries traffic.
    Active,
    /// The request could not be made, for overlapping CIDRs or a VPC that is not there.
    Failed,
    /// The accepter refused.
    Rejected,
    /// Gone, still shown.
    Deleted,
}

impl VpcPeeringState {
    /// EC2's name of the state, and its text.
    pub fn code_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::PendingAcceptance => ("pending-acceptance", "Pending Acceptance"),
            Self::Provisioning(_) => ("provisioning", "Provisioning"),
            Self::Active => ("active", "Active"),
            Self::Failed => ("failed", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"),
            Self::Rejected => ("rejected", "Rejected"),
            Self::Deleted => ("deleted", "Deleted"),
        }
    }

    /// The state after one more read saw this one.
    #[must_use]
    pub fn seen(self) -> Self {
        match self {
            Self::Provisioning(reads) if reads > 1 => Self::Provisioning(reads - 1),
            Self::Provisioning(_) => Self::Active,
            other => other,
        }
    }
}

/// One side of a VPC peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VpcPeer {
    /// VPC.
    pub vpc: String,
    /// Where and whose.
    pub home: Home,
}

/// A VPC peering connection: one entry with two sides, under one id in both Regions.
#[derive(Debug, Clone, Serialize)]
pub struct VpcPeering {
    /// Who asked for it.
    pub requester: VpcPeer,
    /// Who may accept it.
    pub accepter: VpcPeer,
    /// State.
    pub state: VpcPeeringState,
    /// When it was asked for.
    pub created: Timestamp,
    /// Tags.
    pub tags: Tags,
}

impl VpcPeering {
    /// Both sides, the requester first.
    pub fn sides(&self) -> [&VpcPeer; 2] {
        [&self.requester, &self.accepter]
    }

    /// The VPC at the other side, seen from `vpc`.
    pub fn across(&self, vpc: &str) -> Option<&VpcPeer> {
        match (self.requester.vpc == vpc, self.accepter.vpc == vpc) {
            (true, _) => Some(&self.accepter),
            (_, true) => Some(&self.requester),
            _ => None,
        }
    }

    /// Whether it still stands for its two VPCs: asked for, being made, or active.
    pub fn stands(&self) -> bool {
        matches!(
            self.state,
            VpcPeeringState::PendingAcceptance | VpcPeeringState::Provisioning(_) | VpcPeeringState::Active
        )
    }
}

/// Whether two lists of CIDRs overlap.
pub fn overlap(left: &[Ipv4Net], right: &[Ipv4Net]) -> bool {
    left.iter().any(|a| right.iter().any(|b| a.contains(b) || b.contains(a)))
}
