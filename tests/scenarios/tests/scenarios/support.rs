//! A lab in the middle of the story, and hands to disturb it with.

use holdfast_lab::{
    Code, Consistency, Execution, Lab, LabOptions, STORY_MAP, STORY_WORLD, Source, network_map, prober, query,
};
use holdfast_sim::prism::{Signal, state::Power};
use holdfast_sim::{World, WorldFile};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::OnceLock;

pub const TOKYO: &str = "ap-northeast-1";
pub const OSAKA: &str = "ap-northeast-3";

/// The story's world at its beginning.
pub async fn lab() -> Lab {
    lab_with(LabOptions::default()).await
}

/// A lab whose functions are where cargo built them: that an archive of them works is seen in the story.
pub async fn lab_with(options: LabOptions) -> Lab {
    Lab::start(LabOptions { code: Code::Linked, ..options }).await.unwrap_or_else(|error| panic!("{}", error.line()))
}

/// A lab whose wave has been captured, migrated and cut over: everything is at `nc2-tokyo`.
pub async fn cut_over() -> Lab {
    cut_over_with(Consistency::Strong).await
}

/// The same with tables of a kind.
pub async fn cut_over_with(tables: Consistency) -> Lab {
    let lab = migrated_with(tables).await;
    green(&run(&lab, "cutover", json!({"wave": "wave-1"})).await);
    lab
}

/// A lab whose wave has been captured and migrated by Move, and not yet cut over; its guests get five seconds to take a lease.
pub async fn migrated() -> Lab {
    migrated_with(Consistency::Strong).await
}

async fn migrated_with(tables: Consistency) -> Lab {
    let lab = lab_with(LabOptions { map: Source::Text(patient_map()), tables, ..LabOptions::default() }).await;
    green(&run(&lab, "capture", json!({"wave": "wave-1"})).await);
    migrate(&lab).await;
    lab
}

/// Move cuts the wave over: instances stopped, VMs with addresses of the pool.
pub async fn migrate(lab: &Lab) {
    lab.control().post("/move/move-tokyo/cutover", &json!({"plan": "wave-1"})).await.unwrap();
}

/// The story's network map, with five seconds for a guest to take a lease, and none for what is not proven.
pub fn patient_map() -> String {
    checkout(STORY_MAP).replace("proof_seconds: 180", "proof_seconds: 0") + "  guest_timeout_seconds: 5\n"
}

/// The story's world file.
pub fn story_world() -> WorldFile {
    WorldFile::parse(&checkout(STORY_WORLD)).unwrap()
}

fn checkout(path: &str) -> String {
    std::fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)).unwrap()
}

/// The network map as it is published, to be changed and published again.
pub fn published(lab: &Lab, text: &str) -> Value {
    network_map::localized(text, Path::new("map"), lab.sim()).unwrap_or_else(|error| panic!("{}", error.line()))
}

/// Puts another world with the same appliances in place of the present one, and forgets all that functions stored.
pub async fn begin_anew(lab: &Lab, file: &WorldFile) {
    *lab.sim().shared().world() = World::from_file(file).unwrap();
    forget(lab, "holdfast-inventory", "").await;
    forget(lab, "holdfast-operations", "").await;
}

/// Puts a world in place of the present one, which it was earlier. Sessions of assumed roles go on: functions keep their credentials.
pub fn restore(lab: &Lab, earlier: &World) {
    let mut world = lab.sim().shared().world();
    let accounts = world.accounts.clone();
    *world = World { accounts, ..earlier.clone() };
}

/// Removes every item of a table but those whose partition begins with `but`, where that is not empty.
pub async fn forget(lab: &Lab, table: &str, but: &str) {
    let found = dynamodb(lab, "Scan", json!({"TableName": table})).await;
    let kept = |item: &&Value| !but.is_empty() && item["pk"]["S"].as_str().unwrap().starts_with(but);
    let gone = found["Items"].as_array().unwrap().iter().filter(|item| !kept(item));
    let gone = gone.map(|item| json!({"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}}));
    for some in gone.collect::<Vec<_>>().chunks(25) {
        let done = dynamodb(lab, "BatchWriteItem", json!({"RequestItems": {table: some}})).await;
        assert_eq!(done["UnprocessedItems"], json!({}), "{done}");
    }
}

pub async fn run(lab: &Lab, machine: &str, input: Value) -> Execution {
    lab.run(TOKYO, machine, &input).await.unwrap_or_else(|error| panic!("{}", error.line()))
}

pub fn to(site: &str) -> Value {
    json!({"networks": ["app"], "to": site})
}

/// Nutanix moves the VMs to the other site.
pub async fn recover(lab: &Lab) {
    lab.control().post("/recovery-plans/app/failover", &json!({"kind": "planned"})).await.unwrap();
}

#[track_caller]
pub fn green(execution: &Execution) {
    assert!(execution.succeeded(), "ended {}: {}", execution.status, execution.words());
}

/// The execution holds, and tells a person `what`.
#[track_caller]
pub fn held(execution: &Execution, what: &str) {
    assert!(execution.held(), "should hold, ended {}: {}", execution.status, execution.words());
    assert!(execution.cause.contains(what), "`{what}` is not in: {}", execution.cause);
}

/// The state that an execution failed in before it told a person.
pub fn failed_in(execution: &Execution) -> String {
    let states = execution.states();
    let telling = ["Choices", "Tell", "Page", "Held"];
    states.into_iter().rev().find(|state| !telling.contains(&state.as_str())).unwrap()
}

/// The commands of a page as a shell reads them, in their order: the state machine and the input of each.
pub fn commands(cause: &str) -> Vec<(String, Value)> {
    let lines = cause.lines().filter_map(|line| line.trim().strip_prefix("aws stepfunctions start-execution "));
    lines
        .map(|words| {
            let script = format!("printf '%s\\n' {words}");
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let words: Vec<&str> = text.lines().collect();
            let ["--region", _, "--state-machine-arn", machine, "--input", input] = words.as_slice() else {
                panic!("{words:?}")
            };
            let machine = machine.rsplit_once(":stateMachine:holdfast-").unwrap().1;
            (machine.to_owned(), serde_json::from_str(input).unwrap())
        })
        .collect()
}

pub async fn fault(lab: &Lab, pattern: Value, skip: u32, times: u32, effect: Value) {
    let rule = json!({"match": pattern, "skip": skip, "times": times, "effect": effect});
    lab.control().post("/faults", &rule).await.unwrap();
}

pub async fn no_faults(lab: &Lab) {
    lab.control().delete("/faults").await.unwrap();
}

pub async fn last_call(lab: &Lab) -> u64 {
    let log = lab.control().get("/log?since=0").await.unwrap();
    log.as_array().and_then(|all| all.last()).and_then(|call| call["seq"].as_u64()).unwrap_or_default()
}

/// Calls since `since` of functions that could change EC2, Prism Central or Move.
pub async fn changes(lab: &Lab, since: u64) -> Vec<Value> {
    let log = lab.control().get(&format!("/log?since={since}")).await.unwrap();
    let guarded = |call: &&Value| {
        let source = call["source"].as_str().unwrap_or_default();
        source.starts_with("prism") || source.starts_with("move") || call["service"] == "ec2"
    };
    log.as_array().unwrap().iter().filter(guarded).filter(|call| call["mutating"] == true).cloned().collect()
}

/// What each client sees of 172.30.1.34, as the data plane tells it.
pub async fn probes(lab: &Lab) -> Vec<Value> {
    let mut seen = Vec::new();
    for client in ["onprem-tokyo", "onprem-osaka"] {
        let probe = json!({"from": client, "to": "172.30.1.34", "count": 1});
        seen.push(lab.control().post("/probes", &probe).await.unwrap());
    }
    seen
}

/// Each client is answered by one machine at `place`, and by no other.
pub async fn answered_at(lab: &Lab, place: &str, case: &str) {
    for probe in probes(lab).await {
        prober::answered_at(&probe, place).unwrap_or_else(|seen| panic!("{case}: {seen}"));
    }
}

/// Every transit gateway route table with its routes.
pub async fn tables(lab: &Lab) -> Value {
    lab.control().get("/world").await.unwrap()["ec2"]["tgw_route_tables"].clone()
}

/// One EC2 call of a person in Tokyo.
pub async fn ec2(lab: &Lab, action: &str, parameters: &[(&str, &str)]) -> String {
    lab.ec2(TOKYO, action, parameters).await.unwrap_or_else(|error| panic!("{}", error.line()))
}

/// The route by which the NC2 VPC of Tokyo leads 172.30.1.0/24 to a host: its keys for a call, the table first, and the host's interface.
pub async fn fvn_route(lab: &Lab) -> (Vec<(String, String)>, String) {
    let vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", "vpc-0c200000000000001")];
    let found = ec2(lab, "DescribeRouteTables", &vpc).await;
    let table = query::element(&found, "routeTableId").unwrap().to_owned();
    let flow = found.split("<item>").find(|item| item.contains("172.30.1.0/24")).unwrap();
    let interface = query::element(flow, "networkInterfaceId").unwrap().to_owned();
    let prefix = "172.30.1.0/24".to_owned();
    (vec![("RouteTableId".to_owned(), table), ("DestinationCidrBlock".to_owned(), prefix)], interface)
}

/// One call of a person in Tokyo by the Query protocol.
pub async fn person(lab: &Lab, service: &str, form: &[(&str, &str)]) -> String {
    let called = query::call(&lab.sim().aws_endpoint(), "111122223333", TOKYO, service, form).await;
    called.unwrap_or_else(|error| panic!("{}", error.line()))
}

/// Starts an execution, kills the process whose call the hold catches, and returns the ended execution; none when it ended
/// without such a call.
pub async fn begin_and_kill_if_held(lab: &Lab, machine: &str, input: &Value, hold: Value) -> Option<Execution> {
    begin_and_kill_in(lab, TOKYO, machine, input, hold).await
}

/// The same in any Region.
pub async fn begin_and_kill_in(
    lab: &Lab,
    region: &str,
    machine: &str,
    input: &Value,
    hold: Value,
) -> Option<Execution> {
    let hold = lab.control().post("/holds", &hold).await.unwrap();
    let hold = format!("/holds/{}", hold["id"].as_str().map_or_else(|| hold["id"].to_string(), str::to_owned));
    let arn = lab.begin(region, machine, input).await.unwrap();
    let held = async { while lab.control().get(&format!("{hold}?wait_ms=1000")).await.unwrap()["state"] != "held" {} };
    tokio::select! {
        () = held => {}
        ended = lab.finish(region, &arn) => {
            green(&ended.unwrap());
            return None;
        }
    }
    lab.control().post(&format!("{hold}/kill"), &json!({})).await.unwrap();
    Some(lab.finish(region, &arn).await.unwrap())
}

/// Calls a function as its state machine would: its output, or the error that the state machine would see.
pub async fn invoke(lab: &Lab, function: &str, input: &Value) -> Result<Value, Value> {
    let url = format!("{}/2015-03-31/functions/{function}/invocations", lab.sim().aws_endpoint());
    let request = http().post(url).body(input.to_string());
    let answer = request.header("authorization", authorization(lab, "lambda")).send().await.unwrap();
    let failed = answer.headers().contains_key("x-amz-function-error");
    let text = answer.text().await.unwrap();
    let output = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if failed { Err(output) } else { Ok(output) }
}

/// Gives a function of Tokyo another time-out, in seconds.
pub async fn set_timeout(lab: &Lab, function: &str, seconds: u32) {
    let url = format!("{}/2015-03-31/functions/{function}/configuration", lab.sim().aws_endpoint());
    let request = http().put(url).body(json!({"Timeout": seconds}).to_string());
    let answer = request.header("authorization", authorization(lab, "lambda")).send().await.unwrap();
    let function: Value = answer.json().await.unwrap();
    assert_eq!(function["Timeout"], seconds, "{function}");
}

/// What the state machine gives `swap-route` for a failover, with evidence that is taken now.
pub async fn swap_with_fresh_evidence(lab: &Lab, request: Value) -> Value {
    let subject = json!({"kind": "failover", "request": request});
    let watch = json!({"schema_version": 1, "execution": "alone", "subject": subject});
    let seen = invoke(lab, "holdfast-watch", &watch).await.unwrap_or_else(|error| panic!("{error}"));
    let evidence = seen["evidence"].clone();
    json!({"schema_version": 1, "execution": "alone", "action": "apply", "request": request, "evidence": evidence})
}

/// Calls a function and kills its process at the call that the hold catches; false when it ended without such a call.
pub async fn invoke_and_kill(lab: &Lab, function: &str, input: &Value, hold: Value) -> bool {
    let hold = lab.control().post("/holds", &hold).await.unwrap();
    let hold = format!("/holds/{}", hold["id"]);
    let held = async { while lab.control().get(&format!("{hold}?wait_ms=1000")).await.unwrap()["state"] != "held" {} };
    let mut started = std::pin::pin!(invoke(lab, function, input));
    tokio::select! {
        () = held => {}
        ended = &mut started => {
            ended.unwrap_or_else(|error| panic!("nobody killed it: {error}"));
            return false;
        }
    }
    lab.control().post(&format!("{hold}/kill"), &json!({})).await.unwrap();
    let Err(error) = started.await else { panic!("it was killed, and answered") };
    assert_eq!(error["errorType"], "Runtime.ExitError", "{error}");
    true
}

/// What waiting for the leases of dead writers would do: another intent may begin on these networks.
pub async fn leases_run_out(lab: &Lab, networks: &[&str]) {
    for network in networks {
        let key = json!({"pk": {"S": format!("network#{network}")}, "sk": {"S": "lock"}});
        let item = dynamodb(lab, "GetItem", json!({"TableName": "holdfast-operations", "Key": key})).await;
        assert!(item["Item"].is_object(), "the lock item is not where this test looks");
        dynamodb(lab, "DeleteItem", json!({"TableName": "holdfast-operations", "Key": key})).await;
    }
}

/// One DynamoDB call of a person in the lab's first Region.
pub async fn dynamodb(lab: &Lab, action: &str, body: Value) -> Value {
    let region = lab.describe()["regions"][0].as_str().unwrap().to_owned();
    lab.dynamodb(&region, action, &body).await.unwrap_or_else(|error| panic!("{}", error.line()))
}

/// To make one costs more than a call. Connections are not kept: each test has a runtime of its own.
fn http() -> &'static reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap())
}

/// Of a person in the lab's first Region.
fn authorization(lab: &Lab, service: &str) -> String {
    let lab = lab.describe();
    let (account, region) = (lab["account"].as_str().unwrap(), lab["regions"][0].as_str().unwrap());
    format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

/// A person powers every VM of a Prism Central off.
pub fn power_off(lab: &Lab, prism: &str) {
    power(lab, prism, Power::Off);
}

/// A person powers every VM of a Prism Central on or off.
pub fn power(lab: &Lab, prism: &str, to: Power) {
    power_some(lab, prism, to, |_| true);
}

/// A person powers the VMs of a Prism Central whose name it likes on or off.
pub fn power_some(lab: &Lab, prism: &str, to: Power, like: impl Fn(&str) -> bool) {
    let mut world = lab.sim().shared().world();
    let vms = world.prisms[prism].vms.iter().filter(|(_, vm)| like(&vm.name));
    for vm in vms.map(|(id, _)| *id).collect::<Vec<_>>() {
        world.prisms.get_mut(prism).unwrap().vms.get_mut(&vm).unwrap().power = to;
        let signal = match to {
            Power::On => Signal::Booted { vm },
            Power::Off => Signal::PoweredOff { vm },
        };
        holdfast_sim::guests::vm_changed(&mut world, prism, &signal);
    }
}
