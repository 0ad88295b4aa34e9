//! Errors of SSM, and reading a request's parameters.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An error of the API.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A parameter that the service model does not allow.
    pub fn validation(problem: impl std::fmt::Display) -> Self {
        Self::new("ValidationException", format!("1 validation error detected: {problem}"))
    }
}

/// Reads the parameters; one of a wrong type or unknown name is refused.
pub(super) fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Refusal> {
    serde_json::from_value(body.clone()).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}

/// One page of `all`, and the token of the next one.
pub(super) fn page<T>(
    all: Vec<T>,
    most: Option<usize>,
    least: usize,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let most = most.unwrap_or(50);
    if !(least..=50).contains(&most) {
        let problem = format!(
            "Value '{most}' at 'maxResults' failed to satisfy constraint: Member must have value between {least} and 50"
        );
        return Err(Refusal::validation(problem));
    }
    let bad = || Refusal::new("InvalidNextToken", "The specified token is not valid.");
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let bytes = STANDARD.decode(token).map_err(|_| bad())?;
            let text = String::from_utf8(bytes).map_err(|_| bad())?;
            text.strip_prefix("from:")
                .and_then(|n| n.parse::<usize>().ok())
                .filter(|n| *n <= all.len())
                .ok_or_else(bad)?
        }
    };
    let rest = all.len().saturating_sub(start.saturating_add(most));
    let next = (rest > 0).then(|| STANDARD.encode(format!("from:{}", start.saturating_add(most))));
    Ok((all.into_iter().skip(start).take(most).collect(), next))
}
