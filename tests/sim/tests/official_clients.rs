//! The official Python clients as judges: what the platforms accept is accepted, what they refuse is refused.

use std::path::Path;

use holdfast_sim::{Options, Sim, World, clients};

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_works_with_ec2_and_sts_as_with_aws() {
    let file = "accounts: { \"444455556666\": { roles: [{ name: network, external_id: seven }] } }";
    let sim = Sim::start(World::from_yaml(file).unwrap(), Options::default()).await.unwrap();
    let endpoint = sim.aws_endpoint();
    let judged =
        tokio::task::spawn_blocking(move || clients::judge(target(), "judge_ec2.py", &[&endpoint])).await.unwrap();
    match judged {
        Ok(said) => assert!(said.contains("all held"), "{said}"),
        Err(error) => panic!("{error}"),
    }
}
