//! Compares what a guest says with what the EC2 API says, interface by interface: pure.

use holdfast_model::{GuestNic, GuestReport, HostName, NicRecord};
use std::fmt;
use std::net::Ipv4Addr;

/// A contradiction between a guest and the EC2 API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The host.
    pub host: HostName,
    /// The interface, as `eni-.. (0a:..)`.
    pub nic: String,
    /// What is compared.
    pub what: &'static str,
    /// What the EC2 API says.
    pub api: String,
    /// What the guest says.
    pub guest: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: {} is {} for EC2, {} for the guest", self.host, self.nic, self.what, self.api, self.guest)
    }
}

/// What contradicts, and what a person should know though it does not.
///
/// An interface is known by its MAC address; adapters of the guest that EC2 does not know (tunnels, bridges) are its own affair, and told of where
/// they have an address, as is a gateway that is not EC2's. An address that
/// EC2 assigned as secondary and that the guest does not use is no contradiction: nobody sets it up but the guest's administrator.
#[must_use]
pub fn compare(host: &HostName, nics: &[NicRecord], guest: &GuestReport) -> (Vec<Contradiction>, Vec<String>) {
    let mut contradictions = Vec::new();
    let mut notes = Vec::new();
    for nic in nics {
        let (Some(eni), Some(mac)) = (&nic.eni, &nic.mac) else { continue };
        let label = format!("{eni} ({mac})");
        let mut differs = |what: &'static str, api: String, guest: String| {
            contradictions.push(Contradiction { host: host.clone(), nic: label.clone(), what, api, guest });
        };
        let Some(adapter) = guest.nics.iter().find(|adapter| adapter.mac == *mac) else {
            differs("the interface", "attached".to_owned(), "not there".to_owned());
            continue;
        };
        match adapter.addresses.iter().find(|held| held.address == nic.primary) {
            None => differs("the address", nic.primary.to_string(), held(adapter)),
            Some(at) if at.prefix_length != nic.prefix.length() => {
                differs("the prefix length", nic.prefix.length().to_string(), at.prefix_length.to_string());
            }
            Some(_) => {}
        }
        for address in &adapter.addresses {
            if address.address != nic.primary && !nic.secondary.contains(&address.address) {
                differs("a further address", "not assigned".to_owned(), address.address.to_string());
            }
        }
        // EC2's router is at the second address of every subnet (VPC user guide, "Subnet CIDR blocks").
        let router = Ipv4Addr::from_bits(nic.prefix.network().to_bits().saturating_add(1));
        if let Some(gateway) = adapter.gateway.filter(|gateway| *gateway != router) {
            notes.push(format!("note: `{host}` {label}: the gateway is {router} for EC2, {gateway} for the guest"));
        }
        for address in &nic.secondary {
            if adapter.addresses.iter().all(|held| held.address != *address) {
                notes.push(format!("note: `{host}` {label}: the guest does not use its secondary address {address}"));
            }
        }
    }
    for adapter in guest.nics.iter().filter(|adapter| nics.iter().all(|nic| nic.mac.as_ref() != Some(&adapter.mac))) {
        if !adapter.addresses.is_empty() {
            let (name, mac, held) = (&adapter.name, &adapter.mac, held(adapter));
            notes.push(format!("note: `{host}`: EC2 knows no interface of adapter `{name}` ({mac}), which has {held}"));
        }
    }
    (contradictions, notes)
}

fn held(adapter: &GuestNic) -> String {
    let addresses: Vec<String> = adapter.addresses.iter().map(|held| held.address.to_string()).collect();
    if addresses.is_empty() { "none".to_owned() } else { addresses.join(", ") }
}
