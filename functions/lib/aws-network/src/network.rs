//! The client of one account in one Region.

use crate::codes::{Ec2Error, ErrorKind, meaning};
use crate::pace::Pace;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use holdfast_model::Scope;
use std::fmt;

/// EC2 of one account in one Region.
pub struct AwsNetwork {
    pub(crate) reads: Client,
    pub(crate) writes: Client,
    pub(crate) dx: aws_sdk_directconnect::Client,
    pub(crate) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) quotas: aws_sdk_servicequotas::Client,
    pub(crate) pace: Pace,
    scope: Scope,
}

impl AwsNetwork {
    /// A client with the credentials, Region, endpoint and time-outs of `config`.
    ///
    /// Reads are retried as `config` says. Writes are sent once: after a failure the caller reads what is there before it writes again.
    #[must_use]
    pub fn new(config: &SdkConfig, scope: Scope) -> Self {
        Self::paced(config, scope, Pace::new())
    }

    /// As [`AwsNetwork::new`], with buckets that others for the same account and Region have taken from.
    #[must_use]
    pub fn paced(config: &SdkConfig, scope: Scope, pace: Pace) -> Self {
        let once = aws_sdk_ec2::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        let dx = aws_sdk_directconnect::Client::new(config);
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(config);
        let quotas = aws_sdk_servicequotas::Client::new(config);
        Self { reads: Client::new(config), writes: Client::from_conf(once), dx, elb, quotas, pace, scope }
    }

    /// Account and Region.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// An error of the SDK as ours.
    pub(crate) fn error<E, R>(&self, action: &'static str, what: &str, error: &SdkError<E, R>) -> Ec2Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: fmt::Debug + 'static,
    {
        let (kind, detail) = meaning(error);
        Ec2Error { scope: self.scope.clone(), action, what: what.to_owned(), kind, detail }
    }

    /// An answer that cannot be understood.
    pub(crate) fn malformed(&self, action: &'static str, what: &str, detail: impl fmt::Display) -> Ec2Error {
        Ec2Error {
            scope: self.scope.clone(),
            action,
            what: what.to_owned(),
            kind: ErrorKind::Malformed,
            detail: detail.to_string(),
        }
    }
}

impl fmt::Debug for AwsNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsNetwork").field("scope", &self.scope).finish_non_exhaustive()
    }
}
