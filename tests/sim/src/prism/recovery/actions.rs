//! What clients ask of recovery plans: runs, and the clean-up of a test (nutanix-api E.2, E.3).
//!
//! Such a wish is a task, as every change; its job begins at once and goes on as it is read. That what the plan does not allow
//! makes the task fail, and no job, is unverified.

use jiff::Timestamp;
use serde_json::Value;

use super::super::body;
use super::super::change::Change;
use super::super::handlers::{Accepted, path_id};
use super::super::ids::{ExtId, TaskId};
use super::super::reply::{Refused, Request};
use super::super::state::Prism;
use super::job::Fate;
use super::run::{End, clean_up_job};
use super::{Kind, Order, Step, Until, start, step};
use crate::world::World;

/// What is to be done with a recovery plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is run.
    Run(Kind),
    /// What a test made is removed.
    CleanUp,
}

impl Action {
    /// The action of this word in v4.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "validate" => Self::Run(Kind::Validate),
            "test-failover" => Self::Run(Kind::Test),
            "planned-failover" => Self::Run(Kind::Planned),
            "unplanned-failover" => Self::Run(Kind::Unplanned),
            "clean-up-resources" => Self::CleanUp,
            _ => return None,
        })
    }

    /// The name that the request log and fault rules use.
    pub fn action(self) -> &'static str {
        match self {
            Self::Run(Kind::Validate) => "recovery-plans.validate",
            Self::Run(Kind::Test) => "recovery-plans.test-failover",
            Self::Run(Kind::Planned | Kind::Live) => "recovery-plans.planned-failover",
            Self::Run(Kind::Unplanned) => "recovery-plans.unplanned-failover",
            Self::CleanUp => "recovery-plans.clean-up-resources",
        }
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Run(Kind::Validate) => {
                ("ValidateRecoveryPlan", "dataprotection.v4.operations.ValidateRecoveryPlanApiResponse")
            }
            Self::Run(Kind::Test) => {
                ("TestFailoverRecoveryPlan", "dataprotection.v4.operations.TestFailoverRecoveryPlanApiResponse")
            }
            Self::Run(Kind::Planned | Kind::Live) => {
                ("PlannedFailoverRecoveryPlan", "dataprotection.v4.operations.PlannedFailoverRecoveryPlanApiResponse")
            }
            Self::Run(Kind::Unplanned) => (
                "UnplannedFailoverRecoveryPlan",
                "dataprotection.v4.operations.UnplannedFailoverRecoveryPlanApiResponse",
            ),
            Self::CleanUp => {
                ("CleanupRecoveryPlan", "dataprotection.v4.operations.CleanupRecoveryPlanResourcesApiResponse")
            }
        }
    }
}

/// A wish of a client, and what came of it: the job, or why there is none.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The recovery plan.
    pub plan: ExtId,
    /// What is to be done.
    pub action: Action,
    /// Name of the job.
    pub name: Option<String>,
    /// The test that is to be cleaned up; the last one unless given.
    pub test: Option<ExtId>,
    /// What came of it.
    pub outcome: Option<Result<ExtId, String>>,
}

impl Prism {
    /// Reads an action of v4.
    pub(in super::super) fn prepare_plan_action(
        &self,
        request: &Request,
        plan: &str,
        action: Action,
    ) -> Result<Accepted, Refused> {
        let shown = self.recovery_plans.get(&path_id(plan)?);
        let shown = shown.ok_or_else(|| Refused::not_found("recovery plan", plan))?;
        let (mut action, mut name) = (action, None);
        let (operation, response) = action.names();
        if let Action::Run(kind) = action {
            let asked = body::object(request)?;
            name = body::text(&asked, "/name")?.map(str::to_owned);
            if name.as_ref().is_some_and(|name| name.len() > 256) {
                return Err(Refused::body("/name", "is longer than 256 characters"));
            }
            self.check_directions(&asked, [shown.primary.ext_id, shown.recovery.ext_id])?;
            if kind == Kind::Planned && body::flag(&asked, "/shouldLiveMigrateVMs")? == Some(true) {
                action = Action::Run(Kind::Live);
            }
        }
        let wish = Wish { plan: shown.ext_id, action, name, test: None, outcome: None };
        let change = Change::Recover(Box::new(wish));
        Ok(Accepted { operation, response, affected: Vec::new(), if_version: None, change })
    }

    /// A job runs at the side that recovers (nutanix-api E.1); that the other side refuses to start it is unverified.
    fn check_directions(&self, asked: &Value, sides: [ExtId; 2]) -> Result<(), Refused> {
        let place = "/failoverDirections";
        let directions = body::items(asked, place)?;
        if directions.is_empty() {
            return Err(Refused::body(place, "is required"));
        }
        for direction in directions {
            let side = |path: &str| body::required(body::ext_id(direction, path)?, path);
            let (from, to) = (side("/sourceDomainManagerExtId")?, side("/targetDomainManagerExtId")?);
            if !sides.contains(&from) || !sides.contains(&to) || from == to {
                return Err(Refused::body(place, "does not lead from one side of the recovery plan to the other"));
            }
            if to != self.ext_id {
                return Err(Refused::body(place, "must lead to this Prism Central"));
            }
        }
        Ok(())
    }

    /// Notes what came of the wish of a task.
    pub(in super::super) fn settle(&mut self, task: &TaskId, outcome: Result<ExtId, String>) {
        if let Some(Change::Recover(wish)) = self.tasks.get_mut(task).and_then(|task| task.change_mut()) {
            wish.outcome = Some(outcome);
        }
    }
}

/// Does what a client of a Prism Central wishes.
///
/// # Errors
/// A sentence that says why it cannot be done; nothing has changed then.
pub(in super::super) fn fulfil(world: &mut World, prism: &str, wish: &Wish, now: Timestamp) -> Result<ExtId, String> {
    let plan = world.recovery_plans.values().find(|plan| plan.ext_id == wish.plan);
    let plan = plan.map(|plan| plan.name.clone()).ok_or("the recovery plan is gone")?;
    let reads = world.switches.prism.job_reads;
    let report = match wish.action {
        Action::CleanUp => clean_up_job(world, &plan, wish.test, now)?,
        Action::Run(kind) => {
            let until = if reads == 0 { Until::Finished } else { Until::Running };
            let order = Order { until, to: Some(prism.to_owned()), name: wish.name.clone(), ..Order::of(kind) };
            start(world, &plan, &order, now)?
        }
    };
    let job = report.get("job").and_then(Value::as_str).and_then(ExtId::parse).ok_or("there is no job")?;
    if let Action::Run(_) = wish.action {
        for job in world.prisms.values_mut().filter_map(|prism| prism.jobs.get_mut(&job)) {
            job.reads_left = (reads > 0).then_some(reads);
        }
    }
    Ok(job)
}

/// One read of the jobs of a Prism Central: those that clients started come nearer to their end.
pub(in super::super) fn observe(world: &mut World, prism: &str, now: Timestamp) {
    let Some(central) = world.prisms.get_mut(prism) else { return };
    let mut due = Vec::new();
    for job in central.jobs.values_mut().filter(|job| job.ended.is_none() && job.to.name == prism) {
        match job.reads_left {
            Some(0) => {
                let waiting = job.entities.iter().filter(|entity| entity.fate == Fate::Waiting);
                due.push((job.plan_name.clone(), waiting.map(|entity| entity.name.clone()).collect()));
            }
            Some(left) => job.reads_left = Some(left - 1),
            None => {}
        }
    }
    for (plan, waiting) in due {
        let end = Some(End::Finished);
        if step(world, &plan, &Step { end, ..Step::default() }, now).is_err() {
            // What has come into its way meanwhile makes it fail; where even that cannot be, it goes on.
            drop(step(world, &plan, &Step { fail: waiting, end, ..Step::default() }, now));
        }
    }
}
