//! The steady state against where networks are, and what a plan costs.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::{Move, drift, forecast, plan_move, plan_text};
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

/// AWS, "Quotas for your transit gateways": 10,000 routes of a transit gateway over all its tables.
#[test]
fn the_forecast_tells_seconds_and_quotas_and_what_exceeds_one_is_refused() {
    let (networks, to) = (BTreeSet::from([network("app")]), site("nc2-tokyo"));
    let mut world = story();
    let plan = plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap();
    insta::assert_snapshot!("forecast", plan_text(&plan, &forecast(&plan, &world.picture)));
    world.picture.quotas.insert(scope(OSAKA), Quotas { tgw_routes: 5, vpc_table_routes: 500 });
    let refusal = plan_move(&Move::whole(&networks, &to), &map(), &world.picture).unwrap_err();
    insta::assert_snapshot!(refusal.to_string(), @"tgw-000osaka (account `main` in ap-northeast-3) would hold 6 routes, the quota is 5 (5 now); raise it or move fewer");
    let mut many = plan.clone();
    many.stages = vec![(0..1000).map(|_| plan.steps().next().unwrap().clone()).collect()];
    assert_eq!(forecast(&many, &world.picture).seconds(), 190);
}
