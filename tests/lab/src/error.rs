//! What can go wrong with the lab: one line each, with the mend.

use std::{path::PathBuf, process::ExitStatus};

use holdfast_sim::python::NoPython;

/// A failure that crossed several libraries.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the lab could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Something could not be measured.
    #[error("the measurement failed")]
    Bench(#[source] BoxError),
    /// No suitable Python.
    #[error(transparent)]
    NoPython(NoPython),
    /// A program that the lab needs ended with an error.
    #[error("`{program}` failed ({status}): {said}; {mend}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last line that it wrote.
        said: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// A program could not be started at all.
    #[error("`{program}` cannot be started: {mend}")]
    Spawn {
        /// The program.
        program: String,
        /// What to do about it.
        mend: &'static str,
        /// The operating system's word.
        #[source]
        source: std::io::Error,
    },
    /// The emulator did not come up, or went away.
    #[error("the AWS emulator on port {port} {what}; it said `{said}`: {mend}")]
    Emulator {
        /// Its port.
        port: u16,
        /// What happened to it.
        what: String,
        /// The telling line of its log.
        said: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// A file cannot be read or written.
    #[error("`{}` {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done, and the mend.
        what: &'static str,
        /// The operating system's word.
        #[source]
        source: std::io::Error,
    },
    /// A world file, network map or template is not what it should be.
    #[error("`{}` {what}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the mend.
        what: String,
    },
    /// The simulators did not start.
    #[error("the simulators did not start: {0}; stop what takes all ports of 127.0.0.1, or start again")]
    Sim(String),
    /// No HTTP client can be made.
    #[error("no HTTP client can be made; mend the certificates that SSL_CERT_FILE or the system names")]
    Client(#[source] reqwest::Error),
    /// The control server was not reached, or refused.
    #[error("`{path}` of the control server: {what}; `tests/sim/src/control/mod.rs` lists its requests")]
    Control {
        /// The request's path.
        path: String,
        /// What it said, or why it could not be asked.
        what: String,
    },
    /// The lab does not have what was asked for.
    #[error("the lab has no {what}; it has {have}")]
    Absent {
        /// What was asked for.
        what: String,
        /// What there is of the kind.
        have: String,
    },
    /// A call to the emulated AWS failed.
    #[error("{doing} in {region} failed")]
    Aws {
        /// What was being done.
        doing: String,
        /// In which Region.
        region: String,
        /// The client's word.
        #[source]
        source: BoxError,
    },
    /// A stack was not created.
    #[error("stack `{stack}` in {region} ended in {status}: {reason}; mend `infra/template.yaml`")]
    Stack {
        /// The stack.
        stack: String,
        /// Its Region.
        region: String,
        /// Its status.
        status: String,
        /// The reason of its first failed resource.
        reason: String,
    },
    /// Something did not become true in time.
    #[error("{what} did not happen within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// The story did not go as it must.
    #[error("{stage}: {what}")]
    Story {
        /// The stage of the story.
        stage: String,
        /// What was seen, and what should have been.
        what: String,
    },
    /// A person or the system asked the lab to stop.
    #[error("stopped by {0}; every process that the lab started is gone")]
    Stopped(&'static str),
}

impl LabError {
    /// The error and all its sources on one line.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !line.contains(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            source = cause.source();
        }
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A failed call to the emulated AWS.
    pub(crate) fn aws(doing: impl Into<String>, region: &str, source: impl Into<BoxError>) -> Self {
        Self::Aws { doing: doing.into(), region: region.to_owned(), source: source.into() }
    }
}
