//! A topology as a world file: everything but the static routes of transit gateways.

use crate::spec::{Client, Kind, REGIONS, Spec, Told, Wall};
use crate::world::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The text of a world file.
pub fn file(spec: &Spec) -> String {
    let mut text = format!("default_account: \"{ACCOUNT}\"\naccounts: {{\"{ACCOUNT}\": {{}}}}\n");
    text.push_str(
        "switches: {ec2: {route_pending_reads: 0, attachment_pending_reads: 0, throttling: false}}\nregions:\n",
    );
    for at in spec.gateways.iter().collect::<BTreeSet<_>>() {
        let region = REGIONS[*at];
        let here = |gateway: usize| spec.region(gateway) == region;
        writeln!(text, "  {region}:\n    vpcs:").unwrap();
        for (s, site) in spec.sites.iter().enumerate().filter(|(_, site)| here(site.gateway)) {
            site_vpc(&mut text, spec, s, site.gateway);
        }
        for (c, client) in spec.clients.iter().enumerate() {
            if let Client::Vpc { gateway, peered } = client
                && here(*gateway)
            {
                let over = if *peered {
                    format!("\n          - {{prefix: {COVERING}, vpc_peering: {}}}", pcx(c))
                } else {
                    String::new()
                };
                writeln!(text, "      - name: c{c}\n        id: vpc-000c000{c}\n        cidrs: [10.{0}.0.0/16]\n        subnets: [{{name: c{c}-a, cidr: 10.{0}.1.0/24}}, {{name: c{c}-tgw, cidr: 10.{0}.255.0/28}}]\n        route_tables:\n        - name: c{c}\n          id: {1}\n          main: true\n          routes:\n          - {{prefix: 0.0.0.0/0, transit_gateway: {2}}}{over}", 50 + c, client_table(c), tgw(*gateway)).unwrap();
            }
        }
        let walls = || (0..spec.gateways.len()).filter(|g| here(*g) && spec.walls[*g].is_some());
        for g in walls() {
            writeln!(text, "      - name: w{g}\n        id: vpc-000f000{g}\n        cidrs: [10.9{g}.0.0/16]\n        subnets:\n          - {{name: w{g}-in, cidr: 10.9{g}.1.0/24}}\n          - {{name: w{g}-out, cidr: 10.9{g}.2.0/24}}\n        route_tables:\n        - name: w{g}-in\n          id: rtb-000f00{g}0\n          main: true\n          routes:\n          - {{prefix: 0.0.0.0/0, network_interface: w{g}-eni}}\n        - name: w{g}-out\n          id: rtb-000f00{g}1\n          subnets: [w{g}-out]\n          routes:\n          - {{prefix: 0.0.0.0/0, transit_gateway: {}}}", tgw(g)).unwrap();
        }
        writeln!(text, "    instances:").unwrap();
        for g in walls() {
            writeln!(text, "      - {{name: w{g}, forwards: true, interfaces: [{{name: w{g}-eni, subnet: w{g}-out, address: 10.9{g}.2.10, source_dest_check: false}}]}}").unwrap();
        }
        for (s, site) in spec.sites.iter().enumerate().filter(|(_, site)| here(site.gateway)) {
            machines(&mut text, spec, s, site.kind);
        }
        for (c, client) in spec.clients.iter().enumerate() {
            let (gateway, subnet) = match client {
                Client::Vpc { gateway, .. } => (*gateway, format!("c{c}-a")),
                Client::Inside { site } => (spec.sites[*site].gateway, format!("s{site}-tools")),
                Client::OnPremises { .. } => continue,
            };
            if here(gateway) {
                let address = client_address(spec, c);
                writeln!(text, "      - {{name: c{c}, interfaces: [{{subnet: {subnet}, address: {address}}}]}}")
                    .unwrap();
            }
        }
        let networks: Vec<String> = (0..spec.at.len()).map(network).collect();
        writeln!(text, "    prefix_lists:").unwrap();
        for g in (0..spec.gateways.len()).filter(|g| here(*g)) {
            writeln!(text, "      - {{name: list{g}, id: {}, entries: [{}]}}", list(g), networks.join(", ")).unwrap();
        }
        writeln!(text, "    transit_gateways:").unwrap();
        for g in (0..spec.gateways.len()).filter(|g| here(*g)) {
            gateway(&mut text, spec, g);
        }
    }
    text.push_str("transit_gateway_peerings:\n");
    for (a, b) in &spec.peers {
        writeln!(text, "  - {{name: p{a}{b}, id: {}, requester: {{region: {}, transit_gateway: gw{a}}}, accepter: {{region: {}, transit_gateway: gw{b}}}}}", peering(*a, *b), spec.region(*a), spec.region(*b)).unwrap();
    }
    let first = spec.peer_site();
    text.push_str("vpc_peerings:\n");
    for (c, client) in spec.clients.iter().enumerate() {
        if let (Client::Vpc { gateway, peered: true }, Some(s)) = (client, first) {
            writeln!(text, "  - {{name: pcx{c}, id: {}, requester: {{region: {}, vpc: c{c}}}, accepter: {{region: {}, vpc: s{s}}}}}", pcx(c), spec.region(*gateway), spec.region(spec.sites[s].gateway)).unwrap();
        }
    }
    on_premises(&mut text, spec);
    prisms(&mut text, spec);
    filled(&text)
}

/// A text in which sections without anything say so.
pub fn filled(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines: Vec<&str> = text.lines().collect();
    let filled = lines.iter().enumerate().map(|(at, line)| {
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let inside =
            indent(next) > indent(line) || (indent(next) == indent(line) && next.trim_start().starts_with('-'));
        match (line.ends_with(':') && !inside, *line) {
            (false, line) => format!("{line}\n"),
            (true, "prism_centrals:" | "pass_through:") => format!("{line} {{}}\n"),
            (true, line) => format!("{line} []\n"),
        }
    });
    filled.collect()
}

fn site_vpc(text: &mut String, spec: &Spec, s: usize, g: usize) {
    let site = &spec.sites[s];
    match site.kind {
        Kind::Ec2 => {
            writeln!(
                text,
                "      - name: s{s}\n        id: vpc-000a000{s}\n        cidrs: [{COVERING}]\n        subnets:"
            )
            .unwrap();
            writeln!(text, "          - {{name: s{s}-tgw0, cidr: 172.30.250.0/28}}").unwrap();
            for n in 0..spec.at.len() {
                writeln!(text, "          - {{name: s{s}-net{n}, cidr: {}}}", network(n)).unwrap();
            }
            writeln!(text, "        route_tables:\n        - name: s{s}\n          id: {}\n          main: true\n          routes:\n          - {{prefix: 0.0.0.0/0, transit_gateway: {}}}", site_table(s, 0), tgw(g)).unwrap();
            let first = spec.peer_site() == Some(s);
            for c in (0..spec.clients.len()).filter(|c| first && peered(spec, *c)) {
                writeln!(text, "          - {{prefix: {}, vpc_peering: {}}}", client_prefix(spec, c), pcx(c)).unwrap();
            }
        }
        Kind::Nc2 => {
            let b = 10 + s;
            writeln!(text, "      - name: s{s}\n        id: vpc-000a000{s}\n        cidrs: [10.{b}.0.0/16]\n        subnets:\n          - {{name: s{s}-hosts, cidr: 10.{b}.1.0/24}}").unwrap();
            let inside =
                (0..spec.clients.len()).find(|c| matches!(spec.clients[*c], Client::Inside { site } if site == s));
            if inside.is_some() {
                writeln!(text, "          - {{name: s{s}-tools, cidr: 10.{b}.9.0/24}}").unwrap();
            }
            for k in 0..site.subnets {
                writeln!(text, "          - {{name: s{s}-tgw{k}, cidr: 10.{b}.255.{}/28}}", 16 * k).unwrap();
            }
            writeln!(text, "        route_tables:").unwrap();
            if let Some(c) = inside {
                writeln!(text, "        - name: s{s}-tools\n          id: {}\n          subnets: [s{s}-tools]\n          routes:\n          - {{prefix: 0.0.0.0/0, transit_gateway: {}}}", client_table(c), tgw(g)).unwrap();
            }
            for k in 0..site.subnets {
                let whose = if k == 0 { "main: true".to_owned() } else { format!("subnets: [s{s}-tgw{k}]") };
                writeln!(text, "        - name: s{s}-{k}\n          id: {}\n          {whose}\n          routes:\n          - {{prefix: 0.0.0.0/0, transit_gateway: {}}}", site_table(s, k), tgw(g)).unwrap();
                for n in 0..spec.at.len() {
                    writeln!(text, "          - {{prefix: {}, network_interface: s{s}-fvn}}", network(n)).unwrap();
                }
            }
        }
    }
}

fn held(n: usize) -> String {
    HOSTS.iter().map(|host| format!("{}/24", address(n, *host))).collect::<Vec<_>>().join(", ")
}

fn machines(text: &mut String, spec: &Spec, s: usize, kind: Kind) {
    match kind {
        Kind::Ec2 => {
            for n in 0..spec.at.len() {
                let more: Vec<String> = HOSTS[1..].iter().map(|host| address(n, *host).to_string()).collect();
                writeln!(text, "      - {{name: s{s}-net{n}, interfaces: [{{subnet: s{s}-net{n}, address: {}, secondary: [{}]}}], guest: {{adapters: [{{addresses: [{}], gateway: {}}}]}}}}", address(n, HOSTS[0]), more.join(", "), held(n), address(n, 1)).unwrap();
            }
        }
        Kind::Nc2 => writeln!(text, "      - {{name: s{s}-host, interfaces: [{{name: s{s}-fvn, id: {}, subnet: s{s}-hosts, address: 10.{}.1.11, source_dest_check: false}}]}}", fvn(s), 10 + s).unwrap(),
    }
}

fn gateway(text: &mut String, spec: &Spec, g: usize) {
    writeln!(text, "      - name: gw{g}\n        id: {}\n        attachments:", tgw(g)).unwrap();
    let mut core: Vec<String> = Vec::new();
    let mut edge: Vec<String> = Vec::new();
    let mut propagate: Vec<String> = Vec::new();
    for (s, site) in spec.sites.iter().enumerate().filter(|(_, site)| site.gateway == g) {
        let subnets: Vec<String> = (0..site.subnets).map(|k| format!("s{s}-tgw{k}")).collect();
        writeln!(
            text,
            "          - {{name: s{s}, id: {}, kind: vpc, vpc: s{s}, subnets: [{}]}}",
            of_site(s),
            subnets.join(", ")
        )
        .unwrap();
        core.push(format!("s{s}"));
    }
    let off = spec.first_ec2().filter(|_| !spec.propagates(spec.at.iter().copied())).map(|s| format!("s{s}"));
    propagate.extend(core.iter().filter(|name| Some(*name) != off.as_ref()).cloned());
    for (c, client) in spec.clients.iter().enumerate() {
        match client {
            Client::Vpc { gateway, .. } if *gateway == g => {
                writeln!(
                    text,
                    "          - {{name: c{c}, id: {}, kind: vpc, vpc: c{c}, subnets: [c{c}-tgw]}}",
                    of_client(c, g)
                )
                .unwrap();
                edge.push(format!("c{c}"));
                propagate.push(format!("c{c}"));
            }
            Client::OnPremises { entries, .. } => {
                for (_, told) in entries.iter().filter(|(gateway, _)| *gateway == g) {
                    let kind = match told {
                        Told::Always | Told::Bgp => "kind: vpn".to_owned(),
                        Told::Allowed => format!(
                            "kind: direct-connect-gateway, allowed_prefixes: [{}]",
                            if c % 2 == 0 { COVERING.to_owned() } else { network(0) }
                        ),
                    };
                    writeln!(
                        text,
                        "          - {{name: c{c}g{g}, id: {}, {kind}, prefixes: [{}]}}",
                        of_client(c, g),
                        client_prefix(spec, c)
                    )
                    .unwrap();
                    edge.push(format!("c{c}g{g}"));
                    propagate.push(format!("c{c}g{g}"));
                }
            }
            Client::Vpc { .. } | Client::Inside { .. } => {}
        }
    }
    if let Some(wall) = spec.walls[g] {
        writeln!(text, "          - {{name: w{g}, id: {}, kind: vpc, vpc: w{g}, subnets: [w{g}-in]}}", of_wall(g))
            .unwrap();
        match wall {
            Wall::There => core.push(format!("w{g}")),
            Wall::Back => edge.push(format!("w{g}")),
        }
    }
    core.extend(spec.peers.iter().filter(|(a, b)| *a == g || *b == g).map(|(a, b)| format!("p{a}{b}")));
    if !spec.edge[g] {
        core.append(&mut edge);
    }
    writeln!(text, "        route_tables:").unwrap();
    for (t, associated) in [core, edge].into_iter().enumerate().take(spec.tables(g)) {
        writeln!(
            text,
            "          - {{name: gw{g}-{t}, id: {}, associations: [{}], propagations: [{}]}}",
            table(g, t),
            associated.join(", "),
            propagate.join(", ")
        )
        .unwrap();
    }
}

fn on_premises(text: &mut String, spec: &Spec) {
    text.push_str("on_premises:\n");
    for (c, client) in spec.clients.iter().enumerate() {
        let Client::OnPremises { entries, stateful, .. } = client else { continue };
        let networks: Vec<String> = (0..spec.at.len()).map(network).collect();
        let ways = entries.iter().map(|(g, told)| {
            let fixed =
                if *told == Told::Always { format!(", prefixes: [{}]", networks.join(", ")) } else { String::new() };
            format!("{{region: {}, attachment: c{c}g{g}{fixed}}}", spec.region(*g))
        });
        let ways: Vec<String> = ways.collect();
        writeln!(
            text,
            "  - {{name: c{c}, prefix: {}, region: {}, stateful: {stateful}, entries: [{}]}}",
            client_prefix(spec, c),
            spec.region(entries[0].0),
            ways.join(", ")
        )
        .unwrap();
    }
}

fn prisms(text: &mut String, spec: &Spec) {
    text.push_str("prism_centrals:\n");
    for (s, site) in spec.sites.iter().enumerate().filter(|(_, site)| site.kind == Kind::Nc2) {
        let networks: Vec<String> = (0..spec.at.len()).map(network).collect();
        writeln!(text, "  pc{s}:\n    username: u\n    password: p\n    region: {}\n    vpcs:\n      - {{name: transit, kind: transit}}\n      - {{name: f, external_subnets: [up], routable_prefixes: [{}], host_interfaces: [s{s}-fvn]}}\n    subnets:\n      - {{name: up, vpc: transit, cidr: 100.64.1.0/24, pools: [{{first: 100.64.1.10, last: 100.64.1.99}}], external: true, nat: false}}", spec.region(site.gateway), networks.join(", ")).unwrap();
        for n in 0..spec.at.len() {
            writeln!(
                text,
                "      - {{name: net{n}, vpc: f, cidr: {}, gateway: {}, pools: [{{first: {}, last: {}}}]}}",
                network(n),
                address(n, 1),
                address(n, 100),
                address(n, 119)
            )
            .unwrap();
        }
        text.push_str("    vms:\n");
        for n in 0..spec.at.len() {
            writeln!(text, "      - {{name: pc{s}-net{n}, nics: [{{subnet: net{n}, address: {}}}], guest: {{adapters: [{{addresses: [{}], gateway: {}}}]}}}}", address(n, HOSTS[0]), held(n), address(n, 1)).unwrap();
        }
    }
}
