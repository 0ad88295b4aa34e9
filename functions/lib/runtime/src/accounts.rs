//! SDK configuration for each account and Region of the network map.

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use holdfast_model::{Account, Region};
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// A role and its external id: what one set of credentials is for.
type Role = (String, Option<String>);

/// Gives the SDK configuration of any account and Region of the network map; credentials of a role are shared.
#[derive(Debug)]
pub struct Accounts {
    base: SdkConfig,
    roles: Mutex<BTreeMap<Role, SharedCredentialsProvider>>,
}

impl Accounts {
    /// IAM actions of the functions' own role that this type needs.
    pub const ACTIONS: &[&str] = &["sts:AssumeRole"];

    /// From the configuration of the function's own account and Region.
    #[must_use]
    pub fn new(base: SdkConfig) -> Self {
        Self { base, roles: Mutex::new(BTreeMap::new()) }
    }

    /// The configuration of the function's own account and Region.
    #[must_use]
    pub fn base(&self) -> &SdkConfig {
        &self.base
    }

    /// The function's own Region; empty outside of Lambda, where none is set.
    #[must_use]
    pub fn region(&self) -> &str {
        self.base.region().map_or("", |region| region.as_ref())
    }

    /// Configuration for one account and Region.
    ///
    /// The role is assumed through STS of the function's own Region, so that no other Region is needed to reach a third; nothing is
    /// called before the first use of the configuration.
    pub async fn sdk_config(&self, account: &Account, region: &Region) -> SdkConfig {
        let builder = self.base.to_builder().region(aws_config::Region::new(region.as_str().to_owned()));
        match &account.role_arn {
            None => builder.build(),
            Some(role) => builder.credentials_provider(self.role(role, account.external_id.as_deref()).await).build(),
        }
    }

    /// Why the role of an account cannot be assumed from here; none where it can, and for the functions' own account.
    pub async fn refused(&self, account: &Account) -> Option<String> {
        let role = account.role_arn.as_ref()?;
        let provider = self.role(role, account.external_id.as_deref()).await;
        provider.provide_credentials().await.err().map(|error| root(&error))
    }

    async fn role(&self, role: &str, external_id: Option<&str>) -> SharedCredentialsProvider {
        let key = (role.to_owned(), external_id.map(str::to_owned));
        let mut roles = self.roles.lock().await;
        if let Some(provider) = roles.get(&key) {
            return provider.clone();
        }
        let mut builder = AssumeRoleProvider::builder(role).session_name("holdfast").configure(&self.base);
        if let Some(id) = external_id {
            builder = builder.external_id(id);
        }
        let provider = match self.base.credentials_provider() {
            Some(own) => builder.build_from_provider(own).await,
            None => builder.build().await,
        };
        let provider = SharedCredentialsProvider::new(Assumed { role: role.to_owned(), provider });
        roles.insert(key, provider.clone());
        provider
    }
}

/// A role whose errors name it, in one text that is not lost with the sources of an error.
#[derive(Debug)]
struct Assumed {
    role: String,
    provider: AssumeRoleProvider,
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            self.provider.provide_credentials().await.map_err(|error| {
                CredentialsError::provider_error(format!("role `{}` cannot be assumed: {}", self.role, root(&error)))
            })
        })
    }
}

/// The first cause of an error: what STS or the connection said.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
