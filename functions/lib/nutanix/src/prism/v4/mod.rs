//! The v4 API, whose version differs from namespace to namespace.

mod level;
mod nics;
mod recovery;
mod subnets;
mod tasks;
mod vms;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::Method;
use serde_json::Value;

use crate::NutanixError;
use crate::http::{Reply, Request};
use crate::json::{documents, list};
use crate::prism::calls::{Calls, PAGES};

pub(super) use level::{Level, Namespace, not_there};
pub use nics::{CreateNic, Nic};
pub use subnets::{ExternalSubnet, ReservedIp, Subnet, Vnic, Vpc};
pub use vms::{Vm, VmRead};

/// Entities a page: the most that the API allows.
const PAGE: usize = 100;

/// The v4 API of a Prism Central.
///
/// Knows the level of each namespace once it was asked, and asks again when a path that must exist is not found.
#[derive(Debug)]
pub(super) struct V4 {
    calls: Arc<Calls>,
    levels: Mutex<BTreeMap<Namespace, Level>>,
    /// The domain manager that it is, once that was asked.
    own_side: OnceLock<Option<String>>,
    /// Whether it refused to put recovery jobs in order.
    jobs_unordered: AtomicBool,
}

impl V4 {
    pub(super) fn new(calls: Arc<Calls>) -> Self {
        Self {
            calls,
            levels: Mutex::new(BTreeMap::new()),
            own_side: OnceLock::new(),
            jobs_unordered: AtomicBool::new(false),
        }
    }

    fn endpoint(&self) -> &str {
        self.calls.endpoint()
    }

    fn level_known(&self, namespace: Namespace) -> Option<Level> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).get(&namespace).copied()
    }

    pub(super) async fn level(&self, namespace: Namespace) -> Result<Level, NutanixError> {
        if let Some(level) = self.level_known(namespace) {
            return Ok(level);
        }
        let level = level::negotiate(self, namespace).await?;
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace, level);
        Ok(level)
    }

    fn forget_level(&self, namespace: Namespace) {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).remove(&namespace);
    }

    /// Reads below `/api/{namespace}/{level}`; after a 404 of a path that `must_exist` the level is negotiated again, once.
    async fn read(
        &self,
        what: &str,
        namespace: Namespace,
        path: &str,
        query: &[(&str, String)],
        must_exist: bool,
    ) -> Result<Reply, NutanixError> {
        let level = self.level(namespace).await?;
        let full = format!("/api/{}/{level}{path}", namespace.name());
        let request = Request { query, ..self.calls.request(what, Method::GET, &full) };
        match self.calls.http.send(&request).await {
            Err(NutanixError::NotFound { .. }) if must_exist => {
                self.forget_level(namespace);
                let level = self.level(namespace).await?;
                let full = format!("/api/{}/{level}{path}", namespace.name());
                self.calls.http.send(&Request { query, ..self.calls.request(what, Method::GET, &full) }).await
            }
            other => other,
        }
    }

    /// Every entity of a list, filtered or whole.
    async fn read_all(
        &self,
        what: &str,
        namespace: Namespace,
        path: &str,
        filter: Option<String>,
    ) -> Result<Vec<Value>, NutanixError> {
        let mut all = Vec::new();
        let query: Vec<_> = filter.into_iter().map(|filter| ("$filter", filter)).collect();
        self.read_pages(what, namespace, path, &query, |entity| all.push(entity.clone())).await?;
        Ok(all)
    }

    /// Shows every entity of a list, and keeps one page at a time.
    async fn read_pages(
        &self,
        what: &str,
        namespace: Namespace,
        path: &str,
        more: &[(&str, String)],
        mut show: impl FnMut(&Value),
    ) -> Result<(), NutanixError> {
        self.read_while(what, namespace, path, more, |page| {
            page.iter().for_each(&mut show);
            ControlFlow::Continue(())
        })
        .await
    }

    /// Shows a list page by page, until it was seen enough of.
    ///
    /// Stops at the first empty page, or at a short one that names no next page: totals are only eventually right.
    async fn read_while(
        &self,
        what: &str,
        namespace: Namespace,
        path: &str,
        more: &[(&str, String)],
        mut show: impl FnMut(&[Value]) -> ControlFlow<()>,
    ) -> Result<(), NutanixError> {
        for page in 0..PAGES {
            let mut query = vec![("$page", page.to_string()), ("$limit", PAGE.to_string())];
            query.extend_from_slice(more);
            let reply = self.read(what, namespace, path, &query, true).await?;
            let data = page_of(&reply.body).map_err(|why| self.calls.unreadable(what, why))?;
            let enough = show(data).is_break();
            let next = list(&reply.body, "/metadata/links").iter().any(|l| l.get("rel").is_some_and(|r| r == "next"));
            if enough || data.is_empty() || (data.len() < PAGE && !next) {
                return Ok(());
            }
        }
        Err(self.calls.unreadable(what, format!("more than {PAGES} pages")))
    }
}

/// Every reply of v4 has at least one of these beside its data, which is absent where nothing was found (nutanix-api B.1).
fn envelope(body: &Value) -> Result<(), String> {
    let known = ["data", "metadata", "$objectType", "$reserved"];
    let has = known.iter().any(|member| body.get(member).is_some());
    if has { Ok(()) } else { Err(format!("it has none of {}", known.map(|m| format!("`{m}`")).join(", "))) }
}

/// The entities of one page of a list.
fn page_of(body: &Value) -> Result<&[Value], String> {
    let data = documents(body, "/data")?;
    envelope(body).map(|()| data)
}

/// `field eq 'value'` in OData: a quote inside is doubled.
fn equals(field: &str, value: &str) -> String {
    format!("{field} eq '{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_name_is_doubled() {
        assert_eq!(equals("name", "o'brien"), "name eq 'o''brien'");
    }
}
