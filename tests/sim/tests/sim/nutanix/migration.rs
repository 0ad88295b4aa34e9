//! Move, recovery plans and the official client.

use std::fmt::Write as _;

use holdfast_sim::{Options, Sim, World, clients, ec2::Kind, move_, prism::failover};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::client::{Client, move_in, prism, read};

async fn log_in(mv: &Client) -> String {
    let form = [("grantType", "PASSWORD"), ("username", "nutanix"), ("password", mv.endpoint.password.as_str())];
    let reply = read(mv.bare("POST", "/move/v2/token").form(&form)).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["AccessToken"].as_str().unwrap().to_owned()
}

// nutanix-api G: the login of today and the older one.
#[tokio::test]
async fn move_gives_tokens_by_either_login() {
    let mv = move_in(str::to_owned).await;
    let list = || mv.bare("POST", "/move/v2/plans/list").json(&json!({}));
    assert_eq!(read(list()).await.status, 401);
    let wrong = [("grantType", "PASSWORD"), ("username", "nutanix"), ("password", "wrong")];
    assert_eq!(read(mv.bare("POST", "/move/v2/token").form(&wrong)).await.status, 401);
    let token = log_in(&mv).await;
    assert_eq!(read(list().bearer_auth(&token)).await.body["Entities"][0]["MetaData"]["Name"], "wave-1");
    assert_eq!(read(mv.bare("POST", "/move/v2/token/revoke").bearer_auth(&token)).await.status, 204);
    assert_eq!(read(list().bearer_auth(&token)).await.status, 401);

    let old =
        move_in(|file| file.replace("password: third secret", "password: third secret\n    older_login_only: true"))
            .await;
    assert_eq!(read(old.bare("POST", "/move/v2/token").form(&wrong)).await.status, 404);
    let spec = json!({"Spec": {"UserName": "nutanix", "Password": "third secret"}});
    let reply = read(old.bare("POST", "/move/v2/users/login").json(&spec)).await;
    let token = reply.body["Status"]["Token"].as_str().unwrap();
    let list = old.bare("POST", "/move/v2/plans/list").header("Authorization", token).json(&json!({}));
    assert_eq!(read(list).await.status, 200);
    let log = old.sim.shared().gate().log().since(0);
    assert!(log.iter().all(|entry| !entry.mutating && !format!("{entry:?}").contains("secret")));
}

// nutanix-api G: no address and no MAC is retained from AWS; the console link tells the target VM.
#[tokio::test]
async fn a_cutover_stops_the_instance_and_starts_a_vm_of_its_name() {
    let mv = move_in(str::to_owned).await;
    let token = log_in(&mv).await;
    let get = |path: String| read(mv.bare("GET", &path).bearer_auth(&token));
    let post = |path: String, body: Value| read(mv.bare("POST", &path).bearer_auth(&token).json(&body));
    let plans = post("/move/v2/plans/list".into(), json!({})).await;
    let plan = plans.body["Entities"][0]["MetaData"]["UUID"].as_str().unwrap().to_owned();
    assert_eq!(plans.body["Entities"][0]["MetaData"]["VMStateCounts"], json!({"ReadyToCutover": 1}));
    let workloads = post(format!("/move/v2/plans/{plan}/workloads/list"), json!({})).await;
    let workload = workloads.body["Entities"][0]["MetaData"]["UUID"].as_str().unwrap().to_owned();
    assert_eq!(workloads.body["Status"]["VMStatus"][0]["Actions"][0], "CUTOVER");
    let path = format!("/move/v2/plans/{plan}/workloads/{workload}");
    assert_eq!(post(format!("{path}/action"), json!({"Spec": {"Action": "dance"}})).await.status, 422);
    assert_eq!(post(format!("{path}/action"), json!({"Spec": {"Action": "cutover"}})).await.status, 202);
    assert_eq!(post(format!("{path}/action"), json!({"Spec": {"Action": "cutover"}})).await.status, 409);
    assert_eq!(get(path.clone()).await.body["Status"]["StateString"], "CutoverInProgress");
    let done = get(path).await.body["Status"].clone();
    assert_eq!(done["StateString"], "Completed");
    let link = done["VmConsoleLink"].as_str().unwrap();
    let vm = link.split("vm/").nth(1).unwrap().split("/proxy").next().unwrap().to_owned();

    let world = mv.sim.shared().world();
    let instance = world.ec2.find(Kind::Instance, "ap-northeast-1", "db-1").unwrap();
    assert!(!world.ec2.instances[instance].state.is_on());
    let prism = &world.prisms["pc-a"];
    let found = prism.vms_named("db-1").next().unwrap();
    assert_eq!(found.ext_id.to_string(), vm);
    assert_eq!(found.nics[0].address, Some("172.30.1.100".parse().unwrap()));
    assert_eq!(prism.subnets[&found.nics[0].subnet].name, "app");
    let eni = &world.ec2.instances[instance].enis[&0];
    assert_ne!(found.nics[0].mac, world.ec2.enis[eni].mac);
}

// nutanix-api G: the actions `test`, `retest` and `undotest`; the instance runs on beside the VM of the test.
#[tokio::test]
async fn a_test_cutover_starts_a_vm_beside_the_instance_which_goes_away_when_it_is_undone() {
    let mv = move_in(str::to_owned).await;
    let token = log_in(&mv).await;
    let post = |path: String, body: Value| read(mv.bare("POST", &path).bearer_auth(&token).json(&body));
    let plans = post("/move/v2/plans/list".into(), json!({})).await;
    let plan = plans.body["Entities"][0]["MetaData"]["UUID"].as_str().unwrap().to_owned();
    assert_eq!(plans.body["Entities"][0]["Spec"]["NetworkMappings"][0]["TestNetworkID"], "");
    let workloads = async || post(format!("/move/v2/plans/{plan}/workloads/list"), json!({})).await.body;
    let workload = workloads().await["Entities"][0]["MetaData"]["UUID"].as_str().unwrap().to_owned();
    let path = format!("/move/v2/plans/{plan}/workloads/{workload}/action");
    let act = async |action: &str| post(path.clone(), json!({"Spec": {"Action": action}})).await.status;
    let vms = || mv.sim.shared().world().prisms["pc-a"].vms_named("db-1").map(|vm| vm.ext_id.to_string()).collect();
    assert_eq!((act("undotest").await, act("retest").await, act("test").await), (409, 409, 202));
    let first: Vec<String> = vms();
    let status = workloads().await["Status"]["VMStatus"][0].clone();
    assert_eq!(status["StateString"], "TestCutoverCompleted");
    assert_eq!(status["Actions"], json!(["CUTOVER", "RETEST", "UNDOTEST"]));
    assert!(status["VmConsoleLink"].as_str().unwrap().contains(&first[0]), "{status}");
    {
        let world = mv.sim.shared().world();
        let instance = world.ec2.find(Kind::Instance, "ap-northeast-1", "db-1").unwrap();
        assert!(world.ec2.instances[instance].state.is_on());
    }
    assert_eq!((act("test").await, act("retest").await), (409, 202));
    let second: Vec<String> = vms();
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    assert_eq!(act("undotest").await, 202);
    assert_eq!(workloads().await["Status"]["VMStatus"][0]["StateString"], "ReadyToCutover");
    assert_eq!((vms(), act("test").await, act("cutover").await), (Vec::<String>::new(), 202, 202));
    let both: Vec<String> = vms();
    assert_eq!(both.len(), 2);
}

#[tokio::test]
async fn a_cutover_that_cannot_be_changes_nothing() {
    let mv = move_in(|file| file.replace("instance: db-1, network: app", "instance: db-1, network: no-nat")).await;
    let mut world = mv.sim.shared().world();
    let why = move_::cutover(&mut world, "move-a", "wave-1").unwrap_err();
    assert!(why.contains("DHCP pool"), "{why}");
    assert_eq!(world.prisms["pc-a"].vms_named("db-1").count(), 0);
    let instance = world.ec2.find(Kind::Instance, "ap-northeast-1", "db-1").unwrap();
    assert!(world.ec2.instances[instance].state.is_on());
    assert!(move_::cutover(&mut world, "move-a", "wave-9").unwrap_err().contains("wave-9"));
}

// nutanix-api E: a recovered VM has a new UUID; name and addresses stay.
#[tokio::test]
async fn a_planned_failover_moves_the_vm_and_a_failback_brings_it_home() {
    let pc = prism("pc-a").await;
    let mut world = pc.sim.shared().world();
    let first = world.prisms["pc-a"].vms_named("o'brien").next().unwrap().clone();
    let report = failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!((report["from"].as_str(), report["to"].as_str()), (Some("pc-a"), Some("pc-b")));
    assert_eq!(world.prisms["pc-a"].vms_named("o'brien").count(), 0);
    let there = world.prisms["pc-b"].vms_named("o'brien").next().unwrap().clone();
    assert_ne!(there.ext_id, first.ext_id);
    assert_eq!((there.nics[0].address, &there.nics[0].mac), (first.nics[0].address, &first.nics[0].mac));
    assert_eq!(world.prisms["pc-b"].subnets[&there.nics[0].subnet].name, "app");
    let report = failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(report["to"], "pc-a");
    let home = world.prisms["pc-a"].vms_named("o'brien").next().unwrap();
    assert_ne!(home.ext_id, first.ext_id);
    assert_eq!(world.prisms["pc-b"].vms_named("o'brien").count(), 0);
}

#[tokio::test]
async fn an_unplanned_failover_leaves_a_stale_vm_until_the_failback() {
    let pc = prism("pc-a").await;
    let mut world = pc.sim.shared().world();
    world.lost_prisms.insert("pc-a".into());
    assert!(
        failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap_err().contains("only an unplanned failover")
    );
    failover(&mut world, "apps", false, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(world.prisms["pc-a"].vms_named("o'brien").count(), 1);
    assert_eq!(world.prisms["pc-b"].vms_named("o'brien").count(), 1);
    assert!(failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap_err().contains("lost"));
    world.lost_prisms.clear();
    failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(world.prisms["pc-a"].vms_named("o'brien").count(), 1);
    assert_eq!(world.prisms["pc-b"].vms_named("o'brien").count(), 0);
}

#[tokio::test]
async fn a_failover_onto_a_held_address_changes_nothing() {
    let pc = super::client::prism_in("pc-a", |file| file.replace("172.30.1.90", "172.30.1.50")).await;
    let mut world = pc.sim.shared().world();
    assert!(failover(&mut world, "apps", true, Timestamp::UNIX_EPOCH).unwrap_err().contains("held by VM `old-1`"));
    assert_eq!(world.prisms["pc-a"].vms_named("o'brien").count(), 1);
}

/// Has the SDKs of one version drive a Prism Central of each level.
async fn sdks_drive_every_level(made_for: &'static str, requirements: Option<&'static str>) {
    const LEVELS: [&str; 5] = ["4.0.b1", "4.0", "4.1", "4.2", "4.3"];
    let mut file = String::from("prism_centrals:\n");
    for (index, level) in LEVELS.iter().enumerate() {
        write!(
            file,
            "  pc-{index}:
    username: admin
    password: secret
    api_level: \"{level}\"
    vpcs: [{{ name: apps }}]
    subnets:
      - {{ name: app, vpc: apps, cidr: 172.30.1.0/24 }}
      - {{ name: landing, vpc: apps, cidr: 172.31.99.0/24, pools: [{{ first: 172.31.99.10, last: 172.31.99.11 }}] }}
    vms: [{{ name: old-1, nics: [{{ subnet: landing }}] }}]
"
        )
        .unwrap();
    }
    let sim = Sim::start(World::from_yaml(&file).unwrap(), Options::default()).await.unwrap();
    let mut arguments = vec![made_for.to_owned()];
    for (level, endpoint) in LEVELS.iter().zip(sim.prism_centrals().values()) {
        let ca = endpoint.ca_file.to_string_lossy().into_owned();
        let who = [&endpoint.url, &endpoint.username, &endpoint.password];
        arguments.push((*level).to_owned());
        arguments.extend(who.into_iter().cloned());
        arguments.push(ca);
    }
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let judged = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        clients::judge_with(target, requirements, "judge_prism_levels.py", &arguments)
    });
    let said = judged.await.unwrap().unwrap_or_else(|error| panic!("SDKs for {made_for}: {error}"));
    assert!(said.contains("the official SDK agrees"), "{said}");
}

// nutanix-api A.4: an SDK works where it and the Prism Central have a level in common, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_official_sdks_agree_with_every_level() {
    tokio::join!(
        sdks_drive_every_level("4.0.b1", Some("requirements-prism-4.0.b1.txt")),
        sdks_drive_every_level("4.0", Some("requirements-prism-4.0.txt")),
        sdks_drive_every_level("4.3", None),
    );
}

// nutanix-api K: what the official SDK demands; it must be accepted and refused where the platform does so.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_agrees() {
    let pc = prism("pc-a").await;
    let it = pc.endpoint.clone();
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let judged = tokio::task::spawn_blocking(move || {
        let ca = it.ca_file.to_string_lossy().into_owned();
        clients::judge(target, "judge_prism.py", &[&it.url, &it.username, &it.password, &ca])
    });
    let said = judged.await.unwrap().unwrap();
    assert!(said.contains("the official SDK agrees"), "{said}");
}
