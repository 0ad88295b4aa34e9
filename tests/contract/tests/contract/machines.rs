//! State machines against the types: error names, retries, catches, and the documents that states pass on.

use crate::support::{MACHINES, called, machine, read, states};
use holdfast_model::{FaultName, Function, LONGEST_APPROVAL_SECONDS};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn tasks(machine: &Value) -> impl Iterator<Item = (&String, &Value, Function)> {
    states(machine).iter().filter_map(|(name, state)| called(state).map(|function| (name, state, function)))
}

fn names(entry: &Value) -> impl Iterator<Item = &str> {
    entry["ErrorEquals"].as_array().unwrap().iter().map(|name| name.as_str().unwrap())
}

fn reserved(name: &str) -> bool {
    name.starts_with("States.") || name.starts_with("Lambda.")
}

#[test]
fn states_are_flat_and_each_has_a_comment() {
    for name in MACHINES {
        let machine = machine(name);
        assert_eq!(machine["QueryLanguage"], "JSONata", "{name}");
        for (state_name, state) in states(&machine) {
            assert!(state["Comment"].as_str().is_some_and(|c| c.len() > 10), "{name}.{state_name} has no comment");
            assert!(
                !["Map", "Parallel"].contains(&state["Type"].as_str().unwrap()),
                "{name}.{state_name} nests states"
            );
        }
    }
}

#[test]
fn every_error_name_is_a_fault_of_the_called_function_or_reserved() {
    for name in MACHINES {
        let machine = machine(name);
        for (state_name, state, function) in tasks(&machine) {
            for list in ["Retry", "Catch"] {
                for entry in state[list].as_array().into_iter().flatten() {
                    for error in names(entry).filter(|error| !reserved(error)) {
                        let fault = FaultName::ALL.into_iter().find(|fault| fault.name() == error);
                        let fault = fault.unwrap_or_else(|| panic!("{name}.{state_name}: `{error}` is no fault"));
                        assert!(
                            function.faults().contains(&fault),
                            "{name}.{state_name}: {function:?} never returns `{error}`"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn retryable_faults_are_retried_and_no_other() {
    let mut checked = 0;
    for name in MACHINES {
        let machine = machine(name);
        for (state_name, state, function) in tasks(&machine) {
            let retried: BTreeSet<&str> = state["Retry"].as_array().into_iter().flatten().flat_map(names).collect();
            for wide in ["States.ALL", "States.TaskFailed"] {
                assert!(
                    !retried.contains(wide),
                    "{name}.{state_name} retries `{wide}`, which holds faults that a person must see"
                );
            }
            // Who only plans takes no lock, and so waits for no lease.
            let plans = ["plan", "choices"].iter().any(|action| state["Arguments"]["action"] == *action);
            for fault in function.faults() {
                assert_eq!(
                    retried.contains(fault.name()),
                    fault.retryable() && !(plans && fault == FaultName::LeaseHeld),
                    "{name}.{state_name}: retry of `{fault}`"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 50);
}

/// Where a state leads to on its way to a page: the page itself, or through what is told and asked before it, whatever becomes of that.
fn page_behind<'a>(states: &'a serde_json::Map<String, Value>, mut name: &'a str) -> &'a str {
    for _ in 0..states.len() {
        let state = &states[name];
        let next = || state["Next"].as_str().unwrap_or_else(|| panic!("{name} leads nowhere"));
        match (state["Type"].as_str(), called(state)) {
            (Some("Pass"), _) if state["End"] != true => name = next(),
            (Some("Task"), Some(_)) => {
                let caught = state["Catch"].as_array().and_then(|all| all.last()).unwrap();
                assert_eq!(caught["Next"].as_str(), Some(next()), "{name} does not lead on when it fails");
                name = next();
            }
            _ => return name,
        }
    }
    panic!("{name} leads round in circles");
}

#[test]
fn the_last_catch_of_every_call_leads_to_a_page_and_then_held() {
    for name in MACHINES {
        let machine = machine(name);
        let states = states(&machine);
        for (state_name, state, _) in tasks(&machine) {
            let last = state["Catch"]
                .as_array()
                .and_then(|all| all.last())
                .unwrap_or_else(|| panic!("{name}.{state_name} catches nothing"));
            assert_eq!(names(last).collect::<Vec<_>>(), ["States.ALL"], "{name}.{state_name}");
            let page = &states[page_behind(states, last["Next"].as_str().unwrap())];
            assert_eq!(page["Resource"], "arn:aws:states:::sns:publish", "{name}.{state_name} pages nobody");
            let held = &states[page["Next"].as_str().unwrap()];
            assert_eq!(
                (held["Type"].as_str(), held["Error"].as_str()),
                (Some("Fail"), Some("Held")),
                "{name}.{state_name}"
            );
            let caught = page["Catch"].as_array().and_then(|all| all.last()).unwrap();
            assert_eq!(
                states[caught["Next"].as_str().unwrap()]["Error"],
                "Held",
                "{name}: a page that fails must still hold"
            );
        }
    }
}

/// Property names of a function's output document, or of all that it may be, with the constants that an enumerated one may have.
fn output(function: Function) -> BTreeMap<String, BTreeSet<String>> {
    let schema: Value =
        serde_json::from_str(&read(&format!("statemachines/schema/{}.output.json", function.name()))).unwrap();
    let defined = |of: &Value| {
        let name = of["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/").map(str::to_owned));
        name.map_or_else(|| of.clone(), |name| schema["$defs"][name].clone())
    };
    let forms: Vec<Value> = match schema["anyOf"].as_array() {
        Some(several) => several.iter().map(defined).collect(),
        None => vec![schema.clone()],
    };
    let properties = forms.iter().flat_map(|form| form["properties"].as_object().unwrap().clone());
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, property) in properties {
        let definition = defined(&property);
        let constants = definition["oneOf"].as_array().into_iter().flatten();
        let constants = constants.filter_map(|v| v["const"].as_str().map(str::to_owned));
        all.entry(name).or_default().extend(constants);
    }
    all
}

/// Words behind `prefix` in all strings of a value.
fn paths(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            for rest in text.split(prefix).skip(1) {
                found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, prefix, found)),
        Value::Object(entries) => entries.values().for_each(|item| paths(item, prefix, found)),
        _ => {}
    }
}

#[test]
fn every_field_read_from_a_result_is_in_the_functions_output() {
    let mut checked = 0;
    for name in MACHINES {
        let machine = machine(name);
        for (state_name, state, function) in tasks(&machine) {
            let mut found = BTreeSet::new();
            paths(state, "$states.result.", &mut found);
            for field in found {
                assert!(
                    output(function).contains_key(&field),
                    "{name}.{state_name}: {function:?} returns no `{field}`"
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 10);
}

#[test]
fn choices_read_an_enumerated_field_of_the_state_before_and_compare_it_with_its_values() {
    let mut checked = 0;
    for name in MACHINES {
        let machine = machine(name);
        let states = states(&machine);
        for (choice_name, choice) in states.iter().filter(|(_, state)| state["Type"] == "Choice") {
            let before: Vec<Function> =
                states.values().filter(|s| s["Next"] == **choice_name).filter_map(called).collect();
            for function in before {
                let mut fields = BTreeSet::new();
                paths(choice, "$states.input.", &mut fields);
                let fields: Vec<_> = fields.into_iter().collect();
                // A choice by what the execution remembers reads nothing of the document.
                if fields.is_empty() && !choice.to_string().contains("$states") {
                    continue;
                }
                assert_eq!(fields, ["result"], "{name}.{choice_name}");
                for condition in choice["Choices"].as_array().unwrap() {
                    let text = condition["Condition"].as_str().unwrap();
                    let constants: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
                    assert!(!constants.is_empty(), "{name}.{choice_name}: `{text}` compares with nothing");
                    for constant in constants {
                        assert!(
                            output(function)["result"].contains(constant),
                            "{name}.{choice_name}: {function:?} never answers `{constant}`"
                        );
                        checked += 1;
                    }
                }
            }
        }
    }
    assert!(checked >= 4);
}

#[test]
fn arguments_have_only_the_fields_that_the_function_takes() {
    for name in MACHINES {
        let machine = machine(name);
        for (state_name, state, function) in tasks(&machine) {
            let schema: Value =
                serde_json::from_str(&read(&format!("statemachines/schema/{}.input.json", function.name()))).unwrap();
            let given: BTreeSet<&String> = state["Arguments"].as_object().unwrap().keys().collect();
            let taken: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
            assert!(given.is_subset(&taken), "{name}.{state_name}: {given:?} is not within {taken:?}");
            for required in schema["required"].as_array().unwrap() {
                assert!(
                    given.iter().any(|g| *g == required.as_str().unwrap()),
                    "{name}.{state_name} leaves out {required}"
                );
            }
        }
    }
}

/// A proposal waits for a person's answer: what is sent says how to give either, and no answer is one.
#[test]
fn a_proposal_is_approved_rejected_or_expires() {
    let mut proposing = BTreeSet::new();
    for name in MACHINES {
        let machine = machine(name);
        let states = states(&machine);
        for (state_name, state) in states.iter().filter(|(_, state)| {
            state["Resource"].as_str().is_some_and(|resource| resource.ends_with(".waitForTaskToken"))
        }) {
            assert_eq!(state["Resource"], "arn:aws:states:::sns:publish.waitForTaskToken", "{name}.{state_name}");
            let message = state["Arguments"]["Message"].as_str().unwrap();
            for (command, answer) in [
                ("send-task-success", r#"--task-output '{\"approved_by\": \"YOUR NAME\"}'"#),
                ("send-task-failure", "--error Rejected --cause 'YOUR NAME: why'"),
            ] {
                let (_, command) = message.split_once(&format!("aws stepfunctions {command} --region ")).unwrap();
                let (token, _) = command.split_once(answer).unwrap_or_else(|| panic!("{name}: no `{answer}`"));
                assert!(token.contains("--task-token ' & $states.context.Task.Token & "), "{name}: {token}");
            }
            let decide = &states["Decide"];
            assert_eq!(called(decide), Some(Function::Watch), "{name}");
            let assigned = |variable: &str| state["Assign"][variable].as_str().unwrap_or_default().to_owned();
            assert!(assigned("request").contains("'approved_by': $exists($states.result.approved_by)"), "{name}");
            assert_eq!(
                (state["TimeoutSeconds"].as_str(), decide["Assign"]["expires"].as_str()),
                (Some("{% $expires %}"), Some("{% $states.result.expires %}")),
                "{name}.{state_name}"
            );
            let whole = machine["TimeoutSeconds"].as_u64().unwrap();
            assert!(u64::from(LONGEST_APPROVAL_SECONDS) + 7200 <= whole, "{name}: the rest has two hours");
            let caught: Vec<(Vec<&str>, &Value)> = state["Catch"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| (names(entry).collect(), &states[page_behind(states, entry["Next"].as_str().unwrap())]))
                .collect();
            let [rejected, expired, other] = caught.as_slice() else { panic!("{name}: {caught:?}") };
            assert_eq!(
                (&*rejected.0, &*expired.0, &*other.0),
                (&["Rejected"][..], &["States.Timeout"][..], &["States.ALL"][..])
            );
            for (_, next) in [rejected, expired] {
                assert_eq!((&next["Output"]["result"], &next["End"]), (&"noted".into(), &true.into()), "{name}");
            }
            assert_eq!(other.1["Resource"], "arn:aws:states:::sns:publish", "{name}");
            proposing.insert(name);
        }
    }
    assert_eq!(proposing, ["cutover", "failover"].into());
}
