//! Progress of long steps: a spinner on a terminal, plain lines elsewhere; always on stderr.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// Where progress goes.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
}

impl Progress {
    /// Progress on stderr, in the manner that stderr can show.
    pub fn on_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), plain: true };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, plain: false }
    }

    /// No progress at all: for tests.
    pub fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), plain: false }
    }

    /// Begins a long step.
    pub fn step(&self, what: &str) {
        if self.plain {
            eprintln!("lab: {what}");
        }
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message("");
    }

    /// Shows a detail of the present step, on a terminal only.
    pub fn detail(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    /// Takes the spinner away, so that the terminal is free for the report.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints a line on stdout above the spinner.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| println!("{text}"));
    }
}
