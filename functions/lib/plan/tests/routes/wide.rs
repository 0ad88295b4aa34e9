//! Prefix lists, aggregates, propagations and host routes. Each case names the AWS rule that it stands for.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

fn nets(names: &[&str]) -> BTreeSet<NetworkName> {
    names.iter().map(|name| network(name)).collect()
}

fn hosts(addresses: &[&str]) -> BTreeSet<Ipv4Addr> {
    addresses.iter().map(|address| address.parse().unwrap()).collect()
}

/// The story with a second network `db` 172.30.2.0/24, and keys added to the two tables.
fn map_with(osaka: &str, tokyo: &str) -> NetworkMap {
    let text = MAP
        .replace(
            "  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}\n",
            "  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}\n  db: {prefix: 172.30.2.0/24, subnets: {nc2-tokyo: db, nc2-osaka: db}}\n",
        )
        .replace("    id: tgw-rtb-000osaka\n", &format!("    id: tgw-rtb-000osaka\n{osaka}"))
        .replace("    id: tgw-rtb-000tokyo\n", &format!("    id: tgw-rtb-000tokyo\n{tokyo}"));
    NetworkMap::parse(&text).unwrap()
}

fn two_networks() -> World {
    let mut world = story();
    for (of_vpc, of_subnet) in [("nctokyo", "nta"), ("nctokyo", "ntb"), ("ncosaka", "noa")] {
        world.flow(of_vpc, of_subnet, "172.30.2.0/24");
    }
    let ec2 = world.picture.vpcs.get_mut(&vpc("ec2")).unwrap();
    ec2.subnets
        .insert(subnet("db"), VpcSubnet { prefix: prefix("172.30.2.0/24"), table: table("app"), zone: zone("a") });
    world.list("nets", OSAKA, &["172.30.1.0/24", "172.30.2.0/24"]);
    world
}

/// Two networks of one table do not look alike where their machines are in different Availability Zones, and the attachment has a subnet in one only.
#[test]
fn networks_in_different_zones_are_each_looked_at() {
    let (mut world, map) = (two_networks(), map_with("", ""));
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    assert!(plan_to(&world, &map, &["app", "db"], "ec2-tokyo").is_ok());
    let ec2 = world.picture.vpcs.get_mut(&vpc("ec2")).unwrap();
    ec2.subnets.get_mut(&subnet("db")).unwrap().zone = zone("c");
    let refusal = plan_to(&world, &map, &["app", "db"], "ec2-tokyo").unwrap_err().to_string();
    assert!(refusal.contains("in Availability Zone zone-c, where subnet-000000db is"), "{refusal}");
}

fn plan_to(world: &World, map: &NetworkMap, networks: &[&str], to: &str) -> Result<Plan, Refusal> {
    plan_move(&Move::whole(&nets(networks), &site(to)), map, &world.picture)
}

/// Plans, checks, applies, and sees that nothing is left to plan and that the inverse restores the picture exactly.
fn moved(world: &mut World, map: &NetworkMap, networks: &[&str], to: &str) -> Plan {
    let plan = plan_to(world, map, networks, to).unwrap();
    proven(world, map, &plan);
    assert!(plan_to(world, map, networks, to).unwrap().is_empty());
    plan
}

fn proven(world: &mut World, map: &NetworkMap, plan: &Plan) {
    assert_eq!(check(plan, &world.picture, map), Ok(()));
    let before = world.picture.clone();
    world.apply(plan.steps());
    let mut back = world.picture.clone();
    let inverse: Vec<Step> = plan.steps().map(Step::inverse).collect();
    apply(&mut back, inverse.iter().rev());
    assert_eq!(back, before);
}

const LIST: &str = "    prefix_list: pl-0000nets\n";

/// AWS: one reference to a managed prefix list makes one route for each of its entries.
#[test]
fn one_reference_moves_every_network_of_a_list() {
    let map = map_with(LIST, "");
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    let plan = moved(&mut world, &map, &["app", "db"], "nc2-osaka");
    insta::assert_snapshot!("list_to_nc2_osaka", plan_table(&plan));
    assert_eq!(current_site(&map, &world.picture, &network("db")), Some(site("nc2-osaka")));
    let plan = moved(&mut world, &map, &["app", "db"], "ec2-tokyo");
    let reference = plan.steps().find(|step| matches!(step.place, Place::Reference { .. })).unwrap();
    assert_eq!(reference.why, "all 2 networks of the list are at ec2-tokyo: none needs a route");
}

/// AWS: a static route beats a prefix-list route of the same CIDR, so one network can leave and come back over the reference.
#[test]
fn one_network_of_a_list_leaves_by_a_route_of_its_own_and_collapses_later() {
    let map = map_with(LIST, "");
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    let plan = moved(&mut world, &map, &["app"], "nc2-osaka");
    insta::assert_snapshot!("list_one_leaves", plan_table(&plan));
    assert_eq!(current_site(&map, &world.picture, &network("app")), Some(site("nc2-osaka")));
    assert_eq!(current_site(&map, &world.picture, &network("db")), Some(site("nc2-tokyo")));
    let plan = moved(&mut world, &map, &["db"], "nc2-osaka");
    insta::assert_snapshot!("list_the_other_follows", plan_table(&plan));
    let references = &world.picture.tgw_tables[&rtb("osaka")].references;
    assert_eq!(references[&pl("nets")].attachment, Some(attachment("ncosaka")));
    assert!(plan.steps().all(|step| !step.networks.contains(&network("app"))), "nobody asked for app");
    let plan = moved(&mut world, &map, &["app", "db"], "nc2-osaka");
    assert_eq!(plan.steps().count(), 1, "the route that is not needed any more goes");
}

/// Under a reference a covering route cannot serve one network: the reference goes, and the others get routes of their own first.
#[test]
fn one_network_of_a_list_that_needs_no_route_dissolves_the_reference() {
    let map = map_with(LIST, "");
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    moved(&mut world, &map, &["app", "db"], "nc2-osaka");
    let plan = moved(&mut world, &map, &["app"], "ec2-tokyo");
    insta::assert_snapshot!("list_dissolves", plan_table(&plan));
    assert_eq!(current_site(&map, &world.picture, &network("db")), Some(site("nc2-osaka")));
}

/// A static route of the same CIDR hides the reference: its change alone would do nothing for that network.
#[test]
fn a_static_route_that_hides_the_reference_is_deleted_after_the_reference_has_moved() {
    let map = map_with(LIST, "");
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    moved(&mut world, &map, &["app"], "nc2-osaka");
    let plan = plan_to(&world, &map, &["app", "db"], "nc2-tokyo").unwrap();
    assert!(plan.steps().any(|step| step.place == Place::Route { prefix: prefix("172.30.1.0/24") }));
    assert_eq!(check(&plan, &world.picture, &map), Ok(()));
    let mut wrong = plan.clone();
    wrong.stages.reverse();
    assert!(plan.stages.len() == 1 || check(&wrong, &world.picture, &map).is_err());
}

/// Bad input: a list with an entry that is no network's prefix would move somebody else's traffic.
#[test]
fn a_prefix_list_with_a_foreign_entry_is_refused() {
    let map = map_with(LIST, "");
    let mut world = two_networks();
    world.list("nets", OSAKA, &["172.30.1.0/24", "172.30.2.0/24", "10.99.0.0/16"]);
    let refusal = plan_to(&world, &map, &["app"], "nc2-tokyo").unwrap_err().to_string();
    insta::assert_snapshot!(refusal, @"prefix list pl-0000nets of osaka-main (tgw-rtb-000osaka) must hold exactly the prefixes of the table's networks; it also holds `10.99.0.0/16`; change the list or the map");
    world.list("nets", OSAKA, &["172.30.1.0/24"]);
    assert!(plan_to(&world, &map, &["app"], "nc2-tokyo").unwrap_err().to_string().contains("it lacks `db`"));
    world.picture.prefix_lists.clear();
    assert_eq!(plan_to(&world, &map, &["app"], "nc2-tokyo").unwrap_err().fault(), FaultName::Unread);
}

#[test]
fn a_reference_that_is_changing_is_not_planned_over() {
    let map = map_with(LIST, "");
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    let table = world.picture.tgw_tables.get_mut(&rtb("osaka")).unwrap();
    table.references.get_mut(&pl("nets")).unwrap().state = ReferenceState::Changing;
    let refusal = plan_to(&world, &map, &["app"], "nc2-osaka").unwrap_err();
    assert_eq!(refusal.fault(), FaultName::Unread);
    assert!(refusal.to_string().starts_with("reference to pl-0000nets in osaka-main"), "{refusal}");
}

fn aggregate_map() -> NetworkMap {
    let osaka =
        "    aggregate: 172.30.0.0/16\n    next_hops:\n      ec2-tokyo: {kind: peering, id: tgw-attach-0000peer}\n";
    let text = MAP
        .replace(
            "  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}\n",
            "  app: {prefix: 172.30.1.0/24, subnets: {nc2-tokyo: app, nc2-osaka: app}}\n  db: {prefix: 172.30.2.0/24, subnets: {nc2-tokyo: db, nc2-osaka: db}}\n",
        )
        .replacen("    next_hops:\n      ec2-tokyo: {kind: absent, served_by: 172.30.0.0/16}\n", osaka, 1);
    NetworkMap::parse(&text).unwrap()
}

/// A supernet in Osaka leads to one site: it moves when everything under it does.
#[test]
fn an_aggregate_moves_with_the_last_of_its_networks() {
    let map = aggregate_map();
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    let refusal = plan_to(&world, &map, &["app"], "nc2-osaka").unwrap_err().to_string();
    insta::assert_snapshot!(refusal, @"osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) has one route 172.30.0.0/16 for all its networks, and `db (at nc2-tokyo)` would not be at `nc2-osaka`; move them together, or use the networks' own prefixes there");
    let plan = moved(&mut world, &map, &["app", "db"], "nc2-osaka");
    insta::assert_snapshot!("aggregate_to_nc2_osaka", plan_table(&plan));
    moved(&mut world, &map, &["app", "db"], "ec2-tokyo");
}

/// AWS: longest prefix wins; a route of a network's own under the aggregate would keep it elsewhere.
#[test]
fn an_own_route_under_an_aggregate_is_deleted_with_the_move() {
    let map = aggregate_map();
    let mut world = two_networks();
    moved(&mut world, &map, &["app", "db"], "nc2-tokyo");
    world.route("osaka", "172.30.2.0/24", "peer", RouteOrigin::Static);
    let plan = moved(&mut world, &map, &["app", "db"], "nc2-osaka");
    assert!(plan.steps().any(|step| step.after == RouteValue::Absent && step.table == rtb("osaka")));
}

const PROPAGATION: &str = "    propagations: {ec2-tokyo: tgw-attach-00000ec2}\n";

/// AWS: disabling a VPC's propagation removes all of its CIDRs from the table, not one network.
#[test]
fn propagation_goes_with_the_last_network_and_comes_back_first() {
    let map = map_with("", PROPAGATION);
    let mut world = two_networks();
    let plan = moved(&mut world, &map, &["app"], "nc2-tokyo");
    assert!(!plan.steps().any(|step| matches!(step.place, Place::Propagation { .. })), "db still lives there");
    let plan = moved(&mut world, &map, &["db"], "nc2-tokyo");
    insta::assert_snapshot!("propagation_off", plan_table(&plan));
    assert!(!world.routes("tokyo").contains_key(&prefix("172.30.0.0/16")));
    let plan = moved(&mut world, &map, &["app", "db"], "ec2-tokyo");
    insta::assert_snapshot!("propagation_on", plan_table(&plan));
    let mut late = plan.clone();
    late.stages.reverse();
    assert!(check(&late, &world.picture, &map).is_err());
}

/// Somebody switched the propagation off: switching it on again leads every network of the table that lives there.
#[test]
fn a_correction_that_leads_another_network_too_is_one_of_both_by_the_policies_of_both() {
    let mut map = map_with("", PROPAGATION);
    let mut world = two_networks();
    let right = world.picture.clone();
    let tokyo = world.picture.tgw_tables.get_mut(&rtb("tokyo")).unwrap();
    tokyo.propagations.as_mut().unwrap().remove(&attachment("ec2"));
    tokyo.routes.remove(&prefix("172.30.0.0/16"));
    map.networks.get_mut(&network("app")).unwrap().drift = DriftPolicy::Correct;
    let correct = |map: &NetworkMap, of: &[&str]| plan_correction(&nets(of), &site("ec2-tokyo"), map, &world.picture);
    let refusal = correct(&map, &["app"]).unwrap_err();
    assert!(matches!(&refusal, Refusal::Bystander { network, .. } if network.as_str() == "db"), "{refusal}");
    let refusal = correct(&map, &["app", "db"]).unwrap_err().to_string();
    assert!(refusal.contains("policy has drift of `db` only reported"), "{refusal}");
    map.networks.get_mut(&network("db")).unwrap().drift = DriftPolicy::Correct;
    let mut corrected = world.picture.clone();
    apply(&mut corrected, correct(&map, &["app", "db"]).unwrap().steps());
    assert_eq!(corrected, right);
}

#[test]
fn a_propagation_of_another_vpc_is_never_switched() {
    let map = map_with("", "    propagations: {ec2-tokyo: tgw-attach-0nctokyo}\n");
    let mut world = two_networks();
    world.route("tokyo", "10.10.0.0/16", "nctokyo", RouteOrigin::Propagated);
    let refusal = plan_to(&world, &map, &["app", "db"], "nc2-osaka").unwrap_err().to_string();
    assert!(
        refusal.contains("tgw-attach-0nctokyo") && refusal.contains("not the attachment of ec2-tokyo's VPC"),
        "{refusal}"
    );
}

#[test]
fn propagations_that_were_not_read_stop_the_plan() {
    let map = map_with("", PROPAGATION);
    let mut world = two_networks();
    world.picture.tgw_tables.get_mut(&rtb("tokyo")).unwrap().propagations = None;
    assert_eq!(plan_to(&world, &map, &["app"], "nc2-tokyo").unwrap_err().fault(), FaultName::Unread);
}

/// A client in the source VPC needs the propagation for its replies: it cannot be switched off under it.
#[test]
fn a_propagation_that_answers_a_client_stays_on_or_refuses() {
    let mut map = map_with("", PROPAGATION);
    let vantage = Vantage::Vpc {
        prefixes: vec![prefix("172.30.9.0/24")],
        account: AccountName::parse("main").unwrap(),
        region: region(TOKYO),
        enters: attachment("ec2"),
        probe: None,
    };
    map.vantages.insert(VantageName::parse("neighbours").unwrap(), vantage);
    let world = two_networks();
    let refusal = plan_to(&world, &map, &["app", "db"], "nc2-tokyo").unwrap_err().to_string();
    assert!(refusal.contains("from vantage `neighbours`: delivered at ec2-tokyo"), "{refusal}");
}

fn move_hosts(world: &World, map: &NetworkMap, addresses: &[&str], to: &str) -> Result<Plan, Refusal> {
    let (networks, hosts, to) = (nets(&["app"]), hosts(addresses), site(to));
    plan_move(&Move { networks: &networks, to: &to, hosts: Some(&hosts) }, map, &world.picture)
}

/// AWS: longest prefix wins; a host route leads one machine apart from its network.
#[test]
fn a_few_machines_move_by_host_routes_and_collapse_into_the_network_later() {
    let map = map();
    let mut world = story();
    let plan = move_hosts(&world, &map, &["172.30.1.34", "172.30.1.35"], "nc2-tokyo").unwrap();
    insta::assert_snapshot!("hosts_to_nc2_tokyo", plan_table(&plan));
    proven(&mut world, &map, &plan);
    assert!(move_hosts(&world, &map, &["172.30.1.34"], "nc2-tokyo").unwrap().is_empty());
    let plan = moved(&mut world, &map, &["app"], "nc2-tokyo");
    insta::assert_snapshot!("hosts_collapse", plan_table(&plan));
    assert!(world.routes("tokyo").keys().all(|prefix| prefix.length() < 32));
}

/// However many machines went ahead: those that look alike are put in order as one.
#[test]
fn many_machines_collapse_into_the_network_in_as_many_stages_as_two() {
    let (map, mut world) = (map(), story());
    let all: Vec<String> = (1..=200).map(|n| format!("172.30.1.{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let plan = move_hosts(&world, &map, &all, "nc2-tokyo").unwrap();
    proven(&mut world, &map, &plan);
    let plan = moved(&mut world, &map, &["app"], "nc2-tokyo");
    assert_eq!((plan.steps().count(), plan.stages.len()), (402, 2));
}

#[test]
fn machines_that_moved_ahead_come_back_and_undo_exactly() {
    let map = map();
    let mut world = story();
    let before = world.picture.clone();
    let plan = move_hosts(&world, &map, &["172.30.1.34"], "nc2-tokyo").unwrap();
    world.apply(plan.steps());
    let undo = plan_undo(&plan, &site("ec2-tokyo"), &map, &world.picture).unwrap();
    assert_eq!(check(&undo, &world.picture, &map), Ok(()));
    let back = move_hosts(&world, &map, &["172.30.1.34"], "ec2-tokyo").unwrap();
    assert_eq!(check(&back, &world.picture, &map), Ok(()));
    world.apply(back.steps());
    assert_eq!(world.picture, before);
}

#[test]
fn hosts_that_no_route_can_lead_are_refused() {
    let map = map();
    let mut world = story();
    let refusal = move_hosts(&world, &map, &["172.30.2.34"], "nc2-tokyo").unwrap_err();
    assert_eq!(refusal.to_string(), "address 172.30.2.34 is in none of the networks `app`");
    assert_eq!(refusal.fault(), FaultName::InvalidInput);
    moved(&mut world, &map, &["app"], "nc2-tokyo");
    let refusal = move_hosts(&world, &map, &["172.30.1.34"], "ec2-tokyo").unwrap_err().to_string();
    assert!(refusal.contains("cannot lead 172.30.1.34 there while network `app` stays elsewhere"), "{refusal}");
}

/// AWS FIS makes tables for itself, tagged `managedByFIS`.
#[test]
fn a_table_that_a_service_manages_is_never_changed() {
    let mut world = story();
    world.picture.tgw_tables.get_mut(&rtb("tokyo")).unwrap().managed_by = Some("AWS FIS".to_owned());
    let refusal = plan_to(&world, &map(), &["app"], "nc2-tokyo").unwrap_err().to_string();
    assert!(refusal.ends_with("is managed by AWS FIS; it is not changed"), "{refusal}");
    assert!(plan_to(&world, &map(), &["app"], "ec2-tokyo").unwrap().is_empty());
}
