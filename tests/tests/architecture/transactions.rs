//! The names of transactions are those that the documentation has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What begins a transaction of a store; its name follows.
const BEGINNINGS: [&str; 6] = [
    ".write(",
    ".write_here(",
    ".write_and_truncate_log(",
    ".transaction(",
    ".transaction_once(",
    ".open_transaction(",
];

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The files of a folder, those of its tests left out.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().unwrap_or_default();
        if name == "tests" {
            continue;
        }
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

fn names_in(source: &str) -> impl Iterator<Item = String> {
    let calls = BEGINNINGS.iter().flat_map(|it| source.split(it).skip(1));
    calls.filter_map(|call| {
        let (name, _) = call.trim_start().strip_prefix('"')?.split_once('"')?;
        Some(name.to_owned())
    })
}

fn names_documented() -> BTreeSet<String> {
    let page = include_str!("../../../docs/metrics.md");
    let (_, rest) = page.split_once("- `transaction` is").expect("its label");
    let (names, _) = rest.split_once("\n- ").expect("another label");
    let names = names.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn every_transaction_has_a_name_that_is_documented() {
    let mut names = BTreeSet::new();
    for store in ["adapters-postgres", "adapters-embedded"] {
        let mut files = Vec::new();
        sources(
            &workspace().join("crates").join(store).join("src"),
            &mut files,
        );
        for file in files {
            let source = fs::read_to_string(&file).expect("it can be read");
            names.extend(names_in(&source));
        }
        assert!(names.len() > 20, "{names:?}");
    }
    // What tests of a crate do in its own sources.
    names.remove("by_hand");
    assert_eq!(names, names_documented());
}
