//! The dashboard and the alerts speak of figures that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use utsavam_tests::Service;

use crate::metrics::{self, make_traffic};

const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../deploy/grafana/on-sale-night.json");

/// Where a figure comes from Prometheus itself or from HAProxy, so that no server shows it.
const OF_OTHERS: [&str; 3] = ["up{job=\"utsavam\"}", "ALERTS{", "haproxy_server_status{"];

/// Labels that Prometheus itself adds.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "le"];

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    let text = value[member].as_str();
    text.unwrap_or_else(|| panic!("no {member} in {value}"))
}

fn entries<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    let entries = value[member].as_array();
    entries.unwrap_or_else(|| panic!("no {member} in {value}"))
}

fn rules() -> Vec<Value> {
    let file: Value = yaml_serde::from_str(ALERTS).expect("YAML");
    let groups = entries(&file, "groups").iter();
    groups
        .flat_map(|group| entries(group, "rules").to_vec())
        .collect()
}

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = entries(&dashboard, "panels").iter();
    panels
        .filter(|panel| panel["type"] != "row")
        .cloned()
        .collect()
}

/// Each with what it belongs to.
fn expressions() -> Vec<(String, String)> {
    let of_rules = rules().into_iter().map(|rule| {
        (
            text(&rule, "alert").to_owned(),
            text(&rule, "expr").to_owned(),
        )
    });
    let of_panels = panels().into_iter().flat_map(|panel| {
        let title = text(&panel, "title").to_owned();
        let targets = entries(&panel, "targets").to_vec();
        assert!(!targets.is_empty(), "{title} shows nothing");
        targets
            .into_iter()
            .map(move |target| (title.clone(), as_grafana_asks(text(&target, "expr"))))
    });
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let marks = entries(&dashboard["annotations"], "list").to_vec();
    assert!(!marks.is_empty(), "nothing is marked on the panels");
    let of_marks = marks.into_iter().map(|mark| {
        (
            text(&mark, "name").to_owned(),
            as_grafana_asks(text(&mark, "expr")),
        )
    });
    of_rules.chain(of_panels).chain(of_marks).collect()
}

/// What Grafana puts in for windows and for the choice at the top.
fn as_grafana_asks(expression: &str) -> String {
    let expression = expression.replace("$__rate_interval", "20s");
    let expression = expression.replace("$__range", "30m");
    expression.replace("$instance", ".*")
}

fn is_part_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The names of figures in it, with the labels that are asked of each.
fn named(expression: &str) -> Vec<(&str, BTreeSet<&str>)> {
    let words = expression.split(|character| !is_part_of_name(character));
    let mut at = 0;
    let places = words.map(|word| {
        let begins = at;
        at = begins + word.len() + 1;
        (word, &expression[begins + word.len()..])
    });
    places
        .filter(|(word, _)| word.starts_with("utsavam_") || word.starts_with("process_"))
        .map(|(name, rest)| (name, matched_labels(rest)))
        .collect()
}

/// The labels between the braces that follow a name at once, if any do.
fn matched_labels(rest: &str) -> BTreeSet<&str> {
    let Some(matchers) = rest.strip_prefix('{') else {
        return BTreeSet::new();
    };
    let (matchers, _) = matchers.split_once('}').expect("braces have an end");
    let labels = matchers.split(',').map(|matcher| {
        let label = matcher.split(['=', '!']).next().unwrap_or_default();
        label.trim()
    });
    labels.collect()
}

/// The labels by which something is added up.
fn grouped(expression: &str) -> BTreeSet<&str> {
    let groups = expression.split(" by (").skip(1);
    let labels = groups.flat_map(|group| group.split(')').next().unwrap_or_default().split(','));
    labels.map(str::trim).collect()
}

#[tokio::test]
async fn dashboard_and_alerts_speak_of_figures_that_a_server_shows() {
    let service = Service::builder()
        .await
        .setting("metrics.port", "0")
        .start()
        .await;
    make_traffic(&service).await;
    let shown = service.server.metrics().await;
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for sample in shown.samples() {
        let of_name = labels.entry(sample.name.as_str()).or_default();
        of_name.extend(sample.labels.keys().map(String::as_str));
    }
    // Those of the other store are held against its servers in the other run.
    let elsewhere = metrics::documented_elsewhere();
    let expressions = expressions();
    assert!(expressions.len() > 40, "few: {expressions:?}");
    for (place, expression) in &expressions {
        let named = named(expression);
        if named.is_empty() {
            let of_others = OF_OTHERS.iter().any(|name| expression.contains(name));
            assert!(of_others, "{place} names nothing");
            continue;
        }
        let mut known = BTreeSet::from(OF_PROMETHEUS);
        let mut all_are_here = true;
        for (name, asked) in named {
            let Some(has) = labels.get(name) else {
                assert!(
                    elsewhere.iter().any(|other| other == name),
                    "{place}: no {name}"
                );
                all_are_here = false;
                continue;
            };
            known.extend(has);
            let unknown = asked.iter().find(|label| !has.contains(*label));
            let unknown = unknown.filter(|label| !OF_PROMETHEUS.contains(label));
            assert_eq!(unknown, None, "{place}: labels of {name} in {expression}");
        }
        if all_are_here {
            let grouped = grouped(expression);
            assert!(
                grouped.is_subset(&known),
                "{place}: {grouped:?} of {known:?}"
            );
        }
    }
}

#[test]
fn every_figure_is_on_the_dashboard() {
    let shown: String = panels().iter().map(ToString::to_string).collect();
    for name in metrics::documented_everywhere() {
        // Of processes as much as anybody asks.
        let shown = shown.contains(&name) || name.starts_with("process_");
        assert!(shown, "{name} is on no panel");
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let rules = rules();
    let names: BTreeSet<&str> = rules.iter().map(|rule| text(rule, "alert")).collect();
    assert_eq!(names.len(), rules.len(), "names are used twice: {names:?}");
    assert!(rules.len() > 10, "{names:?}");
    for rule in &rules {
        let severity = text(&rule["labels"], "severity");
        assert!(["page", "ticket"].contains(&severity), "{rule}");
        assert!(!text(&rule["annotations"], "summary").is_empty(), "{rule}");
        let action = text(&rule["annotations"], "action");
        assert!(action.ends_with('.') && action.len() > 40, "{rule}");
    }
}

/// Prometheus' own program reads all expressions, where it is installed.
#[test]
fn promtool_understands_every_expression() {
    let rules = expressions().into_iter().enumerate().map(|(number, (_, expression))| {
        serde_json::json!({ "record": format!("checked:{number}"), "expr": expression })
    });
    let rules: Vec<Value> = rules.collect();
    let groups = serde_json::json!({ "groups": [{ "name": "checked", "rules": rules }] });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.json");
    std::fs::write(&file, groups.to_string()).expect("written");
    let alerts = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/prometheus/alerts.yaml"
    );
    for path in [file.as_os_str(), alerts.as_ref()] {
        let Ok(done) = Command::new("promtool")
            .args(["check", "rules"])
            .arg(path)
            .output()
        else {
            eprintln!("promtool is not installed: nothing was checked");
            return;
        };
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
    }
}
