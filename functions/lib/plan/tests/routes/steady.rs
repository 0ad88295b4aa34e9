//! The steady state against where networks are, and what a plan costs.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::{
    Move, Refusal, apart, check, drift, forecast, plan_correction, plan_move, plan_text, plan_undo, quotas_wanted,
};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_steady_state_is_compared_with_where_networks_are() {
    let mut world = story();
    let sites = BTreeMap::from([(network("app"), site("nc2-tokyo"))]);
    world.route("tokyo", "172.30.1.0/24", "nctokyo", RouteOrigin::Static);
    let lines: Vec<String> = drift(&sites, &map(), &world.picture).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @"network app is at nc2-tokyo, but route 172.30.1.0/24 of osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) is no static route and should be tgw-attach-0000peer");
    world.route("osaka", "172.30.1.0/24", "peer", RouteOrigin::Static);
    assert_eq!(drift(&sites, &map(), &world.picture), []);
    world.route("osaka", "172.30.1.0/24", "vpnosaka", RouteOrigin::Static);
    let lines: Vec<String> = drift(&sites, &map(), &world.picture).iter().map(ToString::to_string).collect();
    assert!(lines[0].contains("its tables cannot be compared: route 172.30.1.0/24 in osaka-main"), "{lines:?}");
}

/// The story's map, with the drift of its network corrected.
fn correcting() -> NetworkMap {
    let mut map = map();
    map.networks.get_mut(&network("app")).unwrap().drift = DriftPolicy::Correct;
    map
}

#[test]
fn drift_is_corrected_where_policy_says_so_and_else_reported_with_what_mends_it() {
    let (networks, at) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let mut world = story();
    let plan = plan_move(&Move::whole(&networks, &at), &map(), &world.picture).unwrap();
    apply(&mut world.picture, plan.steps());
    let right = world.picture.clone();
    let report = |world: &World| plan_correction(&networks, &at, &map(), &world.picture).unwrap_err();
    for map in [map(), correcting()] {
        assert!(plan_correction(&networks, &at, &map, &world.picture).unwrap().is_empty());
    }

    // Somebody led the network elsewhere in one table, and all but one machine of it.
    world.route("osaka", "172.30.1.0/24", "ncosaka", RouteOrigin::Static);
    world.route("osaka", "172.30.1.34/32", "peer", RouteOrigin::Static);
    let refusal = report(&world);
    assert_eq!(refusal.fault(), FaultName::InvalidInput);
    insta::assert_snapshot!(refusal.to_string(), @r#"no Region owes anything for network `app`; network app is at nc2-tokyo, but route 172.30.1.0/24 of osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) is tgw-attach-0ncosaka and should be tgw-attach-0000peer; network app is at nc2-tokyo, but route 172.30.1.34/32 of osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) is tgw-attach-0000peer and should be no static route; policy has drift of `app` only reported (`drift: report`): if nobody wanted that, start `{"networks": ["app"], "to": "nc2-tokyo"}`"#);
    let plan = plan_correction(&networks, &at, &correcting(), &world.picture).unwrap();
    assert_eq!(check(&plan, &world.picture, &correcting()), Ok(()));
    world.apply(plan.steps());
    assert_eq!(world.picture, right);
}

#[test]
fn what_the_map_does_not_explain_and_machines_ahead_of_their_network_are_not_corrected() {
    let (networks, at) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let mut world = story();
    let plan = plan_move(&Move::whole(&networks, &at), &map(), &world.picture).unwrap();
    apply(&mut world.picture, plan.steps());
    let right = world.picture.clone();
    world.route("osaka", "172.30.1.0/24", "vpnosaka", RouteOrigin::Static);
    let refusal = plan_correction(&networks, &at, &correcting(), &world.picture).unwrap_err();
    assert!(matches!(refusal, Refusal::NotOurs { .. }), "{refusal}");

    // One machine went ahead to Osaka, by host routes in both tables: they are no drift.
    world.picture = right;
    world.route("osaka", "172.30.1.34/32", "ncosaka", RouteOrigin::Static);
    world.route("tokyo", "172.30.1.34/32", "peer", RouteOrigin::Static);
    assert!(plan_correction(&networks, &at, &correcting(), &world.picture).unwrap().is_empty());
    world.route("osaka", "172.30.1.0/24", "ncosaka", RouteOrigin::Static);
    let refusal = plan_correction(&networks, &at, &correcting(), &world.picture).unwrap_err();
    assert_eq!(refusal.fault(), FaultName::Refused);
    insta::assert_snapshot!(refusal.to_string(), @"host routes lead 172.30.1.34 to nc2-osaka apart from network `app`, which the last operation left at `nc2-tokyo`; a correction would take them away, so nothing is corrected (network app is at nc2-tokyo, but route 172.30.1.0/24 of osaka-main (tgw-rtb-000osaka) (account `main` in ap-northeast-3) is tgw-attach-0ncosaka and should be tgw-attach-0000peer); move those machines to where their network is, or the network to them, first");
}

#[test]
fn a_host_that_host_routes_lead_is_apart_where_all_tables_agree_on_its_site() {
    let (networks, [ec2, tokyo]) = (BTreeSet::from([network("app")]), ["ec2-tokyo", "nc2-tokyo"].map(site));
    let host: std::net::Ipv4Addr = "172.30.1.34".parse().unwrap();
    let ahead = BTreeMap::from([(tokyo.clone(), BTreeSet::from([host]))]);
    let mut world = story();
    assert_eq!(apart(&networks, &ec2, &map(), &world.picture, None), BTreeMap::new());
    world.route("tokyo", "172.30.1.34/32", "nctokyo", RouteOrigin::Static);
    world.route("osaka", "172.30.1.34/32", "peer", RouteOrigin::Static);
    assert_eq!(apart(&networks, &ec2, &map(), &world.picture, None), ahead);
    assert_eq!(apart(&networks, &tokyo, &map(), &world.picture, None), BTreeMap::new(), "it is where they all go");

    // The network follows and the host routes go; taken back, they are there again.
    let plan = plan_move(&Move::whole(&networks, &tokyo), &map(), &world.picture).unwrap();
    assert_eq!(apart(&networks, &ec2, &map(), &world.picture, Some(&plan)), BTreeMap::new());
    let mut after = world.picture.clone();
    apply(&mut after, plan.steps());
    let undo = plan_undo(&plan, &ec2, &map(), &after).unwrap();
    assert_eq!(apart(&networks, &ec2, &map(), &after, Some(&undo)), ahead);
    assert_eq!(check(&undo, &after, &map()), Ok(()));
    apply(&mut after, undo.steps());
    assert_eq!(after, world.picture);

    // A host route that follows no site is nobody's who went ahead.
    world.route("osaka", "172.30.1.34/32", "vpnosaka", RouteOrigin::Static);
    assert_eq!(apart(&networks, &ec2, &map(), &world.picture, None), BTreeMap::new());
}

/// AWS, "Quotas for your transit gateways": 10,000 routes of a transit gateway over all its tables.
#[test]
fn the_forecast_tells_seconds_and_quotas_and_what_exceeds_one_is_refused() {
    let (networks, to) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let mut world = story();
    let plan = plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap();
    insta::assert_snapshot!("forecast", plan_text(&plan, &forecast(&plan, &map(), &world.picture)));
    let tgw = |quota| Quotas::from([(QuotaName::TgwRoutes, quota)]);
    world.picture.quotas.insert(scope(OSAKA), tgw(Quota::Applied { value: 5 }));
    let refusal = plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap_err();
    insta::assert_snapshot!(refusal.to_string(), @"tables read of tgw-000osaka (account `main` in ap-northeast-3) would hold 6 routes, the quota is 5 (5 now); raise it or move fewer");
    let mut many = plan.clone();
    many.stages = vec![(0..1000).map(|_| plan.steps().next().unwrap().clone()).collect()];
    assert_eq!(forecast(&many, &map(), &world.picture).seconds(), 190);
}

/// Service Quotas, `GetServiceQuota`: the applied value counts, which may be above the default or below.
#[test]
fn a_quota_is_asked_for_where_a_plan_adds_routes_and_what_was_not_read_is_said() {
    let (networks, to) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let mut world = story();
    let plan = plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap();
    let both = BTreeSet::from([QuotaName::TgwRoutes]);
    assert_eq!(
        quotas_wanted(&plan, &world.picture),
        BTreeMap::from([(scope(TOKYO), both.clone()), (scope(OSAKA), both.clone())])
    );
    let tgw = |quota| Quotas::from([(QuotaName::TgwRoutes, quota)]);
    world.picture.quotas.insert(scope(OSAKA), tgw(Quota::Applied { value: 12_000 }));
    world.picture.quotas.insert(scope(TOKYO), tgw(Quota::Unread { why: "not allowed".into() }));
    assert_eq!(quotas_wanted(&plan, &world.picture), BTreeMap::new(), "what was asked for is not asked again");
    let words = forecast(&plan, &map(), &world.picture).to_string();
    assert!(words.contains("tgw-000osaka (account `main` in ap-northeast-3): 6 of 12000 routes (5 now)\n"), "{words}");
    assert!(words.ends_with("(5 now; quota not read: not allowed, AWS default 10000 assumed)"), "{words}");

    // A plan that only replaces asks nothing.
    for (table, to) in [("tokyo", "nctokyo"), ("osaka", "peer")] {
        world.route(table, "172.30.1.0/24", to, RouteOrigin::Static);
    }
    world.picture.quotas.clear();
    let away = plan_move(&Move::whole(&networks, &site("nc2-osaka")), &map(), &world.picture).unwrap();
    assert!(!away.is_empty());
    assert_eq!(quotas_wanted(&away, &world.picture), BTreeMap::new());
    let words = forecast(&away, &map(), &world.picture).to_string();
    assert!(words.ends_with("6 of 10000 routes (6 now; AWS default)"), "{words}");
}

/// A transit gateway that holds more than AWS's default has a higher quota, though nobody could read it.
#[test]
fn a_default_that_is_exceeded_already_is_not_the_quota() {
    let (networks, to) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let mut world = story();
    let fill = |world: &mut World, count: u32| {
        for n in 0..count {
            let prefix = format!("100.{}.{}.{}/32", 64 + n / 65536, n / 256 % 256, n % 256);
            world.route("osaka", &prefix, "peer", RouteOrigin::Static);
        }
    };
    fill(&mut world, 9_995);
    let refusal = plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("would hold 10001 routes, the quota is 10000 (10000 now; quota not read: nobody asked"),
        "{text}"
    );
    fill(&mut world, 9_996);
    plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap();
    // Unless somebody says that it is.
    let applied = Quotas::from([(QuotaName::TgwRoutes, Quota::Applied { value: 10_000 })]);
    world.picture.quotas.insert(scope(OSAKA), applied);
    plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap_err();
}
