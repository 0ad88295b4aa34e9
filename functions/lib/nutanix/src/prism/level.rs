//! Which minor version of v4 a namespace speaks. It differs from namespace to namespace on one Prism Central.

use std::fmt;

use reqwest::Method;

use crate::NutanixError;
use crate::http::{Body, Request};
use crate::json::text;
use crate::prism::Prism;

/// A namespace of the v4 API that is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Namespace {
    /// Virtual machines.
    Vmm,
    /// Subnets and VPCs.
    Networking,
    /// Tasks.
    Prism,
    /// Clusters.
    Clusters,
}

impl Namespace {
    /// As it stands in paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Namespace::Vmm => "vmm",
            Namespace::Networking => "networking",
            Namespace::Prism => "prism",
            Namespace::Clusters => "clustermgmt",
        }
    }

    /// The highest minor version whose documents this client was written for.
    fn highest(self) -> Level {
        match self {
            Namespace::Vmm | Namespace::Clusters => Level(3),
            Namespace::Networking | Namespace::Prism => Level(4),
        }
    }

    /// A list that exists at every level.
    fn list(self) -> &'static str {
        match self {
            Namespace::Vmm => "/ahv/config/vms",
            Namespace::Networking => "/config/subnets",
            Namespace::Prism => "/config/tasks",
            Namespace::Clusters => "/config/clusters",
        }
    }
}

/// Minor version of family v4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(pub(crate) u8);

impl Level {
    /// The first level whose NICs have the second pair of members.
    pub(crate) const NEW_NIC_FIELDS: Level = Level(1);
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v4.{}", self.0)
    }
}

/// What the version text of a namespace means.
#[derive(Debug, PartialEq, Eq)]
enum Spoken {
    /// A generally available level of v4.
    Generally(Level),
    /// An early or beta level, or another family.
    Otherwise,
}

fn parse(text: &str) -> Spoken {
    let level = text.strip_prefix('v').and_then(|t| t.strip_prefix("4.")).and_then(|minor| minor.parse().ok());
    level.map_or(Spoken::Otherwise, |minor| Spoken::Generally(Level(minor)))
}

/// Asks a namespace for its level: by its info, which older Prism Centrals do not have, then by trying.
///
/// # Errors
/// [`NutanixError::Unsupported`] for one that speaks betas or v3 only; and what any call can return.
pub(crate) async fn negotiate(prism: &Prism, namespace: Namespace) -> Result<Level, NutanixError> {
    let what = format!("version of `{}`", namespace.name());
    let path = format!("/api/{}/unversioned/info", namespace.name());
    let mut found = None;
    match prism.http.send(&prism.request(&what, Method::OPTIONS, &path)).await {
        Ok(reply) => {
            if let Some(version) = text(&reply.body, "/data") {
                if let Spoken::Generally(level) = parse(version) {
                    return Ok(level.min(namespace.highest()));
                }
                found = Some(version.to_owned());
            }
        }
        Err(error) => not_there(error)?,
    }
    for minor in (0..=2).rev() {
        let level = Level(minor);
        if answers(prism, &what, &format!("/api/{}/{level}{}", namespace.name(), namespace.list())).await? {
            return Ok(level);
        }
    }
    let found = match found {
        Some(version) => version,
        None if answers(prism, &what, &format!("/api/{}/v4.0.b1{}", namespace.name(), namespace.list())).await? => {
            "only the beta v4.0.b1".to_owned()
        }
        None if speaks_v3(prism, &what).await? => "only API v3, no v4".to_owned(),
        None => "no v4".to_owned(),
    };
    Err(NutanixError::Unsupported { endpoint: prism.endpoint().to_owned(), namespace: namespace.name(), found })
}

async fn answers(prism: &Prism, what: &str, path: &str) -> Result<bool, NutanixError> {
    let query = [("$page", "0".to_owned()), ("$limit", "1".to_owned())];
    match prism.http.send(&Request { query: &query, ..prism.request(what, Method::GET, path) }).await {
        Ok(_) => Ok(true),
        Err(error) => not_there(error).map(|()| false),
    }
}

async fn speaks_v3(prism: &Prism, what: &str) -> Result<bool, NutanixError> {
    let body = Body::Json(serde_json::json!({"kind": "cluster", "length": 1}));
    let request = Request { body, ..prism.request(what, Method::POST, "/api/nutanix/v3/clusters/list") };
    match prism.http.send(&request).await {
        Ok(_) => Ok(true),
        Err(error) => not_there(error).map(|()| false),
    }
}

/// A path that this version does not have is an answer; everything else is an error.
fn not_there(error: NutanixError) -> Result<(), NutanixError> {
    match error {
        NutanixError::NotFound { .. } => Ok(()),
        NutanixError::Api { status: 400 | 405 | 501, .. } => Ok(()),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generally_available_levels_of_v4_are_spoken() {
        assert_eq!(parse("v4.3"), Spoken::Generally(Level(3)));
        assert_eq!(parse("v4.0"), Spoken::Generally(Level(0)));
        assert_eq!(parse("v4.0.b1"), Spoken::Otherwise);
        assert_eq!(parse("v5.0"), Spoken::Otherwise);
        assert_eq!(Level(1).to_string(), "v4.1");
    }
}
