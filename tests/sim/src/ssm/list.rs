//! `ListCommands` and `ListCommandInvocations`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    command::{cut, observe},
    refusal::{Refusal, page, read},
    state::{Command, Invocation, Status},
};
use crate::{front::Caller, world::World};

/// Characters of output that the plugins of a list show.
const OUTPUT: usize = 2_500;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    #[serde(default)]
    command_id: Option<String>,
    #[serde(default)]
    instance_id: Option<String>,
    #[serde(default)]
    max_results: Option<usize>,
    #[serde(default)]
    next_token: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    details: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    key: String,
    value: String,
}

impl Filter {
    fn fits(&self, command: &Command, status: Status) -> Result<bool, Refusal> {
        match self.key.as_str() {
            "Status" => Ok(status.as_str() == self.value || status.details() == self.value),
            "DocumentName" => Ok(command.document == self.value),
            other => Err(Refusal::new("InvalidFilterKey", format!("The filter key {other} is not simulated."))),
        }
    }
}

/// The caller's commands that the request asks for, the last one first.
fn chosen<'w>(world: &'w World, caller: &Caller, request: &Request) -> Result<Vec<(&'w String, &'w Command)>, Refusal> {
    let mut found: Vec<(&String, &Command)> = world
        .run_command
        .commands
        .iter()
        .filter(|(_, command)| command.home.account == caller.account && command.home.region == caller.region)
        .filter(|(id, _)| request.command_id.as_ref().is_none_or(|wanted| wanted == *id))
        .filter(|(_, command)| request.instance_id.as_ref().is_none_or(|id| command.invocations.contains_key(id)))
        .collect();
    if found.is_empty() && request.command_id.is_some() && request.instance_id.is_none() {
        return Err(Refusal::new("InvalidCommandId", "The specified command ID is not valid."));
    }
    found.sort_by_key(|(_, command)| std::cmp::Reverse(command.serial));
    Ok(found)
}

pub(super) fn commands(world: &World, caller: &Caller, body: &Value) -> Result<Value, Refusal> {
    let request: Request = read(body)?;
    let mut all = Vec::new();
    for (id, found) in chosen(world, caller, &request)? {
        let mut fits = true;
        for filter in &request.filters {
            fits &= filter.fits(found, found.status())?;
        }
        if fits {
            all.push(command(id, found));
        }
    }
    let (all, next) = page(all, request.max_results, 1, request.next_token.as_deref())?;
    Ok(with_token(json!({"Commands": all}), next))
}

pub(super) fn invocations(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, Refusal> {
    let request: Request = read(body)?;
    let mut shown = Vec::new();
    let meant: Vec<(String, String)> = chosen(world, caller, &request)?
        .into_iter()
        .flat_map(|(id, command)| command.invocations.keys().map(move |instance| (id.clone(), instance.clone())))
        .filter(|(_, instance)| request.instance_id.as_ref().is_none_or(|wanted| wanted == instance))
        .collect();
    for (id, instance) in meant {
        // Later pages of one listing are the same read.
        let shows =
            if request.next_token.is_none() { observe(world, &id, &instance) } else { is_shown(world, &id, &instance) };
        let Some(command) = world.run_command.commands.get(&id) else { continue };
        let Some(found) = command.invocations.get(&instance) else { continue };
        let mut fits = shows;
        for filter in &request.filters {
            fits &= filter.fits(command, found.status)?;
        }
        if fits {
            shown.push(invocation(&id, command, &instance, found, request.details));
        }
    }
    let (shown, next) = page(shown, request.max_results, 1, request.next_token.as_deref())?;
    Ok(with_token(json!({"CommandInvocations": shown}), next))
}

fn is_shown(world: &World, command: &str, instance: &str) -> bool {
    let hidden = world.switches.guests.invocation_hidden_reads;
    let found = world.run_command.commands.get(command).and_then(|command| command.invocations.get(instance));
    found.is_some_and(|invocation| invocation.reads > hidden)
}

fn with_token(mut document: Value, next: Option<String>) -> Value {
    if let (Some(next), Some(map)) = (next, document.as_object_mut()) {
        map.insert("NextToken".into(), next.into());
    }
    document
}

/// A `Command`.
pub(super) fn command(id: &str, command: &Command) -> Value {
    let count = |fits: fn(Status) -> bool| command.invocations.values().filter(|one| fits(one.status)).count();
    let status = command.status();
    json!({
        "CommandId": id, "DocumentName": command.document, "DocumentVersion": "$DEFAULT", "Comment": command.comment,
        "ExpiresAfter": command.requested.as_second() + i64::from(command.timeout_seconds),
        "Parameters": command.parameters, "InstanceIds": command.instance_ids, "Targets": command.targets,
        "RequestedDateTime": command.requested.as_second(), "Status": status.as_str(),
        "StatusDetails": status.details(), "OutputS3Region": command.home.region, "OutputS3BucketName": "",
        "OutputS3KeyPrefix": "", "MaxConcurrency": "50", "MaxErrors": "0",
        "TargetCount": command.invocations.len(), "CompletedCount": count(Status::is_over),
        "ErrorCount": count(|status| status == Status::Failed),
        "DeliveryTimedOutCount": count(|status| status == Status::TimedOut), "ServiceRole": "",
        "NotificationConfig": {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""},
        "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false},
        "TimeoutSeconds": command.timeout_seconds,
    })
}

fn invocation(id: &str, command: &Command, instance: &str, invocation: &Invocation, details: bool) -> Value {
    let status = invocation.status;
    let mut plugins = Vec::new();
    if details {
        let output = invocation.output.clone().unwrap_or_default();
        let text = if output.stderr.is_empty() {
            output.stdout
        } else {
            format!("{}\n----------ERROR-------\n{}", output.stdout, output.stderr)
        };
        plugins.push(json!({
            "Name": command.plugin(), "Status": status.as_str(), "StatusDetails": status.details(),
            "ResponseCode": invocation.output.as_ref().map_or(-1, |output| output.code),
            "ResponseStartDateTime": command.requested.as_second(),
            "ResponseFinishDateTime": command.requested.as_second(), "Output": cut(&text, OUTPUT),
            "StandardOutputUrl": "", "StandardErrorUrl": "", "OutputS3Region": command.home.region,
            "OutputS3BucketName": "", "OutputS3KeyPrefix": "",
        }));
    }
    json!({
        "CommandId": id, "InstanceId": instance, "InstanceName": invocation.host_name, "Comment": command.comment,
        "DocumentName": command.document, "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": command.requested.as_second(), "Status": status.as_str(),
        "StatusDetails": status.details(), "TraceOutput": "", "StandardOutputUrl": "", "StandardErrorUrl": "",
        "CommandPlugins": plugins, "ServiceRole": "",
        "NotificationConfig": {"NotificationArn": "", "NotificationEvents": [], "NotificationType": ""},
        "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "", "CloudWatchOutputEnabled": false},
    })
}
