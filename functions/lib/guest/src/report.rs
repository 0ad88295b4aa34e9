//! What a machine says about its own network.

use std::fmt;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// The operating system family: it decides which script and which SSM document are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// Windows Server: PowerShell 5.1.
    Windows,
    /// Linux: POSIX sh.
    Linux,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Platform::Windows => "Windows",
            Platform::Linux => "Linux",
        })
    }
}

/// How a NIC comes by its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Addressing {
    /// A DHCP client takes a lease.
    Dhcp,
    /// Configured in the guest.
    Static,
    /// The guest could not tell.
    Unknown,
}

/// An address that a NIC uses, with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The length of the on-link prefix.
    pub prefix_length: u8,
}

/// A route through a gateway that was set in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestRoute {
    /// Where the route leads.
    pub destination: Ipv4Net,
    /// The gateway.
    pub next_hop: Ipv4Addr,
}

/// One network adapter as the guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestNic {
    /// The guest's name of it: `eth0`, `Ethernet 2`.
    pub name: String,
    /// MAC address, lower case with colons.
    pub mac: String,
    /// MTU, where the guest tells.
    pub mtu: Option<u32>,
    /// All IPv4 addresses in use, in the guest's order.
    pub addresses: Vec<GuestAddress>,
    /// DHCP or static.
    pub addressing: Addressing,
    /// The default gateway through this NIC.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// DNS suffixes.
    pub suffixes: Vec<String>,
    /// Routes through a gateway other than the default.
    pub routes: Vec<GuestRoute>,
}

/// A machine's own word about its network: what the capture script printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestReport {
    /// The operating system family.
    pub platform: Platform,
    /// The host name that the machine gives itself.
    pub host_name: String,
    /// The operating system's own name of itself.
    pub os: String,
    /// The adapters.
    pub nics: Vec<GuestNic>,
}

/// Why output of a script was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Output without the end marker: cut off on the way.
    #[error("the output was cut off after {0} characters")]
    CutOff(usize),
    /// Whole output that does not have the form of the report.
    #[error("the output is not a report of this script")]
    Form(#[source] serde_json::Error),
}

/// The end marker of every script's output, checked before the text is parsed.
const END: &str = ",\"end\":true}";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaptureOutput {
    kind: CaptureKind,
    platform: Platform,
    host_name: String,
    os: String,
    nics: Vec<GuestNic>,
    end: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CaptureKind {
    Capture,
}

/// Returns the last line of `stdout` if it is whole: the document reaches its end marker.
pub(crate) fn whole_line(stdout: &str) -> Result<&str, Unreadable> {
    let text = stdout.trim_end();
    let line = text.lines().next_back().unwrap_or_default();
    // ConvertTo-Json and the sh script both print without blanks, so that the marker is one exact text.
    if line.starts_with('{') && line.ends_with(END) {
        Ok(line)
    } else {
        Err(Unreadable::CutOff(stdout.chars().count()))
    }
}

impl GuestReport {
    /// Reads what a capture script printed.
    ///
    /// # Errors
    /// Output without its end marker, which was cut off on the way, and output that is not a capture report.
    pub fn read(stdout: &str) -> Result<Self, Unreadable> {
        let line = whole_line(stdout)?;
        let output: CaptureOutput = serde_json::from_str(line).map_err(Unreadable::Form)?;
        let CaptureOutput { kind: CaptureKind::Capture, platform, host_name, os, mut nics, end } = output;
        if !end {
            return Err(Unreadable::CutOff(stdout.chars().count()));
        }
        for nic in &mut nics {
            nic.mac.make_ascii_lowercase();
        }
        Ok(GuestReport { platform, host_name, os, nics })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"kind":"capture","platform":"windows","host_name":"WEB-1","os":"Windows","nics":[{"name":"Ethernet","mac":"02:AB:00:00:00:01","mtu":9001,"addresses":[{"address":"172.30.1.34","prefix_length":24}],"addressing":"dhcp","gateway":"172.30.1.1","dns":["172.30.0.2"],"suffixes":[],"routes":[{"destination":"10.0.0.0/8","next_hop":"172.30.1.254"}]}],"end":true}"#;

    #[test]
    fn whole_output_is_read() {
        let report = GuestReport::read(&format!("{WHOLE}\r\n")).unwrap();
        assert_eq!(report.host_name, "WEB-1");
        assert_eq!(report.nics[0].mac, "02:ab:00:00:00:01");
        assert_eq!(report.nics[0].addresses[0].address, Ipv4Addr::new(172, 30, 1, 34));
    }

    #[test]
    fn output_cut_at_any_character_is_refused() {
        for length in 0..WHOLE.len() {
            assert!(matches!(GuestReport::read(&WHOLE[..length]), Err(Unreadable::CutOff(_))), "cut at {length}");
        }
    }

    #[test]
    fn output_of_another_script_is_refused() {
        let other = r#"{"kind":"probe","host_name":"a","results":[],"end":true}"#;
        assert!(matches!(GuestReport::read(other), Err(Unreadable::Form(_))));
    }
}
