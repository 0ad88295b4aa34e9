//! How the Regions stand from where a failover may have to be driven: whether the roles of the map can be assumed there, whether every appliance takes
//! the secret that lies there, and whether the same code runs.
//!
//! Each Region looks at itself, every hour, and stores it; nobody calls a function of another Region.

use crate::checks::{fail, list, pass, unknown, warn};
use crate::context::Context;
use futures::future::join_all;
use holdfast_model::wire::Check;
use holdfast_model::{AccountName, Fault, NetworkMap, Region, Site};
use holdfast_runtime::code_of_this_program;
use holdfast_store::{RegionStanding, Watched, WatchedAppliance};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A Region that has not looked at itself for so long does not any more: it should every hour.
const SILENT: SignedDuration = SignedDuration::from_hours(3);

/// An appliance that was not asked from a Region for so long is not asked from there any more: it should be every minute, which is noted every ten.
const UNASKED: SignedDuration = SignedDuration::from_mins(30);

/// Regions of the NC2 sites that an execution counts on.
pub(crate) fn regions(map: &NetworkMap, lost: Option<&Region>) -> BTreeSet<Region> {
    let nc2 = map.sites.values().filter(|site| matches!(site, Site::Nc2 { .. })).map(Site::region);
    nc2.filter(|region| Some(*region) != lost).cloned().collect()
}

/// How the Region of this function stands now.
pub(crate) async fn here(context: &Context, map: &NetworkMap, now: Timestamp) -> RegionStanding {
    let asked =
        map.accounts.iter().map(async |(name, account)| (name.clone(), context.accounts.refused(account).await));
    let roles: BTreeMap<AccountName, Option<String>> = join_all(asked).await.into_iter().collect();
    RegionStanding { v: 1, at: now, code: code_of_this_program().map(str::to_owned), roles }
}

/// What a drill says of every Region.
pub(crate) async fn checks(
    context: &Context,
    map: &NetworkMap,
    lost: Option<&Region>,
    now: Timestamp,
) -> Result<Vec<Check>, Fault> {
    let own = context.region();
    let here = here(context, map, now).await;
    let regions = regions(map, lost);
    let mut checks = Vec::new();
    for region in &regions {
        if own.as_ref() == Some(region) {
            checks.extend(of_region(region.as_str(), Some(&here), map, now));
        } else {
            let there = context.standings.get(region).await?;
            checks.extend(of_region(region.as_str(), there.as_ref(), map, now));
            checks.extend(there.map(|there| same_code(region, &there, &here)));
        }
    }
    let prisms = map.prism_centrals.iter().map(|(name, it)| (WatchedAppliance::PrismCentral(name.clone()), &it.region));
    let moves = map.move_appliances.iter().map(|(name, it)| (WatchedAppliance::Move(name.clone()), &it.region));
    let mut watchers: BTreeMap<&Region, BTreeSet<String>> = BTreeMap::new();
    for (appliance, _) in prisms.chain(moves).filter(|(_, at)| Some(*at) != lost) {
        let watched = context.watches.read(&appliance).await?;
        for region in &regions {
            checks.push(answers(&appliance, region, &watched, map.policy.unknown_alarm_seconds, now));
            let code = watched.asked.get(region).and_then(|asked| asked.code.clone());
            watchers.entry(region).or_default().extend(code);
        }
    }
    checks.extend(same_watchers(&watchers));
    Ok(checks)
}

/// Whether every role of the map can be assumed from a Region, as it says of itself.
pub(crate) fn of_region(
    region: &str,
    standing: Option<&RegionStanding>,
    map: &NetworkMap,
    now: Timestamp,
) -> Option<Check> {
    let declared: BTreeSet<&AccountName> =
        map.accounts.iter().filter(|(_, account)| account.role_arn.is_some()).map(|(name, _)| name).collect();
    let name = format!("roles from {region}");
    let Some(standing) = standing else {
        return Some(warn(name, "it has not looked at itself yet: its schedule `holdfast-ready` does so every hour"));
    };
    if now.duration_since(standing.at) > SILENT {
        let mend = "look at the schedule `holdfast-ready` and the function `holdfast-verify` there";
        return Some(unknown(name, format!("it has not looked at itself since {}; {mend}", standing.at)));
    }
    let refused = standing.roles.iter().filter_map(|(account, why)| Some((account, why.as_ref()?)));
    let refused: Vec<String> = refused
        .filter(|(account, _)| declared.contains(account))
        .map(|(account, why)| format!("{account}: {why}"))
        .collect();
    if !refused.is_empty() {
        let mend = "its trust policy has to name the roles of the functions of the stack there, with the external id of the network map";
        return Some(fail(name, format!("{}; {mend}", list(refused))));
    }
    let untried: Vec<_> = declared.iter().filter(|account| !standing.roles.contains_key(**account)).collect();
    if !untried.is_empty() {
        return Some(warn(name, format!("not tried yet with this network map: {}", list(untried))));
    }
    (!declared.is_empty()).then(|| pass(name, format!("{} could be assumed at {}", list(declared), standing.at)))
}

/// Whether another Region runs the code that runs here.
fn same_code(region: &Region, there: &RegionStanding, here: &RegionStanding) -> Check {
    let name = format!("code of verify in {region}");
    match (&there.code, &here.code) {
        (Some(there), Some(here)) if there == here => pass(name, "the same as here"),
        (Some(there), Some(here)) => {
            fail(name, format!("another build: SHA-256 {there}, here it is {here}; deploy one build in every Region"))
        }
        (None, _) | (_, None) => unknown(name, "a program could not read its own file"),
    }
}

/// Whether those that ask the appliances from each Region are of one build.
fn same_watchers(watchers: &BTreeMap<&Region, BTreeSet<String>>) -> Option<Check> {
    let name = "code of watch";
    let all: BTreeSet<&String> = watchers.values().flatten().collect();
    match all.len() {
        0 => None,
        1 => Some(pass(name, "the same wherever appliances are asked from")),
        2.. => {
            let each = watchers.iter().map(|(region, codes)| format!("{region}: {}", list(codes)));
            Some(fail(name, format!("it differs ({}); deploy one build in every Region", list(each))))
        }
    }
}

/// Whether an appliance takes the secret that lies in a Region, as `watch` there finds every minute.
fn answers(
    appliance: &WatchedAppliance,
    region: &Region,
    watched: &Watched,
    borne_seconds: u32,
    now: Timestamp,
) -> Check {
    let name = format!("secret and way to {appliance} from {region}");
    if let Some(darkness) = watched.dark.get(region) {
        let saw = format!("since {}: {}", darkness.dark.since, darkness.dark.why);
        let lasted = now.duration_since(darkness.dark.since) >= SignedDuration::from_secs(borne_seconds.into());
        return if lasted { fail(name, saw) } else { warn(name, saw) };
    }
    match watched.asked.get(region) {
        None => warn(
            name,
            "not asked from there yet, or nobody asks there: of eventually consistent tables only one Region does",
        ),
        Some(asked) if now.duration_since(asked.at) > UNASKED => unknown(
            name,
            format!("not asked from there since {}; look at the schedule `holdfast-watch` there", asked.at),
        ),
        Some(asked) => pass(name, format!("it answered at {}", asked.at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::wire::CheckStatus;
    use holdfast_store::{Asked, Dark, Darkness};

    fn map() -> NetworkMap {
        let map = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/network-map.example.yaml");
        let text = std::fs::read_to_string(map).unwrap();
        let role = r#"main: { id: "111122223333", role_arn: "arn:aws:iam::111122223333:role/holdfast-net" }"#;
        NetworkMap::parse(&text.replace(r#"main: { id: "111122223333" }"#, role)).unwrap()
    }

    fn noon() -> Timestamp {
        "2026-01-02T12:00:00Z".parse().unwrap()
    }

    fn standing(hours: i64, why: Option<&str>, code: &str) -> RegionStanding {
        let at = noon().checked_sub(SignedDuration::from_hours(hours)).unwrap();
        let roles = [("main".parse().unwrap(), why.map(str::to_owned))].into();
        RegionStanding { v: 1, at, code: Some(code.to_owned()), roles }
    }

    #[test]
    fn a_region_is_taken_at_its_own_word_while_that_is_young() {
        let status =
            |standing: Option<RegionStanding>| of_region("r", standing.as_ref(), &map(), noon()).unwrap().status;
        assert_eq!(status(None), CheckStatus::Warn);
        assert_eq!(status(Some(standing(3, None, "a"))), CheckStatus::Pass);
        assert_eq!(status(Some(standing(4, None, "a"))), CheckStatus::Unknown);
        assert_eq!(status(Some(standing(1, Some("AccessDenied"), "a"))), CheckStatus::Fail);
        let untried = RegionStanding { roles: BTreeMap::new(), ..standing(1, None, "a") };
        assert_eq!(status(Some(untried)), CheckStatus::Warn);
    }

    #[test]
    fn one_build_runs_everywhere_or_the_drill_fails() {
        let osaka = Region::parse("ap-northeast-3").unwrap();
        let tokyo = Region::parse("ap-northeast-1").unwrap();
        let status = |there: &str| same_code(&osaka, &standing(1, None, there), &standing(0, None, "a")).status;
        assert_eq!((status("a"), status("b")), (CheckStatus::Pass, CheckStatus::Fail));
        let unread = RegionStanding { code: None, ..standing(1, None, "a") };
        assert_eq!(same_code(&osaka, &unread, &standing(0, None, "a")).status, CheckStatus::Unknown);
        let watchers = |there: &[&str]| {
            let there = there.iter().map(|code| (*code).to_owned()).collect();
            let both = BTreeMap::from([(&tokyo, BTreeSet::from(["a".to_owned()])), (&osaka, there)]);
            same_watchers(&both).unwrap().status
        };
        assert_eq!((watchers(&["a"]), watchers(&[])), (CheckStatus::Pass, CheckStatus::Pass));
        assert_eq!((watchers(&["b"]), watchers(&["a", "b"])), (CheckStatus::Fail, CheckStatus::Fail));
    }

    #[test]
    fn an_appliance_counts_from_each_region_by_itself() {
        let (here, there) = (Region::parse("ap-northeast-1").unwrap(), Region::parse("ap-northeast-3").unwrap());
        let minutes = |minutes: i64| noon().checked_sub(SignedDuration::from_mins(minutes)).unwrap();
        let asked = |ago: i64| [(here.clone(), Asked { v: 1, at: minutes(ago), code: None })].into();
        let dark = |ago: i64| {
            let dark = Dark { v: 1, since: minutes(ago), why: "401".into() };
            [(here.clone(), Darkness { dark, told: false })].into()
        };
        let of = |region: &Region, watched: Watched| {
            let central = WatchedAppliance::PrismCentral("pc-tokyo".parse().unwrap());
            answers(&central, region, &watched, 300, noon()).status
        };
        assert_eq!(of(&here, Watched { asked: asked(30), ..Watched::default() }), CheckStatus::Pass);
        assert_eq!(of(&here, Watched { asked: asked(31), ..Watched::default() }), CheckStatus::Unknown);
        assert_eq!(of(&there, Watched { asked: asked(1), ..Watched::default() }), CheckStatus::Warn);
        assert_eq!(of(&here, Watched { asked: asked(1), dark: dark(5), ..Watched::default() }), CheckStatus::Fail);
        assert_eq!(of(&here, Watched { asked: asked(1), dark: dark(4), ..Watched::default() }), CheckStatus::Warn);
    }
}
