//! The time of the last push hint, in the operations table: `hint` / `last`.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When, Write};
use aws_config::SdkConfig;
use jiff::Timestamp;
use serde_json::json;

/// When the last hint was signed, in milliseconds: what decides whether another one is newer.
const AT: &str = "at_ms";

/// Tells new hints from old ones.
#[derive(Debug, Clone)]
pub struct Hints {
    table: Table,
}

impl Hints {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:PutItem"];

    /// Hints in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Notes a hint that was signed `at` a time; not so, if one was noted that was signed then or later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, at: Timestamp) -> Result<bool, StoreError> {
        let milliseconds = at.as_millisecond();
        let record = Record::json(Key::new("hint", "last"), &json!({"v": 1, "signed_at": at}));
        let record = record.map_err(|why| self.table.unreadable(why))?.with(AT, milliseconds);
        Ok(matches!(self.table.put(&record, When::NewOrLess(AT, milliseconds)).await?, Write::Written))
    }
}
