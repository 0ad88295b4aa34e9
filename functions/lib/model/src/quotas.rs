//! Quotas of AWS that count routes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was asked of the quotas of one account in one Region. What is not in it was not asked for.
pub type Quotas = BTreeMap<QuotaName, Quota>;

/// A quota that counts routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaName {
    /// Routes of a transit gateway, over all its tables.
    TgwRoutes,
    /// Routes of a VPC route table that are not propagated.
    VpcTableRoutes,
}

impl QuotaName {
    /// Every quota.
    pub const ALL: [Self; 2] = [Self::TgwRoutes, Self::VpcTableRoutes];

    /// AWS's default: "Quotas for your transit gateways", "Amazon VPC quotas".
    #[must_use]
    pub fn aws_default(self) -> u32 {
        match self {
            Self::TgwRoutes => 10_000,
            Self::VpcTableRoutes => 500,
        }
    }
}

/// What Service Quotas told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Quota {
    /// The quota that is applied.
    Applied {
        /// Its value.
        value: u32,
    },
    /// Nothing.
    Unread {
        /// Why.
        why: String,
    },
}
