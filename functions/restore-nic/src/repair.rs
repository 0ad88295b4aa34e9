//! One host: every NIC gets its recorded address, and the guest is made to use it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast_model::{
    ExtId, Fault, FaultName, HostRecord, Macs, NetworkName, NicMapping, Policy, Power, Wave, WaveName,
};
use holdfast_nutanix::{Nic, NutanixError, Prism, TimeLimit, Vm};
use holdfast_store::RestoreKey;

use crate::fault_of;
use crate::fit::{Holder, Target};
use crate::guest::{self, Due};
use crate::journal::{MacRefusal, Note, Notes};
use crate::order::Row;
use crate::pair::{Goal, Pair, Refused, Step, next, pair};

/// How long the address of a NIC may take to show when nothing of it is known.
const ADDRESS: Duration = Duration::from_secs(2);

/// How long a NIC may take to show whose creation may be under way.
const CREATION: Duration = Duration::from_secs(6);

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
    pub(crate) declared: &'a Wave,
    pub(crate) targets: &'a BTreeMap<NetworkName, Result<Target, Fault>>,
    pub(crate) policy: &'a Policy,
    pub(crate) notes: &'a J,
    pub(crate) limits: Limits,
    /// VMs that gave up an address for another one of the wave, with that address.
    pub(crate) parked: &'a BTreeMap<ExtId, Ipv4Addr>,
}

/// An address that another VM has.
#[derive(Debug, Clone)]
pub(crate) struct HeldBy {
    pub(crate) holder: ExtId,
    pub(crate) address: Ipv4Addr,
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
    /// What Prism Central does not do for the host, though its addresses are right.
    pub(crate) lacking: Vec<String>,
    /// MAC addresses that Prism Central did not take, by NIC.
    pub(crate) refusals: BTreeMap<u32, MacRefusal>,
    /// NICs whose note says no more than that.
    remembered: BTreeSet<u32>,
    /// NICs that are being changed and stay what they are, so that no note is needed to give them back.
    pub(crate) begun: BTreeSet<u32>,
}

impl<'a, J> Repair<'a, J> {
    pub(crate) fn new(shared: &'a Shared<'a, J>, host: &'a HostRecord, vm: &'a ExtId) -> Self {
        let (done, lacking, refusals) = (Vec::new(), Vec::new(), BTreeMap::new());
        let (remembered, begun) = (BTreeSet::new(), BTreeSet::new());
        Self { shared, host, vm, done, lacking, refusals, remembered, begun }
    }

    /// Where the note on one NIC is kept.
    pub(crate) fn key(&self, device: u32) -> RestoreKey {
        RestoreKey { wave: self.shared.wave.clone(), host: self.host.name.clone(), vm: self.vm.clone(), nic: device }
    }
}

impl<'a, J: Notes> Repair<'a, J> {
    /// Brings all NICs of the host and its guest to the recorded addresses.
    ///
    /// # Guarantees
    /// Nothing is changed unless every NIC has a place to go to. A NIC that is right and whose guest uses its address is not touched, unless it stands
    /// behind one that is created anew: see [`crate::order`].
    pub(crate) async fn run(&mut self, notes: BTreeMap<u32, Note>) -> Result<(), Stop> {
        let notes = self.remember(notes);
        let (seen, pairs) = match self.prepare(&notes).await {
            Ok(prepared) => prepared,
            Err(Stop::Failed(fault)) => return Err(Stop::Failed(self.with_what_notes_leave(fault, &notes))),
            Err(other) => return Err(other),
        };
        let right = |pair: &Pair<'_>| {
            let step = next(pair.nic.as_ref(), pair.old.as_ref(), &pair.goal, &self.refused(pair));
            pair.note.is_some() || matches!(step, Step::Right)
        };
        if !pairs.iter().all(right) {
            self.refuse_running(&seen)?;
        }
        let were: Vec<_> = pairs.iter().filter_map(|pair| pair.nic.as_ref().map(|nic| nic.id.clone())).collect();
        let mut refreshed = Vec::with_capacity(pairs.len());
        let mut behind = VecDeque::from(pairs);
        while let Some(pair) = behind.pop_front() {
            let mut note = pair.note.clone();
            let before: Vec<_> = refreshed.iter().map(|due: &Due| due.nic.id.clone()).collect();
            match self.bring(&pair, &mut note, &mut Row { before, behind: behind.make_contiguous() }).await {
                Ok(due) => refreshed.push(due),
                Err(Stop::Failed(fault)) => {
                    return Err(Stop::Failed(self.with_what_is_left(fault, &pair, note.as_ref())));
                }
                Err(other) => return Err(other),
            }
        }
        let now: Vec<_> = refreshed.iter().map(|due: &Due| (due.address, due.nic.id.clone())).collect();
        self.tell_of_order(&seen, &were, &now).await?;
        guest::refresh(self, refreshed).await?;
        self.keep_refusals().await?;
        if self.lacking.is_empty() {
            return Ok(());
        }
        Err(Stop::Failed(Fault::new(FaultName::RestoreIncomplete, self.lacking.join("; "))))
    }

    /// The VM, and which of its NICs stands for which captured one; links that an earlier start took down are up again.
    async fn prepare(&mut self, notes: &BTreeMap<u32, Note>) -> Result<(Vm, Vec<Pair<'a>>), Stop> {
        let seen = self.settled(notes).await?;
        let goals = self.goals()?;
        let none = NicMapping::default();
        let mapping = self.shared.declared.nics.get(&self.host.name).unwrap_or(&none);
        let mut pairs =
            pair(&self.host.nics, &goals, notes, &seen.nics, mapping).map_err(|why| self.unexpected(&why))?;
        for pair in &mut pairs {
            self.reconnect(pair).await?;
        }
        for pair in &pairs {
            self.refuse_disconnected(pair, &seen)?;
        }
        for pair in &pairs {
            self.refuse_held(pair, &seen.nics).await?;
        }
        Ok((seen, pairs))
    }

    /// Takes out of the notes what was learned of MAC addresses; the others tell of something under way.
    fn remember(&mut self, notes: BTreeMap<u32, Note>) -> BTreeMap<u32, Note> {
        let mut under_way = BTreeMap::new();
        for (device, note) in notes {
            match &note {
                Note::MacRefused(refusal) => {
                    self.refusals.insert(device, refusal.clone());
                    self.remembered.insert(device);
                    continue;
                }
                Note::Bounce { mac, .. } => self.refusals.extend(mac.clone().map(|refusal| (device, refusal))),
                Note::Recreate { .. } | Note::Parked { .. } => {}
            }
            under_way.insert(device, note);
        }
        under_way
    }

    /// What is known to be refused for a NIC before it is touched: its MAC address, if that is still the one that is wanted.
    pub(crate) fn refused(&self, pair: &Pair<'_>) -> Refused {
        let known = self.refusals.get(&pair.record.device_index);
        let known = known.filter(|refusal| Some(&refusal.mac) == pair.goal.mac.as_ref());
        Refused { mac: known.map(|refusal| refusal.why.clone()), ..Refused::default() }
    }

    /// Writes a NIC's note, in place of what was remembered of it.
    pub(crate) async fn write(&mut self, device: u32, note: &Note) -> Result<(), Fault> {
        self.shared.notes.write(&self.key(device), note).await?;
        self.remembered.remove(&device);
        Ok(())
    }

    /// Keeps what was learned of MAC addresses for the next start, and forgets what does not count any more.
    async fn keep_refusals(&mut self) -> Result<(), Stop> {
        for device in self.host.nics.iter().map(|nic| nic.device_index) {
            match (self.refusals.get(&device), self.remembered.contains(&device)) {
                (Some(refusal), false) => {
                    let note = Note::MacRefused(refusal.clone());
                    self.write(device, &note).await?;
                    self.remembered.insert(device);
                }
                (None, true) => {
                    self.shared.notes.clear(&self.key(device)).await?;
                    self.remembered.remove(&device);
                }
                (Some(_), true) | (None, false) => {}
            }
        }
        Ok(())
    }

    /// The NIC with just this address that is to get another one, by device index in the capture; none where the address cannot be taken from it
    /// without more.
    pub(crate) fn gives_up(&self, seen: &Vm, address: Ipv4Addr) -> Result<Option<(u32, ExtId)>, Stop> {
        let mapping = self.shared.declared.nics.get(&self.host.name).cloned().unwrap_or_default();
        let goals = self.goals()?;
        let Ok(pairs) = pair(&self.host.nics, &goals, &BTreeMap::new(), &seen.nics, &mapping) else { return Ok(None) };
        let gives = |pair: &Pair<'_>| {
            let nic = pair.nic.as_ref().filter(|nic| nic.primary() == Some(address) && nic.configured.len() == 1)?;
            // One that gets another MAC address is deleted: that frees its address too late.
            let stays = pair.goal.mac.is_none() || pair.goal.mac == nic.mac;
            (stays && pair.goal.address != address).then(|| (pair.record.device_index, nic.id.clone()))
        };
        Ok(pairs.iter().find_map(gives))
    }

    /// The VM's NICs are not those that were captured.
    fn unexpected(&self, why: &str) -> Fault {
        let place = format!("waves.{}.nics.{}", self.shared.wave, self.host.name);
        let mend = "`leave_out` lists captured NICs (device index) that the VM is to do without, `ignore` MAC addresses of NICs of the VM that stay as they are, \
            `to` says which captured NIC becomes which (device index: MAC address)";
        let message =
            format!("VM `{}`: {why}; write in the network map under `{place}` what is right: {mend}", self.vm);
        Fault::new(FaultName::NicUnexpected, message)
    }

    /// The VM, read until nothing of an earlier change is still to come or the time for that is over: an address shows some reads after it was
    /// given, and the creation of a NIC whose start died may still be under way (about three seconds on hardware).
    async fn settled(&self, notes: &BTreeMap<u32, Note>) -> Result<Vm, Stop> {
        let created = notes.values().any(|note| matches!(note, Note::Recreate { .. }));
        let limit = self.shared.limits.wait.within(if created { CREATION } else { ADDRESS });
        let mut backoff = self.shared.prism.backoff();
        loop {
            let vm = self.shared.prism.vm(self.vm).await?.vm;
            let missing = created && vm.nics.len() < self.host.nics.len();
            let bare = notes.is_empty() && vm.nics.iter().any(|nic| nic.primary().is_none());
            if !(missing || bare) || !backoff.pause(&limit).await {
                return Ok(vm);
            }
        }
    }

    pub(crate) fn target(&self, network: &NetworkName) -> Result<&Target, Stop> {
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

    fn goals(&self) -> Result<BTreeMap<u32, Goal>, Stop> {
        let goal = |nic: &holdfast_model::NicRecord| {
            let subnet = &self.target(&nic.network)?.subnet;
            if let Some(outside) = nic.secondary.iter().find(|a| subnet.prefix.is_some_and(|p| !p.holds(**a))) {
                let message = format!(
                    "{outside}, a secondary address of the NIC of {}, is not of subnet `{}`, on which a NIC cannot have it; declare networks as wide as the subnets of EC2",
                    nic.primary, subnet.name
                );
                return Err(Stop::Failed(Fault::new(FaultName::SubnetUnfit, message)));
            }
            let mac = match self.shared.declared.mac_addresses {
                Macs::AsMoved => None,
                Macs::AsCaptured => Some(nic.mac.clone().ok_or_else(|| self.no_mac(nic.primary))?),
            };
            let (subnet, secondary) = (subnet.id.clone(), nic.secondary.clone());
            Ok((nic.device_index, Goal { subnet, address: nic.primary, secondary, mac }))
        };
        self.host.nics.iter().map(goal).collect()
    }

    fn no_mac(&self, address: Ipv4Addr) -> Stop {
        let message = format!(
            "the MAC address of the NIC of {address} was not captured; capture `{}` while it is in EC2, or leave `mac_addresses` of the wave out of the network map",
            self.host.name
        );
        Stop::Failed(Fault::new(FaultName::NotCaptured, message))
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
        // One that is parked stays down until it has its own address: its guest would go on with one that another VM has by now.
        let bounced = matches!(pair.note, Some(Note::Bounce { .. }));
        if let Some(nic) = pair.nic.as_mut().filter(|nic| !nic.connected && bounced) {
            self.shared.prism.set_link(self.vm, &nic.id, true, &self.shared.limits.wait).await?;
            nic.connected = true;
            self.done.push(format!("{nic} connected again"));
        }
        Ok(())
    }

    /// Addresses and MAC addresses that somebody else has.
    async fn refuse_held(&self, pair: &Pair<'_>, nics: &[Nic]) -> Result<(), Stop> {
        let own = pair.nic.as_ref();
        let others =
            || nics.iter().filter(|n| own.is_none_or(|own| own.id != n.id) && pair.old.as_ref() != Some(&n.id));
        let target = self.target(&pair.record.network)?;
        let held = |what: &str, text: String| Fault::new(FaultName::AddressHeld, format!("{what} is not free: {text}"));
        for address in pair.goal.addresses() {
            let there = |nic: &Nic| nic.subnet.as_ref() == Some(&pair.goal.subnet) && nic.configured.contains(&address);
            if own.is_some_and(there) {
                continue;
            }
            let what = address.to_string();
            if let Some(other) = others().find(|nic| nic.configured.contains(&address)) {
                return Err(Stop::Failed(held(&what, format!("{other} of the same VM has it"))));
            }
            match target.holder(address, self.vm, self.shared.parked) {
                None => {}
                Some(Holder::Other(text)) => return Err(Stop::Failed(held(&what, text))),
                Some(Holder::Vm(vm)) => {
                    let read = self.shared.prism.vm(&vm).await;
                    let name = read.map_or_else(|_| String::new(), |read| format!("`{}` ", read.vm.name));
                    let fault = held(&what, format!("VM {name}(`{vm}`) holds it"));
                    return Err(Stop::HeldBy(HeldBy { holder: vm, address, fault }));
                }
            }
        }
        let Some(mac) = pair.goal.mac.as_ref().filter(|mac| own.is_none_or(|own| own.mac.as_ref() != Some(mac))) else {
            return Ok(());
        };
        let what = format!("MAC address {mac} of EC2");
        if let Some(other) = others().find(|nic| nic.mac.as_ref() == Some(mac)) {
            return Err(Stop::Failed(held(&what, format!("{other} of the same VM has it"))));
        }
        let has = |vnic: &&holdfast_nutanix::Vnic| vnic.mac.as_ref() == Some(mac) && vnic.vm.as_ref() != Some(self.vm);
        match target.vnics.iter().find(has) {
            None => Ok(()),
            Some(vnic) => {
                let who = vnic.vm.as_ref().map_or_else(|| "a NIC of no VM".to_owned(), |vm| format!("VM `{vm}`"));
                let text = format!(
                    "{who} has it on subnet `{}`; remove that NIC, or leave `mac_addresses` of the wave out",
                    target.subnet.name
                );
                Err(Stop::Failed(held(&what, text)))
            }
        }
    }

    pub(crate) fn in_time(&self) -> Result<(), Stop> {
        if self.shared.limits.begin.is_over() { Err(Stop::OutOfTime) } else { Ok(()) }
    }
}

/// Whether an error leaves the outcome open, so that looking again tells.
pub(crate) fn passing(error: &NutanixError) -> bool {
    match error {
        NutanixError::Unreachable { .. }
        | NutanixError::Unreadable { .. }
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
        | NutanixError::Api { .. } => false,
    }
}

/// Whether a VM runs, as far as its guest can be expected to answer.
pub(crate) fn runs(vm: &Vm) -> bool {
    match vm.power {
        Power::On => true,
        Power::Off | Power::Unknown => false,
    }
}
