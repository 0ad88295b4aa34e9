//! The flow of one invocation of `swap-route`, over the world of the day: the same calls of the same libraries in the same order.

use super::audit::{Writ, finished};
use super::calls::{CALL, Store, Tables};
use super::ground::{region, site};
use super::look::{read_machines, read_picture};
use super::world::Shared;
use holdfast_journal::{
    Applied, Desk, Due, Holder, Intent, JournalStore, Limits, Locks, Operation, Owed, Phase, Session, Standing,
    TakeError, apply, due_of,
};
use holdfast_model::wire::{FailoverIntent, FailoverRequest, Force};
use holdfast_model::{
    Clock, Evidence, Fault, FaultName, MapRef, NetworkMap, NetworkName, OperationId, Picture, Region, SiteName,
};
use holdfast_plan::{
    Facts, Move, Plan, Refusal, apart, check, current_site, judge, plan_correction, plan_move, plan_rest, plan_undo,
    sites_judged,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

/// How long a function may run, in seconds: its time-out in the template.
pub(crate) const INVOCATION: i64 = 120;

/// Time left below which it begins no change: `STOP_MARGIN` of the functions.
const MARGIN: Duration = Duration::from_secs(55);

/// How long a route may take to be in use: `SETTLE` of `swap-route`.
const SETTLE: Duration = Duration::from_secs(30);

/// What is asked for.
struct Goal {
    intent: Intent,
    networks: BTreeSet<NetworkName>,
    to: SiteName,
    lost: Option<Region>,
    steady: bool,
    undone: Option<Operation>,
    force: Option<Force>,
}

/// How a swap ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swapped {
    NothingToDo,
    Done,
    Continue,
}

/// One invocation.
pub(crate) struct Swap<'a> {
    day: &'a Shared,
    store: &'a Store,
    holder: Holder,
    deadline: Timestamp,
    map: NetworkMap,
    goal: Goal,
    waived: BTreeSet<SiteName>,
    evidence: Option<&'a Evidence>,
}

/// An operation that an invocation works at.
struct Taken<'a> {
    session: Session<'a, Store>,
    writ: Writ,
}

fn refused(refusal: &Refusal) -> Fault {
    Fault::new(refusal.fault(), refusal.to_string())
}

fn not_taken(error: &TakeError) -> Fault {
    Fault::new(error.fault(), error.to_string())
}

/// A race is looked at again; everything else is a fault.
fn raced<T>(taken: Result<T, TakeError>) -> Result<Option<T>, Fault> {
    match taken {
        Ok(taken) => Ok(Some(taken)),
        Err(TakeError::Raced { .. } | TakeError::Closed { .. }) => Ok(None),
        Err(error) => Err(not_taken(&error)),
    }
}

/// Resolves a request as `swap-route` does.
async fn goal(request: &FailoverRequest, store: &Store) -> Result<Goal, Fault> {
    let force = request.force.clone();
    let bad = |message: String| Fault::new(FaultName::InvalidInput, message);
    let moving = |networks: BTreeSet<NetworkName>, to: SiteName, lost: Option<Region>, steady| Goal {
        intent: Intent::Move { networks: networks.clone(), to: to.clone(), hosts: None, lost: lost.clone() },
        networks,
        to,
        lost,
        steady,
        undone: None,
        force: force.clone(),
    };
    match request.intent().map_err(bad)? {
        FailoverIntent::Move { networks, to, lost, .. } => Ok(moving(networks, to, lost, false)),
        FailoverIntent::Reconcile(networks) => match due_of(&networks, store).await.map_err(|why| why.fault())? {
            Due::Owed(Owed { to, .. }) => Ok(moving(networks, to, None, false)),
            Due::Steady(steady) => Ok(moving(networks, steady.site, None, true)),
        },
        FailoverIntent::Undo { operation: id, lost } => {
            let not = |message: String| Fault::new(FaultName::NotUndoable, message);
            let undone =
                store.read_operation(&id).await.map_err(|error| Fault::new(error.fault(), error.to_string()))?;
            let undone = undone.ok_or_else(|| not(format!("there is no operation `{id}`")))?;
            Ok(Goal {
                intent: Intent::Undo { operation: id, lost: lost.clone() },
                networks: undone.plan.networks.clone(),
                to: undone.undo_to().map_err(not)?,
                lost,
                steady: false,
                undone: Some(undone),
                force,
            })
        }
    }
}

/// Plans and applies what is asked for.
pub(crate) async fn swap(
    day: &Shared,
    request: &FailoverRequest,
    evidence: Option<&Evidence>,
    execution: &str,
    deadline: Timestamp,
) -> Result<Swapped, Fault> {
    if evidence.is_none() && request.force.is_none() {
        return Err(Fault::new(FaultName::EvidenceMissing, "no evidence"));
    }
    let store = Store(day.clone());
    let goal = goal(request, &store).await?;
    let bad = |why: String| Fault::new(FaultName::InvalidInput, why);
    let map = match &goal.lost {
        None => day.ground.map.clone(),
        Some(lost) => day.ground.map.clone().losing(lost).map_err(bad)?,
    };
    if map.sites.get(&goal.to).is_none_or(|site| !map.reachable(site.region())) {
        return Err(Fault::new(FaultName::InvalidInput, "no such site, or it is lost"));
    }
    let map = match &request.waived {
        None => map,
        Some(waiver) => map.waiving(waiver, &goal.to).map_err(bad)?,
    };
    let waived = request.waived.iter().flat_map(|waiver| waiver.sites.clone()).collect();
    let invocation = format!("in-{}", day.world().number());
    let holder = Holder { execution: execution.to_owned(), invocation };
    let swap = Swap { day, store: &store, holder, deadline, map, goal, waived, evidence };
    let Some(Taken { mut session, writ }) = Box::pin(swap.take()).await? else { return Ok(Swapped::NothingToDo) };
    {
        let mut world = day.world();
        world.counts.forced += u64::from(swap.goal.force.is_some());
        world.counts.undone += u64::from(swap.goal.undone.is_some());
        world.counts.without_region += u64::from(swap.goal.lost.is_some());
        let replaces = writ.opened && swap.goal.undone.is_none() && !writ.operation.replaces.is_empty();
        world.counts.replaced += u64::from(replaces);
        let (id, intent, opened) = (&writ.operation.id, &writ.operation.intent, writ.opened);
        world.note(|| format!("{execution} {} {id}: {intent}", if opened { "opens" } else { "resumes" }));
    }
    let limits = Limits { deadline, margin: MARGIN, settle: SETTLE };
    let tables = Tables { day: day.clone(), writ: writ.clone(), reads: Mutex::default() };
    match apply(&mut session, &tables, day.as_ref(), &limits).await? {
        Applied::Done => {
            finished(day, &writ);
            Ok(Swapped::Done)
        }
        Applied::Continue => Ok(Swapped::Continue),
    }
}

impl<'a> Swap<'a> {
    fn desk(&self) -> Desk<'a, Store> {
        Desk::new(self.store, self.holder.clone(), self.deadline + SignedDuration::from_secs(CALL))
    }

    async fn take(&self) -> Result<Option<Taken<'a>>, Fault> {
        let locked = self.map.entangled(&self.goal.networks);
        let over = self.goal.force.is_some().then_some(&self.map);
        for _ in 0..3 {
            let now = self.day.now();
            let standing = self.desk().find(&locked, &self.goal.intent, over, now).await;
            let taken = match standing.map_err(|error| not_taken(&error))? {
                Standing::Same(id, locks) => self.resume(&id, &locks, now).await?,
                Standing::Free(locks) => self.open(&locks, now).await?,
            };
            if let Some(taken) = taken {
                return Ok(taken);
            }
        }
        Err(Fault::new(FaultName::LeaseHeld, "others took the locks"))
    }

    /// What is left of an open operation, as `swap-route` plans and judges it.
    async fn rest(&self, operation: &Operation) -> Result<(Picture, Timestamp), Fault> {
        let (status, _) = self.desk().status(operation).await.map_err(|error| not_taken(&error))?;
        let picture = read_picture(self.day, &self.map).await;
        let stays_open =
            |fault: Fault| Fault::new(fault.name, format!("{}; {}", fault.message, operation.or_replace()));
        let rest = plan_rest(&operation.plan, &status.done, &self.map, &picture);
        let rest = rest.map_err(|refusal| stays_open(refused(&refusal)))?;
        self.checked(&rest, &picture).map_err(stays_open)?;
        let judged = self.verdict(&picture, &rest, &Locks::new()).await?;
        Ok((picture, judged))
    }

    async fn resume(
        &self,
        id: &OperationId,
        locks: &Locks,
        now: Timestamp,
    ) -> Result<Option<Option<Taken<'a>>>, Fault> {
        let operation = self.operation(id).await?;
        let force = self.goal.force.as_ref();
        let (picture, judged) = match self.rest(&operation).await {
            Err(fault) if force.is_some() && self.desk().plans_anew(&operation, fault.name) => {
                return self.open(locks, now).await;
            }
            rest => rest?,
        };
        let session = self.desk().resume(id, locks, force, now).await;
        Ok(raced(session)?.map(|session| Some(self.taken(session, &picture, judged, false))))
    }

    /// The outer none is a race; the inner, that there is nothing to do. `now` is when the locks were read.
    async fn open(&self, locks: &Locks, now: Timestamp) -> Result<Option<Option<Taken<'a>>>, Fault> {
        let mut unfinished = locks.values().any(|lock| lock.open.is_some());
        if let Some(undone) = &self.goal.undone {
            match self.desk().status(undone).await.map_err(|error| not_taken(&error))?.0.phase {
                Phase::Superseded(by) => {
                    let message = format!("{} was taken back, or replaced, by {by}", undone.id);
                    return Err(Fault::new(FaultName::NotUndoable, message));
                }
                phase => unfinished |= phase != Phase::Finished,
            }
        }
        let picture = read_picture(self.day, &self.map).await;
        let plan = self.plan(&picture)?;
        self.checked(&plan, &picture)?;
        let number = self.day.world().number();
        let id = OperationId::parse(format!("op-{number:08}")).unwrap();
        if plan.is_empty() && !unfinished && !self.changes_debts(locks, &id) {
            return Ok(Some(None));
        }
        let judged = self.verdict(&picture, &plan, locks).await?;
        let networks = self.goal.networks.iter();
        let from = networks.filter_map(|name| Some((name.clone(), current_site(&self.map, &picture, name)?)));
        let operation = Operation {
            v: 2,
            id,
            intent: self.goal.intent.clone(),
            from: from.collect(),
            map: MapRef { bucket: "b".into(), key: "k".into(), version: String::new(), sha256: "0".repeat(64) },
            event: None,
            approved_by: None,
            force: self.goal.force.clone(),
            evidence: self.evidence.map(|evidence| evidence.id.clone()),
            replaces: BTreeSet::new(),
            verdict: Vec::new(),
            planned_at: self.day.now(),
            planned_by: self.holder.clone(),
            plan,
        };
        let session = raced(self.desk().open(operation, locks, now).await)?;
        Ok(session.map(|session| Some(self.taken(session, &picture, judged, true))))
    }

    fn taken(&self, session: Session<'a, Store>, picture: &Picture, judged: Timestamp, opened: bool) -> Taken<'a> {
        let writ = Writ {
            operation: session.operation().clone(),
            opened,
            waived: self.waived.clone(),
            evidence: self.evidence.map(|evidence| evidence.taken_at),
            judged,
            pictured: picture.read_at,
            taken: self.day.now(),
        };
        Taken { session, writ }
    }

    fn checked(&self, plan: &Plan, picture: &Picture) -> Result<(), Fault> {
        check(plan, picture, &self.map).map_err(|found| Fault::new(FaultName::Refused, format!("{found:?}")))
    }

    fn plan(&self, picture: &Picture) -> Result<Plan, Fault> {
        let Goal { networks, to, undone, steady, .. } = &self.goal;
        let plan = match undone {
            Some(undone) => plan_undo(&undone.plan, to, &self.map, picture),
            None if *steady => plan_correction(networks, to, &self.map, picture),
            None => plan_move(&Move::whole(networks, to), &self.map, picture),
        };
        plan.map_err(|refusal| refused(&refusal))
    }

    fn changes_debts(&self, locks: &Locks, id: &OperationId) -> bool {
        let own = locks.iter().filter(|(network, _)| self.goal.networks.contains(*network));
        own.map(|(_, lock)| lock.owed.as_ref()).any(|before| {
            let id = before.map_or(id, |before| &before.operation);
            before != Owed::after(before, id, self.goal.lost.as_ref(), &self.goal.to, None).as_ref()
        })
    }

    /// Judges, and says when.
    async fn verdict(&self, picture: &Picture, plan: &Plan, locks: &Locks) -> Result<Timestamp, Fault> {
        if self.goal.force.is_some() {
            return Ok(self.day.now());
        }
        let Goal { networks, to, .. } = &self.goal;
        let apart = apart(networks, to, &self.map, picture, Some(plan));
        let machines = read_machines(self.day, &sites_judged(to, &apart, &self.map), &self.map).await;
        let machines = machines.map_err(|why| Fault::new(FaultName::Unread, why))?;
        if let Some(outdated) = self.evidence.and_then(|evidence| holdfast_journal::outdated(evidence, plan, locks)) {
            return Err(outdated);
        }
        let now = self.day.now();
        let facts = Facts {
            networks,
            to,
            map: &self.map,
            addresses: None,
            apart: &apart,
            picture: Some(picture),
            plan: Some(plan),
            evidence: self.evidence,
            hosts: &self.day.ground.records(networks),
            machines: &machines,
            now,
        };
        judge(&facts).map_err(|objections| Fault::new(objections.fault(), objections.to_string()))?;
        Ok(now)
    }

    async fn operation(&self, id: &OperationId) -> Result<Operation, Fault> {
        let read = self.store.read_operation(id).await;
        let read = read.map_err(|error| Fault::new(error.fault(), error.to_string()))?;
        read.ok_or_else(|| not_taken(&TakeError::NoOperation(id.clone())))
    }
}

/// A request to move networks.
pub(crate) fn to_move(networks: &BTreeSet<NetworkName>, to: &str) -> FailoverRequest {
    FailoverRequest { networks: Some(networks.clone()), to: Some(site(to)), ..FailoverRequest::default() }
}

/// The input that an operation of an intent was started with.
pub(crate) fn input_of(intent: &Intent) -> FailoverRequest {
    match intent {
        Intent::Move { networks, to, lost, .. } => {
            FailoverRequest { lost: lost.clone(), ..to_move(networks, to.as_str()) }
        }
        Intent::Undo { operation, lost } => {
            FailoverRequest { undo: Some(operation.clone()), lost: lost.clone(), ..FailoverRequest::default() }
        }
    }
}

/// A Region by its name.
pub(crate) fn lost(name: &str) -> Option<Region> {
    Some(region(name))
}
