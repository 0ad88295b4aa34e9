//! The inventory table: `wave#<wave>` / `v#00001#<capture>#0000`.. holds one version of a wave, and `waves` / `<wave>` names the
//! newest one, and repeats it where it is small, so that one query reads all waves.
//!
//! A version is written completely before it is named, under the id of its capture: a capture that died half-way leaves nothing that is read,
//! and two at once cannot mix.

use crate::document;
use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Put, Table, When, Write, by_key};
use aws_config::SdkConfig;
use holdfast_model::{HostRecord, InstanceId, InventoryVersion, NetworkName, WaveName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Number of the newest version, on the item that names it.
const VERSION: &str = "version";

/// Partition of the items that name the newest version of each wave.
const WAVES: &str = "waves";

/// Largest copy of a version, in bytes, on the item that names it: a page of a query holds 1 MB, so dozens of such waves are one call.
const COPY: usize = 20_000;

/// Stores and reads captured hosts.
#[derive(Debug, Clone)]
pub struct Inventory {
    table: Table,
}

/// A version of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The version.
    pub version: InventoryVersion,
    /// Its hosts.
    pub hosts: Vec<HostRecord>,
}

/// How storing a version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutVersion {
    /// It is the newest now.
    Stored(InventoryVersion),
    /// Another capture stored this version in between; nothing was changed.
    Raced(InventoryVersion),
}

/// The item that names the newest version of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    v: u32,
    wave: WaveName,
    version: InventoryVersion,
    capture: String,
    networks: BTreeSet<NetworkName>,
    /// A copy of the version's hosts, when it is small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hosts: Option<Vec<HostRecord>>,
}

/// The document of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Version {
    v: u32,
    version: InventoryVersion,
    hosts: Vec<HostRecord>,
}

impl Inventory {
    /// IAM actions that reading needs.
    pub const READ_ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:Query"];

    /// IAM actions that storing needs.
    pub const WRITE_ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem"];

    /// The inventory in the table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// The newest version of a wave; none when it was never captured.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest(&self, wave: &WaveName) -> Result<Option<Captured>, StoreError> {
        match self.table.get(&head_key(wave)).await? {
            None => Ok(None),
            Some(record) => self.read_version(&self.head(&record)?).await.map(Some),
        }
    }

    /// Hosts with a NIC in one of these networks, each as it was captured last, whatever its wave. In name order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hosts_of(&self, networks: &BTreeSet<NetworkName>) -> Result<Vec<HostRecord>, StoreError> {
        let mut waves = Vec::new();
        for record in by_key(self.table.query(WAVES, "").await?).values() {
            let head = self.head(record)?;
            if !head.networks.is_disjoint(networks) {
                waves.push(self.read_version(&head).await?);
            }
        }
        Ok(select(waves, networks))
    }

    /// Stores hosts as the version of a wave that follows `newest` (none: the first). `capture` is an id that no other capture has.
    ///
    /// # Guarantees
    /// No version is ever overwritten. Readers see the version completely or not at all.
    ///
    /// # Errors
    /// [`StoreError`]; the version is then the newest, or nothing changed for readers.
    pub async fn put(
        &self,
        wave: &WaveName,
        newest: Option<InventoryVersion>,
        capture: &str,
        hosts: &[HostRecord],
    ) -> Result<PutVersion, StoreError> {
        let version = InventoryVersion(newest.map_or(0, |newest| newest.0).saturating_add(1));
        let head = Head {
            v: 1,
            wave: wave.clone(),
            version,
            capture: capture.to_owned(),
            networks: hosts.iter().flat_map(|host| host.nics.iter().map(|nic| nic.network.clone())).collect(),
            hosts: small(hosts),
        };
        let document = Version { v: 1, version, hosts: hosts.to_vec() };
        if document::put(&self.table, &partition(wave), &prefix(&head), &document).await? == Put::AlreadyThere {
            return Err(self.table.unreadable(format!(
                "`{}` / `{}`: capture `{capture}` stored something else before",
                partition(wave),
                prefix(&head)
            )));
        }
        let record = head_record(&head).map_err(|why| self.table.unreadable(why))?;
        let when = newest.map_or(When::New, |newest| When::Is(VERSION, i64::from(newest.0)));
        match self.table.put(&record, when).await? {
            Write::Written => Ok(PutVersion::Stored(version)),
            Write::Lost(Some(now)) => {
                let now = self.head(&now)?;
                // The reply of the first try may have been lost.
                Ok(if now == head { PutVersion::Stored(version) } else { PutVersion::Raced(now.version) })
            }
            Write::Lost(None) => Err(self.table.unreadable(format!("`{WAVES}` / `{wave}`: was deleted"))),
        }
    }

    fn head(&self, record: &Record) -> Result<Head, StoreError> {
        record.read().map_err(|why| self.table.unreadable(why))
    }

    async fn read_version(&self, head: &Head) -> Result<Captured, StoreError> {
        if let Some(hosts) = &head.hosts {
            return Ok(Captured { version: head.version, hosts: hosts.clone() });
        }
        let found: Option<Version> = document::get(&self.table, &partition(&head.wave), &prefix(head)).await?;
        let found = found.ok_or_else(|| {
            self.table.unreadable(format!("`{}` / `{}`: parts are missing", partition(&head.wave), prefix(head)))
        })?;
        Ok(Captured { version: found.version, hosts: found.hosts })
    }
}

/// The hosts, when they are few enough to be copied.
fn small(hosts: &[HostRecord]) -> Option<Vec<HostRecord>> {
    let size = serde_json::to_string(hosts).map_or(usize::MAX, |text| text.len());
    (size <= COPY).then(|| hosts.to_vec())
}

/// Hosts with a NIC in one of the networks; of an instance in several waves the one captured last.
fn select(waves: Vec<Captured>, networks: &BTreeSet<NetworkName>) -> Vec<HostRecord> {
    let mut newest: BTreeMap<InstanceId, HostRecord> = BTreeMap::new();
    for host in waves.into_iter().flat_map(|wave| wave.hosts) {
        if newest.get(&host.instance).is_none_or(|known| known.captured_at < host.captured_at) {
            newest.insert(host.instance.clone(), host);
        }
    }
    let mut hosts: Vec<HostRecord> =
        newest.into_values().filter(|host| host.nics.iter().any(|nic| networks.contains(&nic.network))).collect();
    hosts.sort_by(|a, b| (&a.name, &a.instance).cmp(&(&b.name, &b.instance)));
    hosts
}

fn partition(wave: &WaveName) -> String {
    format!("wave#{wave}")
}

fn prefix(head: &Head) -> String {
    format!("v#{:05}#{}#", head.version.0, head.capture)
}

fn head_key(wave: &WaveName) -> Key {
    Key::new(WAVES, wave.as_str())
}

fn head_record(head: &Head) -> Result<Record, String> {
    Ok(Record::json(head_key(&head.wave), head)?.with(VERSION, i64::from(head.version.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::show;
    use serde_json::json;

    fn host(name: &str, instance: &str, at: &str, network: &str) -> HostRecord {
        serde_json::from_value(json!({
            "name": name, "wave": "wave-1", "instance": instance, "platform": "linux", "captured_at": at, "guest": null,
            "nics": [{"device_index": 0, "eni": "eni-0a1b2c3d", "mac": "0a:00:00:00:00:01", "primary": "172.30.1.34",
                "secondary": [], "subnet": "subnet-0a1b2c3d", "prefix": "172.30.1.0/24", "network": network}]
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_version_is_named_by_one_item() {
        let head = Head {
            v: 1,
            wave: WaveName::parse("wave-1").unwrap(),
            version: InventoryVersion(2),
            capture: "c1".into(),
            networks: [NetworkName::parse("app").unwrap()].into(),
            hosts: None,
        };
        assert_eq!(
            show(&head_record(&head).unwrap().encode()),
            [
                "doc = {\"v\":1,\"wave\":\"wave-1\",\"version\":2,\"capture\":\"c1\",\"networks\":[\"app\"]}",
                "pk = waves",
                "sk = wave-1",
                "version = #2",
            ]
        );
        assert_eq!((partition(&head.wave), prefix(&head)), ("wave#wave-1".into(), "v#00002#c1#".into()));
    }

    #[test]
    fn only_a_small_version_is_copied() {
        let host = host("web-1", "i-0a1b2c3d", "2026-01-02T00:00:00Z", "app");
        assert_eq!(small(std::slice::from_ref(&host)), Some(vec![host.clone()]));
        assert_eq!(small(&vec![host; 200]), None);
    }

    #[test]
    fn an_instance_of_two_waves_counts_as_it_was_captured_last() {
        let waves = vec![
            Captured {
                version: InventoryVersion(1),
                hosts: vec![
                    host("web-1", "i-0a1b2c3d", "2026-01-02T00:00:00Z", "app"),
                    host("db-1", "i-0a1b2c3e", "2026-01-01T00:00:00Z", "data"),
                ],
            },
            Captured {
                version: InventoryVersion(3),
                hosts: vec![
                    host("web-one", "i-0a1b2c3d", "2026-01-01T00:00:00Z", "app"),
                    host("app-1", "i-0a1b2c3f", "2026-01-01T00:00:00Z", "app"),
                ],
            },
        ];
        let names: Vec<String> = select(waves, &[NetworkName::parse("app").unwrap()].into())
            .iter()
            .map(|host| host.name.to_string())
            .collect();
        assert_eq!(names, ["app-1", "web-1"]);
    }
}
