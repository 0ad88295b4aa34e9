//! Locks, operations and journals in the operations table: `network#<name>` / `lock`; `op#<id>` / `operation#0000`.. and
//! `op#<id>` / `event#000000`..

use crate::document;
use crate::error::StoreError;
use crate::events::{self, EventRecord};
use crate::evidence;
use crate::item::{Key, Record};
use crate::table::{Table, When, Write, by_key};
use aws_config::SdkConfig;
use holdfast_journal::{Append, Entry, JournalStore, Lock, LockWrite, Operation, Put};
use holdfast_model::{EventId, Evidence, EvidenceId, NetworkName, OperationId};
use std::collections::{BTreeMap, BTreeSet};

/// Fence number of a lock, beside its document: what a compare-and-swap compares.
const FENCE: &str = "fence";

/// Sort key of a network's lock.
const LOCK: &str = "lock";

/// Sort keys of the parts of an operation begin with it.
const OPERATION: &str = "operation#";

/// The journal store in DynamoDB.
#[derive(Debug, Clone)]
pub struct Operations {
    table: Table,
}

impl Operations {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"];

    /// The journal store in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// What is kept of an event, and the locks of some networks as they are stored: one call for up to 97 networks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_event_and_locks(
        &self,
        id: &EventId,
        networks: &BTreeSet<NetworkName>,
    ) -> Result<(EventRecord, BTreeMap<NetworkName, Lock>), StoreError> {
        let keys: Vec<Key> = events::keys(id).into_iter().chain(networks.iter().map(lock_key)).collect();
        let (locks, event) = self.table.get_all(&keys).await?.into_iter().partition(|record| record.key.sk == LOCK);
        Ok((events::event_of(&self.table, event)?, self.locks_of(networks, locks)?))
    }

    /// Evidence, if there is some of this id, and the locks of some networks as they are stored: one call for up to 99 networks, where the evidence is
    /// one item.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read_evidence_and_locks(
        &self,
        id: &EvidenceId,
        networks: &BTreeSet<NetworkName>,
    ) -> Result<(Option<Evidence>, BTreeMap<NetworkName, Lock>), StoreError> {
        let keys: Vec<Key> = [evidence::key(id)].into_iter().chain(networks.iter().map(lock_key)).collect();
        let (locks, first): (Vec<_>, Vec<_>) =
            self.table.get_all(&keys).await?.into_iter().partition(|record| record.key.sk == LOCK);
        let evidence = evidence::complete(&self.table, id, first.into_iter().next()).await?;
        Ok((evidence, self.locks_of(networks, locks)?))
    }

    /// The locks of the networks among the records; one that nobody ever took has none.
    fn locks_of(
        &self,
        networks: &BTreeSet<NetworkName>,
        records: Vec<Record>,
    ) -> Result<BTreeMap<NetworkName, Lock>, StoreError> {
        let mut found = by_key(records);
        let mut locks = BTreeMap::new();
        for network in networks {
            let lock = match found.remove(&lock_key(network)) {
                Some(record) => record.read().map_err(|why| self.table.unreadable(why))?,
                None => Lock::default(),
            };
            locks.insert(network.clone(), lock);
        }
        Ok(locks)
    }

    fn bad(&self, why: String) -> holdfast_journal::StoreError {
        self.table.unreadable(why).into()
    }
}

type JournalError = holdfast_journal::StoreError;

impl JournalStore for Operations {
    async fn read_locks(&self, networks: &BTreeSet<NetworkName>) -> Result<BTreeMap<NetworkName, Lock>, JournalError> {
        let keys: Vec<Key> = networks.iter().map(lock_key).collect();
        Ok(self.locks_of(networks, self.table.get_all(&keys).await?)?)
    }

    async fn swap_lock(&self, network: &NetworkName, expected: u64, lock: &Lock) -> Result<LockWrite, JournalError> {
        let record = lock_record(network, lock).map_err(|why| self.bad(why))?;
        let when = if expected == 0 { When::New } else { When::Is(FENCE, number(expected)) };
        match self.table.put(&record, when).await? {
            Write::Written => Ok(LockWrite::Written),
            Write::Lost(Some(old)) => Ok(LockWrite::Changed(Box::new(old.read().map_err(|why| self.bad(why))?))),
            Write::Lost(None) => Ok(LockWrite::Changed(Box::default())),
        }
    }

    async fn put_operation(&self, operation: &Operation) -> Result<Put, JournalError> {
        match document::put(&self.table, &partition(&operation.id), OPERATION, operation).await? {
            crate::Put::Stored => Ok(Put::Stored),
            crate::Put::AlreadyThere => Ok(Put::AlreadyThere),
        }
    }

    async fn read_operation(&self, id: &OperationId) -> Result<Option<Operation>, JournalError> {
        Ok(document::get(&self.table, &partition(id), OPERATION).await?)
    }

    async fn read_entries(&self, id: &OperationId) -> Result<Vec<Entry>, JournalError> {
        let records = self.table.query(&partition(id), "event#").await?;
        records.iter().map(|record| record.read().map_err(|why| self.bad(why))).collect()
    }

    async fn append(&self, id: &OperationId, entry: &Entry) -> Result<Append, JournalError> {
        let record = entry_record(id, entry).map_err(|why| self.bad(why))?;
        match self.table.put(&record, When::New).await? {
            Write::Written => Ok(Append::Appended),
            Write::Lost(Some(old)) => Ok(Append::AlreadyThere(old.read().map_err(|why| self.bad(why))?)),
            Write::Lost(None) => Err(StoreError::Unavailable {
                table: self.table.name().to_owned(),
                why: "an entry vanished between two reads".to_owned(),
            }
            .into()),
        }
    }
}

fn partition(id: &OperationId) -> String {
    format!("op#{id}")
}

fn lock_key(network: &NetworkName) -> Key {
    Key::new(format!("network#{network}"), LOCK)
}

fn number(fence: u64) -> i64 {
    i64::try_from(fence).unwrap_or(i64::MAX)
}

fn lock_record(network: &NetworkName, lock: &Lock) -> Result<Record, String> {
    Ok(Record::json(lock_key(network), lock)?.with(FENCE, number(lock.fence)))
}

fn entry_record(id: &OperationId, entry: &Entry) -> Result<Record, String> {
    Record::json(Key::new(partition(id), format!("event#{:06}", entry.seq)), entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::show;
    use holdfast_journal::{Event, Holder, Intent, Lease, Open};
    use holdfast_model::SiteName;

    fn holder() -> Holder {
        Holder { execution: "e1".into(), invocation: "r1".into() }
    }

    fn network() -> NetworkName {
        NetworkName::parse("app").unwrap()
    }

    fn id() -> OperationId {
        OperationId::parse("op-20260102t030405-1a2b3c4d").unwrap()
    }

    #[test]
    fn a_lock_of_the_first_form_still_reads() {
        let lock = Lock {
            fence: 3,
            open: Some(Open {
                operation: id(),
                intent: Intent::Move {
                    networks: [network()].into(),
                    to: SiteName::parse("nc2-osaka").unwrap(),
                    hosts: None,
                    lost: None,
                },
                since: "2026-01-02T03:04:05Z".parse().unwrap(),
            }),
            lease: Some(Lease { holder: holder(), until: "2026-01-02T03:20:05Z".parse().unwrap() }),
            ..Lock::default()
        };
        let record = lock_record(&network(), &lock).unwrap();
        assert_eq!(
            show(&record.encode()),
            [
                "doc = {\"v\":1,\"fence\":3,\"open\":{\"operation\":\"op-20260102t030405-1a2b3c4d\",\"intent\":{\"kind\":\"move\",\"networks\":[\"app\"],\"to\":\"nc2-osaka\"},\"since\":\"2026-01-02T03:04:05Z\"},\"lease\":{\"holder\":{\"execution\":\"e1\",\"invocation\":\"r1\"},\"until\":\"2026-01-02T03:20:05Z\"}}",
                "fence = #3",
                "pk = network#app",
                "sk = lock",
            ]
        );
        assert_eq!(record.read::<Lock>().unwrap(), lock);
    }

    #[test]
    fn entries_sort_by_their_number() {
        let entry = |seq| Entry {
            v: 1,
            seq,
            by: holder(),
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            events: vec![Event::Held { reason: "x".into() }],
        };
        let record = entry_record(&id(), &entry(9)).unwrap();
        assert_eq!(record.key.sk, "event#000009");
        assert!(record.key < entry_record(&id(), &entry(10)).unwrap().key);
        assert_eq!(record.read::<Entry>().unwrap(), entry(9));
    }
}
