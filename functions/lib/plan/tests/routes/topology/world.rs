//! The world of a random topology, and what goes wrong in it.

use super::*;

impl Topology {
    fn sound_world(&self) -> World {
        use RouteOrigin::{Propagated, Static};
        let mut world = World::new();
        for (g, region) in self.regions() {
            world.tgw(&gw(g), region);
        }
        for a in 0..self.gateways.len() {
            for b in (a + 1..self.gateways.len()).filter(|b| self.within || self.gateways[a] != self.gateways[*b]) {
                world.peer(&peer(a, b), &gw(a), &gw(b));
            }
        }
        let subnets: Vec<(String, String)> = (0..self.networks).map(|n| (format!("app{n}"), net(n))).collect();
        let subnets: Vec<(&str, &str)> = subnets.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        if self.has_ec2() {
            world.vpc("ec2", "172.30.0.0/16", &subnets, &gw(0));
        }
        if self.clients {
            world.vpc("clients", "10.99.0.0/16", &[("cl", "10.99.1.0/24")], &gw(1));
            world.route(&gw(1), "10.99.0.0/16", "clients", Propagated);
        }
        for g in self.nc2() {
            let (name, sub) = (format!("nc{g}"), format!("sub{g}"));
            world.vpc(&name, &format!("10.{g}.0.0/16"), &[(&sub, &format!("10.{g}.1.0/24"))], &gw(g));
            for n in 0..self.networks {
                world.flow(&name, &sub, &net(n));
            }
            if self.propagates[g].0 {
                world.route(&gw(g), &format!("10.{g}.0.0/16"), &name, Propagated);
            }
        }
        for (g, region) in self.regions() {
            world.attach(&format!("vpn{g}"), &gw(g), AttachmentKind::Vpn);
            world.route(&gw(g), &format!("192.168.{g}.0/24"), &format!("vpn{g}"), Propagated);
            if self.propagates[g].1 {
                let on = &mut world.picture.tgw_tables.get_mut(&rtb(&gw(g))).unwrap().propagations;
                on.as_mut().unwrap().insert(attachment(&format!("vpn{g}")));
            }
            if self.clients && g != 1 {
                world.route(&gw(g), "10.99.0.0/16", &self.towards(g, 1), Static);
            }
            for other in (0..self.gateways.len()).filter(|other| *other != g) {
                world.route(&gw(g), &format!("192.168.{other}.0/24"), &self.towards(g, other), Static);
            }
            let entries: Vec<String> = (0..self.networks).map(net).collect();
            if self.kind(g) == Kind::List {
                world.list(&gw(g), region, &entries.iter().map(String::as_str).collect::<Vec<_>>());
            }
            match (g, self.kind(g)) {
                (0, _) if self.propagation && self.before.iter().all(|at| *at != 0) => {}
                (0, _) if !self.has_ec2() => {}
                (0, _) => world.route(&gw(0), "172.30.0.0/16", "ec2", Propagated),
                (_, Kind::Aggregate) => {
                    let at = self.before[0];
                    world.route(&gw(g), "172.30.0.0/16", &self.leads(g, at), Static);
                }
                (_, Kind::Single | Kind::List) if !self.has_ec2() => {}
                (_, Kind::Single | Kind::List) => world.route(&gw(g), "172.30.0.0/16", &self.leads(g, 0), Static),
            }
            self.place_networks(&mut world, g);
        }
        world
    }

    /// Where gateway `g` sends what is at a site that is not EC2 behind it.
    fn leads(&self, g: usize, at: usize) -> String {
        if at == g + 1 { format!("nc{g}") } else { self.towards(g, at.saturating_sub(1)) }
    }

    /// Routes of the networks where their machines are, as the table's kind has them.
    fn place_networks(&self, world: &mut World, g: usize) {
        let one_place = self.before.iter().all(|at| *at == self.before[0]);
        for (n, at) in self.before.iter().enumerate() {
            let to = self.leads(g, *at);
            match self.kind(g) {
                _ if *at == 0 && self.kind(g) != Kind::Aggregate => {}
                Kind::List if one_place => world.refer(&gw(g), &gw(g), &to),
                Kind::Aggregate if *at == self.before[0] => {}
                Kind::Single | Kind::List | Kind::Aggregate => world.route(&gw(g), &net(n), &to, RouteOrigin::Static),
            }
        }
    }

    pub fn world(&self) -> World {
        let mut world = self.sound_world();
        for wrong in &self.faults {
            self.spoil(&mut world, wrong);
            if matches!(wrong, Wrong::Unread { .. }) {
                break;
            }
        }
        world
    }

    fn spoil(&self, world: &mut World, wrong: &Wrong) {
        let g = |n: &usize| n % self.gateways.len();
        // What there is no site behind is a leftover of one that was.
        let site = |g: usize, to: usize| if to == g { format!("nc{g}") } else { self.towards(g, to) };
        let n = |network: &usize| network % self.networks;
        match wrong {
            Wrong::Leftover { gateway, network, length, as_ } => {
                let at = g(gateway);
                let part = Prefix::around(format!("172.30.{}.34", n(network)).parse().unwrap(), *length);
                let part = part.to_string();
                match as_ {
                    Left::Static { to } => world.route(&gw(at), &part, &site(at, g(to)), RouteOrigin::Static),
                    Left::Blackhole => {
                        world.route(&gw(at), &part, &format!("vpn{at}"), RouteOrigin::Static);
                        let route = world.routes(&gw(at)).get_mut(&prefix(&part)).unwrap();
                        (route.state, route.targets) = (RouteState::Blackhole, Vec::new());
                    }
                    Left::Reference { to } => {
                        let list = format!("left{at}");
                        world.list(&list, REGIONS[self.gateways[at]], &[&part]);
                        world.refer(&gw(at), &list, &site(at, g(to)));
                    }
                    // Of a network's or a machine's own prefix, a route of ours would hide it, and this world forgets what is hidden.
                    Left::Vpn if matches!(length, 24 | 32) => {}
                    Left::Vpn => world.route(&gw(at), &part, &format!("vpn{at}"), RouteOrigin::Propagated),
                }
            }
            Wrong::FlowMissing { gateway, network } => {
                let at = g(gateway);
                if self.sites.contains(&(at + 1)) {
                    let table = world.vpc_table(&format!("nc{at}"), &format!("sub{at}"));
                    table.routes.remove(&prefix(&net(n(network))));
                }
            }
            Wrong::Attachment { gateway, state } => {
                if self.sites.contains(&(g(gateway) + 1)) {
                    let region = REGIONS[self.gateways[g(gateway)]];
                    world.attachment(region, &format!("nc{}", g(gateway))).state = *state;
                }
            }
            Wrong::WideRouteGone { gateway } => {
                world.routes(&gw(g(gateway))).remove(&prefix("172.30.0.0/16"));
                let table = world.picture.tgw_tables.get_mut(&rtb(&gw(g(gateway)))).unwrap();
                table.propagations.as_mut().unwrap().remove(&attachment("ec2"));
            }
            Wrong::Unread { gateway } => {
                world.picture.tgw_tables.remove(&rtb(&gw(g(gateway))));
            }
            Wrong::Strange { gateway, network } => {
                let to = format!("vpn{}", g(gateway));
                world.route(&gw(g(gateway)), &net(n(network)), &to, RouteOrigin::Static);
            }
            Wrong::Pending { gateway, network } => {
                if let Some(route) = world.routes(&gw(g(gateway))).get_mut(&prefix(&net(n(network))))
                    && route.origin == RouteOrigin::Static
                {
                    route.state = RouteState::Pending;
                }
            }
            Wrong::Managed { gateway } => {
                let table = world.picture.tgw_tables.get_mut(&rtb(&gw(g(gateway)))).unwrap();
                table.managed_by = Some("AWS FIS".to_owned());
            }
            Wrong::ForeignEntry => {
                for list in world.picture.prefix_lists.values_mut() {
                    list.entries.insert(prefix("10.98.0.0/16"));
                }
            }
        }
    }
}
