//! What the committed settings scripts do in a guest.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use crate::{
    ec2::Platform,
    guests::{Adapter, Addressing, Guest},
};

/// What one adapter is to have.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    mac: String,
    addresses: Vec<Ipv4Net>,
    gateway: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
    suffixes: Vec<String>,
    routes: Vec<(Ipv4Net, Ipv4Addr)>,
    leased: bool,
    mtu: Option<u32>,
}

/// Reads `HOLDFAST_SETTINGS=<base64>` and the same of PowerShell; nothing where it is not sound.
pub(super) fn read(line: &str, platform: Platform) -> Option<Vec<Wanted>> {
    let data = match platform {
        Platform::Linux => line.strip_prefix("HOLDFAST_SETTINGS=")?,
        Platform::Windows => line.strip_prefix("$HoldfastSettings='")?.strip_suffix('\'')?,
    };
    let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
    let mut all: Vec<Wanted> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["nic", mac] = words.as_slice() {
            all.push(Wanted { mac: (*mac).to_owned(), ..Wanted::default() });
            continue;
        }
        let wanted = all.last_mut()?;
        match words.as_slice() {
            ["address", value] => wanted.addresses.push(value.parse().ok()?),
            ["gateway", value] => wanted.gateway = Some(value.parse().ok()?),
            ["dns", value] => wanted.dns.push(value.parse().ok()?),
            ["suffix", value] => wanted.suffixes.push((*value).to_owned()),
            ["route", prefix, hop] => wanted.routes.push((prefix.parse().ok()?, hop.parse().ok()?)),
            ["dhcp"] => wanted.leased = true,
            ["mtu", value] => wanted.mtu = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(all)
}

/// Configures the adapters and tells what became of each. One that gives up an address is none that is there.
pub(super) fn apply(guest: &mut Guest, wanted: &[Wanted], ignored: bool) -> Value {
    let results = wanted.iter().map(|wanted| {
        let by = if guest.platform == Platform::Windows { "Windows" } else { "NetworkManager" };
        let told = |outcome: &str, why: &str| json!({"mac": wanted.mac, "outcome": outcome, "by": by, "why": why});
        let own = |adapter: &&mut Adapter| adapter.plugged && adapter.mac.eq_ignore_ascii_case(&wanted.mac);
        for ghost in guest.adapters.iter_mut().filter(|adapter| !adapter.plugged) {
            ghost.addresses.retain(|address| !wanted.addresses.iter().any(|wanted| wanted.addr() == address.addr()));
        }
        let Some(adapter) = guest.adapters.iter_mut().find(own) else {
            return told("refused", "there is no adapter with this MAC address");
        };
        if !ignored {
            adapter.mtu = wanted.mtu.unwrap_or(adapter.mtu);
            adapter.addresses.clone_from(&wanted.addresses);
            if wanted.leased {
                adapter.addressing = Addressing::Dhcp;
                return told("set", "");
            }
            adapter.addressing = Addressing::Static;
            adapter.gateway = wanted.gateway;
            adapter.dns.clone_from(&wanted.dns);
            adapter.suffixes.clone_from(&wanted.suffixes);
            adapter.routes.clone_from(&wanted.routes);
        }
        told("set", "")
    });
    results.collect()
}
