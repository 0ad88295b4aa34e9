//! The world of these tests, and short ways to change it.

use std::net::Ipv4Addr;

use holdfast_sim::{
    World,
    dataplane::{self, Lost, ProbeOutcome, ProbeReport},
    ec2::{Kind, StaticRoute, VpcRoute, VpcTarget},
    guests,
    prism::{ExtId, Signal},
};

pub const WORLD: &str = include_str!("world.yaml");
pub const WEB: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 34);

pub fn world() -> World {
    World::from_yaml(WORLD).unwrap()
}

/// Sends probes from the client of a site.
pub fn ask(world: &World, site: &str, to: Ipv4Addr, count: u32) -> ProbeReport {
    let (from, _) = world.guests.named(site).unwrap();
    dataplane::report(world, from, to, count)
}

/// Who answers one probe.
pub fn answers(world: &World, site: &str, to: Ipv4Addr) -> String {
    match ask(world, site, to, 1).outcomes.remove(0) {
        ProbeOutcome::Answered { by, .. } => by.iter().map(|one| one.guest.as_str()).collect::<Vec<_>>().join(" "),
        other => panic!("no answer: {other:?}"),
    }
}

/// Why one probe did not arrive.
pub fn lost(world: &World, site: &str, to: Ipv4Addr) -> Lost {
    match ask(world, site, to, 1).outcomes.remove(0) {
        ProbeOutcome::Lost { lost, .. } => lost,
        other => panic!("not lost on its way: {other:?}"),
    }
}

pub fn id(world: &World, kind: Kind, region: &str, name: &str) -> String {
    world.ec2.find(kind, region, name).unwrap().to_owned()
}

/// Writes a static route of the TGW of a Region; without an attachment a blackhole.
pub fn tgw_route(world: &mut World, region: &str, table: &str, prefix: &str, attachment: Option<&str>) {
    let attachment = attachment.map(|name| id(world, Kind::Attachment, region, name));
    let table = id(world, Kind::TgwRouteTable, region, table);
    let route = StaticRoute { attachment, pending_reads: 0 };
    world.ec2.tgw_route_tables.get_mut(&table).unwrap().routes.insert(prefix.parse().unwrap(), route);
}

/// Takes a route out of a VPC route table of Tokyo, or puts one in.
pub fn vpc_route(world: &mut World, table: &str, prefix: &str, target: Option<VpcTarget>) {
    let table = id(world, Kind::RouteTable, "ap-northeast-1", table);
    let routes = &mut world.ec2.route_tables.get_mut(&table).unwrap().routes;
    match target {
        Some(target) => routes.insert(prefix.parse().unwrap(), VpcRoute { target }),
        None => routes.remove(&prefix.parse().unwrap()),
    };
}

/// Has Move cut the wave over.
pub fn cut_over(world: &mut World) {
    holdfast_sim::move_::cutover(world, "move-tokyo", "wave-1").unwrap();
}

/// The VM of this name.
pub fn vm(world: &World, prism: &str, name: &str) -> ExtId {
    world.prisms[prism].vms_named(name).next().unwrap().ext_id
}

/// Gives the first NIC of a VM another subnet and address; the guest does not know of it.
pub fn readdress(world: &mut World, prism: &str, name: &str, subnet: &str, address: Ipv4Addr) -> String {
    let vm = vm(world, prism, name);
    let central = world.prisms.get_mut(prism).unwrap();
    let subnet = central.subnet_named(subnet).unwrap().ext_id;
    let nic = &mut central.vms.get_mut(&vm).unwrap().nics[0];
    nic.subnet = subnet;
    nic.address = Some(address);
    nic.mac.clone()
}

/// The link of the first NIC of a VM goes down and comes up.
pub fn bounce(world: &mut World, prism: &str, name: &str) {
    let vm = vm(world, prism, name);
    let mac = world.prisms[prism].vms[&vm].nics[0].mac.clone();
    guests::vm_changed(world, prism, &Signal::LinkDown { vm, mac: mac.clone() });
    guests::vm_changed(world, prism, &Signal::LinkUp { vm, mac });
}

/// The whole of a cutover: `web-1` has its address on NC2 Tokyo, and Tokyo's TGW leads there.
pub fn moved() -> World {
    let mut world = world();
    cut_over(&mut world);
    readdress(&mut world, "pc-tokyo", "web-1", "app", WEB);
    bounce(&mut world, "pc-tokyo", "web-1");
    tgw_route(&mut world, "ap-northeast-1", "tokyo", "172.30.1.0/24", Some("nc2-tokyo"));
    world
}
