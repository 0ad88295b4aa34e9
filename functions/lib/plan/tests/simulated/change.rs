//! The changes that a move needs, worked out from the topology and the simulator's state, and made by EC2's own calls.

use crate::spec::Spec;
use crate::world::*;
use holdfast_plan::{Place, RouteValue, Step};
use holdfast_sim::World;
use holdfast_sim::ec2::{self, VpcTarget};
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A route of a transit gateway route table.
    Route { prefix: String },
    /// A reference to a prefix list.
    Reference { list: String },
    /// A route of a VPC route table.
    VpcRoute { prefix: String },
    /// The propagation of an attachment: it leads to `ON` or to nothing.
    Propagation { attachment: String },
}

/// What a propagation that is on leads to.
const ON: &str = "on";

/// A place of a table, and what it is to lead to; nothing where it is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub region: String,
    pub table: String,
    pub what: What,
    pub to: Option<String>,
}

impl Change {
    /// All changes of a lower rank come first: a propagation is switched on before anything else, and off after everything else.
    pub fn rank(&self) -> u8 {
        match (&self.what, &self.to) {
            (What::Propagation { .. }, Some(_)) => 0,
            (What::Propagation { .. }, None) => 2,
            (What::Route { .. } | What::Reference { .. } | What::VpcRoute { .. }, _) => 1,
        }
    }
}

/// What has to change for the networks, or the machine, that are to move.
pub fn changes(spec: &Spec, world: &World) -> Vec<Change> {
    let tgw_tables =
        spec.all_tables().into_iter().map(|(g, t)| (spec.region(g), table(g, t), Some(g), hop(spec, g, spec.to)));
    let vpc_tables = (0..spec.clients.len()).filter_map(|c| {
        let gateway = declared(spec, c)?;
        Some((spec.region(gateway), client_table(c), None, client_hop(spec, c, spec.to)))
    });
    let mut all = Vec::new();
    for (region, table, gateway, to) in tgw_tables.chain(vpc_tables) {
        let at = |what: What, to: &Option<String>| Change {
            region: region.to_owned(),
            table: table.clone(),
            what,
            to: to.clone(),
        };
        let route = |prefix: String| if gateway.is_some() { What::Route { prefix } } else { What::VpcRoute { prefix } };
        // The route that leads all networks here, if there is one.
        let wide = gateway.and_then(|g| match (spec.listed[g], spec.aggregate[g]) {
            (true, _) => Some(What::Reference { list: list(g) }),
            (false, true) => Some(What::Route { prefix: COVERING.to_owned() }),
            (false, false) => None,
        });
        if let Some(host) = spec.host {
            let n = spec.moving[0];
            let own = now(world, &at(route(network(n)), &to));
            let whole = own.or_else(|| now(world, &at(wide.clone()?, &to)));
            let prefix = format!("{}/32", address(n, host));
            all.push(at(route(prefix), &to.clone().filter(|_| whole != to)));
            continue;
        }
        match wide {
            Some(wide) => all.push(at(wide, &to)),
            None => all.extend(spec.moving.iter().map(|n| at(route(network(*n)), &to))),
        }
        if let (true, Some(g), Some(s)) = (spec.propagation, gateway, spec.first_ec2())
            && spec.sites[s].gateway == g
        {
            let on = spec.propagates([spec.to]).then(|| ON.to_owned());
            all.push(at(What::Propagation { attachment: of_site(s) }, &on));
        }
    }
    if spec.host.is_none() {
        all.extend(host_routes(spec, world));
        all.extend(own_routes(spec, world));
    }
    let all: BTreeSet<Change> = all.into_iter().filter(|change| now(world, change) != change.to).collect();
    all.into_iter().collect()
}

/// Routes of networks' own where one route leads all of them, which lead as some site of the matrix does: that route replaces them.
fn own_routes(spec: &Spec, world: &World) -> Vec<Change> {
    let mut all = Vec::new();
    for (g, t) in spec.all_tables().into_iter().filter(|(g, _)| spec.listed[*g] || spec.aggregate[*g]) {
        let explained: Vec<Option<String>> = (0..spec.sites.len()).map(|s| hop(spec, g, s)).collect();
        for n in &spec.moving {
            let what = What::Route { prefix: network(*n) };
            let change = Change { region: spec.region(g).to_owned(), table: table(g, t), what, to: None };
            let held = now(world, &change);
            if held.is_some() && explained.contains(&held) {
                all.push(change);
            }
        }
    }
    all
}

/// Host routes of networks that move, which lead as some site of the matrix does: the route of the network replaces them.
fn host_routes(spec: &Spec, world: &World) -> Vec<Change> {
    let hosts = spec.moving.iter().flat_map(|n| (0..=255).map(move |host| format!("{}/32", address(*n, host))));
    let hosts: Vec<String> = hosts.collect();
    let tgw_tables = spec.all_tables().into_iter().map(|(g, t)| {
        let explained: Vec<Option<String>> = (0..spec.sites.len()).map(|s| hop(spec, g, s)).collect();
        (spec.region(g), table(g, t), true, explained)
    });
    let vpc_tables = (0..spec.clients.len()).filter_map(|c| {
        let gateway = declared(spec, c)?;
        let explained = (0..spec.sites.len()).map(|s| client_hop(spec, c, s)).collect();
        Some((spec.region(gateway), client_table(c), false, explained))
    });
    let mut all = Vec::new();
    for (region, table, of_tgw, explained) in tgw_tables.chain(vpc_tables) {
        for prefix in hosts.iter().cloned() {
            let what = if of_tgw { What::Route { prefix } } else { What::VpcRoute { prefix } };
            let change = Change { region: region.to_owned(), table: table.clone(), what, to: None };
            let held = now(world, &change);
            if held.is_some() && explained.contains(&held) {
                all.push(change);
            }
        }
    }
    all
}

/// What the place leads to now.
pub fn now(world: &World, change: &Change) -> Option<String> {
    let ec2 = &world.ec2;
    match &change.what {
        What::Route { prefix } => ec2.tgw_route_tables[&change.table]
            .routes
            .get(&prefix.parse().unwrap())
            .map(|route| route.attachment.clone().unwrap_or_else(|| BLACKHOLE.to_owned())),
        What::Reference { list } => ec2.tgw_route_tables[&change.table]
            .prefix_lists
            .get(list)
            .map(|reference| reference.attachment.clone().unwrap_or_else(|| BLACKHOLE.to_owned())),
        What::Propagation { attachment } => {
            ec2.tgw_route_tables[&change.table].propagations.contains_key(attachment).then(|| ON.to_owned())
        }
        What::VpcRoute { prefix } => {
            ec2.route_tables[&change.table].routes.get(&prefix.parse().unwrap()).map(|route| match &route.target {
                VpcTarget::TransitGateway(id)
                | VpcTarget::NetworkInterface(id)
                | VpcTarget::PeeringConnection(id)
                | VpcTarget::Gateway(id)
                | VpcTarget::NatGateway(id) => id.clone(),
                VpcTarget::Local => "local".to_owned(),
            })
        }
    }
}

/// Makes a change as EC2 does.
pub fn apply(world: &mut World, change: &Change) {
    let there = now(world, change).is_some();
    let verb = match (there, &change.to, &change.what) {
        (_, to, What::Propagation { .. }) => to.as_ref().map_or("Disable", |_| "Enable"),
        (_, None, _) => "Delete",
        (false, Some(_), _) => "Create",
        (true, Some(_), What::Reference { .. }) => "Modify",
        (true, Some(_), What::Route { .. } | What::VpcRoute { .. }) => "Replace",
    };
    let (noun, of_table, key, place) = match &change.what {
        What::Route { prefix } => ("TransitGatewayRoute", "TransitGatewayRouteTableId", "DestinationCidrBlock", prefix),
        What::Reference { list } => {
            ("TransitGatewayPrefixListReference", "TransitGatewayRouteTableId", "PrefixListId", list)
        }
        What::VpcRoute { prefix } => ("Route", "RouteTableId", "DestinationCidrBlock", prefix),
        What::Propagation { attachment } => (
            "TransitGatewayRouteTablePropagation",
            "TransitGatewayRouteTableId",
            "TransitGatewayAttachmentId",
            attachment,
        ),
    };
    let mut parameters = vec![(of_table, change.table.as_str()), (key, place.as_str())];
    let kinds = [("tgw-attach-", "TransitGatewayAttachmentId"), ("tgw-", "TransitGatewayId")];
    let kinds = kinds.into_iter().chain([("pcx-", "VpcPeeringConnectionId"), ("eni-", "NetworkInterfaceId")]);
    match change.to.as_deref() {
        None | Some(ON) => {}
        Some(BLACKHOLE) => parameters.push(("Blackhole", "true")),
        Some(to) => parameters.extend(kinds.clone().find(|(kind, _)| to.starts_with(kind)).map(|(_, key)| (key, to))),
    }
    let at = jiff::Timestamp::UNIX_EPOCH;
    let done = ec2::call(world, ACCOUNT, &change.region, &format!("{verb}{noun}"), &parameters, at);
    done.unwrap_or_else(|error| panic!("{change:?}: {error:?}"));
}

/// A step of a plan as such a change.
pub fn of_step(step: &Step) -> Change {
    let what = match &step.place {
        Place::Route { prefix } if step.table.is_tgw() => What::Route { prefix: prefix.to_string() },
        Place::Route { prefix } => What::VpcRoute { prefix: prefix.to_string() },
        Place::Reference { list, .. } => What::Reference { list: list.to_string() },
        Place::Propagation { attachment } => What::Propagation { attachment: attachment.to_string() },
    };
    let to = match &step.after {
        RouteValue::Absent => None,
        RouteValue::Static { attachment } => Some(attachment.to_string()),
        RouteValue::Tgw { id } => Some(id.to_string()),
        RouteValue::Propagates => Some(ON.to_owned()),
        RouteValue::Blackhole => Some(BLACKHOLE.to_owned()),
        RouteValue::VpcPeering { id } => Some(id.to_string()),
        RouteValue::Eni { id } => Some(id.to_string()),
    };
    Change { region: step.scope.region.to_string(), table: step.table.to_string(), what, to }
}
