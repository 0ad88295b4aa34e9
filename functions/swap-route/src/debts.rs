//! What the tables of a lost Region owe, and how a move changes it.

use crate::goal::Goal;
use holdfast_journal::{Lock, Locks, Owed};
use holdfast_model::{Fault, FaultName, NetworkName, OperationId};

/// Whether the end of this move, as operation `id`, writes down or settles what a Region owes.
pub(crate) fn changes_debts(goal: &Goal, locks: &Locks, id: &OperationId) -> bool {
    moved(goal, locks).any(|(_, lock)| {
        let before = lock.owed.as_ref();
        // Which operation left it does not matter here.
        let id = before.map_or(id, |before| &before.operation);
        before != Owed::after(before, id, goal.lost.as_ref(), &goal.to, goal.hosts.as_ref()).as_ref()
    })
}

/// Sees that what some machines would owe does not have to stand beside what others of their network owe elsewhere: a lock holds one debt.
///
/// # Errors
/// `Refused`, with what to start instead.
pub(crate) fn mergeable(goal: &Goal, locks: &Locks) -> Result<(), Fault> {
    let (Some(lost), Some(_)) = (&goal.lost, &goal.hosts) else { return Ok(()) };
    let owing = moved(goal, locks).filter_map(|(network, lock)| Some((network, lock.owed.as_ref()?)));
    for (network, owed) in owing {
        if owed.region != *lost || owed.to != goal.to {
            let message = format!(
                "{} still has to follow network `{network}` to `{}` (operation {}); move the whole network, or start `{{\"reconcile\": [\"{network}\"]}}` when it answers again",
                owed.region, owed.to, owed.operation
            );
            return Err(Fault::new(FaultName::Refused, message));
        }
    }
    Ok(())
}

fn moved<'a>(goal: &'a Goal, locks: &'a Locks) -> impl Iterator<Item = (&'a NetworkName, &'a Lock)> {
    locks.iter().filter(|(network, _)| goal.networks.contains(*network))
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_journal::Intent;
    use holdfast_model::{Region, SiteName};
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    fn goal(to: &str, hosts: &[u8], lost: Option<&str>) -> Goal {
        let networks = BTreeSet::from([NetworkName::parse("erp").unwrap()]);
        let hosts: BTreeSet<Ipv4Addr> = hosts.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)).collect();
        let hosts = (!hosts.is_empty()).then_some(hosts);
        let (to, lost) = (SiteName::parse(to).unwrap(), lost.map(|lost| Region::parse(lost).unwrap()));
        let intent =
            Intent::Move { networks: networks.clone(), to: to.clone(), hosts: hosts.clone(), lost: lost.clone() };
        Goal { intent, networks, hosts, to, lost, steady: None, undone: None, force: None }
    }

    fn owing(to: &str, region: &str) -> Locks {
        let operation = OperationId::parse("op-00000001").unwrap();
        let (region, to) = (Region::parse(region).unwrap(), SiteName::parse(to).unwrap());
        let lock = Lock { owed: Some(Owed { operation, region, to, hosts: None }), ..Lock::default() };
        Locks::from([(NetworkName::parse("erp").unwrap(), lock)])
    }

    #[test]
    fn a_move_that_changes_no_table_may_still_change_a_debt() {
        let id = OperationId::parse("op-00000002").unwrap();
        let none = Locks::from([(NetworkName::parse("erp").unwrap(), Lock::default())]);
        assert!(!changes_debts(&goal("dublin", &[], None), &none, &id));
        assert!(changes_debts(&goal("dublin", &[], Some("eu-west-2")), &none, &id));
        let owing = owing("dublin", "eu-west-2");
        assert!(!changes_debts(&goal("dublin", &[], Some("eu-west-2")), &owing, &id));
        assert!(changes_debts(&goal("dublin", &[], None), &owing, &id));
        assert!(changes_debts(&goal("london", &[], Some("eu-west-2")), &owing, &id));
    }

    #[test]
    fn some_machines_cannot_owe_beside_their_network_elsewhere() {
        let owing = owing("dublin", "eu-west-2");
        assert!(mergeable(&goal("dublin", &[1], Some("eu-west-2")), &owing).is_ok());
        assert!(mergeable(&goal("paris", &[], Some("eu-west-2")), &owing).is_ok());
        assert!(mergeable(&goal("paris", &[1], None), &owing).is_ok());
        let fault = mergeable(&goal("paris", &[1], Some("eu-west-2")), &owing).unwrap_err();
        insta::assert_snapshot!(fault.message, @r#"eu-west-2 still has to follow network `erp` to `dublin` (operation op-00000001); move the whole network, or start `{"reconcile": ["erp"]}` when it answers again"#);
    }
}
