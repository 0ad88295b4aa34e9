//! What is known of each appliance that is watched, in the operations table: `watch#<appliance>` / `first` what had ended before it was asked for
//! the first time, `asked#<Region>` when it answered there, `dark#<Region>` since when it does not, and `job#<event>` what became of each job that
//! ended since.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When, Write};
use aws_config::SdkConfig;
use holdfast_model::{EventId, MoveName, PrismName, Region};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// When the event of a job was known to be on the bus, in milliseconds; absent until then.
const SETTLED: &str = "settled_at_ms";
/// When an appliance answered again, in milliseconds; absent while it is dark.
const OVER: &str = "over_at_ms";
/// When a person was told that an appliance is dark, in milliseconds.
const TOLD: &str = "told_at_ms";

/// When an appliance answered, in milliseconds: the latest counts.
const AT: &str = "at_ms";

const FIRST: &str = "first";
const ASKED: &str = "asked#";
const DARK: &str = "dark#";
const JOB: &str = "job#";

/// An appliance that is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchedAppliance {
    /// A Prism Central.
    PrismCentral(PrismName),
    /// A Move appliance.
    Move(MoveName),
}

impl fmt::Display for WatchedAppliance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrismCentral(name) => write!(f, "Prism Central {name}"),
            Self::Move(name) => write!(f, "Move {name}"),
        }
    }
}

/// What had ended when an appliance was asked for the first time, in its own words: never an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct First {
    /// Version of this document: 1.
    pub v: u32,
    /// When it was asked, by our clock.
    pub at: Timestamp,
    /// Jobs that began before this, by the appliance's clock, had ended; none where it had no job that had begun.
    pub since: Option<Timestamp>,
    /// Recovery jobs that had ended by their id; of Move, machines that were cut over as `<machine>=<VM>`.
    pub ended: BTreeSet<String>,
}

/// What became of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Note {
    /// It is an event.
    Event {
        /// Of Move, the machines of a wave that was whole with it, as `<wave>/<host>=<VM>`: a later migration is another one.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        whole: BTreeSet<String>,
    },
    /// It concerns nobody.
    Ignored {
        /// Why.
        why: String,
    },
}

/// A [`Note`], with what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// What became of the job.
    pub note: Note,
    /// Whether nothing is left to do: its event is on the bus, or it has none.
    pub settled: bool,
}

/// Since when an appliance does not answer in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dark {
    /// Version of this document: 1.
    pub v: u32,
    /// When it was first found not to answer, by our clock.
    pub since: Timestamp,
    /// What was seen then.
    pub why: String,
}

/// That an appliance answered whoever asked from a Region, with the secret that lies there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Version of this document: 1.
    pub v: u32,
    /// When, by our clock: noted now and then, not each time.
    pub at: Timestamp,
    /// SHA-256 of the program that asked; none where it cannot be told.
    pub code: Option<String>,
}

/// A [`Dark`] that goes on, and whether a person knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Darkness {
    /// Since when, and why.
    pub dark: Dark,
    /// Whether a person was told.
    pub told: bool,
}

/// All that is known of an appliance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// What had ended when it was asked for the first time; none when it never was.
    pub first: Option<First>,
    /// Regions from which it was asked and answered.
    pub asked: BTreeMap<Region, Asked>,
    /// Regions in which it does not answer.
    pub dark: BTreeMap<Region, Darkness>,
    /// Jobs that ended since, by their event.
    pub jobs: BTreeMap<EventId, Noted>,
}

/// Stores and reads what is known of appliances.
#[derive(Debug, Clone)]
pub struct Watches {
    table: Table,
}

impl Watches {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"];

    /// IAM actions that reading needs.
    pub const READ_ACTIONS: &[&str] = &["dynamodb:Query"];

    /// What is known of appliances, in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// All that is known of an appliance. One query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self, appliance: &WatchedAppliance) -> Result<Watched, StoreError> {
        let mut all = Watched::default();
        for record in self.table.query(&partition(appliance), "").await? {
            let sk = record.key.sk.as_str();
            if sk == FIRST {
                all.first = Some(self.document(&record)?);
            } else if let Some(region) = sk.strip_prefix(ASKED) {
                all.asked.insert(self.region(region)?, self.document(&record)?);
            } else if let Some(region) = sk.strip_prefix(DARK) {
                let region = self.region(region)?;
                let darkness = Darkness { dark: self.document(&record)?, told: record.number(TOLD).is_some() };
                if record.number(OVER).is_none() {
                    all.dark.insert(region, darkness);
                }
            } else if let Some(event) = sk.strip_prefix(JOB) {
                let event = EventId::parse(event).map_err(|error| self.table.unreadable(error.to_string()))?;
                let note: Note = self.document(&record)?;
                let settled = matches!(note, Note::Ignored { .. }) || record.number(SETTLED).is_some();
                all.jobs.insert(event, Noted { note, settled });
            }
        }
        Ok(all)
    }

    /// Stores what had ended when an appliance was asked for the first time. Returns what counts: this, or what another stored first.
    ///
    /// # Errors
    /// [`StoreError`]; nothing counts until a call returns.
    pub async fn put_first(&self, appliance: &WatchedAppliance, first: &First) -> Result<First, StoreError> {
        let record = self.record(appliance, FIRST.to_owned(), first)?;
        match self.table.put(&record, When::New).await? {
            Write::Written => Ok(first.clone()),
            Write::Lost(Some(old)) => self.document(&old),
            Write::Lost(None) => Err(StoreError::Unavailable {
                table: self.table.name().to_owned(),
                why: "an item vanished between two reads".to_owned(),
            }),
        }
    }

    /// Notes what became of a job, unless that is noted already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(&self, appliance: &WatchedAppliance, event: &EventId, note: &Note) -> Result<(), StoreError> {
        self.table.put_once(&self.record(appliance, format!("{JOB}{event}"), note)?).await.map(|_| ())
    }

    /// Notes that the event of a job is on the bus.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle(&self, appliance: &WatchedAppliance, event: &EventId, at: Timestamp) -> Result<(), StoreError> {
        let key = Key::new(partition(appliance), format!("{JOB}{event}"));
        self.table.set_number(&key, SETTLED, at.as_millisecond()).await.map(|_| ())
    }

    /// Notes that an appliance answered in a Region, unless it is noted later.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_asked(
        &self,
        appliance: &WatchedAppliance,
        region: &Region,
        asked: &Asked,
    ) -> Result<(), StoreError> {
        let at = asked.at.as_millisecond();
        let record = self.record(appliance, format!("{ASKED}{region}"), asked)?.with(AT, at);
        self.table.put(&record, When::NewOrLess(AT, at)).await.map(|_| ())
    }

    /// Notes that an appliance does not answer in a Region, unless it is noted since earlier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_dark(&self, appliance: &WatchedAppliance, region: &Region, dark: &Dark) -> Result<(), StoreError> {
        let record = self.record(appliance, format!("{DARK}{region}"), dark)?;
        self.table.put(&record, When::NewOrHas(OVER)).await.map(|_| ())
    }

    /// Notes that a person was told of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_told(
        &self,
        appliance: &WatchedAppliance,
        region: &Region,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let key = Key::new(partition(appliance), format!("{DARK}{region}"));
        self.table.set_number(&key, TOLD, at.as_millisecond()).await.map(|_| ())
    }

    /// Notes that an appliance answers again in a Region.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_dark(
        &self,
        appliance: &WatchedAppliance,
        region: &Region,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let key = Key::new(partition(appliance), format!("{DARK}{region}"));
        self.table.set_number(&key, OVER, at.as_millisecond()).await.map(|_| ())
    }

    fn record(
        &self,
        appliance: &WatchedAppliance,
        sk: String,
        document: &impl Serialize,
    ) -> Result<Record, StoreError> {
        Record::json(Key::new(partition(appliance), sk), document).map_err(|why| self.table.unreadable(why))
    }

    fn region(&self, name: &str) -> Result<Region, StoreError> {
        Region::parse(name).map_err(|error| self.table.unreadable(error.to_string()))
    }

    fn document<T: DeserializeOwned>(&self, record: &Record) -> Result<T, StoreError> {
        record.read().map_err(|why| self.table.unreadable(why))
    }
}

fn partition(appliance: &WatchedAppliance) -> String {
    match appliance {
        WatchedAppliance::PrismCentral(name) => format!("watch#prism-central#{name}"),
        WatchedAppliance::Move(name) => format!("watch#move#{name}"),
    }
}
