//! What a function logs in to an appliance with.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// What a secret that the network map names holds.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Credentials {
    /// `{"username": .., "password": ..}`.
    Login(Login),
    /// `{"api_key": ..}`: the key of a service account of Prism Central. Move takes none.
    Key(Key),
}

/// A user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password; prints as nothing.
    pub password: SecretString,
}

/// An API key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The key; prints as nothing.
    pub api_key: SecretString,
}

impl Credentials {
    /// Whether both are the same user with the same password, or the same key.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Login(one), Self::Login(other)) => {
                one.username == other.username && one.password.expose_secret() == other.password.expose_secret()
            }
            (Self::Key(one), Self::Key(other)) => one.api_key.expose_secret() == other.api_key.expose_secret(),
            (Self::Login(_), Self::Key(_)) | (Self::Key(_), Self::Login(_)) => false,
        }
    }

    /// User name and password.
    #[must_use]
    pub fn login(username: &str, password: &str) -> Self {
        Self::Login(Login { username: username.to_owned(), password: password.into() })
    }
}
