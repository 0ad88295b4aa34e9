//! Configuration from the environment. The template sets exactly these variables.

use crate::timeouts::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, MAX_ATTEMPTS, OPERATION_TIMEOUT};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use holdfast_model::{Fault, FaultName};

/// What a function is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `HOLDFAST_INVENTORY_TABLE`: DynamoDB table of captured hosts.
    pub inventory_table: String,
    /// `HOLDFAST_OPERATIONS_TABLE`: DynamoDB table of operations, journal, locks, evidence and reports.
    pub operations_table: String,
    /// `HOLDFAST_MAP_PARAMETER`: SSM parameter that points to the network map.
    pub map_parameter: String,
}

impl Config {
    /// Names of all variables.
    pub const VARIABLES: [&str; 3] =
        ["HOLDFAST_INVENTORY_TABLE", "HOLDFAST_OPERATIONS_TABLE", "HOLDFAST_MAP_PARAMETER"];

    /// Reads the environment.
    ///
    /// # Errors
    /// `NotConfigured` that names the variable that is missing or empty.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, Fault> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let read = |name: &str| {
            lookup(name).filter(|value| !value.trim().is_empty()).ok_or_else(|| {
                Fault::new(
                    FaultName::NotConfigured,
                    format!(
                        "environment variable `{name}` is not set; the template of the stack sets it on every function"
                    ),
                )
            })
        };
        let [inventory, operations, map] = Self::VARIABLES;
        Ok(Self { inventory_table: read(inventory)?, operations_table: read(operations)?, map_parameter: read(map)? })
    }
}

/// SDK configuration of the function's own account and Region, with Holdfast's time-outs and retries.
pub async fn base_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .load()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let fault = Config::from_lookup(|name| (name != "HOLDFAST_MAP_PARAMETER").then(|| "x".to_owned())).unwrap_err();
        assert_eq!(fault.name, FaultName::NotConfigured);
        assert!(fault.message.contains("`HOLDFAST_MAP_PARAMETER`"));
    }
}
