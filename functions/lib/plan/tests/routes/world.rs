//! Worlds for the tests: a builder of pictures, and the reference story.

use holdfast_model::*;
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

pub fn table(name: &str) -> RouteTableId {
    RouteTableId::parse(format!("rtb-{name:0>8}")).unwrap()
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
        self.picture.attachments.entry(at.clone()).or_default().insert(
            attachment(name),
            Attachment {
                id: attachment(name),
                name: Some(name.to_owned()),
                region: at,
                tgw: tgw(to_tgw),
                kind,
                state: AttachmentState::Available,
                association: Some(rtb(to_tgw)),
            },
        );
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
                    .map(|(id, p)| (subnet(id), VpcSubnet { prefix: prefix(p), table: table(id) }))
                    .collect(),
                tables: subnets
                    .iter()
                    .map(|(id, _)| (table(id), VpcTable { name: None, managed_by: None, routes: routes.clone() }))
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

    /// Applies steps as EC2 would: a deleted static route leaves what it hid, which the worlds here never have.
    pub fn apply<'a>(&mut self, steps: impl IntoIterator<Item = &'a holdfast_plan::Step>) {
        apply(&mut self.picture, steps);
    }
}

pub fn apply<'a>(picture: &mut Picture, steps: impl IntoIterator<Item = &'a holdfast_plan::Step>) {
    use holdfast_plan::{Place, RouteValue};
    for step in steps {
        let Place::Route { prefix } = &step.place else { continue };
        let routes = &mut picture.tgw_tables.get_mut(&step.table).unwrap().routes;
        let make = |state, targets| TgwRoute { origin: RouteOrigin::Static, state, targets };
        match &step.after {
            RouteValue::Absent => {
                routes.remove(prefix);
            }
            RouteValue::Static { attachment } => {
                routes.insert(*prefix, make(RouteState::Active, vec![attachment.clone()]));
            }
            RouteValue::Blackhole => {
                routes.insert(*prefix, make(RouteState::Blackhole, Vec::new()));
            }
            RouteValue::Tgw { .. }
            | RouteValue::VpcPeering { .. }
            | RouteValue::Eni { .. }
            | RouteValue::Propagates => {}
        }
    }
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
