//! What does not change in a day: the story's topology with three networks, and the machines.

use holdfast_model::{
    AccountName, Attachment, AttachmentId, AttachmentKind, AttachmentState, Eni, EniId, EniStatus, HostName,
    HostRecord, Instance, InstanceId, InstanceState, MacAddress, Machines, NetworkMap, NetworkName, NicRecord, Picture,
    Platform, Prefix, Region, RouteOrigin, RouteState, RouteTableId, Scope, SiteName, StartPolicy, SubnetId, TgwId,
    TgwRoute, TgwTable, Vpc, VpcId, VpcRoute, VpcSubnet, VpcTable, VpcTarget, WaveName,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::LazyLock;

pub(crate) const TOKYO: &str = "ap-northeast-1";
pub(crate) const OSAKA: &str = "ap-northeast-3";
pub(crate) const EC2: &str = "ec2-tokyo";
pub(crate) const NC2_TOKYO: &str = "nc2-tokyo";
pub(crate) const NC2_OSAKA: &str = "nc2-osaka";
pub(crate) const SITES: [&str; 3] = [EC2, NC2_TOKYO, NC2_OSAKA];
pub(crate) const NC2: [&str; 2] = [NC2_TOKYO, NC2_OSAKA];
pub(crate) const TABLES: [&str; 2] = ["tgw-rtb-000tokyo", "tgw-rtb-000osaka"];
pub(crate) const PEERING: &str = "tgw-attach-0000peer";
/// A route in a declared table that the map does not declare.
pub(crate) const NEIGHBOUR: &str = "172.30.9.0/24";

/// Networks that can only move together, or the one that moves by itself.
pub(crate) const UNITS: [&[&str]; 2] = [&["app", "db"], &["lone"]];

/// Name, network, address.
pub(crate) const HOSTS: [(&str, &str, &str); 4] = [
    ("web-1", "app", "172.30.1.34"),
    ("web-2", "app", "172.30.1.35"),
    ("db-1", "db", "172.30.2.10"),
    ("lone-1", "lone", "172.30.3.10"),
];

const MAP: &str = r#"schema_version: 1
accounts:
  main: {id: "111122223333"}
prism_centrals:
  pc-tokyo: {endpoint: "https://prism-tokyo.example:9440", secret: s, trust: {kind: web_roots}, region: ap-northeast-1}
  pc-osaka: {endpoint: "https://prism-osaka.example:9440", secret: s, trust: {kind: web_roots}, region: ap-northeast-3}
sites:
  ec2-tokyo: {kind: ec2, account: main, region: ap-northeast-1, vpc: vpc-00000ec2}
  nc2-tokyo: {kind: nc2, account: main, region: ap-northeast-1, vpc: vpc-0nctokyo, prism_central: pc-tokyo, fvn_vpc: apps, cluster: c1}
  nc2-osaka: {kind: nc2, account: main, region: ap-northeast-3, vpc: vpc-0ncosaka, prism_central: pc-osaka, fvn_vpc: apps, cluster: c2}
networks:
  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}, group: shop, drift: correct}
  db: {prefix: 172.30.2.0/24, subnets: {nc2-tokyo: db, nc2-osaka: db}, group: shop, drift: correct}
  lone: {prefix: 172.30.3.0/24, subnets: {nc2-tokyo: lone, nc2-osaka: lone}, drift: correct, start: automatic}
route_tables:
  tokyo:
    account: main
    region: ap-northeast-1
    id: tgw-rtb-000tokyo
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: attachment, id: tgw-attach-0nctokyo}
      nc2-osaka: {kind: peering, id: tgw-attach-0000peer}
  osaka:
    account: main
    region: ap-northeast-3
    id: tgw-rtb-000osaka
    next_hops:
      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}
      nc2-tokyo: {kind: peering, id: tgw-attach-0000peer}
      nc2-osaka: {kind: attachment, id: tgw-attach-0ncosaka}
vantages:
  onprem-tokyo: {kind: on_premises, prefixes: [192.168.10.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-vpntokyo}
  onprem-osaka: {kind: on_premises, prefixes: [192.168.20.0/24], account: main, region: ap-northeast-3, enters: tgw-attach-vpnosaka}
waves:
  wave-1: {from: ec2-tokyo, to: nc2-tokyo, select: {kind: vpc}}
policy: {accept_stranded: [app, db, lone]}
"#;

static PARSED: LazyLock<NetworkMap> = LazyLock::new(|| NetworkMap::parse(MAP).unwrap());

/// What does not change.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) map: NetworkMap,
    /// The routing but the routes of the networks.
    pub(crate) picture: Picture,
    pub(crate) hosts: Vec<HostRecord>,
}

pub(crate) fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

pub(crate) fn site(name: &str) -> SiteName {
    SiteName::parse(name).unwrap()
}

pub(crate) fn network(name: &str) -> NetworkName {
    NetworkName::parse(name).unwrap()
}

pub(crate) fn networks(names: &[&str]) -> BTreeSet<NetworkName> {
    names.iter().map(|name| network(name)).collect()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

pub(crate) fn table(id: &str) -> RouteTableId {
    RouteTableId::parse(id).unwrap()
}

pub(crate) fn attachment(id: &str) -> AttachmentId {
    AttachmentId::parse(id).unwrap()
}

/// The Region of a site.
pub(crate) fn region_of(site: &str) -> &'static str {
    if site == NC2_OSAKA { OSAKA } else { TOKYO }
}

/// The Region of a table.
pub(crate) fn region_of_table(table: &RouteTableId) -> &'static str {
    if table.as_str() == TABLES[1] { OSAKA } else { TOKYO }
}

/// Hosts of some networks, by their position.
pub(crate) fn hosts_of(networks: &BTreeSet<NetworkName>) -> Vec<usize> {
    (0..HOSTS.len()).filter(|at| networks.contains(&network(HOSTS[*at].1))).collect()
}

pub(crate) fn address(host: usize) -> Ipv4Addr {
    HOSTS[host].2.parse().unwrap()
}

fn instance_id(host: usize) -> InstanceId {
    InstanceId::parse(format!("i-0000000{host}")).unwrap()
}

fn eni_id(host: usize) -> EniId {
    EniId::parse(format!("eni-0000000{host}")).unwrap()
}

fn mac() -> MacAddress {
    MacAddress::parse("0a:00:00:00:00:01").unwrap()
}

impl Ground {
    /// `policy` is that of the networks `app` and `db`.
    pub(crate) fn new(policy: StartPolicy) -> Self {
        let mut map = PARSED.clone();
        for name in networks(UNITS[0]) {
            map.networks.get_mut(&name).unwrap().start = policy;
        }
        Self { map, picture: picture(), hosts: (0..HOSTS.len()).map(record).collect() }
    }

    pub(crate) fn records(&self, networks: &BTreeSet<NetworkName>) -> Vec<HostRecord> {
        hosts_of(networks).into_iter().map(|at| self.hosts[at].clone()).collect()
    }
}

fn record(host: usize) -> HostRecord {
    let (name, of, _) = HOSTS[host];
    HostRecord {
        name: HostName::parse(name).unwrap(),
        wave: WaveName::parse("wave-1").unwrap(),
        instance: instance_id(host),
        platform: Some(Platform::Linux),
        captured_at: Timestamp::UNIX_EPOCH,
        imported_from: None,
        guest: None,
        nics: vec![NicRecord {
            device_index: 0,
            eni: Some(eni_id(host)),
            mac: Some(mac()),
            primary: address(host),
            secondary: Vec::new(),
            subnet: Some(SubnetId::parse("subnet-00000app").unwrap()),
            prefix: Prefix::parse(&format!("172.30.{}.0/24", address(host).octets()[2])).unwrap(),
            network: network(of),
        }],
    }
}

/// The machines of the EC2 site, of which these run.
pub(crate) fn instances(running: impl Fn(usize) -> bool) -> Machines {
    let vpc = VpcId::parse("vpc-00000ec2").unwrap();
    let mut machines = Machines { targets: Some(Vec::new()), ..Machines::default() };
    for (host, (name, _, _)) in HOSTS.into_iter().enumerate() {
        let state = if running(host) { InstanceState::Running } else { InstanceState::Stopped };
        let instance = Instance {
            id: instance_id(host),
            name: Some(name.to_owned()),
            state,
            vpc: vpc.clone(),
            platform: Platform::Linux,
            tags: BTreeMap::new(),
            enis: vec![eni_id(host)],
        };
        let eni = Eni {
            id: eni_id(host),
            description: String::new(),
            kind: "interface".into(),
            managed_by: None,
            vpc: vpc.clone(),
            subnet: SubnetId::parse("subnet-00000app").unwrap(),
            mac: mac(),
            primary: address(host),
            secondary: Vec::new(),
            status: EniStatus::InUse,
            instance: Some(instance_id(host)),
            device_index: Some(0),
        };
        machines.instances.insert(instance.id.clone(), instance);
        machines.enis.insert(eni.id.clone(), eni);
    }
    machines
}

fn picture() -> Picture {
    let mut picture = Picture::empty(Timestamp::UNIX_EPOCH);
    let scope = |name: &str| Scope { account: AccountName::parse("main").unwrap(), region: region(name) };
    let tgw = |name: &str| TgwId::parse(format!("tgw-{name:0>8}")).unwrap();
    let attach = |picture: &mut Picture, id: &str, at: &str, kind: AttachmentKind| {
        let in_region = if at == "tokyo" { TOKYO } else { OSAKA };
        picture.attach(Attachment {
            id: attachment(id),
            name: None,
            region: region(in_region),
            tgw: tgw(at),
            kind,
            state: AttachmentState::Available,
            association: Some(table(&format!("tgw-rtb-000{at}"))),
        });
    };
    let peer = |to: &str, at: &str| AttachmentKind::Peering { tgw: tgw(to), region: region(at) };
    attach(&mut picture, PEERING, "tokyo", peer("osaka", OSAKA));
    attach(&mut picture, PEERING, "osaka", peer("tokyo", TOKYO));
    for (name, cidr, at, flow) in [
        ("00000ec2", "172.30.0.0/16", "tokyo", false),
        ("0nctokyo", "10.10.0.0/16", "tokyo", true),
        ("0ncosaka", "10.20.0.0/16", "osaka", true),
    ] {
        let (vpc, subnet) =
            (VpcId::parse(format!("vpc-{name}")).unwrap(), SubnetId::parse(format!("subnet-{name}")).unwrap());
        let mut routes = BTreeMap::from([
            (prefix(cidr), VpcRoute::local()),
            (prefix("0.0.0.0/0"), VpcRoute::created(VpcTarget::Tgw { id: tgw(at) })),
        ]);
        for third in 1..4 {
            let eni = VpcTarget::Eni { id: EniId::parse(format!("eni-{name}")).unwrap() };
            if flow {
                routes.insert(prefix(&format!("172.30.{third}.0/24")), VpcRoute::created(eni));
            }
        }
        let main = table(&format!("rtb-{name}"));
        let own = VpcTable { name: None, managed_by: None, routes, hidden: BTreeMap::new() };
        picture.vpcs.insert(
            vpc.clone(),
            Vpc {
                id: vpc.clone(),
                scope: scope(if at == "tokyo" { TOKYO } else { OSAKA }),
                prefixes: vec![prefix(cidr)],
                subnets: BTreeMap::from([(
                    subnet.clone(),
                    VpcSubnet { prefix: prefix(cidr), table: main.clone(), zone: None },
                )]),
                main: Some(main.clone()),
                tables: BTreeMap::from([(main, own)]),
            },
        );
        attach(&mut picture, &format!("tgw-attach-{name}"), at, AttachmentKind::Vpc { vpc, subnets: vec![subnet] });
    }
    attach(&mut picture, "tgw-attach-vpntokyo", "tokyo", AttachmentKind::Vpn);
    attach(&mut picture, "tgw-attach-vpnosaka", "osaka", AttachmentKind::Vpn);
    use RouteOrigin::{Propagated, Static};
    for (at, routes) in [
        (
            "tokyo",
            [
                ("172.30.0.0/16", "tgw-attach-00000ec2", Propagated),
                ("10.10.0.0/16", "tgw-attach-0nctokyo", Propagated),
                ("10.20.0.0/16", PEERING, Static),
                ("192.168.10.0/24", "tgw-attach-vpntokyo", Propagated),
                ("192.168.20.0/24", PEERING, Static),
            ],
        ),
        (
            "osaka",
            [
                ("172.30.0.0/16", PEERING, Static),
                ("10.10.0.0/16", PEERING, Static),
                ("10.20.0.0/16", "tgw-attach-0ncosaka", Propagated),
                ("192.168.20.0/24", "tgw-attach-vpnosaka", Propagated),
                ("192.168.10.0/24", PEERING, Static),
            ],
        ),
    ] {
        let id = table(&format!("tgw-rtb-000{at}"));
        let vpcs = ["tgw-attach-00000ec2", "tgw-attach-0nctokyo", "tgw-attach-0ncosaka"];
        let on = routes.iter().filter(|(_, to, origin)| *origin == Propagated && vpcs.contains(to));
        let propagations = on.map(|(_, to, _)| attachment(to)).collect();
        let routes = routes.iter().map(|(of, to, origin)| {
            let targets = vec![attachment(to)];
            (prefix(of), TgwRoute { origin: origin.clone(), state: RouteState::Active, targets })
        });
        picture.tgw_tables.insert(
            id.clone(),
            TgwTable {
                id,
                name: None,
                scope: scope(if at == "tokyo" { TOKYO } else { OSAKA }),
                tgw: tgw(at),
                managed_by: None,
                routes: routes.collect(),
                references: BTreeMap::new(),
                propagations: Some(propagations),
            },
        );
    }
    picture
}
