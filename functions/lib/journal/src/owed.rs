//! What a reconcile brings about: what the tables of a Region that was lost owe, or where the last operations left networks that owe nothing.

use crate::{JournalStore, Lock, Locks, TakeError, read_locks};
use holdfast_model::{Fault, FaultName, NetworkName, OperationId, Region, SiteName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What the tables of a Region that was lost still have to follow: the intent, not steps, since nobody knows what that Region holds when it answers
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owed {
    /// The operation that went on without the Region.
    pub operation: OperationId,
    /// The Region.
    pub region: Region,
    /// Where the network is now.
    pub to: SiteName,
    /// Only the machines with these addresses are there; none: the whole network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<Ipv4Addr>>,
}

impl Owed {
    /// What is owed once an operation has ended, that moved the network or machines of it to `to`, without the Region `lost` or with all of them.
    ///
    /// With all Regions, what moved is owed no more. Without one, a move of some machines adds to what is owed for others that went the same way,
    /// and nothing to a whole network that did.
    #[must_use]
    pub fn after(
        before: Option<&Owed>,
        operation: &OperationId,
        lost: Option<&Region>,
        to: &SiteName,
        hosts: Option<&BTreeSet<Ipv4Addr>>,
    ) -> Option<Owed> {
        let owed = |hosts: Option<BTreeSet<Ipv4Addr>>, region: &Region| {
            Some(Owed { operation: operation.clone(), region: region.clone(), to: to.clone(), hosts })
        };
        match (lost, hosts, before) {
            (None, None, _) | (None, Some(_), None) => None,
            (None, Some(hosts), Some(before)) => match &before.hosts {
                None => Some(before.clone()),
                Some(owing) => {
                    let left: BTreeSet<Ipv4Addr> = owing.difference(hosts).copied().collect();
                    (!left.is_empty()).then(|| Owed { hosts: Some(left), ..before.clone() })
                }
            },
            (Some(region), Some(hosts), Some(before)) if before.region == *region && before.to == *to => {
                match &before.hosts {
                    None => Some(before.clone()),
                    Some(owing) => owed(Some(owing.union(hosts).copied().collect()), region),
                }
            }
            (Some(region), hosts, _) => owed(hosts.cloned(), region),
        }
    }
}

/// What a reconcile of networks brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// The tables of a Region that was lost follow.
    Owed(Owed),
    /// Nothing is owed: the tables are compared with where the last operations left the networks.
    Steady(Steady),
}

/// Where the last operations left networks that owe nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steady {
    /// The site of all.
    pub site: SiteName,
    /// The operation that left each there.
    pub by: BTreeMap<NetworkName, OperationId>,
}

/// What a reconcile of all of these networks brings about.
///
/// # Errors
/// [`NotOwed`] where only some of them owe, they owe different things or were left at different sites, or nobody recorded where one is; the store's
/// errors.
pub async fn due_of<J: JournalStore>(networks: &BTreeSet<NetworkName>, journal: &J) -> Result<Due, NotOwed> {
    let locks = read_locks(networks, journal).await?;
    match locks.values().any(|lock| lock.owed.is_some()) {
        true => owed_by(locks).map(Due::Owed),
        false => left_at(&locks).map(Due::Steady),
    }
}

fn owed_by(locks: Locks) -> Result<Owed, NotOwed> {
    let mut wanted: Option<Owed> = None;
    for (network, lock) in locks {
        let Some(owed) = lock.owed else { return Err(NotOwed::Nothing(network)) };
        match &wanted {
            None => wanted = Some(owed),
            Some(other) if (&other.to, &other.hosts) == (&owed.to, &owed.hosts) => {}
            Some(other) => {
                let (to, other) = (owed.to, other.to.clone());
                return Err(NotOwed::Apart { network, to, other });
            }
        }
    }
    wanted.ok_or(NotOwed::Empty)
}

fn left_at(locks: &Locks) -> Result<Steady, NotOwed> {
    let mut steady: Option<Steady> = None;
    for (network, Lock { left, .. }) in locks {
        let Some(left) = left else { return Err(NotOwed::NotRecorded(network.clone())) };
        let steady = steady.get_or_insert_with(|| Steady { site: left.site.clone(), by: BTreeMap::new() });
        if steady.site != left.site {
            let (network, to, other) = (network.clone(), left.site.clone(), steady.site.clone());
            return Err(NotOwed::Apart { network, to, other });
        }
        steady.by.insert(network.clone(), left.operation.clone());
    }
    steady.ok_or(NotOwed::Empty)
}

/// Why nothing is owed that one operation could bring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOwed {
    /// A network owes nothing, while another does.
    #[error(
        "no Region owes anything for network `{0}`: it did not move while one was lost, or that was made whole since; reconcile it by itself"
    )]
    Nothing(NetworkName),
    /// Nothing is owed, and where a network is was not recorded.
    #[error(
        "no Region owes anything for network `{0}`, and no operation that has ended says at which site it is; start `{{\"networks\": [\"{0}\"], \"to\": \"<site>\"}}` with the site where its machines run"
    )]
    NotRecorded(NetworkName),
    /// The networks, or machines of them, went different ways.
    #[error(
        "network `{network}`, or machines of it, went to `{to}` and another, or other machines, to `{other}`; reconcile each network by itself"
    )]
    Apart {
        /// The network.
        network: NetworkName,
        /// Where it went.
        to: SiteName,
        /// Where another went.
        other: SiteName,
    },
    /// No network is named.
    #[error("`reconcile` is empty; name at least one network")]
    Empty,
    /// The locks could not be read.
    #[error(transparent)]
    Take(#[from] TakeError),
}

impl NotOwed {
    /// The fault that a function returns for it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        let name = match self {
            NotOwed::Nothing(_) | NotOwed::NotRecorded(_) | NotOwed::Apart { .. } | NotOwed::Empty => {
                FaultName::InvalidInput
            }
            NotOwed::Take(error) => error.fault(),
        };
        Fault::new(name, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Left, MemoryJournal};

    fn hosts(last: &[u8]) -> Option<BTreeSet<Ipv4Addr>> {
        Some(last.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)).collect())
    }

    fn owed(operation: &str, to: &str, hosts: Option<BTreeSet<Ipv4Addr>>) -> Owed {
        let operation = OperationId::parse(operation).unwrap();
        let (region, to) = (Region::parse("eu-west-1").unwrap(), SiteName::parse(to).unwrap());
        Owed { operation, region, to, hosts }
    }

    #[track_caller]
    fn assert_after(
        before: Option<&Owed>,
        lost: bool,
        to: &str,
        hosts: Option<&BTreeSet<Ipv4Addr>>,
        left: Option<&Owed>,
    ) {
        let (id, to) = (OperationId::parse("op-00000002").unwrap(), SiteName::parse(to).unwrap());
        let region = lost.then(|| Region::parse("eu-west-1").unwrap());
        assert_eq!(Owed::after(before, &id, region.as_ref(), &to, hosts).as_ref(), left);
    }

    fn locks(of: &[(&str, &str, Option<Owed>)]) -> Locks {
        let lock = |(network, site, owed): &(&str, &str, Option<Owed>)| {
            let operation = OperationId::parse(format!("op-0000{network}")).unwrap();
            let left = (!site.is_empty()).then(|| Left { operation, site: SiteName::parse(*site).unwrap() });
            (NetworkName::parse(*network).unwrap(), Lock { left, owed: owed.clone(), ..Lock::default() })
        };
        of.iter().map(lock).collect()
    }

    #[tokio::test]
    async fn a_reconcile_brings_what_is_owed_or_goes_by_where_operations_left_the_networks() {
        let due = async |of: &[(&str, &str, Option<Owed>)]| {
            let (journal, locks) = (MemoryJournal::default(), locks(of));
            for (network, lock) in &locks {
                journal.swap_lock(network, 0, &Lock { fence: 1, ..lock.clone() }).await.unwrap();
            }
            due_of(&locks.keys().cloned().collect(), &journal).await.map_err(|why| why.to_string())
        };
        let some = Some(owed("op-00000001", "a", None));
        assert_eq!(due(&[("app1", "b", some.clone())]).await, Ok(Due::Owed(some.clone().unwrap())));
        let Ok(Due::Steady(steady)) = due(&[("app1", "b", None), ("app2", "b", None)]).await else { panic!("owed") };
        let by: Vec<String> = steady.by.values().map(ToString::to_string).collect();
        assert_eq!((steady.site.as_str(), by), ("b", vec!["op-0000app1".to_owned(), "op-0000app2".to_owned()]));
        insta::assert_snapshot!(due(&[("app1", "b", None), ("app2", "c", None)]).await.unwrap_err(), @"network `app2`, or machines of it, went to `c` and another, or other machines, to `b`; reconcile each network by itself");
        insta::assert_snapshot!(due(&[("app1", "", None)]).await.unwrap_err(), @r#"no Region owes anything for network `app1`, and no operation that has ended says at which site it is; start `{"networks": ["app1"], "to": "<site>"}` with the site where its machines run"#);
        insta::assert_snapshot!(due(&[("app1", "b", some), ("app2", "b", None)]).await.unwrap_err(), @"no Region owes anything for network `app2`: it did not move while one was lost, or that was made whole since; reconcile it by itself");
    }

    #[test]
    fn a_move_without_a_region_leaves_its_debt_behind() {
        assert_after(None, true, "b", None, Some(&owed("op-00000002", "b", None)));
        assert_after(None, true, "b", hosts(&[1]).as_ref(), Some(&owed("op-00000002", "b", hosts(&[1]))));
        let before = owed("op-00000001", "a", None);
        assert_after(Some(&before), true, "b", None, Some(&owed("op-00000002", "b", None)));
    }

    #[test]
    fn a_move_with_all_regions_settles_what_it_moved_and_no_more() {
        let whole = owed("op-00000001", "b", None);
        assert_after(Some(&whole), false, "b", None, None);
        assert_after(Some(&whole), false, "b", hosts(&[1]).as_ref(), Some(&whole));
        let some = owed("op-00000001", "b", hosts(&[1, 2]));
        assert_after(Some(&some), false, "b", hosts(&[1]).as_ref(), Some(&owed("op-00000001", "b", hosts(&[2]))));
        assert_after(Some(&some), false, "b", hosts(&[1, 2, 3]).as_ref(), None);
        assert_after(None, false, "b", hosts(&[1]).as_ref(), None);
    }

    #[test]
    fn machines_that_follow_others_without_the_region_are_owed_too() {
        let whole = owed("op-00000001", "b", None);
        assert_after(Some(&whole), true, "b", hosts(&[1]).as_ref(), Some(&whole));
        let some = owed("op-00000001", "b", hosts(&[1]));
        assert_after(Some(&some), true, "b", hosts(&[2]).as_ref(), Some(&owed("op-00000002", "b", hosts(&[1, 2]))));
    }
}
