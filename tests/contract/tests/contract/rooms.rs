//! Rules of the workspace that `cargo metadata` can tell.

use crate::support::root;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Crates from the top down; a crate may use crates behind it only.
const ORDER: [&str; 13] = [
    "holdfast-capture",
    "holdfast-restore-nic",
    "holdfast-swap-route",
    "holdfast-verify",
    "holdfast-watch",
    "holdfast-runtime",
    "holdfast-store",
    "holdfast-aws-network",
    "holdfast-guest",
    "holdfast-nutanix",
    "holdfast-journal",
    "holdfast-plan",
    "holdfast-model",
];

fn metadata() -> Metadata {
    MetadataCommand::new().current_dir(root()).exec().unwrap()
}

#[test]
fn dependencies_point_down_only() {
    for package in metadata().workspace_packages() {
        let Some(at) = ORDER.iter().position(|name| *name == package.name.as_str()) else {
            assert!(package.manifest_path.as_str().contains("/tests/"), "`{}` has no place in the order", package.name);
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            if let Some(below) = ORDER.iter().position(|name| *name == dependency.name) {
                assert!(below > at, "`{}` uses `{}`", package.name, dependency.name);
            }
        }
    }
}

#[test]
fn only_aws_network_names_the_ec2_sdk() {
    let users: Vec<String> = metadata()
        .workspace_packages()
        .iter()
        .filter(|package| package.dependencies.iter().any(|dependency| dependency.name == "aws-sdk-ec2"))
        .map(|package| package.name.to_string())
        .collect();
    assert_eq!(users, ["holdfast-aws-network"]);
}

#[test]
fn one_crate_names_each_sdk_of_the_network() {
    for sdk in ["aws-sdk-directconnect", "aws-sdk-elasticloadbalancingv2", "aws-sdk-servicequotas"] {
        let metadata = metadata();
        let users = metadata.workspace_packages().into_iter().filter(|p| p.dependencies.iter().any(|d| d.name == sdk));
        let users: Vec<_> = users.map(|package| package.name.to_string()).collect();
        assert_eq!(users, ["holdfast-aws-network"], "{sdk}");
    }
}

#[test]
fn deciding_crates_name_no_sdk_and_no_runtime() {
    for package in metadata()
        .workspace_packages()
        .iter()
        .filter(|p| ["holdfast-model", "holdfast-plan", "holdfast-journal"].contains(&p.name.as_str()))
    {
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let effect =
                dependency.name.starts_with("aws-") || ["reqwest", "tokio"].contains(&dependency.name.as_str());
            assert!(!effect, "`{}` uses `{}`", package.name, dependency.name);
        }
    }
}

#[test]
fn no_test_features_of_an_aws_sdk_are_enabled() {
    let metadata = metadata();
    for node in &metadata.resolve.as_ref().unwrap().nodes {
        let package = &metadata[&node.id];
        if package.name.starts_with("aws-sdk-") {
            assert!(!node.features.iter().any(|feature| feature.contains("test-util")), "{}", package.name);
        }
    }
}

/// `cargo` refuses an older compiler with a clear word only where the workspace says what its libraries need.
#[test]
fn the_workspace_and_the_readme_ask_for_the_rust_that_the_libraries_need() {
    let metadata = metadata();
    let needed = metadata.packages.iter().filter_map(|package| package.rust_version.clone()).max().unwrap();
    for package in metadata.workspace_packages() {
        assert_eq!(package.rust_version.as_ref(), Some(&needed), "{}", package.name);
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("Rust {needed} or later")), "{needed}");
}

/// Targets without a test harness of their own are not linked for nothing; what a harness would run must not be in them.
#[test]
fn no_test_is_where_none_is_run() {
    for package in metadata().workspace_packages() {
        for target in package.targets.iter().filter(|target| target.is_lib() || target.is_bin()) {
            let file = target.src_path.as_std_path();
            // A library is its folder, a program its one file.
            let files = if target.is_lib() { sources(file.parent().unwrap()) } else { vec![file.to_owned()] };
            for file in files {
                let text = std::fs::read_to_string(&file).unwrap();
                let tests =
                    text.lines().any(|line| line.trim_start().starts_with("#[test]") || line.contains("#[tokio::test"));
                assert!(target.test || !tests, "`test = false` for {}, and a test in {}", target.name, file.display());
                let example = text.lines().any(|line| line.trim_start().starts_with("/// ```"));
                assert!(
                    !target.is_lib() || target.doctest || !example,
                    "`doctest = false` for {}, and an example in {}",
                    target.name,
                    file.display()
                );
            }
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// Packages with their features as `cargo` would build them for all members.
fn features(edges: &str) -> BTreeSet<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--edges", edges, "--format", "{p} {f}", "--prefix", "none"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn tests_compile_no_library_with_other_features_than_the_functions() {
    let without = features("normal,build");
    let with = features("normal,build,dev");
    let twice: Vec<&String> = without.difference(&with).collect();
    assert!(
        twice.is_empty(),
        "compiled a second time for tests (name the test library in tests/contract/Cargo.toml): {twice:?}"
    );
}
