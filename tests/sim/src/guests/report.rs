//! What a guest says of itself when the capture script runs in it.

use serde_json::{Value, json};

use super::state::{Adapter, Addressing, Guest};

/// The document that the committed capture scripts print.
pub fn capture(guest: &Guest) -> Value {
    let nics: Vec<Value> = guest.adapters.iter().filter(|adapter| adapter.plugged).map(nic).collect();
    json!({"schema_version": 1, "host_name": guest.host_name, "os": guest.os, "nics": nics, "end": true})
}

fn nic(adapter: &Adapter) -> Value {
    // The scripts leave link-local addresses out.
    let used = adapter.addresses.iter().filter(|own| adapter.link && !own.addr().is_link_local());
    let addresses: Vec<Value> =
        used.map(|own| json!({"address": own.addr(), "prefix_length": own.prefix_len()})).collect();
    let routes: Vec<Value> =
        adapter.routes.iter().map(|(prefix, gateway)| json!({"prefix": prefix, "gateway": gateway})).collect();
    let addressing = match adapter.addressing {
        Addressing::Dhcp => "dhcp",
        Addressing::Static => "static",
    };
    json!({
        "name": adapter.name, "mac": adapter.mac, "mtu": adapter.mtu, "addresses": addresses,
        "addressing": addressing, "gateway": adapter.gateway, "dns": adapter.dns,
        "dns_suffixes": adapter.suffixes, "routes": routes,
    })
}
