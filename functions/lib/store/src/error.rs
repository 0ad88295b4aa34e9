//! Why a table did not do what was asked.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use holdfast_model::{Fault, FaultName, WaveName};

/// Why a table did not do what was asked. Whether a write had its effect is then unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Asked to slow down, and kept asking.
    #[error("table `{table}` is throttled: {why}")]
    Throttled {
        /// The table.
        table: String,
        /// DynamoDB's words.
        why: String,
    },
    /// No answer, or an error of its own.
    #[error("table `{table}` does not answer: {why}")]
    Unavailable {
        /// The table.
        table: String,
        /// What was seen.
        why: String,
    },
    /// No right.
    #[error("no right to table `{table}`: {why}")]
    Denied {
        /// The table.
        table: String,
        /// DynamoDB's words.
        why: String,
    },
    /// No such table, or it has not the keys that it should have.
    #[error("table `{table}` cannot be used: {why}; deploy the stack's template in this Region")]
    NotConfigured {
        /// The table.
        table: String,
        /// DynamoDB's words.
        why: String,
    },
    /// A version of a wave that was never stored.
    #[error("wave `{wave}` has no inventory version {version}; it has {known}")]
    NoVersion {
        /// The wave.
        wave: WaveName,
        /// The version that was asked for.
        version: u32,
        /// Those that there are, in words.
        known: String,
    },
    /// What is stored cannot be read by this version.
    #[error("an item of table `{table}` cannot be read: {why}")]
    Unreadable {
        /// The table.
        table: String,
        /// Which item, and what is wrong with it.
        why: String,
    },
}

impl StoreError {
    /// The error that a failed call is.
    pub(crate) fn of_call<E>(table: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let table = table.to_owned();
        let SdkError::ServiceError(service) = error else {
            return Self::Unavailable { table, why: chain(error) };
        };
        let (code, message) = (service.err().meta().code(), service.err().meta().message().unwrap_or("no message"));
        let status = service.raw().status().as_u16();
        let why = format!("{status} {}: {message}", code.unwrap_or("no error code"));
        match code.and_then(FaultName::from_aws_code).or_else(|| FaultName::from_aws_status(status)) {
            Some(FaultName::Throttled) => Self::Throttled { table, why },
            Some(FaultName::AccessDenied) => Self::Denied { table, why },
            Some(_) => Self::Unavailable { table, why },
            None => Self::NotConfigured { table, why },
        }
    }

    /// The name of the fault that this is.
    #[must_use]
    pub fn fault_name(&self) -> FaultName {
        match self {
            Self::Throttled { .. } => FaultName::Throttled,
            Self::Unavailable { .. } => FaultName::Unavailable,
            Self::Denied { .. } => FaultName::AccessDenied,
            Self::NotConfigured { .. } => FaultName::NotConfigured,
            Self::NoVersion { .. } => FaultName::InvalidInput,
            Self::Unreadable { .. } => FaultName::Internal,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::new(error.fault_name(), error.to_string())
    }
}

impl From<StoreError> for holdfast_journal::StoreError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Throttled { .. } => Self::Throttled(text),
            StoreError::Unavailable { .. } => Self::Unavailable(text),
            StoreError::Denied { .. } | StoreError::NotConfigured { .. } => Self::Denied(text),
            StoreError::NoVersion { .. } | StoreError::Unreadable { .. } => Self::Unreadable(text),
        }
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
