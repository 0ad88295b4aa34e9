//! Cutovers of waves, by Move's record of each machine. Pure.
//!
//! A wave is over when each of its captured hosts is, in however many migration plans and parts. Which VM a host became tells one migration of the
//! wave from the next: those of an earlier event, and those that were there before Move was asked for the first time, are no news.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use holdfast_model::{
    Became, Ending, Event, EventId, ExtId, HostName, HostRecord, IdError, Job, MoveName, NetworkMap, NetworkName, Wave,
    WaveName,
};
use holdfast_nutanix::{MoveRecord, MoveState};
use holdfast_store::{First, Note, Watched};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::look::end_of;

/// What Move says, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) map: &'a NetworkMap,
    pub(super) appliance: &'a MoveName,
    pub(super) first: &'a First,
    pub(super) known: &'a Watched,
    pub(super) records: &'a [MoveRecord],
    pub(super) now: Timestamp,
}

/// How far one host is.
struct Standing<'a> {
    /// VMs that it became since the last event of its wave.
    vms: BTreeSet<String>,
    /// Whether one of them, or a failure, is news since Move was asked for the first time.
    news: bool,
    under_way: bool,
    records: Vec<&'a MoveRecord>,
}

impl Standing<'_> {
    fn over(&self) -> bool {
        !self.vms.is_empty()
    }

    fn failed(&self) -> bool {
        !self.over() && self.records.iter().any(|record| record.failed())
    }

    /// Why it is not over, in the words of Move.
    fn why(&self) -> String {
        let failed = self.records.iter().find(|record| record.failed());
        let Some(record) = failed.or(self.records.last()) else { return "no migration plan of Move has it".to_owned() };
        let state = match &record.state {
            MoveState::Unfinished(state) => state.as_str(),
            MoveState::Test => "only a test of it was made",
            MoveState::Finished => "it was cut over before",
        };
        match &record.error {
            Some(error) => format!("{state}: {error}"),
            None => state.to_owned(),
        }
    }
}

/// The event of each wave that has one, with what is to be kept of it.
pub(super) fn events(told: &Told<'_>, hosts: &[HostRecord]) -> Result<Vec<(Event, Note)>, IdError> {
    let waves = told.map.waves.iter().filter(|(_, wave)| wave.move_appliance.as_ref() == Some(told.appliance));
    let mut events = Vec::new();
    for (name, wave) in waves {
        let hosts: Vec<&HostRecord> = hosts.iter().filter(|host| host.wave == *name).collect();
        if !hosts.is_empty() {
            events.extend(event(told, name, wave, &hosts)?);
        }
    }
    Ok(events)
}

fn event(
    told: &Told<'_>,
    name: &WaveName,
    wave: &Wave,
    hosts: &[&HostRecord],
) -> Result<Option<(Event, Note)>, IdError> {
    let whole: BTreeSet<&str> = told
        .known
        .jobs
        .values()
        .filter_map(|noted| match &noted.note {
            // One that is not on the bus yet is found again, under the same id.
            Note::Event { whole } if noted.settled => Some(whole),
            Note::Event { .. } | Note::Ignored { .. } => None,
        })
        .flatten()
        .map(String::as_str)
        .collect();
    let mut standings: BTreeMap<&HostName, Standing<'_>> =
        hosts.iter().map(|host| (&host.name, standing(told, name, host, &whole))).collect();
    // A host that is excused by name holds nobody back.
    standings.retain(|host, standing| standing.over() || !wave.excused.contains_key(*host));
    let news = standings.values().any(|standing| standing.news);
    if !news || standings.values().any(|standing| standing.under_way) {
        return Ok(None);
    }
    let over = standings.values().filter(|standing| standing.over()).count();
    let ending = if over == standings.len() {
        Ending::Finished
    } else if over > 0 {
        Ending::PartlyFinished
    } else {
        Ending::Failed
    };
    let pairs: BTreeSet<String> =
        standings.iter().flat_map(|(host, standing)| standing.vms.iter().map(move |vm| pair(name, host, vm))).collect();
    let failures = standings.iter().filter(|(_, standing)| standing.failed());
    let failures = failures.map(|(host, standing)| format!("{name}/{host} failed {}", standing.why()));
    let id = id(told.appliance, ending, pairs.iter().cloned().chain(failures))?;
    let counted = hosts.iter().filter(|host| standings.contains_key(&host.name));
    let networks: BTreeSet<NetworkName> =
        counted.clone().flat_map(|host| wave.kept(host).nics).map(|nic| nic.network).collect();
    if networks.is_empty() {
        return Ok(None);
    }
    let plans = standings.values().flat_map(|standing| &standing.records).map(|record| record.plan.clone()).collect();
    let not_over: Vec<String> = standings
        .iter()
        .filter(|(_, standing)| !standing.over())
        .map(|(host, standing)| format!("{host} ({})", standing.why()))
        .collect();
    let mut summary =
        format!("Move {} has cut {over} of {} machines of wave {name} over", told.appliance, standings.len());
    if !not_over.is_empty() {
        let _ = write!(summary, "; not {}", not_over.join(", "));
    }
    let machines = counted.filter_map(|host| {
        let standing = standings.get(&host.name)?;
        let mut vms = standing.vms.iter();
        let vm = vms.next().filter(|_| vms.next().is_none()).and_then(|vm| ExtId::parse(vm.clone()).ok());
        let failed = (!standing.over()).then(|| standing.why());
        Some((host.name.clone(), Became { source: Some(host.instance.to_string()), vm, failed }))
    });
    let event = Event {
        schema_version: 1,
        id,
        job: Job::Cutover { wave: name.clone(), appliance: told.appliance.clone(), plans },
        ending,
        networks,
        from: Some(wave.from.clone()),
        to: wave.to.clone(),
        machines: machines.collect(),
        ended: None,
        found_at: told.now,
        summary,
    };
    let whole = if ending == Ending::Finished { pairs } else { BTreeSet::new() };
    Ok(Some((event, Note::Event { whole })))
}

fn standing<'a>(told: &Told<'a>, wave: &WaveName, host: &HostRecord, whole: &BTreeSet<&str>) -> Standing<'a> {
    let is_host = |record: &&MoveRecord| match &record.instance {
        Some(instance) => *instance == host.instance,
        None => record.name == host.name.as_str(),
    };
    let records: Vec<&MoveRecord> = told.records.iter().filter(is_host).collect();
    let vm = |record: &&&MoveRecord| record.vm.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
    let finished = records.iter().filter(|record| record.state == MoveState::Finished);
    let earlier = |record: &&&MoveRecord| whole.contains(pair(wave, &host.name, &vm(record)).as_str());
    let counts: Vec<&&MoveRecord> = finished.filter(|record| !earlier(record)).collect();
    let is_news = |record: &&MoveRecord| end_of(record).is_some_and(|end| !told.first.ended.contains(&end));
    let vms: BTreeSet<String> = counts.iter().map(vm).collect();
    let failed = records.iter().filter(|record| vms.is_empty() && record.failed());
    Standing {
        news: counts.into_iter().chain(failed).any(is_news),
        under_way: records.iter().any(|record| record.cutting_over()),
        vms,
        records,
    }
}

fn pair(wave: &WaveName, host: &HostName, vm: &str) -> String {
    format!("{wave}/{host}={vm}")
}

/// The same for the same machines and VMs, whoever looks and however often.
fn id(appliance: &MoveName, ending: Ending, parts: impl Iterator<Item = String>) -> Result<EventId, IdError> {
    let mut text = format!("{appliance}\n{ending:?}");
    for part in parts {
        text.push('\n');
        text.push_str(&part);
    }
    let mut hash = String::new();
    for byte in Sha256::digest(text).iter().take(16) {
        let _ = write!(hash, "{byte:02x}");
    }
    EventId::parse(format!("cutover-{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_store::Noted;
    use serde_json::json;

    /// A watcher that remembers, as the tables do.
    struct Watcher {
        map: NetworkMap,
        first: First,
        known: Watched,
        settles: bool,
    }

    impl Watcher {
        fn first_sees(records: &[MoveRecord]) -> Self {
            let map = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/network-map.example.yaml");
            let map = NetworkMap::parse(&std::fs::read_to_string(map).unwrap()).unwrap();
            let ended = super::super::look::ends(records);
            let first = First { v: 1, at: Timestamp::UNIX_EPOCH, since: None, ended };
            Self { map, first, known: Watched::default(), settles: true }
        }

        fn sees(&mut self, records: &[MoveRecord]) -> Vec<Event> {
            let appliance = MoveName::parse("move-tokyo").unwrap();
            let told = Told {
                map: &self.map,
                appliance: &appliance,
                first: &self.first,
                known: &self.known,
                records,
                now: Timestamp::UNIX_EPOCH,
            };
            let found = events(&told, &[host("web-1", 1), host("app-1", 2)]).unwrap();
            found
                .into_iter()
                .filter_map(|(event, note)| {
                    let noted = Noted { note, settled: self.settles };
                    let before = self.known.jobs.insert(event.id.clone(), noted);
                    before.is_none_or(|noted| !noted.settled).then_some(event)
                })
                .collect()
        }

        /// Detail types of the events.
        fn says(&mut self, records: &[MoveRecord]) -> Vec<&'static str> {
            self.sees(records).iter().map(Event::detail_type).collect()
        }
    }

    fn host(name: &str, number: u32) -> HostRecord {
        serde_json::from_value(json!({
            "name": name, "wave": "wave-1", "instance": format!("i-0000000{number}"), "platform": "linux",
            "captured_at": "2026-01-02T03:04:05Z", "guest": null,
            "nics": [{"device_index": 0, "eni": null, "mac": null, "primary": format!("172.30.1.{number}"), "secondary": [],
                "subnet": null, "prefix": "172.30.1.0/24", "network": "app"}]
        })).unwrap()
    }

    /// Machine 1 or 2 in a state of Move, with the VM that it became.
    fn machine(number: u32, state: MoveState, vm: u32) -> MoveRecord {
        MoveRecord {
            plan: "p".into(),
            name: ["", "web-1", "app-1"][number as usize].into(),
            instance: Some(format!("i-0000000{number}").parse().unwrap()),
            vm: (vm > 0).then(|| format!("1a2b3c4d-1111-4111-8111-{vm:012}").parse().unwrap()),
            state,
            error: None,
        }
    }

    fn over(number: u32, vm: u32) -> MoveRecord {
        machine(number, MoveState::Finished, vm)
    }

    fn is(number: u32, state: &str) -> MoveRecord {
        machine(number, MoveState::Unfinished(state.into()), 0)
    }

    const NONE: [&str; 0] = [];
    const WHOLE: [&str; 1] = ["Cutover finished"];
    const PART: [&str; 1] = ["Cutover partly finished"];

    #[test]
    fn a_wave_is_told_when_all_of_it_is_over_and_not_while_any_of_it_goes_on() {
        let mut watcher = Watcher::first_sees(&[is(1, "ReadyToCutover"), is(2, "ReadyToCutover")]);
        assert_eq!(watcher.says(&[is(1, "ReadyToCutover"), is(2, "ReadyToCutover")]), NONE);
        assert_eq!(watcher.says(&[machine(1, MoveState::Test, 1), machine(2, MoveState::Test, 2)]), NONE);
        assert_eq!(watcher.says(&[over(1, 1), is(2, "CutoverInProgress")]), NONE);
        assert_eq!(watcher.says(&[over(1, 1), is(2, "ReadyToCutover")]), PART);
        assert_eq!(watcher.says(&[over(1, 1), is(2, "ReadyToCutover")]), NONE);
        assert_eq!(watcher.says(&[over(1, 1), is(2, "CutoverFailed"), over(2, 2)]), WHOLE);
        // Migration plans are deleted once they are done.
        assert_eq!(watcher.says(&[over(1, 1)]), NONE);
        assert_eq!(watcher.says(&[]), NONE);
    }

    #[test]
    fn what_was_over_at_the_first_look_is_no_news_and_completes_what_is() {
        let mut watcher = Watcher::first_sees(&[over(1, 1), over(2, 2)]);
        assert_eq!(watcher.says(&[over(1, 1), over(2, 2)]), NONE);
        let mut watcher = Watcher::first_sees(&[over(1, 1), is(2, "ReadyToCutover")]);
        assert_eq!(watcher.says(&[over(1, 1), is(2, "ReadyToCutover")]), NONE);
        assert_eq!(watcher.says(&[over(1, 1), over(2, 2)]), WHOLE);
        let mut watcher = Watcher::first_sees(&[is(1, "CutoverFailed")]);
        assert_eq!(watcher.says(&[is(1, "CutoverFailed")]), NONE);
    }

    #[test]
    fn a_later_migration_of_the_same_wave_is_another_event() {
        let mut watcher = Watcher::first_sees(&[]);
        let first = watcher.sees(&[over(1, 1), over(2, 2)]);
        let both = [over(1, 1), over(2, 2), over(1, 3), over(2, 4)];
        assert_eq!(watcher.says(&both[..3]), PART);
        let second = watcher.sees(&both);
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_ne!(first[0].id, second[0].id);
        let vm = second[0].machines[&"web-1".parse().unwrap()].vm.as_ref().unwrap();
        assert!(vm.as_str().ends_with('3'), "{vm}");
    }

    #[test]
    fn an_event_whose_finder_died_is_found_again_under_the_same_id() {
        let mut watcher = Watcher::first_sees(&[]);
        watcher.settles = false;
        let (first, again) = (watcher.sees(&[over(1, 1), over(2, 2)]), watcher.sees(&[over(2, 2), over(1, 1)]));
        assert_eq!((first.len(), &first), (1, &again));
    }

    #[test]
    fn a_host_that_is_excused_by_name_is_not_waited_for() {
        let mut watcher = Watcher::first_sees(&[]);
        let wave = watcher.map.waves.values_mut().next().unwrap();
        wave.excused.insert("app-1".parse().unwrap(), "it is not needed any more".into());
        let events = watcher.sees(&[over(1, 1), is(2, "CutoverInProgress")]);
        assert_eq!(events[0].detail_type(), "Cutover finished");
        assert!(events[0].machines.keys().eq([&"web-1".parse().unwrap()]), "{events:?}");
    }

    #[test]
    fn a_machine_whose_instance_move_does_not_tell_is_known_by_its_name() {
        let mut watcher = Watcher::first_sees(&[]);
        let nameless = |number, vm| MoveRecord { instance: None, ..over(number, vm) };
        assert_eq!(watcher.says(&[nameless(1, 0), nameless(2, 2)]), WHOLE);
    }
}
