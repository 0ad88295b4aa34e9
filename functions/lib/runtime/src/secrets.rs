//! Passwords and keys of appliances, from Secrets Manager.

use crate::fault::fault_of;
use crate::fault::service_fault;
use aws_config::SdkConfig;
use holdfast_model::{Credentials, Fault, FaultName};
use std::collections::{BTreeMap, BTreeSet};

/// Secrets per `BatchGetSecretValue`: the API takes no more.
const SECRETS_PER_BATCH: usize = 20;

/// Reads secrets of the function's own account and Region.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    /// IAM actions that this type needs.
    ///
    /// `BatchGetSecretValue` needs both: itself, which no resource narrows, and `GetSecretValue` for each secret.
    pub const ACTIONS: &[&str] = &["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"];

    /// A reader of secrets.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: aws_sdk_secretsmanager::Client::new(config) }
    }

    /// User name and password, or API key, of the secret `name`.
    ///
    /// Read anew at each call. Who is refused with what it read earlier asks [`Secrets::changed`].
    ///
    /// # Errors
    /// `NotConfigured` when there is no such secret or it is neither `{"username": .., "password": ..}` nor `{"api_key": ..}`; `AccessDenied`, `Throttled`,
    /// `Unavailable`.
    pub async fn credentials(&self, name: &str) -> Result<Credentials, Fault> {
        let what = format!("read secret `{name}`");
        let output = self
            .client
            .get_secret_value()
            .secret_id(name)
            .send()
            .await
            .map_err(|error| fault_of(&what, &error, FaultName::NotConfigured))?;
        parse(name, output.secret_string().unwrap_or_default())
    }

    /// What [`Secrets::credentials`] returns of each of several secrets, or why not: one call for up to 20 of them.
    pub async fn all(&self, names: &BTreeSet<&str>) -> BTreeMap<String, Result<Credentials, Fault>> {
        let names: Vec<&str> = names.iter().copied().collect();
        let mut all = BTreeMap::new();
        for some in names.chunks(SECRETS_PER_BATCH) {
            all.extend(self.batch(some).await);
        }
        all
    }

    async fn batch(&self, names: &[&str]) -> BTreeMap<String, Result<Credentials, Fault>> {
        let what = |name: &str| format!("read secret `{name}`");
        let nothing_said = |name: &str| {
            let message = format!("could not {}: Secrets Manager answered without a word of it", what(name));
            (name.to_owned(), Err(Fault::new(FaultName::Unavailable, message)))
        };
        let mut all: BTreeMap<String, _> = names.iter().map(|name| nothing_said(name)).collect();
        let mut token = None;
        loop {
            let ids = names.iter().map(|name| (*name).to_owned()).collect();
            let request = self.client.batch_get_secret_value().set_secret_id_list(Some(ids)).set_next_token(token);
            let page = match request.send().await {
                Ok(page) => page,
                Err(error) => {
                    let fault = |name: &str| fault_of(&what(name), &error, FaultName::NotConfigured);
                    return names.iter().map(|name| ((*name).to_owned(), Err(fault(name)))).collect();
                }
            };
            for value in page.secret_values() {
                // A map names a secret by its name or by its ARN.
                for id in [value.name(), value.arn()].into_iter().flatten().filter(|id| names.contains(id)) {
                    all.insert(id.to_owned(), parse(id, value.secret_string().unwrap_or_default()));
                }
            }
            for error in page.errors() {
                let Some(id) = error.secret_id().filter(|id| names.contains(id)) else { continue };
                let fault =
                    service_fault(&what(id), error.error_code(), error.message(), 400, FaultName::NotConfigured);
                all.insert(id.to_owned(), Err(fault));
            }
            token = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return all;
            }
        }
    }
}

impl Secrets {
    /// What the secret `name` holds now, if that is something else than `refused`: it may have been changed since it was read.
    ///
    /// # Errors
    /// As [`Secrets::credentials`].
    pub async fn changed(&self, name: &str, refused: &Credentials) -> Result<Option<Credentials>, Fault> {
        let now = self.credentials(name).await?;
        Ok((!now.is_same(refused)).then_some(now))
    }
}

fn parse(name: &str, text: &str) -> Result<Credentials, Fault> {
    // The parser's message is left out: it may quote the password.
    serde_json::from_str(text).map_err(|_| {
        Fault::new(
            FaultName::NotConfigured,
            format!(
                "secret `{name}` is not JSON of the form `{{\"username\": \"..\", \"password\": \"..\"}}` or `{{\"api_key\": \"..\"}}`"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_password_or_key_is_never_printed() {
        let read = parse("pc", r#"{"username": "admin", "password": "hunter2"}"#).unwrap();
        assert!(!format!("{read:?}").contains("hunter2"));
        let Credentials::Login(login) = read else { panic!("no login") };
        assert_eq!(login.password.expose_secret(), "hunter2");
        let read = parse("pc", r#"{"api_key": "hunter2"}"#).unwrap();
        assert!(!format!("{read:?}").contains("hunter2"));
        let Credentials::Key(key) = read else { panic!("no key") };
        assert_eq!(key.api_key.expose_secret(), "hunter2");
        for mixed in ["\"password\": \"hunter2\", \"extra\": 1", "\"password\": \"hunter2\", \"api_key\": \"hunter2\""]
        {
            let fault = parse("pc", &format!("{{\"username\": \"admin\", {mixed}}}")).unwrap_err();
            assert!(!fault.message.contains("hunter2") && fault.message.contains("`pc`"), "{}", fault.message);
        }
    }
}
