//! What a guest does with the commands that it is given.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    send::POWERSHELL,
    settings,
    state::{Output, Status},
};
use crate::{
    dataplane::{self, ProbeOutcome},
    ec2::Platform,
    guests::{Guest, GuestId, report},
    world::World,
};

/// A committed script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Capture,
    Probe,
    Settings,
}

/// The committed scripts: what each is, and where it runs.
const SCRIPTS: [(Script, Platform, &str); 6] = [
    (Script::Settings, Platform::Windows, include_str!("../../../../functions/lib/guest/scripts/settings.ps1")),
    (Script::Settings, Platform::Linux, include_str!("../../../../functions/lib/guest/scripts/settings.sh")),
    (Script::Capture, Platform::Windows, include_str!("../../../../functions/lib/guest/scripts/capture.ps1")),
    (Script::Capture, Platform::Linux, include_str!("../../../../functions/lib/guest/scripts/capture.sh")),
    (Script::Probe, Platform::Windows, include_str!("../../../../functions/lib/guest/scripts/probe.ps1")),
    (Script::Probe, Platform::Linux, include_str!("../../../../functions/lib/guest/scripts/probe.sh")),
];

/// The committed script with this text, by its SHA-256.
fn known(text: &str) -> Option<(Script, Platform)> {
    let hash = Sha256::digest(text.as_bytes());
    SCRIPTS
        .iter()
        .find(|(_, _, own)| Sha256::digest(own.as_bytes()) == hash)
        .map(|(script, platform, _)| (*script, *platform))
}

fn failed(stderr: impl Into<String>) -> (Status, Output) {
    (Status::Failed, Output { code: 1, stdout: String::new(), stderr: stderr.into() })
}

/// Runs a document's commands in a guest.
pub(super) fn run(
    world: &mut World,
    id: &GuestId,
    document: &str,
    parameters: &BTreeMap<String, Vec<String>>,
) -> (Status, Output) {
    let Some(guest) = world.guests.all.get(id).filter(|guest| guest.running) else {
        return (Status::TimedOut, Output { code: -1, ..Output::default() });
    };
    if document == POWERSHELL && guest.platform == Platform::Linux {
        return failed("pwsh: command not found");
    }
    let commands = parameters.get("commands").map(Vec::as_slice).unwrap_or_default();
    let (settings, script) = match commands {
        [script] => ("", script),
        [settings, script] => (settings.as_str(), script),
        _ => return failed("unknown script"),
    };
    match known(script) {
        Some((Script::Capture, platform)) if platform == guest.platform && settings.is_empty() => {
            let stdout = format!("{}\n", report::capture(guest));
            (Status::Success, Output { code: 0, stdout, stderr: String::new() })
        }
        Some((Script::Probe, platform)) if platform == guest.platform => match Settings::read(settings, platform) {
            Some(settings) => {
                let stdout = format!("{}\n", probe(world, id, guest, &settings));
                (Status::Success, Output { code: 0, stdout, stderr: String::new() })
            }
            None => failed(format!("unknown script parameters: {settings}")),
        },
        Some((Script::Settings, platform)) if platform == guest.platform => match settings::read(settings, platform) {
            Some(wanted) => {
                let ignored = world.switches.guests.settings_ignored;
                let guest = world.guests.all.get_mut(id);
                let results = guest.map_or(Value::Null, |guest| settings::apply(guest, &wanted, ignored));
                let stdout = format!("{}\n", json!({"schema_version": 1, "results": results, "end": true}));
                (Status::Success, Output { code: 0, stdout, stderr: String::new() })
            }
            None => failed(format!("unknown script parameters: {settings}")),
        },
        Some(_) | None => failed("unknown script"),
    }
}

/// The parameters of a probe.
struct Settings {
    targets: Vec<String>,
    count: u32,
    port: Option<u16>,
}

impl Settings {
    /// Reads `HOLDFAST_TARGETS='a b'; HOLDFAST_COUNT=3; HOLDFAST_PORT=` and the same of PowerShell.
    fn read(line: &str, platform: Platform) -> Option<Self> {
        let (targets, count, port) = match platform {
            Platform::Linux => ("HOLDFAST_TARGETS", "HOLDFAST_COUNT", "HOLDFAST_PORT"),
            Platform::Windows => ("$HoldfastTargets", "$HoldfastCount", "$HoldfastPort"),
        };
        let mut values = BTreeMap::new();
        for part in line.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            values.insert(name.trim(), value.trim().trim_matches(['\'', '"']));
        }
        if !values.keys().all(|name| [targets, count, port].contains(name)) {
            return None;
        }
        let port = match values.get(port).copied() {
            None | Some("" | "0") => None,
            Some(port) => Some(port.parse().ok()?),
        };
        let count = values.get(count).map_or(Ok(3), |count| count.parse()).ok().filter(|count| *count <= 1000)?;
        Some(Self { targets: values.get(targets)?.split_whitespace().map(str::to_owned).collect(), count, port })
    }
}

/// The document that the committed probe scripts print.
fn probe(world: &World, id: &GuestId, guest: &Guest, settings: &Settings) -> Value {
    let results: Vec<Value> =
        settings.targets.iter().map(|target| result(world, id, guest.platform, target, settings)).collect();
    json!({"schema_version": 1, "host_name": guest.host_name, "results": results, "end": true})
}

fn result(world: &World, id: &GuestId, platform: Platform, target: &str, settings: &Settings) -> Value {
    let unasked = |error: &str| json!({"target": target, "sent": null, "received": null, "duplicates": null, "error": error, "tcp": null});
    let Ok(address) = target.parse::<Ipv4Addr>() else { return unasked("not an IPv4 address") };
    let report = dataplane::report(world, id, address, settings.count);
    // A guest that cannot send has an error, as ping says `Network is unreachable`.
    if report.outcomes.iter().any(|outcome| matches!(outcome, ProbeOutcome::NotSent { .. })) {
        return unasked("ping: connect: Network is unreachable");
    }
    let duplicates = match platform {
        Platform::Windows => Value::Null,
        Platform::Linux => report.duplicates.into(),
    };
    let tcp = settings.port.map(|port| json!({"port": port, "connected": report.received > 0}));
    json!({
        "target": target, "sent": report.sent, "received": report.received, "duplicates": duplicates, "error": null,
        "tcp": tcp,
    })
}
