//! Bad input: one clear error that names the place and the mend, and nothing changed. All cases share one lab, in the order of the story.

use crate::support::{
    TOKYO, changes, dynamodb, ec2, green, held, lab_with, last_call, migrate, patient_map, published, run, story_world,
    tables, to,
};
use crate::{against, hints};
use holdfast_lab::{Execution, IMPORT_TABLE, Lab, LabOptions, Source};
use holdfast_sim::prism::Signal;
use holdfast_sim::prism::file::{NicFile, VmFile};
use holdfast_sim::prism::state::Power;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_named_with_its_mend_and_changes_nothing() {
    // A copy of `web-1` that is off, as a test migration leaves one behind.
    let mut world = story_world();
    let twin: VmFile = serde_json::from_value(json!({
        "name": "web-1", "id": TWIN, "powered_off": true, "nics": [NicFile { subnet: "landing".to_owned(), address: None, secondary: Vec::new(), mac: None, disconnected: false }],
    }))
    .unwrap();
    world.prism_centrals.get_mut("pc-tokyo").unwrap().vms.push(twin);
    let world = Source::Text(serde_json::to_string(&world).unwrap());
    let lab = lab_with(LabOptions { world, map: Source::Text(patient_map()), ..LabOptions::default() }).await;
    let on_ec2 = tables(&lab).await;

    a_table_of_older_scripts(&lab).await;
    two_machines_of_one_name(&lab).await;
    another_version(&lab).await;
    migrate(&lab).await;
    two_vms_of_one_name(&lab).await;
    a_prism_central_that_is_not_the_declared_one(&lab).await;
    against::a_quota_that_is_used_up(&lab).await;
    let accepting = against::load_balancer_targets(&lab).await;
    lab.publish(&accepting).await.unwrap();
    let first = json!({"wave": "wave-1", "inventory": 1});
    let first = with_a_secret_changed_meanwhile(&lab, "holdfast-restore-nic", "cutover", first).await;
    green(&first);
    worked_with_the_first_version(&first);
    lab.publish(&published(&lab, &patient_map())).await.unwrap();
    remove_twin(&lab);
    let recheck = json!({"wave": "wave-1"});
    green(&with_a_secret_changed_meanwhile(&lab, "holdfast-watch", "recheck", recheck).await);

    execution_inputs(&lab).await;
    hints::only_a_signed_hint_brings_about_a_look(&lab).await;
    network_maps(&lab).await;
    against::a_vpc_without_the_fvn_prefix(&lab).await;
    against::a_prism_central_that_does_not_answer(&lab).await;
    against::an_attachment_that_is_not_available(&lab).await;
    against::a_table_that_fis_manages(&lab).await;
    against::operations_and_drift(&lab).await;
    against::the_way_back_to_ec2(&lab, &on_ec2).await;
}

const TWIN: &str = "0a0a0a0a-0000-4000-8000-000000000001";

/// The execution is refused with all of `says` in its words, and nothing was changed by it.
pub async fn refused(lab: &Lab, machine: &str, input: Value, says: &[&str]) -> Execution {
    let (since, before) = (last_call(lab).await, tables(lab).await);
    let execution = run(lab, machine, input.clone()).await;
    for text in says {
        held(&execution, text);
    }
    assert_eq!(changes(lab, since).await, Vec::<Value>::new(), "{machine} {input}");
    assert_eq!(tables(lab).await, before, "{machine} {input}");
    execution
}

/// One row is bad, then mended: the wave is what the table says. EC2 is captured after it, but the cutover works with the table's version.
async fn a_table_of_older_scripts(lab: &Lab) {
    let elsewhere = json!({"wave": "wave-1", "import": "another"});
    refused(lab, "capture", elsewhere, &["NotConfigured", "`another` may not be read", "ImportTable"]).await;
    let import = json!({"wave": "wave-1", "import": IMPORT_TABLE});
    let by_tags = published(lab, &patient_map());
    let mut by_network = by_tags.clone();
    by_network["waves"]["wave-1"]["select"] = json!({"kind": "network", "name": "app"});
    lab.publish(&by_network).await.unwrap();
    let key = json!([{"AttributeName": "InstanceId", "KeyType": "HASH"}]);
    let types = json!([{"AttributeName": "InstanceId", "AttributeType": "S"}]);
    let table = json!({"TableName": IMPORT_TABLE, "KeySchema": key, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST"});
    dynamodb(lab, "CreateTable", table).await;
    let put = async |instance: &str, name: &str, address: &str| {
        let item = json!({"InstanceId": {"S": instance}, "InstanceName": {"S": name}, "PrivateIp": {"S": address}});
        dynamodb(lab, "PutItem", json!({"TableName": IMPORT_TABLE, "Item": item})).await;
    };
    put("i-0a1b2c3d4e5f60034", "web-1", "172.30.1.34").await;
    put("i-0a1b2c3d4e5f60035", "app-1", "172.30.1.34").await;
    refused(lab, "capture", import.clone(), &["InvalidInput", "PrivateIp is that of `", "nothing was stored"]).await;
    put("i-0a1b2c3d4e5f60035", "app-1", "172.30.1.35").await;
    let done = run(lab, "capture", import).await;
    green(&done);
    assert!(done.words().contains("imported 2 hosts of wave-1 as version 1"), "{}", done.words());
    lab.publish(&by_tags).await.unwrap();
}

async fn two_machines_of_one_name(lab: &Lab) {
    let name = async |name| {
        let tag = [("ResourceId.1", "i-0a1b2c3d4e5f60035"), ("Tag.1.Key", "Name"), ("Tag.1.Value", name)];
        ec2(lab, "CreateTags", &tag).await;
    };
    name("web-1").await;
    refused(lab, "capture", json!({"wave": "wave-1"}), &["DuplicateName", "i-0a1b2c3d4e5f60035", "web-1"]).await;
    name("app-1").await;
    green(&run(lab, "capture", json!({"wave": "wave-1"})).await);
}

/// A guest changed its settings since: the wave has three versions.
async fn another_version(lab: &Lab) {
    {
        let mut world = lab.sim().shared().world();
        let mut guests = world.guests.all.values_mut();
        guests.find(|guest| guest.host_name == "app-1").unwrap().adapters[0].mtu = 1400;
    }
    let capture = run(lab, "capture", json!({"wave": "wave-1"})).await;
    green(&capture);
    assert!(capture.words().contains("as version 3"), "{}", capture.words());
}

/// The functions of a cutover that read the inventory used the version that was named.
fn worked_with_the_first_version(cutover: &Execution) {
    let preflight = cutover.output_of("Preflight").to_string();
    assert!(preflight.contains("version 1: app-1, web-1"), "{preflight}");
    let restored = cutover.output_of("RestoreNics")["summary"].to_string();
    assert!(restored.contains("wave wave-1 is right at nc2-tokyo by version 1 of its inventory"), "{restored}");
    assert_eq!(cutover.output_of("TakeEvidence")["inventory"], json!({"wave-1": 1}));
}

/// Without Move's record the name decides, and two VMs have it; with it a twin that runs still answers for the host.
async fn two_vms_of_one_name(lab: &Lab) {
    let map = published(lab, &patient_map());
    let mut by_name = map.clone();
    by_name["waves"]["wave-1"].as_object_mut().unwrap().remove("move");
    lab.publish(&by_name).await.unwrap();
    refused(lab, "cutover", json!({"wave": "wave-1"}), &["VmAmbiguous", "`web-1`", TWIN]).await;
    lab.publish(&map).await.unwrap();
}

async fn a_prism_central_that_is_not_the_declared_one(lab: &Lab) {
    let map = published(lab, &patient_map());
    let mut other = map.clone();
    other["prism_centrals"]["pc-tokyo"]["trust"] = json!({"kind": "fingerprint", "sha256": "0".repeat(64)});
    lab.publish(&other).await.unwrap();
    let endpoint = &lab.sim().prism_centrals()["pc-tokyo"].url;
    refused(lab, "cutover", json!({"wave": "wave-1"}), &["UntrustedCertificate", endpoint, "fingerprint"]).await;
    lab.publish(&map).await.unwrap();

    lab.control().post("/prism/pc-tokyo", &json!({"lost": true})).await.unwrap();
    refused(lab, "cutover", json!({"wave": "wave-1"}), &["Unavailable", endpoint]).await;
    lab.control().post("/prism/pc-tokyo", &json!({"lost": false})).await.unwrap();
    with_a_wrong_password(lab, async || {
        refused(lab, "cutover", json!({"wave": "wave-1"}), &["WrongPassword", endpoint]).await;
    })
    .await;
}

/// While the secret of the Prism Central in Tokyo has another password than it.
async fn with_a_wrong_password(lab: &Lab, then: impl AsyncFnOnce()) {
    let secrets = &lab.aws(TOKYO).unwrap().secrets;
    let secret = secrets.get_secret_value().secret_id("holdfast/pc-tokyo").send().await.unwrap();
    let put = |text: String| secrets.put_secret_value().secret_id("holdfast/pc-tokyo").secret_string(text).send();
    put(json!({"username": "holdfast", "password": "wrong"}).to_string()).await.unwrap();
    then().await;
    put(secret.secret_string().unwrap().to_owned()).await.unwrap();
}

/// A function has read a secret that is not right any more when it calls: it reads it again, within the invocation.
async fn with_a_secret_changed_meanwhile(lab: &Lab, function: &str, machine: &str, input: Value) -> Execution {
    let hold = json!({"match": {"source": "prism:pc-tokyo", "function": function}, "when": "before"});
    let hold = format!("/holds/{}", lab.control().post("/holds", &hold).await.unwrap()["id"]);
    let mut arn = String::new();
    with_a_wrong_password(lab, async || {
        arn = lab.begin(TOKYO, machine, &input).await.unwrap();
        assert_eq!(lab.control().get(&format!("{hold}?wait_ms=60000")).await.unwrap()["state"], "held");
    })
    .await;
    lab.control().post(&format!("{hold}/release"), &json!({})).await.unwrap();
    lab.finish(TOKYO, &arn).await.unwrap()
}

fn remove_twin(lab: &Lab) {
    let mut world = lab.sim().shared().world();
    let vms = &mut world.prisms.get_mut("pc-tokyo").unwrap().vms;
    let twin = *vms.iter().find(|(id, vm)| id.to_string() == TWIN && vm.power == Power::Off).unwrap().0;
    vms.remove(&twin);
    holdfast_sim::guests::vm_changed(&mut world, "pc-tokyo", &Signal::Deleted { vm: twin });
}

async fn execution_inputs(lab: &Lab) {
    let (since, before) = (last_call(lab).await, tables(lab).await);
    for (machine, input, says) in [
        ("capture", json!({"wave": "wave-9"}), "`wave-9`"),
        ("capture", json!({"wave": "wave-1", "hosts": 2}), "hosts"),
        ("cutover", json!({"wave": "wave-9"}), "`wave-9`"),
        ("cutover", json!({}), "wave"),
        ("cutover", json!({"wave": "wave-1", "hosts": 2}), "hosts"),
        (
            "cutover",
            json!({"wave": "wave-1", "inventory": 7}),
            "wave `wave-1` has no inventory version 7; it has 1 (imported), 2, 3",
        ),
        ("recheck", json!({"wave": "wave-9"}), "`wave-9`"),
        ("recheck", json!({"wave": "wave-1", "at": "nc2-kyoto"}), "`nc2-kyoto`"),
        ("recheck", json!({"wave": "wave-1", "inventory": 7}), "it has 1 (imported), 2, 3"),
        ("failover", json!({"networks": ["apps"], "to": "nc2-osaka"}), "`apps`"),
        ("failover", json!({"networks": ["app"], "to": "nc2-kyoto"}), "`nc2-kyoto`"),
        ("failover", json!({"networks": [], "to": "nc2-osaka"}), "empty"),
        ("failover", json!({"networks": ["app"]}), "`to` is missing"),
        ("failover", json!({"networks": ["app"], "to": "nc2-osaka", "fast": true}), "fast"),
        (
            "failover",
            json!({"networks": ["app"], "to": "nc2-osaka", "inventory": {"wave-9": 1}}),
            "wave `wave-9` has no inventory version 1; it has none",
        ),
        ("failover", json!({"undo": "op-20260101t000000-00000000"}), "op-20260101t000000-00000000"),
        ("failover", json!({"reconcile": []}), "empty"),
        ("drill", json!({"networks": ["apps"], "to": "nc2-osaka"}), "`apps`"),
        ("drill", json!({"networks": ["app"], "to": "nc2-kyoto"}), "`nc2-kyoto`"),
        (
            "drill",
            json!({"networks": ["app"], "to": "nc2-osaka", "inventory": {"wave-1": 7}}),
            "it has 1 (imported), 2, 3",
        ),
        ("drill", json!({"networks": [], "to": "nc2-osaka"}), "empty"),
        ("drill", json!({"networks": ["app"], "to": "nc2-osaka", "fast": true}), "fast"),
        ("drill", json!({"networks": ["app"], "to": "nc2-osaka", "test_failover": true}), "`recovery_plan`"),
    ] {
        held(&run(lab, machine, input).await, says);
    }
    assert_eq!(changes(lab, since).await, Vec::<Value>::new());
    assert_eq!(tables(lab).await, before);
}

/// Each error of the network map, found by an execution that reads it: the line of the document as it was published, and what to write.
async fn network_maps(lab: &Lab) {
    let map = published(lab, &patient_map());
    type Change = fn(&mut Value);
    let cases: [(Change, &str, &str); 7] = [
        (|map| map["networks"]["app"]["vlan"] = json!(7), "\"vlan\"", "`vlan`"),
        (
            |map| map["sites"]["nc2-tokyo"]["prism_central"] = json!("pc-kyoto"),
            "pc-kyoto",
            "Prism Central `pc-kyoto` is not under `prism_centrals` (declared: `pc-osaka`, `pc-tokyo`)",
        ),
        (
            |map| map["networks"]["wide"] = json!({"prefix": "172.30.0.0/16", "subnets": {}}),
            "172.30.0.0/16",
            "overlaps network `app` 172.30.1.0/24; declare one of them",
        ),
        (
            |map| drop(map["route_tables"]["tgw-osaka"]["next_hops"].as_object_mut().unwrap().remove("nc2-osaka")),
            "next_hops",
            "route table `tgw-osaka` has no next hop for site `nc2-osaka`; add `nc2-osaka: ",
        ),
        (|map| map["networks"]["app"]["prefix"] = json!("172.30.1.0/240"), "172.30.1.0/240", "is not an IPv4 prefix"),
        (|map| map["networks"]["app"]["prefix"] = json!("172.30.1.9/24"), "172.30.1.9/24", "write `172.30.1.0/24`"),
        (|map| map["networks"]["app"]["prefix"] = json!("fd00::/64"), "fd00::/64", "IPv6"),
    ];
    for (change, place, says) in cases {
        let mut wrong = map.clone();
        change(&mut wrong);
        let text = format!("{wrong:#}");
        lab.publish_text(&text).await.unwrap();
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains(place));
        let lines: Vec<String> = lines.map(|(at, _)| format!("line {}:", at + 1)).collect();
        let execution = refused(lab, "failover", to("nc2-tokyo"), &["InvalidMap", says]).await;
        assert!(lines.iter().any(|line| execution.cause.contains(line)), "{lines:?}: {}", execution.cause);
    }
    let mut other = map.clone();
    other["prism_centrals"]["pc-tokyo"]["trust"] = json!({"kind": "fingerprint", "sha256": "0".repeat(64)});
    lab.publish(&other).await.unwrap();
    let endpoint = &lab.sim().prism_centrals()["pc-tokyo"].url;
    refused(lab, "failover", to("nc2-osaka"), &["UntrustedCertificate", endpoint, "fingerprint"]).await;
    lab.publish(&map).await.unwrap();
    with_a_wrong_password(lab, async || {
        refused(lab, "failover", to("nc2-osaka"), &["WrongPassword", endpoint]).await;
    })
    .await;
}
