//! The adapter against the simulated EC2: what it reads is complete, what it writes happens once, and every error has its meaning.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod accounts;
mod beside;
mod pace;
mod places;
mod quotas;
mod targets;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use holdfast_aws_network::{AwsNetwork, read_picture, scopes_of};
use holdfast_model::*;
use holdfast_sim::{Options, Sim, World};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const WEST: &str = "tgw-rtb-00000000000000001";

async fn start(change: impl FnOnce(&mut World)) -> Sim {
    let mut world = World::from_yaml(include_str!("world.yaml")).unwrap();
    change(&mut world);
    Sim::start(world, Options::callers_here()).await.unwrap()
}

fn map() -> NetworkMap {
    NetworkMap::parse(include_str!("map.yaml")).unwrap()
}

fn config(sim: &Sim, region: &str) -> SdkConfig {
    let credentials = Credentials::new("222233334444", "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(SdkRegion::new(region.to_owned()))
        .endpoint_url(sim.aws_endpoint())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
        .build()
}

fn network(sim: &Sim, region: &str) -> AwsNetwork {
    let scope = Scope { account: id("main"), region: id(region) };
    AwsNetwork::new(&config(sim, region), scope)
}

fn networks(sim: &Sim) -> BTreeMap<Scope, AwsNetwork> {
    scopes_of(&map()).into_iter().map(|scope| (scope.clone(), network(sim, scope.region.as_str()))).collect()
}

fn id<T: TryFrom<String>>(text: &str) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(text.to_owned()).unwrap()
}

async fn picture(sim: &Sim) -> Picture {
    read_picture(&networks(sim), &map(), Timestamp::UNIX_EPOCH).await
}

fn fault(sim: &Sim, rule: serde_json::Value) {
    sim.shared().gate().add_fault(serde_json::from_value(rule).unwrap());
}

fn calls(sim: &Sim, action: &str) -> usize {
    sim.shared().gate().log().since(0).iter().filter(|entry| entry.action == action).count()
}

#[tokio::test]
async fn a_picture_holds_what_decides_in_both_regions() {
    let sim = start(|_| {}).await;
    let picture = picture(&sim).await;
    assert_eq!(picture.unread, []);
    let west = &picture.tgw_tables[&id(WEST)];
    let route = |prefix: &str| west.routes[&id(prefix)].clone();
    assert_eq!(west.tgw, id("tgw-00000000000000001"));
    assert_eq!(
        route("10.1.0.0/16"),
        TgwRoute {
            origin: RouteOrigin::Propagated,
            state: RouteState::Active,
            targets: vec![id("tgw-attach-00000000000000001")]
        }
    );
    assert_eq!((route("10.66.0.0/16").state, route("10.66.0.0/16").targets), (RouteState::Blackhole, vec![]));
    // The static route hides the propagated one.
    assert_eq!(route("10.2.0.0/16").origin, RouteOrigin::Static);
    // The table of the vantage, which the map does not name; not the one that nothing in scope is associated with.
    assert!(picture.tgw_tables.contains_key(&id("tgw-rtb-00000000000000002")));
    assert!(!picture.tgw_tables.contains_key(&id("tgw-rtb-00000000000000004")));
    let across = |region: &str| {
        picture.attachment(&id(region), &id("tgw-attach-00000000000000006")).map(|at| at.kind.clone()).unwrap()
    };
    assert_eq!(
        across("eu-west-1"),
        AttachmentKind::Peering { tgw: id("tgw-00000000000000002"), region: id("eu-central-1") }
    );
    assert_eq!(
        across("eu-central-1"),
        AttachmentKind::Peering { tgw: id("tgw-00000000000000001"), region: id("eu-west-1") }
    );
    let office = picture.attachment(&id("eu-west-1"), &id("tgw-attach-00000000000000003")).unwrap();
    assert_eq!(
        (&office.kind, office.association.clone()),
        (&AttachmentKind::Vpn, Some(id("tgw-rtb-00000000000000002")))
    );
    let old = &picture.vpcs[&id("vpc-00000000000000001")];
    assert_eq!(old.prefixes, [id("10.1.0.0/16"), id("10.9.0.0/16")]);
    assert_eq!(old.subnets[&id("subnet-00000000000000001")].table, id("rtb-00000000000000001"));
    assert_eq!(old.subnets[&id("subnet-00000000000000002")].table, id("rtb-00000000000000002"));
    assert_eq!(old.subnets[&id("subnet-00000000000000002")].zone, Some(id("eu-west-1a")));
    let new = &picture.vpcs[&id("vpc-00000000000000002")].tables[&id("rtb-00000000000000003")];
    assert_eq!(new.routes[&id("10.1.5.0/24")].target, VpcTarget::Eni { id: id("eni-00000000000000009") });
    let all = sim.shared().gate().log().since(0).len();
    assert!(all <= 13, "{all} calls for one picture");
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_unread_and_the_other_is_read() {
    let sim = start(|_| {}).await;
    fault(
        &sim,
        json!({"match": {"region": "eu-central-1"}, "effect": {"kind": "error", "code": "InternalError", "status": 500, "message": "x"}}),
    );
    let picture = picture(&sim).await;
    assert!(picture.tgw_tables.contains_key(&id(WEST)));
    assert!(!picture.tgw_tables.contains_key(&id("tgw-rtb-00000000000000003")));
    assert!(!picture.attachments.contains_key(&id("eu-central-1")));
    assert!(!picture.vpcs.contains_key(&id("vpc-00000000000000003")));
    assert!(picture.unread.iter().all(|unread| unread.scope.region == id("eu-central-1")));
    assert!(picture.unread.iter().any(|unread| unread.why.contains("InternalError")), "{:?}", picture.unread);
    // The other side of the peering is then asked of the Region that answers.
    let across = picture.attachment(&id("eu-west-1"), &id("tgw-attach-00000000000000006")).unwrap();
    assert_eq!(across.kind, AttachmentKind::Peering { tgw: id("tgw-00000000000000002"), region: id("eu-central-1") });
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_left_out_not_empty() {
    let sim = start(|_| {}).await;
    fault(
        &sim,
        json!({"match": {"action": "SearchTransitGatewayRoutes", "contains": WEST}, "effect": {"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "no"}}),
    );
    let picture = picture(&sim).await;
    assert!(!picture.tgw_tables.contains_key(&id(WEST)));
    assert!(picture.unread.iter().any(|unread| unread.what == format!("routes of `{WEST}`")), "{:?}", picture.unread);
}

fn fill(world: &mut World, routes: u32) {
    let mut file = holdfast_sim::WorldFile::parse(include_str!("world.yaml")).unwrap();
    let table = &mut file.regions.get_mut("eu-west-1").unwrap().transit_gateways[0].route_tables[0];
    for n in 0..routes {
        let prefix = format!("100.{}.{}.{}/32", 64 + n / 65536, n / 256 % 256, n % 256);
        table.routes.push(holdfast_sim::ec2::file::TgwRouteFile {
            prefix: Some(prefix.parse().unwrap()),
            prefix_list: None,
            attachment: Some("across".into()),
            blackhole: false,
        });
    }
    let switches = world.switches.clone();
    *world = World::from_file(&file).unwrap();
    world.switches = switches;
}

#[tokio::test]
async fn more_than_a_thousand_routes_are_read_by_pages() {
    let sim = start(|world| fill(world, 2500)).await;
    let routes = network(&sim, "eu-west-1").read_routes(&id(WEST)).await.unwrap();
    assert_eq!(routes.len(), 2500 + 6);
    assert_eq!(calls(&sim, "SearchTransitGatewayRoutes"), 3);
}

#[tokio::test]
async fn a_cut_answer_without_a_token_is_completed_by_halves() {
    let sim = start(|world| {
        world.switches.ec2.search_tokens = false;
        fill(world, 1500);
    })
    .await;
    let routes = network(&sim, "eu-west-1").read_routes(&id(WEST)).await.unwrap();
    assert_eq!(routes.len(), 1500 + 6);
    assert!(routes.contains_key(&id("100.64.5.219/32")) && routes.contains_key(&id("10.66.0.0/16")));
}

#[tokio::test]
async fn machines_of_a_vpc_come_with_every_interface_attached_or_not() {
    let sim = start(|_| {}).await;
    let west = network(&sim, "eu-west-1");
    let machines = west.read_machines(&[id("vpc-00000000000000001")].into()).await.unwrap();
    let till = &machines.instances[&id("i-00000000000000001")];
    assert_eq!(
        (till.name.as_deref(), till.state, till.platform, till.enis.len()),
        (Some("till"), InstanceState::Running, Platform::Windows, 2)
    );
    assert_eq!(till.tags["Wave"], "first");
    let first = &machines.enis[&till.enis[0]];
    assert_eq!(
        (first.primary, first.secondary.clone(), first.device_index, first.instance.clone()),
        ("10.1.5.10".parse().unwrap(), vec!["10.1.5.11".parse().unwrap()], Some(0), Some(till.id.clone()))
    );
    assert_eq!(machines.instances[&id("i-00000000000000002")].state, InstanceState::Stopped);
    let spare = &machines.enis[&id("eni-00000000000000007")];
    assert_eq!(
        (spare.status, spare.description.as_str(), spare.instance.clone()),
        (EniStatus::Available, "a spare one", None)
    );
    let subnets = west.read_subnets(&BTreeSet::from([id("vpc-00000000000000001")])).await.unwrap();
    assert_eq!(subnets[&id("vpc-00000000000000001")][&id("subnet-00000000000000001")], id("10.1.5.0/24"));
    let checks = west.read_source_dest_checks(&BTreeSet::from([id("eni-00000000000000009")])).await.unwrap();
    assert_eq!(checks, BTreeMap::from([(id("eni-00000000000000009"), false)]));
}

#[tokio::test]
async fn a_selection_brings_its_instances_with_their_interfaces_in_one_call() {
    let sim = start(|_| {}).await;
    let (west, vpc) = (network(&sim, "eu-west-1"), id("vpc-00000000000000001"));
    let (till, stock): (InstanceId, InstanceId) = (id("i-00000000000000001"), id("i-00000000000000002"));
    for (select, found) in [
        (Select::Instances { ids: BTreeSet::from([till.clone(), id("i-0000000000000dead")]) }, vec![&till]),
        (Select::Tags { tags: BTreeMap::from([("Wave".into(), "first".into())]) }, vec![&till]),
        (Select::Subnet { id: id("subnet-00000000000000001") }, vec![&till, &stock]),
        (Select::Subnet { id: id("subnet-00000000000000002") }, vec![&till]),
        (Select::Vpc, vec![&till, &stock]),
    ] {
        sim.shared().gate().log().clear();
        let machines = west.read_selected(&vpc, &select).await.unwrap();
        assert_eq!(machines.instances.keys().collect::<Vec<_>>(), found, "{select:?}");
        for instance in machines.instances.values() {
            assert!(!instance.enis.is_empty() && instance.enis.iter().all(|eni| machines.enis.contains_key(eni)));
        }
        assert_eq!(sim.shared().gate().log().since(0).len(), 1);
    }
}
