//! Which calls a fault or a hold is for.

use serde::{Deserialize, Serialize};

use super::CallInfo;
use crate::faults::client::Client;

/// Services that run functions rather than being called by them: a test in the simulator's process may call them too.
const RUNNING_FUNCTIONS: [&str; 6] = ["states", "lambda", "cloudformation", "events", "scheduler", "logs"];

/// A pattern over calls: every given field must fit. Nothing given fits any call *of a function*: a call made by a
/// Lambda process, or by the simulator's own process to a service that functions call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// `aws`, `prism`, `move`, or the latter two with a name: `prism:pc-tokyo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Region of the call, empty for Prism and Move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `ec2`, `ssm`, `dynamodb`, ..., or the name space of a Prism call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Action, such as `ReplaceTransitGatewayRoute`; `*` at the end fits any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Text that must occur in the short parameters of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Name of the Lambda function that calls; `*` at the end fits any rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

impl Match {
    /// Whether the call fits. `client` is only asked for where the pattern needs it.
    pub fn fits<'a>(&self, call: &CallInfo, client: impl FnOnce() -> Option<&'a Client>) -> bool {
        let source = call.source.to_string();
        let fits =
            self.source.as_deref().is_none_or(|want| {
                source == want || source.strip_prefix(want).is_some_and(|rest| rest.starts_with(':'))
            }) && self.region.as_ref().is_none_or(|want| *want == call.region)
                && self.service.as_ref().is_none_or(|want| *want == call.service)
                && self.action.as_ref().is_none_or(|want| glob(want, &call.action))
                && self.contains.as_ref().is_none_or(|want| call.params.contains(want));
        if !fits {
            return false;
        }
        match &self.function {
            Some(want) => client().and_then(|c| c.function.as_deref()).is_some_and(|name| glob(want, name)),
            None if *self == Self::default() => client().is_some_and(|client| {
                let called_by_functions = !RUNNING_FUNCTIONS.contains(&call.service.as_str());
                client.function.is_some() || (client.is_ourselves() && called_by_functions)
            }),
            None => true,
        }
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}
