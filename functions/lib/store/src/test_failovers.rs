//! Test failovers that drills started, in the operations table: `test#<Prism Central>` / `plan#<recovery plan>`, the last one of each recovery plan, as
//! one item whose number `version` counts its changes. Who started it wrote it before, so that whoever comes later finds and cleans it.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When, Write};
use aws_config::SdkConfig;
use holdfast_model::{ExtId, NetworkName, PrismName, SiteName, TestSeen};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Counts the changes of an item: who changes it names the version that it read.
const VERSION: &str = "version";

const PLAN: &str = "plan#";

/// A test failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFailover {
    /// Version of the form of this document: 1.
    pub v: u32,
    /// Name of its job, which no other has.
    pub name: String,
    /// The drill that started it.
    pub execution: String,
    /// The recovery plan.
    pub plan: ExtId,
    /// Name of the recovery plan.
    pub plan_name: String,
    /// Networks of the drill.
    pub networks: BTreeSet<NetworkName>,
    /// Site whose Prism Central runs it.
    pub to: SiteName,
    /// When it was written down, before it was started.
    pub begun: Timestamp,
    /// Until then the drill that started it looks after it; later whoever finds it cleans it.
    pub until: Timestamp,
    /// Its job; none until that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<ExtId>,
    /// What it made; none until its job has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<TestSeen>,
    /// Who cleans it, and until when nobody else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaning: Option<Cleaning>,
    /// How it is over; none while something of it may be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<TestOver>,
    /// When people were told that it is not cleaned; none while they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
}

/// Who cleans a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cleaning {
    /// The invocation.
    pub by: String,
    /// Until then no other one cleans.
    pub until: Timestamp,
}

/// How a test is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TestOver {
    /// No copy of it is there any more.
    Cleaned {
        /// When that was seen.
        at: Timestamp,
    },
    /// It never had a job.
    NeverStarted {
        /// When that was certain.
        at: Timestamp,
    },
}

/// A test failover as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTest {
    /// The test.
    pub test: TestFailover,
    version: i64,
}

/// Stores and reads test failovers.
#[derive(Debug, Clone)]
pub struct TestFailovers {
    table: Table,
}

impl TestFailovers {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];

    /// IAM actions that reading needs.
    pub const READ_ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:Query"];

    /// Test failovers in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// The last test of every recovery plan of a Prism Central. One query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn all(&self, prism: &PrismName) -> Result<Vec<KeptTest>, StoreError> {
        let records = self.table.query(&partition(prism), PLAN).await?;
        records.iter().map(|record| self.kept(record)).collect()
    }

    /// The last test of a recovery plan.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, prism: &PrismName, plan: &ExtId) -> Result<Option<KeptTest>, StoreError> {
        self.table.get(&key(prism, plan)).await?.map(|record| self.kept(&record)).transpose()
    }

    /// Stores a test in place of the one that was read; none: where there was none. None is returned where another one was stored meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; reading again tells whether it is stored.
    pub async fn put(
        &self,
        prism: &PrismName,
        before: Option<&KeptTest>,
        test: TestFailover,
    ) -> Result<Option<KeptTest>, StoreError> {
        let version = before.map_or(0, |kept| kept.version).saturating_add(1);
        let record = Record::json(key(prism, &test.plan), &test).map_err(|why| self.table.unreadable(why))?;
        let record = record.with(VERSION, version);
        let when = before.map_or(When::New, |kept| When::Is(VERSION, kept.version));
        let stored = match self.table.put(&record, when).await? {
            Write::Written => true,
            // The reply of the first try may have been lost.
            Write::Lost(old) => old.is_some_and(|old| old == record),
        };
        Ok(stored.then_some(KeptTest { test, version }))
    }

    fn kept(&self, record: &Record) -> Result<KeptTest, StoreError> {
        let test = record.read().map_err(|why| self.table.unreadable(why))?;
        let version = record.number(VERSION);
        let version = version.ok_or_else(|| self.table.unreadable(format!("`{}` has no {VERSION}", record.key.pk)))?;
        Ok(KeptTest { test, version })
    }
}

fn partition(prism: &PrismName) -> String {
    format!("test#{prism}")
}

fn key(prism: &PrismName, plan: &ExtId) -> Key {
    Key::new(partition(prism), format!("{PLAN}{plan}"))
}
