//! Events in the operations table: `event#<id>` / `found`, then `published` once it is on the bus, then `taken` by the execution that acts on it.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Put, Table, When, Write};
use aws_config::SdkConfig;
use holdfast_model::{Event, EventId};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

const FOUND: &str = "found";
const PUBLISHED: &str = "published";
const TAKEN: &str = "taken";

/// An event as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Version of this document: 1.
    pub v: u32,
    /// The event.
    pub event: Event,
    /// The invocation that found it, with its Region.
    pub by: String,
}

/// That an event was put on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Version of this document: 1.
    pub v: u32,
    /// The invocation that put it there, with its Region.
    pub by: String,
    /// When, by our clock.
    pub at: Timestamp,
}

/// That an execution acts on an event, or has acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Version of this document: 1.
    pub v: u32,
    /// The execution.
    pub execution: String,
    /// When, by our clock.
    pub at: Timestamp,
    /// What it was answered, so that it is answered the same when it asks again.
    pub answer: Value,
}

/// All that is kept of an event; nothing where there is none of its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRecord {
    /// What was found.
    pub found: Option<Found>,
    /// That it is on the bus.
    pub published: Option<Published>,
    /// Who acts on it.
    pub taken: Option<Taken>,
}

/// Stores and reads events.
#[derive(Debug, Clone)]
pub struct Events {
    table: Table,
}

impl Events {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];

    /// Events in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Stores an event, unless one of its id was found before. Who stored it publishes it.
    ///
    /// # Errors
    /// [`StoreError`]; another call then tells whether it is stored.
    pub async fn put_found(&self, found: &Found) -> Result<Put, StoreError> {
        self.table.put_once(&self.record(&found.event.id, FOUND, found)?).await
    }

    /// Notes that an event is on the bus. What was noted first stays.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_published(&self, id: &EventId, published: &Published) -> Result<(), StoreError> {
        self.table.put_once(&self.record(id, PUBLISHED, published)?).await.map(|_| ())
    }

    /// Gives an event to an execution, unless one has it. Returns who has it now: the caller, or the one that came first, which may be the same
    /// execution asking again.
    ///
    /// # Errors
    /// [`StoreError`]; asking again tells who has it.
    pub async fn take(&self, id: &EventId, taken: &Taken) -> Result<Taken, StoreError> {
        match self.table.put(&self.record(id, TAKEN, taken)?, When::New).await? {
            Write::Written => Ok(taken.clone()),
            Write::Lost(Some(old)) => document(&self.table, &old),
            Write::Lost(None) => Err(StoreError::Unavailable {
                table: self.table.name().to_owned(),
                why: "an item vanished between two reads".to_owned(),
            }),
        }
    }

    /// All that is kept of an event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self, id: &EventId) -> Result<EventRecord, StoreError> {
        event_of(&self.table, self.table.query(&partition(id), "").await?)
    }

    fn record(&self, id: &EventId, sk: &str, document: &impl Serialize) -> Result<Record, StoreError> {
        Record::json(Key::new(partition(id), sk), document).map_err(|why| self.table.unreadable(why))
    }
}

/// Keys of all that is kept of an event.
pub(crate) fn keys(id: &EventId) -> [Key; 3] {
    [FOUND, PUBLISHED, TAKEN].map(|sk| Key::new(partition(id), sk))
}

/// What these items of an event say.
pub(crate) fn event_of(table: &Table, records: Vec<Record>) -> Result<EventRecord, StoreError> {
    let mut all = EventRecord::default();
    for record in records {
        match record.key.sk.as_str() {
            FOUND => all.found = Some(document(table, &record)?),
            PUBLISHED => all.published = Some(document(table, &record)?),
            TAKEN => all.taken = Some(document(table, &record)?),
            _ => {}
        }
    }
    Ok(all)
}

fn document<T: DeserializeOwned>(table: &Table, record: &Record) -> Result<T, StoreError> {
    record.read().map_err(|why| table.unreadable(why))
}

fn partition(id: &EventId) -> String {
    format!("event#{id}")
}
