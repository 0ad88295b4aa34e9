//! Identifiers of a simulated Prism Central: the same world gives the same ids in every run.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

/// The UUID of an entity of Prism Central (`extId`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ExtId(Uuid);

impl ExtId {
    /// Reads a UUID in its hyphenated form, the only one that the v4 API accepts.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten().map(Self)
    }

    /// The id that belongs to these words: the same words give the same id.
    pub fn derived(words: &[&str]) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, words.join("/").as_bytes()))
    }

    /// A MAC address in the range that Nutanix owns, made from this id.
    pub fn mac(self) -> String {
        let [.., a, b, c] = self.0.into_bytes();
        format!("50:6b:8d:{a:02x}:{b:02x}:{c:02x}")
    }
}

impl fmt::Display for ExtId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The id of a task: a base64 prefix (here "ergon"), a colon and a UUID, opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(String);

impl TaskId {
    /// The task id that belongs to these words.
    pub fn derived(words: &[&str]) -> Self {
        Self(format!("ZXJnb24=:{}", ExtId::derived(words)))
    }

    /// Reads a task id; whether it exists is another question.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, id) = text.split_once(':')?;
        let ok = prefix.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
        (ok && ExtId::parse(id).is_some()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
