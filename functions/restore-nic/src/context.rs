//! The Lambda entry: from the wire document to a job, and back.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};

use holdfast_guest::{Guest, Timing};
use holdfast_model::wire::{Progress, RestoreNicInput, RestoreNicOutput, SCHEMA_VERSION};
use holdfast_model::{Clock, Credentials, Fault, FaultName, GuestSettings, HostRecord, NetworkMap, Site};
use holdfast_nutanix::{Move, Prism, TimeLimit, Timeouts};
use holdfast_runtime::{Accounts, Config, Invocation, MapSource, Secrets, SystemClock, base_config};
use holdfast_store::{Failovers, HostResults, Inventory, RestoreJournal};

use crate::fault_of;
use crate::journal::StoredNotes;
use crate::repair::Limits;
use crate::report::{Report, Restored};
use crate::settings::{GuestJob, give_settings_back};
use crate::wave::{Job, restore};

/// Time at the end of an invocation in which no change is begun: a link that went down has to come up again in it.
pub const NO_MORE_CHANGES: Duration = Duration::from_secs(90);

/// Time at the end of an invocation in which nothing is waited for.
pub const ANSWER: Duration = Duration::from_secs(10);

/// How long a command may take in a guest. One that configures it and one that asks it afterwards fit into [`NO_MORE_CHANGES`].
const IN_GUEST: Duration = Duration::from_secs(38);

/// Results that are stored at once.
const WRITES_AT_ONCE: usize = 16;

/// What lives as long as the function's process.
pub struct Context {
    maps: MapSource,
    secrets: Secrets,
    accounts: Accounts,
    inventory: Inventory,
    results: HostResults,
    journal: RestoreJournal,
    failovers: Failovers,
    clock: SystemClock,
}

impl Context {
    /// Reads the environment and makes the clients.
    ///
    /// # Errors
    /// `NotConfigured` that names what is missing.
    pub async fn from_env() -> Result<Self, Fault> {
        let config = Config::from_env()?;
        let sdk = base_config().await;
        Ok(Self {
            maps: MapSource::new(&sdk, config.map_parameter),
            secrets: Secrets::new(&sdk),
            inventory: Inventory::new(&sdk, config.inventory_table.clone()),
            results: HostResults::new(&sdk, config.inventory_table),
            failovers: Failovers::new(&sdk, config.operations_table.clone()),
            journal: RestoreJournal::new(&sdk, config.operations_table),
            clock: SystemClock,
            accounts: Accounts::new(sdk),
        })
    }
}

/// Restores the NICs of a wave.
///
/// # Errors
/// As [`restore`]; `InvalidInput` for a wave that the map does not declare, `NotCaptured` for one without inventory.
pub async fn handle(
    context: &Context,
    input: RestoreNicInput,
    invocation: Invocation,
) -> Result<RestoreNicOutput, Fault> {
    let left = invocation.deadline.left(context.clock.now());
    let limits = Limits {
        begin: TimeLimit::after(left.saturating_sub(NO_MORE_CHANGES)),
        wait: TimeLimit::after(left.saturating_sub(ANSWER)),
    };
    let (map, reference) = context.maps.load(input.map.as_ref()).await?;
    let wave = map.waves.get(&input.wave).ok_or_else(|| unknown_wave(&map, &input))?;
    let Some(Site::Nc2 { prism_central, fvn_vpc, cluster, account, region, .. }) = map.sites.get(&wave.to) else {
        let message = format!("wave `{}` goes to `{}`, which is no NC2 site", input.wave, wave.to);
        return Err(Fault::new(FaultName::InvalidMap, message));
    };
    let captured =
        context.inventory.version(&input.wave, input.inventory).await?.filter(|captured| !captured.hosts.is_empty());
    let captured = captured.ok_or_else(|| {
        let message = format!("wave `{}` has no captured hosts; start `capture` with it first", input.wave);
        Fault::new(FaultName::NotCaptured, message)
    })?;
    let missing = |what: &str, name: &str| {
        Fault::new(FaultName::InvalidMap, format!("{what} `{name}` is not in the network map"))
    };
    let central =
        map.prism_centrals.get(prism_central).ok_or_else(|| missing("Prism Central", prism_central.as_str()))?;
    let appliance = match &wave.move_appliance {
        Some(name) => Some(map.move_appliances.get(name).ok_or_else(|| missing("Move appliance", name.as_str()))?),
        None => None,
    };
    // Without Move's record there is no VM to follow.
    let failovers = match appliance {
        Some(_) => context.failovers.told_by(map.prism_centrals.keys()).await?,
        None => Vec::new(),
    };
    let appliance_secret = appliance.map(|appliance| appliance.secret.as_str());
    let notes = StoredNotes { journal: &context.journal, clock: &context.clock };
    let mut keys = Keys::read(context, &central.secret, appliance_secret).await?;
    // A call that hangs is given up in time to tell of it.
    let timeouts = Timeouts { until: Some(limits.wait), ..Timeouts::default() };
    let mut refused_before = false;
    let report = loop {
        let prism = Prism::connect(&central.endpoint, keys.prism.clone(), &central.trust, timeouts)
            .map_err(|e| fault_of(&e))?;
        let mover = match (appliance, keys.appliance.clone()) {
            (Some(appliance), Some(key)) => {
                let client = Move::connect(&appliance.endpoint, key, &appliance.trust, timeouts);
                Some(client.map_err(|e| fault_of(&e))?)
            }
            (Some(_) | None, _) => None,
        };
        let job = Job {
            prism: &prism,
            appliance: mover.as_ref(),
            failovers: &failovers,
            wave: &input.wave,
            declared: wave,
            fvn_vpc,
            cluster,
            networks: &map.networks,
            policy: &map.policy,
            hosts: &captured.hosts,
            notes: &notes,
            limits,
        };
        let mut outcome = restore(&job).await;
        if let Ok(report) = &mut outcome {
            if wave.guest_settings == GuestSettings::AsCaptured && !report.is_refused() {
                let account = map.accounts.get(account).ok_or_else(|| missing("account", account.as_str()))?;
                let config = context.accounts.sdk_config(account, region).await;
                let guest = Guest::new(&config).with_timing(Timing { deadline: IN_GUEST, ..Timing::default() });
                let hosts: Vec<HostRecord> = captured.hosts.iter().map(|host| wave.kept(host)).collect();
                let job = GuestJob { guest: &guest, prism: &prism, hosts: &hosts, limits };
                Box::pin(give_settings_back(&job, report)).await;
            }
            keep(context, &input, report).await?;
        }
        let refused = match &outcome {
            Err(fault) => fault.name == FaultName::WrongPassword,
            Ok(report) => report.is_refused(),
        };
        if !refused || refused_before {
            break outcome?;
        }
        // A secret may have been changed since it was read; what is done already is found done.
        refused_before = true;
        let now = Keys::read(context, &central.secret, appliance_secret).await?;
        if now.is_same(&keys) {
            break outcome?;
        }
        keys = now;
    };
    let Restored { result, done } = report.finish()?;
    let summary = match result {
        Progress::Done => {
            let version = captured.version.0;
            format!(
                "wave {} is right at {} by version {version} of its inventory: {}",
                input.wave,
                wave.to,
                done.join("; ")
            )
        }
        Progress::Continue => format!("the time ran out, wave {} goes on: {}", input.wave, done.join("; ")),
    };
    Ok(RestoreNicOutput { schema_version: SCHEMA_VERSION, result, map: reference, done, summary })
}

/// What the appliances of a wave are logged in to with.
struct Keys {
    prism: Credentials,
    appliance: Option<Credentials>,
}

impl Keys {
    async fn read(context: &Context, prism: &str, appliance: Option<&str>) -> Result<Self, Fault> {
        let secrets = context.secrets.all(&[prism].into_iter().chain(appliance).collect()).await;
        let read = |name: &str| {
            let unread = || Fault::new(FaultName::Internal, format!("secret `{name}` was not read"));
            secrets.get(name).ok_or_else(unread)?.clone()
        };
        Ok(Self { prism: read(prism)?, appliance: appliance.map(read).transpose()? })
    }

    fn is_same(&self, other: &Self) -> bool {
        let appliance = match (&self.appliance, &other.appliance) {
            (Some(one), Some(other)) => one.is_same(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        appliance && self.prism.is_same(&other.prism)
    }
}

/// Stores what became of each host, where it is news. A start that died before is made up for by the next one.
async fn keep(context: &Context, input: &RestoreNicInput, report: &Report) -> Result<(), Fault> {
    let known = context.results.of(&input.wave).await?;
    let results = report.results(&input.execution, context.clock.now());
    let news = results.iter().filter(|result| result.is_news(known.get(&result.host)));
    let stored = futures::stream::iter(news).map(|result| context.results.put(&input.wave, result));
    Ok(stored.buffer_unordered(WRITES_AT_ONCE).try_collect().await?)
}

fn unknown_wave(map: &NetworkMap, input: &RestoreNicInput) -> Fault {
    let declared: Vec<String> = map.waves.keys().map(|name| format!("`{name}`")).collect();
    let declared = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
    Fault::new(
        FaultName::InvalidInput,
        format!("there is no wave `{}`; the network map declares {declared}", input.wave),
    )
}
