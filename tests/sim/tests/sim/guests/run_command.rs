//! Run Command over HTTP.

use std::path::Path;

use holdfast_sim::{Options, Sim, clients};
use serde_json::{Value, json};

use super::support::{moved, world};

const CAPTURE_SH: &str = include_str!("../../../../../functions/lib/guest/scripts/capture.sh");
const PROBE_SH: &str = include_str!("../../../../../functions/lib/guest/scripts/probe.sh");

struct Ssm {
    sim: Sim,
    client: reqwest::Client,
    region: &'static str,
    account: &'static str,
}

impl Ssm {
    async fn start(world: holdfast_sim::World) -> Self {
        let sim = Sim::start(world, Options::default()).await.unwrap();
        Ssm { sim, client: reqwest::Client::new(), region: "ap-northeast-1", account: "111122223333" }
    }

    async fn call(&self, action: &str, body: Value) -> (u16, Value) {
        let scope = format!("AWS4-HMAC-SHA256 Credential={}/20261122/{}/ssm/aws4_request, ", self.account, self.region);
        let reply = self
            .client
            .post(self.sim.aws_endpoint())
            .header("authorization", scope + "SignedHeaders=host, Signature=00")
            .header("x-amz-target", format!("AmazonSSM.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        (reply.status().as_u16(), serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap())
    }

    async fn ok(&self, action: &str, body: Value) -> Value {
        let (status, answer) = self.call(action, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Runs commands on a machine and returns the invocation at its end, with the statuses on the way.
    async fn run(&self, instance: &str, document: &str, commands: &[&str]) -> (Vec<String>, Value) {
        let body = json!({"DocumentName": document, "InstanceIds": [instance], "Parameters": {"commands": commands}});
        let sent = self.ok("SendCommand", body).await;
        let id = sent["Command"]["CommandId"].as_str().unwrap().to_owned();
        let mut statuses = Vec::new();
        for _ in 0..10 {
            let (status, answer) =
                self.call("GetCommandInvocation", json!({"CommandId": id, "InstanceId": instance})).await;
            let seen = if status == 200 { &answer["Status"] } else { &answer["__type"] };
            statuses.push(seen.as_str().unwrap().to_owned());
            if status == 200 && !["Pending", "InProgress"].contains(&seen.as_str().unwrap()) {
                return (statuses, answer);
            }
        }
        panic!("does not end: {statuses:?}")
    }

    async fn refused(&self, body: Value) -> String {
        let (status, answer) = self.call("SendCommand", body).await;
        assert_eq!(status, 400, "{answer}");
        answer["__type"].as_str().unwrap().to_owned()
    }
}

/// The id under which a guest is managed.
fn instance(world: &holdfast_sim::World, name: &str) -> String {
    world.ec2.find(holdfast_sim::ec2::Kind::Instance, "ap-northeast-1", name).unwrap().to_owned()
}

#[tokio::test]
async fn an_invocation_goes_on_by_being_read() {
    let world = world();
    let app = instance(&world, "app-1");
    let ssm = Ssm::start(world).await;
    let (statuses, answer) = ssm.run(&app, "AWS-RunShellScript", &[CAPTURE_SH]).await;
    assert_eq!(statuses, ["InvocationDoesNotExist", "Pending", "InProgress", "Success"]);
    let report: Value = serde_json::from_str(answer["StandardOutputContent"].as_str().unwrap()).unwrap();
    assert_eq!(report["nics"][0]["addresses"][0]["address"], "172.30.1.35");
}

#[tokio::test]
async fn a_probe_sees_the_data_plane() {
    let ssm = Ssm::start(moved()).await;
    let settings = "HOLDFAST_TARGETS='172.30.1.34 172.30.1.200'; HOLDFAST_COUNT=2; HOLDFAST_PORT=443";
    let (_, answer) = ssm.run("mi-0123456789abcdef0", "AWS-RunShellScript", &[settings, PROBE_SH]).await;
    let report: Value = serde_json::from_str(answer["StandardOutputContent"].as_str().unwrap()).unwrap();
    let results = &report["results"];
    assert_eq!(results[0]["received"], 2);
    assert_eq!(results[0]["tcp"], json!({"port": 443, "connected": true}));
    assert_eq!((&results[1]["sent"], &results[1]["received"]), (&json!(2), &json!(0)));
}

#[tokio::test]
async fn anything_but_the_committed_scripts_fails() {
    let world = world();
    let (app, web) = (instance(&world, "app-1"), instance(&world, "web-1"));
    let ssm = Ssm::start(world).await;
    let changed = format!("{CAPTURE_SH}\nid");
    for commands in [vec!["id"], vec![changed.as_str()], vec![CAPTURE_SH, "id"], vec!["id", CAPTURE_SH]] {
        let (statuses, answer) = ssm.run(&app, "AWS-RunShellScript", &commands).await;
        assert_eq!(statuses.last().unwrap(), "Failed");
        assert_eq!(answer["StandardErrorContent"], "unknown script");
    }
    // The script of another platform is not one that this guest knows.
    let (_, answer) = ssm.run(&web, "AWS-RunPowerShellScript", &[CAPTURE_SH]).await;
    assert_eq!(answer["StandardErrorContent"], "unknown script");
}

#[tokio::test]
async fn machines_that_cannot_be_asked_are_refused() {
    let mut world = world();
    let (legacy, web, app) = (instance(&world, "legacy"), instance(&world, "web-1"), instance(&world, "app-1"));
    world.ec2.stop_instance(&app, 0).unwrap();
    holdfast_sim::guests::instance_changed(&mut world, &app);
    let mut ssm = Ssm::start(world).await;
    let to = |id: &str, document: &str| json!({"DocumentName": document, "InstanceIds": [id], "Parameters": {"commands": ["id"]}});
    assert_eq!(ssm.refused(to(&legacy, "AWS-RunShellScript")).await, "InvalidInstanceId");
    assert_eq!(ssm.refused(to(&app, "AWS-RunShellScript")).await, "InvalidInstanceId");
    assert_eq!(ssm.refused(to(&web, "AWS-RunShellScript")).await, "UnsupportedPlatformType");
    assert_eq!(ssm.refused(to(&web, "AWS-RunBatch")).await, "InvalidDocument");
    ssm.region = "ap-northeast-3";
    assert_eq!(ssm.refused(to(&web, "AWS-RunPowerShellScript")).await, "InvalidInstanceId");
    ssm.region = "ap-northeast-1";
    ssm.account = "999900001111";
    assert_eq!(ssm.refused(to(&web, "AWS-RunPowerShellScript")).await, "InvalidInstanceId");
}

#[tokio::test]
async fn output_is_cut_at_24000_characters_and_in_lists_at_2500() {
    let mut world = world();
    let app = instance(&world, "app-1");
    let place = holdfast_sim::guests::Place::Instance { instance: app.clone() };
    let guest = world.guests.all.values_mut().find(|guest| guest.place == place).unwrap();
    let routes = (0..=255)
        .flat_map(|a| [0u8, 1, 2].map(|b| (format!("10.{b}.{a}.0/24").parse().unwrap(), [10, 0, 0, 1].into())));
    guest.adapters[0].routes = routes.collect();
    let ssm = Ssm::start(world).await;
    let (statuses, answer) = ssm.run(&app, "AWS-RunShellScript", &[CAPTURE_SH]).await;
    assert_eq!(statuses.last().unwrap(), "Success");
    assert_eq!(answer["StandardOutputContent"].as_str().unwrap().chars().count(), 24_000);
    let listed = ssm.ok("ListCommandInvocations", json!({"CommandId": answer["CommandId"], "Details": true})).await;
    let plugin = &listed["CommandInvocations"][0]["CommandPlugins"][0];
    assert_eq!(plugin["Output"].as_str().unwrap().chars().count(), 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_run_command_as_with_aws() {
    let sim = Sim::start(moved(), Options::default()).await.unwrap();
    let (endpoint, control) = (sim.aws_endpoint(), sim.control_url());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let judged = tokio::task::spawn_blocking(move || clients::judge(target, "judge_ssm.py", &[&endpoint, &control]));
    match judged.await.unwrap() {
        Ok(said) => assert!(said.contains("all held"), "{said}"),
        Err(error) => panic!("{error}"),
    }
}
