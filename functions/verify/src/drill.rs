//! A failover on paper: today's state is proven as after a change, and what the failover would need is checked beside it.

use crate::checks::{fail, pass, warn, worst};
use crate::context::Context;
use crate::facts::{Live, Subject, site};
use crate::landing::Destination;
use crate::machines::Taking;
use crate::report::Found;
use crate::{flow, machines, probes, routes};
use futures::future::join;
use holdfast_model::wire::{Check, CheckStatus, DrillRequest};
use holdfast_model::{EvidenceId, Fault, NetworkMap, NetworkName, Site, SiteName};
use holdfast_store::LastDrill;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Networks and destination of a drill.
pub(crate) struct Drilled {
    pub networks: BTreeSet<NetworkName>,
    pub to: SiteName,
    /// Whether it found nothing wrong.
    pub good: bool,
}

pub(crate) async fn check(
    context: &Context,
    map: &NetworkMap,
    request: &DrillRequest,
    evidence: &EvidenceId,
    plan: &str,
    now: Timestamp,
) -> Result<Found, Fault> {
    let to = site(map, &request.to)?;
    let subject = Subject::read(context, map, &request.networks, &request.inventory, Some(evidence), now).await?;
    let networks = context.networks(map).await?;
    // Where the networks are today, and so which sites are judged, is not known yet.
    let all = map.sites.keys().cloned().collect();
    let read = join(Live::read(&networks, map, Some(&request.to), &all, now), probes::all(context, &subject));
    let ((mut live, probed), last) = join(read, context.reports.last_drill(&request.networks, &request.to)).await;

    let targets = live.read_targets(&networks, &subject, &request.to).await;

    let without = request.lost.as_ref().map_or(String::new(), |lost| format!(" without {lost}"));
    let mut checks = vec![pass(format!("what a failover to {}{without} would do", request.to), plan)];
    checks.push(routes::plan_to(&subject, &live, &request.to));
    checks.push(machines::cut_off_by(&subject, &live, &request.to, targets.as_ref()));
    checks.push(routes::attachments(&subject, &live, &request.to));
    let flow = flow::tables(&subject, &live, &request.to, to);
    checks.extend(flow.checks);
    checks.extend(flow::source_dest(&networks, &request.to, to, &flow.enis).await);
    if let Site::Nc2 { .. } = to {
        checks.extend(ready(&subject, &request.to));
    }
    checks.extend(today(&subject, &live));
    checks.extend(probed?.checks);
    checks.extend(routes::unread(&live));
    checks.push(age(last?, now));
    let good = worst(&checks) <= CheckStatus::Warn;
    Ok(Found {
        title: format!("drill of {} to {}{without}", crate::checks::list(&request.networks), request.to),
        checks,
        evidence: subject.evidence,
        drill: request.lost.is_none().then(|| Drilled {
            networks: request.networks.clone(),
            to: request.to.clone(),
            good,
        }),
    })
}

/// Whether the destination can take the machines with their addresses.
pub(crate) fn ready(subject: &Subject<'_>, to: &SiteName) -> Vec<Check> {
    // Whether a recovery plan gives a reserved address to its VM is written nowhere.
    let destination = Destination {
        to,
        networks: subject.networks.clone(),
        hosts: &subject.hosts,
        evidence: subject.evidence.as_ref(),
        reserved: CheckStatus::Warn,
    };
    let mut checks = destination.subnets(subject.map);
    for host in &subject.hosts {
        let mut of_host = Vec::new();
        destination.addresses(host, &mut of_host);
        checks
            .extend(of_host.into_iter().map(|check| Check { name: format!("{}: {}", host.name, check.name), ..check }));
    }
    checks
}

/// Whether every network works where it is today.
fn today(subject: &Subject<'_>, live: &Live) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut by_site: BTreeMap<SiteName, BTreeSet<NetworkName>> = BTreeMap::new();
    for (network, site) in routes::sites_now(subject, live) {
        match site {
            Some(site) => {
                by_site.entry(site).or_default().insert(network);
            }
            None => checks.push(fail(format!("where {network} is today"), routes::astray(subject, live, &network))),
        }
    }
    for (site, networks) in by_site {
        let here = subject.only(networks);
        checks.extend(routes::delivered(&here, live, &site));
        let taking =
            Taking { host: CheckStatus::Fail, stranded: CheckStatus::Warn, no_evidence: Some(CheckStatus::Unknown) };
        checks.extend(machines::at_site(&here, live, &site, taking));
    }
    checks
}

/// How long ago the last drill was that found nothing wrong.
fn age(last: Option<LastDrill>, now: Timestamp) -> Check {
    let name = "last good drill";
    match last {
        None => warn(name, "there was none before this one"),
        Some(last) => {
            let hours = now.duration_since(last.made_at).as_hours();
            let ago = match hours {
                ..48 => format!("{hours} hours ago"),
                48.. => format!("{} days ago", hours / 24),
            };
            pass(name, format!("{ago}, at {} (report {})", last.made_at, last.report))
        }
    }
}
