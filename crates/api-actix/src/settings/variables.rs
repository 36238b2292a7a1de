//! The environment variables that are settings.

use config::Environment;

use super::{SettingsError, wrong};

/// Environment variables that mean something to us, with their values.
pub(super) type Variables = config::Map<String, String>;

/// The variables that operators of the older service already set, and one beside them.
pub(super) const WELL_KNOWN: [(&str, &str); 6] = [
    ("DATABASE_URL", "database.url"),
    ("REPLICA_URL", "database.replica_url"),
    ("REDIS_URL", "redis.url"),
    ("ADMIN_KEY", "admin.key"),
    ("HOST", "http.host"),
    ("PORT", "http.port"),
];

const NOT_UNICODE: &str = "has a value that is not Unicode text";

/// Those of this process.
pub(super) fn of_this_process() -> Result<Variables, SettingsError> {
    let mut variables = Variables::new();
    for (variable, value) in std::env::vars_os() {
        let variable = variable.to_string_lossy();
        let known = known_setting(&variable);
        if known.is_none() && !is_setting(&variable) {
            continue;
        }
        let name = known.unwrap_or(&variable);
        let value = value.into_string().map_err(|_| wrong(name, NOT_UNICODE))?;
        variables.insert(variable.into_owned(), value);
    }
    Ok(variables)
}

/// What a variable with a name of its own says.
fn known_setting(variable: &str) -> Option<&'static str> {
    let known = WELL_KNOWN.iter().find(|(known, _)| *known == variable);
    known.map(|(_, setting)| *setting)
}

/// Whether it is read as one, as the reader of variables does, whose prefix has
/// no case.
pub(super) fn is_setting(variable: &str) -> bool {
    variable.to_lowercase().starts_with("utsavam__")
}

/// The setting that a variable says, if it says one.
pub(super) fn setting_of(variable: &str) -> Option<String> {
    if let Some(setting) = known_setting(variable) {
        return Some(setting.to_owned());
    }
    let below = variable
        .get("utsavam__".len()..)
        .filter(|_| is_setting(variable))?;
    Some(below.to_lowercase().replace("__", "."))
}

/// `UTSAVAM__HTTP__PORT` for `http.port`.
pub(super) fn of_setting(setting: &str) -> String {
    format!("UTSAVAM__{}", setting.replace('.', "__").to_uppercase())
}

/// Those with names of their own.
pub(super) fn well_known(variables: &Variables) -> Environment {
    let given = WELL_KNOWN.into_iter().filter_map(|(variable, name)| {
        let value = variables.get(variable)?;
        Some((name.to_owned(), value.clone()))
    });
    Environment::default()
        .ignore_empty(true)
        .source(Some(given.collect()))
}

/// Those with names that follow from the setting's.
pub(super) fn by_setting(variables: &Variables) -> Environment {
    Environment::with_prefix("UTSAVAM")
        .prefix_separator("__")
        .separator("__")
        .ignore_empty(true)
        .source(Some(variables.clone()))
}
