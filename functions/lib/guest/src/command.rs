//! Runs the committed scripts on machines and waits for their output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::CommandInvocationStatus;
use backon::{BackoffBuilder, ExponentialBuilder};
use holdfast_model::{GuestReport, InstanceId, Platform};
use tracing::{debug, warn};

use crate::call::{Failure, unthrottled};
use crate::error::GuestError;
use crate::probe::{ProbeRequest, ProbeResult};
use crate::reach::{Reach, Tags};
use crate::report::{Unreadable, read_capture};
use crate::scripts::{CAPTURE_PS1, CAPTURE_SH};

/// Instance ids per `SendCommand`: the API takes no more.
pub(crate) const IDS_PER_COMMAND: usize = 50;

/// Targets per probe command: their results stay far below the 24,000 characters that `GetCommandInvocation` returns.
const TARGETS_PER_PROBE: usize = 64;

/// How long to wait for a command, and how often to look.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The time that a command may take from sending to its end; it is cancelled then.
    pub deadline: Duration,
    /// The pause before the first look at a command.
    pub first_poll: Duration,
    /// The longest pause between two looks.
    pub slowest_poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        // The agent takes a command within a second or two, and the scripts end in a few seconds.
        Timing {
            deadline: Duration::from_secs(90),
            first_poll: Duration::from_millis(250),
            slowest_poll: Duration::from_secs(3),
        }
    }
}

/// A client that asks machines of one account and Region.
#[derive(Debug, Clone)]
pub struct Guest {
    pub(crate) ssm: Client,
    pub(crate) timing: Timing,
}

/// What a command printed on one machine.
pub(crate) struct Output {
    pub(crate) command: String,
    pub(crate) stdout: String,
}

/// The outcome of a command for each machine that it was meant for.
pub(crate) type Outputs = BTreeMap<InstanceId, Result<Output, GuestError>>;

impl Guest {
    /// A client with the account, Region, endpoint, retries and time-outs of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Guest { ssm: Client::new(config), timing: Timing::default() }
    }

    /// The same client with other waiting times.
    pub fn with_timing(self, timing: Timing) -> Self {
        Guest { timing, ..self }
    }

    /// Runs the capture script on `machines` and returns what each says about its own network. `tags` are those by which they were selected, if they
    /// were: where exactly they carry them, one command takes the place of many.
    ///
    /// # Guarantees
    /// The result has an entry for every machine: its report, or why there is none. Nothing is changed on the machines. A machine that was given the
    /// tags meanwhile and got the command too has an entry [`GuestError::Outside`], and none of its output is read.
    pub async fn run_capture(
        &self,
        machines: &BTreeSet<InstanceId>,
        tags: Option<&Tags>,
    ) -> BTreeMap<InstanceId, Result<GuestReport, GuestError>> {
        let mut reports = BTreeMap::new();
        let managed = match self.read_managed(machines).await {
            Ok(managed) => managed,
            Err(error) => return machines.iter().map(|id| (id.clone(), Err(error.clone()))).collect(),
        };
        let mut ready: BTreeMap<Platform, Vec<InstanceId>> = BTreeMap::new();
        for id in machines {
            let platform = match managed.get(id) {
                Some(machine) => machine.ready(id),
                None => Err(GuestError::NotManaged { machine: id.clone() }),
            };
            match platform {
                Ok(platform) => ready.entry(platform).or_default().push(id.clone()),
                Err(error) => {
                    reports.insert(id.clone(), Err(error));
                }
            }
        }
        // A command by tags reaches every platform.
        let tags = tags.filter(|_| ready.len() == 1 && reports.is_empty());
        for (platform, ids) in ready {
            let reach = self.reach(&ids, tags).await;
            let commands = match platform {
                Platform::Windows => vec![CAPTURE_PS1.to_owned()],
                Platform::Linux => vec![CAPTURE_SH.to_owned()],
            };
            for (machine, output) in self.run(reach, platform, &commands).await {
                let report = output.and_then(|output| {
                    read_capture(&output.stdout).map_err(|e| unreadable(&machine, &output.command, e))
                });
                reports.insert(machine, report);
            }
        }
        reports
    }

    /// Has `machine` probe the targets of `request` and returns what it saw of each. Without a `platform` Systems Manager is asked for it.
    ///
    /// # Errors
    /// The machine could not be asked, or its output did not arrive whole: nothing is known of the targets.
    pub async fn run_probe(
        &self,
        machine: &InstanceId,
        platform: Option<Platform>,
        request: &ProbeRequest,
    ) -> Result<Vec<ProbeResult>, GuestError> {
        let platform = match platform {
            Some(platform) => platform,
            None => match self.read_managed(&BTreeSet::from([machine.clone()])).await?.get(machine) {
                Some(found) => found.ready(machine)?,
                None => return Err(GuestError::NotManaged { machine: machine.clone() }),
            },
        };
        let mut results = Vec::with_capacity(request.targets.len());
        for targets in request.targets.chunks(TARGETS_PER_PROBE) {
            let reach = vec![Reach::Ids(vec![machine.clone()])];
            let mut outputs = self.run(reach, platform, &request.commands(targets, platform)).await;
            let output =
                outputs.remove(machine).unwrap_or_else(|| Err(GuestError::NotManaged { machine: machine.clone() }))?;
            results.extend(ProbeResult::read_all(&output.stdout).map_err(|e| unreadable(machine, &output.command, e))?);
        }
        Ok(results)
    }

    /// Runs `commands` on machines that are all of `platform`, and waits for each.
    pub(crate) async fn run(&self, reach: Vec<Reach>, platform: Platform, commands: &[String]) -> Outputs {
        let mut outputs = Outputs::new();
        let mut batches = reach;
        let mut sent = Vec::new();
        while let Some(batch) = batches.pop() {
            match self.send(&batch, platform, commands).await {
                Ok(command) => sent.push((command, batch)),
                // One machine that left Systems Manager refuses the whole batch: halves find out which.
                Err(failure) if failure.code == "InvalidInstanceId" => match batch.machines() {
                    [machine] => {
                        outputs.insert(machine.clone(), Err(GuestError::NotManaged { machine: machine.clone() }));
                    }
                    machines => {
                        let (left, right) = machines.split_at(machines.len() / 2);
                        batches.extend([Reach::Ids(left.to_vec()), Reach::Ids(right.to_vec())]);
                    }
                },
                Err(failure) => {
                    let error = failure.into_error("ssm:SendCommand");
                    outputs.extend(batch.machines().iter().map(|machine| (machine.clone(), Err(error.clone()))));
                }
            }
        }
        for (command, batch) in sent {
            outputs.extend(self.await_outputs(&command, batch.machines().to_vec()).await);
            outputs.extend(self.strangers(&command, &batch).await.into_iter().map(|(id, error)| (id, Err(error))));
        }
        outputs
    }

    async fn send(&self, reach: &Reach, platform: Platform, commands: &[String]) -> Result<String, Failure> {
        let document = match platform {
            Platform::Windows => "AWS-RunPowerShellScript",
            Platform::Linux => "AWS-RunShellScript",
        };
        let seconds = self.timing.deadline.as_secs().max(1).to_string();
        let reply = unthrottled(self.timing.deadline, || async {
            reach
                .aim(self.ssm.send_command())
                .document_name(document)
                .parameters("commands", commands.to_vec())
                .parameters("executionTimeout", vec![seconds.clone()])
                // The shortest that the API takes: a machine that does not fetch the command in time shall not run it later.
                .timeout_seconds(30)
                .comment("holdfast")
                .send()
                .await
                .map_err(Failure::from)
        })
        .await?;
        let command = reply.command().and_then(|c| c.command_id()).unwrap_or_default().to_owned();
        debug!(command.id = %command, machines = reach.machines().len(), platform = ?platform, "sent command `{command}`");
        Ok(command)
    }

    /// Waits until `command` has ended on each of `machines`; cancels it at the deadline.
    #[expect(clippy::disallowed_methods, reason = "the one polling loop of this crate, limited by the deadline")]
    async fn await_outputs(&self, command: &str, machines: Vec<InstanceId>) -> Outputs {
        let mut outputs = Outputs::new();
        let mut pending: BTreeMap<InstanceId, String> =
            machines.into_iter().map(|m| (m, "Pending".to_owned())).collect();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.timing.first_poll)
            .with_max_delay(self.timing.slowest_poll)
            .with_factor(1.5)
            .without_max_times()
            .with_total_delay(Some(self.timing.deadline))
            .build();
        for pause in pauses {
            tokio::time::sleep(pause).await;
            self.read_round(command, &mut pending, &mut outputs).await;
            if pending.is_empty() {
                return outputs;
            }
        }
        self.cancel(command, pending.keys()).await;
        for (machine, status) in pending {
            let error = GuestError::TimedOut {
                machine: machine.clone(),
                command: command.to_owned(),
                within: self.timing.deadline,
                status,
            };
            outputs.insert(machine, Err(error));
        }
        outputs
    }

    /// One look at all pending machines: those that ended move from `pending` to `outputs`.
    async fn read_round(&self, command: &str, pending: &mut BTreeMap<InstanceId, String>, outputs: &mut Outputs) {
        let look: Vec<InstanceId> = if pending.len() == 1 {
            pending.keys().cloned().collect()
        } else {
            // One call tells for all who has ended; only those are worth a call each.
            match self.read_ended(command).await {
                Ok(ended) => ended.into_iter().filter(|machine| pending.contains_key(machine)).collect(),
                Err(failure) => self.settle(
                    failure,
                    "ssm:ListCommandInvocations",
                    &pending.keys().cloned().collect::<Vec<_>>(),
                    pending,
                    outputs,
                ),
            }
        };
        for machine in look {
            let reply =
                self.ssm.get_command_invocation().command_id(command).instance_id(machine.as_str()).send().await;
            let invocation = match reply.map_err(Failure::from) {
                Ok(invocation) => invocation,
                // Invocations appear a moment after SendCommand has answered.
                Err(failure) if failure.code == "InvocationDoesNotExist" => continue,
                Err(failure) => {
                    self.settle(failure, "ssm:GetCommandInvocation", std::slice::from_ref(&machine), pending, outputs);
                    continue;
                }
            };
            let status = invocation.status().map_or("unknown", CommandInvocationStatus::as_str).to_owned();
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            let output = match invocation.status() {
                Some(CommandInvocationStatus::Success) => {
                    Ok(Output { command: command.to_owned(), stdout: text(invocation.standard_output_content()) })
                }
                Some(
                    CommandInvocationStatus::Failed
                    | CommandInvocationStatus::TimedOut
                    | CommandInvocationStatus::Cancelled,
                ) => Err(GuestError::Failed {
                    machine: machine.clone(),
                    command: command.to_owned(),
                    status: invocation.status_details().unwrap_or(&status).to_owned(),
                    stderr: text(invocation.standard_error_content()).trim().to_owned(),
                }),
                // Pending, InProgress, Delayed, Cancelling, and whatever AWS may add: not ended.
                _ => {
                    pending.insert(machine, status);
                    continue;
                }
            };
            pending.remove(&machine);
            outputs.insert(machine, output);
        }
    }

    /// Files a failed read: a throttled one is made again in the next round, any other ends `machines` with the error.
    fn settle(
        &self,
        failure: Failure,
        action: &'static str,
        machines: &[InstanceId],
        pending: &mut BTreeMap<InstanceId, String>,
        outputs: &mut Outputs,
    ) -> Vec<InstanceId> {
        if failure.throttled() {
            return Vec::new();
        }
        let error = failure.into_error(action);
        for machine in machines {
            pending.remove(machine);
            outputs.insert(machine.clone(), Err(error.clone()));
        }
        Vec::new()
    }

    /// The machines on which `command` has ended.
    async fn read_ended(&self, command: &str) -> Result<BTreeSet<InstanceId>, Failure> {
        use CommandInvocationStatus::{Cancelled, Failed, Success, TimedOut};
        self.read_reached(command, |status| matches!(status, Some(Success | Cancelled | TimedOut | Failed))).await
    }

    /// The machines that got `command` and on which its status is one of these.
    pub(crate) async fn read_reached(
        &self,
        command: &str,
        wanted: impl Fn(Option<&CommandInvocationStatus>) -> bool,
    ) -> Result<BTreeSet<InstanceId>, Failure> {
        let mut reached = BTreeSet::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .ssm
                .list_command_invocations()
                .command_id(command)
                .max_results(50)
                .set_next_token(token.take())
                .send()
                .await
                .map_err(Failure::from)?;
            let these = page.command_invocations().iter().filter(|invocation| wanted(invocation.status()));
            reached.extend(these.filter_map(|invocation| InstanceId::parse(invocation.instance_id()?).ok()));
            token = page.next_token().filter(|t| !t.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(reached);
            }
        }
    }

    pub(crate) async fn cancel(&self, command: &str, machines: impl Iterator<Item = &InstanceId>) {
        let machines = machines.map(InstanceId::to_string).collect();
        let reply = self.ssm.cancel_command().command_id(command).set_instance_ids(Some(machines)).send().await;
        if let Err(failure) = reply.map_err(Failure::from) {
            // The command ends by itself at its execution time-out, and it changes nothing on the machine.
            warn!(command.id = %command, code = %failure.code, "command `{command}` could not be cancelled");
        }
    }
}

pub(crate) fn unreadable(machine: &InstanceId, command: &str, error: Unreadable) -> GuestError {
    let (machine, command) = (machine.clone(), command.to_owned());
    match error {
        Unreadable::CutOff(length) => GuestError::CutOff { machine, command, length },
        other @ (Unreadable::Form(_) | Unreadable::Version(_)) => {
            GuestError::Unreadable { machine, command, source: Arc::new(other) }
        }
    }
}
