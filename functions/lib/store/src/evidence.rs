//! Evidence documents in the operations table: `evidence#<id>` / `part#0000`..

use crate::document;
use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Put, Table};
use aws_config::SdkConfig;
use holdfast_model::{Evidence, EvidenceId};

/// Sort keys of the parts begin with it.
const PART: &str = "part#";

/// Stores and reads evidence.
#[derive(Debug, Clone)]
pub struct EvidenceStore {
    table: Table,
}

impl EvidenceStore {
    /// IAM actions that reading needs.
    pub const READ_ACTIONS: &[&str] = &["dynamodb:Query"];

    /// IAM actions that storing needs.
    pub const WRITE_ACTIONS: &[&str] = &["dynamodb:GetItem", "dynamodb:PutItem"];

    /// Evidence in the operations table `table`.
    #[must_use]
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { table: Table::new(config, table) }
    }

    /// Stores evidence under its id, once.
    ///
    /// # Errors
    /// [`StoreError`]; the document is then not stored, or stored completely.
    pub async fn put(&self, evidence: &Evidence) -> Result<Put, StoreError> {
        document::put(&self.table, &partition(&evidence.id), PART, evidence).await
    }

    /// Reads evidence; none when there is none of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: &EvidenceId) -> Result<Option<Evidence>, StoreError> {
        document::get(&self.table, &partition(id), PART).await
    }
}

/// Key of the part that every evidence has.
pub(crate) fn key(id: &EvidenceId) -> Key {
    document::first_key(&partition(id), PART)
}

/// The evidence whose first part was read; none where there is none.
pub(crate) async fn complete(
    table: &Table,
    id: &EvidenceId,
    first: Option<Record>,
) -> Result<Option<Evidence>, StoreError> {
    document::complete(table, &partition(id), PART, first).await
}

fn partition(id: &EvidenceId) -> String {
    format!("evidence#{}", id.0)
}
