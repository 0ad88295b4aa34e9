//! Route tables of the simulated world as lines that a person reads.

use holdfast_lab::Lab;
use holdfast_sim::ec2::VpcTarget;
use std::collections::BTreeSet;

/// One line for each route, reference and propagation that somebody could change, in every table.
pub type Tables = BTreeSet<String>;

/// Every table as it is now. Names stand for ids.
pub fn tables(lab: &Lab) -> Tables {
    let world = lab.sim().shared().world();
    let ec2 = &world.ec2;
    let names = ec2.names.iter().map(|((_, _, name), id)| (id.as_str(), name.as_str()));
    let names: std::collections::BTreeMap<&str, &str> = names.collect();
    let name = |id: &str| (*names.get(id).unwrap_or(&id)).to_owned();
    let mut lines = Tables::new();
    for (id, table) in &ec2.tgw_route_tables {
        let table_name = name(id);
        for (prefix, route) in &table.routes {
            let to = route.attachment.as_deref().map_or("blackhole".to_owned(), name);
            lines.insert(format!("{table_name} {prefix} -> {to}"));
        }
        for (list, reference) in &table.prefix_lists {
            let to = reference.attachment.as_deref().map_or("blackhole".to_owned(), name);
            lines.insert(format!("{table_name} list {} -> {to}", name(list)));
        }
        lines.extend(table.propagations.keys().map(|from| format!("{table_name} propagated by {}", name(from))));
    }
    for (id, table) in &ec2.route_tables {
        for (prefix, route) in &table.routes {
            let to = match &route.target {
                VpcTarget::Local => continue,
                VpcTarget::TransitGateway(to)
                | VpcTarget::NetworkInterface(to)
                | VpcTarget::PeeringConnection(to)
                | VpcTarget::Gateway(to)
                | VpcTarget::NatGateway(to) => name(to),
            };
            lines.insert(format!("{} {prefix} -> {to}", name(id)));
        }
    }
    lines
}

/// What went (`-`) and what came (`+`).
pub fn changed(before: &Tables, now: &Tables) -> Vec<String> {
    let gone = before.difference(now).map(|line| format!("- {line}"));
    let came = now.difference(before).map(|line| format!("+ {line}"));
    gone.chain(came).collect()
}
