//! Time-outs nest: client < function < state < state machine.

use crate::support::{MACHINES, called, machine, resource, states, template};
use holdfast_runtime::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, OPERATION_TIMEOUT, STOP_MARGIN};

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
