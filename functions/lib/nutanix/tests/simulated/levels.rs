//! Each level of v4, and v3: the same journeys, and the requests as a person compares them.

use futures::future::join_all;
use holdfast_model::Power;
use holdfast_nutanix::{CreateNic, NutanixError, Prism};
use holdfast_sim::faults::Effect;
use holdfast_sim::prism::reply::Request;

use crate::{inject, journey, limit, prism_of, start};

#[tokio::test]
async fn a_nic_is_changed_at_every_level() {
    let all = [("4.0.b1", false), ("4.0.b1", true), ("4.0", false), ("4.0", true), ("4.1", false), ("4.3", true)];
    join_all(all.map(async |(level, advertises)| {
        let head = format!("    username: admin\n    api_level: \"{level}\"\n    advertises_level: {advertises}\n");
        let sim = start(|world| world.replacen("    username: admin\n", &head, 1)).await;
        assert_eq!(journey(&prism_of(&sim)).await, 1, "level {level}, advertised {advertises}");
    }))
    .await;
}

/// The requests of one call, as a person compares them: what differs from run to run is left out.
fn shown(requests: Vec<Request>) -> String {
    let one = |request: Request| {
        let mut text = format!("{} {}", request.method, request.target);
        let scheme =
            request.authorization.as_deref().and_then(|a| a.split_once(' ')).map_or("none", |(scheme, _)| scheme);
        text += &format!("\n  Authorization: {scheme}");
        let id = request.request_id.filter(|id| uuid::Uuid::parse_str(id).is_ok());
        text += if id.is_some() { "\n  NTNX-Request-Id: a UUID" } else { "\n  no NTNX-Request-Id" };
        if request.if_match.is_some() {
            text += "\n  If-Match: of the VM";
        }
        match serde_json::from_slice::<serde_json::Value>(&request.body) {
            Ok(body) => text += &format!("\n  {body}"),
            Err(_) => assert!(request.body.is_empty(), "{text}"),
        }
        text
    };
    requests.into_iter().map(one).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn each_level_is_asked_as_its_documentation_says() {
    for level in ["4.0.b1", "4.0", "4.1", "4.4"] {
        let sim = start(|world| {
            let head = format!("    username: admin\n    api_level: \"{level}\"\n");
            let world = world.replacen("    username: admin\n", &head, 1);
            world.replacen("task_queued_reads: 0", "address_lag_reads: 0, task_queued_reads: 0", 1)
        })
        .await;
        let recorded = || {
            let mut world = sim.shared().world();
            let prism = world.prisms.get_mut("tokyo").unwrap();
            shown(prism.recorded.replace(Vec::new()).unwrap_or_default())
        };
        recorded();
        let prism = prism_of(&sim);
        let mut golden = String::new();
        macro_rules! call {
            ($what:literal, $call:expr) => {{
                let result = $call.await.unwrap();
                golden += &format!("# {}\n{}\n\n", $what, recorded());
                result
            }};
        }
        let vm = call!("VMs by name", prism.vms_named("app-1")).remove(0);
        call!("clusters by name", prism.clusters_named("cluster-1"));
        let vpc = call!("VPCs by name", prism.vpcs_named("prod")).remove(0);
        let app = call!("subnets by name", prism.subnets_named("app")).remove(0).id;
        call!("ways out of a VPC", prism.external_subnets(&vpc));
        call!("who is on a subnet", prism.vnics(&app));
        call!("reserved addresses", prism.reserved_ips(&app));
        let nic = &vm.nics[0].id;
        let address = |last: u8| std::net::Ipv4Addr::new(172, 30, 1, last);
        call!("NIC to another subnet", prism.migrate_nic(&vm.id, nic, &app, address(35), &limit()));
        call!("address taken away", prism.release_ip(&vm.id, nic, &limit()));
        call!("address given", prism.assign_ip(&vm.id, nic, address(36), &limit()));
        call!("secondary addresses given", prism.set_secondary(&vm.id, nic, &[address(46), address(47)], &limit()));
        call!("link down", prism.set_link(&vm.id, nic, false, &limit()));
        let seen = call!("a VM", prism.vm(&vm.id)).vm.nics.remove(0);
        assert_eq!(seen.configured, [36, 46, 47].map(address), "{level}");
        let again = CreateNic { secondary: vec![address(48)], ..seen.again(&app, Some(address(37))).unwrap() };
        call!("NIC deleted", prism.delete_nic(&vm.id, nic, &limit()));
        call!("NIC created", prism.create_nic(&vm.id, &again, &[], &limit()));
        call!("reboot", prism.reboot(&vm.id, &limit()));
        let at = "2027-01-15T08:00:00Z".parse().unwrap();
        holdfast_sim::prism::failover(&mut sim.shared().world(), "dr", false, at).unwrap();
        let plan = call!("recovery plans", prism.recovery_plans()).remove(0);
        let job = call!("recovery jobs", prism.recovery_jobs(at)).remove(0);
        call!("VMs of a recovery job", prism.recovered_entities(&job.id));
        holdfast_sim::prism::failover(&mut sim.shared().world(), "dr", true, at).unwrap();
        let test = call!("test of a recovery plan", prism.start_test(&plan, "drill", &limit()));
        prism.recovery_jobs(at).await.unwrap();
        prism.recovery_jobs(at).await.unwrap();
        prism.recovery_jobs(at).await.unwrap();
        recorded();
        call!("test cleaned up", prism.clean_up_test(&plan.id, &test, &limit()));
        insta::assert_snapshot!(format!("requests_of_v{level}"), golden);
    }
}

#[tokio::test]
async fn lists_are_read_whole_and_by_exact_name_at_every_level() {
    join_all(["4.0.a1", "4.0.b1", "4.0", "4.3"].map(lists_are_read_whole)).await;
}

async fn lists_are_read_whole(level: &str) {
    let sim = start(|world| {
        let world =
            world.replacen("    username: admin\n", &format!("    username: admin\n    api_level: \"{level}\"\n"), 1);
        let many: String = (0..230).map(|i| format!("      - {{ name: x{i}, nics: [{{ subnet: app }}] }}\n")).collect();
        world
            .replacen(
                "172.30.1.0/24, pools: [{ first: 172.30.1.100, last: 172.30.1.199 }]",
                "172.30.0.0/20, pools: [{ first: 172.30.2.1, last: 172.30.5.199 }]",
                1,
            )
            .replacen("recovery_plans:\n", &format!("{many}recovery_plans:\n"), 1)
    })
    .await;
    let prism = prism_of(&sim);
    assert_eq!(prism.vms_named("o'brien").await.unwrap()[0].power, Power::Off);
    assert!(prism.vms_named("nobody").await.unwrap().is_empty());
    let app = prism.subnets_named("app").await.unwrap().remove(0);
    let vnics = prism.vnics(&app.id).await.unwrap();
    assert_eq!(vnics.len(), 230, "{level}");
    assert!(vnics.iter().all(|vnic| vnic.vm.is_some() && vnic.assigned.len() == 1), "{level}");
    assert_eq!(prism.reserved_ips(&app.id).await.unwrap()[0].address.to_string(), "172.30.1.50");
    let vpc = prism.vpcs_named("prod").await.unwrap().remove(0);
    assert_eq!(app.vpc, Some(vpc.id.clone()));
    assert_eq!(vpc.routable[0].to_string(), "172.30.0.0/16");
    let outside = prism.external_subnets(&vpc).await.unwrap();
    assert!(outside[0].external && !outside[0].nat);
    assert_eq!(prism.clusters_named("cluster-1").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_level_with_which_nothing_can_be_done_is_refused_with_the_mend() {
    for (advertises, found) in [(true, "v4.0.a1"), (false, "no v4")] {
        let head = format!(
            "    username: admin\n    api_level: \"4.0.a1\"\n    serves_v3: false\n    advertises_level: {advertises}\n"
        );
        let sim = start(|world| world.replacen("    username: admin\n", &head, 1)).await;
        let error = prism_of(&sim).vms_named("app-1").await.unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(&format!("speaks {found} and no v3 of `vmm`")) && said.contains("update Prism Central"),
            "{said}"
        );
    }
}

/// Takes the NIC of `app-1` down, deletes it, creates it on the subnet `app`, and reboots: all that v3 can do.
async fn journey_by_v3(prism: &Prism) {
    let vm = prism.vms_named("app-1").await.unwrap().remove(0);
    let app = prism.subnets_named("app").await.unwrap().remove(0).id;
    let (nic, address) = (vm.nics[0].id.clone(), "172.30.1.37".parse().unwrap());
    let lacking = prism.migrate_nic(&vm.id, &nic, &app, address, &limit()).await.unwrap_err();
    assert!(matches!(lacking, NutanixError::NoAction { .. }) && lacking.refused(), "{lacking}");
    for connected in [false, true, true] {
        prism.set_link(&vm.id, &nic, connected, &limit()).await.unwrap();
        assert_eq!(prism.vm(&vm.id).await.unwrap().vm.nics[0].connected, connected);
    }
    let again = vm.nics[0].again(&app, Some(address)).unwrap();
    prism.delete_nic(&vm.id, &nic, &limit()).await.unwrap();
    assert!(prism.vm(&vm.id).await.unwrap().vm.nics.is_empty());
    let gone = prism.delete_nic(&vm.id, &nic, &limit()).await.unwrap_err();
    assert!(matches!(gone, NutanixError::NotFound { .. }), "{gone}");
    let made = prism.create_nic(&vm.id, &again, &[], &limit()).await.unwrap();
    assert_eq!((made.mac, made.subnet), (Some(again.mac.clone()), Some(app)));
    prism.create_nic(&vm.id, &again, &[], &limit()).await.unwrap();
    prism.reboot(&vm.id, &limit()).await.unwrap();
    let mut seen = prism.vm(&vm.id).await.unwrap().vm;
    for _ in 0..10 {
        if !seen.nics[0].learned.is_empty() {
            break;
        }
        seen = prism.vm(&vm.id).await.unwrap().vm;
    }
    assert_eq!((seen.nics.len(), &seen.nics[0].configured, &seen.nics[0].learned), (1, &vec![address], &vec![address]));
}

const V3_ONLY: &str = "    username: admin\n    api_level: \"4.0.a1\"\n";

/// The journey by v3 under some switches; all its requests.
async fn asked_by_v3(switches: serde_json::Value) -> String {
    let sim = start(|world| world.replacen("    username: admin\n", V3_ONLY, 1)).await;
    {
        let mut world = sim.shared().world();
        let mut all = serde_json::to_value(&world.switches.prism).unwrap();
        all.as_object_mut().unwrap().extend(switches.as_object().unwrap().clone());
        world.switches.prism = serde_json::from_value(all).unwrap();
    }
    let recorded = || sim.shared().world().prisms.get_mut("tokyo").unwrap().recorded.replace(Vec::new());
    recorded();
    journey_by_v3(&prism_of(&sim)).await;
    shown(recorded().unwrap())
}

#[tokio::test]
async fn where_v4_is_missing_v3_is_asked() {
    let (golden, ..) = tokio::join!(
        asked_by_v3(serde_json::json!({})),
        asked_by_v3(serde_json::json!({"etag_drift_every": 3})),
        asked_by_v3(serde_json::json!({"etag_races": 2})),
        asked_by_v3(serde_json::json!({"task_queued_reads": 1, "task_running_reads": 0})),
    );
    insta::assert_snapshot!("requests_of_v3", golden);
}

#[tokio::test]
async fn by_v3_a_lost_reply_makes_no_second_nic_and_loses_none() {
    join_all([Effect::DropReply, Effect::DropRequest, Effect::Throttle].map(async |fault| {
        let sim = start(|world| world.replacen("    username: admin\n", V3_ONLY, 1)).await;
        let prism = prism_of(&sim);
        let vm = prism.vms_named("app-1").await.unwrap().remove(0);
        let again = vm.nics[0].again(vm.nics[0].subnet.as_ref().unwrap(), None).unwrap();
        let nic = prism.vm(&vm.id).await.unwrap().vm.nics[0].id.clone();
        for action in ["v3.vms.list", "v3.vms.get", "v3.tasks.get"] {
            inject(&sim, action, 1, fault.clone());
        }
        prism.vms_named("app-1").await.unwrap();
        prism.delete_nic(&vm.id, &nic, &limit()).await.unwrap();
        inject(&sim, "v3.vms.update", 1, fault.clone());
        // A reply that was lost leaves the outcome open: whoever asked looks, and asks for the same again.
        if let Err(error) = prism.create_nic(&vm.id, &again, &[], &limit()).await {
            assert!(matches!(error, NutanixError::Unreachable { .. }), "{error}");
            prism.create_nic(&vm.id, &again, &[], &limit()).await.unwrap();
        }
        assert_eq!(prism.vm(&vm.id).await.unwrap().vm.nics.len(), 1, "{fault:?}");
        assert!(sim.shared().gate().faults().iter().all(|rule| rule.struck == 1), "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_action_that_nics_do_not_have_is_told_from_a_nic_that_is_not_there() {
    let sim = start(|world| world).await;
    let prism = prism_of(&sim);
    let vm = prism.vms_named("app-1").await.unwrap().remove(0);
    let (nic, address) = (vm.nics[0].id.clone(), "172.31.99.20".parse().unwrap());
    sim.shared().world().switches.prism.nic_actions = false;
    let lacking = prism.assign_ip(&vm.id, &nic, address, &limit()).await.unwrap_err();
    assert!(matches!(lacking, NutanixError::NoAction { .. }) && lacking.refused(), "{lacking}");
    assert!(lacking.to_string().contains("has no action `assign-ip` of NICs at v4.1"), "{lacking}");
    sim.shared().world().switches.prism.nic_actions = true;
    let gone = prism.assign_ip(&vm.id, &vm.id, address, &limit()).await.unwrap_err();
    assert!(matches!(gone, NutanixError::NotFound { .. }), "{gone}");
}
