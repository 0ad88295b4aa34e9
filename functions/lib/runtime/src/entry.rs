//! The entry of every function: decode strictly, handle, and give a fault its name.

use crate::clock::{Deadline, Invocation};
use holdfast_model::{Fault, FaultName, wire::SCHEMA_VERSION};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::{error, info};
use tracing_subscriber::EnvFilter;

/// What ends a function's process.
pub type Error = lambda_runtime::Error;

/// Our own lines from `info`; of the libraries only what went wrong. The runtime would log each fault a second time.
const LOG_FILTER: &str = "warn,lambda_runtime::layers::panic=off,holdfast=info";

/// Runs a function until Lambda ends its process.
///
/// # Flow
/// `build` makes the context once, at cold start; when it fails, each invocation tries again and returns its fault, so that a
/// state machine sees `NotConfigured` and not a crash. Each invocation decodes its input, most often with [`decode`], and calls
/// `handle(&context, input, invocation)`.
///
/// # Errors
/// Only those of the Lambda runtime itself; a [`Fault`] becomes the answer of the invocation, its name as `errorType`.
pub async fn run<C, I, O, B, H>(build: B, decode: fn(Value) -> Result<I, Fault>, handle: H) -> Result<(), Error>
where
    B: AsyncFn() -> Result<C, Fault>,
    H: AsyncFn(&C, I, Invocation) -> Result<O, Fault>,
    O: Serialize,
{
    tracing_subscriber::fmt().json().with_env_filter(EnvFilter::new(LOG_FILTER)).without_time().init();
    let context = OnceCell::new();
    // A failure is told by the first invocation.
    let _ = context.get_or_try_init(|| build()).await;
    let (context, build, handle) = (&context, &build, &handle);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context: lambda } = event;
        let invocation = Invocation { id: lambda.request_id.clone(), deadline: Deadline::of(&lambda) };
        let execution = payload.get("execution").and_then(Value::as_str).unwrap_or_default().to_owned();
        let answer = async {
            let input = decode(payload)?;
            let context = context.get_or_try_init(|| build()).await?;
            let output = handle(context, input, invocation).await?;
            serde_json::to_value(output)
                .map_err(|error| Fault::new(FaultName::Internal, format!("output cannot be written as JSON: {error}")))
        }
        .await;
        match answer {
            Ok(output) => {
                info!(execution.id = %execution, request.id = %lambda.request_id, "done");
                Ok(output)
            }
            Err(fault) => {
                error!(
                    execution.id = %execution,
                    request.id = %lambda.request_id,
                    fault.name = %fault.name,
                    "{}", fault.message
                );
                Err(Diagnostic { error_type: fault.name.name().to_owned(), error_message: fault.message })
            }
        }
    }))
    .await
}

/// An input document from its JSON.
///
/// # Errors
/// `InvalidInput` that names the field and says what is wrong with it.
pub fn decode<I: DeserializeOwned>(payload: Value) -> Result<I, Fault> {
    let version = payload.get("schema_version").cloned();
    let input = serde_path_to_error::deserialize(payload).map_err(|error| {
        let field = error.path().to_string();
        let problem = error.into_inner();
        let message =
            if field == "." { format!("input: {problem}") } else { format!("input field `{field}`: {problem}") };
        Fault::new(FaultName::InvalidInput, message)
    })?;
    match version {
        Some(version) if version != SCHEMA_VERSION => Err(Fault::new(
            FaultName::InvalidInput,
            format!(
                "input field `schema_version`: {version} is not {SCHEMA_VERSION}; state machine and functions are of different releases"
            ),
        )),
        _ => Ok(input),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::wire::CaptureInput;
    use serde_json::json;

    fn message(payload: Value) -> String {
        decode::<CaptureInput>(payload).unwrap_err().message
    }

    #[test]
    fn a_bad_field_is_named() {
        let good = json!({"schema_version": 1, "execution": "e", "request": {"wave": "wave-1"}});
        assert!(decode::<CaptureInput>(good.clone()).is_ok());
        let mut extra = good.clone();
        extra["request"]["hosts"] = json!([]);
        assert_eq!(
            message(extra),
            "input field `request.hosts`: unknown field `hosts`, expected one of `wave`, `accept_contradiction`, `import`"
        );
        let mut bad = good.clone();
        bad["request"]["wave"] = json!("wave 1!");
        assert!(message(bad).starts_with("input field `request.wave`: `wave 1!` is not a name"));
        let mut missing = good.clone();
        missing["request"] = json!({});
        assert_eq!(message(missing), "input field `request`: missing field `wave`");
        let mut version = good;
        version["schema_version"] = json!(2);
        assert!(message(version).contains("`schema_version`: 2 is not 1"));
    }
}
