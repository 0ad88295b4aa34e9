//! A topology as a network map.

use crate::file::filled;
use crate::spec::{Client, Kind, Spec, Told};
use crate::world::*;
use holdfast_model::NetworkMap;
use holdfast_sim::World;
use holdfast_sim::ec2;
use std::fmt::Write as _;

/// The map of a topology. Direct Connect gateways are named as the world has them.
pub fn map(spec: &Spec, world: &World) -> NetworkMap {
    let mut text = format!("schema_version: 1\naccounts: {{main: {{id: \"{ACCOUNT}\"}}}}\nprism_centrals:\n");
    let region = |s: usize| spec.region(spec.sites[s].gateway);
    let nc2: Vec<usize> = (0..spec.sites.len()).filter(|s| spec.sites[*s].kind == Kind::Nc2).collect();
    for s in &nc2 {
        writeln!(
            text,
            "  pc{s}: {{endpoint: \"https://p:9440\", secret: s, trust: {{kind: web_roots}}, region: {}}}",
            region(*s)
        )
        .unwrap();
    }
    text.push_str("sites:\n");
    for (s, site) in spec.sites.iter().enumerate() {
        let more = match site.kind {
            Kind::Ec2 => "kind: ec2".to_owned(),
            Kind::Nc2 => format!("kind: nc2, prism_central: pc{s}, fvn_vpc: f, cluster: c"),
        };
        writeln!(text, "  s{s}: {{{more}, account: main, region: {}, vpc: vpc-000a000{s}}}", region(s)).unwrap();
    }
    text.push_str("networks:\n");
    let subnets: Vec<String> = nc2.iter().map(|s| format!("s{s}: net")).collect();
    for n in 0..spec.at.len() {
        writeln!(text, "  net{n}: {{prefix: {}, subnets: {{{}}}}}", network(n), subnets.join(", ")).unwrap();
    }
    text.push_str("route_tables:\n");
    for (g, t) in spec.all_tables() {
        let mut list = if spec.listed[g] { format!(", prefix_list: {}", list(g)) } else { String::new() };
        if spec.aggregate[g] {
            write!(list, ", aggregate: {COVERING}").unwrap();
        }
        if let Some(s) = spec.first_ec2().filter(|s| spec.propagation && spec.sites[*s].gateway == g) {
            write!(list, ", propagations: {{s{s}: {}}}", of_site(s)).unwrap();
        }
        let hops = (0..spec.sites.len()).map(|s| match hop(spec, g, s) {
            None => format!("s{s}: {{kind: absent, served_by: {COVERING}}}"),
            Some(id) if id == BLACKHOLE => format!("s{s}: {{kind: blackhole}}"),
            Some(id) if spec.sites[s].gateway == g => format!("s{s}: {{kind: attachment, id: {id}}}"),
            Some(id) => format!("s{s}: {{kind: peering, id: {id}}}"),
        });
        let hops: Vec<String> = hops.collect();
        writeln!(
            text,
            "  gw{g}-{t}: {{account: main, region: {}, id: {}{list}, next_hops: {{{}}}}}",
            spec.region(g),
            table(g, t),
            hops.join(", ")
        )
        .unwrap();
    }
    for (c, gateway) in (0..spec.clients.len()).filter_map(|c| Some((c, declared(spec, c)?))) {
        let hops = (0..spec.sites.len()).map(|s| match client_hop(spec, c, s) {
            None => format!("s{s}: {{kind: absent, served_by: {}}}", covers(spec, c)),
            Some(id) => {
                let kind = match id.split('-').next() {
                    Some("pcx") => "vpc_peering",
                    Some("eni") => "eni",
                    _ => "tgw",
                };
                format!("s{s}: {{kind: {kind}, id: {id}}}")
            }
        });
        let hops: Vec<String> = hops.collect();
        writeln!(
            text,
            "  c{c}: {{account: main, region: {}, id: {}, next_hops: {{{}}}}}",
            spec.region(gateway),
            client_table(c),
            hops.join(", ")
        )
        .unwrap();
    }
    text.push_str("vantages:\n");
    for (c, client) in spec.clients.iter().enumerate() {
        match client {
            Client::Vpc { gateway, .. } => writeln!(
                text,
                "  c{c}: {{kind: vpc, prefixes: [{}], account: main, region: {}, enters: {}}}",
                client_prefix(spec, c),
                spec.region(*gateway),
                of_client(c, *gateway)
            )
            .unwrap(),
            Client::Inside { site } => writeln!(
                text,
                "  c{c}: {{kind: vpc, prefixes: [{}], account: main, region: {}, enters: {}}}",
                client_prefix(spec, c),
                region(*site),
                of_site(*site)
            )
            .unwrap(),
            Client::OnPremises { entries, stateful, .. } => {
                let told = |(g, told): (usize, Told)| match told {
                    Told::Always => "{kind: always}".to_owned(),
                    Told::Bgp => "{kind: bgp}".to_owned(),
                    Told::Allowed => match &world.ec2.attachments[&of_client(c, g)].kind {
                        ec2::AttachmentKind::DirectConnectGateway { resource, .. } => {
                            format!("{{kind: allowed_prefixes, gateway: {resource}}}")
                        }
                        other => panic!("{other:?}"),
                    },
                };
                let (first, _) = entries[0];
                let others = entries[1..].iter().map(|entry| {
                    format!(
                        "{{account: main, region: {}, attachment: {}, advertised: {}}}",
                        spec.region(entry.0),
                        of_client(c, entry.0),
                        told(*entry)
                    )
                });
                let others: Vec<String> = others.collect();
                writeln!(text, "  c{c}: {{kind: on_premises, prefixes: [{}], account: main, region: {}, enters: {}, advertised: {}, or_enters: [{}], replies: {}}}", client_prefix(spec, c), spec.region(first), of_client(c, first), told(entries[0]), others.join(", "), if *stateful { "symmetric" } else { "any" }).unwrap();
            }
        }
    }
    text.push_str("pass_through:\n");
    for g in (0..spec.gateways.len()).filter(|g| spec.walls[*g].is_some()) {
        let (region, wall) = (spec.region(g), of_wall(g));
        writeln!(text, "  w{g}: {{account: main, region: {region}, enters: {wall}, leaves: {wall}}}").unwrap();
    }
    if spec.overlays {
        text.push_str("policy: {vpc_peering: overlays}\n");
    }
    let text = filled(&text);
    NetworkMap::parse(&text).unwrap_or_else(|error| panic!("seed {}: {error}\n{text}", spec.seed))
}
