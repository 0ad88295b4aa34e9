//! Worlds for the tests: a builder of pictures, and the reference story.

use holdfast_model::*;
use holdfast_plan::{Place, RouteValue, Step};
use std::collections::{BTreeMap, BTreeSet};

pub const TOKYO: &str = "ap-northeast-1";
pub const OSAKA: &str = "ap-northeast-3";

pub fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

pub fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

pub fn scope(name: &str) -> Scope {
    Scope { account: AccountName::parse("main").unwrap(), region: region(name) }
}

pub fn attachment(name: &str) -> AttachmentId {
    AttachmentId::parse(format!("tgw-attach-{name:0>8}")).unwrap()
}

pub fn rtb(name: &str) -> RouteTableId {
    RouteTableId::parse(format!("tgw-rtb-{name:0>8}")).unwrap()
}

pub fn tgw(name: &str) -> TgwId {
    TgwId::parse(format!("tgw-{name:0>8}")).unwrap()
}

pub fn vpc(name: &str) -> VpcId {
    VpcId::parse(format!("vpc-{name:0>8}")).unwrap()
}

pub fn subnet(name: &str) -> SubnetId {
    SubnetId::parse(format!("subnet-{name:0>8}")).unwrap()
}

pub fn zone(letter: &str) -> Option<ZoneName> {
    Some(ZoneName::parse(format!("zone-{letter}")).unwrap())
}

pub fn table(name: &str) -> RouteTableId {
    RouteTableId::parse(format!("rtb-{name:0>8}")).unwrap()
}

pub fn pl(name: &str) -> PrefixListId {
    PrefixListId::parse(format!("pl-{name:0>8}")).unwrap()
}

pub fn pcx(name: &str) -> VpcPeeringId {
    VpcPeeringId::parse(format!("pcx-{name:0>8}")).unwrap()
}

pub fn site(name: &str) -> SiteName {
    SiteName::parse(name).unwrap()
}

pub fn network(name: &str) -> NetworkName {
    NetworkName::parse(name).unwrap()
}

/// Builds pictures.
pub struct World {
    pub picture: Picture,
}

impl World {
    pub fn new() -> Self {
        Self { picture: Picture::empty("2026-01-02T03:04:05Z".parse().unwrap()) }
    }

    pub fn tgw(&mut self, name: &str, in_region: &str) {
        self.picture.tgw_tables.insert(
            rtb(name),
            TgwTable {
                id: rtb(name),
                name: Some(format!("{name}-main")),
                scope: scope(in_region),
                tgw: tgw(name),
                managed_by: None,
                routes: BTreeMap::new(),
                references: BTreeMap::new(),
                propagations: Some(BTreeSet::new()),
            },
        );
    }

    pub fn attach(&mut self, name: &str, to_tgw: &str, kind: AttachmentKind) {
        let at = self.picture.tgw_tables[&rtb(to_tgw)].scope.region.clone();
        self.picture.attach(Attachment {
            id: attachment(name),
            name: Some(name.to_owned()),
            region: at,
            tgw: tgw(to_tgw),
            kind,
            state: AttachmentState::Available,
            association: Some(rtb(to_tgw)),
        });
    }

    /// A VPC with one attached subnet, whose table has `local` and a default to the TGW.
    pub fn vpc(&mut self, name: &str, cidr: &str, subnets: &[(&str, &str)], to_tgw: &str) {
        let at = self.picture.tgw_tables[&rtb(to_tgw)].scope.clone();
        let routes = BTreeMap::from([
            (prefix(cidr), VpcRoute::local()),
            (prefix("0.0.0.0/0"), VpcRoute::created(VpcTarget::Tgw { id: tgw(to_tgw) })),
        ]);
        self.picture.vpcs.insert(
            vpc(name),
            Vpc {
                id: vpc(name),
                scope: at,
                prefixes: vec![prefix(cidr)],
                main: None,
                subnets: subnets
                    .iter()
                    .map(|(id, p)| (subnet(id), VpcSubnet { prefix: prefix(p), table: table(id), zone: zone("a") }))
                    .collect(),
                tables: subnets
                    .iter()
                    .map(|(id, _)| {
                        (
                            table(id),
                            VpcTable { name: None, managed_by: None, routes: routes.clone(), hidden: BTreeMap::new() },
                        )
                    })
                    .collect(),
            },
        );
        let subnets = subnets.iter().map(|(id, _)| subnet(id)).collect();
        self.attach(name, to_tgw, AttachmentKind::Vpc { vpc: vpc(name), subnets });
    }

    pub fn peer(&mut self, name: &str, a: &str, b: &str) {
        let at = |t: &str| self.picture.tgw_tables[&rtb(t)].scope.region.clone();
        let (ra, rb) = (at(a), at(b));
        self.attach(name, a, AttachmentKind::Peering { tgw: tgw(b), region: rb });
        self.attach(name, b, AttachmentKind::Peering { tgw: tgw(a), region: ra });
    }

    pub fn route(&mut self, to_tgw: &str, p: &str, target: &str, origin: RouteOrigin) {
        let at = self.picture.tgw_tables[&rtb(to_tgw)].scope.region.clone();
        let of_vpc = matches!(
            self.picture.attachments[&at].get(&attachment(target)).map(|at| &at.kind),
            Some(AttachmentKind::Vpc { .. })
        );
        if origin == RouteOrigin::Propagated && of_vpc {
            let on = &mut self.picture.tgw_tables.get_mut(&rtb(to_tgw)).unwrap().propagations;
            on.as_mut().unwrap().insert(attachment(target));
        }
        self.picture
            .tgw_tables
            .get_mut(&rtb(to_tgw))
            .unwrap()
            .routes
            .insert(prefix(p), TgwRoute { origin, state: RouteState::Active, targets: vec![attachment(target)] });
    }

    pub fn flow(&mut self, of_vpc: &str, of_subnet: &str, p: &str) {
        let eni = EniId::parse("eni-0000000f").unwrap();
        self.picture
            .vpcs
            .get_mut(&vpc(of_vpc))
            .unwrap()
            .tables
            .get_mut(&table(of_subnet))
            .unwrap()
            .routes
            .insert(prefix(p), VpcRoute::created(VpcTarget::Eni { id: eni }));
    }

    pub fn vpc_table(&mut self, of_vpc: &str, of_subnet: &str) -> &mut VpcTable {
        self.picture.vpcs.get_mut(&vpc(of_vpc)).unwrap().tables.get_mut(&table(of_subnet)).unwrap()
    }

    pub fn routes(&mut self, of_tgw: &str) -> &mut BTreeMap<Prefix, TgwRoute> {
        &mut self.picture.tgw_tables.get_mut(&rtb(of_tgw)).unwrap().routes
    }

    pub fn attachment(&mut self, in_region: &str, name: &str) -> &mut Attachment {
        self.picture.attachments.get_mut(&region(in_region)).unwrap().get_mut(&attachment(name)).unwrap()
    }

    /// A managed prefix list.
    pub fn list(&mut self, name: &str, in_region: &str, entries: &[&str]) {
        let list = PrefixList {
            id: pl(name),
            name: Some(name.to_owned()),
            scope: scope(in_region),
            version: 1,
            max_entries: 100,
            entries: entries.iter().map(|entry| prefix(entry)).collect(),
        };
        self.picture.prefix_lists.insert(pl(name), list);
    }

    /// A reference of a table to a prefix list.
    pub fn refer(&mut self, from_tgw: &str, list: &str, target: &str) {
        let reference = PrefixListReference { attachment: Some(attachment(target)), state: ReferenceState::Available };
        self.picture.tgw_tables.get_mut(&rtb(from_tgw)).unwrap().references.insert(pl(list), reference);
        settle(&mut self.picture, &rtb(from_tgw));
    }

    /// A route of a VPC table.
    pub fn vpc_route(&mut self, of_vpc: &str, of_subnet: &str, p: &str, target: VpcTarget) {
        self.vpc_table(of_vpc, of_subnet).routes.insert(prefix(p), VpcRoute::created(target));
    }

    /// Applies steps as EC2 does.
    pub fn apply<'a>(&mut self, steps: impl IntoIterator<Item = &'a holdfast_plan::Step>) {
        apply(&mut self.picture, steps);
    }
}

/// Applies steps as EC2 does, one after the other.
pub fn apply<'a>(picture: &mut Picture, steps: impl IntoIterator<Item = &'a holdfast_plan::Step>) {
    for step in steps {
        change(picture, step);
    }
}

fn change(picture: &mut Picture, step: &Step) {
    if let Some(vpc) = picture.vpcs.values_mut().find(|vpc| vpc.tables.contains_key(&step.table)) {
        let VpcTable { routes, hidden, .. } = vpc.tables.get_mut(&step.table).unwrap();
        let Place::Route { prefix } = &step.place else { return };
        let target = match &step.after {
            RouteValue::Tgw { id } => VpcTarget::Tgw { id: id.clone() },
            RouteValue::VpcPeering { id } => VpcTarget::Peering { id: id.clone() },
            RouteValue::Eni { id } => VpcTarget::Eni { id: id.clone() },
            RouteValue::Absent | RouteValue::Static { .. } | RouteValue::Blackhole | RouteValue::Propagates => {
                routes.remove(prefix);
                routes.extend(hidden.remove_entry(prefix));
                return;
            }
        };
        let over = routes.insert(*prefix, VpcRoute::created(target));
        if let Some(over) = over.filter(|over| over.origin != VpcRouteOrigin::Created) {
            hidden.insert(*prefix, over);
        }
        return;
    }
    let table = picture.tgw_tables.get_mut(&step.table).unwrap();
    let to = match &step.after {
        RouteValue::Static { attachment } => Some(attachment.clone()),
        RouteValue::Absent
        | RouteValue::Blackhole
        | RouteValue::Tgw { .. }
        | RouteValue::VpcPeering { .. }
        | RouteValue::Eni { .. }
        | RouteValue::Propagates => None,
    };
    match &step.place {
        Place::Route { prefix } => {
            if table.routes.get(prefix).is_some_and(|route| route.origin == RouteOrigin::Static) {
                table.routes.remove(prefix);
            }
            if step.after != RouteValue::Absent {
                table.routes.insert(*prefix, static_route(to));
            }
        }
        Place::Reference { list, .. } => {
            table.references.remove(list);
            if step.after != RouteValue::Absent {
                let reference = PrefixListReference { attachment: to, state: ReferenceState::Available };
                table.references.insert(list.clone(), reference);
            }
        }
        Place::Propagation { attachment } => {
            let on = table.propagations.as_mut().unwrap();
            if step.after == RouteValue::Propagates {
                on.insert(attachment.clone());
            } else {
                on.remove(attachment);
            }
        }
    }
    settle(picture, &step.table.clone());
}

fn static_route(to: Option<AttachmentId>) -> TgwRoute {
    let state = if to.is_some() { RouteState::Active } else { RouteState::Blackhole };
    TgwRoute { origin: RouteOrigin::Static, state, targets: to.into_iter().collect() }
}

/// The deciding routes of a table anew: static ones, over those of prefix lists, over what VPCs propagate, over what VPNs propagate.
pub fn settle(picture: &mut Picture, id: &RouteTableId) {
    let table = picture.tgw_tables[id].clone();
    let attachments = &picture.attachments[&table.scope.region];
    let vpc_of = |attachment: &AttachmentId| match attachments.get(attachment).map(|at| &at.kind) {
        Some(AttachmentKind::Vpc { vpc, .. }) => picture.vpcs.get(vpc),
        _ => None,
    };
    let mut routes = BTreeMap::new();
    for (prefix, route) in &table.routes {
        if route.origin == RouteOrigin::Propagated && route.targets.iter().all(|target| vpc_of(target).is_none()) {
            routes.insert(*prefix, route.clone());
        }
    }
    for attachment in table.propagations.iter().flatten() {
        for prefix in vpc_of(attachment).into_iter().flat_map(|vpc| &vpc.prefixes) {
            let state = RouteState::Active;
            let route = TgwRoute { origin: RouteOrigin::Propagated, state, targets: vec![attachment.clone()] };
            routes.insert(*prefix, route);
        }
    }
    for (list, reference) in &table.references {
        for prefix in picture.prefix_lists.get(list).into_iter().flat_map(|list| &list.entries) {
            let origin = RouteOrigin::PrefixList { id: list.clone() };
            routes.insert(*prefix, TgwRoute { origin, ..static_route(reference.attachment.clone()) });
        }
    }
    for (prefix, route) in table.routes.iter().filter(|(_, route)| route.origin == RouteOrigin::Static) {
        routes.insert(*prefix, route.clone());
    }
    picture.tgw_tables.get_mut(id).unwrap().routes = routes;
}

/// The reference story: EC2 and NC2 in Tokyo, NC2 in Osaka, a TGW in each Region, peered, machines on EC2.
pub fn story() -> World {
    use RouteOrigin::{Propagated, Static};
    let mut world = World::new();
    world.tgw("tokyo", TOKYO);
    world.tgw("osaka", OSAKA);
    world.peer("peer", "tokyo", "osaka");
    world.vpc("ec2", "172.30.0.0/16", &[("app", "172.30.1.0/24"), ("other", "172.30.9.0/24")], "tokyo");
    world.vpc("nctokyo", "10.10.0.0/16", &[("nta", "10.10.1.0/24"), ("ntb", "10.10.2.0/24")], "tokyo");
    world.vpc("ncosaka", "10.20.0.0/16", &[("noa", "10.20.1.0/24")], "osaka");
    for (of_vpc, of_subnet) in [("nctokyo", "nta"), ("nctokyo", "ntb"), ("ncosaka", "noa")] {
        world.flow(of_vpc, of_subnet, "172.30.1.0/24");
    }
    world.attach("vpntokyo", "tokyo", AttachmentKind::Vpn);
    world.attach("vpnosaka", "osaka", AttachmentKind::Vpn);
    world.route("tokyo", "172.30.0.0/16", "ec2", Propagated);
    world.route("tokyo", "10.10.0.0/16", "nctokyo", Propagated);
    world.route("tokyo", "10.20.0.0/16", "peer", Static);
    world.route("tokyo", "192.168.10.0/24", "vpntokyo", Propagated);
    world.route("tokyo", "192.168.20.0/24", "peer", Static);
    world.route("osaka", "172.30.0.0/16", "peer", Static);
    world.route("osaka", "10.10.0.0/16", "peer", Static);
    world.route("osaka", "10.20.0.0/16", "ncosaka", Propagated);
    world.route("osaka", "192.168.20.0/24", "vpnosaka", Propagated);
    world.route("osaka", "192.168.10.0/24", "peer", Static);
    world
}

pub const MAP: &str = r#"schema_version: 1
accounts:
  main: {id: "111122223333"}
prism_centrals:
  tokyo: {endpoint: "https://prism.example:9440", secret: s, trust: {kind: web_roots}, region: ap-northeast-1}
  osaka: {endpoint: "https://prism-osaka.example:9440", secret: s, trust: {kind: web_roots}, region: ap-northeast-3}
sites:
  ec2-tokyo: {kind: ec2, account: main, region: ap-northeast-1, vpc: vpc-00000ec2}
  nc2-tokyo: {kind: nc2, account: main, region: ap-northeast-1, vpc: vpc-0nctokyo, prism_central: tokyo, fvn_vpc: apps, cluster: c1}
  nc2-osaka: {kind: nc2, account: main, region: ap-northeast-3, vpc: vpc-0ncosaka, prism_central: osaka, fvn_vpc: apps, cluster: c2}
networks:
  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}
route_tables:
  osaka:
    account: main
    region: ap-northeast-3
    id: tgw-rtb-000osaka
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: peering, id: tgw-attach-0000peer}
      nc2-osaka: {kind: attachment, id: tgw-attach-0ncosaka}
  tokyo:
    account: main
    region: ap-northeast-1
    id: tgw-rtb-000tokyo
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: attachment, id: tgw-attach-0nctokyo}
      nc2-osaka: {kind: peering, id: tgw-attach-0000peer}
vantages:
  onprem-tokyo: {kind: on_premises, prefixes: [192.168.10.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-vpntokyo}
  onprem-osaka: {kind: on_premises, prefixes: [192.168.20.0/24], account: main, region: ap-northeast-3, enters: tgw-attach-vpnosaka}
waves:
  wave-1: {from: ec2-tokyo, to: nc2-tokyo, select: {kind: vpc}}
"#;

pub fn map() -> NetworkMap {
    NetworkMap::parse(MAP).unwrap()
}
