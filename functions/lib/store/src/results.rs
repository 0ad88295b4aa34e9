//! What became of each host of a wave, in the inventory table: `wave#<wave>` / `restored#<host>`.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When};
use aws_config::SdkConfig;
use holdfast_model::{ExtId, Fault, HostName, WaveName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When a result was stored, in milliseconds: what decides which of two is the last.
const AT: &str = "at_ms";

/// How far a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every NIC has its address, and the guest uses it.
    Right,
    /// The time ran out before it was right.
    Open,
    /// It was not brought right.
    Failed,
}

/// What became of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostResult {
    /// Version of this document: 1.
    pub v: u32,
    /// The host.
    pub host: HostName,
    /// The VM that it became; none when none was found.
    pub vm: Option<ExtId>,
    /// How far it is.
    pub standing: Standing,
    /// What was done to it.
    pub done: Vec<String>,
    /// Why it is not right.
    pub fault: Option<Fault>,
    /// The execution that tells it.
    pub execution: String,
    /// When it was told.
    pub at: Timestamp,
}

impl HostResult {
    /// Whether this says more than what was said of the host before.
    #[must_use]
    pub fn is_news(&self, before: Option<&Self>) -> bool {
        let same =
            |before: &&Self| (&before.vm, before.standing, &before.fault) == (&self.vm, self.standing, &self.fault);
        before.filter(same).is_none() || !self.done.is_empty()
    }
}

/// Stores and reads what became of hosts.
#[derive(Debug, Clone)]
pub struct HostResults {
    table: Table,
}

impl HostResults {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];

    /// Results in the inventory table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// What is known of each host of a wave.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(&self, wave: &WaveName) -> Result<BTreeMap<HostName, HostResult>, StoreError> {
        let mut results = BTreeMap::new();
        for record in self.table.query(&partition(wave), PREFIX).await? {
            let result: HostResult = record.read().map_err(|why| self.table.unreadable(why))?;
            results.insert(result.host.clone(), result);
        }
        Ok(results)
    }

    /// Stores what became of a host, unless something later is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, wave: &WaveName, result: &HostResult) -> Result<(), StoreError> {
        let at = result.at.as_millisecond();
        let key = Key::new(partition(wave), format!("{PREFIX}{}", result.host));
        let record = Record::json(key, result).map_err(|why| self.table.unreadable(why))?.with(AT, at);
        self.table.put(&record, When::NewOrLess(AT, at)).await.map(|_| ())
    }
}

/// Sort keys of results begin with this.
const PREFIX: &str = "restored#";

fn partition(wave: &WaveName) -> String {
    format!("wave#{wave}")
}
