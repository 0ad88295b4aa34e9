//! The planner's reasoned no.

use holdfast_model::{
    AttachmentId, FaultName, GroupName, NetworkName, Prefix, RouteTableId, Scope, SiteName, SubnetId, VantageName,
    VpcId,
};
use std::fmt::Display;

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A network that the map does not have.
    #[error("network `{network}` is not in the network map (declared: {declared})")]
    UnknownNetwork {
        /// As given.
        network: NetworkName,
        /// Names that there are.
        declared: String,
    },
    /// A site that the map does not have.
    #[error("site `{site}` is not in the network map (declared: {declared})")]
    UnknownSite {
        /// As given.
        site: SiteName,
        /// Names that there are.
        declared: String,
    },
    /// No network was named.
    #[error("no network is named; name at least one")]
    NoNetwork,
    /// A group would be torn apart.
    #[error("group `{group}` can only move whole; add {}", list(missing))]
    GroupIncomplete {
        /// The group.
        group: GroupName,
        /// Its members that were not named.
        missing: Vec<NetworkName>,
    },
    /// No declared table routes the network.
    #[error("no route table of the network map routes network `{network}`")]
    NotRouted {
        /// The network.
        network: NetworkName,
    },
    /// No subnet of the site carries the network.
    #[error("network `{network}` has no subnet at site `{site}`; name it under `networks.{network}.subnets`")]
    NoSubnet {
        /// The network.
        network: NetworkName,
        /// The site.
        site: SiteName,
    },
    /// Something in scope was not read.
    #[error("not everything in scope could be read: {}", what.join("; "))]
    Unread {
        /// What, where and why.
        what: Vec<String>,
    },
    /// The route of a table is changing.
    #[error("route {prefix} in {table} ({scope}) {state}; wait until it is settled")]
    Unsettled {
        /// Name tag and id.
        table: String,
        /// Account and Region.
        scope: Scope,
        /// Prefix.
        prefix: Prefix,
        /// What is not settled.
        state: String,
    },
    /// A table holds what no entry of the matrix says.
    #[error(
        "route {prefix} in {table} ({scope}) is `{value}`, which no site of the network map has there; somebody else owns this route, or the map is out of date"
    )]
    NotOurs {
        /// Name tag and id.
        table: String,
        /// Account and Region.
        scope: Scope,
        /// Prefix.
        prefix: Prefix,
        /// What it holds.
        value: String,
    },
    /// The attachment that a table would lead to carries no traffic.
    #[error("{attachment}, which {table} ({scope}) would lead to, is {state}; a route to it would be a blackhole")]
    Attachment {
        /// Name tag and id of the table.
        table: String,
        /// Account and Region.
        scope: Scope,
        /// The attachment.
        attachment: AttachmentId,
        /// Its state.
        state: String,
    },
    /// Deleting the route would not uncover the declared one.
    #[error("{table} ({scope}) needs no route {prefix} only if {served_by} serves it, but {found}")]
    NotServed {
        /// Name tag and id.
        table: String,
        /// Account and Region.
        scope: Scope,
        /// Prefix of the network.
        prefix: Prefix,
        /// Prefix that should serve it.
        served_by: Prefix,
        /// What was found.
        found: String,
    },
    /// The present way of a vantage is not known.
    #[error("the way from vantage `{vantage}` to network `{network}` is {outcome}")]
    Unknown {
        /// The vantage.
        vantage: VantageName,
        /// The network.
        network: NetworkName,
        /// What is not known.
        outcome: String,
    },
    /// The destination VPC does not lead the network to Flow.
    #[error(
        "the VPC of site `{site}` ({vpc}) does not lead {prefix} of network `{network}` to an NC2 host in {}; check that the subnet is no-NAT and its prefix is externally routable in Prism Central",
        tables(missing)
    )]
    FlowMissing {
        /// The network.
        network: NetworkName,
        /// Its prefix.
        prefix: Prefix,
        /// The site.
        site: SiteName,
        /// The VPC.
        vpc: VpcId,
        /// Tables without the prefix, and the subnets of the attachment that they decide for.
        missing: Vec<(RouteTableId, SubnetId)>,
    },
    /// A longer prefix would keep part of the traffic elsewhere.
    #[error(
        "route {part} in {} is more specific than {prefix} of network `{network}` and would keep its traffic from vantage `{vantage}` elsewhere ({outcome}); remove it or declare it",
        list(found_in)
    )]
    Leftover {
        /// The network.
        network: NetworkName,
        /// Its prefix.
        prefix: Prefix,
        /// The longer prefix.
        part: Prefix,
        /// Tables that list it.
        found_in: Vec<String>,
        /// The vantage.
        vantage: VantageName,
        /// Where it ends.
        outcome: String,
    },
    /// With every route changed the network would still not be reached.
    #[error(
        "with every step done, network `{network}` would not be reached at `{site}` from vantage `{vantage}`: {outcome}"
    )]
    NotDelivered {
        /// The network.
        network: NetworkName,
        /// The site.
        site: SiteName,
        /// The vantage.
        vantage: VantageName,
        /// Where it ends.
        outcome: String,
    },
    /// Replies from the destination would not come back.
    #[error(
        "replies of network `{network}` at `{site}` to vantage `{vantage}` would not come back as declared: {outcome}"
    )]
    NoReply {
        /// The network.
        network: NetworkName,
        /// The site.
        site: SiteName,
        /// The vantage.
        vantage: VantageName,
        /// Where they end.
        outcome: String,
    },
    /// Every order passes through a state that loses traffic.
    #[error("no safe order for network `{network}`{}: {}", after(reached), conflicts.join("; "))]
    NoSafeOrder {
        /// The network.
        network: NetworkName,
        /// Steps that can be done safely.
        reached: Vec<String>,
        /// For each next step, what it would do.
        conflicts: Vec<String>,
    },
    /// More tables than the planner can order.
    #[error("network `{network}` changes in {steps} tables; more than 128 cannot be ordered")]
    TooMany {
        /// The network.
        network: NetworkName,
        /// Tables that would change.
        steps: usize,
    },
    /// A route is neither as planned from nor as wanted.
    #[error(
        "{what} is `{value}`, neither `{before}` as planned from nor `{after}` as wanted; somebody else changed it: put it to one of the two, then start again"
    )]
    Drifted {
        /// Prefix, reference or propagation, with the table's Name tag, id, account and Region.
        what: String,
        /// What it holds.
        value: String,
        /// As planned from.
        before: String,
        /// As wanted.
        after: String,
    },
    /// The planner cannot do it.
    #[error("{what} cannot be planned")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A step is about a table that the map does not declare for the network.
    #[error(
        "table {table} is not declared for network `{network}` in the network map; nothing outside the map is changed"
    )]
    Undeclared {
        /// The table.
        table: RouteTableId,
        /// The network.
        network: NetworkName,
    },
}

impl Refusal {
    /// The fault that a function returns for it.
    #[must_use]
    pub fn fault(&self) -> FaultName {
        match self {
            Refusal::UnknownNetwork { .. }
            | Refusal::UnknownSite { .. }
            | Refusal::NoNetwork
            | Refusal::GroupIncomplete { .. } => FaultName::InvalidInput,
            Refusal::Unread { .. } | Refusal::Unsettled { .. } | Refusal::Unknown { .. } => FaultName::Unread,
            Refusal::Drifted { .. } => FaultName::Drifted,
            Refusal::NotRouted { .. }
            | Refusal::NoSubnet { .. }
            | Refusal::NotOurs { .. }
            | Refusal::Attachment { .. }
            | Refusal::NotServed { .. }
            | Refusal::FlowMissing { .. }
            | Refusal::Leftover { .. }
            | Refusal::NotDelivered { .. }
            | Refusal::NoReply { .. }
            | Refusal::NoSafeOrder { .. }
            | Refusal::TooMany { .. }
            | Refusal::Unsupported { .. }
            | Refusal::Undeclared { .. } => FaultName::Refused,
        }
    }
}

/// Names in backticks.
pub(crate) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn tables(missing: &[(RouteTableId, SubnetId)]) -> String {
    let names: Vec<String> = missing.iter().map(|(table, subnet)| format!("table {table} of {subnet}")).collect();
    names.join(", ")
}

fn after(reached: &[String]) -> String {
    if reached.is_empty() { String::new() } else { format!(" after {}", reached.join(", ")) }
}
