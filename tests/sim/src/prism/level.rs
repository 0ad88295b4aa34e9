//! The level of the v4 API that a Prism Central speaks, per namespace.
//!
//! One Prism Central speaks different minor versions in different namespaces (nutanix-api A.3), so a client must
//! negotiate per namespace.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

/// A level of family v4. Betas come before the first generally available level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Early access, v4.0.a1 (nutanix-api A.3: pc.2022.6): the Prism Central tells its version and serves nothing that is
    /// simulated here.
    Early,
    /// A release candidate: `Beta(1)` is v4.0.b1 (nutanix-api A.3: pc.2024.1 and pc.2024.2).
    Beta(u8),
    /// A generally available minor version: `Minor(1)` is v4.1.
    Minor(u8),
}

impl Level {
    /// Reads `4.1`, `v4.1` or `v4.0.b1`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('v').unwrap_or(text).strip_prefix("4.")?;
        if rest == "0.a1" {
            return Some(Self::Early);
        }
        if let Some(beta) = rest.strip_prefix("0.b") {
            return beta.parse().ok().filter(|beta| (1..=2).contains(beta)).map(Self::Beta);
        }
        rest.parse().ok().filter(|minor| *minor <= 4).map(Self::Minor)
    }

    /// Whether it is a release candidate.
    pub fn is_beta(self) -> bool {
        match self {
            Self::Beta(_) => true,
            Self::Early | Self::Minor(_) => false,
        }
    }

    /// The `$reserved` of an object of this type.
    ///
    /// The beta of `networking` names the type there; all others give their version (SDKs 4.0.1b1 and later).
    pub fn reserved(self, kind: &str) -> Value {
        match self {
            Self::Beta(beta) if kind.starts_with("networking.") => {
                json!({"$fqObjectType": kind.replacen(".v4.", &format!(".v4.r0.b{beta}."), 1)})
            }
            Self::Early => json!({"$fv": "v4.r0.a1"}),
            Self::Beta(beta) => json!({"$fv": format!("v4.r0.b{beta}")}),
            Self::Minor(minor) => json!({"$fv": format!("v4.r{minor}")}),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Early => f.write_str("v4.0.a1"),
            Self::Beta(beta) => write!(f, "v4.0.b{beta}"),
            Self::Minor(minor) => write!(f, "v4.{minor}"),
        }
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.to_string().trim_start_matches('v'))
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not a v4 level: write \"4.0.a1\", \"4.0.b1\", or \"4.0\" to \"4.4\""
            ))
        })
    }
}

/// The namespaces that are simulated, with their beta (SDKs 4.0.1b1, for `clustermgmt` 4.0.1b2) and the highest level
/// that any Prism Central speaks (August 2026 SDKs). Whether `datapolicies` has a beta is unverified; nothing of it is
/// simulated.
const NAMESPACES: [(&str, u8, u8); 6] = [
    ("vmm", 1, 3),
    ("networking", 1, 4),
    ("prism", 1, 4),
    ("clustermgmt", 2, 3),
    ("dataprotection", 1, 4),
    ("datapolicies", 1, 3),
];

/// The level of each namespace of one Prism Central.
#[derive(Debug, Clone)]
pub struct Levels(BTreeMap<&'static str, Level>);

impl Levels {
    /// `level` for all namespaces, at most what the namespace knows, a beta as the namespace numbers it, and `overrides`
    /// for single ones.
    ///
    /// # Errors
    /// An override names a namespace that is not simulated; it is returned.
    pub fn new(level: Level, overrides: &BTreeMap<String, Level>) -> Result<Self, String> {
        let at = |beta, top| match level {
            Level::Early => Level::Early,
            Level::Beta(_) => Level::Beta(beta),
            Level::Minor(minor) => Level::Minor(minor.min(top)),
        };
        let mut levels: BTreeMap<_, _> = NAMESPACES.iter().map(|(name, beta, top)| (*name, at(*beta, *top))).collect();
        for (name, level) in overrides {
            *levels.get_mut(name.as_str()).ok_or_else(|| name.clone())? = *level;
        }
        Ok(Self(levels))
    }

    /// Whether a namespace is served at a level: a beta at its own, a later one at all generally available levels up to
    /// its own (whether it still serves betas is unverified).
    pub fn serves(&self, namespace: &str, level: Level) -> bool {
        self.of(namespace).is_some_and(|own| match (level, own) {
            (Level::Minor(asked), Level::Minor(own)) => asked <= own,
            (Level::Beta(asked), Level::Beta(own)) => asked == own,
            (Level::Early | Level::Beta(_) | Level::Minor(_), _) => false,
        })
    }

    /// The level of a namespace, if it is simulated.
    pub fn of(&self, namespace: &str) -> Option<Level> {
        self.0.get(namespace).copied()
    }
}

/// The name of a response type at a level: the beta of `networking` has others, and one for all tasks (SDK 4.0.1b1).
pub fn response_type(response: &'static str, level: Level) -> &'static str {
    let networking = response.strip_prefix("networking.v4.config.").filter(|_| level.is_beta());
    match networking {
        None => response,
        Some("ListSubnetsApiResponse") => "networking.v4.config.SubnetListApiResponse",
        Some("GetSubnetApiResponse") => "networking.v4.config.SubnetApiResponse",
        Some("ListVpcsApiResponse") => "networking.v4.config.VpcListApiResponse",
        Some("GetVpcApiResponse") => "networking.v4.config.VpcApiResponse",
        Some(_) => "networking.v4.config.TaskReferenceApiResponse",
    }
}
