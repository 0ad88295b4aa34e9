//! The Lambda entry: from the wire document to stored evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use holdfast_journal::{Due, JournalStore, due_of};
use holdfast_model::wire::{EvidenceOutput, FailoverIntent, SCHEMA_VERSION, Subject, WatchInput, WatchOutput};
use holdfast_model::{
    Appliance, Clock, Credentials, Evidence, EvidenceId, Fault, FaultName, HostName, HostRecord, InventoryVersion,
    Landing, Network, NetworkMap, NetworkName, Power, Region, SightedNic, Sighting, Site, SiteName, WaveName,
};
use holdfast_nutanix::{NutanixError, Prism, TimeLimit, Timeouts};
use holdfast_runtime::{
    Config, EventBridge, Invocation, MapSource, Secrets, StartSwitch, SystemClock, base_config, surviving,
};
use holdfast_store::{Events, EvidenceStore, Hints, Inventory, Operations, Put, TestFailovers, Watches};
use jiff::Timestamp;

use crate::decide::decide_event;
use crate::landing::read_landings;
use crate::poll::{Poll, poll};
use crate::site::{SiteError, SiteQuery, read_site};
use crate::subject::{self, Scope};
use crate::tested::{Wanted, test_failover};
use crate::words;

/// Sites read at once.
const SITES_AT_ONCE: usize = 8;

/// For one reply. Three tries of it fit well into the function's time; a Prism Central that is slower is unread.
pub const REPLY: Duration = Duration::from_secs(15);

/// The longest that guests may take to show an address, so that the evidence is young and the function's time suffices.
pub const SETTLES: Duration = Duration::from_secs(90);

/// What lives as long as the function's process.
#[derive(Debug)]
pub struct Context {
    pub(crate) maps: MapSource,
    pub(crate) secrets: Secrets,
    pub(crate) inventory: Inventory,
    pub(crate) operations: Operations,
    evidence: EvidenceStore,
    pub(crate) hints: Hints,
    pub(crate) events: Events,
    pub(crate) tests: TestFailovers,
    /// Read with the network map, and again where evidence took long.
    pub(crate) switch: StartSwitch,
    pub(crate) poll: Poll,
    pub(crate) clock: SystemClock,
}

impl Context {
    /// Reads the environment and makes the clients.
    ///
    /// # Errors
    /// `NotConfigured` that names what is missing.
    pub async fn from_env() -> Result<Self, Fault> {
        let config = Config::from_env()?;
        let sdk = base_config().await;
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let region = Region::parse(region).map_err(|error| Fault::new(FaultName::NotConfigured, error.to_string()))?;
        Ok(Self {
            poll: Poll {
                events: Events::new(&sdk, config.operations_table.clone()),
                watches: Watches::new(&sdk, config.operations_table.clone()),
                tests: TestFailovers::new(&sdk, config.operations_table.clone()),
                bus: EventBridge::new(&sdk, config.event_bus),
                writer: config.writer,
                region,
            },
            hints: Hints::new(&sdk, config.operations_table.clone()),
            maps: MapSource::new(&sdk, config.map_parameter),
            secrets: Secrets::new(&sdk),
            inventory: Inventory::new(&sdk, config.inventory_table),
            operations: Operations::new(&sdk, config.operations_table.clone()),
            events: Events::new(&sdk, config.operations_table.clone()),
            tests: TestFailovers::new(&sdk, config.operations_table.clone()),
            switch: StartSwitch::new(&sdk),
            evidence: EvidenceStore::new(&sdk, config.operations_table),
            clock: SystemClock,
        })
    }

    async fn scope(&self, map: &NetworkMap, subject: &Subject) -> Result<Scope, Fault> {
        let invalid = |why: String| Fault::new(FaultName::InvalidInput, why);
        match subject {
            Subject::Wave { request } => self.scope_of_wave(map, &request.wave, request.inventory, None).await,
            Subject::Recheck { request } => {
                self.scope_of_wave(map, &request.wave, request.inventory, request.at.as_ref()).await
            }
            Subject::Landing { wave } => self.scope_of_wave(map, wave, None, None).await,
            Subject::Failover { request } => match request.intent().map_err(invalid)? {
                FailoverIntent::Move { networks, to, hosts, .. } => {
                    Ok(Scope { hosts, ..subject::of_request(map, &networks, &to)? })
                }
                FailoverIntent::Reconcile(networks) => {
                    let due = due_of(&networks, &self.operations).await.map_err(|why| why.fault())?;
                    let (to, hosts) = match due {
                        Due::Owed(owed) => (owed.to, owed.hosts),
                        Due::Steady(steady) => (steady.site, None),
                    };
                    Ok(Scope { hosts, ..subject::of_request(map, &networks, &to)? })
                }
                FailoverIntent::Undo { operation: id, .. } => {
                    let operation = self.operations.read_operation(&id).await.map_err(|error| store_fault(&error))?;
                    let missing = || Fault::new(FaultName::NotUndoable, format!("there is no operation `{id}`"));
                    subject::of_operation(map, &operation.ok_or_else(missing)?)
                }
            },
            Subject::Drill { request } => {
                request.tested_plan().map_err(invalid)?;
                subject::of_request(map, &request.networks, &request.to)
            }
            Subject::TestFailover { .. } | Subject::CleanUpTest { .. } => {
                Err(Fault::new(FaultName::Internal, "a test failover is no evidence of any network".to_owned()))
            }
            Subject::Finished { .. } => {
                Err(Fault::new(FaultName::Internal, "what finished is no evidence of any network".to_owned()))
            }
            Subject::Event { event } => Err(invalid(format!("event `{event}` is decided, and not looked at"))),
        }
    }

    /// The networks of a wave's captured hosts, and the site that it is `at`; none: its destination.
    async fn scope_of_wave(
        &self,
        map: &NetworkMap,
        wave: &WaveName,
        inventory: Option<InventoryVersion>,
        at: Option<&SiteName>,
    ) -> Result<Scope, Fault> {
        let declared = subject::wave(map, wave)?;
        let captured = self.inventory.version(wave, inventory).await?;
        let hosts = captured.map(|captured| captured.hosts).unwrap_or_default();
        let networks: BTreeSet<NetworkName> =
            hosts.iter().flat_map(|host| host.nics.iter().map(|nic| nic.network.clone())).collect();
        if networks.is_empty() {
            let message = format!("wave `{wave}` has no captured hosts; start `capture` with it first");
            return Err(Fault::new(FaultName::NotCaptured, message));
        }
        let scope = subject::of_request(map, &networks, at.unwrap_or(&declared.to))?;
        Ok(Scope { hosts: declared.hosts_led(&hosts), ..scope })
    }
}

fn store_fault(error: &holdfast_journal::StoreError) -> Fault {
    use holdfast_journal::StoreError;
    let name = match error {
        StoreError::Throttled(_) => FaultName::Throttled,
        StoreError::Unavailable(_) => FaultName::Unavailable,
        StoreError::Denied(_) => FaultName::AccessDenied,
        StoreError::Unreadable(_) => FaultName::Internal,
    };
    Fault::new(name, error.to_string())
}

/// Takes evidence and stores it; asked by the schedule, finds what finished; asked of an event, decides what it starts.
///
/// # Flow
/// Finds networks and destination, reads every NC2 site that could run a machine of them, all at once, stores the document.
///
/// # Errors
/// `InvalidInput` for names that the map does not declare, `NotCaptured`, `NotUndoable`; `WrongPassword` and `UntrustedCertificate`, which a person
/// has to mend. A site that does not answer is no error: it is unread in the evidence.
pub async fn handle(context: &Context, input: WatchInput, invocation: Invocation) -> Result<WatchOutput, Fault> {
    if let Subject::Event { event } = &input.subject {
        return decide_event(context, &input, event, &invocation).await.map(WatchOutput::Decided);
    }
    let (map, reference) = context.maps.load(input.map.as_ref()).await?;
    if let Subject::Finished { stay_seconds } = input.subject {
        let how = (stay_seconds, &invocation);
        let asked = poll(&context.poll, &context.inventory, &context.secrets, (&map, reference), how);
        return asked.await.map(WatchOutput::Finished);
    }
    let tested = match &input.subject {
        Subject::TestFailover { request } => Some((request, Wanted::Up)),
        Subject::CleanUpTest { request } => Some((request, Wanted::Gone)),
        Subject::Wave { .. }
        | Subject::Recheck { .. }
        | Subject::Landing { .. }
        | Subject::Failover { .. }
        | Subject::Event { .. }
        | Subject::Drill { .. }
        | Subject::Finished { .. } => None,
    };
    if let Some((request, wanted)) = tested {
        let asked = test_failover(context, (&map, reference), (&input.execution, request), wanted, &invocation);
        return Box::pin(asked).await.map(WatchOutput::Tested);
    }
    let map = surviving(map, input.subject.lost())?;
    let scope = context.scope(&map, &input.subject).await?;
    let inventory = input.subject.inventory();
    let hosts = context.inventory.hosts_of(&scope.networks, &inventory).await?;
    if hosts.is_empty() {
        let networks: Vec<&str> = scope.networks.iter().map(NetworkName::as_str).collect();
        let message = format!("no host was captured in {}; start `capture` first", networks.join(", "));
        return Err(Fault::new(FaultName::NotCaptured, message));
    }
    let landing = matches!(input.subject, Subject::Landing { .. } | Subject::Drill { .. });
    let evidence = take_evidence(context, &map, &scope, &hosts, landing, &invocation).await?;
    let summary = words::summary(&evidence);
    Ok(WatchOutput::Evidence(EvidenceOutput {
        schema_version: SCHEMA_VERSION,
        map: reference,
        networks: scope.networks,
        to: scope.to,
        hosts: scope.hosts,
        inventory,
        evidence: evidence.id,
        taken_at: evidence.taken_at,
        summary,
    }))
}

/// Reads every NC2 site that could run a machine of the networks, all at once, and stores what was seen.
///
/// # Errors
/// Those of [`handle`] that concern evidence; none for a site that does not answer.
pub(crate) async fn take_evidence(
    context: &Context,
    map: &NetworkMap,
    scope: &Scope,
    hosts: &[HostRecord],
    landing: bool,
    invocation: &Invocation,
) -> Result<Evidence, Fault> {
    let taken_at = context.clock.now();
    let sites = scope.nc2_sites(map);
    let secret = |site: &SiteName| match map.sites.get(site)? {
        Site::Nc2 { prism_central, .. } => map.prism_centrals.get(prism_central).map(|central| central.secret.as_str()),
        Site::Ec2 { .. } => None,
    };
    let secrets = context.secrets.all(&sites.iter().filter_map(secret).collect()).await;
    let answers: Vec<(SiteName, Result<Answer, Unread>)> = futures::stream::iter(sites)
        .map(async |site| {
            let answer = ask(context, map, scope, &site, hosts, landing && site == scope.to, &secrets).await;
            (site, answer)
        })
        .buffered(SITES_AT_ONCE)
        .collect()
        .await;
    let mut evidence = Evidence {
        id: evidence_id(taken_at, &invocation.id),
        taken_at,
        networks: scope.networks.clone(),
        sites_read: BTreeSet::new(),
        sites_unread: BTreeMap::new(),
        landings: BTreeMap::new(),
        hosts: BTreeMap::new(),
    };
    for (site, answer) in answers {
        match answer {
            Ok(answer) => {
                evidence.sites_read.insert(site);
                evidence.landings.extend(answer.landings);
                for (host, mut sightings) in answer.seen {
                    evidence.hosts.entry(host).or_default().append(&mut sightings);
                }
            }
            Err(Unread::Silent(why)) => {
                tracing::warn!(site.name = %site, "site `{site}` is unread: {why}");
                evidence.sites_unread.insert(site, why);
            }
            Err(Unread::Fault(fault)) => return Err(fault),
        }
    }
    if context.evidence.put(&evidence).await? == Put::AlreadyThere {
        let message = format!("evidence `{}` is there already and differs", evidence.id.0);
        return Err(Fault::new(FaultName::Unavailable, message));
    }
    Ok(evidence)
}

/// What a site said.
struct Answer {
    seen: BTreeMap<HostName, Vec<Sighting>>,
    landings: BTreeMap<NetworkName, Landing>,
}

/// Why a site is not in the evidence.
enum Unread {
    /// It did not answer, or not as the map says.
    Silent(String),
    /// A person has to mend something first.
    Fault(Fault),
}

impl From<Fault> for Unread {
    fn from(fault: Fault) -> Self {
        Unread::Fault(fault)
    }
}

impl From<SiteError> for Unread {
    fn from(error: SiteError) -> Self {
        let SiteError::Prism(prism) = &error else { return Unread::Silent(error.to_string()) };
        match prism.fault_name() {
            Some(name @ (FaultName::WrongPassword | FaultName::UntrustedCertificate | FaultName::InvalidMap)) => {
                Unread::Fault(Fault::new(name, error.to_string()))
            }
            _ => Unread::Silent(error.to_string()),
        }
    }
}

impl From<NutanixError> for Unread {
    fn from(error: NutanixError) -> Self {
        SiteError::from(error).into()
    }
}

async fn ask(
    context: &Context,
    map: &NetworkMap,
    scope: &Scope,
    site: &SiteName,
    hosts: &[HostRecord],
    landing: bool,
    secrets: &BTreeMap<String, Result<Credentials, Fault>>,
) -> Result<Answer, Unread> {
    let Some(Site::Nc2 { prism_central, fvn_vpc, cluster, .. }) = map.sites.get(site) else {
        return Err(Fault::new(FaultName::Internal, format!("site `{site}` is no NC2 site")).into());
    };
    let central = map.prism_centrals.get(prism_central).ok_or_else(|| {
        Fault::new(FaultName::InvalidMap, format!("Prism Central `{prism_central}` is not in the network map"))
    })?;
    let site = AtSite { map, scope, site, central, fvn_vpc, cluster, hosts, landing };
    let unread = || Fault::new(FaultName::Internal, format!("secret `{}` was not read", central.secret));
    let credentials = secrets.get(&central.secret).ok_or_else(unread)?.clone()?;
    match ask_as(&site, credentials.clone()).await {
        Err(Unread::Fault(fault)) if fault.name == FaultName::WrongPassword => {
            match context.secrets.changed(&central.secret, &credentials).await? {
                Some(now) => ask_as(&site, now).await,
                None => Err(fault.into()),
            }
        }
        other => other,
    }
}

/// A site, and what is wanted of it.
#[derive(Clone, Copy)]
struct AtSite<'a> {
    map: &'a NetworkMap,
    scope: &'a Scope,
    site: &'a SiteName,
    central: &'a Appliance,
    fvn_vpc: &'a str,
    cluster: &'a str,
    hosts: &'a [HostRecord],
    landing: bool,
}

async fn ask_as(at: &AtSite<'_>, credentials: Credentials) -> Result<Answer, Unread> {
    let AtSite { map, scope, site, central, fvn_vpc, cluster, hosts, landing } = *at;
    let timeouts = Timeouts { request: REPLY, ..Timeouts::default() };
    let prism = Prism::connect(&central.endpoint, credentials, &central.trust, timeouts)?;
    let networks: BTreeMap<NetworkName, Network> = map
        .networks
        .iter()
        .filter(|(name, _)| scope.networks.contains(*name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let query = SiteQuery { site, fvn_vpc, cluster, networks: &networks, hosts };
    let limit = TimeLimit::after(Duration::from_secs(map.policy.guest_timeout_seconds.into()).min(SETTLES));
    let mut backoff = prism.backoff();
    loop {
        let seen = read_site(&prism, &query).await?;
        if !seen.values().flatten().any(is_settling) || !backoff.pause(&limit).await {
            let landings = if landing { read_landings(&prism, &query).await? } else { BTreeMap::new() };
            return Ok(Answer { seen, landings });
        }
    }
}

/// Whether a machine runs that Prism Central has seen no address of yet, as one that a failover has just booted.
fn is_settling(sighting: &Sighting) -> bool {
    let silent = |nic: &SightedNic| nic.connected && !nic.configured.is_empty() && nic.learned.is_empty();
    sighting.power == Power::On && sighting.nics.iter().any(silent)
}

/// A key that sorts by time and that no other invocation has.
fn evidence_id(taken_at: Timestamp, invocation: &str) -> EvidenceId {
    let rest: String = invocation.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    EvidenceId(format!("ev-{}-{}", taken_at.strftime("%Y%m%dT%H%M%S"), rest.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_named_by_time_and_invocation() {
        let id = evidence_id("2026-01-02T03:04:05Z".parse().unwrap(), "A1B2C3D4-e5f6-7890");
        assert_eq!(id.0, "ev-20260102T030405-a1b2c3d4e5f6");
    }
}
