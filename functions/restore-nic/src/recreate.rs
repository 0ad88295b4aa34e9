//! A NIC that is created anew, in place of one that was or will be deleted.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use holdfast_model::{Fault, FaultName, MacAddress};
use holdfast_nutanix::{CreateNic, Nic, NutanixError};

use crate::fit::Holder;
use crate::journal::{Note, Notes};
use crate::nic::{Work, secondary, texts};
use crate::order::Row;
use crate::pair::Pair;
use crate::repair::{Repair, Stop, passing};

impl<J: Notes> Repair<'_, J> {
    /// Notes that a NIC will be created anew, once it is sure that its addresses are still free.
    pub(crate) async fn note_recreation(
        &mut self,
        pair: &Pair<'_>,
        nic: &Nic,
        note: &mut Option<Note>,
        work: &Work,
    ) -> Result<(), Stop> {
        let goal = &pair.goal;
        let mac = goal.mac.as_ref().filter(|_| work.refused.mac.is_none()).or(nic.mac.as_ref());
        if let Some(Note::Recreate { nic: noted, after, .. }) = note
            && *noted == nic.id
            && Some(&after.mac) == mac
        {
            return Ok(());
        }
        let why = work.why();
        let mut target = self.target(&pair.record.network)?.clone();
        target.refresh(self.shared.prism).await?;
        for address in goal.addresses() {
            let Some(holder) = target.holder(address, self.vm, self.shared.parked) else { continue };
            let who = match holder {
                Holder::Vm(vm) => format!("VM `{vm}` holds it"),
                Holder::Other(text) => text,
            };
            let message = format!("{address} is not free: {who}; before that: {why}");
            return Err(Stop::Failed(Fault::new(FaultName::AddressHeld, message)));
        }
        let new = self.recreation(pair, nic, mac).ok_or_else(|| {
            Stop::Failed(Fault::new(
                FaultName::RestoreIncomplete,
                format!("{nic} shows no MAC address or no subnet, so it cannot be created again; {why}"),
            ))
        })?;
        self.write(pair.record.device_index, &new).await?;
        tracing::info!(host = %self.host.name, "{nic} is created anew: {why}");
        *note = Some(new);
        Ok(())
    }

    /// The note that a NIC is created anew, with this MAC address; none where it does not show what it takes to create it as it was.
    pub(crate) fn recreation(&self, pair: &Pair<'_>, nic: &Nic, mac: Option<&MacAddress>) -> Option<Note> {
        let goal = &pair.goal;
        let after = nic.again(&goal.subnet, Some(goal.address))?;
        let after = CreateNic { mac: mac?.clone(), secondary: secondary(goal, pair.nic.as_ref()), ..after };
        // Its addresses may have been released by now.
        let was = pair.nic.as_ref().filter(|was| was.id == nic.id).unwrap_or(nic);
        let before = was.again(was.subnet.as_ref()?, was.primary())?;
        let others = was.configured.iter().copied().filter(|address| before.address != Some(*address)).collect();
        let before = CreateNic { secondary: others, ..before };
        let (vm, nic) = (self.vm.clone(), nic.id.clone());
        Some(Note::Recreate { vm, nic, after: Box::new(after), before: Box::new(before) })
    }

    /// Creates a NIC with exactly this MAC address, in front of those that it has to stand before where the platform lets one choose. Whether every Prism Central takes any is not documented; one that gives another is taken
    /// for a refusal, and the NIC away again.
    async fn create_exactly(&self, wanted: &CreateNic, row: &Row<'_, '_>) -> Result<Nic, NutanixError> {
        let (prism, wait) = (self.shared.prism, self.shared.limits.wait);
        let made = prism.create_nic(self.vm, wanted, &row.behind_ids(), &wait).await?;
        if made.mac.as_ref() == Some(&wanted.mac) {
            return Ok(made);
        }
        prism.delete_nic(self.vm, &made.id, &wait).await?;
        Err(NutanixError::TaskFailed {
            what: format!("creation of a NIC with MAC address {}", wanted.mac),
            code: String::new(),
            group: String::new(),
            message: format!("{made} came instead and was deleted"),
        })
    }

    /// Creates the NIC with another MAC address beside the one that is there. Where Prism Central refuses, nothing was changed by it.
    pub(crate) async fn replace(
        &mut self,
        pair: &Pair<'_>,
        note: &mut Option<Note>,
        work: &mut Work,
        row: &Row<'_, '_>,
    ) -> Result<Result<(), NutanixError>, Stop> {
        let Some(Note::Recreate { nic, after, .. }) = &*note else { return Ok(Ok(())) };
        let error = match self.create_exactly(after, row).await {
            Ok(made) => {
                self.done.push(format!("{made} created on subnet `{}` in place of `{nic}`", after.subnet));
                return Ok(Ok(()));
            }
            Err(error) if !error.refused() => return Ok(Err(error)),
            Err(error) => error,
        };
        // One that is there by now, from an earlier try or another start, is looked at again.
        let seen = self.shared.prism.vm(self.vm).await?.vm;
        if !seen.nics.iter().any(|n| n.mac.as_ref() == Some(&after.mac)) {
            self.shared.notes.clear(&self.key(pair.record.device_index)).await?;
            *note = None;
            work.refused.mac = Some(error.to_string());
        }
        Ok(Err(error))
    }

    /// Creates the NIC that was deleted. When Prism Central refuses, it is created with the MAC address or as it was before, so that the VM is not
    /// left without it.
    ///
    /// The inner error leaves the outcome open.
    pub(crate) async fn create(
        &mut self,
        pair: &Pair<'_>,
        note: &mut Option<Note>,
        work: &mut Work,
        row: &Row<'_, '_>,
    ) -> Result<Result<(), NutanixError>, Stop> {
        let goal = &pair.goal;
        let Some(Note::Recreate { after, before, .. }) = &*note else {
            let message = format!("the NIC of {} is gone from VM `{}`, and not by Holdfast", goal.address, self.vm);
            return Err(Stop::Failed(Fault::new(FaultName::NicUnexpected, message)));
        };
        // What is recorded now counts, should it have changed since the note was written.
        let missing = goal.secondary.iter().filter(|address| !after.secondary.contains(address));
        let secondary = after.secondary.iter().filter(|a| **a != goal.address).chain(missing).copied().collect();
        let (subnet, address) = (goal.subnet.clone(), Some(goal.address));
        let after = CreateNic { subnet, address, secondary, ..(**after).clone() };
        let error = match self.create_exactly(&after, row).await {
            Ok(made) => {
                self.done.push(format!("{made} created again on subnet `{}`", after.subnet));
                return Ok(Ok(()));
            }
            Err(error) if passing(&error) => return Ok(Err(error)),
            Err(error) => error,
        };
        // One that is there by now, from an earlier try or another start, is looked at again.
        let seen = self.shared.prism.vm(self.vm).await?.vm;
        if seen.nics.iter().any(|nic| nic.mac.as_ref() == Some(&after.mac)) {
            return Ok(Ok(()));
        }
        let kept = CreateNic { mac: before.mac.clone(), ..after.clone() };
        if error.refused() && kept.mac != after.mac && self.create_exactly(&kept, row).await.is_ok() {
            work.refused.mac = Some(error.to_string());
            return Ok(Ok(()));
        }
        let mut left = String::new();
        // An address that the pool gave may not be given out by name.
        let pooled = CreateNic { address: None, secondary: Vec::new(), ..(**before).clone() };
        let mut made = Err(error.clone());
        for old in [&**before, &pooled].into_iter().filter(|_| error.refused()) {
            if made.is_err() {
                made = self.create_exactly(old, row).await;
            }
        }
        if let Ok(made) = made {
            left = format!("; it was created again on its old subnet `{}` as {made}", before.subnet);
            self.shared.notes.clear(&self.key(pair.record.device_index)).await?;
            *note = None;
        }
        let name = error.fault_name().unwrap_or(FaultName::RestoreIncomplete);
        let message =
            format!("the NIC of {} was deleted and not created with its address: {error}{left}", goal.address);
        Err(Stop::Failed(Fault::new(name, message)))
    }
}

impl<J> Repair<'_, J> {
    /// A fault that also says what an earlier change may have left, by the notes on it.
    pub(crate) fn with_what_notes_leave(&self, mut fault: Fault, notes: &BTreeMap<u32, Note>) -> Fault {
        for note in notes.values() {
            let left = match note {
                Note::Recreate { vm, after, before, .. } => format!(
                    "VM `{vm}` may be without a NIC: start again, or create it by hand with {}; before, it had {}",
                    shape(after),
                    shape(before)
                ),
                Note::Bounce { vm, nic, .. } => {
                    format!("NIC `{nic}` of VM `{vm}` may be disconnected: start again, or connect it in Prism Central")
                }
                Note::Parked { vm, nic, address } => format!(
                    "NIC `{nic}` of VM `{vm}` had {address}, and may be disconnected and without address: start again, or give it its captured address in Prism Central and connect it"
                ),
                Note::MacRefused(_) => continue,
            };
            fault.message = format!("{}; {left}", fault.message);
        }
        fault
    }
}

/// What a NIC is or was created with, as a person creates it.
pub(crate) fn shape(nic: &CreateNic) -> String {
    let addresses: Vec<Ipv4Addr> = nic.address.iter().chain(&nic.secondary).copied().collect();
    let addresses = if addresses.is_empty() { "no address".to_owned() } else { texts(&addresses) };
    format!("MAC address {}, subnet `{}` and {addresses}", nic.mac, nic.subnet)
}
