//! One network of a plan: its steps, and what a state between them means for every vantage.

use crate::refusal::Refusal;
use crate::step::{RouteValue, Step};
use crate::trace::{Outcome, Reply, Source, leads_to_flow, trace, trace_reply};
use crate::view::{Found, View, parts, table_label, vpc_route};
use holdfast_model::{
    AttachmentKind, NetworkMap, NetworkName, NextHop, Picture, Prefix, RouteState, RouteTableId, Site, SiteName,
    SubnetId, Vantage, VantageName,
};

/// The steps of one network, with what it takes to judge a state between them.
pub(crate) struct Case<'a> {
    network: &'a NetworkName,
    prefix: Prefix,
    to: &'a SiteName,
    map: &'a NetworkMap,
    picture: &'a Picture,
    /// Steps in the order of table names.
    pub(crate) steps: Vec<Step>,
    ways: Vec<Way<'a>>,
}

/// One vantage and one part of the network's prefix, and where it ended before anything is done.
struct Way<'a> {
    vantage: (&'a VantageName, &'a Vantage),
    part: Prefix,
    before: Outcome,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        network: &'a NetworkName,
        to: &'a SiteName,
        map: &'a NetworkMap,
        picture: &'a Picture,
        steps: Vec<Step>,
    ) -> Self {
        let mut ways = Vec::new();
        let prefix =
            map.networks.get(network).map_or_else(|| Prefix::around(std::net::Ipv4Addr::UNSPECIFIED, 0), |n| n.prefix);
        let now = View::of(picture);
        let parts = parts(picture, prefix);
        for vantage in &map.vantages {
            for part in &parts {
                ways.push(Way { vantage, part: *part, before: trace(&now, map, vantage.1, *part) });
            }
        }
        Self { network, prefix, to, map, picture, steps, ways }
    }

    pub(crate) fn network(&self) -> &NetworkName {
        self.network
    }

    fn view(&self, mask: u128) -> View<'_> {
        View::after(self.picture, self.chosen(mask))
    }

    /// Steps whose bit is set.
    pub(crate) fn chosen(&self, mask: u128) -> impl Iterator<Item = &Step> {
        self.steps.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0).map(|(_, step)| step)
    }

    /// The first way that a state makes worse than it was, in words.
    pub(crate) fn harm(&self, mask: u128) -> Option<String> {
        let view = self.view(mask);
        self.ways.iter().find_map(|way| {
            let (name, vantage) = way.vantage;
            let outcome = trace(&view, self.map, vantage, way.part);
            let as_wanted = outcome == Outcome::Delivered(self.to.clone());
            (!as_wanted && !outcome.alike(&way.before)).then(|| format!("from {name} to {}: {outcome}", way.part))
        })
    }

    /// Checks the present and the final state, without any order.
    pub(crate) fn ends_well(&self) -> Result<(), Refusal> {
        if let Some(way) = self.ways.iter().find(|way| matches!(way.before, Outcome::Unknown(_))) {
            return Err(Refusal::Unknown {
                vantage: way.vantage.0.clone(),
                network: self.network.clone(),
                outcome: way.before.to_string(),
            });
        }
        let all = u128::MAX;
        let view = self.view(all);
        self.served(&view)?;
        for way in &self.ways {
            let (name, vantage) = way.vantage;
            let outcome = trace(&view, self.map, vantage, way.part);
            if outcome != Outcome::Delivered(self.to.clone()) {
                return Err(self.not_delivered(name, way.part, &outcome));
            }
        }
        for (name, vantage) in &self.map.vantages {
            for client in vantage.prefixes().iter().flat_map(|prefix| parts(self.picture, *prefix)) {
                let source = Source { network: self.network, site: self.to, part: self.prefix };
                let reply = trace_reply(&view, self.map, vantage, source, client);
                if reply != Reply::Returns {
                    return Err(Refusal::NoReply {
                        network: self.network.clone(),
                        site: self.to.clone(),
                        vantage: name.clone(),
                        outcome: reply.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Where a table ends without a route of ours, the declared route must be the one that decides.
    fn served(&self, view: &View<'_>) -> Result<(), Refusal> {
        for (_, declared) in self.map.tables_of(self.network) {
            let Some(NextHop::Absent { served_by }) = declared.next_hops.get(self.to) else { continue };
            let Some(table) = self.picture.tgw_tables.get(&declared.id) else { continue };
            let found = match view.tgw_route(table, self.prefix) {
                Found::Route { prefix, state: RouteState::Active, .. } if prefix == *served_by => continue,
                Found::Route { prefix, state, .. } if prefix == *served_by => {
                    format!("that route is {}", words(state))
                }
                Found::Route { prefix, .. } => format!("route {prefix} is the one that decides there"),
                Found::Nothing => "no such route is there".to_owned(),
                Found::Hidden(prefix) => format!("a static route of {prefix} hides what is there"),
            };
            return Err(Refusal::NotServed {
                table: table_label(self.picture, &table.id),
                scope: table.scope.clone(),
                prefix: self.prefix,
                served_by: *served_by,
                found,
            });
        }
        Ok(())
    }

    fn not_delivered(&self, vantage: &VantageName, part: Prefix, outcome: &Outcome) -> Refusal {
        let missing = self.flow_missing();
        if let Some(site) = self.map.sites.get(self.to)
            && !missing.is_empty()
        {
            return Refusal::FlowMissing {
                network: self.network.clone(),
                prefix: self.prefix,
                site: self.to.clone(),
                vpc: site.vpc().clone(),
                missing,
            };
        }
        if part != self.prefix {
            let tgw = self.picture.tgw_tables.values().filter(|table| table.routes.contains_key(&part));
            let tgw = tgw.map(|table| table_label(self.picture, &table.id));
            let vpc = self.picture.vpcs.values().flat_map(|vpc| &vpc.tables);
            let vpc = vpc.filter(|(_, table)| table.routes.contains_key(&part)).map(|(id, _)| id.to_string());
            return Refusal::Leftover {
                network: self.network.clone(),
                prefix: self.prefix,
                part,
                found_in: tgw.chain(vpc).collect(),
                vantage: vantage.clone(),
                outcome: outcome.to_string(),
            };
        }
        Refusal::NotDelivered {
            network: self.network.clone(),
            site: self.to.clone(),
            vantage: vantage.clone(),
            outcome: outcome.to_string(),
        }
    }

    /// Subnets of the attachments that lead into the destination's VPC whose table does not lead the network to Flow.
    fn flow_missing(&self) -> Vec<(RouteTableId, SubnetId)> {
        let Some(site @ Site::Nc2 { .. }) = self.map.sites.get(self.to) else { return Vec::new() };
        let Some(vpc) = self.picture.vpcs.get(site.vpc()) else { return Vec::new() };
        let leads_in = |id: &holdfast_model::AttachmentId| {
            self.map.tables_of(self.network).any(|(_, declared)| {
                declared
                    .next_hops
                    .get(self.to)
                    .map(RouteValue::of)
                    .is_some_and(|value| matches!(value, RouteValue::Static { attachment } if attachment == *id))
            })
        };
        let mut missing = Vec::new();
        for (id, attachment) in self.picture.attachments.get(site.region()).into_iter().flatten() {
            let AttachmentKind::Vpc { vpc: attached, subnets } = &attachment.kind else { continue };
            if attached != site.vpc() || !leads_in(id) {
                continue;
            }
            for subnet in subnets {
                let Some(table_id) = vpc.subnets.get(subnet).map(|s| &s.table) else { continue };
                let leads = vpc.tables.get(table_id).and_then(|table| vpc_route(table, self.prefix)).is_some_and(
                    |(prefix, route)| leads_to_flow(prefix, &route.target) && route.state == RouteState::Active,
                );
                if !leads {
                    missing.push((table_id.clone(), subnet.clone()));
                }
            }
        }
        missing
    }
}

fn words(state: RouteState) -> &'static str {
    match state {
        RouteState::Pending => "pending",
        RouteState::Active => "active",
        RouteState::Blackhole => "a blackhole",
        RouteState::Deleting => "being deleted",
        RouteState::Unknown => "in a state that is not known",
    }
}
