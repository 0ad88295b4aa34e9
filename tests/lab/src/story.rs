//! The reference story: `web-1` goes from EC2 to NC2 Tokyo, to NC2 Osaka and back, and keeps its address.
//!
//! Everything that Holdfast does here it does in Step Functions executions that call the real Lambda binaries. What the
//! platforms do by themselves (Move, Nutanix recovery plans) the control server does. Each stage says what must be true
//! at its end; the first thing that is not ends the story.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Lab, LabError,
    executions::Execution,
    prober::{self, Counts, Prober},
    progress::Progress,
    query,
    timeline::{Stage, Timeline},
    wait,
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
/// Calls to AWS that one failover of the story may make in all.
const AWS_CALLS: usize = 60;

/// A story being told.
pub struct Story<'a> {
    lab: &'a Lab,
    progress: Progress,
    prober: Prober,
    timeline: Timeline,
    began: Instant,
}

/// Runs the whole story.
///
/// # Errors
/// [`LabError::Story`] with the first thing that is not as it must be; the timeline up to there is printed first.
pub async fn tell(lab: &Lab, progress: &Progress) -> Result<Timeline, LabError> {
    let mut story = Story {
        lab,
        progress: progress.clone(),
        prober: Prober::start(lab.control(), &CLIENTS, ADDRESS),
        timeline: Timeline::new(&CLIENTS),
        began: Instant::now(),
    };
    let told = story.all().await;
    if told.is_err() {
        story.progress.line(&story.timeline.table());
    }
    told.map(|()| story.timeline)
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
        self.served_by(stage, "i-").await?;
        let input = json!({"wave": "wave-1"});
        let execution = self.lab.run(TOKYO, "capture", &input).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, "i-").await?;
        self.end(stage, &execution.words());
        Ok(())
    }

    async fn migrate(&mut self) -> Result<(), LabError> {
        let stage = "2 Move migrates the wave";
        self.begin(stage);
        self.lab.control().post("/move/move-tokyo/cutover", &json!({"plan": "wave-1"})).await?;
        self.silent(stage).await?;
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
        let detail = json!({"wave": "wave-1"});
        let execution = self.lab.run_by_event(TOKYO, "cutover", "Move cutover finished", &detail).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, "pc-tokyo").await?;
        self.end(stage, &execution.words());

        let stage = "3 cutover started again";
        self.begin(stage);
        let (before, since) = (self.tables().await?, self.last_call().await?);
        let again = self.lab.run(TOKYO, "cutover", &detail).await?;
        self.green(stage, &again)?;
        self.nothing_changed(stage, since).await?;
        self.same_tables(stage, &before).await?;
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
        let detail = json!({"networks": ["app"], "to": "nc2-osaka"});
        let execution = self.lab.run_by_event(OSAKA, "failover", "Recovery plan finished", &detail).await?;
        self.green(stage, &execution)?;
        self.served_by(stage, "pc-osaka").await?;
        let calls = self.calls(since).await?;
        let calls = calls.iter().filter(|call| text(call, "source") == "aws").filter_map(by_function).count();
        self.must(stage, calls <= AWS_CALLS, || {
            format!("the failover made {calls} AWS calls; the limit is {AWS_CALLS}")
        })?;
        self.end(stage, &format!("{} ({calls} AWS calls; the limit is {AWS_CALLS})", execution.words()));
        Ok(())
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
            input.insert("force".to_owned(), json!({"by": "operator", "reason": "to see what happens"}));
        }
        let forced = self.lab.run(TOKYO, "failover", &input).await?;
        self.held(stage, &forced)?;
        let swap = forced.output_of("SwapRoutes");
        let operation = text(&swap, "operation");
        self.must(stage, !operation.is_empty(), || format!("no route was swapped: {}", forced.words()))?;
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
        let soon = format!("at({})", (wait::now() + Duration::from_secs(2)).strftime("%Y-%m-%dT%H:%M:%S"));
        let execution = self.lab.run_by_schedule(TOKYO, &soon, &input).await?;
        self.green(stage, &execution)?;
        self.nothing_changed(stage, since).await?;
        self.same_tables(stage, &before).await?;
        self.served_by(stage, "pc-tokyo").await?;
        self.end(stage, &execution.words());
        Ok(())
    }

    // ---- what must be true ----

    fn must(&self, stage: &str, holds: bool, what: impl FnOnce() -> String) -> Result<(), LabError> {
        if holds { Ok(()) } else { Err(LabError::Story { stage: stage.to_owned(), what: what() }) }
    }

    fn green(&self, stage: &str, execution: &Execution) -> Result<(), LabError> {
        self.must(stage, execution.succeeded(), || {
            format!("the execution ended {}: {}", execution.status, execution.words())
        })
    }

    fn held(&self, stage: &str, execution: &Execution) -> Result<(), LabError> {
        self.must(stage, execution.held(), || {
            format!("the execution should hold, but ended {}: {}", execution.status, execution.words())
        })
    }

    /// Both clients reach the address, and what answers is where we think.
    async fn served_by(&self, stage: &str, place: &str) -> Result<(), LabError> {
        for client in CLIENTS {
            self.answers(stage, client, place).await?;
        }
        Ok(())
    }

    async fn answers(&self, stage: &str, client: &str, place: &str) -> Result<(), LabError> {
        let answer = prober::probe(self.lab.control(), client, ADDRESS).await?;
        let seen = answer.map_or_else(|| "nothing".to_owned(), |answer| answer.to_string());
        self.must(stage, seen.contains(place), || {
            format!("{ADDRESS} asked from {client} was answered by {seen}, not at {place}")
        })
    }

    async fn silent(&self, stage: &str) -> Result<(), LabError> {
        for client in CLIENTS {
            let answer = prober::probe(self.lab.control(), client, ADDRESS).await?;
            self.must(stage, answer.is_none(), || format!("{ADDRESS} asked from {client} was answered by {answer:?}"))?;
        }
        Ok(())
    }

    async fn last_call(&self) -> Result<u64, LabError> {
        let calls = self.calls(0).await?;
        Ok(calls.last().and_then(|call| call.get("seq")).and_then(Value::as_u64).unwrap_or_default())
    }

    async fn calls(&self, since: u64) -> Result<Vec<Value>, LabError> {
        let log = self.lab.control().get(&format!("/log?since={since}")).await?;
        Ok(log.as_array().cloned().unwrap_or_default())
    }

    /// No call since then that could change EC2, Prism Central or Move.
    async fn nothing_changed(&self, stage: &str, since: u64) -> Result<(), LabError> {
        let calls = self.calls(since).await?;
        let changes = |call: &&Value| {
            let source = text(call, "source");
            let guarded = source.starts_with("prism") || source.starts_with("move") || text(call, "service") == "ec2";
            guarded && call.get("mutating").and_then(Value::as_bool) == Some(true)
        };
        match calls.iter().find(changes) {
            Some(call) => {
                self.must(stage, false, || format!("it called {} of {}", text(call, "action"), text(call, "service")))
            }
            None => Ok(()),
        }
    }

    /// Every transit gateway route table with its routes.
    async fn tables(&self) -> Result<Value, LabError> {
        let world = self.lab.control().get("/world").await?;
        Ok(world.pointer("/ec2/tgw_route_tables").cloned().unwrap_or(Value::Null))
    }

    async fn same_tables(&self, stage: &str, before: &Value) -> Result<(), LabError> {
        let now = self.tables().await?;
        self.must(stage, !now.is_null() && now == *before, || "a route table is not as it was".to_owned())
    }

    // ---- the timeline ----

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

/// The call as `swap-route ec2:SearchTransitGatewayRoutes`, if a function made it.
fn by_function(call: &Value) -> Option<String> {
    let function = Some(text(call, "function")).filter(|name| !name.is_empty())?;
    Some(format!("{} {}:{}", function.trim_start_matches("holdfast-"), text(call, "service"), text(call, "action")))
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
