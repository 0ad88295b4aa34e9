//! Function names, substitutions and environment of the template against crates, state machines and configuration.

use crate::support::{MACHINES, machine, pascal, placeholder, read, resource, root, states, template};
use cargo_metadata::{CargoOpt, MetadataCommand, TargetKind};
use holdfast_model::Function;
use holdfast_runtime::Config;
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
