//! The AWS endpoint: what is answered here, what is passed on, and how.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use crate::support::{ACCOUNT, Aws, OSAKA, TOKYO, scope};
use axum::{Json, Router, body::Bytes, http::HeaderMap};
use holdfast_sim::Options;
use serde_json::{Value, json};

/// An emulator that answers with what it was asked.
async fn echo() -> String {
    let answer = async |headers: HeaderMap, uri: axum::http::Uri, body: Bytes| {
        let headers: serde_json::Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
        Json(json!({"uri": uri.to_string(), "headers": headers, "body": String::from_utf8(body.to_vec()).unwrap()}))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

async fn ask(aws: &Aws, region: &str, service: &str, target: &str, body: &str) -> Value {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/some/path?x=1%2F2", aws.sim.aws_endpoint()));
    let request = request.header("authorization", scope(ACCOUNT, region, service)).header("x-amz-target", target);
    request.header("te", "trailers").body(body.to_owned()).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn other_services_are_passed_on_as_they_came_without_connection_headers() {
    let aws = Aws::with(Options { ministack: Some(echo().await), ..Options::default() }).await;
    let seen = ask(&aws, OSAKA, "states", "AWSStepFunctions.StartExecution", "{\"a\": 1}").await;
    assert_eq!(seen["uri"], "/some/path?x=1%2F2");
    assert_eq!(seen["body"], "{\"a\": 1}");
    assert_eq!(seen["headers"]["authorization"], scope(ACCOUNT, OSAKA, "states"));
    assert_eq!(seen["headers"].get("te"), None);
    let entry = &aws.get("/log").await[0];
    assert_eq!((&entry["service"], &entry["action"]), (&json!("states"), &json!("StartExecution")));
}

#[tokio::test]
async fn calls_of_a_strong_table_all_go_to_its_one_region() {
    let options = Options {
        ministack: Some(echo().await),
        strong_tables: vec!["lock".into()],
        strong_region: TOKYO.into(),
        ..Options::default()
    };
    let aws = Aws::with(options).await;
    let region = async |body: &str| {
        let seen = ask(&aws, OSAKA, "dynamodb", "DynamoDB_20120810.GetItem", body).await;
        seen["headers"]["authorization"].as_str().unwrap().split('/').nth(2).unwrap().to_owned()
    };
    assert_eq!(region("{\"TableName\": \"lock\"}").await, TOKYO);
    assert_eq!(region("{\"TableName\": \"other\"}").await, OSAKA);
}

#[tokio::test]
async fn what_is_not_simulated_is_refused_in_the_services_own_protocol() {
    let aws = Aws::start().await;
    let refused = ask(&aws, TOKYO, "directconnect", "OvertureService.DescribeVirtualInterfaces", "{}").await;
    assert_eq!(refused["__type"], "UnsupportedOperation");
    let refused = ask(&aws, TOKYO, "dynamodb", "DynamoDB_20120810.GetItem", "{}").await;
    assert_eq!(refused["__type"], "NotImplemented");
    let refused = aws.ec2("LaunchRocket", &[]).await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidAction"));
    assert!(refused.text("RequestID").is_some());
}

#[tokio::test]
async fn resources_belong_to_the_account_of_the_credentials() {
    let aws = Aws::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let vpcs = async |key: &str| {
        let request = http.post(aws.sim.aws_endpoint()).header("authorization", scope(key, TOKYO, "ec2"));
        request.form(&[("Action", "DescribeVpcs")]).send().await.unwrap().text().await.unwrap()
    };
    assert!(vpcs(ACCOUNT).await.contains("vpc-0ec2"));
    assert!(vpcs("AKIAIOSFODNN7EXAMPLE").await.contains("vpc-0ec2"), "any other key is the default account's");
    assert!(!vpcs("999988887777").await.contains("vpc-0ec2"));
}

/// A transit gateway of a network account, with a VPC of the default account attached.
#[tokio::test]
async fn an_attachment_is_seen_by_both_accounts_and_its_routes_by_the_gateways_owner() {
    const NETWORK: &str = "444455556666";
    let shared = crate::support::WORLD.replacen("name: tokyo\n", "name: tokyo\n        account: \"444455556666\"\n", 1);
    let aws = Aws::of(&shared, Options::default()).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |key: &str, action: &str, more: &[(&str, &str)]| {
        let request = http.post(aws.sim.aws_endpoint()).header("authorization", scope(key, TOKYO, "ec2"));
        let form = [&[("Action", action)], more].concat();
        request.form(&form).send().await.unwrap().text().await.unwrap()
    };
    for key in [ACCOUNT, NETWORK] {
        let seen = ask(key, "DescribeTransitGatewayAttachments", &[]).await;
        assert!(
            seen.contains("<transitGatewayAttachmentId>tgw-attach-0ec2</transitGatewayAttachmentId>"),
            "{key}: {seen}"
        );
        assert!(seen.contains("<transitGatewayOwnerId>444455556666</transitGatewayOwnerId>"), "{key}: {seen}");
        assert!(ask(key, "DescribeTransitGateways", &[]).await.contains("<ownerId>444455556666</ownerId>"));
    }
    let route = [
        ("TransitGatewayRouteTableId", "tgw-rtb-01"),
        ("DestinationCidrBlock", "172.30.1.0/24"),
        ("TransitGatewayAttachmentId", "tgw-attach-0c2"),
    ];
    let refused = ask(ACCOUNT, "CreateTransitGatewayRoute", &route).await;
    assert!(refused.contains("InvalidRouteTableID.NotFound"), "{refused}");
    assert!(ask(NETWORK, "CreateTransitGatewayRoute", &route).await.contains("<state>pending</state>"));
    let stranger = ask("999988887777", "DescribeTransitGatewayAttachments", &[]).await;
    assert!(!stranger.contains("tgw-attach"), "{stranger}");
}

/// Every service of a lost Region is refused, whoever calls and whoever would answer; the other Region serves all.
#[tokio::test]
async fn a_lost_region_refuses_every_service() {
    let aws = Aws::with(Options { ministack: Some(echo().await), ..Options::default() }).await;
    aws.post(&format!("/regions/{TOKYO}"), json!({"lost": true})).await;
    let targets = [
        ("dynamodb", "DynamoDB_20120810.GetItem"),
        ("secretsmanager", "secretsmanager.GetSecretValue"),
        ("ssm", "AmazonSSM.GetParameter"),
        ("ssm", "AmazonSSM.SendCommand"),
        ("states", "AWSStepFunctions.StartExecution"),
        ("events", "AWSEvents.PutEvents"),
        ("kms", "TrentService.Decrypt"),
        ("logs", "Logs_20140328.PutLogEvents"),
        ("directconnect", "OvertureService.DescribeDirectConnectGateways"),
        ("servicequotas", "ServiceQuotasV20190624.GetServiceQuota"),
        ("s3", ""),
        ("lambda", ""),
    ];
    let queries = [
        ("ec2", "DescribeVpcs"),
        ("sts", "GetCallerIdentity"),
        ("sns", "Publish"),
        ("elasticloadbalancing", "DescribeTargetGroups"),
    ];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (region, key) in [(TOKYO, ACCOUNT), (TOKYO, "999988887777"), (TOKYO, "ASIAUNKNOWN"), (OSAKA, ACCOUNT)] {
        for (service, target) in targets {
            let request = http.post(aws.sim.aws_endpoint()).header("authorization", scope(key, region, service));
            let answered = request.header("x-amz-target", target).body("{}").send().await.is_ok();
            assert_eq!(answered, region == OSAKA, "{service} {target} in {region}");
        }
        for (service, action) in queries {
            let request = http.post(aws.sim.aws_endpoint()).header("authorization", scope(key, region, service));
            let answered = request.form(&[("Action", action)]).send().await.is_ok();
            assert_eq!(answered, region == OSAKA, "{service} {action} in {region}");
        }
    }
    let log = aws.get("/log").await;
    let (lost, served): (Vec<_>, Vec<_>) = log.as_array().unwrap().iter().partition(|entry| entry["dropped"] == "Lost");
    assert!(lost.iter().all(|entry| entry["region"] == TOKYO) && served.iter().all(|entry| entry["region"] == OSAKA));
    assert_eq!((lost.len(), served.len()), (48, 16));
}

/// For a benchmark every call to AWS takes its time; an answer within a tenth of it was not delayed.
#[tokio::test]
async fn calls_to_aws_take_as_long_as_the_switch_says() {
    let aws = Aws::start().await;
    aws.control(reqwest::Method::PUT, "/switches", json!({"pace": {"aws_ms": 2_000}})).await;
    let call = aws.ec2("DescribeVpcs", &[]);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), call).await.is_err());
    aws.control(reqwest::Method::PUT, "/switches", json!({"pace": {"aws_ms": 0}})).await;
    assert_eq!(aws.ec2("DescribeVpcs", &[]).await.code(), "");
}

/// Direct Connect is spoken to in AWS JSON by older clients; newer ones speak CBOR, as boto3 does in its judgement.
#[tokio::test]
async fn direct_connect_and_quotas_answer_in_json() {
    let aws = Aws::start().await;
    let found = ask(&aws, OSAKA, "directconnect", "OvertureService.DescribeDirectConnectGateways", "{}").await;
    let id = found["directConnectGateways"][0]["directConnectGatewayId"].as_str().unwrap();
    let body = json!({"directConnectGatewayId": id}).to_string();
    let target = "OvertureService.DescribeDirectConnectGatewayAssociations";
    let found = ask(&aws, OSAKA, "directconnect", target, &body).await;
    let association = &found["directConnectGatewayAssociations"][0];
    assert_eq!(
        association["associatedGateway"],
        json!({"id": "tgw-01", "type": "transitGateway", "ownerAccount": ACCOUNT, "region": TOKYO})
    );
    assert_eq!(association["associationState"], "associated");
    let wanted = json!({"ServiceCode": "ec2", "QuotaCode": "L-BCC1FB47"}).to_string();
    let found = ask(&aws, TOKYO, "servicequotas", "ServiceQuotasV20190624.GetServiceQuota", &wanted).await;
    assert_eq!(found["Quota"]["Value"], 10_000.0);
}
