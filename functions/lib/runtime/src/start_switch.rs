//! The kill switch of what starts by itself: one SSM parameter for all networks, read at each decision.

use crate::fault::fault_of;
use aws_config::SdkConfig;
use holdfast_model::FaultName;

/// Name of the parameter: `as_policy` lets each network's policy count, `manual` lets nothing start by itself.
pub const START_PARAMETER: &str = "/holdfast/start";

/// The value with which each network's policy counts.
const AS_POLICY: &str = "as_policy";

/// Reads the kill switch.
#[derive(Debug, Clone)]
pub struct StartSwitch {
    client: aws_sdk_ssm::Client,
}

impl StartSwitch {
    /// IAM actions that this type needs.
    pub const ACTIONS: &[&str] = &["ssm:GetParameter", "ssm:GetParameters"];

    /// The switch of the function's own account and Region.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: aws_sdk_ssm::Client::new(config) }
    }

    /// Why nothing may start by itself; none where each network's policy counts. A parameter that cannot be read, or says anything else, is one
    /// that says `manual`.
    pub async fn off(&self) -> Option<String> {
        let what = format!("read parameter `{START_PARAMETER}`");
        match self.client.get_parameter().name(START_PARAMETER).send().await {
            Ok(output) => off(output.parameter().and_then(|parameter| parameter.value())),
            Err(error) => {
                let fault = fault_of(&what, &error, FaultName::NotConfigured);
                Some(format!("nothing starts by itself while the kill switch is not known: {}", fault.message))
            }
        }
    }
}

/// Why nothing may start by itself, from the value of the parameter.
pub(crate) fn off(value: Option<&str>) -> Option<String> {
    match value.map(str::trim) {
        Some(AS_POLICY) => None,
        None => Some(format!(
            "the kill switch is on: there is no parameter `{START_PARAMETER}`; `{AS_POLICY}` lets policy count"
        )),
        Some(other) => Some(format!(
            "the kill switch is on: parameter `{START_PARAMETER}` is `{other}`; `{AS_POLICY}` lets policy count again"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::off;

    #[test]
    fn whatever_is_not_as_policy_is_manual() {
        assert_eq!(off(Some("as_policy")), None);
        assert!(off(None).is_some());
        for value in ["manual", "", "AS_POLICY", "automatic", "as_policy,manual"] {
            assert!(off(Some(value)).is_some_and(|why| why.contains(&format!("is `{value}`"))), "{value}");
        }
    }
}
