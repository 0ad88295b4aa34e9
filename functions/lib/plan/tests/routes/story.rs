//! The reference story as plans, and what is refused. Each case names the AWS rule that it stands for.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;
use std::collections::BTreeSet;

fn app() -> BTreeSet<NetworkName> {
    BTreeSet::from([network("app")])
}

fn plan_to(world: &World, to: &str) -> Result<Plan, Refusal> {
    plan_move(&Move::whole(&app(), &site(to)), &map(), &world.picture)
}

fn refusal(world: &World, to: &str) -> String {
    plan_to(world, to).unwrap_err().to_string()
}

/// The story's world with the machines at a site.
fn at(sites: &[&str]) -> World {
    let mut world = story();
    for to in sites {
        let plan = plan_to(&world, to).unwrap();
        assert_eq!(check(&plan, &world.picture, &map()), Ok(()));
        world.apply(plan.steps());
    }
    world
}

#[test]
fn cutover_from_ec2_needs_one_stage() {
    // Osaka's route to the peering is where the wide route led already: any order is safe, so one stage does.
    let plan = plan_to(&story(), "nc2-tokyo").unwrap();
    insta::assert_snapshot!("cutover_to_nc2_tokyo", plan_table(&plan));
}

#[test]
fn failover_to_osaka_makes_osaka_first() {
    let plan = plan_to(&at(&["nc2-tokyo"]), "nc2-osaka").unwrap();
    insta::assert_snapshot!("failover_to_nc2_osaka", plan_table(&plan));
}

#[test]
fn failback_to_tokyo_makes_tokyo_first() {
    let plan = plan_to(&at(&["nc2-tokyo", "nc2-osaka"]), "nc2-tokyo").unwrap();
    insta::assert_snapshot!("failback_to_nc2_tokyo", plan_table(&plan));
}

#[test]
fn the_way_back_to_ec2_deletes_our_routes() {
    let plan = plan_to(&at(&["nc2-tokyo", "nc2-osaka"]), "ec2-tokyo").unwrap();
    insta::assert_snapshot!("back_to_ec2_tokyo", plan_table(&plan));
}

#[test]
fn the_wrong_order_is_caught_by_the_checker() {
    let world = at(&["nc2-tokyo"]);
    let mut plan = plan_to(&world, "nc2-osaka").unwrap();
    plan.stages.reverse();
    let violations = check(&plan, &world.picture, &map()).unwrap_err();
    assert!(violations.iter().any(|v| v.to_string().contains("loops: ")), "{violations:?}");
    let mut at_once = plan_to(&world, "nc2-osaka").unwrap();
    at_once.stages = vec![at_once.steps().cloned().collect()];
    assert!(check(&at_once, &world.picture, &map()).is_err());
    let mut half = plan_to(&world, "nc2-osaka").unwrap();
    half.stages.pop();
    let violations = check(&half, &world.picture, &map()).unwrap_err();
    assert!(violations.iter().all(|v| matches!(v, Violation::NotThere { .. })), "{violations:?}");
}

#[test]
fn tables_that_are_right_need_no_step() {
    for to in ["nc2-tokyo", "nc2-osaka"] {
        let world = at(&["nc2-tokyo", to]);
        assert!(plan_to(&world, to).unwrap().is_empty());
        assert_eq!(current_site(&map(), &world.picture, &network("app")), Some(site(to)));
    }
    assert_eq!(current_site(&map(), &story().picture, &network("app")), Some(site("ec2-tokyo")));
    assert_eq!(plan_table(&plan_to(&story(), "ec2-tokyo").unwrap()), "nothing to change");
}

#[test]
fn undo_puts_every_table_back_from_any_point() {
    let before = at(&["nc2-tokyo"]);
    let plan = plan_to(&before, "nc2-osaka").unwrap();
    let steps: Vec<Step> = plan.steps().cloned().collect();
    for done in 0..=steps.len() {
        let mut world = at(&["nc2-tokyo"]);
        world.apply(&steps[..done]);
        let undo = plan_undo(&plan, &site("nc2-tokyo"), &map(), &world.picture).unwrap();
        assert_eq!(undo.steps().count(), done);
        assert_eq!(check(&undo, &world.picture, &map()), Ok(()));
        world.apply(undo.steps());
        assert_eq!(world.picture, before.picture);
    }
}

#[test]
fn the_rest_of_a_plan_is_checked_again_from_any_point() {
    let plan = plan_to(&at(&["nc2-tokyo"]), "nc2-osaka").unwrap();
    let steps: Vec<Step> = plan.steps().cloned().collect();
    for done in 0..=steps.len() {
        let mut world = at(&["nc2-tokyo"]);
        world.apply(&steps[..done]);
        let rest = plan_rest(&plan, &BTreeSet::new(), &map(), &world.picture).unwrap();
        assert_eq!(rest.steps().count(), steps.len() - done);
        assert_eq!(check(&rest, &world.picture, &map()), Ok(()));
    }
    // What is done and put back by somebody else is written by nobody again.
    let done: BTreeSet<u32> = [0].into();
    let refusal = plan_rest(&plan, &done, &map(), &at(&["nc2-tokyo"]).picture).unwrap_err();
    assert_eq!(refusal.fault(), FaultName::Drifted);
    insta::assert_snapshot!(refusal.to_string(), @"route 172.30.1.0/24 in osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) was led to `tgw-attach-0ncosaka` and is `tgw-attach-0000peer` again; somebody else put it back: put it to `tgw-attach-0ncosaka`, then start again, or take the operation back");
    let mut world = at(&["nc2-tokyo"]);
    world.apply(&steps[..1]);
    assert_eq!(plan_rest(&plan, &done, &map(), &world.picture).unwrap().steps().count(), steps.len() - 1);
    // Positions go on from stage to stage.
    assert!(plan.stages.len() > 1);
    let all = (0..).take(steps.len()).collect();
    let refusal = plan_rest(&plan, &all, &map(), &world.picture).unwrap_err().to_string();
    assert!(refusal.contains("tokyo-main") && refusal.contains("put it back"), "{refusal}");
    let mut world = at(&["nc2-tokyo"]);
    world.route("osaka", "172.30.1.0/24", "vpnosaka", RouteOrigin::Static);
    assert_eq!(plan_rest(&plan, &BTreeSet::new(), &map(), &world.picture).unwrap_err().fault(), FaultName::Drifted);
}

#[test]
fn undo_refuses_a_route_that_somebody_else_changed() {
    let mut world = at(&["nc2-tokyo"]);
    let plan = plan_to(&world, "nc2-osaka").unwrap();
    let steps: Vec<Step> = plan.steps().cloned().collect();
    world.apply(&steps);
    world.route("tokyo", "172.30.1.0/24", "ec2", RouteOrigin::Static);
    let refusal = plan_undo(&plan, &site("nc2-tokyo"), &map(), &world.picture).unwrap_err();
    insta::assert_snapshot!(refusal.to_string(), @"route 172.30.1.0/24 in tokyo-main (tgw-rtb-000tokyo) (account `main` in ap-northeast-1) is `tgw-attach-00000ec2`, neither `tgw-attach-0000peer` as planned from nor `tgw-attach-0nctokyo` as wanted; somebody else changed it: put it to one of the two, then start again");
    assert_eq!(refusal.fault(), FaultName::Drifted);
}

/// AWS: an NC2 VPC's subnet table must hold the Flow prefix towards an ENI of a host, or traffic from the attachment dies or comes back.
#[test]
fn a_missing_flow_prefix_is_refused_with_table_and_subnet() {
    let mut world = at(&["nc2-tokyo"]);
    world.vpc_table("ncosaka", "noa").routes.remove(&prefix("172.30.1.0/24"));
    insta::assert_snapshot!(refusal(&world, "nc2-osaka"), @"the VPC of site `nc2-osaka` (vpc-0ncosaka) does not lead 172.30.1.0/24 of network `app` to an NC2 host in table rtb-00000noa of subnet-00000noa; check that the subnet is no-NAT and its prefix is externally routable in Prism Central");
}

/// AWS: a TGW delivers through the table of *each* attachment subnet; one of two Zones is enough to lose traffic.
#[test]
fn one_zone_without_the_flow_prefix_is_enough_to_refuse() {
    let mut world = story();
    world.vpc_table("nctokyo", "ntb").routes.remove(&prefix("172.30.1.0/24"));
    assert!(refusal(&world, "nc2-tokyo").contains("table rtb-00000ntb of subnet-00000ntb;"));
}

/// AWS: a VPC route whose network interface is gone is a blackhole.
#[test]
fn a_flow_prefix_in_blackhole_is_refused() {
    let mut world = story();
    world.vpc_table("nctokyo", "nta").routes.get_mut(&prefix("172.30.1.0/24")).unwrap().state = RouteState::Blackhole;
    assert!(refusal(&world, "nc2-tokyo").contains("table rtb-00000nta of subnet-00000nta;"));
}

/// A default route to an appliance is no way into Flow.
#[test]
fn a_default_route_to_an_interface_is_not_flow() {
    let mut world = story();
    let routes = &mut world.vpc_table("nctokyo", "nta").routes;
    routes.remove(&prefix("172.30.1.0/24"));
    let eni = VpcTarget::Eni { id: EniId::parse("eni-0000000a").unwrap() };
    routes.insert(prefix("0.0.0.0/0"), VpcRoute::created(eni));
    assert!(refusal(&world, "nc2-tokyo").contains("does not lead 172.30.1.0/24"));
}

/// An externally routable prefix may be wider than the subnet.
#[test]
fn a_wider_flow_prefix_leads_to_flow() {
    let mut world = story();
    for subnet in ["nta", "ntb"] {
        world.vpc_table("nctokyo", subnet).routes.remove(&prefix("172.30.1.0/24"));
        world.flow("nctokyo", subnet, "172.30.0.0/20");
    }
    assert!(plan_to(&world, "nc2-tokyo").is_ok());
}

/// AWS: longest prefix wins; a host route left behind keeps its traffic at the old site.
#[test]
fn a_leftover_host_route_is_refused_by_name() {
    let mut world = story();
    world.route("tokyo", "172.30.1.34/32", "ec2", RouteOrigin::Static);
    insta::assert_snapshot!(refusal(&world, "nc2-tokyo"), @"route 172.30.1.34/32 in `tokyo-main (tgw-rtb-000tokyo)` is more specific than 172.30.1.0/24 of network `app` and would keep its traffic from vantage `onprem-osaka` elsewhere (delivered at ec2-tokyo); remove it or declare it");
}

#[test]
fn a_leftover_that_leads_to_the_destination_is_no_reason_to_refuse() {
    let mut world = story();
    world.route("tokyo", "172.30.1.34/32", "nctokyo", RouteOrigin::Static);
    assert!(plan_to(&world, "nc2-tokyo").is_ok());
}

/// A route that matches no site of the matrix belongs to somebody else.
#[test]
fn a_route_of_somebody_else_is_refused_with_its_value() {
    let mut world = story();
    world.route("osaka", "172.30.1.0/24", "vpnosaka", RouteOrigin::Static);
    insta::assert_snapshot!(refusal(&world, "nc2-osaka"), @"route 172.30.1.0/24 in osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) is `tgw-attach-vpnosaka`, which no site of the network map has there; somebody else owns it, or the map is out of date: put it to what the map has there (`no static route` for `ec2-tokyo`, `tgw-attach-0ncosaka` for `nc2-osaka`, `tgw-attach-0000peer` for `nc2-tokyo`), or mend the map");
}

/// Whatever of the map's own entries people have put into the tables, a plan leads out of it to any site: what a forced move rests on that replaces an
/// operation which nobody can end.
#[test]
fn every_mix_of_the_sites_entries_is_led_to_every_site() {
    let entries = |at: &'static str| [None, Some("peer"), Some(at)];
    let mut proven = 0;
    for tokyo in entries("nctokyo") {
        for osaka in entries("ncosaka") {
            let mut world = story();
            for (table, entry) in [("tokyo", tokyo), ("osaka", osaka)] {
                world.routes(table).remove(&prefix("172.30.1.0/24"));
                if let Some(attachment) = entry {
                    world.route(table, "172.30.1.0/24", attachment, RouteOrigin::Static);
                }
            }
            for to in ["ec2-tokyo", "nc2-tokyo", "nc2-osaka"] {
                let plan = plan_to(&world, to).unwrap_or_else(|no| panic!("{tokyo:?}, {osaka:?} to {to}: {no}"));
                assert_eq!(check(&plan, &world.picture, &map()), Ok(()), "{tokyo:?}, {osaka:?} to {to}");
                proven += 1;
            }
        }
    }
    assert_eq!(proven, 27);
}

/// AWS: attachments pass through `pending` and `modifying`; a route to one that is not available drops traffic.
#[test]
fn an_attachment_that_is_not_available_is_refused() {
    for (state, words) in [
        (AttachmentState::Changing, "is being changed; a route to it would be a blackhole"),
        (AttachmentState::Gone, "is gone;"),
        (AttachmentState::Unknown, "is in a state that is not known;"),
    ] {
        let mut world = at(&["nc2-tokyo"]);
        world.attachment(OSAKA, "ncosaka").state = state;
        assert!(refusal(&world, "nc2-osaka").contains(words), "{}", refusal(&world, "nc2-osaka"));
    }
}

/// AWS: an attachment that is associated with no table has its traffic dropped.
#[test]
fn a_peering_without_association_on_the_far_side_is_refused() {
    let mut world = at(&["nc2-tokyo"]);
    world.attachment(OSAKA, "peer").association = None;
    assert!(refusal(&world, "nc2-osaka").contains("tgw-attach-0000peer in ap-northeast-3 is associated with no table"));
}

/// AWS: nothing propagates over a peering; without a static route on the far side the traffic ends there.
#[test]
fn a_far_side_without_the_network_is_found() {
    let mut world = story();
    world.routes("osaka").remove(&prefix("172.30.0.0/16"));
    let osaka = map().vantages[&VantageName::parse("onprem-osaka").unwrap()].clone();
    let outcome = trace(&View::of(&world.picture), &map(), &osaka, prefix("172.30.1.0/24"));
    assert_eq!(outcome.to_string(), "dropped: no route for 172.30.1.0/24 in osaka-main (tgw-rtb-000osaka)");
}

/// AWS: a static route whose attachment is gone stays as a blackhole and does not fall back to a shorter route.
#[test]
fn a_blackhole_does_not_fall_back_to_the_wider_route() {
    let mut world = at(&["nc2-tokyo"]);
    world.routes("tokyo").get_mut(&prefix("172.30.1.0/24")).unwrap().state = RouteState::Blackhole;
    let tokyo = map().vantages[&VantageName::parse("onprem-tokyo").unwrap()].clone();
    let outcome = trace(&View::of(&world.picture), &map(), &tokyo, prefix("172.30.1.0/24"));
    assert!(matches!(outcome, Outcome::Blackhole(_)), "{outcome}");
    // A failover mends it: the blackhole was there before, so passing through it again is no new harm.
    let plan = plan_to(&world, "nc2-osaka").unwrap();
    assert_eq!(check(&plan, &world.picture, &map()), Ok(()));
}

/// AWS: for one prefix a static route hides a propagated one, which comes back when the static one is deleted: known from the propagations.
#[test]
fn a_propagated_route_that_takes_over_after_a_delete_is_planned_with() {
    let (osaka, tokyo) = MAP.split_at(MAP.find("  tokyo:\n    account").unwrap());
    let tokyo = tokyo.replace("served_by: 172.30.0.0/16", "served_by: 172.30.1.0/24");
    let map = NetworkMap::parse(&format!("{osaka}{tokyo}")).unwrap();
    let mut world = at(&["nc2-tokyo"]);
    world.picture.vpcs.get_mut(&vpc("ec2")).unwrap().prefixes.push(prefix("172.30.1.0/24"));
    let plan = plan_move(&Move::whole(&app(), &site("ec2-tokyo")), &map, &world.picture).unwrap();
    assert_eq!(check(&plan, &world.picture, &map), Ok(()));
    world.apply(plan.steps());
    assert_eq!(world.routes("tokyo")[&prefix("172.30.1.0/24")].origin, RouteOrigin::Propagated);
    // Where propagations were not read, what takes over is unknown.
    let mut world = at(&["nc2-tokyo"]);
    world.picture.vpcs.get_mut(&vpc("ec2")).unwrap().prefixes.push(prefix("172.30.1.0/24"));
    world.picture.tgw_tables.get_mut(&rtb("tokyo")).unwrap().propagations = None;
    let refusal = plan_move(&Move::whole(&app(), &site("ec2-tokyo")), &map, &world.picture).unwrap_err();
    assert!(refusal.to_string().contains("a static route of 172.30.1.0/24 hides what is there"), "{refusal}");
    // Two VPCs of one prefix: which of them takes over is not documented.
    let mut world = at(&["nc2-tokyo"]);
    for name in ["ec2", "nctokyo"] {
        world.picture.vpcs.get_mut(&vpc(name)).unwrap().prefixes.push(prefix("172.30.1.0/24"));
    }
    assert!(plan_move(&Move::whole(&app(), &site("ec2-tokyo")), &map, &world.picture).is_err());
}

/// A propagated route of exactly the network's prefix is not ours: it reads as absent, a static one is made over it.
#[test]
fn a_propagated_route_of_the_same_prefix_reads_as_absent() {
    let mut world = story();
    world.route("tokyo", "172.30.1.0/24", "ec2", RouteOrigin::Propagated);
    let plan = plan_to(&world, "nc2-tokyo").unwrap();
    assert!(plan.steps().all(|step| step.before == RouteValue::Absent));
    // Its way back is found again, because the picture shows what is underneath.
    let undone: Vec<Step> = plan.steps().map(Step::inverse).collect();
    let view = View::after(&world.picture, &undone);
    let tokyo = map().vantages[&VantageName::parse("onprem-tokyo").unwrap()].clone();
    assert_eq!(trace(&view, &map(), &tokyo, prefix("172.30.1.0/24")), Outcome::Delivered(site("ec2-tokyo")));
}

/// The serving route of an `absent` entry must be there, or deleting ours loses the network.
#[test]
fn the_way_back_without_the_serving_route_is_refused() {
    let mut world = at(&["nc2-tokyo"]);
    world.routes("tokyo").remove(&prefix("172.30.0.0/16"));
    assert!(
        refusal(&world, "ec2-tokyo")
            .contains("needs no route 172.30.1.0/24 only if 172.30.0.0/16 serves it, but no such route is there")
    );
}

/// Another covering route that is more specific than the declared one would take over.
#[test]
fn a_more_specific_covering_route_takes_over_and_is_refused() {
    let mut world = at(&["nc2-tokyo"]);
    world.route("tokyo", "172.30.0.0/20", "peer", RouteOrigin::Static);
    assert!(refusal(&world, "ec2-tokyo").contains("but route 172.30.0.0/20 is the one that decides there"));
}

type Spoil = fn(&mut World);

#[test]
fn whatever_was_not_read_stops_the_plan() {
    let cases: [(&str, Spoil); 6] = [
        ("table", |w| drop(w.picture.tgw_tables.remove(&rtb("osaka")))),
        ("attachment", |w| drop(w.picture.attachments.get_mut(&region(OSAKA)).unwrap().remove(&attachment("ncosaka")))),
        ("vpc", |w| drop(w.picture.vpcs.remove(&vpc("ec2")))),
        ("far end", |w| drop(w.picture.attachments.get_mut(&region(OSAKA)).unwrap().remove(&attachment("peer")))),
        ("pending", |w| {
            let wide = w.routes("tokyo").get_mut(&prefix("172.30.0.0/16")).unwrap();
            wide.state = RouteState::Pending;
        }),
        ("unread", |w| {
            w.picture.unread.push(Unread { what: "x".into(), scope: scope(OSAKA), why: "denied".into() });
        }),
    ];
    for (name, spoil) in cases {
        let mut world = story();
        spoil(&mut world);
        let refusal = plan_to(&world, "nc2-osaka").unwrap_err();
        assert_eq!(refusal.fault(), FaultName::Unread, "{name}: {refusal}");
    }
}

/// AWS: route states `pending` and `deleting` are seen while a call is under way.
#[test]
fn a_route_in_transition_is_not_planned_over() {
    let mut world = at(&["nc2-tokyo"]);
    world.routes("tokyo").get_mut(&prefix("172.30.1.0/24")).unwrap().state = RouteState::Deleting;
    let refusal = plan_to(&world, "nc2-osaka").unwrap_err();
    assert!(refusal.to_string().contains("is being deleted; wait until it is settled"), "{refusal}");
}

/// Replies by another Region are dropped by stateful firewalls on-premises.
#[test]
fn replies_that_leave_elsewhere_are_refused() {
    let mut world = story();
    world.route("tokyo", "192.168.20.0/24", "vpntokyo", RouteOrigin::Static);
    let refusal = plan_to(&world, "nc2-tokyo").unwrap_err().to_string();
    assert_eq!(
        refusal,
        "replies of network `app` at `nc2-tokyo` to vantage `onprem-osaka` would not come back as declared: reply leaves elsewhere: by tgw-attach-vpntokyo in ap-northeast-1"
    );
}

/// A VPC without a way to the TGW gets packets and answers none.
#[test]
fn a_destination_without_a_way_back_is_refused() {
    let mut world = story();
    world.vpc_table("ncosaka", "noa").routes.remove(&prefix("0.0.0.0/0"));
    let refusal = plan_to(&world, "nc2-osaka").unwrap_err().to_string();
    assert!(
        refusal.contains("reply dropped: no route for 192.168.20.0/24 in rtb-00000noa of subnet-00000noa"),
        "{refusal}"
    );
}

/// Clients inside the source VPC are held by `local`: a route more specific than `local` cannot point to a TGW.
#[test]
fn clients_of_the_source_vpc_are_stranded() {
    let text = MAP.replace(
        "waves:",
        "  neighbours: {kind: vpc, prefixes: [172.30.9.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-00000ec2}\nwaves:",
    );
    let map = NetworkMap::parse(&text).unwrap();
    let refusal = plan_move(&Move::whole(&app(), &site("nc2-tokyo")), &map, &story().picture).unwrap_err().to_string();
    assert!(refusal.contains("from vantage `neighbours`: delivered at ec2-tokyo"), "{refusal}");
}

#[test]
fn a_vpc_vantage_is_served_and_answered() {
    let mut world = story();
    world.vpc("clients", "10.99.0.0/16", &[("cl", "10.99.1.0/24")], "tokyo");
    world.route("tokyo", "10.99.0.0/16", "clients", RouteOrigin::Propagated);
    world.route("osaka", "10.99.0.0/16", "peer", RouteOrigin::Static);
    let text = MAP.replace(
        "waves:",
        "  clients: {kind: vpc, prefixes: [10.99.1.0/24], account: main, region: ap-northeast-1, enters: tgw-attach-0clients}\nwaves:",
    );
    let map = NetworkMap::parse(&text).unwrap();
    let plan = plan_move(&Move::whole(&app(), &site("nc2-osaka")), &map, &world.picture).unwrap();
    assert_eq!(check(&plan, &world.picture, &map), Ok(()));
    world.routes("osaka").remove(&prefix("10.99.0.0/16"));
    assert!(plan_move(&Move::whole(&app(), &site("nc2-osaka")), &map, &world.picture).is_err());
}

/// Two tables that each lead to the other until both are changed: no order is safe.
#[test]
fn where_no_order_is_safe_the_conflicting_steps_are_named() {
    // Osaka's clients enter at Tokyo's table too, and both Regions serve from their own VPC: swap the sites of the rows.
    let mut world = at(&["nc2-tokyo", "nc2-osaka"]);
    // The machines are at Osaka and Tokyo's own VPC lost the prefix: Tokyo's table must not lead there before Osaka's does.
    world.vpc_table("nctokyo", "nta").routes.remove(&prefix("172.30.1.0/24"));
    world.vpc_table("nctokyo", "ntb").routes.remove(&prefix("172.30.1.0/24"));
    assert!(plan_to(&world, "nc2-tokyo").is_err());
    let text = MAP
        .replace("nc2-osaka: {kind: peering, id: tgw-attach-0000peer}", "nc2-osaka: {kind: blackhole}")
        .replace("nc2-tokyo: {kind: peering, id: tgw-attach-0000peer}", "nc2-tokyo: {kind: blackhole}");
    let map = NetworkMap::parse(&text).unwrap();
    let refusal = plan_move(&Move::whole(&app(), &site("nc2-osaka")), &map, &story().picture).unwrap_err().to_string();
    assert!(refusal.contains("from vantage `onprem-tokyo`: dropped: route 172.30.1.0/24 in tokyo-main"), "{refusal}");
}

#[test]
fn unknown_names_and_torn_groups_are_refused() {
    let world = story();
    let refusal = plan_move(&Move::whole(&BTreeSet::from([network("db")]), &site("nc2-tokyo")), &map(), &world.picture)
        .unwrap_err();
    assert_eq!(refusal.to_string(), "network `db` is not in the network map (declared: `app`)");
    let refusal = plan_move(&Move::whole(&app(), &site("nc2-kyoto")), &map(), &world.picture).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "site `nc2-kyoto` is not in the network map (declared: `ec2-tokyo`, `nc2-osaka`, `nc2-tokyo`)"
    );
    assert_eq!(refusal.fault(), FaultName::InvalidInput);
    assert_eq!(
        plan_move(&Move::whole(&BTreeSet::new(), &site("nc2-tokyo")), &map(), &world.picture),
        Err(Refusal::NoNetwork)
    );
    let text = MAP.replace(
        "  app: {prefix: 172.30.1.0/24,",
        "  db: {prefix: 172.30.2.0/24, group: g}\n  app: {prefix: 172.30.1.0/24, group: g,",
    );
    let map = NetworkMap::parse(&text).unwrap();
    let refusal = plan_move(&Move::whole(&app(), &site("nc2-tokyo")), &map, &world.picture).unwrap_err();
    assert_eq!(refusal.to_string(), "group `g` can only move whole; add `db`");
    let refusal = plan_move(
        &Move::whole(&BTreeSet::from([network("db"), network("app")]), &site("nc2-tokyo")),
        &map,
        &world.picture,
    );
    assert!(matches!(refusal, Err(Refusal::NoSubnet { .. })));
}

#[test]
fn a_plan_survives_json_and_its_inverse_is_exact() {
    let plan = plan_to(&at(&["nc2-tokyo"]), "nc2-osaka").unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    for step in plan.steps() {
        assert_eq!((&step.inverse().before, &step.inverse().after), (&step.after, &step.before));
    }
}
