//! Recovery plans and jobs of v4, from pc.7.5 on (`datapolicies` and `dataprotection` v4.2).

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use holdfast_model::ExtId;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Body, Request};
use crate::json::{ext_id, list, text};
use crate::prism::api::RecoveryApi;
use crate::prism::recovery::{
    RecoveredEntity, RecoveryAction, RecoveryJob, RecoveryPlan, RecoveryState, Steps, Toward, moment, newest_first,
};
use crate::prism::v4::V4;
use crate::prism::v4::level::{Namespace, not_there};
use crate::said::Said;
use crate::{NutanixError, TimeLimit};

const JOBS: &str = "/config/recovery-plan-jobs";

fn action(job: &Value) -> RecoveryAction {
    match text(job, "/actionType") {
        Some("VALIDATE") => RecoveryAction::Validate,
        Some("TEST_FAILOVER") => RecoveryAction::TestFailover,
        Some("PLANNED_FAILOVER") if job.get("isLiveMigrateVMs") == Some(&Value::Bool(true)) => RecoveryAction::Live,
        Some("PLANNED_FAILOVER") => RecoveryAction::Planned,
        Some("UNPLANNED_FAILOVER") => RecoveryAction::Unplanned,
        other => RecoveryAction::Other(other.unwrap_or("unknown").to_owned()),
    }
}

fn state(job: &Value) -> RecoveryState {
    match text(job, "/status").unwrap_or("unknown") {
        "SUCCEEDED" => RecoveryState::Succeeded,
        "SUCCEEDED_WITH_VALIDATION_WARNING" => RecoveryState::Warned,
        "FAILED" => RecoveryState::Failed,
        "ABORTED" => RecoveryState::Aborted,
        other if text(job, "/endTime").is_some() => RecoveryState::Unknown(other.to_owned()),
        other => RecoveryState::Unfinished(other.to_owned()),
    }
}

/// The one value that all failover directions of a job have at a member; none where they differ.
fn side(job: &Value, member: &str) -> Option<String> {
    let mut all = list(job, "/failoverDirections").iter().map(|direction| text(direction, member));
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.to_owned())
}

fn job(value: &Value) -> Option<RecoveryJob> {
    Some(RecoveryJob {
        id: ext_id(value.get("extId"))?,
        name: text(value, "/name").unwrap_or_default().to_owned(),
        plan: ext_id(value.get("recoveryPlanExtId")),
        action: action(value),
        state: state(value),
        started: moment(value, "/startTime"),
        ended: moment(value, "/endTime"),
        from: side(value, "/sourceDomainManagerExtId"),
        to: side(value, "/targetDomainManagerExtId"),
        toward: Toward::Unknown,
    })
}

/// Whether an entity of a step is a VM; other kinds are named.
fn is_vm(entity: &Value) -> bool {
    matches!(text(entity, "/entityType"), None | Some("VM"))
}

fn read_step(step: &Value, steps: &mut Steps) {
    let vms = || list(step, "/affectedEntities").iter().filter(|entity| is_vm(entity));
    if text(step, "/phase") == Some("ENTITY_RECOVERY") {
        for (vm, entity) in vms().filter_map(|entity| Some((ext_id(entity.get("extId"))?, entity))) {
            steps.touches(vm, text(entity, "/name"));
        }
    }
    let results = list(step, "/executionStepResults").iter().filter_map(|it| it.get("result"));
    for result in results.filter(|result| is_vm(result)) {
        let ends = (ext_id(result.get("sourceEntityExtId")), ext_id(result.get("recoveredEntityExtId")));
        if let (Some(source), Some(vm)) = ends {
            steps.recovered(source, vm, text(result, "/name"));
        }
    }
    if let Some(status @ ("FAILED" | "ABORTED")) = text(step, "/status") {
        let said = step.get("errorMessage").map(|message| Said::app_message(message).message);
        let operation = text(step, "/operationType").unwrap_or("step");
        let why = said.unwrap_or_else(|| format!("{operation} {status}"));
        vms().filter_map(|entity| ext_id(entity.get("extId"))).for_each(|vm| steps.failed(vm, &why));
    }
}

impl RecoveryApi for V4 {
    async fn recovery_plans(&self) -> Result<Vec<RecoveryPlan>, NutanixError> {
        let found =
            self.read_all("list of recovery plans", Namespace::DataPolicies, "/config/recovery-plans", None).await?;
        let plan = |value: &Value| {
            let sides = ["/primaryLocation/domainManagerExtId", "/recoveryLocation/domainManagerExtId"];
            let sides = sides.iter().filter_map(|place| text(value, place).map(str::to_owned)).collect();
            Some(RecoveryPlan { id: ext_id(value.get("extId"))?, name: text(value, "/name")?.to_owned(), sides })
        };
        Ok(found.iter().filter_map(plan).collect())
    }

    async fn side(&self) -> Result<Option<String>, NutanixError> {
        self.own_side().await
    }

    async fn recovery_jobs(&self, since: Timestamp) -> Result<Vec<RecoveryJob>, NutanixError> {
        let ordered = !self.jobs_unordered.load(Ordering::Relaxed);
        let mut jobs = match self.jobs(ordered.then_some(since)).await {
            // Which attributes the list can be ordered by is not published.
            Err(NutanixError::Api { status: 400, .. }) if ordered => {
                self.jobs_unordered.store(true, Ordering::Relaxed);
                self.jobs(None).await?
            }
            other => other?,
        };
        jobs = newest_first(jobs, since);
        if !jobs.is_empty() {
            let own = self.own_side().await?;
            jobs.iter_mut().for_each(|job| job.seen_from(own.as_deref()));
        }
        Ok(jobs)
    }

    async fn recovered_entities(&self, job: &ExtId) -> Result<Vec<RecoveredEntity>, NutanixError> {
        let what = format!("list of the steps of recovery job `{job}`");
        let path = format!("{JOBS}/{job}/execution-steps");
        let mut steps = Steps::default();
        self.read_pages(&what, Namespace::DataProtection, &path, &[], |step| read_step(step, &mut steps)).await?;
        Ok(steps.entities())
    }

    async fn start_test(&self, plan: &RecoveryPlan, name: &str, limit: &TimeLimit) -> Result<ExtId, NutanixError> {
        let what = format!("test of recovery plan `{}`", plan.name);
        let own = self.own_side().await?;
        let (Some(to), Some(from)) = (own.as_deref(), plan.opposite(own.as_deref())) else {
            return Err(self.calls.unreadable(&what, "this Prism Central is not one of two sides of the plan"));
        };
        let direction = json!({"$objectType": "dataprotection.v4.config.FailoverDirection",
            "sourceDomainManagerExtId": from, "targetDomainManagerExtId": to});
        let spec = json!({"$objectType": "dataprotection.v4.operations.TestFailoverSpec", "name": name,
            "shouldIgnoreWarnings": true, "failoverDirections": [direction]});
        let task = self.act_on(&what, &plan.id, "test-failover", Body::Json(spec)).await?;
        let body = self.await_told(&what, &task, limit, |body| started(body).is_some()).await?;
        started(&body).ok_or_else(|| self.calls.unreadable(&what, "its task names no recovery job"))
    }

    async fn clean_up_test(&self, plan: &ExtId, _: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        let what = format!("clean-up of the last test of recovery plan `{plan}`");
        let task = self.act_on(&what, plan, "clean-up-resources", Body::None).await?;
        self.await_told(&what, &task, limit, |_| false).await.map(|_| ())
    }
}

/// The job that a task started: in its completion details, else among what it affects.
fn started(body: &Value) -> Option<ExtId> {
    let mut details = list(body, "/data/completionDetails").iter();
    let detail = details.find(|detail| text(detail, "/name") == Some("recoveryPlanJobExtId"));
    let affected = || {
        let job = |entity: &&Value| text(entity, "/rel").is_some_and(|rel| rel.ends_with(":recovery-plan-job"));
        list(body, "/data/entitiesAffected").iter().find(job).and_then(|entity| ext_id(entity.get("extId")))
    };
    detail.and_then(|detail| ext_id(detail.get("value"))).or_else(affected)
}

impl V4 {
    /// Asks for an action of a recovery plan; its task.
    async fn act_on(&self, what: &str, plan: &ExtId, action: &str, body: Body) -> Result<String, NutanixError> {
        let level = self.level(Namespace::DataProtection).await?;
        let path = format!("/api/dataprotection/{level}/operations/recovery-plans/{plan}/$actions/{action}");
        let request = Request { body, ..self.calls.request(what, Method::POST, &path) };
        let reply = self.calls.http.send(&request).await?;
        let task = text(&reply.body, "/data/extId").map(str::to_owned);
        task.ok_or_else(|| self.calls.unreadable(what, "no `data.extId`"))
    }

    /// Jobs, down to a page on which one began before `newest_first`; all where they are not asked for in order, or do not
    /// come in it.
    async fn jobs(&self, newest_first: Option<Timestamp>) -> Result<Vec<RecoveryJob>, NutanixError> {
        let what = "list of recovery jobs";
        let order: Vec<_> = newest_first.iter().map(|_| ("$orderby", "startTime desc".to_owned())).collect();
        let mut all = Vec::new();
        let mut oldest: Option<Timestamp> = None;
        let mut in_order = true;
        let mut unreadable = false;
        self.read_while(what, Namespace::DataProtection, JOBS, &order, |page| {
            for value in page {
                let Some(job) = job(value) else {
                    unreadable = true;
                    continue;
                };
                if let Some(started) = job.started {
                    in_order &= oldest.is_none_or(|oldest| started <= oldest);
                    oldest = Some(started);
                }
                all.push(job);
            }
            match (newest_first, oldest) {
                (Some(since), Some(oldest)) if in_order && oldest < since => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .await?;
        if unreadable {
            return Err(self.calls.unreadable(what, "a recovery job without `extId`"));
        }
        Ok(all)
    }

    /// The domain manager that this Prism Central is; none where it shows several or none.
    async fn own_side(&self) -> Result<Option<String>, NutanixError> {
        if let Some(own) = self.own_side.get() {
            return Ok(own.clone());
        }
        let what = "list of domain managers";
        let found = match self.read_all(what, Namespace::Prism, "/config/domain-managers", None).await {
            Ok(found) => found,
            Err(error) => not_there(error).map(|()| Vec::new())?,
        };
        let own = match found.as_slice() {
            [only] => text(only, "/extId").map(str::to_owned),
            _ => None,
        };
        Ok(self.own_side.get_or_init(|| own).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-1111-4111-8111-111111111111";
    const NEW: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn words_of_a_later_version_are_neither_an_end_nor_a_failover() {
        let running = job(&json!({"extId": ID, "actionType": "$UNKNOWN", "status": "PAUSED"})).unwrap();
        assert_eq!(running.state, RecoveryState::Unfinished("PAUSED".into()));
        assert_eq!(running.action, RecoveryAction::Other("$UNKNOWN".into()));
        let ended = json!({"extId": ID, "status": "PAUSED", "endTime": "2027-01-15T08:00:00Z"});
        assert_eq!(job(&ended).unwrap().state, RecoveryState::Unknown("PAUSED".into()));
    }

    #[test]
    fn directions_that_differ_tell_no_side() {
        let directions = |second: &str| {
            json!({"failoverDirections": [{"sourceDomainManagerExtId": "a", "targetDomainManagerExtId": "b"},
                {"sourceDomainManagerExtId": "a", "targetDomainManagerExtId": second}]})
        };
        let to = |job: &Value| side(job, "/targetDomainManagerExtId");
        assert_eq!((to(&directions("b")), to(&directions("c")), to(&json!({}))), (Some("b".into()), None, None));
    }

    #[test]
    fn volume_groups_are_not_vms_and_a_failed_step_without_a_message_says_what_it_was() {
        let mut steps = Steps::default();
        let group = json!({"sourceEntityExtId": NEW, "recoveredEntityExtId": NEW, "entityType": "VOLUME_GROUP"});
        read_step(&json!({"phase": "ENTITY_RECOVERY", "executionStepResults": [{"result": group}]}), &mut steps);
        let vm = json!([{"extId": ID, "entityType": "VM", "name": "web-1"}]);
        let failed = json!({"phase": "ENTITY_RECOVERY", "operationType": "ENTITY_RESTORATION", "status": "FAILED",
            "affectedEntities": vm});
        read_step(&failed, &mut steps);
        let all = steps.entities();
        let why = "ENTITY_RESTORATION FAILED".to_owned();
        assert_eq!((all.len(), &all[0].fate), (1, &crate::Fate::Failed { vm: None, why }));
    }
}
