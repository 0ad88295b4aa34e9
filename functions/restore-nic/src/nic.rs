//! One NIC, brought to what was captured, step by step.

use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast_model::{ExtId, Fault, FaultName};
use holdfast_nutanix::{Nic, NutanixError};

use crate::guest::Due;
use crate::journal::{MacRefusal, Note, Notes};
use crate::order::{Row, in_row};
use crate::pair::{Goal, Pair, Refused, Step, next, noted};
use crate::recreate::shape;
use crate::repair::{Repair, Stop, passing};

/// How long a changed NIC may take to show its address: Nutanix's own Ansible tests wait 60 seconds.
const SHOWS: Duration = Duration::from_secs(90);

/// How long secondary addresses may take to show that were accepted for a NIC that was there: no public text says that such a NIC takes any.
const SECONDARY_SHOWS: Duration = Duration::from_secs(10);

/// Looks and changes for one NIC, lost replies and refusals included.
const TURNS: u32 = 14;

/// A NIC that is being changed.
pub(crate) struct Work {
    nic: Option<Nic>,
    /// The NIC that it was created in place of, where that is still there.
    old: Option<ExtId>,
    pub(crate) refused: Refused,
    /// What the last change came to, where that is open.
    last: Option<NutanixError>,
    /// Whether the guest keeps an old lease.
    changed: bool,
    /// Whether it was deleted and created by this start.
    recreated: bool,
}

impl Work {
    /// Notes what Prism Central has said no to, where there is another way.
    fn refuse(&mut self, step: Step, error: NutanixError) -> Result<(), NutanixError> {
        let why = error.to_string();
        match step {
            Step::Migrate => self.refused.migrate = Some(why),
            Step::Assign { .. } => self.refused.assign = Some(why),
            Step::Secondary => self.refused.secondary = Some(why),
            Step::Release => self.refused.release = Some(why),
            // Whether it was the MAC address that was refused is known already.
            Step::Replace => {}
            Step::Right | Step::DeleteOld | Step::Recreate | Step::Create => return Err(error),
        }
        self.last = Some(error);
        Ok(())
    }

    /// Why the NIC is created anew.
    pub(crate) fn why(&self) -> String {
        let refused = &self.refused;
        let all = [&refused.migrate, &refused.assign, &refused.secondary, &refused.release];
        let why = all.into_iter().flatten().next().cloned();
        let why = why.or_else(|| self.last.as_ref().map(ToString::to_string));
        why.unwrap_or_else(|| "it stands behind one that was created anew".to_owned())
    }
}

/// Secondary addresses that a NIC has in the end: what was captured, and what it has beyond that on the same subnet.
pub(crate) fn secondary(goal: &Goal, nic: Option<&Nic>) -> Vec<Ipv4Addr> {
    let here = nic.filter(|nic| nic.subnet.as_ref() == Some(&goal.subnet));
    let own = here.into_iter().flat_map(|nic| nic.configured.iter().filter(|a| nic.primary() != Some(**a)));
    let further = own.copied().filter(|address| goal.addresses().all(|wanted| wanted != *address));
    goal.secondary.iter().copied().chain(further).collect()
}

impl<J: Notes> Repair<'_, J> {
    /// A fault that also says which NIC may be missing or without its addresses, and how to give them back.
    pub(crate) fn with_what_is_left(&self, fault: Fault, pair: &Pair<'_>, note: Option<&Note>) -> Fault {
        if let Some(Note::Parked { nic, address, .. }) = note {
            let message = format!(
                "{}; NIC `{nic}` of VM `{}` had {address}, and may be disconnected and without address: start again, or give it {} in Prism Central and connect it",
                fault.message, self.vm, pair.goal.address
            );
            return Fault::new(fault.name, message);
        }
        let (vm, subnet) = (self.vm, &pair.goal.subnet);
        let addresses = texts(&pair.goal.addresses().collect::<Vec<_>>());
        let left = match (note, &pair.nic) {
            (Some(Note::Recreate { after, before, .. }), _) => format!(
                "VM `{vm}` may be without the NIC of {addresses}: start again, or create it by hand with MAC address {}, subnet `{subnet}` and {addresses}; before, it had {}",
                after.mac,
                shape(before)
            ),
            (_, Some(nic)) if self.begun.contains(&pair.record.device_index) => format!(
                "{nic} of VM `{vm}` may be without address: start again, or give it {addresses} on subnet `{subnet}` in Prism Central"
            ),
            _ => return fault,
        };
        Fault::new(fault.name, format!("{}; {left}", fault.message))
    }

    /// Gives one NIC its addresses and returns it as it then is; `note` is what is noted of it when this ends.
    pub(crate) async fn bring(
        &mut self,
        pair: &Pair<'_>,
        note: &mut Option<Note>,
        row: &mut Row<'_, '_>,
    ) -> Result<Due, Stop> {
        let address = pair.goal.address;
        let mut work = Work {
            nic: pair.nic.clone(),
            old: pair.old.clone(),
            refused: self.refused(pair),
            last: None,
            changed: false,
            recreated: false,
        };
        let mut misplaced = self.is_misplaced(work.nic.as_ref(), note.as_ref(), row).await?;
        for _ in 0..TURNS {
            let step = next(work.nic.as_ref(), work.old.as_ref(), &pair.goal, &work.refused);
            let step = in_row(step, misplaced);
            if let (Step::Right, Some(nic)) = (step, &work.nic) {
                let device = pair.record.device_index;
                let mut nic = nic.clone();
                if !nic.connected && note.is_some() {
                    self.shared.prism.set_link(self.vm, &nic.id, true, &self.shared.limits.wait).await?;
                    nic.connected = true;
                    self.done.push(format!("{nic} connected again"));
                }
                if matches!(*note, Some(Note::Recreate { .. })) {
                    self.shared.notes.clear(&self.key(device)).await?;
                    *note = None;
                }
                let nic = &nic;
                self.tell_of_mac(pair, nic, &work.refused);
                let secondary = pair.goal.secondary.iter().copied().filter(|a| self.host.uses(*a)).collect();
                let (nic, changed) = (nic.clone(), work.changed);
                return Ok(Due { device, address, secondary, nic, noted: note.is_some(), changed });
            }
            if step != Step::Create {
                self.in_time()?;
            }
            match self.take(step, pair, note, &mut work, row).await? {
                Ok(()) => {
                    misplaced &= !matches!(step, Step::Replace | Step::Recreate | Step::Create);
                    // A NIC that was created anew is an adapter without a lease; one that was changed keeps its guest's old lease.
                    work.changed |= matches!(step, Step::Migrate | Step::Assign { .. });
                    work.last = None;
                }
                Err(error) if error.refused() => work.refuse(step, error)?,
                Err(error) if passing(&error) => work.last = Some(error),
                Err(error) => return Err(error.into()),
            }
            let before = work.nic.take();
            (work.nic, work.old) = self.look(pair, before.as_ref(), note.as_ref(), step, work.last.is_none()).await?;
            if step == Step::Secondary && work.last.is_none() {
                let missing = |nic: &Nic| pair.goal.addresses().any(|address| !nic.configured.contains(&address));
                let why = "its secondary addresses were accepted and do not show".to_owned();
                work.refused.secondary = work.nic.as_ref().filter(|nic| missing(nic)).map(|_| why);
            }
        }
        let why = work.last.map_or_else(|| "its address does not show".to_owned(), |e| e.to_string());
        Err(Stop::Failed(Fault::new(
            FaultName::RestoreIncomplete,
            format!("{address} was not given to its NIC: {why}"),
        )))
    }

    /// A NIC that is right but for its MAC address, which Prism Central did not take.
    fn tell_of_mac(&mut self, pair: &Pair<'_>, nic: &Nic, refused: &Refused) {
        let device = pair.record.device_index;
        let wanted = pair.goal.mac.as_ref().filter(|mac| nic.mac.as_ref() != Some(mac));
        let (Some(mac), Some(why)) = (wanted, &refused.mac) else {
            self.refusals.remove(&device);
            return;
        };
        self.refusals.insert(device, MacRefusal { mac: mac.clone(), why: why.clone() });
        self.lacking.push(format!(
            "{nic} has its address, but not MAC address {mac} of EC2, which Prism Central does not take: {why}; leave `mac_addresses` of the wave out of the network map and start again; with it written in anew after that it is tried again"
        ));
    }

    /// Takes one step. The inner error leaves the outcome open, or is a refusal.
    async fn take(
        &mut self,
        step: Step,
        pair: &Pair<'_>,
        note: &mut Option<Note>,
        work: &mut Work,
        row: &mut Row<'_, '_>,
    ) -> Result<Result<(), NutanixError>, Stop> {
        let (prism, wait, goal) = (self.shared.prism, self.shared.limits.wait, &pair.goal);
        let address = goal.address;
        if matches!(step, Step::Migrate | Step::Assign { .. } | Step::Secondary) {
            self.begun.insert(pair.record.device_index);
        }
        let Some(nic) = work.nic.clone() else { return self.create(pair, note, work, row).await };
        let result = match step {
            Step::Migrate => {
                let result = prism.migrate_nic(self.vm, &nic.id, &goal.subnet, address, &wait).await;
                self.tell(result, || format!("{nic} migrated to subnet `{}` with {address}", goal.subnet))
            }
            Step::Assign { release } => {
                let result = self.assign(&nic, release, address).await;
                self.tell(result, || format!("{nic} given {address}"))
            }
            Step::Secondary => {
                let all = secondary(goal, Some(&nic));
                let result = prism.set_secondary(self.vm, &nic.id, &all, &wait).await;
                self.tell(result, || format!("{nic} given {}", texts(&all)))
            }
            Step::Release => {
                self.note_recreation(pair, &nic, note, work).await?;
                prism.release_ip(self.vm, &nic.id, &wait).await
            }
            Step::Replace => {
                self.note_recreation(pair, &nic, note, work).await?;
                self.replace(pair, note, work, row).await?
            }
            Step::DeleteOld => match &work.old {
                Some(old) => {
                    self.note_those_behind(row).await?;
                    prism.delete_nic(self.vm, old, &wait).await
                }
                None => Ok(()),
            },
            Step::Recreate if work.recreated => {
                let text = format!("{nic} was created anew and is not right: {}", work.why());
                return Err(Stop::Failed(Fault::new(FaultName::RestoreIncomplete, text)));
            }
            Step::Recreate => {
                self.note_recreation(pair, &nic, note, work).await?;
                self.note_those_behind(row).await?;
                work.recreated = true;
                prism.delete_nic(self.vm, &nic.id, &wait).await
            }
            Step::Create | Step::Right => Ok(()),
        };
        Ok(result)
    }

    fn tell(&mut self, result: Result<(), NutanixError>, what: impl FnOnce() -> String) -> Result<(), NutanixError> {
        result.map(|()| self.done.push(what()))
    }

    /// The NIC as it is now, with the one that it was created in place of; after a change, once its new addresses show.
    async fn look(
        &self,
        pair: &Pair<'_>,
        before: Option<&Nic>,
        note: Option<&Note>,
        step: Step,
        changed: bool,
    ) -> Result<(Option<Nic>, Option<ExtId>), Stop> {
        let shows = match step {
            _ if !changed => Duration::from_secs(2),
            Step::Secondary => SECONDARY_SHOWS,
            _ => SHOWS,
        };
        let limit = self.shared.limits.wait.within(shows);
        let goal = &pair.goal;
        let settled = |nic: &Nic| match step {
            _ if nic.subnet.as_ref() != Some(&goal.subnet) => true,
            Step::Release => true,
            Step::Secondary | Step::Replace | Step::Create if changed => {
                goal.addresses().all(|address| nic.configured.contains(&address))
            }
            _ => nic.primary().is_some(),
        };
        let mut backoff = self.shared.prism.backoff();
        loop {
            let vm = self.shared.prism.vm(self.vm).await?.vm;
            let (nic, old) = match note {
                Some(note @ Note::Recreate { .. }) => noted(note, &vm.nics),
                Some(Note::Bounce { .. } | Note::Parked { .. } | Note::MacRefused(_)) | None => {
                    (before.and_then(|b| vm.nics.iter().find(|nic| nic.id == b.id)).cloned(), None)
                }
            };
            if nic.as_ref().is_none_or(settled) || !backoff.pause(&limit).await {
                return Ok((nic, old));
            }
        }
    }

    /// Releases and assigns. An address that does not show yet may still have to be released.
    async fn assign(&self, nic: &Nic, release: bool, address: Ipv4Addr) -> Result<(), NutanixError> {
        let (prism, wait) = (self.shared.prism, self.shared.limits.wait);
        if release {
            prism.release_ip(self.vm, &nic.id, &wait).await?;
        }
        match prism.assign_ip(self.vm, &nic.id, address, &wait).await {
            Err(error) if error.refused() && !release => match prism.release_ip(self.vm, &nic.id, &wait).await {
                Ok(()) => prism.assign_ip(self.vm, &nic.id, address, &wait).await,
                Err(_) => Err(error),
            },
            other => other,
        }
    }
}

pub(crate) fn texts(addresses: &[Ipv4Addr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
