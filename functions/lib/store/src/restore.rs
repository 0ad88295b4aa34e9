//! NICs being restored, in the operations table: `restore#<wave>` / `<vm>#nic#000#<host>`.
//!
//! A record is written before a NIC is changed in a way that a crash could leave half-done, and says how the NIC must end.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Table, When, Write};
use aws_config::SdkConfig;
use holdfast_model::{ExtId, HostName, WaveName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When the NIC was right again, in milliseconds; absent while it is under way.
const DONE: &str = "done_at_ms";

/// Which NIC a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreKey {
    /// The wave.
    pub wave: WaveName,
    /// The host.
    pub host: HostName,
    /// Its VM: a host that is migrated again is another VM.
    pub vm: ExtId,
    /// Position of the NIC in the capture, from 0.
    pub nic: u32,
}

/// A NIC being restored.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreRecord {
    /// Which NIC.
    pub key: RestoreKey,
    /// How it must end, as the caller wrote it.
    pub document: Value,
    /// When it was right again; none while it is under way.
    pub done: Option<Timestamp>,
}

/// How storing a record ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RestorePut {
    /// It is stored: the NIC may be changed.
    Stored,
    /// A change of this NIC is under way, with this record: it must be finished first.
    UnderWay(RestoreRecord),
}

/// Records of NICs before they are changed.
#[derive(Debug, Clone)]
pub struct RestoreJournal {
    table: Table,
}

/// What is in an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u32,
    key: RestoreKey,
    document: Value,
}

impl RestoreJournal {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"];

    /// Records in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Stores how a NIC must end, before it is changed.
    ///
    /// # Guarantees
    /// A record that is not done is never overwritten. The same record again is stored.
    ///
    /// # Errors
    /// [`StoreError`]; whether the record is stored is then unknown, and the NIC must not be changed.
    pub async fn put(&self, key: &RestoreKey, document: &Value) -> Result<RestorePut, StoreError> {
        let record = encode(key, document).map_err(|why| self.table.unreadable(why))?;
        match self.table.put(&record, When::NewOrHas(DONE)).await? {
            Write::Written => Ok(RestorePut::Stored),
            Write::Lost(Some(old)) if old.doc == record.doc => Ok(RestorePut::Stored),
            Write::Lost(Some(old)) => Ok(RestorePut::UnderWay(self.decode(&old)?)),
            Write::Lost(None) => Err(StoreError::Unavailable {
                table: self.table.name().to_owned(),
                why: "a record vanished between two reads".to_owned(),
            }),
        }
    }

    /// All records of a wave, done or under way, in one call.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_wave(&self, wave: &WaveName) -> Result<Vec<RestoreRecord>, StoreError> {
        let records = self.table.query(&partition(wave), "").await?;
        records.iter().map(|record| self.decode(record)).collect()
    }

    /// Notes that the NIC is right again. Twice is as good as once.
    ///
    /// # Errors
    /// [`StoreError`]; `Unreadable` when there is no record of this NIC.
    pub async fn mark_done(&self, key: &RestoreKey, at: Timestamp) -> Result<(), StoreError> {
        let item = item_key(key);
        if self.table.set_number(&item, DONE, at.as_millisecond()).await? {
            Ok(())
        } else {
            Err(self.table.unreadable(format!("`{}` / `{}`: there is no such record", item.pk, item.sk)))
        }
    }

    fn decode(&self, record: &Record) -> Result<RestoreRecord, StoreError> {
        decode(record).map_err(|why| self.table.unreadable(why))
    }
}

fn partition(wave: &WaveName) -> String {
    format!("restore#{wave}")
}

fn item_key(key: &RestoreKey) -> Key {
    Key::new(partition(&key.wave), format!("{}#nic#{:03}#{}", key.vm, key.nic, key.host))
}

fn encode(key: &RestoreKey, document: &Value) -> Result<Record, String> {
    Record::json(item_key(key), &Stored { v: 1, key: key.clone(), document: document.clone() })
}

fn decode(record: &Record) -> Result<RestoreRecord, String> {
    let stored: Stored = record.read()?;
    let done = record.number(DONE).and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(RestoreRecord { key: stored.key, document: stored.document, done })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::show;
    use serde_json::json;

    #[test]
    fn a_record_of_the_first_form_still_reads() {
        let key = RestoreKey {
            wave: WaveName::parse("wave-1").unwrap(),
            host: HostName::parse("web-1").unwrap(),
            vm: ExtId::parse("0a1b2c3d-0000-4000-8000-000000000001").unwrap(),
            nic: 0,
        };
        let record = encode(&key, &json!({"address": "172.30.1.34"})).unwrap();
        assert_eq!(
            show(&record.encode()),
            [
                "doc = {\"v\":1,\"key\":{\"wave\":\"wave-1\",\"host\":\"web-1\",\"vm\":\"0a1b2c3d-0000-4000-8000-000000000001\",\"nic\":0},\"document\":{\"address\":\"172.30.1.34\"}}",
                "pk = restore#wave-1",
                "sk = 0a1b2c3d-0000-4000-8000-000000000001#nic#000#web-1",
            ]
        );
        let read = decode(&record.clone().with(DONE, 1_767_323_045_000)).unwrap();
        assert_eq!(read.key, key);
        assert_eq!(read.done.unwrap().to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(decode(&record).unwrap().done, None);
    }
}
