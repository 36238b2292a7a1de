//! Which crates may depend on which: arrows point inwards, and the domain
//! knows neither a runtime nor a database nor a wire.

mod transactions;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// What the domain must not bring along, by the beginning of its name.
const OUTSIDE: [&str; 10] = [
    "tokio",
    "actix",
    "diesel",
    "redis",
    "deadpool",
    "bb8",
    "reqwest",
    "hyper",
    "prometheus",
    "metrics",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        // Other platforms' crates may not have been downloaded.
        .other_options(vec!["--filter-platform".to_owned(), host()])
        .exec()
        .expect("cargo describes the workspace")
}

fn host() -> String {
    let version = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc is there, it built this test");
    String::from_utf8_lossy(&version.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host")
        .to_owned()
}

/// Normal dependencies of each package.
fn dependencies(metadata: &Metadata) -> HashMap<&PackageId, Vec<&PackageId>> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = node.deps.iter().filter(|dependency| {
                let mut kinds = dependency.dep_kinds.iter();
                kinds.any(|kind| kind.kind == DependencyKind::Normal)
            });
            (&node.id, normal.map(|dependency| &dependency.pkg).collect())
        })
        .collect()
}

fn members(metadata: &Metadata) -> HashMap<&str, &PackageId> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| (package.name.as_str(), &package.id))
        .collect()
}

/// The workspace crates on which `name` depends directly.
fn own_dependencies(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let members = members(metadata);
    let id = *members
        .get(name)
        .unwrap_or_else(|| panic!("no crate {name} in the workspace"));
    let direct: HashSet<_> = dependencies(metadata)
        .remove(id)
        .unwrap_or_default()
        .into_iter()
        .collect();
    members
        .into_iter()
        .filter(|(_, id)| direct.contains(id))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn the_domain_brings_no_runtime_database_or_server_along() {
    let metadata = metadata();
    let graph = dependencies(&metadata);
    let mut reached = HashSet::new();
    let mut open = vec![members(&metadata)["domain"]];
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(graph.get(id).into_iter().flatten());
        }
    }
    let mut names: Vec<_> = reached
        .iter()
        .map(|id| metadata[id].name.as_str())
        .collect();
    names.sort_unstable();
    // Would be empty if the graph were read wrongly.
    assert!(
        names.contains(&"chrono") && names.contains(&"serde"),
        "{names:?}"
    );
    let outside: Vec<_> = names
        .iter()
        .filter(|name| OUTSIDE.iter().any(|outside| name.starts_with(outside)))
        .collect();
    assert!(outside.is_empty(), "domain depends on {outside:?}");
}

#[test]
fn the_domain_depends_on_no_crate_of_ours() {
    let found = own_dependencies(&metadata(), "domain");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn adapters_depend_on_the_domain_and_on_the_batching_alone() {
    let metadata = metadata();
    let names = members(&metadata).into_keys();
    let adapters: Vec<_> = names.filter(|name| name.starts_with("adapters-")).collect();
    assert!(adapters.len() >= 2, "{adapters:?}");
    for adapter in adapters {
        let mut found = own_dependencies(&metadata, adapter);
        found.remove("group-commit");
        assert_eq!(found, BTreeSet::from(["domain".to_owned()]), "{adapter}");
    }
}

#[test]
fn the_batching_knows_nothing_of_ours() {
    let found = own_dependencies(&metadata(), "group-commit");
    assert!(found.is_empty(), "{found:?}");
}

/// Its seat gate is that of adapters-redis, by the paths of the files.
#[test]
fn the_simulation_depends_on_what_it_simulates_alone() {
    let found = own_dependencies(&metadata(), "utsavam-simulation");
    let both = ["domain", "group-commit"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(both));
}

#[test]
fn nothing_depends_on_the_tests_or_on_the_server() {
    let metadata = metadata();
    for name in members(&metadata).into_keys() {
        let found = own_dependencies(&metadata, name);
        for end in ["api-actix", "utsavam-tests", "utsavam-simulation"] {
            assert!(!found.contains(end), "{name} depends on {end}");
        }
    }
}
