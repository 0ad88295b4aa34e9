//! What the lab prints of the story: one row a stage, and how many probes were lost in it.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

use crate::prober::Counts;

/// The longest text of a stage.
const MOST: usize = 300;

/// One stage of the story.
#[derive(Debug, Clone)]
pub struct Stage {
    /// What happened, as `3 cutover by event`.
    pub name: String,
    /// Since the start of the story.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// Probes sent and lost meanwhile.
    pub counts: Counts,
    /// How it ended, in plain words.
    pub words: String,
}

/// The whole story.
#[derive(Debug, Clone)]
pub struct Timeline {
    clients: Vec<String>,
    stages: Vec<Stage>,
    started: Duration,
}

impl Timeline {
    /// A timeline with a column of lost probes for each of these clients.
    pub fn new(clients: &[&str]) -> Self {
        Self {
            clients: clients.iter().map(|name| (*name).to_owned()).collect(),
            stages: Vec::new(),
            started: Duration::ZERO,
        }
    }

    /// Notes when the present stage began.
    pub(crate) fn start(&mut self, at: Duration) {
        self.started = at;
    }

    /// When the present stage began.
    pub(crate) fn started(&self) -> Duration {
        self.started
    }

    /// Adds a stage.
    pub fn push(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// The stages so far.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// One stage as a line, for those who watch.
    pub fn line(&self, stage: &Stage) -> String {
        let lost: Vec<String> =
            self.clients.iter().map(|client| format!("{} lost from {client}", lost(stage, client))).collect();
        let words = short(&stage.words);
        format!("{:>6.1} s  {}: {} ({})", stage.began.as_secs_f64(), stage.name, words, lost.join(", "))
    }

    /// The whole story as a table.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(150);
        let clients = self.clients.iter().map(|client| format!("lost from {client}"));
        table.set_header(
            ["at", "took", "stage"].map(str::to_owned).into_iter().chain(clients).chain(["what was done".to_owned()]),
        );
        for stage in &self.stages {
            let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
            let lost = self.clients.iter().map(|client| lost(stage, client));
            let cells = [seconds(stage.began), seconds(stage.took), stage.name.clone()];
            table.add_row(cells.into_iter().chain(lost).chain([short(&stage.words)]));
        }
        table.to_string()
    }
}

/// The first line of what was done, cut where a person stops reading; the execution's output has it whole.
fn short(words: &str) -> String {
    let line = words.lines().next().unwrap_or_default();
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}..", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}

fn lost(stage: &Stage, client: &str) -> String {
    let count = stage.counts.get(client).copied().unwrap_or_default();
    format!("{} of {}", count.lost, count.sent)
}
