//! Documents that may be larger than an item: kept in parts, written once.

use crate::error::StoreError;
use crate::item::{Key, Record};
use crate::table::{Put, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest part in bytes. An item holds 400 KB with its names and keys.
const PART: usize = 350_000;

/// Key of the first part: small documents have no other.
pub(crate) fn first_key(pk: &str, prefix: &str) -> Key {
    Key::new(pk, format!("{prefix}{:04}", 0))
}

/// Number of parts of the document, on each part.
const PARTS: &str = "parts";

/// The text in parts of at most `limit` bytes, cut between characters; at least one part.
fn split(text: &str, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let at = (1..=limit).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// Records of a document: sort key is `prefix` and the number of the part. The last one completes the document.
fn records(pk: &str, prefix: &str, text: &str, limit: usize) -> Vec<Record> {
    let parts = split(text, limit);
    let count = i64::try_from(parts.len()).unwrap_or(i64::MAX);
    parts
        .iter()
        .enumerate()
        .map(|(number, part)| {
            Record::text(Key::new(pk, format!("{prefix}{number:04}")), (*part).to_owned()).with(PARTS, count)
        })
        .collect()
}

/// The text of the parts, in order; none when parts are missing: the writer died, and the document does not exist.
fn join(records: &[Record]) -> Option<String> {
    let count = records.first()?.number(PARTS)?;
    (i64::try_from(records.len()).ok()? == count).then(|| records.iter().map(|record| record.doc.as_str()).collect())
}

/// Parts of a document as records, to be written in order.
pub(crate) fn encode(
    table: &Table,
    pk: &str,
    prefix: &str,
    document: &impl Serialize,
) -> Result<Vec<Record>, StoreError> {
    let text = serde_json::to_string(document)
        .map_err(|error| table.unreadable(format!("`{pk}`: document cannot be written: {error}")))?;
    Ok(records(pk, prefix, &text, PART))
}

/// The document of these parts; none when it was not completely written.
pub(crate) fn decode<T: DeserializeOwned>(table: &Table, records: &[Record]) -> Result<Option<T>, StoreError> {
    let Some(text) = join(records) else { return Ok(None) };
    let key = records.first().map(|record| record.key.pk.clone()).unwrap_or_default();
    serde_json::from_str(&text).map(Some).map_err(|error| table.unreadable(format!("`{key}`: {error}")))
}

/// Stores a document once, in as many parts as it needs.
///
/// # Guarantees
/// A document of the same key is never changed. One whose writing stopped half-way does not exist for readers, and the same document can be
/// written again.
pub(crate) async fn put(table: &Table, pk: &str, prefix: &str, document: &impl Serialize) -> Result<Put, StoreError> {
    for record in encode(table, pk, prefix, document)? {
        if table.put_once(&record).await? == Put::AlreadyThere {
            return Ok(Put::AlreadyThere);
        }
    }
    Ok(Put::Stored)
}

/// Reads a document; none when there is none or it was not completely written.
pub(crate) async fn get<T: DeserializeOwned>(table: &Table, pk: &str, prefix: &str) -> Result<Option<T>, StoreError> {
    decode(table, &table.query(pk, prefix).await?)
}

/// The document of which the first part was read, if there is one: the others are read too where it has more.
pub(crate) async fn complete<T: DeserializeOwned>(
    table: &Table,
    pk: &str,
    prefix: &str,
    first: Option<Record>,
) -> Result<Option<T>, StoreError> {
    match first {
        None => Ok(None),
        Some(first) if first.number(PARTS) == Some(1) => decode(table, &[first]),
        Some(_) => get(table, pk, prefix).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::show;

    #[test]
    fn a_document_is_cut_between_characters_and_joined_again() {
        let text = "aé漢字🙂b".repeat(5);
        for limit in 4..20 {
            let parts = records("evidence#e1", "part#", &text, limit);
            assert!(parts.iter().all(|part| part.doc.len() <= limit));
            assert_eq!(join(&parts).unwrap(), text);
            assert_eq!(join(&parts[..parts.len() - 1]), None);
        }
        assert_eq!(join(&[]), None);
    }

    #[test]
    fn parts_carry_their_number_and_how_many_there_are() {
        let parts = records("evidence#e1", "part#", "abcdef", 4);
        assert_eq!(show(&parts[0].encode()), ["doc = abcd", "parts = #2", "pk = evidence#e1", "sk = part#0000"]);
        assert_eq!(show(&parts[1].encode()), ["doc = ef", "parts = #2", "pk = evidence#e1", "sk = part#0001"]);
    }
}
