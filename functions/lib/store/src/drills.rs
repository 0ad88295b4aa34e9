//! Drills in the operations table, by network: `drill#<network>` / `good#<site>` the last one to a site that found nothing wrong, `bad#<site>` the last
//! one that did, and `told` what people were told last of whether the network is ready.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When};
use aws_config::SdkConfig;
use holdfast_model::{DrillBasis, NetworkName, Readiness, SiteName};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// When a document was made, in milliseconds: what decides which of two is the last.
const MADE_AT: &str = "made_at_ms";

const GOOD: &str = "good#";
const BAD: &str = "bad#";
const TOLD: &str = "told";

/// A drill of a network to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drill {
    /// Version of this document: 1.
    pub v: u32,
    /// When it was made, by our clock.
    pub made_at: Timestamp,
    /// Id of its report.
    pub report: String,
    /// What it was made with.
    pub basis: DrillBasis,
}

/// The last drills of a network to a site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillsTo {
    /// The last one that found nothing wrong.
    pub good: Option<Drill>,
    /// The last one that found something wrong.
    pub bad: Option<Drill>,
}

/// What people were told last of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Version of this document: 1.
    pub v: u32,
    /// What was found.
    pub ready: Readiness,
    /// When, by our clock.
    pub at: Timestamp,
}

/// Stores and reads drills.
#[derive(Debug, Clone)]
pub struct Drills {
    table: Table,
}

impl Drills {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];

    /// Drills in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Notes a drill, unless a later one is noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(
        &self,
        network: &NetworkName,
        to: &SiteName,
        good: bool,
        drill: &Drill,
    ) -> Result<(), StoreError> {
        let kind = if good { GOOD } else { BAD };
        self.put_later(network, &format!("{kind}{to}"), drill, drill.made_at).await
    }

    /// The last drills of a network, by site, and what people were told of it. One query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(
        &self,
        network: &NetworkName,
    ) -> Result<(BTreeMap<SiteName, DrillsTo>, Option<Told>), StoreError> {
        let (mut all, mut told): (BTreeMap<SiteName, DrillsTo>, _) = (BTreeMap::new(), None);
        for record in self.table.query(&partition(network), "").await? {
            let site = |name: &str| SiteName::parse(name).map_err(|error| self.table.unreadable(error.to_string()));
            let sk = record.key.sk.as_str();
            if sk == TOLD {
                told = Some(self.document(&record)?);
            } else if let Some(name) = sk.strip_prefix(GOOD) {
                all.entry(site(name)?).or_default().good = Some(self.document(&record)?);
            } else if let Some(name) = sk.strip_prefix(BAD) {
                all.entry(site(name)?).or_default().bad = Some(self.document(&record)?);
            }
        }
        Ok((all, told))
    }

    /// Notes what people were told, unless something was noted later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_told(&self, network: &NetworkName, told: &Told) -> Result<(), StoreError> {
        self.put_later(network, TOLD, told, told.at).await
    }

    async fn put_later(
        &self,
        network: &NetworkName,
        sk: &str,
        document: &impl Serialize,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let at = at.as_millisecond();
        let record = Record::json(Key::new(partition(network), sk), document);
        let record = record.map_err(|why| self.table.unreadable(why))?.with(MADE_AT, at);
        // A lost condition means that a later one is noted already.
        self.table.put(&record, When::NewOrLess(MADE_AT, at)).await.map(|_| ())
    }

    fn document<T: DeserializeOwned>(&self, record: &Record) -> Result<T, StoreError> {
        record.read().map_err(|why| self.table.unreadable(why))
    }
}

fn partition(network: &NetworkName) -> String {
    format!("drill#{network}")
}
