//! `DescribeInstanceInformation`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    managed::{Managed, managed},
    refusal::{Refusal, page, read},
};
use crate::{ec2::Platform, front::Caller, world::World};

/// Smallest page that the service model allows.
const LEAST: usize = 5;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
    #[serde(default)]
    max_results: Option<usize>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Filter {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

pub(super) fn describe(world: &World, caller: &Caller, body: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let request: Request = read(body)?;
    if !request.filters.is_empty() && !request.instance_information_filter_list.is_empty() {
        let text = "Filters and InstanceInformationFilterList cannot be given together.";
        return Err(Refusal::new("ValidationException", text));
    }
    let mut filters = request.filters;
    let old = request.instance_information_filter_list.into_iter();
    filters.extend(old.map(|filter| Filter { key: filter.key, values: filter.value_set }));
    for filter in &filters {
        check(filter)?;
    }
    let all: Vec<Value> = managed(world, caller)
        .iter()
        .filter(|machine| filters.iter().all(|filter| fits(machine, filter)))
        .map(|machine| information(machine, now))
        .collect();
    let (all, next) = page(all, request.max_results, LEAST, request.next_token.as_deref())?;
    let mut document = json!({"InstanceInformationList": all});
    if let (Some(next), Some(map)) = (next, document.as_object_mut()) {
        map.insert("NextToken".into(), next.into());
    }
    Ok(document)
}

fn check(filter: &Filter) -> Result<(), Refusal> {
    const KEYS: [&str; 11] = [
        "InstanceIds",
        "AgentVersion",
        "PingStatus",
        "PlatformTypes",
        "ActivationIds",
        "IamRole",
        "ResourceType",
        "AssociationStatus",
        "SourceIds",
        "SourceTypes",
        "tag-key",
    ];
    if !KEYS.contains(&filter.key.as_str()) && !filter.key.starts_with("tag:") {
        let text = format!("The specified filter key is not valid: {}", filter.key);
        return Err(Refusal::new("InvalidInstanceInformationFilterValue", text));
    }
    if filter.values.is_empty() || filter.values.len() > 100 {
        return Err(Refusal::validation(format!(
            "Value at 'filters.{}.values' failed to satisfy constraint: Member must have length between 1 and 100",
            filter.key
        )));
    }
    Ok(())
}

fn fits(machine: &Managed<'_>, filter: &Filter) -> bool {
    let any = |value: &str| filter.values.iter().any(|wanted| wanted == value);
    match filter.key.as_str() {
        "InstanceIds" => any(&machine.id),
        "PingStatus" => any(machine.ping()),
        "PlatformTypes" => any(machine.platform()),
        "ResourceType" => any(machine.resource_type()),
        "AgentVersion" => any(AGENT),
        "tag-key" => machine.tags.keys().any(|key| any(key)),
        key => key.strip_prefix("tag:").and_then(|tag| machine.tags.get(tag)).is_some_and(|value| any(value)),
    }
}

const AGENT: &str = "3.3.2299.0";

fn information(machine: &Managed<'_>, now: Timestamp) -> Value {
    let version = match machine.guest.platform {
        Platform::Windows => "10.0.20348",
        Platform::Linux => "2023",
    };
    let adapters = machine.guest.adapters.iter().filter(|adapter| adapter.is_up());
    let address = adapters.flat_map(|adapter| &adapter.addresses).next().map(|own| own.addr().to_string());
    let mut document = json!({
        "InstanceId": machine.id, "PingStatus": machine.ping(), "LastPingDateTime": now.as_second(),
        "AgentVersion": AGENT, "IsLatestVersion": true, "PlatformType": machine.platform(),
        "PlatformName": machine.guest.os, "PlatformVersion": version, "ResourceType": machine.resource_type(),
        "ComputerName": machine.guest.host_name,
    });
    if let Some(map) = document.as_object_mut() {
        if let Some(address) = address {
            map.insert("IPAddress".into(), address.into());
        }
        if machine.resource_type() == "ManagedInstance" {
            map.insert("Name".into(), machine.guest_id.machine().into());
        }
    }
    document
}
