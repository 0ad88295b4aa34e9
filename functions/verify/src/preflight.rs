//! Before a cutover: everything that would refuse it later.

use crate::checks::{list, pass, unknown, warn};
use crate::context::Context;
use crate::facts::{Live, Subject, site};
use crate::machines::Taking;
use crate::report::Found;
use crate::wave::{self, Wave};
use crate::{flow, machines, routes};
use holdfast_model::wire::{Check, CheckStatus, CutoverRequest};
use holdfast_model::{Evidence, EvidenceId, Fault, FaultName, NetworkMap, NetworkName, SiteName};
use holdfast_plan::sites_judged;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// When the question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment<'a> {
    /// After a capture: instances may still run, and what stands in the way can still be mended at leisure. With evidence of what the destination
    /// has ready.
    Captured(Option<&'a EvidenceId>),
    /// Right before the cutover.
    Cutover,
}

pub(crate) async fn check(
    context: &Context,
    map: &NetworkMap,
    request: &CutoverRequest,
    moment: Moment<'_>,
    now: Timestamp,
) -> Result<Found, Fault> {
    let wave_name = &request.wave;
    let Some(wave) = map.waves.get(wave_name) else {
        return Err(Fault::new(
            FaultName::InvalidInput,
            format!("wave `{wave_name}` is not in the network map (declared: {})", list(map.waves.keys())),
        ));
    };
    let Some(captured) = context.inventory.version(wave_name, request.inventory).await? else {
        return Err(Fault::new(
            FaultName::NotCaptured,
            format!("nothing was captured for wave `{wave_name}`; run `capture` first"),
        ));
    };
    let names: BTreeSet<NetworkName> =
        captured.hosts.iter().flat_map(|host| &host.nics).map(|nic| nic.network.clone()).collect();
    let addresses = wave.hosts_led(&captured.hosts);
    let subject = Subject::read(context, map, &names, &request.named(), None, now).await?.moving(addresses);
    let hosts = list(captured.hosts.iter().map(|host| &host.name));
    let mut all = vec![pass(format!("capture of {wave_name}"), format!("version {}: {hosts}", captured.version.0))];
    let evidence = evidence_of(context, moment).await?;
    let whole = Wave { wave, hosts: &captured.hosts, evidence: evidence.as_ref() };
    all.extend(checks(context, &subject, &wave.to, moment, Some(whole)).await?);
    let what = match moment {
        Moment::Captured(_) => "report on",
        Moment::Cutover => "preflight of",
    };
    let title = format!("{what} wave {wave_name} to {} ({})", wave.to, list(&names));
    Ok(Found { title, checks: all, evidence, drill: None })
}

async fn evidence_of(context: &Context, moment: Moment<'_>) -> Result<Option<Evidence>, Fault> {
    let Moment::Captured(Some(id)) = moment else { return Ok(None) };
    let found = context.evidence.get(id).await?;
    let missing = || Fault::new(FaultName::InvalidInput, format!("there is no evidence `{}`; take it again", id.0));
    found.map(Some).ok_or_else(missing)
}

/// The checks, once it is known which hosts they are about.
pub(crate) async fn checks(
    context: &Context,
    subject: &Subject<'_>,
    to: &SiteName,
    moment: Moment<'_>,
    wave: Option<Wave<'_>>,
) -> Result<Vec<Check>, Fault> {
    let destination = site(subject.map, to)?;
    let networks = context.networks(subject.map).await?;
    let judged = sites_judged(to, &BTreeMap::new(), subject.map);
    let mut live = Live::read(&networks, subject.map, Some(to), &judged, subject.now).await;
    live.read_judged(&networks, subject, to).await;
    let targets = live.read_targets(&networks, subject, to).await;
    live.read_quotas(&networks, subject, to).await;
    let host = match moment {
        Moment::Captured(_) => CheckStatus::Warn,
        Moment::Cutover => CheckStatus::Fail,
    };
    let mut checks = machines::at_site(subject, &live, to, Taking { host, stranded: host, no_evidence: None });
    checks.extend(targets.map(|why| match moment {
        Moment::Captured(_) => warn("load-balancer targets", why),
        Moment::Cutover => unknown("load-balancer targets", why),
    }));
    checks.push(routes::attachments(subject, &live, to));
    let flow = flow::tables(subject, &live, to, destination);
    checks.extend(flow.checks);
    checks.extend(flow::source_dest(&networks, to, destination, &flow.enis).await);
    checks.push(routes::plan_to(subject, &live, to));
    checks.extend(routes::reached_now(subject, &live));
    checks.extend(routes::unread(&live));
    if let Some(wave) = wave {
        checks.extend(wave.left_out(subject.map, &live));
        if let Moment::Captured(_) = moment {
            checks.extend(wave::findings(&networks, subject.map, &live, &wave).await);
        }
    }
    Ok(checks)
}
