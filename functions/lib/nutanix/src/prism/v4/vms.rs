//! VMs: found by exact name, read with their ETag, changed with it.

use holdfast_model::{ExtId, Power};
use reqwest::Method;
use serde_json::Value;

use crate::http::{Body, Request};
use crate::json::{documents, ext_id, text};
use crate::prism::api::VmApi;
use crate::prism::calls::TRIES_WHEN_STALE;
use crate::prism::v4::level::{Level, Namespace};
use crate::prism::v4::{Nic, V4, envelope, equals};
use crate::{NutanixError, TimeLimit};

/// A VM.
#[derive(Debug, Clone, PartialEq)]
pub struct Vm {
    /// The VM.
    pub id: ExtId,
    /// Its name; not unique on a Prism Central.
    pub name: String,
    /// Powered how.
    pub power: Power,
    /// Its cluster.
    pub cluster: Option<ExtId>,
    /// Its NICs, in Prism Central's order.
    pub nics: Vec<Nic>,
}

/// A VM as one read showed it, with the tag that a change of it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct VmRead {
    /// The VM.
    pub vm: Vm,
    /// The ETag, opaque and sent back as it came; none where the server gave none.
    pub etag: Option<String>,
}

impl Vm {
    pub(in crate::prism) fn parse(value: &Value) -> Option<Self> {
        Some(Self {
            id: ext_id(value.get("extId"))?,
            name: text(value, "/name").unwrap_or_default().to_owned(),
            power: match text(value, "/powerState") {
                Some("ON") => Power::On,
                Some("OFF") => Power::Off,
                _ => Power::Unknown,
            },
            cluster: ext_id(value.get("cluster")),
            // A NIC that was not understood would be taken for one that is missing.
            nics: documents(value, "/nics").ok()?.iter().map(Nic::parse).collect::<Option<_>>()?,
        })
    }

    /// One of its NICs.
    #[must_use]
    pub fn nic(&self, id: &ExtId) -> Option<&Nic> {
        self.nics.iter().find(|nic| nic.id == *id)
    }
}

impl VmApi for V4 {
    async fn vms_named(&self, name: &str) -> Result<Vec<Vm>, NutanixError> {
        let what = format!("list of VMs named `{name}`");
        let found = self.read_all(&what, Namespace::Vmm, "/ahv/config/vms", Some(equals("name", name))).await?;
        found
            .iter()
            .map(|value| {
                Vm::parse(value)
                    .ok_or_else(|| self.calls.unreadable(&what, "a VM without `extId`, or with `nics` that are none"))
            })
            .filter(|vm| vm.as_ref().map_or(true, |vm| vm.name == name))
            .collect()
    }

    async fn vm(&self, id: &ExtId) -> Result<VmRead, NutanixError> {
        let what = format!("VM `{id}`");
        let reply = self.read(&what, Namespace::Vmm, &format!("/ahv/config/vms/{id}"), &[], false).await?;
        let vm = reply.body.get("data").and_then(Vm::parse);
        let vm = vm.ok_or_else(|| self.calls.unreadable(&what, "no `data.extId`, or `data.nics` that are none"))?;
        Ok(VmRead { vm, etag: reply.etag })
    }

    async fn reboot(&self, vm: &ExtId, limit: &TimeLimit) -> Result<(), NutanixError> {
        let change = Change {
            what: format!("reboot of VM `{vm}`"),
            method: Method::POST,
            path: "/$actions/reboot".to_owned(),
            rel: ":vm",
        };
        self.change(&change, vm, limit, |_, _| Ok(Body::None)).await.map(|_| ())
    }
}

impl V4 {
    /// Makes one change below a VM and waits for its task.
    ///
    /// # Flow
    /// Reads the VM, builds the body from what was read, sends it with the VM's ETag, awaits the task.
    ///
    /// # Guarantees
    /// A change that found the VM changed (on arrival, or in its task) was not made; it is made again, from a fresh read, with the same meaning.
    ///
    /// # Errors
    /// [`NutanixError::Unreachable`] with `Sent::Perhaps` leaves the outcome open: read before deciding anew.
    pub(super) async fn change<F>(
        &self,
        change: &Change,
        vm: &ExtId,
        limit: &TimeLimit,
        body: F,
    ) -> Result<Vec<ExtId>, NutanixError>
    where
        F: Fn(Level, &Vm) -> Result<Body, NutanixError>,
    {
        let mut backoff = self.calls.timeouts.pauses.backoff();
        let mut tries = 0;
        loop {
            match self.change_once(change, vm, limit, &body).await {
                Err(NutanixError::Stale { .. }) if tries < TRIES_WHEN_STALE && backoff.pause(limit).await => tries += 1,
                other => return other,
            }
        }
    }

    async fn change_once<F>(
        &self,
        change: &Change,
        vm: &ExtId,
        limit: &TimeLimit,
        body: &F,
    ) -> Result<Vec<ExtId>, NutanixError>
    where
        F: Fn(Level, &Vm) -> Result<Body, NutanixError>,
    {
        let read = self.vm(vm).await?;
        let level = self.level(Namespace::Vmm).await?;
        let path = format!("/api/vmm/{level}/ahv/config/vms/{vm}{}", change.path);
        let request = Request {
            body: body(level, &read.vm)?,
            if_match: read.etag.as_deref(),
            ..self.calls.request(&change.what, change.method.clone(), &path)
        };
        let reply = self.calls.http.send(&request).await?;
        match text(&reply.body, "/data/extId") {
            Some(task) => self.await_task(&change.what, task, change.rel, limit).await,
            // A change that was done at once has no task.
            None if reply.body.is_null() => Ok(Vec::new()),
            None => match (envelope(&reply.body), reply.body.get("data")) {
                (Ok(()), None | Some(Value::Null)) => Ok(Vec::new()),
                (Ok(()), Some(_)) => Err(self.calls.unreadable(&change.what, "no `data.extId`")),
                (Err(why), _) => Err(self.calls.unreadable(&change.what, why)),
            },
        }
    }
}

/// A change below a VM.
pub(super) struct Change {
    /// In words, for errors.
    pub(super) what: String,
    /// HTTP method.
    pub(super) method: Method,
    /// Path below the VM.
    pub(super) path: String,
    /// End of the kind of entity whose ids are wanted.
    pub(super) rel: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_vm_without_nics_cluster_or_known_power_state_is_read() {
        let vm =
            Vm::parse(&json!({"extId": "11111111-1111-4111-8111-111111111111", "powerState": "$UNKNOWN"})).unwrap();
        assert_eq!((vm.power, vm.cluster, vm.nics.len()), (Power::Unknown, None, 0));
        assert!(Vm::parse(&json!({"name": "x"})).is_none());
    }
}
