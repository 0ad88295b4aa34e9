//! From a request to its reply: authentication, version, preconditions, and the operation itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::change::Change;
use super::ids::{ExtId, TaskId};
use super::level::{Level, response_type};
use super::reply::{Refused, Reply, Request};
use super::routes::{Operation, route};
use super::state::{Power, Prism, Vm};
use super::switches::{MissingIfMatch, StaleIfMatch};
use super::task::Affected;
use super::{Context, odata, render};

/// How strictly an operation wants `If-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Always: PUT.
    Always,
    /// Unless the platform has dropped the need: sub-resources and actions.
    UnlessDropped,
}

/// A change that passed its checks: what becomes a task.
pub struct Accepted {
    /// Name of the operation on the task.
    pub operation: &'static str,
    /// Type of the reply.
    pub response: &'static str,
    /// Entities that the task names from the start.
    pub affected: Vec<Affected>,
    /// The version of the VM that the client has seen.
    pub if_version: Option<(ExtId, u64)>,
    /// The change.
    pub change: Change,
}

/// The ETag of an entity of a VM: opaque to clients, and good for the VM and for each of its NICs alike, since both
/// are accepted by the platform (Terraform sends the VM's, Ansible the NIC's).
pub fn etag(kind: &str, id: ExtId, version: u64) -> String {
    STANDARD.encode(format!("{kind}/{id}/{version}"))
}

fn read_etag(text: &str) -> Option<(ExtId, u64)> {
    let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let mut parts = plain.split('/');
    let (_, id, version) = (parts.next()?, parts.next()?, parts.next()?);
    Some((ExtId::parse(id)?, version.parse().ok()?))
}

fn invalid_etag() -> Refused {
    let message = "Invalid eTag header.".to_owned();
    Refused::Service { status: 412, code: "PLAT-10005", group: "INVALID_ETAG_HEADER", message }
}

fn missing_etag(cx: &Context<'_>) -> Refused {
    let status = match cx.switches.missing_if_match {
        MissingIfMatch::Status412 => 412,
        MissingIfMatch::Status400 => 400,
        MissingIfMatch::Status428 | MissingIfMatch::Accepted => 428,
    };
    let message = "The If-Match header is missing.".to_owned();
    Refused::Service { status, code: "PLAT-10004", group: "MISSING_ETAG_HEADER", message }
}

/// Checks `If-Match` against a VM; the version that the change is bound to.
///
/// # Errors
/// It is missing, malformed (`*` is), of another entity, or stale (ansible issue 706, terraform pull request 1231).
pub fn check_if_match(
    request: &Request,
    vm: &Vm,
    needs: Needs,
    cx: &Context<'_>,
) -> Result<Option<(ExtId, u64)>, Refused> {
    let Some(text) = &request.if_match else {
        if cx.switches.missing_if_match == MissingIfMatch::Accepted && needs == Needs::UnlessDropped {
            return Ok(None);
        }
        return Err(missing_etag(cx));
    };
    let (id, version) = read_etag(text).ok_or_else(invalid_etag)?;
    if id != vm.ext_id && vm.nic(id).is_none() {
        return Err(invalid_etag());
    }
    if version != vm.version && cx.switches.stale_if_match == StaleIfMatch::Refused {
        return Err(invalid_etag());
    }
    Ok(Some((vm.ext_id, version)))
}

/// The ETag of an entity without a version: made of what it is.
pub fn content_etag(entity: &impl std::fmt::Debug) -> String {
    STANDARD.encode(ExtId::derived(&[&format!("{entity:?}")]).to_string())
}

/// Checks `If-Match` against an entity without a version.
///
/// # Errors
/// It is missing or another one.
pub fn check_content_etag(request: &Request, current: &str, cx: &Context<'_>) -> Result<(), Refused> {
    match &request.if_match {
        None => Err(missing_etag(cx)),
        Some(text) if text == current => Ok(()),
        Some(_) => Err(invalid_etag()),
    }
}

/// Reads an id of the path.
///
/// # Errors
/// It is no UUID.
pub fn path_id(text: &str) -> Result<ExtId, Refused> {
    ExtId::parse(text).ok_or_else(|| Refused::Schema {
        location: "path",
        attribute: "extId".into(),
        message: format!("`{text}` is not a UUID"),
    })
}

/// The reply to a GET of one entity.
pub fn one(kind: &str, response: &'static str, entity: Value, level: Level, etag: Option<String>) -> Reply {
    let response = response_type(response, level);
    let body = json!({
        "$objectType": response,
        "$reserved": level.reserved(response),
        "$dataItemDiscriminator": kind,
        "data": entity,
        "metadata": {"$objectType": "common.v1.response.ApiResponseMetadata", "$reserved": {"$fv": "v1.r0"},
            "flags": [{"name": "hasError", "value": false}, {"name": "isPaginated", "value": false}]},
    });
    Reply { etag, ..Reply::json(200, body) }
}

fn task_reply(response: &'static str, task: &TaskId, level: Level) -> Reply {
    let response = response_type(response, level);
    let body = json!({
        "$objectType": response,
        "$reserved": level.reserved(response),
        "$dataItemDiscriminator": "prism.v4.config.TaskReference",
        "data": {"$objectType": "prism.v4.config.TaskReference", "$reserved": {"$fv": "v4.r0"}, "extId": task.to_string()},
        "metadata": {"$objectType": "common.v1.response.ApiResponseMetadata", "$reserved": {"$fv": "v1.r0"},
            "links": [{"rel": "self", "href": format!("https://localhost/api/prism/v4.0/config/tasks/{task}")}]},
    });
    Reply::json(202, body)
}

impl Prism {
    /// Answers a request, and does or accepts what it asks for.
    pub fn answer(&mut self, request: &Request, cx: &mut Context<'_>) -> Reply {
        if let Some(recorded) = &mut self.recorded {
            recorded.push(request.clone());
        }
        if !self.authentic(request) {
            return Reply::unauthorized();
        }
        if let Some(reply) = self.answer_v3(request, cx) {
            return reply;
        }
        let Some((namespace, version, operation)) = route(request) else { return Reply::gateway_not_found() };
        let Some(highest) = self.levels.of(namespace) else { return Reply::gateway_not_found() };
        if operation == Operation::Info {
            return if self.advertises_level {
                Reply::json(200, json!({"data": highest.to_string()}))
            } else {
                Reply::gateway_not_found()
            };
        }
        // A path above the level of this Prism Central is unknown to its gateway; lower ones keep being served.
        let level = version.strip_prefix('v').and_then(Level::parse);
        let level = level.filter(|level| self.levels.serves(namespace, *level) && operation.exists_at(*level));
        let Some(level) = level else { return Reply::gateway_not_found() };
        if operation.is_nic_action() && !cx.switches.nic_actions {
            return Reply::gateway_not_found();
        }
        let reply = if request.mutating() {
            self.accept_request(request, &operation, level, cx)
        } else {
            self.observe(cx);
            self.read(request, &operation, level, cx)
        };
        reply.unwrap_or_else(|refused| refused.reply(request, level, cx.now))
    }

    /// By API key (nutanix-api A.2) or as the one user.
    fn authentic(&self, request: &Request) -> bool {
        if let Some(key) = &request.api_key {
            return self.api_key.as_ref() == Some(key);
        }
        let wanted = STANDARD.encode(format!("{}:{}", self.username, self.password));
        let given = request.authorization.as_deref().and_then(|a| a.split_once(' '));
        given.is_some_and(|(scheme, value)| scheme.eq_ignore_ascii_case("basic") && value.trim() == wanted)
    }

    /// What any read moves on: tasks, addresses that are about to show, addresses that are about to be learned.
    pub(super) fn observe(&mut self, cx: &mut Context<'_>) {
        for vm in self.vms.values_mut() {
            let mut learned_other = false;
            for nic in &mut vm.nics {
                nic.hidden_reads = nic.hidden_reads.saturating_sub(1);
                let seen = if vm.power == Power::On && nic.shape.connected {
                    (cx.seen)(vm.ext_id, &nic.mac)
                } else {
                    Vec::new()
                };
                if seen == nic.learned {
                    nic.learned_reads = 0;
                } else if nic.learned_reads < cx.switches.learned_lag_reads {
                    nic.learned_reads += 1;
                } else {
                    nic.learned = seen;
                    nic.learned_reads = 0;
                    learned_other = true;
                }
            }
            // A busy VM changes its ETag with no edit of the client's (terraform issues 1089 and 1224).
            if learned_other && cx.switches.learning_changes_etag {
                vm.touch(cx.now);
            }
        }
        self.advance_tasks(cx);
    }

    fn accept_request(
        &mut self,
        request: &Request,
        operation: &Operation,
        level: Level,
        cx: &mut Context<'_>,
    ) -> Result<Reply, Refused> {
        let id = request.request_id.as_deref().filter(|id| uuid::Uuid::parse_str(id).is_ok());
        let id = id.ok_or_else(|| Refused::Schema {
            location: "header",
            attribute: "NTNX-Request-Id".into(),
            message: "a UUID is required on every request that changes something".into(),
        })?;
        if let Some(reply) = self.accepted.get(id) {
            return Ok(reply.clone());
        }
        let Accepted { operation, response, affected, if_version, change } =
            self.prepare(request, operation, level, cx)?;
        let task = self.accept(operation, affected, if_version, change, cx);
        let reply = task_reply(response, &task, level);
        self.accepted.insert(id.to_owned(), reply.clone());
        Ok(reply)
    }

    fn prepare(
        &mut self,
        request: &Request,
        operation: &Operation,
        level: Level,
        cx: &Context<'_>,
    ) -> Result<Accepted, Refused> {
        use Operation as O;
        match operation {
            O::CreateVm => self.prepare_vm(request, level, cx),
            O::DeleteVm(vm) => self.prepare_vm_delete(request, vm, cx),
            O::Power(vm, action, _) => self.prepare_power(request, vm, *action, cx),
            O::CreateNic(vm) => self.prepare_nic(request, vm, level, cx),
            O::UpdateNic(vm, nic) => self.prepare_nic_update(request, vm, nic, level, cx),
            O::DeleteNic(vm, nic) => self.prepare_nic_delete(request, vm, nic, cx),
            O::MigrateNic(vm, nic) => self.prepare_nic_migrate(request, vm, nic, cx),
            O::AssignIp(vm, nic) => self.prepare_assign(request, vm, nic, cx),
            O::ReleaseIp(vm, nic) => self.prepare_release(request, vm, nic, cx),
            O::CreateSubnet => self.prepare_subnet(request),
            O::UpdateSubnet(subnet) => self.prepare_subnet_update(request, subnet, cx),
            O::DeleteSubnet(subnet) => self.prepare_subnet_delete(request, subnet, cx),
            O::CreateVpc => self.prepare_vpc(request),
            O::UpdateVpc(vpc) => self.prepare_vpc_update(request, vpc, cx),
            O::DeleteVpc(vpc) => self.prepare_vpc_delete(request, vpc, cx),
            O::Reserve(subnet) => self.prepare_reserve(request, subnet),
            O::Unreserve(subnet) => self.prepare_unreserve(request, subnet),
            O::ActOnPlan(plan, action) => self.prepare_plan_action(request, plan, *action),
            O::Info
            | O::ListVms
            | O::GetVm(_)
            | O::ListNics(_)
            | O::GetNic(..)
            | O::ListSubnets
            | O::GetSubnet(_)
            | O::ListVnics(_)
            | O::ListReservedIps(_)
            | O::ListVpcs
            | O::GetVpc(_)
            | O::ListTasks
            | O::GetTask(_)
            | O::ListDomainManagers
            | O::GetDomainManager(_)
            | O::ListClusters
            | O::GetCluster(_)
            | O::Recovery(_) => Err(Refused::NoSuchPath),
        }
    }

    fn read(
        &mut self,
        request: &Request,
        operation: &Operation,
        level: Level,
        cx: &mut Context<'_>,
    ) -> Result<Reply, Refused> {
        use Operation as O;
        match operation {
            O::ListVms => self.list_vms(request, level),
            O::GetVm(vm) => self.get_vm(vm, level, cx),
            O::ListNics(vm) => self.list_nics(request, vm, level),
            O::GetNic(vm, nic) => self.get_nic(vm, nic, level),
            O::ListSubnets => self.list_subnets(request, level),
            O::GetSubnet(subnet) => self.get_subnet(subnet, level),
            O::ListVnics(subnet) => self.list_vnics(request, subnet, level),
            O::ListReservedIps(subnet) => self.list_reserved_ips(request, subnet, level),
            O::ListVpcs => self.list_vpcs(request, level),
            O::GetVpc(vpc) => self.get_vpc(vpc, level),
            O::Recovery(lookup) => self.look_up(request, lookup, level, cx.switches),
            O::ListTasks => self.list_tasks(request, level, cx),
            O::GetTask(task) => self.get_task(task, level, cx),
            O::ListDomainManagers => {
                let rules = odata::ListRules {
                    response: "prism.v4.config.ListDomainManagerApiResponse",
                    item: "prism.v4.config.DomainManager",
                    filters: &["extId"],
                    orders: &[],
                };
                odata::list(request, &rules, level, vec![render::domain_manager(self, level)])
            }
            O::GetDomainManager(id) if path_id(id)? == self.ext_id => Ok(one(
                "prism.v4.config.DomainManager",
                "prism.v4.config.GetDomainManagerApiResponse",
                render::domain_manager(self, level),
                level,
                None,
            )),
            O::GetDomainManager(id) => Err(Refused::not_found("domain manager", id)),
            O::ListClusters => {
                let rules = odata::ListRules {
                    response: "clustermgmt.v4.config.ListClustersApiResponse",
                    item: "clustermgmt.v4.config.Cluster",
                    filters: &["extId", "name"],
                    orders: &["name"],
                };
                odata::list(request, &rules, level, self.clusters.values().map(|c| render::cluster(c, level)).collect())
            }
            O::GetCluster(id) => {
                let cluster = self.clusters.get(&path_id(id)?).ok_or_else(|| Refused::not_found("cluster", id))?;
                let entity = render::cluster(cluster, level);
                Ok(one(
                    "clustermgmt.v4.config.Cluster",
                    "clustermgmt.v4.config.GetClusterApiResponse",
                    entity,
                    level,
                    None,
                ))
            }
            O::Info
            | O::CreateVm
            | O::DeleteVm(_)
            | O::Power(..)
            | O::CreateNic(_)
            | O::UpdateNic(..)
            | O::DeleteNic(..)
            | O::MigrateNic(..)
            | O::AssignIp(..)
            | O::ReleaseIp(..)
            | O::CreateSubnet
            | O::Reserve(_)
            | O::Unreserve(_)
            | O::UpdateSubnet(_)
            | O::DeleteSubnet(_)
            | O::CreateVpc
            | O::UpdateVpc(_)
            | O::DeleteVpc(_)
            | O::ActOnPlan(..) => Err(Refused::NoSuchPath),
        }
    }

    fn list_tasks(&self, request: &Request, level: Level, cx: &Context<'_>) -> Result<Reply, Refused> {
        let rules = odata::ListRules {
            response: "prism.v4.config.ListTasksApiResponse",
            item: "prism.v4.config.Task",
            filters: &["extId", "status", "operation"],
            orders: &["createdTime"],
        };
        let mut tasks: Vec<_> = self.tasks.values().collect();
        tasks.sort_by_key(|t| std::cmp::Reverse(t.seq()));
        odata::list(request, &rules, level, tasks.into_iter().map(|t| t.render(level, cx)).collect())
    }

    fn get_task(&self, id: &str, level: Level, cx: &Context<'_>) -> Result<Reply, Refused> {
        let parsed = TaskId::parse(id).ok_or_else(|| Refused::Schema {
            location: "path",
            attribute: "extId".into(),
            message: format!("`{id}` is not a task id"),
        })?;
        let task = self.tasks.get(&parsed).ok_or_else(|| Refused::not_found("task", id))?;
        Ok(one("prism.v4.config.Task", "prism.v4.config.GetTaskApiResponse", task.render(level, cx), level, None))
    }
}
