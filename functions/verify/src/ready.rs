//! Whether every network's next failover is proven by a drill that still counts; asked every hour, and told on the bus when it changes.
//!
//! A network is judged while it is at an NC2 site and could go to another one: it is ready where the last drill to one of those found nothing wrong,
//! and nothing that the drill was made with has changed since.

use crate::basis::basis;
use crate::checks::{fail, list, pass, unknown};
use crate::context::Context;
use crate::report::Found;
use crate::standing;
use holdfast_aws_network::read_picture_towards;
use holdfast_model::wire::Check;
use holdfast_model::{
    DrillBasis, Fault, MapRef, NamedVersions, NetworkMap, NetworkName, NetworkReady, Readiness, Site, SiteName, Stale,
};
use holdfast_plan::current_site;
use holdfast_runtime::{Bus, Message};
use holdfast_store::{Drill, Drills, DrillsTo, Told};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Judges every network, tells what has changed, and notes how this Region stands.
pub(crate) async fn check(
    context: &Context,
    (map, reference): (&NetworkMap, &MapRef),
    now: Timestamp,
) -> Result<Found, Fault> {
    let here = standing::here(context, map, now).await;
    if let Some(region) = context.region() {
        context.standings.put(&region, &here).await?;
    }
    let networks = context.networks(map).await?;
    let picture = read_picture_towards(&networks, map, None, now).await;
    let versions = context.inventory.newest_versions().await?;
    let mut checks: Vec<Check> = standing::of_region("this Region", Some(&here), map, now).into_iter().collect();
    for network in map.networks.keys() {
        let at = current_site(map, &picture, network);
        let others = match &at {
            Some(site) => others(network, site, map),
            None => others_than(network, None, map),
        };
        if map.policy.drill_max_age_days == 0 || others.is_empty() {
            continue;
        }
        let (drills, told) = context.drills.read(network).await?;
        let wanted = basis(network, (map, reference), &versions, &NamedVersions::new(), &picture)?;
        let ready = match &at {
            Some(_) => judge(&others, &drills, &wanted, map.policy.drill_max_age_days, now),
            None => Readiness::Unknown {},
        };
        let summary = words(network, at.as_ref(), &ready, &drills);
        let found = NetworkReady { schema_version: 1, network: network.clone(), at, ready, found_at: now, summary };
        checks.push(told_as(&found));
        let allowed = context.writer.allows(context.accounts.region(), None).is_ok();
        if allowed && is_news(told.as_ref(), &found.ready) {
            tell(&context.bus, &context.drills, &found).await?;
        }
    }
    Ok(Found { title: "readiness of every network".to_owned(), checks, evidence: None, drill: None })
}

/// First the message, then the note of it: who dies between the two tells it again.
async fn tell(bus: &impl Bus, drills: &Drills, found: &NetworkReady) -> Result<(), Fault> {
    bus.put(&Message::of_ready(found)?).await?;
    let told = Told { v: 1, ready: found.ready.clone(), at: found.found_at };
    Ok(drills.put_told(&found.network, &told).await?)
}

/// Whether people have to be told: of the first thing that is not well, and of every change.
fn is_news(told: Option<&Told>, ready: &Readiness) -> bool {
    match told {
        None => !matches!(ready, Readiness::Ready { .. }),
        // To which site it is ready is no news, while it is.
        Some(told) => match (&told.ready, ready) {
            (Readiness::Ready { .. }, Readiness::Ready { .. }) => false,
            (before, now) => before != now,
        },
    }
}

/// NC2 sites that carry a network, beside the one where it is; none while it is not at an NC2 site.
fn others(network: &NetworkName, at: &SiteName, map: &NetworkMap) -> Vec<SiteName> {
    match map.sites.get(at) {
        Some(Site::Nc2 { .. }) => others_than(network, Some(at), map),
        Some(Site::Ec2 { .. }) | None => Vec::new(),
    }
}

fn others_than(network: &NetworkName, at: Option<&SiteName>, map: &NetworkMap) -> Vec<SiteName> {
    let carried = map.networks.get(network).into_iter().flat_map(|network| network.subnets.keys());
    let all: Vec<SiteName> = carried.filter(|site| Some(*site) != at).cloned().collect();
    // Where it is not known at which of them it is, one alone may be that.
    if at.is_none() && all.len() < 2 { Vec::new() } else { all }
}

/// Whether one of the sites has a drill that counts; else why none does, by site.
fn judge(
    sites: &[SiteName],
    drills: &BTreeMap<SiteName, DrillsTo>,
    now_with: &DrillBasis,
    max_age_days: u32,
    now: Timestamp,
) -> Readiness {
    let mut all = BTreeMap::new();
    for site in sites {
        let none = DrillsTo::default();
        let why = stale(drills.get(site).unwrap_or(&none), now_with, max_age_days, now);
        if why.is_empty() {
            return match now_with.routes {
                Some(_) => Readiness::Ready { to: site.clone() },
                None => Readiness::Unknown {},
            };
        }
        all.insert(site.clone(), why);
    }
    Readiness::NotReady { stale: all }
}

/// What makes the last drill to a site count no more. Routes that were not read then or are not now make nothing stale.
fn stale(drills: &DrillsTo, now_with: &DrillBasis, max_age_days: u32, now: Timestamp) -> Vec<Stale> {
    let Some(Drill { made_at, basis, .. }) = &drills.good else { return vec![Stale::Never] };
    let most = SignedDuration::from_hours(i64::from(max_age_days).saturating_mul(24));
    let differ =
        |then: &Option<String>, now: &Option<String>| matches!((then, now), (Some(then), Some(now)) if then != now);
    let rules = [
        (Stale::Failed, drills.bad.as_ref().is_some_and(|bad| bad.made_at > *made_at)),
        (Stale::Old, now.duration_since(*made_at) > most),
        (Stale::Map, basis.map != now_with.map),
        (Stale::Roles, basis.roles != now_with.roles),
        (Stale::Waves, basis.waves != now_with.waves),
        (Stale::Routes, basis.routes.is_none() || differ(&basis.routes, &now_with.routes)),
        (Stale::Code, differ(&basis.code, &now_with.code)),
    ];
    rules.into_iter().filter_map(|(stale, holds)| holds.then_some(stale)).collect()
}

fn words(
    network: &NetworkName,
    at: Option<&SiteName>,
    ready: &Readiness,
    drills: &BTreeMap<SiteName, DrillsTo>,
) -> String {
    let place = at.map_or_else(|| "at no site that the tables tell of".to_owned(), ToString::to_string);
    let last = |site: &SiteName| {
        let good = drills.get(site).and_then(|drills| drills.good.as_ref());
        good.map_or_else(String::new, |drill| {
            format!(" (the last good one was at {}, report {})", drill.made_at, drill.report)
        })
    };
    match ready {
        Readiness::Ready { to } => format!("{network}, now at {place}, is ready to go to {to}{}", last(to)),
        Readiness::NotReady { stale } => {
            let each = stale.iter().map(|(site, why)| {
                let mend = format!("start `drill` with {{\"networks\": [\"{network}\"], \"to\": \"{site}\"}}");
                format!("of a drill to {site}{}: {}; {mend}", last(site), list(why))
            });
            format!("{network}, now at {place}, is not ready to fail over: {}", list(each))
        }
        Readiness::Unknown {} => format!(
            "whether {network}, now {place}, is ready to fail over is not known: its declared route tables were not all read, or lead to no one \
             site; a drill says which"
        ),
    }
}

fn told_as(found: &NetworkReady) -> Check {
    let name = format!("readiness of {}", found.network);
    match found.ready {
        Readiness::Ready { .. } => pass(name, found.summary.clone()),
        Readiness::NotReady { .. } => fail(name, found.summary.clone()),
        Readiness::Unknown {} => unknown(name, found.summary.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basis() -> DrillBasis {
        DrillBasis {
            map: "m".into(),
            roles: "r".into(),
            waves: [("wave-1".parse().unwrap(), holdfast_model::InventoryVersion(1))].into(),
            routes: Some("t".into()),
            code: Some("c".into()),
        }
    }

    fn at(day: i8) -> Timestamp {
        format!("2026-01-{day:02}T03:00:00Z").parse().unwrap()
    }

    fn drill(day: i8) -> Drill {
        Drill { v: 1, made_at: at(day), report: format!("drill-{day}"), basis: basis() }
    }

    /// What of a drill is changed.
    type Change = fn(&mut DrillsTo, &mut DrillBasis);

    /// The specification of what makes the result of a drill on the second of the month stale, at the tenth: policy bears eight days.
    #[test]
    fn a_drill_counts_until_anything_that_it_was_made_with_changes() {
        let rows: [(&str, Change, &[Stale]); 14] = [
            ("nothing changed, and it is eight days old to the second", |_, _| {}, &[]),
            ("there is none", |drills, _| drills.good = None, &[Stale::Never]),
            (
                "there is only one that failed",
                |drills, _| *drills = DrillsTo { good: None, bad: Some(drill(2)) },
                &[Stale::Never],
            ),
            ("one failed before it", |drills, _| drills.bad = Some(drill(1)), &[]),
            ("one failed after it", |drills, _| drills.bad = Some(drill(3)), &[Stale::Failed]),
            ("it is a day too old", |drills, _| drills.good = Some(drill(1)), &[Stale::Old]),
            ("the map is another one", |_, now| now.map = "n".into(), &[Stale::Map]),
            ("an external id is another one", |_, now| now.roles = "s".into(), &[Stale::Roles]),
            (
                "a wave was captured anew",
                |_, now| {
                    now.waves.insert("wave-1".parse().unwrap(), holdfast_model::InventoryVersion(2));
                },
                &[Stale::Waves],
            ),
            (
                "another wave was captured",
                |_, now| {
                    now.waves.insert("wave-2".parse().unwrap(), holdfast_model::InventoryVersion(1));
                },
                &[Stale::Waves],
            ),
            ("a route is another one", |_, now| now.routes = Some("u".into()), &[Stale::Routes]),
            (
                "the drill had not read every table",
                |drills, _| drills.good.as_mut().unwrap().basis.routes = None,
                &[Stale::Routes],
            ),
            ("tables are not read now", |_, now| now.routes = None, &[]),
            (
                "map and code are others",
                |_, now| (now.map, now.code) = ("n".into(), Some("d".into())),
                &[Stale::Map, Stale::Code],
            ),
        ];
        for (row, change, wanted) in rows {
            let (mut drills, mut now) = (DrillsTo { good: Some(drill(2)), bad: None }, basis());
            change(&mut drills, &mut now);
            assert_eq!(stale(&drills, &now, 8, at(10)), wanted, "{row}");
        }
    }

    #[test]
    fn one_site_with_a_drill_that_counts_is_enough_and_tables_that_are_unread_leave_it_open() {
        let sites: [SiteName; 2] = ["nc2-osaka".parse().unwrap(), "nc2-seoul".parse().unwrap()];
        let seoul = DrillsTo { good: Some(drill(9)), bad: None };
        let judged = |drills: &BTreeMap<SiteName, DrillsTo>, now: &DrillBasis| judge(&sites, drills, now, 8, at(10));
        let none = judged(&BTreeMap::new(), &basis());
        let never = sites.iter().map(|site| (site.clone(), vec![Stale::Never])).collect();
        assert_eq!(none, Readiness::NotReady { stale: never });
        let one = [(sites[1].clone(), seoul)].into();
        assert_eq!(judged(&one, &basis()), Readiness::Ready { to: sites[1].clone() });
        assert_eq!(judged(&one, &DrillBasis { routes: None, ..basis() }), Readiness::Unknown {});
    }

    #[test]
    fn people_are_told_once_of_each_state_and_not_of_a_network_that_was_ready_all_along() {
        let (osaka, seoul): (SiteName, SiteName) = ("nc2-osaka".parse().unwrap(), "nc2-seoul".parse().unwrap());
        let ready = |to: &SiteName| Readiness::Ready { to: to.clone() };
        let not = |why: &[Stale]| Readiness::NotReady { stale: [(osaka.clone(), why.to_vec())].into() };
        let told = |ready| Some(Told { v: 1, ready, at: at(1) });
        for (before, now, news) in [
            (None, ready(&osaka), false),
            (None, not(&[Stale::Never]), true),
            (None, Readiness::Unknown {}, true),
            (told(not(&[Stale::Old])), not(&[Stale::Old]), false),
            (told(not(&[Stale::Old])), not(&[Stale::Old, Stale::Map]), true),
            (told(not(&[Stale::Old])), ready(&osaka), true),
            (told(ready(&osaka)), ready(&seoul), false),
            (told(ready(&osaka)), not(&[Stale::Code]), true),
            (told(Readiness::Unknown {}), Readiness::Unknown {}, false),
        ] {
            assert_eq!(is_news(before.as_ref(), &now), news, "{before:?} -> {now:?}");
        }
    }
}
