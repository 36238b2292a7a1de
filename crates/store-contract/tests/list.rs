//! A promise that is written but not listed would never be tested.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all promises below a folder.
fn written(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            written(&path, names);
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a source can be read");
        let promises = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "));
        let promises = promises.filter_map(|line| line.split('(').next());
        names.extend(promises.map(str::to_owned));
    }
}

#[test]
fn every_promise_that_is_written_is_listed() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = std::fs::read_to_string(sources.join("macros.rs")).expect("the list");
    let listed: BTreeSet<_> = list.lines().map(str::trim).collect();
    let mut names = BTreeSet::new();
    written(&sources.join("promises"), &mut names);
    assert!(names.len() > 100, "{names:?}");
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !listed.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
