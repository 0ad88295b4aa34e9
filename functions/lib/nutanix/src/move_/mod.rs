//! Nutanix Move: which VM each migrated machine became, in Move's own record.
//!
//! There is no official SDK and no published list of states (nutanix.dev, "Move REST APIs 2.2.0"), so the reading is lenient and the judging strict: only
//! a workload that says it is complete counts as finished, and whatever smells of a test cutover is none.

mod plan;
mod record;

use holdfast_model::{Credentials, Login, Trust};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::http::{Auth, Body, Http, Request};
use crate::json::{documents, text};
use crate::{Backoff, NutanixError, Pauses, Timeouts};

pub use plan::{Cutover, MovePlan};
pub use record::{MoveRecord, MoveState};

/// A Move appliance.
#[derive(Debug)]
pub struct Move {
    http: Http,
    login: Login,
    token: Mutex<Option<SecretString>>,
    pauses: Pauses,
}

impl Move {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`NutanixError::Config`] when endpoint, trust or an API key cannot be used.
    pub fn connect(
        endpoint: &str,
        credentials: Credentials,
        trust: &Trust,
        timeouts: Timeouts,
    ) -> Result<Self, NutanixError> {
        let Credentials::Login(login) = credentials else {
            let message =
                format!("Move `{endpoint}` takes a user name and a password, and its secret holds an API key");
            return Err(NutanixError::Config(message));
        };
        Ok(Self {
            http: Http::new(endpoint, trust, &timeouts)?,
            login,
            token: Mutex::new(None),
            pauses: timeouts.pauses,
        })
    }

    /// Where this appliance is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.http.endpoint()
    }

    /// Pauses between two looks at something here that takes its time.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        self.pauses.backoff()
    }

    /// What Move knows of every machine of every migration plan.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn records(&self) -> Result<Vec<MoveRecord>, NutanixError> {
        let plans = self.plans().await?;
        Ok(plans.into_iter().flat_map(|plan| plan.machines).collect())
    }

    /// Every migration plan with what Move knows of its machines, which tells how far its cutover is.
    ///
    /// Move tells no moment at which a machine was cut over: whoever looks has to remember when it first saw that.
    ///
    /// # Errors
    /// What any call can return.
    pub async fn plans(&self) -> Result<Vec<MovePlan>, NutanixError> {
        let plans = self.post("list of migration plans", "/move/v2/plans/list").await?;
        let mut all = Vec::new();
        let unreadable = |what: &str, why: String| {
            let endpoint = self.endpoint().to_owned();
            NutanixError::Unreadable { endpoint, what: what.to_owned(), why }
        };
        let listed = plans.get("Entities").ok_or("no `Entities`".to_owned());
        let listed = listed.and_then(|_| documents(&plans, "/Entities"));
        for plan in listed.map_err(|why| unreadable("list of migration plans", why))? {
            let Some(id) = text(plan, "/MetaData/UUID").or_else(|| text(plan, "/Status/UUID")) else { continue };
            let name = text(plan, "/Spec/Name").or_else(|| text(plan, "/MetaData/Name")).unwrap_or(id);
            let what = format!("list of machines of migration plan `{name}`");
            let workloads = self.post(&what, &format!("/move/v2/plans/{id}/workloads/list")).await?;
            let known = ["/Entities", "/Status", "/MetaData"].iter().any(|place| workloads.pointer(place).is_some());
            let entities = if known { documents(&workloads, "/Entities") } else { Err("no `Entities`".to_owned()) };
            entities.map_err(|why| unreadable(&what, why))?;
            let machines = record::read(name, plan, &workloads);
            all.push(MovePlan { id: id.to_owned(), name: name.to_owned(), machines });
        }
        Ok(all)
    }

    async fn post(&self, what: &str, path: &str) -> Result<Value, NutanixError> {
        let token = self.token(None).await?;
        match self.post_with(&token, what, path).await {
            // A token lives about 15 minutes.
            Err(NutanixError::WrongPassword { status: 401, .. }) => {
                let token = self.token(Some(&token)).await?;
                self.post_with(&token, what, path).await
            }
            other => other,
        }
    }

    async fn post_with(&self, token: &SecretString, what: &str, path: &str) -> Result<Value, NutanixError> {
        let query = [("IncludeEntityDetails", "true".to_owned()), ("IncludeVMDetails", "true".to_owned())];
        let request = Request { query: &query, auth: Auth::Bearer(token), ..login(what, path, Body::Json(json!({}))) };
        self.http.send(&request).await.map(|reply| reply.body)
    }

    /// The token, made anew where there is none or where `refused` is the one at hand.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, NutanixError> {
        let mut held = self.token.lock().await;
        if let Some(token) = &*held
            && refused.is_none_or(|r| r.expose_secret() != token.expose_secret())
        {
            return Ok(token.clone());
        }
        let token = match self.login_by_token().await {
            Err(NutanixError::NotFound { .. }) => self.login_by_user().await?,
            other => other?,
        };
        *held = Some(token.clone());
        Ok(token)
    }

    /// Move 5.2 and later. A field for the expiry is refused by some versions, so none is sent.
    async fn login_by_token(&self) -> Result<SecretString, NutanixError> {
        let form = vec![
            ("grantType", "PASSWORD".to_owned()),
            ("username", self.login.username.clone()),
            ("password", self.login.password.expose_secret().to_owned()),
        ];
        let reply = self.http.send(&login("login", "/move/v2/token", Body::Form(form))).await?;
        self.read_token(&reply.body, "/AccessToken")
    }

    /// Versions before 5.2.
    async fn login_by_user(&self) -> Result<SecretString, NutanixError> {
        let (user, password) = (&self.login.username, self.login.password.expose_secret());
        let body = json!({"Spec": {"UserName": user, "Password": password}});
        let reply = self.http.send(&login("login", "/move/v2/users/login", Body::Json(body))).await?;
        self.read_token(&reply.body, "/Status/Token")
    }

    fn read_token(&self, body: &Value, pointer: &str) -> Result<SecretString, NutanixError> {
        text(body, pointer).map(SecretString::from).ok_or_else(|| NutanixError::Unreadable {
            endpoint: self.endpoint().to_owned(),
            what: "login".to_owned(),
            why: format!("no `{pointer}`"),
        })
    }
}

/// A request without credentials.
fn login<'a>(what: &'a str, path: &'a str, body: Body) -> Request<'a> {
    Request { what, method: Method::POST, path, query: &[], body, if_match: None, id: Uuid::new_v4(), auth: Auth::None }
}
