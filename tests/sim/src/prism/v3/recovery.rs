//! Recovery plans, their jobs and availability zones as v3 shows them (nutanix-sdk-ruby: RecoveryPlanJobDefStatus,
//! RecoveryPlanJobPhaseExecutionStatus, RecoveryPlanJobStepExecutionStatus; Calm's scripts for disaster recovery).
//!
//! The words of a status other than COMPLETED, COMPLETED_WITH_WARNING and FAILED are unverified.

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::ids::ExtId;
use super::super::recovery::actions::{Action, Wish};
use super::super::recovery::job::{Entity, Fate, Job, Kind, State};
use super::super::recovery::{PlanShown, Zone};
use super::super::reply::{Reply, Request};
use super::super::state::Prism;
use super::super::switches::Switches;
use super::super::{Context, body};
use super::{Refusal, entity, list, reference, task_uuid};

fn word(state: State) -> &'static str {
    match state {
        State::Queued => "QUEUED",
        State::Running => "RUNNING",
        State::Succeeded => "COMPLETED",
        State::SucceededWithWarning => "COMPLETED_WITH_WARNING",
        State::Failed => "FAILED",
        State::Aborted => "ABORTED",
    }
}

/// How a zone is called; that its URL is the id of its Prism Central is unverified.
fn url(zone: &Zone) -> Value {
    json!({"availability_zone_url": zone.ext_id})
}

fn plan(plan: &PlanShown) -> Value {
    let parameters = json!({"availability_zone_list": [url(&plan.primary), url(&plan.recovery)],
        "primary_location_index": 0});
    let resources = json!({"parameters": parameters, "stage_list": []});
    let spec = json!({"name": plan.name, "resources": resources});
    let status = json!({"name": plan.name, "state": "COMPLETE", "resources": resources});
    entity("recovery_plan", plan.ext_id, 1, &spec, status)
}

fn job(job: &Job) -> Value {
    let action = match job.kind {
        Kind::Validate => "VALIDATE",
        Kind::Test => "TEST_FAILOVER",
        Kind::Planned => "MIGRATE",
        Kind::Live => "LIVE_MIGRATE",
        Kind::Unplanned => "FAILOVER",
    };
    let parameters = json!({"action_type": action, "failed_availability_zone_list": [url(&job.from)],
        "recovery_availability_zone_list": [url(&job.to)], "should_continue_on_validation_failure": true});
    let resources = json!({"execution_parameters": parameters,
        "recovery_plan_reference": reference("recovery_plan", job.plan, &job.plan_name)});
    let state = json!({"status": word(job.state), "percentage_complete": job.percentage()});
    let mut execution = state.clone();
    let mut status = json!({
        "name": job.name,
        "start_time": job.started.to_string(),
        "resources": resources,
        "validation_information": {"errors_list": [], "warnings_list": []},
    });
    if let Some(map) = execution.as_object_mut() {
        for phase in ["preprocessing_status", "operation_status", "postprocessing_status"] {
            map.insert(phase.into(), state.clone());
        }
    }
    if let Some(map) = status.as_object_mut() {
        map.insert("execution_status".into(), execution);
        if let Some(ended) = job.ended {
            map.insert("end_time".into(), ended.to_string().into());
        }
        if job.cleaned_up.is_some() {
            map.insert("cleanup_status".into(), clean_up(job));
        }
    }
    entity("recovery_plan_job", job.ext_id, 1, &json!({"name": job.name, "resources": resources}), status)
}

fn clean_up(job: &Job) -> Value {
    if job.cleaned_up.is_some() { json!({"status": "COMPLETED", "percentage_complete": 100}) } else { json!({}) }
}

/// The steps of one VM: its recovery, which names both ends, and the work below it, which names the VM that came of it.
fn steps(job: &Job, it: &Entity, number: usize) -> Vec<Value> {
    let id = |what: &str| ExtId::derived(&[&job.ext_id.to_string(), what, &it.source.to_string()]);
    let operation = match job.kind {
        Kind::Planned => "ENTITY_MIGRATION",
        Kind::Live => "ENTITY_LIVE_MIGRATION",
        Kind::Unplanned | Kind::Test | Kind::Validate => "ENTITY_RESTORATION",
    };
    let status = match (&it.fate, job.state) {
        (Fate::Recovered(_), _) => "COMPLETED",
        (Fate::Failed(_), _) => "FAILED",
        (Fate::Waiting, State::Aborted) => "ABORTED",
        (Fate::Waiting, _) => "QUEUED",
    };
    let source = reference("vm", it.source, &it.name);
    let mut recovery = json!({
        "step_uuid": id("recovery"),
        "parent_step_uuid": "",
        "step_sequence_number": number,
        "operation_type": "ENTITY_RECOVERY",
        "status": status,
        "percentage_complete": if it.fate == Fate::Waiting { 0 } else { 100 },
        "any_entity_reference_list": [source],
        "message": format!("Recovering VM {}", it.name),
        "start_time": job.started.to_string(),
    });
    let Some(map) = recovery.as_object_mut() else { return Vec::new() };
    if let Some(at) = it.at {
        map.insert("end_time".into(), at.to_string().into());
    }
    match &it.fate {
        Fate::Waiting => vec![recovery],
        Fate::Failed(why) => {
            map.insert("error_code".into(), "ENTITY_RECOVERY_FAILED".into());
            map.insert("error_detail".into(), why.as_str().into());
            let told = json!([{"source_entity_reference": source, "error_detail": why}]);
            map.insert("recovered_entity_info_list".into(), told);
            vec![recovery]
        }
        Fate::Recovered(vm) => {
            let told = json!({"entity_name": it.name, "entity_uuid": vm});
            let told = json!([{"source_entity_reference": source, "recovered_entity_info": told}]);
            map.insert("recovered_entity_info_list".into(), told);
            let below = json!({"step_uuid": id(operation), "parent_step_uuid": id("recovery"),
                "step_sequence_number": 1, "operation_type": operation, "status": status, "percentage_complete": 100,
                "any_entity_reference_list": [reference("vm", *vm, &it.name)]});
            vec![recovery, below]
        }
    }
}

fn execution(job: &Job) -> Value {
    let (status, done) = (word(job.state), job.percentage());
    let phase =
        |steps: Vec<Value>| json!({"status": status, "percentage_complete": done, "step_execution_status_list": steps});
    let vms = if job.kind == Kind::Validate { &[][..] } else { &job.entities };
    let steps = vms.iter().enumerate().flat_map(|(n, it)| steps(job, it, n + 1)).collect();
    json!({"preprocessing_status": phase(Vec::new()), "operation_status": phase(steps),
        "postprocessing_status": phase(Vec::new())})
}

impl Prism {
    pub(super) fn v3_list_recovery_plans(&self, request: &Request) -> Result<Reply, Refusal> {
        let plans = self.recovery_plans.values().map(plan).collect();
        list(request, "recovery_plan", &[("name", "/status/name")], plans)
    }

    pub(super) fn v3_get_recovery_plan(&self, id: &str) -> Result<Reply, Refusal> {
        let found = ExtId::parse(id).and_then(|id| self.recovery_plans.get(&id));
        found.map(|it| Reply::json(200, plan(it))).ok_or_else(|| Refusal::missing("recovery_plan", id))
    }

    /// By which attributes jobs can be filtered is not published: none.
    pub(super) fn v3_list_jobs(&self, request: &Request, cx: &Context<'_>) -> Result<Reply, Refusal> {
        list(request, "recovery_plan_job", &[], self.jobs_shown(cx.switches).map(job).collect())
    }

    fn v3_job(&self, id: &str, switches: &Switches) -> Result<&Job, Refusal> {
        let mut shown = self.jobs_shown(switches);
        let found = ExtId::parse(id).and_then(|id| shown.find(|job| job.ext_id == id));
        found.ok_or_else(|| Refusal::missing("recovery_plan_job", id))
    }

    pub(super) fn v3_get_job(&self, id: &str, cx: &Context<'_>) -> Result<Reply, Refusal> {
        self.v3_job(id, cx.switches).map(|it| Reply::json(200, job(it)))
    }

    pub(super) fn v3_get_execution(&self, id: &str, cx: &Context<'_>) -> Result<Reply, Refusal> {
        self.v3_job(id, cx.switches).map(|it| Reply::json(200, execution(it)))
    }

    pub(super) fn v3_get_clean_up(&self, id: &str, cx: &Context<'_>) -> Result<Reply, Refusal> {
        self.v3_job(id, cx.switches).map(|it| Reply::json(200, clean_up(it)))
    }

    /// Starts a job. The status code of the reply is unverified.
    pub(super) fn v3_start_job(&mut self, request: &Request, cx: &mut Context<'_>) -> Result<Reply, Refusal> {
        let asked = body::object(request)?;
        body::required(body::text(&asked, "/api_version")?, "/api_version")?;
        if body::text(&asked, "/metadata/kind")? != Some("recovery_plan_job") {
            return Err(Refusal::invalid("metadata.kind must be recovery_plan_job"));
        }
        let name = body::required(body::text(&asked, "/spec/name")?, "/spec/name")?;
        let place = "/spec/resources/recovery_plan_reference/uuid";
        let plan = body::required(body::ext_id(&asked, place)?, place)?;
        let shown = self.recovery_plans.get(&plan);
        let shown = shown.ok_or_else(|| Refusal::missing("recovery_plan", &plan.to_string()))?;
        let parameters = asked.pointer("/spec/resources/execution_parameters").unwrap_or(&Value::Null);
        let kind = match body::text(parameters, "/action_type")? {
            Some("VALIDATE") => Kind::Validate,
            Some("TEST_FAILOVER") => Kind::Test,
            Some("MIGRATE") => Kind::Planned,
            Some("LIVE_MIGRATE") => Kind::Live,
            Some("FAILOVER") => Kind::Unplanned,
            _ => return Err(Refusal::invalid("execution_parameters.action_type is missing or unknown")),
        };
        let side = |member: &str| -> Result<Option<ExtId>, Refusal> {
            match body::items(parameters, member)? {
                [only] => Ok(body::ext_id(only, "/availability_zone_url")?),
                _ => Ok(None),
            }
        };
        let (from, to) = (side("/failed_availability_zone_list")?, side("/recovery_availability_zone_list")?);
        let sides = [shown.primary.ext_id, shown.recovery.ext_id];
        if to != Some(self.ext_id) || !from.is_some_and(|from| sides.contains(&from) && from != self.ext_id) {
            return Err(Refusal::invalid(
                "the availability zones must lead from the other side of the plan to this one",
            ));
        }
        let wish = Wish { plan, action: Action::Run(kind), name: Some(name.to_owned()), test: None, outcome: None };
        let task = self.accept("RecoveryPlanJob", Vec::new(), None, Change::Recover(Box::new(wish)), cx);
        Ok(Reply::json(202, json!({"task_uuid": task_uuid(&task)})))
    }

    /// Removes what a test made. The form of the reply is unverified.
    pub(super) fn v3_clean_up(&mut self, id: &str, cx: &mut Context<'_>) -> Result<Reply, Refusal> {
        let job = self.v3_job(id, cx.switches)?;
        let (plan, test) = (job.plan, Some(job.ext_id));
        let wish = Wish { plan, action: Action::CleanUp, name: None, test, outcome: None };
        let task = self.accept("RecoveryPlanJobCleanup", Vec::new(), None, Change::Recover(Box::new(wish)), cx);
        Ok(Reply::json(202, json!({"task_uuid": task_uuid(&task)})))
    }

    /// The zone of this Prism Central and those that it is paired with. The words for what kind a zone is are unverified.
    pub(super) fn v3_list_zones(&self, request: &Request) -> Result<Reply, Refusal> {
        let own = Zone { ext_id: self.ext_id, name: self.name.clone() };
        let mut all = vec![own];
        let paired = self.recovery_plans.values().flat_map(|plan| [&plan.primary, &plan.recovery]);
        for zone in paired {
            if !all.contains(zone) {
                all.push(zone.clone());
            }
        }
        let show = |zone: &Zone| {
            let kind = if zone.ext_id == self.ext_id { "Local" } else { "PC" };
            let name = if zone.ext_id == self.ext_id { "Local AZ" } else { &zone.name };
            let resources = json!({"management_url": zone.ext_id, "management_plane_type": kind});
            let status = json!({"name": name, "state": "COMPLETE", "resources": resources});
            let id = ExtId::derived(&["availability-zone", &self.name, &zone.ext_id.to_string()]);
            entity("availability_zone", id, 1, &json!({"name": name, "resources": resources}), status)
        };
        list(request, "availability_zone", &[("name", "/status/name")], all.iter().map(show).collect())
    }
}
