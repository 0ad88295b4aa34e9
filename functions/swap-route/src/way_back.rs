//! The way back: where networks came from, and what became different since they left.

use crate::context::Context;
use crate::goal::Goal;
use holdfast_journal::{JournalStore, Operation, read_locks};
use holdfast_model::wire::{SwapRouteInput, WayBack};
use holdfast_model::{Evidence, EvidenceId, NetworkMap, NetworkName, OperationId, Site, SiteName};
use holdfast_plan::Plan;
use std::collections::{BTreeMap, BTreeSet};

/// The ways back from where an operation led whole networks: to the NC2 sites that they were at. None while a Region is declared lost, whose sites
/// cannot be looked at.
pub(crate) fn way_back(operation: &Operation, map: &NetworkMap) -> Vec<WayBack> {
    if map.lost().is_some() || operation.plan.hosts.is_some() {
        return Vec::new();
    }
    let mut sites: BTreeMap<&SiteName, BTreeSet<NetworkName>> = BTreeMap::new();
    for (network, from) in operation.from.iter().filter(|(_, from)| **from != operation.plan.to) {
        if let Some(Site::Nc2 { .. }) = map.sites.get(from) {
            sites.entry(from).or_default().insert(network.clone());
        }
    }
    sites.into_iter().map(|(to, networks)| WayBack { networks, to: to.clone() }).collect()
}

/// What is not as the last move of the networks left it, where a plan leads them back to where they came from: tables, and machines. One line says what
/// could not be read of it; a plan does without.
pub(crate) async fn meanwhile(context: &Context, goal: &Goal, input: &SwapRouteInput, back: &Plan) -> Vec<String> {
    let last = match last_moves(context, goal).await {
        Ok(last) => last,
        Err(why) => return vec![format!("not known: {why}")],
    };
    if last.is_empty() {
        return Vec::new();
    }
    let hosts = match context.inventory.hosts_of(&goal.networks, &input.request.inventory).await {
        Ok(hosts) => hosts,
        Err(error) => return vec![format!("not known of machines: {error}")],
    };
    let now = evidence(context, input.evidence.as_ref()).await;
    let mut lines = Vec::new();
    for operation in last {
        let then = evidence(context, operation.evidence.as_ref()).await;
        let back = only(back, &operation.plan.networks);
        let (then, now, hosts) = (then.as_ref(), now.as_ref(), hosts.as_slice());
        let found =
            holdfast_plan::meanwhile(&holdfast_plan::WayBack { last: &operation.plan, then, back: &back, now, hosts });
        lines.extend(found);
    }
    lines
}

/// The operations that led the networks from where they are to be led now; none where the last one led them from elsewhere.
async fn last_moves(context: &Context, goal: &Goal) -> Result<Vec<Operation>, String> {
    let locks = read_locks(&goal.networks, &context.operations).await.map_err(|error| error.to_string())?;
    let left: BTreeSet<OperationId> =
        locks.into_values().filter_map(|lock| lock.left).map(|left| left.operation).collect();
    let mut last = Vec::new();
    for id in left {
        let operation = context.operations.read_operation(&id).await.map_err(|error| error.to_string())?;
        let back = |operation: &Operation| operation.from.values().any(|from| *from == goal.to);
        last.extend(operation.filter(|operation| operation.plan.to != goal.to && back(operation)));
    }
    Ok(last)
}

/// What a plan does for some networks.
fn only(plan: &Plan, networks: &BTreeSet<NetworkName>) -> Plan {
    let of = |stage: &Vec<holdfast_plan::Step>| {
        stage.iter().filter(|step| !step.networks.is_disjoint(networks)).cloned().collect()
    };
    Plan { networks: networks.clone(), stages: plan.stages.iter().map(of).collect(), ..plan.clone() }
}

/// Evidence, where it is still stored.
async fn evidence(context: &Context, id: Option<&EvidenceId>) -> Option<Evidence> {
    context.evidence.get(id?).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_to_each_nc2_site_that_whole_networks_were_led_from() {
        let map = NetworkMap::parse(include_str!("../../../infra/network-map.example.yaml")).unwrap();
        let operation = |from: serde_json::Value, hosts: Option<&str>| -> Operation {
            let mut operation = serde_json::json!({
                "v": 2, "id": "op-00000001", "intent": {"kind": "move", "networks": ["app"], "to": "nc2-osaka"}, "from": from,
                "map": {"bucket": "b", "key": "k", "version": "", "sha256": "00"}, "force": null, "evidence": null,
                "verdict": [], "planned_at": "2026-01-02T03:00:00Z",
                "planned_by": {"execution": "e1", "invocation": "r1"},
                "plan": {"networks": ["app"], "to": "nc2-osaka", "stages": []}
            });
            if let Some(host) = hosts {
                operation["plan"]["hosts"] = serde_json::json!([host]);
            }
            serde_json::from_value(operation).unwrap()
        };
        let from = |from| operation(from, None);
        let (app, site) = (NetworkName::parse("app").unwrap(), |name: &str| SiteName::parse(name).unwrap());
        let to_tokyo = vec![WayBack { networks: [app].into(), to: site("nc2-tokyo") }];
        let moved = serde_json::json!({"app": "nc2-tokyo"});
        assert_eq!(way_back(&from(moved.clone()), &map), to_tokyo);
        // From EC2 a wave is cut over; nothing is known of where it was; it was there; a machine went ahead; a Region is lost.
        assert_eq!(way_back(&from(serde_json::json!({"app": "ec2-tokyo"})), &map), []);
        assert_eq!(way_back(&from(serde_json::json!({})), &map), []);
        assert_eq!(way_back(&from(serde_json::json!({"app": "nc2-osaka"})), &map), []);
        assert_eq!(way_back(&operation(moved.clone(), Some("172.30.1.34")), &map), []);
        let lost = map.losing(&holdfast_model::Region::parse("ap-northeast-1").unwrap()).unwrap();
        assert_eq!(way_back(&from(moved), &lost), []);
    }
}
