//! Which values are possible: every number and every wait has an end.

use std::num::NonZeroUsize;
use std::time::Duration;

use actix_web::http::Uri;
use domain::model::SeatCount;

use super::{AuthMode, DAY, DEFAULT_ADMIN_KEY, Settings, SettingsError, wrong};

impl Settings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.check_numbers()?;
        // Before anything that adds them up: the longest time has no double.
        self.check_waits()?;
        SeatCount::try_new(self.booking.seats_max.into())
            .map_err(|invalid| wrong("booking.seats_max", invalid.to_string()))?;
        if !(DAY..=36_500 * DAY).contains(&self.idempotency.keep) {
            let problem = "must be between 24h, which clients rely on, and 36500days";
            return Err(wrong("idempotency.keep", problem));
        }
        self.check_http()?;
        self.check_admin_keys()?;
        self.check_auth()?;
        let database = &self.database;
        let booking =
            database.acquire_timeout + 2 * database.statement_timeout + database.commit_timeout;
        if self.gate.lease_ttl <= booking {
            return Err(wrong(
                "gate.lease_ttl",
                "must be longer than database.acquire_timeout, twice \
                 database.statement_timeout and database.commit_timeout together: a lease must \
                 outlive its booking",
            ));
        }
        self.rate_limit.policies()?;
        self.traces.check()
    }

    fn check_http(&self) -> Result<(), SettingsError> {
        let http = &self.http;
        if http.request_timeout <= http.body_timeout {
            let problem = "must be longer than http.body_timeout, which is a part of it";
            return Err(wrong("http.request_timeout", problem));
        }
        for origin in &http.cors_origins {
            if !is_origin(origin) {
                let problem = "must be a list of origins such as https://shop.example.com: \
                               http or https, a host in lower case, a port that is not the \
                               usual one, nothing behind it";
                return Err(wrong("http.cors_origins", problem));
            }
        }
        if http.hsts_max_age.is_some_and(|age| age > 3_650 * DAY) {
            return Err(wrong("http.hsts_max_age", "must be 3650days at most"));
        }
        Ok(())
    }

    fn check_admin_keys(&self) -> Result<(), SettingsError> {
        for (name, key) in ["admin.key", "admin.second_key"]
            .into_iter()
            .zip(self.admin.keys())
        {
            if key.is_empty() || key.trim() != key || key.chars().any(char::is_control) {
                let problem = "must not be empty and must fit into a header: \
                               no control characters, no white space around it";
                return Err(wrong(name, problem));
            }
            if key == DEFAULT_ADMIN_KEY && !self.is_reached_by_this_machine_alone() {
                let problem = "(ADMIN_KEY) must not be the default one where others can reach \
                               the server, by http.host, http.trusted_proxies, auth.mode or \
                               auth.open_beyond_loopback";
                return Err(wrong(name, problem));
            }
        }
        Ok(())
    }

    fn check_auth(&self) -> Result<(), SettingsError> {
        let auth = &self.auth;
        let is_open = auth.mode == Some(AuthMode::Open);
        if is_open && !self.is_reached_by_this_machine_alone() && !auth.open_beyond_loopback {
            let problem = "must not be open where others can reach the server, by http.host or \
                           http.trusted_proxies, unless auth.open_beyond_loopback is true";
            return Err(wrong("auth.mode", problem));
        }
        for (name, lasts, most) in [
            ("auth.access_lasts", auth.access_lasts, DAY),
            ("auth.refresh_lasts", auth.refresh_lasts, 365 * DAY),
            (
                "auth.password_token_lasts",
                auth.password_token_lasts,
                30 * DAY,
            ),
        ] {
            if !(Duration::from_secs(1)..=most).contains(&lasts) {
                let days = most.as_secs() / DAY.as_secs();
                return Err(wrong(name, format!("must be between 1s and {days}days")));
            }
        }
        Ok(())
    }

    fn check_waits(&self) -> Result<(), SettingsError> {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        let waits = [
            ("http.body_timeout", self.http.body_timeout),
            ("http.head_timeout", self.http.head_timeout),
            ("http.request_timeout", self.http.request_timeout),
            ("http.keep_alive", self.http.keep_alive),
            ("http.shutdown_timeout", self.http.shutdown_timeout),
            ("database.acquire_timeout", self.database.acquire_timeout),
            ("database.connect_timeout", self.database.connect_timeout),
            ("database.answer_timeout", self.database.answer_timeout),
            ("database.lock_timeout", self.database.lock_timeout),
            (
                "database.statement_timeout",
                self.database.statement_timeout,
            ),
            ("database.commit_timeout", self.database.commit_timeout),
            ("database.wait", self.database.wait),
            ("redis.response_timeout", self.redis.response_timeout),
            ("redis.connect_timeout", self.redis.connect_timeout),
            ("redis.cool_down", self.redis.cool_down),
            ("gate.lease_ttl", self.gate.lease_ttl),
            ("gate.reconcile_interval", self.gate.reconcile_interval),
        ];
        for (name, wait) in waits {
            if !(Duration::from_millis(1)..=HOUR).contains(&wait) {
                return Err(wrong(name, "must be between 1ms and 1h"));
            }
        }
        let lag_max = self.database.replica_lag_max;
        if !(Duration::from_millis(50)..=HOUR).contains(&lag_max) {
            let problem = "must be between 50ms and 1h";
            return Err(wrong("database.replica_lag_max", problem));
        }
        if self.http.shutdown_delay > HOUR {
            return Err(wrong("http.shutdown_delay", "must be 1h at most"));
        }
        let interval = self.reconciliation.interval;
        if !interval.is_zero() && !(Duration::from_millis(1)..=DAY).contains(&interval) {
            let problem = "must be between 1ms and 24h, or 0s for never";
            return Err(wrong("reconciliation.interval", problem));
        }
        Ok(())
    }

    /// Every number has an end, far from what anybody needs and near enough
    /// that it can be had.
    fn check_numbers(&self) -> Result<(), SettingsError> {
        let workers = self.http.workers.unwrap_or(NonZeroUsize::MIN);
        let database_pool = usize::try_from(self.database.pool_size).unwrap_or(usize::MAX);
        let numbers = [
            ("http.workers", workers.get(), 512),
            (
                "http.connections_max",
                self.http.connections_max.get(),
                1_000_000,
            ),
            (
                "http.in_flight_max",
                self.http.in_flight_max.get(),
                1_000_000,
            ),
            (
                "http.body_bytes_max",
                self.http.body_bytes_max.get(),
                16 * 1024 * 1024,
            ),
            ("database.pool_size", database_pool, 10_000),
            ("sqlite.readers", self.sqlite.readers.get(), 64),
            ("sqlite.queue_max", self.sqlite.queue_max.get(), 1_000_000),
            (
                "auth.passwords_at_once",
                self.auth.passwords_at_once.get(),
                1_024,
            ),
            ("redis.pool_size", self.redis.pool_size.get(), 10_000),
        ];
        for (name, number, most) in numbers {
            if !(1..=most).contains(&number) {
                return Err(wrong(name, format!("must be between 1 and {most}")));
            }
        }
        Ok(())
    }
}

/// Whether a browser would name a site so: origins are compared byte by byte.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return false;
    };
    let usual_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let port = match uri.port_u16() {
        Some(port) if port == usual_port => return false,
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    let host = host.to_ascii_lowercase();
    !host.contains('*') && text == format!("{scheme}://{host}{port}")
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in [
            "https://shop.example.com",
            "http://localhost:3000",
            "https://127.0.0.1:8443",
            "http://[::1]:3000",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "shop.example.com",
            "https://*.example.com",
            "https://shop.example.com/",
            "https://shop.example.com/page",
            "https://Shop.example.com",
            "https://user@shop.example.com",
            "https://shop.example.com:443",
            "ftp://shop.example.com",
            "https://shop.example.com https://b.example.com",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
