//! `SendCommand`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    list,
    managed::{Managed, managed},
    refusal::{Refusal, read},
    state::{Command, Invocation, Status},
};
use crate::{
    ec2::{Home, Platform, id},
    front::Caller,
    world::World,
};

/// Runs in PowerShell, on Windows and where PowerShell is installed.
pub(super) const POWERSHELL: &str = "AWS-RunPowerShellScript";

/// Runs in sh, on Linux.
const SHELL: &str = "AWS-RunShellScript";

/// The most instance ids of one command.
const MOST_IDS: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    targets: Vec<Target>,
    document_name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "every version of the two documents is the same here")]
    document_version: Option<String>,
    #[serde(default)]
    timeout_seconds: Option<u32>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    max_concurrency: Option<String>,
    #[serde(default)]
    max_errors: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Target {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

pub(super) fn send(world: &mut World, caller: &Caller, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let request: Request = read(body)?;
    check(&request)?;
    let machines = managed(world, caller);
    let chosen = choose(&request, &machines, caller)?;
    let mut invocations = BTreeMap::new();
    for machine in chosen {
        let invocation = Invocation {
            guest: machine.guest_id.clone(),
            host_name: machine.guest.host_name.clone(),
            reads: 0,
            status: Status::Pending,
            output: None,
        };
        invocations.insert(machine.id.clone(), invocation);
    }
    let run = &mut world.run_command;
    run.sent += 1;
    let id = id::request_id(&format!("command {} {} {}", caller.account, caller.region, run.sent));
    let command = Command {
        home: Home { region: caller.region.clone(), account: caller.account.clone() },
        document: request.document_name,
        comment: request.comment,
        parameters: request.parameters,
        instance_ids: request.instance_ids,
        targets: body.get("Targets").cloned().unwrap_or_else(|| Value::Array(Vec::new())),
        throttles: (request.max_concurrency, request.max_errors),
        timeout_seconds: request.timeout_seconds.unwrap_or(3600),
        requested: now,
        serial: run.sent,
        invocations,
    };
    let document = serde_json::json!({"Command": list::command(&id, &command)});
    run.commands.insert(id, command);
    Ok(document)
}

fn check(request: &Request) -> Result<(), Refusal> {
    if request.instance_ids.len() > MOST_IDS {
        let problem = format!(
            "Value '[{}]' at 'instanceIds' failed to satisfy constraint: Member must have length less than or equal to {MOST_IDS}",
            request.instance_ids.join(", ")
        );
        return Err(Refusal::validation(problem));
    }
    if let Some(seconds) = request.timeout_seconds
        && !(30..=2_592_000).contains(&seconds)
    {
        let problem = format!(
            "Value '{seconds}' at 'timeoutSeconds' failed to satisfy constraint: Member must have value greater than or equal to 30"
        );
        return Err(Refusal::validation(problem));
    }
    for (name, least, given) in [("maxConcurrency", 1, &request.max_concurrency), ("maxErrors", 0, &request.max_errors)]
    {
        let Some(given) = given else { continue };
        let number = given.strip_suffix('%').unwrap_or(given).parse::<u32>().ok();
        if !number.is_some_and(|number| number >= least && (number <= 100 || !given.ends_with('%'))) {
            let text = format!(
                "Value '{given}' at '{name}' failed to satisfy constraint: Member must satisfy regular expression pattern"
            );
            return Err(Refusal::validation(text));
        }
    }
    match (request.instance_ids.is_empty(), request.targets.is_empty()) {
        (true, true) => return Err(Refusal::new("InvalidParameters", "Either InstanceIds or Targets must be given.")),
        (false, false) => {
            return Err(Refusal::new("InvalidParameters", "InstanceIds and Targets cannot be given together."));
        }
        (true, false) | (false, true) => {}
    }
    if request.targets.len() > 5 {
        return Err(Refusal::validation(
            "Value at 'targets' failed to satisfy constraint: Member must have length less than or equal to 5",
        ));
    }
    let ids: BTreeSet<&String> = request.instance_ids.iter().collect();
    if ids.len() < request.instance_ids.len() {
        return Err(Refusal::new("DuplicateInstanceId", "You cannot specify an instance ID in more than one place."));
    }
    if ![POWERSHELL, SHELL].contains(&request.document_name.as_str()) {
        let text = format!("Document with name {} does not exist.", request.document_name);
        return Err(Refusal::new("InvalidDocument", text));
    }
    let known = ["commands", "workingDirectory", "executionTimeout"];
    if let Some(unknown) = request.parameters.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Refusal::new("InvalidParameters", format!("Parameter \"{unknown}\" is not defined in document")));
    }
    if request.parameters.get("commands").is_none_or(Vec::is_empty) {
        return Err(Refusal::new("InvalidParameters", "Parameter \"commands\" requires a value"));
    }
    Ok(())
}

/// The machines that the command goes to. Those that are named must be managed and online; those that targets fit
/// are taken where they are.
fn choose<'m, 'w>(
    request: &Request,
    machines: &'m [Managed<'w>],
    caller: &Caller,
) -> Result<Vec<&'m Managed<'w>>, Refusal> {
    let online = || machines.iter().filter(|machine| machine.online);
    let chosen: Vec<&Managed<'_>> = if request.targets.is_empty() {
        let ready: BTreeSet<&str> = online().map(|machine| machine.id.as_str()).collect();
        let bad: Vec<&str> = request.instance_ids.iter().map(String::as_str).filter(|id| !ready.contains(id)).collect();
        if !bad.is_empty() {
            let text = format!("Instances [[{}]] not in a valid state for account {}", bad.join(", "), caller.account);
            return Err(Refusal::new("InvalidInstanceId", text));
        }
        online().filter(|machine| request.instance_ids.contains(&machine.id)).collect()
    } else {
        for target in &request.targets {
            let known = target.key.starts_with("tag:") || ["tag-key", "InstanceIds"].contains(&target.key.as_str());
            if !known {
                return Err(Refusal::new("InvalidTarget", format!("The target key {} is not supported.", target.key)));
            }
        }
        online().filter(|machine| request.targets.iter().all(|target| target_fits(machine, target))).collect()
    };
    // AWS-RunPowerShellScript is made for Linux too, AWS-RunShellScript not for Windows.
    if request.document_name == SHELL && chosen.iter().any(|machine| machine.guest.platform == Platform::Windows) {
        let text = "The document does not support the platform type of the given instance ID(s).";
        return Err(Refusal::new("UnsupportedPlatformType", text));
    }
    Ok(chosen)
}

fn target_fits(machine: &Managed<'_>, target: &Target) -> bool {
    let any = |value: &str| target.values.iter().any(|wanted| wanted == value);
    match target.key.as_str() {
        "InstanceIds" => any(&machine.id),
        "tag-key" => machine.tags.keys().any(|key| any(key)),
        key => key.strip_prefix("tag:").and_then(|tag| machine.tags.get(tag)).is_some_and(|value| any(value)),
    }
}
