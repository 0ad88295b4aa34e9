//! Function names, substitutions and environment of the template against crates, state machines and configuration.

use crate::support::{MACHINES, machine, pascal, placeholder, read, resource, root, states, template};
use cargo_metadata::{CargoOpt, MetadataCommand, TargetKind};
use holdfast_model::wire::{VerifyInput, WatchInput};
use holdfast_model::{ApplianceUnknown, Event, Function, NetworkReady, TestLeft};
use holdfast_runtime::{Config, START_PARAMETER};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn every_function_is_a_binary_crate_and_a_resource() {
    let metadata = MetadataCommand::new().current_dir(root()).features(CargoOpt::AllFeatures).no_deps().exec().unwrap();
    let template = template();
    let binaries: BTreeSet<String> = metadata
        .packages
        .iter()
        .filter(|package| package.manifest_path.as_str().contains("/functions/"))
        .flat_map(|package| package.targets.iter())
        .filter(|target| target.kind.contains(&TargetKind::Bin))
        .map(|target| target.name.clone())
        .collect();
    let functions: BTreeSet<String> = Function::ALL.iter().map(|function| function.name().to_owned()).collect();
    assert_eq!(binaries, functions);
    let resources: BTreeSet<String> = template["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function")
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(resources, Function::ALL.iter().map(|function| resource(*function)).collect());
    for function in Function::ALL {
        let resource = &template["Resources"][resource(function)];
        assert_eq!(resource["Metadata"]["BuildMethod"], "rust-cargolambda");
        assert_eq!(resource["Metadata"]["BuildProperties"]["Binary"], function.name());
        assert_eq!(resource["Properties"]["CodeUri"], format!("../functions/{}", function.name()));
        assert_eq!(resource["Properties"]["FunctionName"], format!("holdfast-{}", function.name()));
    }
}

#[test]
fn every_state_machine_is_a_resource_and_its_placeholders_are_substituted_both_ways() {
    let template = template();
    for name in MACHINES {
        let properties = &template["Resources"][format!("{}StateMachine", pascal(name))]["Properties"];
        assert_eq!(properties["DefinitionUri"], format!("../statemachines/{name}.asl.json"));
        let substituted: BTreeSet<String> =
            properties["DefinitionSubstitutions"].as_object().unwrap().keys().cloned().collect();
        let text = read(&format!("statemachines/{name}.asl.json"));
        let used: BTreeSet<String> =
            text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect();
        assert_eq!(used, substituted, "{name}");
        let may_call = properties["Policies"].to_string();
        for function in Function::ALL {
            let calls = states(&machine(name)).values().any(|state| state["Resource"] == placeholder(function));
            assert_eq!(may_call.contains(&format!("{}.Arn", resource(function))), calls, "{name} and {function:?}");
        }
    }
}

/// A page names the state machine that takes an operation back.
#[test]
fn the_machine_that_commands_start_is_named_so() {
    assert_eq!(template()["Resources"]["FailoverStateMachine"]["Properties"]["Name"], holdfast_swap_route::FAILOVER);
}

#[test]
fn functions_are_given_exactly_the_environment_that_they_read() {
    let template = template();
    let given: BTreeSet<&str> = template["Globals"]["Function"]["Environment"]["Variables"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(given, Config::VARIABLES.into_iter().collect());
    for function in Function::ALL {
        assert!(template["Resources"][resource(function)]["Properties"]["Environment"].is_null(), "{function:?}");
    }
}

/// Machines and functions that rules and schedules start, by the resource that starts them.
fn started(template: &Value) -> Vec<(String, Value)> {
    let resources = template["Resources"].as_object().unwrap();
    let targets = |resource: &Value| match resource["Type"].as_str().unwrap() {
        "AWS::Events::Rule" => resource["Properties"]["Targets"].as_array().unwrap().clone(),
        "AWS::Scheduler::Schedule" => vec![resource["Properties"]["Target"].clone()],
        _ => Vec::new(),
    };
    let named = resources.iter().flat_map(|(name, resource)| {
        targets(resource).into_iter().map(move |target| (name.clone(), target)).collect::<Vec<_>>()
    });
    named.collect()
}

/// Whoever could not be started is in a queue that an alarm watches, and the role that starts may do just that.
#[test]
fn what_could_not_be_started_is_kept_and_told() {
    let template = template();
    let queue = "NotStartedQueue.Arn";
    let started = started(&template);
    let names: BTreeSet<&str> = started.iter().map(|(name, _)| name.as_str()).collect();
    assert!(["DrillSchedule", "RecheckSchedule", "ReconcileSchedule"].iter().all(|name| names.contains(name)));
    let mut machines: BTreeSet<String> = BTreeSet::new();
    for (name, target) in &started {
        assert_eq!(target["DeadLetterConfig"]["Arn"], queue, "{name}");
        let Some(reference) = target["Arn"].as_str().filter(|it| it.ends_with("StateMachine")) else { continue };
        assert_eq!(target["RoleArn"], "StarterRole.Arn", "{name}");
        machines.insert(reference.to_owned());
    }
    let role = &template["Resources"]["StarterRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let granted = |action: &str| {
        let statement = role.as_array().unwrap().iter().find(|statement| statement["Action"] == action);
        statement.unwrap_or_else(|| panic!("{action} is not granted"))["Resource"].clone()
    };
    let may: BTreeSet<String> = granted("states:StartExecution")
        .as_array()
        .unwrap()
        .iter()
        .map(|machine| machine.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(may, machines);
    assert_eq!(granted("sqs:SendMessage"), queue);
    let alarm = &template["Resources"]["NotStartedAlarm"]["Properties"];
    assert_eq!(alarm["Dimensions"][0]["Value"], "NotStartedQueue.QueueName");
    assert_eq!(alarm["AlarmActions"], json!(["HoldTopic"]));
}

/// Every kind of message that `watch` and `verify` put on the bus is matched by one rule; only what finished starts a machine, the rest is told.
#[test]
fn each_kind_of_event_starts_its_machine_or_is_told() {
    let template = template();
    let rules: Vec<&Value> =
        template["Resources"].as_object().unwrap().values().filter(|it| it["Type"] == "AWS::Events::Rule").collect();
    let has = |list: &Value, text: &str| list.as_array().unwrap().iter().any(|it| it == text);
    let target = |source: &str, detail_type: &str| {
        let matching: Vec<&Value> = rules
            .iter()
            .map(|rule| &rule["Properties"])
            .filter(|rule| rule["EventBusName"] == "EventBus")
            .filter(|rule| {
                let pattern = &rule["EventPattern"];
                has(&pattern["source"], source) && has(&pattern["detail-type"], detail_type)
            })
            .collect();
        let [rule] = matching[..] else { panic!("{source} {detail_type}: {} rules", matching.len()) };
        rule["Targets"][0]["Arn"].as_str().unwrap().to_owned()
    };
    let example = json!({
        "schema_version": 1, "id": "cutover-1a2b3c4d", "networks": ["app"], "to": "nc2-tokyo", "machines": {},
        "found_at": "2026-01-02T03:04:05Z", "summary": "", "ending": "finished",
        "job": {"kind": "cutover", "wave": "wave-1", "appliance": "move-tokyo", "plans": []}
    });
    let failover = json!({
        "kind": "failover", "prism_central": "pc-tokyo", "job": "1a2b3c4d-1111-4111-8111-111111111111", "name": "j",
        "action": "planned"
    });
    for (job, machine) in [(example["job"].clone(), "CutoverStateMachine"), (failover, "FailoverStateMachine")] {
        for ending in ["finished", "partly_finished", "failed"] {
            let mut event = example.clone();
            (event["job"], event["ending"]) = (job.clone(), json!(ending));
            let event: Event = serde_json::from_value(event).unwrap();
            let wanted = if ending == "finished" { machine } else { "HoldTopic" };
            assert_eq!(target(event.source(), event.detail_type()), wanted);
        }
    }
    assert_eq!(target(TestLeft::SOURCE, TestLeft::DETAIL_TYPE), "HoldTopic");
    assert_eq!(target(ApplianceUnknown::SOURCE, ApplianceUnknown::DETAIL_TYPE), "HoldTopic");
    let stale = json!({"nc2-osaka": ["never"]});
    for ready in [
        json!({"kind": "ready", "to": "nc2-osaka"}),
        json!({"kind": "not_ready", "stale": stale}),
        json!({"kind": "unknown"}),
    ] {
        let ready = json!({"schema_version": 1, "network": "app", "at": null, "ready": ready,
            "found_at": "2026-01-02T03:04:05Z", "summary": ""});
        let ready: NetworkReady = serde_json::from_value(ready).unwrap();
        assert_eq!(target(NetworkReady::SOURCE, ready.detail_type()), "HoldTopic");
    }
}

/// EventBridge and CloudWatch cannot publish to a topic under the key that AWS keeps for SNS (Amazon SNS developer guide, "Key management").
#[test]
fn who_pages_may_use_the_key_of_the_topic() {
    let template = template();
    let resources = &template["Resources"];
    assert_eq!(resources["HoldTopic"]["Properties"]["KmsMasterKeyId"], "HoldTopicKey");
    for (resource, policy) in [("HoldTopicKey", "KeyPolicy"), ("HoldTopicPolicy", "PolicyDocument")] {
        let statements = resources[resource]["Properties"][policy]["Statement"].as_array().unwrap();
        let services = statements.iter().find(|statement| !statement["Principal"]["Service"].is_null()).unwrap();
        assert_eq!(services["Principal"]["Service"], json!(["events.amazonaws.com", "cloudwatch.amazonaws.com"]));
        assert_eq!(services["Condition"]["StringEquals"]["aws:SourceAccount"], "AWS::AccountId");
    }
    for name in MACHINES {
        let policies = &resources[format!("{}StateMachine", pascal(name))]["Properties"]["Policies"];
        let statements = policies[0]["Statement"].as_array().unwrap();
        let key = statements.iter().find(|statement| statement["Sid"] == "EncryptPage").unwrap();
        assert_eq!(key["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]), "{name}");
        assert_eq!(key["Resource"], "HoldTopicKey.Arn", "{name}");
    }
}

#[test]
fn the_kill_switch_is_a_parameter_of_the_stack_that_watch_reads() {
    let resources = &template()["Resources"];
    let parameter = &resources["StartParameter"]["Properties"];
    assert_eq!(parameter["Name"], START_PARAMETER);
    assert_eq!((&parameter["Value"], &parameter["AllowedPattern"]), (&"as_policy".into(), &"as_policy|manual".into()));
    let reads = resources[resource(Function::Watch)]["Properties"]["Policies"].to_string();
    assert!(reads.contains(&format!(":parameter{START_PARAMETER}\"")), "{reads}");
}

/// What a schedule hands to a function is a document that the function takes, and the role may call just those functions.
#[test]
fn functions_on_a_schedule_are_given_what_they_take() {
    let template = template();
    let calls =
        started(&template).into_iter().filter(|(_, target)| target["Arn"].as_str().unwrap().ends_with("Function.Arn"));
    let called: BTreeSet<String> = calls
        .map(|(name, target)| {
            let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
            match target["Arn"].as_str().unwrap() {
                "WatchFunction.Arn" => drop(holdfast_runtime::decode::<WatchInput>(input).unwrap()),
                "VerifyFunction.Arn" => drop(holdfast_runtime::decode::<VerifyInput>(input).unwrap()),
                other => panic!("{name} calls {other}"),
            }
            target["Arn"].as_str().unwrap().to_owned()
        })
        .collect();
    let role = &template["Resources"]["StarterRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let invoke =
        role.as_array().unwrap().iter().find(|statement| statement["Action"] == "lambda:InvokeFunction").unwrap();
    let may: BTreeSet<String> =
        invoke["Resource"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().to_owned()).collect();
    assert_eq!(may, called);
}

/// The drill of the way back rests on what Step Functions says of a failover, and on its output, as its own state machine reads it.
#[test]
fn a_failover_that_has_ended_well_starts_the_check_of_the_way_back() {
    let rule = &template()["Resources"]["FailoverProvenRule"]["Properties"];
    let pattern = json!({
        "source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": ["FailoverStateMachine"], "status": ["SUCCEEDED"]}
    });
    assert_eq!((&rule["EventPattern"], &rule["EventBusName"]), (&pattern, &Value::Null));
    let target = &rule["Targets"][0];
    assert_eq!((&target["Arn"], &target["InputTransformer"]), (&"ReprotectStateMachine".into(), &Value::Null));
    let machine = machine("failover");
    assert_eq!(machine["States"]["Done"]["Output"]["way_back"], "{% $way_back %}");
    assert_eq!(machine["States"]["SwapRoutes"]["Assign"]["way_back"], "{% $states.result.way_back %}");
    let schema: Value = serde_json::from_str(&read("statemachines/schema/execution.drill.json")).unwrap();
    let back = holdfast_model::wire::WayBack {
        networks: [holdfast_model::NetworkName::parse("app").unwrap()].into(),
        to: holdfast_model::SiteName::parse("nc2-tokyo").unwrap(),
    };
    jsonschema::validate(&schema, &serde_json::to_value(back).unwrap()).unwrap();
}

/// Whoever was stopped or ran out of time pages nobody: every state machine is told of by EventBridge.
#[test]
fn an_execution_that_cannot_page_is_told_of() {
    let template = template();
    let resources = template["Resources"].as_object().unwrap();
    let machines = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::StateMachine");
    let machines: BTreeSet<&str> = machines.map(|(name, _)| name.as_str()).collect();
    let rule = &resources["EndedUntoldRule"]["Properties"];
    let detail = &rule["EventPattern"]["detail"];
    let told: BTreeSet<&str> =
        detail["stateMachineArn"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap()).collect();
    assert_eq!(told, machines);
    assert_eq!(detail["status"], json!(["ABORTED", "TIMED_OUT"]));
    assert_eq!((&rule["EventBusName"], &rule["Targets"][0]["Arn"]), (&Value::Null, &"HoldTopic".into()));
}

/// Policy decides about an event only where the execution is told which one it is.
#[test]
fn what_a_rule_starts_names_its_event() {
    let template = template();
    for (rule, rest) in [
        ("CutoverFinishedRule", json!({"wave": "$.detail.job.wave"})),
        ("FailoverFinishedRule", json!({"networks": "$.detail.networks", "to": "$.detail.to"})),
    ] {
        let transformer = &template["Resources"][rule]["Properties"]["Targets"][0]["InputTransformer"];
        let mut paths = rest.as_object().unwrap().clone();
        paths.insert("event".to_owned(), json!("$.detail.id"));
        assert_eq!(transformer["InputPathsMap"], Value::Object(paths.clone()), "{rule}");
        let input = transformer["InputTemplate"].as_str().unwrap();
        for name in paths.keys() {
            assert!(input.contains(&format!("\"{name}\": <{name}>")), "{rule}: {input}");
        }
    }
}
