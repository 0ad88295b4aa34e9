//! What the function is built from once, at cold start.

use holdfast_aws_network::{AwsNetwork, Pace, scopes_of};
use holdfast_model::{Clock, Fault, FaultName, NetworkMap, Scope};
use holdfast_runtime::{Accounts, Config, MapSource, SystemClock, Writer, base_config};
use holdfast_store::{EvidenceStore, Inventory, Operations};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Clients and configuration of the function.
pub struct Context {
    pub(crate) maps: MapSource,
    pub(crate) accounts: Accounts,
    pub(crate) inventory: Inventory,
    pub(crate) evidence: EvidenceStore,
    pub(crate) operations: Operations,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) writer: Writer,
    /// What earlier invocations of this process took from the token buckets.
    paces: Mutex<BTreeMap<Scope, Pace>>,
}

impl Context {
    /// Reads the environment and makes the clients; calls nothing.
    ///
    /// # Errors
    /// `NotConfigured`, with the variable that is missing.
    pub async fn new() -> Result<Self, Fault> {
        let config = Config::from_env()?;
        let base = base_config().await;
        Ok(Self {
            maps: MapSource::new(&base, config.map_parameter),
            inventory: Inventory::new(&base, config.inventory_table),
            evidence: EvidenceStore::new(&base, config.operations_table.clone()),
            operations: Operations::new(&base, config.operations_table),
            writer: config.writer,
            accounts: Accounts::new(base),
            clock: Box::new(SystemClock),
            paces: Mutex::default(),
        })
    }

    /// A client for every account and Region of the network map.
    pub(crate) async fn networks(&self, map: &NetworkMap) -> Result<BTreeMap<Scope, AwsNetwork>, Fault> {
        let mut networks = BTreeMap::new();
        for scope in scopes_of(map) {
            let account = map.accounts.get(&scope.account).ok_or_else(|| {
                Fault::new(FaultName::InvalidMap, format!("account `{}` is not under `accounts`", scope.account))
            })?;
            let config = self.accounts.sdk_config(account, &scope.region).await;
            let pace =
                self.paces.lock().unwrap_or_else(PoisonError::into_inner).entry(scope.clone()).or_default().clone();
            networks.insert(scope.clone(), AwsNetwork::paced(&config, scope, pace));
        }
        Ok(networks)
    }
}
