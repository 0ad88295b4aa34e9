//! Lenient reading of JSON: absent, null and oddly nested values are what the appliances send.

use std::net::Ipv4Addr;

use holdfast_model::{ExtId, MacAddress};
use serde_json::Value;

/// A text at a JSON pointer.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|t| !t.is_empty())
}

/// The members of a list at a JSON pointer; none where it is absent.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The documents of a list at a JSON pointer, none where it is absent or null.
///
/// # Errors
/// What is there instead: a list that is taken for empty would be believed.
pub(crate) fn documents<'a>(value: &'a Value, pointer: &str) -> Result<&'a [Value], String> {
    match value.pointer(pointer) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(all)) if all.iter().all(Value::is_object) => Ok(all),
        Some(_) => Err(format!("`{pointer}` is no list of objects")),
    }
}

/// An entity id, bare or inside a reference object.
pub(crate) fn ext_id(value: Option<&Value>) -> Option<ExtId> {
    let value = value?;
    let text = value.as_str().or_else(|| text(value, "/extId"))?;
    ExtId::parse(text).ok()
}

/// An IPv4 address: bare, `{value}` or `{ipv4: {value}}`.
pub(crate) fn ipv4(value: &Value) -> Option<Ipv4Addr> {
    value.as_str().or_else(|| text(value, "/value")).or_else(|| text(value, "/ipv4/value"))?.parse().ok()
}

/// The IPv4 addresses of a list at a JSON pointer.
pub(crate) fn ipv4_list(value: &Value, pointer: &str) -> Vec<Ipv4Addr> {
    list(value, pointer).iter().filter_map(ipv4).collect()
}

/// A MAC address at a JSON pointer.
pub(crate) fn mac(value: &Value, pointer: &str) -> Option<MacAddress> {
    text(value, pointer).and_then(|t| MacAddress::parse(t).ok())
}
