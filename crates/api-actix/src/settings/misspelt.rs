//! Variables that are set and that nobody reads, although they look as if
//! somebody should. A server that goes on without them would listen where, or
//! sell what, nobody wanted.

use strsim::osa_distance;

use super::names::{did_you_mean, nearest, settings, words};
use super::variables::{WELL_KNOWN, is_setting, of_setting, setting_of};
use super::{CONFIG_VARIABLE, SettingsError};

/// What all variables of ours begin with, besides the well-known ones.
const PREFIX: &str = "UTSAVAM_";

/// Variables that are set, with their values.
pub(super) type Environment = Vec<(String, String)>;

/// The environment of this process. What is empty counts as absent.
pub(super) fn environment() -> Environment {
    std::env::vars_os()
        .map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Refuses what begins as ours do and is one of them but for what stands between its words, as
/// `UTSAVAM_HTTP_PORT` is, unless that is given as well: somebody may have both for a reason.
pub(super) fn refuse(environment: &Environment) -> Result<(), SettingsError> {
    let ours = ours();
    for name in strangers(environment) {
        let words = words(&below_prefix(name));
        let meant = ours.iter().find(|it| it.key == words);
        if let Some(meant) = meant.filter(|it| !it.is_given(environment)) {
            return Err(SettingsError::Variable {
                name: name.to_owned(),
                meant: did_you_mean(std::slice::from_ref(&meant.variable)),
            });
        }
    }
    Ok(())
}

/// What is said of others that are set: sentences without their values.
pub(super) fn doubts(environment: &Environment) -> Vec<String> {
    let mut absent = ours();
    absent.retain(|it| !it.is_given(environment));
    let ask = |name: &str, meant: &[String]| {
        let meant = did_you_mean(meant);
        format!("the environment variable {name} is not read{meant}")
    };
    let others = environment.iter().filter_map(|(name, _)| {
        let meant = like_one_of(&absent, name)?;
        Some(ask(name, &[meant.to_owned()]))
    });
    let mut doubts: Vec<_> = others.collect();
    let mut unknown = Vec::new();
    for name in strangers(environment) {
        let keys = absent.iter().map(|it| it.key.as_str());
        let near = nearest(&below_prefix(name), keys);
        let meant = absent.iter().filter(|it| near.contains(&it.key));
        let meant: Vec<_> = meant.map(|it| it.variable.clone()).collect();
        match meant.as_slice() {
            [] => unknown.push(name),
            meant => doubts.push(ask(name, meant)),
        }
    }
    if !unknown.is_empty() {
        let names = unknown.join(", ");
        doubts.push(format!(
            "environment variables that begin with {PREFIX} and are not read: {names}"
        ));
    }
    doubts
}

/// A variable that is read.
struct Ours {
    /// Its words below the prefix, or the whole name where it has none: `UTSAVAM_HTTP_PORT` and
    /// `UTSAVAM_PORT` are meant alike.
    key: String,
    variable: String,
    /// What it says, unless it names the file of all of them.
    setting: Option<String>,
}

impl Ours {
    /// Whether somebody says the same, by whichever name.
    fn is_given(&self, environment: &Environment) -> bool {
        let mut names = environment.iter().map(|(name, _)| name);
        match &self.setting {
            Some(setting) => names.any(|name| setting_of(name).as_ref() == Some(setting)),
            None => names.any(|name| *name == self.variable),
        }
    }
}

fn ours() -> Vec<Ours> {
    let well_known = WELL_KNOWN.iter().map(|(variable, setting)| Ours {
        key: variable.to_lowercase(),
        variable: (*variable).to_owned(),
        setting: Some((*setting).to_owned()),
    });
    let mut ours: Vec<_> = well_known.collect();
    for setting in settings() {
        let key = words(&setting);
        // It has a name of its own, which comes first.
        if ours.iter().all(|it| it.key != key) {
            ours.push(Ours {
                key,
                variable: of_setting(&setting),
                setting: Some(setting),
            });
        }
    }
    ours.push(Ours {
        key: below_prefix(CONFIG_VARIABLE),
        variable: CONFIG_VARIABLE.to_owned(),
        setting: None,
    });
    ours
}

fn begins_as_ours(name: &str) -> bool {
    let start = name.get(..PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

fn below_prefix(name: &str) -> String {
    name.get(PREFIX.len()..).unwrap_or_default().to_lowercase()
}

/// What begins with our prefix, is not read, and was not set by a machine.
fn strangers(environment: &Environment) -> impl Iterator<Item = &str> {
    let names = environment.iter().filter(|(name, value)| {
        begins_as_ours(name)
            && !is_setting(name)
            && name != CONFIG_VARIABLE
            && !is_of_kubernetes(name, value)
    });
    names.map(|(name, _)| name.as_str())
}

/// Kubernetes tells containers so where services are whose names begin with
/// `utsavam`: `UTSAVAM_HTTP_PORT` is `tcp://10.0.0.1:80` for `utsavam-http`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let is_number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.split("_PORT_").skip(1).any(is_number)
        || (name.ends_with("_PORT") && value.contains("://"))
}

/// The variable of ours that this one, which may be another program's, is like.
fn like_one_of<'a>(ours: &'a [Ours], name: &str) -> Option<&'a str> {
    if begins_as_ours(name) {
        return None;
    }
    let upper = name.to_uppercase();
    let mut variables = ours.iter().map(|it| it.variable.as_str());
    variables.find(|it| osa_distance(&upper, it) <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Environment {
        let set = names
            .iter()
            .map(|name| ((*name).to_owned(), "s3cret".to_owned()));
        set.collect()
    }

    #[test]
    fn what_is_one_of_ours_written_otherwise_is_refused_with_its_name() {
        for (name, meant) in [
            ("UTSAVAM_HTTP_PORT", "UTSAVAM__HTTP__PORT"),
            ("UTSAVAM_HTTP__PORT", "UTSAVAM__HTTP__PORT"),
            ("utsavam_http_port", "UTSAVAM__HTTP__PORT"),
            ("UTSAVAM_DATABASE_POOL_SIZE", "UTSAVAM__DATABASE__POOL_SIZE"),
            ("UTSAVAM_PORT", "PORT"),
            ("UTSAVAM_DATABASE_URL", "DATABASE_URL"),
            ("UTSAVAM_ADMIN_KEY", "ADMIN_KEY"),
            ("utsavam_config", "UTSAVAM_CONFIG"),
        ] {
            let refusal = refuse(&set(&["PATH", name])).expect_err(name).to_string();
            let end = format!("{name} is not read: did you mean {meant}?");
            assert!(refusal.ends_with(&end), "{refusal}");
            assert!(!refusal.contains("s3cret"), "{refusal}");
            assert!(refuse(&set(&[meant, name])).is_ok(), "{name}");
        }
        // Whoever says the same in another way has said it.
        for (name, same) in [
            ("UTSAVAM_DATABASE_URL", "UTSAVAM__DATABASE__URL"),
            ("UTSAVAM_PORT", "UTSAVAM__HTTP__PORT"),
            ("UTSAVAM_HTTP_PORT", "PORT"),
            ("UTSAVAM_HTTP_PORT", "utsavam__http__port"),
        ] {
            assert!(refuse(&set(&[name, same])).is_ok(), "{name} {same}");
        }
    }

    #[test]
    fn what_is_nearly_one_of_ours_is_asked_about() {
        for (name, meant) in [
            ("UTSAVAM_HTTP_PROT", "UTSAVAM__HTTP__PORT"),
            ("UTSAVAM_DATABASE_POOLSIZE", "UTSAVAM__DATABASE__POOL_SIZE"),
            ("UTSAVAM_REDIS_ULR", "REDIS_URL"),
            ("UTSAVAM_LOG_FILTERS", "UTSAVAM__LOG__FILTER"),
            ("UTSAVAM_CONFG", "UTSAVAM_CONFIG"),
        ] {
            let environment = set(&[name]);
            assert!(refuse(&environment).is_ok(), "{name}");
            let doubt =
                format!("the environment variable {name} is not read: did you mean {meant}?");
            assert_eq!(doubts(&environment), [doubt]);
        }
    }

    #[test]
    fn what_is_read_is_neither_refused_nor_doubted() {
        let mut names: Vec<_> = ours().into_iter().map(|it| it.variable).collect();
        names.push("utsavam__http__port".to_owned());
        for name in names {
            let environment = set(&[&name]);
            assert!(refuse(&environment).is_ok(), "{name}");
            let doubts = doubts(&environment);
            assert!(doubts.is_empty(), "{name}: {doubts:?}");
        }
    }

    /// Of our scripts and tests.
    #[test]
    fn what_is_like_none_of_ours_is_doubted_and_not_refused() {
        let names = [
            "UTSAVAM_BIN",
            "UTSAVAM_FAULTS_SEED",
            "UTSAVAM_FAULTS_SHOW",
            "UTSAVAM_KILL_ROUNDS",
            "UTSAVAM_KILL_SEED",
            "UTSAVAM_SEED",
            "UTSAVAM_STEPS",
            "UTSAVAM_TEST_LAYOUT",
            "UTSAVAM_TEST_PANICS",
            "UTSAVAM_TEST_STORE",
        ];
        let environment = set(&names);
        assert!(refuse(&environment).is_ok());
        let doubts = doubts(&environment);
        assert_eq!(doubts.len(), 1, "{doubts:?}");
        assert!(doubts[0].ends_with(&names.join(", ")), "{doubts:?}");
    }

    #[test]
    fn what_kubernetes_tells_of_a_service_is_let_pass() {
        let told = [
            ("UTSAVAM_PORT", "tcp://10.0.0.1:80"),
            ("UTSAVAM_PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("UTSAVAM_PORT_80_TCP_PORT", "80"),
            ("UTSAVAM_SERVICE_HOST", "10.0.0.1"),
            ("UTSAVAM_SERVICE_PORT", "80"),
            ("UTSAVAM_SERVICE_PORT_HTTP", "80"),
            ("UTSAVAM_HTTP_PORT", "tcp://10.0.0.1:80"),
            ("UTSAVAM_METRICS_PORT_9464_TCP_ADDR", "10.0.0.1"),
            ("UTSAVAM_METRICS_SERVICE_HOST", "10.0.0.1"),
            ("UTSAVAM_METRICS_SERVICE_PORT", "9464"),
        ];
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(refuse(&told.to_vec()).is_ok());
        assert!(doubts(&told.to_vec()).is_empty());
    }

    #[test]
    fn a_name_that_may_be_anothers_is_doubted_while_ours_is_absent() {
        for (name, meant) in [
            ("DATABASE_ULR", "DATABASE_URL"),
            ("REDIS_ULR", "REDIS_URL"),
            ("ADMIN_KEYS", "ADMIN_KEY"),
            ("admin_key", "ADMIN_KEY"),
            ("PROT", "PORT"),
            ("HOSTS", "HOST"),
            ("UTSAVM__HTTP__PORT", "UTSAVAM__HTTP__PORT"),
            ("UTSAVM_CONFIG", "UTSAVAM_CONFIG"),
        ] {
            assert!(refuse(&set(&[name])).is_ok(), "{name}");
            let doubt =
                format!("the environment variable {name} is not read: did you mean {meant}?");
            assert_eq!(doubts(&set(&["PATH", name])), [doubt]);
            assert!(doubts(&set(&[meant, name])).is_empty(), "{name}");
        }
        let others = ["HOSTNAME", "SHORT", "KEY", "DATABASE", "REDIS_HOST", "URL"];
        assert!(doubts(&set(&others)).is_empty());
    }
}
