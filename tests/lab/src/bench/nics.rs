//! A wave of one-NIC hosts, each on the landing subnet where Move left it, repaired as `restore-nic` does.

use super::{Calls, Figure};
use crate::error::BoxError;
use holdfast_model::{
    Credentials, Fault, FaultName, HostRecord, Network, NetworkName, Policy, Trust, Wave, WaveName, wire::Progress,
};
use holdfast_nutanix::{Prism, TimeLimit, Timeouts};
use holdfast_restore_nic::{ANSWER, Job, Limits, NO_MORE_CHANGES, Note, Notes, restore};
use holdfast_sim::{Options, Sim, World};
use holdfast_store::RestoreKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// Time-out of `restore-nic` in the template.
const INVOCATION: Duration = Duration::from_secs(300);

/// One write to DynamoDB.
const WRITE: Duration = Duration::from_millis(30);

/// How long a task of the simulated Prism Central takes, and how many run at once.
const TASK: (f64, usize) = (3.0, 50);

/// Pause between two updates of the script that works on one host after another.
const SCRIPT_WAITS: f64 = 10.0;

/// What the process that is measured gets.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    url: String,
    username: String,
    password: String,
    ca: String,
    hosts: Vec<HostRecord>,
}

/// What it tells.
#[derive(Debug, Serialize, Deserialize)]
struct Took {
    seconds: f64,
    invocations: u32,
    peak_mb: f64,
}

/// All figures of this kind, each told when it is there.
pub(super) async fn figures(tell: impl Fn(&Figure)) -> Result<(), BoxError> {
    let whole = wave(1000, 0).await?;
    let tasks = whole.calls.mutating as f64;
    let script = tasks * (TASK.0 + SCRIPT_WAITS);
    let figure =
        |name, value, unit, floor, calls| tell(&Figure { name, value, unit, floor: Some(floor), calls, runs: 1 });
    let (seconds, least) = (whole.took.seconds, tasks * TASK.0 / TASK.1 as f64);
    figure("1,000 one-NIC hosts: addresses right in Prism and in the guests", seconds, "s", least, whole.calls);
    figure(
        "1,000 one-NIC hosts: times faster than one after another with 10 s between two updates (calculated)",
        script / seconds,
        "times",
        70.0,
        whole.calls,
    );
    figure("1,000 one-NIC hosts: memory of the process", whole.took.peak_mb, "MB", 128.0, whole.calls);
    let (few, many) = (finding(500).await?, finding(5000).await?);
    figure(
        "a wave of 100 hosts among 5,000 VMs, right already: calls (floor: the same among 500)",
        many.all as f64,
        "calls",
        few.all as f64,
        many,
    );
    Ok(())
}

/// A wave that was repaired.
struct Repaired {
    took: Took,
    calls: Calls,
}

/// Calls for a wave of 100 hosts that is right already, among `vms` VMs.
async fn finding(vms: usize) -> Result<Calls, BoxError> {
    let sim = start(&world(100, vms - 100, "app")?).await?;
    run(&sim, &hosts(100)?).await?;
    Ok(calls(&sim))
}

/// Repairs `count` hosts among `others` more VMs.
async fn wave(count: usize, others: usize) -> Result<Repaired, BoxError> {
    let sim = start(&world(count, others, "landing")?).await?;
    let took = run(&sim, &hosts(count)?).await?;
    Ok(Repaired { took, calls: calls(&sim) })
}

async fn start(world: &str) -> Result<Sim, BoxError> {
    Ok(Sim::start(World::from_yaml(world)?, Options::default()).await?)
}

fn calls(sim: &Sim) -> Calls {
    let mut calls = Calls::default();
    for entry in sim.shared().gate().log().since(0) {
        calls.all += 1;
        calls.mutating += usize::from(entry.mutating);
        calls.throttled += usize::from(entry.status == Some(429));
    }
    calls
}

/// Runs the repair in a process of its own.
async fn run(sim: &Sim, hosts: &[HostRecord]) -> Result<Took, BoxError> {
    let endpoint = sim.prism_centrals().get("prism").ok_or("the world has no Prism Central")?.clone();
    let order = Order {
        ca: std::fs::read_to_string(&endpoint.ca_file)?,
        url: endpoint.url,
        username: endpoint.username,
        password: endpoint.password,
        hosts: hosts.to_vec(),
    };
    let mut worker = tokio::process::Command::new(std::env::current_exe()?)
        .arg("bench-nics")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = worker.stdin.take().ok_or("the process that is measured has no stdin")?;
    stdin.write_all(serde_json::to_string(&order)?.as_bytes()).await?;
    drop(stdin);
    let output = worker.wait_with_output().await?;
    if !output.status.success() {
        return Err(format!("the process that is measured ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process that is measured: repairs the hosts that stdin names, in invocations as long as the function's, and tells what it took.
///
/// # Errors
/// What was not repaired.
pub async fn worker() -> Result<(), BoxError> {
    let order: Order = serde_json::from_reader(std::io::stdin())?;
    let trust = Trust::Ca { pem: order.ca };
    let credentials = Credentials::login(&order.username, &order.password);
    let prism = Prism::connect(&order.url, credentials, &trust, Timeouts::default())?;
    let networks: BTreeMap<NetworkName, Network> =
        serde_json::from_value(json!({"app": {"prefix": "10.64.0.0/20", "subnets": {"nc2": "app"}}}))?;
    let (wave, policy) = (WaveName::parse("wave-1")?, Policy::default());
    let declared: Wave = serde_json::from_value(json!({"from": "ec2", "to": "nc2", "select": {"kind": "vpc"}}))?;
    let notes = Kept::default();
    let begun = Instant::now();
    let mut invocations = 0;
    loop {
        invocations += 1;
        let limits = Limits {
            begin: TimeLimit::after(INVOCATION.saturating_sub(NO_MORE_CHANGES)),
            wait: TimeLimit::after(INVOCATION.saturating_sub(ANSWER)),
        };
        let job = Job {
            prism: &prism,
            appliance: None,
            failovers: &[],
            wave: &wave,
            declared: &declared,
            fvn_vpc: "prod",
            cluster: "cluster-1",
            networks: &networks,
            policy: &policy,
            hosts: &order.hosts,
            notes: &notes,
            limits,
        };
        if restore(&job).await.and_then(|report| report.finish()).map_err(|fault| fault.to_string())?.result
            == Progress::Done
        {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let took = Took { seconds, invocations, peak_mb: peak_mb()? };
    println!("{}", serde_json::to_string(&took)?);
    Ok(())
}

/// The most memory that this process had, in MB.
fn peak_mb() -> Result<f64, BoxError> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    Ok(line.ok_or("this system does not tell how much memory was used")?.trim().parse::<f64>()? / 1000.0)
}

/// Notes that take their time.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<RestoreKey, Note>>);

impl Kept {
    fn all<T>(&self, of: impl FnOnce(&mut BTreeMap<RestoreKey, Note>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Notes for Kept {
    async fn read(&self, _: &WaveName) -> Result<BTreeMap<RestoreKey, Note>, Fault> {
        pause().await;
        Ok(self.all(|notes| notes.clone()))
    }

    async fn write(&self, key: &RestoreKey, note: &Note) -> Result<(), Fault> {
        pause().await;
        self.all(|notes| notes.insert(key.clone(), note.clone()));
        Ok(())
    }

    async fn clear(&self, key: &RestoreKey) -> Result<(), Fault> {
        pause().await;
        let gone = || Fault::new(FaultName::Internal, "a note that is taken away was not there");
        self.all(|notes| notes.remove(key)).map(|_| ()).ok_or_else(gone)
    }
}

#[expect(clippy::disallowed_methods, reason = "stands for the time that DynamoDB takes")]
async fn pause() {
    tokio::time::sleep(WRITE).await;
}

/// Address of the host `n` in the network, beyond the pool.
fn address(n: usize) -> String {
    format!("10.64.{}.{}", 4 + n / 200, 10 + n % 200)
}

fn hosts(count: usize) -> Result<Vec<HostRecord>, BoxError> {
    let host = |n: usize| {
        serde_json::from_value(json!({
            "name": format!("host-{n:04}"), "wave": "wave-1", "instance": format!("i-{n:017x}"), "platform": "linux",
            "captured_at": "2026-01-02T03:04:05Z", "guest": null,
            "nics": [{"device_index": 0, "eni": format!("eni-{n:017x}"), "mac": "0a:00:00:00:00:01", "primary": address(n), "secondary": [],
                "subnet": "subnet-0a1b2c3d4e", "prefix": "10.64.0.0/20", "network": "app"}]
        }))
    };
    Ok((0..count).map(host).collect::<Result<_, _>>()?)
}

/// A Prism Central with `count` hosts of the wave on a subnet, and other VMs on a third one.
fn world(count: usize, others: usize, subnet: &str) -> Result<String, BoxError> {
    let mut vms = String::new();
    for n in 0..count {
        let own = if subnet == "app" { format!(", address: {}", address(n)) } else { String::new() };
        writeln!(vms, "      - {{ name: host-{n:04}, nics: [{{ subnet: {subnet}{own} }}] }}")?;
    }
    for n in 0..others {
        let address = format!("10.64.{}.{}", 32 + n / 200, 10 + n % 200);
        writeln!(vms, "      - {{ name: other-{n:04}, nics: [{{ subnet: elsewhere, address: {address} }}] }}")?;
    }
    let (milliseconds, at_once) = (TASK.0 * 1000.0, TASK.1);
    Ok(WORLD
        .replace("VMS\n", &vms)
        .replace("TASK_MS", &milliseconds.to_string())
        .replace("AT_ONCE", &at_once.to_string()))
}

const WORLD: &str = r#"
default_account: "111122223333"
switches:
  pace: { prism_ms: 30 }
  prism: { task_queued_reads: 0, task_running_reads: 0, task_ms: TASK_MS, tasks_at_once: AT_ONCE, learned_lag_reads: 0, address_lag_reads: 0 }
prism_centrals:
  prism:
    username: admin
    password: secret
    clusters: [{ name: cluster-1 }]
    vpcs:
      - { name: transit, kind: transit }
      - { name: prod, external_subnets: [outside], routable_prefixes: [10.64.0.0/16] }
    subnets:
      - { name: outside, vpc: transit, cidr: 100.64.10.0/24, external: true, nat: false }
      - { name: app, vpc: prod, cidr: 10.64.0.0/20, pools: [{ first: 10.64.0.10, last: 10.64.0.99 }] }
      - { name: landing, vpc: prod, cidr: 10.64.16.0/20, pools: [{ first: 10.64.16.10, last: 10.64.31.200 }] }
      - { name: elsewhere, vpc: prod, cidr: 10.64.32.0/19, pools: [{ first: 10.64.32.10, last: 10.64.63.200 }] }
    vms:
VMS
"#;
