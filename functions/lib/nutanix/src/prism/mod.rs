//! Prism Central: one client for VMs, NICs, subnets and tasks of the v4 API.

mod level;
mod nics;
mod subnets;
mod tasks;
mod vms;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_model::{Credentials, Trust};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::http::{Auth, Body, Http, Reply, Request};
use crate::json::list;
use crate::{NutanixError, Timeouts};
use level::{Level, Namespace};

pub use nics::{CreateNic, Nic};
pub use subnets::{ExternalSubnet, ReservedIp, Subnet, Vnic, Vpc};
pub use vms::{Vm, VmRead};

/// Entities a page: the most that the API allows.
const PAGE: usize = 100;

/// Pages of one list: a server that never ends is not believed.
const PAGES: usize = 1000;

/// A Prism Central.
///
/// Knows the level of each namespace once it was asked, and asks again when a path that must exist is not found.
#[derive(Debug)]
pub struct Prism {
    http: Http,
    credentials: Credentials,
    timeouts: Timeouts,
    levels: Mutex<BTreeMap<Namespace, Level>>,
}

impl Prism {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`NutanixError::Config`] when endpoint or trust cannot be used.
    pub fn connect(
        endpoint: &str,
        credentials: Credentials,
        trust: &Trust,
        timeouts: Timeouts,
    ) -> Result<Self, NutanixError> {
        let http = Http::new(endpoint, trust, &timeouts)?;
        Ok(Self { http, credentials, timeouts, levels: Mutex::new(BTreeMap::new()) })
    }

    /// Where this Prism Central is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.http.endpoint()
    }

    fn level_known(&self, namespace: Namespace) -> Option<Level> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).get(&namespace).copied()
    }

    async fn level(&self, namespace: Namespace) -> Result<Level, NutanixError> {
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

    fn request<'a>(&'a self, what: &'a str, method: Method, path: &'a str) -> Request<'a> {
        Request {
            what,
            method,
            path,
            query: &[],
            body: Body::None,
            if_match: None,
            id: Uuid::new_v4(),
            auth: Auth::Own(&self.credentials),
        }
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
        let request = Request { query, ..self.request(what, Method::GET, &full) };
        match self.http.send(&request).await {
            Err(NutanixError::NotFound { .. }) if must_exist => {
                self.forget_level(namespace);
                let level = self.level(namespace).await?;
                let full = format!("/api/{}/{level}{path}", namespace.name());
                self.http.send(&Request { query, ..self.request(what, Method::GET, &full) }).await
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
    ///
    /// Stops at the first empty page, or at a short one that names no next page: totals are only eventually right.
    async fn read_pages(
        &self,
        what: &str,
        namespace: Namespace,
        path: &str,
        more: &[(&str, String)],
        mut show: impl FnMut(&Value),
    ) -> Result<(), NutanixError> {
        for page in 0..PAGES {
            let mut query = vec![("$page", page.to_string()), ("$limit", PAGE.to_string())];
            query.extend_from_slice(more);
            let reply = self.read(what, namespace, path, &query, true).await?;
            let data = list(&reply.body, "/data");
            data.iter().for_each(&mut show);
            let next = list(&reply.body, "/metadata/links").iter().any(|l| l.get("rel").is_some_and(|r| r == "next"));
            if data.is_empty() || (data.len() < PAGE && !next) {
                return Ok(());
            }
        }
        Err(NutanixError::Unreadable {
            endpoint: self.endpoint().to_owned(),
            what: what.to_owned(),
            why: format!("more than {PAGES} pages"),
        })
    }
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
