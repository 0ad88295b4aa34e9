//! What a finished cutover or failover starts: the tables read as the specification.

use crate::judge::{Case, host, now, sighting};
use crate::world::*;
use holdfast_model::wire::Waiver;
use holdfast_model::*;
use holdfast_plan::{Decision, Past, Start, Start::*, StartFacts, Switch, concerned, decide};
use std::collections::{BTreeMap, BTreeSet};

const JOB: &str = "11111111-1111-1111-1111-111111111111";

/// An event of both hosts of network `app`, the policy of that network, and what a decision rests on beside them.
struct Told {
    case: Case,
    event: Event,
    policy: StartPolicy,
    switch: Switch,
    past: BTreeMap<NetworkName, Past>,
    taken: Option<&'static str>,
}

fn summary() -> String {
    "the job ended".to_owned()
}

impl Told {
    /// `kind` is the job and how it ended: `unplanned`, `planned: failed`, `cutover: partly`.
    fn of(kind: &str) -> Self {
        let (job, ending) = kind.split_once(": ").unwrap_or((kind, "finished"));
        let ending = match ending {
            "finished" => Ending::Finished,
            "partly" => Ending::PartlyFinished,
            "failed" => Ending::Failed,
            other => panic!("no ending `{other}`"),
        };
        let failover = |action| Job::Failover {
            prism_central: PrismName::parse("pc-osaka").unwrap(),
            job: ExtId::parse(JOB).unwrap(),
            name: "plan-1".into(),
            action,
        };
        let wave = WaveName::parse("wave-1").unwrap();
        let cutover = || Job::Cutover { wave, appliance: MoveName::parse("move-1").unwrap(), plans: BTreeSet::new() };
        let (job, from, to) = match job {
            "cutover" => (cutover(), "ec2-tokyo", "nc2-osaka"),
            "planned" => (failover(Action::Planned), "nc2-tokyo", "nc2-osaka"),
            "live" => (failover(Action::Live), "nc2-tokyo", "nc2-osaka"),
            "unplanned" => (failover(Action::Unplanned), "nc2-tokyo", "nc2-osaka"),
            other => panic!("no job `{other}`"),
        };
        let failed = (ending != Ending::Finished).then(|| "no space".to_owned());
        let machines = ["app-1", "web-1"].map(|name| {
            let failed = failed.clone().filter(|_| name == "web-1");
            (HostName::parse(name).unwrap(), Became { source: None, vm: None, failed })
        });
        let event = Event {
            schema_version: 1,
            id: EventId::parse(format!("failover-{JOB}")).unwrap(),
            job,
            ending,
            networks: BTreeSet::from([network("app")]),
            from: Some(site(from)),
            to: site(to),
            machines: machines.into(),
            ended: None,
            found_at: now(),
            summary: summary(),
        };
        let mut case = Case::good();
        case.evidence.as_mut().unwrap().hosts.clear();
        let past = BTreeMap::from([(network("app"), Past { left: Some(site("nc2-tokyo")), moves: BTreeSet::new() })]);
        Self { case, event, policy: StartPolicy::Manual, switch: Switch::AsPolicy, past, taken: None }
    }

    /// What a site says of `web-1`; of `app-1` it says that it runs at the target, or nothing.
    fn says(&mut self, at: &str, what: &str) {
        let target = site(at) == self.event.to;
        let evidence = self.case.evidence.as_mut().unwrap();
        for (name, address) in [("web-1", "172.30.1.34"), ("app-1", "172.30.1.35")] {
            let what = if name == "app-1" && target { "runs" } else { what };
            let seen = match what {
                "silent" => {
                    evidence.sites_read.remove(&site(at));
                    evidence.sites_unread.insert(site(at), "no answer".into());
                    continue;
                }
                "gone" => continue,
                "runs" if name == "app-1" && !target => continue,
                "runs" => sighting(at, Power::On, address),
                "other address" => sighting(at, Power::On, "172.30.1.99"),
                "off" => sighting(at, Power::Off, address),
                "unsure" => sighting(at, Power::Unknown, address),
                other => panic!("no state `{other}`"),
            };
            evidence.hosts.entry(HostName::parse(name).unwrap()).or_default().push(seen);
        }
    }

    fn decide(&mut self) -> Decision {
        self.case.map.networks.get_mut(&network("app")).unwrap().start = self.policy;
        decide(&self.event, &self.facts())
    }

    fn facts(&self) -> StartFacts<'_> {
        StartFacts {
            map: &self.case.map,
            now: now(),
            switch: &self.switch,
            taken: self.taken,
            past: &self.past,
            evidence: self.case.evidence.as_ref(),
            hosts: &self.case.hosts,
        }
    }

    /// A second network of the same group, with a host of its own.
    fn in_a_group(&mut self) {
        let group = Some(GroupName::parse("shop").unwrap());
        let mut second = self.case.map.networks[&network("app")].clone();
        second.prefix = prefix("172.30.2.0/24");
        second.start = StartPolicy::Automatic;
        self.case.map.networks.insert(network("db"), second);
        let mut db = host("db-1", 3, "172.30.2.10");
        db.nics[0].network = network("db");
        self.case.hosts.push(db);
        for network in self.case.map.networks.values_mut() {
            network.group = group.clone();
        }
        self.case.evidence.as_mut().unwrap().networks.insert(network("db"));
    }
}

fn policy(name: &str) -> StartPolicy {
    serde_json::from_value(serde_json::json!(name)).unwrap()
}

#[test]
fn an_event_starts_what_policy_and_both_sites_allow() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, &str, Start, &str)] = &[
        // the job             policy      source    target           starts   because
        ("unplanned",          "manual",    "off",    "runs",          Noted,   "policy of `app` is manual: start `failover` with {\"networks\": [\"app\"], \"to\": \"nc2-osaka\"}"),
        ("unplanned",          "propose",   "off",    "runs",          Propose, "policy of `app` is propose"),
        ("unplanned",          "automatic", "off",    "runs",          Go,      "web-1: runs at `nc2-osaka`"),
        ("planned",            "automatic", "off",    "runs",          Go,      "policy of `app` is automatic"),
        ("live",               "automatic", "gone",   "runs",          Go,      "policy of `app` is automatic"),
        // Only what has finished well starts anything.
        ("unplanned: partly",  "automatic", "off",    "runs",          Alarm,   "finished for some machines only (web-1: no space)"),
        ("unplanned: failed",  "automatic", "off",    "runs",          Alarm,   "it failed (web-1: no space)"),
        ("unplanned: failed",  "manual",    "off",    "runs",          Alarm,   "it failed"),
        ("cutover: partly",    "automatic", "gone",   "runs",          Alarm,   "finished for some machines only"),
        // Two sites that run a machine: nothing moves, whatever the policy.
        ("unplanned",          "manual",    "runs",   "runs",          Alarm,   "two sites run the same machine: web-1 runs at `nc2-osaka` as VM"),
        ("unplanned",          "propose",   "runs",   "runs",          Alarm,   "two sites run the same machine"),
        ("unplanned",          "automatic", "runs",   "runs",          Alarm,   "two sites run the same machine"),
        ("cutover",            "automatic", "runs",   "runs",          Alarm,   "two sites run the same machine"),
        ("unplanned",          "automatic", "runs",   "other address", Alarm,   "two sites run the same machine"),
        // A machine that is not where the job says.
        ("unplanned",          "automatic", "runs",   "gone",          Noted,   "web-1 runs at `nc2-tokyo`"),
        ("unplanned",          "automatic", "off",    "gone",          Alarm,   "web-1 does not run at `nc2-osaka`"),
        ("unplanned",          "automatic", "off",    "off",           Alarm,   "web-1 does not run at `nc2-osaka`"),
        ("unplanned",          "automatic", "off",    "unsure",        Alarm,   "in an unknown power state"),
        ("unplanned",          "automatic", "unsure", "runs",          Alarm,   "in an unknown power state"),
        ("unplanned",          "automatic", "off",    "other address", Alarm,   "without 172.30.1.34 on a NIC"),
        ("unplanned",          "propose",   "off",    "other address", Alarm,   "without 172.30.1.34 on a NIC"),
        ("unplanned",          "manual",    "off",    "other address", Noted,   "without 172.30.1.34 on a NIC"),
        // Silence is no answer.
        ("unplanned",          "automatic", "off",    "silent",        Alarm,   "site `nc2-osaka` is unknown"),
        ("unplanned",          "propose",   "silent", "silent",        Alarm,   "site `nc2-osaka` is unknown"),
        ("unplanned",          "automatic", "silent", "runs",          Go,      "`nc2-tokyo` is silent and not counted on, as the job and the machines at `nc2-osaka` say the same"),
        ("unplanned: partly",  "automatic", "silent", "runs",          Alarm,   "finished for some machines only"),
        ("unplanned",          "automatic", "silent", "other address", Alarm,   "without 172.30.1.34 on a NIC"),
        ("unplanned",          "automatic", "silent", "gone",          Alarm,   "does not run at `nc2-osaka`"),
        ("unplanned",          "propose",   "silent", "runs",          Propose, "to approve declares ap-northeast-1 lost"),
        ("unplanned",          "manual",    "silent", "runs",          Noted,   "policy of `app` is manual"),
        ("planned",            "automatic", "silent", "runs",          Alarm,   "site `nc2-tokyo` is unknown"),
        ("live",               "propose",   "silent", "runs",          Alarm,   "site `nc2-tokyo` is unknown"),
        // Of a cutover addresses do not count yet: the execution gives them back.
        ("cutover",            "manual",    "gone",   "other address", Noted,   "start `cutover` with {\"wave\": \"wave-1\"}"),
        ("cutover",            "propose",   "gone",   "other address", Propose, "policy of `app` is propose"),
        ("cutover",            "automatic", "gone",   "other address", Go,      "web-1 runs at `nc2-osaka` as VM"),
        ("cutover",            "automatic", "off",    "runs",          Go,      "policy of `app` is automatic"),
        ("cutover",            "automatic", "gone",   "off",           Alarm,   "web-1 does not run at `nc2-osaka`"),
        ("cutover",            "automatic", "gone",   "unsure",        Alarm,   "web-1 does not run at `nc2-osaka`"),
        ("cutover",            "automatic", "unsure", "runs",          Alarm,   "web-1 is at `nc2-tokyo`"),
        ("cutover",            "automatic", "silent", "runs",          Alarm,   "site `nc2-tokyo` is unknown"),
        ("cutover",            "automatic", "gone",   "silent",        Alarm,   "site `nc2-osaka` is unknown"),
    ];
    for (kind, of, source, target, start, why) in rows {
        let mut told = Told::of(kind);
        told.policy = policy(of);
        told.says("nc2-osaka", target);
        told.says("nc2-tokyo", source);
        let decision = told.decide();
        let row = format!("{kind}, {of}, source {source}, target {target}: {}", decision.why);
        assert_eq!(decision.start, *start, "{row}");
        assert!(decision.why.contains(why), "{row}");
        assert_eq!(decision.why.contains("nothing was started"), matches!(start, Noted | Alarm), "{row}");
        let lost = (*start == Propose && *source == "silent").then(|| region(TOKYO));
        assert_eq!((decision.networks, decision.to, decision.lost), ([network("app")].into(), site("nc2-osaka"), lost));
        let waived = decision.waived.map(|waived| waived.sites);
        assert_eq!(waived, (*start == Go && *source == "silent").then(|| [site("nc2-tokyo")].into()), "{row}");
    }
}

/// A failover after which all is well, with one thing changed; and a cutover likewise.
#[test]
fn what_is_ready_is_held_back_for_good_reasons() {
    let at = |text: &str| text.parse().unwrap();
    let moved = |told: &mut Told, times: &[&str]| {
        told.past.get_mut(&network("app")).unwrap().moves = times.iter().map(|time| at(time)).collect();
    };
    let window = |days: &str| serde_json::json!({"automatic_off": [{"days": [days], "from": "12:00", "to": "13:00", "time_zone": "Asia/Tokyo"}]});
    let limits = |told: &mut Told, limits: serde_json::Value| {
        told.case.map.policy.start = serde_json::from_value(limits).unwrap();
    };
    type Row<'a> = (&'a str, &'a str, &'a dyn Fn(&mut Told), Start, &'a str);
    let off = |told: &mut Told| told.switch = Switch::Manual("`/holdfast/start` is `manual`".to_owned());
    let just_moved = |told: &mut Told| moved(told, &["2026-01-02T02:55:01Z"]);
    let moved_before = |told: &mut Told| moved(told, &["2026-01-02T02:55:00Z"]);
    let day = ["2026-01-01T03:05:01Z", "2026-01-01T09:00:00Z", "2026-01-01T15:00:00Z", "2026-01-01T21:00:00Z"];
    let flaps = |told: &mut Told| moved(told, &day);
    let flapped = |told: &mut Told| {
        moved(told, &day);
        let moves = &mut told.past.get_mut(&network("app")).unwrap().moves;
        moves.remove(&at(day[0]));
        moves.insert(at("2026-01-01T03:05:00Z"));
    };
    // It is Friday 12:05 in Tokyo.
    let inside = |told: &mut Told| limits(told, window("fri"));
    let outside = |told: &mut Told| limits(told, window("sat"));
    let led = |told: &mut Told| told.past.get_mut(&network("app")).unwrap().left = Some(site("nc2-osaka"));
    let taken = |told: &mut Told| told.taken = Some("execution `e-1`");
    let stranger = |told: &mut Told| {
        let other = sighting("nc2-tokyo", Power::On, "172.30.1.34");
        told.case.evidence.as_mut().unwrap().hosts.insert(HostName::parse("other").unwrap(), vec![other]);
    };
    let unknown_network = |told: &mut Told| told.event.networks.extend([network("nowhere")]);
    let unknown_site = |told: &mut Told| told.event.to = site("nc2-mars");
    let to_ec2 = |told: &mut Told| told.event.to = site("ec2-tokyo");
    let no_evidence = |told: &mut Told| told.case.evidence = None;
    let no_host = |told: &mut Told| told.case.hosts.clear();
    let unknown_wave = |told: &mut Told| told.case.map.waves.clear();
    let one_host = |told: &mut Told| drop(told.event.machines.remove(&HostName::parse("web-1").unwrap()));
    let excused = |told: &mut Told| {
        one_host(told);
        let web = HostName::parse("web-1").unwrap();
        told.case.evidence.as_mut().unwrap().hosts.remove(&web);
        let wave = told.case.map.waves.values_mut().next().unwrap();
        wave.to = site("nc2-osaka");
        wave.excused.insert(web, "it is to be retired".into());
    };
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        // the job    policy       what else is                 starts   because
        ("planned",   "automatic", &off,             Alarm,   "`/holdfast/start` is `manual`; if it is right, start `failover` with"),
        ("planned",   "propose",   &off,             Alarm,   "`/holdfast/start` is `manual`"),
        ("planned",   "manual",    &off,             Noted,   "policy of `app` is manual"),
        ("cutover",   "automatic", &off,             Alarm,   "`/holdfast/start` is `manual`"),
        ("planned",   "automatic", &just_moved,      Alarm,   "network `app` was moved 599 s ago, and `hold_down_seconds` is 600"),
        ("planned",   "automatic", &moved_before,    Go,      ""),
        ("planned",   "propose",   &just_moved,      Propose, ""),
        ("cutover",   "automatic", &just_moved,      Go,      ""),
        ("planned",   "automatic", &flaps,           Alarm,   "was moved 4 times within a day, and `most_swaps_a_day` is 4"),
        ("planned",   "automatic", &flapped,         Go,      ""),
        ("planned",   "propose",   &flaps,           Propose, ""),
        ("planned",   "automatic", &inside,          Alarm,   "`automatic_off` holds: fri 12:00 to 13:00 Asia/Tokyo"),
        ("cutover",   "automatic", &inside,          Alarm,   "`automatic_off` holds"),
        ("planned",   "automatic", &outside,         Go,      ""),
        ("planned",   "propose",   &inside,          Propose, ""),
        ("planned",   "automatic", &led,             Noted,   "`app` is led to `nc2-osaka` already"),
        ("cutover",   "automatic", &led,             Go,      ""),
        ("planned",   "automatic", &taken,           Noted,   "execution `e-1` acts on it already"),
        ("cutover",   "propose",   &taken,           Noted,   "execution `e-1` acts on it already"),
        ("planned",   "automatic", &stranger,        Alarm,   "VM `other`"),
        ("planned",   "automatic", &unknown_network, Alarm,   "the network map has no network `nowhere`"),
        ("planned",   "automatic", &unknown_site,    Alarm,   "the network map has no site `nc2-mars`"),
        ("planned",   "automatic", &to_ec2,          Alarm,   "site `ec2-tokyo` is EC2; start `failover` with"),
        ("planned",   "automatic", &no_evidence,     Alarm,   "there is no evidence"),
        ("planned",   "automatic", &no_host,         Alarm,   "no host of it was captured"),
        ("cutover",   "automatic", &no_host,         Alarm,   "no host of wave `wave-1` was captured"),
        ("cutover",   "automatic", &unknown_wave,    Alarm,   "the network map has no wave `wave-1`"),
        ("cutover",   "automatic", &one_host,        Alarm,   "web-1 is of wave `wave-1`, and Move did not tell that it is cut over"),
        ("cutover",   "automatic", &excused,         Go,      "web-1 is not looked for, excused: it is to be retired"),
    ];
    for (kind, of, change, start, why) in rows {
        let mut told = Told::of(kind);
        told.policy = policy(of);
        told.says("nc2-osaka", "runs");
        told.says("nc2-tokyo", "off");
        change(&mut told);
        let decision = told.decide();
        let row = format!("{kind}, {of}: {}", decision.why);
        assert_eq!((decision.start, decision.lost, decision.left), (*start, None, None), "{row}");
        assert!(decision.why.contains(why), "{row}");
    }
}

/// `db` is in the group of `app` and policy of it is automatic; the event is of `app` only.
#[test]
fn networks_of_a_group_wait_for_each_other_and_the_weakest_policy_counts() {
    let decision = |of: &str, db: Option<(&str, &str)>| {
        let mut told = Told::of("planned");
        told.in_a_group();
        told.policy = policy(of);
        told.says("nc2-osaka", "runs");
        if let Some((at, address)) = db {
            let seen = sighting(at, Power::On, address);
            let hosts = &mut told.case.evidence.as_mut().unwrap().hosts;
            hosts.insert(HostName::parse("db-1").unwrap(), vec![seen]);
        }
        assert_eq!(concerned(&told.event, &told.case.map), [network("app"), network("db")].into());
        told.decide()
    };
    let whole: BTreeSet<NetworkName> = [network("app"), network("db")].into();
    let both = decision("automatic", Some(("nc2-osaka", "172.30.2.10")));
    assert_eq!((both.start, both.networks), (Go, whole.clone()), "{}", both.why);
    let weakest = decision("propose", Some(("nc2-osaka", "172.30.2.10")));
    assert_eq!((weakest.start, weakest.networks), (Propose, whole), "{}", weakest.why);
    let waits = decision("automatic", Some(("nc2-tokyo", "172.30.2.10")));
    assert_eq!(waits.start, Noted, "{}", waits.why);
    assert!(waits.why.contains("db-1 runs at `nc2-tokyo`"), "{}", waits.why);
    assert!(waits.why.contains("network `app` moves only with the others of its group"), "{}", waits.why);
    let nowhere = decision("automatic", None);
    assert_eq!(nowhere.start, Alarm, "{}", nowhere.why);
    assert!(nowhere.why.contains("db-1 does not run"), "{}", nowhere.why);
}

/// Of two networks of one event that move alone, one is not ready.
#[test]
fn what_is_ready_goes_and_what_is_wrong_is_told() {
    let decision = |db: Option<&str>| {
        let mut told = Told::of("planned");
        told.in_a_group();
        for network in told.case.map.networks.values_mut() {
            network.group = None;
        }
        told.event.networks.insert(network("db"));
        told.policy = StartPolicy::Automatic;
        told.says("nc2-osaka", "runs");
        if let Some(at) = db {
            let hosts = &mut told.case.evidence.as_mut().unwrap().hosts;
            hosts.insert(HostName::parse("db-1").unwrap(), vec![sighting(at, Power::On, "172.30.2.10")]);
        }
        told.decide()
    };
    let later = decision(Some("nc2-tokyo"));
    assert_eq!((later.start, later.networks, later.left), (Go, [network("app")].into(), None), "{}", later.why);
    let wrong = decision(None);
    assert_eq!((wrong.start, wrong.networks), (Go, [network("app")].into()), "{}", wrong.why);
    assert!(wrong.left.unwrap().contains("network `db`: db-1 does not run at `nc2-osaka`"));
}

/// A site that is silent and that the machines did not leave may run them as well as any.
#[test]
fn only_what_the_machines_left_can_be_lost_or_gone_without() {
    let decision = |change: &dyn Fn(&mut Told)| {
        let mut told = Told::of("unplanned");
        told.policy = StartPolicy::Automatic;
        told.says("nc2-osaka", "runs");
        told.says("nc2-tokyo", "silent");
        change(&mut told);
        let decision = told.decide();
        (decision.start, decision.lost, decision.waived)
    };
    let waived = Waiver {
        sites: [site("nc2-tokyo")].into(),
        by: "policy of `app`".to_owned(),
        reason: format!(
            "event failover-{JOB}; web-1: runs at `nc2-osaka` as VM `{JOB}` with 172.30.1.34; app-1: runs at `nc2-osaka` as VM `{JOB}` with 172.30.1.35"
        ),
    };
    assert_eq!(decision(&|_| {}), (Go, None, Some(waived.clone())));
    assert_eq!(decision(&|told| told.event.from = None), (Go, None, Some(waived)));
    let propose = |told: &mut Told| told.policy = StartPolicy::Propose;
    assert_eq!(decision(&propose), (Propose, Some(region(TOKYO)), None));
    assert_eq!(decision(&|told| told.event.from = Some(site("ec2-tokyo"))), (Alarm, None, None));
    // A Prism Central that is dark in the Region that the machines went to is no lost Region.
    let same_region = |told: &mut Told| {
        let osaka = told.case.map.sites[&site("nc2-osaka")].clone();
        told.case.map.sites.insert(site("nc2-tokyo"), osaka);
    };
    assert_eq!(decision(&same_region), (Alarm, None, None));
}
