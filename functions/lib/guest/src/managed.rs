//! Which machines Systems Manager reaches.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::builders::InstanceInformationStringFilterBuilder;
use aws_sdk_ssm::types::{InstanceInformation, InstanceInformationStringFilter, PingStatus, PlatformType};
use holdfast_model::{InstanceId, Platform};

use crate::call::{Failure, unthrottled};
use crate::command::Guest;
use crate::error::GuestError;
use crate::reach::Tags;

/// Ids per `DescribeInstanceInformation`: one page, so that a batch is one call.
const IDS_PER_READ: usize = 50;

/// Characters of a NetBIOS name. Source: Microsoft, "Naming conventions in Active Directory for computers".
const NETBIOS: usize = 15;

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

/// A machine outside EC2 that Systems Manager knows by a hybrid activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activated {
    /// `mi-..`
    pub id: InstanceId,
    /// The name that its operating system has, which may have a domain behind a dot.
    pub computer_name: String,
    /// Whether it can be asked now.
    pub ping: Ping,
}

impl Activated {
    /// Whether it is the machine with this host name: they are compared without case and without domain, and names of Windows by the fifteen
    /// characters that NetBIOS leaves of them.
    pub fn is_named(&self, host_name: &str) -> bool {
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let (own, wanted) = (first(&self.computer_name), first(host_name));
        let short = |name: &str| name.chars().take(NETBIOS).collect::<String>();
        !own.is_empty() && (own == wanted || own.chars().count() == NETBIOS && own == short(&wanted))
    }
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
            for information in self.describe(vec![filter("InstanceIds", batch.iter().map(|id| id.to_string()))]).await?
            {
                let Some(Ok(id)) = information.instance_id().map(InstanceId::parse) else { continue };
                found.insert(id, managed(information.ping_status(), information.platform_type()));
            }
        }
        Ok(found)
    }

    /// Reads the machines outside EC2 that Systems Manager knows by a hybrid activation (`mi-..`), in the order of their ids.
    ///
    /// # Errors
    /// Any failed call, since half an answer would read as "not managed".
    pub async fn read_activated(&self) -> Result<Vec<Activated>, GuestError> {
        let found = self.describe(vec![filter("ResourceType", ["ManagedInstance".to_owned()])]).await?;
        let mut machines: Vec<Activated> = found
            .iter()
            .filter_map(|information| {
                Some(Activated {
                    id: InstanceId::parse(information.instance_id()?).ok()?,
                    computer_name: information.computer_name().unwrap_or_default().to_owned(),
                    ping: ping(information.ping_status()),
                })
            })
            .collect();
        machines.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(machines)
    }

    /// Reads which machines carry all of these tags, whether they are online or not.
    ///
    /// # Errors
    /// Any failed call, since half an answer would read as "nobody else".
    pub(crate) async fn read_tagged(&self, tags: &Tags) -> Result<BTreeSet<InstanceId>, GuestError> {
        let filters = tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), [value.clone()])).collect();
        let found = self.describe(filters).await?;
        Ok(found.iter().filter_map(|information| InstanceId::parse(information.instance_id()?).ok()).collect())
    }

    /// What Systems Manager says of all machines that fit all of these filters.
    async fn describe(
        &self,
        filters: Vec<InstanceInformationStringFilterBuilder>,
    ) -> Result<Vec<InstanceInformation>, GuestError> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = unthrottled(self.timing.deadline, || async {
                let filters: Result<Vec<_>, _> = filters.iter().cloned().map(|filter| filter.build()).collect();
                let filters = filters.map_err(|e| {
                    Failure::from(aws_sdk_ssm::error::SdkError::<aws_sdk_ssm::Error>::construction_failure(e))
                })?;
                self.ssm
                    .describe_instance_information()
                    .set_filters(Some(filters))
                    .max_results(50)
                    .set_next_token(token.clone())
                    .send()
                    .await
                    .map_err(Failure::from)
            })
            .await
            .map_err(|failure| failure.into_error("ssm:DescribeInstanceInformation"))?;
            found.extend_from_slice(page.instance_information_list());
            token = page.next_token().filter(|t| !t.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

fn filter(key: &str, values: impl IntoIterator<Item = String>) -> InstanceInformationStringFilterBuilder {
    InstanceInformationStringFilter::builder().key(key).set_values(Some(values.into_iter().collect()))
}

fn ping(status: Option<&PingStatus>) -> Ping {
    match status {
        Some(PingStatus::Online) => Ping::Online,
        Some(other) => Ping::Offline(other.as_str().to_owned()),
        None => Ping::Offline("unknown".to_owned()),
    }
}

fn managed(status: Option<&PingStatus>, platform: Option<&PlatformType>) -> Managed {
    let ping = ping(status);
    let family = match platform {
        Some(PlatformType::Windows) => Some(Platform::Windows),
        Some(PlatformType::Linux) => Some(Platform::Linux),
        _ => None,
    };
    let platform = platform.map_or("unknown", PlatformType::as_str).to_owned();
    Managed { ping, platform, family }
}
