//! Progress of long steps: a spinner on a terminal, plain lines elsewhere; always on stderr.

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// The least time between two plain lines of one step: enough for a log to show that it goes on.
const PACE: Duration = Duration::from_secs(10);

/// Where progress goes.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    /// Where there is no terminal: when the last plain line was written.
    plain: Option<Arc<Mutex<Instant>>>,
}

impl Progress {
    /// Progress on stderr, in the manner that stderr can show.
    pub fn on_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), plain: Some(Arc::new(Mutex::new(Instant::now()))) };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, plain: None }
    }

    /// No progress at all: for tests.
    pub fn silent() -> Self {
        Self { bar: ProgressBar::hidden(), plain: None }
    }

    /// Begins a long step.
    pub fn step(&self, what: &str) {
        if let Some(last) = &self.plain {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            eprintln!("lab: {what}");
        }
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message("");
    }

    /// Shows a detail of the present step: on a terminal each, elsewhere one now and then.
    pub fn detail(&self, what: &str) {
        if let Some(last) = &self.plain {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.elapsed() >= PACE {
                *last = Instant::now();
                eprintln!("lab:   {what}");
            }
        }
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
