//! What the error codes of EC2 mean: the one table.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use holdfast_model::{Fault, FaultName, Scope};
use std::error::Error;
use std::fmt;

/// A call to EC2 that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{action} of {what} in {scope}: {kind}{}", detail_text(.detail))]
pub struct Ec2Error {
    /// Account and Region.
    pub scope: Scope,
    /// EC2's name of the call.
    pub action: &'static str,
    /// What was to be read or written.
    pub what: String,
    /// What it means.
    pub kind: ErrorKind,
    /// EC2's own code and message, or what the connection said.
    pub detail: String,
}

fn detail_text(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// It is already there: create where there is a static route or a reference, enable where there is a propagation.
    AlreadyExists,
    /// It is not there: replace, modify, delete or disable where there is nothing to.
    RouteNotFound,
    /// A table, attachment or VPC of this id is not there.
    IdNotFound,
    /// Something is being changed or not available yet: `IncorrectState`.
    Busy,
    /// Too many calls. Nothing was done.
    Throttled,
    /// Not allowed. Nothing was done.
    Denied,
    /// A quota is used up. Nothing was done.
    LimitReached,
    /// What is there is nothing that Holdfast writes, or cannot be used. Nothing was done.
    NotOurs,
    /// Refused for another reason. Nothing was done.
    Refused,
    /// The request was never sent. Nothing was done.
    NotSent,
    /// No answer, or an error of EC2's own: a change may have been made or not.
    NoAnswer,
    /// An answer that cannot be read. A change may have been made.
    Malformed,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::AlreadyExists => "it is already there",
            ErrorKind::RouteNotFound => "there is no such route",
            ErrorKind::IdNotFound => "there is nothing of this id",
            ErrorKind::Busy => "it is not in a state that allows this",
            ErrorKind::Throttled => "too many calls",
            ErrorKind::Denied => "not allowed",
            ErrorKind::LimitReached => "a quota is used up",
            ErrorKind::NotOurs => "it is not as it could be changed",
            ErrorKind::Refused => "refused",
            ErrorKind::NotSent => "the request could not be made",
            ErrorKind::NoAnswer => "no answer",
            ErrorKind::Malformed => "the answer could not be understood",
        })
    }
}

impl ErrorKind {
    /// Whether a mutating call that failed so has certainly changed nothing. If not, the route must be read before anything else.
    #[must_use]
    pub fn changed_nothing(self) -> bool {
        match self {
            ErrorKind::AlreadyExists
            | ErrorKind::RouteNotFound
            | ErrorKind::IdNotFound
            | ErrorKind::Busy
            | ErrorKind::Throttled
            | ErrorKind::Denied
            | ErrorKind::LimitReached
            | ErrorKind::NotOurs
            | ErrorKind::Refused
            | ErrorKind::NotSent => true,
            ErrorKind::NoAnswer | ErrorKind::Malformed => false,
        }
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, ErrorKind::Busy | ErrorKind::Throttled | ErrorKind::NotSent | ErrorKind::NoAnswer)
    }
}

impl From<Ec2Error> for Fault {
    fn from(error: Ec2Error) -> Fault {
        let name = match error.kind {
            ErrorKind::Throttled => FaultName::Throttled,
            ErrorKind::Denied => FaultName::AccessDenied,
            ErrorKind::IdNotFound => FaultName::InvalidMap,
            ErrorKind::Busy | ErrorKind::NotSent | ErrorKind::NoAnswer | ErrorKind::LimitReached => {
                FaultName::Unavailable
            }
            ErrorKind::AlreadyExists
            | ErrorKind::RouteNotFound
            | ErrorKind::NotOurs
            | ErrorKind::Refused
            | ErrorKind::Malformed => FaultName::Internal,
        };
        Fault::new(name, error.to_string())
    }
}

/// The table: code of EC2 to meaning; what all of AWS shares is in the model's. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
///
/// `ReplaceRoute` has no code of its own for a route that is not there, as others saw: getmoto/moto pull request 6425.
fn kind_of(code: &str, message: &str) -> ErrorKind {
    match FaultName::from_aws_code(code) {
        Some(FaultName::Throttled) => return ErrorKind::Throttled,
        Some(FaultName::AccessDenied) => return ErrorKind::Denied,
        Some(_) => return ErrorKind::NoAnswer,
        None => {}
    }
    match code {
        "InvalidRoute.NotFound" | "TransitGatewayRouteTablePropagation.NotFound" => ErrorKind::RouteNotFound,
        "InvalidParameterValue" if message.contains("no route defined") => ErrorKind::RouteNotFound,
        "IncorrectState" | "IncorrectInstanceState" => ErrorKind::Busy,
        other if other.ends_with("AlreadyExists") || other.ends_with(".Duplicate") => ErrorKind::AlreadyExists,
        other if other.ends_with(".NotFound") => ErrorKind::IdNotFound,
        other if other.ends_with("LimitExceeded") => ErrorKind::LimitReached,
        _ => ErrorKind::Refused,
    }
}

/// What an error of the SDK means.
pub(crate) fn meaning<E, R>(error: &SdkError<E, R>) -> (ErrorKind, String)
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: fmt::Debug + 'static,
{
    if let Some(refused) = credentials(error) {
        return refused;
    }
    match error {
        SdkError::ConstructionFailure(_) => (ErrorKind::NotSent, chain(error)),
        // Whether a connection broke before or after EC2 had the request cannot be told for sure.
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => (ErrorKind::NoAnswer, chain(error)),
        SdkError::ResponseError(_) => (ErrorKind::Malformed, chain(error)),
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => {
                let message = service.err().message().unwrap_or("no message");
                (kind_of(code, message), format!("{code}: {message}"))
            }
            None => (ErrorKind::NoAnswer, "an error without a code".to_owned()),
        },
        _ => (ErrorKind::NoAnswer, chain(error)),
    }
}

/// What it means that there are no credentials to sign a request with: nothing was sent. Whoever gave none says why in words; a code of AWS
/// among them tells whether it was refused.
fn credentials(error: &(dyn Error + 'static)) -> Option<(ErrorKind, String)> {
    let mut cause = Some(error);
    while let Some(present) = cause.filter(|present| !present.is::<CredentialsError>()) {
        cause = present.source();
    }
    let mut texts = Vec::new();
    let mut why = cause?.source();
    while let Some(present) = why {
        texts.push(present.to_string());
        why = present.source();
    }
    let text = texts.first().cloned().or_else(|| cause.map(ToString::to_string)).unwrap_or_default();
    let mut words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()));
    let kind = match words.find_map(FaultName::from_aws_code) {
        Some(FaultName::AccessDenied) => ErrorKind::Denied,
        Some(FaultName::Throttled) => ErrorKind::Throttled,
        Some(_) | None => ErrorKind::NotSent,
    };
    Some((kind, text))
}

fn chain<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: fmt::Debug,
{
    // The debug part behind the first line is for developers.
    let text = DisplayErrorContext(error).to_string();
    text.split(" (").next().unwrap_or(&text).to_owned()
}
