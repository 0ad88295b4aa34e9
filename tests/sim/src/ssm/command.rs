//! `GetCommandInvocation` and `CancelCommand`, and how an invocation goes on.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    refusal::{Refusal, read},
    script,
    state::{Command, Output, Status},
};
use crate::{front::Caller, world::World};

/// Characters of stdout that `GetCommandInvocation` returns.
const STDOUT: usize = 24_000;

/// Characters of stderr that `GetCommandInvocation` returns.
const STDERR: usize = 8_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetRequest {
    command_id: String,
    instance_id: String,
    #[serde(default)]
    plugin_name: Option<String>,
}

pub(super) fn get(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, Refusal> {
    let request: GetRequest = read(body)?;
    let missing =
        || Refusal::new("InvocationDoesNotExist", "The command ID and instance ID combination does not exist.");
    let command = own(world, caller, &request.command_id).ok_or_else(missing)?;
    if request.plugin_name.as_ref().is_some_and(|name| name != command.plugin()) {
        return Err(Refusal::new("InvalidPluginName", "The plugin name is not valid."));
    }
    if !observe(world, &request.command_id, &request.instance_id) {
        return Err(missing());
    }
    let command = own(world, caller, &request.command_id).ok_or_else(missing)?;
    let invocation = command.invocations.get(&request.instance_id).ok_or_else(missing)?;
    let output = invocation.output.clone().unwrap_or(Output { code: -1, ..Output::default() });
    let started = if invocation.status == Status::Pending { String::new() } else { command.requested.to_string() };
    let ended = if invocation.status.is_over() { command.requested.to_string() } else { String::new() };
    Ok(json!({
        "CommandId": request.command_id, "InstanceId": request.instance_id, "Comment": command.comment,
        "DocumentName": command.document, "DocumentVersion": "$DEFAULT", "PluginName": command.plugin(),
        "ResponseCode": output.code, "ExecutionStartDateTime": started, "ExecutionElapsedTime": "PT0S",
        "ExecutionEndDateTime": ended, "Status": invocation.status.as_str(),
        "StatusDetails": invocation.status.details(), "StandardOutputContent": cut(&output.stdout, STDOUT),
        "StandardOutputUrl": "", "StandardErrorContent": cut(&output.stderr, STDERR), "StandardErrorUrl": "",
        "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false},
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CancelRequest {
    command_id: String,
    #[serde(default)]
    instance_ids: Vec<String>,
}

pub(super) fn cancel(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, Refusal> {
    let request: CancelRequest = read(body)?;
    if own(world, caller, &request.command_id).is_none() {
        return Err(Refusal::new("InvalidCommandId", "The specified command ID is not valid."));
    }
    if let Some(command) = world.run_command.commands.get_mut(&request.command_id) {
        if let Some(stranger) = request.instance_ids.iter().find(|id| !command.invocations.contains_key(*id)) {
            return Err(Refusal::new("InvalidInstanceId", format!("Instance {stranger} is not part of the command.")));
        }
        for (id, invocation) in &mut command.invocations {
            let meant = request.instance_ids.is_empty() || request.instance_ids.contains(id);
            if meant && !invocation.status.is_over() {
                invocation.status = Status::Cancelled;
                invocation.output = Some(Output { code: -1, ..Output::default() });
            }
        }
    }
    Ok(json!({}))
}

/// A command of the caller's account and Region.
pub(super) fn own<'w>(world: &'w World, caller: &Caller, id: &str) -> Option<&'w Command> {
    let here = |command: &&Command| command.home.account == caller.account && command.home.region == caller.region;
    world.run_command.commands.get(id).filter(here)
}

/// The first `most` characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// One read of an invocation: it goes on by it. Whether it shows yet.
pub(super) fn observe(world: &mut World, command: &str, instance: &str) -> bool {
    let switches = world.switches.guests.clone();
    let Some(found) = world.run_command.commands.get_mut(command) else { return false };
    let Some(invocation) = found.invocations.get_mut(instance) else { return false };
    let read = invocation.reads;
    invocation.reads = read.saturating_add(1);
    let progress = switches.invocation_hidden_reads.saturating_add(switches.invocation_pending_reads);
    let over = progress.saturating_add(switches.invocation_progress_reads);
    let shows = read >= switches.invocation_hidden_reads;
    if invocation.status.is_over() || read < progress {
        return shows;
    }
    invocation.status = Status::InProgress;
    if read < over {
        return shows;
    }
    let (guest, parameters) = (invocation.guest.clone(), found.parameters.clone());
    let (status, output) = script::run(world, &guest, &found_document(world, command), &parameters);
    let found = world.run_command.commands.get_mut(command);
    if let Some(invocation) = found.and_then(|found| found.invocations.get_mut(instance)) {
        invocation.status = status;
        invocation.output = Some(output);
    }
    shows
}

fn found_document(world: &World, command: &str) -> String {
    world.run_command.commands.get(command).map(|found| found.document.clone()).unwrap_or_default()
}
