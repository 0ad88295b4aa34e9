//! World files: what loads, and what each mistake is told.

use holdfast_sim::{World, ec2::Kind};

const SMALL: &str = r#"
default_account: "111122223333"
regions:
  ap-northeast-1:
    vpcs:
      - name: ec2
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.1.0/24 }]
        route_tables:
          - { name: app, main: true, subnets: [app], routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }] }
    instances:
      - { name: web-1, platform: windows, interfaces: [{ subnet: app, address: 172.30.1.34 }], tags: { wave: wave-1 } }
    transit_gateways:
      - name: tokyo
        attachments:
          - { name: ec2, kind: vpc, vpc: ec2, subnets: [app] }
          - { name: onprem, kind: vpn, prefixes: [192.168.10.0/24] }
        route_tables:
          - name: main
            associations: [ec2, onprem, between]
            propagations: [ec2, onprem]
            routes: [{ prefix: 10.20.0.0/16, attachment: between }]
  ap-northeast-3:
    transit_gateways:
      - { name: osaka, route_tables: [{ name: main, associations: [between] }] }
transit_gateway_peerings:
  - name: between
    requester: { region: ap-northeast-1, transit_gateway: tokyo }
    accepter: { region: ap-northeast-3, transit_gateway: osaka }
"#;

#[test]
fn a_small_world_loads_and_routes() {
    let world = World::from_yaml(SMALL).unwrap();
    let ec2 = &world.ec2;
    let table = ec2.find(Kind::TgwRouteTable, "ap-northeast-1", "main").unwrap();
    let between = ec2.find(Kind::Attachment, "ap-northeast-3", "between").unwrap();
    let prefixes: Vec<String> = ec2.tgw_routes(table).iter().map(|route| route.prefix.to_string()).collect();
    assert_eq!(prefixes, ["10.20.0.0/16", "172.30.0.0/16", "192.168.10.0/24"]);
    let route = ec2.tgw_lookup(table, "10.20.3.4".parse().unwrap()).unwrap();
    assert_eq!(route.attachment.as_deref(), Some(between));
    let vpc = ec2.find(Kind::Vpc, "ap-northeast-1", "ec2").unwrap();
    let (_, eni) = ec2.eni_by_ip(vpc, "172.30.1.34".parse().unwrap()).unwrap();
    assert_eq!(eni.attached.as_ref().unwrap().0, ec2.find(Kind::Instance, "ap-northeast-1", "web-1").unwrap());
}

#[test]
fn ids_are_the_same_every_time() {
    let ids = || World::from_yaml(SMALL).unwrap().ec2.names;
    assert_eq!(ids(), ids());
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let cases = [
        ("name: tokyo\n", "name: kyoto\n", "there is no transit gateway `tokyo` in ap-northeast-1; it declares kyoto"),
        ("subnets: [app] }\n", "subnets: [nowhere] }\n", "it declares app"),
        ("172.30.1.0/24 }", "172.31.1.0/24 }", "is not within a CIDR of VPC `ec2`"),
        ("[172.30.0.0/16]", "[172.30.0.1/16]", "write `172.30.0.0/16`"),
        ("address: 172.30.1.34", "address: 10.0.0.1", "is not within subnet 172.30.1.0/24"),
        ("propagations: [ec2, onprem]", "propagations: [between]", "nothing propagates over peering `between`"),
        ("kind: vpn,", "kind: vpn, vpc: ec2,", "the other kinds take `prefixes`"),
        ("111122223333", "1111", "write 12 digits"),
        ("platform: windows", "platfrom: windows", "platfrom"),
        ("attachment: between }]", "attachment: between, blackhole: true }]", "either `attachment` or `blackhole"),
    ];
    for (right, wrong, told) in cases {
        assert!(SMALL.contains(right), "{right}");
        let error = World::from_yaml(&SMALL.replacen(right, wrong, 1)).unwrap_err().to_string();
        assert!(error.contains(told), "`{wrong}`: {error}");
    }
}

#[test]
fn the_worlds_of_the_lab_load() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../lab/worlds");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        World::from_yaml(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        seen += 1;
    }
    assert!(seen > 0);
}
