//! What an appliance says when it refuses, or when its task failed.

use serde_json::Value;

use crate::NutanixError;
use crate::json::{list, text};

/// The reason of v3, in a reply or a task, for a change of what was changed meanwhile (nutanix-api H).
const EDIT_CONFLICT: &str = "CONCURRENT_REQUESTS_NOT_ALLOWED";

/// What an error body says, in whatever form it came (nutanix-api: v4 envelope, schema error, gateway message, v3 list or plain text).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: String,
    pub(crate) group: String,
    pub(crate) message: String,
}

impl Said {
    pub(crate) fn parse(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<Value>(body) else {
            let message = if body.trim().is_empty() {
                "no reason given".to_owned()
            } else {
                body.trim().chars().take(300).collect()
            };
            return Self { message, ..Self::default() };
        };
        match json.pointer("/data/error") {
            Some(Value::Array(all)) => all.first().map(Self::app_message).unwrap_or_default(),
            Some(one @ Value::Object(_)) if one.get("validationErrorMessages").is_some() => Self::schema_error(one),
            Some(one @ Value::Object(_)) => Self::app_message(one),
            _ => Self {
                group: text(&json, "/message_list/0/reason").unwrap_or_default().to_owned(),
                message: text(&json, "/message")
                    .or_else(|| text(&json, "/message_list/0/message"))
                    .or_else(|| text(&json, "/Message"))
                    .map_or_else(|| json.to_string().chars().take(300).collect(), str::to_owned),
                ..Self::default()
            },
        }
    }

    /// A message of a service, with its arguments: templates may arrive without them filled in (terraform-provider-nutanix issue 1181).
    pub(crate) fn app_message(value: &Value) -> Self {
        let mut message = text(value, "/message").unwrap_or("no reason given").to_owned();
        if let Some(arguments) = value.get("argumentsMap").and_then(Value::as_object).filter(|m| !m.is_empty()) {
            let given: Vec<String> = arguments
                .iter()
                .map(|(key, value)| {
                    format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                })
                .collect();
            message = format!("{message} [{}]", given.join(", "));
        }
        Self {
            code: text(value, "/code").unwrap_or_default().to_owned(),
            group: text(value, "/errorGroup").unwrap_or_default().to_owned(),
            message,
        }
    }

    fn schema_error(value: &Value) -> Self {
        let each: Vec<String> = list(value, "/validationErrorMessages")
            .iter()
            .filter_map(|v| Some(format!("{} {}", text(v, "/attributePath").unwrap_or_default(), text(v, "/message")?)))
            .collect();
        let message =
            if each.is_empty() { text(value, "/error").unwrap_or_default().to_owned() } else { each.join("; ") };
        Self { message, ..Self::default() }
    }

    /// What means: read again, and decide anew (terraform-provider-nutanix pull request 1231 and issue 1089).
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.code.as_str(), "PLAT-10004" | "PLAT-10005" | "VMM-30303")
            || matches!(self.group.as_str(), "VM_ETAG_MISMATCH" | "MISSING_ETAG_HEADER" | EDIT_CONFLICT)
    }

    /// The error that a failed task with this message is.
    pub(crate) fn into_task_error(self, what: &str) -> NutanixError {
        let what = what.to_owned();
        if self.is_stale() {
            NutanixError::Stale { what, message: self.message }
        } else {
            NutanixError::TaskFailed { what, code: self.code, group: self.group, message: self.message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_the_envelope_with_its_arguments() {
        let said = Said::parse(
            r#"{"$objectType":"x","data":{"error":[{"message":"VM {{vm_uuid}} changed","severity":"ERROR","code":"VMM-30303",
            "errorGroup":"VM_ETAG_MISMATCH","argumentsMap":{"vm_uuid":"1111"}}]}}"#,
        );
        assert_eq!(said.message, "VM {{vm_uuid}} changed [vm_uuid=1111]");
        assert!(said.is_stale());
    }

    #[test]
    fn a_schema_error_names_the_attribute() {
        let said = Said::parse(
            r#"{"data":{"error":{"statusCode":400,"error":"Bad Request","path":"/x",
            "validationErrorMessages":[{"location":"query","message":"must be at most 100","attributePath":"$limit"}]}}}"#,
        );
        assert_eq!(said.message, "$limit must be at most 100");
    }

    #[test]
    fn a_gateway_message_plain_text_and_silence_are_read_too() {
        assert_eq!(
            Said::parse(r#"{"message":"The requested URL was not found"}"#).message,
            "The requested URL was not found"
        );
        assert_eq!(Said::parse("bad gateway").message, "bad gateway");
        assert_eq!(Said::parse("").message, "no reason given");
        let v3 = r#"{"api_version":"3.1","code":422,"message_list":[{"message":"no","reason":"INVALID_REQUEST"}],"state":"ERROR"}"#;
        assert_eq!(Said::parse(v3).message, "no");
        assert!(!Said::parse(v3).is_stale());
        assert!(Said::parse(&v3.replace("INVALID_REQUEST", "CONCURRENT_REQUESTS_NOT_ALLOWED")).is_stale());
    }
}
