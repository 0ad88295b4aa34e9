//! The walk against the simulator's own data plane, which was written without it: random routes in the story's world.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: what is not there is a mistake of the test"
)]

use holdfast_model::*;
use holdfast_plan::{Move, Outcome, Place, Refusal, RouteValue, Step, View, plan_move, trace, value_at};
use holdfast_sim::World;
use holdfast_sim::dataplane::{Lost, ProbeOutcome, probe};
use holdfast_sim::ec2;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

const STORY: &str = include_str!("../../../../tests/lab/worlds/story.yaml");

const MAP: &str = r#"schema_version: 1
accounts: {main: {id: "111122223333"}}
prism_centrals:
  tokyo: {endpoint: "https://prism.example:9440", secret: s, trust: {kind: web_roots}, region: ap-northeast-1}
sites:
  ec2-tokyo: {kind: ec2, account: main, region: ap-northeast-1, vpc: vpc-0ec20000000000001}
  nc2-tokyo: {kind: nc2, account: main, region: ap-northeast-1, vpc: vpc-0c200000000000001, prism_central: tokyo, fvn_vpc: apps, cluster: c1}
  nc2-osaka: {kind: nc2, account: main, region: ap-northeast-3, vpc: vpc-0c200000000000003, prism_central: tokyo, fvn_vpc: apps, cluster: c2}
networks:
  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}
route_tables:
  tokyo:
    account: main
    region: ap-northeast-1
    id: tgw-rtb-00000000000000001
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: attachment, id: tgw-attach-0c200000000000001}
      nc2-osaka: {kind: peering, id: tgw-attach-0eee0000000000013}
  osaka:
    account: main
    region: ap-northeast-3
    id: tgw-rtb-00000000000000003
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: peering, id: tgw-attach-0eee0000000000013}
      nc2-osaka: {kind: attachment, id: tgw-attach-0c200000000000003}
vantages:
  onprem-tokyo: {kind: on_premises, prefixes: [192.168.10.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-00b00000000000001}
  onprem-osaka: {kind: on_premises, prefixes: [192.168.20.0/24], account: main, region: ap-northeast-3, enters: tgw-attach-00b00000000000003}
"#;

const PREFIXES: [&str; 4] = ["172.30.1.34/32", "172.30.1.0/24", "172.30.0.0/20", "172.30.0.0/16"];

/// Where a route of a table leads; in Osaka, `Own` is the NC2 VPC there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Ec2,
    Own,
    Peering,
    Vpn,
    Blackhole,
}

/// What is random in a world.
#[derive(Debug, Clone)]
struct Routes {
    /// Per Region and prefix, a static route.
    made: [[Option<Hop>; 4]; 2],
    /// Per Region, a prefix list of some prefixes, and where its reference leads.
    listed: [Option<([bool; 4], Hop)>; 2],
    propagates: bool,
    /// Whether NC2's own route is in the VPC's table, per Region.
    flow: [bool; 2],
    /// Whether the peering is associated with a table, per Region.
    associated: [bool; 2],
}

fn routes() -> impl Strategy<Value = Routes> {
    let hop = || prop_oneof![1 => Just(Hop::Ec2), 2 => Just(Hop::Own), 2 => Just(Hop::Peering), 1 => Just(Hop::Vpn), 1 => Just(Hop::Blackhole)];
    let made = move || {
        let one = move || prop_oneof![2 => Just(None), 1 => hop().prop_map(Some)];
        [one(), one(), one(), one()]
    };
    let listed = move || {
        let some = any::<[bool; 4]>().prop_filter("a list has entries", |entries| entries.contains(&true));
        prop_oneof![1 => Just(None), 1 => (some, hop()).prop_map(Some)]
    };
    let mostly = || prop::bool::weighted(0.85);
    ([made(), made()], [listed(), listed()], any::<bool>(), [mostly(), mostly()], [mostly(), mostly()])
        .prop_map(|(made, listed, propagates, flow, associated)| Routes { made, listed, propagates, flow, associated })
}

impl Hop {
    fn text(self, region: usize) -> String {
        let to = |name: &str| format!("attachment: {name}");
        match (self, region) {
            (Hop::Ec2, 0) => to("apps"),
            (Hop::Own, 0) => to("nc2-tokyo"),
            (Hop::Vpn, 0) => to("onprem-tokyo"),
            (Hop::Ec2 | Hop::Own, _) => to("nc2-osaka"),
            (Hop::Vpn, _) => to("onprem-osaka"),
            (Hop::Peering, _) => to("tokyo-osaka"),
            (Hop::Blackhole, _) => "blackhole: true".to_owned(),
        }
    }
}

impl Routes {
    fn world(&self) -> World {
        let mut text = STORY.to_owned();
        let replace = |text: &mut String, from: &str, to: &str| {
            assert!(text.contains(from), "the story has no `{from}`");
            *text = text.replacen(from, to, 1);
        };
        if !self.propagates {
            let from = "propagations: [apps, nc2-tokyo, onprem-tokyo]";
            replace(&mut text, from, "propagations: [nc2-tokyo, onprem-tokyo]");
        }
        replace(&mut text, "              - { prefix: 172.30.0.0/16, attachment: tokyo-osaka }\n", "");
        for (at, region) in ["tokyo", "osaka"].into_iter().enumerate() {
            if !self.flow[at] {
                let own = format!(
                    "              - {{ prefix: 172.30.1.0/24, network_interface: nc2-{region}-host-1-fvn }}\n"
                );
                replace(&mut text, &own, "");
            }
            let first = if at == 0 { "prefix: 10.20.0.0/16" } else { "prefix: 10.10.0.0/16" };
            let anchor = format!("              - {{ {first}, attachment: tokyo-osaka }}\n");
            let mut lines = anchor.clone();
            for (prefix, hop) in PREFIXES.iter().zip(self.made[at]) {
                let line = hop.map(|hop| format!("              - {{ prefix: {prefix}, {} }}\n", hop.text(at)));
                lines.push_str(&line.unwrap_or_default());
            }
            if let Some((entries, hop)) = self.listed[at] {
                lines.push_str(&format!("              - {{ prefix_list: nets, {} }}\n", hop.text(at)));
                let entries: Vec<&str> = PREFIXES.iter().zip(entries).filter(|(_, on)| *on).map(|(p, _)| *p).collect();
                let code = if at == 0 { "ap-northeast-1" } else { "ap-northeast-3" };
                let list =
                    format!("  {code}:\n    prefix_lists: [{{ name: nets, entries: [{}] }}]\n", entries.join(", "));
                replace(&mut text, &format!("  {code}:\n"), &list);
            }
            replace(&mut text, &anchor, &lines);
        }
        for (own, associated) in
            ["apps, nc2-tokyo, onprem-tokyo", "nc2-osaka, onprem-osaka"].into_iter().zip(self.associated)
        {
            if !associated {
                replace(&mut text, &format!("[{own}, tokyo-osaka]"), &format!("[{own}]"));
            }
        }
        World::from_yaml(&text).unwrap()
    }
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn scope(region: &str) -> Scope {
    Scope { account: id("main"), region: id(region) }
}

/// What an observer who reads everything sees of a world.
fn picture(world: &World) -> Picture {
    let mut picture = Picture::empty("2026-01-02T03:04:05Z".parse().unwrap());
    let state = &world.ec2;
    for (name, table) in &state.tgw_route_tables {
        let routes = state.tgw_routes(name).into_iter().map(|route| {
            let origin = match route.origin {
                ec2::RouteOrigin::Static => RouteOrigin::Static,
                ec2::RouteOrigin::PrefixList => {
                    RouteOrigin::PrefixList { id: id(route.prefix_list.as_deref().unwrap()) }
                }
                ec2::RouteOrigin::Vpc | ec2::RouteOrigin::DirectConnect | ec2::RouteOrigin::Vpn => {
                    RouteOrigin::Propagated
                }
            };
            let now = match route.state {
                ec2::RouteState::Pending | ec2::RouteState::Active => RouteState::Active,
                ec2::RouteState::Blackhole => RouteState::Blackhole,
            };
            let targets = route.attachment.iter().map(|attachment| id(attachment)).collect();
            (id(&route.prefix.to_string()), TgwRoute { origin, state: now, targets })
        });
        let seen = TgwTable {
            id: id(name),
            name: None,
            scope: scope(&table.home.region),
            tgw: id(&table.tgw),
            managed_by: None,
            routes: routes.collect(),
            references: BTreeMap::new(),
            propagations: Some(table.propagations.keys().map(|attachment| id(attachment)).collect()),
        };
        picture.tgw_tables.insert(id(name), seen);
    }
    for (name, attachment) in &state.attachments {
        let mut sides = vec![(attachment.home.region.clone(), attachment.tgw.clone(), None)];
        if let ec2::AttachmentKind::Peering { peer_tgw, peer } = &attachment.kind {
            sides[0].2 = Some((peer_tgw.clone(), peer.region.clone()));
            sides.push((
                peer.region.clone(),
                peer_tgw.clone(),
                Some((attachment.tgw.clone(), attachment.home.region.clone())),
            ));
        }
        for (region, tgw, far) in sides {
            let kind = match (&attachment.kind, far) {
                (_, Some((tgw, region))) => AttachmentKind::Peering { tgw: id(&tgw), region: id(&region) },
                (ec2::AttachmentKind::Vpc { vpc, subnets, .. }, None) => {
                    AttachmentKind::Vpc { vpc: id(vpc), subnets: subnets.iter().map(|subnet| id(subnet)).collect() }
                }
                (ec2::AttachmentKind::DirectConnectGateway { .. }, None) => AttachmentKind::DirectConnectGateway,
                (ec2::AttachmentKind::Vpn { .. } | ec2::AttachmentKind::Peering { .. }, None) => AttachmentKind::Vpn,
            };
            let seen = Attachment {
                id: id(name),
                name: None,
                region: id(&region),
                tgw: id(&tgw),
                kind,
                state: AttachmentState::Available,
                association: state.association(&tgw, name).map(id),
            };
            picture.attachments.entry(id(&region)).or_default().insert(id(name), seen);
        }
    }
    for (name, vpc) in &state.vpcs {
        let own = state.route_tables.iter().filter(|(_, table)| table.vpc == *name);
        let tables = own.map(|(table_id, table)| {
            let routes = table.routes.iter().map(|(prefix, route)| (id(&prefix.to_string()), vpc_route(route)));
            (id(table_id), VpcTable { name: None, managed_by: None, routes: routes.collect() })
        });
        let own = state.subnets.iter().filter(|(_, subnet)| subnet.vpc == *name);
        let subnets = own.map(|(subnet_id, subnet)| {
            let table = subnet.route_table.as_deref().unwrap_or(&vpc.main_route_table);
            (id(subnet_id), VpcSubnet { prefix: id(&subnet.cidr.to_string()), table: id(table) })
        });
        let seen = Vpc {
            id: id(name),
            scope: scope(&vpc.home.region),
            prefixes: vpc.cidrs.iter().map(|cidr| id(&cidr.to_string())).collect(),
            subnets: subnets.collect(),
            main: Some(id(&vpc.main_route_table)),
            tables: tables.collect(),
        };
        picture.vpcs.insert(id(name), seen);
    }
    picture
}

fn vpc_route(route: &ec2::VpcRoute) -> VpcRoute {
    match &route.target {
        ec2::VpcTarget::Local => VpcRoute::local(),
        ec2::VpcTarget::TransitGateway(tgw) => VpcRoute::created(VpcTarget::Tgw { id: id(tgw) }),
        ec2::VpcTarget::NetworkInterface(eni) => VpcRoute::created(VpcTarget::Eni { id: id(eni) }),
        ec2::VpcTarget::PeeringConnection(peering) => VpcRoute::created(VpcTarget::Peering { id: id(peering) }),
        ec2::VpcTarget::Gateway(other) | ec2::VpcTarget::NatGateway(other) => {
            VpcRoute::created(VpcTarget::Other { id: other.clone() })
        }
    }
}

/// How a packet ends, as far as routing goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Ends {
    At(&'static str),
    Dropped,
    Loops,
    Leaves,
}

/// What the data plane did with a probe: an arrival without a machine is an arrival.
fn really(world: &World, from: &str) -> Ends {
    let (guest, _) = world.guests.named(from).unwrap();
    let (lost, path) = match probe(world, guest, "172.30.1.34".parse().unwrap(), 0) {
        ProbeOutcome::Answered { path, .. } | ProbeOutcome::ReplyLost { path, .. } => (None, path),
        ProbeOutcome::Lost { lost, path } => (Some(lost), path),
        ProbeOutcome::NotSent { why } => unreachable!("not sent: {why}"),
    };
    match lost {
        Some(Lost::Loop { .. }) => return Ends::Loops,
        Some(Lost::NoRoute { at }) if at.starts_with("the network behind ") => return Ends::Leaves,
        Some(Lost::Blackhole { .. } | Lost::NoRoute { .. } | Lost::RegionLost { .. }) => return Ends::Dropped,
        Some(Lost::NoHost { .. } | Lost::GuestSilent { .. } | Lost::Filtered { .. }) | None => {}
    }
    let names = &world.ec2.names;
    let eni_of = |name: &str| names.iter().find(|((_, _, own), _)| own == name).map(|(_, eni)| eni.clone()).unwrap();
    let through = |what: &str| path.iter().any(|line| line.contains(what));
    if through(&eni_of("nc2-tokyo-host-1-fvn")) {
        Ends::At("nc2-tokyo")
    } else if through(&eni_of("nc2-osaka-host-1-fvn")) {
        Ends::At("nc2-osaka")
    } else if through("-> local") {
        Ends::At("ec2-tokyo")
    } else {
        Ends::Leaves
    }
}

fn as_traced(outcome: &Outcome) -> Ends {
    match outcome {
        Outcome::Delivered(site) => {
            Ends::At(["ec2-tokyo", "nc2-tokyo", "nc2-osaka"].into_iter().find(|name| *name == site.as_str()).unwrap())
        }
        Outcome::Leaves(_) => Ends::Leaves,
        Outcome::Blackhole(_) => Ends::Dropped,
        Outcome::Loop(_) => Ends::Loops,
        Outcome::Unknown(what) => unreachable!("everything was read: {what}"),
    }
}

#[test]
fn the_walk_ends_where_the_simulated_data_plane_ends() {
    let map = NetworkMap::parse(MAP).unwrap();
    let seen: RefCell<BTreeMap<Ends, u32>> = RefCell::default();
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&routes(), |routes| {
            let world = routes.world();
            let picture = picture(&world);
            for (name, vantage) in &map.vantages {
                let traced = trace(&View::of(&picture), &map, vantage, id("172.30.1.34/32"));
                let real = really(&world, name.as_str());
                prop_assert_eq!(as_traced(&traced), real.clone(), "from {}: {}", name, traced);
                *seen.borrow_mut().entry(real).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    // Every way to end was seen often enough to mean something.
    let seen = seen.into_inner();
    let ends: BTreeSet<&Ends> = seen.iter().filter(|(_, count)| **count >= 20).map(|(end, _)| end).collect();
    assert_eq!(ends.len(), 6, "{seen:?}");
}

/// Changes a route as EC2 would.
fn change(world: &mut World, step: &Step) {
    let table = world.ec2.tgw_route_tables.get_mut(step.table.as_str()).unwrap();
    let Place::Route { prefix } = &step.place else { return };
    let prefix = prefix.to_string().parse().unwrap();
    let attachment = match &step.after {
        RouteValue::Static { attachment } => Some(attachment.to_string()),
        RouteValue::Blackhole => None,
        RouteValue::Absent
        | RouteValue::Tgw { .. }
        | RouteValue::VpcPeering { .. }
        | RouteValue::Eni { .. }
        | RouteValue::Propagates => {
            table.routes.remove(&prefix);
            return;
        }
    };
    table.routes.insert(prefix, ec2::StaticRoute { attachment, pending_reads: 0 });
}

/// Whether the data plane shows, after each step, what it showed before all of them or an arrival, and no arrival that ends again.
fn safe_order(world: &World, order: &[&Step], to: Ends) -> bool {
    let vantages = ["onprem-tokyo", "onprem-osaka"];
    let before: Vec<Ends> = vantages.iter().map(|from| really(world, from)).collect();
    let (mut world, mut last) = (world.clone(), before.clone());
    for step in order {
        change(&mut world, step);
        let now: Vec<Ends> = vantages.iter().map(|from| really(&world, from)).collect();
        let kept = now.iter().zip(&before).all(|(now, before)| *now == to || now == before);
        let stayed = now.iter().zip(&last).all(|(now, last)| *last != to || *now == to);
        if !kept || !stayed {
            return false;
        }
        last = now;
    }
    last.iter().all(|end| *end == to)
}

fn orders<'s>(steps: &[&'s Step]) -> Vec<Vec<&'s Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in steps.iter().enumerate() {
        let rest: Vec<&Step> = steps.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, s)| *s).collect();
        all.extend(orders(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

/// What a move to a site changes, written down again: the network's route in each table, and host routes that the map explains.
fn changes(map: &NetworkMap, picture: &Picture, to: &SiteName) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, table) in &map.route_tables {
        for text in ["172.30.1.0/24", "172.30.1.34/32"] {
            let place = Place::Route { prefix: id(text) };
            let before = value_at(picture, &table.id, &place).unwrap();
            let explained = table.next_hops.values().any(|hop| RouteValue::of(hop) == before);
            let after = match text {
                "172.30.1.0/24" => RouteValue::of(&table.next_hops[to]),
                _ if explained => RouteValue::Absent,
                _ => continue,
            };
            if before == after {
                continue;
            }
            steps.push(Step {
                table: table.id.clone(),
                name: name.clone(),
                tag: None,
                scope: scope(table.region.as_str()),
                networks: [id("app")].into(),
                place,
                before,
                after,
                why: String::new(),
            });
        }
    }
    steps
}

#[test]
fn a_safe_order_exists_in_the_data_plane_exactly_where_the_planner_finds_one() {
    let map = NetworkMap::parse(MAP).unwrap();
    let hop = || prop_oneof![1 => Just(None), 2 => Just(Some(Hop::Own)), 2 => Just(Some(Hop::Peering))];
    let host = || prop_oneof![2 => Just(None), 1 => Just(Some(Hop::Own)), 1 => Just(Some(Hop::Peering))];
    let start = ([host(), host()], [hop(), hop()], 0..3_usize);
    let counts = RefCell::new((0_u32, 0_u32, 0_u32));
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner
        .run(&start, |(host, app, to)| {
            let routes = Routes {
                made: [[host[0], app[0], None, None], [host[1], app[1], None, Some(Hop::Peering)]],
                listed: [None, None],
                propagates: true,
                flow: [true, true],
                associated: [true, true],
            };
            let world = routes.world();
            let picture = picture(&world);
            let name = ["ec2-tokyo", "nc2-tokyo", "nc2-osaka"][to];
            let (networks, to) = ([id("app")].into(), id::<SiteName>(name));
            let planned = plan_move(&Move::whole(&networks, &to), &map, &picture);
            let found = match &planned {
                Ok(_) => true,
                Err(Refusal::NoSafeOrder { .. }) => false,
                // Refused for what is there, not for want of an order.
                Err(_) => return Ok(()),
            };
            let steps = changes(&map, &picture, &to);
            let all: Vec<&Step> = steps.iter().collect();
            let orders = orders(&all);
            let safe = orders.iter().filter(|order| safe_order(&world, order, Ends::At(name))).count();
            prop_assert_eq!(safe > 0, found, "{} of {} orders are safe: {:?}", safe, orders.len(), planned);
            let mut counts = counts.borrow_mut();
            counts.0 += 1;
            counts.1 += u32::from(safe < orders.len());
            if let Ok(plan) = planned {
                let own: Vec<&Step> = plan.steps().collect();
                prop_assert!(safe_order(&world, &own, Ends::At(name)), "{:?}", plan);
                counts.2 += u32::from(plan.stages.len() > 1);
            }
            Ok(())
        })
        .unwrap();
    let (all, unsafe_orders, several_stages) = counts.into_inner();
    assert!(unsafe_orders >= all / 5, "{unsafe_orders} of {all} have an unsafe order");
    assert!(several_stages >= all / 5, "{several_stages} of {all} have several stages");
}
