//! The AWS emulator: a child process on a loopback port, which runs our Lambda binaries as its own children.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::process::Command;

use crate::{LabError, child::Group, wait};

/// Starts the emulator, and kills its whole process group when the lab's end of stdin closes, however the lab ended. What it imports stays: it is not searched for garbage again
/// and again. AWS takes an expression for the time-out of a state (Step Functions guide, "Transforming data with JSONata"), the emulator a number only.
const LAUNCHER: &str = "
import gc, os, signal, sys, threading
def lifeline():
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=lifeline, daemon=True).start()
gc.set_threshold(50_000, 20, 20)
sys.argv = ['ministack']
from ministack.services import stepfunctions
execute_task = stepfunctions._execute_task
def execute_timed(state, *rest):
    if isinstance(state.get('TimeoutSeconds'), str):
        data, _, context = rest
        seconds = stepfunctions._jsonata_state_field(state, 'TimeoutSeconds', 'number', data, context)
        state = {**state, 'TimeoutSeconds': seconds}
    return execute_task(state, *rest)
stepfunctions._execute_task = execute_timed
from ministack.app import main
main()
";

/// Variables of the lab's own environment that the emulator and the functions get; nothing else is passed on.
const PASSED: [&str; 4] = ["PATH", "LANG", "TMPDIR", "RUST_BACKTRACE"];

/// The longest line of its log that an error repeats.
const LONGEST_LINE: usize = 200;

/// What the emulator is told at its start.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The interpreter with the emulator installed.
    pub python: &'a Path,
    /// The port of [`free_port`].
    pub port: u16,
    /// The endpoint that every function gets: our front.
    pub front: &'a str,
    /// The default account.
    pub account: &'a str,
    /// The default Region.
    pub region: &'a str,
    /// A private folder: its home, temporary files and log.
    pub folder: &'a Path,
    /// Extra variables that reach every function.
    pub variables: &'a [(String, String)],
}

/// The running emulator.
#[derive(Debug)]
pub struct Ministack {
    group: Mutex<Group>,
    port: u16,
    log: PathBuf,
    http: reqwest::Client,
}

/// Ports that are tried, from here on: below those that Linux gives to outgoing connections (`ip_local_port_range`, from 32768 on), so that none of
/// them is taken between this look and the emulator's start.
const PORTS: Range<u32> = 10_240..32_768;

/// Ports that this process has tried.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// A port on loopback that nobody listens on at this moment, and that no other lab of this process gets.
///
/// # Errors
/// [`LabError::File`] when there is none.
pub fn free_port() -> Result<u16, LabError> {
    let count = PORTS.end.saturating_sub(PORTS.start);
    // Labs of different processes begin at different places.
    let first = std::process::id().wrapping_mul(64);
    let mut last = None;
    for _ in PORTS {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start.saturating_add(first.wrapping_add(tried) % count);
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(LabError::File {
        path: PathBuf::from("127.0.0.1"),
        what: "has no free port: stop something that listens there",
        source: last.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()),
    })
}

/// The URL of an emulator on a port.
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl Ministack {
    /// Starts the emulator and waits until it is healthy.
    ///
    /// # Errors
    /// [`LabError::Emulator`] when it ends or is not healthy within a minute.
    pub async fn start(settings: Settings<'_>) -> Result<Self, LabError> {
        let log = settings.folder.join("ministack.log");
        let mut command = Command::new(settings.python);
        command.args(["-c", LAUNCHER]).env_clear().current_dir(settings.folder);
        command.envs(PASSED.iter().filter_map(|name| Some((name, wait::environment(name)?))));
        command
            .env("HOME", settings.folder)
            .env("TMPDIR", settings.folder)
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", settings.port.to_string())
            .env("MINISTACK_REGION", settings.region)
            .env("MINISTACK_ACCOUNT_ID", settings.account)
            .env("AWS_ENDPOINT_URL", settings.front)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("LOG_LEVEL", "WARNING")
            .envs(settings.variables.iter().map(|(name, value)| (name, value)));
        let output = |path: &Path| File::options().create(true).append(true).open(path);
        let cannot = |source| LabError::File { path: log.clone(), what: "cannot be written", source };
        command.stdin(Stdio::piped()).stdout(output(&log).map_err(cannot)?).stderr(output(&log).map_err(cannot)?);
        let group = Group::spawn(&mut command, "remove the folder `lab` under the target folder, and start again")?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        let http = http.map_err(LabError::Client)?;
        let this = Self { group: Mutex::new(group), port: settings.port, log, http };
        this.await_health().await?;
        Ok(this)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        url(self.port)
    }

    /// Changes a setting of the running emulator, e.g. how fast its Wait states pass.
    ///
    /// # Errors
    /// [`LabError::Emulator`].
    pub async fn configure(&self, setting: &str, value: f64) -> Result<(), LabError> {
        let body = serde_json::json!({ setting: value });
        let sent = self.http.post(format!("{}/_ministack/config", self.url())).json(&body).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.error(format!("refused the setting `{setting}` ({error})"))),
        }
    }

    /// Whether the emulator has ended by itself.
    pub fn ended(&self) -> Option<LabError> {
        let status = self.group.lock().unwrap_or_else(PoisonError::into_inner).ended()?;
        Some(self.error(format!("ended by itself ({status})")))
    }

    async fn await_health(&self) -> Result<(), LabError> {
        for _ in 0..600 {
            if let Some(error) = self.ended() {
                return Err(error);
            }
            let health = self.http.get(format!("{}/_ministack/health", self.url())).send().await;
            if health.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            wait::pause(Duration::from_millis(100)).await;
        }
        Err(self.error("did not become healthy within a minute".to_owned()))
    }

    /// The emulator's log goes away with the lab, so its last words are told here.
    fn error(&self, what: String) -> LabError {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let busy = lines.iter().find(|line| line.to_lowercase().contains("already in use"));
        let error = lines.iter().rev().find(|line| line.to_lowercase().contains("error"));
        let said = busy.or(error).or(lines.last()).copied().unwrap_or("nothing");
        LabError::Emulator {
            port: self.port,
            what,
            said: said.chars().take(LONGEST_LINE).collect(),
            mend: match busy {
                Some(_) => "stop what listens on that port, or start again for another one",
                None => "start again",
            },
        }
    }
}
