//! The level of the v4 API that a Prism Central speaks, per namespace.
//!
//! One Prism Central speaks different minor versions in different namespaces (nutanix-api A.3), so a client must
//! negotiate per namespace.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A minor version of family v4: `Level(1)` is v4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl Level {
    /// Reads `4.1` or `v4.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let minor = text.strip_prefix('v').unwrap_or(text).strip_prefix("4.")?;
        let minor: u8 = minor.parse().ok()?;
        (minor <= 4).then_some(Self(minor))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v4.{}", self.0)
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("4.{}", self.0))
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a v4 level: write \"4.0\" to \"4.4\"")))
    }
}

/// The namespaces that are simulated, with the highest level that any Prism Central speaks (August 2026 SDKs).
const NAMESPACES: [(&str, Level); 4] =
    [("vmm", Level(3)), ("networking", Level(4)), ("prism", Level(4)), ("clustermgmt", Level(3))];

/// The level of each namespace of one Prism Central.
#[derive(Debug, Clone)]
pub struct Levels(BTreeMap<&'static str, Level>);

impl Levels {
    /// `level` for all namespaces, at most what the namespace knows, and `overrides` for single ones.
    ///
    /// # Errors
    /// An override names a namespace that is not simulated; it is returned.
    pub fn new(level: Level, overrides: &BTreeMap<String, Level>) -> Result<Self, String> {
        let mut levels: BTreeMap<_, _> = NAMESPACES.iter().map(|(name, top)| (*name, level.min(*top))).collect();
        for (name, level) in overrides {
            *levels.get_mut(name.as_str()).ok_or_else(|| name.clone())? = *level;
        }
        Ok(Self(levels))
    }

    /// The level of a namespace, if it is simulated.
    pub fn of(&self, namespace: &str) -> Option<Level> {
        self.0.get(namespace).copied()
    }
}
