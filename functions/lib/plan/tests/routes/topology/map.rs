//! The network map of a random topology.

use super::*;
use std::fmt::Write as _;

impl Topology {
    /// EC2 is behind gateway 0, NC2 site `n` behind gateway `n`.
    pub fn map(&self) -> NetworkMap {
        let mut text = String::from("schema_version: 1\naccounts: {main: {id: \"111122223333\"}}\n");
        text.push_str(if self.nc2().next().is_some() { "prism_centrals:\n" } else { "prism_centrals: {}\n" });
        for (g, region) in self.nc2_regions() {
            writeln!(
                text,
                "  pc{g}: {{endpoint: \"https://p:9440\", secret: s, trust: {{kind: web_roots}}, region: {region}}}"
            )
            .unwrap();
        }
        text.push_str("sites:\n");
        if self.has_ec2() {
            let (_, home) = self.regions().next().unwrap();
            writeln!(text, "  ec2: {{kind: ec2, account: main, region: {home}, vpc: {}}}", vpc("ec2")).unwrap();
        }
        for (g, region) in self.nc2_regions() {
            let at = vpc(&format!("nc{g}"));
            writeln!(text, "  nc{g}: {{kind: nc2, account: main, region: {region}, vpc: {at}, prism_central: pc{g}, fvn_vpc: f, cluster: c}}").unwrap();
        }
        text.push_str("networks:\n");
        for n in 0..self.networks {
            let subnets: Vec<String> = self.nc2().map(|g| format!("nc{g}: s")).collect();
            writeln!(text, "  net{n}: {{prefix: {}, subnets: {{{}}}}}", net(n), subnets.join(", ")).unwrap();
        }
        text.push_str("route_tables:\n");
        for (g, region) in self.regions() {
            let mut keys = match self.kind(g) {
                Kind::Single => String::new(),
                Kind::List => format!("    prefix_list: {}\n", pl(&gw(g))),
                Kind::Aggregate => "    aggregate: 172.30.0.0/16\n".to_owned(),
            };
            if g == 0 && self.propagation && self.has_ec2() {
                writeln!(keys, "    propagations: {{ec2: {}}}", attachment("ec2")).unwrap();
            }
            let ec2 = match self.kind(g) {
                Kind::Aggregate => format!("{{kind: peering, id: {}}}", attachment(&self.towards(g, 0))),
                Kind::Single | Kind::List => "{kind: absent, served_by: 172.30.0.0/16}".to_owned(),
            };
            writeln!(
                text,
                "  gw{g}:\n    account: main\n    region: {region}\n    id: {}\n{keys}    next_hops:",
                rtb(&gw(g))
            )
            .unwrap();
            if self.has_ec2() {
                writeln!(text, "      ec2: {ec2}").unwrap();
            }
            for s in self.nc2() {
                let (kind, to) =
                    if s == g { ("attachment", format!("nc{g}")) } else { ("peering", self.towards(g, s)) };
                writeln!(text, "      nc{s}: {{kind: {kind}, id: {}}}", attachment(&to)).unwrap();
            }
        }
        text.push_str("vantages:\n");
        for (g, region) in self.regions() {
            let own = attachment(&format!("vpn{g}"));
            write!(text, "  on{g}:\n    kind: on_premises\n    prefixes: [192.168.{g}.0/24]\n    account: main\n    region: {region}\n    enters: {own}\n").unwrap();
            if g == 0 && self.told != Told::Always {
                let other = attachment("vpn1");
                write!(text, "    advertised: {{kind: bgp}}\n    or_enters:\n      - {{account: main, region: {}, attachment: {other}, advertised: {{kind: bgp}}}}\n", REGIONS[self.gateways[1]]).unwrap();
                if self.told == Told::BgpAny {
                    text.push_str("    replies: any\n");
                }
            }
        }
        if self.clients {
            let own = attachment("clients");
            writeln!(
                text,
                "  clients: {{kind: vpc, prefixes: [10.99.1.0/24], account: main, region: {}, enters: {own}}}",
                REGIONS[self.gateways[1]]
            )
            .unwrap();
        }
        NetworkMap::parse(&text).unwrap()
    }
}
