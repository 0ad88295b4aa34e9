//! Reading recovery plans and jobs by v4: which level has them, which parameters their lists take.

use serde_json::Value;

use super::super::handlers::{one, path_id};
use super::super::level::Level;
use super::super::odata::{self, ListRules};
use super::super::reply::{Refused, Reply, Request};
use super::super::state::Prism;
use super::super::switches::{JobOrder, Switches};
use super::job::Job;
use super::render;

/// A read of recovery plans or jobs; the texts are ids as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// List recovery plans.
    Plans,
    /// Get a recovery plan.
    Plan(String),
    /// List jobs.
    Jobs,
    /// Get a job.
    Job(String),
    /// List the execution steps of a job.
    Steps(String),
    /// List what the validation of a job says.
    ValidationErrors(String),
}

impl Lookup {
    /// The first level that has recovery plans (wheels of datapolicies and dataprotection: absent in 4.0 and 4.1).
    pub const SINCE: Level = Level::Minor(2);

    /// The read that a path below the version means.
    pub fn route(namespace: &str, path: &[&str]) -> Option<Self> {
        Some(match (namespace, path) {
            ("datapolicies", ["config", "recovery-plans"]) => Self::Plans,
            ("datapolicies", ["config", "recovery-plans", id]) => Self::Plan((*id).to_owned()),
            ("dataprotection", ["config", "recovery-plan-jobs"]) => Self::Jobs,
            ("dataprotection", ["config", "recovery-plan-jobs", id]) => Self::Job((*id).to_owned()),
            ("dataprotection", ["config", "recovery-plan-jobs", id, "execution-steps"]) => {
                Self::Steps((*id).to_owned())
            }
            ("dataprotection", ["config", "recovery-plan-jobs", id, "validation-errors"]) => {
                Self::ValidationErrors((*id).to_owned())
            }
            _ => return None,
        })
    }

    /// The name that the request log and fault rules use.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Plans => "recovery-plans.list",
            Self::Plan(_) => "recovery-plans.get",
            Self::Jobs => "recovery-plan-jobs.list",
            Self::Job(_) => "recovery-plan-jobs.get",
            Self::Steps(_) => "recovery-plan-jobs.execution-steps.list",
            Self::ValidationErrors(_) => "recovery-plan-jobs.validation-errors.list",
        }
    }

    /// The id that the request names.
    pub fn id(&self) -> &str {
        match self {
            Self::Plans | Self::Jobs => "",
            Self::Plan(id) | Self::Job(id) | Self::Steps(id) | Self::ValidationErrors(id) => id,
        }
    }
}

const PLANS: ListRules = ListRules {
    response: "datapolicies.v4.config.ListRecoveryPlansApiResponse",
    item: "datapolicies.v4.config.RecoveryPlan",
    filters: &["extId", "name"],
    orders: &["name"],
};

/// Which attributes jobs can be filtered by is not published: none.
const JOBS: ListRules = ListRules {
    response: "dataprotection.v4.config.ListRecoveryPlanJobsApiResponse",
    item: "dataprotection.v4.config.RecoveryPlanJob",
    filters: &[],
    orders: &["startTime"],
};

const JOBS_UNORDERED: ListRules = ListRules { orders: &[], ..JOBS };

const STEPS: ListRules = ListRules {
    response: "dataprotection.v4.config.ListRecoveryPlanJobExecutionStepsApiResponse",
    item: "dataprotection.v4.config.RecoveryPlanJobExecutionStep",
    filters: &[],
    orders: &[],
};

const VALIDATION_ERRORS: ListRules = ListRules {
    response: "dataprotection.v4.config.ListRecoveryPlanJobValidationErrorsApiResponse",
    item: "dataprotection.v4.config.RecoveryPlanValidationError",
    filters: &[],
    orders: &[],
};

impl Prism {
    /// Answers a read of recovery plans or jobs.
    pub(in super::super) fn look_up(
        &self,
        request: &Request,
        lookup: &Lookup,
        level: Level,
        switches: &Switches,
    ) -> Result<Reply, Refused> {
        match lookup {
            Lookup::Plans => {
                let plans: Vec<Value> = self.recovery_plans.values().map(|plan| render::plan(plan, level)).collect();
                odata::list(request, &PLANS, level, plans)
            }
            Lookup::Plan(id) => {
                let plan = self.recovery_plans.get(&path_id(id)?);
                let plan = plan.ok_or_else(|| Refused::not_found("recovery plan", id))?;
                let response = "datapolicies.v4.config.GetRecoveryPlanApiResponse";
                Ok(one(PLANS.item, response, render::plan(plan, level), level, None))
            }
            Lookup::Jobs => {
                let mut request = request.clone();
                if switches.job_order == JobOrder::Ignored {
                    request.query.retain(|(name, _)| name != "$orderby");
                }
                let rules = if switches.job_order == JobOrder::Refused { &JOBS_UNORDERED } else { &JOBS };
                odata::list(
                    &request,
                    rules,
                    level,
                    self.jobs_shown(switches).map(|job| render::job(job, level)).collect(),
                )
            }
            Lookup::Job(id) => {
                let response = "dataprotection.v4.config.GetRecoveryPlanJobApiResponse";
                Ok(one(JOBS.item, response, render::job(self.job(id, switches)?, level), level, None))
            }
            Lookup::Steps(id) => odata::list(request, &STEPS, level, render::steps(self.job(id, switches)?, level)),
            Lookup::ValidationErrors(id) => {
                let errors = render::validation_errors(self.job(id, switches)?, level);
                odata::list(request, &VALIDATION_ERRORS, level, errors)
            }
        }
    }

    fn job(&self, id: &str, switches: &Switches) -> Result<&Job, Refused> {
        let ext_id = path_id(id)?;
        let mut shown = self.jobs_shown(switches);
        shown.find(|job| job.ext_id == ext_id).ok_or_else(|| Refused::not_found("recovery plan job", id))
    }
}
