//! Evidence that another operation has overtaken.

use crate::Locks;
use holdfast_model::{Evidence, Fault, FaultName, NetworkName};
use holdfast_plan::Plan;
use std::collections::BTreeSet;

/// Whether evidence was taken before an operation ended that moved a network which the plan moves too: however young it is, the machines were seen
/// where they had to leave for that operation. So an execution that was overtaken does not lead traffic back to where they were.
#[must_use]
pub fn outdated(evidence: &Evidence, plan: &Plan, locks: &Locks) -> Option<Fault> {
    let moves: BTreeSet<&NetworkName> = plan.steps().flat_map(|step| &step.networks).collect();
    let overtaken = locks.iter().filter(|(network, _)| moves.contains(network));
    let mut overtaken = overtaken.filter_map(|(network, lock)| Some((network, lock.moved_at?)));
    let (network, at) = overtaken.find(|(_, at)| *at > evidence.taken_at)?;
    let message = format!(
        "evidence `{}` was taken at {}, and another operation moved network `{network}` until {at}; start again, so that it is taken anew",
        evidence.id.0, evidence.taken_at
    );
    Some(Fault::new(FaultName::EvidenceStale, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lock;
    use holdfast_model::{AccountName, EvidenceId, Prefix, Region, RouteTableId, Scope, SiteName, TableName};
    use holdfast_plan::{Place, RouteValue, Step};
    use jiff::Timestamp;
    use std::collections::BTreeMap;

    fn network(name: &str) -> NetworkName {
        NetworkName::parse(name).unwrap()
    }

    #[test]
    fn evidence_counts_no_more_once_another_operation_has_moved_the_network() {
        let scope = Scope { account: AccountName::parse("main").unwrap(), region: Region::parse("eu-west-1").unwrap() };
        let step = Step {
            table: RouteTableId::parse("tgw-rtb-0000000a").unwrap(),
            name: TableName::parse("hub").unwrap(),
            tag: None,
            scope,
            networks: [network("erp")].into(),
            place: Place::Route { prefix: Prefix::parse("10.0.0.0/24").unwrap() },
            before: RouteValue::Absent,
            after: RouteValue::Blackhole,
            why: String::new(),
        };
        let both = BTreeSet::from([network("erp"), network("web")]);
        let to = SiteName::parse("dublin").unwrap();
        let plan = Plan { networks: both.clone(), to, hosts: None, stages: vec![vec![step]] };
        let at = |second| Timestamp::from_second(second).unwrap();
        let evidence = Evidence {
            id: EvidenceId("ev-1".into()),
            taken_at: at(100),
            networks: both,
            sites_read: BTreeSet::new(),
            sites_unread: BTreeMap::new(),
            landings: BTreeMap::new(),
            hosts: BTreeMap::new(),
        };
        let locks = |erp, web| {
            let lock = |moved_at: Option<i64>| Lock { moved_at: moved_at.map(at), ..Lock::default() };
            Locks::from([(network("erp"), lock(erp)), (network("web"), lock(web))])
        };
        assert_eq!(outdated(&evidence, &plan, &locks(None, None)), None);
        assert_eq!(outdated(&evidence, &plan, &locks(Some(99), None)), None);
        // The plan does not move `web` any more: another operation did.
        assert_eq!(outdated(&evidence, &plan, &locks(None, Some(101))), None);
        let fault = outdated(&evidence, &plan, &locks(Some(101), None)).unwrap();
        assert_eq!(fault.name, FaultName::EvidenceStale);
        insta::assert_snapshot!(fault.message, @"evidence `ev-1` was taken at 1970-01-01T00:01:40Z, and another operation moved network `erp` until 1970-01-01T00:01:41Z; start again, so that it is taken anew");
    }
}
