//! What became of each host, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use holdfast_model::wire::Progress;
use holdfast_model::{ExtId, Fault, FaultName, HostName, HostRecord, first_lines, first_lines_of};
use holdfast_store::{HostResult, Standing};
use jiff::Timestamp;

/// Where what became of every host is found.
const ALL: &str = "`restored#` of the wave in the inventory table";

/// How a wave ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Done, or call again.
    pub result: Progress,
    /// One line a host, of the first hosts.
    pub done: Vec<String>,
}

/// What became of each host of a wave.
#[derive(Debug, Default)]
pub struct Report {
    hosts: Vec<Host>,
    excused: BTreeMap<HostName, String>,
}

#[derive(Debug)]
struct Host {
    name: HostName,
    vm: Option<ExtId>,
    became: Became,
}

#[derive(Debug)]
enum Became {
    Right { addresses: Vec<Ipv4Addr>, done: Vec<String> },
    Open,
    Failed(Fault),
}

impl Report {
    /// Of a wave that does without some hosts, each with the reason.
    pub(crate) fn excusing(excused: &BTreeMap<HostName, String>) -> Self {
        Self { hosts: Vec::new(), excused: excused.clone() }
    }

    pub(crate) fn right(&mut self, host: &HostRecord, vm: &ExtId, done: Vec<String>) {
        self.add(&host.name, Some(vm), Became::Right { addresses: host.addresses().collect(), done });
    }

    pub(crate) fn open(&mut self, host: &HostRecord, vm: Option<&ExtId>) {
        self.add(&host.name, vm, Became::Open);
    }

    pub(crate) fn failed(&mut self, host: &HostRecord, vm: Option<&ExtId>, fault: Fault) {
        self.add(&host.name, vm, Became::Failed(fault));
    }

    /// Hosts whose guests may be asked about themselves, each with its VM: those that are right, and those whose guests were not seen to use their
    /// addresses.
    pub(crate) fn guests(&self) -> impl Iterator<Item = (HostName, ExtId)> + '_ {
        let asked = |host: &&Host| match &host.became {
            Became::Right { .. } => true,
            Became::Failed(fault) => fault.name == FaultName::GuestSilent,
            Became::Open => false,
        };
        self.hosts.iter().filter(asked).filter_map(|host| Some((host.name.clone(), host.vm.clone()?)))
    }

    fn entry(&mut self, name: &HostName) -> Option<&mut Became> {
        self.hosts.iter_mut().find(|host| host.name == *name).map(|host| &mut host.became)
    }

    /// Tells something more of a host, however it is.
    pub(crate) fn tell(&mut self, name: &HostName, line: String) {
        match self.entry(name) {
            Some(Became::Right { done, .. }) => done.push(line),
            Some(Became::Failed(fault)) => fault.message = format!("{}; {line}", fault.message),
            Some(Became::Open) | None => {}
        }
    }

    /// A host is right by the word of its guest.
    pub(crate) fn right_by_guest(&mut self, host: &HostRecord, line: String) {
        match self.entry(&host.name) {
            Some(Became::Right { done, .. }) => done.push(line),
            Some(became) => *became = Became::Right { addresses: host.addresses().collect(), done: vec![line] },
            None => {}
        }
    }

    /// A host is not right after all.
    pub(crate) fn fail(&mut self, name: &HostName, fault: Fault) {
        if let Some(became) = self.entry(name) {
            *became = Became::Failed(fault);
        }
    }

    /// A host goes on with the next start.
    pub(crate) fn reopen(&mut self, name: &HostName) {
        if let Some(became) = self.entry(name) {
            *became = Became::Open;
        }
    }

    fn add(&mut self, name: &HostName, vm: Option<&ExtId>, became: Became) {
        self.hosts.push(Host { name: name.clone(), vm: vm.cloned(), became });
    }

    fn faults(&self) -> impl Iterator<Item = (&HostName, &Fault)> {
        self.hosts.iter().filter_map(|host| match &host.became {
            Became::Failed(fault) => Some((&host.name, fault)),
            Became::Right { .. } | Became::Open => None,
        })
    }

    /// Whether a password or key was refused while hosts were under repair.
    pub(crate) fn is_refused(&self) -> bool {
        self.faults().any(|(_, fault)| fault.name == FaultName::WrongPassword)
    }

    /// Which VM is which host is a matter of the whole wave: a VM that is not the host's own may be that of another one.
    pub(crate) fn refuse_ambiguity(&self) -> Result<(), Fault> {
        let ambiguous = self.faults().filter(|(_, fault)| fault.name == FaultName::VmAmbiguous);
        let lines = first_lines(ambiguous.map(|(host, fault)| format!("{host}: {}", fault.message)));
        if lines.is_empty() {
            return Ok(());
        }
        let mend =
            "rename or remove all but the right one, or name the Move appliance of the wave; nothing was changed";
        Err(Fault::new(FaultName::VmAmbiguous, format!("{}; {mend}", lines.join("; "))))
    }

    /// What is kept of each host.
    #[must_use]
    pub fn results(&self, execution: &str, at: Timestamp) -> Vec<HostResult> {
        let result = |host: &Host| {
            let (standing, done, fault) = match &host.became {
                Became::Right { done, .. } => (Standing::Right, done.clone(), None),
                Became::Open => (Standing::Open, Vec::new(), None),
                Became::Failed(fault) => {
                    let excused = self.excused.get(&host.name).map(|why| format!("excused by name: {why}"));
                    (Standing::Failed, excused.into_iter().collect(), Some(fault.clone()))
                }
            };
            let (host, vm, execution) = (host.name.clone(), host.vm.clone(), execution.to_owned());
            HostResult { v: 1, host, vm, standing, done, fault, execution, at }
        };
        self.hosts.iter().map(result).collect()
    }

    /// What is told: the first hosts, those that failed before those that are right.
    ///
    /// # Errors
    /// The fault of the host, or `RestoreIncomplete` when hosts failed for different reasons; none of those that are excused by name.
    pub fn finish(&self) -> Result<Restored, Fault> {
        let right = self.hosts.iter().filter_map(|host| match &host.became {
            Became::Right { addresses, done } => Some(right_line(&host.name, addresses, done)),
            Became::Open | Became::Failed(_) => None,
        });
        let open: Vec<&HostName> =
            self.hosts.iter().filter(|host| matches!(host.became, Became::Open)).map(|host| &host.name).collect();
        let (excused, faults): (Vec<_>, Vec<_>) = self.faults().partition(|(host, _)| self.excused.contains_key(*host));
        let excused = excused.into_iter().map(|(host, fault)| {
            let why = self.excused.get(host).map_or("", String::as_str);
            format!("{host}: excused ({why}), though {}", fault.message)
        });
        let right = excused.chain(right);
        if faults.is_empty() {
            let result = if open.is_empty() { Progress::Done } else { Progress::Continue };
            let open = open.iter().map(|name| format!("{name}: not finished yet"));
            return Ok(Restored { result, done: first_lines_of(right.chain(open), ALL) });
        }
        let failed = faults.iter().map(|(host, fault)| format!("{host}: {}", fault.message));
        let mut lines = first_lines_of(failed.chain(right), ALL);
        if !open.is_empty() {
            let names = first_lines_of(open.iter().map(ToString::to_string), ALL).join(", ");
            lines.push(format!("not finished for lack of time, start again: {names}"));
        }
        Err(Fault::new(common_name(faults.iter().map(|(_, fault)| fault.name)), lines.join("; ")))
    }
}

fn right_line(host: &HostName, addresses: &[Ipv4Addr], done: &[String]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(", ");
    if done.is_empty() {
        format!("{host}: {addresses} was right already")
    } else {
        format!("{host}: {addresses} is right ({})", done.join(", "))
    }
}

/// The one name of the faults, those that a retry may mend left aside; `RestoreIncomplete` for several.
fn common_name(failed: impl Iterator<Item = FaultName>) -> FaultName {
    let names: BTreeSet<FaultName> = failed.collect();
    let lasting: Vec<FaultName> = names.iter().copied().filter(|name| !name.retryable()).collect();
    match (lasting.as_slice(), names.first()) {
        ([one], _) => *one,
        ([], Some(first)) => *first,
        _ => FaultName::RestoreIncomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn faults_of_one_kind_keep_their_name_and_passing_ones_do_not_hide_lasting_ones() {
        use FaultName::{AddressHeld, GuestSilent, RestoreIncomplete, Throttled, Unavailable};
        let of = |names: &[FaultName]| common_name(names.iter().copied());
        assert_eq!(of(&[AddressHeld, AddressHeld]), AddressHeld);
        assert_eq!(of(&[AddressHeld, Unavailable]), AddressHeld);
        assert_eq!(of(&[AddressHeld, GuestSilent]), RestoreIncomplete);
        assert!(of(&[Throttled, Unavailable]).retryable());
    }

    #[test]
    fn hosts_that_are_right_are_told_beside_those_that_failed() {
        let mut report = Report::default();
        let right = Became::Right { addresses: vec!["172.30.1.35".parse().unwrap()], done: Vec::new() };
        report.add(&name("app-1"), None, right);
        let fault = Fault::new(FaultName::AddressHeld, "172.30.1.34 is not free");
        report.add(&name("web-1"), None, Became::Failed(fault.clone()));
        report.add(&name("db-1"), None, Became::Open);
        let told = report.finish().unwrap_err();
        assert_eq!(told.name, FaultName::AddressHeld);
        assert_eq!(
            told.message,
            "web-1: 172.30.1.34 is not free; app-1: 172.30.1.35 was right already; not finished for lack of time, start again: db-1"
        );
        let results = report.results("e-1", Timestamp::UNIX_EPOCH);
        let kept: Vec<_> = results.iter().map(|kept| (kept.host.as_str(), kept.standing, &kept.fault)).collect();
        let (right, failed, open) = (Standing::Right, Standing::Failed, Standing::Open);
        assert_eq!(kept, [("app-1", right, &None), ("web-1", failed, &Some(fault)), ("db-1", open, &None)]);
    }

    #[test]
    fn a_host_that_is_excused_by_name_stops_nobody_and_is_told_with_the_reason_and_its_fault() {
        let mut report = Report::excusing(&[(name("web-1"), "its disk is gone".to_owned())].into());
        report.add(&name("web-1"), None, Became::Failed(Fault::new(FaultName::VmNotFound, "there is no such VM")));
        let told = report.finish().unwrap();
        assert_eq!(told.result, Progress::Done);
        assert_eq!(told.done, ["web-1: excused (its disk is gone), though there is no such VM"]);
        let kept = report.results("e-1", Timestamp::UNIX_EPOCH).remove(0);
        assert_eq!(
            (kept.standing, kept.done),
            (Standing::Failed, vec!["excused by name: its disk is gone".to_owned()])
        );
        report.add(&name("app-1"), None, Became::Failed(Fault::new(FaultName::GuestSilent, "silent")));
        let told = report.finish().unwrap_err();
        assert_eq!((told.name, told.message.contains("web-1: excused")), (FaultName::GuestSilent, true));
    }

    #[test]
    fn a_thousand_hosts_are_told_in_a_text_that_step_functions_takes_and_each_is_kept() {
        let mut report = Report::default();
        for n in 0..1000 {
            let done = vec!["x".repeat(200)];
            let right = Became::Right { addresses: vec!["172.30.1.35".parse().unwrap()], done };
            report.add(&name(&format!("host-{n}")), None, right);
        }
        let told = report.finish().unwrap();
        assert_eq!((told.result, told.done.len()), (Progress::Done, holdfast_model::MOST_LINES + 1));
        assert_eq!(told.done.last().unwrap(), "and 950 more, see `restored#` of the wave in the inventory table");
        for n in 0..1000 {
            let fault = Fault::new(FaultName::GuestSilent, "y".repeat(200));
            report.add(&name(&format!("other-{n}")), None, Became::Failed(fault));
        }
        assert!(report.finish().unwrap_err().message.len() < 32_768);
        assert_eq!(report.results("e-1", Timestamp::UNIX_EPOCH).len(), 2000);
    }
}
