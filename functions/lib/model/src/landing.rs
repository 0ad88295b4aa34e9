//! What a site of NC2 has ready for a network: the subnet that machines land on, and the ways out of its Flow VPC.

use crate::Prefix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The subnet of a Prism Central that carries a network, with what decides whether machines can keep their addresses there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Landing {
    /// Name of the subnet.
    pub subnet: String,
    /// Name of its Flow VPC.
    pub vpc: String,
    /// Its prefix; none for a subnet without IP management.
    pub prefix: Option<Prefix>,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// DHCP server, where it is not the gateway.
    pub dhcp_server: Option<Ipv4Addr>,
    /// First and last address of each range that IP management hands out by itself.
    pub pools: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Addresses that are kept from being given, or held by what is no VM, and what for.
    pub kept: BTreeMap<Ipv4Addr, String>,
    /// Externally routable prefixes of the Flow VPC.
    pub routable: Vec<Prefix>,
    /// External subnets of the Flow VPC.
    pub external: Vec<WayOut>,
}

/// An external subnet that a Flow VPC leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WayOut {
    /// Its name.
    pub name: String,
    /// Whether Prism Central calls it external.
    pub external: bool,
    /// Whether it translates addresses.
    pub nat: bool,
}

impl Landing {
    /// Why the subnet cannot carry a prefix without translation, if it cannot: its own prefix, the routable prefixes of its VPC, and a way out
    /// without NAT (the NC2 no-NAT shape of Nutanix's Terraform examples).
    #[must_use]
    pub fn misfits(&self, prefix: Prefix) -> Vec<String> {
        let mut misfits = Vec::new();
        match self.prefix {
            None => misfits.push(format!("subnet `{}` has no IP management", self.subnet)),
            Some(other) if other != prefix => {
                misfits.push(format!("subnet `{}` is {other}, not {prefix}", self.subnet));
            }
            Some(_) => {}
        }
        if !self.routable.iter().any(|routable| routable.covers(&prefix)) {
            let have = list(self.routable.iter().map(ToString::to_string));
            misfits.push(format!(
                "the externally routable prefixes of VPC `{}` ({have}) do not cover {prefix}; add it there",
                self.vpc
            ));
        }
        if !self.external.iter().any(|way| way.external && !way.nat) {
            let have = list(self.external.iter().map(|way| format!("`{}`", way.name)));
            misfits.push(format!("VPC `{}` has no external subnet without NAT (it has {have})", self.vpc));
        }
        misfits
    }

    /// What the subnet itself needs an address for, so that no machine can have it.
    #[must_use]
    pub fn own(&self, address: Ipv4Addr) -> Option<&'static str> {
        let ends =
            |prefix: Prefix| prefix.length() < 31 && (prefix.network() == address || prefix.broadcast() == address);
        if self.gateway == Some(address) {
            Some("its gateway")
        } else if self.dhcp_server == Some(address) {
            Some("its DHCP server")
        } else if self.prefix.is_some_and(ends) {
            Some("its first or last address")
        } else {
            None
        }
    }

    /// The pool that holds an address.
    #[must_use]
    pub fn pool(&self, address: Ipv4Addr) -> Option<(Ipv4Addr, Ipv4Addr)> {
        self.pools.iter().copied().find(|(first, last)| (first..=last).contains(&&address))
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
