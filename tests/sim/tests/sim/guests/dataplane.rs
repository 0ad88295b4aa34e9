//! Probes arrive where the tables lead, or are lost where they do not.

use holdfast_sim::{
    dataplane::{Lost, ProbeOutcome},
    ec2::{Kind, VpcTarget},
    prism,
};
use jiff::Timestamp;

use super::support::{
    WEB, WORLD, answers, ask, bounce, cut_over, id, lost, moved, readdress, tgw_route, vpc_route, world,
};

const TOKYO: &str = "ap-northeast-1";
const OSAKA: &str = "ap-northeast-3";

#[test]
fn both_sites_reach_the_instance() {
    let world = world();
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1");
    assert_eq!(answers(&world, "site-osaka", WEB), "web-1");
}

#[test]
fn after_the_cutover_nothing_answers_until_the_address_is_back() {
    let mut world = world();
    cut_over(&mut world);
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::GuestSilent { .. }));
}

#[test]
fn both_sites_reach_the_moved_vm() {
    let world = moved();
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1@pc-tokyo");
    assert_eq!(answers(&world, "site-osaka", WEB), "web-1@pc-tokyo");
}

#[test]
fn the_path_names_every_table_there_and_back() {
    let world = moved();
    let Some(ProbeOutcome::Answered { path, back, .. }) = ask(&world, "site-osaka", WEB, 1).outcomes.pop() else {
        panic!("no answer")
    };
    let (tokyo, osaka) =
        (id(&world, Kind::TgwRouteTable, TOKYO, "tokyo"), id(&world, Kind::TgwRouteTable, OSAKA, "osaka"));
    assert!(path[0].starts_with(&format!("{osaka} 172.30.0.0/16 -> ")), "{path:?}");
    assert!(path[1].starts_with(&format!("{tokyo} 172.30.1.0/24 -> ")), "{path:?}");
    assert!(path.iter().any(|hop| hop == "pc-tokyo subnet app"), "{path:?}");
    assert!(back.last().unwrap() == "site site-osaka", "{back:?}");
}

#[test]
fn without_the_overlay_prefix_in_the_subnet_table_the_probe_does_not_arrive() {
    let mut world = moved();
    for table in ["nc2-tokyo", "nc2-tokyo-c"] {
        vpc_route(&mut world, table, "172.30.1.0/24", None);
    }
    // The subnet that has a default route sends the packet back to the TGW; the other one drops it.
    let outcomes = ask(&world, "site-tokyo", WEB, 2).outcomes;
    assert!(matches!(&outcomes[0], ProbeOutcome::Lost { lost: Lost::Loop { .. } | Lost::NoRoute { .. }, .. }));
    assert!(matches!(&outcomes[1], ProbeOutcome::Lost { lost: Lost::Loop { .. } | Lost::NoRoute { .. }, .. }));
}

#[test]
fn tables_of_attachment_subnets_that_differ_lose_a_part_of_the_probes() {
    let mut world = moved();
    assert_eq!(ask(&world, "site-tokyo", WEB, 4).received, 4);
    vpc_route(&mut world, "nc2-tokyo-c", "172.30.1.0/24", None);
    assert_eq!(ask(&world, "site-tokyo", WEB, 4).received, 2);
}

#[test]
fn a_guest_on_its_old_lease_is_silent() {
    let mut world = world();
    cut_over(&mut world);
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", Some("nc2-tokyo"));
    readdress(&mut world, "pc-tokyo", "web-1", "app", WEB);
    let expected = "pc-tokyo VM web-1 is silent: the guest does not use the address";
    assert_eq!(lost(&world, "site-tokyo", WEB).to_string(), expected);
    bounce(&mut world, "pc-tokyo", "web-1");
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1@pc-tokyo");
}

#[test]
fn two_tgw_tables_that_point_at_each_other_loop() {
    let mut world = moved();
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", Some("between"));
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::Loop { .. }));
    assert!(matches!(lost(&world, "site-osaka", WEB), Lost::Loop { .. }));
}

#[test]
fn a_blackhole_route_drops() {
    let mut world = moved();
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", None);
    let table = id(&world, Kind::TgwRouteTable, TOKYO, "tokyo");
    assert_eq!(lost(&world, "site-tokyo", WEB), Lost::Blackhole { at: format!("{table} 172.30.1.0/24") });
}

#[test]
fn a_route_to_an_attachment_that_is_gone_drops() {
    let mut world = moved();
    let attachment = id(&world, Kind::Attachment, TOKYO, "nc2-tokyo");
    world.ec2.attachments.remove(&attachment);
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::Blackhole { .. }));
}

#[test]
fn a_prefix_that_is_not_routable_from_outside_is_not_reached() {
    let mut world = moved();
    for vpc in world.prisms.get_mut("pc-tokyo").unwrap().vpcs.values_mut() {
        vpc.routable.clear();
    }
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::NoRoute { .. }));
}

#[test]
fn the_source_destination_check_of_a_host_drops() {
    let mut world = moved();
    let eni = id(&world, Kind::Eni, TOKYO, "host-tokyo");
    world.ec2.enis.get_mut(&eni).unwrap().source_dest_check = true;
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::Filtered { .. }));
}

#[test]
fn a_reply_without_a_way_back_is_not_an_answer() {
    let mut world = moved();
    vpc_route(&mut world, "nc2-tokyo", "0.0.0.0/0", None);
    let report = ask(&world, "site-tokyo", WEB, 1);
    assert_eq!(report.received, 0);
    assert!(matches!(&report.outcomes[0], ProbeOutcome::ReplyLost { lost: Lost::NoRoute { .. }, .. }));
}

#[test]
fn a_vpc_reaches_the_tgw_only_from_zones_of_its_attachment() {
    let mut world = world();
    let attachment = id(&world, Kind::Attachment, TOKYO, "apps");
    let subnet = id(&world, Kind::Subnet, TOKYO, "other");
    assert!(world.ec2.attachments.contains_key(&attachment));
    world.ec2.subnets.get_mut(&subnet).unwrap().zone = "ap-northeast-1c".into();
    let report = ask(&world, "site-tokyo", WEB, 1);
    assert!(matches!(&report.outcomes[0], ProbeOutcome::ReplyLost { lost: Lost::NoRoute { .. }, .. }));
}

#[test]
fn the_source_machine_started_again_answers_where_the_tables_still_lead_to_it() {
    let mut world = moved();
    let instance = id(&world, Kind::Instance, TOKYO, "web-1");
    world.ec2.start_instance(&instance, 0).unwrap();
    holdfast_sim::guests::instance_changed(&mut world, &instance);
    assert_eq!(answers(&world, "legacy", WEB), "web-1");
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1@pc-tokyo");
}

#[test]
fn two_vms_with_one_address_give_duplicate_replies() {
    let mut world = moved();
    readdress(&mut world, "pc-tokyo", "app-1", "app", WEB);
    bounce(&mut world, "pc-tokyo", "app-1");
    let report = ask(&world, "site-tokyo", WEB, 3);
    assert_eq!((report.received, report.duplicates, report.answered_by.len()), (3, 3, 2));
}

#[test]
fn failover_to_osaka_and_back_moves_the_answer() {
    let mut world = moved();
    prism::failover(&mut world, "app", true, Timestamp::UNIX_EPOCH).unwrap();
    tgw_route(&mut world, OSAKA, "osaka", "172.30.1.0/24", Some("nc2-osaka"));
    assert_eq!(answers(&world, "site-osaka", WEB), "web-1@pc-osaka");
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::NoHost { .. } | Lost::GuestSilent { .. }));
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", Some("between"));
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1@pc-osaka");
    prism::failover(&mut world, "app", true, Timestamp::UNIX_EPOCH).unwrap();
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", Some("nc2-tokyo"));
    assert!(answers(&world, "site-tokyo", WEB).starts_with("web-1@pc-tokyo"));
}

#[test]
fn an_unplanned_failover_leaves_the_old_vm_running() {
    let mut world = moved();
    prism::failover(&mut world, "app", false, Timestamp::UNIX_EPOCH).unwrap();
    tgw_route(&mut world, OSAKA, "osaka", "172.30.1.0/24", Some("nc2-osaka"));
    assert_eq!(answers(&world, "site-osaka", WEB), "web-1@pc-osaka");
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1@pc-tokyo");
}

#[test]
fn a_lost_region_carries_nothing() {
    let mut world = moved();
    world.lost_regions.insert(TOKYO.into());
    assert_eq!(lost(&world, "site-osaka", WEB), Lost::RegionLost { region: TOKYO.into() });
}

#[test]
fn a_moved_vm_does_not_reach_machines_left_in_its_own_subnet() {
    let world = moved();
    let left = "172.30.1.77".parse().unwrap();
    assert!(matches!(lost(&world, "web-1@pc-tokyo", left), Lost::NoHost { .. }));
}

#[test]
fn vpc_routes_to_interfaces_without_an_overlay_lead_nowhere() {
    let mut world = world();
    let eni = id(&world, Kind::Eni, TOKYO, "legacy-0");
    world.ec2.enis.get_mut(&eni).unwrap().source_dest_check = false;
    for table in ["nc2-tokyo", "nc2-tokyo-c"] {
        vpc_route(&mut world, table, "172.30.1.0/24", Some(VpcTarget::NetworkInterface(eni.clone())));
    }
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", Some("nc2-tokyo"));
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::NoRoute { .. }));
}

#[test]
fn a_new_gateway_host_of_nc2_takes_the_prefixes_over() {
    let two = WORLD.replacen(
        "        guest: { managed: false }\n    transit_gateways:",
        "        guest: { managed: false }\n      - name: host-2\n        interfaces:\n          \
         - { name: host-tokyo-2, subnet: hosts-tokyo, address: 10.10.1.12, source_dest_check: false }\n    transit_gateways:",
        1,
    );
    let mut world = holdfast_sim::World::from_yaml(&two).unwrap();
    cut_over(&mut world);
    readdress(&mut world, "pc-tokyo", "web-1", "app", WEB);
    bounce(&mut world, "pc-tokyo", "web-1");
    tgw_route(&mut world, TOKYO, "tokyo", "172.30.1.0/24", Some("nc2-tokyo"));
    let old = id(&world, Kind::Instance, TOKYO, "host-1");
    world.ec2.stop_instance(&old, 0).unwrap();
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::Blackhole { .. }), "its host is gone");
    let done = prism::move_gateway(&mut world, "pc-tokyo", "apps", "host-tokyo-2").unwrap();
    assert_eq!(done["rewritten"].as_array().unwrap().len(), 2, "both tables of the VPC: {done}");
    assert_eq!(answers(&world, "site-tokyo", WEB), "web-1@pc-tokyo");
    assert_eq!(ask(&world, "site-tokyo", WEB, 2).received, 2, "by each subnet of the attachment");
    assert!(prism::move_gateway(&mut world, "pc-tokyo", "apps", "eni-none").is_err());
}

#[test]
fn an_appliance_forwards_back_into_its_subnet() {
    let mut world = world();
    let eni = id(&world, Kind::Eni, TOKYO, "legacy-0");
    let legacy = id(&world, Kind::Instance, TOKYO, "legacy");
    world.ec2.enis.get_mut(&eni).unwrap().source_dest_check = false;
    world.ec2.instances.get_mut(&legacy).unwrap().forwards = true;
    // The subnet of the attachment, `other`, leads by its table to the appliance in it, and that back by the same table.
    vpc_route(&mut world, "apps", "172.30.1.0/24", Some(VpcTarget::NetworkInterface(eni)));
    assert!(matches!(lost(&world, "site-tokyo", WEB), Lost::Loop { .. }));
    let main = id(&world, Kind::RouteTable, TOKYO, "apps");
    let inspected = world.ec2.route_tables[&main].clone();
    world.ec2.route_tables.insert("rtb-0123".into(), inspected);
    vpc_route(&mut world, "apps", "172.30.1.0/24", None);
    // With a table of its own for the attachment's subnet, what comes in passes the appliance once.
    let gateway = id(&world, Kind::Subnet, TOKYO, "other");
    world.ec2.subnets.get_mut(&gateway).unwrap().route_table = Some("rtb-0123".into());
    let app = id(&world, Kind::Subnet, TOKYO, "app");
    let appliance = world.ec2.enis.values_mut().find(|eni| eni.address.to_string() == "172.30.9.10").unwrap();
    appliance.subnet = app;
    let Some(ProbeOutcome::Answered { path, .. }) = ask(&world, "site-tokyo", WEB, 1).outcomes.pop() else {
        panic!("no answer")
    };
    assert!(path.iter().any(|hop| hop == &format!("{legacy} forwards")), "{path:?}");
}
