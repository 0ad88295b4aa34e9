//! What a drill was made with, as digests that a later look compares.

use holdfast_model::{
    DrillBasis, Fault, FaultName, InventoryVersion, MapRef, NamedVersions, NetworkMap, NetworkName, Picture, Prefix,
    TableKind, WaveName,
};
use holdfast_runtime::{code_of_this_program, sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The newest version of every wave, with its networks.
pub(crate) type Versions = BTreeMap<WaveName, (InventoryVersion, BTreeSet<NetworkName>)>;

/// What a drill of a network made now is made with; `named` are versions of the inventory that it was told to take.
pub(crate) fn basis(
    network: &NetworkName,
    (map, reference): (&NetworkMap, &MapRef),
    versions: &Versions,
    named: &NamedVersions,
    picture: &Picture,
) -> Result<DrillBasis, Fault> {
    let holds = |networks: &BTreeSet<NetworkName>| networks.contains(network);
    let newest = versions.iter().filter(|(_, (_, networks))| holds(networks));
    let waves = newest.map(|(wave, (version, _))| (wave.clone(), *named.get(wave).unwrap_or(version)));
    let accounts = serde_json::to_vec(&map.accounts)
        .map_err(|error| Fault::new(FaultName::Internal, format!("accounts cannot be written as JSON: {error}")))?;
    Ok(DrillBasis {
        map: reference.sha256.to_ascii_lowercase(),
        roles: sha256(accounts),
        waves: waves.collect(),
        routes: routes(network, map, picture).map(sha256),
        code: code_of_this_program().map(str::to_owned),
    })
}

/// Every route that the declared tables of a network hold for it or for its clients; none where a table was not read.
///
/// Routes that NC2 writes and keeps are left out: they follow the host that carries the Flow gateway, which is no change of anybody's.
fn routes(network: &NetworkName, map: &NetworkMap, picture: &Picture) -> Option<String> {
    let own = map.networks.get(network)?.prefix;
    let clients = map.vantages.values().flat_map(|vantage| vantage.prefixes());
    let watched: Vec<Prefix> = clients.copied().chain([own]).collect();
    let counts = |prefix: &Prefix| watched.iter().any(|watched| watched.overlaps(prefix));
    let mut text = String::new();
    for (name, table) in map.tables_of(network) {
        // Writing to a String cannot fail.
        match table.id.kind() {
            TableKind::Tgw => {
                let table = picture.tgw_tables.get(&table.id)?;
                for (prefix, route) in table.routes.iter().filter(|(prefix, _)| counts(prefix)) {
                    let _ = writeln!(text, "{name} {prefix} {route:?}");
                }
            }
            TableKind::Vpc => {
                let (_, table) = picture.vpc_table(&table.id)?;
                let kept = table.routes.iter().filter(|(prefix, route)| counts(prefix) && route.written_by.is_none());
                for (prefix, route) in kept {
                    let _ = writeln!(text, "{name} {prefix} {route:?}");
                }
            }
        }
    }
    Some(text)
}
