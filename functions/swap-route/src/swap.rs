//! The flow of one invocation.

use crate::choices::choices;
use crate::context::Context;
use crate::debts::{changes_debts, mergeable};
use crate::goal::{Goal, goal};
use crate::neighbours::{Apart, Neighbours, read_neighbours};
use crate::picture::read_settled;
use crate::tables::AwsTables;
use crate::way_back::{meanwhile, way_back};
use crate::words::{
    changed_meanwhile, corrected, done, left_elsewhere, not_resumed, nothing_to_do, operation_id, planned, shown, some,
    stays_open, take_fault, to_be_continued, too_old, violations, would_change, would_finish,
};
use holdfast_aws_network::{AwsNetwork, read_quotas};
use holdfast_journal::{
    Applied, Desk, Holder, Intent, Limits, Locks, Operation, Phase, Session, Standing, TakeError, apply, free_ended,
    outdated, read_locks,
};
use holdfast_model::wire::{SCHEMA_VERSION, SwapAction, SwapOutput, SwapResult, SwapRouteInput, SwapRouteOutput};
use holdfast_model::{
    Evidence, Fault, FaultName, HostRecord, MapRef, NetworkMap, NetworkName, OperationId, Picture, QuotaName, Quotas,
    Scope, SiteName,
};
use holdfast_plan::{
    Facts, Move, NOTHING_TO_CHANGE, Plan, Refusal, apart, check, current_site, cut_off, forecast, judge, only_reported,
    plan_correction, plan_move, plan_rest, plan_undo, quotas_wanted, within_quotas,
};
use holdfast_runtime::{Invocation, OPERATION_TIMEOUT, STOP_MARGIN, surviving, waiving};
use holdfast_store::Operations;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing::info;

/// How long a route may take to be in use after it was written; AWS shows `pending` for seconds.
const SETTLE: Duration = Duration::from_secs(30);

/// How often an operation is looked for again when another execution took a lock at the same moment.
const RACES: usize = 3;

/// Plans, or plans and applies, what is asked for; or says what a person could start.
///
/// # Flow
/// Network map; which operation is open; observe; plan and check; evidence; journal; apply; read back. An open operation of an equal
/// intent is resumed from its frozen plan, after what is left of it was checked again.
///
/// # Guarantees
/// `plan` and `choices` change nothing, in AWS or in the journal. Nothing is written without fresh evidence or a person's force, and not before the plan is
/// stored. The same input again, when every table is right, opens no operation.
///
/// # Errors
/// A [`Fault`] that says what is done and what is left, where anything was begun.
pub async fn handle(
    context: &Context,
    input: SwapRouteInput,
    invocation: Invocation,
) -> Result<SwapRouteOutput, Fault> {
    let (map, reference) = context.maps.load(input.map.as_ref()).await?;
    let found = match input.action {
        SwapAction::Plan => Swap::of(context, input, invocation, &map, reference).await?.plan_only().await?,
        SwapAction::Apply => Swap::of(context, input, invocation, &map, reference).await?.apply().await?,
        SwapAction::Choices => {
            let told = choices(context, &input, &invocation, (&map, reference));
            return Ok(SwapRouteOutput::Choices(Box::pin(told).await));
        }
    };
    Ok(SwapRouteOutput::Swap(found))
}

pub(crate) struct Swap<'a> {
    context: &'a Context,
    input: SwapRouteInput,
    invocation: Invocation,
    map: Arc<NetworkMap>,
    reference: MapRef,
    goal: Goal,
    networks: BTreeMap<Scope, AwsNetwork>,
    /// The evidence that the input names, once it was read; none where there is none of its id.
    evidence: OnceLock<Option<Evidence>>,
}

/// An operation that this invocation works at.
struct Taken<'a> {
    session: Session<'a, Operations>,
    verdict: Verdict,
    /// The plan in words.
    text: String,
}

/// What was found of the machines.
struct Verdict {
    /// What the evidence said; with force, whom the plan cuts off.
    seen: Vec<String>,
    /// Whom the plan cuts off, accepted or not, and what is not known of that.
    cut_off: Vec<String>,
}

/// What is left to do, as it was planned, proven and judged now.
pub(crate) struct Judged {
    pub(crate) plan: Plan,
    picture: Picture,
    verdict: Verdict,
}

impl<'a> Swap<'a> {
    /// What is asked for, resolved; nothing is read in AWS yet.
    ///
    /// # Errors
    /// `InvalidInput`, `NotUndoable`; `Refused` where only another Region may write.
    pub(crate) async fn of(
        context: &'a Context,
        input: SwapRouteInput,
        invocation: Invocation,
        map: &Arc<NetworkMap>,
        reference: MapRef,
    ) -> Result<Self, Fault> {
        let goal = goal(&input.request, map, &context.operations).await?;
        let map = surviving(Arc::clone(map), goal.lost.as_ref())?;
        alive(&map, &goal.to)?;
        let map = waiving(map, input.request.waived.as_deref(), &goal.to)?;
        match input.action {
            SwapAction::Plan => {}
            SwapAction::Apply | SwapAction::Choices => {
                context.writer.allows(context.accounts.region(), map.lost().map(|lost| &lost.region))?;
            }
        }
        let networks = context.networks(&map).await?;
        Ok(Self { context, input, invocation, map, reference, goal, networks, evidence: OnceLock::new() })
    }

    async fn plan_only(&self) -> Result<SwapOutput, Fault> {
        let mut picture = self.picture().await;
        let plan = self.plan(&mut picture).await?;
        if plan.is_empty() {
            let text = shown(&plan, &forecast(&plan, &self.map, &picture), &[]);
            let summary = nothing_to_do(&self.goal.moving(), &self.goal.to);
            return Ok(self.output(SwapResult::NothingToDo, None, text, summary));
        }
        let apart = self.apart(&picture, &plan);
        let (cut_off, quotas, meanwhile) = futures::future::join3(
            self.cut_off(&picture, &plan, &apart),
            self.quotas(&plan, &picture),
            meanwhile(self.context, &self.goal, &self.input, &plan),
        )
        .await;
        self.within(&plan, &mut picture, quotas)?;
        let mut text = shown(&plan, &forecast(&plan, &self.map, &picture), &cut_off);
        text.push_str(&changed_meanwhile(&meanwhile));
        info!(execution.id = %self.input.execution, "planned\n{text}");
        let summary = planned(&plan, &cut_off, self.map.lost());
        Ok(self.output(SwapResult::Planned, None, text, summary))
    }

    /// Nothing is written on nobody's word.
    fn has_grounds(&self) -> Result<(), Fault> {
        match (&self.input.evidence, &self.goal.force) {
            (Some(_), _) | (None, Some(_)) => Ok(()),
            (None, None) => {
                let message = "there is no evidence of where the machines run; run `watch` first, or start with `force` (who and why)";
                Err(Fault::new(FaultName::EvidenceMissing, message))
            }
        }
    }

    /// What a start of this would do now: all that it does before it writes anything.
    ///
    /// # Errors
    /// What it would be refused with.
    pub(crate) async fn rehearse(&self) -> Result<String, Fault> {
        self.has_grounds()?;
        let (locked, now) = (self.map.entangled(&self.goal.networks), self.context.clock.now());
        let locks = match self.standing(&locked, now).await? {
            Standing::Same(id, locks) => {
                let operation = self.operation(&id).await?;
                match self.rest(&operation).await {
                    Ok(rest) => return Ok(would_finish(&id, &rest.plan)),
                    Err(fault) if self.plans_anew(&operation, &fault) => locks,
                    Err(fault) => return Err(fault),
                }
            }
            Standing::Free(locks) => locks,
        };
        let leased = locks.values().find_map(|lock| lock.leased(now)).map(|lease| lease.until);
        let (begins, _) = self.begins(&locks).await?;
        Ok(would_change(begins.as_ref().map(|judged| &judged.plan), &Self::replaced(&locks), leased))
    }

    async fn apply(&self) -> Result<SwapOutput, Fault> {
        self.has_grounds()?;
        let Taken { mut session, verdict, text } = match self.take().await? {
            Some(taken) => taken,
            None => {
                let summary = nothing_to_do(&self.goal.moving(), &self.goal.to);
                return Ok(self.output(SwapResult::NothingToDo, None, NOTHING_TO_CHANGE.to_owned(), summary));
            }
        };
        info!(operation = %session.operation().id, execution.id = %self.input.execution, "applying\n{text}");
        let limits = Limits { deadline: self.invocation.deadline.time(), margin: STOP_MARGIN, settle: SETTLE };
        let tables = AwsTables(&self.networks);
        let applied = apply(&mut session, &tables, self.context.clock.as_ref(), &limits).await?;
        let operation = session.operation();
        Ok(match applied {
            Applied::Done => {
                let summary = done(operation, self.goal.force.as_ref(), &verdict.seen, self.map.lost());
                let summary = if self.goal.steady.is_some() { corrected(&summary) } else { summary };
                self.output(SwapResult::Done, Some(operation), text, summary)
            }
            Applied::Continue => {
                let summary = to_be_continued(operation, session.status().done.len());
                self.output(SwapResult::Continue, Some(operation), text, summary)
            }
        })
    }

    /// Resumes the open operation of this intent, or plans and opens one; none where there is nothing to do.
    async fn take(&self) -> Result<Option<Taken<'a>>, Fault> {
        // A prefix list or an aggregate leads other networks too: nobody may change those meanwhile.
        let locked = self.map.entangled(&self.goal.networks);
        let mut lost = None;
        for _ in 0..RACES {
            let now = self.context.clock.now();
            let taken = match self.standing(&locked, now).await? {
                Standing::Same(id, locks) => self.resume(&id, &locks, now).await?,
                Standing::Free(locks) => self.open(&locks, now).await?,
            };
            match taken {
                Ok(taken) => return Ok(taken),
                Err(error) => lost = Some(error),
            }
        }
        Err(lost.map_or_else(|| Fault::new(FaultName::Internal, "no operation was looked for"), |e| take_fault(&e)))
    }

    /// What the intent meets on these networks. Evidence that the input names is read in the same call.
    async fn standing(&self, locked: &BTreeSet<NetworkName>, now: Timestamp) -> Result<Standing, Fault> {
        let operations = &self.context.operations;
        let locks = match &self.input.evidence {
            None => read_locks(locked, operations).await,
            Some(id) => {
                let (evidence, locks) = operations.read_evidence_and_locks(id, locked).await?;
                // It never changes: what was read first holds.
                drop(self.evidence.set(evidence));
                free_ended(locks, operations).await
            }
        };
        let locks = locks.map_err(|error| take_fault(&error))?;
        let over = self.goal.force.is_some().then_some(&*self.map);
        let met = self.desk().meet(locks, &self.goal.intent, over, now).await;
        met.map_err(|error| take_fault(&error))
    }

    /// Whether a person's word has an open operation, which cannot go on, planned anew.
    fn plans_anew(&self, operation: &Operation, why_not: &Fault) -> bool {
        self.goal.force.is_some() && self.desk().plans_anew(operation, why_not.name)
    }

    fn desk(&self) -> Desk<'a, Operations> {
        let execution = match self.input.action {
            SwapAction::Plan | SwapAction::Apply => self.input.execution.clone(),
            // A choice is another execution's, of which nothing is known.
            SwapAction::Choices => String::new(),
        };
        let holder = Holder { execution, invocation: self.invocation.id.clone() };
        Desk::new(&self.context.operations, holder, self.invocation.deadline.lease_until(OPERATION_TIMEOUT))
    }

    /// What is left of an open operation.
    async fn rest(&self, operation: &Operation) -> Result<Judged, Fault> {
        self.correctable(operation)?;
        self.young_enough(operation)?;
        // Read before the tables: what is done from here on is seen there.
        let (status, _) = self.desk().status(operation).await.map_err(|error| take_fault(&error))?;
        let picture = self.picture().await;
        let plan = plan_rest(&operation.plan, &status.done, &self.map, &picture)
            .map_err(|refusal| stays_open(refused(refusal), operation))?;
        check(&plan, &picture, &self.map).map_err(|found| stays_open(violations(&found), operation))?;
        let verdict = self.verdict(&picture, &plan, &Locks::new()).await?;
        Ok(Judged { plan, picture, verdict })
    }

    /// The inner error is a race, after which the operation is looked for again. `now` is when the locks were read.
    async fn resume(
        &self,
        id: &OperationId,
        locks: &Locks,
        now: Timestamp,
    ) -> Result<Result<Option<Taken<'a>>, TakeError>, Fault> {
        let operation = self.operation(id).await?;
        let Judged { plan: rest, picture, verdict } = match self.rest(&operation).await {
            Err(fault) if self.plans_anew(&operation, &fault) => return self.open(locks, now).await,
            rest => rest?,
        };
        let session = raced(self.desk().resume(id, locks, self.goal.force.as_ref(), now).await)?;
        let text = shown(&operation.plan, &forecast(&rest, &self.map, &picture), &verdict.cut_off);
        Ok(session.map(|session| Some(Taken { session, verdict, text })))
    }

    /// An open operation that leads networks back to where they are is not finished by a reconcile that could not have begun it.
    fn correctable(&self, operation: &Operation) -> Result<(), Fault> {
        let only = only_reported(&self.goal.networks, &self.map);
        match self.goal.steady.is_some() && !only.is_empty() {
            false => Ok(()),
            true => Err(Fault::new(FaultName::OperationOpen, not_resumed(operation, &only))),
        }
    }

    /// A plan that was forgotten is not taken up again, unless a person says so.
    fn young_enough(&self, operation: &Operation) -> Result<(), Fault> {
        let too_old = too_old(operation, self.context.clock.now(), self.map.policy.plan_max_age_seconds);
        match too_old.filter(|_| self.goal.force.is_none()) {
            None => Ok(()),
            Some(why) => Err(Fault::new(FaultName::Refused, why)),
        }
    }

    async fn operation(&self, id: &OperationId) -> Result<Operation, Fault> {
        use holdfast_journal::JournalStore;
        let stored = self.context.operations.read_operation(id).await;
        stored
            .map_err(|error| Fault::new(error.fault(), error.to_string()))?
            .ok_or_else(|| take_fault(&TakeError::NoOperation(id.clone())))
    }

    /// What an operation under these locks would do, with its id; none where there is nothing to do.
    async fn begins(&self, locks: &Locks) -> Result<(Option<Judged>, OperationId), Fault> {
        mergeable(&self.goal, locks)?;
        let mut unfinished = !Self::replaced(locks).is_empty();
        if let Some(undone) = &self.goal.undone {
            match self.desk().status(undone).await.map_err(|error| take_fault(&error))?.0.phase {
                Phase::Superseded(by) => {
                    let how = match self.operation(&by).await?.intent {
                        Intent::Undo { .. } => "taken back",
                        Intent::Move { .. } => "replaced",
                    };
                    let message = format!("operation {} was already {how} by {by}", undone.id);
                    return Err(Fault::new(FaultName::NotUndoable, message));
                }
                Phase::Finished => {}
                Phase::Planned | Phase::Working | Phase::Held(_) => unfinished = true,
            }
        }
        let mut picture = self.picture().await;
        let plan = self.plan(&mut picture).await.map_err(|fault| match &self.goal.undone {
            Some(undone) if unfinished => stays_open(fault, undone),
            Some(_) | None => fault,
        })?;
        // An operation that never finished is closed by the one that replaces it, and what a Region owes is written down or settled, even where no
        // table has to change.
        let id = operation_id(self.context.clock.now(), &self.invocation.id)?;
        if plan.is_empty() && !unfinished && !changes_debts(&self.goal, locks, &id) {
            return Ok((None, id));
        }
        let (verdict, quotas) =
            futures::future::join(self.verdict(&picture, &plan, locks), self.quotas(&plan, &picture)).await;
        let verdict = verdict?;
        self.within(&plan, &mut picture, quotas)?;
        Ok((Some(Judged { plan, picture, verdict }), id))
    }

    /// The inner error is a race, after which the operation is looked for again. `now` is when the locks were read, before the tables were.
    async fn open(&self, locks: &Locks, now: Timestamp) -> Result<Result<Option<Taken<'a>>, TakeError>, Fault> {
        let (begins, id) = self.begins(locks).await?;
        let Some(Judged { plan, picture, verdict }) = begins else { return Ok(Ok(None)) };
        let text = shown(&plan, &forecast(&plan, &self.map, &picture), &verdict.cut_off);
        let from = self
            .goal
            .networks
            .iter()
            .filter_map(|network| current_site(&self.map, &picture, network).map(|site| (network.clone(), site)));
        let operation = Operation {
            v: 2,
            id,
            intent: self.goal.intent.clone(),
            from: from.collect(),
            map: self.reference.clone(),
            event: self.input.request.event.clone(),
            approved_by: self.input.request.approved_by.clone(),
            force: self.goal.force.clone(),
            evidence: self.input.evidence.clone(),
            verdict: verdict.seen.clone(),
            replaces: BTreeSet::new(),
            planned_at: self.context.clock.now(),
            planned_by: Holder { execution: self.input.execution.clone(), invocation: self.invocation.id.clone() },
            plan,
        };
        if let Some(force) = &self.goal.force {
            info!(operation = %operation.id, force.by = %force.by, force.reason = %force.reason, "{} forced by {}: {}", operation.id, force.by, force.reason);
        }
        let session = raced(self.desk().open(operation, locks, now).await)?;
        Ok(session.map(|session| Some(Taken { session, verdict, text })))
    }

    /// The open operations that one under these locks ends: what the desk has let pass.
    fn replaced(locks: &Locks) -> BTreeSet<OperationId> {
        locks.values().filter_map(|lock| lock.open.as_ref()).map(|open| open.operation.clone()).collect()
    }

    async fn picture(&self) -> Picture {
        read_settled(&self.networks, &self.map, &self.goal.to, self.context.clock.as_ref(), SETTLE).await
    }

    /// Plans, and checks the plan. Where AWS's default of a quota would forbid it, the quotas themselves are read.
    async fn plan(&self, picture: &mut Picture) -> Result<Plan, Fault> {
        let mut plan = self.planned(picture);
        if matches!(plan, Err(Refusal::Quota { .. })) {
            let all = self.networks.keys().map(|scope| (scope.clone(), QuotaName::ALL.into())).collect();
            picture.quotas = read_quotas(&self.networks, &all).await;
            plan = self.planned(picture);
        }
        let plan = plan.map_err(refused)?;
        check(&plan, picture, &self.map).map_err(|found| violations(&found))?;
        Ok(plan)
    }

    fn planned(&self, picture: &Picture) -> Result<Plan, Refusal> {
        let goal = &self.goal;
        match &goal.undone {
            None if goal.steady.is_some() => plan_correction(&goal.networks, &goal.to, &self.map, picture),
            None => {
                let wanted = Move { networks: &goal.networks, to: &goal.to, hosts: goal.hosts.as_ref() };
                plan_move(&wanted, &self.map, picture)
            }
            Some(undone) => plan_undo(&undone.plan, &goal.to, &self.map, picture),
        }
    }

    /// The quotas that a plan takes more of; one that takes no more asks nobody.
    async fn quotas(&self, plan: &Plan, picture: &Picture) -> BTreeMap<Scope, Quotas> {
        read_quotas(&self.networks, &quotas_wanted(plan, picture)).await
    }

    /// Sees that a plan stays within the quotas that were read for it.
    fn within(&self, plan: &Plan, picture: &mut Picture, quotas: BTreeMap<Scope, Quotas>) -> Result<(), Fault> {
        for (scope, read) in quotas {
            picture.quotas.entry(scope).or_default().extend(read);
        }
        within_quotas(plan, &self.map, picture).map_err(refused)
    }

    /// Judges the evidence, and the EC2 sites as they are now; with force, nothing is judged, and it is only told whom the plan cuts off. `locks` are
    /// those under which the plan is to begin.
    async fn verdict(&self, picture: &Picture, plan: &Plan, locks: &Locks) -> Result<Verdict, Fault> {
        let apart = self.apart(picture, plan);
        if self.goal.force.is_some() {
            let cut_off = self.cut_off(picture, plan, &apart).await;
            return Ok(Verdict { seen: some(cut_off.clone()), cut_off });
        }
        let machines = async { Ok(read_neighbours(&self.networks, &self.map, &self.goal, picture, &apart).await) };
        let (evidence, hosts, neighbours) = futures::future::try_join3(self.evidence(), self.hosts(), machines).await?;
        let machines = neighbours.all()?;
        let (outdated, now) = match (self.input.action, &evidence) {
            // Whoever starts a choice takes evidence anew.
            (SwapAction::Choices, Some(evidence)) => (None, evidence.taken_at),
            (SwapAction::Plan | SwapAction::Apply, Some(evidence)) => {
                (outdated(evidence, plan, locks), self.context.clock.now())
            }
            (_, None) => (None, self.context.clock.now()),
        };
        if let Some(outdated) = outdated {
            return Err(outdated);
        }
        let facts = Facts {
            networks: &self.goal.networks,
            to: &self.goal.to,
            map: &self.map,
            addresses: self.goal.hosts.as_ref(),
            apart: &apart,
            picture: Some(picture),
            plan: Some(plan),
            evidence: evidence.as_ref(),
            hosts: &hosts,
            machines: &machines,
            now,
        };
        let seen = judge(&facts).map_err(|objections| {
            let message = match &self.goal.steady {
                None => format!("{} is not led to {}: {objections}", self.goal.moving(), self.goal.to),
                Some(steady) => left_elsewhere(steady, &objections),
            };
            Fault::new(objections.fault(), message)
        })?;
        Ok(Verdict { seen, cut_off: cut_off(&facts).lines() })
    }

    /// Whom a plan cuts off, and what is not known of that: it is told, not judged.
    async fn cut_off(&self, picture: &Picture, plan: &Plan, apart: &Apart) -> Vec<String> {
        let read = read_neighbours(&self.networks, &self.map, &self.goal, picture, apart);
        let (hosts, Neighbours { machines, mut unread }) = futures::future::join(self.hosts(), read).await;
        let hosts = match hosts {
            Ok(hosts) => hosts,
            Err(fault) => return vec![format!("not known, as the captured hosts were not read: {}", fault.message)],
        };
        let facts = Facts {
            networks: &self.goal.networks,
            to: &self.goal.to,
            map: &self.map,
            addresses: self.goal.hosts.as_ref(),
            apart,
            picture: Some(picture),
            plan: Some(plan),
            evidence: None,
            hosts: &hosts,
            machines: &machines,
            now: self.context.clock.now(),
        };
        let lines = cut_off(&facts).lines();
        lines.into_iter().chain(unread.drain(..).map(|fault| format!("not known of all: {}", fault.message))).collect()
    }

    /// Addresses that host routes lead apart from their networks when the plan is done.
    fn apart(&self, picture: &Picture, plan: &Plan) -> Apart {
        match &self.goal.hosts {
            None => apart(&self.goal.networks, &self.goal.to, &self.map, picture, Some(plan)),
            Some(_) => BTreeMap::new(),
        }
    }

    async fn evidence(&self) -> Result<Option<Evidence>, Fault> {
        let Some(id) = &self.input.evidence else { return Ok(None) };
        let found = match self.evidence.get() {
            Some(read) => read.clone(),
            None => self.context.evidence.get(id).await?,
        };
        let missing = || Fault::new(FaultName::EvidenceMissing, format!("evidence `{}` is not stored", id.0));
        found.ok_or_else(missing).map(Some)
    }

    async fn hosts(&self) -> Result<Vec<HostRecord>, Fault> {
        Ok(self.context.inventory.hosts_of(&self.goal.networks, &self.input.request.inventory).await?)
    }

    fn output(&self, result: SwapResult, operation: Option<&Operation>, plan: String, summary: String) -> SwapOutput {
        let networks: BTreeSet<NetworkName> = self.goal.networks.clone();
        info!(execution.id = %self.input.execution, "{summary}");
        let way_back = match result {
            SwapResult::Done => operation.map(|operation| way_back(operation, &self.map)).unwrap_or_default(),
            SwapResult::NothingToDo | SwapResult::Planned | SwapResult::Continue => Vec::new(),
        };
        SwapOutput {
            schema_version: SCHEMA_VERSION,
            result,
            map: self.reference.clone(),
            operation: operation.map(|operation| operation.id.clone()),
            networks,
            to: self.goal.to.clone(),
            hosts: self.goal.hosts.clone(),
            way_back,
            plan,
            summary,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn refused(refusal: Refusal) -> Fault {
    Fault::new(refusal.fault(), refusal.to_string())
}

/// Nobody leads traffic into a Region that is declared lost.
fn alive(map: &NetworkMap, to: &SiteName) -> Result<(), Fault> {
    match (map.lost(), map.sites.get(to)) {
        (Some(lost), Some(site)) if *site.region() == lost.region => {
            let message = format!("site `{to}` is in {}, which is declared lost; name a site elsewhere", lost.region);
            Err(Fault::new(FaultName::InvalidInput, message))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// A lock or an end that came in between is worth looking again; everything else is a fault.
fn raced<T>(taken: Result<T, TakeError>) -> Result<Result<T, TakeError>, Fault> {
    match taken {
        Ok(taken) => Ok(Ok(taken)),
        Err(error @ (TakeError::Raced { .. } | TakeError::Closed { .. })) => Ok(Err(error)),
        Err(error) => Err(take_fault(&error)),
    }
}
