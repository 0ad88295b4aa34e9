//! What the tables of a Region that was lost owe, once it answers again.

use crate::{JournalStore, TakeError, read_locks};
use holdfast_model::{Fault, FaultName, NetworkName, OperationId, Region, SiteName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
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

/// What the tables of a Region that was lost have to follow, for all of these networks.
///
/// # Errors
/// [`NotOwed`] where a network owes nothing or they owe different things; the store's errors.
pub async fn owed_by<J: JournalStore>(networks: &BTreeSet<NetworkName>, journal: &J) -> Result<Owed, NotOwed> {
    let locks = read_locks(networks, journal).await?;
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

/// Why nothing is owed that one operation could bring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOwed {
    /// A network owes nothing.
    #[error(
        "no Region owes anything for network `{0}`: it did not move while one was lost, or that was made whole since"
    )]
    Nothing(NetworkName),
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
            NotOwed::Nothing(_) | NotOwed::Apart { .. } | NotOwed::Empty => FaultName::InvalidInput,
            NotOwed::Take(error) => error.fault(),
        };
        Fault::new(name, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
