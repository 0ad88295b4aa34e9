//! Which NIC of the VM stands for which captured one, and what is to be done to it next.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use holdfast_model::{ExtId, NicRecord};
use holdfast_nutanix::Nic;

use crate::journal::Note;

/// A captured NIC with the one that stands for it; none for one that was deleted and not yet created again.
#[derive(Debug, Clone)]
pub(crate) struct Pair<'a> {
    pub(crate) record: &'a NicRecord,
    pub(crate) subnet: ExtId,
    pub(crate) note: Option<Note>,
    pub(crate) nic: Option<Nic>,
}

/// Pairs captured NICs with those of the VM.
///
/// In this order: by a note of an earlier start, by the recorded address in the right subnet, by MAC address, and what is left in order.
///
/// # Errors
/// What does not fit, in words, when their numbers differ.
pub(crate) fn pair<'a>(
    records: &'a [NicRecord],
    subnets: &BTreeMap<u32, ExtId>,
    notes: &BTreeMap<u32, Note>,
    nics: &[Nic],
) -> Result<Vec<Pair<'a>>, String> {
    let mut free: Vec<&Nic> = nics.iter().collect();
    let mut take =
        |wanted: &dyn Fn(&Nic) -> bool| free.iter().position(|nic| wanted(nic)).map(|at| free.remove(at).clone());
    let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(records.len());
    for record in records {
        let subnet = subnets.get(&record.device_index).ok_or("a captured NIC has no subnet to go to")?.clone();
        pairs.push(Pair { record, subnet, note: notes.get(&record.device_index).cloned(), nic: None });
    }
    for pair in &mut pairs {
        pair.nic = match &pair.note {
            Some(Note::Recreate { nic, after, .. }) => {
                take(&|n| n.id == *nic).or_else(|| take(&|n| n.mac.as_ref() == Some(&after.mac)))
            }
            Some(Note::Bounce { nic, .. }) => take(&|n| n.id == *nic),
            None => None,
        };
    }
    for pair in pairs.iter_mut().filter(|pair| pair.nic.is_none()) {
        let (subnet, address) = (&pair.subnet, pair.record.primary);
        pair.nic = take(&|nic| nic.subnet.as_ref() == Some(subnet) && nic.primary() == Some(address));
    }
    for pair in pairs.iter_mut().filter(|pair| pair.nic.is_none()) {
        pair.nic = take(&|nic| nic.mac.as_ref() == Some(&pair.record.mac));
    }
    // One that was deleted by us and is not there is created; it takes none of the others.
    let missing = |pair: &Pair<'_>| pair.nic.is_none() && !matches!(pair.note, Some(Note::Recreate { .. }));
    for pair in pairs.iter_mut().filter(|pair| missing(pair)) {
        pair.nic = take(&|_| true);
    }
    let without: Vec<String> = pairs.iter().filter(|p| missing(p)).map(|p| p.record.primary.to_string()).collect();
    if free.is_empty() && without.is_empty() {
        return Ok(pairs);
    }
    let extra: Vec<String> = free.iter().map(ToString::to_string).collect();
    let mut why = format!("the VM has {} NICs, {} were captured", nics.len(), records.len());
    if !extra.is_empty() {
        why.push_str(&format!("; not expected: {}", extra.join(", ")));
    }
    if !without.is_empty() {
        why.push_str(&format!("; none for {}", without.join(", ")));
    }
    Err(why)
}

/// What Prism Central has refused for this NIC so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refused {
    pub(crate) migrate: Option<String>,
    pub(crate) assign: Option<String>,
}

/// What is to be done to a NIC next: the least invasive that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: address and subnet are right.
    Right,
    /// To the other subnet, with the address; the NIC stays the same.
    Migrate,
    /// Another address in the same subnet, releasing the old one first where there is one.
    Assign {
        /// Whether there is an address to release.
        release: bool,
    },
    /// Delete and create, as nothing less was accepted.
    Recreate,
    /// Create: it was deleted and not yet created again.
    Create,
}

/// Decides the next step for one NIC. Pure.
pub(crate) fn next(nic: Option<&Nic>, subnet: &ExtId, address: Ipv4Addr, refused: &Refused) -> Step {
    let Some(nic) = nic else { return Step::Create };
    if nic.subnet.as_ref() != Some(subnet) {
        return if refused.migrate.is_none() { Step::Migrate } else { Step::Recreate };
    }
    match nic.primary() {
        Some(primary) if primary == address => Step::Right,
        _ if refused.assign.is_some() => Step::Recreate,
        primary => Step::Assign { release: primary.is_some() },
    }
}
