//! Asks machines about themselves by SSM Run Command.
//!
//! Owns the committed scripts (`scripts/`), the reports that they print and the client that runs them. Compares
//! nothing and decides nothing: `capture` compares a report with the EC2 API, `verify` judges a probe, `restore-nic`
//! says which adapters are configured. An error here is
//! never read as "down": a machine that could not be asked has a [`GuestError`], not a report of silence.

mod call;
mod command;
mod error;
mod managed;
mod probe;
mod reach;
mod report;
mod scripts;
mod settings;

pub use command::{Guest, Timing};
pub use error::GuestError;
pub use managed::{Activated, Managed, Ping};
pub use probe::{ProbeAnswer, ProbeRequest, ProbeResult, TcpAnswer};
pub use reach::Tags;
pub use report::{Unreadable, read_capture};
pub use scripts::{CAPTURE_PS1, CAPTURE_SH, PROBE_PS1, PROBE_SH, SETTINGS_PS1, SETTINGS_SH};
pub use settings::{AdapterSettings, SettingsOutcome, SettingsResult, read_settings, settings_script};

/// The IAM actions that this crate's calls need.
pub const ACTIONS: &[&str] = &[
    "ssm:CancelCommand",
    "ssm:DescribeInstanceInformation",
    "ssm:GetCommandInvocation",
    "ssm:ListCommandInvocations",
    "ssm:SendCommand",
];
