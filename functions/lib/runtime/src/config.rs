//! Configuration from the environment. The template sets exactly these variables.

use crate::timeouts::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, MAX_ATTEMPTS, OPERATION_TIMEOUT};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use holdfast_model::{Fault, FaultName, Region};

/// What a function is told by its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `HOLDFAST_INVENTORY_TABLE`: DynamoDB table of captured hosts.
    pub inventory_table: String,
    /// `HOLDFAST_OPERATIONS_TABLE`: DynamoDB table of operations, journal, locks, evidence and reports.
    pub operations_table: String,
    /// `HOLDFAST_MAP_PARAMETER`: SSM parameter that points to the network map.
    pub map_parameter: String,
    /// `HOLDFAST_WRITER`: which Region may write to the tables.
    pub writer: Writer,
    /// `HOLDFAST_EVENT_BUS`: name of the event bus that finished jobs are put on.
    pub event_bus: String,
    /// `HOLDFAST_IMPORT_TABLE`: table of older scripts that may be read; none for `-`, which no table is named.
    pub import_table: Option<String>,
}

/// Which Region may write to the tables.
///
/// Conditional writes of an eventually consistent global table hold within one Region only (DynamoDB: "multi-Region eventual consistency"), so a
/// lock there is no lock unless one Region alone takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// `any`: the tables are strongly consistent over all Regions, or there is one Region only.
    Any,
    /// This Region, as long as nobody declares it lost.
    Only(String),
}

impl Writer {
    /// Whether a function in `own` may write while `lost` is declared lost.
    ///
    /// # Errors
    /// `Refused`, with where to start instead.
    pub fn allows(&self, own: &str, lost: Option<&Region>) -> Result<(), Fault> {
        match self {
            Writer::Any => Ok(()),
            Writer::Only(writer) if writer == own => Ok(()),
            Writer::Only(writer) if lost.is_some_and(|lost| lost.as_str() == writer) => Ok(()),
            Writer::Only(writer) => Err(Fault::new(
                FaultName::Refused,
                format!(
                    "the tables are eventually consistent, and only {writer} writes to them; start this in {writer}, or with `\"lost\": \"{writer}\"` if that Region is lost"
                ),
            )),
        }
    }
}

impl Config {
    /// Names of all variables.
    pub const VARIABLES: [&str; 6] = [
        "HOLDFAST_INVENTORY_TABLE",
        "HOLDFAST_OPERATIONS_TABLE",
        "HOLDFAST_MAP_PARAMETER",
        "HOLDFAST_WRITER",
        "HOLDFAST_IMPORT_TABLE",
        "HOLDFAST_EVENT_BUS",
    ];

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
        let [inventory, operations, map, writer, import, bus] = Self::VARIABLES;
        let writer = read(writer)?;
        Ok(Self {
            inventory_table: read(inventory)?,
            operations_table: read(operations)?,
            map_parameter: read(map)?,
            writer: if writer == "any" { Writer::Any } else { Writer::Only(writer) },
            event_bus: read(bus)?,
            import_table: Some(read(import)?).filter(|table| table != "-"),
        })
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
    fn of_eventually_consistent_tables_one_region_writes_until_it_is_lost() {
        let (tokyo, osaka) = (Region::parse("ap-northeast-1").unwrap(), Region::parse("ap-northeast-3").unwrap());
        let writer = Writer::Only(tokyo.to_string());
        assert!(writer.allows(tokyo.as_str(), None).is_ok());
        assert!(writer.allows(osaka.as_str(), Some(&tokyo)).is_ok());
        assert!(Writer::Any.allows(osaka.as_str(), None).is_ok());
        for lost in [None, Some(&osaka)] {
            let fault = writer.allows(osaka.as_str(), lost).unwrap_err();
            assert!(fault.name == FaultName::Refused && fault.message.contains(r#"`"lost": "ap-northeast-1"`"#));
        }
    }

    #[test]
    fn a_missing_variable_is_named() {
        let fault = Config::from_lookup(|name| (name != "HOLDFAST_MAP_PARAMETER").then(|| "x".to_owned())).unwrap_err();
        assert_eq!(fault.name, FaultName::NotConfigured);
        assert!(fault.message.contains("`HOLDFAST_MAP_PARAMETER`"));
    }
}
