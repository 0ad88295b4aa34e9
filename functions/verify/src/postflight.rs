//! After a change: do the networks work from every vantage, and does nothing else answer?

use crate::checks::list;
use crate::context::Context;
use crate::facts::{Live, Subject, site};
use crate::machines::Taking;
use crate::proof::Proof;
use crate::report::Found;
use crate::{guests, machines, probes, routes, wave};
use futures::future::join3;
use holdfast_model::wire::{Check, CheckStatus, GuestView};
use holdfast_model::{EvidenceId, Fault, NamedVersions, NetworkMap, NetworkName, SiteName};
use holdfast_plan::sites_judged;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What was moved where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved<'a> {
    pub networks: &'a BTreeSet<NetworkName>,
    pub to: &'a SiteName,
    /// Only these addresses; none: whole networks.
    pub hosts: Option<&'a BTreeSet<Ipv4Addr>>,
    /// Versions of the inventory that count.
    pub inventory: &'a NamedVersions,
    /// Whether the guests are asked about themselves.
    pub guests: GuestView,
    /// When the routes were changed, where proof of it is waited for.
    pub swapped_at: Option<Timestamp>,
}

pub(crate) async fn check(
    context: &Context,
    map: &NetworkMap,
    Moved { networks: names, to, hosts, inventory, guests, swapped_at }: Moved<'_>,
    evidence: Option<&EvidenceId>,
    now: Timestamp,
) -> Result<(Found, Proof), Fault> {
    site(map, to)?;
    let subject = Subject::read(context, map, names, inventory, evidence, now).await?.moving(hosts.cloned());
    let Seen { checks, lasts } = seen(context, &subject, to, guests).await?;
    let age = swapped_at.map(|at| now.duration_since(at).as_secs());
    let proof = Proof { lasts, age, allowed: map.policy.proof_seconds };
    let title = match hosts {
        None => format!("{} at {to}", list(names)),
        Some(hosts) => format!("{} of {} at {to}", list(hosts), list(names)),
    };
    Ok((Found { title, checks, evidence: subject.evidence, drill: None }, proof))
}

/// What the checks saw.
pub(crate) struct Seen {
    pub checks: Vec<Check>,
    /// Whether something is wrong that no time mends: a route that leads elsewhere, a machine that runs twice or not at all, two that answer at one
    /// address. What may mend itself is an address that does not reply yet, a guest that has not taken its address, and all that is unknown.
    pub lasts: bool,
}

/// Makes the checks, once it is known which hosts they are about.
pub(crate) async fn seen(
    context: &Context,
    subject: &Subject<'_>,
    to: &SiteName,
    guests: GuestView,
) -> Result<Seen, Fault> {
    let networks = context.networks(subject.map).await?;
    let judged = sites_judged(to, &BTreeMap::new(), subject.map);
    let read = Live::read(&networks, subject.map, None, &judged, subject.now);
    let asked = async {
        match guests {
            GuestView::Asked => guests::ask(context, subject, to).await,
            GuestView::NotAsked => Ok(guests::Answers::new()),
        }
    };
    let (mut live, probed, asked) = join3(read, probes::all(context, subject, Some(to)), asked).await;
    let (probed, asked) = (probed?, asked?);
    live.read_judged(&networks, subject, to).await;
    let mut checks = routes::delivered(subject, &live, to);
    let astray = checks.iter().any(|check| check.status == CheckStatus::Fail);
    checks.extend(probed.checks);
    let resolvers = wave::resolvers(subject.map, &live);
    checks.extend(guests::judged(subject, to, &asked, &probed.answered, &resolvers));
    // Without evidence a person forced the change, and answers for where the machines run; the probes tell the rest.
    let taking = Taking { host: CheckStatus::Fail, stranded: CheckStatus::Warn, no_evidence: Some(CheckStatus::Warn) };
    let judged = machines::judged_at(subject, &live, to, taking);
    checks.extend(judged.checks);
    checks.extend(routes::unread(&live));
    checks.extend(routes::lost(subject.map));
    checks.extend(routes::waived(subject));
    Ok(Seen { checks, lasts: astray || judged.lasts || !probed.twice.is_empty() })
}
