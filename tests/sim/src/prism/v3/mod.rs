//! The v3 API of a Prism Central: intents with a `spec_version`, lists by POST, tasks by UUID.
//!
//! Built from `nutanix-api` section H and the models of nutanix-sdk-ruby, which is generated from the v3 swagger. Every
//! Prism Central serves it beside v4 unless its world says otherwise.

mod networks;
mod recovery;
mod vms;

use serde_json::{Value, json};

use super::change::{Change, PowerAction};
use super::ids::{ExtId, TaskId};
use super::reply::{Reply, Request};
use super::state::Prism;
use super::vms::of_vm;
use super::{Context, body};

/// Entities of a page unless the request says otherwise (nutanix.dev 2019-06-13).
const DEFAULT_LENGTH: i64 = 20;
/// Most entities of a page (the same article).
const LONGEST: i64 = 500;

/// A request refused, in the error body of v3 (nutanix-api I).
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Refusal {
    /// What the schema or the state does not allow.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: 422, reason: "INVALID_REQUEST", message: message.into() }
    }

    pub(super) fn missing(kind: &str, id: &str) -> Self {
        let message = format!("The requested {kind} {id} does not exist.");
        Self { status: 404, reason: "ENTITY_NOT_FOUND", message }
    }

    /// The reply that carries it.
    pub(super) fn reply(self) -> Reply {
        let message = json!({"message": self.message, "reason": self.reason, "details": {}});
        let body = json!({"api_version": "3.1", "code": self.status, "message_list": [message], "state": "ERROR"});
        Reply { error: Some(self.reason.into()), ..Reply::json(self.status, body) }
    }
}

impl From<super::reply::Refused> for Refusal {
    fn from(refused: super::reply::Refused) -> Self {
        use super::reply::Refused as R;
        match refused {
            R::NoSuchPath => Self::invalid("no such path"),
            R::Service { message, .. } => Self::invalid(message),
            R::Schema { attribute, message, .. } => Self::invalid(format!("{attribute} {message}")),
        }
    }
}

/// The path below `/api/nutanix/v3`, for a request to it.
fn rest(request: &Request) -> Option<Vec<&str>> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    path.strip_prefix(&["api", "nutanix", "v3"]).map(<[&str]>::to_vec)
}

/// Whether a request is for this API and asks for a list, which takes a POST.
pub fn is_list(request: &Request) -> bool {
    rest(request).is_some_and(|rest| rest.last() == Some(&"list"))
}

/// The name of an operation for the log and for fault rules, and the id that it names.
pub fn action(request: &Request) -> Option<(&'static str, String)> {
    let rest = rest(request)?;
    let named = match (request.method.as_str(), rest.as_slice()) {
        ("POST", ["vms", "list"]) => ("v3.vms.list", ""),
        ("GET", ["vms", id]) => ("v3.vms.get", *id),
        ("PUT", ["vms", id]) => ("v3.vms.update", *id),
        ("POST", ["vms", id, "acpi_reboot"]) => ("v3.vms.acpi-reboot", *id),
        ("POST", ["subnets", "list"]) => ("v3.subnets.list", ""),
        ("GET", ["subnets", id]) => ("v3.subnets.get", *id),
        ("POST", ["vpcs", "list"]) => ("v3.vpcs.list", ""),
        ("POST", ["clusters", "list"]) => ("v3.clusters.list", ""),
        ("GET", ["tasks", id]) => ("v3.tasks.get", *id),
        ("POST", ["recovery_plans", "list"]) => ("v3.recovery-plans.list", ""),
        ("GET", ["recovery_plans", id]) => ("v3.recovery-plans.get", *id),
        ("POST", ["recovery_plan_jobs", "list"]) => ("v3.recovery-plan-jobs.list", ""),
        ("POST", ["recovery_plan_jobs"]) => ("v3.recovery-plan-jobs.create", ""),
        ("POST", ["recovery_plan_jobs", id, "cleanup"]) => ("v3.recovery-plan-jobs.cleanup", *id),
        ("GET", ["recovery_plan_jobs", id]) => ("v3.recovery-plan-jobs.get", *id),
        ("GET", ["recovery_plan_jobs", id, "execution_status"]) => ("v3.recovery-plan-jobs.execution-status", *id),
        ("GET", ["recovery_plan_jobs", id, "cleanup_status"]) => ("v3.recovery-plan-jobs.cleanup-status", *id),
        ("POST", ["availability_zones", "list"]) => ("v3.availability-zones.list", ""),
        _ => return None,
    };
    Some((named.0, named.1.to_owned()))
}

/// An entity in the form of v3: what is wanted, what is, and its metadata.
fn entity(kind: &str, id: ExtId, spec_version: u64, spec: &Value, status: Value) -> Value {
    json!({"spec": spec, "status": status,
        "metadata": {"kind": kind, "uuid": id, "spec_version": spec_version, "categories": {}, "categories_mapping": {}}})
}

fn reference(kind: &str, id: ExtId, name: &str) -> Value {
    json!({"kind": kind, "uuid": id, "name": name})
}

/// Answers a list request over entities; `attributes` are what FIQL may name, each with its place in the status.
fn list(request: &Request, kind: &str, attributes: &[(&str, &str)], mut items: Vec<Value>) -> Result<Reply, Refusal> {
    let wanted = body::object(request)?;
    if body::text(&wanted, "/kind")?.is_some_and(|given| given != kind) {
        return Err(Refusal::invalid(format!("kind must be {kind}")));
    }
    let offset = body::number(&wanted, "/offset")?.unwrap_or(0);
    let length = body::number(&wanted, "/length")?.unwrap_or(DEFAULT_LENGTH);
    if !(1..=LONGEST).contains(&length) || offset < 0 {
        return Err(Refusal::invalid(format!("length must be from 1 to {LONGEST} and offset not negative")));
    }
    for comparison in body::text(&wanted, "/filter")?.unwrap_or_default().split(';').filter(|c| !c.is_empty()) {
        let (attribute, value) =
            comparison.split_once("==").ok_or_else(|| Refusal::invalid(format!("cannot read `{comparison}`")))?;
        let place = attributes.iter().find(|(name, _)| *name == attribute);
        let (_, place) = place.ok_or_else(|| Refusal::invalid(format!("cannot filter by `{attribute}`")))?;
        items.retain(|item| item.pointer(place).and_then(Value::as_str) == Some(value));
    }
    let total = request.told_total(items.len());
    let size = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    let page: Vec<Value> = items.into_iter().skip(size(offset)).take(size(length)).collect();
    let metadata = json!({"total_matches": total, "kind": kind, "length": page.len(), "offset": offset});
    Ok(Reply::json(200, json!({"api_version": "3.1", "metadata": metadata, "entities": page})))
}

/// The UUID by which v3 knows a task; v4 puts a prefix before it.
fn task_uuid(id: &TaskId) -> String {
    let text = id.to_string();
    text.rsplit(':').next().unwrap_or_default().to_owned()
}

impl Prism {
    /// Answers a request to this API; nothing for one that goes elsewhere.
    pub(super) fn answer_v3(&mut self, request: &Request, cx: &mut Context<'_>) -> Option<Reply> {
        let rest: Vec<String> = rest(request).filter(|_| self.serves_v3)?.into_iter().map(str::to_owned).collect();
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        if !request.mutating() {
            self.observe(cx);
        }
        let reply = match (request.method.as_str(), rest.as_slice()) {
            ("POST", ["vms", "list"]) => self.v3_list_vms(request),
            ("GET", ["vms", id]) => self.v3_get_vm(id, cx),
            ("PUT", ["vms", id]) => self.v3_put_vm(request, id, cx),
            ("POST", ["vms", id, "acpi_reboot"]) => self.v3_reboot(id, cx),
            ("POST", ["subnets", "list"]) => self.v3_list_subnets(request),
            ("GET", ["subnets", id]) => self.v3_get_subnet(id),
            ("POST", ["vpcs", "list"]) => self.v3_list_vpcs(request),
            ("POST", ["clusters", "list"]) => self.v3_list_clusters(request),
            ("GET", ["tasks", id]) => self.v3_get_task(id, cx),
            ("POST", ["recovery_plans", "list"]) => self.v3_list_recovery_plans(request),
            ("GET", ["recovery_plans", id]) => self.v3_get_recovery_plan(id),
            ("POST", ["recovery_plan_jobs", "list"]) => self.v3_list_jobs(request, cx),
            ("POST", ["recovery_plan_jobs"]) => self.v3_start_job(request, cx),
            ("POST", ["recovery_plan_jobs", id, "cleanup"]) => self.v3_clean_up(id, cx),
            ("GET", ["recovery_plan_jobs", id]) => self.v3_get_job(id, cx),
            ("GET", ["recovery_plan_jobs", id, "execution_status"]) => self.v3_get_execution(id, cx),
            ("GET", ["recovery_plan_jobs", id, "cleanup_status"]) => self.v3_get_clean_up(id, cx),
            ("POST", ["availability_zones", "list"]) => self.v3_list_zones(request),
            _ => return None,
        };
        Some(reply.unwrap_or_else(Refusal::reply))
    }

    /// The status code of the reply is unverified.
    fn v3_reboot(&mut self, id: &str, cx: &mut Context<'_>) -> Result<Reply, Refusal> {
        let vm = self.v3_vm(id)?.ext_id;
        let change = Change::Power(vm, PowerAction::Again);
        let task = self.accept("VmSetPowerState", of_vm(vm), None, change, cx);
        Ok(Reply::json(202, json!({"task_uuid": task_uuid(&task)})))
    }

    fn v3_get_task(&self, id: &str, cx: &Context<'_>) -> Result<Reply, Refusal> {
        let task = TaskId::parse(&format!("ZXJnb24=:{id}")).and_then(|id| self.tasks.get(&id));
        let task = task.ok_or_else(|| Refusal::missing("task", id))?;
        Ok(Reply::json(200, task.render_v3(id, cx)))
    }
}
