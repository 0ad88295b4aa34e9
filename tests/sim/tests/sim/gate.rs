//! The log, faults, holds and lost Regions, through the control server.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use std::process::{Command, Stdio};

use crate::support::{ACCOUNT, Aws, OSAKA, TOKYO, scope};
use holdfast_sim::python;
use serde_json::json;

#[tokio::test]
async fn the_log_keeps_who_called_what_with_which_answer() {
    let aws = Aws::start().await;
    aws.ec2("DescribeVpcs", &[]).await;
    aws.ec2("DeleteVpc", &[("VpcId", "vpc-0ec2")]).await;
    aws.ec2("DescribeSpaceships", &[]).await;
    let log = aws.get("/log?since=1").await;
    let seen: Vec<_> =
        log.as_array().unwrap().iter().map(|e| json!([e["action"], e["mutating"], e["status"], e["error"]])).collect();
    assert_eq!(
        seen,
        [
            json!(["DeleteVpc", true, 400, "DependencyViolation"]),
            json!(["DescribeSpaceships", false, 400, "InvalidAction"])
        ]
    );
    assert_eq!(log[0]["params"], "VpcId=vpc-0ec2");
    assert_eq!(
        (&log[0]["source"], &log[0]["region"], &log[0]["account"]),
        (&json!("aws"), &json!(TOKYO), &json!(ACCOUNT))
    );
    aws.control(reqwest::Method::DELETE, "/log", json!(null)).await;
    assert_eq!(aws.get("/log").await, json!([]));
}

#[tokio::test]
async fn an_injected_error_strikes_the_chosen_call_only_and_has_no_effect() {
    let aws = Aws::start().await;
    let effect = json!({"kind": "error", "code": "IncorrectState", "status": 400, "message": "not now"});
    let wanted = json!({"service": "ec2", "action": "Create*", "region": TOKYO});
    let id = aws.post("/faults", json!({"match": wanted, "skip": 1, "times": 1, "effect": effect})).await["id"].clone();
    let mut codes = Vec::new();
    for cidr in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        codes.push(aws.ec2("CreateVpc", &[("CidrBlock", cidr)]).await.code().to_owned());
    }
    assert_eq!(codes, ["", "IncorrectState", ""]);
    assert!(!aws.ec2("DescribeVpcs", &[]).await.body.contains("10.2.0.0/16"));
    assert_eq!(aws.get("/faults").await[0]["struck"], 1);
    aws.control(reqwest::Method::DELETE, &format!("/faults/{id}"), json!(null)).await;
    assert_eq!(aws.get("/faults").await, json!([]));
}

#[tokio::test]
async fn throttling_dropped_connections_and_garbage_look_as_in_the_field() {
    let aws = Aws::start().await;
    aws.post("/faults", json!({"match": {"action": "CreateSubnet"}, "effect": {"kind": "throttle"}})).await;
    let throttled = aws.ec2("CreateSubnet", &[("VpcId", "vpc-0ec2"), ("CidrBlock", "172.30.50.0/24")]).await;
    assert_eq!((throttled.status, throttled.code()), (503, "RequestLimitExceeded"));

    aws.post("/faults", json!({"match": {"action": "CreateVpc"}, "times": 1, "effect": {"kind": "drop_request"}}))
        .await;
    assert!(aws.try_ec2(TOKYO, "CreateVpc", &[("CidrBlock", "10.1.0.0/16")]).await.is_err());
    aws.post("/faults", json!({"match": {"action": "CreateVpc"}, "times": 1, "effect": {"kind": "drop_reply"}})).await;
    assert!(aws.try_ec2(TOKYO, "CreateVpc", &[("CidrBlock", "10.2.0.0/16")]).await.is_err());
    let html = json!({"kind": "garbage", "form": "html", "when": "after"});
    aws.post("/faults", json!({"match": {"action": "CreateVpc"}, "times": 1, "effect": html})).await;
    assert!(aws.ec2("CreateVpc", &[("CidrBlock", "10.3.0.0/16")]).await.body.contains("<html>"));
    let vpcs = aws.ec2("DescribeVpcs", &[]).await.body;
    assert!(vpcs.contains("10.3.0.0/16"), "garbage came after the effect");
    assert!(!vpcs.contains("10.1.0.0/16"), "a dropped request has no effect");
    assert!(vpcs.contains("10.2.0.0/16"), "a dropped reply had its effect");
}

#[tokio::test]
async fn a_lost_region_answers_nothing_until_it_is_back() {
    let aws = Aws::start().await;
    aws.post(&format!("/regions/{TOKYO}"), json!({"lost": true})).await;
    assert!(aws.try_ec2(TOKYO, "DescribeVpcs", &[]).await.is_err());
    assert!(aws.try_ec2(OSAKA, "DescribeVpcs", &[]).await.is_ok());
    aws.post(&format!("/regions/{TOKYO}"), json!({"lost": false})).await;
    assert!(aws.try_ec2(TOKYO, "DescribeVpcs", &[]).await.is_ok());
    assert_eq!(aws.get("/log").await[0]["dropped"], "Lost");
}

#[tokio::test]
async fn a_held_call_goes_on_when_it_is_released() {
    let aws = Aws::start().await;
    let hold = json!({"match": {"action": "CreateVpc"}, "when": "before"});
    let id = aws.post("/holds", hold).await["id"].as_u64().unwrap();
    assert_eq!(aws.get(&format!("/holds/{id}")).await["state"], "waiting");
    let call = aws.ec2("CreateVpc", &[("CidrBlock", "10.1.0.0/16")]);
    let release = async {
        let held = aws.get(&format!("/holds/{id}?wait_ms=60000")).await;
        assert_eq!((&held["state"], &held["call"]["action"]), (&json!("held"), &json!("CreateVpc")));
        assert!(!aws.ec2("DescribeVpcs", &[]).await.body.contains("10.1.0.0/16"), "held before its effect");
        aws.post(&format!("/holds/{id}/release"), json!({})).await;
    };
    let (answer, ()) = futures::join!(call, release);
    assert_eq!(answer.code(), "");
    assert_eq!(aws.get(&format!("/holds/{id}")).await["state"], "released");
}

/// A process of its own that creates a VPC, as a Lambda function would.
fn function(aws: &Aws, cidr: &str) -> std::process::Child {
    let mut command = process(aws, cidr);
    command.env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9").env("AWS_LAMBDA_FUNCTION_NAME", "swap-route");
    command.spawn().expect("Python starts")
}

/// A process of its own that creates a VPC.
fn process(aws: &Aws, cidr: &str) -> Command {
    const SCRIPT: &str = "import sys, urllib.request as r\n\
        r.urlopen(r.Request(sys.argv[1], data=sys.argv[2].encode(), headers={'Authorization': sys.argv[3]}))";
    let mut command = Command::new(python::find().expect("a Python"));
    command
        .args(["-c", SCRIPT, &aws.sim.aws_endpoint(), &format!("Action=CreateVpc&CidrBlock={cidr}")])
        .arg(scope(ACCOUNT, TOKYO, "ec2"))
        .env_remove("AWS_LAMBDA_RUNTIME_API")
        .env("no_proxy", "*")
        .stderr(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_of_a_held_call_can_be_killed_before_or_after_the_effect() {
    let aws = Aws::start().await;
    for (when, cidr, effect) in [("before", "10.1.0.0/16", false), ("after", "10.2.0.0/16", true)] {
        let id = aws.post("/holds", json!({"match": {"function": "swap-*"}, "when": when})).await["id"].clone();
        let mut caller = function(&aws, cidr);
        let held = aws.get(&format!("/holds/{id}?wait_ms=60000")).await;
        assert_eq!(held["state"], "held", "{held}");
        assert_eq!(aws.post(&format!("/holds/{id}/kill"), json!({})).await["pid"], caller.id());
        let ended = tokio::task::spawn_blocking(move || caller.wait().unwrap()).await.unwrap();
        assert!(!ended.success());
        assert_eq!(aws.ec2("DescribeVpcs", &[]).await.body.contains(cidr), effect, "{when}");
        assert_eq!(aws.get(&format!("/holds/{id}")).await["state"], "killed");
    }
    let log = aws.get("/log").await;
    let killed: Vec<_> = log.as_array().unwrap().iter().filter(|e| e["dropped"] == "CallerKilled").collect();
    assert_eq!(killed.len(), 2);
    assert_eq!(killed[0]["function"], "swap-route");
}

#[tokio::test]
async fn an_unknown_switch_or_key_is_refused_and_changes_nothing() {
    let aws = Aws::start().await;
    let before = aws.get("/switches").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = aws.sim.control_url();
    let wrong = http.put(format!("{url}/switches")).json(&json!({"ec2": {"colour": 1}})).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let wrong = http.post(format!("{url}/faults")).json(&json!({"effect": {"kind": "explode"}})).send().await.unwrap();
    assert!(wrong.status().is_client_error());
    let wrong = http.post(format!("{url}/holds/77/kill")).json(&json!({})).send().await.unwrap();
    assert_eq!(wrong.status(), 409);
    let wrong = http.post(format!("{url}/regions/ap-northeast-9")).json(&json!({"lost": true})).send().await.unwrap();
    assert_eq!(wrong.status(), 404);
    assert!(wrong.text().await.unwrap().contains("there is no Region `ap-northeast-9`; there are ap-northeast-1, "));
    assert_eq!(aws.get("/world").await["lost_regions"], json!([]));
    assert_eq!(aws.get("/switches").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_match_is_for_calls_of_functions_only() {
    let aws = Aws::start().await;
    let id = aws.post("/holds", json!({"match": {}})).await["id"].clone();
    let mut person = process(&aws, "10.1.0.0/16").spawn().expect("Python starts");
    let ended = tokio::task::spawn_blocking(move || person.wait().expect("it ends")).await.expect("it ends");
    assert!(ended.success(), "a person's call passes");
    assert_eq!(aws.get(&format!("/holds/{id}")).await["state"], "waiting");
    let mut caller = function(&aws, "10.2.0.0/16");
    assert_eq!(aws.get(&format!("/holds/{id}?wait_ms=60000")).await["call"]["params"], "CidrBlock=10.2.0.0/16");
    aws.post(&format!("/holds/{id}/release"), json!({})).await;
    let ended = tokio::task::spawn_blocking(move || caller.wait().expect("it ends")).await.expect("it ends");
    assert!(ended.success(), "a released call is answered");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_a_gateway_of_nc2() {
    let aws = Aws::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/nc2/pc-none/gateway", aws.sim.control_url());
    let refused = http.post(url).json(&json!({"vpc": "apps", "interface": "web-1-0"})).send().await.unwrap();
    assert_eq!(refused.status(), 409);
    assert_eq!(refused.text().await.unwrap(), r#"{"error":"there is no Prism Central `pc-none`"}"#);
}
