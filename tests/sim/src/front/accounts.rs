//! Accounts, their roles, and whose a request is.

use std::collections::BTreeMap;

use crate::world_file::{RoleFile, WorldError, WorldFile};

/// Account of a world that names none.
pub const DEFAULT_ACCOUNT: &str = "111122223333";

/// Accounts and the sessions that `AssumeRole` issued.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Account of credentials that name no other.
    pub default: String,
    /// Roles by account.
    pub roles: BTreeMap<String, Vec<RoleFile>>,
    /// Issued access keys: account and ARN of the session.
    pub sessions: BTreeMap<String, Session>,
}

/// A session that `AssumeRole` issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Account of the role.
    pub account: String,
    /// ARN of the session.
    pub arn: String,
    /// Id of the role, colon, name of the session.
    pub user_id: String,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { default: DEFAULT_ACCOUNT.into(), roles: BTreeMap::new(), sessions: BTreeMap::new() }
    }
}

impl Accounts {
    /// Reads the accounts of a world file.
    ///
    /// # Errors
    /// An account id that is not 12 digits.
    pub fn from_file(file: &WorldFile) -> Result<Self, WorldError> {
        let default = file.default_account.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.into());
        let mut accounts = Self { default: check("default_account", &default)?, ..Self::default() };
        accounts.roles.insert(default, Vec::new());
        for (id, account) in &file.accounts {
            let id = check(&format!("accounts.{id}"), id)?;
            for trusted in account.roles.iter().flat_map(|role| &role.trusts) {
                check(&format!("accounts.{id}.roles"), trusted)?;
            }
            accounts.roles.insert(id, account.roles.clone());
        }
        Ok(accounts)
    }

    /// The account of an access key: its own digits, the session's, or the default account.
    pub fn of_key(&self, key: &str) -> String {
        if is_account_id(key) {
            return key.to_owned();
        }
        self.sessions.get(key).map_or(&self.default, |session| &session.account).clone()
    }
}

fn check(place: &str, id: &str) -> Result<String, WorldError> {
    if is_account_id(id) {
        Ok(id.to_owned())
    } else {
        Err(WorldError::at(place, format!("`{id}` is not an account id: write 12 digits, in quotes")))
    }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
