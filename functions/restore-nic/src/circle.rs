//! VMs of a wave that wait for each other's addresses: one of them gives its own up first.
//!
//! Its link goes down before its address is released, and comes up when it has the address that it waits for, so that no address is in use
//! twice. Where the others do not come right, it gets its old address and its link back.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use holdfast_model::{ExtId, Fault, HostRecord};
use holdfast_nutanix::NutanixError;

use crate::journal::{Note, Notes};
use crate::repair::{HeldBy, Repair, Shared, Stop};

/// One VM that waits for an address that another one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) waiter: ExtId,
    pub(crate) holder: ExtId,
    pub(crate) address: Ipv4Addr,
}

/// VMs of which each waits for the next one, the last one for the first; empty where nobody waits in a circle.
pub(crate) fn circle(waits: &[Wait]) -> Vec<Wait> {
    let of = |vm: &ExtId| waits.iter().find(|wait| wait.waiter == *vm);
    for first in waits {
        let mut walked: Vec<Wait> = Vec::new();
        let mut next = Some(first);
        while let Some(wait) = next {
            if let Some(at) = walked.iter().position(|known| known.waiter == wait.waiter) {
                return walked.split_off(at);
            }
            walked.push(wait.clone());
            next = of(&wait.holder);
        }
    }
    Vec::new()
}

/// Addresses that VMs gave up, by their notes.
pub(crate) fn parked<'a>(notes: impl Iterator<Item = &'a Note>) -> BTreeMap<ExtId, Ipv4Addr> {
    let parked = notes.filter_map(|note| match note {
        Note::Parked { vm, address, .. } => Some((vm.clone(), *address)),
        Note::Recreate { .. } | Note::Bounce { .. } | Note::MacRefused(_) => None,
    });
    parked.collect()
}

/// Writes the note that the VM of a host is to give up an address. None: it cannot, and nothing is written.
///
/// # Errors
/// What kept it from being read or written.
pub(crate) async fn offer<J: Notes>(
    shared: &Shared<'_, J>,
    host: &HostRecord,
    vm: &ExtId,
    address: Ipv4Addr,
) -> Result<Option<(u32, Note)>, Stop> {
    let mut repair = Repair::new(shared, host, vm);
    let seen = shared.prism.vm(vm).await?.vm;
    let Some((device, nic)) = repair.gives_up(&seen, address)? else { return Ok(None) };
    if !shared.prism.changes_addresses().await? || repair.refuse_running(&seen).is_err() {
        return Ok(None);
    }
    repair.in_time()?;
    let note = Note::Parked { vm: vm.clone(), nic, address };
    repair.write(device, &note).await?;
    Ok(Some((device, note)))
}

/// Takes the link of a VM down and releases its address, by the note on it.
///
/// # Errors
/// What went wrong; it may be half-done, and [`unpark`] undoes it.
pub(crate) async fn give_up<J>(shared: &Shared<'_, J>, note: &Note) -> Result<(), NutanixError> {
    let Note::Parked { vm, nic, address } = note else { return Ok(()) };
    let wait = &shared.limits.wait;
    shared.prism.set_link(vm, nic, false, wait).await?;
    shared.prism.release_ip(vm, nic, wait).await?;
    tracing::info!("NIC `{nic}` of VM `{vm}` gives {address} up for another VM of the wave");
    Ok(())
}

/// Gives a VM that is parked its old address and its link back, where it has neither, and takes the note away. Returns what is left to do where
/// that does not work.
pub(crate) async fn unpark<J: Notes>(
    shared: &Shared<'_, J>,
    host: &HostRecord,
    vm: &ExtId,
    notes: &BTreeMap<u32, Note>,
) -> Option<String> {
    let (device, nic, address) = notes.iter().find_map(|(device, note)| match note {
        Note::Parked { nic, address, .. } => Some((*device, nic, *address)),
        Note::Recreate { .. } | Note::Bounce { .. } | Note::MacRefused(_) => None,
    })?;
    let back = async {
        let seen = shared.prism.vm(vm).await?.vm;
        let wait = &shared.limits.wait;
        if let Some(now) = seen.nic(nic)
            && now.primary().is_none()
        {
            shared.prism.assign_ip(vm, nic, address, wait).await?;
        }
        shared.prism.set_link(vm, nic, true, wait).await?;
        shared.notes.clear(&Repair::new(shared, host, vm).key(device)).await?;
        Ok::<_, Stop>(())
    };
    let why = match back.await {
        Ok(()) => return None,
        Err(Stop::Failed(fault) | Stop::HeldBy(HeldBy { fault, .. })) => fault.message,
        Err(Stop::OutOfTime) => "the time ran out".to_owned(),
    };
    Some(format!(
        "NIC `{nic}` of VM `{vm}` had {address}, and may be disconnected and without address ({why}): start again, or give it an address in Prism Central and connect it"
    ))
}

/// What a person is told of VMs that wait for each other where none of them can give its address up.
pub(crate) fn told(fault: &Fault) -> Fault {
    let mend = "VMs of this wave wait for each other's addresses: power one of them off, release its address in Prism Central, and start again";
    Fault::new(fault.name, format!("{}; {mend}", fault.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_circle_is_not_on_it() {
        let id = |digit: u32| ExtId::parse(format!("11111111-1111-4111-8111-00000000000{digit}")).unwrap();
        let address = |digit: u32| Ipv4Addr::from(digit);
        let found = |all: &[(u32, u32)]| -> Vec<(ExtId, Ipv4Addr)> {
            let wait =
                |(one, other): &(u32, u32)| Wait { waiter: id(*one), holder: id(*other), address: address(*one) };
            circle(&all.iter().map(wait).collect::<Vec<_>>()).into_iter().map(|w| (w.holder, w.address)).collect()
        };
        assert_eq!(found(&[(1, 2), (2, 3), (3, 2)]), [(id(3), address(2)), (id(2), address(3))]);
        assert_eq!(found(&[(1, 2), (2, 3)]), []);
        assert_eq!(found(&[(2, 1), (1, 2)]), [(id(1), address(2)), (id(2), address(1))]);
    }
}
