//! What both families of the API share: the appliance, the credentials, and a request of one's own.

use holdfast_model::Credentials;
use reqwest::Method;
use uuid::Uuid;

use crate::http::{Auth, Body, Http, Request};
use crate::{NutanixError, Timeouts};

/// Pages of one list: a server that never ends is not believed.
pub(super) const PAGES: usize = 1000;

/// Tries of a change that finds the VM changed: Nutanix's own Terraform provider makes five to ten.
pub(super) const TRIES_WHEN_STALE: u32 = 8;

/// Looks at a task that does not exist: on a Prism Central of several nodes it may show a moment late.
pub(super) const LOOKS_AT_NOTHING: u32 = 5;

/// A Prism Central over HTTPS.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) http: Http,
    pub(super) credentials: Credentials,
    pub(super) timeouts: Timeouts,
}

impl Calls {
    pub(super) fn endpoint(&self) -> &str {
        self.http.endpoint()
    }

    pub(super) fn request<'a>(&'a self, what: &'a str, method: Method, path: &'a str) -> Request<'a> {
        Request {
            what,
            method,
            path,
            query: &[],
            body: Body::None,
            if_match: None,
            id: Uuid::new_v4(),
            auth: Auth::Own(&self.credentials),
        }
    }

    pub(super) fn unreadable(&self, what: &str, why: impl Into<String>) -> NutanixError {
        NutanixError::Unreadable { endpoint: self.endpoint().to_owned(), what: what.to_owned(), why: why.into() }
    }
}
