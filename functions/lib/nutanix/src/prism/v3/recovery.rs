//! Recovery plans and jobs of v3: the one way to them before pc.7.5.

use holdfast_model::ExtId;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::json::{ext_id, list, text};
use crate::prism::api::RecoveryApi;
use crate::prism::recovery::{
    RecoveredEntity, RecoveryAction, RecoveryJob, RecoveryPlan, RecoveryState, Steps, Toward, moment, newest_first,
};
use crate::prism::v3::{V3, VERSION, id, name};
use crate::prism::v4::not_there;
use crate::{NutanixError, TimeLimit};

fn action(word: Option<&str>) -> RecoveryAction {
    match word {
        Some("VALIDATE") => RecoveryAction::Validate,
        Some("TEST_FAILOVER") => RecoveryAction::TestFailover,
        Some("MIGRATE") => RecoveryAction::Planned,
        Some("LIVE_MIGRATE") => RecoveryAction::Live,
        Some("FAILOVER") => RecoveryAction::Unplanned,
        other => RecoveryAction::Other(other.unwrap_or("unknown").to_owned()),
    }
}

/// Nutanix's own modules look for words inside the status: the list of them is not published.
fn state(word: &str, ended: bool) -> RecoveryState {
    if word.contains("FAIL") {
        RecoveryState::Failed
    } else if word.contains("ABORT") || word.contains("CANCEL") {
        RecoveryState::Aborted
    } else if word == "COMPLETED" {
        RecoveryState::Succeeded
    } else if word.starts_with("COMPLETED") {
        RecoveryState::Warned
    } else if ended {
        RecoveryState::Unknown(word.to_owned())
    } else {
        RecoveryState::Unfinished(word.to_owned())
    }
}

/// The one zone of a list; none where there are several.
fn side(parameters: &Value, member: &str) -> Option<String> {
    let mut all = list(parameters, member).iter().map(|zone| text(zone, "/availability_zone_url"));
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.to_owned())
}

fn job(entity: &Value) -> Option<RecoveryJob> {
    let status = entity.get("status")?;
    let resources = status.get("resources").or_else(|| entity.pointer("/spec/resources")).unwrap_or(&Value::Null);
    let parameters = resources.get("execution_parameters").unwrap_or(&Value::Null);
    let ended = moment(status, "/end_time");
    Some(RecoveryJob {
        id: id(entity)?,
        name: name(entity).unwrap_or_default().to_owned(),
        plan: ext_id(resources.pointer("/recovery_plan_reference/uuid")),
        action: action(text(parameters, "/action_type")),
        state: state(text(status, "/execution_status/status").unwrap_or("unknown"), ended.is_some()),
        started: moment(status, "/start_time"),
        ended,
        from: side(parameters, "/failed_availability_zone_list"),
        to: side(parameters, "/recovery_availability_zone_list"),
        toward: Toward::Unknown,
    })
}

/// The first VM that a step refers to, with its name; other kinds are named.
fn vm_of(step: &Value) -> Option<(ExtId, Option<&str>)> {
    let all = list(step, "/any_entity_reference_list").iter();
    let mut vms = all.filter(|reference| matches!(text(reference, "/kind"), None | Some("vm")));
    let first = vms.next()?;
    Some((ext_id(first.get("uuid"))?, text(first, "/name")))
}

/// The parts of a job, each with steps.
const PHASES: [&str; 3] = ["preprocessing_status", "operation_status", "postprocessing_status"];

fn read_steps(execution: &Value) -> Vec<RecoveredEntity> {
    let all: Vec<&Value> =
        PHASES.iter().flat_map(|phase| list(execution, &format!("/{phase}/step_execution_status_list"))).collect();
    let mut steps = Steps::default();
    let work = ["ENTITY_RESTORATION", "ENTITY_MIGRATION", "ENTITY_LIVE_MIGRATION"];
    for step in &all {
        let operation = text(step, "/operation_type").unwrap_or("step");
        let vm = vm_of(step);
        if let ("ENTITY_RECOVERY", Some((source, name))) = (operation, &vm) {
            steps.touches(source.clone(), *name);
            let told = list(step, "/recovered_entity_info_list").iter();
            let told = told.filter_map(|it| ext_id(it.pointer("/recovered_entity_info/entity_uuid"))).next();
            // Older ones name the VM only in the work below the recovery, as Nutanix's scripts for Calm read it.
            let below = |it: &&&Value| {
                let parent = text(it, "/parent_step_uuid");
                parent.is_some()
                    && parent == text(step, "/step_uuid")
                    && text(it, "/operation_type").is_some_and(|operation| work.contains(&operation))
            };
            let below = || all.iter().find(below).and_then(|it| vm_of(it)).map(|(vm, _)| vm);
            if let Some(vm) = told.or_else(below) {
                steps.recovered(source.clone(), vm, *name);
            }
        }
        let status = text(step, "/status").unwrap_or_default();
        if let (true, Some((vm, _))) = (status.contains("FAIL") || status.contains("ABORT"), vm) {
            let told = text(step, "/recovered_entity_info_list/0/error_detail");
            let why = told.or_else(|| text(step, "/error_detail")).or_else(|| text(step, "/error_code"));
            steps.failed(vm, why.unwrap_or(&format!("{operation} {status}")));
        }
    }
    steps.entities()
}

impl RecoveryApi for V3 {
    async fn recovery_plans(&self) -> Result<Vec<RecoveryPlan>, NutanixError> {
        let mut all = Vec::new();
        self.list("list of recovery plans", "recovery_plan", None, |entity| {
            let zones = list(entity, "/status/resources/parameters/availability_zone_list").iter();
            let sides = zones.filter_map(|zone| text(zone, "/availability_zone_url").map(str::to_owned)).collect();
            let plan = id(entity).zip(name(entity));
            all.extend(plan.map(|(id, name)| RecoveryPlan { id, name: name.to_owned(), sides }));
        })
        .await?;
        Ok(all)
    }

    async fn side(&self) -> Result<Option<String>, NutanixError> {
        self.own_side().await
    }

    async fn recovery_jobs(&self, since: Timestamp) -> Result<Vec<RecoveryJob>, NutanixError> {
        let what = "list of recovery jobs";
        let (mut jobs, mut unreadable) = (Vec::new(), false);
        self.list(what, "recovery_plan_job", None, |entity| match job(entity) {
            Some(job) => jobs.push(job),
            None => unreadable = true,
        })
        .await?;
        if unreadable {
            return Err(self.calls.unreadable(what, "a recovery job without `metadata.uuid` or `status`"));
        }
        jobs = newest_first(jobs, since);
        if !jobs.is_empty() {
            let own = self.own_side().await?;
            jobs.iter_mut().for_each(|job| job.seen_from(own.as_deref()));
        }
        Ok(jobs)
    }

    async fn recovered_entities(&self, job: &ExtId) -> Result<Vec<RecoveredEntity>, NutanixError> {
        let what = format!("steps of recovery job `{job}`");
        let execution = self.get(&what, &format!("/recovery_plan_jobs/{job}/execution_status")).await?;
        let known = PHASES.iter().any(|phase| execution.get(phase).is_some_and(Value::is_object));
        if !known && text(&execution, "/status").is_none() {
            return Err(self.calls.unreadable(&what, "neither a `status` nor an `operation_status`"));
        }
        Ok(read_steps(&execution))
    }

    async fn start_test(&self, plan: &RecoveryPlan, name: &str, limit: &TimeLimit) -> Result<ExtId, NutanixError> {
        let what = format!("test of recovery plan `{}`", plan.name);
        let own = self.own_side().await?;
        let (Some(to), Some(from)) = (own.as_deref(), plan.opposite(own.as_deref())) else {
            return Err(self.calls.unreadable(&what, "this Prism Central is not one of two sides of the plan"));
        };
        let parameters = json!({"action_type": "TEST_FAILOVER", "should_continue_on_validation_failure": true,
            "failed_availability_zone_list": [{"availability_zone_url": from}],
            "recovery_availability_zone_list": [{"availability_zone_url": to}]});
        let resources = json!({"recovery_plan_reference": {"kind": "recovery_plan", "uuid": plan.id},
            "execution_parameters": parameters});
        let body = json!({"api_version": VERSION, "metadata": {"kind": "recovery_plan_job"},
            "spec": {"name": name, "resources": resources}});
        match self.start(&what, body, limit).await {
            // v3 knows no request again: what was sent twice is refused the second time, and the first one runs.
            Err(error @ (NutanixError::TaskFailed { .. } | NutanixError::Unreachable { .. })) => {
                let jobs = self.recovery_jobs(Timestamp::UNIX_EPOCH).await?;
                jobs.into_iter().find(|job| job.name == name).map(|job| job.id).ok_or(error)
            }
            other => other,
        }
    }

    async fn clean_up_test(&self, _: &ExtId, job: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        let what = format!("clean-up of test `{job}`");
        let task = self.begun(&what, &format!("/recovery_plan_jobs/{job}/cleanup"), json!({})).await?;
        self.await_task(&what, &task, limit).await
    }
}

/// The job that a task started: it shows among its entities some time after the task has begun.
fn started(task: &Value) -> Option<ExtId> {
    let job = |reference: &&Value| text(reference, "/kind") == Some("recovery_plan_job");
    list(task, "/entity_reference_list").iter().find(job).and_then(|reference| ext_id(reference.get("uuid")))
}

impl V3 {
    /// Starts a job.
    async fn start(&self, what: &str, job: Value, limit: &TimeLimit) -> Result<ExtId, NutanixError> {
        let task = self.begun(what, "/recovery_plan_jobs", job).await?;
        let task = self.await_told(what, &task, limit, |task| started(task).is_some()).await?;
        started(&task).ok_or_else(|| self.calls.unreadable(what, "its task names no recovery job"))
    }

    /// Asks for something that becomes a task; its id.
    async fn begun(&self, what: &str, path: &str, body: Value) -> Result<String, NutanixError> {
        let reply = self.post(what, path, body).await?;
        let task = text(&reply, "/task_uuid").map(str::to_owned);
        task.ok_or_else(|| self.calls.unreadable(what, "no `task_uuid`"))
    }

    /// The URL of the availability zone that this Prism Central is; none where it marks several or none as local.
    async fn own_side(&self) -> Result<Option<String>, NutanixError> {
        if let Some(own) = self.own_side.get() {
            return Ok(own.clone());
        }
        let mut local = Vec::new();
        let listed = self.list("list of availability zones", "availability_zone", None, |entity| {
            let kind = text(entity, "/status/resources/management_plane_type");
            if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("local")) {
                local.extend(text(entity, "/status/resources/management_url").map(str::to_owned));
            }
        });
        if let Err(error) = listed.await {
            not_there(error)?;
        }
        let own = if local.len() == 1 { local.pop() } else { None };
        Ok(self.own_side.get_or_init(|| own).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fate;

    const OLD: &str = "11111111-1111-4111-8111-111111111111";
    const NEW: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn the_state_is_read_from_words_of_which_no_list_is_published() {
        let all = [
            ("COMPLETED", RecoveryState::Succeeded),
            ("COMPLETED_WITH_WARNING", RecoveryState::Warned),
            ("EXECUTION_FAILED", RecoveryState::Failed),
            ("COMPLETED_WITH_FAILURES", RecoveryState::Failed),
            ("ABORTED", RecoveryState::Aborted),
            ("RUNNING", RecoveryState::Unfinished("RUNNING".into())),
        ];
        for (word, wanted) in all {
            assert_eq!(state(word, false), wanted, "{word}");
        }
        assert_eq!(state("RUNNING", true), RecoveryState::Unknown("RUNNING".into()));
    }

    #[test]
    fn the_recovered_vm_is_named_by_the_recovery_or_by_the_work_below_it() {
        let vm = |id: &str| json!([{"kind": "vm", "uuid": id, "name": "web-1"}]);
        let mut recovery = json!({"step_uuid": "s1", "operation_type": "ENTITY_RECOVERY", "status": "COMPLETED",
            "any_entity_reference_list": vm(OLD)});
        let below = json!({"step_uuid": "s2", "parent_step_uuid": "s1", "operation_type": "ENTITY_RESTORATION",
            "status": "COMPLETED", "any_entity_reference_list": vm(NEW)});
        let read = |steps: Value| read_steps(&json!({"operation_status": {"step_execution_status_list": steps}}));
        let wanted = Fate::Recovered(ExtId::parse(NEW).unwrap());
        let older = read(json!([recovery, below]));
        assert_eq!((older.len(), &older[0].fate, older[0].name.as_deref()), (1, &wanted, Some("web-1")));
        recovery["recovered_entity_info_list"] = json!([{"recovered_entity_info": {"entity_uuid": NEW}}]);
        assert_eq!(read(json!([recovery]))[0].fate, wanted);
        recovery["status"] = "FAILED".into();
        recovery["recovered_entity_info_list"] = json!([{"error_detail": "no space"}]);
        assert_eq!(read(json!([recovery]))[0].fate, Fate::Failed { vm: None, why: "no space".into() });
    }
}
