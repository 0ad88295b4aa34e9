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
use holdfast_plan::{Move, Plan, check, plan_move, plan_rest};
use holdfast_runtime::STOP_MARGIN;
use holdfast_sim::{Options, Sim, World};
use holdfast_swap_route::AwsTables;
use jiff::Timestamp;
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

/// Time-out of `swap-route` in the template.
const INVOCATION: Duration = Duration::from_secs(120);

/// Time since it was made, from the epoch on.
struct Since(Instant);

impl Clock for Since {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add(self.0.elapsed()).unwrap_or(Timestamp::MAX)
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
    applied(&sim, &clients, map, plan).await
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

/// Applies a plan in a journal of its own, in as many invocations as the time-out of the function makes of it, each with a fresh look at the tables.
async fn applied(
    sim: &Sim,
    clients: &BTreeMap<Scope, AwsNetwork>,
    map: &NetworkMap,
    plan: Plan,
) -> Result<Took, BoxError> {
    let record = Record::default();
    let journal = SlowJournal { memory: MemoryJournal::default(), delay: CALL, record: &record };
    let clock = Since(Instant::now());
    let networks = plan.networks.clone();
    let intent = Intent::Move { networks: networks.clone(), to: plan.to.clone(), hosts: None, lost: None };
    let mut deadline = clock.now().saturating_add(INVOCATION)?;
    let holder = |number: u32| Holder { execution: "bench".to_owned(), invocation: number.to_string() };
    let desk = |number, deadline| Desk::new(&journal, holder(number), deadline);
    let desk_of_first = desk(0, deadline);
    let Standing::Free(locks) = desk_of_first.find(&networks, &intent, None, clock.now()).await? else {
        return Err("the journal is not empty".into());
    };
    let operation = Operation {
        v: 2,
        id: OperationId::parse("op-00000001")?,
        intent: intent.clone(),
        from: BTreeMap::new(),
        map: MapRef { bucket: String::new(), key: String::new(), version: String::new(), sha256: String::new() },
        force: None,
        evidence: None,
        event: None,
        approved_by: None,
        replaces: BTreeSet::new(),
        verdict: Vec::new(),
        planned_at: clock.now(),
        planned_by: holder(0),
        plan,
    };
    let tables = Watched { tables: AwsTables(clients), record: &record };
    sim.shared().gate().log().clear();
    let lookups = record.calls();
    let decided = Instant::now();
    let mut session = desk_of_first.open(operation, &locks, clock.now()).await?;
    for number in 1.. {
        let limits = Limits { deadline, margin: STOP_MARGIN, settle: Duration::from_secs(30) };
        if apply(&mut session, &tables, &clock, &limits).await? == Applied::Done {
            break;
        }
        deadline = clock.now().saturating_add(INVOCATION)?;
        let desk = desk(number, deadline);
        let Standing::Same(id, locks) = desk.find(&networks, &intent, None, clock.now()).await? else {
            return Err("the operation is not open any more".into());
        };
        let (plan, done) = (&session.operation().plan, &session.status().done);
        let picture = read_picture_towards(clients, map, Some(&plan.to), clock.now()).await;
        let rest = plan_rest(plan, done, map, &picture)?;
        check(&rest, &picture, map).map_err(|found| format!("the checker refuses what is left: {found:?}"))?;
        session = desk.resume(&id, &locks, None, clock.now()).await?;
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
