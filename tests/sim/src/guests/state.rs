//! What the guests are: plain data.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    ec2::{Home, Platform},
    prism::ExtId,
};

/// Name of a guest, unique in the world. A copy of a guest at a Prism Central is `<name>@<prism central>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GuestId(pub(super) String);

impl GuestId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The machine's name, without the place of a copy.
    pub fn machine(&self) -> &str {
        self.0.split('@').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for GuestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a guest's disk is: what powers it and gives it its NICs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// An EC2 instance.
    Instance {
        /// Instance id.
        instance: String,
    },
    /// A VM.
    Vm {
        /// Its Prism Central.
        prism: String,
        /// Its id there.
        vm: ExtId,
    },
    /// An on-premises site.
    OnPremises {
        /// Name of the site.
        site: String,
    },
}

/// How an adapter comes by its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Addressing {
    /// From a lease.
    Dhcp,
    /// Configured.
    Static,
}

/// How Systems Manager knows a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Agent {
    /// Not at all.
    None,
    /// By its instance id, while it is an EC2 instance.
    Instance,
    /// By a hybrid activation, wherever it runs.
    Hybrid {
        /// `mi-..`
        id: String,
        /// Region and account of the activation.
        home: Home,
    },
}

/// A network adapter as the guest has it configured. It outlives its NIC: a NIC with another MAC address is another
/// adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Adapter {
    /// The guest's name of it.
    pub name: String,
    /// MAC address, lower case.
    pub mac: String,
    /// DHCP or static.
    pub addressing: Addressing,
    /// The addresses in use, host bits kept.
    pub addresses: Vec<Ipv4Net>,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// DNS suffixes.
    pub suffixes: Vec<String>,
    /// Routes through a gateway other than the default.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// MTU.
    pub mtu: u32,
    /// Whether there is a NIC with this MAC address.
    pub plugged: bool,
    /// Whether its link is up.
    pub link: bool,
}

impl Adapter {
    /// Whether packets pass.
    pub fn is_up(&self) -> bool {
        self.plugged && self.link
    }

    /// Whether it uses this address.
    pub fn holds(&self, ip: Ipv4Addr) -> bool {
        self.is_up() && self.addresses.iter().any(|own| own.addr() == ip)
    }
}

/// One operating system.
#[derive(Debug, Clone, Serialize)]
pub struct Guest {
    /// Host name.
    pub host_name: String,
    /// The operating system's own name of itself.
    pub os: String,
    /// Family.
    pub platform: Platform,
    /// Where it is.
    pub place: Place,
    /// Whether it runs.
    pub running: bool,
    /// Whether it ignores pings.
    pub silent: bool,
    /// How Systems Manager knows it.
    pub agent: Agent,
    /// Adapters, in the order in which the guest met them.
    pub adapters: Vec<Adapter>,
}

impl Guest {
    /// The adapter that uses this address, if the guest runs.
    pub fn holder(&self, ip: Ipv4Addr) -> Option<&Adapter> {
        self.adapters.iter().find(|adapter| self.running && adapter.holds(ip))
    }

    /// The adapter of the NIC with this MAC address.
    pub fn adapter(&self, mac: &str) -> Option<&Adapter> {
        self.adapters.iter().find(|adapter| adapter.mac.eq_ignore_ascii_case(mac))
    }

    pub(super) fn adapter_mut(&mut self, mac: &str) -> Option<&mut Adapter> {
        self.adapters.iter_mut().find(|adapter| adapter.mac.eq_ignore_ascii_case(mac))
    }
}

/// An on-premises site.
#[derive(Debug, Clone, Serialize)]
pub struct Site {
    /// Its prefix.
    pub prefix: Ipv4Net,
    /// Where its traffic may enter AWS, in order of preference.
    pub entries: Vec<Entry>,
    /// Whether its firewall drops what comes back by another entry than the one that the connection left by.
    pub stateful: bool,
}

/// A way from an on-premises site into AWS, and back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Region of the transit gateway.
    pub region: String,
    /// Attachment: a VPN or a Direct Connect gateway.
    pub attachment: String,
    /// What the site sends this way whatever is advertised; else what is advertised decides.
    pub prefixes: Option<Vec<Ipv4Net>>,
}

/// All guests and sites.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Guests {
    /// Guests by name.
    pub all: BTreeMap<GuestId, Guest>,
    /// On-premises sites by name.
    pub sites: BTreeMap<String, Site>,
}

impl Guests {
    /// The guest at a place.
    pub fn at(&self, place: &Place) -> Option<(&GuestId, &Guest)> {
        self.all.iter().find(|(_, guest)| guest.place == *place)
    }

    /// The guest of an instance.
    pub fn of_instance(&self, instance: &str) -> Option<(&GuestId, &Guest)> {
        self.at(&Place::Instance { instance: instance.to_owned() })
    }

    /// The guest of a VM.
    pub fn of_vm(&self, prism: &str, vm: ExtId) -> Option<(&GuestId, &Guest)> {
        self.at(&Place::Vm { prism: prism.to_owned(), vm })
    }

    /// The guest that a person means: by its name, else the client of an on-premises site of that name.
    pub fn named(&self, name: &str) -> Option<(&GuestId, &Guest)> {
        self.all
            .get_key_value(&GuestId(name.to_owned()))
            .or_else(|| self.at(&Place::OnPremises { site: name.to_owned() }))
    }

    /// The addresses that the guest of a VM really uses on the NIC with this MAC address.
    pub fn seen(&self, prism: &str, vm: ExtId, mac: &str) -> Vec<Ipv4Addr> {
        let guest = self.of_vm(prism, vm).map(|(_, guest)| guest).filter(|guest| guest.running);
        let adapter = guest.and_then(|guest| guest.adapter(mac)).filter(|adapter| adapter.is_up());
        adapter.map(|adapter| adapter.addresses.iter().map(Ipv4Net::addr).collect()).unwrap_or_default()
    }

    /// A name that no guest has yet, from `wanted`.
    pub(super) fn free_name(&self, wanted: &str) -> GuestId {
        let numbered = (2u32..).map(|n| GuestId(format!("{wanted}-{n}")));
        std::iter::once(GuestId(wanted.to_owned()))
            .chain(numbered)
            .find(|id| !self.all.contains_key(id))
            .unwrap_or_else(|| GuestId(wanted.to_owned()))
    }
}
