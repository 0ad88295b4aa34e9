//! VMs of test cutovers of Move, which run beside the machines that they are copies of.

use holdfast_model::FaultName;
use holdfast_sim::move_::{self, TestAction, TestAtCutover, TestName, TestState};

use crate::world::Scene;

/// Two migration plans with `web-1`.
fn twice(world: String) -> String {
    let again = "moves:\n  move-1:\n    username: nutanix\n    password: secret\n    plans:\n      - name: rehearsal\n        region: ap-northeast-1\n        prism_central: tokyo\n        network: landing\n        test_network: app\n        workloads: [{ instance: web-1 }]\n";
    world.replacen("moves:\n  move-1:\n    username: nutanix\n    password: secret\n    plans:\n", again, 1)
}

/// Makes or ends the test cutover of a machine, as a person does in Move.
fn test(scene: &Scene, plan: &str, machine: &str, action: TestAction) {
    let mut world = scene.sim.shared().world();
    let plan = world.moves["move-1"].plan(plan).unwrap();
    let (plan, workload) = (plan.uuid, plan.workloads.iter().find(|w| w.name == machine).unwrap().uuid);
    move_::test_workload(&mut world, "move-1", plan, workload, action).unwrap();
}

fn cut_over(scene: &Scene) {
    move_::cutover(&mut scene.sim.shared().world(), "move-1", "plan-1").unwrap();
}

/// The VM of a machine's test.
fn test_vm(scene: &Scene, plan: &str) -> String {
    let world = scene.sim.shared().world();
    world.moves["move-1"].plan(plan).unwrap().workloads[0].test_vm.unwrap().to_string()
}

/// What a VM has, by its id.
fn nics(scene: &Scene, vm: &str) -> String {
    let world = scene.sim.shared().world();
    let vm = world.prisms["tokyo"].vms.values().find(|one| one.ext_id.to_string() == vm).unwrap();
    let shown = |nic: &holdfast_sim::prism::state::Nic| {
        format!("{} {} {:?} {:?}", nic.ext_id, nic.subnet, nic.address, nic.shape)
    };
    format!("{} {:?}", vm.name, vm.nics.iter().map(shown).collect::<Vec<_>>())
}

fn all_ways() -> Vec<(TestState, TestName, bool)> {
    let mut all = Vec::new();
    for state in [TestState::Named, TestState::Waiting, TestState::Completed] {
        for name in [TestName::Same, TestName::Suffixed] {
            all.extend([(state, name, true), (state, name, false)]);
        }
    }
    all
}

/// The scene before its cutover, and `web-1` tested.
async fn tested(plan: &str, (state, name, linked): (TestState, TestName, bool)) -> (Scene, String) {
    let scene = Scene::before_cutover(twice).await;
    {
        let switches = &mut scene.sim.shared().world().switches.move_;
        (switches.test_state, switches.test_name, switches.test_linked) = (state, name, linked);
    }
    test(&scene, plan, "web-1", TestAction::Test);
    let vm = test_vm(&scene, plan);
    (scene, vm)
}

#[tokio::test]
async fn the_vm_of_a_test_cutover_is_not_taken_and_the_real_one_beside_it_is() {
    futures::future::join_all(all_ways().into_iter().map(async |way| {
        let what = format!("{way:?}");
        let (mut scene, vm) = tested("plan-1", way).await;
        scene.hosts.truncate(1);
        let before = nics(&scene, &vm);
        let fault = scene.start().await.unwrap_err();
        assert_eq!(fault.name, FaultName::VmNotFound, "{what}: {fault}");
        assert!(fault.message.contains("web-1: Move has not cut over `web-1` (plan `"), "{what}: {fault}");
        assert_eq!((scene.changes(), nics(&scene, &vm)), (vec![], before.clone()), "{what}");
        cut_over(&scene);
        scene.start().await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        assert_eq!(nics(&scene, &vm), before, "{what}");
        let world = scene.sim.shared().world().clone();
        let real = world.moves["move-1"].plan("plan-1").unwrap().workloads[0].vm.unwrap();
        assert_eq!(world.prisms["tokyo"].vms[&real].nics[0].address, Some("172.30.1.34".parse().unwrap()), "{what}");
    }))
    .await;
}

#[tokio::test]
async fn the_test_of_another_migration_plan_is_not_taken_and_counts_for_nothing_once_there_is_the_real_vm() {
    for way in [(TestState::Named, TestName::Same, true), (TestState::Completed, TestName::Same, true)] {
        let (mut scene, vm) = tested("rehearsal", way).await;
        scene.hosts.truncate(1);
        let before = nics(&scene, &vm);
        assert_eq!(scene.start().await.unwrap_err().name, FaultName::VmNotFound, "{way:?}");
        cut_over(&scene);
        scene.start().await.unwrap();
        assert_eq!(nics(&scene, &vm), before, "{way:?}");
    }
}

#[tokio::test]
async fn by_name_a_vm_that_move_calls_a_test_is_passed_over_and_one_that_nobody_calls_so_is_refused_with_all_candidates()
 {
    // Move knows the machine of the test by another instance, so that only its VM tells.
    let (mut scene, vm) = tested("rehearsal", (TestState::Named, TestName::Same, true)).await;
    scene.hosts.truncate(1);
    scene.hosts[0].instance = "i-0123456789abcdef0".parse().unwrap();
    let before = nics(&scene, &vm);
    let fault = scene.start().await.unwrap_err();
    let told = fault.message.contains(&format!("VM `{vm}` is of a test cutover of Move"));
    assert!(fault.name == FaultName::VmNotFound && told, "{fault}");
    cut_over(&scene);
    scene.start().await.unwrap();
    assert_eq!(nics(&scene, &vm), before);

    // Without Move there are two of the name.
    let (mut scene, vm) = tested("rehearsal", (TestState::Named, TestName::Same, true)).await;
    scene.hosts.truncate(1);
    cut_over(&scene);
    scene.with_move = false;
    let fault = scene.start().await.unwrap_err();
    assert_eq!(fault.name, FaultName::VmAmbiguous, "{fault}");
    let real = scene.sim.shared().world().moves["move-1"].plan("plan-1").unwrap().workloads[0].vm.unwrap().to_string();
    assert!(fault.message.contains(&vm) && fault.message.contains(&real), "{fault}");
    assert_eq!((scene.changes(), nics(&scene, &vm)), (vec![], before));
}

#[tokio::test]
async fn a_test_that_was_undone_or_goes_away_with_the_cutover_leaves_the_real_vm() {
    for undone in [true, false] {
        let (mut scene, vm) = tested("plan-1", (TestState::Named, TestName::Same, true)).await;
        scene.hosts.truncate(1);
        if undone {
            test(&scene, "plan-1", "web-1", TestAction::Retest);
            assert_ne!(test_vm(&scene, "plan-1"), vm);
            test(&scene, "plan-1", "web-1", TestAction::Undo);
        } else {
            scene.sim.shared().world().switches.move_.test_at_cutover = TestAtCutover::Removed;
        }
        cut_over(&scene);
        assert_eq!(scene.sim.shared().world().prisms["tokyo"].vms.values().filter(|vm| vm.name == "web-1").count(), 1);
        scene.with_move = undone;
        scene.start().await.unwrap();
        scene.assert_right(if undone { "undone" } else { "removed" }).await;
    }
}
