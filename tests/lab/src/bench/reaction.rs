//! From the end of a recovery job to the last route in use, with nobody awake, and what an execution costs.
//!
//! The whole lab runs: the real binaries (built for development), the emulator, 30 ms for each call of a function. The VMs of the story go to
//! Osaka and back. The wait for the schedule's minute is not slept: the ends of the jobs are spread evenly over the minute, and each run gets what is
//! left of it.

use super::{Calls, Figure};
use crate::error::BoxError;
use crate::{Execution, Lab, LabError, LabOptions, Progress, hint, story, wait};
use aws_sdk_sfn::types::HistoryEventType;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const TOKYO: &str = "ap-northeast-1";
const OSAKA: &str = "ap-northeast-3";

/// Failovers that the schedule finds.
const BY_SCHEDULE: u32 = 50;

/// Failovers whose recovery job goes on when the schedule looks; their ends are spread evenly over the pause before it is asked about again.
const WHILE_IT_GOES_ON: u32 = 20;

/// The pause before a look at a job that goes on is repeated.
const AGAIN: Duration = Duration::from_secs(5);

/// Failovers of which a hint tells.
const BY_HINT: u32 = 20;

/// Seconds between two looks of the schedule.
const MINUTE: f64 = 60.0;

/// The way to AWS or a Prism Central and back, in milliseconds.
const CALL: u32 = 30;

/// What signs the hints.
const KEY: &str = "bench";

/// One failover that started by itself.
struct Run {
    /// From the look, or the hint, to the last route in use, in seconds.
    reaction: f64,
    calls: Calls,
    transitions: usize,
    lambda_ms: f64,
}

/// All figures of this kind, each told when it is there.
pub(super) async fn figures(tell: impl Fn(&Figure)) -> Result<(), BoxError> {
    let lab = Lab::start(LabOptions { progress: Progress::silent(), ..LabOptions::default() }).await?;
    on_nc2(&lab).await?;
    let delay = json!({"match": {"function": "*"}, "effect": {"kind": "delay", "ms": CALL}});
    lab.control().post("/faults", &delay).await?;
    let mut by_schedule = Vec::new();
    for run in 0..BY_SCHEDULE {
        let left = MINUTE * (1.0 - f64::from(run) / f64::from(BY_SCHEDULE));
        let run = fail_over(&lab, async || lab.look(OSAKA).await.map(drop)).await?;
        by_schedule.push(Run { reaction: left + run.reaction, ..run });
    }
    let mut while_it_goes_on = Vec::new();
    for run in 0..WHILE_IT_GOES_ON {
        let after = AGAIN.mul_f64(f64::from(run) / f64::from(WHILE_IT_GOES_ON));
        while_it_goes_on.push(fail_over_watched(&lab, after).await?);
    }
    let mut by_hint = Vec::new();
    for _ in 0..BY_HINT {
        let hinted = async || {
            let request = hint::signed(KEY, wait::now().as_millisecond(), "{}");
            lab.hint(OSAKA, &request).await.map(drop)
        };
        by_hint.push(fail_over(&lab, hinted).await?);
    }
    tell(&vain_look(&lab).await?);
    told(
        &tell,
        &mut by_schedule,
        ["recovery job to last route, by schedule: median", "recovery job to last route, by schedule"],
    );
    told(
        &tell,
        &mut while_it_goes_on,
        ["watched recovery job to last route: median", "watched recovery job to last route"],
    );
    told(&tell, &mut by_hint, ["hint to last route: median", "hint to last route"]);
    by_schedule.sort_by_key(|run| run.transitions);
    let Some(most) = by_schedule.last() else { return Err("nothing was measured".into()) };
    let runs = BY_SCHEDULE;
    let (transitions, calls) = (most.transitions as f64, most.calls);
    tell(&Figure { name: "state transitions of a failover", value: transitions, unit: "", floor: None, calls, runs });
    by_schedule.sort_by(|one, other| one.lambda_ms.total_cmp(&other.lambda_ms));
    let Some(most) = by_schedule.last() else { return Err("nothing was measured".into()) };
    let (value, calls) = (most.lambda_ms, most.calls);
    tell(&Figure { name: "Lambda functions of a failover", value, unit: "ms", floor: None, calls, runs });
    Ok(())
}

/// The slowest look of the schedule that finds nothing new, as nearly all do.
async fn vain_look(lab: &Lab) -> Result<Figure, BoxError> {
    let mut slowest: Option<(f64, Calls)> = None;
    for _ in 0..BY_HINT {
        let since = last_call(lab).await?;
        let begun = Instant::now();
        let looked = lab.look(OSAKA).await?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        if looked.get("found") != Some(&json!([])) {
            return Err(format!("a look found something: {looked}").into());
        }
        let all = calls_since(lab, since).await?.iter().filter(|call| to_aws(call)).count();
        if slowest.is_none_or(|(most, _)| took > most) {
            slowest = Some((took, Calls { all, ..Calls::default() }));
        }
    }
    let (value, calls) = slowest.ok_or("nobody looked")?;
    Ok(Figure { name: "a look that finds nothing", value, unit: "ms", floor: None, calls, runs: BY_HINT })
}

/// Number of the last call so far.
async fn last_call(lab: &Lab) -> Result<u64, BoxError> {
    let log = lab.control().get("/log").await?;
    let last = log.as_array().and_then(|log| log.last()).and_then(|call| call.get("seq")).and_then(Value::as_u64);
    Ok(last.unwrap_or_default())
}

/// Calls of functions since then.
async fn calls_since(lab: &Lab, since: u64) -> Result<Vec<Value>, BoxError> {
    let Value::Array(mut log) = lab.control().get(&format!("/log?since={since}")).await? else { return Ok(Vec::new()) };
    log.retain(|call| call.get("function").is_some_and(Value::is_string));
    Ok(log)
}

fn text<'a>(call: &'a Value, key: &str) -> &'a str {
    call.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn to_aws(call: &Value) -> bool {
    text(call, "source") == "aws"
}

fn writes_routes(call: &Value) -> bool {
    text(call, "service") == "ec2" && call.get("mutating") == Some(&json!(true))
}

/// Median and worst of the runs.
fn told(tell: &impl Fn(&Figure), runs: &mut [Run], [median, worst]: [&'static str; 2]) {
    runs.sort_by(|one, other| one.reaction.total_cmp(&other.reaction));
    let number = u32::try_from(runs.len()).unwrap_or(u32::MAX);
    for (name, run) in [(median, runs.get(runs.len() / 2)), (worst, runs.last())] {
        let Some(run) = run else { continue };
        tell(&Figure { name, value: run.reaction, unit: "s", floor: None, calls: run.calls, runs: number });
    }
}

/// The wave of the story runs on NC2 Tokyo, and what finishes starts by itself.
async fn on_nc2(lab: &Lab) -> Result<(), BoxError> {
    let map = story::automatic(lab, json!({"hold_down_seconds": 0, "most_swaps_a_day": 1000}))?;
    lab.publish(&map).await?;
    let secrets = &lab.aws(OSAKA)?.secrets;
    secrets.create_secret().name("holdfast/hint").secret_string(json!({"api_key": KEY}).to_string()).send().await?;
    // From here on what finishes is news.
    lab.look(TOKYO).await?;
    done(&lab.run(TOKYO, "capture", &json!({"wave": "wave-1"})).await?)?;
    lab.control().post("/move/move-tokyo/cutover", &json!({"plan": "wave-1"})).await?;
    done(&lab.run_by_event(TOKYO, "cutover", async || lab.look_until_found(TOKYO).await).await?)
}

fn done(execution: &Execution) -> Result<(), BoxError> {
    if execution.succeeded() { Ok(()) } else { Err(execution.words().into()) }
}

/// Nutanix moves the VMs to the other side; then somebody looks.
async fn fail_over(lab: &Lab, look: impl AsyncFn() -> Result<(), LabError>) -> Result<Run, BoxError> {
    lab.control().post("/recovery-plans/app/failover", &json!({"kind": "planned"})).await?;
    let since = last_call(lab).await?;
    let begun = wait::now();
    let execution = lab.run_by_event(OSAKA, "failover", look).await?;
    measured(lab, &execution, since, begun).await
}

/// Somebody looks while Nutanix moves the VMs, which ends `after` that.
async fn fail_over_watched(lab: &Lab, after: Duration) -> Result<Run, BoxError> {
    lab.control().post("/recovery-plans/app/failover", &json!({"kind": "planned", "until": "running"})).await?;
    let since = last_call(lab).await?;
    let ended = Mutex::new(None);
    let look = async || {
        let ends = async {
            wait::until("the first question for recovery jobs", AGAIN, async || {
                let log = lab.control().get(&format!("/log?since={since}")).await?;
                let asks = |call: &Value| text(call, "action").contains("recovery-plan-jobs.list");
                Ok(log.as_array().is_some_and(|log| log.iter().any(asks)).then_some(()))
            })
            .await?;
            wait::pause(after).await;
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(wait::now());
            lab.control().post("/recovery-plans/app/job", &json!({"end": "finished"})).await.map(drop)
        };
        tokio::try_join!(lab.look(OSAKA), ends).map(drop)
    };
    let execution = lab.run_by_event(OSAKA, "failover", look).await?;
    let ended = *ended.lock().unwrap_or_else(PoisonError::into_inner);
    measured(lab, &execution, since, ended.ok_or("the job did not end")?).await
}

/// What an execution took since `begun`, and its calls after number `since`.
async fn measured(lab: &Lab, execution: &Execution, since: u64, begun: Timestamp) -> Result<Run, BoxError> {
    done(execution)?;
    let log = calls_since(lab, since).await?;
    let last_write = log.iter().rposition(writes_routes).ok_or("no route was written")?;
    // What follows a write is made with its answer.
    let answered = log.get(last_write + 1).ok_or("nothing followed the last route")?;
    let at: Timestamp = text(answered, "at").parse()?;
    let aws: Vec<&Value> = log.iter().filter(|call| to_aws(call)).collect();
    // From the hand-over to Lambda to the answer: the function's own time and the emulator's.
    let lambda = execution.history.iter().fold((0.0, None), |(sum, begun), event| match event.r#type() {
        HistoryEventType::TaskScheduled | HistoryEventType::LambdaFunctionScheduled => (sum, Some(event.timestamp)),
        HistoryEventType::TaskSucceeded | HistoryEventType::LambdaFunctionSucceeded => {
            let took = begun.map_or(0.0, |begun: aws_sdk_sfn::primitives::DateTime| {
                event.timestamp.as_secs_f64() - begun.as_secs_f64()
            });
            (sum + took * 1000.0, None)
        }
        _ => (sum, begun),
    });
    Ok(Run {
        reaction: at.duration_since(begun).as_secs_f64(),
        calls: Calls { all: aws.len(), mutating: aws.iter().filter(|call| writes_routes(call)).count(), throttled: 0 },
        transitions: execution.states().len(),
        lambda_ms: lambda.0,
    })
}
