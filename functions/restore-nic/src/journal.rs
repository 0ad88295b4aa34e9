//! What must survive a crash in the middle of a NIC's repair: one note per NIC, written before the change and taken away when all is right.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;

use holdfast_model::{Clock, ExtId, Fault, FaultName, MacAddress, WaveName};
use holdfast_nutanix::CreateNic;
use holdfast_store::{RestoreJournal, RestoreKey, RestorePut};
use serde::{Deserialize, Serialize};

/// What is being done to one NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Note {
    /// The NIC is created anew, before or after it is deleted: it may be there twice, or missing.
    Recreate {
        /// The VM.
        vm: ExtId,
        /// The NIC before.
        nic: ExtId,
        /// What it is created with.
        after: Box<CreateNic>,
        /// What would create it as it was.
        before: Box<CreateNic>,
    },
    /// The NIC's link is taken down and up: it may be down.
    Bounce {
        /// The VM.
        vm: ExtId,
        /// The NIC.
        nic: ExtId,
        /// What is known of its MAC address beside that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mac: Option<MacRefusal>,
    },
    /// The NIC's link is taken down and its address released, for another VM of the wave, which holds the address that this one waits for: it may
    /// be down and without address.
    Parked {
        /// The VM.
        vm: ExtId,
        /// The NIC.
        nic: ExtId,
        /// The address that it had.
        address: Ipv4Addr,
    },
    /// The NIC is right but for its MAC address. Nothing is under way: this is what was learned of it.
    MacRefused(MacRefusal),
}

/// A MAC address that Prism Central did not take for a NIC: it is not asked again, since asking takes the NIC's address away for a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MacRefusal {
    /// The MAC address.
    pub mac: MacAddress,
    /// In the words of Prism Central.
    pub why: String,
}

/// Where notes are kept; one for each NIC of a VM, by its device index in the capture.
pub trait Notes: Send + Sync {
    /// All notes of a wave that are not taken away.
    fn read(&self, wave: &WaveName) -> impl Future<Output = Result<BTreeMap<RestoreKey, Note>, Fault>> + Send;

    /// Writes a NIC's note, in place of an older one.
    fn write(&self, key: &RestoreKey, note: &Note) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Takes a NIC's note away; there must be one.
    fn clear(&self, key: &RestoreKey) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Notes in the operations table.
pub struct StoredNotes<'a> {
    /// The table.
    pub journal: &'a RestoreJournal,
    /// The time.
    pub clock: &'a dyn Clock,
}

impl Notes for StoredNotes<'_> {
    async fn read(&self, wave: &WaveName) -> Result<BTreeMap<RestoreKey, Note>, Fault> {
        let open = self.journal.read_wave(wave).await?.into_iter().filter(|record| record.done.is_none());
        open.map(|record| {
            let note = serde_json::from_value(record.document).map_err(|error| {
                let (host, nic) = (&record.key.host, record.key.nic);
                Fault::new(FaultName::Internal, format!("the note on NIC {nic} of `{host}` cannot be read: {error}"))
            })?;
            Ok((record.key, note))
        })
        .collect()
    }

    async fn write(&self, key: &RestoreKey, note: &Note) -> Result<(), Fault> {
        let document = serde_json::to_value(note)
            .map_err(|error| Fault::new(FaultName::Internal, format!("a note cannot be written: {error}")))?;
        match self.journal.put(key, &document).await? {
            RestorePut::Stored => Ok(()),
            // The NIC of the older note, if one was under way, is there and connected: the caller has seen it, and changes it otherwise now.
            RestorePut::UnderWay(_) => {
                self.clear(key).await?;
                match self.journal.put(key, &document).await? {
                    RestorePut::Stored => Ok(()),
                    RestorePut::UnderWay(_) => Err(Fault::new(
                        FaultName::Unavailable,
                        format!("another start works on NIC {} of `{}`", key.nic, key.host),
                    )),
                }
            }
        }
    }

    async fn clear(&self, key: &RestoreKey) -> Result<(), Fault> {
        Ok(self.journal.mark_done(key, self.clock.now()).await?)
    }
}
