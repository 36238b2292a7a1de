//! `[traces]`: where what requests wait for is sent, as spans of OpenTelemetry.

use actix_web::http::Uri;
use serde::{Deserialize, Serialize};

use super::{SettingsError, wrong};

/// Where collectors expect spans, unless an endpoint has a path of its own.
const DEFAULT_PATH: &str = "/v1/traces";

/// The longest name.
const NAME_CHARACTERS_MAX: usize = 255;

/// `[traces]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSettings {
    /// The collector that takes OTLP over HTTP, as in `http://127.0.0.1:4318`; nothing means that
    /// nothing is traced.
    pub endpoint: String,
    /// The part of requests that is traced, from 0 to 1, of those whose callers do not say
    /// (`traceparent`).
    pub sample_ratio: f64,
    /// What the service is called there.
    pub service_name: String,
    /// What this process is called there; unset means something random for each start.
    pub instance: Option<String>,
}

impl Default for TracesSettings {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample_ratio: 0.1,
            service_name: "utsavam".to_owned(),
            instance: None,
        }
    }
}

impl TracesSettings {
    /// Whether anything is traced.
    pub(crate) fn are_wanted(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// The whole URL to which spans are sent.
    pub(crate) fn url(&self) -> String {
        let has_path = self
            .endpoint
            .parse::<Uri>()
            .is_ok_and(|uri| uri.path() != "/");
        match has_path {
            true => self.endpoint.clone(),
            false => format!("{}{DEFAULT_PATH}", self.endpoint.trim_end_matches('/')),
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.are_wanted() && !is_endpoint(&self.endpoint) {
            let problem = "must be a URL such as http://127.0.0.1:4318: http or https, a host, \
                           no user or password, nothing behind the path";
            return Err(wrong("traces.endpoint", problem));
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(wrong("traces.sample_ratio", "must be between 0 and 1"));
        }
        for (name, value) in [
            ("traces.service_name", Some(&self.service_name)),
            ("traces.instance", self.instance.as_ref()),
        ] {
            let fits = |value: &String| {
                (1..=NAME_CHARACTERS_MAX).contains(&value.chars().count())
                    && !value.chars().any(char::is_control)
            };
            if !value.is_none_or(fits) {
                let problem = "must have 1 to 255 characters, and no control characters";
                return Err(wrong(name, problem));
            }
        }
        Ok(())
    }
}

fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
    is_http && uri.host().is_some_and(|host| !host.is_empty()) && !has_user && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(endpoint: &str) -> TracesSettings {
        TracesSettings {
            endpoint: endpoint.to_owned(),
            ..TracesSettings::default()
        }
    }

    #[test]
    fn an_endpoint_without_a_path_gets_the_usual_one() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://[::1]/otlp/spans", "https://[::1]/otlp/spans"),
        ] {
            assert!(to(endpoint).check().is_ok(), "{endpoint}");
            assert_eq!(to(endpoint).url(), url);
        }
    }

    #[test]
    fn a_refusal_names_the_setting() {
        let default = TracesSettings::default;
        for (settings, name) in [
            (to("127.0.0.1:4318"), "traces.endpoint"),
            (to("grpc://127.0.0.1:4317"), "traces.endpoint"),
            (to("http://"), "traces.endpoint"),
            (to("http://u:geheim@host"), "traces.endpoint"),
            (to("http://host/v1/traces?key=geheim"), "traces.endpoint"),
            (
                TracesSettings {
                    sample_ratio: 1.01,
                    ..default()
                },
                "traces.sample_ratio",
            ),
            (
                TracesSettings {
                    sample_ratio: f64::NAN,
                    ..default()
                },
                "traces.sample_ratio",
            ),
            (
                TracesSettings {
                    service_name: String::new(),
                    ..default()
                },
                "traces.service_name",
            ),
            (
                TracesSettings {
                    instance: Some("a\nb".to_owned()),
                    ..default()
                },
                "traces.instance",
            ),
        ] {
            let refusal = settings.check().expect_err(name).to_string();
            assert!(refusal.contains(name), "{refusal}");
            assert!(!refusal.contains("geheim"), "{refusal}");
        }
    }
}
