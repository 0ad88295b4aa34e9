//! The inventory table: `wave#<wave>` / `v#00001#<capture>#0000`.. holds one version of a wave, and `waves` / `<wave>` names the
//! newest one and all before it, and repeats the newest where it is small, so that one query reads all waves.
//!
//! A version is written completely before it is named, under the id of its capture: a capture that died half-way leaves nothing that is read,
//! and two at once cannot mix.

use crate::document;
use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Put, Table, When, Write, by_key};
use aws_config::SdkConfig;
use holdfast_model::{HostRecord, InstanceId, InventoryVersion, NamedVersions, NetworkName, WaveName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// What one version is stored under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: InventoryVersion,
    capture: String,
    #[serde(default, skip_serializing_if = "Source::is_capture")]
    source: Source,
}

/// Where a version is from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    #[default]
    Capture,
    /// A table of older scripts, all of it.
    Import,
}

impl Source {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_capture(&self) -> bool {
        *self == Source::Capture
    }

    fn of(hosts: &[HostRecord]) -> Self {
        let imported = !hosts.is_empty() && hosts.iter().all(|host| host.imported_from.is_some());
        if imported { Source::Import } else { Source::Capture }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Capture => write!(f, "{}", self.version.0),
            Source::Import => write!(f, "{} (imported)", self.version.0),
        }
    }
}

/// The item that names the versions of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    v: u32,
    wave: WaveName,
    version: InventoryVersion,
    capture: String,
    #[serde(default, skip_serializing_if = "Source::is_capture")]
    source: Source,
    networks: BTreeSet<NetworkName>,
    /// The versions before this one, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    older: Vec<Stored>,
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
            Some(record) => self.read_newest(&self.head(&record)?).await.map(Some),
        }
    }

    /// The version of a wave that an execution names, else the newest; none when it names none and the wave was never captured.
    ///
    /// # Errors
    /// [`StoreError`]; `NoVersion` with those that there are.
    pub async fn version(
        &self,
        wave: &WaveName,
        named: Option<InventoryVersion>,
    ) -> Result<Option<Captured>, StoreError> {
        let head = self.table.get(&head_key(wave)).await?.map(|record| self.head(&record)).transpose()?;
        match (head, named) {
            (None, None) => Ok(None),
            (Some(head), None) => self.read_newest(&head).await.map(Some),
            (head, Some(version)) => self.read_named(wave, head.as_ref(), version).await.map(Some),
        }
    }

    /// Hosts with a NIC in one of these networks, each as it was captured last, whatever its wave. In name order. Of a wave in `named` that
    /// version counts.
    ///
    /// # Errors
    /// [`StoreError`]; `NoVersion` with those that there are.
    pub async fn hosts_of(
        &self,
        networks: &BTreeSet<NetworkName>,
        named: &NamedVersions,
    ) -> Result<Vec<HostRecord>, StoreError> {
        let records = by_key(self.table.query(WAVES, "").await?);
        let heads: Vec<Head> = records.values().map(|record| self.head(record)).collect::<Result<_, _>>()?;
        let mut waves = Vec::new();
        for (wave, version) in named {
            let head = heads.iter().find(|head| head.wave == *wave);
            waves.push(self.read_named(wave, head, *version).await?);
        }
        for head in heads.iter().filter(|head| !named.contains_key(&head.wave)) {
            if !head.networks.is_disjoint(networks) {
                waves.push(self.read_newest(head).await?);
            }
        }
        Ok(select(waves, networks))
    }

    /// The newest version of every wave, with the networks that its hosts are in. One query.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_versions(
        &self,
    ) -> Result<BTreeMap<WaveName, (InventoryVersion, BTreeSet<NetworkName>)>, StoreError> {
        let records = self.table.query(WAVES, "").await?;
        let heads = records.iter().map(|record| self.head(record));
        heads.map(|head| head.map(|head| (head.wave, (head.version, head.networks)))).collect()
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
        let older = match newest {
            None => Vec::new(),
            Some(newest) => match self.table.get(&head_key(wave)).await? {
                Some(record) => {
                    let head = self.head(&record)?;
                    // The reply of the first try may have been lost: then this one ends as that one did.
                    if head.version != newest && head.capture != capture {
                        return Ok(PutVersion::Raced(head.version));
                    }
                    head.stored().filter(|stored| stored.version < version).collect()
                }
                None => return Err(self.table.unreadable(format!("`{WAVES}` / `{wave}`: was deleted"))),
            },
        };
        let head = Head {
            v: 1,
            wave: wave.clone(),
            version,
            capture: capture.to_owned(),
            source: Source::of(hosts),
            networks: hosts.iter().flat_map(|host| host.nics.iter().map(|nic| nic.network.clone())).collect(),
            older,
            hosts: small(hosts),
        };
        let document = Version { v: 1, version, hosts: hosts.to_vec() };
        if document::put(&self.table, &partition(wave), &prefix(version, capture), &document).await?
            == Put::AlreadyThere
        {
            return Err(self.table.unreadable(format!(
                "`{}` / `{}`: capture `{capture}` stored something else before",
                partition(wave),
                prefix(version, capture)
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

    async fn read_newest(&self, head: &Head) -> Result<Captured, StoreError> {
        match &head.hosts {
            Some(hosts) => Ok(Captured { version: head.version, hosts: hosts.clone() }),
            None => self.read(&head.wave, head.version, &head.capture).await,
        }
    }

    /// The version that an execution names; `head` is what the wave has.
    async fn read_named(
        &self,
        wave: &WaveName,
        head: Option<&Head>,
        version: InventoryVersion,
    ) -> Result<Captured, StoreError> {
        let all: Vec<Stored> = head.map(|head| head.stored().collect()).unwrap_or_default();
        match all.iter().find(|stored| stored.version == version) {
            Some(found) => self.read(wave, version, &found.capture).await,
            None => {
                let known: Vec<String> = all.iter().map(ToString::to_string).collect();
                let known = if known.is_empty() { "none: it was never captured".to_owned() } else { known.join(", ") };
                Err(StoreError::NoVersion { wave: wave.clone(), version: version.0, known })
            }
        }
    }

    async fn read(&self, wave: &WaveName, version: InventoryVersion, capture: &str) -> Result<Captured, StoreError> {
        let (partition, prefix) = (partition(wave), prefix(version, capture));
        let found: Option<Version> = document::get(&self.table, &partition, &prefix).await?;
        let missing = || self.table.unreadable(format!("`{partition}` / `{prefix}`: parts are missing"));
        let found = found.ok_or_else(missing)?;
        Ok(Captured { version: found.version, hosts: found.hosts })
    }
}

impl Head {
    /// All versions, the oldest first.
    fn stored(&self) -> impl Iterator<Item = Stored> + '_ {
        let newest = Stored { version: self.version, capture: self.capture.clone(), source: self.source };
        self.older.iter().cloned().chain([newest])
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

fn prefix(version: InventoryVersion, capture: &str) -> String {
    format!("v#{:05}#{capture}#", version.0)
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
    fn the_versions_are_named_by_one_item() {
        let head = Head {
            v: 1,
            wave: WaveName::parse("wave-1").unwrap(),
            version: InventoryVersion(2),
            capture: "c1".into(),
            source: Source::Capture,
            networks: [NetworkName::parse("app").unwrap()].into(),
            older: vec![Stored { version: InventoryVersion(1), capture: "c0".into(), source: Source::Import }],
            hosts: None,
        };
        assert_eq!(
            show(&head_record(&head).unwrap().encode()),
            [
                "doc = {\"v\":1,\"wave\":\"wave-1\",\"version\":2,\"capture\":\"c1\",\"networks\":[\"app\"],\"older\":[{\"version\":1,\"capture\":\"c0\",\"source\":\"import\"}]}",
                "pk = waves",
                "sk = wave-1",
                "version = #2",
            ]
        );
        assert_eq!(
            (partition(&head.wave), prefix(head.version, &head.capture)),
            ("wave#wave-1".into(), "v#00002#c1#".into())
        );
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
