//! Checks of routing: attachments, traces from every vantage, and the plan to a site.

use crate::checks::{fail, list, pass, unknown, warn};
use crate::facts::{Live, Subject};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::{
    AttachmentId, AttachmentState, FaultName, Lost, Network, NetworkMap, NetworkName, NextHop, Power, Prefix, Region,
    SiteName, Vantage, VantageName,
};
use holdfast_plan::{
    Move, Outcome, Reply, Source, View, check, current_site, drift, forecast, parts, plan_move, trace, trace_reply,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Attachments that a move to the site needs: next hops of the tables, and where the vantages enter and leave.
pub(crate) fn attachments(subject: &Subject<'_>, live: &Live, to: &SiteName) -> Check {
    let mut needed: BTreeSet<(&Region, &AttachmentId)> =
        subject.map.vantages.values().flat_map(|vantage| [vantage.enters(), vantage.reply_leaves()]).collect();
    for (_, table) in subject.networks.iter().flat_map(|network| subject.map.tables_of(network)) {
        match table.next_hops.get(to) {
            Some(NextHop::Attachment { id } | NextHop::Peering { id }) => {
                needed.insert((&table.region, id));
            }
            Some(
                NextHop::Absent { .. }
                | NextHop::Blackhole
                | NextHop::Tgw { .. }
                | NextHop::VpcPeering { .. }
                | NextHop::Eni { .. },
            )
            | None => {}
        }
    }
    let mut unread = Vec::new();
    let mut wrong = Vec::new();
    for (region, id) in &needed {
        match live.picture.attachment(region, id).map(|attachment| attachment.state) {
            Some(AttachmentState::Available) => {}
            Some(AttachmentState::Changing) => wrong.push(format!("`{id}` in {region} is being changed")),
            Some(AttachmentState::Gone) => wrong.push(format!("`{id}` in {region} is gone")),
            Some(AttachmentState::Unknown) => unread.push(format!("`{id}` in {region} has a state that is not known")),
            None => unread.push(format!("`{id}` in {region} was not read{}", why_unread(live, region))),
        }
    }
    let name = format!("attachments towards {to}");
    if !wrong.is_empty() {
        fail(name, list(wrong.into_iter().chain(unread)))
    } else if !unread.is_empty() {
        unknown(name, list(unread))
    } else {
        pass(name, format!("all {} are available", needed.len()))
    }
}

/// Why something of a Region was not read, when a reason is known; a missing attachment is otherwise simply not there.
fn why_unread(live: &Live, region: &Region) -> String {
    let reason = live.picture.unread.iter().find(|unread| unread.scope.region == *region);
    reason.map_or_else(|| ": nothing of this id is there".to_owned(), |unread| format!(": {}", unread.why))
}

/// Whether every network is delivered at the site from every vantage, and replies return.
pub(crate) fn delivered(subject: &Subject<'_>, live: &Live, to: &SiteName) -> Vec<Check> {
    let apart = apart(subject, live, to);
    let site = |part: Prefix| {
        let own = apart.iter().find(|(_, hosts)| part.length() == 32 && hosts.contains(&part.network()));
        own.map_or(to, |(site, _)| site)
    };
    each(subject, |network, vantage| traced(subject, live, network, vantage, Some(&site), CheckStatus::Fail))
}

/// Whether every network is delivered somewhere from every vantage as things are now.
pub(crate) fn reached_now(subject: &Subject<'_>, live: &Live) -> Vec<Check> {
    each(subject, |network, vantage| traced(subject, live, network, vantage, None, CheckStatus::Warn))
}

/// Addresses that host routes lead apart from their networks, by site; none where only some addresses are asked about.
pub(crate) fn apart(subject: &Subject<'_>, live: &Live, to: &SiteName) -> BTreeMap<SiteName, BTreeSet<Ipv4Addr>> {
    match &subject.addresses {
        None => holdfast_plan::apart(&subject.networks, to, subject.map, &live.picture, None),
        Some(_) => BTreeMap::new(),
    }
}

type Named<'a, K, V> = (&'a K, &'a V);

fn each<'a>(
    subject: &'a Subject<'_>,
    check: impl Fn(Named<'a, NetworkName, Network>, Named<'a, VantageName, Vantage>) -> Check,
) -> Vec<Check> {
    let networks = subject.map.networks.iter().filter(|(name, _)| subject.networks.contains(*name));
    let moves =
        |network: &Network| subject.addresses.as_ref().is_none_or(|only| only.iter().any(|a| network.prefix.holds(*a)));
    networks
        .filter(|(_, network)| moves(network))
        .flat_map(|network| subject.map.vantages.iter().map(move |vantage| (network, vantage)))
        .map(|(network, vantage)| check(network, vantage))
        .collect()
}

/// Traces every part of a network forward, and replies to every part of the vantage's prefixes; the worst counts.
///
/// `wanted` is the site at which a part should be delivered; none, where any will do.
fn traced<'a>(
    subject: &Subject<'_>,
    live: &Live,
    (network, declared): Named<'_, NetworkName, Network>,
    (vantage, client): Named<'_, VantageName, Vantage>,
    wanted: Option<&dyn Fn(Prefix) -> &'a SiteName>,
    wrong: CheckStatus,
) -> Check {
    let name = format!("route from {vantage} to {network}");
    let view = View::of(&live.picture);
    let mut sites = BTreeSet::new();
    let mut problems: Vec<(CheckStatus, String)> = Vec::new();
    let moved = parts_of(subject, live, declared.prefix);
    for part in moved.iter().copied() {
        let outcome = trace(&view, subject.map, client, part);
        match &outcome {
            Outcome::Delivered(site) if wanted.is_none_or(|wanted| wanted(part) == site) => {
                sites.insert(site.clone());
            }
            Outcome::Unknown(_) => problems.push((CheckStatus::Unknown, format!("{part}: {outcome}"))),
            Outcome::Delivered(_) | Outcome::Leaves(_) | Outcome::Blackhole(_) | Outcome::Loop(_) => {
                problems.push((wrong, format!("{part}: {outcome}")));
            }
        }
    }
    let clients: BTreeSet<_> = client.prefixes().iter().flat_map(|prefix| parts(&live.picture, *prefix)).collect();
    let whole: Vec<Prefix> = match &subject.addresses {
        None => vec![declared.prefix],
        Some(_) => moved.into_iter().collect(),
    };
    let sources: Vec<Source<'_>> =
        sites.iter().flat_map(|site| whole.iter().map(move |part| Source { network, site, part: *part })).collect();
    for (source, part) in sources.iter().flat_map(|source| clients.iter().map(move |part| (*source, *part))) {
        let reply = trace_reply(&view, subject.map, client, source, part);
        match &reply {
            Reply::Returns => {}
            Reply::Unknown(_) => problems.push((CheckStatus::Unknown, format!("back to {part}: {reply}"))),
            Reply::Leaves(_) | Reply::Blackhole(_) | Reply::Loop(_) => {
                problems.push((wrong, format!("back to {part}: {reply}")));
            }
        }
    }
    match problems.iter().map(|(status, _)| *status).max() {
        None => pass(name, format!("{} is delivered at {} and replies return", list(whole), list(&sites))),
        Some(status) => Check { name, status, saw: list(problems.into_iter().map(|(_, text)| text)) },
    }
}

/// What of a network is traced: every part that tables may treat differently, or only the machines that move.
fn parts_of(subject: &Subject<'_>, live: &Live, prefix: Prefix) -> BTreeSet<Prefix> {
    match &subject.addresses {
        None => parts(&live.picture, prefix),
        Some(only) => only.iter().filter(|address| prefix.holds(**address)).map(|a| Prefix::host(*a)).collect(),
    }
}

/// Whether there is a proven order of route changes to the site.
pub(crate) fn plan_to(subject: &Subject<'_>, live: &Live, to: &SiteName) -> Check {
    let name = format!("plan to {to}");
    let wanted = Move { networks: &subject.networks, to, hosts: subject.addresses.as_ref() };
    let plan = match plan_move(&wanted, subject.map, &live.picture) {
        Ok(plan) => plan,
        Err(refusal) if refusal.fault() == FaultName::Unread => return unknown(name, refusal.to_string()),
        Err(refusal) => return fail(name, refusal.to_string()),
    };
    if let Err(violations) = check(&plan, &live.picture, subject.map) {
        return fail(name, list(violations));
    }
    if plan.is_empty() {
        return pass(name, "every table leads there already");
    }
    let steps = list(
        plan.stages
            .iter()
            .enumerate()
            .flat_map(|(at, stage)| stage.iter().map(move |step| format!("stage {}: {step}", at.saturating_add(1)))),
    );
    let proven = format!("proven from every vantage for every order within a stage: {steps}");
    let unknown = forecast(&plan, subject.map, &live.picture).unknown;
    if unknown.is_empty() { pass(name, proven) } else { warn(name, format!("{proven}; {}", list(unknown))) }
}

/// Site that each network's routes lead to now; none where the tables follow no site of the map.
pub(crate) fn sites_now(subject: &Subject<'_>, live: &Live) -> Vec<(NetworkName, Option<SiteName>)> {
    subject
        .networks
        .iter()
        .map(|network| (network.clone(), current_site(subject.map, &live.picture, network)))
        .collect()
}

/// What a person has to know of a network whose tables follow no site: which places say otherwise than where its machines were seen to run, and what
/// leads them there. Nothing is corrected here: a route that somebody changed by hand had a reason.
pub(crate) fn astray(subject: &Subject<'_>, live: &Live, network: &NetworkName) -> String {
    let Some(site) = runs_at(subject, network) else {
        return "the route tables follow no site of the network map, or were not all read, and its machines were not all seen to run at one site".to_owned();
    };
    let found = drift(&BTreeMap::from([(network.clone(), site.clone())]), subject.map, &live.picture);
    format!(
        "{}; if nobody wanted that, start `failover` with {{\"networks\": [\"{network}\"], \"to\": \"{site}\"}}",
        list(found)
    )
}

/// The one NC2 site at which every captured host of a network was seen to run.
fn runs_at(subject: &Subject<'_>, network: &NetworkName) -> Option<SiteName> {
    let evidence = subject.evidence.as_ref()?;
    let hosts = subject.hosts.iter().filter(|host| host.nics.iter().any(|nic| nic.network == *network));
    let mut sites = BTreeSet::new();
    for host in hosts {
        let running = evidence.hosts.get(&host.name).into_iter().flatten().filter(|seen| seen.power == Power::On);
        let at: BTreeSet<&SiteName> = running.map(|seen| &seen.site).collect();
        if at.is_empty() {
            return None;
        }
        sites.extend(at);
    }
    let one = sites.pop_first()?;
    sites.is_empty().then(|| one.clone())
}

/// What is not verified because a Region is declared lost.
pub(crate) fn lost(map: &NetworkMap) -> Option<Check> {
    let Lost { region, cut_off } = map.lost()?;
    let cut = if cut_off.is_empty() {
        String::new()
    } else {
        format!("; {} can only enter there and is not served", list(cut_off))
    };
    Some(warn(format!("{region} is declared lost"), format!("nothing in it was read or probed{cut}")))
}

/// Silent sites that are not counted on: their machines were looked for nowhere.
pub(crate) fn waived(subject: &Subject<'_>) -> Vec<Check> {
    let silent = subject.evidence.iter().flat_map(|evidence| &evidence.sites_unread);
    let told = silent.filter_map(|(site, why)| {
        let waiver = subject.map.waived(site)?;
        let saw = format!("{why}; by word of {}: {}", waiver.by, waiver.reason);
        Some(warn(format!("{site} is silent and not counted on"), saw))
    });
    told.collect()
}

/// What could not be read, where nothing else names it.
pub(crate) fn unread(live: &Live) -> Option<Check> {
    if live.picture.unread.is_empty() {
        return None;
    }
    let what = live.picture.unread.iter().map(|unread| format!("{} in {}: {}", unread.what, unread.scope, unread.why));
    Some(warn("routing was read", list(what)))
}
