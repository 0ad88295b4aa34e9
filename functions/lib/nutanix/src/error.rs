//! What can go wrong between us and an appliance.

use holdfast_model::FaultName;

/// Why a call to Prism Central or Move did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NutanixError {
    /// The network map says something of this appliance that cannot be used.
    #[error("{0}")]
    Config(String),
    /// HTTP 401 or 403.
    #[error(
        "`{endpoint}` refuses user name and password, or API key (HTTP {status}); check the secret that the network map names"
    )]
    WrongPassword {
        /// The appliance.
        endpoint: String,
        /// 401 or 403.
        status: u16,
    },
    /// The certificate is not the trusted one.
    #[error("the certificate of `{endpoint}` is not the trusted one: {why}; check `trust` in the network map")]
    Untrusted {
        /// The appliance.
        endpoint: String,
        /// What the verifier says.
        why: String,
    },
    /// No connection, or no answer in time.
    #[error("`{endpoint}` does not answer, asked for {what}: {why}")]
    Unreachable {
        /// The appliance.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// What the network says.
        why: String,
        /// Whether the request may have arrived all the same.
        sent: Sent,
    },
    /// The appliance asked to slow down, and kept asking.
    #[error("`{endpoint}` asks to slow down, asked for {what}")]
    Throttled {
        /// The appliance.
        endpoint: String,
        /// What was asked for.
        what: String,
    },
    /// The entity changed between reading and writing; read again and decide anew.
    #[error("{what} changed while it was being changed: {message}")]
    Stale {
        /// What was to be changed.
        what: String,
        /// In the words of the appliance.
        message: String,
    },
    /// There is no such entity.
    #[error("{what} is not there: {message}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// In the words of the appliance.
        message: String,
    },
    /// The request was accepted, and its task failed.
    #[error("{what} failed: {message} ({code} {group})")]
    TaskFailed {
        /// What was to be done.
        what: String,
        /// Code, as `VMM-30303`.
        code: String,
        /// Error group, as `VM_ETAG_MISMATCH`.
        group: String,
        /// In the words of the appliance, with the arguments of the message.
        message: String,
    },
    /// The request was accepted, and its task did not end in time.
    #[error("{what} is still {status} (task `{task}`)")]
    TaskUnfinished {
        /// What was to be done.
        what: String,
        /// Id of the task.
        task: String,
        /// Its last status.
        status: String,
    },
    /// The NIC is there, and the appliance does not know what is to be done with it; another way may work.
    #[error("`{endpoint}` has no action `{action}` of NICs at {level}: {message}")]
    NoAction {
        /// The appliance.
        endpoint: String,
        /// Level of its API.
        level: String,
        /// The action, as `assign-ip`.
        action: String,
        /// In the words of the appliance.
        message: String,
    },
    /// The appliance speaks no version of the API that this client speaks.
    #[error("`{endpoint}` speaks {found} of `{namespace}`, {}", mend(namespace))]
    Unsupported {
        /// The appliance.
        endpoint: String,
        /// Namespace of the API.
        namespace: &'static str,
        /// What it speaks.
        found: String,
    },
    /// The appliance says no.
    #[error("`{endpoint}` refuses {what}: {message} (HTTP {status} {code})")]
    Api {
        /// The appliance.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// Code, as `PLAT-10004`; empty where none was given.
        code: String,
        /// In the words of the appliance.
        message: String,
    },
    /// A reply that does not have the documented form: whether a change was made is open.
    #[error("`{endpoint}`, asked for {what}, answers with something unexpected: {why}")]
    Unreadable {
        /// The appliance.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// What is wrong with the reply.
        why: String,
    },
}

/// Whether a request without reply may have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// No connection came about: the request was not sent.
    Never,
    /// The request was sent, wholly or in part: its effect is unknown.
    Perhaps,
}

/// What follows from a namespace that is not there at a level that is known, and what helps.
fn mend(namespace: &str) -> &'static str {
    match namespace {
        "dataprotection" | "datapolicies" => {
            "which does not tell of recovery plans and jobs; update Prism Central to pc.7.5 or later (v4.2)"
        }
        _ => "with which no NIC can be repaired; update Prism Central to pc.2024.3 or later (v4.0)",
    }
}

impl NutanixError {
    /// The fault that this error is, where it speaks of the appliance and not of one host; none where the caller decides.
    #[must_use]
    pub fn fault_name(&self) -> Option<FaultName> {
        match self {
            NutanixError::Config(_) => Some(FaultName::InvalidMap),
            NutanixError::WrongPassword { .. } => Some(FaultName::WrongPassword),
            NutanixError::Untrusted { .. } => Some(FaultName::UntrustedCertificate),
            NutanixError::Unreachable { .. } | NutanixError::Unreadable { .. } => Some(FaultName::Unavailable),
            NutanixError::Throttled { .. } => Some(FaultName::Throttled),
            NutanixError::Unsupported { .. } => Some(FaultName::NotConfigured),
            NutanixError::Api { status, .. } if *status >= 500 => Some(FaultName::Unavailable),
            NutanixError::Api { .. }
            | NutanixError::Stale { .. }
            | NutanixError::NotFound { .. }
            | NutanixError::TaskFailed { .. }
            | NutanixError::TaskUnfinished { .. }
            | NutanixError::NoAction { .. } => None,
        }
    }

    /// Whether the appliance understood the request and said no to it, so that another way may work.
    #[must_use]
    pub fn refused(&self) -> bool {
        match self {
            NutanixError::TaskFailed { .. } | NutanixError::NoAction { .. } => true,
            NutanixError::Api { status, .. } => (400..500).contains(status),
            NutanixError::Config(_)
            | NutanixError::WrongPassword { .. }
            | NutanixError::Untrusted { .. }
            | NutanixError::Unreachable { .. }
            | NutanixError::Throttled { .. }
            | NutanixError::Stale { .. }
            | NutanixError::NotFound { .. }
            | NutanixError::TaskUnfinished { .. }
            | NutanixError::Unsupported { .. }
            | NutanixError::Unreadable { .. } => false,
        }
    }
}
