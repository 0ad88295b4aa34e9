//! A wave of two hosts after its cutover: `web-1` landed in another subnet, `app-1` in the right one with an address of the pool.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use holdfast_guest::{Guest, Timing};
use holdfast_model::{
    Credentials, Event, ExtId, Fault, FaultName, HostRecord, Macs, Network, NetworkName, Policy, Trust, Wave, WaveName,
};
use holdfast_nutanix::{Move, Pauses, Prism, TimeLimit, Timeouts, Vm};
use holdfast_restore_nic::{GuestJob, Job, Limits, Note, Notes, Report, Restored, give_settings_back, restore};
use holdfast_sim::ec2::Kind;
use holdfast_sim::faults::When;
use holdfast_sim::{Endpoint, Options, Sim, World};
use holdfast_store::RestoreKey;
use serde_json::{Value, json};

pub const WORLD: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs:
      - name: ec2
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.1.0/24 }]
    instances:
      - { name: web-1, platform: windows, interfaces: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: app-1, interfaces: [{ subnet: app, address: 172.30.1.35 }] }
switches: { prism: { task_queued_reads: 0, task_running_reads: 0 } }
prism_centrals:
  tokyo:
    username: admin
    password: secret
    clusters: [{ name: cluster-1 }, { name: cluster-2 }]
    vpcs:
      - { name: transit, kind: transit }
      - { name: prod, external_subnets: [outside], routable_prefixes: [172.30.0.0/16] }
    subnets:
      - { name: outside, vpc: transit, cidr: 100.64.10.0/24, external: true, nat: false }
      - { name: app, vpc: prod, cidr: 172.30.1.0/24, pools: [{ first: 172.30.1.100, last: 172.30.1.199 }] }
      - { name: landing, vpc: prod, cidr: 172.31.99.0/24, pools: [{ first: 172.31.99.10, last: 172.31.99.99 }] }
    vms:
      - { name: other, nics: [{ subnet: landing }] }
moves:
  move-1:
    username: nutanix
    password: secret
    plans:
      - name: plan-1
        region: ap-northeast-1
        prism_central: tokyo
        network: landing
        workloads: [{ instance: web-1 }, { instance: app-1, network: app }]
"#;

/// Notes that outlive a start, as the operations table does.
#[derive(Default)]
pub struct Kept {
    notes: Mutex<BTreeMap<RestoreKey, Note>>,
    calls: Mutex<Calls>,
}

/// The calls of a table, which may be struck.
#[derive(Default)]
struct Calls {
    made: usize,
    struck: Option<(usize, When)>,
}

impl Notes for Kept {
    async fn read(&self, wave: &WaveName) -> Result<BTreeMap<RestoreKey, Note>, Fault> {
        let wave = |(key, note): (&RestoreKey, &Note)| (key.wave == *wave).then(|| (key.clone(), note.clone()));
        self.call(|notes| notes.iter().filter_map(wave).collect())
    }

    async fn write(&self, key: &RestoreKey, note: &Note) -> Result<(), Fault> {
        let document = serde_json::to_value(note).unwrap();
        self.call(|notes| drop(notes.insert(key.clone(), serde_json::from_value(document).unwrap())))
    }

    async fn clear(&self, key: &RestoreKey) -> Result<(), Fault> {
        self.call(|notes| drop(notes.remove(key).expect("a note that is taken away is there")))
    }
}

impl Kept {
    pub fn is_empty(&self) -> bool {
        self.notes.lock().unwrap().is_empty()
    }

    /// Calls so far.
    pub fn calls(&self) -> usize {
        self.calls.lock().unwrap().made
    }

    /// Has one call, counted from the first one, fail before or after its effect.
    pub fn strike(&self, call: usize, when: When) {
        self.calls.lock().unwrap().struck = Some((call, when));
    }

    fn call<T>(&self, effect: impl FnOnce(&mut BTreeMap<RestoreKey, Note>) -> T) -> Result<T, Fault> {
        let mut calls = self.calls.lock().unwrap();
        let struck = calls.struck.filter(|(call, _)| *call == calls.made).map(|(_, when)| when);
        calls.made += 1;
        let silent = || Fault::new(FaultName::Unavailable, "the operations table does not answer");
        if struck == Some(When::Before) {
            return Err(silent());
        }
        let done = effect(&mut self.notes.lock().unwrap());
        if struck.is_some() { Err(silent()) } else { Ok(done) }
    }
}

/// The wave, cut over, and what a start needs.
pub struct Scene {
    pub sim: Sim,
    pub notes: Kept,
    pub policy: Policy,
    pub declared: Wave,
    pub hosts: Vec<HostRecord>,
    pub with_move: bool,
    pub failovers: Vec<Event>,
    pub timeouts: Timeouts,
}

fn host(world: &World, name: &str) -> HostRecord {
    let instance = world.ec2.find(Kind::Instance, "ap-northeast-1", name).unwrap();
    let eni = &world.ec2.enis[world.ec2.instances[instance].enis.values().next().unwrap()];
    serde_json::from_value(json!({
        "name": name, "wave": "wave-1", "instance": instance, "platform": "linux",
        "captured_at": "2026-01-02T03:04:05Z", "guest": null,
        "nics": [{"device_index": 0, "eni": "eni-0a1b2c3d4e", "mac": eni.mac, "primary": eni.address, "secondary": eni.secondary,
            "subnet": "subnet-0a1b2c3d4e", "prefix": "172.30.1.0/24", "network": "app"}]
    }))
    .unwrap()
}

impl Scene {
    /// The world with a change of its file, after Move's cutover.
    pub async fn after_cutover(change: impl Fn(String) -> String) -> Self {
        let scene = Self::before_cutover(change).await;
        holdfast_sim::move_::cutover(&mut scene.sim.shared().world(), "move-1", "plan-1").unwrap();
        scene
    }

    /// The world with a change of its file.
    pub async fn before_cutover(change: impl Fn(String) -> String) -> Self {
        let world = World::from_yaml(&change(WORLD.to_owned())).unwrap();
        let hosts = vec![host(&world, "web-1"), host(&world, "app-1")];
        let sim = Sim::start(world, Options::callers_here()).await.unwrap();
        let policy = Policy { guest_timeout_seconds: 20, ..Policy::default() };
        let declared = json!({"from": "ec2-tokyo", "to": "nc2-tokyo", "select": {"kind": "vpc"}});
        let declared = serde_json::from_value(declared).unwrap();
        // The simulator is quicker than hardware.
        let pauses = Pauses { look: Duration::from_millis(10), again: Duration::from_millis(10) };
        let timeouts = Timeouts { pauses, ..Timeouts::default() };
        Self { sim, notes: Kept::default(), policy, declared, hosts, with_move: true, failovers: Vec::new(), timeouts }
    }

    /// Sets switches of Prism Central.
    pub fn switch(&self, switches: &Value) {
        let mut world = self.sim.shared().world();
        let mut all = serde_json::to_value(&world.switches.prism).unwrap();
        all.as_object_mut().unwrap().extend(switches.as_object().unwrap().clone());
        world.switches.prism = serde_json::from_value(all).unwrap();
    }

    pub fn prism(&self) -> Prism {
        let endpoint = &self.sim.prism_centrals()["tokyo"];
        Prism::connect(&endpoint.url, credentials(endpoint), &trust(endpoint), self.timeouts).unwrap()
    }

    /// One start of `restore-nic`.
    pub async fn start(&self) -> Result<Restored, Fault> {
        self.start_until(Duration::from_secs(120)).await
    }

    /// One start that begins no change after a time.
    pub async fn start_until(&self, begin: Duration) -> Result<Restored, Fault> {
        self.report_until(begin).await?.finish()
    }

    /// One start that also gives guests back what was set in them, where no change is begun in them after a time.
    pub async fn start_with_guests(&self, begin: Duration) -> Result<Restored, Fault> {
        let mut report = self.report_until(Duration::from_secs(120)).await?;
        let quick = Duration::from_millis(2);
        let credentials = aws_credential_types::Credentials::new("111122223333", "any", None, None, "test");
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("ap-northeast-1"))
            .endpoint_url(self.sim.aws_endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::standard().with_initial_backoff(quick))
            .build();
        let timing = Timing { deadline: Duration::from_secs(60), first_poll: quick, slowest_poll: quick };
        let (guest, prism) = (Guest::new(&config).with_timing(timing), self.prism());
        let limits = Limits { begin: TimeLimit::after(begin), wait: TimeLimit::after(Duration::from_secs(120)) };
        let job = GuestJob { guest: &guest, prism: &prism, hosts: &self.hosts, limits };
        give_settings_back(&job, &mut report).await;
        report.finish()
    }

    async fn report_until(&self, begin: Duration) -> Result<Report, Fault> {
        let endpoint = &self.sim.moves()["move-1"];
        let appliance = Move::connect(&endpoint.url, credentials(endpoint), &trust(endpoint), self.timeouts).unwrap();
        let prism = self.prism();
        let networks: BTreeMap<NetworkName, Network> =
            serde_json::from_value(json!({"app": {"prefix": "172.30.1.0/24", "subnets": {"nc2-tokyo": "app"}},
                "data": {"prefix": "172.30.2.0/24", "subnets": {"nc2-tokyo": "data"}}}))
            .unwrap();
        let wave = WaveName::parse("wave-1").unwrap();
        let job = Job {
            prism: &prism,
            appliance: self.with_move.then_some(&appliance),
            failovers: &self.failovers,
            wave: &wave,
            declared: &self.declared,
            fvn_vpc: "prod",
            cluster: "cluster-1",
            networks: &networks,
            policy: &self.policy,
            hosts: &self.hosts,
            notes: &self.notes,
            limits: Limits {
                begin: TimeLimit::after(begin),
                wait: self.timeouts.until.unwrap_or_else(|| TimeLimit::after(Duration::from_secs(120))),
            },
        };
        restore(&job).await
    }

    pub async fn vm(&self, name: &str) -> Vm {
        self.prism().vms_named(name).await.unwrap().remove(0)
    }

    /// Every host has one NIC, on the right subnet, connected, with its addresses, which its guest uses as it did in EC2; no note is left.
    pub async fn assert_right(&self, what: &str) {
        let app: ExtId = self.prism().subnets_named("app").await.unwrap().remove(0).id;
        for host in &self.hosts {
            let (name, record) = (host.name.as_str(), &host.nics[0]);
            let vm = self.vm(name).await;
            assert_eq!(vm.nics.len(), 1, "{what}: {name}: {:?}", vm.nics);
            let nic = &vm.nics[0];
            assert_eq!(nic.subnet, Some(app.clone()), "{what}: {name}");
            let addresses: Vec<_> = record.addresses().collect();
            assert_eq!(nic.configured, addresses, "{what}: {name}");
            let used: Vec<_> = addresses.into_iter().filter(|address| host.uses(*address)).collect();
            assert_eq!(nic.learned, used, "{what}: {name}");
            assert!(nic.connected, "{what}: {name}");
            if self.declared.mac_addresses == Macs::AsCaptured {
                assert_eq!(nic.mac, record.mac, "{what}: {name}");
            }
        }
        assert!(self.notes.is_empty(), "{what}: notes are left");
    }

    /// Writes a mapping of NICs into the wave, in place of any other.
    pub fn map_nics(&mut self, host: &str, mapping: &Value) {
        self.declared.nics = serde_json::from_value(json!({host: mapping})).unwrap();
    }

    /// Notes that guests were read at the capture and used their primary addresses only.
    pub fn guests_use_primary(&mut self) {
        for host in &mut self.hosts {
            let nics: Vec<Value> = host
                .nics
                .iter()
                .map(|nic| {
                    json!({"name": "eth", "mac": nic.mac, "addresses": [{"address": nic.primary, "prefix_length": 24}],
                        "addressing": "dhcp", "gateway": null, "dns": [], "dns_suffixes": [], "routes": [], "mtu": null})
                })
                .collect();
            let report = json!({"schema_version": 1, "host_name": host.name, "os": "os", "nics": nics, "end": true});
            host.guest = serde_json::from_value(report).unwrap();
        }
    }

    /// Powers a VM off, as a person would.
    pub fn power_off(&self, vm: &Vm) {
        let mut world = self.sim.shared().world();
        let prism = world.prisms.get_mut("tokyo").unwrap();
        let id = vm.id.to_string();
        let off = prism.vms.values_mut().find(|vm| vm.ext_id.to_string() == id).unwrap();
        off.power = holdfast_sim::prism::state::Power::Off;
    }

    /// Every mutating call so far.
    pub fn changes(&self) -> Vec<String> {
        let log = self.sim.shared().gate().log().since(0);
        log.into_iter().filter(|entry| entry.mutating).map(|entry| entry.action).collect()
    }
}

fn trust(endpoint: &Endpoint) -> Trust {
    Trust::Ca { pem: std::fs::read_to_string(&endpoint.ca_file).unwrap() }
}

fn credentials(endpoint: &Endpoint) -> Credentials {
    Credentials::login(&endpoint.username, &endpoint.password)
}
