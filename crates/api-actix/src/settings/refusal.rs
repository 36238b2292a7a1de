//! From what the reader of settings complains about to a sentence that names the
//! setting and shows no value: any may be a secret.

use config::ConfigError;

use super::names::{did_you_mean, meant_by};
use super::{SettingsError, wrong};

/// What is wrong with a source, without its text.
pub(super) fn unreadable_source(error: &ConfigError) -> SettingsError {
    let text = error.to_string();
    let place = text
        .lines()
        .find_map(|line| line.split_once("TOML parse error at "));
    match place {
        Some((_, place)) => SettingsError::NotToml(place.to_owned()),
        None => SettingsError::Unreadable(text.lines().next().unwrap_or_default().to_owned()),
    }
}

/// Says which setting is wrong.
pub(super) fn unreadable(path: &str, error: &ConfigError) -> SettingsError {
    let text = error.to_string();
    if let Some(unknown) = text.split_once("unknown field `").map(|(_, rest)| rest) {
        let field = unknown.split('`').next().unwrap_or_default();
        let section = path
            .strip_suffix(field)
            .unwrap_or(path)
            .trim_end_matches('.');
        let name = match section {
            "" => field.to_owned(),
            section => format!("{section}.{field}"),
        };
        let meant = did_you_mean(&meant_by(&name));
        return wrong(&name, format!("does not exist{meant}"));
    }
    let expected = match text.rsplit_once("expected ") {
        Some((_, expected)) => {
            let expected = expected.split(" for key").next().unwrap_or(expected);
            format!("has an impossible value: expected {expected}")
        }
        None => "has an impossible value".to_owned(),
    };
    wrong(path, expected)
}
