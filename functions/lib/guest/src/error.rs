//! Why a machine could not be asked. None of these says that the machine is down.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::InstanceId;

use crate::report::Unreadable;

/// Why there is no report of a machine.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// Systems Manager does not know the machine: no agent, no role, or an id that does not exist.
    #[error("machine `{machine}` is not managed by Systems Manager")]
    NotManaged {
        /// The machine's instance id or managed-instance id.
        machine: InstanceId,
    },
    /// The agent does not answer Systems Manager at the moment.
    #[error("machine `{machine}` is managed by Systems Manager but its agent is not online (`{ping}`)")]
    Offline {
        /// The machine.
        machine: InstanceId,
        /// The ping status that Systems Manager gave.
        ping: String,
    },
    /// Neither Windows nor Linux.
    #[error("machine `{machine}` runs platform `{platform}`, for which there is no script")]
    Platform {
        /// The machine.
        machine: InstanceId,
        /// The platform that Systems Manager gave.
        platform: String,
    },
    /// A call to Systems Manager was throttled for longer than the deadline.
    #[error("`{action}` was throttled by AWS until the deadline")]
    Throttled {
        /// The IAM action.
        action: &'static str,
        /// The last answer.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The caller's role may not make the call.
    #[error("`{action}` is not allowed to this role")]
    Denied {
        /// The IAM action.
        action: &'static str,
        /// The answer.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A call to Systems Manager failed otherwise, or had no answer.
    #[error("`{action}` failed (`{code}`)")]
    Call {
        /// The IAM action.
        action: &'static str,
        /// The error code, `no answer` where there was none.
        code: String,
        /// The answer.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The command did not end in time; it was asked to be cancelled.
    #[error(
        "command `{command}` on machine `{machine}` did not end within {within:?} and was cancelled (last status `{status}`)"
    )]
    TimedOut {
        /// The machine.
        machine: InstanceId,
        /// The command id.
        command: String,
        /// The deadline.
        within: Duration,
        /// The status last read.
        status: String,
    },
    /// The command ended, and not with success.
    #[error("command `{command}` on machine `{machine}` ended with `{status}`: {stderr}")]
    Failed {
        /// The machine.
        machine: InstanceId,
        /// The command id.
        command: String,
        /// The status: `Failed`, `TimedOut`, `Undeliverable`...
        status: String,
        /// What the script wrote to stderr.
        stderr: String,
    },
    /// A command that was sent by tags reached a machine that was given them meanwhile. It was asked to be cancelled there.
    #[error(
        "command `{command}` was sent by tags, and machine `{machine}`, which was given them meanwhile, got it too"
    )]
    Outside {
        /// The machine.
        machine: InstanceId,
        /// The command id.
        command: String,
    },
    /// The output did not arrive whole.
    #[error("output of command `{command}` on machine `{machine}` was cut off after {length} characters")]
    CutOff {
        /// The machine.
        machine: InstanceId,
        /// The command id.
        command: String,
        /// What arrived.
        length: usize,
    },
    /// The output is whole but is not a report.
    #[error("output of command `{command}` on machine `{machine}` is not a report")]
    Unreadable {
        /// The machine.
        machine: InstanceId,
        /// The command id.
        command: String,
        /// What does not fit.
        #[source]
        source: Arc<Unreadable>,
    },
}

impl GuestError {
    /// Whether the same question may well have an answer a little later.
    pub fn retryable(&self) -> bool {
        match self {
            GuestError::Offline { .. }
            | GuestError::Throttled { .. }
            | GuestError::TimedOut { .. }
            | GuestError::CutOff { .. } => true,
            GuestError::Call { code, .. } => code == crate::call::NO_ANSWER || code == "InternalServerError",
            GuestError::NotManaged { .. }
            | GuestError::Platform { .. }
            | GuestError::Denied { .. }
            | GuestError::Failed { .. }
            | GuestError::Outside { .. }
            | GuestError::Unreadable { .. } => false,
        }
    }
}
