//! Evidence in plain words.

use std::collections::BTreeSet;

use holdfast_model::{Evidence, HostName, NetworkName, Power, Sighting, SiteName, first_lines};

/// What was seen: one clause a VM, then the sites where nothing was, then those that did not answer.
#[must_use]
pub fn summary(evidence: &Evidence) -> String {
    let mut clauses: Vec<String> =
        evidence.hosts.iter().flat_map(|(host, all)| all.iter().map(move |one| clause(host, one))).collect();
    let seen: BTreeSet<&SiteName> = evidence.hosts.values().flatten().map(|sighting| &sighting.site).collect();
    let networks: Vec<&str> = evidence.networks.iter().map(NetworkName::as_str).collect();
    let nothing = evidence.sites_read.iter().filter(|site| !seen.contains(site));
    clauses.extend(nothing.map(|site| format!("nothing of {} is at {site}", networks.join(", "))));
    clauses.extend(evidence.sites_unread.iter().map(|(site, why)| format!("{site} is unknown: {why}")));
    first_lines(clauses).join("; ")
}

fn clause(host: &HostName, sighting: &Sighting) -> String {
    let state = match sighting.power {
        Power::On => "runs",
        Power::Off => "is powered off",
        Power::Unknown => "is in an unknown power state",
    };
    let mut addresses = Vec::new();
    for nic in &sighting.nics {
        addresses.extend(nic.configured.iter().map(ToString::to_string));
        let others = nic.learned.iter().filter(|address| !nic.configured.contains(address));
        addresses.extend(others.map(|address| format!("{address} in the guest")));
    }
    let with =
        if addresses.is_empty() { "without address".to_owned() } else { format!("with {}", addresses.join(", ")) };
    format!("{host} {state} at {} {with}", sighting.site)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_reads_as_a_sentence() {
        let evidence: Evidence = serde_json::from_value(serde_json::json!({
            "id": "ev-1", "taken_at": "2026-01-02T03:04:05Z", "networks": ["app"], "sites_read": ["nc2-tokyo", "nc2-osaka"],
            "sites_unread": {"nc2-mars": "it does not answer"},
            "hosts": {"web-1": [{"site": "nc2-tokyo", "vm": "11111111-1111-4111-8111-111111111111", "power": "on",
                "nics": [{"nic": "22222222-2222-4222-8222-222222222222", "mac": null, "connected": true, "subnet": null,
                    "configured": ["172.30.1.34"], "learned": ["172.30.1.34", "172.30.1.100"]}]}]}
        }))
        .unwrap();
        assert_eq!(
            summary(&evidence),
            "web-1 runs at nc2-tokyo with 172.30.1.34, 172.30.1.100 in the guest; nothing of app is at nc2-osaka; \
             nc2-mars is unknown: it does not answer"
        );
    }
}
