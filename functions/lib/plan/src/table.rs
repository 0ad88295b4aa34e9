//! A plan as text: what a network engineer approves, and the same in logs and outputs.

use crate::forecast::Forecast;
use crate::step::{Plan, Step};
use comfy_table::{Table, presets::ASCII_MARKDOWN};

/// What stands in place of the table of a plan without steps.
pub const NOTHING_TO_CHANGE: &str = "nothing to change";

/// The plan as a table: one line a step, stages in order.
#[must_use]
pub fn plan_table(plan: &Plan) -> String {
    if plan.is_empty() {
        return NOTHING_TO_CHANGE.to_owned();
    }
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["stage", "Region", "account", "table", "prefix", "from", "to", "why"]);
    for (at, step) in plan.stages.iter().enumerate().flat_map(|(at, stage)| stage.iter().map(move |step| (at, step))) {
        table.add_row([
            (at + 1).to_string(),
            step.scope.region.to_string(),
            step.scope.account.to_string(),
            step.label(),
            step.place_words(),
            step.words(&step.before),
            step.words(&step.after),
            step.why.clone(),
        ]);
    }
    table.trim_fmt()
}

/// The plan as a table, and under it what it costs.
#[must_use]
pub fn plan_text(plan: &Plan, forecast: &Forecast) -> String {
    if plan.is_empty() { plan_table(plan) } else { format!("{}\n\n{forecast}", plan_table(plan)) }
}

/// Steps in plain words, for what is done and what is left.
#[must_use]
pub fn done_words<'a>(steps: impl IntoIterator<Item = &'a Step>) -> String {
    let lines: Vec<String> = steps.into_iter().map(ToString::to_string).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") }
}
