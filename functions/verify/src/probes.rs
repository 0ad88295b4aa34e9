//! Checks of the data path: machines of the vantages ping every recorded address.

use crate::checks::{fail, list, pass, unknown, warn};
use crate::context::Context;
use crate::facts::Subject;
use futures::future::join_all;
use holdfast_guest::{GuestError, ProbeAnswer, ProbeRequest, ProbeResult};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::{Fault, HostRecord, NetworkName, SiteName, Vantage, VantageName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Hosts that need not be right, by address, with the reason.
type Excused = BTreeMap<Ipv4Addr, String>;

/// What the probes found.
#[derive(Default)]
pub(crate) struct Probed {
    pub checks: Vec<Check>,
    /// Addresses that replied to a vantage.
    pub answered: BTreeSet<Ipv4Addr>,
    /// Addresses at which two machines replied.
    pub twice: BTreeSet<Ipv4Addr>,
}

/// Has the machine of every vantage probe every recorded address of the networks, all vantages at once. Where they were moved to a site, hosts that
/// need not be right there may be silent.
pub(crate) async fn all(context: &Context, subject: &Subject<'_>, to: Option<&SiteName>) -> Result<Probed, Fault> {
    let targets = targets(subject);
    if targets.values().all(BTreeSet::is_empty) {
        let none = unknown("probes", "no host was captured in the networks: there is no address to probe");
        return Ok(Probed { checks: vec![none], ..Probed::default() });
    }
    let excused = excused(subject, to);
    let vantages = subject.map.vantages.iter().map(|vantage| from(context, subject, vantage, &targets, &excused));
    let mut all = Probed::default();
    for found in join_all(vantages).await {
        let found = found?;
        all.checks.extend(found.checks);
        all.answered.extend(found.answered);
        all.twice.extend(found.twice);
    }
    Ok(all)
}

/// Addresses of hosts that are excused by name, with the reason.
fn excused(subject: &Subject<'_>, to: Option<&SiteName>) -> Excused {
    let of_host = |host: &HostRecord| {
        let why = subject.map.excuse(host, to?)?.to_owned();
        Some(host.addresses().map(move |address| (address, why.clone())).collect::<Vec<_>>())
    };
    subject.hosts.iter().filter_map(of_host).flatten().collect()
}

/// Recorded addresses by network.
fn targets(subject: &Subject<'_>) -> BTreeMap<NetworkName, BTreeSet<Ipv4Addr>> {
    let mut targets: BTreeMap<NetworkName, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    let of_host = |host: &&HostRecord| {
        let kept = subject.map.kept(host);
        kept.addresses().filter(|address| kept.uses(*address)).collect::<Vec<_>>()
    };
    let recorded = subject.hosts.iter().flat_map(|host| of_host(&host));
    for address in recorded.filter(|address| subject.holds(*address)) {
        if let Some((network, _)) = subject.map.network_of(address)
            && subject.networks.contains(network)
        {
            targets.entry(network.clone()).or_default().insert(address);
        }
    }
    targets
}

async fn from(
    context: &Context,
    subject: &Subject<'_>,
    (name, vantage): (&VantageName, &Vantage),
    targets: &BTreeMap<NetworkName, BTreeSet<Ipv4Addr>>,
    excused: &Excused,
) -> Result<Probed, Fault> {
    let title = |network: &NetworkName| format!("probe from {name} to {network}");
    let Some(machine) = vantage.probe() else {
        let saw = "the network map names no machine to probe from here: only routes are proven";
        let checks = targets.keys().map(|network| warn(title(network), saw)).collect();
        return Ok(Probed { checks, ..Probed::default() });
    };
    let guest = context.guest(subject.map, &machine.account, &machine.region).await?;
    let request = ProbeRequest {
        targets: targets.values().flatten().copied().collect(),
        count: u16::try_from(subject.map.policy.probe_count).unwrap_or(u16::MAX).max(1),
        port: None,
    };
    let results = guest.run_probe(&machine.instance, machine.platform, &request).await;
    let of = |wanted: fn(&ProbeResult) -> bool| {
        results.iter().flatten().filter(|result| wanted(result)).map(|result| result.target).collect()
    };
    let (answered, twice) = (of(ProbeResult::answered), of(doubled));
    let judged = targets.iter().map(|(network, addresses)| judged(title(network), addresses, &results, excused));
    let checks = judged.collect();
    Ok(Probed { checks, answered, twice })
}

/// Whether two machines replied.
fn doubled(result: &ProbeResult) -> bool {
    matches!(result.answer, ProbeAnswer::Asked { duplicates: Some(1..), .. })
}

/// What the results say of one network.
fn judged(
    title: String,
    addresses: &BTreeSet<Ipv4Addr>,
    results: &Result<Vec<ProbeResult>, GuestError>,
    excused: &Excused,
) -> Check {
    let results = match results {
        Ok(results) => results,
        Err(error) => return unknown(title, holdfast_runtime::chain(error)),
    };
    let seen: Vec<(CheckStatus, String)> = addresses
        .iter()
        .map(|address| match results.iter().find(|result| result.target == *address) {
            None => (CheckStatus::Unknown, format!("{address}: the machine said nothing of it")),
            Some(result) => match (one(result), excused.get(address)) {
                // Two machines that answer at one address are excused by nobody.
                ((CheckStatus::Fail, text), Some(why)) if !result.answered() => {
                    (CheckStatus::Warn, format!("{text}, excused: {why}"))
                }
                (told, _) => told,
            },
        })
        .collect();
    let status = seen.iter().map(|(status, _)| *status).max().unwrap_or(CheckStatus::Unknown);
    if status == CheckStatus::Pass {
        return pass(title, list(seen.into_iter().map(|(_, text)| text)));
    }
    let wrong: Vec<String> =
        seen.iter().filter(|(s, _)| *s > CheckStatus::Pass).map(|(_, text)| text.clone()).collect();
    let right = seen.len().saturating_sub(wrong.len());
    let saw = format!("{}; {right} of {} addresses are right", list(wrong), seen.len());
    match status {
        CheckStatus::Fail => fail(title, saw),
        CheckStatus::Unknown => unknown(title, saw),
        CheckStatus::Warn | CheckStatus::Pass => warn(title, saw),
    }
}

fn one(result: &ProbeResult) -> (CheckStatus, String) {
    let target = result.target;
    match &result.answer {
        ProbeAnswer::Unknown { error } => (CheckStatus::Unknown, format!("{target}: {error}")),
        ProbeAnswer::Asked { duplicates: Some(more @ 1..), .. } => {
            (CheckStatus::Fail, format!("{target}: {more} replies too many, two machines hold this address"))
        }
        ProbeAnswer::Asked { sent: 0, .. } => (CheckStatus::Unknown, format!("{target}: nothing was sent")),
        ProbeAnswer::Asked { sent, received: 0, .. } => {
            (CheckStatus::Fail, format!("{target}: no reply to {sent} pings"))
        }
        ProbeAnswer::Asked { sent, received, .. } if received < sent => {
            (CheckStatus::Warn, format!("{target}: {received} of {sent} replies"))
        }
        // The ping of Windows shows no reply beyond the first.
        ProbeAnswer::Asked { sent, received, duplicates: None } => {
            (CheckStatus::Pass, format!("{target}: {received} of {sent} replies, a second answer cannot be seen"))
        }
        ProbeAnswer::Asked { sent, received, duplicates: Some(_) } => {
            (CheckStatus::Pass, format!("{target}: {received} of {sent} replies"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, sent: u32, received: u32, duplicates: Option<u32>) -> ProbeResult {
        ProbeResult {
            target: target.parse().unwrap(),
            answer: ProbeAnswer::Asked { sent, received, duplicates },
            tcp: None,
        }
    }

    fn judged_as(results: Vec<ProbeResult>) -> (CheckStatus, String) {
        let addresses = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()].into();
        let check = judged("probe".into(), &addresses, &Ok(results), &Excused::new());
        (check.status, check.saw)
    }

    #[test]
    fn a_silent_host_that_is_excused_by_name_is_a_warning_and_a_second_one_at_its_address_is_not() {
        let addresses = ["10.0.0.2".parse().unwrap()].into();
        let excused = [("10.0.0.2".parse().unwrap(), "its disk is gone".to_owned())].into();
        let judged = |result| judged("probe".into(), &addresses, &Ok(vec![result]), &excused);
        let silent = judged(asked("10.0.0.2", 3, 0, Some(0)));
        assert_eq!(silent.status, CheckStatus::Warn);
        assert!(silent.saw.contains("no reply to 3 pings, excused: its disk is gone"), "{}", silent.saw);
        assert_eq!(judged(asked("10.0.0.2", 3, 3, Some(3))).status, CheckStatus::Fail);
    }

    #[test]
    fn all_replies_and_no_duplicates_pass() {
        let (status, saw) = judged_as(vec![asked("10.0.0.1", 3, 3, Some(0)), asked("10.0.0.2", 3, 3, Some(0))]);
        assert_eq!(status, CheckStatus::Pass);
        assert!(!saw.contains("second answer"), "{saw}");
    }

    #[test]
    fn who_cannot_see_a_second_answer_says_so() {
        let (status, saw) = judged_as(vec![asked("10.0.0.1", 3, 3, Some(0)), asked("10.0.0.2", 3, 3, None)]);
        assert_eq!(status, CheckStatus::Pass);
        assert!(saw.contains("10.0.0.2: 3 of 3 replies, a second answer cannot be seen"), "{saw}");
    }

    #[test]
    fn silence_a_duplicate_and_a_lost_reply_are_told_apart() {
        let good = || asked("10.0.0.1", 3, 3, Some(0));
        let (status, saw) = judged_as(vec![good(), asked("10.0.0.2", 3, 0, Some(0))]);
        assert_eq!(
            (status, saw.as_str()),
            (CheckStatus::Fail, "10.0.0.2: no reply to 3 pings; 1 of 2 addresses are right")
        );
        assert_eq!(judged_as(vec![good(), asked("10.0.0.2", 3, 3, Some(3))]).0, CheckStatus::Fail);
        assert_eq!(judged_as(vec![good(), asked("10.0.0.2", 3, 2, Some(0))]).0, CheckStatus::Warn);
        assert_eq!(judged_as(vec![good()]).0, CheckStatus::Unknown);
    }
}
