//! The official Python clients as judges: what the platforms accept is accepted, what they refuse is refused.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails here fails the test")]

use std::path::Path;

use holdfast_sim::{Options, Sim, World, clients};

/// Has a judge work on a world of its own.
async fn held(script: &'static str, world: &str) {
    let sim = Sim::start(World::from_yaml(world).unwrap(), Options::default()).await.unwrap();
    let endpoint = sim.aws_endpoint();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let judged = tokio::task::spawn_blocking(move || clients::judge(target, script, &[&endpoint])).await.unwrap();
    match judged {
        Ok(said) => assert!(said.contains("all held"), "{said}"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_ec2_and_sts_as_with_aws() {
    held("judge_ec2.py", "accounts: { \"444455556666\": { roles: [{ name: network, external_id: seven }] } }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_vpc_peering_and_vpc_routes_as_with_aws() {
    held("judge_vpc.py", "{}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_prefix_lists_and_propagations_as_with_aws() {
    held("judge_prefix_lists.py", "{}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_sees_other_accounts_as_with_aws() {
    let world = r#"
accounts:
  "222233334444": { roles: [{ name: holdfast, external_id: seven, trusts: ["111122223333"] }] }
regions:
  ap-northeast-1:
    prefix_lists:
      - { name: moved, account: "222233334444", entries: [172.30.1.0/24], shared_with: ["111122223333"] }
    transit_gateways:
      - name: shared
        account: "222233334444"
        shared_with: ["111122223333"]
        route_tables: [{ name: shared }]
"#;
    held("judge_accounts.py", world).await;
}
