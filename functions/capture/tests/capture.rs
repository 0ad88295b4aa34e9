//! What `capture` reads of simulated machines, what it refuses, and when it stores a version.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it says")]

use std::collections::BTreeSet;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use holdfast_aws_network::AwsNetwork;
use holdfast_capture::{Imported, Judgement, Read, compare, import, judge, read_hosts};
use holdfast_guest::{Guest, Timing};
use holdfast_model::{
    Fault, FaultName, HostName, HostRecord, InventoryVersion, MacAddress, NetworkMap, NicAddress, Scope, WaveName,
};
use holdfast_sim::ec2::Kind;
use holdfast_sim::{Options, Sim, World};
use holdfast_store::{Captured, OldRow};
use std::time::Duration;

const REGION: &str = "ap-northeast-1";

const WORLD: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs:
      - name: apps
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.1.0/24 }, { name: other, cidr: 172.30.9.0/24 }]
        route_tables: [{ name: apps, main: true }]
    instances:
      - name: web-1
        platform: windows
        interfaces: [{ subnet: app, address: 172.30.1.34 }]
        tags: { wave: wave-1 }
      - name: app-1
        interfaces: [{ subnet: app, address: 172.30.1.35, secondary: [172.30.1.36] }]
        tags: { wave: wave-1 }
      - name: twin
        interfaces: [{ subnet: app, address: 172.30.1.40 }]
        tags: { wave: twins }
      - name: twin-2
        interfaces: [{ subnet: app, address: 172.30.1.41 }]
        tags: { wave: twins, Name: twin }
      - name: stray
        interfaces: [{ subnet: other, address: 172.30.9.10 }]
        tags: { wave: strays }
      - name: mute
        interfaces: [{ subnet: app, address: 172.30.1.50 }]
        tags: { wave: mutes }
        guest: { managed: false }
      - name: mute-too
        interfaces: [{ subnet: app, address: 172.30.1.51 }]
        tags: { wave: mixed }
        guest: { managed: false }
      - name: heard
        interfaces: [{ subnet: app, address: 172.30.1.52 }]
        tags: { wave: mixed }
      - name: odd
        interfaces: [{ subnet: app, address: 172.30.1.60 }]
        tags: { wave: odds }
        guest: { adapters: [{ addresses: [172.30.1.61/24], gateway: 172.30.1.1 }] }
"#;

fn map(vpc: &str) -> NetworkMap {
    let waves: String = ["wave-1", "twins", "strays", "mutes", "odds", "mixed", "none"]
        .map(|wave| format!("  {wave}: {{from: ec2, to: nc2, select: {{kind: tags, tags: {{wave: {wave}}}}}}}\n"))
        .concat();
    NetworkMap::parse(&format!(
        r#"
schema_version: 1
accounts: {{main: {{id: "111122223333"}}}}
prism_centrals:
  pc: {{endpoint: "https://prism.example:9440", secret: pc, trust: {{kind: web_roots}}, region: {REGION}}}
sites:
  ec2: {{kind: ec2, account: main, region: {REGION}, vpc: {vpc}}}
  nc2: {{kind: nc2, account: main, region: {REGION}, vpc: vpc-0000000b, prism_central: pc, fvn_vpc: apps, cluster: c}}
networks:
  app: {{prefix: 172.30.1.0/24, subnets: {{nc2: app}}}}
route_tables:
  tokyo:
    account: main
    region: {REGION}
    id: tgw-rtb-0000000a
    next_hops:
      ec2: {{kind: absent, served_by: 172.30.0.0/16}}
      nc2: {{kind: attachment, id: tgw-attach-0000000b}}
vantages:
  onprem: {{kind: on_premises, prefixes: [192.168.10.0/24], account: main, region: {REGION}, enters: tgw-attach-0000000c}}
waves:
{waves}  whole: {{from: ec2, to: nc2, select: {{kind: network, name: app}}}}
"#
    ))
    .unwrap()
}

/// A running simulation, and a map of its VPC.
struct Bench {
    sim: Sim,
    map: NetworkMap,
    config: SdkConfig,
}

impl Bench {
    async fn start() -> Self {
        let world = World::from_yaml(WORLD).unwrap();
        let vpc = world.ec2.find(Kind::Vpc, REGION, "apps").unwrap().to_owned();
        let sim = Sim::start(world, Options::callers_here()).await.unwrap();
        let keys = aws_credential_types::Credentials::new("111122223333", "secret", None, None, "test");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(sim.aws_endpoint())
            .credentials_provider(keys)
            .load()
            .await;
        Self { sim, map: map(&vpc), config }
    }

    async fn capture(&self, wave: &str, accepted: &[&str]) -> Result<(Vec<HostRecord>, Vec<String>), Fault> {
        let read = self.read(wave, accepted).await?;
        assert_eq!(read.failed, []);
        Ok((read.hosts, read.notes))
    }

    async fn read(&self, wave: &str, accepted: &[&str]) -> Result<Read, Fault> {
        let scope: Scope = serde_json::from_value(serde_json::json!({"account": "main", "region": REGION})).unwrap();
        let quick = Timing {
            first_poll: Duration::from_millis(1),
            slowest_poll: Duration::from_millis(2),
            ..Timing::default()
        };
        let accepted: BTreeSet<HostName> = accepted.iter().map(|name| HostName::parse(*name).unwrap()).collect();
        read_hosts(
            &AwsNetwork::new(&self.config, scope),
            &Guest::new(&self.config).with_timing(quick),
            &self.map,
            &WaveName::parse(wave).unwrap(),
            &accepted,
            "2026-01-02T03:04:05Z".parse().unwrap(),
        )
        .await
    }

    async fn refusal(&self, wave: &str) -> (FaultName, String) {
        let fault = self.capture(wave, &[]).await.unwrap_err();
        (fault.name, fault.message)
    }

    fn stop(&self, name: &str) {
        let mut world = self.sim.shared().world();
        let id = world.ec2.find(Kind::Instance, REGION, name).unwrap().to_owned();
        world.ec2.stop_instance(&id, 0).unwrap();
        holdfast_sim::guests::instance_changed(&mut world, &id);
    }
}

fn none() -> BTreeSet<HostName> {
    BTreeSet::new()
}

#[tokio::test]
async fn running_machines_are_read_by_the_api_and_in_the_guest() {
    let bench = Bench::start().await;
    let (hosts, notes) = bench.capture("wave-1", &[]).await.unwrap();
    let names: Vec<String> = hosts.iter().map(|host| host.name.to_string()).collect();
    assert_eq!(names, ["app-1", "web-1"]);
    let web = &hosts[1];
    assert_eq!(web.nics[0].primary.to_string(), "172.30.1.34");
    assert_eq!(web.nics[0].prefix.to_string(), "172.30.1.0/24");
    assert_eq!(web.nics[0].network.as_str(), "app");
    let guest = web.guest.as_ref().unwrap();
    assert_eq!(Some(&guest.nics[0].mac), web.nics[0].mac.as_ref());
    assert_eq!(hosts[0].nics[0].secondary.len(), 1);
    assert!(notes.iter().all(|note| note.contains("172.30.1.36")), "{notes:?}");
}

#[tokio::test]
async fn a_stopped_machine_is_read_by_the_api_alone() {
    let bench = Bench::start().await;
    let (before, _) = bench.capture("wave-1", &[]).await.unwrap();
    bench.stop("web-1");
    let (hosts, _) = bench.capture("wave-1", &[]).await.unwrap();
    assert_eq!((hosts[1].guest.clone(), &hosts[1].nics), (None, &before[1].nics));
    // It was captured better before, and that stays.
    let newest = Captured { version: InventoryVersion(1), hosts: before };
    let wave = WaveName::parse("wave-1").unwrap();
    assert_eq!(judge(&wave, Some(&newest), hosts, &none()).unwrap(), Judgement::Same);
}

#[tokio::test]
async fn what_must_not_be_captured_is_refused_by_name() {
    let bench = Bench::start().await;
    let (name, message) = bench.refusal("twins").await;
    assert_eq!(name, FaultName::DuplicateName);
    assert!(message.contains("are both named `twin`"), "{message}");

    let (name, message) = bench.refusal("strays").await;
    assert_eq!(name, FaultName::OutsideNetworks);
    assert!(message.contains("has 172.30.9.10 on `eni-") && message.contains("app 172.30.1.0/24"), "{message}");

    let (name, message) = bench.refusal("none").await;
    assert_eq!(name, FaultName::InvalidInput);
    assert!(message.contains("selects no instance of site `ec2`"), "{message}");

    let fault = bench.capture("wave-1", &["web-9"]).await.unwrap_err();
    assert_eq!(fault.name, FaultName::InvalidInput);
}

#[tokio::test]
async fn a_guest_that_contradicts_is_left_out_with_both_values_unless_accepted() {
    let bench = Bench::start().await;
    let read = bench.read("odds", &[]).await.unwrap();
    assert_eq!((read.hosts.len(), read.failed[0].fault), (0, FaultName::GuestContradicts));
    let why = &read.failed[0].why;
    assert!(why.contains("the address is 172.30.1.60 for EC2, 172.30.1.61 for the guest"), "{why}");
    let (hosts, notes) = bench.capture("odds", &["odd"]).await.unwrap();
    assert_eq!(hosts[0].nics[0].primary.to_string(), "172.30.1.60");
    assert!(notes[0].starts_with("accepted, the EC2 API counts: `odd` eni-"), "{notes:?}");
}

#[tokio::test]
async fn a_version_is_stored_only_for_what_is_new_and_not_worse() {
    let bench = Bench::start().await;
    let wave = WaveName::parse("wave-1").unwrap();
    let (hosts, _) = bench.capture("wave-1", &[]).await.unwrap();
    assert_eq!(judge(&wave, None, hosts.clone(), &none()).unwrap(), Judgement::Store(hosts.clone()));
    let newest = Captured { version: InventoryVersion(4), hosts: hosts.clone() };

    let mut later = hosts.clone();
    later[0].captured_at = "2026-02-02T00:00:00Z".parse().unwrap();
    assert_eq!(judge(&wave, Some(&newest), later, &none()).unwrap(), Judgement::Same);

    let fewer = judge(&wave, Some(&newest), hosts[1..].to_vec(), &none()).unwrap_err();
    assert_eq!(fewer.name, FaultName::CaptureWorse);
    assert!(fewer.message.starts_with("captured before and not selected now: `app-1` (i-"), "{fewer}");
    assert!(fewer.message.ends_with("version 4 of wave `wave-1` stays, nothing was stored"), "{fewer}");

    let mut changed = hosts.clone();
    changed[0].nics[0].secondary.clear();
    assert_eq!(judge(&wave, Some(&newest), changed.clone(), &none()).unwrap(), Judgement::Store(changed.clone()));
    changed[0].guest = None;
    assert_eq!(judge(&wave, Some(&newest), changed, &none()).unwrap_err().name, FaultName::CaptureWorse);
}

#[tokio::test]
async fn a_host_that_cannot_be_read_is_named_and_does_not_stop_the_others() {
    let bench = Bench::start().await;
    let wave = WaveName::parse("mixed").unwrap();
    let read = bench.read("mixed", &[]).await.unwrap();
    assert_eq!(read.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>(), ["heard"]);
    let [failed] = read.failed.as_slice() else { panic!("{:?}", read.failed) };
    assert_eq!((failed.name.as_str(), failed.fault), ("mute-too", FaultName::GuestUnread));
    assert!(failed.why.contains("not managed by Systems Manager"), "{}", failed.why);

    // One that was captured before keeps its record; without one it is left out, and nobody is stored who was not read.
    let names = BTreeSet::from([failed.name.clone()]);
    let mut before = read.hosts[0].clone();
    before.name = failed.name.clone();
    let newest = Captured { version: InventoryVersion(1), hosts: vec![before.clone()] };
    let stored = judge(&wave, Some(&newest), read.hosts.clone(), &names).unwrap();
    assert_eq!(stored, Judgement::Store(vec![read.hosts[0].clone(), before]));
    assert_eq!(judge(&wave, None, Vec::new(), &names).unwrap(), Judgement::Nothing);
    assert_eq!(judge(&wave, Some(&newest), Vec::new(), &names).unwrap(), Judgement::Same);
}

#[tokio::test]
async fn a_wave_of_a_network_is_everything_with_an_address_in_it() {
    let bench = Bench::start().await;
    let world = |name: &str| bench.sim.shared().world().ec2.find(Kind::Instance, REGION, name).unwrap().to_owned();
    // Two that have one name would be refused.
    let twin = world("twin-2");
    bench.sim.shared().world().ec2.instances.remove(&twin);
    let read = bench.read("whole", &["odd"]).await.unwrap();
    let names: BTreeSet<&str> = read
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .chain(read.failed.iter().map(|host| host.name.as_str()))
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["app-1", "heard", "mute", "mute-too", "odd", "twin", "web-1"]),
        "all but `stray`"
    );
}

#[tokio::test]
async fn a_gateway_and_an_adapter_that_ec2_does_not_know_are_told_and_no_contradiction() {
    let bench = Bench::start().await;
    let (hosts, _) = bench.capture("wave-1", &[]).await.unwrap();
    let host = &hosts[1];
    let mut guest = host.guest.clone().unwrap();
    assert_eq!(compare(&host.name, &host.nics, &guest), (Vec::new(), Vec::new()));
    let mut bridge = guest.nics[0].clone();
    bridge.name = "docker0".into();
    bridge.mac = MacAddress::parse("02:42:00:00:00:01").unwrap();
    bridge.addresses = vec![NicAddress { address: "172.17.0.1".parse().unwrap(), prefix_length: 16 }];
    guest.nics.push(bridge);
    guest.nics[0].gateway = Some("172.30.1.254".parse().unwrap());
    let (contradictions, notes) = compare(&host.name, &host.nics, &guest);
    assert_eq!(contradictions, []);
    assert!(notes[0].ends_with("the gateway is 172.30.1.1 for EC2, 172.30.1.254 for the guest"), "{notes:?}");
    assert!(notes[1].ends_with("adapter `docker0` (02:42:00:00:00:01), which has 172.17.0.1"), "{notes:?}");
}

/// Items as older scripts wrote them.
fn rows(items: &[[&str; 3]]) -> Vec<OldRow> {
    let row = |[instance, name, address]: &[&str; 3]| {
        let pairs =
            [("InstanceId", instance), ("InstanceName", name), ("PrivateIp", address), ("CapturedBy", &"script")];
        pairs.iter().filter(|(_, text)| !text.is_empty()).map(|(k, v)| ((*k).to_owned(), (**v).to_owned())).collect()
    };
    items.iter().map(row).collect()
}

fn imported(wave: &str, items: &[[&str; 3]], newest: Option<&Captured>) -> Result<Imported, Fault> {
    let map = map("vpc-0000000a");
    let name = WaveName::parse(wave).unwrap();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    import(&rows(items), "old", &map, (&name, map.waves.get(&name).unwrap()), newest, now)
}

const WEB: [&str; 3] = ["i-0000000000000034", "web-1", "172.30.1.34"];
const APP: [&str; 3] = ["i-0000000000000035", "app-1", "172.30.1.35"];

#[test]
fn a_table_of_older_scripts_is_a_wave_that_is_marked_imported() {
    let found = imported("whole", &[WEB, APP, ["i-0000000000000036", "far", "10.9.9.9"]], None).unwrap();
    let told: Vec<_> = found.hosts.iter().map(|host| (host.name.as_str(), host.nics[0].primary.to_string())).collect();
    assert_eq!(told, [("app-1", "172.30.1.35".to_owned()), ("web-1", "172.30.1.34".to_owned())]);
    assert_eq!(found.others, 1);
    for host in &found.hosts {
        assert_eq!(host.imported_from.as_deref(), Some("old"));
        let nic = &host.nics[0];
        assert!(host.platform.is_none() && nic.mac.is_none() && nic.eni.is_none() && nic.subnet.is_none());
        assert_eq!((nic.network.as_str(), nic.prefix.to_string().as_str()), ("app", "172.30.1.0/24"));
    }
    let newest = Captured { version: InventoryVersion(1), hosts: found.hosts.clone() };
    let again = imported("whole", &[APP, WEB], Some(&newest)).unwrap();
    let judged = judge(&WaveName::parse("whole").unwrap(), Some(&newest), again.hosts, &none()).unwrap();
    assert_eq!(judged, Judgement::Same);
}

#[test]
fn a_table_with_a_bad_row_is_refused_whole_and_names_each() {
    let bad = [
        WEB,
        [WEB[0], "web-2", "172.30.1.36"],
        ["i-0000000000000037", WEB[1], "172.30.1.37"],
        ["i-0000000000000038", "web-4", WEB[2]],
        ["i-0000000000000039", "web-5", "172.30.1.300"],
        ["", "web-6", "172.30.1.40"],
        ["web", "web-7", "172.30.1.41"],
        ["i-0000000000000042", "", "172.30.1.42"],
    ];
    let fault = imported("whole", &bad, None).unwrap_err();
    assert_eq!(fault.name, FaultName::InvalidInput);
    for text in [
        "row with InstanceId `i-0000000000000034`, InstanceName `web-2`, PrivateIp `172.30.1.36`: InstanceId is that of `web-1`",
        "InstanceName `web-1`, PrivateIp `172.30.1.37`: InstanceName is that of `web-1` (i-0000000000000034, 172.30.1.34) too",
        "InstanceName `web-4`, PrivateIp `172.30.1.34`: PrivateIp is that of `web-1`",
        "PrivateIp `172.30.1.300` is not an IPv4 address",
        "row with InstanceName `web-6`, PrivateIp `172.30.1.40`: InstanceId is missing",
        "InstanceId `web` is not",
        "row with InstanceId `i-0000000000000042`, PrivateIp `172.30.1.42`: InstanceName is missing",
        "nothing was stored",
    ] {
        assert!(fault.message.contains(text), "`{text}` is not in: {}", fault.message);
    }
}

#[test]
fn what_a_table_cannot_answer_or_would_make_worse_is_refused() {
    let by_tags = imported("wave-1", &[WEB], None).unwrap_err();
    assert!(by_tags.message.contains("selects by tags or subnet"), "{}", by_tags.message);
    let none = imported("whole", &[["i-0000000000000036", "far", "10.9.9.9"]], None).unwrap_err();
    assert!(none.message.contains("none of the 1 rows of table `old` is of wave `whole`"), "{}", none.message);
    let mut hosts = imported("whole", &[WEB], None).unwrap().hosts;
    hosts[0].imported_from = None;
    let captured = Captured { version: InventoryVersion(3), hosts };
    let worse = imported("whole", &[WEB, APP], Some(&captured)).unwrap_err();
    assert_eq!(worse.name, FaultName::CaptureWorse);
    assert!(
        worse.message.contains("version 3 of wave `whole` has `web-1` as Holdfast captured it"),
        "{}",
        worse.message
    );
}
