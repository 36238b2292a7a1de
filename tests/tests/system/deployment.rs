//! What `deploy` tells the server are settings that there are.

use std::path::{Path, PathBuf};

use utsavam_tests::Program;
use yaml_serde::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Panics unless a server would start with these variables.
async fn assert_understood(variables: &[(String, String)]) {
    let mut program = Program::new(&["config"]);
    for (name, value) in variables {
        program = program.env(name, value);
    }
    let shown = program.run().await.expect_success();
    for (name, _) in variables {
        // Others are left alone, so a misspelt beginning would not be noticed.
        let is_known = name.starts_with("UTSAVAM__")
            || ["HOST", "PORT", "ADMIN_KEY", "DATABASE_URL", "REDIS_URL"].contains(&name.as_str());
        assert!(is_known, "{name}: {shown}");
    }
}

#[tokio::test]
async fn the_settings_of_kubernetes_are_understood() {
    let path = deploy().join("kubernetes/settings.yaml");
    let text = std::fs::read_to_string(path).expect("the manifest is there");
    let manifest: Value = yaml_serde::from_str(&text).expect("YAML");
    let data = manifest["data"].as_mapping().expect("a map");
    let mut variables: Vec<_> = data
        .iter()
        .map(|(name, value)| {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            (text(name), text(value))
        })
        .collect();
    // What comes from the secret.
    variables.push(("ADMIN_KEY".to_owned(), "key of the cluster".to_owned()));
    assert!(variables.len() > 8, "{variables:?}");
    assert_understood(&variables).await;
}

#[tokio::test]
async fn the_settings_of_the_unit_of_systemd_are_understood() {
    let read = |file: &str| {
        let path = deploy().join("systemd").join(file);
        std::fs::read_to_string(path).expect("the file is there")
    };
    let (unit, settings) = (read("utsavam.service"), read("utsavam.env"));
    let in_unit = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment="));
    // Also those that are only proposed.
    let in_file = settings
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line));
    let mut variables: Vec<_> = in_unit
        .chain(in_file)
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| name.chars().all(|c| c == '_' || c.is_ascii_uppercase()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    // Which the file leaves to the operator.
    variables.push(("ADMIN_KEY".to_owned(), "key of the unit".to_owned()));
    assert!(variables.len() > 6, "{variables:?}");
    assert_understood(&variables).await;
}
