//! What an invocation works with, built once.

use holdfast_aws_network::{AwsNetwork, scopes_of};
use holdfast_guest::Guest;
use holdfast_model::{Account, AccountName, Clock, Fault, FaultName, NetworkMap, Region, Scope};
use holdfast_runtime::{Accounts, Config, EventBridge, MapSource, SystemClock, Writer, base_config};
use holdfast_store::{Drills, EvidenceStore, Inventory, Reports, Standings, TestFailovers, Watches};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Clients and configuration of `verify`.
pub struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) maps: MapSource,
    pub(crate) accounts: Accounts,
    pub(crate) inventory: Inventory,
    pub(crate) evidence: EvidenceStore,
    pub(crate) reports: Reports,
    pub(crate) drills: Drills,
    pub(crate) standings: Standings,
    pub(crate) watches: Watches,
    pub(crate) tests: TestFailovers,
    pub(crate) bus: EventBridge,
    pub(crate) writer: Writer,
}

impl Context {
    /// From the environment.
    ///
    /// # Errors
    /// `NotConfigured` that names the variable that is missing.
    pub async fn from_env() -> Result<Self, Fault> {
        Ok(Self::new(Accounts::new(base_config().await), &Config::from_env()?, Arc::new(SystemClock)))
    }

    /// From its parts.
    #[must_use]
    pub fn new(accounts: Accounts, config: &Config, clock: Arc<dyn Clock>) -> Self {
        let base = accounts.base();
        Self {
            clock,
            maps: MapSource::new(base, &config.map_parameter),
            inventory: Inventory::new(base, &config.inventory_table),
            evidence: EvidenceStore::new(base, &config.operations_table),
            reports: Reports::new(base, &config.operations_table),
            drills: Drills::new(base, &config.operations_table),
            standings: Standings::new(base, &config.operations_table),
            watches: Watches::new(base, &config.operations_table),
            tests: TestFailovers::new(base, &config.operations_table),
            bus: EventBridge::new(base, &config.event_bus),
            writer: config.writer.clone(),
            accounts,
        }
    }

    /// The function's own Region; none outside of Lambda, where none is set.
    pub(crate) fn region(&self) -> Option<Region> {
        Region::parse(self.accounts.region()).ok()
    }

    /// EC2 of every account and Region of the map.
    pub(crate) async fn networks(&self, map: &NetworkMap) -> Result<BTreeMap<Scope, AwsNetwork>, Fault> {
        let mut networks = BTreeMap::new();
        for scope in scopes_of(map) {
            let config = self.accounts.sdk_config(account(map, &scope.account)?, &scope.region).await;
            networks.insert(scope.clone(), AwsNetwork::new(&config, scope));
        }
        Ok(networks)
    }

    /// Run Command in one account and Region.
    pub(crate) async fn guest(&self, map: &NetworkMap, name: &AccountName, region: &Region) -> Result<Guest, Fault> {
        Ok(Guest::new(&self.accounts.sdk_config(account(map, name)?, region).await))
    }
}

fn account<'a>(map: &'a NetworkMap, name: &AccountName) -> Result<&'a Account, Fault> {
    // A parsed map has every account that it names.
    map.accounts
        .get(name)
        .ok_or_else(|| Fault::new(FaultName::Internal, format!("account `{name}` is not in the network map")))
}

#[cfg(test)]
mod tests {
    /// `lambda_runtime` moves the future of an invocation between threads.
    #[test]
    fn the_context_can_be_shared() {
        fn shared<T: Send + Sync>() {}
        shared::<super::Context>();
    }
}
