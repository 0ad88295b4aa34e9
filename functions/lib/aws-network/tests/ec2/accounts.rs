//! Tables of another account, through the role that the network map names.

use super::*;
use holdfast_aws_network::ErrorKind;
use holdfast_journal::Seen;
use holdfast_plan::{Place, RouteValue, Step};
use holdfast_runtime::Accounts;

/// The transit gateway of `eu-west-1` belongs to account 444455556666 and is shared with the one that owns the VPCs.
async fn two_accounts() -> Sim {
    start(|world| {
        let text = include_str!("world.yaml");
        let text = text.replacen(
            "        id: tgw-00000000000000001\n",
            "        id: tgw-00000000000000001\n        account: \"444455556666\"\n        shared_with: [\"222233334444\"]\n        auto_accept: true\n",
            1,
        );
        let roles = "accounts:
  \"444455556666\":
    roles: [{ name: holdfast, external_id: blue, trusts: [\"222233334444\"] }]
";
        *world = World::from_yaml(&format!("{roles}{text}")).unwrap();
    })
    .await
}

fn map_of(external_id: &str) -> NetworkMap {
    let account = format!(
        "  hub: {{ id: \"444455556666\", role_arn: \"arn:aws:iam::444455556666:role/holdfast\", external_id: {external_id} }}\n"
    );
    let text = include_str!("map.yaml").replacen("accounts:\n", &format!("accounts:\n{account}"), 1);
    let hub = "account: hub\n    region: eu-west-1";
    let text = text.replacen("account: main\n    region: eu-west-1", hub, 1);
    NetworkMap::parse(
        &text.replace("account: main, region: eu-west-1, enters", "account: hub, region: eu-west-1, enters"),
    )
    .unwrap()
}

/// Clients as the functions make them.
async fn clients(sim: &Sim, map: &NetworkMap) -> BTreeMap<Scope, AwsNetwork> {
    let credentials = Credentials::new("222233334444", "secret", None, None, "test");
    let base = aws_config::defaults(BehaviorVersion::latest())
        .region(SdkRegion::new("eu-west-1"))
        .endpoint_url(sim.aws_endpoint())
        .credentials_provider(credentials)
        .load()
        .await;
    let accounts = Accounts::new(base);
    let mut clients = BTreeMap::new();
    for scope in scopes_of(map) {
        let config = accounts.sdk_config(&map.accounts[&scope.account], &scope.region).await;
        clients.insert(scope.clone(), AwsNetwork::new(&config, scope));
    }
    clients
}

fn hub() -> Scope {
    Scope { account: id("hub"), region: id("eu-west-1") }
}

fn step() -> Step {
    Step {
        table: id(WEST),
        name: id("west"),
        tag: None,
        scope: hub(),
        networks: BTreeSet::from([id("shop")]),
        place: Place::Route { prefix: id("10.1.5.0/24") },
        before: RouteValue::Absent,
        after: RouteValue::Static { attachment: id("tgw-attach-00000000000000002") },
        why: String::new(),
    }
}

#[tokio::test]
async fn a_table_of_another_account_is_read_and_written_through_its_role() {
    let sim = two_accounts().await;
    let map = map_of("blue");
    let clients = clients(&sim, &map).await;
    let picture = read_picture(&clients, &map, Timestamp::UNIX_EPOCH).await;
    assert_eq!(picture.unread, []);
    assert_eq!(picture.tgw_tables[&id(WEST)].scope, hub());
    assert_eq!(picture.vpcs[&id("vpc-00000000000000001")].scope.account, id("main"));
    assert_eq!(calls(&sim, "AssumeRole"), 1, "one session serves every call");
    let step = step();
    clients[&hub()].write_place(&step).await.unwrap();
    let seen = clients[&hub()].read_place(&step).await.unwrap();
    assert!(matches!(&seen, Seen::Settled(value) | Seen::Changing(value) if *value == step.after));
    // The account of the VPCs sees the transit gateway and not its tables.
    let wrong = network(&sim, "eu-west-1");
    assert_eq!(wrong.read_place(&step).await.unwrap_err().kind, ErrorKind::IdNotFound);
    assert_eq!(wrong.write_place(&step).await.unwrap_err().kind, ErrorKind::IdNotFound);
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_access_denied_and_not_tried_again() {
    let sim = two_accounts().await;
    let map = map_of("red");
    let clients = clients(&sim, &map).await;
    for error in [
        clients[&hub()].read_place(&step()).await.unwrap_err(),
        clients[&hub()].write_place(&step()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("arn:aws:iam::444455556666:role/holdfast"), "{error}");
        assert_eq!(Fault::from(error).name, FaultName::AccessDenied);
    }
    assert_eq!(calls(&sim, "AssumeRole"), 2);
    let picture = read_picture(&clients, &map, Timestamp::UNIX_EPOCH).await;
    assert!(!picture.tgw_tables.contains_key(&id(WEST)));
    assert!(picture.unread.iter().any(|unread| unread.scope == hub()), "{:?}", picture.unread);
}

#[tokio::test]
async fn a_token_service_that_does_not_answer_is_no_refusal() {
    let sim = two_accounts().await;
    fault(
        &sim,
        json!({"match": {"action": "AssumeRole"}, "effect": {"kind": "error", "code": "ServiceUnavailable", "status": 503, "message": "x"}}),
    );
    let clients = clients(&sim, &map_of("blue")).await;
    let error = clients[&hub()].read_place(&step()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotSent, "{error}");
    assert_eq!(Fault::from(error).name, FaultName::Unavailable);
}
