//! What must be true in the story, and where it is looked up: probes, the request log, the simulated world, and what the functions stored.

use std::sync::atomic::Ordering;

use holdfast_sim::ec2::InstanceState;
use serde_json::Value;

use super::{ADDRESS, CLIENTS, INSTANCE, OSAKA, OSAKA_TABLE, PREFIX, Story, TOKYO, dynamodb, force, text};
use crate::{LabError, executions::Execution, prober};

impl Story<'_> {
    pub(super) fn must(&self, stage: &str, holds: bool, what: impl FnOnce() -> String) -> Result<(), LabError> {
        if !holds {
            return Err(LabError::Story { stage: stage.to_owned(), what: what() });
        }
        self.held.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn green(&self, stage: &str, execution: &Execution) -> Result<(), LabError> {
        self.must(stage, execution.succeeded(), || {
            format!("the execution ended {}: {}", execution.status, execution.words())
        })
    }

    pub(super) fn held(&self, stage: &str, execution: &Execution) -> Result<(), LabError> {
        self.must(stage, execution.held(), || {
            format!("the execution should hold, but ended {}: {}", execution.status, execution.words())
        })
    }

    /// Whoever asks, nothing has finished since somebody asked.
    pub(super) async fn nothing_finished(&self, stage: &str) -> Result<(), LabError> {
        for region in [TOKYO, OSAKA] {
            let looked = self.lab.look(region).await?;
            let nothing = ["found", "published"].iter().all(|key| looked.get(*key) == Some(&serde_json::json!([])));
            self.must(stage, nothing && looked.get("unknown") == Some(&serde_json::json!({})), || {
                format!("{region} finds: {}", text(&looked, "summary"))
            })?;
        }
        Ok(())
    }

    /// Both clients reach the address, and what answers is where we think.
    pub(super) async fn served_by(&self, stage: &str, place: &str) -> Result<(), LabError> {
        for client in CLIENTS {
            self.answers(stage, client, place).await?;
        }
        Ok(())
    }

    pub(super) async fn answers(&self, stage: &str, client: &str, place: &str) -> Result<(), LabError> {
        let report = prober::probe(self.lab.control(), client, ADDRESS).await?;
        let seen = prober::answered_at(&report, place);
        self.must(stage, seen.is_ok(), || {
            format!("{ADDRESS} asked from {client} is {}", seen.err().unwrap_or_default())
        })
    }

    pub(super) async fn silent(&self, stage: &str) -> Result<(), LabError> {
        for client in CLIENTS {
            let report = prober::probe(self.lab.control(), client, ADDRESS).await?;
            self.must(stage, !prober::answered(&report), || format!("{ADDRESS} asked from {client}: {report}"))?;
        }
        Ok(())
    }

    /// The inventory says of every captured host what became of it: right, with what was done.
    pub(super) async fn every_host_is_right(&self, stage: &str) -> Result<(), LabError> {
        let items = self.lab.items(TOKYO, dynamodb::INVENTORY).await?;
        let version = dynamodb::document(&items, "wave#wave-1", "v#")?;
        for host in version.get("hosts").and_then(Value::as_array).into_iter().flatten() {
            let name = text(host, "name");
            let result = dynamodb::document(&items, "wave#wave-1", &format!("restored#{name}"))?;
            let done = result.get("done").and_then(Value::as_array).is_some_and(|done| !done.is_empty());
            self.must(stage, text(&result, "standing") == "right" && done, || {
                format!("the inventory says of {name}: {result}")
            })?;
        }
        Ok(())
    }

    pub(super) async fn last_call(&self) -> Result<u64, LabError> {
        let calls = self.calls(0).await?;
        Ok(calls.last().and_then(|call| call.get("seq")).and_then(Value::as_u64).unwrap_or_default())
    }

    pub(super) async fn calls(&self, since: u64) -> Result<Vec<Value>, LabError> {
        let log = self.lab.control().get(&format!("/log?since={since}")).await?;
        Ok(log.as_array().cloned().unwrap_or_default())
    }

    /// No call since then that could change EC2, Prism Central or Move.
    pub(super) async fn nothing_changed(&self, stage: &str, since: u64) -> Result<(), LabError> {
        let calls = self.calls(since).await?;
        let changes = |call: &&Value| {
            let source = text(call, "source");
            let guarded = source.starts_with("prism") || source.starts_with("move") || text(call, "service") == "ec2";
            guarded && call.get("mutating").and_then(Value::as_bool) == Some(true)
        };
        let change =
            calls.iter().find(changes).map(|call| format!("{} of {}", text(call, "action"), text(call, "service")));
        self.must(stage, change.is_none(), || format!("it called {}", change.unwrap_or_default()))
    }

    /// Every transit gateway route table with its routes.
    pub(super) async fn tables(&self) -> Result<Value, LabError> {
        let world = self.lab.control().get("/world").await?;
        Ok(world.pointer("/ec2/tgw_route_tables").cloned().unwrap_or(Value::Null))
    }

    pub(super) async fn same_tables(&self, stage: &str, before: &Value) -> Result<(), LabError> {
        let now = self.tables().await?;
        self.must(stage, !now.is_null() && now == *before, || "a route table is not as it was".to_owned())
    }

    /// What a second start of the same input leaves as it is: the captured hosts, and the operations with their journals.
    pub(super) async fn stored(&self) -> Result<Vec<Value>, LabError> {
        let mut stored = self.lab.items(TOKYO, dynamodb::INVENTORY).await?;
        let operations = self.lab.items(TOKYO, dynamodb::OPERATIONS).await?;
        let is_operation =
            |item: &Value| item.pointer("/pk/S").and_then(Value::as_str).is_some_and(|pk| pk.starts_with("op#"));
        stored.extend(operations.into_iter().filter(is_operation));
        stored.sort_by_key(ToString::to_string);
        Ok(stored)
    }

    pub(super) async fn same_stored(&self, stage: &str, before: &[Value]) -> Result<(), LabError> {
        let now = self.stored().await?;
        self.must(stage, !before.is_empty() && now == before, || {
            format!("{} items of hosts and operations were stored before, other {} now", before.len(), now.len())
        })
    }

    /// The instance is stopped, and a VM of its name runs on NC2 Tokyo with another address and another MAC address.
    pub(super) fn has_moved(&self, stage: &str) -> Result<(), LabError> {
        let world = self.lab.sim().shared().world();
        let stopped = world.ec2.instances.get(INSTANCE).is_some_and(|it| it.state == InstanceState::Stopped);
        self.must(stage, stopped, || format!("{INSTANCE} is not stopped"))?;
        let vms = world.prisms.get("pc-tokyo").into_iter().flat_map(|prism| prism.vms.values());
        let vms: Vec<_> = vms.filter(|vm| vm.name == "web-1").collect();
        self.must(stage, vms.len() == 1, || format!("{} VMs are named web-1", vms.len()))?;
        let mut macs = world.ec2.enis.values().filter(|eni| eni.address == ADDRESS).map(|eni| eni.mac.as_str());
        let mac = macs.next().unwrap_or_default();
        let nics: Vec<_> = vms.iter().flat_map(|vm| &vm.nics).collect();
        let other = nics.iter().all(|nic| nic.address.is_some_and(|it| it != ADDRESS) && nic.mac != mac);
        self.must(stage, !mac.is_empty() && !nics.is_empty() && other, || {
            format!("the VM should have another address than {ADDRESS} and another MAC address than {mac}: {nics:?}")
        })
    }

    /// The words of a held failback: the route of Tokyo is done, that of Osaka is left.
    pub(super) fn half_done(&self, stage: &str, execution: &Execution) -> Result<(), LabError> {
        let (done, left) = execution.cause.split_once("left:").unwrap_or_default();
        let holds = done.contains("tgw-tokyo")
            && left.contains(OSAKA_TABLE)
            && left.contains(PREFIX)
            && !left.contains("tgw-tokyo");
        self.must(stage, holds, || format!("done and left are not told apart: {}", execution.cause))
    }

    /// Who forced a swap and why: in the words of the execution and in the stored operation.
    pub(super) async fn recorded(&self, stage: &str, execution: &Execution, operation: &str) -> Result<(), LabError> {
        let force = force();
        for key in ["by", "reason"] {
            let word = text(&force, key);
            self.must(stage, execution.cause.contains(&word), || format!("`{word}` is not in: {}", execution.cause))?;
        }
        let items = self.lab.items(TOKYO, dynamodb::OPERATIONS).await?;
        let stored = dynamodb::document(&items, &format!("op#{operation}"), "operation#")?;
        self.must(stage, stored.get("force") == Some(&force), || format!("the stored operation is {stored}"))
    }

    /// The stored report of a drill: the plan on live state, every check of it, and none that failed.
    pub(super) async fn drilled(&mut self, stage: &str, execution: &Execution) -> Result<(), LabError> {
        let id = text(&execution.output, "report");
        let items = self.lab.items(TOKYO, dynamodb::OPERATIONS).await?;
        let stored = dynamodb::document(&items, &format!("report#{id}"), "part#")?;
        let plan = stored.pointer("/check/plan").and_then(Value::as_str).unwrap_or_default();
        let planned = ["tgw-tokyo", "tgw-osaka", PREFIX].iter().all(|word| plan.contains(word));
        self.must(stage, planned, || format!("the plan is not in the stored report `{id}`: {stored}"))?;
        let checks = stored.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
        let ready = |check: &Value| text(check, "name") == "subnet for app at nc2-osaka";
        self.must(stage, checks.iter().any(ready), || format!("nobody asked what Osaka has ready: {checks:?}"))?;
        let proven = |check: &Value| ["pass", "warn"].contains(&text(check, "status").as_str());
        self.must(stage, checks.len() > 5 && checks.iter().all(proven), || format!("the checks are {checks:?}"))?;
        self.remarks.push(format!("report {id} of the drill: {} checks, none failed", checks.len()));
        Ok(())
    }
}
