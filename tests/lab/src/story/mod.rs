//! The reference story: `web-1` goes from EC2 to NC2 Tokyo, to NC2 Osaka and back, and keeps its address.
//!
//! Everything that Holdfast does here it does in Step Functions executions that call the real Lambda binaries. What the
//! platforms do by themselves (Move, Nutanix recovery plans) the control server does. Each stage says what must be true
//! at its end; the first thing that is not ends the story.

mod must;
mod report;

use std::{net::Ipv4Addr, path::Path, sync::atomic::AtomicUsize, time::Instant};

use serde_json::{Value, json};

use crate::{
    Lab, LabError, STORY_MAP, Schedule, Workspace, dynamodb, network_map,
    prober::{Counts, Prober},
    progress::Progress,
    query,
    timeline::{Stage, Timeline},
};

const TOKYO: &str = "ap-northeast-1";
const OSAKA: &str = "ap-northeast-3";
/// The address that must hold.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 34);
/// The clients that probe it, by the Region that they enter at.
pub const CLIENTS: [&str; 2] = ["onprem-tokyo", "onprem-osaka"];
/// Subnets of the EC2 VPC: the one whose prefix moves, and another.
const APP_SUBNET: &str = "subnet-0ec20000000000001";
const OTHER_SUBNET: &str = "subnet-0ec20000000000009";
/// Addresses of machines in the prefix that are not of the wave.
const STRANGERS: [&str; 2] = ["172.30.1.77", "172.30.1.88"];
/// `web-1` on EC2.
const INSTANCE: &str = "i-0a1b2c3d4e5f60034";
/// The transit gateway's route table in Osaka.
const OSAKA_TABLE: &str = "tgw-rtb-00000000000000003";
/// The prefix that moves.
const PREFIX: &str = "172.30.1.0/24";
/// Calls to AWS that one failover of the story may make in all, with those that decide that it starts.
const AWS_CALLS: usize = 60;
/// The first call of an execution that an event started: the network map's pointer and the kill switch.
const DECIDES: &str = "watch ssm:GetParameters";

/// The word of a person who forces a swap.
fn force() -> Value {
    json!({"by": "operator", "reason": "to see what happens"})
}

/// A story being told.
pub struct Story<'a> {
    lab: &'a Lab,
    progress: Progress,
    prober: Prober,
    timeline: Timeline,
    began: Instant,
    /// Conditions that were looked at; each of them held, or the story has ended.
    held: AtomicUsize,
    /// What the closing report says of single stages.
    remarks: Vec<String>,
}

/// A story that went as it must.
#[derive(Debug)]
pub struct Told {
    /// What happened when, and how many probes were lost.
    pub timeline: Timeline,
    /// What was verified, and where the evidence lies.
    pub report: String,
}

/// Runs the whole story.
///
/// # Errors
/// [`LabError::Story`] with the first thing that is not as it must be; the timeline up to there is printed first.
pub async fn tell(lab: &Lab, progress: &Progress) -> Result<Told, LabError> {
    let mut story = Story {
        lab,
        progress: progress.clone(),
        prober: Prober::start(lab.control(), &CLIENTS, ADDRESS),
        timeline: Timeline::new(&CLIENTS),
        began: Instant::now(),
        held: AtomicUsize::new(0),
        remarks: Vec::new(),
    };
    lab.publish(&automatic(lab, json!({"hold_down_seconds": 0}))?).await?;
    let told = story.all().await;
    if told.is_err() {
        story.progress.line(&story.timeline.table());
    }
    told?;
    let report = story.report().await?;
    Ok(Told { timeline: story.timeline, report })
}

/// The story's map, where what finishes starts by itself within these limits, and what is not proven is told at once.
pub(crate) fn automatic(lab: &Lab, limits: Value) -> Result<Value, LabError> {
    let text = Workspace::find()?.read(Path::new(STORY_MAP))?;
    let mut map = network_map::localized(&text, Path::new(STORY_MAP), lab.sim())?;
    for (pointer, key, value) in [
        ("/networks/app", "start", json!("automatic")),
        ("/policy", "start", limits),
        ("/policy", "proof_seconds", json!(0)),
    ] {
        let place = map.pointer_mut(pointer).and_then(Value::as_object_mut);
        place.map(|place| place.insert(key.to_owned(), value));
    }
    Ok(map)
}

impl Story<'_> {
    async fn all(&mut self) -> Result<(), LabError> {
        self.capture().await?;
        self.migrate().await?;
        self.refuse_cutover().await?;
        self.cutover().await?;
        self.recover("4 Nutanix fails over to Osaka").await?;
        self.fail_over_by_event().await?;
        self.recover("5 Nutanix fails back to Tokyo").await?;
        self.fail_back("5 failback by hand").await?;
        self.fail_back_with_a_failure().await?;
        self.force_and_undo().await?;
        self.drill().await
    }

    async fn capture(&mut self) -> Result<(), LabError> {
        let stage = "1 capture on EC2";
        self.begin(stage);
        // From here on what finishes is news.
        self.nothing_finished(stage).await?;
        self.served_by(stage, INSTANCE).await?;
        let input = json!({"wave": "wave-1"});
        let execution = self.lab.run(TOKYO, "capture", &input).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, INSTANCE).await?;
        self.end(stage, &execution.words());
        self.again("1 capture started again", TOKYO, "capture", &input).await
    }

    async fn migrate(&mut self) -> Result<(), LabError> {
        let stage = "2 Move migrates the wave";
        self.begin(stage);
        self.lab.control().post("/move/move-tokyo/cutover", &json!({"plan": "wave-1"})).await?;
        self.silent(stage).await?;
        self.has_moved(stage)?;
        self.end(stage, "instances stopped, VMs run on NC2 Tokyo with addresses of the pool: nobody answers");
        Ok(())
    }

    /// Somebody else's machine runs in the prefix, and an interface of a stopped one lies in it: routes to NC2 would cut both off.
    async fn refuse_cutover(&mut self) -> Result<(), LabError> {
        let stage = "3 cutover with others in the prefix";
        self.begin(stage);
        let running = self.launch(&[("SubnetId", APP_SUBNET), ("PrivateIpAddress", STRANGERS[0])]).await?;
        let interfaces = [
            ("NetworkInterface.1.DeviceIndex", "0"),
            ("NetworkInterface.1.SubnetId", OTHER_SUBNET),
            ("NetworkInterface.2.DeviceIndex", "1"),
            ("NetworkInterface.2.SubnetId", APP_SUBNET),
            ("NetworkInterface.2.PrivateIpAddress", STRANGERS[1]),
        ];
        let stopped = self.launch(&interfaces).await?;
        self.ec2("StopInstances", &[("InstanceId.1", stopped.as_str())]).await?;
        let (before, since) = (self.tables().await?, self.last_call().await?);
        let refused = self.lab.run(TOKYO, "cutover", &json!({"wave": "wave-1"})).await?;
        self.held(stage, &refused)?;
        for name in [running.as_str(), stopped.as_str(), STRANGERS[0], STRANGERS[1]] {
            self.must(stage, refused.cause.contains(name), || format!("{name} is not named: {}", refused.words()))?;
        }
        self.nothing_changed(stage, since).await?;
        self.same_tables(stage, &before).await?;
        let both = [("InstanceId.1", running.as_str()), ("InstanceId.2", stopped.as_str())];
        self.ec2("TerminateInstances", &both).await?;
        self.end(stage, &refused.words());
        Ok(())
    }

    async fn launch(&self, parameters: &[(&str, &str)]) -> Result<String, LabError> {
        let mut all = vec![("ImageId", "ami-00000000000000001"), ("MinCount", "1"), ("MaxCount", "1")];
        all.extend(parameters);
        let answer = self.ec2("RunInstances", &all).await?;
        Ok(query::element(&answer, "instanceId").unwrap_or_default().to_owned())
    }

    async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, LabError> {
        self.lab.ec2(TOKYO, action, parameters).await
    }

    async fn cutover(&mut self) -> Result<(), LabError> {
        let stage = "3 cutover by event";
        self.begin(stage);
        let input = json!({"wave": "wave-1"});
        let execution =
            self.lab.run_by_event(TOKYO, "cutover", async || self.lab.look_until_found(TOKYO).await).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, "pc-tokyo").await?;
        self.every_host_is_right(stage).await?;
        self.end(stage, &execution.words());
        self.again("3 cutover started again", TOKYO, "cutover", &input).await
    }

    /// The same input once more: it is green, and changes nothing.
    async fn again(&mut self, stage: &str, region: &str, machine: &str, input: &Value) -> Result<(), LabError> {
        self.begin(stage);
        let (before, stored, since) = (self.tables().await?, self.stored().await?, self.last_call().await?);
        let again = self.lab.run(region, machine, input).await?;
        self.green(stage, &again)?;
        self.nothing_changed(stage, since).await?;
        self.same_tables(stage, &before).await?;
        self.same_stored(stage, &stored).await?;
        self.end(stage, "the same input changed nothing");
        Ok(())
    }

    async fn recover(&mut self, stage: &str) -> Result<(), LabError> {
        self.begin(stage);
        self.lab.control().post("/recovery-plans/app/failover", &json!({"kind": "planned"})).await?;
        self.end(stage, "the VMs run at the other site, with new ids");
        Ok(())
    }

    async fn fail_over_by_event(&mut self) -> Result<(), LabError> {
        let stage = "4 failover by event";
        self.begin(stage);
        let since = self.last_call().await?;
        let input = json!({"networks": ["app"], "to": "nc2-osaka"});
        let execution = self.lab.run_by_event(OSAKA, "failover", async || self.lab.let_look(OSAKA).await).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, "pc-osaka").await?;
        let log = self.calls(since).await?;
        let written = log.iter().filter(|call| writes_routes(call)).map(|call| text(call, "region"));
        let written: Vec<String> = written.collect();
        // Make before break: where the machines are now first, then where clients enter.
        self.must(stage, written == [OSAKA, TOKYO], || format!("routes were written in this order: {written:?}"))?;
        let by_functions = log.iter().filter(|call| text(call, "source") == "aws" && by_function(call));
        let (finding, deciding) = found_and_decided(&by_functions.collect::<Vec<_>>());
        let (calls, finding) = (deciding.len(), finding.len());
        self.must(stage, (1..=AWS_CALLS).contains(&calls), || {
            format!("the failover made {calls} AWS calls, the limit is {AWS_CALLS}: {}", deciding.join(", "))
        })?;
        self.remarks.push(format!(
            "{calls} AWS calls of the failover to nc2-osaka, the limit is {AWS_CALLS}; {finding} of the schedule's look that found it"
        ));
        self.nothing_finished(stage).await?;
        self.end(stage, &execution.words());
        self.again("4 failover started again", OSAKA, "failover", &input).await
    }

    async fn fail_back(&mut self, stage: &str) -> Result<(), LabError> {
        self.begin(stage);
        let execution = self.lab.run(TOKYO, "failover", &json!({"networks": ["app"], "to": "nc2-tokyo"})).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, "pc-tokyo").await?;
        self.end(stage, &execution.words());
        Ok(())
    }

    async fn fail_back_with_a_failure(&mut self) -> Result<(), LabError> {
        self.recover("5 Nutanix fails over to Osaka again").await?;
        let stage = "5 failover to Osaka again";
        self.begin(stage);
        let osaka = self.lab.run(OSAKA, "failover", &json!({"networks": ["app"], "to": "nc2-osaka"})).await?;
        self.green(stage, &osaka)?;
        self.end(stage, &osaka.words());
        self.recover("5 Nutanix fails back to Tokyo again").await?;

        let stage = "5 failback with a failure";
        self.begin(stage);
        // The second table's write is refused: the first one is done by then.
        let denied =
            json!({"kind": "error", "code": "UnauthorizedOperation", "status": 403, "message": "injected by the lab"});
        for action in ["ReplaceTransitGatewayRoute", "CreateTransitGatewayRoute"] {
            let write = json!({"service": "ec2", "region": OSAKA, "action": action});
            self.lab.control().post("/faults", &json!({"match": write, "times": 1, "effect": denied})).await?;
        }
        let input = json!({"networks": ["app"], "to": "nc2-tokyo"});
        let execution = self.lab.run(TOKYO, "failover", &input).await?;
        self.lab.control().delete("/faults").await?;
        self.held(stage, &execution)?;
        self.half_done(stage, &execution)?;
        self.answers(stage, CLIENTS[0], "pc-tokyo").await?;
        self.end(stage, &execution.words());
        self.fail_back("5 the same input again").await
    }

    async fn force_and_undo(&mut self) -> Result<(), LabError> {
        let before = self.tables().await?;
        let stage = "6 swap to an empty site";
        self.begin(stage);
        let mut input = json!({"networks": ["app"], "to": "nc2-osaka"});
        let refused = self.lab.run(TOKYO, "failover", &input).await?;
        self.held(stage, &refused)?;
        self.same_tables(stage, &before).await?;
        self.served_by(stage, "pc-tokyo").await?;
        self.end(stage, &refused.words());

        let stage = "6 the same by force";
        self.begin(stage);
        if let Some(input) = input.as_object_mut() {
            input.insert("force".to_owned(), force());
        }
        let forced = self.lab.run(TOKYO, "failover", &input).await?;
        self.held(stage, &forced)?;
        let states = forced.states();
        self.must(stage, states.iter().any(|state| state == "NotProven"), || {
            format!("it should fail its verification, and went through {}", states.join(", "))
        })?;
        let swap = forced.output_of("SwapRoutes");
        let operation = text(&swap, "operation");
        self.must(stage, !operation.is_empty(), || format!("no route was swapped: {}", forced.words()))?;
        self.recorded(stage, &forced, &operation).await?;
        self.end(stage, &forced.words());

        let stage = "6 undo";
        self.begin(stage);
        let undone = self.lab.run(TOKYO, "failover", &json!({"undo": operation})).await?;
        self.green(stage, &undone)?;
        self.same_tables(stage, &before).await?;
        self.served_by(stage, "pc-tokyo").await?;
        self.end(stage, &undone.words());
        Ok(())
    }

    async fn drill(&mut self) -> Result<(), LabError> {
        let stage = "7 drill by schedule";
        self.begin(stage);
        let (since, before) = (self.last_call().await?, self.tables().await?);
        let input = json!({"networks": ["app"], "to": "nc2-osaka"});
        let execution = self.lab.run_by_schedule(TOKYO, Schedule::Drill, &input).await?;
        self.green(stage, &execution)?;
        self.nothing_changed(stage, since).await?;
        self.same_tables(stage, &before).await?;
        self.served_by(stage, "pc-tokyo").await?;
        self.drilled(stage, &execution).await?;
        self.end(stage, &execution.words());
        Ok(())
    }

    fn begin(&mut self, stage: &str) {
        self.progress.step(stage);
        let _: Counts = self.prober.take();
        self.timeline.start(self.began.elapsed());
    }

    fn end(&mut self, stage: &str, words: &str) {
        let began = self.timeline.started();
        let took = self.began.elapsed().saturating_sub(began);
        let stage = Stage { name: stage.to_owned(), began, took, counts: self.prober.take(), words: words.to_owned() };
        self.progress.line(&self.timeline.line(&stage));
        self.timeline.push(stage);
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether a function made the call.
fn by_function(call: &Value) -> bool {
    !text(call, "function").is_empty()
}

/// Calls of functions to AWS in words, parted into those of the schedule's look, which published the event, and those of the execution that it started. The
/// look's process may still be at work when the execution begins, which then has another one.
#[must_use]
pub fn found_and_decided(calls: &[&Value]) -> (Vec<String>, Vec<String>) {
    let begins = calls.iter().position(|call| named(call) == DECIDES).unwrap_or(calls.len());
    let (before, after) = calls.split_at(begins);
    let pid = |call: &Value| call.get("pid").and_then(Value::as_i64);
    let decides = after.first().and_then(|call| pid(call));
    let looks: Vec<i64> = before.iter().filter_map(|call| pid(call)).filter(|pid| Some(*pid) != decides).collect();
    let (late, own): (Vec<&Value>, Vec<&Value>) =
        after.iter().copied().partition(|call| pid(call).is_some_and(|pid| looks.contains(&pid)));
    (before.iter().chain(&late).map(|call| named(call)).collect(), own.into_iter().map(named).collect())
}

/// Whether the call writes routes.
fn writes_routes(call: &Value) -> bool {
    text(call, "service") == "ec2" && call.get("mutating").and_then(Value::as_bool) == Some(true)
}

/// A call as `swap-route ec2:SearchTransitGatewayRoutes`.
fn named(call: &Value) -> String {
    let function = text(call, "function");
    format!("{} {}:{}", function.trim_start_matches("holdfast-"), text(call, "service"), text(call, "action"))
}
