//! The failovers that `watch` found, for whoever follows machines through them.

use crate::error::StoreError;
use crate::events::Events;
use crate::watched::{Note, WatchedAppliance, Watches};
use aws_config::SdkConfig;
use holdfast_model::{Event, EventId, Job, PrismName};
use std::collections::BTreeMap;

/// Reads failovers out of the operations table.
#[derive(Debug, Clone)]
pub struct Failovers {
    events: Events,
    watches: Watches,
}

impl Failovers {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:Query"];

    /// Failovers in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { events: Events::new(config, table.clone()), watches: Watches::new(config, table) }
    }

    /// Every failover that one of these Prism Centrals told of, once, in the order in which they ended. One query for each Prism Central, and for each
    /// of their jobs that moved a captured machine.
    ///
    /// What had ended before a Prism Central was first watched is not among them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn told_by(
        &self,
        prism_centrals: impl IntoIterator<Item = &PrismName>,
    ) -> Result<Vec<Event>, StoreError> {
        let mut found: BTreeMap<EventId, Event> = BTreeMap::new();
        for name in prism_centrals {
            let watched = self.watches.read(&WatchedAppliance::PrismCentral(name.clone())).await?;
            for (id, noted) in watched.jobs {
                match noted.note {
                    Note::Event { .. } if !found.contains_key(&id) => {}
                    Note::Event { .. } | Note::Ignored { .. } => continue,
                }
                if let Some(document) = self.events.read(&id).await?.found {
                    found.insert(id, document.event);
                }
            }
        }
        let mut failovers: Vec<Event> =
            found.into_values().filter(|event| matches!(event.job, Job::Failover { .. })).collect();
        failovers.sort_by_key(|event| (event.ended.unwrap_or(event.found_at), event.id.clone()));
        Ok(failovers)
    }
}
