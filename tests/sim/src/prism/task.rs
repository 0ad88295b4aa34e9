//! Tasks: a change is accepted at once and takes effect some reads later.
//!
//! A task goes QUEUED -> RUNNING -> SUCCEEDED or FAILED as the Prism Central is read, and as time passes where tasks take time. Its change happens at the end,
//! against the state of that moment: that is where a stale ETag, a held address or an empty pool shows
//! (terraform-provider-nutanix issues 1047, 1089, 1104).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Context;
use super::change::Change;
use super::ids::{ExtId, TaskId};
use super::level::Level;
use super::state::Prism;
use super::switches::{NicEntity, Switches};

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Code such as `VMM-30303`.
    pub code: &'static str,
    /// Group such as `VM_ETAG_MISMATCH`.
    pub group: &'static str,
    /// The text.
    pub message: String,
}

impl Failure {
    /// The VM changed between the acceptance of a change and its execution.
    pub fn etag_mismatch() -> Self {
        Self {
            code: "VMM-30303",
            group: "VM_ETAG_MISMATCH",
            message: "Failed to perform the operation on the VM with UUID {{vm_uuid}}, because the value of the \
                If-Match header does not match the current version of the VM."
                .into(),
        }
    }

    /// A change that the state does not allow. The codes of these failures are not published; this one is ours.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: "VMM-30100", group: "VM_INVALID_OPERATION", message: message.into() }
    }

    /// Address management says no. The code is ours, the texts are the platform's where they are public.
    pub fn address(message: impl Into<String>) -> Self {
        Self { code: "NET-40001", group: "IP_ASSIGNMENT_ERROR", message: message.into() }
    }
}

/// An entity that a task touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
    /// Its id.
    pub ext_id: ExtId,
    /// Its relation, such as `vmm:ahv:config:vm`.
    pub rel: &'static str,
}

/// The VM relation.
pub const REL_VM: &str = "vmm:ahv:config:vm";
/// The NIC relation.
pub const REL_NIC: &str = "vmm:ahv:config:vm:nic";
/// The subnet relation.
pub const REL_SUBNET: &str = "networking:config:subnet";
/// The VPC relation.
pub const REL_VPC: &str = "networking:config:vpc";
/// The relation of a recovery job; the word is unverified.
pub const REL_JOB: &str = "dataprotection:config:recovery-plan-job";

/// A relation as a level writes it: the betas leave the module `config` out of `vmm:ahv:vm` (EntityReference of SDK
/// 4.0.1b1). That they do so for NICs too is unverified.
fn rel_at(rel: &'static str, level: Level) -> &'static str {
    match rel {
        REL_VM if level.is_beta() => "vmm:ahv:vm",
        REL_NIC if level.is_beta() => "vmm:ahv:vm:nic",
        other => other,
    }
}

#[derive(Debug, Clone)]
enum State {
    Waiting { change: Box<Change>, if_version: Option<(ExtId, u64)> },
    Succeeded { reads_since: u32 },
    Failed(Failure),
}

/// A task.
#[derive(Debug, Clone)]
pub struct Task {
    id: TaskId,
    seq: u64,
    operation: &'static str,
    reads: u32,
    state: State,
    affected: Vec<Affected>,
    created: Timestamp,
    /// When it begins to run and when it has run, by the clock.
    runs: (Timestamp, Timestamp),
    completed: Option<Timestamp>,
}

impl Task {
    /// Its place in the order of acceptance.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// The change that it has not made yet.
    pub(super) fn change_mut(&mut self) -> Option<&mut Change> {
        match &mut self.state {
            State::Waiting { change, .. } => Some(change),
            State::Succeeded { .. } | State::Failed(_) => None,
        }
    }

    fn status(&self, cx: &Context<'_>) -> &'static str {
        match &self.state {
            State::Waiting { .. } if self.reads <= cx.switches.task_queued_reads || cx.now < self.runs.0 => "QUEUED",
            State::Waiting { .. } => "RUNNING",
            State::Succeeded { .. } => "SUCCEEDED",
            State::Failed(_) => "FAILED",
        }
    }

    /// The task as v3 shows it (nutanix-api H).
    pub(super) fn render_v3(&self, id: &str, cx: &Context<'_>) -> Value {
        let status = self.status(cx);
        let kind = |a: &Affected| match a.rel {
            REL_VM => Some(json!({"kind": "vm", "uuid": a.ext_id})),
            REL_JOB => Some(json!({"kind": "recovery_plan_job", "uuid": a.ext_id})),
            _ => None,
        };
        let entities: Vec<Value> = self.affected.iter().filter_map(kind).collect();
        let mut body = json!({
            "uuid": id,
            "status": status,
            "operation_type": self.operation,
            "percentage_complete": if matches!(status, "QUEUED" | "RUNNING") { 0 } else { 100 },
            "entity_reference_list": entities,
            "subtask_reference_list": [],
        });
        if let (State::Failed(failure), Some(map)) = (&self.state, body.as_object_mut()) {
            let raced = failure.group == "VM_ETAG_MISMATCH";
            let code = if raced { "CONCURRENT_REQUESTS_NOT_ALLOWED" } else { failure.group };
            let detail = if raced { "Logical timestamp mismatch" } else { &failure.message };
            map.insert("error_code".into(), code.into());
            map.insert("error_detail".into(), detail.into());
        }
        body
    }

    /// The task as the API shows it.
    pub(super) fn render(&self, level: Level, cx: &Context<'_>) -> Value {
        let status = self.status(cx);
        let entity_shows = match (&self.state, cx.switches.nic_entity) {
            (State::Succeeded { .. }, NicEntity::Present) => true,
            (State::Succeeded { reads_since }, NicEntity::Late) => *reads_since > 2,
            _ => false,
        };
        let shown = |a: &&Affected| a.rel != REL_NIC || self.operation != "CreateNic" || entity_shows;
        let entities: Vec<Value> = self
            .affected
            .iter()
            .filter(shown)
            .map(|a| json!({"$objectType": "prism.v4.config.EntityReference", "$reserved": {}, "extId": a.ext_id, "rel": rel_at(a.rel, level)}))
            .collect();
        let mut body = json!({
            "$objectType": "prism.v4.config.Task",
            "$reserved": level.reserved("prism.v4.config.Task"),
            "extId": self.id.to_string(),
            "operation": self.operation,
            "operationDescription": self.operation,
            "status": status,
            "progressPercentage": match status { "QUEUED" => 0, "RUNNING" => 50, _ => 100 },
            "createdTime": self.created.to_string(),
            "lastUpdatedTime": self.completed.unwrap_or(self.created).to_string(),
            "isCancelable": false,
        });
        let Some(map) = body.as_object_mut() else { return body };
        if !level.is_beta() {
            map.insert("isBackgroundTask".into(), false.into());
            map.insert("numberOfSubtasks".into(), 0.into());
            map.insert("numberOfEntitiesAffected".into(), entities.len().into());
        }
        map.insert("entitiesAffected".into(), entities.into());
        if let Some(job) = self.affected.iter().find(|a| a.rel == REL_JOB) {
            let detail = json!({"$objectType": "common.v1.config.KVPair", "$reserved": {},
                "name": "recoveryPlanJobExtId", "value": job.ext_id});
            map.insert("completionDetails".into(), json!([detail]));
        }
        if status != "QUEUED" {
            map.insert("startedTime".into(), self.runs.0.to_string().into());
        }
        if let Some(completed) = self.completed {
            map.insert("completedTime".into(), completed.to_string().into());
        }
        if let State::Failed(failure) = &self.state {
            let vm = self.affected.iter().find(|a| a.rel == REL_VM).map(|a| a.ext_id.to_string());
            let message = json!({"$objectType": "prism.v4.error.AppMessage", "$reserved": {}, "severity": "ERROR",
                "code": failure.code, "errorGroup": failure.group, "locale": "en_US", "message": failure.message,
                "argumentsMap": {"vm_uuid": vm.unwrap_or_default()}});
            map.insert("errorMessages".into(), json!([message]));
            map.insert("legacyErrorMessage".into(), failure.message.clone().into());
        }
        body
    }
}

impl Prism {
    /// Accepts a change: a task of this operation, which executes it later.
    pub(super) fn accept(
        &mut self,
        operation: &'static str,
        affected: Vec<Affected>,
        if_version: Option<(ExtId, u64)>,
        change: Change,
        cx: &mut Context<'_>,
    ) -> TaskId {
        self.serial += 1;
        let seq = self.serial;
        let id = TaskId::derived(&[&self.name, "task", &seq.to_string()]);
        let mut if_version = if_version;
        if let (Some((_, version)), true) = (&mut if_version, cx.switches.etag_races > 0) {
            cx.switches.etag_races -= 1;
            // Versions are never 0: this one is certain to have passed when the task executes.
            *version = 0;
        }
        if let Change::Recover(wish) = &change {
            cx.wishes.push((id.clone(), (**wish).clone()));
        }
        let state = State::Waiting { change: Box::new(change), if_version };
        let runs = self.place(cx);
        let task =
            Task { id: id.clone(), seq, operation, reads: 0, state, affected, created: cx.now, runs, completed: None };
        self.tasks.insert(id.clone(), task);
        id
    }

    /// When a task that is accepted now begins to run and has run.
    fn place(&mut self, cx: &Context<'_>) -> (Timestamp, Timestamp) {
        let Switches { task_ms, tasks_at_once, .. } = *cx.switches;
        // All take as long: the one that makes room is as many places ahead as run at once.
        let room = if self.ends.len() >= tasks_at_once { self.ends.pop_front() } else { None };
        let begins = room.map_or(cx.now, |end| end.max(cx.now));
        let ends = begins.saturating_add(SignedDuration::from_millis(task_ms.cast_signed())).unwrap_or(begins);
        if tasks_at_once > 0 {
            self.ends.push_back(ends);
        }
        (begins, ends)
    }

    /// One read of this Prism Central: tasks advance, in the order in which they were accepted.
    pub(super) fn advance_tasks(&mut self, cx: &mut Context<'_>) {
        let needed = cx.switches.task_queued_reads.saturating_add(cx.switches.task_running_reads);
        let mut due = Vec::new();
        for task in self.tasks.values_mut() {
            task.reads = task.reads.saturating_add(1);
            match &mut task.state {
                State::Waiting { .. } if task.reads > needed && cx.now >= task.runs.1 => {
                    due.push((task.seq, task.id.clone()));
                }
                State::Succeeded { reads_since } => *reads_since = reads_since.saturating_add(1),
                State::Waiting { .. } | State::Failed(_) => {}
            }
        }
        due.sort();
        for (_, id) in due {
            self.execute(&id, cx);
        }
    }

    fn execute(&mut self, id: &TaskId, cx: &mut Context<'_>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let state = std::mem::replace(&mut task.state, State::Succeeded { reads_since: 1 });
        let outcome = match state {
            State::Waiting { change, if_version } => match if_version {
                Some((vm, version)) if self.vms.get(&vm).is_some_and(|vm| vm.version != version) => {
                    Err(Failure::etag_mismatch())
                }
                _ => self.apply(*change, cx),
            },
            done => {
                task.state = done;
                return;
            }
        };
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.completed = Some(cx.now);
        match outcome {
            Ok(affected) => task.affected.extend(affected),
            Err(failure) => task.state = State::Failed(failure),
        }
    }
}
