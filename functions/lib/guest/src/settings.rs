//! The configuration that adapters of a guest are to have, and the committed scripts that give it to them.

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast_model::{
    Addressing, GuestNic, GuestRoute, InstanceId, MacAddress, NicAddress, NicRecord, Platform, Prefix,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::command::{Guest, unreadable};
use crate::error::GuestError;
use crate::reach::Reach;
use crate::report::{SCHEMA_VERSION, Unreadable, whole_line};
use crate::scripts::{SETTINGS_PS1, SETTINGS_SH};

/// What one adapter is to have, in place of what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSettings {
    /// The adapter, by its MAC address now.
    pub mac: MacAddress,
    /// Whether it takes a lease, and not the rest.
    pub leased: bool,
    /// Its addresses, the primary one first; of one with a lease, what that has to bring.
    pub addresses: Vec<NicAddress>,
    /// Default gateway.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// DNS suffixes.
    pub dns_suffixes: Vec<String>,
    /// Static routes besides the default one; those without a gateway are not set.
    pub routes: Vec<GuestRoute>,
    /// Bytes of the largest packet; none is left as it is.
    pub mtu: Option<u32>,
}

/// The largest packet that any Ethernet carries. What is larger was right for EC2, whose own is 9001, and may not pass a Flow overlay network.
const MTU: u32 = 1500;

impl AdapterSettings {
    /// What the adapter that is `now` in the place of a captured one is to have: what was captured, but for DNS servers and suffixes that only EC2 has, and where
    /// nothing was captured or left, what it has. One that had a lease is to have one, with the primary address, and what else DHCP brings. An MTU of more than
    /// 1500 is not given back.
    #[must_use]
    pub fn captured(nic: &NicRecord, then: &GuestNic, now: &GuestNic) -> Self {
        let ours: Vec<Ipv4Addr> = nic.addresses().collect();
        let mut addresses: Vec<_> = then.addresses.iter().copied().filter(|own| ours.contains(&own.address)).collect();
        addresses.sort_by_key(|own| ours.iter().position(|address| *address == own.address));
        let mtu = then.mtu.filter(|mtu| *mtu <= MTU);
        if then.addressing == Addressing::Dhcp {
            addresses.retain(|own| own.address == nic.primary);
            let (gateway, dns, dns_suffixes, routes) = (None, Vec::new(), Vec::new(), Vec::new());
            return Self { mac: now.mac.clone(), leased: true, addresses, gateway, dns, dns_suffixes, routes, mtu };
        }
        let kept: Vec<Ipv4Addr> = then.dns.iter().copied().filter(|server| !is_of_ec2(*server, nic.prefix)).collect();
        Self {
            mac: now.mac.clone(),
            leased: false,
            addresses,
            gateway: then.gateway.or(now.gateway),
            dns: if kept.is_empty() { now.dns.clone() } else { kept },
            dns_suffixes: then.dns_suffixes.iter().filter(|suffix| !is_suffix_of_ec2(suffix)).cloned().collect(),
            routes: then.routes.iter().filter(|route| route.gateway.is_some()).cloned().collect(),
            mtu,
        }
    }

    /// The lines that the scripts read.
    fn lines(&self) -> String {
        let mut lines = format!("nic {}\n", self.mac);
        if self.leased {
            lines.push_str("dhcp\n");
        }
        for own in &self.addresses {
            let _ = writeln!(lines, "address {}/{}", own.address, own.prefix_length);
        }
        if let Some(gateway) = self.gateway {
            let _ = writeln!(lines, "gateway {gateway}");
        }
        for server in &self.dns {
            let _ = writeln!(lines, "dns {server}");
        }
        for suffix in &self.dns_suffixes {
            let _ = writeln!(lines, "suffix {suffix}");
        }
        for route in &self.routes {
            if let Some(gateway) = route.gateway {
                let _ = writeln!(lines, "route {} {gateway}", route.prefix);
            }
        }
        if let Some(mtu) = self.mtu {
            let _ = writeln!(lines, "mtu {mtu}");
        }
        lines
    }
}

/// For a person, on one line, without the adapter.
impl fmt::Display for AdapterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        f.write_str(&lines.lines().skip(1).collect::<Vec<_>>().join(", "))
    }
}

/// Whether a DNS server is EC2's: a link-local address, or the base of the machine's subnet or of a prefix around it and two, which EC2 keeps for itself
/// in every subnet and VPC (VPC user guide, "Subnet CIDR blocks" and "Amazon DNS server"). A VPC is a /16 at most.
fn is_of_ec2(server: Ipv4Addr, subnet: Prefix) -> bool {
    let base = |length: u8| subnet.network().to_bits() & (u32::MAX << (32 - u32::from(length)));
    server.is_link_local() || (16..=subnet.length()).any(|length| server.to_bits() == base(length).saturating_add(2))
}

/// How a script left one adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsOutcome {
    /// It has what it was given.
    Set,
    /// It has it until the guest starts anew: nothing that the script knows manages it.
    UntilRestart,
    /// The new configuration did not hold, and the old one is in use again.
    Back,
    /// Nothing was changed.
    Refused,
    /// It is not known what it has.
    Broken,
}

/// What became of one adapter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsResult {
    /// Its MAC address; blank where none of them could be told apart.
    pub mac: String,
    /// How it was left.
    pub outcome: SettingsOutcome,
    /// What manages it in the guest.
    pub by: String,
    /// Why it is not set.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema_version: u32,
    results: Vec<SettingsResult>,
    #[expect(dead_code, reason = "looked for in the text, before that is read")]
    end: bool,
}

/// The committed script for a platform: its file, and the SHA-256 of its text, by which a person knows what runs.
#[must_use]
pub fn settings_script(platform: Platform) -> (&'static str, String) {
    let (file, text) = match platform {
        Platform::Windows => ("functions/lib/guest/scripts/settings.ps1", SETTINGS_PS1),
        Platform::Linux => ("functions/lib/guest/scripts/settings.sh", SETTINGS_SH),
    };
    let hash = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    });
    (file, hash)
}

/// What runs: the parameters, and the committed script as it is.
fn commands(settings: &[AdapterSettings], platform: Platform) -> Vec<String> {
    let lines: String = settings.iter().map(AdapterSettings::lines).collect();
    let data = STANDARD.encode(lines);
    match platform {
        Platform::Windows => vec![format!("$HoldfastSettings='{data}'"), SETTINGS_PS1.to_owned()],
        Platform::Linux => vec![format!("HOLDFAST_SETTINGS={data}"), SETTINGS_SH.to_owned()],
    }
}

/// Reads what a settings script printed.
///
/// # Errors
/// Output without its end marker, which was cut off on the way, and output that is not of this script.
pub fn read_settings(stdout: &str) -> Result<Vec<SettingsResult>, Unreadable> {
    let document: Document = serde_json::from_str(whole_line(stdout)?).map_err(Unreadable::Form)?;
    if document.schema_version != SCHEMA_VERSION {
        return Err(Unreadable::Version(document.schema_version));
    }
    Ok(document.results)
}

impl Guest {
    /// Has the settings script give adapters of `machine` their configuration, and returns what became of each.
    ///
    /// # Guarantees
    /// The script takes a new configuration into use, looks whether it holds, and takes the old one into use again where it does not.
    ///
    /// # Errors
    /// The machine could not be asked, or its output did not arrive whole: what it has now is for another look.
    pub async fn run_settings(
        &self,
        machine: &InstanceId,
        platform: Platform,
        settings: &[AdapterSettings],
    ) -> Result<Vec<SettingsResult>, GuestError> {
        let reach = vec![Reach::Ids(vec![machine.clone()])];
        let mut outputs = self.run(reach, platform, &commands(settings, platform)).await;
        let output =
            outputs.remove(machine).unwrap_or_else(|| Err(GuestError::NotManaged { machine: machine.clone() }))?;
        read_settings(&output.stdout).map_err(|error| unreadable(machine, &output.command, error))
    }
}

/// Whether a DNS suffix is that of EC2's own names (VPC user guide, "DNS attributes for your VPC").
fn is_suffix_of_ec2(suffix: &str) -> bool {
    let suffix = suffix.trim_end_matches('.').to_ascii_lowercase();
    suffix == "ec2.internal" || suffix.ends_with(".compute.internal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_ec2_are_told_from_others() {
        for (suffix, of_ec2) in
            [("ap-northeast-1.compute.internal", true), ("EC2.internal.", true), ("compute.internal.example", false)]
        {
            assert_eq!(is_suffix_of_ec2(suffix), of_ec2, "{suffix}");
        }
    }

    #[test]
    fn the_resolver_of_ec2_is_told_from_a_dns_server() {
        let subnet = Prefix::parse("172.30.5.0/24").unwrap();
        for (server, of_ec2) in [
            ("172.30.0.2", true),
            ("172.30.5.2", true),
            ("172.30.5.34", false),
            ("172.30.5.53", false),
            ("172.31.0.2", false),
            ("192.168.10.53", false),
            ("169.254.169.253", true),
        ] {
            assert_eq!(is_of_ec2(server.parse().unwrap(), subnet), of_ec2, "{server}");
        }
    }
}
