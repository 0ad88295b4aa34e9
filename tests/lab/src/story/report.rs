//! The closing report of the story: what was verified, what Holdfast did, and where the evidence lies.

use std::sync::atomic::Ordering;

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

use super::{ADDRESS, Story, TOKYO, dynamodb, text};
use crate::LabError;

impl Story<'_> {
    /// The report as a person reads it: one row an operation, as it is stored.
    pub(super) async fn report(&self) -> Result<String, LabError> {
        let items = self.lab.items(TOKYO, dynamodb::OPERATIONS).await?;
        let pk = |item: &Value| item.pointer("/pk/S").and_then(Value::as_str).map(str::to_owned);
        let mut keys: Vec<String> = items.iter().filter_map(pk).filter(|pk| pk.starts_with("op#")).collect();
        keys.sort();
        keys.dedup();
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(150);
        table.set_header(["operation", "what for", "routes", "by the word of"]);
        for key in &keys {
            let operation = dynamodb::document(&items, key, "operation#")?;
            table.add_row([text(&operation, "id"), intent(&operation), routes(&operation), word(&operation)]);
        }
        let held = self.held.load(Ordering::Relaxed);
        let mut lines = vec![table.to_string(), format!("{held} conditions were verified, and every one held")];
        lines.extend(self.remarks.iter().cloned());
        lines.push(format!(
            "operations, journals, evidence and reports lie in the table {} of both Regions",
            dynamodb::OPERATIONS
        ));
        lines.push(format!("{ADDRESS} kept its address at every stage"));
        Ok(lines.join("\n"))
    }
}

fn intent(operation: &Value) -> String {
    let Some(intent) = operation.get("intent") else { return String::new() };
    if text(intent, "kind") == "undo" {
        return format!("take {} back", text(intent, "operation"));
    }
    let networks = intent.get("networks").and_then(Value::as_array);
    let networks: Vec<&str> = networks.into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{} to {}", networks.join(", "), text(intent, "to"))
}

fn routes(operation: &Value) -> String {
    let stages = operation.pointer("/plan/stages").and_then(Value::as_array);
    let steps = stages.into_iter().flatten().filter_map(Value::as_array).map(Vec::len).sum::<usize>();
    steps.to_string()
}

/// Evidence by its id, or the person who forced it.
fn word(operation: &Value) -> String {
    match operation.get("force").filter(|force| !force.is_null()) {
        Some(force) => format!("{}: {}", text(force, "by"), text(force, "reason")),
        None => text(operation, "evidence"),
    }
}
