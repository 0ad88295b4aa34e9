//! A table that older scripts wrote: read whole, and never written.

use crate::error::StoreError;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use std::collections::BTreeMap;

/// A table of older scripts.
#[derive(Debug, Clone)]
pub struct OldTable {
    client: Client,
    name: String,
}

/// An item of it: its attributes that are text.
pub type OldRow = BTreeMap<String, String>;

impl OldTable {
    /// IAM actions that reading needs.
    pub const ACTIONS: &[&str] = &["dynamodb:Scan"];

    /// The table `name`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self { client: Client::new(config), name: name.into() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All items, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rows(&self) -> Result<Vec<OldRow>, StoreError> {
        let scan = self.client.scan().table_name(&self.name).consistent_read(true);
        let mut rows = Vec::new();
        let mut from = None;
        loop {
            let page = scan
                .clone()
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(|error| StoreError::of_call(&self.name, &error))?;
            rows.extend(page.items().iter().map(|item| {
                let texts = item.iter().filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone())));
                texts.collect::<OldRow>()
            }));
            from = page.last_evaluated_key().filter(|key| !key.is_empty()).cloned();
            if from.is_none() {
                return Ok(rows);
            }
        }
    }
}
