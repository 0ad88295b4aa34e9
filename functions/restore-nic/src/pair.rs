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
        pair.nic = take(&|nic| nic.mac.is_some() && nic.mac == pair.record.mac);
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const APP: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    const LANDING: &str = "aaaaaaaa-0000-4000-8000-000000000002";

    fn id(digit: u32) -> ExtId {
        ExtId::parse(format!("33333333-0000-4000-8000-00000000000{digit}")).unwrap()
    }

    fn nic(digit: u32, subnet: &str, address: Option<&str>) -> Nic {
        let address = address.map(|a| json!({"value": a}));
        Nic::parse(&json!({"extId": id(digit), "backingInfo": {"macAddress": format!("50:6b:8d:00:00:0{digit}")},
            "networkInfo": {"subnet": {"extId": subnet}, "ipv4Config": {"ipAddress": address}}}))
        .unwrap()
    }

    fn record(device: u32, address: &str) -> NicRecord {
        serde_json::from_value(json!({"device_index": device, "eni": "eni-0a1b2c3d4e", "mac": format!("0a:00:00:00:00:0{device}"),
            "primary": address, "secondary": [], "subnet": "subnet-0a1b2c3d4e", "prefix": "172.30.1.0/24", "network": "app"}))
        .unwrap()
    }

    fn recreate(nic: &Nic) -> Note {
        let again = Box::new(nic.again(&ExtId::parse(APP).unwrap(), None).unwrap());
        Note::Recreate { vm: id(9), nic: nic.id.clone(), after: again.clone(), before: again }
    }

    fn paired(notes: &[(u32, Note)], nics: &[Nic]) -> Result<Vec<Option<ExtId>>, String> {
        let records = [record(0, "172.30.1.34"), record(1, "172.30.1.35")];
        let subnets = [0, 1].map(|device| (device, ExtId::parse(APP).unwrap())).into();
        let pairs = pair(&records, &subnets, &notes.iter().cloned().collect(), nics)?;
        Ok(pairs.into_iter().map(|pair| pair.nic.map(|nic| nic.id)).collect())
    }

    #[test]
    fn nics_are_paired_by_address_then_in_order() {
        let (first, second) = (nic(1, LANDING, Some("172.31.99.10")), nic(2, LANDING, Some("172.31.99.11")));
        assert_eq!(paired(&[], &[first.clone(), second]).unwrap(), [Some(id(1)), Some(id(2))]);
        let right = nic(2, APP, Some("172.30.1.34"));
        assert_eq!(paired(&[], &[first.clone(), right]).unwrap(), [Some(id(2)), Some(id(1))]);
        let elsewhere = nic(2, LANDING, Some("172.30.1.34"));
        assert_eq!(paired(&[], &[first, elsewhere]).unwrap(), [Some(id(1)), Some(id(2))]);
    }

    #[test]
    fn a_nic_that_was_deleted_by_us_is_missing_and_takes_none_of_the_others() {
        let (first, second) = (nic(1, LANDING, None), nic(2, LANDING, None));
        assert_eq!(paired(&[(0, recreate(&first))], std::slice::from_ref(&second)).unwrap(), [None, Some(id(2))]);
        // Created again it has another id and the same MAC address.
        let mut again = nic(1, APP, None);
        again.id = id(5);
        assert_eq!(paired(&[(0, recreate(&first))], &[second, again]).unwrap(), [Some(id(5)), Some(id(2))]);
    }

    #[test]
    fn another_number_of_nics_is_told_with_what_is_too_much_or_missing() {
        let one = nic(1, APP, Some("172.30.1.34"));
        let why = paired(&[], std::slice::from_ref(&one)).unwrap_err();
        assert_eq!(why, "the VM has 1 NICs, 2 were captured; none for 172.30.1.35");
        let why = paired(&[], &[one, nic(2, APP, None), nic(3, LANDING, Some("172.31.99.9"))]).unwrap_err();
        assert!(
            why.contains(
                "not expected: NIC `33333333-0000-4000-8000-000000000003` (50:6b:8d:00:00:03) with 172.31.99.9"
            ),
            "{why}"
        );
    }

    #[test]
    fn the_least_invasive_step_that_was_not_refused_is_next() {
        let (app, address) = (ExtId::parse(APP).unwrap(), "172.30.1.34".parse().unwrap());
        let no = Refused::default();
        let migrate = Refused { migrate: Some("no".into()), assign: None };
        let assign = Refused { migrate: None, assign: Some("no".into()) };
        for (nic, refused, step) in [
            (Some(nic(1, APP, Some("172.30.1.34"))), &assign, Step::Right),
            (Some(nic(1, APP, Some("172.30.1.100"))), &no, Step::Assign { release: true }),
            (Some(nic(1, APP, None)), &no, Step::Assign { release: false }),
            (Some(nic(1, APP, None)), &assign, Step::Recreate),
            (Some(nic(1, LANDING, Some("172.30.1.34"))), &no, Step::Migrate),
            (Some(nic(1, LANDING, None)), &migrate, Step::Recreate),
            (None, &no, Step::Create),
        ] {
            assert_eq!(next(nic.as_ref(), &app, address, refused), step);
        }
    }
}
