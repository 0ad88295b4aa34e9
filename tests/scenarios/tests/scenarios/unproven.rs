//! What looks right in the route tables and is not: no green execution.

use crate::support::{TOKYO, cut_over, ec2, green, held, migrated, probes, run, to};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn right_routes_without_the_fvn_prefix_in_the_vpc_are_not_green() {
    let lab = cut_over().await;
    green(&run(&lab, "failover", to("nc2-tokyo")).await);
    let tables = ec2(
        &lab,
        TOKYO,
        &[
            ("Action", "DescribeRouteTables"),
            ("Filter.1.Name", "vpc-id"),
            ("Filter.1.Value.1", "vpc-0c200000000000001"),
        ],
    )
    .await;
    let table = tables.split("<routeTableId>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    ec2(&lab, TOKYO, &[("Action", "DeleteRoute"), ("RouteTableId", table), ("DestinationCidrBlock", "172.30.1.0/24")])
        .await;
    for probe in probes(&lab).await {
        assert!(!probe.to_string().contains("web-1"), "the probe should fail: {probe}");
    }
    held(&run(&lab, "failover", to("nc2-tokyo")).await, "172.30.1.0/24");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_keeps_its_old_lease_is_not_green() {
    let lab = migrated().await;
    lab.control().put("/switches", &json!({"guests": {"lease_on_link": false}})).await.unwrap();
    let execution = run(&lab, "cutover", json!({"wave": "wave-1"})).await;
    held(&execution, "GuestSilent");
    held(&execution, "web-1");
    assert!(!execution.states().contains(&"SwapRoutes".to_owned()), "{:?}", execution.states());
    lab.control().put("/switches", &json!({"guests": {"lease_on_link": true}})).await.unwrap();
    green(&run(&lab, "cutover", json!({"wave": "wave-1"})).await);
}
