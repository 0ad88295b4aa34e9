//! Which machines Systems Manager reaches.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::{InstanceInformationStringFilter, PingStatus, PlatformType};
use holdfast_model::{InstanceId, Platform};

use crate::call::{Failure, unthrottled};
use crate::command::Guest;
use crate::error::GuestError;

/// Ids per `DescribeInstanceInformation`: one page, so that a batch is one call.
const IDS_PER_READ: usize = 50;

/// Whether the agent of a machine answers Systems Manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ping {
    /// It does.
    Online,
    /// It does not; the status as given (`ConnectionLost`, `Inactive`). That says nothing of the machine itself.
    Offline(String),
}

/// A machine that Systems Manager knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Whether it can be asked now.
    pub ping: Ping,
    /// Its platform as Systems Manager names it.
    platform: String,
    family: Option<Platform>,
}

impl Managed {
    /// The platform, if there are scripts for it.
    pub fn platform(&self) -> Option<Platform> {
        self.family
    }

    /// Returns the platform of a machine that can be asked now, else why not.
    pub(crate) fn ready(&self, machine: &InstanceId) -> Result<Platform, GuestError> {
        match (&self.ping, self.family) {
            (Ping::Offline(ping), _) => Err(GuestError::Offline { machine: machine.clone(), ping: ping.clone() }),
            (Ping::Online, None) => {
                Err(GuestError::Platform { machine: machine.clone(), platform: self.platform.clone() })
            }
            (Ping::Online, Some(platform)) => Ok(platform),
        }
    }
}

impl Guest {
    /// Reads which of `machines` Systems Manager knows, whether they are online, and their platform.
    ///
    /// A machine that is not in the result is not managed.
    ///
    /// # Errors
    /// Any failed call, since half an answer would read as "not managed".
    pub async fn read_managed(
        &self,
        machines: &BTreeSet<InstanceId>,
    ) -> Result<BTreeMap<InstanceId, Managed>, GuestError> {
        let mut found = BTreeMap::new();
        let ids: Vec<&InstanceId> = machines.iter().collect();
        for batch in ids.chunks(IDS_PER_READ) {
            let mut token: Option<String> = None;
            loop {
                let page = unthrottled(self.timing.deadline, || async {
                    let filter = InstanceInformationStringFilter::builder()
                        .key("InstanceIds")
                        .set_values(Some(batch.iter().map(|id| id.to_string()).collect()))
                        .build()
                        .map_err(|e| {
                            Failure::from(aws_sdk_ssm::error::SdkError::<aws_sdk_ssm::Error>::construction_failure(e))
                        })?;
                    self.ssm
                        .describe_instance_information()
                        .filters(filter)
                        .max_results(50)
                        .set_next_token(token.clone())
                        .send()
                        .await
                        .map_err(Failure::from)
                })
                .await
                .map_err(|failure| failure.into_error("ssm:DescribeInstanceInformation"))?;
                for information in page.instance_information_list() {
                    let Some(Ok(id)) = information.instance_id().map(InstanceId::parse) else { continue };
                    found.insert(id, managed(information.ping_status(), information.platform_type()));
                }
                token = page.next_token().filter(|t| !t.is_empty()).map(str::to_owned);
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }
}

fn managed(ping: Option<&PingStatus>, platform: Option<&PlatformType>) -> Managed {
    let ping = match ping {
        Some(PingStatus::Online) => Ping::Online,
        Some(other) => Ping::Offline(other.as_str().to_owned()),
        None => Ping::Offline("unknown".to_owned()),
    };
    let family = match platform {
        Some(PlatformType::Windows) => Some(Platform::Windows),
        Some(PlatformType::Linux) => Some(Platform::Linux),
        _ => None,
    };
    let platform = platform.map_or("unknown", PlatformType::as_str).to_owned();
    Managed { ping, platform, family }
}
