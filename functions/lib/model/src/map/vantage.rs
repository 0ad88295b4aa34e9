//! Where clients are, and how their traffic enters and leaves.

use crate::{AccountName, AttachmentId, DxGatewayId, InstanceId, Prefix, Region, Scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where clients are, and how their traffic enters and leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Vantage {
    /// Clients on-premises, behind Direct Connect or VPN.
    OnPremises {
        /// Addresses of the clients.
        prefixes: Vec<Prefix>,
        /// Account that owns the transit gateway they enter by.
        account: AccountName,
        /// Region of that transit gateway.
        region: Region,
        /// Attachment (VPN or Direct Connect gateway) that they enter by.
        enters: AttachmentId,
        /// Who tells on-premises to send the networks to `enters`. Left out: it always does.
        #[serde(default, skip_serializing_if = "Advertisement::is_always")]
        advertised: Advertisement,
        /// Further entries in order of preference. Traffic enters where the longest matching prefix is advertised; of equally long ones,
        /// by the first entry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        or_enters: Vec<EntryPoint>,
        /// Attachment that replies must leave by. Left out: the one that the traffic entered by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_leaves: Option<AttachmentId>,
        /// Region of `reply_leaves`. Left out: `region`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_region: Option<Region>,
        /// Whether replies may leave by another entry than the traffic came in by. Stateful firewalls drop such replies.
        #[serde(default, skip_serializing_if = "Replies::is_symmetric")]
        replies: Replies,
        /// A machine there from which the data path is probed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe: Option<ProbeMachine>,
    },
    /// Clients in a VPC in AWS.
    Vpc {
        /// Addresses of the clients.
        prefixes: Vec<Prefix>,
        /// Account that owns the transit gateway they enter by.
        account: AccountName,
        /// Region of that transit gateway.
        region: Region,
        /// The VPC's attachment.
        enters: AttachmentId,
        /// A machine there from which the data path is probed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe: Option<ProbeMachine>,
    },
}

/// A further way in from on-premises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryPoint {
    /// Account that owns the transit gateway.
    pub account: AccountName,
    /// Region of the transit gateway.
    pub region: Region,
    /// Attachment (VPN or Direct Connect gateway).
    pub attachment: AttachmentId,
    /// Who tells on-premises to send the networks here. Left out: it always does.
    #[serde(default, skip_serializing_if = "Advertisement::is_always")]
    pub advertised: Advertisement,
}

/// Who tells on-premises which prefixes to send to an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Advertisement {
    /// Static routes on-premises: each network's prefix, whatever the tables in AWS hold.
    #[default]
    Always,
    /// The allowed prefixes of a Direct Connect gateway's association, advertised whether or not a route exists.
    AllowedPrefixes {
        /// The Direct Connect gateway.
        gateway: DxGatewayId,
    },
    /// BGP: what the route table that the attachment is associated with holds.
    Bgp,
}

impl Advertisement {
    fn is_always(&self) -> bool {
        *self == Advertisement::Always
    }
}

/// Whether replies may leave by another entry than the traffic came in by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replies {
    /// They must leave by the entry that was taken, or by `reply_leaves`.
    #[default]
    Symmetric,
    /// They may leave by any entry of the vantage.
    Any,
}

impl Replies {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_symmetric(&self) -> bool {
        *self == Replies::Symmetric
    }
}

/// An attachment that sends on what it gets, as an inspection VPC does: what is delivered into `enters` comes out of `leaves`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PassThrough {
    /// Account that owns the transit gateway.
    pub account: AccountName,
    /// Region of the transit gateway.
    pub region: Region,
    /// Attachment that traffic is delivered into.
    pub enters: AttachmentId,
    /// Attachment that it comes out of, whose table then decides; often the same one.
    pub leaves: AttachmentId,
}

impl Vantage {
    /// Addresses of the clients.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        match self {
            Vantage::OnPremises { prefixes, .. } | Vantage::Vpc { prefixes, .. } => prefixes,
        }
    }

    /// Account and Region of the transit gateway that the clients enter by first.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Vantage::OnPremises { account, region, .. } | Vantage::Vpc { account, region, .. } => {
                Scope { account: account.clone(), region: region.clone() }
            }
        }
    }

    /// Attachment that the clients enter by first, with its Region.
    #[must_use]
    pub fn enters(&self) -> (&Region, &AttachmentId) {
        match self {
            Vantage::OnPremises { region, enters, .. } | Vantage::Vpc { region, enters, .. } => (region, enters),
        }
    }

    /// Every way in, in order of preference.
    #[must_use]
    pub fn entries(&self) -> Vec<EntryPoint> {
        match self {
            Vantage::OnPremises { account, region, enters, advertised, or_enters, .. } => {
                let first = EntryPoint {
                    account: account.clone(),
                    region: region.clone(),
                    attachment: enters.clone(),
                    advertised: advertised.clone(),
                };
                std::iter::once(first).chain(or_enters.iter().cloned()).collect()
            }
            Vantage::Vpc { account, region, enters, .. } => vec![EntryPoint {
                account: account.clone(),
                region: region.clone(),
                attachment: enters.clone(),
                advertised: Advertisement::Always,
            }],
        }
    }

    /// Attachment that replies must leave by, with its Region, for traffic that came in by the first entry.
    #[must_use]
    pub fn reply_leaves(&self) -> (&Region, &AttachmentId) {
        match self {
            Vantage::OnPremises { region, enters, reply_leaves, reply_region, .. } => {
                (reply_region.as_ref().unwrap_or(region), reply_leaves.as_ref().unwrap_or(enters))
            }
            Vantage::Vpc { region, enters, .. } => (region, enters),
        }
    }

    /// The machine to probe from.
    #[must_use]
    pub fn probe(&self) -> Option<&ProbeMachine> {
        match self {
            Vantage::OnPremises { probe, .. } | Vantage::Vpc { probe, .. } => probe.as_ref(),
        }
    }
}

/// A machine from which the data path is probed, by Systems Manager Run Command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeMachine {
    /// Managed instance (`mi-`) or EC2 instance (`i-`).
    pub instance: InstanceId,
    /// Account that manages it.
    pub account: AccountName,
    /// Region that manages it.
    pub region: Region,
    /// Windows or Linux. Left out: Systems Manager is asked before each probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<crate::Platform>,
}
