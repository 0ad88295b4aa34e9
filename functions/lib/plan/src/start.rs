//! What a finished cutover or failover starts.
//!
//! Two signals have to say the same: the job that an appliance tells of, and what the Prism Centrals say of the machines. One alone starts nothing.

use crate::judge::{Facts, Standing, standing, unread};
use crate::refusal::list;
use holdfast_model::wire::Waiver;
use holdfast_model::{
    Action, Became, Ending, Event, Evidence, HostRecord, Job, NetworkMap, NetworkName, Power, Region, Sighting, Site,
    SiteName, StartPolicy, WaveName, first_lines,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Moves of a network within so long count against `most_swaps_a_day`.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Everything that a decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct StartFacts<'a> {
    /// The network map, with the policy.
    pub map: &'a NetworkMap,
    /// The time.
    pub now: Timestamp,
    /// The kill switch.
    pub switch: &'a Switch,
    /// Who acts on the event already, other than whoever asks.
    pub taken: Option<&'a str>,
    /// What became of the networks of [`concerned`] before.
    pub past: &'a BTreeMap<NetworkName, Past>,
    /// What the Prism Centrals said; none where nothing of the event is in the map.
    pub evidence: Option<&'a Evidence>,
    /// Captured hosts of the networks.
    pub hosts: &'a [HostRecord],
}

/// The kill switch: one parameter for all networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch {
    /// Each network's policy counts.
    AsPolicy,
    /// Nothing starts, for this reason.
    Manual(String),
}

/// What became of a network before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Where the last operation left it, where none is open.
    pub left: Option<SiteName>,
    /// When operations that moved it ended.
    pub moves: BTreeSet<Timestamp>,
}

/// What is to be done about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether anything starts.
    pub start: Start,
    /// Networks that are led to the site, or would be.
    pub networks: BTreeSet<NetworkName>,
    /// The site.
    pub to: SiteName,
    /// The Region that whoever approves declares lost.
    pub lost: Option<Region>,
    /// The sites that what starts by itself does not count on, as they are silent.
    pub waived: Option<Waiver>,
    /// Why, with what was seen.
    pub why: String,
    /// What is wrong with networks of the event that are left where they are, although nobody runs them elsewhere: a person has to look.
    pub left: Option<String>,
}

/// Whether anything starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The routes follow.
    Go,
    /// A person is asked.
    Propose,
    /// Nothing, and nobody is told.
    Noted,
    /// Nothing, and a person is told why.
    Alarm,
}

/// Networks whose machines an event may let move: its own, and those of their groups, which move only together.
#[must_use]
pub fn concerned(event: &Event, map: &NetworkMap) -> BTreeSet<NetworkName> {
    let groups: BTreeSet<_> = event.networks.iter().filter_map(|name| map.networks.get(name)?.group.as_ref()).collect();
    let of_groups =
        map.networks.iter().filter(|(_, network)| network.group.as_ref().is_some_and(|g| groups.contains(g)));
    let of_groups = of_groups.map(|(name, _)| name.clone());
    event.networks.iter().filter(|name| map.networks.contains_key(*name)).cloned().chain(of_groups).collect()
}

/// Decides what an event starts.
#[must_use]
pub fn decide(event: &Event, facts: &StartFacts<'_>) -> Decision {
    Decider { event, facts }.decide()
}

struct Decider<'a> {
    event: &'a Event,
    facts: &'a StartFacts<'a>,
}

/// Silent sites that machines left.
struct LeftBehind {
    region: Region,
    sites: BTreeSet<SiteName>,
}

/// Where the networks of a failover stand.
#[derive(Default)]
struct Standings {
    ready: BTreeMap<NetworkName, Vec<String>>,
    led: BTreeSet<NetworkName>,
    both: Vec<String>,
    left: Vec<String>,
    wrong: Vec<String>,
}

impl Decider<'_> {
    fn decide(&self) -> Decision {
        if let Some(who) = self.facts.taken {
            return self.nothing(Start::Noted, format!("{who} acts on it already"));
        }
        match self.event.ending {
            Ending::Finished => {}
            Ending::PartlyFinished => {
                return self.nothing(Start::Alarm, self.unwell("finished for some machines only"));
            }
            Ending::Failed => return self.nothing(Start::Alarm, self.unwell("failed")),
        }
        if let Some(why) = self.undeclared() {
            return self.nothing(Start::Alarm, why);
        }
        let Some(evidence) = self.facts.evidence else {
            return self.nothing(Start::Alarm, "there is no evidence of where the machines run".to_owned());
        };
        match &self.event.job {
            Job::Cutover { wave, .. } => self.cutover(wave, evidence),
            Job::Failover { action, .. } => self.failover(*action, evidence),
        }
    }

    fn cutover(&self, wave: &WaveName, evidence: &Evidence) -> Decision {
        let networks = &self.event.networks;
        let policy = self.policy(networks.iter());
        let (both, wrong, lines) = self.migrated(wave, evidence);
        if !both.is_empty() {
            return self.nothing(Start::Alarm, twice(&both));
        }
        let silent = unread(&self.judged(networks, evidence));
        let unknown = silent.iter().map(|(site, why)| format!("site `{site}` is unknown: {why}"));
        let against: Vec<String> = unknown.chain(wrong).collect();
        if !against.is_empty() {
            return self.unready(policy, &against);
        }
        self.by_policy(policy, networks.clone(), &lines, None, None)
    }

    /// Of the machines of a wave: which run at two sites, what is wrong with others, and what is well.
    fn migrated(&self, wave: &WaveName, evidence: &Evidence) -> (Vec<String>, Vec<String>, Vec<String>) {
        let (mut both, mut wrong, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        let hosts: Vec<&HostRecord> = self.facts.hosts.iter().filter(|host| host.wave == *wave).collect();
        if hosts.is_empty() {
            wrong.push(format!("no host of wave `{wave}` was captured"));
        }
        for host in hosts {
            let name = &host.name;
            let excuse = self.facts.map.excuse(host, &self.event.to);
            if excuse.is_none() && self.event.machines.get(name).is_none_or(|became| became.failed.is_some()) {
                wrong.push(format!("{name} is of wave `{wave}`, and Move did not tell that it is cut over"));
                continue;
            }
            let sightings = evidence.hosts.get(name).map_or(&[][..], Vec::as_slice);
            let on = |seen: &&Sighting| seen.power == Power::On;
            let here: Vec<&Sighting> = sightings.iter().filter(|seen| seen.site == self.event.to).filter(on).collect();
            let elsewhere = sightings.iter().find(|seen| seen.site != self.event.to && seen.power != Power::Off);
            match (here.as_slice(), elsewhere) {
                ([_, ..], Some(there)) if on(&there) => {
                    both.push(format!("{name} runs at `{}` and at `{}`", self.event.to, there.site));
                }
                (_, Some(there)) => wrong.push(format!("{name} is at `{}` as VM `{}`", there.site, there.vm)),
                (_, None) if excuse.is_some() => {
                    lines.push(format!("{name} is not looked for, excused: {}", excuse.unwrap_or_default()));
                }
                ([seen], None) => lines.push(format!("{name} runs at `{}` as VM `{}`", seen.site, seen.vm)),
                ([], None) => wrong.push(format!("{name} does not run at `{}`", self.event.to)),
                ([_, _, ..], None) => wrong.push(format!("{name} runs more than once at `{}`", self.event.to)),
            }
        }
        (both, wrong, lines)
    }

    fn failover(&self, action: Action, evidence: &Evidence) -> Decision {
        let all = concerned(self.event, self.facts.map);
        let mut silent = unread(&self.judged(&all, evidence));
        if let Some(why) = silent.remove(&self.event.to) {
            let unknown = format!("site `{}` is unknown: {why}", self.event.to);
            return self.unready(self.policy(all.iter()), &[unknown]);
        }
        let Standings { ready, led, both, left, wrong } = self.standings(all, evidence);
        if !both.is_empty() {
            return self.nothing(Start::Alarm, twice(&both));
        }
        if ready.is_empty() {
            return match wrong.is_empty() {
                true if left.is_empty() => {
                    let why = format!("{} is led to `{}` already", list(&led), self.event.to);
                    self.nothing(Start::Noted, why)
                }
                true => self.nothing(Start::Noted, format!("{}; a later event may bring them", some(&left))),
                false => self.unready(self.policy(self.event.networks.iter()), &wrong),
            };
        }
        let policy = self.policy(ready.keys());
        let lines: Vec<String> = ready.values().flatten().cloned().collect();
        let networks: BTreeSet<NetworkName> = ready.into_keys().collect();
        if policy == StartPolicy::Automatic
            && let Some(why) = self.restless(&networks)
        {
            return self.held_back(&networks, &why);
        }
        let behind = (!wrong.is_empty()).then(|| some(&wrong));
        match self.left_behind(action, silent) {
            Ok(left) => self.by_policy(policy, networks, &lines, left, behind),
            Err(against) => self.unready(policy, &[against]),
        }
    }

    /// Where each network stands. Those of a group that is not whole wait for the others of it.
    fn standings(&self, all: BTreeSet<NetworkName>, evidence: &Evidence) -> Standings {
        let mut found = Standings::default();
        for name in all {
            match standing(&self.judged(&BTreeSet::from([name.clone()]), evidence)) {
                Standing::Both(saw) => found.both.extend(saw),
                Standing::Left(saw) => found.left.extend(saw),
                Standing::Wrong(saw) => {
                    found.wrong.extend(saw.into_iter().map(|saw| format!("network `{name}`: {saw}")))
                }
                Standing::There(_) if self.is_led(&name) => {
                    found.led.insert(name);
                }
                Standing::There(lines) => {
                    found.ready.insert(name, lines);
                }
            }
        }
        let networks = &self.facts.map.networks;
        let group = |name: &NetworkName| networks.get(name).and_then(|network| network.group.as_ref());
        let whole = |name: &NetworkName, found: &Standings| {
            group(name).is_none_or(|own| {
                let mut mates = networks.keys().filter(|mate| group(mate) == Some(own));
                mates.all(|mate| found.ready.contains_key(mate) || found.led.contains(mate))
            })
        };
        let torn: Vec<NetworkName> = found.ready.keys().filter(|name| !whole(name, &found)).cloned().collect();
        for name in torn {
            found.ready.remove(&name);
            found.left.push(format!("network `{name}` moves only with the others of its group"));
        }
        found
    }

    fn is_led(&self, network: &NetworkName) -> bool {
        self.facts.past.get(network).is_some_and(|past| past.left.as_ref() == Some(&self.event.to))
    }

    /// The silent sites that the machines left; none where none is silent.
    fn left_behind(&self, action: Action, silent: BTreeMap<SiteName, String>) -> Result<Option<LeftBehind>, String> {
        let Some((site, why)) = silent.first_key_value() else { return Ok(None) };
        let unknown = format!("site `{site}` is unknown: {why}; machines may run there too");
        let region = |site: &SiteName| self.facts.map.sites.get(site).map(|site| site.region().clone());
        let mut regions: BTreeSet<Region> = silent.keys().filter_map(region).collect();
        let left = |site: &SiteName| self.event.from.as_ref().is_none_or(|from| from == site);
        let elsewhere = region(&self.event.to).is_some_and(|to| !regions.contains(&to));
        match (action, regions.pop_first()) {
            (Action::Unplanned, Some(region)) if regions.is_empty() && elsewhere && silent.keys().all(left) => {
                Ok(Some(LeftBehind { region, sites: silent.into_keys().collect() }))
            }
            (Action::Unplanned | Action::Planned | Action::Live, _) => Err(unknown),
        }
    }

    /// Why a network that moved lately, or too often, does not move by itself.
    fn restless(&self, networks: &BTreeSet<NetworkName>) -> Option<String> {
        let limits = &self.facts.map.policy.start;
        networks.iter().find_map(|name| {
            let moves = &self.facts.past.get(name)?.moves;
            let ago = |at: &Timestamp| self.facts.now.duration_since(*at);
            let last = moves.last().map(ago)?.as_secs();
            if last < i64::from(limits.hold_down_seconds) {
                return Some(format!(
                    "network `{name}` was moved {last} s ago, and `hold_down_seconds` is {}",
                    limits.hold_down_seconds
                ));
            }
            let today = moves.iter().filter(|at| ago(at) < A_DAY).count();
            (today >= usize::try_from(limits.most_swaps_a_day).unwrap_or(usize::MAX)).then(|| {
                format!(
                    "network `{name}` was moved {today} times within a day, and `most_swaps_a_day` is {}",
                    limits.most_swaps_a_day
                )
            })
        })
    }

    /// What the policy makes of networks that are ready.
    fn by_policy(
        &self,
        policy: StartPolicy,
        networks: BTreeSet<NetworkName>,
        lines: &[String],
        behind: Option<LeftBehind>,
        left: Option<String>,
    ) -> Decision {
        let limits = &self.facts.map.policy.start;
        let off = limits.automatic_off.iter().find(|window| window.holds(self.facts.now));
        match (policy, self.facts.switch) {
            (StartPolicy::Manual, _) => {
                let why =
                    format!("policy of {} is manual: {}; {}", list(&networks), self.by_hand(&networks), some(lines));
                return self.nothing(Start::Noted, why);
            }
            (StartPolicy::Propose | StartPolicy::Automatic, Switch::Manual(why)) => {
                return self.held_back(&networks, why);
            }
            (StartPolicy::Automatic, Switch::AsPolicy) => {
                if let Some(window) = off {
                    return self.held_back(&networks, &format!("`automatic_off` holds: {window}"));
                }
            }
            (StartPolicy::Propose, Switch::AsPolicy) => {}
        }
        // By itself nothing is done without a Region: its tables are changed. A person who declares it lost is believed.
        let (start, declares, lost, waived) = match (policy, behind) {
            (StartPolicy::Automatic, None) => (Start::Go, String::new(), None, None),
            (StartPolicy::Automatic, Some(LeftBehind { sites, .. })) => {
                let told = format!(
                    "; {} is silent and not counted on, as the job and the machines at `{}` say the same",
                    list(&sites),
                    self.event.to
                );
                let reason = format!("event {}; {}", self.event.id, some(lines));
                let by = format!("policy of {}", list(&networks));
                (Start::Go, told, None, Some(Waiver { sites, by, reason }))
            }
            (StartPolicy::Manual | StartPolicy::Propose, None) => (Start::Propose, String::new(), None, None),
            (StartPolicy::Manual | StartPolicy::Propose, Some(LeftBehind { region, .. })) => {
                let told = format!(
                    "; to approve declares {region} lost: no call is made to it, its tables stay as they are, and `reconcile` brings them later; where only its Prism Central is dark, reject it, and start `failover` with `waived` (which sites, who and why)"
                );
                (Start::Propose, told, Some(region), None)
            }
        };
        Decision {
            start,
            why: format!(
                "{}; policy of {} is {policy}{declares}; {}",
                self.event.summary,
                list(&networks),
                some(lines)
            ),
            networks,
            to: self.event.to.clone(),
            lost,
            waived,
            left,
        }
    }

    /// What a person has to look at, unless the person wanted to start it anyway.
    fn unready(&self, policy: StartPolicy, against: &[String]) -> Decision {
        let start = match policy {
            StartPolicy::Manual => Start::Noted,
            StartPolicy::Propose | StartPolicy::Automatic => Start::Alarm,
        };
        self.nothing(start, format!("{}; when that is mended {}", some(against), self.by_hand(&self.event.networks)))
    }

    /// What would have started.
    fn held_back(&self, networks: &BTreeSet<NetworkName>, why: &str) -> Decision {
        self.nothing(Start::Alarm, format!("{why}; if it is right, {}", self.by_hand(networks)))
    }

    fn nothing(&self, start: Start, why: String) -> Decision {
        Decision {
            start,
            networks: self.event.networks.clone(),
            to: self.event.to.clone(),
            lost: None,
            waived: None,
            why: format!("{}; nothing was started: {why}", self.event.summary),
            left: None,
        }
    }

    fn unwell(&self, how: &str) -> String {
        let failed = self
            .event
            .machines
            .iter()
            .filter_map(|(name, Became { failed, .. })| failed.as_ref().map(|why| format!("{name}: {why}")));
        let failed: Vec<String> = failed.collect();
        let which = if failed.is_empty() { String::new() } else { format!(" ({})", some(&failed)) };
        format!("it {how}{which}; when the machines are where they belong, {}", self.by_hand(&self.event.networks))
    }

    /// What the event names that the map has not, or that nothing here leads to.
    fn undeclared(&self) -> Option<String> {
        let map = self.facts.map;
        let unknown: Vec<&NetworkName> =
            self.event.networks.iter().filter(|name| !map.networks.contains_key(*name)).collect();
        if !unknown.is_empty() || self.event.networks.is_empty() {
            return Some(format!("the network map has no network {}", list(unknown)));
        }
        match (map.sites.get(&self.event.to), &self.event.job) {
            (None, _) => Some(format!("the network map has no site `{}`", self.event.to)),
            (Some(Site::Ec2 { .. }), _) => {
                Some(format!("site `{}` is EC2; {}", self.event.to, self.by_hand(&self.event.networks)))
            }
            (Some(Site::Nc2 { .. }), Job::Cutover { wave, .. }) if !map.waves.contains_key(wave) => {
                Some(format!("the network map has no wave `{wave}`"))
            }
            (Some(Site::Nc2 { .. }), Job::Cutover { .. } | Job::Failover { .. }) => None,
        }
    }

    /// What to start by hand.
    fn by_hand(&self, networks: &BTreeSet<NetworkName>) -> String {
        match &self.event.job {
            Job::Cutover { wave, .. } => format!("start `cutover` with {{\"wave\": \"{wave}\"}}"),
            Job::Failover { .. } => {
                let names: Vec<String> = networks.iter().map(|name| format!("\"{name}\"")).collect();
                format!("start `failover` with {{\"networks\": [{}], \"to\": \"{}\"}}", names.join(", "), self.event.to)
            }
        }
    }

    /// The weakest policy of networks.
    fn policy<'n>(&self, networks: impl Iterator<Item = &'n NetworkName>) -> StartPolicy {
        let policies = networks.filter_map(|name| self.facts.map.networks.get(name)).map(|network| network.start);
        policies.min().unwrap_or_default()
    }

    fn judged<'j>(&'j self, networks: &'j BTreeSet<NetworkName>, evidence: &'j Evidence) -> Facts<'j> {
        Facts {
            networks,
            to: &self.event.to,
            map: self.facts.map,
            evidence: Some(evidence),
            addresses: None,
            apart: &NOBODY_APART,
            picture: None,
            hosts: self.facts.hosts,
            machines: &NO_MACHINES,
            plan: None,
            now: self.facts.now,
        }
    }
}

static NOBODY_APART: BTreeMap<SiteName, BTreeSet<std::net::Ipv4Addr>> = BTreeMap::new();
static NO_MACHINES: BTreeMap<SiteName, holdfast_model::Machines> = BTreeMap::new();

/// Machines that two sites run: the one state in which whatever starts is wrong.
fn twice(both: &[String]) -> String {
    format!("two sites run the same machine: {}; shut one down, then start by hand", some(both))
}

fn some(lines: &[String]) -> String {
    first_lines(lines.iter().cloned()).join("; ")
}
