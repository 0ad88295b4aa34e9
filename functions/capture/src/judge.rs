//! Whether what was read is stored: pure.

use holdfast_model::{Fault, FaultName, HostName, HostRecord, WaveName};
use holdfast_store::Captured;
use std::collections::BTreeSet;

/// What to do with what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The newest version says the same.
    Same,
    /// No host was read, and there is no version.
    Nothing,
    /// These hosts are the next version.
    Store(Vec<HostRecord>),
}

/// Compares what was read with the newest version.
///
/// A host that could not be read this time (`failed`) keeps the record that it has. A host whose guest was read before and does not run now keeps its record where the EC2 API still says the same.
///
/// # Errors
/// `CaptureWorse` when a host is missing that the newest version has, or a guest is unread that was read and EC2 says otherwise than then.
pub fn judge(
    wave: &WaveName,
    newest: Option<&Captured>,
    read: Vec<HostRecord>,
    failed: &BTreeSet<HostName>,
) -> Result<Judgement, Fault> {
    let Some(newest) = newest else {
        return Ok(if read.is_empty() { Judgement::Nothing } else { Judgement::Store(read) });
    };
    let worse = |why: String| {
        Fault::new(
            FaultName::CaptureWorse,
            format!("{why}; version {} of wave `{wave}` stays, nothing was stored", newest.version.0),
        )
    };
    let gone: Vec<String> = newest
        .hosts
        .iter()
        .filter(|host| read.iter().all(|now| now.name != host.name) && !failed.contains(&host.name))
        .map(|host| format!("`{}` ({})", host.name, host.instance))
        .collect();
    if !gone.is_empty() {
        return Err(worse(format!("captured before and not selected now: {}", gone.join(", "))));
    }
    let mut hosts: Vec<HostRecord> = newest.hosts.iter().filter(|host| failed.contains(&host.name)).cloned().collect();
    let mut same = read.len().saturating_add(hosts.len()) == newest.hosts.len();
    for now in read {
        match newest.hosts.iter().find(|host| host.name == now.name) {
            None => {
                same = false;
                hosts.push(now);
            }
            Some(before) if before.guest.is_some() && now.guest.is_none() => {
                if !api_equal(before, &now) {
                    return Err(worse(format!(
                        "`{}` ({}) does not run, so its guest cannot be read as it was before, and EC2 says otherwise of it than then; start it and capture again",
                        now.name, now.instance
                    )));
                }
                hosts.push(before.clone());
            }
            Some(before) if api_equal(before, &now) && before.guest == now.guest => hosts.push(before.clone()),
            Some(_) => {
                same = false;
                hosts.push(now);
            }
        }
    }
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(if same { Judgement::Same } else { Judgement::Store(hosts) })
}

/// Whether EC2 says the same of both.
fn api_equal(before: &HostRecord, now: &HostRecord) -> bool {
    before.instance == now.instance && before.platform == now.platform && before.nics == now.nics
}
