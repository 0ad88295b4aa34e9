//! Every kind of route at once, through the whole of it: `worlds/every-route.yaml` and its network map.

use crate::routes_disturbed::never_worse;
use crate::support::{begin_and_kill_in, changes, green, held, lab_with, last_call, leases_run_out, power, power_some};
use crate::tables::{Tables, changed, tables};
use holdfast_lab::{Execution, Lab, LabOptions, Source, network_map, prober, query, wait};
use holdfast_sim::dataplane::{ProbeRequest, probes};
use holdfast_sim::prism::state::Power;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EAST: &str = "us-east-1";
const WEST: &str = "us-west-2";
const CLIENTS: [&str; 4] = ["campus", "depot", "desk", "monitor"];
pub const WEB: &str = "172.30.1.11";
const BATCH: &str = "172.30.1.12";
const LEDGER: &str = "172.30.2.21";
pub const ALL: [&str; 3] = [WEB, BATCH, LEDGER];
/// Each machine is at its own instance.
const ON_EC2: &str = "EC2";
const INSTANCES: [&str; 3] = ["i-0e11000000000011a", "i-0e11000000000012b", "i-0e11000000000021c"];

#[tokio::test(flavor = "multi_thread")]
async fn machine_by_machine_every_kind_of_route_follows() {
    let lab = captured().await;
    let on_ec2 = tables(&lab);
    served(&lab, &ALL, ON_EC2);
    one_machine_ahead(&lab, &on_ec2).await;
    the_rest_of_its_network(&lab).await;
    what_stands_against_the_last_network(&lab).await;
    the_last_network(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_route_follows_to_the_other_region_and_back_to_ec2() {
    let lab = captured().await;
    let on_ec2 = tables(&lab);
    for wave in ["first", "rest", "data"] {
        migrated(&lab, wave).await;
        run(&lab, "cutover", json!({"wave": wave})).await;
    }
    run(&lab, "failover", json!({"networks": ["app", "db"], "to": "east"})).await;
    to_the_other_region_and_back(&lab).await;
    without_the_first_region(&lab).await;
    back_to_ec2(&lab, &on_ec2).await;
}

/// The world with every machine on EC2 and in the inventory.
pub async fn captured() -> Lab {
    let world = Source::File(document("every-route.yaml"));
    let map = Source::File(document("every-route.map.yaml"));
    let lab = lab_with(LabOptions { world, map, ..LabOptions::default() }).await;
    for wave in ["first", "rest", "data"] {
        run(&lab, "capture", json!({"wave": wave})).await;
    }
    lab
}

/// One machine of a subnet goes ahead by host routes. Where its network's route leads the right way already, none is made. It is taken back, and goes again.
async fn one_machine_ahead(lab: &Lab, on_ec2: &Tables) {
    migrated(lab, "first").await;
    let ahead = run(lab, "cutover", json!({"wave": "first"})).await;
    assert!(ahead.words().contains("leads 172.30.1.11 of app to east"), "{}", ahead.words());
    let host = "172.30.1.11/32";
    let with_host = [
        format!("+ east-edge {host} -> nc2-east"),
        format!("+ east-lab {host} -> blackhole"),
        format!("+ east-vpcs {host} -> nc2-east"),
        format!("+ offices {host} -> east"),
        format!("+ tools {host} -> east-host-1-flow"),
    ];
    assert_eq!(changed(on_ec2, &tables(lab)), with_host);
    served(lab, &[WEB], "pc-east");
    served(lab, &[BATCH, LEDGER], ON_EC2);

    let undo = json!({"undo": operation(&ahead)});
    refused(lab, undo.clone(), &["EvidenceAgainst", "web"]).await;
    power(lab, "pc-east", Power::Off);
    instances(lab, "StartInstances", &INSTANCES[..1]).await;
    run(lab, "failover", undo.clone()).await;
    assert_eq!(tables(lab), *on_ec2);
    refused(lab, undo, &["NotUndoable", "was already taken back by op-"]).await;
    served(lab, &ALL, ON_EC2);
    instances(lab, "StopInstances", &INSTANCES[..1]).await;
    power(lab, "pc-east", Power::On);
    run(lab, "failover", json!({"networks": ["app"], "to": "east", "hosts": [WEB]})).await;
    assert_eq!(changed(on_ec2, &tables(lab)), with_host);
    served(lab, &[WEB], "pc-east");
    // Half of the network is there and half of it here: a drill finds each where its route leads, and says what a failover of all would do.
    for to in ["east", "legacy"] {
        let drill = run(lab, "drill", json!({"networks": ["app"], "to": to})).await;
        assert!(drill.words().contains("nothing is wrong in"), "{}", drill.words());
    }
}

/// The network follows: its host routes collapse into it. The legacy VPC stays connected as long as the other network is there.
async fn the_rest_of_its_network(lab: &Lab) {
    let before = tables(lab);
    migrated(lab, "rest").await;
    let whole = run(lab, "cutover", json!({"wave": "rest"})).await;
    let (host, network) = ("172.30.1.11/32", "172.30.1.0/24");
    assert_eq!(
        changed(&before, &tables(lab)),
        [
            format!("- east-edge {host} -> nc2-east"),
            format!("- east-lab {host} -> blackhole"),
            format!("- east-vpcs {host} -> nc2-east"),
            format!("- offices {host} -> east"),
            format!("- tools {host} -> east-host-1-flow"),
            format!("+ east-edge {network} -> nc2-east"),
            format!("+ east-lab {network} -> blackhole"),
            format!("+ east-vpcs {network} -> nc2-east"),
            format!("+ offices {network} -> east"),
            format!("+ tools {network} -> east-host-1-flow"),
        ]
    );
    served(lab, &[WEB, BATCH], "pc-east");
    served(lab, &[LEDGER], ON_EC2);

    // Taken back, the machine that went ahead keeps its host routes.
    let undo = json!({"undo": operation(&whole)});
    refused(lab, undo.clone(), &["EvidenceAgainst", "batch"]).await;
    power_some(lab, "pc-east", Power::Off, |name| name == "batch");
    instances(lab, "StartInstances", &INSTANCES[1..2]).await;
    run(lab, "failover", undo).await;
    assert_eq!(tables(lab), before);
    served(lab, &[WEB], "pc-east");
    served(lab, &[BATCH, LEDGER], ON_EC2);
    instances(lab, "StopInstances", &INSTANCES[1..2]).await;
    power_some(lab, "pc-east", Power::On, |name| name == "batch");
    run(lab, "failover", json!({"networks": ["app"], "to": "east"})).await;
    served(lab, &[WEB, BATCH], "pc-east");
}

/// An aggregate whose other network stays, a prefix list with somebody else's prefix, a table named under an account that does not own it.
async fn what_stands_against_the_last_network(lab: &Lab) {
    let west = json!({"networks": ["app"], "to": "west"});
    refused(lab, west, &["one route 172.30.0.0/16 for all its networks", "`db (at legacy)`"]).await;

    let lists = lab.sim().shared().world().ec2.prefix_lists.clone();
    let entry =
        [("PrefixListId", "pl-0e110000000000001"), ("CurrentVersion", "1"), ("AddEntry.1.Cidr", "10.99.0.0/16")];
    let owner = "300000000002";
    query::ec2(&lab.sim().aws_endpoint(), owner, EAST, "ModifyManagedPrefixList", &entry).await.unwrap();
    let db = json!({"networks": ["db"], "to": "east"});
    refused(lab, db.clone(), &["pl-0e110000000000001", "also holds `10.99.0.0/16`"]).await;
    lab.sim().shared().world().ec2.prefix_lists = lists;

    let path = document("every-route.map.yaml");
    let map = std::fs::read_to_string(&path).unwrap();
    let map = network_map::localized(&map, &path, lab.sim()).unwrap();
    let mut wrong = map.clone();
    wrong["route_tables"]["east-lab"]["account"] = json!("nc2");
    lab.publish(&wrong).await.unwrap();
    refused(lab, db.clone(), &["tgw-rtb-0e110000000000003", "account `nc2` in us-east-1"]).await;
    lab.publish(&map).await.unwrap();
    // And the machine has not left yet.
    refused(lab, db, &["EvidenceAgainst", "i-0e11000000000021c"]).await;
}

/// With the last network one reference leads both, and the legacy VPC is disconnected.
async fn the_last_network(lab: &Lab) {
    let before = tables(lab);
    migrated(lab, "data").await;
    run(lab, "cutover", json!({"wave": "data"})).await;
    let (app, db) = ("172.30.1.0/24", "172.30.2.0/24");
    assert_eq!(
        changed(&before, &tables(lab)),
        [
            "- east-edge propagated by legacy".to_owned(),
            "- east-vpcs propagated by legacy".to_owned(),
            "+ east-edge list moving -> nc2-east".to_owned(),
            format!("+ east-lab {db} -> blackhole"),
            format!("+ east-vpcs {db} -> nc2-east"),
            format!("+ offices {db} -> east"),
            format!("+ tools {db} -> east-host-1-flow"),
        ]
    );
    served(lab, &ALL, "pc-east");
    // Nobody asked for `app`, which kept its own route under the reference; whoever does is rid of it.
    run(lab, "failover", json!({"networks": ["app", "db"], "to": "east"})).await;
    assert!(!tables(lab).contains(&format!("east-edge {app} -> nc2-east")));
    served(lab, &ALL, "pc-east");
}

/// Driven from there, and by `undo` back.
async fn to_the_other_region_and_back(lab: &Lab) {
    let at_east = tables(lab);
    let [west, east] = ["west", "east"].map(|to| json!({"networks": ["app", "db"], "to": to}));
    recover(lab).await;
    killed_at(lab, WEST, &west, "ModifyTransitGatewayPrefixListReference").await;
    let there = execute(lab, WEST, "failover", west.clone()).await;
    green(&there);
    let mut follows = Vec::new();
    for (line, network) in
        [("-", "172.30.1.0/24"), ("-", "172.30.2.0/24"), ("+", "172.30.1.0/24"), ("+", "172.30.2.0/24")]
    {
        let [vpcs, tools] = if line == "-" { ["nc2-east", "east-host-1-flow"] } else { ["east-west", "nc2-nc2"] };
        follows.push(format!("{line} east-vpcs {network} -> {vpcs}"));
        follows.push(format!("{line} tools {network} -> {tools}"));
    }
    for (line, edge, aggregate) in [("-", "nc2-east", "east-west"), ("+", "east-west", "nc2-west")] {
        follows.push(format!("{line} east-edge list moving -> {edge}"));
        follows.push(format!("{line} west 172.30.0.0/16 -> {aggregate}"));
    }
    let mut seen = changed(&at_east, &tables(lab));
    seen.sort();
    follows.sort();
    assert_eq!(seen, follows);
    served(lab, &ALL, "pc-west");
    leases_run_out(lab, &["app", "db"]).await;

    recover(lab).await;
    run(lab, "failover", east).await;
    assert_eq!(tables(lab), at_east);
    served(lab, &ALL, "pc-east");

    recover(lab).await;
    killed_at(lab, EAST, &west, "ReplaceRoute").await;
    let there = run(lab, "failover", west).await;
    served(lab, &ALL, "pc-west");
    leases_run_out(lab, &["app", "db"]).await;
    recover(lab).await;
    run(lab, "failover", json!({"undo": operation(&there)})).await;
    assert_eq!(tables(lab), at_east);
    served(lab, &ALL, "pc-east");
}

/// The first Region is lost with all at its site; the other one drives, and reconciles when the first is back.
async fn without_the_first_region(lab: &Lab) {
    let at_east = tables(lab);
    lost(lab, true).await;
    lab.control().post("/recovery-plans/all/failover", &json!({"kind": "unplanned"})).await.unwrap();
    let west = json!({"networks": ["app", "db"], "to": "west", "lost": EAST});
    let since = last_call(lab).await;
    let without = execute(lab, WEST, "failover", west).await;
    green(&without);
    assert_eq!(
        changed(&at_east, &tables(lab)),
        ["- west 172.30.0.0/16 -> east-west", "+ west 172.30.0.0/16 -> nc2-west"]
    );
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let called =
        log.as_array().unwrap().iter().filter(|call| call["region"] == EAST || call["source"] == "prism:pc-east");
    assert_eq!(called.collect::<Vec<_>>(), Vec::<&Value>::new());
    assert!(log.as_array().unwrap().len() > 30, "the log is not where this test looks");
    for address in ALL {
        prober::answered_at(&asked(lab, "depot", address), "pc-west").unwrap();
    }

    lost(lab, false).await;
    let reconcile = json!({"reconcile": ["app", "db"]});
    held(&execute(lab, WEST, "failover", reconcile.clone()).await, "runs at `east`");
    power(lab, "pc-east", Power::Off);
    green(&execute(lab, WEST, "failover", reconcile).await);
    served(lab, &ALL, "pc-west");
}

/// Cuts the first Region off with its Prism Central, or brings it back.
async fn lost(lab: &Lab, lost: bool) {
    for place in [format!("/regions/{EAST}"), "/prism/pc-east".to_owned()] {
        lab.control().post(&place, &json!({"lost": lost})).await.unwrap();
    }
}

/// `swap-route` dies before such a call, and started again after one.
async fn killed_at(lab: &Lab, region: &str, input: &Value, action: &str) {
    for when in ["before", "after"] {
        let call = json!({"function": "holdfast-swap-route", "service": "ec2", "action": action});
        let hold = json!({"match": call, "when": when});
        let dead = begin_and_kill_in(lab, region, "failover", input, hold).await;
        held(&dead.unwrap_or_else(|| panic!("{action} was not called")), "Runtime.ExitError");
        never_worse(lab, &format!("{when} {action}"));
    }
}

/// From the other Region straight to EC2: the legacy VPC is connected again before anything leads there, and every table is as it was at first.
async fn back_to_ec2(lab: &Lab, on_ec2: &Tables) {
    power(lab, "pc-west", Power::Off);
    instances(lab, "StartInstances", &INSTANCES).await;
    let home = json!({"networks": ["app", "db"], "to": "legacy"});
    killed_at(lab, EAST, &home, "EnableTransitGatewayRouteTablePropagation").await;
    run(lab, "failover", home).await;
    assert_eq!(changed(on_ec2, &tables(lab)), Vec::<String>::new());
    served(lab, &ALL, ON_EC2);
    prober::answered_at(&asked(lab, "bench", WEB), INSTANCES[0]).unwrap();
}

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds").join(name)
}

async fn execute(lab: &Lab, region: &str, machine: &str, input: Value) -> Execution {
    let execution = lab.run(region, machine, &input).await.unwrap_or_else(|error| panic!("{}", error.line()));
    println!("{machine} {input}: {}", execution.words());
    execution
}

pub async fn run(lab: &Lab, machine: &str, input: Value) -> Execution {
    let execution = execute(lab, EAST, machine, input).await;
    green(&execution);
    execution
}

/// The failover is refused with all of `says` in its words, and nothing was changed by it.
async fn refused(lab: &Lab, input: Value, says: &[&str]) {
    let (since, before) = (last_call(lab).await, tables(lab));
    let execution = execute(lab, EAST, "failover", input.clone()).await;
    for text in says {
        held(&execution, text);
    }
    assert_eq!(changes(lab, since).await, Vec::<Value>::new(), "{input}");
    assert_eq!(tables(lab), before, "{input}");
}

/// The operation that an execution applied.
fn operation(execution: &Execution) -> Value {
    let operation = execution.output_of("SwapRoutes")["operation"].clone();
    assert!(operation.is_string(), "no operation: {}", execution.words());
    operation
}

/// Move cuts a plan over: instances stopped, VMs with addresses of the pool.
pub async fn migrated(lab: &Lab, plan: &str) {
    lab.control().post("/move/mover/cutover", &json!({"plan": plan})).await.unwrap();
}

/// Nutanix moves all VMs to the other site.
pub async fn recover(lab: &Lab) {
    lab.control().post("/recovery-plans/all/failover", &json!({"kind": "planned"})).await.unwrap();
}

/// A person starts or stops instances, and waits.
async fn instances(lab: &Lab, action: &str, ids: &[&str]) {
    let keys: Vec<String> = (1..=ids.len()).map(|at| format!("InstanceId.{at}")).collect();
    let named: Vec<(&str, &str)> = keys.iter().map(String::as_str).zip(ids.iter().copied()).collect();
    let call = async |action| lab.ec2(EAST, action, &named).await.unwrap_or_else(|error| panic!("{}", error.line()));
    call(action).await;
    let changing = |seen: &str| ["<name>pending<", "<name>stopping<"].iter().any(|state| seen.contains(state));
    let changed = wait::until("the new state of the instances", Duration::from_secs(60), || async {
        Ok((!changing(&call("DescribeInstances").await)).then_some(()))
    });
    changed.await.unwrap();
}

pub fn asked(lab: &Lab, client: &str, address: &str) -> Value {
    let probe = ProbeRequest { from: client.to_owned(), to: address.parse().unwrap(), count: 2 };
    probes(&mut lab.sim().shared().world(), &probe).unwrap()
}

/// Every client reaches every address, by each zone, and one machine at `place` answers. The laboratory reaches no address on NC2.
pub fn served(lab: &Lab, addresses: &[&str], place: &str) {
    for address in addresses {
        let instance = ALL.iter().zip(INSTANCES).find(|(known, _)| *known == address).unwrap().1;
        let exact = if place == ON_EC2 { instance } else { place };
        for client in CLIENTS {
            let seen = prober::answered_at(&asked(lab, client, address), exact);
            seen.unwrap_or_else(|seen| panic!("{address} asked from {client}: {seen}"));
        }
        let bench = asked(lab, "bench", address);
        assert_eq!(bench["received"], if place == ON_EC2 { 2 } else { 0 }, "{bench}");
    }
}
