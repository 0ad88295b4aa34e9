//! Garbage and calls that hang at every call of a start, and a new start.

use std::time::{Duration, Instant};

use futures::future::join_all;
use holdfast_model::FaultName;
use holdfast_model::wire::Progress;
use holdfast_nutanix::{TimeLimit, Timeouts};
use holdfast_sim::faults::{Effect, Garbage, Match, NewFault, When};
use serde_json::json;

use crate::world::Scene;

/// Every kind of call that a start makes, by source and action; those before the first change are first.
const CALLS: [(&str, &str); 16] = [
    ("prism", "info"),
    ("prism", "clusters.list"),
    ("move", "login"),
    ("move", "plans.list"),
    ("move", "workloads.list"),
    ("prism", "vms.get"),
    ("prism", "vpcs.list"),
    ("prism", "subnets.list"),
    ("prism", "subnets.get"),
    ("prism", "subnets.vnics.list"),
    ("prism", "subnets.reserved-ips.list"),
    ("prism", "vms.nics.migrate"),
    ("prism", "vms.nics.assign-ip"),
    ("prism", "vms.nics.release-ip"),
    ("prism", "vms.nics.update"),
    ("prism", "tasks.get"),
];

fn strike(scene: &Scene, source: &str, action: &str, effect: Effect) {
    let matching = Match { source: Some(source.into()), action: Some(action.into()), ..Match::default() };
    scene.sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: None, effect });
}

fn struck(scene: &Scene) -> u64 {
    scene.sim.shared().gate().faults().iter().map(|fault| fault.struck).sum()
}

#[tokio::test]
async fn garbage_at_any_call_is_named_or_seen_through_and_the_next_start_ends_right() {
    let forms = [Garbage::Html, Garbage::Truncated, Garbage::WrongTypes];
    let all = CALLS.into_iter().enumerate();
    join_all(all.map(async |(n, (source, action))| {
        let when = if n % 2 == 0 { When::Before } else { When::After };
        let form = forms[n % forms.len()];
        let what = format!("{form:?} {when:?} {action}");
        let mut scene = Scene::after_cutover(|world| world).await;
        scene.switch(&json!({"learned_lag_reads": 0}));
        scene.timeouts.until = Some(TimeLimit::after(Duration::from_secs(5)));
        strike(&scene, source, action, Effect::Garbage { form, when });
        let ended = scene.start().await;
        assert!(struck(&scene) > 0, "{what}");
        scene.sim.shared().gate().clear_faults();
        scene.timeouts.until = None;
        match ended {
            Ok(restored) if restored.result == Progress::Done => scene.assert_right(&what).await,
            // It was asked again and again until the time was over.
            Ok(_) => {}
            Err(fault) => {
                assert!(fault.message.contains("answers with something unexpected"), "{what}: {fault}");
                let names = [FaultName::Unavailable, FaultName::RestoreIncomplete];
                assert!(names.contains(&fault.name), "{what}: {} {fault}", fault.name.name());
            }
        }
        scene.start().await.unwrap_or_else(|fault| panic!("after {what}: {fault}"));
        scene.assert_right(&what).await;
    }))
    .await;
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_in_time_and_the_next_start_ends_right() {
    join_all(CALLS.map(async |(source, action)| {
        let mut scene = Scene::after_cutover(|world| world).await;
        scene.switch(&json!({"learned_lag_reads": 0}));
        scene.timeouts = Timeouts { until: Some(TimeLimit::after(Duration::from_secs(6))), ..scene.timeouts };
        strike(&scene, source, action, Effect::Hang { when: When::After });
        let begun = Instant::now();
        let ended = scene.start().await;
        assert!(begun.elapsed() < Duration::from_secs(25), "{action}: {:?}", begun.elapsed());
        assert!(struck(&scene) > 0, "{action}");
        match ended {
            Ok(restored) => assert_eq!(restored.result, Progress::Continue, "{action}"),
            Err(fault) => {
                assert_eq!(fault.name, FaultName::Unavailable, "{action}: {fault}");
                assert!(fault.message.contains("does not answer, asked for"), "{action}: {fault}");
            }
        }
        scene.sim.shared().gate().clear_faults();
        scene.timeouts.until = None;
        scene.start().await.unwrap_or_else(|fault| panic!("after {action} hung: {fault}"));
        scene.assert_right(action).await;
    }))
    .await;
}
