//! One place of a route table: read, written, read back, taken away.

use super::*;
use holdfast_aws_network::{Ec2Error, ErrorKind};
use holdfast_journal::Seen;
use holdfast_plan::{Place, RouteValue, Step};

const NEW: &str = "tgw-attach-00000000000000002";
const ACROSS: &str = "tgw-attach-00000000000000006";
const LIST: &str = "pl-00000000000000001";

fn step(table: &str, place: Place, before: RouteValue, after: RouteValue) -> Step {
    Step {
        table: id(table),
        name: id("west"),
        tag: None,
        scope: Scope { account: id("main"), region: id("eu-west-1") },
        networks: BTreeSet::from([id("shop")]),
        place,
        before,
        after,
        why: String::new(),
    }
}

fn to(attachment: &str) -> RouteValue {
    RouteValue::Static { attachment: id(attachment) }
}

fn route(prefix: &str) -> Place {
    Place::Route { prefix: id(prefix) }
}

pub(crate) fn tgw_step(prefix: &str, before: RouteValue, after: RouteValue) -> Step {
    step(WEST, route(prefix), before, after)
}

/// Reads until the place is settled.
async fn settled(network: &AwsNetwork, step: &Step) -> RouteValue {
    for _ in 0..9 {
        if let Seen::Settled(value) = network.read_place(step).await.unwrap() {
            return value;
        }
    }
    panic!("{} does not settle", step.place)
}

/// Writes a chain of values from absent to absent at one place; after each, the place holds it, and the writes that do not fit fail as they
/// should.
async fn walk(network: &AwsNetwork, table: &str, place: &Place, values: &[RouteValue]) {
    let mut before = RouteValue::Absent;
    for after in values.iter().chain([&RouteValue::Absent]) {
        let step = step(table, place.clone(), before.clone(), after.clone());
        assert_eq!(settled(network, &step).await, before, "{step}");
        let seen = network.write_place(&step).await.unwrap();
        assert!(matches!(&seen, Seen::Settled(value) | Seen::Changing(value) if value == after), "{step}: {seen:?}");
        assert_eq!(settled(network, &step).await, *after, "{step}");
        let misfit = |kind: ErrorKind, error: Ec2Error| assert_eq!(error.kind, kind, "{error}");
        if *after == RouteValue::Absent {
            let gone = Step { before: before.clone(), after: RouteValue::Absent, ..step.clone() };
            misfit(ErrorKind::RouteNotFound, network.write_place(&gone).await.unwrap_err());
            if let Place::Route { .. } | Place::Reference { .. } = place {
                let replace = Step { before: before.clone(), after: before.clone(), ..step };
                misfit(ErrorKind::RouteNotFound, network.write_place(&replace).await.unwrap_err());
            }
        } else {
            let again = Step { before: RouteValue::Absent, after: after.clone(), ..step };
            misfit(ErrorKind::AlreadyExists, network.write_place(&again).await.unwrap_err());
        }
        before = after.clone();
    }
}

fn entries() -> BTreeSet<Prefix> {
    BTreeSet::from([id("10.1.5.0/24"), id("10.1.6.0/24")])
}

#[tokio::test]
async fn every_kind_of_place_takes_every_value_and_is_left_as_it_was() {
    let sim = start(|world| {
        world.switches.ec2.route_pending_reads = 1;
        world.switches.ec2.prefix_list_pending_reads = 1;
        world.switches.ec2.attachment_pending_reads = 1;
    })
    .await;
    let west = network(&sim, "eu-west-1");
    walk(&west, WEST, &route("10.1.5.0/24"), &[to(NEW), to(ACROSS), RouteValue::Blackhole, to(NEW)]).await;
    let list = Place::Reference { list: id(LIST), prefixes: entries() };
    walk(&west, WEST, &list, &[to(NEW), to(ACROSS), RouteValue::Blackhole]).await;
    let propagation = Place::Propagation { attachment: id(NEW) };
    walk(&west, "tgw-rtb-00000000000000004", &propagation, &[RouteValue::Propagates]).await;
    let tgw = RouteValue::Tgw { id: id("tgw-00000000000000001") };
    let peering = RouteValue::VpcPeering { id: id("pcx-00000000000000001") };
    walk(&west, "rtb-00000000000000001", &route("10.77.0.0/16"), &[tgw.clone(), peering.clone(), tgw]).await;
    let eni = RouteValue::Eni { id: id("eni-00000000000000009") };
    let inner = RouteValue::VpcPeering { id: id("pcx-00000000000000002") };
    walk(&west, "rtb-00000000000000003", &route("10.78.0.0/16"), &[eni, inner]).await;
}

#[tokio::test]
async fn the_answer_to_a_write_tells_when_it_is_in_use() {
    for (pending_reads, settles) in [(0, true), (1, false)] {
        let sim = start(|world| world.switches.ec2.route_pending_reads = pending_reads).await;
        let west = network(&sim, "eu-west-1");
        let create = tgw_step("10.1.5.0/24", RouteValue::Absent, to(NEW));
        let seen = west.write_place(&create).await.unwrap();
        assert_eq!(seen == Seen::Settled(to(NEW)), settles, "{seen:?}");
        let delete = Step { before: to(NEW), after: RouteValue::Absent, ..create };
        assert_eq!(west.write_place(&delete).await.unwrap(), Seen::Settled(RouteValue::Absent));
    }
}

#[tokio::test]
async fn what_propagates_is_no_route_of_ours_and_what_is_not_there_is_an_error() {
    let sim = start(|_| {}).await;
    let west = network(&sim, "eu-west-1");
    let hidden = tgw_step("10.1.0.0/16", RouteValue::Absent, to(NEW));
    assert_eq!(west.read_place(&hidden).await.unwrap(), Seen::Settled(RouteValue::Absent));
    let no_table = step("tgw-rtb-0000000000000dead", route("10.1.5.0/24"), RouteValue::Absent, to(NEW));
    assert_eq!(west.read_place(&no_table).await.unwrap_err().kind, ErrorKind::IdNotFound);
    let no_table = step("rtb-0000000000000dead", route("10.1.5.0/24"), RouteValue::Absent, to(NEW));
    assert_eq!(west.read_place(&no_table).await.unwrap_err().kind, ErrorKind::IdNotFound);
    let no_attachment = tgw_step("10.1.5.0/24", RouteValue::Absent, to("tgw-attach-0000000000000dead"));
    assert_eq!(west.write_place(&no_attachment).await.unwrap_err().kind, ErrorKind::IdNotFound);
    // The VPC's own prefix is never ours, and neither is a value that the place cannot hold.
    let local = step("rtb-00000000000000001", route("10.1.0.0/16"), RouteValue::Absent, RouteValue::Absent);
    assert_eq!(west.read_place(&local).await.unwrap_err().kind, ErrorKind::NotOurs);
    let odd = step("rtb-00000000000000001", route("10.77.0.0/16"), RouteValue::Absent, to(NEW));
    assert_eq!(west.write_place(&odd).await.unwrap_err().kind, ErrorKind::NotOurs);
}

#[tokio::test]
async fn a_reference_to_a_list_that_changed_since_the_plan_is_not_moved() {
    let sim = start(|_| {}).await;
    let west = network(&sim, "eu-west-1");
    let planned = BTreeSet::from([id("10.1.5.0/24")]);
    let place = Place::Reference { list: id(LIST), prefixes: planned };
    let error = west.read_place(&step(WEST, place, RouteValue::Absent, to(NEW))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotOurs);
    assert!(error.to_string().contains("they differ in 10.1.6.0/24"), "{error}");
}

#[tokio::test]
async fn a_write_is_sent_once_whatever_happens_to_it() {
    let sim = start(|_| {}).await;
    let west = network(&sim, "eu-west-1");
    let create = tgw_step("10.1.5.0/24", RouteValue::Absent, to(NEW));
    for (effect, kind) in [
        (json!({"kind": "throttle"}), ErrorKind::Throttled),
        (json!({"kind": "error", "code": "IncorrectState", "status": 400, "message": "busy"}), ErrorKind::Busy),
        (json!({"kind": "error", "code": "Unavailable", "status": 503, "message": "x"}), ErrorKind::NoAnswer),
        (json!({"kind": "drop_request"}), ErrorKind::NoAnswer),
        (json!({"kind": "drop_reply"}), ErrorKind::NoAnswer),
    ] {
        sim.shared().gate().clear_faults();
        sim.shared().gate().log().clear();
        fault(&sim, json!({"match": {"action": "CreateTransitGatewayRoute"}, "times": 5, "effect": effect}));
        let error = west.write_place(&create).await.unwrap_err();
        assert_eq!((error.kind, calls(&sim, "CreateTransitGatewayRoute")), (kind, 1), "{error}");
    }
    // Only the dropped reply left its effect.
    assert_eq!(settled(&west, &create).await, to(NEW));
}

#[tokio::test]
async fn reads_are_repeated_after_a_throttle() {
    let sim = start(|_| {}).await;
    fault(&sim, json!({"match": {"action": "SearchTransitGatewayRoutes"}, "times": 1, "effect": {"kind": "throttle"}}));
    let west = network(&sim, "eu-west-1");
    west.read_place(&tgw_step("10.1.5.0/24", RouteValue::Absent, to(NEW))).await.unwrap();
    assert_eq!(calls(&sim, "SearchTransitGatewayRoutes"), 2);
}

#[tokio::test]
async fn every_code_that_decides_something_has_its_meaning() {
    let sim = start(|_| {}).await;
    let west = network(&sim, "eu-west-1");
    let create = tgw_step("10.60.7.0/24", RouteValue::Absent, to(NEW));
    let no_route = "There is no route defined for '10.60.7.0/24' in the route table. Use CreateRoute instead.";
    for (status, code, message, kind, changed_nothing) in [
        (400, "RouteAlreadyExists", "x", ErrorKind::AlreadyExists, true),
        (400, "InvalidRoute.NotFound", "x", ErrorKind::RouteNotFound, true),
        (400, "InvalidRouteTableID.NotFound", "x", ErrorKind::IdNotFound, true),
        (400, "InvalidTransitGatewayAttachmentID.NotFound", "x", ErrorKind::IdNotFound, true),
        (400, "IncorrectState", "x", ErrorKind::Busy, true),
        (503, "RequestLimitExceeded", "x", ErrorKind::Throttled, true),
        (403, "UnauthorizedOperation", "x", ErrorKind::Denied, true),
        (400, "TransitGatewayRouteLimitExceeded", "x", ErrorKind::LimitReached, true),
        (400, "InvalidParameterValue", "x", ErrorKind::Refused, true),
        (400, "InvalidParameterValue", no_route, ErrorKind::RouteNotFound, true),
        (400, "TransitGatewayRouteTablePropagation.Duplicate", "x", ErrorKind::AlreadyExists, true),
        (400, "TransitGatewayRouteTablePropagation.NotFound", "x", ErrorKind::RouteNotFound, true),
        (400, "RouteLimitExceeded", "x", ErrorKind::LimitReached, true),
        (500, "InternalError", "x", ErrorKind::NoAnswer, false),
        (503, "Unavailable", "x", ErrorKind::NoAnswer, false),
    ] {
        let effect = json!({"kind": "error", "code": code, "status": status, "message": message});
        fault(&sim, json!({"match": {"action": "CreateTransitGatewayRoute"}, "times": 1, "effect": effect}));
        let error = west.write_place(&create).await.unwrap_err();
        assert_eq!((error.kind, error.kind.changed_nothing()), (kind, changed_nothing), "{code}: {error}");
    }
}
