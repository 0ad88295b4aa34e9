//! What a machine saw when it probed others.

use std::net::Ipv4Addr;

use holdfast_model::Platform;
use serde::{Deserialize, Serialize};

use crate::report::{SCHEMA_VERSION, Unreadable, whole_line};
use crate::scripts::{PROBE_PS1, PROBE_SH};

/// What to probe from one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The addresses to ask, all at the same time.
    pub targets: Vec<Ipv4Addr>,
    /// Echo requests per target.
    pub count: u16,
    /// A TCP port to connect to, besides.
    pub port: Option<u16>,
}

/// What one target did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProbeAnswer {
    /// The echo requests went out.
    Asked {
        /// Requests sent.
        sent: u32,
        /// Replies received.
        received: u32,
        /// Replies more than requests, which means that two machines hold the address; `None` where the machine cannot tell.
        duplicates: Option<u32>,
    },
    /// The machine could not ask: nothing is known of the target.
    Unknown {
        /// What the machine says of it.
        error: String,
    },
}

/// Whether a TCP port took the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpAnswer {
    /// The port.
    pub port: u16,
    /// Whether the connection was made in time.
    pub connected: bool,
}

/// The result for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// The address asked.
    pub target: Ipv4Addr,
    /// What it did.
    pub answer: ProbeAnswer,
    /// The TCP connection, where a port was given and the machine has the means.
    pub tcp: Option<TcpAnswer>,
}

impl ProbeResult {
    /// Whether at least one reply came back.
    pub fn answered(&self) -> bool {
        match &self.answer {
            ProbeAnswer::Asked { received, .. } => *received > 0,
            ProbeAnswer::Unknown { .. } => false,
        }
    }
}

impl ProbeRequest {
    /// The elements of `commands` for `platform`: the parameters, then the committed script verbatim.
    pub(crate) fn commands(&self, targets: &[Ipv4Addr], platform: Platform) -> Vec<String> {
        let targets = targets.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(" ");
        let count = self.count;
        match platform {
            Platform::Linux => {
                let port = self.port.map(|p| p.to_string()).unwrap_or_default();
                vec![
                    format!("HOLDFAST_TARGETS='{targets}'; HOLDFAST_COUNT={count}; HOLDFAST_PORT={port}"),
                    PROBE_SH.to_owned(),
                ]
            }
            Platform::Windows => {
                let port = self.port.unwrap_or(0);
                vec![
                    format!("$HoldfastTargets='{targets}'; $HoldfastCount={count}; $HoldfastPort={port}"),
                    PROBE_PS1.to_owned(),
                ]
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeOutput {
    schema_version: u32,
    #[serde(rename = "host_name")]
    _host_name: String,
    results: Vec<ProbeLine>,
    #[serde(rename = "end")]
    _end: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeLine {
    target: Ipv4Addr,
    sent: Option<u32>,
    received: Option<u32>,
    duplicates: Option<u32>,
    error: Option<String>,
    tcp: Option<TcpAnswer>,
}

impl ProbeLine {
    fn result(self) -> ProbeResult {
        let answer = match (self.error, self.sent, self.received) {
            (None, Some(sent), Some(received)) => ProbeAnswer::Asked { sent, received, duplicates: self.duplicates },
            (Some(error), ..) => ProbeAnswer::Unknown { error },
            (None, ..) => ProbeAnswer::Unknown { error: "the probe printed no counts".to_owned() },
        };
        ProbeResult { target: self.target, answer, tcp: self.tcp }
    }
}

impl ProbeResult {
    /// Reads what a probe script printed: one result per target.
    ///
    /// # Errors
    /// Output without its end marker, which was cut off on the way, and output that is not a probe's.
    pub fn read_all(stdout: &str) -> Result<Vec<Self>, Unreadable> {
        let line = whole_line(stdout)?;
        let output: ProbeOutput = serde_json::from_str(line).map_err(Unreadable::Form)?;
        if output.schema_version != SCHEMA_VERSION {
            return Err(Unreadable::Version(output.schema_version));
        }
        Ok(output.results.into_iter().map(ProbeLine::result).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_could_not_be_asked_is_unknown_not_silent() {
        let out = r#"{"schema_version":1,"host_name":"p","results":[{"target":"10.0.0.1","sent":null,"received":null,"duplicates":null,"error":"no ping on this machine","tcp":null},{"target":"10.0.0.2","sent":3,"received":0,"duplicates":0,"error":null,"tcp":{"port":443,"connected":false}}],"end":true}"#;
        let results = ProbeResult::read_all(out).unwrap();
        assert!(matches!(results[0].answer, ProbeAnswer::Unknown { .. }));
        assert_eq!(results[1].answer, ProbeAnswer::Asked { sent: 3, received: 0, duplicates: Some(0) });
        assert!(!results[1].answered());
    }

    #[test]
    fn the_script_is_an_element_of_its_own() {
        let request = ProbeRequest { targets: vec![Ipv4Addr::LOCALHOST], count: 2, port: Some(443) };
        assert_eq!(
            request.commands(&request.targets, Platform::Linux),
            vec!["HOLDFAST_TARGETS='127.0.0.1'; HOLDFAST_COUNT=2; HOLDFAST_PORT=443".to_owned(), PROBE_SH.to_owned()]
        );
        assert_eq!(
            request.commands(&request.targets, Platform::Windows),
            vec!["$HoldfastTargets='127.0.0.1'; $HoldfastCount=2; $HoldfastPort=443".to_owned(), PROBE_PS1.to_owned()]
        );
    }
}
