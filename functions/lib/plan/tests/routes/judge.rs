//! What evidence allows, and what it speaks against.

use crate::world::*;
use holdfast_model::wire::Waiver;
use holdfast_model::*;
use holdfast_plan::{Facts, Plan, judge};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

const VM: &str = "11111111-1111-1111-1111-111111111111";

pub fn now() -> Timestamp {
    "2026-01-02T03:05:00Z".parse().unwrap()
}

pub fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub fn instance(n: u8) -> InstanceId {
    InstanceId::parse(format!("i-0000000{n}")).unwrap()
}

fn eni_id(n: u8) -> EniId {
    EniId::parse(format!("eni-0000000{n}")).unwrap()
}

fn mac() -> MacAddress {
    MacAddress::parse("0a:00:00:00:00:01").unwrap()
}

/// Everything that a judgement rests on, as the story has it after the cutover to Tokyo.
pub struct Case {
    pub map: NetworkMap,
    pub to: SiteName,
    pub evidence: Option<Evidence>,
    pub hosts: Vec<HostRecord>,
    pub machines: BTreeMap<SiteName, Machines>,
    pub picture: Option<Picture>,
    pub plan: Option<Plan>,
    pub addresses: Option<BTreeSet<Ipv4Addr>>,
    pub apart: BTreeMap<SiteName, BTreeSet<Ipv4Addr>>,
}

pub fn host(name: &str, n: u8, address: &str) -> HostRecord {
    HostRecord {
        name: HostName::parse(name).unwrap(),
        wave: WaveName::parse("wave-1").unwrap(),
        instance: instance(n),
        platform: Some(Platform::Linux),
        captured_at: now(),
        imported_from: None,
        guest: None,
        nics: vec![NicRecord {
            device_index: 0,
            eni: Some(eni_id(n)),
            mac: Some(mac()),
            primary: ip(address),
            secondary: Vec::new(),
            subnet: Some(subnet("app")),
            prefix: prefix("172.30.1.0/24"),
            network: network("app"),
        }],
    }
}

pub fn sighting(at: &str, power: Power, address: &str) -> Sighting {
    Sighting {
        site: site(at),
        vm: ExtId::parse(VM).unwrap(),
        power,
        nics: vec![SightedNic {
            nic: ExtId::parse(VM).unwrap(),
            mac: None,
            connected: true,
            subnet: None,
            configured: vec![ip(address)],
            learned: vec![ip(address)],
        }],
    }
}

pub fn machine(n: u8, state: InstanceState, address: &str) -> (Instance, Eni) {
    let instance = Instance {
        id: instance(n),
        name: Some(format!("machine-{n}")),
        state,
        vpc: vpc("ec2"),
        platform: Platform::Linux,
        tags: BTreeMap::new(),
        enis: vec![eni_id(n)],
    };
    let eni = Eni {
        id: eni_id(n),
        description: String::new(),
        kind: "interface".into(),
        managed_by: None,
        vpc: vpc("ec2"),
        subnet: subnet("app"),
        mac: mac(),
        primary: ip(address),
        secondary: Vec::new(),
        status: EniStatus::InUse,
        instance: Some(instance.id.clone()),
        device_index: Some(0),
    };
    (instance, eni)
}

impl Case {
    pub fn good() -> Self {
        let hosts = vec![host("web-1", 1, "172.30.1.34"), host("app-1", 2, "172.30.1.35")];
        let mut machines = Machines::default();
        for (n, address) in [(1, "172.30.1.34"), (2, "172.30.1.35")] {
            let (instance, eni) = machine(n, InstanceState::Stopped, address);
            machines.instances.insert(instance.id.clone(), instance);
            machines.enis.insert(eni.id.clone(), eni);
        }
        let evidence = Evidence {
            id: EvidenceId("ev-1".into()),
            taken_at: "2026-01-02T03:04:00Z".parse().unwrap(),
            networks: BTreeSet::from([network("app")]),
            sites_read: BTreeSet::from([site("nc2-tokyo"), site("nc2-osaka")]),
            sites_unread: BTreeMap::new(),
            landings: BTreeMap::new(),
            hosts: BTreeMap::from([
                (hosts[0].name.clone(), vec![sighting("nc2-tokyo", Power::On, "172.30.1.34")]),
                (hosts[1].name.clone(), vec![sighting("nc2-tokyo", Power::On, "172.30.1.35")]),
            ]),
        };
        Self {
            map: map(),
            to: site("nc2-tokyo"),
            evidence: Some(evidence),
            hosts,
            machines: BTreeMap::from([(site("ec2-tokyo"), machines)]),
            picture: None,
            plan: None,
            addresses: None,
            apart: BTreeMap::new(),
        }
    }

    /// The way back to EC2: instances run, VMs are off.
    fn back() -> Self {
        let mut case = Self::good();
        case.to = site("ec2-tokyo");
        for seen in case.evidence.as_mut().unwrap().hosts.values_mut().flatten() {
            seen.power = Power::Off;
        }
        for instance in case.ec2().instances.values_mut() {
            instance.state = InstanceState::Running;
        }
        case
    }

    pub fn ec2(&mut self) -> &mut Machines {
        self.machines.get_mut(&site("ec2-tokyo")).unwrap()
    }

    fn web(&mut self) -> &mut Vec<Sighting> {
        self.evidence.as_mut().unwrap().hosts.get_mut(&HostName::parse("web-1").unwrap()).unwrap()
    }

    pub fn judge(&self) -> Result<Vec<String>, (FaultName, String)> {
        let judged = judge(&self.facts(&BTreeSet::from([network("app")])));
        judged.map_err(|objections| (objections.fault(), objections.to_string()))
    }

    pub fn facts<'a>(&'a self, networks: &'a BTreeSet<NetworkName>) -> Facts<'a> {
        Facts {
            networks,
            to: &self.to,
            map: &self.map,
            addresses: self.addresses.as_ref(),
            apart: &self.apart,
            picture: self.picture.as_ref(),
            plan: self.plan.as_ref(),
            evidence: self.evidence.as_ref(),
            hosts: &self.hosts,
            machines: &self.machines,
            now: now(),
        }
    }
}

/// Judges the good case with one thing changed.
pub fn spoiled(spoil: impl Fn(&mut Case)) -> (FaultName, String) {
    let mut case = Case::good();
    spoil(&mut case);
    case.judge().unwrap_err()
}

#[test]
fn machines_at_the_destination_and_nowhere_else_are_led_there() {
    let lines = Case::good().judge().unwrap();
    insta::assert_snapshot!(lines.join("\n"), @r"
    web-1: instance i-00000001 is stopped
    app-1: instance i-00000002 is stopped
    web-1: runs at `nc2-tokyo` as VM `11111111-1111-1111-1111-111111111111` with 172.30.1.34
    app-1: runs at `nc2-tokyo` as VM `11111111-1111-1111-1111-111111111111` with 172.30.1.35
    ");
}

#[test]
fn the_way_back_to_ec2_needs_running_instances_and_vms_that_are_off() {
    assert!(Case::back().judge().is_ok());
    let mut case = Case::back();
    case.web()[0].power = Power::On;
    assert!(case.judge().unwrap_err().1.starts_with("web-1 runs at `nc2-tokyo`"));
    let mut case = Case::back();
    case.ec2().instances.get_mut(&instance(2)).unwrap().state = InstanceState::Stopped;
    let (fault, text) = case.judge().unwrap_err();
    assert_eq!(fault, FaultName::EvidenceAgainst);
    assert_eq!(
        text,
        "app-1 has instance i-00000002 that is not running at `ec2-tokyo`; start the instance, then try again"
    );
    let mut case = Case::back();
    case.ec2().enis.get_mut(&eni_id(1)).unwrap().primary = ip("172.30.1.99");
    assert!(case.judge().unwrap_err().1.contains("without `172.30.1.34`"));
    let mut case = Case::back();
    case.ec2().instances.remove(&instance(1));
    assert!(case.judge().unwrap_err().1.contains("has no instance i-00000001"));
    let mut case = Case::back();
    case.evidence = None;
    assert_eq!(case.judge().unwrap_err().0, FaultName::EvidenceMissing);
}

#[test]
fn a_host_that_is_led_apart_from_its_network_is_judged_at_its_own_site() {
    let mut case = Case::back();
    case.apart = BTreeMap::from([(site("nc2-tokyo"), BTreeSet::from([ip("172.30.1.34")]))]);
    let (_, text) = case.judge().unwrap_err();
    assert!(text.contains("web-1 has instance i-00000001 that is running; stop the instance first"), "{text}");
    assert!(text.contains("web-1 does not run at `nc2-tokyo`"), "{text}");
    assert!(!text.contains("app-1"), "{text}");
    case.ec2().instances.get_mut(&instance(1)).unwrap().state = InstanceState::Stopped;
    case.web()[0].power = Power::On;
    insta::assert_snapshot!(case.judge().unwrap().join("\n"), @r"
    app-1: instance i-00000002 runs with 172.30.1.35
    app-1: off at `nc2-tokyo` as VM `11111111-1111-1111-1111-111111111111`
    web-1: instance i-00000001 is stopped
    web-1: runs at `nc2-tokyo` as VM `11111111-1111-1111-1111-111111111111` with 172.30.1.34
    ");
    let mut case = Case::back();
    case.apart = BTreeMap::from([(site("nc2-tokyo"), BTreeSet::from([ip("172.30.1.77")]))]);
    assert_eq!(case.judge().unwrap_err().0, FaultName::NotCaptured, "a host route of nobody in the inventory");
}

#[test]
fn evidence_must_be_there_fresh_and_about_the_networks() {
    assert_eq!(spoiled(|case| case.evidence = None).0, FaultName::EvidenceMissing);
    let old = |time: &str| {
        let time: Timestamp = time.parse().unwrap();
        spoiled(|case| case.evidence.as_mut().unwrap().taken_at = time)
    };
    let (fault, text) = old("2026-01-02T02:59:59Z");
    assert_eq!(fault, FaultName::EvidenceStale);
    assert_eq!(text, "evidence `ev-1` is 301 s old, policy allows 300 s; take it again");
    assert_eq!(old("2026-01-02T03:06:01Z").0, FaultName::EvidenceStale);
    let (fault, text) = spoiled(|case| case.evidence.as_mut().unwrap().networks.clear());
    assert_eq!(fault, FaultName::EvidenceAgainst);
    assert!(text.contains("does not speak of `app`"), "{text}");
}

#[test]
fn silence_is_never_an_answer() {
    let (fault, text) = spoiled(|case| {
        let evidence = case.evidence.as_mut().unwrap();
        evidence.sites_read.remove(&site("nc2-osaka"));
        evidence.sites_unread.insert(site("nc2-osaka"), "no answer".into());
    });
    assert_eq!(fault, FaultName::Unread);
    assert_eq!(text, "site `nc2-osaka` is unknown: no answer; make it answer, or start with `force` (who and why)");
    assert_eq!(spoiled(|case| case.machines.clear()).0, FaultName::Unread);
    assert_eq!(spoiled(|case| case.hosts.clear()).0, FaultName::NotCaptured);
    let (_, text) = spoiled(|case| case.web().clear());
    assert_eq!(
        text,
        "web-1 does not run at `nc2-tokyo` (no VM of this name); start it there, or take it out of the networks"
    );
    let (_, text) = spoiled(|case| case.web()[0].power = Power::Unknown);
    assert!(text.contains("in an unknown power state"), "{text}");
}

/// Whoever goes without the word of a site says so for its silence only.
#[test]
fn a_silent_site_that_is_waived_is_told_and_one_that_answers_is_judged() {
    let waiver = Waiver { sites: [site("nc2-osaka")].into(), by: "ana".into(), reason: "its host is off".into() };
    let waived = || {
        let mut case = Case::good();
        case.map = case.map.waiving(&waiver, &site("nc2-tokyo")).unwrap();
        case
    };
    let mut silent = waived();
    let evidence = silent.evidence.as_mut().unwrap();
    evidence.sites_read.remove(&site("nc2-osaka"));
    evidence.sites_unread.insert(site("nc2-osaka"), "no answer".into());
    let lines = silent.judge().unwrap();
    let told = "nc2-osaka: unknown (no answer), not counted on by word of ana: its host is off";
    assert!(lines.iter().any(|line| line == told), "{lines:?}");
    let mut other = waived();
    let evidence = other.evidence.as_mut().unwrap();
    evidence.sites_read.remove(&site("nc2-tokyo"));
    assert_eq!(other.judge().unwrap_err().0, FaultName::Unread);
    let mut both = waived();
    both.web().push(sighting("nc2-osaka", Power::On, "172.30.1.34"));
    assert_eq!(both.judge().unwrap_err().0, FaultName::EvidenceAgainst);
}

#[test]
fn a_host_that_runs_elsewhere_too_is_refused() {
    for power in [Power::On, Power::Unknown] {
        let (fault, text) = spoiled(|case| case.web().push(sighting("nc2-osaka", power, "172.30.1.34")));
        assert_eq!(fault, FaultName::EvidenceAgainst);
        assert!(text.contains("at `nc2-osaka`"), "{text}");
    }
    let mut off = Case::good();
    off.web().push(sighting("nc2-osaka", Power::Off, "172.30.1.34"));
    assert!(off.judge().is_ok());
    let (_, text) = spoiled(|case| case.web().push(sighting("nc2-tokyo", Power::On, "172.30.1.34")));
    assert!(text.contains("runs more than once"), "{text}");
    let (_, text) = spoiled(|case| case.ec2().instances.get_mut(&instance(1)).unwrap().state = InstanceState::Running);
    assert_eq!(text, "web-1 has instance i-00000001 that is running; stop the instance first");
}

#[test]
fn the_recorded_address_must_be_configured_connected_and_used() {
    let (_, text) = spoiled(|case| case.web()[0].nics[0].configured = vec![ip("172.30.1.100")]);
    assert!(text.contains("without 172.30.1.34 on a NIC; run `restore-nic`"), "{text}");
    let (_, text) = spoiled(|case| case.web()[0].nics[0].connected = false);
    assert!(text.contains("the NIC of 172.30.1.34 is disconnected"), "{text}");
    let (_, text) = spoiled(|case| case.web()[0].nics[0].learned = vec![ip("172.30.1.100")]);
    assert!(text.contains("but the guest was seen to use `172.30.1.100`"), "{text}");
    let (_, text) = spoiled(|case| case.web()[0].nics[0].learned.clear());
    assert!(text.contains("but the guest was seen to use no address"), "{text}");
    let (_, text) = spoiled(|case| case.hosts[0].nics[0].secondary.push(ip("172.30.1.36")));
    assert!(text.contains("without 172.30.1.36 on a NIC"), "{text}");
}

#[test]
fn a_secondary_address_that_the_guest_did_not_use_in_ec2_need_not_be_seen_on_nc2() {
    let with_secondary = |used: &[&str]| {
        let mut case = Case::good();
        case.hosts[0].nics[0].secondary.push(ip("172.30.1.36"));
        case.web()[0].nics[0].configured.push(ip("172.30.1.36"));
        let addresses = used.iter().map(|address| NicAddress { address: ip(address), prefix_length: 24 }).collect();
        case.hosts[0].guest = Some(GuestReport {
            schema_version: 1,
            host_name: "web-1".into(),
            os: "os".into(),
            nics: vec![GuestNic {
                name: "eth0".into(),
                mac: mac(),
                addresses,
                addressing: Addressing::Dhcp,
                gateway: None,
                dns: Vec::new(),
                dns_suffixes: Vec::new(),
                routes: Vec::new(),
                mtu: None,
            }],
            ec2_only: Vec::new(),
            end: true,
        });
        case.judge().map_err(|(_, text)| text)
    };
    assert!(with_secondary(&["172.30.1.34"]).is_ok());
    let text = with_secondary(&["172.30.1.34", "172.30.1.36"]).unwrap_err();
    assert!(text.contains("with 172.30.1.36 on its NIC, but the guest was seen to use `172.30.1.34`"), "{text}");
}

#[test]
fn what_the_map_leaves_out_is_not_asked_for_and_told() {
    let mut case = Case::good();
    let second = NicRecord { device_index: 1, primary: ip("172.30.1.40"), ..case.hosts[0].nics[0].clone() };
    case.hosts[0].nics.push(second);
    assert!(case.judge().unwrap_err().1.contains("without 172.30.1.40 on a NIC"));
    let wave = case.map.waves.get_mut(&WaveName::parse("wave-1").unwrap()).unwrap();
    let mapping = NicMapping { leave_out: [1].into(), ..NicMapping::default() };
    wave.nics = [(case.hosts[0].name.clone(), mapping)].into();
    let lines = case.judge().unwrap();
    let told = "web-1: `172.30.1.40` left out, as `waves.wave-1.nics` of the network map says";
    assert!(lines.iter().any(|line| line == told), "{lines:?}");
}

#[test]
fn a_host_that_is_excused_by_name_need_not_be_right_and_must_not_run_elsewhere() {
    let excuse = |case: &mut Case| {
        let wave = case.map.waves.get_mut(&WaveName::parse("wave-1").unwrap()).unwrap();
        wave.excused = [(case.hosts[0].name.clone(), "its disk is gone".to_owned())].into();
    };
    let mut case = Case::good();
    case.web()[0].nics[0].configured.clear();
    assert!(case.judge().unwrap_err().1.contains("without 172.30.1.34 on a NIC"));
    excuse(&mut case);
    let lines = case.judge().unwrap();
    assert!(lines.iter().any(|line| line.ends_with("on a NIC, excused: its disk is gone")), "{lines:?}");
    case.web()[0].power = Power::Off;
    let lines = case.judge().unwrap();
    assert!(lines.iter().any(|line| line.contains("web-1: does not run at") && line.contains("excused")), "{lines:?}");
    // Where its wave does not go nothing is excused, and neither is a machine that runs elsewhere.
    case.web()[0].power = Power::On;
    case.web()[0].site = SiteName::parse("nc2-osaka").unwrap();
    assert!(case.judge().unwrap_err().1.contains("web-1 runs at `nc2-osaka`"));
}

#[test]
fn strangers_in_the_prefix_are_named_by_id_and_address() {
    let add = |case: &mut Case, state, address: &str| {
        let (instance, eni) = machine(9, state, address);
        case.ec2().instances.insert(instance.id.clone(), instance);
        case.ec2().enis.insert(eni.id.clone(), eni);
    };
    let (fault, text) = spoiled(|case| add(case, InstanceState::Running, "172.30.1.77"));
    assert_eq!(fault, FaultName::EvidenceAgainst);
    assert_eq!(
        text,
        "instance i-00000009 (machine-9, running) by eni-00000009 holds `172.30.1.77` at `ec2-tokyo` and is no captured host; move it with a wave, remove it, accept it by its id under `policy.accept_stranded`, or leave the network where it is"
    );
    let (_, text) = spoiled(|case| {
        add(case, InstanceState::Running, "172.30.1.77");
        let eni = case.ec2().enis.get_mut(&eni_id(9)).unwrap();
        (eni.instance, eni.description) = (None, "ELB app/front".into());
    });
    assert!(text.starts_with("network interface eni-00000009 (ELB app/front) holds `172.30.1.77`"), "{text}");
    let mut elsewhere = Case::good();
    add(&mut elsewhere, InstanceState::Running, "172.30.9.5");
    assert!(elsewhere.judge().is_ok());
    let mut detached = Case::good();
    add(&mut detached, InstanceState::Running, "172.30.1.77");
    detached.ec2().enis.get_mut(&eni_id(9)).unwrap().status = EniStatus::Available;
    assert!(detached.judge().is_ok());
    let mut back = Case::back();
    add(&mut back, InstanceState::Running, "172.30.1.77");
    assert!(back.judge().is_ok(), "neighbours at the destination are where they belong");
    let (_, text) = spoiled(|case| {
        let name = HostName::parse("clone").unwrap();
        case.evidence.as_mut().unwrap().hosts.insert(name, vec![sighting("nc2-osaka", Power::On, "172.30.1.34")]);
    });
    assert!(
        text.starts_with("VM `clone` (11111111-1111-1111-1111-111111111111) at `nc2-osaka` holds `172.30.1.34`"),
        "{text}"
    );
}

#[test]
fn every_objection_is_told_at_once() {
    let (fault, text) = spoiled(|case| {
        case.web().clear();
        case.ec2().instances.get_mut(&instance(2)).unwrap().state = InstanceState::Running;
        case.evidence.as_mut().unwrap().sites_read.remove(&site("nc2-osaka"));
    });
    assert_eq!(fault, FaultName::EvidenceAgainst);
    assert_eq!(text.matches("; ").count(), 5, "{text}");
}
