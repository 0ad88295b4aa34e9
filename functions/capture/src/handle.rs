//! The handler: read, compare, store.

use crate::import::import;
use crate::judge::{Judgement, judge};
use crate::read::{left_out, read_hosts};
use holdfast_aws_network::AwsNetwork;
use holdfast_guest::Guest;
use holdfast_model::wire::{CaptureInput, CaptureOutput, Progress, SCHEMA_VERSION, host_line};
use holdfast_model::{
    Fault, FaultName, HostRecord, InventoryVersion, MapRef, NetworkMap, Scope, Wave, WaveName, first_lines_of,
};
use holdfast_runtime::{Accounts, Clock, Config, Invocation, MapSource, SystemClock, base_config};
use holdfast_store::{Captured, Inventory, OldTable, PutVersion};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Clients of the function, made once.
pub struct Context {
    /// Network map.
    pub maps: MapSource,
    /// Configuration for each account and Region.
    pub accounts: Accounts,
    /// Inventory table.
    pub inventory: Inventory,
    /// The table of older scripts that may be imported.
    pub old_table: Option<OldTable>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// From the environment of the function.
    ///
    /// # Errors
    /// `NotConfigured`.
    pub async fn from_env() -> Result<Self, Fault> {
        let config = Config::from_env()?;
        let base = base_config().await;
        Ok(Self {
            maps: MapSource::new(&base, config.map_parameter),
            inventory: Inventory::new(&base, config.inventory_table),
            old_table: config.import_table.map(|table| OldTable::new(&base, table)),
            accounts: Accounts::new(base),
            clock: Arc::new(SystemClock),
        })
    }
}

/// Captures a wave.
///
/// # Flow
/// Map -> EC2 API and guests at the same time as the newest version -> compare -> store a version, if anything differs. An import reads a table of
/// older scripts in place of EC2 and guests.
///
/// # Guarantees
/// The newest version is never replaced by a worse one, and no version is changed. The same input again changes nothing while the
/// machines are the same.
///
/// # Errors
/// A [`Fault`]. `GuestUnread` and `GuestContradicts` name the hosts that are left out, and say what was stored of the others; after every other one the
/// inventory is as before.
pub async fn handle(context: &Context, input: CaptureInput, invocation: Invocation) -> Result<CaptureOutput, Fault> {
    let (map, map_ref) = context.maps.load(input.map.as_ref()).await?;
    let name = &input.request.wave;
    let wave = wave_of(&map, name)?;
    let newest = async { Ok::<_, Fault>(context.inventory.newest(name).await?) };
    if let Some(table) = &input.request.import {
        return take_over(context, &invocation, (&map, map_ref), (name, wave), newest.await?, table).await;
    }
    let (account, region) =
        map.sites.get(&wave.from).map(|site| (site.account(), site.region())).ok_or_else(bad_map)?;
    let scope = Scope { account: account.clone(), region: region.clone() };
    let account = map.accounts.get(account).ok_or_else(bad_map)?;
    let config = context.accounts.sdk_config(account, region).await;
    let (network, guest) = (AwsNetwork::new(&config, scope), Guest::new(&config));
    let now = context.clock.now();
    let read = read_hosts(&network, &guest, &map, name, &input.request.accept_contradiction, now);
    let (read, newest) = futures::future::try_join(read, newest).await?;
    let failed = read.failed.iter().map(|host| host.name.clone()).collect();
    let (version, hosts, done) = match judge(name, newest.as_ref(), read.hosts, &failed)? {
        Judgement::Nothing => {
            return Err(left_out(&read.failed, "nothing was stored").unwrap_or_else(bad_map));
        }
        Judgement::Same => {
            let newest = newest.ok_or_else(bad_map)?;
            (newest.version, newest.hosts, Done::Nothing)
        }
        Judgement::Store(hosts) => {
            (store(context, &invocation, name, newest.as_ref(), &hosts).await?, hosts, Done::Captured)
        }
    };
    let summary = summary(name, version, &hosts, done, &read.notes);
    if let Some(fault) = left_out(&read.failed, &format!("of the others: {summary}")) {
        return Err(fault);
    }
    Ok(output(map_ref, name, version, &hosts, summary))
}

/// Imports a wave from the table of older scripts. Neither EC2 nor a guest is asked.
async fn take_over(
    context: &Context,
    invocation: &Invocation,
    (map, map_ref): (&NetworkMap, MapRef),
    (name, wave): (&WaveName, &Wave),
    newest: Option<Captured>,
    table: &str,
) -> Result<CaptureOutput, Fault> {
    let Some(old) = context.old_table.as_ref().filter(|old| old.name() == table) else {
        let may = context.old_table.as_ref().map_or_else(|| "none".to_owned(), |old| format!("`{}`", old.name()));
        let mend = format!("update the stack with the parameter `ImportTable` = `{table}`");
        let message = format!("table `{table}` may not be read, the stack allows {may}; {mend}; nothing was stored");
        return Err(Fault::new(FaultName::NotConfigured, message));
    };
    let rows = old.rows().await?;
    let found = import(&rows, table, map, (name, wave), newest.as_ref(), context.clock.now())?;
    let (version, hosts, done) = match judge(name, newest.as_ref(), found.hosts, &BTreeSet::new())? {
        Judgement::Store(hosts) => {
            let version = store(context, invocation, name, newest.as_ref(), &hosts).await?;
            (version, hosts, Done::Imported)
        }
        Judgement::Same | Judgement::Nothing => {
            let newest = newest.ok_or_else(bad_map)?;
            (newest.version, newest.hosts, Done::Nothing)
        }
    };
    let others = format!("note: {} rows of table `{table}` are of other machines", found.others);
    let notes: Vec<String> = (found.others > 0).then_some(others).into_iter().collect();
    let summary = summary(name, version, &hosts, done, &notes);
    Ok(output(map_ref, name, version, &hosts, summary))
}

/// Stores the next version.
async fn store(
    context: &Context,
    invocation: &Invocation,
    name: &WaveName,
    newest: Option<&Captured>,
    hosts: &[HostRecord],
) -> Result<InventoryVersion, Fault> {
    let before = newest.map(|newest| newest.version);
    match context.inventory.put(name, before, &invocation.id, hosts).await? {
        PutVersion::Stored(version) => Ok(version),
        PutVersion::Raced(version) => Err(Fault::new(
            FaultName::Unavailable,
            format!(
                "another capture of wave `{name}` stored version {} in between; nothing was stored; capture again",
                version.0
            ),
        )),
    }
}

fn output(
    map: MapRef,
    wave: &WaveName,
    inventory: InventoryVersion,
    hosts: &[HostRecord],
    summary: String,
) -> CaptureOutput {
    CaptureOutput {
        schema_version: SCHEMA_VERSION,
        result: Progress::Done,
        map,
        wave: wave.clone(),
        inventory,
        hosts: hosts.iter().map(|host| host.name.clone()).collect(),
        summary,
    }
}

fn wave_of<'a>(map: &'a NetworkMap, name: &WaveName) -> Result<&'a Wave, Fault> {
    map.waves.get(name).ok_or_else(|| {
        let known: Vec<&str> = map.waves.keys().map(WaveName::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Fault::new(FaultName::InvalidInput, format!("wave `{name}` is not in the network map; its waves: {known}"))
    })
}

fn bad_map() -> Fault {
    Fault::new(FaultName::Internal, "a name of the network map refers to nothing, though the map was checked")
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Captured,
    Imported,
    Nothing,
}

fn summary(wave: &WaveName, version: InventoryVersion, hosts: &[HostRecord], done: Done, notes: &[String]) -> String {
    let count = if hosts.len() == 1 { "1 host".to_owned() } else { format!("{} hosts", hosts.len()) };
    let mut lines = vec![match done {
        Done::Captured => format!("captured {count} of {wave} as version {}", version.0),
        Done::Imported => format!("imported {count} of {wave} as version {}", version.0),
        Done::Nothing => {
            format!("nothing changed: {count} of {wave} as already captured in version {}", version.0)
        }
    }];
    let line = |host: &HostRecord| {
        let addresses: Vec<_> = host.addresses().collect();
        let by = match (&host.imported_from, &host.guest) {
            (Some(table), _) => {
                format!("; imported from table `{table}`, its MAC address, platform and guest are not known")
            }
            (None, Some(_)) => String::new(),
            (None, None) => "; from the EC2 API alone, the instance does not run".to_owned(),
        };
        format!("{}{by}", host_line(&host.name, &host.instance, &addresses))
    };
    lines.extend(first_lines_of(hosts.iter().map(line), "the inventory table"));
    lines.extend(first_lines_of(notes.iter().cloned(), "the inventory table"));
    lines.join("\n")
}
