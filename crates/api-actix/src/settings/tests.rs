//! Anything as settings: taken, or refused with the name of the setting.

use proptest::prelude::*;
use serde_json::Value;

use super::variables::of_setting as variable;
use super::*;
use crate::wiring::Plan;

/// Every setting with its value, as `http.port`.
fn settings_of(settings: &Settings) -> Vec<(String, Value)> {
    fn collect(path: &str, value: Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let separator = if path.is_empty() { "" } else { "." };
                    collect(&format!("{path}{separator}{name}"), value, found);
                }
            }
            value => found.push((path.to_owned(), value)),
        }
    }
    let mut found = Vec::new();
    let json = serde_json::to_value(settings).expect("JSON");
    collect("", json, &mut found);
    found
}

/// As a value stands in a variable; what is unset has none.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(entries) => {
            let entries: Vec<_> = entries.iter().filter_map(text).collect();
            (!entries.is_empty()).then(|| entries.join(","))
        }
        value => Some(value.to_string()),
    }
}

/// No file at all.
const NO_FILE: &str = "";

/// Values as somebody might write them, right or wrong.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[^\\x00]{1,20}",
        2 => any::<i64>().prop_map(|number| number.to_string()),
        2 => "[0-9]{1,3}",
        3 => "[0-9]{1,20} ?(ns|us|ms|s|m|h|days|years|parsecs)",
        1 => "true|false|open|required|unsafe",
        1 => "[0-9]{1,3}[.][0-9]{1,3}[.]0[.]0(/[0-9]{1,2})?(, ?::1)?",
        1 => "(http|https|redis|rediss|postgres|sqlite)://[ -~]{0,20}",
    ]
}

/// The names that a refusal may give: those of settings and of their sections.
fn is_name(name: &str) -> bool {
    let name = name.to_lowercase();
    settings_of(&Settings::default())
        .iter()
        .any(|(setting, _)| *setting == name || setting.starts_with(&format!("{name}.")))
}

/// What is taken can be written into variables and is taken again.
fn is_taken_again(settings: &Settings) -> Result<(), TestCaseError> {
    let written = settings_of(settings);
    let variables = written
        .iter()
        .filter_map(|(setting, value)| Some((variable(setting), text(value)?)))
        .collect();
    let again = Settings::read(NO_FILE, &variables).map_err(|error| error.to_string());
    prop_assert_eq!(again.map(|again| settings_of(&again)), Ok(written));
    Ok(())
}

#[test]
fn one_of_a_few_words_is_refused_with_all_of_them() {
    for (setting, words) in [
        ("log.format", &["auto", "text", "json"][..]),
        ("database.pooler", &["none", "session"]),
        ("auth.mode", &["open", "required"]),
        ("http.forwarded_header", &["x-forwarded-for", "forwarded"]),
    ] {
        let read = |word: &str| {
            let word = (variable(setting), word.to_owned());
            // The default one is not for a server that others reach.
            let key = ("ADMIN_KEY".to_owned(), "key of the tests".to_owned());
            let variables = Variables::from_iter([word, key]);
            Settings::read(NO_FILE, &variables)
        };
        let refusal = read("s3cret").expect_err(setting).to_string();
        for word in [setting].iter().chain(words) {
            assert!(refusal.contains(word), "{refusal}");
        }
        assert!(!refusal.contains("s3cret"), "{refusal}");
        for word in words {
            read(word).expect(word);
            read(&word.to_uppercase()).expect(word);
        }
    }
}

#[test]
fn what_does_not_exist_is_refused_with_what_may_have_been_meant() {
    for (file, said) in [
        (
            "[http]\nprot = 1",
            "http.prot does not exist: did you mean http.port?",
        ),
        (
            "[htpp]\nport = 1",
            "htpp does not exist: did you mean http?",
        ),
        (
            "port = 1",
            "port does not exist: did you mean http.port or metrics.port?",
        ),
        ("colour = 1", "colour does not exist"),
        (
            "[rate_limit.read]\nqouta = 1",
            "did you mean rate_limit.read.quota?",
        ),
    ] {
        let refusal = Settings::read(file, &Variables::new()).expect_err(file);
        assert!(refusal.to_string().ends_with(said), "{refusal}");
    }
}

/// Found as a panic: twice the longest time there is was asked for.
#[test]
fn the_longest_time_there_is_is_refused() {
    for (setting, _) in settings_of(&Settings::default()) {
        let longest = format!("{}s", u64::MAX);
        let variables = Variables::from_iter([(variable(&setting), longest)]);
        let refused = Settings::read(NO_FILE, &variables).map(|_| ());
        // These are free text.
        let is_text = [
            "admin.key",
            "admin.second_key",
            "http.host",
            "metrics.host",
            "log.filter",
            "traces.service_name",
            "traces.instance",
        ];
        if refused.is_ok() {
            let is_text = is_text.contains(&setting.as_str()) || setting.ends_with("url");
            assert!(is_text, "{setting}");
        }
    }
}

proptest! {
    // There are many settings.
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn any_variable_is_taken_or_refused_by_its_name(
        setting in prop::sample::select(settings_of(&Settings::default())),
        value in value(),
    ) {
        let (setting, _) = setting;
        let variables = Variables::from_iter([(variable(&setting), value)]);
        match Settings::read(NO_FILE, &variables) {
            Ok(settings) => is_taken_again(&settings)?,
            Err(SettingsError::Wrong { name, .. }) => prop_assert!(is_name(&name), "{name}"),
            Err(error) => prop_assert!(false, "{setting}: {error}"),
        }
    }

}

proptest! {
    #[test]
    fn any_file_is_taken_or_refused_without_its_secrets(
        lines in prop::collection::vec(
            prop_oneof![
                "[ -~]{0,30}",
                "\\[(http|admin|database|rate_limit[.]read|[a-z]{1,5})\\]",
                "(port|key|url|host|quota|keep_alive|trusted_proxies) ?= ?[\"'\\[{]?[ -~]{0,12}[\"'\\]}]?",
            ],
            0..6,
        ),
        place in any::<prop::sample::Index>(),
        secret in "(key|url|second_key|password) ?=? ?[\"']?geheim[\"']?[ -~]{0,3}",
    ) {
        let mut lines = lines;
        lines.insert(place.index(lines.len() + 1), secret);
        if let Err(error) = Settings::read(&lines.join("\n"), &Variables::new()) {
            prop_assert!(!error.to_string().contains("geheim"), "{error}");
        }
    }

    #[test]
    fn any_url_is_understood_or_refused_by_the_name_of_the_setting(
        scheme in "(postgres|postgresql[+]x|redis|rediss|sqlite|mysql|[a-z]{0,4})",
        rest in prop_oneof![
            "[^\\x00]{0,30}",
            "[a-z]{0,3}:geheim@[a-z0-9.:\\[\\]-]{0,9}(/[a-z0-9]{0,3})?([?&][a-z]{1,9}=[!-~]{0,9})*",
        ],
    ) {
        let url = format!("{scheme}://{rest}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        for setting in ["database.url", "database.replica_url", "redis.url"] {
            let mut variables = Variables::from_iter([(variable(setting), url.clone())]);
            if setting == "database.replica_url" {
                variables.insert("DATABASE_URL".to_owned(), "postgres://h/d".to_owned());
            }
            let settings = Settings::read(NO_FILE, &variables);
            let Err(failure) = Plan::try_new(&settings.expect("text")) else {
                continue;
            };
            let failure = failure.to_string();
            prop_assert!(failure.contains(setting), "{failure}");
            // A path is no secret.
            prop_assert!(scheme == "sqlite" || !failure.contains("geheim"), "{failure}");
        }
    }
}
