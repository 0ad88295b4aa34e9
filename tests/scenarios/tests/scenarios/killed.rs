//! `swap-route` killed at every call that it makes, and the same input started again.

use crate::support::{begin_and_kill_if_held, cut_over, leases_run_out, probes, recover, run, to};
use serde_json::json;

/// More calls than one run of `swap-route` makes.
const MANY: u32 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn swap_route_killed_at_any_call_is_finished_by_the_same_input() {
    let lab = cut_over().await;
    let mut site = "nc2-tokyo";
    for call in 0..MANY {
        site = if site == "nc2-tokyo" { "nc2-osaka" } else { "nc2-tokyo" };
        recover(&lab).await;
        let when = if call % 2 == 0 { "before" } else { "after" };
        let hold = json!({"match": {"source": "aws", "function": "holdfast-swap-route"}, "skip": call, "when": when});
        let Some(_) = begin_and_kill_if_held(&lab, &to(site), hold).await else {
            assert!(call > 20, "only {call} calls were killed");
            return;
        };
        for probe in probes(&lab).await {
            let text = probe.to_string().to_lowercase();
            assert!(!text.contains("loop") && !text.contains("blackhole"), "call {call} {when}: {probe}");
        }
        let again = run(&lab, "failover", to(site)).await;
        assert!(again.succeeded(), "call {call} {when}: {}", again.words());
        let place = site.replace("nc2", "pc");
        for probe in probes(&lab).await {
            assert!(probe.to_string().contains(&place), "call {call} {when}, to {site}: {probe}");
        }
        leases_run_out(&lab).await;
    }
    panic!("`swap-route` makes more than {MANY} calls");
}
