//! The planner's reasoned no.

use holdfast_model::{
    FaultName, GroupName, NetworkName, Prefix, PrefixListId, RouteTableId, Scope, SiteName, SubnetId, VantageName,
    VpcId, first_lines,
};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::Ipv4Addr;

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
    #[error("{place} in {table} {state}; wait until it is settled")]
    Unsettled {
        /// Name tag and id of the table, account and Region.
        table: String,
        /// Route, reference or propagation.
        place: String,
        /// What is not settled.
        state: String,
    },
    /// A table holds what no entry of the matrix says.
    #[error(
        "{place} in {table} is `{value}`, which no site of the network map has there; somebody else owns it, or the map is out of date: put it to what the map has there ({}), or mend the map",
        known.join(", ")
    )]
    NotOurs {
        /// Name tag and id of the table, account and Region.
        table: String,
        /// Route, reference or propagation.
        place: String,
        /// What it holds.
        value: String,
        /// What the map has there, by site.
        known: Vec<String>,
    },
    /// The attachment that a table would lead to carries no traffic.
    #[error("{target}, which {table} would lead to, is {state}; a route to it would be a blackhole")]
    Attachment {
        /// Name tag and id of the table, account and Region.
        table: String,
        /// The attachment, transit gateway or peering connection.
        target: String,
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
        /// The network, or the first of several that are tied together.
        network: String,
        /// Steps that can be done safely.
        reached: Vec<String>,
        /// For each next step, what it would do.
        conflicts: Vec<String>,
    },
    /// The search for an order took too long; there may be one.
    #[error(
        "the search for a safe order gave up after {states} states of {moves} changes that depend on each other (networks {}); there may be one: move fewer of these networks at once",
        list(networks)
    )]
    SearchGaveUp {
        /// Networks whose changes depend on each other; of those that look alike, one.
        networks: BTreeSet<NetworkName>,
        /// States that were looked at.
        states: usize,
        /// Changes to be put in order; alike ones count once.
        moves: usize,
    },
    /// More places than the planner can order.
    #[error(
        "network `{network}` changes in {steps} places at once; more than 127 that do not look alike cannot be ordered; move fewer of its machines, or fewer networks of one list or aggregate, at once"
    )]
    TooMany {
        /// The network.
        network: NetworkName,
        /// Places that would change.
        steps: usize,
    },
    /// A step has no stage, which is a mistake of Holdfast: a plan without it would not do what was asked for.
    #[error("[{step}] found no place in the order of steps; please report this with the network map")]
    NotOrdered {
        /// The step.
        step: String,
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
    /// What was done is undone by somebody else.
    #[error(
        "{what} was led to `{after}` and is `{value}` again; somebody else put it back: put it to `{after}`, then start again, or take the operation back"
    )]
    PutBack {
        /// Prefix, reference or propagation, with the table's Name tag, id, account and Region.
        what: String,
        /// What it holds, as it did before.
        value: String,
        /// As it was written.
        after: String,
    },
    /// Tables do not follow where networks are, and policy has that only reported.
    #[error("no Region owes anything for {}; {}", named(networks), reported(networks, site, only, found))]
    DriftReported {
        /// Networks that were to be corrected.
        networks: BTreeSet<NetworkName>,
        /// Where the last operation left them.
        site: SiteName,
        /// Those of them whose policy has drift only reported.
        only: BTreeSet<NetworkName>,
        /// What is astray.
        found: Vec<String>,
    },
    /// Machines are ahead of a network whose tables were to be corrected.
    #[error(
        "host routes lead {} apart from {}, which the last operation left at `{site}`; a correction would take them away, so nothing is corrected ({}); move those machines to where their network is, or the network to them, first",
        hosts.join(", "), named(networks), astray(found)
    )]
    DriftApart {
        /// Networks that were to be corrected.
        networks: BTreeSet<NetworkName>,
        /// Where the last operation left them.
        site: SiteName,
        /// Addresses, and the site that each is led to.
        hosts: Vec<String>,
        /// What is astray.
        found: Vec<String>,
    },
    /// A host that is not in the networks.
    #[error("address {address} is in none of the networks {}", list(networks))]
    HostOutside {
        /// The address.
        address: Ipv4Addr,
        /// The networks.
        networks: Vec<NetworkName>,
    },
    /// A host route cannot say where the host is.
    #[error(
        "{table} leads to `{site}` without a route of its own (served by {served_by}), so it cannot lead {address} there while network `{network}` stays elsewhere; move the whole network"
    )]
    HostServed {
        /// Name tag and id, account and Region.
        table: String,
        /// The address.
        address: Ipv4Addr,
        /// Its network.
        network: NetworkName,
        /// The site.
        site: SiteName,
        /// What serves it there.
        served_by: Prefix,
    },
    /// A table's one wider prefix cannot lead to two sites.
    #[error(
        "{table} has one route {aggregate} for all its networks, and {} would not be at `{to}`; move them together, or use the networks' own prefixes there",
        list(staying)
    )]
    AggregateSplit {
        /// Name tag and id, account and Region.
        table: String,
        /// The wider prefix.
        aggregate: Prefix,
        /// The site.
        to: SiteName,
        /// Networks, with the site that each would stay at.
        staying: Vec<String>,
    },
    /// A prefix list is not what the map says.
    #[error(
        "prefix list {list} of {table} must hold exactly the prefixes of the table's networks; it {}; change the list or the map",
        listed(extra, missing)
    )]
    PrefixListOther {
        /// Name tag and id of the table.
        table: String,
        /// The list.
        list: PrefixListId,
        /// Entries that are no network's prefix.
        extra: Vec<Prefix>,
        /// Networks without an entry.
        missing: Vec<NetworkName>,
    },
    /// A service made the table for itself.
    #[error("{table} ({scope}) is managed by {by}; it is not changed")]
    Managed {
        /// Name tag and id.
        table: String,
        /// Account and Region.
        scope: Scope,
        /// The service.
        by: String,
    },
    /// A route more specific than `local` cannot lead out of the VPC.
    #[error(
        "{table} cannot lead {prefix} to {value}: it is inside of {vpc}'s own prefix, and a route more specific than `local` must be one whole subnet's and lead to a network interface"
    )]
    LocalWins {
        /// Name tag and id, account and Region.
        table: String,
        /// Prefix.
        prefix: Prefix,
        /// Where it would lead.
        value: String,
        /// The VPC.
        vpc: VpcId,
    },
    /// A network that is not to move would be moved or cut off.
    #[error(
        "network `{network}` is not to move, but with every step done it would not be reached as before from vantage `{vantage}`: {outcome} (before: {before})"
    )]
    Bystander {
        /// The network.
        network: NetworkName,
        /// The vantage.
        vantage: VantageName,
        /// Where it would end.
        outcome: String,
        /// Where it ends now.
        before: String,
    },
    /// A quota would be exceeded.
    #[error("{what} would hold {after} {of}, the quota is {quota} ({now} now{assumption}); raise it or move fewer")]
    Quota {
        /// What has the quota, with account and Region.
        what: String,
        /// What is counted.
        of: &'static str,
        /// With the plan done.
        after: usize,
        /// Now.
        now: usize,
        /// The quota.
        quota: usize,
        /// Words on where the quota is from, when nobody read it.
        assumption: String,
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
            | Refusal::HostOutside { .. }
            | Refusal::DriftReported { .. }
            | Refusal::GroupIncomplete { .. } => FaultName::InvalidInput,
            Refusal::Unread { .. } | Refusal::Unsettled { .. } | Refusal::Unknown { .. } => FaultName::Unread,
            Refusal::Drifted { .. } | Refusal::PutBack { .. } => FaultName::Drifted,
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
            | Refusal::SearchGaveUp { .. }
            | Refusal::TooMany { .. }
            | Refusal::DriftApart { .. }
            | Refusal::HostServed { .. }
            | Refusal::AggregateSplit { .. }
            | Refusal::PrefixListOther { .. }
            | Refusal::Managed { .. }
            | Refusal::LocalWins { .. }
            | Refusal::Bystander { .. }
            | Refusal::Quota { .. }
            | Refusal::Undeclared { .. } => FaultName::Refused,
            Refusal::NotOrdered { .. } => FaultName::Internal,
        }
    }
}

/// Names in backticks.
pub(crate) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = items.into_iter().map(|item| format!("`{item}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn listed(extra: &[Prefix], missing: &[NetworkName]) -> String {
    let extra = (!extra.is_empty()).then(|| format!("also holds {}", list(extra)));
    let missing = (!missing.is_empty()).then(|| format!("lacks {}", list(missing)));
    extra.into_iter().chain(missing).collect::<Vec<_>>().join(" and ")
}

/// ``network `app` ``, ``networks `app`, `db` ``.
fn named(networks: &BTreeSet<NetworkName>) -> String {
    format!("network{} {}", if networks.len() == 1 { "" } else { "s" }, list(networks))
}

fn astray(found: &[String]) -> String {
    first_lines(found.iter().cloned()).join("; ")
}

/// What is astray, or that nothing is, and what corrects it.
fn reported(
    networks: &BTreeSet<NetworkName>,
    site: &SiteName,
    only: &BTreeSet<NetworkName>,
    found: &[String],
) -> String {
    let quoted: Vec<String> = networks.iter().map(|network| format!("\"{network}\"")).collect();
    format!(
        "{}; policy has drift of {} only reported (`drift: report`): if nobody wanted that, start `{{\"networks\": [{}], \"to\": \"{site}\"}}`",
        astray(found),
        list(only),
        quoted.join(", ")
    )
}

fn tables(missing: &[(RouteTableId, SubnetId)]) -> String {
    let names: Vec<String> = missing.iter().map(|(table, subnet)| format!("table {table} of {subnet}")).collect();
    names.join(", ")
}

fn after(reached: &[String]) -> String {
    if reached.is_empty() { String::new() } else { format!(" after {}", reached.join(", ")) }
}
