//! The checks against simulated EC2 and Run Command: what a person is told of a sound world, and of each thing that is wrong in it.

use crate::context::Context;
use crate::facts::Subject;
use crate::preflight::{self, Moment};
use crate::{checks::worst, postflight};
use aws_config::{BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use holdfast_model::wire::{Check, CheckStatus, GuestView};
use holdfast_model::*;
use holdfast_runtime::{Accounts, Config, FixedClock};
use holdfast_sim::{Options, Sim, World};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) const WORLD: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs:
      - name: apps
        id: vpc-00000000000000001
        cidrs: [172.30.0.0/16]
        subnets:
          - { name: app, id: subnet-00000000000000001, cidr: 172.30.1.0/24 }
          - { name: other, id: subnet-00000000000000009, cidr: 172.30.9.0/24 }
        route_tables:
          - { name: apps, main: true, routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }] }
      - name: nc2
        id: vpc-00000000000000002
        cidrs: [10.10.0.0/16]
        subnets: [{ name: nc2, cidr: 10.10.1.0/24 }]
        route_tables:
          - name: nc2
            main: true
            routes:
              - { prefix: 172.30.1.0/24, network_interface: flow } # flow
              - { prefix: 0.0.0.0/0, transit_gateway: tokyo }
    instances:
      - { name: web-1, id: i-00000000000000034, interfaces: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: host-1, interfaces: [{ name: flow, subnet: nc2, source_dest_check: false }] }
    transit_gateways:
      - name: tokyo
        attachments:
          - { name: apps, id: tgw-attach-00000000000000001, kind: vpc, vpc: apps, subnets: [other] }
          - { name: nc2, id: tgw-attach-00000000000000002, kind: vpc, vpc: nc2, subnets: [nc2] }
          - { name: onprem, id: tgw-attach-00000000000000003, kind: vpn, prefixes: [192.168.10.0/24] }
        route_tables:
          - { name: tokyo, id: tgw-rtb-00000000000000001, associations: [apps, nc2, onprem], propagations: [apps, nc2, onprem] }
on_premises:
  - { name: onprem, prefix: 192.168.10.0/24, region: ap-northeast-1, attachment: onprem, machine: mi-00000000000000010 }
"#;

const MAP: &str = r#"
schema_version: 1
accounts: { main: { id: "111122223333" } }
prism_centrals:
  pc: { endpoint: "https://prism.example:9440", secret: pc, trust: { kind: web_roots }, region: ap-northeast-1 }
sites:
  ec2: { kind: ec2, account: main, region: ap-northeast-1, vpc: vpc-00000000000000001 }
  nc2: { kind: nc2, account: main, region: ap-northeast-1, vpc: vpc-00000000000000002, prism_central: pc, fvn_vpc: apps, cluster: c }
networks:
  app: { prefix: 172.30.1.0/24, subnets: { nc2: app } }
route_tables:
  tokyo:
    account: main
    region: ap-northeast-1
    id: tgw-rtb-00000000000000001
    next_hops:
      ec2: { kind: absent, served_by: 172.30.0.0/16 }
      nc2: { kind: attachment, id: tgw-attach-00000000000000002 }
vantages:
  onprem:
    kind: on_premises
    prefixes: [192.168.10.0/24]
    account: main
    region: ap-northeast-1
    enters: tgw-attach-00000000000000003
    probe: { instance: mi-00000000000000010, account: main, region: ap-northeast-1 }
"#;

pub(crate) fn id<T: TryFrom<String>>(text: &str) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(text.to_owned()).unwrap()
}

pub(crate) fn host() -> HostRecord {
    HostRecord {
        name: id("web-1"),
        wave: id("wave-1"),
        instance: id("i-00000000000000034"),
        platform: Some(Platform::Linux),
        captured_at: Timestamp::UNIX_EPOCH,
        imported_from: None,
        guest: None,
        nics: vec![NicRecord {
            device_index: 0,
            eni: Some(id("eni-00000000000000034")),
            mac: Some(MacAddress::parse("0a:00:00:00:00:34").unwrap()),
            primary: "172.30.1.34".parse().unwrap(),
            secondary: Vec::new(),
            subnet: Some(id("subnet-00000000000000001")),
            prefix: id("172.30.1.0/24"),
            network: id("app"),
        }],
    }
}

/// Prism Central answered: there is no VM yet.
pub(crate) fn no_vm() -> Evidence {
    Evidence {
        id: EvidenceId("e-1".into()),
        taken_at: Timestamp::UNIX_EPOCH,
        networks: BTreeSet::from([id("app")]),
        sites_read: BTreeSet::from([id("nc2")]),
        sites_unread: BTreeMap::new(),
        landings: BTreeMap::new(),
        hosts: BTreeMap::new(),
    }
}

pub(crate) async fn start(world: &str) -> (Sim, Context) {
    let sim = Sim::start(World::from_yaml(world).unwrap(), Options::callers_here()).await.unwrap();
    let credentials = Credentials::new("111122223333", "secret", None, None, "test");
    let base = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(SdkRegion::new("ap-northeast-1"))
        .endpoint_url(sim.aws_endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let config = Config {
        inventory_table: "i".into(),
        operations_table: "o".into(),
        map_parameter: "m".into(),
        writer: holdfast_runtime::Writer::Any,
        event_bus: "holdfast".to_owned(),
        import_table: None,
    };
    let context = Context::new(Accounts::new(base), &config, Arc::new(FixedClock::at(Timestamp::UNIX_EPOCH)));
    (sim, context)
}

fn subject(map: &NetworkMap, evidence: Option<Evidence>) -> Subject<'_> {
    let networks = BTreeSet::from([id("app")]);
    Subject { map, networks, addresses: None, hosts: vec![host()], evidence, now: Timestamp::UNIX_EPOCH }
}

pub(crate) fn map() -> NetworkMap {
    NetworkMap::parse(MAP).unwrap()
}

/// Names of the checks that did not pass, with their status; and everything that was seen.
fn not_passed(checks: &[Check]) -> Vec<(&str, CheckStatus)> {
    checks.iter().filter(|c| c.status != CheckStatus::Pass).map(|c| (c.name.as_str(), c.status)).collect()
}

async fn before(world: &str, moment: Moment<'_>) -> Vec<Check> {
    let (_sim, context) = start(world).await;
    preflight::checks(&context, &subject(&map(), None), &id("nc2"), moment, None).await.unwrap()
}

async fn after(world: &str, to: &str) -> Vec<Check> {
    let (_sim, context) = start(world).await;
    postflight::seen(&context, &subject(&map(), Some(no_vm())), &id(to), GuestView::Asked).await.unwrap().checks
}

#[tokio::test]
async fn a_stopped_wave_with_everything_in_place_passes() {
    let world = WORLD.replace("interfaces: [{ subnet: app", "stopped: true, interfaces: [{ subnet: app");
    let checks = before(&world, Moment::Cutover).await;
    assert_eq!(not_passed(&checks), [], "{checks:#?}");
}

#[tokio::test]
async fn a_running_instance_warns_after_the_capture_and_fails_before_the_cutover() {
    assert_eq!(not_passed(&before(WORLD, Moment::Captured(None)).await), [("host web-1 for nc2", CheckStatus::Warn)]);
    assert_eq!(not_passed(&before(WORLD, Moment::Cutover).await), [("host web-1 for nc2", CheckStatus::Fail)]);
}

#[tokio::test]
async fn a_stranger_in_the_prefix_fails_by_id_and_address() {
    let world = WORLD.replace(
        "      - { name: host-1",
        "      - { name: stray, id: i-00000000000000099, interfaces: [{ subnet: app, address: 172.30.1.99 }] }\n      - { name: host-1",
    );
    let checks = before(&world, Moment::Captured(None)).await;
    assert_eq!(worst(&checks), CheckStatus::Fail);
    let stray = checks.iter().find(|check| check.status == CheckStatus::Fail).unwrap();
    assert!(stray.saw.contains("i-00000000000000099") && stray.saw.contains("172.30.1.99"), "{}", stray.saw);
}

#[tokio::test]
async fn a_vpc_that_does_not_lead_the_network_into_flow_fails() {
    let world: String = WORLD.lines().filter(|line| !line.contains("# flow")).map(|line| format!("{line}\n")).collect();
    let checks = before(&world, Moment::Captured(None)).await;
    let failed: Vec<&str> = checks.iter().filter(|c| c.status == CheckStatus::Fail).map(|c| c.name.as_str()).collect();
    assert_eq!(failed, ["app in the VPC of nc2", "plan to nc2"], "{checks:#?}");
}

#[tokio::test]
async fn an_interface_that_checks_source_and_destination_fails() {
    let checks =
        before(&WORLD.replace("source_dest_check: false", "source_dest_check: true"), Moment::Captured(None)).await;
    assert!(not_passed(&checks).contains(&("source/destination check at nc2", CheckStatus::Fail)), "{checks:#?}");
}

#[tokio::test]
async fn what_runs_where_routes_lead_passes_with_its_probes() {
    let checks = after(WORLD, "ec2").await;
    assert_eq!(not_passed(&checks), [], "{checks:#?}");
    assert!(checks.iter().any(|c| c.name == "probe from onprem to app" && c.saw.contains("172.30.1.34: 3 of 3")));
}

/// Only `web-1` went ahead, by a host route; the rest of its network stays on EC2 and is no failure.
#[tokio::test]
async fn a_machine_that_is_ahead_of_its_network_is_judged_alone() {
    let world = WORLD
        .replace(
            "propagations: [apps, nc2, onprem] }",
            "propagations: [apps, nc2, onprem], routes: [{ prefix: 172.30.1.34/32, attachment: nc2 }] }",
        )
        .replace(
            "      - { name: host-1",
            "      - { name: app-2, id: i-00000000000000035, interfaces: [{ subnet: other }] }\n      - { name: host-1",
        );
    let (_sim, context) = start(&world).await;
    let map = map();
    let hosts = Some(BTreeSet::from(["172.30.1.34".parse().unwrap()]));
    let whole =
        postflight::seen(&context, &subject(&map, Some(no_vm())), &id("nc2"), GuestView::Asked).await.unwrap().checks;
    let ahead = postflight::seen(&context, &subject(&map, Some(no_vm())).moving(hosts), &id("nc2"), GuestView::Asked)
        .await
        .unwrap()
        .checks;
    let route =
        |checks: &[Check]| checks.iter().find(|check| check.name == "route from onprem to app").unwrap().clone();
    assert_eq!(route(&whole).status, CheckStatus::Fail);
    assert_eq!(
        (route(&ahead).status, route(&ahead).saw.as_str()),
        (CheckStatus::Pass, "172.30.1.34/32 is delivered at nc2 and replies return")
    );
}

#[tokio::test]
async fn routes_to_a_site_where_the_machines_are_not_fail() {
    let world = WORLD.replace(
        "propagations: [apps, nc2, onprem] }",
        "propagations: [apps, nc2, onprem], routes: [{ prefix: 172.30.1.0/24, attachment: nc2 }] }",
    );
    let checks = after(&world, "nc2").await;
    let failed = not_passed(&checks);
    assert!(failed.contains(&("probe from onprem to app", CheckStatus::Fail)), "{checks:#?}");
    assert!(failed.contains(&("host web-1 for nc2", CheckStatus::Fail)), "{checks:#?}");
    assert!(!failed.iter().any(|(name, _)| name.starts_with("route ")), "{checks:#?}");
}

/// EC2 shows the best route of a prefix only ("Transit gateway route tables", route evaluation order).
#[tokio::test]
async fn what_our_route_may_hide_is_told_of_a_plan_that_deletes_it() {
    let world = WORLD.replace(
        "propagations: [apps, nc2, onprem] }",
        "propagations: [apps, nc2, onprem], routes: [{ prefix: 172.30.1.0/24, attachment: nc2 }] }",
    );
    let (_sim, context) = start(&world).await;
    let (map, captured) = (map(), Moment::Captured(None));
    let checks = preflight::checks(&context, &subject(&map, None), &id("ec2"), captured, None).await.unwrap();
    let plan = checks.iter().find(|check| check.name == "plan to ec2").unwrap();
    assert_eq!(plan.status, CheckStatus::Warn, "{}", plan.saw);
    assert!(plan.saw.contains("not known: what takes over for 172.30.1.0/24"), "{}", plan.saw);
}

#[tokio::test]
async fn a_machine_that_cannot_be_asked_is_unknown_not_a_failure() {
    let (_sim, context) = start(WORLD).await;
    let map = NetworkMap::parse(&MAP.replace("mi-00000000000000010", "mi-0000000000000dead")).unwrap();
    let checks =
        postflight::seen(&context, &subject(&map, Some(no_vm())), &id("ec2"), GuestView::Asked).await.unwrap().checks;
    assert_eq!(not_passed(&checks), [("probe from onprem to app", CheckStatus::Unknown)], "{checks:#?}");
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_unknown_not_a_failure() {
    let (sim, context) = start(WORLD).await;
    sim.shared().world().lost_regions.insert("ap-northeast-1".into());
    let map = map();
    let checks =
        postflight::seen(&context, &subject(&map, Some(no_vm())), &id("ec2"), GuestView::Asked).await.unwrap().checks;
    assert_eq!(worst(&checks), CheckStatus::Unknown, "{checks:#?}");
}
