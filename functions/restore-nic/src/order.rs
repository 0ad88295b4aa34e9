//! The order of a VM's NICs, by which an operating system may name its adapters.
//!
//! A NIC that is created comes last (nothing public says how else AHV would order them). So where one is created anew, those that were captured
//! behind it follow it, one after the other, each with its own MAC address and addresses. That this is to be done is noted of all of them before
//! the first one is deleted, so that a start that dies leaves it to the next one.

use std::net::Ipv4Addr;

use holdfast_model::{ExtId, Fault, FaultName};
use holdfast_nutanix::{Nic, Vm};

use crate::journal::{Note, Notes};
use crate::pair::{Pair, Step};
use crate::repair::{Repair, Stop};

/// The NICs around one that is brought to its address, in the order of the capture.
pub(crate) struct Row<'a, 'b> {
    /// Those before it, which are right already.
    pub(crate) before: Vec<ExtId>,
    /// Those behind it, of which nothing was changed yet.
    pub(crate) behind: &'a mut [Pair<'b>],
}

impl Row<'_, '_> {
    /// NICs that a new one has to be put in front of, where a platform lets one choose.
    pub(crate) fn behind_ids(&self) -> Vec<ExtId> {
        self.behind.iter().filter_map(|pair| pair.nic.as_ref().map(|nic| nic.id.clone())).collect()
    }
}

/// The step to take for a NIC that stands in front of one that was captured before it: what would leave it there becomes its creation anew.
pub(crate) fn in_row(step: Step, misplaced: bool) -> Step {
    match step {
        Step::Right | Step::Migrate | Step::Assign { .. } | Step::Secondary if misplaced => Step::Recreate,
        step => step,
    }
}

impl<J: Notes> Repair<'_, J> {
    /// Whether a NIC that is noted to follow others stands in front of one of them.
    pub(crate) async fn is_misplaced(
        &self,
        nic: Option<&Nic>,
        note: Option<&Note>,
        row: &Row<'_, '_>,
    ) -> Result<bool, Stop> {
        let (Some(nic), Some(Note::Recreate { nic: noted, .. })) = (nic, note) else { return Ok(false) };
        if row.before.is_empty() || nic.id != *noted {
            return Ok(false);
        }
        let vm = self.shared.prism.vm(self.vm).await?.vm;
        let own = position(&vm, &nic.id);
        Ok(row.before.iter().any(|before| position(&vm, before) > own))
    }

    /// Notes that the NICs behind one that is about to be deleted are created anew after it, with the full form of each. Those of which something
    /// else is noted are left out.
    ///
    /// # Errors
    /// That one of them cannot be created anew; nothing was deleted then.
    pub(crate) async fn note_those_behind(&mut self, row: &mut Row<'_, '_>) -> Result<(), Stop> {
        for pair in row.behind.iter_mut().filter(|pair| pair.note.is_none()) {
            let Some(nic) = &pair.nic else { continue };
            let mac = pair.goal.mac.clone().filter(|_| self.refused(pair).mac.is_none());
            let note = self.recreation(pair, nic, mac.as_ref().or(nic.mac.as_ref())).ok_or_else(|| {
                Stop::Failed(Fault::new(
                    FaultName::RestoreIncomplete,
                    format!("{nic} shows no MAC address or no subnet, so it cannot follow a NIC before it that has to be created anew"),
                ))
            })?;
            self.write(pair.record.device_index, &note).await?;
            pair.note = Some(note);
        }
        Ok(())
    }

    /// NICs of one VM that were not where they were captured may stand otherwise now.
    pub(crate) async fn tell_of_order(
        &mut self,
        seen: &Vm,
        before: &[ExtId],
        now: &[(Ipv4Addr, ExtId)],
    ) -> Result<(), Stop> {
        if now.len() < 2 || now.iter().map(|(_, nic)| nic).eq(before) {
            return Ok(());
        }
        // Of one that was missing it is not known where it stood: then the captured order counts.
        let mut were: Vec<usize> = (0..now.len()).collect();
        if before.len() == now.len() {
            were.sort_by_key(|n| before.get(*n).and_then(|nic| position(seen, nic)));
        }
        let vm = self.shared.prism.vm(self.vm).await?.vm;
        let mut are: Vec<usize> = (0..now.len()).collect();
        are.sort_by_key(|n| now.get(*n).and_then(|(_, nic)| position(&vm, nic)));
        if are != were {
            let order = are.iter().filter_map(|n| now.get(*n)).map(|(address, _)| address.to_string());
            let order = order.collect::<Vec<_>>().join(", ");
            self.done.push(format!(
                "its NICs stand in another order now: {order}; an operating system that names adapters by their slots may take them for others"
            ));
        }
        Ok(())
    }
}

fn position(vm: &Vm, nic: &ExtId) -> Option<usize> {
    vm.nics.iter().position(|n| n.id == *nic)
}
