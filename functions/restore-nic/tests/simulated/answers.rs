//! Garbage and calls that hang at every call of a start, and a new start.

use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use holdfast_model::FaultName;
use holdfast_model::wire::Progress;
use holdfast_nutanix::TimeLimit;
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

fn strike(scene: &Scene, source: &str, action: &str, times: u64, effect: Effect) {
    let matching = Match { source: Some(source.into()), action: Some(action.into()), ..Match::default() };
    scene.sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: Some(times), effect });
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
        let scene = Scene::after_cutover(|world| world).await;
        scene.switch(&json!({"learned_lag_reads": 0}));
        strike(&scene, source, action, 2, Effect::Garbage { form, when });
        let ended = scene.start().await;
        assert!(struck(&scene) > 0, "{what}");
        scene.sim.shared().gate().clear_faults();
        match ended {
            Ok(_) => scene.assert_right(&what).await,
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

/// Some of the calls that come before the first change, the first and the last among them.
const READS: [usize; 5] = [0, 1, 3, 5, 10];

#[tokio::test]
async fn a_start_whose_time_ends_in_its_first_reads_goes_on_with_the_next() {
    let went_on = async |scene: &mut Scene, what: &str| {
        assert_eq!(scene.start().await.unwrap().result, Progress::Continue, "{what}");
        assert!(!scene.changes().iter().any(|action| action.starts_with("vms.nics")), "{what}: {:?}", scene.changes());
        scene.sim.shared().gate().clear_faults();
        scene.timeouts.until = None;
        assert_eq!(scene.start().await.unwrap().result, Progress::Done, "{what}");
        scene.assert_right(what).await;
    };
    let without_any = async {
        let mut scene = Scene::after_cutover(|world| world).await;
        scene.timeouts.until = Some(TimeLimit::after(Duration::ZERO));
        went_on(&mut scene, "no time at all").await;
    };
    let in_each = READS.map(async |n| {
        let (source, action) = CALLS[n];
        let mut scene = Scene::after_cutover(|world| world).await;
        strike(&scene, source, action, u64::MAX, Effect::Hang { when: When::Before });
        scene.timeouts.until = Some(TimeLimit::after(Duration::from_secs(2)));
        went_on(&mut scene, action).await;
    });
    join(without_any, join_all(in_each)).await;
}

/// As long as a call is waited for here: longer than any takes that is answered, on a busy machine too.
const REQUEST: Duration = Duration::from_secs(4);

/// Each call in a thread of its own: where all share one, a call that is answered waits for the others as long as one that is not.
#[test]
fn a_call_that_hangs_is_given_up_in_time_and_the_next_start_ends_right() {
    std::thread::scope(|threads| {
        for (source, action) in CALLS {
            threads.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(a_call_that_hangs(source, action));
            });
        }
    });
}

async fn a_call_that_hangs(source: &str, action: &str) {
    let mut scene = Scene::after_cutover(|world| world).await;
    scene.switch(&json!({"learned_lag_reads": 0}));
    scene.timeouts.request = REQUEST;
    // As often as a call is sent that nobody answers.
    strike(&scene, source, action, 3, Effect::Hang { when: When::After });
    let begun = Instant::now();
    let ended = scene.start().await;
    assert!(begun.elapsed() < Duration::from_secs(80), "{action}: {:?}", begun.elapsed());
    assert!(struck(&scene) > 0, "{action}: {ended:?}");
    scene.sim.shared().gate().clear_faults();
    match ended {
        Ok(_) => scene.assert_right(action).await,
        Err(fault) => {
            assert_eq!(fault.name, FaultName::Unavailable, "{action}: {fault}");
            assert!(fault.message.contains("does not answer, asked for"), "{action}: {fault}");
        }
    }
    scene.start().await.unwrap_or_else(|fault| panic!("after {action} hung: {fault}"));
    scene.assert_right(action).await;
}

#[tokio::test]
async fn a_change_that_hangs_until_the_time_is_over_goes_on_with_the_next_start() {
    let mut scene = Scene::after_cutover(|world| world).await;
    scene.timeouts.until = Some(TimeLimit::after(Duration::from_secs(15)));
    strike(&scene, "prism", "vms.nics.migrate", u64::MAX, Effect::Hang { when: When::Before });
    assert_eq!(scene.start().await.unwrap().result, Progress::Continue);
    scene.sim.shared().gate().clear_faults();
    scene.timeouts.until = None;
    scene.start().await.unwrap();
    scene.assert_right("when it goes on").await;
}
