//! The v3 API, for Prism Centrals before the betas of v4: lists by POST, one PUT of a VM's whole intent, tasks by UUID.
//!
//! Built from public text alone (models of nutanix-sdk-ruby, Nutanix's Terraform provider and articles): nothing of it was tried on an appliance.

mod networks;
mod recovery;
mod vms;

use std::sync::{Arc, OnceLock};

use holdfast_model::ExtId;
use reqwest::Method;
use serde_json::{Value, json};

use crate::http::{Body, Request};
use crate::json::{documents, ext_id, text};
use crate::prism::calls::{Calls, LOOKS_AT_NOTHING, PAGES};
use crate::prism::v4::not_there;
use crate::said::Said;
use crate::{NutanixError, TimeLimit};

/// Entities a page: the most that a page was seen to hold; unasked for it holds 20 (nutanix.dev 2019-06-13).
const LENGTH: usize = 500;

/// Version of intents.
const VERSION: &str = "3.1";

/// The v3 API of a Prism Central.
#[derive(Debug)]
pub(super) struct V3 {
    calls: Arc<Calls>,
    /// The availability zone that it is, once that was asked.
    own_side: OnceLock<Option<String>>,
}

/// The entities of one page of a list.
fn entities(reply: &Value) -> Result<&[Value], String> {
    reply.get("entities").ok_or("no `entities`")?;
    documents(reply, "/entities")
}

impl V3 {
    pub(super) fn new(calls: Arc<Calls>) -> Self {
        Self { calls, own_side: OnceLock::new() }
    }

    /// Whether the Prism Central serves this API.
    pub(super) async fn answers(&self) -> Result<bool, NutanixError> {
        let what = "version of the API";
        match self.post(what, "/clusters/list", json!({"kind": "cluster", "length": 1})).await {
            Ok(reply) => entities(&reply).map(|_| true).map_err(|why| self.calls.unreadable(what, why)),
            Err(error) => not_there(error).map(|()| false),
        }
    }

    async fn get(&self, what: &str, path: &str) -> Result<Value, NutanixError> {
        let path = format!("/api/nutanix/v3{path}");
        self.calls.http.send(&self.calls.request(what, Method::GET, &path)).await.map(|reply| reply.body)
    }

    async fn post(&self, what: &str, path: &str, body: Value) -> Result<Value, NutanixError> {
        let path = format!("/api/nutanix/v3{path}");
        let request = Request { body: Body::Json(body), ..self.calls.request(what, Method::POST, &path) };
        self.calls.http.send(&request).await.map(|reply| reply.body)
    }

    /// Shows every entity of a kind, and keeps one page at a time. A server may give shorter pages than it is asked for.
    async fn list(
        &self,
        what: &str,
        kind: &str,
        filter: Option<String>,
        mut show: impl FnMut(&Value),
    ) -> Result<(), NutanixError> {
        let mut offset = 0;
        for _ in 0..PAGES {
            let mut body = json!({"kind": kind, "offset": offset, "length": LENGTH});
            if let (Some(filter), Some(map)) = (&filter, body.as_object_mut()) {
                map.insert("filter".to_owned(), filter.as_str().into());
            }
            let reply = self.post(what, &format!("/{kind}s/list"), body).await?;
            let entities = entities(&reply).map_err(|why| self.calls.unreadable(what, why))?;
            entities.iter().for_each(&mut show);
            offset += entities.len();
            let total = reply.pointer("/metadata/total_matches").and_then(Value::as_u64);
            // A total may be too low or too high for a while: a full page is followed, and an empty one is the end.
            let more = entities.len() >= LENGTH || total.is_some_and(|total| (offset as u64) < total);
            if entities.is_empty() || !more {
                return Ok(());
            }
        }
        Err(self.calls.unreadable(what, format!("more than {PAGES} pages")))
    }

    /// Every entity of a kind with exactly this name.
    async fn named(&self, what: &str, kind: &str, attribute: &str, name: &str) -> Result<Vec<Value>, NutanixError> {
        let mut found = Vec::new();
        self.list(what, kind, equals(attribute, name), |entity| {
            if self::name(entity) == Some(name) {
                found.push(entity.clone());
            }
        })
        .await?;
        Ok(found)
    }

    /// Waits for the end of a task.
    async fn await_task(&self, what: &str, task: &str, limit: &TimeLimit) -> Result<(), NutanixError> {
        self.await_told(what, task, limit, |_| false).await.map(|_| ())
    }

    /// Waits until a task has succeeded, or tells what is looked for before that, and returns it as it is then.
    async fn await_told(
        &self,
        what: &str,
        task: &str,
        limit: &TimeLimit,
        told: impl Fn(&Value) -> bool,
    ) -> Result<Value, NutanixError> {
        let limit = limit.within(self.calls.timeouts.task);
        let mut backoff = self.calls.timeouts.pauses.backoff();
        let mut missing = 0;
        let mut last = "QUEUED".to_owned();
        while backoff.pause(&limit).await {
            let task = match self.get(what, &format!("/tasks/{task}")).await {
                Err(NutanixError::NotFound { .. }) if missing < LOOKS_AT_NOTHING => {
                    missing += 1;
                    continue;
                }
                reply => reply?,
            };
            match text(&task, "/status") {
                Some("SUCCEEDED") => return Ok(task),
                Some("FAILED" | "ABORTED" | "CANCELLED" | "CANCELED") => return Err(failure(what, &task)),
                _ if told(&task) => return Ok(task),
                Some(other) => other.clone_into(&mut last),
                None => return Err(self.calls.unreadable(what, "its task has no `status`")),
            }
        }
        Err(NutanixError::TaskUnfinished { what: what.to_owned(), task: task.to_owned(), status: last })
    }
}

fn failure(what: &str, task: &Value) -> NutanixError {
    let word = |place| text(task, place).unwrap_or_default().to_owned();
    let said = Said { code: String::new(), group: word("/error_code"), message: word("/error_detail") };
    said.into_task_error(what)
}

/// `attribute==value` in FIQL; none for a value with characters that mean something there or that are not known to work.
fn equals(attribute: &str, value: &str) -> Option<String> {
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    plain.then(|| format!("{attribute}=={value}"))
}

fn id(entity: &Value) -> Option<ExtId> {
    ext_id(entity.pointer("/metadata/uuid"))
}

fn name(entity: &Value) -> Option<&str> {
    text(entity, "/status/name").or_else(|| text(entity, "/spec/name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_meaning_in_fiql_is_not_filtered_by() {
        assert_eq!(equals("vm_name", "web-1.example").unwrap(), "vm_name==web-1.example");
        for name in ["o'brien", "a;b", "a,b", "a==b", "two words", ""] {
            assert_eq!(equals("vm_name", name), None, "{name}");
        }
    }

    #[test]
    fn an_edit_conflict_that_only_the_task_noticed_is_stale() {
        let task = |code| json!({"error_code": code, "error_detail": "Logical timestamp mismatch"});
        assert!(matches!(failure("x", &task("CONCURRENT_REQUESTS_NOT_ALLOWED")), NutanixError::Stale { .. }));
        let other = failure("change", &task("INTERNAL_ERROR")).to_string();
        assert!(other.contains("Logical timestamp mismatch") && other.contains("INTERNAL_ERROR"), "{other}");
    }
}
