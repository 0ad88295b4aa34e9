//! JSON schemas are generated from the Rust types and committed; the example network map satisfies its schema and its parser.

use crate::support::{read, root};
use holdfast_model::wire::{
    CaptureInput, CaptureOutput, CaptureRequest, CutoverRequest, DrillRequest, FailoverRequest, RecheckRequest,
    RestoreNicInput, RestoreNicOutput, SwapRouteInput, SwapRouteOutput, VerifyInput, VerifyOutput, WatchInput,
    WatchOutput,
};
use holdfast_model::{ApplianceUnknown, Event, NetworkMap, NetworkReady, TestLeft};
use holdfast_sim::WorldFile;
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// What `cargo lab --world FILE` takes.
const WORLD_SCHEMA: &str = "tests/lab/world.json";

/// Compares a generated file with the committed one, or writes it when `UPDATE` is set.
fn generated<T: JsonSchema>(path: &str) {
    let wanted = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    #[expect(clippy::disallowed_methods, reason = "the switch that regenerates committed files")]
    if std::env::var("UPDATE").is_ok() && std::fs::read_to_string(root().join(path)).ok().as_ref() != Some(&wanted) {
        let path = root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &wanted).unwrap();
    }
    assert_eq!(read(path), wanted, "{path} is not what the types say; run with UPDATE=1 and commit it");
}

#[test]
fn committed_schemas_are_those_of_the_types() {
    generated::<CaptureInput>("statemachines/schema/capture.input.json");
    generated::<CaptureOutput>("statemachines/schema/capture.output.json");
    generated::<RestoreNicInput>("statemachines/schema/restore-nic.input.json");
    generated::<RestoreNicOutput>("statemachines/schema/restore-nic.output.json");
    generated::<SwapRouteInput>("statemachines/schema/swap-route.input.json");
    generated::<SwapRouteOutput>("statemachines/schema/swap-route.output.json");
    generated::<VerifyInput>("statemachines/schema/verify.input.json");
    generated::<VerifyOutput>("statemachines/schema/verify.output.json");
    generated::<WatchInput>("statemachines/schema/watch.input.json");
    generated::<WatchOutput>("statemachines/schema/watch.output.json");
    generated::<CaptureRequest>("statemachines/schema/execution.capture.json");
    generated::<CutoverRequest>("statemachines/schema/execution.cutover.json");
    generated::<RecheckRequest>("statemachines/schema/execution.recheck.json");
    generated::<FailoverRequest>("statemachines/schema/execution.failover.json");
    generated::<DrillRequest>("statemachines/schema/execution.drill.json");
    generated::<Event>("statemachines/schema/event.json");
    generated::<ApplianceUnknown>("statemachines/schema/event.unknown.json");
    generated::<NetworkReady>("statemachines/schema/event.ready.json");
    generated::<TestLeft>("statemachines/schema/event.test-left.json");
    generated::<NetworkMap>("statemachines/schema/network-map.json");
    generated::<WorldFile>(WORLD_SCHEMA);
}

#[test]
fn the_example_network_map_satisfies_schema_and_parser() {
    let text = read("infra/network-map.example.yaml");
    NetworkMap::parse(&text).unwrap();
    let schema: Value = serde_json::from_str(&read("statemachines/schema/network-map.json")).unwrap();
    let map: Value = serde_saphyr::from_str(&text).unwrap();
    jsonschema::validate(&schema, &map).unwrap();
}

#[test]
fn every_world_file_satisfies_its_schema() {
    let schema: Value = serde_json::from_str(&read(WORLD_SCHEMA)).unwrap();
    for world in ["tests/lab/worlds/story", "tests/scenarios/worlds/two-networks", "tests/scenarios/worlds/every-route"]
    {
        let text = read(&format!("{world}.yaml"));
        WorldFile::parse(&text).unwrap();
        let world: Value = serde_saphyr::from_str(&text).unwrap();
        jsonschema::validate(&schema, &world).unwrap();
    }
}
