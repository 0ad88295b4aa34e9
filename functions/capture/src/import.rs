//! A table of older scripts as hosts of a wave: pure.
//!
//! Such a table knows of each machine its instance, its name and one address, and no more. What it says is taken whole or not at all.

use holdfast_model::{
    Fault, FaultName, HostName, HostRecord, InstanceId, NetworkMap, NicRecord, Select, Wave, WaveName, first_lines_of,
};
use holdfast_store::{Captured, OldRow};
use jiff::Timestamp;
use std::net::Ipv4Addr;

/// The attributes of an item, as older scripts wrote them.
const INSTANCE: &str = "InstanceId";
const NAME: &str = "InstanceName";
const ADDRESS: &str = "PrivateIp";

/// What a table holds for a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its hosts, in name order.
    pub hosts: Vec<HostRecord>,
    /// How many rows are of other machines.
    pub others: usize,
}

/// A row that is well formed.
struct Row {
    instance: InstanceId,
    name: HostName,
    address: Ipv4Addr,
}

/// The hosts of a wave out of a table's rows.
///
/// # Errors
/// `InvalidInput` with every row that cannot be taken, and why; for a wave whose `select` a table cannot answer; where no row is of the wave, or one
/// that the wave names is missing. `CaptureWorse` where Holdfast itself has captured the wave, which knows more.
pub fn import(
    rows: &[OldRow],
    table: &str,
    map: &NetworkMap,
    (name, wave): (&WaveName, &Wave),
    newest: Option<&Captured>,
    now: Timestamp,
) -> Result<Imported, Fault> {
    if let Some(newest) = newest
        && let Some(host) = newest.hosts.iter().find(|host| host.imported_from.is_none())
    {
        let version = newest.version.0;
        let why = format!("version {version} of wave `{name}` has `{}` as Holdfast captured it", host.name);
        let message = format!("{why}, and a table knows less; nothing was imported, version {version} stays");
        return Err(Fault::new(FaultName::CaptureWorse, message));
    }
    let mut bad = Vec::new();
    let mut taken: Vec<Row> = Vec::new();
    let mut others = 0_usize;
    for row in rows {
        match read(row) {
            Err(why) => bad.push(format!("{}: {why}", told(row))),
            Ok(read) if !belongs(&read, name, wave, map)? => others = others.saturating_add(1),
            Ok(read) => {
                if map.network_of(read.address).is_none() {
                    bad.push(format!("{}: {ADDRESS} is in none of the declared networks", told(row)));
                }
                bad.extend(clash(&read, &taken).map(|why| format!("{}: {why}", told(row))));
                taken.push(read);
            }
        }
    }
    missing(name, wave, &taken, &mut bad);
    if !bad.is_empty() {
        let bad = first_lines_of(bad, "the table").join("; ");
        let message = format!("table `{table}` cannot be imported, nothing was stored: {bad}");
        return Err(Fault::new(FaultName::InvalidInput, message));
    }
    if taken.is_empty() {
        let message = format!("none of the {} rows of table `{table}` is of wave `{name}`", rows.len());
        return Err(Fault::new(FaultName::InvalidInput, message));
    }
    let mut hosts: Vec<HostRecord> = taken.into_iter().filter_map(|row| record(row, table, map, name, now)).collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Imported { hosts, others })
}

/// Whether a row is of the wave, as far as a table can tell.
fn belongs(row: &Row, name: &WaveName, wave: &Wave, map: &NetworkMap) -> Result<bool, Fault> {
    match &wave.select {
        Select::Instances { ids } => Ok(ids.contains(&row.instance)),
        Select::Vpc => Ok(true),
        Select::Network { name } => Ok(map.networks.get(name).is_some_and(|network| network.prefix.holds(row.address))),
        Select::Tags { .. } | Select::Subnet { .. } => {
            let mend = "select its machines by `instances`, `network` or `vpc` in the network map";
            let message = format!(
                "wave `{name}` selects by tags or subnet, which a table of older scripts does not have; {mend}"
            );
            Err(Fault::new(FaultName::InvalidInput, message))
        }
    }
}

fn read(row: &OldRow) -> Result<Row, String> {
    let text = |name: &str| {
        row.get(name).filter(|text| !text.trim().is_empty()).ok_or_else(|| format!("{name} is missing or no text"))
    };
    let instance = InstanceId::parse(text(INSTANCE)?.clone()).map_err(|error| format!("{INSTANCE} {error}"))?;
    let name = HostName::parse(text(NAME)?.clone()).map_err(|error| format!("{NAME} {error}"))?;
    let address = text(ADDRESS)?;
    let address = address.parse().map_err(|_| format!("{ADDRESS} `{address}` is not an IPv4 address"))?;
    Ok(Row { instance, name, address })
}

/// A row by what it says, as rows of a table have no number.
fn told(row: &OldRow) -> String {
    let parts: Vec<String> = [INSTANCE, NAME, ADDRESS]
        .into_iter()
        .filter_map(|name| row.get(name).map(|text| format!("{name} `{text}`")))
        .collect();
    if parts.is_empty() {
        format!("a row without {INSTANCE}, {NAME} and {ADDRESS}")
    } else {
        format!("row with {}", parts.join(", "))
    }
}

/// What a row has in common with one before it and must not.
fn clash(row: &Row, taken: &[Row]) -> Option<String> {
    taken.iter().find_map(|other| {
        let what = if other.instance == row.instance {
            INSTANCE
        } else if other.name == row.name {
            NAME
        } else if other.address == row.address {
            ADDRESS
        } else {
            return None;
        };
        Some(format!("{what} is that of `{}` ({}, {}) too", other.name, other.instance, other.address))
    })
}

/// Instances that the wave names and the table does not have.
fn missing(name: &WaveName, wave: &Wave, taken: &[Row], bad: &mut Vec<String>) {
    let Select::Instances { ids } = &wave.select else { return };
    for id in ids.iter().filter(|id| taken.iter().all(|row| row.instance != **id)) {
        bad.push(format!("wave `{name}` names `{id}`, of which there is no row"));
    }
}

fn record(row: Row, table: &str, map: &NetworkMap, wave: &WaveName, now: Timestamp) -> Option<HostRecord> {
    let (network, declared) = map.network_of(row.address)?;
    let nic = NicRecord {
        device_index: 0,
        eni: None,
        mac: None,
        primary: row.address,
        secondary: Vec::new(),
        subnet: None,
        prefix: declared.prefix,
        network: network.clone(),
    };
    Some(HostRecord {
        name: row.name,
        wave: wave.clone(),
        instance: row.instance,
        platform: None,
        captured_at: now,
        imported_from: Some(table.to_owned()),
        guest: None,
        nics: vec![nic],
    })
}
