//! Bad input: one clear error, and nothing changed.

use crate::support::{
    TOKYO, changes, cut_over, ec2, fault, green, held, lab, last_call, no_faults, recover, run, tables, to,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_execution_input_says_what_to_write_and_changes_nothing() {
    let lab = cut_over().await;
    let (since, before) = (last_call(&lab).await, tables(&lab).await);
    for (machine, input, says) in [
        ("capture", json!({"wave": "wave-9"}), "`wave-9`"),
        ("capture", json!({"wave": "wave-1", "hosts": 2}), "hosts"),
        ("cutover", json!({"wave": "wave-9"}), "`wave-9`"),
        ("cutover", json!({}), "wave"),
        ("failover", json!({"networks": ["apps"], "to": "nc2-osaka"}), "`apps`"),
        ("failover", json!({"networks": ["app"], "to": "nc2-kyoto"}), "`nc2-kyoto`"),
        ("failover", json!({"networks": [], "to": "nc2-osaka"}), "empty"),
        ("failover", json!({"networks": ["app"]}), "`to` is missing"),
        ("failover", json!({"networks": ["app"], "to": "nc2-osaka", "fast": true}), "fast"),
        ("failover", json!({"undo": "op-20260101t000000-00000000"}), "op-20260101t000000-00000000"),
        ("drill", json!({"networks": ["apps"], "to": "nc2-osaka"}), "`apps`"),
    ] {
        let execution = run(&lab, machine, input.clone()).await;
        assert!(execution.held(), "{machine} {input}: {}", execution.words());
        assert!(execution.cause.contains(says), "{machine} {input}: `{says}` is not in: {}", execution.cause);
    }
    assert_eq!(changes(&lab, since).await, Vec::<serde_json::Value>::new());
    assert_eq!(tables(&lab).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_cannot_be_told_apart_is_refused() {
    let lab = lab().await;
    ec2(
        &lab,
        TOKYO,
        &[
            ("Action", "CreateTags"),
            ("ResourceId.1", "i-0a1b2c3d4e5f60035"),
            ("Tag.1.Key", "Name"),
            ("Tag.1.Value", "web-1"),
        ],
    )
    .await;
    let execution = run(&lab, "capture", json!({"wave": "wave-1"})).await;
    held(&execution, "DuplicateName");
    held(&execution, "i-0a1b2c3d4e5f60035");
    ec2(
        &lab,
        TOKYO,
        &[
            ("Action", "CreateTags"),
            ("ResourceId.1", "i-0a1b2c3d4e5f60035"),
            ("Tag.1.Key", "Name"),
            ("Tag.1.Value", "app-1"),
        ],
    )
    .await;
    green(&run(&lab, "capture", json!({"wave": "wave-1"})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_against_a_failover_is_named_and_nothing_is_changed() {
    let lab = cut_over().await;

    // The machines are not there.
    let (since, before) = (last_call(&lab).await, tables(&lab).await);
    held(&run(&lab, "failover", to("nc2-osaka")).await, "EvidenceAgainst");

    // Prism Central does not answer.
    lab.control().post("/prism/pc-tokyo", &json!({"lost": true})).await.unwrap();
    held(&run(&lab, "failover", to("nc2-osaka")).await, "nc2-tokyo");
    lab.control().post("/prism/pc-tokyo", &json!({"lost": false})).await.unwrap();

    // A wrong password.
    let secret =
        lab.aws(TOKYO).unwrap().secrets.get_secret_value().secret_id("holdfast/pc-tokyo").send().await.unwrap();
    let put = |text: String| {
        lab.aws(TOKYO).unwrap().secrets.put_secret_value().secret_id("holdfast/pc-tokyo").secret_string(text).send()
    };
    put(json!({"username": "holdfast", "password": "wrong"}).to_string()).await.unwrap();
    held(&run(&lab, "failover", to("nc2-osaka")).await, "WrongPassword");
    put(secret.secret_string().unwrap().to_owned()).await.unwrap();
    assert_eq!(changes(&lab, since).await, Vec::<serde_json::Value>::new());
    assert_eq!(tables(&lab).await, before);

    // Another operation is open.
    recover(&lab).await;
    let denied = json!({"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "injected"});
    fault(&lab, json!({"service": "ec2", "region": TOKYO, "action": "ReplaceTransitGatewayRoute"}), 0, 1, denied).await;
    held(&run(&lab, "failover", to("nc2-osaka")).await, "SwapIncomplete");
    no_faults(&lab).await;
    recover(&lab).await;
    held(&run(&lab, "failover", to("nc2-tokyo")).await, "OperationOpen");

    // Somebody else changed a route of the open operation.
    recover(&lab).await;
    let [table, vpn] = ["tgw-rtb-00000000000000001", "tgw-attach-00b00000000000001"];
    let route = [("TransitGatewayRouteTableId", table), ("DestinationCidrBlock", "172.30.1.0/24")];
    let replace = |attachment| {
        let mut call = vec![("Action", "ReplaceTransitGatewayRoute"), ("TransitGatewayAttachmentId", attachment)];
        call.extend(route);
        call
    };
    ec2(&lab, TOKYO, &replace(vpn)).await;
    held(&run(&lab, "failover", to("nc2-osaka")).await, "Drifted");
    ec2(&lab, TOKYO, &replace("tgw-attach-0c200000000000001")).await;
    green(&run(&lab, "failover", to("nc2-osaka")).await);
}
