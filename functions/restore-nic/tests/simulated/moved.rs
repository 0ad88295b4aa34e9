//! Machines whose VMs have other ids since, by failovers there and back.

use holdfast_model::{Event, FaultName};
use holdfast_nutanix::Vm;
use serde_json::json;

use crate::world::Scene;

/// What `web-1` is at Osaka, and at Tokyo when it is back; and another VM of its name.
const OSAKA: &str = "99999999-0000-4000-8000-000000000002";
const BACK: &str = "99999999-0000-4000-8000-000000000003";
const STRANGER: &str = "99999999-0000-4000-8000-000000000004";

fn failover(to: &str, source: &str, vm: &str) -> Event {
    serde_json::from_value(json!({"schema_version": 1, "id": format!("failover-{to}"),
        "job": {"kind": "failover", "prism_central": "pc", "job": BACK, "name": format!("to {to}"), "action": "unplanned"},
        "ending": "finished", "networks": ["app"], "to": to, "found_at": "2026-01-02T03:04:05Z", "summary": "",
        "machines": {"web-1": {"source": source, "vm": vm}, "app-1": {}}}))
    .unwrap()
}

/// `web-1`, cut over by Move, and in the same cluster a VM with the id that it has when it is back, and a stranger of its name.
async fn moved(name: &str) -> (Scene, Vm) {
    let more = format!(
        "    vms:\n      - {{ name: {name}, id: {BACK}, nics: [{{ subnet: landing }}] }}\n      - {{ name: web-1, id: {STRANGER}, nics: [{{ subnet: landing }}] }}\n"
    );
    let mut scene = Scene::before_cutover(|world| world.replacen("    vms:\n", &more, 1)).await;
    let known = scene.prism().vms_named("web-1").await.unwrap();
    holdfast_sim::move_::cutover(&mut scene.sim.shared().world(), "move-1", "plan-1").unwrap();
    scene.hosts.truncate(1);
    let mut now = scene.prism().vms_named("web-1").await.unwrap();
    now.retain(|vm| known.iter().all(|known| known.id != vm.id));
    (scene, now.remove(0))
}

fn forget(scene: &Scene, id: &str) {
    let mut world = scene.sim.shared().world();
    world.prisms.get_mut("tokyo").unwrap().vms.retain(|vm, _| vm.to_string() != id);
}

#[tokio::test]
async fn a_machine_that_failed_over_and_back_is_the_vm_that_the_recovery_jobs_made_of_it() {
    let (mut scene, first) = moved("web-1").await;
    scene.failovers = vec![failover("nc2-osaka", first.id.as_str(), OSAKA), failover("nc2-tokyo", OSAKA, BACK)];
    forget(&scene, first.id.as_str());
    scene.start().await.unwrap();
    let vms = scene.prism().vms_named("web-1").await.unwrap();
    let address = |id: &str| vms.iter().find(|vm| vm.id.as_str() == id).unwrap().nics[0].primary();
    assert_eq!(address(BACK), Some("172.30.1.34".parse().unwrap()));
    assert_ne!(address(STRANGER), address(BACK));
    // Without them there are two of its name.
    scene.failovers.clear();
    assert_eq!(scene.start().await.unwrap_err().name, FaultName::VmAmbiguous);
}

#[tokio::test]
async fn where_the_recovery_jobs_and_what_is_there_do_not_agree_nothing_is_taken() {
    let there = |first: &Vm| failover("nc2-osaka", first.id.as_str(), OSAKA);
    let back = failover("nc2-tokyo", OSAKA, BACK);
    let refused = async |scene: &Scene, texts: &[&str]| {
        let fault = scene.start().await.unwrap_err();
        assert_eq!(fault.name, FaultName::VmAmbiguous, "{fault}");
        for text in texts {
            assert!(fault.message.contains(text), "{text}: {fault}");
        }
        assert!(!scene.changes().iter().any(|action| action.starts_with("vms.nics")), "{:?}", scene.changes());
    };
    let (mut scene, first) = moved("web-1").await;
    let id = first.id.as_str();
    scene.failovers = vec![there(&first), back.clone()];
    refused(&scene, &[&format!("there are `{id}` (web-1) and `{BACK}` (web-1)"), "by recovery job `to nc2-tokyo`"])
        .await;
    scene.failovers.truncate(1);
    refused(&scene, &[&format!("there is only `{id}`, which it was before it went to nc2-osaka"), "leave `move`"])
        .await;
    // As the mend says.
    forget(&scene, STRANGER);
    forget(&scene, BACK);
    scene.with_move = false;
    scene.start().await.unwrap();

    let (mut scene, first) = moved("web-1-test").await;
    scene.failovers = vec![there(&first), back];
    forget(&scene, first.id.as_str());
    refused(&scene, &["that one is named `web-1-test`"]).await;
}
