//! What is asked for, resolved against the network map and the journal.

use crate::words::moving;
use holdfast_journal::{Due, Intent, JournalStore, Operation, Owed, Steady, due_of};
use holdfast_model::wire::{FailoverIntent, FailoverRequest, Force};
use holdfast_model::{Fault, FaultName, NetworkMap, NetworkName, Region, SiteName};
use std::collections::BTreeSet;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Goal {
    /// What an operation of it is for.
    pub(crate) intent: Intent,
    /// Networks.
    pub(crate) networks: BTreeSet<NetworkName>,
    /// Only these addresses; none: whole networks.
    pub(crate) hosts: Option<BTreeSet<std::net::Ipv4Addr>>,
    /// Site that the tables will lead to.
    pub(crate) to: SiteName,
    /// A Region that is declared lost.
    pub(crate) lost: Option<Region>,
    /// Where the last operations left the networks, when tables that do not follow are to be corrected.
    pub(crate) steady: Option<Steady>,
    /// The operation that is taken back.
    pub(crate) undone: Option<Operation>,
    /// A person's word.
    pub(crate) force: Option<Force>,
}

impl Goal {
    /// What moves, in words.
    pub(crate) fn moving(&self) -> String {
        moving(&self.networks, self.hosts.as_ref())
    }
}

/// Resolves a request.
///
/// # Errors
/// `InvalidInput` for what is not asked well or not in the map, `NotUndoable` for an operation that is not there or led from several sites.
pub(crate) async fn goal<J: JournalStore>(
    request: &FailoverRequest,
    map: &NetworkMap,
    journal: &J,
) -> Result<Goal, Fault> {
    let force = request.force.clone();
    match request.intent().map_err(|message| Fault::new(FaultName::InvalidInput, message))? {
        FailoverIntent::Move { networks, to, hosts, lost } => {
            declared(map, &networks, &to)?;
            let intent =
                Intent::Move { networks: networks.clone(), to: to.clone(), hosts: hosts.clone(), lost: lost.clone() };
            Ok(Goal { intent, networks, hosts, to, lost, steady: None, undone: None, force })
        }
        FailoverIntent::Reconcile(networks) => {
            let (to, hosts, steady) = match due_of(&networks, journal).await.map_err(|why| why.fault())? {
                Due::Owed(Owed { to, hosts, .. }) => (to, hosts, None),
                Due::Steady(steady) => (steady.site.clone(), None, Some(steady)),
            };
            declared(map, &networks, &to)?;
            if steady.is_some() && force.is_some() {
                return Err(Fault::new(FaultName::InvalidInput, unforced(&networks, &to)));
            }
            let intent = Intent::Move { networks: networks.clone(), to: to.clone(), hosts: hosts.clone(), lost: None };
            Ok(Goal { intent, networks, hosts, to, lost: None, steady, undone: None, force })
        }
        FailoverIntent::Undo { operation: id, lost } => {
            let not = |message: String| Fault::new(FaultName::NotUndoable, message);
            let undone = journal
                .read_operation(&id)
                .await
                .map_err(|error| Fault::new(error.fault(), error.to_string()))?
                .ok_or_else(|| not(format!("there is no operation `{id}`")))?;
            let to = undone.undo_to().map_err(not)?;
            let networks = undone.plan.networks.clone();
            let hosts = undone.plan.hosts.clone();
            let intent = Intent::Undo { operation: id, lost: lost.clone() };
            Ok(Goal { intent, networks, hosts, to, lost, steady: None, undone: Some(undone), force })
        }
    }
}

/// Why nobody's word corrects drift.
fn unforced(networks: &BTreeSet<NetworkName>, to: &SiteName) -> String {
    let quoted: Vec<String> = networks.iter().map(|network| format!("\"{network}\"")).collect();
    let quoted = quoted.join(", ");
    format!(
        "no Region owes anything for these networks, and what corrects drift rests on evidence: leave `force` out, or name the site, as in `{{\"networks\": [{quoted}], \"to\": \"{to}\", \"force\": ..}}`"
    )
}

/// Networks and site must be in the map.
fn declared(map: &NetworkMap, networks: &BTreeSet<NetworkName>, to: &SiteName) -> Result<(), Fault> {
    if let Some(unknown) = networks.iter().find(|network| !map.networks.contains_key(*network)) {
        let declared = names(map.networks.keys());
        let message = format!("network `{unknown}` is not in the network map (declared: {declared})");
        return Err(Fault::new(FaultName::InvalidInput, message));
    }
    if !map.sites.contains_key(to) {
        let declared = names(map.sites.keys());
        let message = format!("site `{to}` is not in the network map (declared: {declared})");
        return Err(Fault::new(FaultName::InvalidInput, message));
    }
    Ok(())
}

fn names<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let names: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_journal::{Left, Lock, MemoryJournal};
    use holdfast_model::OperationId;

    #[tokio::test]
    async fn a_reconcile_that_owes_nothing_leads_where_the_last_operation_left_the_network_and_nobody_forces_it() {
        let map = NetworkMap::parse(include_str!("../../../infra/network-map.example.yaml")).unwrap();
        let app = NetworkName::parse("app").unwrap();
        let ask = async |journal: &MemoryJournal, request: serde_json::Value| {
            goal(&serde_json::from_value(request).unwrap(), &map, journal).await
        };
        let reconcile = serde_json::json!({"reconcile": ["app"]});
        let journal = MemoryJournal::default();
        let fault = ask(&journal, reconcile.clone()).await.unwrap_err();
        assert_eq!(fault.name, FaultName::InvalidInput);
        assert!(fault.message.contains("no operation that has ended says at which site it is"), "{}", fault.message);

        let (operation, site) = (OperationId::parse("op-00000001").unwrap(), SiteName::parse("nc2-osaka").unwrap());
        let left = Some(Left { operation: operation.clone(), site: site.clone() });
        journal.swap_lock(&app, 0, &Lock { fence: 1, left, ..Lock::default() }).await.unwrap();
        let goal = ask(&journal, reconcile.clone()).await.unwrap();
        let networks = BTreeSet::from([app.clone()]);
        assert_eq!(goal.intent, Intent::Move { networks, to: site.clone(), hosts: None, lost: None });
        assert_eq!(goal.steady, Some(Steady { site, by: [(app, operation)].into() }));

        let mut forced = reconcile;
        forced["force"] = serde_json::json!({"by": "ana", "reason": "drill"});
        let fault = ask(&journal, forced).await.unwrap_err();
        insta::assert_snapshot!(fault.message, @r#"no Region owes anything for these networks, and what corrects drift rests on evidence: leave `force` out, or name the site, as in `{"networks": ["app"], "to": "nc2-osaka", "force": ..}`"#);
    }
}
