//! The client against the simulated Systems Manager, over HTTP.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it says")]

use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_ssm::config::Credentials;
use holdfast_guest::{ACTIONS, Guest, GuestError, Ping, ProbeAnswer, ProbeRequest, Tags, Timing};
use holdfast_model::{Addressing, InstanceId, Platform};
use holdfast_sim::faults::{Effect, HoldRequest, HoldState, Match, NewFault, When};
use holdfast_sim::{Options, Sim, World, guests};
use serde_json::json;

const WORLD: &str = r#"
regions:
  ap-northeast-1:
    vpcs:
      - name: apps
        cidrs: [172.30.0.0/16]
        subnets: [{ name: app, cidr: 172.30.0.0/23 }]
        route_tables: [{ name: apps, main: true, routes: [{ prefix: 0.0.0.0/0, transit_gateway: tokyo }] }]
    instances:
      - { name: web-1, id: i-0000000a, platform: windows, interfaces: [{ subnet: app, address: 172.30.1.34 }] }
      - { name: app-1, id: i-0000000b, interfaces: [{ subnet: app, address: 172.30.1.35 }] }
      - { name: off-1, id: i-0000000c, stopped: true, interfaces: [{ subnet: app }] }
      - { name: bare-1, id: i-0000000d, interfaces: [{ subnet: app }], guest: { managed: false } }
    transit_gateways:
      - name: tokyo
        attachments:
          - { name: apps, kind: vpc, vpc: apps, subnets: [app] }
          - { name: site, kind: vpn, prefixes: [192.168.10.0/24] }
        route_tables: [{ name: main, associations: [apps, site], propagations: [apps, site] }]
on_premises:
  - { name: site, prefix: 192.168.10.0/24, region: ap-northeast-1, attachment: site, machine: mi-0000000e }
"#;

fn id(text: &str) -> InstanceId {
    InstanceId::parse(text).unwrap()
}

fn ids(texts: &[&str]) -> BTreeSet<InstanceId> {
    texts.iter().map(|text| id(text)).collect()
}

async fn client(sim: &Sim) -> Guest {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("ap-northeast-1"))
        .endpoint_url(sim.aws_endpoint())
        .credentials_provider(Credentials::new("111122223333", "any", None, None, "test"))
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(1))
        .load()
        .await;
    let quick = Duration::from_millis(2);
    Guest::new(&config).with_timing(Timing {
        deadline: Duration::from_secs(20),
        first_poll: quick,
        slowest_poll: quick,
    })
}

async fn start() -> (Sim, Guest) {
    start_with(World::from_yaml(WORLD).unwrap()).await
}

async fn start_with(world: World) -> (Sim, Guest) {
    let sim = Sim::start(world, Options::callers_here()).await.unwrap();
    let guest = client(&sim).await;
    (sim, guest)
}

/// Puts a fault on the next `times` calls of an action.
fn fault(sim: &Sim, action: &str, times: u64, effect: Effect) {
    let matching = Match { service: Some("ssm".into()), action: Some(action.into()), ..Match::default() };
    sim.shared().gate().add_fault(NewFault { matching, skip: 0, times: Some(times), effect });
}

#[tokio::test]
async fn captures_windows_and_linux_and_says_why_the_others_could_not_be_asked() {
    let (sim, guest) = start().await;
    let mut reports =
        guest.run_capture(&ids(&["i-0000000a", "i-0000000b", "i-0000000c", "i-0000000d", "i-00000000"]), None).await;
    let web = reports.remove(&id("i-0000000a")).unwrap().unwrap();
    assert_eq!(web.host_name, "WEB-1");
    assert_eq!(web.nics.first().unwrap().addressing, Addressing::Dhcp);
    let app = reports.remove(&id("i-0000000b")).unwrap().unwrap();
    assert_eq!(app.nics.first().unwrap().addresses.first().unwrap().address.to_string(), "172.30.1.35");
    assert!(matches!(reports.remove(&id("i-0000000c")), Some(Err(GuestError::Offline { .. }))));
    assert!(matches!(reports.remove(&id("i-0000000d")), Some(Err(GuestError::NotManaged { .. }))));
    assert!(matches!(reports.remove(&id("i-00000000")), Some(Err(GuestError::NotManaged { .. }))));
    for entry in sim.shared().gate().log().since(0) {
        assert!(ACTIONS.contains(&format!("ssm:{}", entry.action).as_str()), "{}", entry.action);
    }
}

#[tokio::test]
async fn platforms_and_pings_are_read() {
    let (_sim, guest) = start().await;
    let managed = guest.read_managed(&ids(&["i-0000000a", "i-0000000c", "mi-0000000e"])).await.unwrap();
    assert_eq!(managed.get(&id("i-0000000a")).unwrap().platform(), Some(Platform::Windows));
    assert_eq!(managed.get(&id("i-0000000c")).unwrap().ping, Ping::Offline("ConnectionLost".into()));
    assert_eq!(managed.get(&id("mi-0000000e")).unwrap().ping, Ping::Online);
    let activated = guest.read_activated().await.unwrap();
    let names: Vec<_> = activated.iter().map(|one| (one.id.as_str(), one.computer_name.as_str(), &one.ping)).collect();
    assert_eq!(names, [("mi-0000000e", "site-client", &Ping::Online)]);
    assert!(activated[0].is_named("SITE-CLIENT.corp.example") && !activated[0].is_named("site"));
}

#[tokio::test]
async fn probes_say_who_answers_and_who_does_not() {
    let (_sim, guest) = start().await;
    let targets = ["172.30.1.34", "172.30.1.99"].map(|text| text.parse().unwrap()).to_vec();
    let request = ProbeRequest { targets, count: 3, port: Some(443) };
    for (machine, platform) in [("mi-0000000e", None), ("mi-0000000e", Some(Platform::Linux)), ("i-0000000a", None)] {
        let results = guest.run_probe(&id(machine), platform, &request).await.unwrap();
        let received: Vec<bool> = results.iter().map(holdfast_guest::ProbeResult::answered).collect();
        assert_eq!(received, [true, false], "{machine} {platform:?}");
        assert!(results.iter().all(|one| matches!(one.answer, ProbeAnswer::Asked { sent: 3, .. })));
        assert!(results.first().unwrap().tcp.unwrap().connected);
    }
}

#[tokio::test]
async fn many_machines_are_asked_fifty_at_a_time() {
    let many: String = (0..120)
        .map(|n| format!("      - {{ name: m-{n}, id: i-{n:08}, interfaces: [{{ subnet: app }}] }}\n"))
        .collect();
    let yaml = WORLD.replace("    instances:\n", &format!("    instances:\n{many}"));
    let (sim, guest) = start_with(World::from_yaml(&yaml).unwrap()).await;
    let machines: BTreeSet<InstanceId> = (0..120).map(|n| id(&format!("i-{n:08}"))).collect();
    let reports = guest.run_capture(&machines, None).await;
    assert_eq!(reports.values().filter(|report| report.is_ok()).count(), 120);
    let log = sim.shared().gate().log().since(0);
    assert_eq!(log.iter().filter(|entry| entry.action == "SendCommand").count(), 3);
}

/// 60 machines with a tag, and one more of them when the command has been sent.
async fn tagged(change: impl Fn(String) -> String) -> (Sim, Guest, BTreeSet<InstanceId>, Tags) {
    let many: String = (0..60)
        .map(|n| {
            format!("      - {{ name: m-{n}, id: i-{n:08}, tags: {{ wave: '1' }}, interfaces: [{{ subnet: app }}] }}\n")
        })
        .collect();
    let yaml = change(WORLD.replace("    instances:\n", &format!("    instances:\n{many}")));
    let (sim, guest) = start_with(World::from_yaml(&yaml).unwrap()).await;
    let machines = (0..60).map(|n| id(&format!("i-{n:08}"))).collect();
    (sim, guest, machines, [("wave".to_owned(), "1".to_owned())].into())
}

/// What each command was sent to.
fn commands(sim: &Sim) -> Vec<(usize, serde_json::Value)> {
    let world = sim.shared().world();
    world.run_command.commands.values().map(|it| (it.instance_ids.len(), it.targets.clone())).collect()
}

#[tokio::test]
async fn machines_that_alone_carry_their_tags_are_asked_by_one_command() {
    let (sim, guest, machines, tags) = tagged(|world| world).await;
    let reports = guest.run_capture(&machines, Some(&tags)).await;
    assert!(reports.len() == 60 && reports.values().all(Result::is_ok));
    assert_eq!(commands(&sim), [(0, json!([{"Key": "tag:wave", "Values": ["1"]}]))]);
    let sent = sim.shared().world().run_command.commands.values().next().unwrap().throttles.clone();
    assert_eq!(sent, (Some("100%".to_owned()), Some("100%".to_owned())));
}

#[tokio::test]
async fn machines_are_asked_by_their_ids_where_anybody_else_carries_their_tags() {
    let others: [fn(String) -> String; 3] = [
        |world| world.replace("id: i-0000000b, ", "id: i-0000000b, tags: { wave: '1' }, "),
        // Off: it may be on by the time that the tags are resolved.
        |world| world.replace("id: i-0000000c, ", "id: i-0000000c, tags: { wave: '1' }, "),
        // One of them does not carry it.
        |world| world.replacen("tags: { wave: '1' }, ", "", 1),
    ];
    for change in others {
        let (sim, guest, machines, tags) = tagged(change).await;
        let reports = guest.run_capture(&machines, Some(&tags)).await;
        assert!(reports.len() == 60 && reports.values().all(Result::is_ok));
        let mut sizes: Vec<usize> = commands(&sim).into_iter().map(|(ids, _)| ids).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [10, 50]);
    }
    // Few are one command anyway, and no tag is every machine.
    let (sim, guest, machines, tags) = tagged(|world| world).await;
    let few = machines.iter().take(50).cloned().collect();
    guest.run_capture(&few, Some(&tags)).await;
    guest.run_capture(&machines, Some(&Tags::new())).await;
    assert!(commands(&sim).into_iter().all(|(ids, targets)| ids > 0 && targets == json!([])));
}

#[tokio::test]
async fn a_machine_that_is_tagged_while_the_command_is_sent_is_named_and_its_output_is_not_read() {
    let (sim, guest, machines, tags) = tagged(|world| world).await;
    let gate = sim.shared().gate();
    let matching = Match { service: Some("ssm".into()), action: Some("SendCommand".into()), ..Match::default() };
    let hold = gate.add_hold(HoldRequest { matching, skip: 0, when: When::Before });
    let mut watch = gate.watch_hold(hold).unwrap();
    let meddle = async {
        watch.wait_for(|state| *state == HoldState::Held).await.unwrap();
        let mut world = sim.shared().world();
        let stranger = world.ec2.instances.get_mut("i-0000000b").unwrap();
        stranger.tags.insert("wave".to_owned(), "1".to_owned());
        drop(world);
        gate.release(hold);
    };
    let (mut reports, ()) = tokio::join!(guest.run_capture(&machines, Some(&tags)), meddle);
    let stranger = reports.remove(&id("i-0000000b"));
    assert!(matches!(&stranger, Some(Err(GuestError::Outside { .. }))), "{stranger:?}");
    assert!(reports.len() == 60 && reports.values().all(Result::is_ok));
}

#[tokio::test]
async fn one_machine_that_goes_away_does_not_take_the_others_with_it() {
    let (sim, guest) = start().await;
    let error = Effect::Error { code: "InvalidInstanceId".into(), status: 400, message: "gone".into() };
    // The whole batch is refused, then the half that holds the first machine.
    fault(&sim, "SendCommand", 2, error);
    let yaml_machines = ids(&["i-0000000b", "mi-0000000e"]);
    let reports = guest.run_capture(&yaml_machines, None).await;
    assert_eq!(reports.values().filter(|report| report.is_ok()).count(), 1);
    assert_eq!(reports.values().filter(|one| matches!(one, Err(GuestError::NotManaged { .. }))).count(), 1);
}

#[tokio::test]
async fn throttled_calls_are_made_again() {
    let (sim, guest) = start().await;
    for action in ["DescribeInstanceInformation", "SendCommand", "GetCommandInvocation"] {
        fault(&sim, action, 1, Effect::Throttle);
    }
    let reports = guest.run_capture(&ids(&["i-0000000b"]), None).await;
    assert!(reports.values().all(Result::is_ok), "{reports:?}");
}

#[tokio::test]
async fn an_error_is_an_error_and_not_silence() {
    let (sim, guest) = start().await;
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "no".into() };
    fault(&sim, "SendCommand", 1, denied);
    let reports = guest.run_capture(&ids(&["i-0000000b"]), None).await;
    let error = reports.into_values().next().unwrap().unwrap_err();
    assert!(matches!(error, GuestError::Denied { action: "ssm:SendCommand", .. }), "{error}");
    assert_eq!(error.to_string(), "`ssm:SendCommand` is not allowed to this role");
    fault(&sim, "GetCommandInvocation", 1, Effect::DropReply);
    let reports = guest.run_capture(&ids(&["i-0000000b"]), None).await;
    let error = reports.into_values().next().unwrap().unwrap_err();
    assert!(matches!(error, GuestError::Call { .. }) && error.retryable(), "{error}");
}

#[tokio::test]
async fn a_command_that_does_not_end_is_cancelled() {
    let (sim, guest) = start().await;
    sim.shared().world().switches.guests.invocation_progress_reads = u32::MAX;
    let millis = Duration::from_millis;
    let guest = guest.with_timing(Timing { deadline: millis(60), first_poll: millis(5), slowest_poll: millis(5) });
    let reports = guest.run_capture(&ids(&["i-0000000b"]), None).await;
    let error = reports.into_values().next().unwrap().unwrap_err();
    assert!(matches!(&error, GuestError::TimedOut { status, .. } if status == "InProgress"), "{error}");
    let world = sim.shared().world();
    let command = world.run_command.commands.values().next().unwrap();
    assert_eq!(command.status(), holdfast_sim::ssm::Status::Cancelled);
}

#[tokio::test]
async fn output_that_was_cut_off_is_not_a_report() {
    let mut world = World::from_yaml(WORLD).unwrap();
    let place = guests::Place::Instance { instance: "i-0000000b".into() };
    let found = world.guests.all.values_mut().find(|guest| guest.place == place).unwrap();
    let routes = (0..=255)
        .flat_map(|a| [0u8, 1, 2].map(|b| (format!("10.{b}.{a}.0/24").parse().unwrap(), [10, 0, 0, 1].into())));
    found.adapters.first_mut().unwrap().routes = routes.collect();
    let (_sim, guest) = start_with(world).await;
    let reports = guest.run_capture(&ids(&["i-0000000b"]), None).await;
    let error = reports.into_values().next().unwrap().unwrap_err();
    assert!(matches!(error, GuestError::CutOff { length: 24_000, .. }), "{error}");
}
