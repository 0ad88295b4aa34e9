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

#[tokio::test(flavor = "multi_thread")]
async fn boto3_reads_neighbours_direct_connect_and_quotas_as_with_aws() {
    let world = r#"
regions:
  ap-northeast-1:
    vpcs:
      - name: apps
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.1.0/24 }, { name: other, cidr: 172.30.9.0/24 }]
        route_tables: [{ name: clone, tags: { managedByFIS: "true" } }]
    instances:
      - { name: web-1, auto_scaling_group: web, interfaces: [{ subnet: app, address: 172.30.1.34 }] }
    network_interfaces:
      - { name: front, subnet: other, address: 172.30.9.20, service: load-balancer }
      - { name: ssm, subnet: other, service: vpc-endpoint }
      - { name: db, subnet: other, service: rds }
    target_groups:
      - { name: by-address, vpc: apps, targets: [172.30.1.34, 172.30.1.99] }
      - { name: by-instance, vpc: apps, targets: [web-1] }
    transit_gateways:
      - name: tokyo
        attachments:
          - { name: apps, id: tgw-attach-0ec2, kind: vpc, vpc: apps, subnets: [other] }
          - { name: bgp, kind: vpn, prefixes: [192.168.20.0/24] }
          - { name: static, kind: vpn, static_routes: true }
          - { name: dx, kind: direct-connect-gateway, gateway: dx, prefixes: [192.168.10.0/24], allowed_prefixes: [172.30.0.0/16] }
  ap-northeast-3:
    transit_gateways:
      - { name: osaka, attachments: [{ name: dx, kind: direct-connect-gateway, gateway: dx }] }
direct_connect_gateways:
  - { name: dx, asn: 64600, virtual_interfaces: [{ name: vif-tokyo, region: ap-northeast-1 }] }
"#;
    held("judge_neighbours.py", world).await;
}
