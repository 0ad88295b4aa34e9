//! One host: every NIC gets its recorded address, and the guest is made to use it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast_model::{ExtId, Fault, FaultName, HostRecord, NetworkName, Policy, Power, WaveName};
use holdfast_nutanix::{Backoff, CreateNic, Nic, NutanixError, Prism, TimeLimit, Vm};
use holdfast_store::RestoreKey;

use crate::fault_of;
use crate::fit::{Holder, Target};
use crate::guest::{self, Due};
use crate::journal::{Note, Notes};
use crate::pair::{Pair, Refused, Step, next, pair};

/// How long a changed NIC may take to show its address: Nutanix's own Ansible tests wait 60 seconds.
const SHOWS: Duration = Duration::from_secs(90);

/// How long the address of a NIC may take to show when nothing of it is known.
const ADDRESS: Duration = Duration::from_secs(2);

/// How long a NIC may take to show whose creation may be under way.
const CREATION: Duration = Duration::from_secs(6);

/// Looks and changes for one NIC, lost replies and refusals included.
const TURNS: u32 = 10;

/// Until when something may be begun, and until when it may be waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No change is begun after this.
    pub begin: TimeLimit,
    /// Nothing is waited for after this.
    pub wait: TimeLimit,
}

/// What all hosts of a wave share.
pub(crate) struct Shared<'a, J> {
    pub(crate) prism: &'a Prism,
    pub(crate) wave: &'a WaveName,
    pub(crate) targets: &'a BTreeMap<NetworkName, Result<Target, Fault>>,
    pub(crate) policy: &'a Policy,
    pub(crate) notes: &'a J,
    pub(crate) limits: Limits,
}

/// An address that another VM has.
#[derive(Debug, Clone)]
pub(crate) struct HeldBy {
    pub(crate) holder: ExtId,
    pub(crate) fault: Fault,
}

/// Why the repair of a host stopped.
pub(crate) enum Stop {
    OutOfTime,
    HeldBy(HeldBy),
    Failed(Fault),
}

impl From<NutanixError> for Stop {
    fn from(error: NutanixError) -> Self {
        Stop::Failed(fault_of(&error))
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Failed(fault)
    }
}

/// One host under repair.
pub(crate) struct Repair<'a, J> {
    pub(crate) shared: &'a Shared<'a, J>,
    pub(crate) host: &'a HostRecord,
    pub(crate) vm: &'a ExtId,
    pub(crate) done: Vec<String>,
}

impl<J> Repair<'_, J> {
    /// Where the note on one NIC is kept.
    pub(crate) fn key(&self, device: u32) -> RestoreKey {
        RestoreKey { wave: self.shared.wave.clone(), host: self.host.name.clone(), vm: self.vm.clone(), nic: device }
    }
}

impl<J: Notes> Repair<'_, J> {
    /// Brings all NICs of the host and its guest to the recorded addresses.
    ///
    /// # Guarantees
    /// Nothing is changed unless every NIC has a place to go to. A NIC that is right and whose guest uses its address is not touched.
    pub(crate) async fn run(&mut self, notes: BTreeMap<u32, Note>) -> Result<(), Stop> {
        let seen = self.settled(&notes).await?;
        let subnets = self.subnets()?;
        let unexpected = |why: String| Fault::new(FaultName::NicUnexpected, format!("VM `{}`: {why}", self.vm));
        let mut pairs = pair(&self.host.nics, &subnets, &notes, &seen.nics).map_err(unexpected)?;
        for pair in &mut pairs {
            self.reconnect(pair).await?;
        }
        for pair in &pairs {
            self.refuse_secondary(pair)?;
            self.refuse_disconnected(pair, &seen)?;
        }
        for pair in &pairs {
            self.refuse_held(pair, &seen.nics).await?;
        }
        let right = |pair: &Pair<'_>| {
            let step = next(pair.nic.as_ref(), &pair.subnet, pair.record.primary, &Refused::default());
            pair.note.is_some() || matches!(step, Step::Right)
        };
        if !pairs.iter().all(right) {
            self.refuse_running(&seen)?;
        }
        let mut refreshed = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let mut note = pair.note.clone();
            match self.bring(&pair, &mut note).await {
                Ok(due) => refreshed.push(due),
                Err(Stop::Failed(fault)) => {
                    return Err(Stop::Failed(self.with_what_is_left(fault, &pair, note.as_ref())));
                }
                Err(other) => return Err(other),
            }
        }
        guest::refresh(self, refreshed).await
    }

    /// The VM, read until nothing of an earlier change is still to come or the time for that is over: an address shows some reads after it was
    /// given, and the creation of a NIC whose start died may still be under way (about three seconds on hardware).
    async fn settled(&self, notes: &BTreeMap<u32, Note>) -> Result<Vm, Stop> {
        let created = notes.values().any(|note| matches!(note, Note::Recreate { .. }));
        let limit = self.shared.limits.wait.within(if created { CREATION } else { ADDRESS });
        let mut backoff = Backoff::default();
        loop {
            let vm = self.shared.prism.vm(self.vm).await?.vm;
            let missing = created && vm.nics.len() < self.host.nics.len();
            let bare = notes.is_empty() && vm.nics.iter().any(|nic| nic.primary().is_none());
            if !(missing || bare) || !backoff.pause(&limit).await {
                return Ok(vm);
            }
        }
    }

    fn target(&self, network: &NetworkName) -> Result<&Target, Stop> {
        match self.shared.targets.get(network) {
            Some(Ok(target)) => Ok(target),
            Some(Err(fault)) => Err(Stop::Failed(fault.clone())),
            None => Err(Stop::Failed(Fault::new(
                FaultName::NotCaptured,
                format!(
                    "`{}` was captured in network `{network}`, which the network map does not have now",
                    self.host.name
                ),
            ))),
        }
    }

    fn subnets(&self) -> Result<BTreeMap<u32, ExtId>, Stop> {
        let target =
            |nic: &holdfast_model::NicRecord| Ok((nic.device_index, self.target(&nic.network)?.subnet.id.clone()));
        self.host.nics.iter().map(target).collect()
    }

    /// What was begun is finished whatever policy says: a VM is not left half-done.
    pub(crate) fn refuse_running(&self, vm: &Vm) -> Result<(), Stop> {
        if self.shared.policy.repair_running_vms || !runs(vm) {
            return Ok(());
        }
        let message = format!(
            "VM `{}` runs, and the network map says that running VMs are not touched (`policy.repair_running_vms: false`); power it off and start again",
            vm.id
        );
        Err(Stop::Failed(Fault::new(FaultName::RestoreIncomplete, message)))
    }

    fn refuse_secondary(&self, pair: &Pair<'_>) -> Result<(), Stop> {
        let configured = pair.nic.as_ref().map_or(&[][..], |nic| nic.configured.as_slice());
        let missing: Vec<String> =
            pair.record.secondary.iter().filter(|a| !configured.contains(a)).map(ToString::to_string).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "the NIC of {} was captured with secondary addresses ({}), which this version does not restore; nothing of the VM was changed; \
             add them in Prism Central and start again",
            pair.record.primary,
            missing.join(", ")
        );
        Err(Stop::Failed(Fault::new(FaultName::RestoreIncomplete, message)))
    }

    fn refuse_disconnected(&self, pair: &Pair<'_>, vm: &Vm) -> Result<(), Stop> {
        let Some(nic) = pair.nic.as_ref().filter(|nic| !nic.connected && pair.note.is_none()) else { return Ok(()) };
        let message = format!(
            "{nic} of VM `{}` is disconnected, and not by Holdfast; connect it in Prism Central and start again",
            vm.id
        );
        Err(Stop::Failed(Fault::new(FaultName::RestoreIncomplete, message)))
    }

    /// Brings up a link that an earlier start took down, before anything else is done to the NIC.
    async fn reconnect(&mut self, pair: &mut Pair<'_>) -> Result<(), Stop> {
        if let (Some(nic), Some(_)) = (pair.nic.as_mut().filter(|nic| !nic.connected), &pair.note) {
            self.shared.prism.set_link(self.vm, &nic.id, true, &self.shared.limits.wait).await?;
            nic.connected = true;
            self.done.push(format!("{nic} connected again"));
        }
        Ok(())
    }

    async fn refuse_held(&self, pair: &Pair<'_>, nics: &[Nic]) -> Result<(), Stop> {
        let address = pair.record.primary;
        if pair
            .nic
            .as_ref()
            .is_some_and(|nic| nic.subnet.as_ref() == Some(&pair.subnet) && nic.primary() == Some(address))
        {
            return Ok(());
        }
        let held = |text: String| Fault::new(FaultName::AddressHeld, format!("{address} is not free: {text}"));
        if let Some(other) =
            nics.iter().find(|n| n.primary() == Some(address) && pair.nic.as_ref().is_none_or(|p| p.id != n.id))
        {
            return Err(Stop::Failed(held(format!("{other} of the same VM has it"))));
        }
        match self.target(&pair.record.network)?.holder(address, self.vm) {
            None => Ok(()),
            Some(Holder::Other(text)) => Err(Stop::Failed(held(text))),
            Some(Holder::Vm(vm)) => {
                let name = self
                    .shared
                    .prism
                    .vm(&vm)
                    .await
                    .map_or_else(|_| String::new(), |read| format!("`{}` ", read.vm.name));
                let fault = held(format!("VM {name}(`{vm}`) holds it"));
                Err(Stop::HeldBy(HeldBy { holder: vm, fault }))
            }
        }
    }

    /// A fault that also says which NIC may be missing, and how to create it.
    fn with_what_is_left(&self, fault: Fault, pair: &Pair<'_>, note: Option<&Note>) -> Fault {
        let Some(Note::Recreate { after, .. }) = note else { return fault };
        let message = format!(
            "{}; VM `{}` may be without the NIC of {address}: start again, or create it by hand with MAC address {}, subnet `{}` and {address}",
            fault.message,
            self.vm,
            after.mac,
            pair.subnet,
            address = pair.record.primary
        );
        Fault::new(fault.name, message)
    }

    /// Gives one NIC its address and returns it as it then is; `note` is what is noted of it when this ends.
    async fn bring(&mut self, pair: &Pair<'_>, note: &mut Option<Note>) -> Result<Due, Stop> {
        let (prism, address) = (self.shared.prism, pair.record.primary);
        let mut nic = pair.nic.clone();
        let mut refused = Refused::default();
        let mut last: Option<NutanixError> = None;
        let mut changed = false;
        for _ in 0..TURNS {
            let step = next(nic.as_ref(), &pair.subnet, address, &refused);
            if !matches!(step, Step::Right | Step::Create) {
                self.in_time()?;
            }
            let wait = self.shared.limits.wait;
            let result = match (step, &nic) {
                (Step::Right, Some(nic)) => {
                    if matches!(*note, Some(Note::Recreate { .. })) {
                        self.shared.notes.clear(&self.key(pair.record.device_index)).await?;
                        *note = None;
                    }
                    let device = pair.record.device_index;
                    return Ok(Due { device, address, nic: nic.clone(), noted: note.is_some(), changed });
                }
                (Step::Migrate, Some(nic)) => {
                    prism.migrate_nic(self.vm, &nic.id, &pair.subnet, address, &wait).await.map(|()| {
                        self.done.push(format!("{nic} migrated to subnet `{}` with {address}", pair.subnet));
                    })
                }
                (Step::Assign { release }, Some(nic)) => self.assign(nic, release, address).await.map(|()| {
                    self.done.push(format!("{nic} given {address}"));
                }),
                (Step::Recreate, Some(nic)) => {
                    *note = Some(self.note_recreation(pair, nic, &refused, last.as_ref()).await?);
                    prism.delete_nic(self.vm, &nic.id, &wait).await
                }
                (Step::Create | Step::Right | Step::Migrate | Step::Assign { .. } | Step::Recreate, _) => {
                    self.create(pair, note).await?
                }
            };
            match result {
                Ok(()) => {
                    // A NIC that was created anew is an adapter without a lease; one that was changed keeps its guest's old lease.
                    changed |= matches!(step, Step::Migrate | Step::Assign { .. });
                    last = None;
                }
                Err(error) if error.refused() => {
                    match step {
                        Step::Migrate => refused.migrate = Some(error.to_string()),
                        Step::Assign { .. } => refused.assign = Some(error.to_string()),
                        Step::Right | Step::Recreate | Step::Create => return Err(error.into()),
                    }
                    last = Some(error);
                }
                Err(error) if passing(&error) => last = Some(error),
                Err(error) => return Err(error.into()),
            }
            nic = self.look(pair, nic.as_ref(), note.as_ref(), last.is_none()).await?;
        }
        let why = last.map_or_else(|| "its address does not show".to_owned(), |e| e.to_string());
        Err(Stop::Failed(Fault::new(
            FaultName::RestoreIncomplete,
            format!("{address} was not given to its NIC: {why}"),
        )))
    }

    pub(crate) fn in_time(&self) -> Result<(), Stop> {
        if self.shared.limits.begin.is_over() { Err(Stop::OutOfTime) } else { Ok(()) }
    }

    /// The NIC as it is now; after a change, once its new address shows.
    async fn look(
        &self,
        pair: &Pair<'_>,
        before: Option<&Nic>,
        note: Option<&Note>,
        changed: bool,
    ) -> Result<Option<Nic>, Stop> {
        let shows = if changed { SHOWS } else { Duration::from_secs(2) };
        let limit = self.shared.limits.wait.within(shows);
        let mut backoff = Backoff::default();
        loop {
            let vm = self.shared.prism.vm(self.vm).await?.vm;
            let ours = |nic: &&Nic| {
                before.is_some_and(|b| b.id == nic.id)
                    || matches!(note, Some(Note::Recreate { after, .. }) if nic.mac.as_ref() == Some(&after.mac))
            };
            let nic = vm.nics.iter().find(ours).cloned();
            let settled = nic.as_ref().is_none_or(|n| n.subnet.as_ref() != Some(&pair.subnet) || n.primary().is_some());
            if settled || !backoff.pause(&limit).await {
                return Ok(nic);
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

    /// Notes that a NIC will be deleted and created, once it is sure that its address is still free.
    async fn note_recreation(
        &self,
        pair: &Pair<'_>,
        nic: &Nic,
        refused: &Refused,
        last: Option<&NutanixError>,
    ) -> Result<Note, Stop> {
        let incomplete = |text: String| Stop::Failed(Fault::new(FaultName::RestoreIncomplete, text));
        let why = refused.migrate.as_ref().or(refused.assign.as_ref()).cloned();
        let why = why.or_else(|| last.map(ToString::to_string)).unwrap_or_default();
        let mut target = self.target(&pair.record.network)?.clone();
        target.refresh(self.shared.prism).await?;
        if let Some(holder) = target.holder(pair.record.primary, self.vm) {
            let who = match holder {
                Holder::Vm(vm) => format!("VM `{vm}` holds it"),
                Holder::Other(text) => text,
            };
            let message = format!("{} is not free: {who}; before that: {why}", pair.record.primary);
            return Err(Stop::Failed(Fault::new(FaultName::AddressHeld, message)));
        }
        let again = |subnet: &ExtId, address| nic.again(subnet, address);
        let (Some(after), Some(before)) =
            (again(&pair.subnet, Some(pair.record.primary)), nic.subnet.as_ref().and_then(|s| again(s, None)))
        else {
            return Err(incomplete(format!(
                "{nic} shows no MAC address or no subnet, so it cannot be created again; {why}"
            )));
        };
        let note = Note::Recreate {
            vm: self.vm.clone(),
            nic: nic.id.clone(),
            after: Box::new(after),
            before: Box::new(before),
        };
        self.shared.notes.write(&self.key(pair.record.device_index), &note).await?;
        tracing::info!(host = %self.host.name, "{nic} is deleted and created again: {why}");
        Ok(note)
    }

    /// Creates the NIC that was deleted. When Prism Central refuses, it is created as it was before, so that the VM is not left without it.
    ///
    /// The inner error leaves the outcome open.
    async fn create(&mut self, pair: &Pair<'_>, note: &mut Option<Note>) -> Result<Result<(), NutanixError>, Stop> {
        let (prism, wait, address) = (self.shared.prism, self.shared.limits.wait, pair.record.primary);
        let Some(Note::Recreate { after, before, .. }) = &note else {
            let message = format!("the NIC of {address} is gone from VM `{}`, and not by Holdfast", self.vm);
            return Err(Stop::Failed(Fault::new(FaultName::NicUnexpected, message)));
        };
        // What is recorded now counts, should it have changed since the note was written.
        let after = CreateNic { subnet: pair.subnet.clone(), address: Some(address), ..(**after).clone() };
        let error = match prism.create_nic(self.vm, &after, &wait).await {
            Ok(made) => {
                self.done.push(format!("{made} created again on subnet `{}` with {address}", after.subnet));
                return Ok(Ok(()));
            }
            Err(error) if passing(&error) => return Ok(Err(error)),
            Err(error) => error,
        };
        // One that is there by now, from an earlier try or another start, is looked at again.
        let seen = prism.vm(self.vm).await?.vm;
        if seen.nics.iter().any(|nic| nic.mac.as_ref() == Some(&after.mac)) {
            return Ok(Err(error));
        }
        let mut left = String::new();
        if error.refused() && prism.create_nic(self.vm, before, &wait).await.is_ok() {
            left = format!("; it was created again on its old subnet `{}`", before.subnet);
            self.shared.notes.clear(&self.key(pair.record.device_index)).await?;
            *note = None;
        }
        let name = error.fault_name().unwrap_or(FaultName::RestoreIncomplete);
        let message = format!("the NIC of {address} was deleted and not created with its address: {error}{left}");
        Err(Stop::Failed(Fault::new(name, message)))
    }
}

/// Whether an error leaves the outcome open, so that looking again tells.
fn passing(error: &NutanixError) -> bool {
    match error {
        NutanixError::Unreachable { .. }
        | NutanixError::TaskUnfinished { .. }
        | NutanixError::Stale { .. }
        | NutanixError::NotFound { .. } => true,
        NutanixError::Config(_)
        | NutanixError::WrongPassword { .. }
        | NutanixError::Untrusted { .. }
        | NutanixError::Throttled { .. }
        | NutanixError::TaskFailed { .. }
        | NutanixError::NoAction { .. }
        | NutanixError::Unsupported { .. }
        | NutanixError::Api { .. }
        | NutanixError::Unreadable { .. } => false,
    }
}

/// Whether a VM runs, as far as its guest can be expected to answer.
pub(crate) fn runs(vm: &Vm) -> bool {
    match vm.power {
        Power::On => true,
        Power::Off | Power::Unknown => false,
    }
}
