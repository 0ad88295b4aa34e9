//! Makes a guest use the address that its NIC was given, and believes only what was seen.

use std::net::Ipv4Addr;
use std::time::Duration;

use holdfast_model::{Fault, FaultName, GuestRefresh};
use holdfast_nutanix::{Nic, NutanixError, Vm};

use crate::journal::{Note, Notes};
use crate::repair::{Repair, Stop, runs};

/// How long a NIC that nothing was done to may take to show what its guest uses, before the guest is bothered.
const GRACE: Duration = Duration::from_secs(3);

/// A NIC that is right, and what its guest has to use.
pub(crate) struct Due {
    pub(crate) device: u32,
    pub(crate) address: Ipv4Addr,
    /// Secondary addresses that its guest used when it was captured, or may have used.
    pub(crate) secondary: Vec<Ipv4Addr>,
    pub(crate) nic: Nic,
    /// Whether there is a note on it.
    pub(crate) noted: bool,
    /// Whether its address was changed just now, so that the guest keeps an old lease.
    pub(crate) changed: bool,
}

/// Waits until the guest uses every address; bounces links or reboots where it does not.
///
/// # Guarantees
/// A link that Holdfast took down is brought up again, also after a crash. A guest that uses its addresses is left alone; a VM that is off is not
/// powered on.
///
/// # Errors
/// `GuestSilent` with what the guest uses instead.
pub(crate) async fn refresh<J: Notes>(repair: &mut Repair<'_, J>, mut due: Vec<Due>) -> Result<(), Stop> {
    let vm = read(repair).await?;
    if !runs(&vm) {
        for nic in &due {
            clear(repair, nic).await?;
        }
        repair.done.push("it is not powered on, so its guest takes the address at its next start".to_owned());
        return Ok(());
    }
    let untouched: Vec<&Due> = due.iter().filter(|nic| !nic.changed).collect();
    let timeout = Duration::from_secs(u64::from(repair.shared.policy.guest_timeout_seconds));
    let after_grace = wait(repair, &untouched, GRACE.min(timeout), uses).await?;
    if due.iter().any(|nic| nic.changed || !uses(&after_grace, nic)) {
        repair.in_time()?;
        if due.iter().all(|nic| !nic.changed && !nic.noted) {
            repair.refuse_running(&vm)?;
        }
        match repair.shared.policy.guest_refresh {
            GuestRefresh::LinkBounce => {
                for nic in due.iter_mut().filter(|nic| nic.changed || !uses(&after_grace, nic)) {
                    bounce(repair, nic).await?;
                }
            }
            GuestRefresh::Reboot => {
                repair.shared.prism.reboot(repair.vm, &repair.shared.limits.wait).await?;
                repair.done.push("rebooted, so that its guest takes the address".to_owned());
            }
        }
    }
    let all: Vec<&Due> = due.iter().collect();
    let allowed = repair.shared.limits.wait.left();
    let seen = wait(repair, &all, timeout, uses_all).await?;
    let silent: Vec<&Due> = due.iter().filter(|nic| !uses_all(&seen, nic)).collect();
    if silent.is_empty() {
        for nic in &due {
            clear(repair, nic).await?;
        }
        return Ok(());
    }
    if allowed < timeout {
        return Err(Stop::OutOfTime);
    }
    if let Some(nic) = silent.iter().find(|nic| seen.nic(&nic.nic.id).is_some_and(|now| !now.connected)) {
        return Err(left_down(repair, nic, FaultName::RestoreIncomplete, "it does not come up"));
    }
    let texts: Vec<String> = silent.iter().map(|nic| instead(&seen, nic)).collect();
    let seconds = timeout.as_secs();
    let message = format!(
        "Prism Central gives the right address, but after {seconds} s {}; look into the guest: DHCP must be on, and secondary addresses be set up, as DHCP gives none",
        texts.join("; ")
    );
    Err(Stop::Failed(Fault::new(FaultName::GuestSilent, message)))
}

async fn read<J: Notes>(repair: &Repair<'_, J>) -> Result<Vm, Stop> {
    Ok(repair.shared.prism.vm(repair.vm).await?.vm)
}

fn uses(vm: &Vm, due: &Due) -> bool {
    vm.nic(&due.nic.id).is_some_and(|nic| nic.learned.contains(&due.address))
}

/// Secondary addresses included.
fn uses_all(vm: &Vm, due: &Due) -> bool {
    uses(vm, due) && unused(vm, due).is_empty()
}

fn unused(vm: &Vm, due: &Due) -> Vec<Ipv4Addr> {
    let learned = vm.nic(&due.nic.id).map_or(&[][..], |nic| nic.learned.as_slice());
    due.secondary.iter().copied().filter(|address| !learned.contains(address)).collect()
}

fn instead(vm: &Vm, due: &Due) -> String {
    let learned = vm.nic(&due.nic.id).map_or(&[][..], |nic| nic.learned.as_slice());
    if learned.contains(&due.address) {
        let unused: Vec<String> = unused(vm, due).iter().map(ToString::to_string).collect();
        return format!("the guest was not seen to use {} on the NIC of {}", unused.join(", "), due.address);
    }
    let seen: Vec<String> = learned.iter().map(ToString::to_string).collect();
    if seen.is_empty() {
        format!("no address of the guest was seen on the NIC of {}", due.address)
    } else {
        format!("the guest uses {} on the NIC of {}", seen.join(", "), due.address)
    }
}

/// Reads the VM until the guest does with all of these what is wanted, or the time is over.
async fn wait<J: Notes>(
    repair: &Repair<'_, J>,
    due: &[&Due],
    length: Duration,
    wanted: impl Fn(&Vm, &Due) -> bool,
) -> Result<Vm, Stop> {
    let limit = repair.shared.limits.wait.within(length);
    let mut backoff = repair.shared.prism.backoff();
    loop {
        let vm = read(repair).await?;
        if due.iter().all(|nic| wanted(&vm, nic)) || !backoff.pause(&limit).await {
            return Ok(vm);
        }
    }
}

async fn bounce<J: Notes>(repair: &mut Repair<'_, J>, due: &mut Due) -> Result<(), Stop> {
    let shared = repair.shared;
    let mac = repair.refusals.get(&due.device).cloned();
    let note = Note::Bounce { vm: repair.vm.clone(), nic: due.nic.id.clone(), mac };
    repair.write(due.device, &note).await?;
    due.noted = true;
    let down = shared.prism.set_link(repair.vm, &due.nic.id, false, &shared.limits.wait).await;
    // Whatever came of it, the link has to be up in the end.
    let was_down = connect(repair, due).await?;
    if down? && !was_down {
        let message = format!(
            "Prism Central answered that the link of {} of VM `{}` went down, and it stayed up, so that its guest may go on with an old lease; start again",
            due.nic, repair.vm
        );
        return Err(Stop::Failed(Fault::new(FaultName::RestoreIncomplete, message)));
    }
    repair.done.push(format!("link of {} bounced, so that its guest takes {}", due.nic, due.address));
    Ok(())
}

async fn connect<J: Notes>(repair: &Repair<'_, J>, due: &Due) -> Result<bool, Stop> {
    let shared = repair.shared;
    let left = |error: NutanixError| {
        let name = error.fault_name().unwrap_or(FaultName::RestoreIncomplete);
        left_down(repair, due, name, &error.to_string())
    };
    shared.prism.set_link(repair.vm, &due.nic.id, true, &shared.limits.wait).await.map_err(left)
}

fn left_down<J>(repair: &Repair<'_, J>, due: &Due, name: FaultName, why: &str) -> Stop {
    let text = format!(
        "{} of VM `{}` may be left disconnected: {why}; start again, or connect it in Prism Central",
        due.nic, repair.vm
    );
    Stop::Failed(Fault::new(name, text))
}

async fn clear<J: Notes>(repair: &Repair<'_, J>, due: &Due) -> Result<(), Stop> {
    if due.noted {
        repair.shared.notes.clear(&repair.key(due.device)).await?;
    }
    Ok(())
}
