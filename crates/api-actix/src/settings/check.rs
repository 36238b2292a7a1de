//! Which values are possible: every number and every wait has an end.

use std::num::NonZeroUsize;
use std::time::Duration;

use domain::model::SeatCount;

use super::{AuthMode, DAY, DEFAULT_ADMIN_KEY, Settings, SettingsError, wrong};

impl Settings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        self.check_numbers()?;
        SeatCount::try_new(self.booking.seats_max.into())
            .map_err(|invalid| wrong("booking.seats_max", invalid.to_string()))?;
        if !(DAY..=36_500 * DAY).contains(&self.idempotency.keep) {
            let problem = "must be between 24h, which clients rely on, and 36500days";
            return Err(wrong("idempotency.keep", problem));
        }
        self.check_admin_keys()?;
        self.check_auth()?;
        let booking = self.database.acquire_timeout + 2 * self.database.statement_timeout;
        if self.gate.lease_ttl <= booking {
            return Err(wrong(
                "gate.lease_ttl",
                "must be longer than database.acquire_timeout and twice \
                 database.statement_timeout: a lease must outlive its booking",
            ));
        }
        self.rate_limit.policies()?;
        self.check_waits()
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
            ("http.keep_alive", self.http.keep_alive),
            ("http.shutdown_timeout", self.http.shutdown_timeout),
            ("database.acquire_timeout", self.database.acquire_timeout),
            ("database.connect_timeout", self.database.connect_timeout),
            ("database.lock_timeout", self.database.lock_timeout),
            (
                "database.statement_timeout",
                self.database.statement_timeout,
            ),
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
                "http.connections_per_worker_max",
                self.http.connections_per_worker_max.get(),
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
