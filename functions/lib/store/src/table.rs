//! One table: conditional puts, consistent reads.

use crate::error::StoreError;
use crate::item::{Item, Key, PK, Record, SK};
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use backon::{ExponentialBuilder, Retryable};
use std::collections::BTreeMap;

/// Keys per `BatchGetItem`: the API takes no more.
const KEYS_PER_BATCH: usize = 100;

/// How a put that must not overwrite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is stored, now or by an earlier try of the same document.
    Stored,
    /// Something else is stored under this key; it was not changed.
    AlreadyThere,
}

/// How a conditional put ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    Written,
    /// The condition did not hold: this is stored, or nothing.
    Lost(Option<Record>),
}

/// What must hold for a put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When<'a> {
    /// No item has the key.
    New,
    /// No item has the key, or its number is less.
    NewOrLess(&'a str, i64),
    /// The item's number is this.
    Is(&'a str, i64),
    /// No item has the key, or it has this attribute.
    NewOrHas(&'a str),
}

/// One table with keys `pk` and `sk`.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    client: Client,
    name: String,
}

impl Table {
    pub(crate) fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self { client: Client::new(config), name: name.into() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn unreadable(&self, why: String) -> StoreError {
        StoreError::Unreadable { table: self.name.clone(), why }
    }

    /// Writes an item if the condition holds; otherwise returns what is there.
    pub(crate) async fn put(&self, record: &Record, when: When<'_>) -> Result<Write, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(record.encode()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let number = |number: i64| AttributeValue::N(number.to_string());
        let put = match when {
            When::New => put.condition_expression("attribute_not_exists(pk)"),
            When::NewOrLess(name, than) => put
                .condition_expression("attribute_not_exists(pk) OR #n < :n")
                .expression_attribute_names("#n", name)
                .expression_attribute_values(":n", number(than)),
            When::Is(name, value) => put
                .condition_expression("#n = :n")
                .expression_attribute_names("#n", name)
                .expression_attribute_values(":n", number(value)),
            When::NewOrHas(name) => put
                .condition_expression("attribute_not_exists(pk) OR attribute_exists(#n)")
                .expression_attribute_names("#n", name),
        };
        match put.send().await {
            Ok(_) => Ok(Write::Written),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let old = match error.err() {
                    PutItemError::ConditionalCheckFailedException(failed) => failed.item().cloned(),
                    _ => None,
                };
                match old {
                    Some(item) if !item.is_empty() => Ok(Write::Lost(Some(self.decode(&item)?))),
                    // A server may leave the old item out.
                    _ => Ok(Write::Lost(self.get(&record.key).await?)),
                }
            }
            Err(error) => Err(StoreError::of_call(&self.name, &error)),
        }
    }

    /// Stores an item that must not overwrite another one; the same item again is stored.
    pub(crate) async fn put_once(&self, record: &Record) -> Result<Put, StoreError> {
        match self.put(record, When::New).await? {
            Write::Written => Ok(Put::Stored),
            Write::Lost(Some(old)) if old.doc == record.doc => Ok(Put::Stored),
            Write::Lost(_) => Ok(Put::AlreadyThere),
        }
    }

    /// Sets a number of an existing item; false when there is no such item.
    pub(crate) async fn set_number(&self, key: &Key, name: &str, value: i64) -> Result<bool, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.encode()))
            .update_expression("SET #n = :n")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#n", name)
            .expression_attribute_values(":n", AttributeValue::N(value.to_string()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(StoreError::of_call(&self.name, &error)),
        }
    }

    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.encode()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::of_call(&self.name, &error))?;
        output.item().map(|item| self.decode(item)).transpose()
    }

    /// Items of these keys; a key without item is left out. One call for up to 100 keys.
    pub(crate) async fn get_all(&self, keys: &[Key]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for batch in keys.chunks(KEYS_PER_BATCH) {
            let mut left: Vec<Item> = batch.iter().map(Key::encode).collect();
            while !left.is_empty() {
                // DynamoDB returns what it has no capacity for; a batch of which nothing was read is asked for again.
                let (read, unread) = (|| self.get_batch(&left))
                    .retry(ExponentialBuilder::default().with_max_times(4).with_jitter())
                    .when(|error| matches!(error, StoreError::Throttled { .. }))
                    .await?;
                records.extend(read);
                left = unread;
            }
        }
        Ok(records)
    }

    async fn get_batch(&self, keys: &[Item]) -> Result<(Vec<Record>, Vec<Item>), StoreError> {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys.to_vec()))
            .consistent_read(true)
            .build()
            .map_err(|error| self.unreadable(error.to_string()))?;
        let output = self
            .client
            .batch_get_item()
            .request_items(&self.name, request)
            .send()
            .await
            .map_err(|error| StoreError::of_call(&self.name, &error))?;
        let unread = output
            .unprocessed_keys()
            .and_then(|tables| tables.get(&self.name))
            .map_or_else(Vec::new, |keys| keys.keys().to_vec());
        if unread.len() >= keys.len() {
            return Err(StoreError::Throttled { table: self.name.clone(), why: "no key of a batch was read".into() });
        }
        let items = output.responses().and_then(|tables| tables.get(&self.name)).map_or(&[][..], Vec::as_slice);
        let read = items.iter().map(|item| self.decode(item)).collect::<Result<Vec<_>, _>>()?;
        Ok((read, unread))
    }

    /// Items of a partition whose sort key begins with `prefix`, in order.
    pub(crate) async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Record>, StoreError> {
        if prefix.is_empty() {
            return self.query_where(pk, "#pk = :pk", None).await;
        }
        self.query_where(pk, "#pk = :pk AND begins_with(#sk, :sk)", Some(prefix)).await
    }

    async fn query_where(&self, pk: &str, condition: &str, sk: Option<&str>) -> Result<Vec<Record>, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression(condition)
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        if let Some(sk) = sk {
            query = query
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()));
        }
        let mut records = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let page = query
                .clone()
                .set_exclusive_start_key(from.take())
                .send()
                .await
                .map_err(|error| StoreError::of_call(&self.name, &error))?;
            for item in page.items() {
                records.push(self.decode(item)?);
            }
            from = page.last_evaluated_key().filter(|key| !key.is_empty()).cloned();
            if from.is_none() {
                return Ok(records);
            }
        }
    }

    fn decode(&self, item: &Item) -> Result<Record, StoreError> {
        Record::decode(item).map_err(|why| self.unreadable(why))
    }
}

/// Records by their key.
pub(crate) fn by_key(records: Vec<Record>) -> BTreeMap<Key, Record> {
    records.into_iter().map(|record| (record.key.clone(), record)).collect()
}
