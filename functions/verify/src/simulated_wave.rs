//! The wave report against a simulated EC2: each finding is there with its cause, and not without it.

use crate::drill::ready;
use crate::facts::{Live, Subject};
use crate::preflight::{self, Moment};
use crate::simulated::{WORLD, host, id, map, no_vm, start};
use crate::wave::{Wave, findings};
use holdfast_model::wire::{Check, CheckStatus};
use holdfast_model::*;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What Prism Central has ready for the network, as it should be.
fn landing() -> Landing {
    Landing {
        subnet: "app".into(),
        vpc: "apps".into(),
        prefix: Some(id("172.30.1.0/24")),
        gateway: Some("172.30.1.1".parse().unwrap()),
        dhcp_server: None,
        pools: vec![("172.30.1.100".parse().unwrap(), "172.30.1.199".parse().unwrap())],
        kept: BTreeMap::new(),
        routable: vec![id("172.30.0.0/16")],
        external: vec![WayOut { name: "out".into(), external: true, nat: false }],
    }
}

fn declared() -> holdfast_model::Wave {
    let (from, to) = (id("ec2"), id("nc2"));
    holdfast_model::Wave {
        from,
        to,
        select: Select::Vpc,
        move_appliance: None,
        routes: Led::Networks,
        guest_settings: holdfast_model::GuestSettings::Left,
        mac_addresses: Macs::AsMoved,
        nics: BTreeMap::new(),
        excused: BTreeMap::new(),
    }
}

fn seen(name: &str, address: &str) -> (HostName, Vec<Sighting>) {
    let nic = SightedNic {
        nic: ExtId::parse("22222222-2222-4222-8222-222222222222").unwrap(),
        mac: None,
        connected: true,
        subnet: None,
        configured: vec![address.parse().unwrap()],
        learned: Vec::new(),
    };
    let vm = ExtId::parse("11111111-1111-4111-8111-111111111111").unwrap();
    (id(name), vec![Sighting { site: id("nc2"), vm, power: Power::On, nics: vec![nic] }])
}

/// Everything that a report is about.
struct Case {
    world: String,
    map: NetworkMap,
    host: HostRecord,
    evidence: Option<Evidence>,
    declared: holdfast_model::Wave,
}

impl Case {
    /// A wave of one machine that nothing stands in the way of, but for its new MAC address.
    fn sound() -> Self {
        let mut host = host();
        host.guest = Some(GuestReport {
            schema_version: 1,
            host_name: "web-1".into(),
            os: "Linux".into(),
            nics: vec![GuestNic {
                name: "eth0".into(),
                mac: host.nics[0].mac.clone().unwrap(),
                addresses: Vec::new(),
                addressing: Addressing::Dhcp,
                gateway: None,
                dns: vec!["192.168.10.53".parse().unwrap()],
                dns_suffixes: Vec::new(),
                routes: Vec::new(),
                mtu: None,
            }],
            ec2_only: Vec::new(),
            end: true,
        });
        // The simulator names the interfaces of the world itself.
        host.nics[0].eni = Some(id("eni-00000000000000034"));
        let evidence = Evidence { landings: BTreeMap::from([(id("app"), landing())]), ..no_vm() };
        let world = WORLD.replace(
            "interfaces: [{ subnet: app, address: 172.30.1.34 }]",
            "interfaces: [{ id: eni-00000000000000034, subnet: app, address: 172.30.1.34 }]",
        );
        Self { world, map: map(), host, evidence: Some(evidence), declared: declared() }
    }

    fn landing(&mut self) -> &mut Landing {
        self.evidence.as_mut().unwrap().landings.get_mut(&id::<NetworkName>("app")).unwrap()
    }

    fn at(&mut self, address: &str) {
        self.host.nics[0].primary = address.parse().unwrap();
    }

    fn guest(&mut self) -> &mut GuestReport {
        self.host.guest.as_mut().unwrap()
    }

    /// An instance beside `web-1`, in no group of it.
    fn beside(&mut self, name: &str) {
        let before = "      - { name: host-1";
        let beside = format!(
            "      - {{ name: twin, id: i-00000000000000099, tags: {{ Name: {name} }}, interfaces: [{{ subnet: other, security_groups: [alone] }}] }}\n{before}"
        );
        let group = "cidrs: [172.30.0.0/16]\n        security_groups: [{ name: alone, id: sg-00000000000000009 }]";
        self.world = self.world.replace(before, &beside).replace("cidrs: [172.30.0.0/16]", group);
    }

    /// A second NIC, on a network of the map.
    fn second_nic(&mut self, network: &str) {
        let nic = NicRecord {
            device_index: 1,
            primary: "172.30.2.34".parse().unwrap(),
            network: id(network),
            ..self.host.nics[0].clone()
        };
        self.host.nics.push(nic);
        let app = self.map.networks[&id::<NetworkName>("app")].clone();
        self.map.networks.insert(id(network), Network { prefix: id("172.30.2.0/24"), ..app });
    }

    async fn report(&self) -> Vec<Check> {
        let (_sim, context) = start(&self.world).await;
        let networks = context.networks(&self.map).await.unwrap();
        let sites = BTreeSet::from([id("ec2")]);
        let live = Live::read(&networks, &self.map, None, &sites, Timestamp::UNIX_EPOCH).await;
        let wave =
            Wave { wave: &self.declared, hosts: std::slice::from_ref(&self.host), evidence: self.evidence.as_ref() };
        findings(&networks, &self.map, &live, &wave).await
    }
}

fn told(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
    checks.iter().filter(|c| c.status != CheckStatus::Pass).map(|c| (c.name.as_str(), c.status)).collect()
}

#[tokio::test]
async fn a_sound_wave_is_told_of_its_new_mac_addresses_only() {
    let checks = Case::sound().report().await;
    assert_eq!(told(&checks), [("MAC addresses", CheckStatus::Warn)], "{checks:#?}");
    assert!(checks[1].saw.ends_with("Today: web-1 0a:00:00:00:00:34"), "{}", checks[1].saw);
    assert!(checks.iter().any(|c| c.name == "subnet for app at nc2" && c.status == CheckStatus::Pass));
}

/// The finding of a name of 81 characters.
const LONG: &str =
    concat!("wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", ": name");

/// What is all but the cause of a finding.
#[tokio::test]
async fn what_is_beside_a_cause_is_not_told() {
    let near: &[fn(&mut Case)] = &[
        |case| case.host.name = id(&"w".repeat(80)),
        |case| case.beside("web-10"),
        |case| case.at("172.30.1.99"),
        |case| case.at("172.30.1.200"),
        |case| case.at("172.30.1.2"),
        |case| case.at("172.30.1.254"),
        |case| drop(case.landing().kept.insert("172.30.1.33".parse().unwrap(), "the reservation `printer`".into())),
        |case| case.evidence.as_mut().unwrap().hosts.extend([seen("other", "172.30.1.33")]),
        |case| {
            let (name, mut seen) = seen("web-1", "172.30.1.34");
            seen[0].site = id("nc2-osaka");
            drop(case.evidence.as_mut().unwrap().hosts.insert(name, seen));
        },
        |case| case.guest().nics[0].dns.push("172.30.0.3".parse().unwrap()),
        |case| case.landing().routable = vec![id("172.30.1.0/24")],
        |case| case.landing().external.push(WayOut { name: "nat".into(), external: true, nat: true }),
    ];
    for (n, change) in near.iter().enumerate() {
        let mut case = Case::sound();
        change(&mut case);
        let checks = case.report().await;
        assert_eq!(told(&checks), [("MAC addresses", CheckStatus::Warn)], "{n}: {checks:#?}");
    }
}

#[tokio::test]
async fn mac_addresses_that_are_given_back_are_no_warning() {
    let mut case = Case::sound();
    case.declared.mac_addresses = Macs::AsCaptured;
    let checks = case.report().await;
    assert_eq!(told(&checks), [], "{checks:#?}");
    let macs = checks.iter().find(|check| check.name == "MAC addresses").unwrap();
    assert!(macs.saw.contains("`mac_addresses: as_captured`"), "{}", macs.saw);
}

/// The report after a capture has the checks of the preflight too.
#[tokio::test]
async fn target_groups_that_do_not_follow_are_told_and_others_are_not() {
    let cases = [
        ("[172.30.1.34]", true, "target 172.30.1.34"),
        ("[web-1]", true, "target i-00000000000000034 (172.30.1.34)"),
        ("[172.30.9.5]", false, ""),
        ("[]", false, ""),
    ];
    for (targets, told, words) in cases {
        let group =
            format!("    target_groups: [{{ name: front, vpc: apps, targets: {targets} }}]\n    transit_gateways:\n");
        let (_sim, context) = start(&WORLD.replacen("    transit_gateways:\n", &group, 1)).await;
        let map = map();
        let (networks, now) = (BTreeSet::from([id("app")]), Timestamp::UNIX_EPOCH);
        let subject = Subject { map: &map, networks, addresses: None, hosts: vec![host()], evidence: None, now };
        let moment = Moment::Captured(None);
        let checks = preflight::checks(&context, &subject, &id("nc2"), moment, None).await.unwrap();
        let check = checks.iter().find(|check| check.name == "nobody is cut off");
        assert_eq!(check.is_some(), told, "{targets}: {checks:#?}");
        let said = check.is_none_or(|check| check.status == CheckStatus::Warn && check.saw.contains(words));
        assert!(said && !checks.iter().any(|check| check.name == "load-balancer targets"), "{targets}: {checks:#?}");
    }
}

/// Each cause by itself, with the finding that it makes, and what the finding names.
#[tokio::test]
async fn every_finding_comes_with_its_cause_and_says_what_to_do() {
    use CheckStatus::{Fail, Unknown, Warn};
    type Cause = fn(&mut Case);
    let cases: &[(Cause, &str, CheckStatus, &str)] = &[
        (|case| case.evidence = None, "subnets at nc2", Unknown, "was not asked"),
        (
            |case| drop(case.evidence.as_mut().unwrap().sites_unread.insert(id("nc2"), "no answer".into())),
            "subnets at nc2",
            Unknown,
            "no answer",
        ),
        (
            |case| case.evidence.as_mut().unwrap().landings.clear(),
            "subnet for app at nc2",
            Fail,
            "web-1 need it; write one under `networks.app.subnets.nc2`",
        ),
        (
            |case| case.landing().prefix = Some(id("172.30.0.0/16")),
            "subnet for app at nc2",
            Fail,
            "subnet `app` is 172.30.0.0/16, not 172.30.1.0/24",
        ),
        (|case| case.landing().routable.clear(), "subnet for app at nc2", Fail, "(none) do not cover 172.30.1.0/24"),
        (|case| case.landing().external[0].nat = true, "subnet for app at nc2", Fail, "without NAT (it has `out`)"),
        (|case| case.landing().external.clear(), "subnet for app at nc2", Fail, "without NAT (it has none"),
        (
            |case| case.second_nic("data"),
            "subnet for data at nc2",
            Fail,
            "web-1 need it; write one under `networks.data",
        ),
        (|case| case.at("172.30.1.120"), "web-1: address in a DHCP pool", Warn, "shrink the pool"),
        (
            |case| case.host.nics[0].secondary.push("172.30.1.199".parse().unwrap()),
            "web-1: address in a DHCP pool",
            Warn,
            "172.30.1.199 is in 172.30.1.100 to 172.30.1.199",
        ),
        (
            |case| case.landing().dhcp_server = Some("172.30.1.34".parse().unwrap()),
            "web-1: address of the subnet itself",
            Fail,
            "as its DHCP server",
        ),
        (|case| case.at("172.30.1.0"), "web-1: address of the subnet itself", Fail, "first or last"),
        (|case| case.at("172.30.1.1"), "web-1: address of the subnet itself", Fail, "as its gateway"),
        (|case| case.at("172.30.1.255"), "web-1: address of the subnet itself", Fail, "first or last"),
        (
            |case| drop(case.landing().kept.insert("172.30.1.34".parse().unwrap(), "the reservation `printer`".into())),
            "web-1: address reserved",
            Fail,
            "the reservation `printer` holds it",
        ),
        (
            |case| case.evidence.as_mut().unwrap().hosts.extend([seen("other", "172.30.1.34")]),
            "web-1: address in use",
            Fail,
            "VM `other` (11111111-",
        ),
        (
            |case| case.evidence.as_mut().unwrap().hosts.extend([seen("web-1", "172.30.1.9")]),
            "web-1: a VM of this name",
            Warn,
            "is at nc2 already",
        ),
        (
            |case| case.guest().ec2_only.push("time server 169.254.169.123 in /etc/chrony.conf".into()),
            "web-1: settings of EC2",
            Warn,
            "time server 169.254.169.123 in /etc/chrony.conf",
        ),
        (
            |case| case.guest().nics[0].dns.push("172.30.0.2".parse().unwrap()),
            "web-1: settings of EC2",
            Warn,
            "DNS server 172.30.0.2 of the VPC",
        ),
        (|case| case.host.guest = None, "web-1: guest not read", Warn, "EC2 API alone"),
        (
            |case| (case.host.guest, case.host.imported_from) = (None, Some("machines".into())),
            "web-1: imported",
            Warn,
            "from table `machines`, which knows one address",
        ),
        (|case| case.host.name = id("web 1 (blue)"), "web 1 (blue): name", Warn, "it has ` `, `(`, `)`"),
        (|case| case.host.name = id(&"w".repeat(81)), LONG, Warn, "it has 81 characters, more than 80"),
        (|case| case.beside("WEB-1"), "web-1: duplicate Name tag", Warn, "i-00000000000000099 has it too"),
        (
            |case| case.world = case.world.replace("172.30.1.34 }]", "172.30.1.34, elastic_ip: 198.51.100.7 }]"),
            "web-1: Elastic IP address",
            Warn,
            "198.51.100.7 of `eni-00000000000000034`",
        ),
    ];
    for (cause, name, status, words) in cases {
        let mut case = Case::sound();
        cause(&mut case);
        let checks = case.report().await;
        let told: Vec<_> = told(&checks).into_iter().filter(|(name, _)| *name != "MAC addresses").collect();
        assert_eq!(told, [(*name, *status)], "{checks:#?}");
        let check = checks.iter().find(|check| check.name == *name).unwrap();
        assert!(check.saw.contains(words), "{}", check.saw);
    }
}

/// A drill asks the same of the site that a failover would go to.
#[test]
fn a_drill_tells_what_the_other_site_lacks_for_its_networks_and_addresses() {
    use CheckStatus::{Fail, Warn};
    type Cause = fn(&mut Case);
    let cases: &[(Cause, &[(&str, CheckStatus)])] = &[
        (|_| (), &[]),
        (|case| case.landing().routable.clear(), &[("subnet for app at nc2", Fail)]),
        (
            |case| case.evidence.as_mut().unwrap().hosts.extend([seen("other", "172.30.1.34")]),
            &[("web-1: address in use", Fail)],
        ),
        (|case| case.evidence.as_mut().unwrap().hosts.extend([seen("web-1", "172.30.1.34")]), &[]),
        (|case| case.at("172.30.1.120"), &[("web-1: address in a DHCP pool", Warn)]),
        (
            |case| drop(case.landing().kept.insert("172.30.1.34".parse().unwrap(), "the reservation `dr`".into())),
            &[("web-1: address reserved", Warn)],
        ),
    ];
    for (cause, wanted) in cases {
        let mut case = Case::sound();
        cause(&mut case);
        let Case { map, host, evidence, .. } = case;
        let networks = BTreeSet::from([id("app")]);
        let now = Timestamp::UNIX_EPOCH;
        let subject = Subject { map: &map, networks, addresses: None, hosts: vec![host], evidence, now };
        let checks = ready(&subject, &id("nc2"));
        assert_eq!(told(&checks), *wanted, "{checks:#?}");
        assert!(checks.iter().any(|check| check.name == "subnet for app at nc2"));
    }
}

#[tokio::test]
async fn rules_of_those_who_stay_that_name_a_group_of_the_wave_are_told() {
    let mut case = Case::sound();
    case.world = case
        .world
        .replace(
            "cidrs: [172.30.0.0/16]",
            "cidrs: [172.30.0.0/16]\n        security_groups: [{ name: web, id: sg-00000000000000001 }, { name: db, id: sg-00000000000000002, admits: [web] }]",
        )
        .replace("172.30.1.34 }]", "172.30.1.34, security_groups: [web] }]");
    let alone = case.report().await;
    assert!(told(&alone).iter().all(|(name, _)| *name != "web-1: security groups"), "nobody is in `db`: {alone:#?}");
    case.world = case.world.replace(
        "      - { name: host-1",
        "      - { name: db-1, interfaces: [{ subnet: other, security_groups: [db] }] }\n      - { name: host-1",
    );
    let checks = case.report().await;
    let groups = checks.iter().find(|check| check.name == "web-1: security groups").unwrap();
    assert_eq!(
        groups.saw,
        "rules of `sg-00000000000000002` (db) name `sg-00000000000000001` of `eni-00000000000000034`, and match nothing that comes from NC2; \
         add rules for 172.30.1.34/32"
    );
}

/// `host-1` was started after the capture, or could not be read by it.
#[tokio::test]
async fn a_machine_that_the_wave_selects_and_nobody_captured_is_told() {
    let (_sim, context) = start(WORLD).await;
    let mut map = map();
    let networks = context.networks(&map).await.unwrap();
    let sites = BTreeSet::from([id("ec2")]);
    let live = Live::read(&networks, &map, None, &sites, Timestamp::UNIX_EPOCH).await;
    let mut declared = declared();
    let hosts = [host()];
    assert_eq!(Wave { wave: &declared, hosts: &hosts, evidence: None }.left_out(&map, &live), None);
    let told = Wave { wave: &declared, hosts: &[], evidence: None }.left_out(&map, &live).unwrap();
    assert_eq!(
        (told.status, told.saw.as_str()),
        (
            CheckStatus::Fail,
            "not `web-1` (i-00000000000000034): capture the wave again, or take them out of its `select`"
        )
    );
    declared.select = Select::Network { name: id("app") };
    assert!(Wave { wave: &declared, hosts: &[], evidence: None }.left_out(&map, &live).is_some());
    map.networks.get_mut(&id::<NetworkName>("app")).unwrap().prefix = id("172.30.9.0/24");
    assert_eq!(Wave { wave: &declared, hosts: &[], evidence: None }.left_out(&map, &live), None);
}

#[test]
fn what_would_be_set_in_a_guest_is_told_with_the_script_that_sets_it() {
    let mut case = Case::sound();
    let adapter = &mut case.guest().nics[0];
    adapter.addresses = vec![NicAddress { address: "172.30.1.34".parse().unwrap(), prefix_length: 24 }];
    adapter.dns.insert(0, "172.30.0.2".parse().unwrap());
    let told = |case: &Case, guest_settings| {
        let declared = holdfast_model::Wave { guest_settings, ..declared() };
        Wave { wave: &declared, hosts: std::slice::from_ref(&case.host), evidence: None }.settings_of(&case.host)
    };
    let leased = told(&case, GuestSettings::AsCaptured).unwrap();
    assert!(leased.saw.contains("sets eth0: dhcp, address 172.30.1.34/24, by `"), "{}", leased.saw);
    case.guest().nics[0].addressing = Addressing::Unknown;
    assert_eq!(told(&case, GuestSettings::AsCaptured), None, "it did not tell");
    case.guest().nics[0].addressing = Addressing::Static;
    assert_eq!(told(&case, GuestSettings::Left), None);
    let check = told(&case, GuestSettings::AsCaptured).unwrap();
    let (file, hash) = holdfast_guest::settings_script(Platform::Linux);
    let wanted = format!("sets eth0: address 172.30.1.34/24, dns 192.168.10.53, by `{file}` (SHA-256 {hash})");
    assert!(check.saw.contains(&wanted), "{}", check.saw);
    assert!(check.status == CheckStatus::Pass && hash.len() == 64);
}
