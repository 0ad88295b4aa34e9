//! Which NIC of the VM stands for which captured one, and what is to be done to it next.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use holdfast_model::{ExtId, MacAddress, NicMapping, NicRecord};
use holdfast_nutanix::Nic;

use crate::journal::Note;

/// What a captured NIC is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) subnet: ExtId,
    pub(crate) address: Ipv4Addr,
    pub(crate) secondary: Vec<Ipv4Addr>,
    /// MAC address; none: the one that it has.
    pub(crate) mac: Option<MacAddress>,
}

impl Goal {
    /// Its addresses, the primary one first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        std::iter::once(self.address).chain(self.secondary.iter().copied())
    }

    /// Whether a NIC has the subnet and one of these addresses.
    fn holds(&self, nic: &Nic) -> bool {
        nic.subnet.as_ref() == Some(&self.subnet) && self.addresses().any(|address| nic.configured.contains(&address))
    }
}

/// A captured NIC with the one that stands for it; none for one that was deleted and not yet created again.
#[derive(Debug, Clone)]
pub(crate) struct Pair<'a> {
    pub(crate) record: &'a NicRecord,
    pub(crate) goal: Goal,
    pub(crate) note: Option<Note>,
    pub(crate) nic: Option<Nic>,
    /// The NIC that `nic` was created in place of, where it is still there.
    pub(crate) old: Option<ExtId>,
}

/// The NIC that a note speaks of, and the one that it was created in place of, where that is still there.
pub(crate) fn noted(note: &Note, nics: &[Nic]) -> (Option<Nic>, Option<ExtId>) {
    let by_id = |id: &ExtId| nics.iter().find(|nic| nic.id == *id).cloned();
    match note {
        Note::Bounce { nic, .. } | Note::Parked { nic, .. } => (by_id(nic), None),
        Note::MacRefused(_) => (None, None),
        Note::Recreate { nic, after, before, .. } => {
            let with = |mac: &MacAddress| nics.iter().find(|n| n.id != *nic && n.mac.as_ref() == Some(mac)).cloned();
            match (with(&after.mac), by_id(nic)) {
                (Some(new), old) => (Some(new), old.map(|old| old.id)),
                (None, Some(old)) => (Some(old), None),
                (None, None) => (with(&before.mac), None),
            }
        }
    }
}

/// Pairs captured NICs with those of the VM.
///
/// In this order: by a note of an earlier start, by the mapping, by the recorded address in the right subnet, by MAC address, and what is left in
/// order. NICs that the mapping ignores take no part.
///
/// # Errors
/// What does not fit, in words, when their numbers differ.
pub(crate) fn pair<'a>(
    records: &'a [NicRecord],
    goals: &BTreeMap<u32, Goal>,
    notes: &BTreeMap<u32, Note>,
    nics: &[Nic],
    mapping: &NicMapping,
) -> Result<Vec<Pair<'a>>, String> {
    let ignored = |nic: &&Nic| nic.mac.as_ref().is_some_and(|mac| mapping.ignore.contains(mac));
    let ours: Vec<Nic> = nics.iter().filter(|nic| !ignored(nic)).cloned().collect();
    let mut free: Vec<&Nic> = ours.iter().collect();
    let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(records.len());
    for record in records {
        let goal = goals.get(&record.device_index).ok_or("a captured NIC has no subnet to go to")?.clone();
        let note = notes.get(&record.device_index).cloned();
        let (nic, old) = note.as_ref().map_or((None, None), |note| noted(note, &ours));
        free.retain(|n| nic.as_ref().is_none_or(|nic| nic.id != n.id) && old.as_ref() != Some(&n.id));
        pairs.push(Pair { record, goal, note, nic, old });
    }
    let mut take =
        |wanted: &dyn Fn(&Nic) -> bool| free.iter().position(|nic| wanted(nic)).map(|at| free.remove(at).clone());
    for pair in pairs.iter_mut().filter(|pair| pair.nic.is_none()) {
        let mac = mapping.to.get(&pair.record.device_index);
        pair.nic = mac.and_then(|mac| take(&|nic| nic.mac.as_ref() == Some(mac)));
    }
    for pair in pairs.iter_mut().filter(|pair| pair.nic.is_none()) {
        let goal = &pair.goal;
        pair.nic = take(&|nic| nic.subnet.as_ref() == Some(&goal.subnet) && nic.primary() == Some(goal.address));
    }
    for pair in pairs.iter_mut().filter(|pair| pair.nic.is_none()) {
        pair.nic = take(&|nic| nic.mac.is_some() && nic.mac == pair.record.mac);
    }
    // One that was deleted by us and is not there is created; it takes none of the others.
    let missing = |pair: &Pair<'_>| pair.nic.is_none() && !matches!(pair.note, Some(Note::Recreate { .. }));
    for pair in pairs.iter_mut().filter(|pair| missing(pair)) {
        if let Some(mac) = mapping.to.get(&pair.record.device_index) {
            return Err(format!("it has no NIC `{mac}`, which captured NIC {} is mapped to", pair.record.device_index));
        }
        pair.nic = take(&|_| true);
    }
    let without: Vec<String> = pairs
        .iter()
        .filter(|pair| missing(pair))
        .map(|pair| format!("{} (captured NIC {})", pair.record.primary, pair.record.device_index))
        .collect();
    if free.is_empty() && without.is_empty() {
        return Ok(pairs);
    }
    let extra: Vec<String> = free.iter().map(ToString::to_string).collect();
    let mut why = format!("the VM has {} NICs, {} were captured", ours.len(), records.len());
    if !extra.is_empty() {
        why.push_str(&format!("; not expected: {}", extra.join(", ")));
    }
    if !without.is_empty() {
        why.push_str(&format!("; none for {}", without.join(", ")));
    }
    Err(why)
}

/// What Prism Central has refused for this NIC so far, or done without effect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refused {
    pub(crate) migrate: Option<String>,
    pub(crate) assign: Option<String>,
    pub(crate) release: Option<String>,
    pub(crate) secondary: Option<String>,
    /// Then the NIC keeps the MAC address that it has.
    pub(crate) mac: Option<String>,
}

/// What is to be done to a NIC next: the least invasive that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: subnet, addresses and MAC address are right.
    Right,
    /// To the other subnet, with the address; the NIC stays the same.
    Migrate,
    /// Another address in the same subnet, releasing the old one first where there is one.
    Assign {
        /// Whether there is an address to release.
        release: bool,
    },
    /// The secondary addresses; the NIC stays the same.
    Secondary,
    /// Take its addresses away, so that a NIC with another MAC address can be created with them.
    Release,
    /// Create a NIC with the right MAC address beside it.
    Replace,
    /// Delete the NIC beside which the right one was created.
    DeleteOld,
    /// Delete and create, as nothing less was accepted.
    Recreate,
    /// Create: it was deleted and not yet created again.
    Create,
}

/// Decides the next step for one NIC. Pure.
pub(crate) fn next(nic: Option<&Nic>, old: Option<&ExtId>, goal: &Goal, refused: &Refused) -> Step {
    let Some(nic) = nic else { return Step::Create };
    if let Some(mac) = goal.mac.as_ref().filter(|_| refused.mac.is_none())
        && nic.mac.as_ref() != Some(mac)
    {
        return match (goal.holds(nic), &refused.release) {
            (false, _) => Step::Replace,
            (true, None) => Step::Release,
            (true, Some(_)) => Step::Recreate,
        };
    }
    if nic.subnet.as_ref() != Some(&goal.subnet) {
        return if refused.migrate.is_none() { Step::Migrate } else { Step::Recreate };
    }
    match nic.primary() {
        Some(primary) if primary == goal.address => {}
        _ if refused.assign.is_some() => return Step::Recreate,
        primary => return Step::Assign { release: primary.is_some() },
    }
    if goal.secondary.iter().any(|address| !nic.configured.contains(address)) {
        return if refused.secondary.is_none() { Step::Secondary } else { Step::Recreate };
    }
    if old.is_some() { Step::DeleteOld } else { Step::Right }
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
        paired_as(&NicMapping::default(), notes, nics)
    }

    fn goal(address: &str) -> Goal {
        let (subnet, address) = (ExtId::parse(APP).unwrap(), address.parse().unwrap());
        Goal { subnet, address, secondary: Vec::new(), mac: None }
    }

    fn paired_as(mapping: &NicMapping, notes: &[(u32, Note)], nics: &[Nic]) -> Result<Vec<Option<ExtId>>, String> {
        let records = [record(0, "172.30.1.34"), record(1, "172.30.1.35")];
        let goals = [(0, goal("172.30.1.34")), (1, goal("172.30.1.35"))].into();
        let pairs = pair(&records, &goals, &notes.iter().cloned().collect(), nics, mapping)?;
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
        assert_eq!(why, "the VM has 1 NICs, 2 were captured; none for 172.30.1.35 (captured NIC 1)");
        let why = paired(&[], &[one, nic(2, APP, None), nic(3, LANDING, Some("172.31.99.9"))]).unwrap_err();
        assert!(
            why.contains(
                "not expected: NIC `33333333-0000-4000-8000-000000000003` (50:6b:8d:00:00:03) with 172.31.99.9"
            ),
            "{why}"
        );
    }

    #[test]
    fn a_mapping_says_which_nic_is_which_and_which_is_not_ours() {
        let mac = |digit: u32| holdfast_model::MacAddress::parse(&format!("50:6b:8d:00:00:0{digit}")).unwrap();
        let nics = [nic(1, LANDING, None), nic(2, LANDING, None), nic(3, LANDING, None)];
        let mapping = NicMapping { to: [(0, mac(3))].into(), ignore: [mac(1)].into(), ..NicMapping::default() };
        assert_eq!(paired_as(&mapping, &[], &nics).unwrap(), [Some(id(3)), Some(id(2))]);
        let none = NicMapping { to: [(0, mac(7))].into(), ..NicMapping::default() };
        let why = paired_as(&none, &[], &nics[..2]).unwrap_err();
        assert_eq!(why, "it has no NIC `50:6b:8d:00:00:07`, which captured NIC 0 is mapped to");
        // What became right since is found by its address.
        let right = nic(4, APP, Some("172.30.1.34"));
        assert_eq!(paired_as(&none, &[], &[nics[1].clone(), right]).unwrap(), [Some(id(4)), Some(id(2))]);
    }

    #[test]
    fn a_nic_that_was_created_beside_an_old_one_stands_for_both() {
        let (old, mut new) = (nic(1, LANDING, None), nic(5, APP, Some("172.30.1.34")));
        let Note::Recreate { vm, nic: id, mut after, before } = recreate(&old) else { unreachable!() };
        after.mac = new.mac.clone().unwrap();
        let note = Note::Recreate { vm, nic: id, after, before };
        assert_eq!(noted(&note, &[old.clone(), new.clone()]), (Some(new.clone()), Some(old.id.clone())));
        assert_eq!(noted(&note, std::slice::from_ref(&old)), (Some(old.clone()), None));
        assert_eq!(noted(&note, std::slice::from_ref(&new)), (Some(new.clone()), None));
        // The MAC address was refused, and the NIC came back with its old one.
        new.mac.clone_from(&old.mac);
        assert_eq!(noted(&note, std::slice::from_ref(&new)), (Some(new), None));
        assert_eq!(noted(&note, &[]), (None, None));
    }

    #[test]
    fn a_nic_gets_another_mac_address_by_a_new_one_once_its_addresses_are_free() {
        let wanted = Goal { mac: nic(9, APP, None).mac, ..goal("172.30.1.34") };
        let (no, old) = (Refused::default(), id(1));
        let next = |nic: &Nic, old: Option<&ExtId>, refused: &Refused| next(Some(nic), old, &wanted, refused);
        assert_eq!(next(&nic(1, LANDING, None), None, &no), Step::Replace);
        assert_eq!(next(&nic(1, APP, Some("172.30.1.100")), None, &no), Step::Replace);
        assert_eq!(next(&nic(1, APP, Some("172.30.1.34")), None, &no), Step::Release);
        let unreleased = Refused { release: Some("no".into()), ..Refused::default() };
        assert_eq!(next(&nic(1, APP, Some("172.30.1.34")), None, &unreleased), Step::Recreate);
        let untaken = Refused { mac: Some("no".into()), ..Refused::default() };
        assert_eq!(next(&nic(1, LANDING, None), None, &untaken), Step::Migrate);
        assert_eq!(next(&nic(1, APP, Some("172.30.1.34")), None, &untaken), Step::Right);
        assert_eq!(next(&nic(9, APP, Some("172.30.1.34")), Some(&old), &no), Step::DeleteOld);
        assert_eq!(next(&nic(9, APP, Some("172.30.1.34")), None, &no), Step::Right);
    }

    #[test]
    fn the_least_invasive_step_that_was_not_refused_is_next() {
        let wanted = goal("172.30.1.34");
        let no = Refused::default();
        let migrate = Refused { migrate: Some("no".into()), ..Refused::default() };
        let assign = Refused { assign: Some("no".into()), ..Refused::default() };
        let both = Goal { secondary: vec!["172.30.1.44".parse().unwrap()], ..wanted.clone() };
        let right = nic(1, APP, Some("172.30.1.34"));
        assert_eq!(next(Some(&right), None, &both, &no), Step::Secondary);
        let secondary = Refused { secondary: Some("no".into()), ..Refused::default() };
        assert_eq!(next(Some(&right), None, &both, &secondary), Step::Recreate);
        for (nic, refused, step) in [
            (Some(nic(1, APP, Some("172.30.1.34"))), &assign, Step::Right),
            (Some(nic(1, APP, Some("172.30.1.100"))), &no, Step::Assign { release: true }),
            (Some(nic(1, APP, None)), &no, Step::Assign { release: false }),
            (Some(nic(1, APP, None)), &assign, Step::Recreate),
            (Some(nic(1, LANDING, Some("172.30.1.34"))), &no, Step::Migrate),
            (Some(nic(1, LANDING, None)), &migrate, Step::Recreate),
            (None, &no, Step::Create),
        ] {
            assert_eq!(next(nic.as_ref(), None, &wanted, refused), step);
        }
    }
}
