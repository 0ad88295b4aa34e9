//! One table of AWS error codes that mean the same for every service. Codes of one service are matched in its adapter.

use crate::FaultName;

impl FaultName {
    /// The fault that an error code of AWS means whichever service sent it; none where the code is the service's own.
    #[must_use]
    pub fn from_aws_code(code: &str) -> Option<Self> {
        match code {
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "ProvisionedThroughputExceededException"
            | "BandwidthLimitExceeded"
            | "PriorRequestNotComplete"
            | "EC2ThrottledException"
            | "SlowDown" => Some(FaultName::Throttled),
            "AccessDenied"
            | "AccessDeniedException"
            | "UnauthorizedOperation"
            | "UnauthorizedAccess"
            | "AuthFailure"
            | "NotAuthorized"
            | "OptInRequired"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "UnrecognizedClientException"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException" => Some(FaultName::AccessDenied),
            "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "InternalServerException"
            | "InternalServiceError"
            | "InternalServiceException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "Unavailable"
            | "RequestTimeout"
            | "RequestTimeoutException"
            | "ReplicatedWriteConflictException" => Some(FaultName::Unavailable),
            _ => None,
        }
    }

    /// The fault that an HTTP status of AWS means when its error code says nothing; none below 500 except 429.
    #[must_use]
    pub fn from_aws_status(status: u16) -> Option<Self> {
        match status {
            429 => Some(FaultName::Throttled),
            500.. => Some(FaultName::Unavailable),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_and_refusals_are_told_apart() {
        assert_eq!(FaultName::from_aws_code("RequestLimitExceeded"), Some(FaultName::Throttled));
        assert_eq!(FaultName::from_aws_code("UnauthorizedOperation"), Some(FaultName::AccessDenied));
        assert_eq!(FaultName::from_aws_code("RouteAlreadyExists"), None);
        assert_eq!(FaultName::from_aws_status(503), Some(FaultName::Unavailable));
        assert_eq!(FaultName::from_aws_status(400), None);
    }
}
