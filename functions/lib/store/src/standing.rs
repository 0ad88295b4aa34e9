//! What each Region says of itself every hour, in the operations table: `standing#<Region>` / `verify`. A drill in another Region reads it.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When};
use aws_config::SdkConfig;
use holdfast_model::{AccountName, Region};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When it was found, in milliseconds: the latest counts.
const AT: &str = "at_ms";

/// What a Region found of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionStanding {
    /// Version of this document: 1.
    pub v: u32,
    /// When, by its clock.
    pub at: Timestamp,
    /// SHA-256 of the program that found it; none where it cannot be told.
    pub code: Option<String>,
    /// Accounts of the network map whose role could be assumed from there; for one that could not, why.
    pub roles: BTreeMap<AccountName, Option<String>>,
}

/// Stores and reads what Regions say of themselves.
#[derive(Debug, Clone)]
pub struct Standings {
    table: Table,
}

impl Standings {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem"];

    /// In the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Stores what a Region says of itself, unless it said something later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(&self, region: &Region, standing: &RegionStanding) -> Result<(), StoreError> {
        let at = standing.at.as_millisecond();
        let record = Record::json(key(region), standing).map_err(|why| self.table.unreadable(why))?.with(AT, at);
        self.table.put(&record, When::NewOrLess(AT, at)).await.map(|_| ())
    }

    /// What a Region said of itself last; none where it never did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, region: &Region) -> Result<Option<RegionStanding>, StoreError> {
        let record = self.table.get(&key(region)).await?;
        record.map(|record| record.read().map_err(|why| self.table.unreadable(why))).transpose()
    }
}

fn key(region: &Region) -> Key {
    Key::new(format!("standing#{region}"), "verify")
}
