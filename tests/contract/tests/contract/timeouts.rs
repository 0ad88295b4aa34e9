//! Time-outs nest: client < function < state < state machine.

use crate::support::{MACHINES, called, machine, resource, states, template};
use holdfast_guest::Timing;
use holdfast_model::{Function, Policy};
use holdfast_nutanix::{TRIES, Timeouts};
use holdfast_restore_nic::{ANSWER, NO_MORE_CHANGES};
use holdfast_runtime::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, OPERATION_TIMEOUT, STOP_MARGIN};
use holdfast_watch::{REPLY, SETTLES};
use std::time::Duration;

#[test]
fn client_function_state_and_machine_nest() {
    let template = template();
    assert!(
        CONNECT_TIMEOUT < ATTEMPT_TIMEOUT && ATTEMPT_TIMEOUT < OPERATION_TIMEOUT && OPERATION_TIMEOUT < STOP_MARGIN
    );
    for name in MACHINES {
        let machine = machine(name);
        let whole = machine["TimeoutSeconds"].as_u64().unwrap();
        for (state_name, state) in states(&machine) {
            let Some(function) = called(state) else { continue };
            let function_timeout = template["Resources"][resource(function)]["Properties"]["Timeout"].as_u64().unwrap();
            let state_timeout = state["TimeoutSeconds"].as_u64().unwrap();
            assert!(STOP_MARGIN.as_secs() < function_timeout, "{function:?}");
            assert!(function_timeout < state_timeout && state_timeout < whole, "{name}.{state_name}");
        }
    }
}

/// Prism Central, Move and Run Command are slower than AWS; whoever waits for them still has time to say what it saw.
#[test]
fn what_a_function_waits_for_ends_before_the_function_does() {
    let template = template();
    let limit = |function: Function| {
        let timeout = template["Resources"][resource(function)]["Properties"]["Timeout"].as_u64().unwrap();
        Duration::from_secs(timeout)
    };
    let appliance = Timeouts::default();
    assert!(appliance.connect < appliance.request && appliance.request * TRIES < appliance.task);
    assert!(ANSWER < NO_MORE_CHANGES && appliance.request < NO_MORE_CHANGES);
    let guest = Duration::from_secs(Policy::default().guest_timeout_seconds.into());
    for wait in [appliance.task, guest] {
        assert!(wait + NO_MORE_CHANGES < limit(Function::RestoreNic), "{wait:?}");
    }
    assert!(appliance.connect < REPLY && SETTLES + REPLY * TRIES < limit(Function::Watch));
    for function in [Function::Capture, Function::Verify] {
        assert!(Timing::default().deadline + OPERATION_TIMEOUT < limit(function), "{function:?}");
    }
}
