//! A failover on paper: today's state is proven as after a change, and what the failover would need is checked beside it.

use crate::basis::basis;
use crate::checks::{fail, pass, unknown, warn, worst};
use crate::context::Context;
use crate::facts::{Live, Subject, site};
use crate::landing::Destination;
use crate::machines::Taking;
use crate::report::Found;
use crate::{flow, machines, probes, routes, standing, tested};
use futures::future::join;
use holdfast_model::wire::{Check, CheckStatus, DrillRequest};
use holdfast_model::{
    DrillBasis, EvidenceId, Fault, FaultName, MapRef, NetworkMap, NetworkName, Region, Site, SiteName,
};
use holdfast_store::Drill;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// A drill that counts, as it is noted.
pub(crate) struct Drilled {
    /// What it was made with, by network.
    pub bases: BTreeMap<NetworkName, DrillBasis>,
    pub to: SiteName,
    /// Whether it found nothing wrong.
    pub good: bool,
}

/// What a drill has so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paper<'a> {
    /// The input of the execution.
    pub request: &'a DrillRequest,
    /// Where the machines are.
    pub evidence: &'a EvidenceId,
    /// The plan as it was proven.
    pub plan: &'a str,
    /// Name of the test failover that is up meanwhile.
    pub test: Option<&'a str>,
}

pub(crate) async fn check(
    context: &Context,
    (map, reference): (&NetworkMap, &MapRef),
    Paper { request, evidence, plan, test }: Paper<'_>,
    now: Timestamp,
) -> Result<Found, Fault> {
    let to = site(map, &request.to)?;
    let subject = Subject::read(context, map, &request.networks, &request.inventory, Some(evidence), now).await?;
    let networks = context.networks(map).await?;
    // Where the networks are today, and so which sites are judged, is not known yet.
    let all = map.sites.keys().cloned().collect();
    let read = join(Live::read(&networks, map, Some(&request.to), &all, now), probes::all(context, &subject, None));
    let stored = join(last_drill(context, &request.networks, &request.to), maps(context, map, reference));
    let ((mut live, probed), (last, maps)) = join(read, stored).await;

    let targets = live.read_targets(&networks, &subject, &request.to).await;
    live.read_quotas(&networks, &subject, &request.to).await;
    let standing = standing::checks(context, map, request.lost.as_ref(), now).await?;

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
    checks.extend(maps);
    checks.extend(standing);
    if let Some(name) = test {
        checks.extend(tested(context, name, &request.to, map, &subject).await?);
    }
    checks.extend(today(&subject, &live));
    checks.extend(probed?.checks);
    checks.extend(routes::unread(&live));
    checks.push(age(last?, now));
    let good = worst(&checks) <= CheckStatus::Warn;
    let drill = match &request.lost {
        Some(_) => None,
        None => Some(Drilled {
            bases: bases(context, (map, reference), request, &live).await?,
            to: request.to.clone(),
            good,
        }),
    };
    Ok(Found {
        title: format!("drill of {} to {}{without}", crate::checks::list(&request.networks), request.to),
        checks,
        evidence: subject.evidence,
        drill,
    })
}

/// What was seen of the test failover that is up.
async fn tested(
    context: &Context,
    name: &str,
    to: &SiteName,
    map: &NetworkMap,
    subject: &Subject<'_>,
) -> Result<Vec<Check>, Fault> {
    let Site::Nc2 { prism_central, .. } = site(map, to)? else { return Ok(Vec::new()) };
    let all = context.tests.all(prism_central).await?;
    let seen = all.into_iter().find(|kept| kept.test.name == name).and_then(|kept| kept.test.seen);
    let title = format!("test failover at {to}");
    Ok(match seen {
        Some(seen) => tested::checks(&seen, name, to, map, &subject.hosts),
        None => vec![unknown(title, format!("nothing is written down of `{name}`"))],
    })
}

/// What the drill is made with, by network.
async fn bases(
    context: &Context,
    map: (&NetworkMap, &MapRef),
    request: &DrillRequest,
    live: &Live,
) -> Result<BTreeMap<NetworkName, DrillBasis>, Fault> {
    let versions = context.inventory.newest_versions().await?;
    let of = |network: &NetworkName| basis(network, map, &versions, &request.inventory, &live.picture);
    request.networks.iter().map(|network| Ok((network.clone(), of(network)?))).collect()
}

/// The last drill of each network to a site that found nothing wrong: of several networks the oldest, and none where one has none.
async fn last_drill(
    context: &Context,
    networks: &BTreeSet<NetworkName>,
    to: &SiteName,
) -> Result<Option<Drill>, Fault> {
    let mut oldest: Option<Drill> = None;
    for network in networks {
        let (mut drills, _) = context.drills.read(network).await?;
        let Some(good) = drills.remove(to).and_then(|drills| drills.good) else { return Ok(None) };
        oldest = Some(oldest.filter(|oldest| oldest.made_at <= good.made_at).unwrap_or(good));
    }
    Ok(oldest)
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

/// Whether every Region of an NC2 site, from where a failover may have to be driven, would drive it by the same network map.
async fn maps(context: &Context, map: &NetworkMap, reference: &MapRef) -> Vec<Check> {
    let nc2 = map.sites.values().filter(|site| matches!(site, Site::Nc2 { .. }));
    let regions: BTreeSet<&Region> = nc2.map(Site::region).collect();
    let asked =
        regions.into_iter().map(async |region| same_map(region, context.maps.current_in(region).await, reference));
    futures::future::join_all(asked).await
}

fn same_map(region: &Region, there: Result<MapRef, Fault>, ours: &MapRef) -> Check {
    let name = format!("network map in {region}");
    match there {
        Ok(there) if there.sha256.eq_ignore_ascii_case(&ours.sha256) => {
            pass(name, "the one that this drill works with")
        }
        Ok(there) => fail(
            name,
            format!(
                "it is another: SHA-256 {}, this drill works with {}; publish the same document in every Region",
                there.sha256, ours.sha256
            ),
        ),
        Err(fault) if fault.name == FaultName::NotConfigured => warn(
            name,
            format!("nobody could drive from there: {}; deploy the stack there and publish the map", fault.message),
        ),
        Err(fault) => unknown(name, fault.message),
    }
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
fn age(last: Option<Drill>, now: Timestamp) -> Check {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_map_in_the_other_region_fails_and_no_stack_there_warns() {
        let osaka = Region::parse("ap-northeast-3").unwrap();
        let map =
            |sha256: &str| MapRef { bucket: "b".into(), key: "k".into(), version: "1".into(), sha256: sha256.into() };
        let fault = |name| Err(Fault::new(name, "why"));
        let status = |there| same_map(&osaka, there, &map("ab12")).status;
        assert_eq!(status(Ok(map("AB12"))), CheckStatus::Pass);
        assert_eq!(status(Ok(map("ab13"))), CheckStatus::Fail);
        assert_eq!(status(fault(FaultName::NotConfigured)), CheckStatus::Warn);
        assert_eq!(status(fault(FaultName::Unavailable)), CheckStatus::Unknown);
    }
}
