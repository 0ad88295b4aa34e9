//! Which version of v4 a namespace speaks. It differs from namespace to namespace on one Prism Central.

use std::fmt;

use reqwest::Method;

use crate::NutanixError;
use crate::http::Request;
use crate::json::text;
use crate::prism::v4::{V4, page_of};

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
    /// Recovery jobs.
    DataProtection,
    /// Recovery plans.
    DataPolicies,
}

impl Namespace {
    /// As it stands in paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Namespace::Vmm => "vmm",
            Namespace::Networking => "networking",
            Namespace::Prism => "prism",
            Namespace::Clusters => "clustermgmt",
            Namespace::DataProtection => "dataprotection",
            Namespace::DataPolicies => "datapolicies",
        }
    }

    /// The highest minor version whose documents this client was written for.
    fn highest(self) -> Level {
        match self {
            Namespace::Vmm | Namespace::Clusters | Namespace::DataPolicies => Level::Minor(3),
            Namespace::Networking | Namespace::Prism | Namespace::DataProtection => Level::Minor(4),
        }
    }

    /// The versions to try on a Prism Central that does not tell its own, the likeliest first.
    fn candidates(self) -> &'static [Level] {
        match self {
            Namespace::Vmm | Namespace::Networking | Namespace::Prism | Namespace::Clusters => {
                &[Level::Minor(2), Level::Minor(1), Level::Minor(0)]
            }
            Namespace::DataProtection | Namespace::DataPolicies => &[Level::RECOVERY_PLANS],
        }
    }

    /// The betas before v4.0, which pc.2024.1 and pc.2024.2 speak, the last one first (Nutanix's SDKs 4.0.1b1, for clusters 4.0.1b2).
    fn betas(self) -> &'static [Level] {
        match self {
            Namespace::Vmm | Namespace::Networking | Namespace::Prism => &[Level::Beta(1)],
            Namespace::Clusters => &[Level::Beta(2), Level::Beta(1)],
            Namespace::DataProtection | Namespace::DataPolicies => &[],
        }
    }

    /// A list that exists at every level that is used.
    fn list(self) -> &'static str {
        match self {
            Namespace::Vmm => "/ahv/config/vms",
            Namespace::Networking => "/config/subnets",
            Namespace::Prism => "/config/tasks",
            Namespace::Clusters => "/config/clusters",
            Namespace::DataProtection => "/config/recovery-plan-jobs",
            Namespace::DataPolicies => "/config/recovery-plans",
        }
    }
}

/// Version of family v4. Betas come before the first generally available one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// A release candidate of v4.0: `Beta(1)` is v4.0.b1.
    Beta(u8),
    /// A generally available minor version: `Minor(1)` is v4.1.
    Minor(u8),
}

impl Level {
    /// The first level whose NICs have the second pair of members.
    pub(crate) const NEW_NIC_FIELDS: Level = Level::Minor(1);

    /// The first level that lists the NICs on a subnet and its reserved addresses.
    pub(crate) const LISTS_OF_SUBNETS: Level = Level::Minor(0);

    /// The first level that has recovery plans and jobs (Nutanix's SDKs: absent in 4.0 and 4.1).
    pub(crate) const RECOVERY_PLANS: Level = Level::Minor(2);
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Beta(beta) => write!(f, "v4.0.b{beta}"),
            Level::Minor(minor) => write!(f, "v4.{minor}"),
        }
    }
}

/// The level that the version text of a namespace means; none for an early access level, another beta or another family.
fn parse(namespace: Namespace, text: &str) -> Option<Level> {
    if let Some(beta) = namespace.betas().iter().find(|beta| text == beta.to_string()) {
        return Some(*beta);
    }
    let minor = text.strip_prefix("v4.")?.parse().ok()?;
    Some(Level::Minor(minor).min(namespace.highest()))
}

/// Asks a namespace for its level: by its info, which older Prism Centrals do not have, then by trying.
///
/// # Errors
/// [`NutanixError::Unsupported`] for one that speaks none that is known here; and what any call can return.
pub(crate) async fn negotiate(prism: &V4, namespace: Namespace) -> Result<Level, NutanixError> {
    let what = format!("version of `{}`", namespace.name());
    let path = format!("/api/{}/unversioned/info", namespace.name());
    let mut found = None;
    match prism.calls.http.send(&prism.calls.request(&what, Method::OPTIONS, &path)).await {
        Ok(reply) => {
            if let Some(version) = text(&reply.body, "/data") {
                if let Some(level) = parse(namespace, version) {
                    return Ok(level);
                }
                found = Some(version.to_owned());
            }
        }
        Err(error) => not_there(error)?,
    }
    for level in namespace.candidates().iter().chain(namespace.betas()) {
        if answers(prism, &what, &format!("/api/{}/{level}{}", namespace.name(), namespace.list())).await? {
            return Ok(*level);
        }
    }
    let found = match found {
        Some(version) => version,
        None => "no v4".to_owned(),
    };
    Err(NutanixError::Unsupported { endpoint: prism.endpoint().to_owned(), namespace: namespace.name(), found })
}

async fn answers(prism: &V4, what: &str, path: &str) -> Result<bool, NutanixError> {
    let query = [("$page", "0".to_owned()), ("$limit", "1".to_owned())];
    match prism.calls.http.send(&Request { query: &query, ..prism.calls.request(what, Method::GET, path) }).await {
        // Whatever else answers at a path that is not there would be taken for the level.
        Ok(reply) => page_of(&reply.body).map(|_| true).map_err(|why| prism.calls.unreadable(what, why)),
        Err(error) => not_there(error).map(|()| false),
    }
}

/// A path that this version does not have is an answer; everything else is an error.
pub(in crate::prism) fn not_there(error: NutanixError) -> Result<(), NutanixError> {
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
    fn the_last_beta_and_what_came_after_it_is_spoken_and_nothing_above_what_is_known() {
        let vmm = |text| parse(Namespace::Vmm, text);
        assert_eq!(vmm("v4.0"), Some(Level::Minor(0)));
        assert_eq!(vmm("v4.9"), Some(Level::Minor(3)));
        assert_eq!(vmm("v4.0.b1"), Some(Level::Beta(1)));
        assert_eq!(parse(Namespace::Clusters, "v4.0.b2"), Some(Level::Beta(2)));
        for other in ["v4.0.a1", "v4.0.b2", "v4.2.b1", "v5.0", "v3"] {
            assert_eq!(vmm(other), None, "{other}");
        }
        assert!(Level::Beta(2) < Level::LISTS_OF_SUBNETS);
        assert_eq!((Level::Beta(2).to_string(), Level::Minor(1).to_string()), ("v4.0.b2".into(), "v4.1".into()));
    }
}
