//! Recovery jobs, in one form whichever API tells of them.

use holdfast_model::ExtId;
use holdfast_nutanix::{Fate, NutanixError, Prism, RecoveredEntity, RecoveryAction, RecoveryState, Toward};
use holdfast_sim::Sim;
use holdfast_sim::faults::Effect;
use holdfast_sim::prism::recovery::run::End;
use holdfast_sim::prism::recovery::{Kind, Order, Step, Until, start, step};
use holdfast_sim::prism::switches::{JobOrder, Switches};
use jiff::{SignedDuration, Timestamp};

use crate::{inject, limit, prism_named, prism_of};

/// Every way to read recovery jobs: by v3, and by v4 that keeps their order, ignores it, refuses it, and does not tell its level.
const WAYS: [(&str, JobOrder); 5] = [
    ("4.1", JobOrder::Kept),
    ("4.4", JobOrder::Kept),
    ("4.4", JobOrder::Ignored),
    ("4.2", JobOrder::Refused),
    ("4.3\"\n    advertises_level: false #", JobOrder::Kept),
];

async fn at(level: &str, turn: impl FnOnce(&mut Switches)) -> Sim {
    let head = format!("    username: admin\n    api_level: \"{level}\"\n");
    let sim = crate::start(|world| world.replacen("    username: admin\n", &head, 1)).await;
    turn(&mut sim.shared().world().switches.prism);
    sim
}

/// The moment so many minutes after the first.
fn minute(count: i64) -> Timestamp {
    "2027-01-15T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(count)
}

fn run(sim: &Sim, kind: Kind, change: impl FnOnce(&mut Order), now: Timestamp) -> serde_json::Value {
    let mut order = Order::of(kind);
    change(&mut order);
    start(&mut sim.shared().world(), "dr", &order, now).unwrap()
}

async fn entities(prism: &Prism, report: &serde_json::Value) -> Vec<RecoveredEntity> {
    let mut all = prism.recovered_entities(&id(&report["job"])).await.unwrap();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn id(value: &serde_json::Value) -> ExtId {
    ExtId::parse(value.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn jobs_are_told_newest_first_with_what_they_were_for_and_how_they_ended() {
    for (level, order) in WAYS {
        let sim = at(level, |switches| switches.job_order = order).await;
        let prism = prism_of(&sim);
        assert!(prism.recovery_jobs(minute(0)).await.unwrap().is_empty(), "{level}");
        run(&sim, Kind::Validate, |_| {}, minute(0));
        run(&sim, Kind::Test, |order| order.warning = true, minute(1));
        run(&sim, Kind::Unplanned, |_| {}, minute(2));
        run(&sim, Kind::Planned, |_| {}, minute(3));
        run(&sim, Kind::Live, |order| order.fail = vec!["dr-2".into()], minute(4));
        run(&sim, Kind::Planned, |order| order.until = Until::Running, minute(5));
        step(&mut sim.shared().world(), "dr", &Step { end: Some(End::Aborted), ..Step::default() }, minute(6)).unwrap();
        run(&sim, Kind::Planned, |order| order.until = Until::Running, minute(7));

        let plans = prism.recovery_plans().await.unwrap();
        assert_eq!((plans.len(), plans[0].name.as_str()), (1, "dr"), "{level}");
        let jobs = prism.recovery_jobs(minute(0)).await.unwrap();
        let told: Vec<_> =
            jobs.iter().map(|job| (job.action.clone(), job.state.clone(), job.started, job.ended)).collect();
        let (planned, some) = (RecoveryAction::Planned, |count| Some(minute(count)));
        let wanted = [
            (planned.clone(), RecoveryState::Unfinished("RUNNING".into()), some(7), None),
            (planned, RecoveryState::Aborted, some(5), some(6)),
            (RecoveryAction::Live, RecoveryState::Failed, some(4), some(4)),
            (RecoveryAction::Unplanned, RecoveryState::Succeeded, some(2), some(2)),
            (RecoveryAction::TestFailover, RecoveryState::Warned, some(1), some(1)),
            (RecoveryAction::Validate, RecoveryState::Succeeded, some(0), some(0)),
        ];
        assert_eq!(told, wanted, "{level}");
        assert!(
            jobs.iter().all(|job| job.plan.as_ref() == Some(&plans[0].id) && job.toward == Toward::Here),
            "{level}"
        );
        assert_eq!(prism.recovery_jobs(minute(4)).await.unwrap().len(), 3, "{level}");

        let back = prism_named(&sim, "osaka").recovery_jobs(minute(0)).await.unwrap();
        assert_eq!((back.len(), &back[0].action, back[0].toward), (1, &RecoveryAction::Planned, Toward::Here));
        sim.shared().world().switches.prism.jobs_on_both_sides = true;
        let all = prism.recovery_jobs(minute(3)).await.unwrap();
        let back = all.iter().find(|job| job.started == some(3)).unwrap();
        assert_eq!((all.len(), back.toward), (4, Toward::Elsewhere), "{level}");
    }
}

#[tokio::test]
async fn a_job_tells_what_became_of_each_vm_while_it_runs_and_after() {
    for (level, _) in WAYS {
        let sim = at(level, |_| {}).await;
        let prism = prism_of(&sim);
        let begun = run(&sim, Kind::Unplanned, |order| order.until = Until::Running, minute(0));
        let told = entities(&prism, &begun).await;
        let names: Vec<_> = told.iter().map(|it| it.name.as_deref().unwrap()).collect();
        assert_eq!((names, &told[0].fate, &told[1].fate), (vec!["dr-1", "dr-2"], &Fate::Pending, &Fate::Pending));
        let next = Step { recover: vec!["dr-1".into()], fail: vec!["dr-2".into()], end: None };
        let report = step(&mut sim.shared().world(), "dr", &next, minute(1)).unwrap();
        for end in [None, Some(End::Finished)] {
            if end.is_some() {
                step(&mut sim.shared().world(), "dr", &Step { end, ..Step::default() }, minute(2)).unwrap();
            }
            let told = entities(&prism, &begun).await;
            let vm = prism.vms_named("dr-1").await.unwrap().remove(0).id;
            assert_eq!(told[0].source, id(&report["vms"][0]["source_ext_id"]), "{level}");
            assert_eq!((told.len(), &told[0].fate), (2, &Fate::Recovered(vm)), "{level}");
            let Fate::Failed { vm: None, why } = &told[1].fate else { panic!("{level}: {:?}", told[1]) };
            assert!(why.contains("VM dr-2 could not be recovered"), "{why}");
        }
        let unknown = ExtId::parse("11111111-1111-4111-8111-111111111111").unwrap();
        let missing = prism.recovered_entities(&unknown).await.unwrap_err();
        assert!(matches!(missing, NutanixError::NotFound { .. }), "{level}: {missing}");
    }
}

#[tokio::test]
async fn long_lists_are_read_whole_or_down_to_the_moment_that_was_asked_for() {
    let ways = [
        ("4.4", JobOrder::Kept, 0, 250, 2),
        ("4.4", JobOrder::Ignored, -150, 250, 3),
        ("4.4", JobOrder::Refused, 150, 250, 4),
        ("4.1", JobOrder::Kept, -150, 620, 2),
        ("4.1", JobOrder::Kept, 150, 620, 3),
    ];
    for (level, order, total_error, jobs, calls) in ways {
        let way = format!("{level} {order:?} {total_error}");
        let sim = at(level, |switches| (switches.job_order, switches.total_error) = (order, total_error)).await;
        for count in 0..jobs {
            run(&sim, Kind::Validate, |_| {}, minute(count));
        }
        let prism = prism_of(&sim);
        assert_eq!(prism.recovery_jobs(minute(0)).await.unwrap().len(), usize::try_from(jobs).unwrap(), "{way}");
        sim.shared().gate().log().clear();
        let found = prism.recovery_jobs(minute(jobs - 120)).await.unwrap();
        assert_eq!((found.len(), found[0].started), (120, Some(minute(jobs - 1))), "{way}");
        assert_eq!(sim.shared().gate().log().since(0).len(), calls, "{way}");
    }
}

#[tokio::test]
async fn a_test_is_started_followed_and_cleaned_up_and_its_copies_are_told_from_what_moved() {
    for (level, _) in WAYS {
        let sim = at(level, |_| {}).await;
        let prism = prism_of(&sim);
        let plan = prism.recovery_plans().await.unwrap().remove(0);
        let job = prism.start_test(&plan, "holdfast-drill-1", &limit()).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..10 {
            let found = prism.recovery_jobs(Timestamp::UNIX_EPOCH).await.unwrap().remove(0);
            assert_eq!(
                (&found.id, found.name.as_str(), found.action.moves()),
                (&job, "holdfast-drill-1", false),
                "{level}"
            );
            seen.push(found.state);
        }
        assert!(matches!(seen.first(), Some(RecoveryState::Unfinished(_))), "{level}: {seen:?}");
        assert_eq!(seen.last(), Some(&RecoveryState::Succeeded), "{level}");
        let copies = prism.recovered_entities(&job).await.unwrap();
        assert!(
            copies.iter().all(|copy| matches!(&copy.fate, Fate::Recovered(vm) if *vm != copy.source)),
            "{copies:?}"
        );
        assert_eq!(prism.vms_named("dr-1").await.unwrap().len(), 1);
        prism.clean_up_test(&plan.id, &job, &limit()).await.unwrap();
        assert!(prism.vms_named("dr-1").await.unwrap().is_empty(), "{level}");
        assert_eq!(prism_named(&sim, "osaka").vms_named("dr-1").await.unwrap().len(), 1);
        let nothing = prism.clean_up_test(&plan.id, &job, &limit()).await.unwrap_err();
        assert!(matches!(nothing, NutanixError::TaskFailed { .. }), "{level}: {nothing}");
    }
}

#[tokio::test]
async fn a_lost_reply_starts_no_second_test_and_hides_none() {
    for (level, action) in [("4.1", "v3.recovery-plan-jobs.create"), ("4.4", "recovery-plans.test-failover")] {
        for fault in [Effect::DropReply, Effect::DropRequest] {
            let sim = at(level, |_| {}).await;
            let prism = prism_of(&sim);
            let plan = prism.recovery_plans().await.unwrap().remove(0);
            inject(&sim, action, 1, fault.clone());
            let job = prism.start_test(&plan, "drill-1", &limit()).await.unwrap();
            let jobs = prism.recovery_jobs(Timestamp::UNIX_EPOCH).await.unwrap();
            assert_eq!((jobs.len(), &jobs[0].id), (1, &job), "{level} {fault:?}");
            assert_eq!(sim.shared().gate().faults()[0].struck, 1, "{level} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_test_that_cannot_be_says_why_and_a_plan_of_others_is_refused() {
    for level in ["4.1", "4.4"] {
        let sim = at(level, |_| {}).await;
        let prism = prism_of(&sim);
        let mut plan = prism.recovery_plans().await.unwrap().remove(0);
        run(&sim, Kind::Planned, |order| order.until = Until::Running, minute(0));
        let busy = prism.start_test(&plan, "drill", &limit()).await.unwrap_err();
        assert!(
            matches!(busy, NutanixError::TaskFailed { .. }) && busy.to_string().contains("has not ended"),
            "{busy}"
        );
        plan.sides.pop();
        plan.sides.push("33333333-3333-4333-8333-333333333333".into());
        let foreign = prism.start_test(&plan, "drill", &limit()).await.unwrap_err();
        assert!(foreign.to_string().contains("not one of two sides"), "{foreign}");
    }
}

#[tokio::test]
async fn where_neither_family_has_recovery_plans_the_mend_is_told() {
    let sim = at("4.1\"\n    serves_v3: false #", |_| {}).await;
    let error = prism_of(&sim).recovery_jobs(minute(0)).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("speaks v4.1 and no v3 of `dataprotection`") && said.contains("pc.7.5"), "{said}");
}
