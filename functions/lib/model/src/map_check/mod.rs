//! Parses the network map and checks every reference in it. An error names the line and says what to write.

mod matrix;
mod start;
mod tables;
#[cfg(test)]
mod tests;
mod vantages;

use crate::lines::line_of;
use crate::{AccountName, NetworkMap, Region, Select, Site, SiteName, Trust};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// Why a network map cannot be used: the line, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("network map, line {line}: {message}")]
pub struct MapError {
    /// Line of the document, from 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl NetworkMap {
    /// Parses the YAML document and checks every reference.
    ///
    /// # Errors
    /// The first thing that is wrong, as a [`MapError`].
    pub fn parse(text: &str) -> Result<Self, MapError> {
        let map: NetworkMap = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            let line = error.location().map_or(1, |at| usize::try_from(at.line()).unwrap_or(1));
            MapError { line, message: first_line(&error.to_string()) }
        })?;
        Checker { text, map: &map }.check()?;
        Ok(map)
    }
}

/// The decoder's message without the place, which the line already names.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text);
    line.split(" at line ").next().unwrap_or(line).trim_start_matches("error: ").to_owned()
}

struct Checker<'a> {
    text: &'a str,
    map: &'a NetworkMap,
}

impl Checker<'_> {
    fn error<T>(&self, path: &[&str], message: impl Into<String>) -> Result<T, MapError> {
        Err(MapError { line: line_of(self.text, path), message: message.into() })
    }

    fn known<K: Ord + Display, V>(
        &self,
        path: &[&str],
        kind: &str,
        section: &str,
        name: &K,
        among: &BTreeMap<K, V>,
    ) -> Result<(), MapError> {
        if among.contains_key(name) {
            return Ok(());
        }
        let names: Vec<String> = among.keys().map(|k| format!("`{k}`")).collect();
        let names =
            if names.is_empty() { "none is declared".to_owned() } else { format!("declared: {}", names.join(", ")) };
        self.error(path, format!("{kind} `{name}` is not under `{section}` ({names})"))
    }

    fn account(&self, path: &[&str], name: &AccountName) -> Result<(), MapError> {
        self.known(path, "account", "accounts", name, &self.map.accounts)
    }

    fn site(&self, path: &[&str], name: &SiteName) -> Result<(), MapError> {
        self.known(path, "site", "sites", name, &self.map.sites)
    }

    fn check(&self) -> Result<(), MapError> {
        if self.map.schema_version != 1 {
            return self.error(
                &["schema_version"],
                format!("schema_version {} is not known; write `schema_version: 1`", self.map.schema_version),
            );
        }
        for (section, empty) in [
            ("accounts", self.map.accounts.is_empty()),
            ("sites", self.map.sites.is_empty()),
            ("networks", self.map.networks.is_empty()),
            ("route_tables", self.map.route_tables.is_empty()),
            ("vantages", self.map.vantages.is_empty()),
        ] {
            if empty {
                return self.error(&[section], format!("`{section}` is empty; declare at least one"));
            }
        }
        self.appliances()?;
        self.sites()?;
        self.networks()?;
        self.tables()?;
        self.matrix()?;
        self.vantages()?;
        self.pass_through()?;
        self.waves()?;
        self.start()
    }

    fn appliances(&self) -> Result<(), MapError> {
        let prisms = self.map.prism_centrals.iter().map(|(n, a)| ("prism_centrals", n.as_str(), a));
        let moves = self.map.move_appliances.iter().map(|(n, a)| ("move_appliances", n.as_str(), a));
        for (section, name, appliance) in prisms.chain(moves) {
            if !appliance.endpoint.starts_with("https://")
                || appliance.endpoint.trim_end_matches('/').matches('/').count() != 2
            {
                return self.error(
                    &[section, name, "endpoint"],
                    format!("endpoint `{}` must be `https://host:port` without a path", appliance.endpoint),
                );
            }
            match &appliance.trust {
                Trust::Ca { pem } if !pem.contains("-----BEGIN CERTIFICATE-----") => {
                    return self.error(
                        &[section, name, "trust"],
                        "`pem` holds no certificate; paste the text from `-----BEGIN CERTIFICATE-----` on",
                    );
                }
                Trust::Fingerprint { sha256 } => {
                    let digits: String = sha256.chars().filter(|c| *c != ':').collect();
                    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                        return self.error(
                            &[section, name, "trust"],
                            format!("fingerprint `{sha256}` is not 64 hexadecimal digits of a SHA-256"),
                        );
                    }
                }
                Trust::Ca { .. } | Trust::WebRoots => {}
            }
        }
        Ok(())
    }

    fn sites(&self) -> Result<(), MapError> {
        for (name, site) in &self.map.sites {
            self.account(&["sites", name.as_str(), "account"], site.account())?;
            if let Site::Nc2 { prism_central, .. } = site {
                self.known(
                    &["sites", name.as_str(), "prism_central"],
                    "Prism Central",
                    "prism_centrals",
                    prism_central,
                    &self.map.prism_centrals,
                )?;
            }
        }
        Ok(())
    }

    fn networks(&self) -> Result<(), MapError> {
        for (name, network) in &self.map.networks {
            for site in network.subnets.keys() {
                let path = ["networks", name.as_str(), "subnets", site.as_str()];
                self.site(&path, site)?;
                if matches!(self.map.sites.get(site), Some(Site::Ec2 { .. })) {
                    return self.error(&path, format!("site `{site}` is EC2; name subnets of NC2 sites only"));
                }
            }
            for (other_name, other) in self.map.networks.range(..name) {
                if network.prefix.overlaps(&other.prefix) {
                    return self.error(
                        &["networks", name.as_str(), "prefix"],
                        format!(
                            "network `{name}` {} overlaps network `{other_name}` {}; declare one of them",
                            network.prefix, other.prefix
                        ),
                    );
                }
            }
        }
        Ok(())
    }

    fn waves(&self) -> Result<(), MapError> {
        for (name, wave) in &self.map.waves {
            let at = ["waves", name.as_str()];
            self.site(&[at[0], at[1], "from"], &wave.from)?;
            self.site(&[at[0], at[1], "to"], &wave.to)?;
            if !matches!(self.map.sites.get(&wave.from), Some(Site::Ec2 { .. })) {
                return self.error(
                    &[at[0], at[1], "from"],
                    format!("site `{}` is not EC2; a wave leaves an EC2 site", wave.from),
                );
            }
            if !matches!(self.map.sites.get(&wave.to), Some(Site::Nc2 { .. })) {
                return self.error(
                    &[at[0], at[1], "to"],
                    format!("site `{}` is not NC2; a wave goes to an NC2 site", wave.to),
                );
            }
            if let Some(appliance) = &wave.move_appliance {
                self.known(
                    &[at[0], at[1], "move"],
                    "Move appliance",
                    "move_appliances",
                    appliance,
                    &self.map.move_appliances,
                )?;
            }
            for (host, mapping) in &wave.nics {
                let at = [at[0], at[1], "nics", host.as_str()];
                if let Some(device) = mapping.to.keys().find(|device| mapping.leave_out.contains(device)) {
                    let message = format!("captured NIC {device} is under `to` and `leave_out`; write it under one");
                    return self.error(&at, message);
                }
                let mut macs = BTreeSet::new();
                if let Some(mac) = mapping.to.values().chain(&mapping.ignore).find(|mac| !macs.insert(*mac)) {
                    return self.error(
                        &at,
                        format!("NIC `{mac}` is named twice; a NIC of the VM is one captured NIC or ignored"),
                    );
                }
            }
            if let Some(host) = wave.excused.iter().find(|(_, why)| why.trim().is_empty()).map(|(host, _)| host) {
                let at = [at[0], at[1], "excused", host.as_str()];
                return self.error(&at, format!("`{host}` is excused without a reason; write why"));
            }
            match &wave.select {
                Select::Instances { ids } if ids.is_empty() => {
                    return self.error(&[at[0], at[1], "select"], "`ids` is empty; name at least one instance");
                }
                Select::Tags { tags } if tags.is_empty() => {
                    return self.error(&[at[0], at[1], "select"], "`tags` is empty; name at least one tag");
                }
                Select::Network { name } => {
                    self.known(&[at[0], at[1], "select"], "network", "networks", name, &self.map.networks)?;
                }
                Select::Instances { .. } | Select::Tags { .. } | Select::Subnet { .. } | Select::Vpc => {}
            }
        }
        Ok(())
    }
}

impl NetworkMap {
    /// Every account and Region whose transit gateways, VPCs or probe machines the map names.
    #[must_use]
    pub fn scopes(&self) -> std::collections::BTreeSet<crate::Scope> {
        let scope =
            |account: &AccountName, region: &Region| crate::Scope { account: account.clone(), region: region.clone() };
        let sites = self.sites.values().map(|s| scope(s.account(), s.region()));
        let tables = self.route_tables.values().map(|t| scope(&t.account, &t.region));
        let entries = self.vantages.values().flat_map(crate::Vantage::entries);
        let entries = entries.map(|entry| scope(&entry.account, &entry.region));
        let nodes = self.pass_through.values().map(|node| scope(&node.account, &node.region));
        sites.chain(tables).chain(entries).chain(nodes).collect()
    }
}
