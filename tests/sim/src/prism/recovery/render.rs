//! Recovery plans and jobs as v4 shows them (models of the SDKs datapolicies 4.3.2 and dataprotection 4.4.2).
//!
//! Which steps a job has, and which of them names the recovered VM, is unverified: here each VM has one step of the phase
//! `ENTITY_RECOVERY`, and one more that powers it on.

use serde_json::{Value, json};

use super::super::ids::ExtId;
use super::super::level::Level;
use super::super::render::object;
use super::job::{Entity, Fate, Job, Kind, State};
use super::plan::{PlanShown, Zone};

const CONFIG: &str = "dataprotection.v4.config";

fn word(state: State) -> &'static str {
    match state {
        State::Queued => "QUEUED",
        State::Running => "RUNNING",
        State::Succeeded => "SUCCEEDED",
        State::SucceededWithWarning => "SUCCEEDED_WITH_VALIDATION_WARNING",
        State::Failed => "FAILED",
        State::Aborted => "ABORTED",
    }
}

/// A recovery plan.
pub(super) fn plan(plan: &PlanShown, level: Level) -> Value {
    let place = |zone: &Zone| {
        object(
            "datapolicies.v4.config.DisasterRecoveryLocation",
            level,
            json!({"domainManagerExtId": zone.ext_id, "clusters": []}),
        )
    };
    let members = json!({"extId": plan.ext_id, "name": plan.name, "primaryLocation": place(&plan.primary),
        "recoveryLocation": place(&plan.recovery)});
    object("datapolicies.v4.config.RecoveryPlan", level, members)
}

/// A job. That one that has not begun has no start time is unverified.
pub(super) fn job(job: &Job, level: Level) -> Value {
    let status = word(job.state);
    let summary = |kind: &str, more: Value| {
        let mut members = json!({"status": status, "percentageComplete": job.percentage()});
        if let (Some(members), Value::Object(more)) = (members.as_object_mut(), more) {
            members.extend(more);
        }
        object(&format!("{CONFIG}.{kind}"), level, members)
    };
    let direction = json!({"sourceDomainManagerExtId": job.from.ext_id, "targetDomainManagerExtId": job.to.ext_id});
    let phases: Vec<Value> = ["PRE_PROCESSING", "ENTITY_RECOVERY", "POST_PROCESSING"]
        .map(|phase| summary("PhaseSummary", json!({"phaseType": phase, "stages": []})))
        .into();
    let mut members = json!({
        "extId": job.ext_id,
        "name": job.name,
        "recoveryPlanExtId": job.plan,
        "actionType": match job.kind {
            Kind::Validate => "VALIDATE",
            Kind::Test => "TEST_FAILOVER",
            Kind::Planned | Kind::Live => "PLANNED_FAILOVER",
            Kind::Unplanned => "UNPLANNED_FAILOVER",
        },
        "failoverDirections": [object(&format!("{CONFIG}.FailoverDirection"), level, direction)],
        "status": status,
        "percentageComplete": job.percentage(),
        "validationStatus": summary("Summary", json!({})),
        "isInitiatedByWitness": false,
    });
    if let Some(map) = members.as_object_mut() {
        if job.state != State::Queued {
            map.insert("startTime".into(), job.started.to_string().into());
        }
        if let Some(ended) = job.ended {
            map.insert("endTime".into(), ended.to_string().into());
        }
        if job.kind != Kind::Validate {
            map.insert("executionPhases".into(), phases.into());
        }
        if matches!(job.kind, Kind::Planned | Kind::Live) {
            map.insert("isLiveMigrateVMs".into(), (job.kind == Kind::Live).into());
        }
        if level >= Level::Minor(4) {
            map.insert("numRecoverableVMs".into(), job.entities.len().into());
        }
    }
    object(&format!("{CONFIG}.RecoveryPlanJob"), level, members)
}

fn entity(name: &str, id: ExtId, level: Level) -> Value {
    let members = json!({"extId": id, "name": name, "entityType": "VM"});
    object(&format!("{CONFIG}.ExecutionStepEntityReference"), level, members)
}

/// The execution steps of a job.
pub(super) fn steps(job: &Job, level: Level) -> Vec<Value> {
    if job.kind == Kind::Validate || job.state == State::Queued {
        return Vec::new();
    }
    let begun = json!({"phase": "PRE_PROCESSING", "operationType": "SYNC_RECOVERY_POINTS", "status": "SUCCEEDED",
        "stepDescription": "Synchronising recovery points", "percentageComplete": 100,
        "startTime": job.started.to_string(), "endTime": job.started.to_string()});
    let mut all = vec![step(job, "begin", begun, level)];
    for it in &job.entities {
        all.push(recovery(job, it, level));
        if let Fate::Recovered(vm) = it.fate {
            let members = json!({"phase": "ENTITY_RECOVERY", "operationType": "VM_POWER_ON", "status": "SUCCEEDED",
                "stepDescription": format!("Powering on VM {}", it.name), "percentageComplete": 100,
                "affectedEntities": [entity(&it.name, vm, level)]});
            all.push(step(job, &format!("power-on {}", it.source), members, level));
        }
    }
    if let Some(ended) = job.ended {
        let members = json!({"phase": "POST_PROCESSING", "operationType": "AUDIT", "status": "SUCCEEDED",
            "stepDescription": "Auditing", "percentageComplete": 100,
            "startTime": ended.to_string(), "endTime": ended.to_string()});
        all.push(step(job, "end", members, level));
    }
    all
}

fn step(job: &Job, what: &str, members: Value, level: Level) -> Value {
    let mut all = json!({"extId": ExtId::derived(&[&job.ext_id.to_string(), what])});
    if let (Some(all), Value::Object(members)) = (all.as_object_mut(), members) {
        all.extend(members);
    }
    object(&format!("{CONFIG}.RecoveryPlanJobExecutionStep"), level, all)
}

fn recovery(job: &Job, it: &Entity, level: Level) -> Value {
    let status = match (&it.fate, job.state) {
        (Fate::Recovered(_), _) => "SUCCEEDED",
        (Fate::Failed(_), _) => "FAILED",
        (Fate::Waiting, State::Aborted) => "ABORTED",
        (Fate::Waiting, _) => "QUEUED",
    };
    let mut members = json!({
        "phase": "ENTITY_RECOVERY",
        "operationType": match job.kind {
            Kind::Planned => "ENTITY_MIGRATION",
            Kind::Live => "ENTITY_LIVE_MIGRATION",
            Kind::Unplanned | Kind::Test | Kind::Validate => "ENTITY_RESTORATION",
        },
        "status": status,
        "stepDescription": format!("Recovering VM {}", it.name),
        "percentageComplete": if it.fate == Fate::Waiting { 0 } else { 100 },
        "affectedEntities": [entity(&it.name, it.source, level)],
    });
    let Some(map) = members.as_object_mut() else { return members };
    if let Some(at) = it.at {
        map.insert("startTime".into(), job.started.to_string().into());
        map.insert("endTime".into(), at.to_string().into());
    }
    match &it.fate {
        Fate::Waiting => {}
        Fate::Recovered(vm) => {
            let result = json!({"sourceEntityExtId": it.source, "recoveredEntityExtId": vm, "name": it.name,
                "entityType": "VM"});
            let result = object(&format!("{CONFIG}.EntityRecoveryResult"), level, result);
            let result = object(&format!("{CONFIG}.ExecutionStepResult"), level, json!({"result": result}));
            map.insert("executionStepResults".into(), json!([result]));
        }
        Fate::Failed(why) => {
            let message = json!({"$objectType": "dataprotection.v4.error.AppMessage", "$reserved": {},
                "severity": "ERROR", "code": "DP-40001", "errorGroup": "ENTITY_RECOVERY_FAILED", "locale": "en_US",
                "message": why, "argumentsMap": {}});
            map.insert("errorMessage".into(), message);
        }
    }
    step(job, &format!("recovery {}", it.source), members, level)
}

/// What the validation of a job says. Codes and texts are ours.
pub(super) fn validation_errors(job: &Job, level: Level) -> Vec<Value> {
    let said = |id: &str, severity: &str, code: &str, message: String| {
        let ext_id = ExtId::derived(&[&job.ext_id.to_string(), "validation", id]);
        let members = json!({"extId": ext_id, "severity": severity, "errorCode": code, "message": message});
        object(&format!("{CONFIG}.RecoveryPlanValidationError"), level, members)
    };
    let failed = job
        .entities
        .iter()
        .filter(|_| job.kind == Kind::Validate)
        .map(|it| said(&it.name, "ERROR", "DP-40002", format!("VM {} cannot be recovered", it.name)));
    let warned = job.warning.then(|| said("", "WARNING", "DP-40003", "the plan has a warning".to_owned()));
    failed.chain(warned).collect()
}
