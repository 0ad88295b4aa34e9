//! What became different since networks were last moved: before that move, now, and as they are wanted on the way back.

use crate::step::{Plan, RouteValue, Spot, Step};
use holdfast_model::{Evidence, HostName, HostRecord, NetworkName, Power, RouteTableId, Sighting, SiteName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The last move of networks, and the way back.
#[derive(Debug, Clone, Copy)]
pub struct WayBack<'a> {
    /// What the last move changed.
    pub last: &'a Plan,
    /// What its evidence saw; none where nobody knows it any more.
    pub then: Option<&'a Evidence>,
    /// What the way back changes, planned on what the tables hold now.
    pub back: &'a Plan,
    /// What was seen now; none where nobody looked.
    pub now: Option<&'a Evidence>,
    /// Captured hosts of the networks.
    pub hosts: &'a [HostRecord],
}

/// What is not as a way back expects it: the tables as the last move left them, to be put back to what they held before it, and the same machines with
/// the same addresses. One line each; none where only the move itself lies between.
#[must_use]
pub fn meanwhile(way: &WayBack<'_>) -> Vec<String> {
    let mut lines = routes(way.last, way.back);
    if let (Some(then), Some(now)) = (way.then, way.now) {
        lines.extend(way.hosts.iter().filter_map(|host| machine(host, (then, now), &way.back.to, &way.back.networks)));
    }
    lines
}

fn routes(last: &Plan, back: &Plan) -> Vec<String> {
    let by_place = |plan: &Plan| -> BTreeMap<(RouteTableId, Spot), Step> {
        plan.steps().map(|step| (step.key(), step.clone())).collect()
    };
    let (last, back) = (by_place(last), by_place(back));
    let places: BTreeSet<_> = last.keys().chain(back.keys()).collect();
    places.into_iter().filter_map(|place| route(last.get(place), back.get(place))).collect()
}

/// One place of a table, where the three do not agree.
fn route(last: Option<&Step>, back: Option<&Step>) -> Option<String> {
    let step = back.or(last)?;
    let at = format!("{} {}: {}", step.scope.region, step.label(), step.place);
    let words = |value: &RouteValue| step.words(value);
    Some(match (last, back) {
        (Some(last), Some(back)) if last.after == back.before && last.before == back.after => return None,
        (Some(last), Some(back)) if last.after == back.before => format!(
            "{at} was {} before the last move, is {} since, and would become {}",
            words(&last.before),
            words(&back.before),
            words(&back.after)
        ),
        (Some(last), Some(back)) => format!(
            "{at} was {} before the last move, which left it at {}; somebody made it {}, and it would become {}",
            words(&last.before),
            words(&last.after),
            words(&back.before),
            words(&back.after)
        ),
        (Some(last), None) => format!(
            "{at} was {} before the last move, which left it at {}; nothing of it is to change now",
            words(&last.before),
            words(&last.after)
        ),
        (None, Some(back)) => format!(
            "{at} was not touched by the last move, is {} now, and would become {}",
            words(&back.before),
            words(&back.after)
        ),
        (None, None) => return None,
    })
}

/// One machine, where it runs with other addresses than at the last move or than were recorded of it, or is another VM at the same site.
fn machine(
    host: &HostRecord,
    (then, now): (&Evidence, &Evidence),
    to: &SiteName,
    networks: &BTreeSet<NetworkName>,
) -> Option<String> {
    let own = host.nics.iter().filter(|nic| networks.contains(&nic.network));
    let wanted: BTreeSet<Ipv4Addr> =
        own.flat_map(|nic| std::iter::once(nic.primary).chain(nic.secondary.iter().copied())).collect();
    if wanted.is_empty() {
        return None;
    }
    let (before, after) = (seen(then, &host.name), seen(now, &host.name));
    let same = match (&before, &after) {
        (Some(before), Some(after)) => {
            let moved = before.site != after.site || before.vm == after.vm;
            moved && before.addresses == after.addresses && after.addresses == wanted
        }
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    let words =
        |seen: Option<Seen<'_>>| seen.map_or_else(|| "it was not seen to run".to_owned(), |seen| seen.to_string());
    (!same).then(|| {
        format!(
            "{}: at the last move {}; now {}; wanted: at `{to}` with {}",
            host.name,
            words(before),
            words(after),
            list(&wanted)
        )
    })
}

/// Where a machine was seen to run.
struct Seen<'a> {
    site: &'a SiteName,
    vm: &'a holdfast_model::ExtId,
    addresses: BTreeSet<Ipv4Addr>,
}

impl std::fmt::Display for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let with = if self.addresses.is_empty() { "no address".to_owned() } else { list(&self.addresses) };
        write!(f, "at `{}` as VM `{}` with {with}", self.site, self.vm)
    }
}

fn list(addresses: &BTreeSet<Ipv4Addr>) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

/// The one VM of a host that runs; none where there is none, or several.
fn seen<'a>(evidence: &'a Evidence, host: &HostName) -> Option<Seen<'a>> {
    let mut running = evidence.hosts.get(host)?.iter().filter(|seen| seen.power == Power::On);
    let one: &Sighting = running.next()?;
    running.next().is_none().then(|| Seen {
        site: &one.site,
        vm: &one.vm,
        addresses: one.nics.iter().flat_map(|nic| nic.configured.iter().copied()).collect(),
    })
}
