//! The files that are compared, read once and in one way.

use holdfast_model::Function;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The state machines.
pub const MACHINES: [&str; 6] = ["capture", "cutover", "recheck", "failover", "reprotect", "drill"];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn machine(name: &str) -> Value {
    serde_json::from_str(&read(&format!("statemachines/{name}.asl.json"))).unwrap()
}

/// States by name. The machines have no nested states; `machines::states_are_flat` holds that.
pub fn states(machine: &Value) -> &Map<String, Value> {
    machine["States"].as_object().unwrap()
}

/// The template; CloudFormation's short tags (`!Ref X`) read as their value (`X`).
pub fn template() -> Value {
    serde_saphyr::from_str(&read("infra/template.yaml")).unwrap()
}

/// `swap-route` as `SwapRoute`.
pub fn pascal(kebab: &str) -> String {
    kebab.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The placeholder that stands for a function in a state machine.
pub fn placeholder(function: Function) -> String {
    format!("${{{}FunctionArn}}", pascal(function.name()))
}

/// The function that a state calls.
pub fn called(state: &Value) -> Option<Function> {
    let resource = state["Resource"].as_str()?;
    Function::ALL.into_iter().find(|function| resource == placeholder(*function))
}

/// The resource of a function in the template.
pub fn resource(function: Function) -> String {
    format!("{}Function", pascal(function.name()))
}
