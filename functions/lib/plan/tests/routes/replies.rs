//! Where replies come out of a site.

use crate::world::*;
use holdfast_model::*;
use holdfast_plan::*;

/// Nutanix Flow: replies come out of the interfaces of hosts in every subnet whose table leads to the network. A step of such a table changes who
/// replies, so it has its place in the order.
#[test]
fn a_step_that_changes_where_replies_come_out_is_put_in_order() {
    let mut world = story();
    // A subnet of hosts that is not attached, whose table leads to the network and nowhere for replies; its route goes with the move.
    let AttachmentKind::Vpc { subnets, .. } = &mut world.attachment(TOKYO, "nctokyo").kind else { unreachable!() };
    subnets.retain(|at| *at == subnet("nta"));
    let hosts = world.vpc_table("nctokyo", "ntb");
    hosts.routes.remove(&prefix("0.0.0.0/0"));
    world.vpc_route("nctokyo", "ntb", "172.30.0.0/16", VpcTarget::Tgw { id: tgw("tokyo") });
    let table = format!(
        "route_tables:\n  hosts:\n    account: main\n    region: {TOKYO}\n    id: {}\n    next_hops:\n      ec2-tokyo: {{kind: eni, id: eni-0000000f}}\n      nc2-tokyo: {{kind: absent, served_by: 172.30.0.0/16}}\n      nc2-osaka: {{kind: absent, served_by: 172.30.0.0/16}}\n",
        table("ntb")
    );
    let map = NetworkMap::parse(&MAP.replace("route_tables:\n", &table)).unwrap();
    let plan = plan_move(&Move::whole(&[network("app")].into(), &site("nc2-tokyo")), &map, &world.picture).unwrap();
    assert_eq!(check(&plan, &world.picture, &map), Ok(()));
    let first: Vec<&str> = plan.stages[0].iter().map(|step| step.name.as_str()).collect();
    assert!(first.contains(&"hosts") && !first.contains(&"tokyo"), "{}", plan_table(&plan));
}
