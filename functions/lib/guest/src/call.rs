//! SSM calls: error codes are told apart here and nowhere else, and throttled calls are made again.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use backon::{ExponentialBuilder, Retryable};

use crate::error::GuestError;

/// Stands for the error code where a call had no answer.
pub(crate) const NO_ANSWER: &str = "no answer";

/// A failed call with its code, before it becomes a [`GuestError`].
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: String,
    source: Arc<dyn Error + Send + Sync>,
}

impl Failure {
    pub(crate) fn throttled(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ThrottlingException" | "Throttling" | "RequestLimitExceeded" | "TooManyRequestsException" | "RateExceeded"
        )
    }

    pub(crate) fn into_error(self, action: &'static str) -> GuestError {
        let source = Arc::clone(&self.source);
        if self.throttled() {
            return GuestError::Throttled { action, source };
        }
        match self.code.as_str() {
            "AccessDeniedException" | "AccessDenied" | "UnrecognizedClientException" => {
                GuestError::Denied { action, source }
            }
            _ => GuestError::Call { action, code: self.code, source },
        }
    }
}

impl<E, R> From<SdkError<E, R>> for Failure
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    fn from(error: SdkError<E, R>) -> Self {
        let code = error.code().unwrap_or(NO_ANSWER).to_owned();
        Failure { code, source: Arc::new(error) }
    }
}

/// Makes `call`, and again while it is throttled, for `within` at most. SSM refills its buckets once a second.
pub(crate) async fn unthrottled<T, C, F>(within: Duration, call: C) -> Result<T, Failure>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, Failure>>,
{
    let pace = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(4))
        .without_max_times()
        .with_total_delay(Some(within))
        .with_jitter();
    call.retry(pace).when(Failure::throttled).await
}
