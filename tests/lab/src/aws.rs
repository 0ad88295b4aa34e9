//! Clients of the emulated AWS: one set per Region, all through our front.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_s3::config::RequestChecksumCalculation;

/// Every client that the lab needs in one Region.
#[derive(Debug, Clone)]
pub struct Aws {
    /// The Region.
    pub region: String,
    /// CloudFormation.
    pub cloudformation: aws_sdk_cloudformation::Client,
    /// EventBridge.
    pub events: aws_sdk_eventbridge::Client,
    /// S3, with the bucket in the path.
    pub s3: aws_sdk_s3::Client,
    /// Secrets Manager.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// Step Functions.
    pub sfn: aws_sdk_sfn::Client,
    /// Parameter Store.
    pub ssm: aws_sdk_ssm::Client,
}

impl Aws {
    /// Clients that call `endpoint` as `account` in `region`.
    pub fn new(endpoint: &str, account: &str, region: &str) -> Self {
        // The emulator takes an access key of twelve digits for the account that calls.
        let credentials = Credentials::new(account, "holdfast-lab", None, None, "lab");
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(120)).build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .timeout_config(timeouts)
            .build();
        // A checksum of each upload is a second of a core for every lab, and the way to the emulator does not leave this machine.
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        Self {
            region: region.to_owned(),
            cloudformation: aws_sdk_cloudformation::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
        }
    }
}
