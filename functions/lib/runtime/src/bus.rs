//! The event bus that everybody listens to.

use crate::fault::{fault_of, service_fault};
use aws_config::SdkConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use holdfast_model::{ApplianceUnknown, Event, Fault, FaultName, NetworkReady, TestLeft};
use serde::Serialize;
use std::collections::BTreeMap;

/// A message for the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub source: &'static str,
    /// What kind of message it is.
    pub detail_type: &'static str,
    /// The document, as JSON.
    pub detail: String,
}

/// Largest detail in bytes. An entry holds 256 KB with its source, detail type and time (EventBridge, "PutEvents").
const LARGEST: usize = 250_000;

/// Characters of a summary that is cut: room for it in a message of SNS and on a screen.
const KEPT: usize = 1_000;

impl Message {
    /// The message that an event is. One that is larger than the bus takes names no machines, and its summary is cut: the table has all of it.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub fn of_event(event: &Event) -> Result<Self, Fault> {
        let mut detail = json(event)?;
        if detail.len() > LARGEST {
            let kept: String = event.summary.chars().take(KEPT).collect();
            let summary = format!("{kept}.. (all of it is `event#{}` in the operations table)", event.id);
            detail = json(&Event { machines: BTreeMap::new(), summary, ..event.clone() })?;
        }
        Ok(Self { source: event.source(), detail_type: event.detail_type(), detail })
    }

    /// The message that an appliance does not answer.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub fn of_unknown(unknown: &ApplianceUnknown) -> Result<Self, Fault> {
        let (source, detail_type) = (ApplianceUnknown::SOURCE, ApplianceUnknown::DETAIL_TYPE);
        Ok(Self { source, detail_type, detail: json(unknown)? })
    }

    /// The message that a test failover is still there.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub fn of_test_left(left: &TestLeft) -> Result<Self, Fault> {
        Ok(Self { source: TestLeft::SOURCE, detail_type: TestLeft::DETAIL_TYPE, detail: json(left)? })
    }

    /// The message that a network's next failover is not, or is again, proven by a drill.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub fn of_ready(ready: &NetworkReady) -> Result<Self, Fault> {
        Ok(Self { source: NetworkReady::SOURCE, detail_type: ready.detail_type(), detail: json(ready)? })
    }
}

fn json(document: &impl Serialize) -> Result<String, Fault> {
    let text = serde_json::to_string(document);
    text.map_err(|error| Fault::new(FaultName::Internal, format!("an event cannot be written as JSON: {error}")))
}

/// Where messages are put.
pub trait Bus: Send + Sync {
    /// Puts a message on the bus, once or, when the answer is lost, more than once.
    ///
    /// # Errors
    /// Why it is not known to be there.
    fn put(&self, message: &Message) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// A bus of Amazon EventBridge.
#[derive(Debug, Clone)]
pub struct EventBridge {
    client: aws_sdk_eventbridge::Client,
    name: String,
}

impl EventBridge {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["events:PutEvents"];

    /// The bus `name`.
    #[must_use]
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self { client: aws_sdk_eventbridge::Client::new(config), name: name.into() }
    }
}

impl Bus for EventBridge {
    async fn put(&self, message: &Message) -> Result<(), Fault> {
        let what = format!("put `{}` on the event bus `{}`", message.detail_type, self.name);
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(message.source)
            .detail_type(message.detail_type)
            .detail(&message.detail)
            .build();
        let sent = self.client.put_events().entries(entry).send().await;
        let sent = sent.map_err(|error| fault_of(&what, &error, FaultName::NotConfigured))?;
        // The call succeeds even where its entry does not.
        match sent.entries().iter().find(|entry| entry.error_code().is_some()) {
            None => Ok(()),
            Some(entry) => {
                Err(service_fault(&what, entry.error_code(), entry.error_message(), 200, FaultName::Unavailable))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(machines: usize) -> Event {
        let became =
            |number: usize| (format!("machine-{number:05}"), json!({"vm": "3f2b6c1e-5d1c-4f7a-9a3e-000000000000"}));
        let machines: serde_json::Map<String, Value> = (0..machines).map(became).collect();
        serde_json::from_value(json!({
            "schema_version": 1, "id": "cutover-w-1", "job": {"kind": "cutover", "wave": "w", "appliance": "m", "plans": ["p"]},
            "ending": "finished", "networks": ["app"], "to": "nc2-tokyo", "machines": machines,
            "found_at": "2026-01-02T03:04:05Z", "summary": "漢".repeat(2_000),
        }))
        .unwrap()
    }

    #[test]
    fn an_event_that_is_larger_than_the_bus_takes_is_told_without_its_machines() {
        let small = event(1_000);
        assert_eq!(Message::of_event(&small).unwrap().detail, serde_json::to_string(&small).unwrap());
        let large = event(5_000);
        let detail = Message::of_event(&large).unwrap().detail;
        assert!(detail.len() < LARGEST);
        let told: Event = serde_json::from_str(&detail).unwrap();
        assert!(
            told.summary.ends_with("(all of it is `event#cutover-w-1` in the operations table)"),
            "{}",
            told.summary
        );
        assert_eq!(Event { machines: large.machines.clone(), summary: large.summary.clone(), ..told }, large);
    }
}
