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

/// What `docker compose` makes of `${NAME:-default}` and `${NAME:?complaint}` where `.env` has nothing
/// but the keys that it asks for.
fn interpolated(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("braces have an end");
        whole += match variable.split_once(":-") {
            Some((_, default)) => default,
            None => "key of the containers",
        };
        whole += rest;
    }
    whole
}

#[tokio::test]
async fn the_settings_of_compose_are_understood() {
    let path = deploy().join("compose.yaml");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let mut file: Value = yaml_serde::from_str(&text).expect("YAML");
    // What is merged into something merges something else in turn.
    for _ in 0..2 {
        file.apply_merge().expect("maps are merged");
    }
    let services = file["services"].as_mapping().expect("a map");
    let ours = services
        .iter()
        .filter(|(_, service)| service["image"].as_str() == Some("utsavam"));
    let mut names = Vec::new();
    for (name, service) in ours {
        let settings = service["environment"].as_mapping().expect("a map");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let variables: Vec<_> = settings
            .iter()
            .map(|(name, value)| (text(name), interpolated(&text(value))))
            .collect();
        assert!(variables.len() > 8, "{variables:?}");
        assert_understood(&variables).await;
        names.push(text(name));
    }
    assert_eq!(names, ["api", "migrate", "api-1", "api-2", "api-3"]);
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
