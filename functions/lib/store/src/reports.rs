//! Reports of `verify` in the operations table: `report#<id>` / `part#0000`...

use crate::document;
use crate::error::StoreError;
use crate::table::{Put, Table};
use aws_config::SdkConfig;
use holdfast_model::wire::Report;

/// Stores reports.
#[derive(Debug, Clone)]
pub struct Reports {
    table: Table,
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
}
