//! Plans applied as `swap-route` does, from the decision to the last route accepted.

use super::watched::{Record, SlowJournal, Watched};
use super::worlds::{By, many, story};
use super::{Calls, Figure};
use crate::error::BoxError;
use aws_config::{BehaviorVersion, Region as SdkRegion};
use aws_credential_types::Credentials;
use holdfast_aws_network::{AwsNetwork, read_picture_towards, scopes_of};
use holdfast_journal::{Applied, Desk, Holder, Intent, Limits, MemoryJournal, Operation, Standing, apply};
use holdfast_model::{Clock, MapRef, NetworkMap, NetworkName, OperationId, Scope, SiteName};
use holdfast_plan::{Move, Plan, check, plan_move};
use holdfast_sim::{Options, Sim, World};
use holdfast_swap_route::AwsTables;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// One call to AWS.
const CALL: Duration = Duration::from_millis(30);

/// What applying a plan took.
struct Took {
    seconds: f64,
    sequential: usize,
    calls: Calls,
}

struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// One network over two tables in two Regions.
pub(super) async fn round_trips() -> Result<Figure, BoxError> {
    let (mut world, map) = story()?;
    world.switches.pace.aws_ms = 30;
    let networks = BTreeSet::from([NetworkName::parse("app")?]);
    let took = moved(world, &map, &networks, "nc2-osaka").await?;
    Ok(Figure {
        name: "one network over 2 tables in 2 Regions: sequential round trips",
        value: took.sequential as f64,
        unit: "round trips",
        floor: Some(6.0),
        calls: took.calls,
        runs: 1,
    })
}

/// 1,000 static prefixes in one table.
pub(super) async fn static_routes() -> Result<Figure, BoxError> {
    let took = all_of(1000, By::Routes).await?;
    Ok(Figure {
        name: "1,000 static prefixes in one table",
        value: took.seconds,
        unit: "s",
        // 50 tokens, 5 a second.
        floor: Some(190.0),
        calls: took.calls,
        runs: 1,
    })
}

/// 1,000 prefixes in a prefix list, against one.
pub(super) async fn prefix_list() -> Result<Figure, BoxError> {
    let one = all_of(1, By::List).await?;
    let took = all_of(1000, By::List).await?;
    Ok(Figure {
        name: "1,000 prefixes in a prefix list: mutating calls",
        value: took.calls.mutating as f64,
        unit: "calls",
        floor: Some(one.calls.mutating as f64),
        calls: took.calls,
        runs: 1,
    })
}

/// Moves all of many networks of one table.
async fn all_of(count: u32, by: By) -> Result<Took, BoxError> {
    let (world, map) = many(count, by)?;
    moved(world, &map, &map.networks.keys().cloned().collect(), "b").await
}

/// Moves networks: reads, plans and checks, and then measures.
async fn moved(world: World, map: &NetworkMap, networks: &BTreeSet<NetworkName>, to: &str) -> Result<Took, BoxError> {
    let to = SiteName::parse(to)?;
    let sim = Sim::start(world, Options::default()).await?;
    let clients = clients(&sim, map).await;
    let picture = read_picture_towards(&clients, map, Some(&to), Timestamp::UNIX_EPOCH).await;
    let plan = plan_move(&Move::whole(networks, &to), map, &picture)?;
    check(&plan, &picture, map).map_err(|found| format!("the checker refuses the plan: {found:?}"))?;
    applied(&sim, &clients, plan).await
}

async fn clients(sim: &Sim, map: &NetworkMap) -> BTreeMap<Scope, AwsNetwork> {
    let mut clients = BTreeMap::new();
    for scope in scopes_of(map) {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(SdkRegion::new(scope.region.to_string()))
            .endpoint_url(sim.aws_endpoint())
            .credentials_provider(Credentials::new("111122223333", "lab", None, None, "lab"))
            .load()
            .await;
        clients.insert(scope.clone(), AwsNetwork::new(&config, scope));
    }
    clients
}

/// Applies a plan in a journal of its own.
async fn applied(sim: &Sim, clients: &BTreeMap<Scope, AwsNetwork>, plan: Plan) -> Result<Took, BoxError> {
    let record = Record::default();
    let journal = SlowJournal { memory: MemoryJournal::default(), delay: CALL, record: &record };
    let holder = Holder { execution: "bench".to_owned(), invocation: "bench".to_owned() };
    let clock = Still(Timestamp::UNIX_EPOCH);
    let deadline = clock.0.saturating_add(SignedDuration::from_hours(1))?;
    let networks = plan.networks.clone();
    let intent = Intent::Move { networks: networks.clone(), to: plan.to.clone(), hosts: None, lost: None };
    let desk = Desk::new(&journal, holder.clone(), deadline);
    let Standing::Free(locks) = desk.find(&networks, &intent, clock.now()).await? else {
        return Err("the journal is not empty".into());
    };
    let operation = Operation {
        v: 2,
        id: OperationId::parse("op-00000001")?,
        intent,
        from: BTreeMap::new(),
        map: MapRef { bucket: String::new(), key: String::new(), version: String::new(), sha256: String::new() },
        force: None,
        evidence: None,
        verdict: Vec::new(),
        planned_at: clock.now(),
        planned_by: holder,
        plan,
    };
    let tables = Watched { tables: AwsTables(clients), record: &record };
    let limits = Limits { deadline, margin: Duration::from_secs(55), settle: Duration::from_secs(30) };
    sim.shared().gate().log().clear();
    let lookups = record.calls();
    let decided = Instant::now();
    let mut session = desk.open(operation, &locks, clock.now()).await?;
    if apply(&mut session, &tables, &clock, &limits).await? != Applied::Done {
        return Err("the operation was not done at once".into());
    }
    let accepted = record.accepted().ok_or("no route was written")?;
    let log = sim.shared().gate().log().since(0);
    let calls = Calls {
        all: log.len(),
        mutating: log.iter().filter(|entry| entry.mutating).count(),
        throttled: log.iter().filter(|entry| entry.error.as_deref() == Some("RequestLimitExceeded")).count(),
    };
    let seconds = accepted.duration_since(decided).as_secs_f64();
    Ok(Took { seconds, sequential: record.sequential(lookups), calls })
}
