//! Parts of the lab by themselves: the wave of any size, the template as it is packaged, an element of an answer.

use crate::support::story_world;
use holdfast_lab::query::element;
use holdfast_lab::{Template, wave};
use holdfast_sim::World;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_story_world_loads_with_a_wave_of_any_size() {
    for hosts in [1, 2, 50] {
        let mut file = story_world();
        wave::resize(&mut file, hosts).unwrap();
        World::from_file(&file).unwrap();
        let workloads = &file.moves["move-tokyo"].plans[0].workloads;
        assert_eq!((workloads.len(), workloads[0].instance.as_str()), (hosts, "web-1"));
        assert_eq!(file.recovery_plans["app"].vms.len(), hosts);
    }
}

#[test]
fn more_machines_than_addresses_are_refused() {
    assert!(wave::resize(&mut story_world(), 200).is_err());
    assert!(wave::resize(&mut story_world(), 0).is_err());
}

#[test]
fn packaging_replaces_local_folders_and_nothing_else() {
    let template = Template::new(
        "A:\n  CodeUri: ../functions/watch\n  Other: ../functions/watch\n  DefinitionUri: ../s/x.json\n".to_owned(),
    );
    assert_eq!(template.functions(), BTreeSet::from(["watch".to_owned()]));
    assert_eq!(template.definitions(), BTreeSet::from(["s/x.json".to_owned()]));
    let functions = BTreeMap::from([("watch".to_owned(), "s3://b/watch.zip".to_owned())]);
    let definitions = BTreeMap::from([("s/x.json".to_owned(), "s3://b/x".to_owned())]);
    assert_eq!(
        template.packaged(&functions, &definitions),
        "A:\n  CodeUri: s3://b/watch.zip\n  Other: ../functions/watch\n  DefinitionUri: s3://b/x\n"
    );
}

#[test]
fn the_first_element_of_a_name_is_found() {
    assert_eq!(element("<a><b>1</b><b>2</b></a>", "b"), Some("1"));
    assert_eq!(element("<a></a>", "b"), None);
}
