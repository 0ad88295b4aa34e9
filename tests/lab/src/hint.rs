//! The signed hint of whoever knows that something finished, as Lambda hands it to `watch`.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// A request to the function's URL at `time` (milliseconds since 1970), signed with `key`.
///
#[must_use]
pub fn signed(key: &str, time: i64, body: &str) -> Value {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return Value::Null };
    mac.update(format!("{time}.{body}").as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
        "headers": {"x-holdfast-time": time.to_string(), "x-holdfast-signature": format!("sha256={signature}")},
        "requestContext": {"http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1"}},
        "body": body, "isBase64Encoded": false
    })
}
