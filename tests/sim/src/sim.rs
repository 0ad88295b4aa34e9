//! A running simulation.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::Router;
use axum_server::Handle;
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    clock::{Clock, RealClock},
    connection::TapAcceptor,
    control,
    front::{self, Upstream},
    move_, prism,
    serve::{self, Identity},
    shared::Shared,
    world::World,
};

/// How to run a simulation.
#[derive(Clone)]
pub struct Options {
    /// Base URL of the emulator for the services that are not simulated here.
    pub ministack: Option<String>,
    /// DynamoDB tables whose calls of all Regions go to `strong_region`.
    pub strong_tables: Vec<String>,
    /// Region that keeps the strong tables.
    pub strong_region: String,
    /// Port of the AWS endpoint; 0 takes a free one.
    pub front_port: u16,
    /// Port of the control server; 0 takes a free one.
    pub control_port: u16,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether all callers are this very process, as where a test calls the simulators itself: then nobody is looked for, which takes the time of a call.
    pub callers_here: bool,
}

impl Options {
    /// For whoever calls the simulators from the process that runs them.
    #[must_use]
    pub fn callers_here() -> Self {
        Self { callers_here: true, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ministack: None,
            strong_tables: Vec::new(),
            strong_region: String::new(),
            front_port: 0,
            control_port: 0,
            clock: Arc::new(RealClock),
            callers_here: false,
        }
    }
}

/// How to reach a simulated Prism Central or Move.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    /// Base URL.
    pub url: String,
    /// User.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// Key of a service account that may ask without a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// File with the certificate to trust.
    pub ca_file: PathBuf,
}

/// Why a simulation did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener could not be opened.
    #[error("port {port} on 127.0.0.1 cannot be opened for {what}")]
    Bind {
        /// What it was for.
        what: String,
        /// Port asked for; 0 means any.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client for the emulator could not be made.
    #[error("the client for the emulator behind the AWS endpoint cannot be made")]
    Client(#[source] reqwest::Error),
    /// The certificate could not be made or stored.
    #[error("the simulation's certificate cannot be made")]
    Certificate(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A running simulation; its listeners close when it is dropped.
pub struct Sim {
    shared: Shared,
    front: SocketAddr,
    control: SocketAddr,
    prisms: BTreeMap<String, Endpoint>,
    moves: BTreeMap<String, Endpoint>,
    handle: Handle<SocketAddr>,
    callers_here: bool,
    files: TempDir,
}

impl Sim {
    /// Opens all listeners on loopback and serves the world.
    ///
    /// # Errors
    /// A port that is taken, or a certificate that cannot be made.
    pub async fn start(world: World, options: Options) -> Result<Self, StartError> {
        let certificate = |error: std::io::Error| StartError::Certificate(error.into());
        let identity = Identity::make().map_err(StartError::Certificate)?;
        let files = tempfile::tempdir().map_err(certificate)?;
        let ca_file = files.path().join("ca.pem");
        std::fs::write(&ca_file, &identity.ca_pem).map_err(certificate)?;

        let prisms: Vec<_> = world
            .prisms
            .iter()
            .map(|(name, prism)| (name.clone(), prism.username.clone(), prism.password.clone(), prism.api_key.clone()))
            .collect();
        let moves: Vec<_> =
            world.moves.iter().map(|(name, it)| (name.clone(), it.username.clone(), it.password.clone())).collect();
        let shared = Shared::new(world, Arc::clone(&options.clock));
        let handle = Handle::new();

        let upstream = Upstream {
            url: options.ministack,
            strong_tables: options.strong_tables,
            strong_region: options.strong_region,
            client: Upstream::client().map_err(StartError::Client)?,
        };
        let callers_here = options.callers_here;
        let open = |what: &str, port: u16, router| open_plain(what, port, router, callers_here, &handle);
        let front = open("the AWS endpoint", options.front_port, front::router(shared.clone(), upstream))?;
        let control = open("the control server", options.control_port, control::router(shared.clone()))?;
        let (served, also) = (BTreeMap::new(), BTreeMap::new());
        let mut sim = Self { shared, front, control, prisms: served, moves: also, handle, callers_here, files };
        for (name, username, password, api_key) in prisms {
            let router = prism::router(sim.shared.clone(), name.clone());
            let url = sim.open_tls(&format!("Prism Central `{name}`"), router, &identity)?;
            sim.prisms.insert(name, Endpoint { url, username, password, api_key, ca_file: ca_file.clone() });
        }
        for (name, username, password) in moves {
            let router = move_::router(sim.shared.clone(), name.clone());
            let url = sim.open_tls(&format!("Move `{name}`"), router, &identity)?;
            let api_key = None;
            sim.moves.insert(name, Endpoint { url, username, password, api_key, ca_file: ca_file.clone() });
        }
        Ok(sim)
    }

    fn open_tls(&self, what: &str, router: Router, identity: &Identity) -> Result<String, StartError> {
        let failed = |source| StartError::Bind { what: what.into(), port: 0, source };
        let (listener, address) = serve::bind(0).map_err(failed)?;
        serve::tls(listener, router, identity, TapAcceptor::new(self.callers_here), self.handle.clone())
            .map_err(failed)?;
        Ok(format!("https://{address}"))
    }

    /// The one AWS endpoint.
    pub fn aws_endpoint(&self) -> String {
        format!("http://{}", self.front)
    }

    /// The control server.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The Prism Centrals.
    pub fn prism_centrals(&self) -> &BTreeMap<String, Endpoint> {
        &self.prisms
    }

    /// The Move appliances.
    pub fn moves(&self) -> &BTreeMap<String, Endpoint> {
        &self.moves
    }

    /// The world, the log and the faults, for tests in the same process.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Directory of this simulation's files; it goes away with the simulation.
    pub fn files(&self) -> &std::path::Path {
        self.files.path()
    }

    /// Closes all listeners and connections.
    pub fn stop(self) {}
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

fn open_plain(
    what: &str,
    port: u16,
    router: Router,
    callers_here: bool,
    handle: &Handle<SocketAddr>,
) -> Result<SocketAddr, StartError> {
    let failed = |source| StartError::Bind { what: what.into(), port, source };
    let (listener, address) = serve::bind(port).map_err(failed)?;
    serve::plain(listener, router, TapAcceptor::new(callers_here), handle.clone()).map_err(failed)?;
    Ok(address)
}
