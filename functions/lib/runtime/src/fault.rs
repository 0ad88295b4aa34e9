//! Errors of the SDK as faults.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use holdfast_model::{Fault, FaultName};

/// The fault that an error of the SDK is. `what` is what was tried, as ``read parameter `x` ``.
///
/// No answer and errors of AWS itself are `Unavailable`; a code that the common table does not know is `otherwise`.
pub fn fault_of<E>(what: &str, error: &SdkError<E, HttpResponse>, otherwise: FaultName) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => service_fault(
            what,
            service.err().meta().code(),
            service.err().meta().message(),
            service.raw().status().as_u16(),
            otherwise,
        ),
        // INVARIANT: no answer is never taken for a no: these are retryable.
        _ => Fault::new(FaultName::Unavailable, format!("could not {what}: {}", chain(error))),
    }
}

/// The fault that an answered error is, from its code, message and HTTP status.
#[must_use]
pub fn service_fault(
    what: &str,
    code: Option<&str>,
    message: Option<&str>,
    status: u16,
    otherwise: FaultName,
) -> Fault {
    let name =
        code.and_then(FaultName::from_aws_code).or_else(|| FaultName::from_aws_status(status)).unwrap_or(otherwise);
    let code = code.unwrap_or("no error code");
    let message = message.unwrap_or("no message");
    Fault::new(name, format!("could not {what}: AWS answered {status} {code}: {message}"))
}

/// An error and what caused it, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_code_beats_the_status_and_the_default() {
        let fault = service_fault("read x", Some("AccessDeniedException"), Some("no"), 400, FaultName::NotConfigured);
        assert_eq!(fault.name, FaultName::AccessDenied);
        let fault = service_fault("read x", Some("ParameterNotFound"), None, 400, FaultName::NotConfigured);
        assert_eq!(fault.name, FaultName::NotConfigured);
        assert_eq!(fault.message, "could not read x: AWS answered 400 ParameterNotFound: no message");
        assert_eq!(service_fault("x", None, None, 503, FaultName::Internal).name, FaultName::Unavailable);
    }
}
