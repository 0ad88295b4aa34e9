//! Tasks: a change is done when its task says so.

use holdfast_model::ExtId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::json::{ext_id, list, text};
use crate::prism::calls::LOOKS_AT_NOTHING;
use crate::prism::v4::V4;
use crate::prism::v4::level::Namespace;
use crate::said::Said;
use crate::{NutanixError, TimeLimit};

/// What stands unescaped in a path segment: task ids carry `=` and `:`, which the SDK escapes.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How a task stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Pending(String),
    Succeeded,
    Failed(Box<NutanixError>),
}

impl V4 {
    /// Waits for the end of a task and returns the ids of what it affected whose kind ends in `rel`.
    ///
    /// # Errors
    /// [`NutanixError::Stale`] when the entity changed before the task ran, [`NutanixError::TaskFailed`], and
    /// [`NutanixError::TaskUnfinished`] when the limit came first.
    pub(super) async fn await_task(
        &self,
        what: &str,
        task: &str,
        rel: &str,
        limit: &TimeLimit,
    ) -> Result<Vec<ExtId>, NutanixError> {
        self.await_told(what, task, limit, |_| false).await.map(|body| affected(&body, rel))
    }

    /// Waits until a task has succeeded, or tells what is looked for before that, and returns it as it is then.
    ///
    /// # Errors
    /// As [`V4::await_task`].
    pub(super) async fn await_told(
        &self,
        what: &str,
        task: &str,
        limit: &TimeLimit,
        told: impl Fn(&Value) -> bool,
    ) -> Result<Value, NutanixError> {
        let limit = limit.within(self.calls.timeouts.task);
        let path = format!("/config/tasks/{}", utf8_percent_encode(task, SEGMENT));
        let mut backoff = self.calls.timeouts.pauses.backoff();
        let mut missing = 0;
        let mut last = "QUEUED".to_owned();
        while backoff.pause(&limit).await {
            let reply = match self.read(what, Namespace::Prism, &path, &[], false).await {
                Err(NutanixError::NotFound { .. }) if missing < LOOKS_AT_NOTHING => {
                    missing += 1;
                    continue;
                }
                reply => reply?,
            };
            if text(&reply.body, "/data/status").is_none() {
                return Err(self.calls.unreadable(what, format!("task `{task}` has no `data.status`")));
            }
            match standing(what, &reply.body) {
                Standing::Succeeded => return Ok(reply.body),
                Standing::Failed(error) => return Err(*error),
                Standing::Pending(_) if told(&reply.body) => return Ok(reply.body),
                Standing::Pending(status) => last = status,
            }
        }
        Err(NutanixError::TaskUnfinished { what: what.to_owned(), task: task.to_owned(), status: last })
    }
}

/// Unknown statuses are pending: a later version may have more of them.
fn standing(what: &str, body: &Value) -> Standing {
    match text(body, "/data/status") {
        Some("SUCCEEDED") => Standing::Succeeded,
        Some(status @ ("FAILED" | "CANCELED")) => {
            let said = list(body, "/data/errorMessages").first().map(Said::app_message).unwrap_or_else(|| Said {
                message: text(body, "/data/legacyErrorMessage").unwrap_or(status).to_owned(),
                ..Said::default()
            });
            Standing::Failed(Box::new(said.into_task_error(what)))
        }
        Some(other) => Standing::Pending(other.to_owned()),
        None => Standing::Pending("unknown".to_owned()),
    }
}

fn affected(body: &Value, rel: &str) -> Vec<ExtId> {
    list(body, "/data/entitiesAffected")
        .iter()
        .filter(|entity| text(entity, "/rel").is_some_and(|r| r.ends_with(rel)))
        .filter_map(|entity| ext_id(entity.get("extId")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_task_id_is_escaped_as_the_sdk_does() {
        let id = utf8_percent_encode("ZXJnb24=:40a5ac91-83f6", SEGMENT).to_string();
        assert_eq!(id, "ZXJnb24%3D%3A40a5ac91-83f6");
    }

    #[test]
    fn a_race_that_only_the_task_noticed_is_stale() {
        let body = json!({"data": {"status": "FAILED", "errorMessages": [{"code": "VMM-30303",
            "errorGroup": "VM_ETAG_MISMATCH", "message": "changed", "argumentsMap": {"vm_uuid": "1111"}}]}});
        let Standing::Failed(error) = standing("x", &body) else { panic!("not failed") };
        assert!(matches!(*error, NutanixError::Stale { .. }), "{error}");
    }

    #[test]
    fn a_failed_task_says_why_with_its_arguments() {
        let body = json!({"data": {"status": "FAILED", "errorMessages": [{"code": "VMM-1", "errorGroup": "G",
            "message": "no {{a}}", "argumentsMap": {"a": "b"}}]}});
        let Standing::Failed(error) = standing("migration", &body) else { panic!("not failed") };
        assert_eq!(error.to_string(), "migration failed: no {{a}} [a=b] (VMM-1 G)");
    }

    #[test]
    fn a_status_of_a_later_version_is_pending() {
        assert_eq!(standing("x", &json!({"data": {"status": "$UNKNOWN"}})), Standing::Pending("$UNKNOWN".into()));
    }

    #[test]
    fn the_new_nic_is_named_by_the_end_of_its_kind() {
        let id = "33333333-3333-4333-8333-333333333333";
        let body = json!({"data": {"entitiesAffected": [{"extId": id, "rel": "vmm:ahv:config:vm:nic"},
            {"extId": "11111111-1111-4111-8111-111111111111", "rel": "vmm:ahv:config:vm"}]}});
        assert_eq!(affected(&body, ":nic"), vec![ExtId::parse(id).unwrap()]);
        assert!(affected(&json!({"data": {}}), ":nic").is_empty());
    }
}
