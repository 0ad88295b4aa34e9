//! Parses the network map and checks every reference in it. An error names the line and says what to write.

use crate::lines::line_of;
use crate::{AccountName, NetworkMap, NextHop, Region, Select, Site, SiteName, Trust, Vantage};
use std::collections::BTreeMap;
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
        self.vantages()?;
        self.waves()
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

    fn tables(&self) -> Result<(), MapError> {
        let mut seen = BTreeMap::new();
        for (name, table) in &self.map.route_tables {
            let at = ["route_tables", name.as_str()];
            self.account(&[at[0], at[1], "account"], &table.account)?;
            if !table.id.is_tgw() {
                return self.error(
                    &[at[0], at[1], "id"],
                    format!(
                        "`{}` is a VPC route table; only transit gateway route tables (`tgw-rtb-..`) can be changed",
                        table.id
                    ),
                );
            }
            if let Some(first) = seen.insert(&table.id, name) {
                return self.error(
                    &[at[0], at[1], "id"],
                    format!("`{}` is already declared as `{first}`; declare each table once", table.id),
                );
            }
            for network in table.networks.iter().flatten() {
                self.known(&[at[0], at[1], "networks"], "network", "networks", network, &self.map.networks)?;
            }
            for (site, hop) in &table.next_hops {
                let path = [at[0], at[1], "next_hops", site.as_str()];
                self.site(&path, site)?;
                if let NextHop::Absent { served_by } = hop {
                    self.served(&path, table.networks.as_ref(), served_by)?;
                }
            }
            if let Some(site) = self.map.sites.keys().find(|site| !table.next_hops.contains_key(*site)) {
                return self.error(
                    &[at[0], at[1], "next_hops"],
                    format!("route table `{name}` has no next hop for site `{site}`; add `{site}: {{kind: attachment, id: tgw-attach-..}}`, or `peering`, `absent` or `blackhole`"),
                );
            }
        }
        Ok(())
    }

    fn served(
        &self,
        path: &[&str],
        only: Option<&std::collections::BTreeSet<crate::NetworkName>>,
        served_by: &crate::Prefix,
    ) -> Result<(), MapError> {
        for (name, network) in &self.map.networks {
            if only.is_none_or(|only| only.contains(name)) && !served_by.covers(&network.prefix) {
                return self.error(
                    path,
                    format!(
                        "`served_by: {served_by}` does not cover network `{name}` {}; name the route that serves it",
                        network.prefix
                    ),
                );
            }
        }
        Ok(())
    }

    fn vantages(&self) -> Result<(), MapError> {
        for (name, vantage) in &self.map.vantages {
            let at = ["vantages", name.as_str()];
            self.account(&[at[0], at[1], "account"], &vantage.scope().account)?;
            if vantage.prefixes().is_empty() {
                return self.error(
                    &[at[0], at[1], "prefixes"],
                    format!("vantage `{name}` has no prefixes; name at least one, so that replies can be traced"),
                );
            }
            for prefix in vantage.prefixes() {
                if let Some((network, n)) = self.map.networks.iter().find(|(_, n)| n.prefix.overlaps(prefix)) {
                    return self.error(&[at[0], at[1], "prefixes"], format!("{prefix} overlaps network `{network}` {}; clients and moved machines need different prefixes", n.prefix));
                }
            }
            if let Some(probe) = vantage.probe() {
                self.account(&[at[0], at[1], "probe", "account"], &probe.account)?;
            }
            if let Vantage::OnPremises { reply_region: Some(_), reply_leaves: None, .. } = vantage {
                return self.error(&[at[0], at[1], "reply_region"], "`reply_region` needs `reply_leaves`");
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
            match &wave.select {
                Select::Instances { ids } if ids.is_empty() => {
                    return self.error(&[at[0], at[1], "select"], "`ids` is empty; name at least one instance");
                }
                Select::Tags { tags } if tags.is_empty() => {
                    return self.error(&[at[0], at[1], "select"], "`tags` is empty; name at least one tag");
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
        let vantages = self.vantages.values().map(Vantage::scope);
        sites.chain(tables).chain(vantages).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"schema_version: 1
accounts:
  main: {id: "111122223333"}
prism_centrals:
  tokyo:
    endpoint: https://prism.example:9440
    secret: prism-tokyo
    trust: {kind: web_roots}
    region: ap-northeast-1
sites:
  ec2-tokyo: {kind: ec2, account: main, region: ap-northeast-1, vpc: vpc-0000000a}
  nc2-tokyo:
    kind: nc2
    account: main
    region: ap-northeast-1
    vpc: vpc-0000000b
    prism_central: tokyo
    fvn_vpc: apps
    cluster: cl-1
networks:
  app:
    prefix: 172.30.1.0/24
    subnets: {nc2-tokyo: app}
route_tables:
  tokyo:
    account: main
    region: ap-northeast-1
    id: tgw-rtb-0000000a
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: attachment, id: tgw-attach-0000000b}
vantages:
  onprem:
    kind: on_premises
    prefixes: [192.168.10.0/24]
    account: main
    region: ap-northeast-1
    enters: tgw-attach-0000000c
waves:
  wave-1: {from: ec2-tokyo, to: nc2-tokyo, select: {kind: tags, tags: {Wave: "1"}}}
"#;

    fn error(from: &str, to: &str) -> String {
        assert!(MAP.contains(from), "the map has no `{from}`");
        NetworkMap::parse(&MAP.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_good_map_is_read_whole() {
        let map = NetworkMap::parse(MAP).unwrap();
        assert_eq!(map.scopes().len(), 1);
        assert_eq!(map.network_of("172.30.1.34".parse().unwrap()).map(|(n, _)| n.as_str()), Some("app"));
        assert_eq!(map.policy, Policy::default());
    }

    use crate::Policy;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text = error("    prefix: 172.30.1.0/24\n", "    prefix: 172.30.1.0/24\n    vlan: 7\n");
        assert!(text.starts_with("network map, line 23: ") && text.contains("vlan"), "{text}");
    }

    #[test]
    fn a_dangling_reference_is_named_with_its_line_and_what_is_declared() {
        assert_eq!(
            error("prism_central: tokyo", "prism_central: kyoto"),
            "network map, line 17: Prism Central `kyoto` is not under `prism_centrals` (declared: `tokyo`)"
        );
        assert_eq!(
            error("subnets: {nc2-tokyo: app}", "subnets: {nc2-kyoto: app}"),
            "network map, line 23: site `nc2-kyoto` is not under `sites` (declared: `ec2-tokyo`, `nc2-tokyo`)"
        );
    }

    #[test]
    fn overlapping_networks_are_refused() {
        let text = error(
            "  app:\n    prefix: 172.30.1.0/24\n",
            "  all:\n    prefix: 172.30.0.0/16\n  app:\n    prefix: 172.30.1.0/24\n",
        );
        assert_eq!(
            text,
            "network map, line 24: network `app` 172.30.1.0/24 overlaps network `all` 172.30.0.0/16; declare one of them"
        );
    }

    #[test]
    fn a_table_without_an_entry_for_a_site_is_refused() {
        let text = error("      nc2-tokyo: {kind: attachment, id: tgw-attach-0000000b}\n", "");
        assert!(
            text.starts_with(
                "network map, line 29: route table `tokyo` has no next hop for site `nc2-tokyo`; add `nc2-tokyo: "
            ),
            "{text}"
        );
    }

    #[test]
    fn bad_prefixes_are_refused_with_line_and_mend() {
        let text = error("prefix: 172.30.1.0/24", "prefix: 172.30.1.9/24");
        assert!(text.starts_with("network map, line 22: ") && text.contains("write `172.30.1.0/24`"), "{text}");
        let text = error("prefix: 172.30.1.0/24", "prefix: 172.30.1.0/240");
        assert!(text.starts_with("network map, line 22: ") && text.contains("is not an IPv4 prefix"), "{text}");
        let text = error("prefix: 172.30.1.0/24", "prefix: \"fd00::/64\"");
        assert!(text.starts_with("network map, line 22: ") && text.contains("IPv6"), "{text}");
    }

    #[test]
    fn a_serving_route_that_does_not_cover_the_network_is_refused() {
        let text = error("served_by: 172.30.0.0/16", "served_by: 172.31.0.0/16");
        assert!(
            text.contains("line 30: `served_by: 172.31.0.0/16` does not cover network `app` 172.30.1.0/24"),
            "{text}"
        );
    }
}
