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
