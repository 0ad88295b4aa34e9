//! Items as DynamoDB keeps them: a key, a JSON document as text, and numbers that conditions compare.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, HashMap};

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Partition key of both tables.
pub(crate) const PK: &str = "pk";

/// Sort key of both tables.
pub(crate) const SK: &str = "sk";

/// The JSON document of an item, as text: what a person reads in the console is what the code reads.
const DOC: &str = "doc";

/// Partition and sort key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn encode(&self) -> Item {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

/// An item as this crate has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) doc: String,
    pub(crate) numbers: BTreeMap<String, i64>,
}

impl Record {
    pub(crate) fn text(key: Key, doc: String) -> Self {
        Self { key, doc, numbers: BTreeMap::new() }
    }

    /// A record of a document; the text that it cannot be written is a bug's.
    pub(crate) fn json(key: Key, document: &impl Serialize) -> Result<Self, String> {
        let doc = serde_json::to_string(document).map_err(|error| format!("document cannot be written: {error}"))?;
        Ok(Self::text(key, doc))
    }

    pub(crate) fn with(mut self, name: &str, number: i64) -> Self {
        self.numbers.insert(name.to_owned(), number);
        self
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(&self.doc).map_err(|error| format!("`{}` / `{}`: {error}", self.key.pk, self.key.sk))
    }

    pub(crate) fn encode(&self) -> Item {
        let mut item = self.key.encode();
        item.insert(DOC.to_owned(), AttributeValue::S(self.doc.clone()));
        for (name, number) in &self.numbers {
            item.insert(name.clone(), AttributeValue::N(number.to_string()));
        }
        item
    }

    pub(crate) fn decode(item: &Item) -> Result<Self, String> {
        let text = |name: &str| {
            let value = item.get(name).and_then(|value| value.as_s().ok());
            value.cloned().ok_or_else(|| format!("attribute `{name}` is missing or not a string"))
        };
        let key = Key::new(text(PK)?, text(SK)?);
        let doc = text(DOC).map_err(|problem| format!("`{}` / `{}`: {problem}", key.pk, key.sk))?;
        let numbers =
            item.iter().filter_map(|(name, value)| Some((name.clone(), value.as_n().ok()?.parse().ok()?))).collect();
        Ok(Self { key, doc, numbers })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An item as sorted lines.
    pub(crate) fn show(item: &Item) -> Vec<String> {
        let mut lines: Vec<String> = item
            .iter()
            .map(|(name, value)| match value {
                AttributeValue::S(text) => format!("{name} = {text}"),
                AttributeValue::N(number) => format!("{name} = #{number}"),
                other => format!("{name} = {other:?}"),
            })
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn an_item_reads_back_as_it_was_written() {
        let record = Record::text(Key::new("network#app", "lock"), "{\"v\":1}".to_owned()).with("fence", 7);
        assert_eq!(show(&record.encode()), ["doc = {\"v\":1}", "fence = #7", "pk = network#app", "sk = lock"]);
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn an_item_without_document_names_its_key() {
        let problem = Record::decode(&Key::new("op#x", "operation").encode()).unwrap_err();
        assert_eq!(problem, "`op#x` / `operation`: attribute `doc` is missing or not a string");
    }
}
