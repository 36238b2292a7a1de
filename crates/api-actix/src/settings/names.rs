//! What settings are called, and which of them somebody meant who wrote
//! something else.

use std::collections::BTreeSet;

use serde_json::Value;
use strsim::osa_distance;

use super::Settings;

/// From so many characters on two may be wrong, below that one.
const LONG_NAME_CHARACTERS: usize = 8;

/// More than so many guesses help nobody.
const GUESSES_MAX: usize = 3;

/// All settings, as `http.port`.
pub(super) fn settings() -> Vec<String> {
    fn collect(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let separator = if path.is_empty() { "" } else { "." };
                    collect(&format!("{path}{separator}{name}"), value, found);
                }
            }
            _ => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    // What has no JSON has no names to guess from, which a test would see.
    let json = serde_json::to_value(Settings::default()).unwrap_or_default();
    collect("", &json, &mut found);
    found
}

/// The settings and sections of which this may be a misspelling; none where that
/// would be too many.
pub(super) fn meant_by(name: &str) -> Vec<String> {
    let settings = settings();
    let sections: BTreeSet<&str> = settings.iter().flat_map(|name| sections_of(name)).collect();
    let all = settings.iter().map(String::as_str).chain(sections);
    let near = nearest(name, all);
    if !near.is_empty() {
        return near;
    }
    // The right key, and no section or the wrong one.
    let key = name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let elsewhere = settings
        .iter()
        .filter(|setting| setting.rsplit('.').next() == Some(&key));
    few(elsewhere.cloned().collect())
}

/// Those of `names` that are like `name`, whatever stands between its words, and
/// like no other more.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let name = words(name);
    let most = if name.chars().count() < LONG_NAME_CHARACTERS {
        1
    } else {
        2
    };
    let near: Vec<_> = names
        .map(|other| (osa_distance(&name, &words(other)), other))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    let least = near.iter().map(|(distance, _)| *distance).min();
    let nearest = near.into_iter().filter(|(it, _)| Some(*it) == least);
    few(nearest.map(|(_, name)| name.to_owned()).collect())
}

/// `: did you mean a, b or c?`, or nothing.
pub(super) fn did_you_mean(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => format!(": did you mean {name}?"),
        [names @ .., last] => format!(": did you mean {} or {last}?", names.join(", ")),
    }
}

fn few(names: Vec<String>) -> Vec<String> {
    if names.len() > GUESSES_MAX {
        return Vec::new();
    }
    names
}

fn sections_of(setting: &str) -> impl Iterator<Item = &str> {
    setting.match_indices('.').map(|(at, _)| &setting[..at])
}

/// `http_port` for `http.port`, `HTTP__PORT` and `http-port`.
pub(super) fn words(name: &str) -> String {
    let name = name.to_lowercase();
    let words: Vec<_> = name
        .split(['.', '_', '-'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_a_setting_or_a_section_is_taken_for_it() {
        for (name, meant) in [
            ("http.prot", &["http.port"][..]),
            ("http_port", &["http.port"]),
            ("HTTP.Port", &["http.port"]),
            ("database.poolsize", &["database.pool_size"]),
            ("rate_limit.read.qouta", &["rate_limit.read.quota"]),
            ("rate-limit", &["rate_limit"]),
            ("htpp", &["http"]),
            ("redsi", &["redis"]),
            // As many as there are.
            ("port", &["http.port", "metrics.port"]),
            ("database.pool_size_max", &[]),
            ("http.pool_size", &["database.pool_size", "redis.pool_size"]),
            ("pooler", &["database.pooler"]),
            // Of which there are six.
            ("quota", &[]),
            ("colour", &[]),
            ("no.such", &[]),
            ("", &[]),
        ] {
            assert_eq!(meant_by(name), meant, "{name}");
        }
    }

    #[test]
    fn a_guess_is_a_question() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        for (guesses, said) in [
            (&[][..], ""),
            (&["a"], ": did you mean a?"),
            (&["a", "b"], ": did you mean a or b?"),
            (&["a", "b", "c"], ": did you mean a, b or c?"),
        ] {
            assert_eq!(did_you_mean(&names(guesses)), said);
        }
    }
}
