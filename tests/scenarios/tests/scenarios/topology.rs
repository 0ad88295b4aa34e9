//! Another topology and other names than the story's, through the whole of it: `worlds/two-networks.yaml` and its network map.

use crate::support::{changes, green, held, lab_with, last_call};
use holdfast_lab::{Lab, LabOptions, Source, dynamodb, network_map, prober};
use serde_json::{Value, json};
use std::path::Path;

const FRANKFURT: &str = "eu-central-1";
const DUBLIN: &str = "eu-west-1";
const CLIENTS: [&str; 3] = ["plant", "depot", "desk-1"];
const ERP: [&str; 2] = ["10.64.17.20", "10.64.18.5"];
const WEB: [&str; 1] = ["10.64.40.11"];

#[tokio::test(flavor = "multi_thread")]
async fn another_topology_goes_through_the_whole_story() {
    let worlds = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds");
    let world = Source::File(worlds.join("two-networks.yaml"));
    let map = Source::File(worlds.join("two-networks.map.yaml"));
    let lab = lab_with(LabOptions { world, map, ..LabOptions::default() }).await;
    let on_ec2 = routes(&lab).await;
    served(&lab, &ERP[..1], "i-0a11000000000017a").await;
    served(&lab, &ERP[1..], "i-0a11000000000018b").await;
    served(&lab, &WEB, "i-0a11000000000040c").await;

    run(&lab, FRANKFURT, "capture", json!({"wave": "alpha"})).await;
    lab.control().post("/move/mover/cutover", &json!({"plan": "alpha"})).await.unwrap();
    run(&lab, FRANKFURT, "cutover", json!({"wave": "alpha"})).await;
    served(&lab, &ERP, "prism-fra").await;
    served(&lab, &WEB, "prism-fra").await;

    // Both networks in one operation, driven from the other Region.
    let both = json!({"networks": ["erp", "web"], "to": "dublin"});
    held(&lab.run(DUBLIN, "failover", &both).await.unwrap(), "EvidenceAgainst");
    recover(&lab, "erp").await;
    recover(&lab, "web").await;
    run(&lab, DUBLIN, "failover", both).await;
    served(&lab, &ERP, "prism-dub").await;
    served(&lab, &WEB, "prism-dub").await;

    // One of them back alone, which leaves the other behind in the Flow VPC that they share: refused until it is accepted by name. Then the other.
    recover(&lab, "web").await;
    let alone = json!({"networks": ["web"], "to": "frankfurt"});
    let refused = lab.run(FRANKFURT, "failover", &alone).await.unwrap();
    held(&refused, "network `erp` at `dublin` could not reach `web` any more");
    let path = worlds.join("two-networks.map.yaml");
    let accepting = std::fs::read_to_string(&path).unwrap() + "policy: { accept_stranded: [erp] }\n";
    lab.publish(&network_map::localized(&accepting, &path, lab.sim()).unwrap()).await.unwrap();
    run(&lab, FRANKFURT, "failover", alone).await;
    served(&lab, &ERP, "prism-dub").await;
    served(&lab, &WEB, "prism-fra").await;
    recover(&lab, "erp").await;
    run(&lab, FRANKFURT, "failover", json!({"networks": ["erp", "web"], "to": "frankfurt"})).await;
    served(&lab, &ERP, "prism-fra").await;
    served(&lab, &WEB, "prism-fra").await;
    a_drill_stores_a_report_and_nothing_else(&lab).await;

    // Nothing but the routes of the two networks was touched.
    let ours =
        |route: &Value| ["10.64.16.0/22", "10.64.40.0/24"].iter().any(|prefix| route.to_string().contains(prefix));
    let (mut now, mut before) = (routes(&lab).await, on_ec2);
    now.retain(|route| !ours(route));
    before.retain(|route| !ours(route));
    assert_eq!(now, before);
}

/// Whoever drills again has another report, which is what a drill is for. What the failover itself would refuse is no good drill.
async fn a_drill_stores_a_report_and_nothing_else(lab: &Lab) {
    let alone = lab.run(DUBLIN, "drill", &json!({"networks": ["erp"], "to": "dublin"})).await.unwrap();
    held(&alone, "network `web` at `frankfurt` could not reach `erp` any more");
    let drill = json!({"networks": ["erp", "web"], "to": "dublin"});
    another_map_in_the_other_region(lab, &drill).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let since = last_call(lab).await;
        run(lab, DUBLIN, "drill", drill.clone()).await;
        assert_eq!(changes(lab, since).await, Vec::<Value>::new());
        let operations = lab.items(FRANKFURT, dynamodb::OPERATIONS).await.unwrap();
        let (reports, others): (Vec<Value>, Vec<Value>) = operations
            .into_iter()
            .filter(|item| !["drill#", "evidence#"].iter().any(|kind| partition(item).starts_with(kind)))
            .partition(|item| partition(item).starts_with("report#"));
        seen.push((reports.len(), others, lab.items(FRANKFURT, dynamodb::INVENTORY).await.unwrap(), routes(lab).await));
    }
    let [first, again] = &seen[..] else { panic!("two drills") };
    assert_eq!(again.0, first.0 + 1, "reports");
    assert!((&again.1, &again.2, &again.3) == (&first.1, &first.2, &first.3), "operations, hosts or routes are others");
}

/// Whoever would drive from Frankfurt would do so by a map that this drill does not prove.
async fn another_map_in_the_other_region(lab: &Lab, drill: &Value) {
    let ssm = &lab.aws(FRANKFURT).unwrap().ssm;
    let parameter = || ssm.get_parameter().name("/holdfast/network-map").send();
    let right = parameter().await.unwrap().parameter().unwrap().value().unwrap().to_owned();
    let write = |value: &str| ssm.put_parameter().name("/holdfast/network-map").value(value).overwrite(true).send();
    let mut other: Value = serde_json::from_str(&right).unwrap();
    other["sha256"] = json!("0".repeat(64));
    write(&other.to_string()).await.unwrap();
    let refused = lab.run(DUBLIN, "drill", drill).await.unwrap();
    held(&refused, "network map in eu-central-1: it is another: SHA-256 0000");
    write(&right).await.unwrap();
}

fn partition(item: &Value) -> &str {
    item["pk"]["S"].as_str().unwrap()
}

async fn run(lab: &Lab, region: &str, machine: &str, input: Value) {
    let execution = lab.run(region, machine, &input).await.unwrap_or_else(|error| panic!("{}", error.line()));
    println!("{machine} {input}: {}", execution.words());
    green(&execution);
}

async fn recover(lab: &Lab, plan: &str) {
    lab.control().post(&format!("/recovery-plans/{plan}/failover"), &json!({"kind": "planned"})).await.unwrap();
}

/// Every client reaches every address, and what answers is at `place`.
async fn served(lab: &Lab, addresses: &[&str], place: &str) {
    for client in CLIENTS {
        for address in addresses {
            let probe = json!({"from": client, "to": address, "count": 1});
            let seen = lab.control().post("/probes", &probe).await.unwrap();
            prober::answered_at(&seen, place).unwrap_or_else(|seen| panic!("{address} asked from {client}: {seen}"));
        }
    }
}

/// Every static route of every transit gateway route table, each with its table.
async fn routes(lab: &Lab) -> Vec<Value> {
    let world = lab.control().get("/world").await.unwrap();
    let tables = world["ec2"]["tgw_route_tables"].as_object().unwrap();
    let mut all = Vec::new();
    for (id, table) in tables {
        for (prefix, route) in table["routes"].as_object().unwrap() {
            all.push(json!({"table": id, "prefix": prefix, "route": route}));
        }
    }
    all
}
