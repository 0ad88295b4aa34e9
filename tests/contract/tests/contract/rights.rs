//! IAM policies of the template against the actions that the adapters of each function declare.

use crate::support::{resource, template};
use holdfast_model::Function;
use std::collections::BTreeSet;

/// What a function says that it does, in the accounts of the network map and in its own.
fn declared(function: Function) -> BTreeSet<String> {
    let (elsewhere, own) = match function {
        Function::Capture => (holdfast_capture::ACTIONS, holdfast_capture::OWN_ACTIONS),
        Function::RestoreNic => (holdfast_restore_nic::ACTIONS, holdfast_restore_nic::OWN_ACTIONS),
        Function::SwapRoute => (holdfast_swap_route::ACTIONS, holdfast_swap_route::OWN_ACTIONS),
        Function::Verify => (holdfast_verify::ACTIONS, holdfast_verify::OWN_ACTIONS),
        Function::Watch => (holdfast_watch::ACTIONS, holdfast_watch::OWN_ACTIONS),
    };
    elsewhere.iter().chain(own).flat_map(|actions| actions.iter()).map(|action| (*action).to_owned()).collect()
}

fn granted(function: Function) -> BTreeSet<String> {
    let template = template();
    let policies = template["Resources"][resource(function)]["Properties"]["Policies"].as_array().unwrap().clone();
    policies
        .iter()
        .flat_map(|policy| policy["Statement"].as_array().unwrap())
        .flat_map(|statement| statement["Action"].as_array().unwrap())
        .map(|action| action.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_function_may_do_what_it_does_and_nothing_more() {
    for function in Function::ALL {
        assert_eq!(granted(function), declared(function), "{function:?}: left is the template, right the code");
    }
}

#[test]
fn only_swap_route_may_change_routes() {
    for function in Function::ALL {
        let writes =
            granted(function).into_iter().any(|action| holdfast_aws_network::WRITE_ACTIONS.contains(&action.as_str()));
        assert_eq!(writes, function == Function::SwapRoute, "{function:?}");
    }
}
