//! Reports of `verify` in the operations table: `report#<id>` / `part#0000`.., and the last good drill of networks to a site:
//! `drill#<networks>#<site>` / `last`.

use crate::document;
use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Put, Table, When};
use aws_config::SdkConfig;
use holdfast_model::wire::Report;
use holdfast_model::{NetworkName, SiteName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// When a drill was made, in milliseconds: what decides which of two drills is the last.
const MADE_AT: &str = "made_at_ms";

/// Stores reports.
#[derive(Debug, Clone)]
pub struct Reports {
    table: Table,
}

/// The last drill that found nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastDrill {
    /// When it was made.
    pub made_at: Timestamp,
    /// Id of its report.
    pub report: String,
}

impl Reports {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem"];

    /// Reports in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Stores a report under an id, once.
    ///
    /// # Errors
    /// [`StoreError`]; the report is then not stored, or stored completely.
    pub async fn put(&self, id: &str, report: &Report) -> Result<Put, StoreError> {
        document::put(&self.table, &format!("report#{id}"), "part#", report).await
    }

    /// Notes a drill that found nothing wrong, unless a later one is noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_drill(
        &self,
        networks: &BTreeSet<NetworkName>,
        to: &SiteName,
        drill: &LastDrill,
    ) -> Result<(), StoreError> {
        let record = drill_record(networks, to, drill).map_err(|why| self.table.unreadable(why))?;
        // A lost condition means that a later drill is noted already.
        self.table.put(&record, When::NewOrLess(MADE_AT, drill.made_at.as_millisecond())).await.map(|_| ())
    }

    /// The last drill of these networks to this site that found nothing wrong.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_drill(
        &self,
        networks: &BTreeSet<NetworkName>,
        to: &SiteName,
    ) -> Result<Option<LastDrill>, StoreError> {
        let record = self.table.get(&drill_key(networks, to)).await?;
        record.map(|record| record.read().map_err(|why| self.table.unreadable(why))).transpose()
    }
}

fn drill_key(networks: &BTreeSet<NetworkName>, to: &SiteName) -> Key {
    let names: Vec<&str> = networks.iter().map(NetworkName::as_str).collect();
    // Names hold neither `+` nor `#`.
    Key::new(format!("drill#{}#{to}", names.join("+")), "last")
}

fn drill_record(networks: &BTreeSet<NetworkName>, to: &SiteName, drill: &LastDrill) -> Result<Record, String> {
    Ok(Record::json(drill_key(networks, to), drill)?.with(MADE_AT, drill.made_at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::show;

    #[test]
    fn the_last_drill_is_keyed_by_networks_and_site() {
        let networks = ["web", "app"].map(|name| NetworkName::parse(name).unwrap()).into();
        let drill = LastDrill { made_at: "2026-01-02T03:04:05Z".parse().unwrap(), report: "r-1".into() };
        let record = drill_record(&networks, &SiteName::parse("nc2-osaka").unwrap(), &drill).unwrap();
        assert_eq!(
            show(&record.encode()),
            [
                "doc = {\"made_at\":\"2026-01-02T03:04:05Z\",\"report\":\"r-1\"}",
                "made_at_ms = #1767323045000",
                "pk = drill#app+web#nc2-osaka",
                "sk = last",
            ]
        );
    }
}
